/** What a measurement is, and how two things are compared: A B A B in one run, because machines are never quiet. */

/** Where a bench puts what it makes. */
export interface Place {
  readonly name: 'disk' | 'tmpfs';
  readonly directory: string;
}

export type Size = 'small' | 'full';

export interface BenchContext {
  readonly size: Size;
  readonly places: readonly Place[];
  /** A fresh directory of this run in a place; removed when the bench ends. */
  scratch(place: Place): string;
  say(line: string): void;
}

export interface Bench {
  readonly name: string;
  /** What is compared with what. */
  readonly title: string;
  /** @throws Absent when a tool it needs is not there. */
  run(context: BenchContext): Promise<readonly Row[]>;
}

/** A tool that is not on this machine. */
export class Absent extends Error {
  override readonly name = 'Absent';
}

/** One line of the results: ours against a baseline, pair by pair. */
export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly ours: readonly number[];
  readonly baseline: readonly number[];
  /** The figure for `ours / baseline`; absent where a row only explains another. */
  readonly reach?: { readonly atMost: number } | { readonly atLeast: number };
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
  return { min: sorted[0] ?? NaN, median, max: sorted.at(-1) ?? NaN };
}

export function ratiosOf({ ours, baseline }: Row): number[] {
  return ours.map((value, i) => value / (baseline[i] ?? NaN));
}

/** Whether the median pair reaches the figure; undefined for a row without one. */
export function isReached(row: Row): boolean | undefined {
  if (!row.reach) return undefined;
  const { median } = spreadOf(ratiosOf(row));
  return 'atMost' in row.reach ? median <= row.reach.atMost : median >= row.reach.atLeast;
}

/** Measures two things in turn, `rounds` times each. */
export async function alternate(
  rounds: number,
  ours: () => Promise<number>,
  baseline: () => Promise<number>,
): Promise<{ ours: number[]; baseline: number[] }> {
  const result = { ours: [] as number[], baseline: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    result.ours.push(await ours());
    result.baseline.push(await baseline());
  }
  return result;
}

/** Seconds that something takes. */
export async function secondsOf(work: () => unknown): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}
