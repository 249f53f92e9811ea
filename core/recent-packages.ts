import type { Package } from './package.ts';

/** Packages that were used last, as many as have a number of releases in all: what they cost in memory follows those. */
export class RecentPackages {
  readonly #maxReleases: number;
  readonly #byKey = new Map<string, Package>();
  #releases = 0;

  constructor(maxReleases: number) {
    this.#maxReleases = maxReleases;
  }

  get(key: string): Package | undefined {
    return this.#byKey.get(key);
  }

  /** The newest is kept, however large it is. */
  set(key: string, state: Package): void {
    this.#delete(key);
    this.#byKey.set(key, state);
    this.#releases += weightOf(state);
    for (const oldest of this.#byKey.keys()) {
      if (this.#releases <= this.#maxReleases || oldest === key) return;
      this.#delete(oldest);
    }
  }

  clear(): void {
    this.#byKey.clear();
    this.#releases = 0;
  }

  #delete(key: string): void {
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
