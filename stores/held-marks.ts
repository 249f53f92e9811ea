/**
 * Blobs that are in a place though no event names them there: `<place>/<digest>`, empty files whose times are since
 * when. A mark counts while the blob store has its blob.
 */
import { closeSync, openSync, rmSync, statSync, utimesSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDigest, type Digest } from '../core/digest.ts';
import type { Clock, HeldBlob } from '../core/ports.ts';
import { isSegment } from '../core/site.ts';
import type { BlobShelf } from './blob-shelf.ts';
import { DurableDirectories, isErrno, syncDirectories, syncPath } from './durable-files.ts';
import { placeOfSegment, placeSegment } from './upload-rules.ts';

export class HeldMarks {
  readonly #root: string;
  readonly #shelf: BlobShelf;
  readonly #clock: Clock;
  readonly #directories: DurableDirectories;
  /** Marks that a power cut may still take: an event must not count on them. */
  readonly #unsynced = new Set<string>();

  constructor(root: string, shelf: BlobShelf, clock: Clock) {
    this.#root = root;
    this.#shelf = shelf;
    this.#clock = clock;
    this.#directories = new DurableDirectories(root);
  }

  /** Before `keep`: the directories that it needs. */
  async prepare(place: string, digest: Digest): Promise<void> {
    const directory = dirname(this.#pathOf(place, digest));
    await Promise.all([this.#shelf.prepare(digest), this.#directories.ensure(directory)]);
  }

  /**
   * Holds a blob that `adopt` gives to the blob store, or finds there. All of it happens before the first wait, and
   * whoever decides what may be removed never sees one without the other; the blob is held when it returns. After a
   * power cut in between any part may be gone: a mark without a blob does not count, a blob without a mark is garbage.
   * @param changed what `adopt` changes beside.
   */
  async keep(
    place: string,
    digest: Digest,
    adopt: () => void,
    changed: readonly string[] = [],
  ): Promise<HeldBlob> {
    const mark = this.#pathOf(place, digest);
    const at = this.#clock.now();
    // Until all is synced, and after a sync that failed, it does not count; unless it did before.
    if (!this.held(place, digest)) this.#unsynced.add(mark);
    closeSync(openSync(mark, 'a'));
    setTime(mark, at);
    adopt();
    const size = this.#shelf.sizeOf(digest) ?? 0;
    // The blob's own directory as well: whoever brought it may not have come to that yet.
    const directories = [dirname(mark), dirname(this.#shelf.pathOf(digest)), ...changed];
    await Promise.all([syncPath(mark), syncDirectories(directories)]);
    this.#unsynced.delete(mark);
    return { place, digest, size, at };
  }

  held(place: string, digest: Digest): HeldBlob | undefined {
    if (this.#unsynced.has(this.#pathOf(place, digest)) || this.#shelf.sizeOf(digest) === undefined)
      return undefined;
    return this.marked(place, digest);
  }

  /** Also where the blob store has lost the blob (its size is 0 then): such a mark has to end some time, too. */
  marked(place: string, digest: Digest): HeldBlob | undefined {
    const mark = statSync(this.#pathOf(place, digest), { throwIfNoEntry: false });
    return mark && { place, digest, size: this.#shelf.sizeOf(digest) ?? 0, at: timeOf(mark) };
  }

  async release(place: string, digest: Digest): Promise<boolean> {
    const wasHeld = this.held(place, digest) !== undefined;
    const directory = this.remove(place, digest);
    try {
      // Also when it was gone: an earlier release may have been cut off right before this step.
      await syncPath(directory);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    return wasHeld;
  }

  /** @returns the directory that is to be synced. */
  remove(place: string, digest: Digest): string {
    const mark = this.#pathOf(place, digest);
    rmSync(mark, { force: true });
    return dirname(mark);
  }

  async *all(): AsyncGenerator<HeldBlob> {
    for await (const segment of namesIn(this.#root)) {
      if (!isSegment(segment)) continue;
      for await (const name of namesIn(join(this.#root, segment))) {
        const held = isDigest(name) && this.marked(placeOfSegment(segment), name);
        if (held) yield held;
      }
    }
  }

  async placesOf(digest: Digest): Promise<readonly string[]> {
    const places: string[] = [];
    for await (const segment of namesIn(this.#root)) {
      const place = isSegment(segment) ? placeOfSegment(segment) : undefined;
      if (place !== undefined && this.held(place, digest)) places.push(place);
    }
    return places;
  }

  #pathOf(place: string, digest: Digest): string {
    return join(this.#root, placeSegment(place), digest);
  }
}

/** Nothing where there is no such directory. */
export async function* namesIn(directory: string): AsyncGenerator<string> {
  try {
    for await (const { name } of await opendir(directory)) yield name;
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'ENOTDIR')) throw error;
  }
}

/** In whole milliseconds, which the disk keeps as fractions of seconds. */
export function timeOf({ mtimeMs }: { readonly mtimeMs: number }): number {
  return Math.round(mtimeMs);
}

export function setTime(path: string, ms: number): void {
  utimesSync(path, ms / 1000, ms / 1000);
}
