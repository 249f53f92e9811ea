/**
 * Blobs on their way into a bucket and out of it: never both at once. Nothing can be removed there in the tick in which it is
 * decided. So the blob's file on the shelf goes in that tick, to `leaving/`, the object after it; and whoever brings the
 * same bytes waits until that is over.
 */
import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDigest, type Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import { blobKey } from './blob-keys.ts';
import { leavingIn, type BlobRemover, type BlobShelf } from './blob-shelf.ts';
import type { Bucket } from './bucket.ts';
import { bucketFailure } from './bucket-failure.ts';
import { ensureDirectory, syncDirectories } from './durable-files.ts';
import { setTime } from './held-marks.ts';

/**
 * A removal whose outcome nobody has seen may still be done: by a store that was busy, for a client that has hung up, or was
 * killed. Longer than all attempts of a request together, and the longest that a store goes on working for nobody.
 */
const DOUBT_MS = 10 * 60_000;

const REMOVED_AT_ONCE = 500;

interface Departure {
  readonly over: Promise<void>;
  end(): void;
}

export class BucketCrossings {
  readonly #bucket: Bucket;
  readonly #shelf: BlobShelf;
  readonly #leaving: string;
  /** How many bring it. */
  readonly #arrivals = new Map<Digest, number>();
  /** Taken out, and the store has not answered yet. */
  readonly #departures = new Map<Digest, Departure>();

  constructor(bucket: Bucket, shelf: BlobShelf) {
    this.#bucket = bucket;
    this.#shelf = shelf;
    this.#leaving = leavingIn(shelf);
  }

  /**
   * Nobody removes it while `work` goes on, and every removal that began before is over.
   * @throws RegistryError `storage-failed` while it is not known whether one is
   */
  async arriving<T>(digest: Digest, work: () => Promise<T>): Promise<T> {
    this.#arrivals.set(digest, (this.#arrivals.get(digest) ?? 0) + 1);
    try {
      await this.#departures.get(digest)?.over;
      this.#requireGone(digest);
      return await work();
    } finally {
      const others = (this.#arrivals.get(digest) ?? 1) - 1;
      if (others > 0) this.#arrivals.set(digest, others);
      else this.#arrivals.delete(digest);
    }
  }

  #requireGone(digest: Digest): void {
    const path = this.#leavingPath(digest);
    const doubtMs = this.#doubtMs(path);
    if (doubtMs > 0) {
      const retryAfterSeconds = Math.ceil(doubtMs / 1000);
      throw new RegistryError(
        'storage-failed',
        `${this.#bucket.name} was asked to remove ${digest}, which nobody needed, and has not said that it did: what is brought now could go with it. Try again in ${retryAfterSeconds} seconds`,
        { retryAfterSeconds },
      );
    }
    rmSync(path, { force: true });
  }

  /** Whether it comes or goes, or may be going: who looks at the bucket then cannot tell what will be there. */
  isUnderWay(digest: Digest): boolean {
    return (
      this.#arrivals.has(digest) || this.#departures.has(digest) || existsSync(this.#leavingPath(digest))
    );
  }

  /** See `BlobRemover.takeOut`. From here to the end of `remove`, whoever brings it waits. */
  takeOut(digest: Digest): number | undefined {
    const size = this.#shelf.sizeOf(digest);
    if (size === undefined || this.#arrivals.has(digest)) return undefined;
    const path = this.#shelf.pathOf(digest);
    // In this order: a power cut may leave the first of the two alone, and not the second.
    setTime(path, Date.now());
    renameSync(path, this.#leavingPath(digest));
    this.#depart(digest);
    return size;
  }

  #depart(digest: Digest): void {
    let end = (): void => undefined;
    const over = new Promise<void>((resolve) => (end = resolve));
    this.#departures.set(digest, { over, end });
  }

  /** The objects of what was taken out. @throws RegistryError `storage-failed`: then the next run carries on. */
  async remove(digests: readonly Digest[], { isAgain = false } = {}): Promise<void> {
    if (digests.length === 0) return;
    try {
      // A power cut from here on must not bring back a file whose blob is gone: everybody would count on it.
      const folders = digests.map((digest) => dirname(this.#shelf.pathOf(digest)));
      await syncDirectories([this.#leaving, ...folders]);
      const isOver = await this.#removeObjects(digests);
      for (const digest of digests) this.#conclude(digest, isOver, isAgain);
    } finally {
      for (const digest of digests) {
        this.#departures.get(digest)?.end();
        this.#departures.delete(digest);
      }
    }
  }

  /** Whether nothing of it can be done later: of a request that was repeated, the first may still be. */
  async #removeObjects(digests: readonly Digest[]): Promise<boolean> {
    try {
      const { attempts } = await this.#bucket.removeAll(digests.map(blobKey));
      return attempts === 1;
    } catch (error) {
      for (const digest of digests) this.#conclude(digest, false, false);
      throw bucketFailure(this.#bucket, error);
    }
  }

  /** Stopping before leaves its file in `leaving/`, which says so much: the object may be there, and may go. */
  #conclude(digest: Digest, isOver: boolean, isAgain: boolean): void {
    const path = this.#leavingPath(digest);
    if (!isOver) return setTime(path, Date.now());
    // An earlier request for the same may still be done.
    if (isAgain && this.#doubtMs(path) > 0) return;
    rmSync(path, { force: true });
  }

  /** How long it may still be done, in milliseconds; none where it has not been asked for. */
  #doubtMs(path: string): number {
    const left = statSync(path, { throwIfNoEntry: false });
    return left ? left.mtimeMs + DOUBT_MS - Date.now() : 0;
  }

  /** What was stopped between the two steps, or was not answered, is removed again. */
  async resume(): Promise<void> {
    const names = await readdir(this.#leaving).catch(() => []);
    for (let start = 0; start < names.length; start += REMOVED_AT_ONCE) {
      const batch = names.slice(start, start + REMOVED_AT_ONCE).filter(isDigest);
      const left = batch.filter((digest) => this.#isLeft(digest));
      for (const digest of left) this.#depart(digest);
      await this.remove(left, { isAgain: true });
    }
  }

  #isLeft(digest: Digest): boolean {
    if (this.#arrivals.has(digest) || this.#departures.has(digest)) return false;
    if (this.#shelf.sizeOf(digest) === undefined) return existsSync(this.#leavingPath(digest));
    // It has been brought since, and that this file went was not durable.
    rmSync(this.#leavingPath(digest), { force: true });
    return false;
  }

  async openRemover(onTakenOut: (digest: Digest) => void): Promise<BlobRemover> {
    await ensureDirectory(this.#leaving);
    return new BucketRemover(this, onTakenOut);
  }

  #leavingPath(digest: Digest): string {
    return join(this.#leaving, digest);
  }
}

class BucketRemover implements BlobRemover {
  readonly #crossings: BucketCrossings;
  readonly #onTakenOut: (digest: Digest) => void;
  #out: Digest[] = [];

  constructor(crossings: BucketCrossings, onTakenOut: (digest: Digest) => void) {
    this.#crossings = crossings;
    this.#onTakenOut = onTakenOut;
  }

  takeOut(digest: Digest): number | undefined {
    const size = this.#crossings.takeOut(digest);
    if (size === undefined) return undefined;
    this.#out.push(digest);
    this.#onTakenOut(digest);
    return size;
  }

  free(): Promise<void> {
    return this.#crossings.remove(this.#out.splice(0));
  }

  finish(): Promise<void> {
    return this.free();
  }
}
