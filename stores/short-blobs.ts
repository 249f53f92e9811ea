import type { Digest } from '../core/digest.ts';

const MOST_BYTES = 16 * 1024 * 1024;
/** Of one blob: what is longer would drive too many others out. */
const SHORT_BYTES = 256 * 1024;

/** Short blobs that were read or brought last, in memory: manifests and readmes are asked for again and again. */
export class ShortBlobs {
  /** The one that was used last is the last one here. */
  readonly #blobs = new Map<Digest, Uint8Array>();
  #bytes = 0;

  get(digest: Digest): Uint8Array | undefined {
    const bytes = this.#blobs.get(digest);
    if (!bytes) return undefined;
    this.#blobs.delete(digest);
    this.#blobs.set(digest, bytes);
    return bytes;
  }

  add(digest: Digest, bytes: Uint8Array): void {
    if (bytes.byteLength > SHORT_BYTES) return;
    this.remove(digest);
    this.#blobs.set(digest, bytes);
    this.#bytes += bytes.byteLength;
    for (const oldest of this.#blobs.keys()) {
      if (this.#bytes <= MOST_BYTES) break;
      this.remove(oldest);
    }
  }

  remove(digest: Digest): void {
    this.#bytes -= this.#blobs.get(digest)?.byteLength ?? 0;
    this.#blobs.delete(digest);
  }
}
