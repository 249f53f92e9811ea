/**
 * Counts as they are written down: what they are by then, never what was added. So reading a piece twice counts
 * nothing twice, and a snapshot may be taken while counting goes on, as long as all that is written down after its
 * beginning is read after it.
 */
import type { MissingVersion } from './missing-versions.ts';

export type SavedTally = readonly [
  name: string,
  isOurs: 0 | 1,
  downloads: number,
  lastMs: number,
  /** Versions and their downloads in turn: those that changed, or all. */
  versions: readonly (string | number)[],
  /** Cells (`core/tally.ts`) and their counts in turn. */
  days: readonly number[],
];

export interface SavedCounts {
  readonly names: readonly SavedTally[];
  readonly missing: readonly MissingVersion[];
  /** How far other logs were taken. */
  readonly positions: readonly (readonly [source: string, upTo: number])[];
  readonly dropped: number;
}

/** @throws TypeError when a line of a file is something else, or half of one. */
export function asSavedCounts(line: string): SavedCounts {
  const value = parse(line);
  check(isObject(value));
  const { names, missing, positions, dropped } = value;
  check(isCount(dropped));
  check(isList(names) && names.every(isTally));
  check(isList(missing) && missing.every(isMissing));
  check(isList(positions) && positions.every(isPosition));
  return { names, missing, positions, dropped };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new TypeError('not JSON', { cause: error });
  }
}

function check(holds: boolean): asserts holds {
  if (!holds) throw new TypeError('not what counts are saved as');
}

function isTally(value: unknown): value is SavedTally {
  if (!isList(value) || value.length !== 6) return false;
  const [name, isOurs, downloads, lastMs, versions, days] = value;
  return (
    typeof name === 'string' &&
    (isOurs === 0 || isOurs === 1) &&
    isCount(downloads) &&
    isCount(lastMs) &&
    isList(versions) &&
    versions.length % 2 === 0 &&
    versions.every((part, i) => (i % 2 === 0 ? typeof part === 'string' : isCount(part))) &&
    isList(days) &&
    days.length % 2 === 0 &&
    days.every(isCount)
  );
}

function isMissing(value: unknown): value is MissingVersion {
  if (!isList(value) || value.length !== 4) return false;
  const [name, version, count, lastMs] = value;
  return typeof name === 'string' && typeof version === 'string' && isCount(count) && isCount(lastMs);
}

function isPosition(value: unknown): value is readonly [string, number] {
  return isList(value) && value.length === 2 && typeof value[0] === 'string' && isCount(value[1]);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
