/**
 * Keeps counts (`core/counters.ts`) in a directory (`counter-files.ts`), one writer each. Whatever happens to the disk,
 * counting goes on in memory, and writing is tried again: nobody waits for a count, and nothing else fails by it.
 */
import { closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { CounterModel } from '../core/counters.ts';
import type { Counters } from '../core/ports.ts';
import {
  countsFiles,
  endOfSnapshot,
  fileName,
  loadCounts,
  type CounterPlace,
  type LoadedCounts,
} from './counter-files.ts';
import { CounterJournal } from './counter-journal.ts';
import { sync, syncPath, writeWhole } from './durable-files.ts';

/** What a killed process may lose. */
const WRITE_EVERY_MS = 1000;
/** Journals of this size, or of the size of the last snapshot, are worth a new one. */
const SNAPSHOT_AFTER_BYTES = 4 << 20;
/** Every start makes a journal; so many are worth a snapshot, too. */
const MOST_JOURNALS = 16;

export interface CounterFileOptions extends CounterPlace {
  readonly snapshotAfterBytes?: number;
  /** Runs something later, once, unless the returned function is called before. */
  readonly later?: (run: () => void, ms: number) => () => void;
}

export class CounterFile {
  readonly counters: Counters;
  readonly #model: CounterModel;
  readonly #options: Required<Omit<CounterFileOptions, 'limits' | 'clock' | 'isHidden'>>;
  /** Whether what was there is known: else writing would replace it. */
  readonly #isKnown: boolean;
  /** Files that are set aside, not removed, when a snapshot replaces them. */
  readonly #damaged: ReadonlySet<string>;
  #number: number;
  #journal: CounterJournal | undefined;
  /** A line that is not yet written, or not all of it. */
  #waiting: Uint8Array | undefined;
  #journalBytes: number;
  #snapshotAt: number;
  #snapshot: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  #isClosed = false;
  /** A trouble is said once, and again when it was over. */
  readonly #troubles = new Set<'write' | 'sync' | 'snapshot'>();

  /** Never fails: a registry without its counts is better than none. */
  constructor({ clock, limits, isHidden, ...options }: CounterFileOptions) {
    this.#options = {
      snapshotAfterBytes: SNAPSHOT_AFTER_BYTES,
      onTrouble: () => undefined,
      later: (run, ms) => {
        const timer = setTimeout(run, ms).unref();
        return () => clearTimeout(timer);
      },
      ...options,
    };
    const newModel = (): CounterModel => new CounterModel(clock, limits, () => this.#saveSoon(), isHidden);
    const loaded = this.#load(newModel);
    this.#isKnown = loaded !== undefined;
    const { model = newModel(), files = [], damaged = new Set<string>(), bytes } = loaded ?? {};
    this.counters = this.#model = model;
    this.#damaged = damaged;
    // Never one that was used: its end may be cut off.
    this.#number = (files.at(-1)?.number ?? 0) + 1;
    this.#journalBytes = bytes?.journal ?? 0;
    const isManyFiles = files.length > MOST_JOURNALS || damaged.size > 0;
    this.#snapshotAt = isManyFiles ? 0 : this.#nextSnapshotAfter(bytes?.snapshot ?? 0);
    if (damaged.size > 0) this.#saveSoon();
  }

  /** What was counted is durable when it returns, and a snapshot made if one is due, unless the disk is in trouble. */
  async save(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    if (!this.#write()) return;
    await this.#sync();
    if (this.#journalBytes >= this.#snapshotAt && !this.#isClosed)
      this.#snapshot ??= this.#makeSnapshot().finally(() => (this.#snapshot = undefined));
    await this.#snapshot;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#snapshot;
    await this.save();
    const journal = this.#journal;
    this.#journal = undefined;
    await this.#guarded('sync', async () => journal?.close());
  }

  #load(newModel: () => CounterModel): LoadedCounts | undefined {
    try {
      return loadCounts(this.#options, newModel);
    } catch (cause) {
      const message = `the counts in ${this.#options.directory} cannot be read; until the next start none are kept`;
      this.#options.onTrouble(new Error(message, { cause }));
      return undefined;
    }
  }

  #saveSoon(): void {
    if (this.#isClosed || !this.#isKnown) return;
    this.#cancel ??= this.#options.later(() => void this.save(), WRITE_EVERY_MS);
  }

  /** @returns whether all is written that was counted. */
  #write(): boolean {
    if (!this.#isKnown) return false;
    try {
      for (;;) {
        this.#waiting ??= this.#nextLine();
        if (!this.#waiting) break;
        this.#openJournal().append(this.#waiting);
        this.#journalBytes += this.#waiting.byteLength;
        // A kill from here on loses nothing of it; before, all of it or, half a line, the same.
        this.#waiting = undefined;
      }
    } catch (error) {
      this.#complain('write', error);
      this.#saveSoon();
      return false;
    }
    this.#troubles.delete('write');
    return true;
  }

  #nextLine(): Uint8Array | undefined {
    const changes = this.#model.changes();
    return changes && Buffer.from(`${JSON.stringify(changes)}\n`);
  }

  #openJournal(): CounterJournal {
    if (this.#journal) return this.#journal;
    const { directory } = this.#options;
    mkdirSync(directory, { recursive: true });
    return (this.#journal = new CounterJournal(join(directory, fileName('journal', this.#number))));
  }

  async #sync(): Promise<void> {
    const wasFine = !this.#troubles.has('sync');
    const isFine = await this.#guarded('sync', async () => this.#journal?.sync());
    // Nobody knows what the disk has of what it failed to sync. A snapshot has it all.
    if (wasFine && !isFine) this.#snapshotAt = 0;
  }

  /** Counting goes on while it is written: see `core/saved-counts.ts`. */
  async #makeSnapshot(): Promise<void> {
    const { directory } = this.#options;
    const number = (this.#number += 1);
    const replaced = this.#journal;
    this.#journal = undefined;
    const [journalBytes, temporary] = [this.#journalBytes, join(directory, `snapshot-${number}.tmp`)];
    // When this one fails, the journals stay, and the next one is not at once.
    this.#snapshotAt = journalBytes + this.#options.snapshotAfterBytes;
    await this.#guarded('sync', async () => replaced?.close());
    await this.#guarded('snapshot', async () => {
      try {
        const size = await this.#writePieces(temporary);
        if (size === undefined) return;
        // What it has of counts that came meanwhile must not be all that is left of them after a power cut.
        if (!this.#write()) throw new Error('the journal cannot be written');
        await this.#journal?.sync();
        renameSync(temporary, join(directory, fileName('snapshot', number)));
        await syncPath(directory);
        // Stopping here, or half way through, leaves files that say nothing else. The next snapshot removes them.
        this.#removeBefore(number);
        this.#journalBytes -= journalBytes;
        this.#snapshotAt = this.#nextSnapshotAfter(size);
      } finally {
        rmSync(temporary, { force: true });
      }
    });
  }

  /** @returns its size; undefined when it was not worth going on. */
  async #writePieces(path: string): Promise<number | undefined> {
    const file = openSync(path, 'w', 0o600);
    try {
      let [size, crc] = [0, 0];
      for (const piece of this.#model.everything()) {
        const line = Buffer.from(`${JSON.stringify(piece)}\n`);
        writeWhole(file, line);
        size += line.byteLength;
        crc = crc32(line, crc);
        await nextTurn();
        if (this.#isClosed) return undefined;
      }
      writeWhole(file, Buffer.from(endOfSnapshot(crc)));
      await sync(file);
      return size;
    } finally {
      closeSync(file);
    }
  }

  #removeBefore(number: number): void {
    const { directory } = this.#options;
    for (const file of countsFiles(directory)) {
      if (file.number >= number) continue;
      const path = join(directory, file.name);
      if (this.#damaged.has(file.name)) renameSync(path, join(directory, `damaged-${file.name}`));
      else rmSync(path);
    }
    // Half-written snapshots of processes that were killed.
    for (const name of readdirSync(directory)) if (name.endsWith('.tmp')) rmSync(join(directory, name));
  }

  #nextSnapshotAfter(lastBytes: number): number {
    return Math.max(this.#options.snapshotAfterBytes, lastBytes);
  }

  async #guarded(what: 'sync' | 'snapshot', run: () => Promise<void>): Promise<boolean> {
    try {
      await run();
      this.#troubles.delete(what);
      return true;
    } catch (error) {
      this.#complain(what, error);
      return false;
    }
  }

  #complain(what: 'write' | 'sync' | 'snapshot', cause: unknown): void {
    if (this.#troubles.has(what)) return;
    this.#troubles.add(what);
    const message = `counts cannot be saved in ${this.#options.directory}; they are kept in memory`;
    this.#options.onTrouble(new Error(message, { cause }));
  }
}
