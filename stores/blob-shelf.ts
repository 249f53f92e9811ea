/**
 * Which blobs there are, how long they are and when somebody last needed them: a file of this disk for each, `sha256/ab/<hex>`.
 * In a directory of blobs that file is the blob; of blobs in a bucket it is a hole of the same length. What is asked here is
 * answered in the same tick, which is what lets blobs be removed beside whoever pushes (docs/decisions/0014-gc.md).
 */
import { linkSync, statSync, utimesSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { splitDigest, type Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import type { BlobStore } from '../core/ports.ts';
import { DurableDirectories, ensureDirectory, isErrno } from './durable-files.ts';

export class BlobShelf {
  readonly root: string;
  readonly #directories: DurableDirectories;
  readonly #watches = new Set<Set<Digest>>();

  constructor(root: string) {
    this.root = root;
    this.#directories = new DurableDirectories(root);
  }

  /** Where received bytes wait, and where those go that nobody needs any more. */
  get incoming(): string {
    return join(this.root, 'incoming');
  }

  /** The only process that receives uploads calls this: what an earlier one left half received is removed. */
  async clearIncoming(): Promise<void> {
    await ensureDirectory(this.incoming);
    for (const name of await readdir(this.incoming)) await rm(join(this.incoming, name), { force: true });
  }

  /** The file that stands for a blob. Only a `BlobDirectory` has its bytes there. */
  pathOf(digest: Digest): string {
    const { algorithm, hex } = splitDigest(digest);
    return join(this.root, algorithm, hex.slice(0, 2), hex);
  }

  /** Before `adopt`: where the file will lie is there, durably. */
  async prepare(digest: Digest): Promise<void> {
    await this.#directories.ensure(dirname(this.pathOf(digest)));
  }

  /**
   * Makes a file of this disk the one of a digest. That it is whole, synced and what its digest says is the caller's to
   * know. Synchronous, for what has to be true in the same tick; durable once the directory of the blob is synced, also
   * when an equal one was there: an earlier process may have been cut off right before that step.
   */
  adopt(path: string, digest: Digest): void {
    try {
      // A link and not a rename: equal bytes that are there already are never replaced.
      linkSync(path, this.pathOf(digest));
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    this.renew(digest);
  }

  /**
   * Somebody needs it from now on, however long it has been here: whoever removes old blobs that nobody names goes by
   * this time. @throws RegistryError `not-found`
   */
  renew(digest: Digest): void {
    const now = new Date();
    try {
      utimesSync(this.pathOf(digest), now, now);
    } catch (error) {
      throw isErrno(error, 'ENOENT') ? missingBlob(digest, error) : error;
    }
    for (const watch of this.#watches) watch.add(digest);
  }

  /** Collects what is brought or renewed from now on, until it is stopped. Exact, where a disk keeps times by the second. */
  watch(): { readonly renewed: ReadonlySet<Digest>; stop(): void } {
    const renewed = new Set<Digest>();
    this.#watches.add(renewed);
    return { renewed, stop: () => void this.#watches.delete(renewed) };
  }

  sizeOf(digest: Digest): number | undefined {
    return statSync(this.pathOf(digest), { throwIfNoEntry: false })?.size;
  }
}

/** Where the files of blobs are whose bytes are about to go from elsewhere. */
export function leavingIn({ root }: BlobShelf): string {
  return join(root, 'leaving');
}

export function missingBlob(digest: Digest, cause?: unknown): RegistryError {
  return new RegistryError('not-found', `blob ${digest} is missing`, { cause });
}

/** A blob store with a shelf on this disk, wherever the bytes are. */
export interface ShelvedBlobs extends BlobStore {
  readonly shelf: BlobShelf;
  /**
   * Brings a whole, synced file of this disk, whose digest that is: its bytes are durable where blobs are kept when `keep` is
   * called, and nobody removes them until it is over. `keep` decides when the blob is one: `adopt` is synchronous, and durable
   * once the directory of the blob's file is synced. Stopping before leaves nothing, or garbage.
   */
  bring<T>(path: string, digest: Digest, keep: (adopt: () => void) => Promise<T>): Promise<T>;
  /** The only process that receives uploads calls this first: what an earlier one left half received is removed. */
  clearIncoming(): Promise<void>;
  /** Reads all of it: whether its bytes are still those of its name. */
  isIntact(digest: Digest): Promise<boolean>;
  openRemover(): Promise<BlobRemover>;
  /** Where the bytes lie elsewhere than on the shelf. */
  readonly stock: BlobStock | undefined;
}

/** Removes blobs in two steps, since it may take long to free gigabytes. Stopping in between leaves garbage. */
export interface BlobRemover {
  /**
   * In this very tick: nobody finds it any more once this returns.
   * @returns how many bytes that frees, none where the site links to them still; undefined when it was gone already, or
   * somebody brings it just now.
   */
  takeOut(digest: Digest): number | undefined;
  /** Frees what was taken out. */
  free(): Promise<void>;
  /** Until this has returned a power cut may bring some of them back, as garbage. */
  finish(): Promise<void>;
}

/** Where shelf and bytes are two things: whether they agree. */
export interface BlobStock {
  /** Reads a list of all that is there. What comes and goes meanwhile may be told or not. */
  differences(): AsyncGenerator<StockDifference>;
  /**
   * What is there and not on the shelf gets onto it, as old as it is, so that it is removed by the same rules as the rest; what
   * killed processes have begun there is ended. @returns how many things lie there that are no blobs
   */
  update(): Promise<number>;
}

export type StockDifference =
  /** There, and not on the shelf: what an upload or a removal has left that was stopped. */
  | {
      readonly kind: 'unshelved';
      readonly digest: Digest;
      readonly size: number;
      readonly modifiedMs: number;
    }
  /** On the shelf, and not there, or not as long as it was. */
  | { readonly kind: 'missing'; readonly digest: Digest }
  /** What no blob store has put there. */
  | { readonly kind: 'stranger'; readonly path: string };
