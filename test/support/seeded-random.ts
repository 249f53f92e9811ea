/** Random choices that can be made again: a failing run prints its seed. */
export interface SeededRandom {
  /** A whole number of [0, below). */
  below(below: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T | undefined;
  /** Up to `count` different items. */
  sample<T>(list: readonly T[], count: number): T[];
}

/** The seed of the environment, or a new one. */
export function chooseSeed(): number {
  return Number(process.env['CAIRN_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
}

/** mulberry32: small, and good enough to scatter moments and choices. */
export function seededRandom(seed: number): SeededRandom {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (list) => list[below(list.length)],
    sample(list, count) {
      const rest = [...list];
      const taken: (typeof rest)[number][] = [];
      while (taken.length < count && rest.length > 0) taken.push(...rest.splice(below(rest.length), 1));
      return taken;
    },
  };
}
