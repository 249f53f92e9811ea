/** Work on many things at the same time, in bounds. */

/**
 * More than the thread pool takes at once. Each may have some files open, and work side by side itself; a process may have
 * 1,024 on many machines.
 */
const MOST_AT_ONCE = 32;

/**
 * The same work for each, many at the same time and never more than a process may have files open for. Throws what failed first;
 * what has not begun by then does not begin.
 */
export async function sideBySide<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const all = [...items];
  const left = all.values();
  let hasFailed = false;
  const lane = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true && !hasFailed; next = left.next())
      try {
        await work(next.value);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(all.length, MOST_AT_ONCE) }, lane));
  for (const ended of lanes) if (ended.status === 'rejected') throw ended.reason;
}

/** So many at the same time; others wait for their turn, in the order in which they came. */
export class AtMost {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The place goes from hand to hand.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}
