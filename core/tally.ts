import { KEPT_DAYS, sumOf } from './count.ts';

/**
 * Columns of a day. A download is an install, too, and not written down twice: `installs` are those that were no
 * downloads. Their numbers are on disk.
 */
export const columns = { downloads: 0, installs: 1, installs_on_request: 2, build_errors: 3 } as const;
export type Column = (typeof columns)[keyof typeof columns];

/** A column of a day as one number. Also on disk. */
export function cellOf(day: number, column: Column): number {
  return day * 4 + column;
}

/** All counts of one name. */
export class Tally {
  isOurs = false;
  downloads = 0;
  /** The last download; 0 before the first. */
  lastMs = 0;
  readonly versions = new Map<string, number>();
  /**
   * Cells and their counts in turn, in no order. A Map of 30 days takes four times the memory, and the cell that is
   * looked for is nearly always among the last.
   */
  readonly #days: number[] = [];

  get cells(): number {
    return this.#days.length / 2;
  }

  cell(cell: number): number | undefined {
    const at = this.#find(cell);
    return at === -1 ? undefined : this.#days[at + 1];
  }

  setCell(cell: number, count: number): void {
    const at = this.#find(cell);
    if (at === -1) this.#days.push(cell, count);
    else this.#days[at + 1] = count;
  }

  /** Cells, each once, and counts in turn. */
  setCells(days: readonly number[]): void {
    const isEmpty = this.#days.length === 0;
    for (let i = 0; i < days.length; i += 2) {
      const [cell = 0, count = 0] = [days[i], days[i + 1]];
      // Looking for each of many among the others takes long, and at a start there are no others.
      if (isEmpty) this.#days.push(cell, count);
      else this.setCell(cell, count);
    }
  }

  /** Some cells and their counts in turn. */
  daysOf(cells: Iterable<number>): number[] {
    const days: number[] = [];
    for (const cell of cells) days.push(cell, this.cell(cell) ?? 0);
    return days;
  }

  /** All of them that are kept. */
  keptDays(today: number): number[] {
    const first = firstKeptCell(today);
    return this.#days.filter((_, i, days) => (days[i - (i % 2)] ?? 0) >= first);
  }

  /** Forgets days that are too old; how many cells that frees. */
  fold(today: number): number {
    const before = this.cells;
    const first = firstKeptCell(today);
    let kept = 0;
    for (let at = 0; at < this.#days.length; at += 2) {
      if ((this.#days[at] ?? 0) < first) continue;
      this.#days[kept] = this.#days[at] ?? 0;
      this.#days[kept + 1] = this.#days[at + 1] ?? 0;
      kept += 2;
    }
    if (kept < this.#days.length) this.#days.length = kept;
    return before - this.cells;
  }

  /** The sum of some columns over days, both ends included. */
  sum(of: readonly Column[], firstDay: number, lastDay: number): number {
    const [first, last] = [cellOf(firstDay, 0), cellOf(lastDay, 3)];
    let sum = 0;
    for (let at = 0; at < this.#days.length; at += 2) {
      const cell = this.#days[at] ?? 0;
      if (cell >= first && cell <= last && of.includes((cell % 4) as Column))
        sum = sumOf(sum, this.#days[at + 1] ?? 0);
    }
    return sum;
  }

  #find(cell: number): number {
    for (let at = this.#days.length - 2; at >= 0; at -= 2) if (this.#days[at] === cell) return at;
    return -1;
  }
}

export function firstKeptCell(today: number): number {
  return cellOf(today - KEPT_DAYS + 1, 0);
}
