/** Versions that were asked for and are not here. */
import type { RequestedVersion } from './count.ts';

/** Name, version, how often, when last (milliseconds). Also on disk. */
export type MissingVersion = readonly [name: string, version: string, count: number, lastMs: number];

export class MissingVersions {
  readonly #max: number;
  /** The one that was asked for longest ago first: it makes room, so that a flood is forgotten when it is over. */
  readonly #byKey = new Map<string, MissingVersion>();
  /** Those of them that were not written down since they changed, in the same order. */
  readonly #changed = new Map<string, MissingVersion>();

  constructor(max: number) {
    this.#max = max;
  }

  get(name: string, version: string): MissingVersion | undefined {
    return this.#byKey.get(keyOf(name, version));
  }

  set(missing: MissingVersion): void {
    const key = keyOf(missing[0], missing[1]);
    this.#byKey.delete(key);
    this.#byKey.set(key, missing);
    if (this.#byKey.size > this.#max) this.#makeRoom();
  }

  /** Like `set`, and is written down. */
  change(missing: MissingVersion): void {
    this.set(missing);
    const key = keyOf(missing[0], missing[1]);
    this.#changed.delete(key);
    this.#changed.set(key, missing);
  }

  get hasChanged(): boolean {
    return this.#changed.size > 0;
  }

  takeChanged(): MissingVersion[] {
    const changed = [...this.#changed.values()];
    this.#changed.clear();
    return changed;
  }

  all(): MissingVersion[] {
    return [...this.#byKey.values()];
  }

  /** The most wanted first. */
  of(packageName: string, limit: number, isKnown: (version: string) => boolean): RequestedVersion[] {
    return this.all()
      .filter(([name]) => name === packageName)
      .sort(([, a, countA], [, b, countB]) => countB - countA || (a < b ? -1 : 1))
      .slice(0, limit)
      .map(([, version, requestCount, lastMs]) => ({
        packageName,
        version,
        requestCount,
        lastRequestedAt: new Date(lastMs).toISOString(),
        isKnownVersion: isKnown(version),
      }));
  }

  /** A tenth at once: looking for the first of a Map takes the longer the more were deleted before it. */
  #makeRoom(): void {
    let left = Math.ceil(this.#max / 10);
    for (const key of this.#byKey.keys()) {
      if ((left -= 1) < 0) return;
      this.#byKey.delete(key);
      this.#changed.delete(key);
    }
  }
}

/** A version has no `@` in it. */
function keyOf(name: string, version: string): string {
  return `${name}@${version}`;
}
