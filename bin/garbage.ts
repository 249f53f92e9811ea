/**
 * Removes the blobs that nobody needs, beside whoever pushes (docs/decisions/0014-gc.md). Only the process that writes the log
 * may do that: it sees every blob that comes and every event before it counts.
 */
import { DigestSet } from '../core/digest-set.ts';
import type { Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import {
  endOfPushes,
  isDue,
  Sum,
  type Amount,
  type GarbageProgress,
  type GarbageReport,
  type GarbageWish,
} from '../core/garbage.ts';
import type { Clock, RegistryLog, SiteTarget, UploadStore } from '../core/ports.ts';
import type { RegistryState } from '../core/state.ts';
import type { Writer } from '../core/writer.ts';
import { blobsOfEvent } from '../ecosystems/index.ts';
import type { Publisher } from '../generator/publisher.ts';
import type { ShelvedBlobs } from '../stores/blob-shelf.ts';
import { readUnneeded, UnneededWriter } from '../stores/unneeded-blobs.ts';
import { findUnneeded, noteHeld, noteNamed } from './needed-blobs.ts';
import { takingTurns } from './turns.ts';

export interface GarbageDeps {
  readonly log: RegistryLog;
  readonly state: RegistryState;
  readonly writer: Writer;
  readonly publisher: Publisher;
  readonly site: Pick<SiteTarget, 'hold'>;
  readonly blobs: ShelvedBlobs;
  readonly uploads: UploadStore;
  readonly clock: Clock;
  /** Where it is kept since when blobs have been needed by nobody. */
  readonly notes: string;
}

export class GarbageCollector {
  readonly #deps: GarbageDeps;
  #running: Promise<GarbageReport> | undefined;
  #isStopping = false;
  #progress: GarbageProgress | undefined;

  constructor(deps: GarbageDeps) {
    this.#deps = deps;
  }

  /** Undefined while nothing is collected. */
  get progress(): GarbageProgress | undefined {
    return this.#progress;
  }

  /**
   * Durable when it returns. Stopping anywhere leaves garbage and no more.
   * @throws RegistryError `conflict` while it is not certain what is needed, or when it runs already; `shutting-down`;
   * `storage-failed` where a bucket does not answer: the next run carries on
   */
  async collect(wish: GarbageWish): Promise<GarbageReport> {
    if (this.#isStopping) throw new RegistryError('shutting-down', 'the registry is stopping');
    if (this.#running)
      throw new RegistryError('conflict', 'unneeded blobs are being removed already; wait for that');
    this.#running = this.#run(wish);
    try {
      return await this.#running;
    } finally {
      this.#running = undefined;
      this.#progress = undefined;
    }
  }

  /** Nothing is removed any more when it returns. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running?.catch(() => undefined);
  }

  async #run(wish: GarbageWish): Promise<GarbageReport> {
    const { blobs, uploads, clock } = this.#deps;
    const now = clock.now();
    // Before anything is looked at. Whatever is brought or held from here on is needed, this time.
    const watch = blobs.shelf.watch();
    try {
      // What is in a bucket and nobody here knows of goes by the same rules.
      const strangersElsewhere = (await blobs.stock?.update()) ?? 0;
      const expired = await uploads.expire({ beforeMs: endOfPushes(now, wish) });
      const needed = new DigestSet();
      await noteHeld(needed, uploads);
      const length = await this.#settle();
      const turn = takingTurns(() => this.#isStopping);
      const step = { now, wish, needed, turn };
      await noteNamed(needed, length, { ...this.#deps, turn }, (done, of) => {
        this.#progress = { doing: 'looking at packages', done, of };
      });
      const noted = await this.#note(step);
      const removed = await this.#sweep({ ...step, renewed: watch.renewed, length, due: noted.due.blobs });
      return {
        removed,
        waiting: noted.waiting,
        strangers: noted.strangers + strangersElsewhere,
        needed: needed.size,
        expired: expired.length,
      };
    } finally {
      watch.stop();
    }
  }

  /**
   * What was under way is over: every blob that was committed by now is named by an event, or never will be, and the site needs
   * nothing that those events have taken away. @returns the length of the log that goes for.
   */
  async #settle(): Promise<number> {
    const { log, state, writer, publisher, site } = this.#deps;
    requireWhole(state);
    await writer.settled();
    if (writer.isUnsure)
      throw refused('the log could not be read after a failed write: see /readyz, try again later');
    state.catchUp();
    const { length } = log;
    if ((await publisher.visible(length)) !== 'visible')
      throw refused(
        `the site lags behind the log (${publisher.status.failure ?? 'the registry is stopping'}), and may still need what the log does not`,
      );
    // Catalogs may lag behind the documents: those that are being made now are made of what was there before.
    await (
      await site.hold('roots')
    )();
    return length;
  }

  /** What nobody needs is noted, durably, before any of it goes: what goes now is among it. */
  async #note({ now, wish, needed, turn }: Step): Promise<Noted> {
    const { blobs, notes } = this.#deps;
    const [due, waiting] = [new Sum(), new Sum()];
    let strangers = 0;
    const writer = new UnneededWriter(notes);
    try {
      for await (const found of findUnneeded({ blobs, needed, notes, now, turn })) {
        if (found.kind === 'stranger') strangers += 1;
        else {
          writer.add(found);
          (isDue(found, now, wish) ? due : waiting).add(found.size);
          this.#progress = { doing: 'looking at blobs', done: due.blobs + waiting.blobs };
        }
      }
      await writer.finish();
    } catch (error) {
      writer.abandon();
      throw error;
    }
    return { due: due.amount, waiting: waiting.amount, strangers };
  }

  /** Stopping in the middle leaves notes of what is gone: the next run finds no such blob, and drops them. */
  async #sweep({ now, wish, needed, turn, renewed, length, due }: Sweep): Promise<Amount> {
    const { log, blobs, notes } = this.#deps;
    const removed = new Sum();
    let seen = length;
    const remover = await blobs.openRemover();
    try {
      for await (const batch of batchesOf(readUnneeded(notes), (blob) => isDue(blob, now, wish))) {
        while (seen < log.length) {
          const named = await blobsOfEvent(log.read(seen), (meta) => blobs.read(meta));
          for (const digest of named) needed.add(digest);
          seen += 1;
        }
        // From the last look at the log to the last blob of the batch nothing is waited for: nobody can come in between.
        // Where the bytes lie elsewhere, who brings the same ones again waits until these are gone.
        for (const { digest } of batch) {
          if (renewed.has(digest) || needed.has(digest)) continue;
          const freed = remover.takeOut(digest);
          if (freed !== undefined) removed.add(freed);
        }
        await remover.free();
        this.#progress = { doing: 'removing', done: removed.blobs, of: due };
        await turn();
      }
    } finally {
      await remover.finish();
    }
    return removed.amount;
  }
}

