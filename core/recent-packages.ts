import type { Package } from './package.ts';

/** Beside the others: putting one together again takes a look at each of its events, after every use of something else. */
const LARGE_KEPT = 2;

/**
 * Packages that were used last, as many as have a number of releases in all: what they cost in memory follows those. Of those
 * that are larger by themselves, a few.
 */
export class RecentPackages {
  readonly #maxReleases: number;
  readonly #byKey = new Map<string, Package>();
  readonly #large = new Map<string, Package>();
  #releases = 0;

  constructor(maxReleases: number) {
    this.#maxReleases = maxReleases;
  }

  get(key: string): Package | undefined {
    return this.#byKey.get(key) ?? this.#large.get(key);
  }

  set(key: string, state: Package): void {
    this.#delete(key);
    if (weightOf(state) > this.#maxReleases) return this.#setLarge(key, state);
    this.#byKey.set(key, state);
    this.#releases += weightOf(state);
    for (const oldest of this.#byKey.keys()) {
      if (this.#releases <= this.#maxReleases) return;
      this.#delete(oldest);
    }
  }

  #setLarge(key: string, state: Package): void {
    this.#large.set(key, state);
    const [oldest] = this.#large.keys();
    if (this.#large.size > LARGE_KEPT && oldest !== undefined) this.#large.delete(oldest);
  }

  clear(): void {
    this.#byKey.clear();
    this.#large.clear();
    this.#releases = 0;
  }

  #delete(key: string): void {
    this.#large.delete(key);
    const known = this.#byKey.get(key);
    if (!known) return;
    this.#byKey.delete(key);
    this.#releases -= weightOf(known);
  }
}

/** A package without releases is something as well. */
function weightOf({ releases }: Package): number {
  return releases.size + 1;
}
