import { readFileSync, statSync, type Stats } from 'node:fs';
import type { ByteRange, FoundFile, SiteReader } from '../core/ports.ts';
import { isErrno } from './durable-files.ts';
import { lendFile } from './lent-pieces.ts';

/** One that answers at once. */
export interface DirectoryReader extends SiteReader {
  find(path: string, known?: FoundFile): FoundFile | undefined;
}

/** Reads a site directory for the embedded server. Paths come from `sitePath`, which lets nothing out of the root. */
export function siteReader(root: string): DirectoryReader {
  return {
    find(path, known): FoundFile | undefined {
      const full = `${root}/${path}`;
      const found = statOf(full);
      if (found === undefined) return undefined;
      if (known instanceof FileOnDisk && known.is(found)) return known;
      return found.isFile() ? new FileOnDisk(full, found) : undefined;
    },
  };
}

class FileOnDisk implements FoundFile {
  readonly size: number;
  readonly #path: string;
  readonly #inode: number;
  readonly #device: number;
  readonly #modifiedMs: number;
  readonly #changedMs: number;

  constructor(path: string, { size, ino, dev, mtimeMs, ctimeMs }: Stats) {
    this.size = size;
    this.#path = path;
    this.#inode = ino;
    this.#device = dev;
    this.#modifiedMs = mtimeMs;
    this.#changedMs = ctimeMs;
  }

  // Without the time of the last change of the inode, which moves whenever a blob gets one more link.
  get version(): string {
    return `${this.#inode.toString(36)}-${this.#modifiedMs.toString(36)}-${this.size.toString(36)}`;
  }

  /** Whether a look at the path has found this very file, untouched. */
  is({ size, ino, dev, mtimeMs, ctimeMs }: Stats): boolean {
    return (
      ino === this.#inode &&
      mtimeMs === this.#modifiedMs &&
      ctimeMs === this.#changedMs &&
      size === this.size &&
      dev === this.#device
    );
  }

  read(): Uint8Array {
    return readFileSync(this.#path);
  }

  lend(range: ByteRange): AsyncIterable<Uint8Array> {
    return lendFile(this.#path, range);
  }
}

const withoutThrowing = { throwIfNoEntry: false } as const;

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, withoutThrowing);
  } catch (error) {
    // A file where a folder would have to be, or a name that no disk takes: there is no such path.
    if (isErrno(error, 'ENOTDIR') || isErrno(error, 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}