interface Step {
  readonly now: number;
  readonly wish: GarbageWish;
  readonly needed: DigestSet;
  readonly turn: () => Promise<void>;
}

interface Sweep extends Step {
  /** Blobs that somebody brought, or held, since the run began. */
  readonly renewed: ReadonlySet<Digest>;
  /** Of the log that `needed` goes for. */
  readonly length: number;
  readonly due: number;
}

interface Noted {
  readonly due: Amount;
  readonly waiting: Amount;
  readonly strangers: number;
}

/** What sealed lines stand for needs blobs as well. @throws RegistryError `conflict` unless all of them can be opened. */
export function requireWhole({ closedLines }: RegistryState): void {
  if (closedLines > 0)
    throw refused(
      `${closedLines} sealed lines cannot be opened, and what they name would be taken for garbage. Restore private.git from a copy; cairn doctor tells more`,
    );
}

function refused(why: string): RegistryError {
  return new RegistryError('conflict', `nothing is removed: ${why}`);
}

/** Taken out in one go, a few milliseconds in which no request is answered. */
const BATCH_BLOBS = 200;

async function* batchesOf<T>(items: AsyncIterable<T>, isWanted: (item: T) => boolean): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    if (!isWanted(item)) continue;
    batch.push(item);
    if (batch.length < BATCH_BLOBS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
