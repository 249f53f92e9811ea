/**
 * Counts on disk: `snapshot-N.ndjson`, written now and then, and `journal-N.ndjson`, a line for each second in which
 * something was counted. A snapshot holds all that journals with lower numbers say. Reading every file in the order of
 * the numbers, a snapshot before its journal, gives the counts, whichever of the files before a snapshot are still
 * there: lines say what counts are, not what is added.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { CounterModel, type CounterLimits } from '../core/counters.ts';
import type { Clock, Counters } from '../core/ports.ts';
import { asSavedCounts } from '../core/saved-counts.ts';
import { isErrno } from './durable-files.ts';

export interface CounterPlace {
  readonly directory: string;
  readonly clock: Clock;
  readonly limits?: CounterLimits;
  /** Names that no answer may tell of. */
  readonly isHidden?: (name: string) => boolean;
  /** Something is wrong with the files. Nothing waits for it to be mended. */
  readonly onTrouble?: (error: Error) => void;
}

export interface CountsFile {
  readonly name: string;
  readonly kind: 'snapshot' | 'journal';
  readonly number: number;
}

export interface LoadedCounts {
  readonly model: CounterModel;
  readonly files: readonly CountsFile[];
  /** Names of files of which not every line could be read. */
  readonly damaged: ReadonlySet<string>;
  /** Of all journals, and of the last snapshot. */
  readonly bytes: Readonly<Record<CountsFile['kind'], number>>;
}

/** The counts as they are on disk by now, for processes that do not count. Changes nothing there. */
export function readCounters({ clock, limits, isHidden, ...place }: CounterPlace): Counters {
  return loadCounts(place, () => new CounterModel(clock, limits, undefined, isHidden)).model;
}

/** A writer that makes a snapshot meanwhile removes what is being read; it does not do so often. */
const TRIES = 10;

/** @throws Error when the directory is there and cannot be listed. */
export function loadCounts(
  { directory, onTrouble = () => undefined }: Pick<CounterPlace, 'directory' | 'onTrouble'>,
  newModel: () => CounterModel,
): LoadedCounts {
  for (let tries = 1; ; tries += 1) {
    const files = countsFiles(directory);
    const [model, damaged, bytes] = [newModel(), new Map<string, unknown>(), { snapshot: 0, journal: 0 }];
    let isGone = false;
    for (const { name, kind } of files) {
      try {
        const size = readFile(join(directory, name), kind, model);
        bytes[kind] = kind === 'journal' ? bytes.journal + size : size;
      } catch (error) {
        isGone ||= isErrno(error, 'ENOENT');
        damaged.set(name, error);
      }
    }
    if (isGone && tries < TRIES) continue;
    for (const [name, cause] of damaged)
      onTrouble(
        new Error(`${join(directory, name)} is damaged; what can be read of it is counted`, { cause }),
      );
    return { model, files, damaged: new Set(damaged.keys()), bytes };
  }
}

/** In the order in which they are read. */
export function countsFiles(directory: string): CountsFile[] {
  return namesIn(directory)
    .flatMap((name): CountsFile[] => {
      const [, kind, digits] = /^(snapshot|journal)-(\d{6,})\.ndjson$/.exec(name) ?? [];
      return kind === 'snapshot' || kind === 'journal' ? [{ name, kind, number: Number(digits) }] : [];
    })
    .sort((a, b) => a.number - b.number || (a.kind === 'snapshot' ? -1 : 1));
}

export function fileName(kind: CountsFile['kind'], number: number): string {
  return `${kind}-${String(number).padStart(6, '0')}.ndjson`;
}

/** The last line of a snapshot: the rest is all there, and what was written. */
export function endOfSnapshot(crc: number): string {
  return `${JSON.stringify({ crc32: crc })}\n`;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    // Nothing was ever counted, or could be.
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return [];
    throw error;
  }
}

/** Every line that can be read counts. @returns how long the file is. @throws TypeError at the end, when there was one that cannot be. */
function readFile(path: string, kind: CountsFile['kind'], model: CounterModel): number {
  const file = openSync(path, 'r');
  try {
    let fault: unknown;
    let crc = 0;
    let end = '';
    for (const line of linesOf(file)) {
      const text = line.toString('utf8');
      if (kind === 'snapshot') {
        end = endOfSnapshot(crc);
        if (`${text}\n` === end) continue;
        crc = crc32('\n', crc32(line, crc));
        end = '';
      }
      try {
        model.apply(asSavedCounts(text));
      } catch (error) {
        fault ??= error;
      }
    }
    if (fault !== undefined) throw new TypeError('a line of it cannot be read', { cause: fault });
    // The end of a journal is cut off by a power cut; a snapshot gets its name when it is whole.
    if (kind === 'snapshot' && end === '') throw new TypeError('its checksum is another');
    return fstatSync(file).size;
  } finally {
    closeSync(file);
  }
}

/** Lines without their ends. Half a line at the end of the file is none. */
function* linesOf(file: number): Iterable<Buffer> {
  const chunk = Buffer.alloc(1 << 20);
  let begun: Buffer[] = [];
  for (let size = readSync(file, chunk); size > 0; size = readSync(file, chunk)) {
    const read = chunk.subarray(0, size);
    let from = 0;
    for (let to = read.indexOf(10); to !== -1; to = read.indexOf(10, from)) {
      yield Buffer.concat([...begun, read.subarray(from, to)]);
      begun = [];
      from = to + 1;
    }
    if (from < size) begun.push(Buffer.from(read.subarray(from)));
  }
}
