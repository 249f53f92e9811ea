/** An entry of an archive, of whatever type. Its content is read, if at all, before the next entry is asked for. */
export interface ArchiveEntry {
  /** Cleaned; never empty. */
  readonly path: string;
  /** `other`: what Zig cannot unpack, such as a hard link or a device. */
  readonly kind: 'file' | 'symlink' | 'directory' | 'other';
  /** Of a symlink; empty for all others. */
  readonly linkTarget: string;
  /** Of a file's content. */
  readonly size: number;
  /** What the archive calls it, for a message: `hard link`. */
  readonly typeName: string;
  content(): AsyncIterable<Uint8Array>;
}
