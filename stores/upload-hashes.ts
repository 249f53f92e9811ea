/** SHA-256 of uploads as they come, so that no byte of most is read again at their end. */
import { createHash, type Hash } from 'node:crypto';

/** Uploads whose bytes are hashed as they come. Those of others are read once more at the end. */
const HASHED_UPLOADS = 1000;

interface Size {
  readonly id: string;
  readonly size: number;
}

export class UploadHashes {
  /** Of the first `size` bytes of an upload; the one that was added to last is the last one here. */
  readonly #hashes = new Map<string, { readonly hash: Hash; readonly size: number }>();

  /** A copy: what is refused leaves the one that is remembered as it was. Undefined where it is not known. */
  soFar({ id, size }: Size): Hash | undefined {
    if (size === 0) return createHash('sha256');
    const known = this.#hashes.get(id);
    return known?.size === size ? known.hash.copy() : undefined;
  }

  remember({ id, size }: Size, hash: Hash): void {
    this.#hashes.delete(id);
    this.#hashes.set(id, { hash, size });
    const [oldest] = this.#hashes.keys();
    if (this.#hashes.size > HASHED_UPLOADS && oldest !== undefined) this.#hashes.delete(oldest);
  }

  forget(id: string): void {
    this.#hashes.delete(id);
  }
}
