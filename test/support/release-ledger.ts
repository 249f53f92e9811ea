/**
 * What a client may believe about every release it has written to. An acknowledged write leaves one possible state;
 * a write whose answer never came leaves two, until somebody looks.
 */
export type ReleaseState = 'missing' | 'listed' | 'yanked';

export interface Release {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the archive that was last sent, in hex. */
  digest: string;
}

/** The states that each release may be in; one that is not in it may only be missing. */
export type Possible = ReadonlyMap<Release, ReadonlySet<ReleaseState>>;

export class ReleaseLedger {
  readonly #possible = new Map<Release, Set<ReleaseState>>();
  readonly #recordings = new Set<Map<Release, Set<ReleaseState>>>();
  readonly #touched = new Set<Release>();
  #acknowledged = 0;

  get possible(): Possible {
    return this.#possible;
  }

  get releases(): readonly Release[] {
    return [...this.#possible.keys()];
  }

  /** How many writes have been answered with success. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Releases whose state is still open. */
  get uncertain(): readonly Release[] {
    return this.releases.filter((release) => this.statesOf(release).size > 1);
  }

  statesOf(release: Release): ReadonlySet<ReleaseState> {
    return this.#possible.get(release) ?? new Set<ReleaseState>(['missing']);
  }

  /** Call before the request is sent: from now on it may happen. */
  begin(release: Release, to: ReleaseState): void {
    for (const recording of this.#recordings) {
      const states = recording.get(release) ?? new Set(this.statesOf(release));
      recording.set(release, states.add(to));
    }
    this.#possible.set(release, new Set([...this.statesOf(release), to]));
    this.#touched.add(release);
  }

  /** Call when the answer has arrived whole: from now on it must have happened. */
  acknowledge(release: Release, to: ReleaseState): void {
    this.#possible.set(release, new Set([to]));
    this.#acknowledged += 1;
  }

  /** Somebody looked, after a restart: what was seen has to stay. */
  settle(release: Release, seen: ReleaseState): void {
    this.#possible.set(release, new Set([seen]));
  }

  /** Releases written to since the last call. */
  takeTouched(): readonly Release[] {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  /** Collects every state that a release may be in at any moment from now until `stop`. */
  record(): { stop(): Possible } {
    const recording = new Map([...this.#possible].map(([release, states]) => [release, new Set(states)]));
    this.#recordings.add(recording);
    return {
      stop: () => {
        this.#recordings.delete(recording);
        return recording;
      },
    };
  }
}
