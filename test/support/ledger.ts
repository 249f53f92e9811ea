/** The states that each thing may be in; one that is not in it may only be missing. */
export type PossibleStates<Thing, State extends string> = ReadonlyMap<Thing, ReadonlySet<State | 'missing'>>;

/**
 * What a client may believe about everything it has written to. An acknowledged write leaves one possible state;
 * a write whose answer never came leaves two, until somebody looks.
 */
export class Ledger<Thing, State extends string> {
  readonly #possible = new Map<Thing, Set<State | 'missing'>>();
  readonly #recordings = new Set<Map<Thing, Set<State | 'missing'>>>();
  readonly #touched = new Set<Thing>();
  #acknowledged = 0;

  get possible(): PossibleStates<Thing, State> {
    return this.#possible;
  }

  get things(): readonly Thing[] {
    return [...this.#possible.keys()];
  }

  /** How many writes have been answered with success. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** What may be in more than one state. */
  get uncertain(): readonly Thing[] {
    return this.things.filter((thing) => this.statesOf(thing).size > 1);
  }

  statesOf(thing: Thing): ReadonlySet<State | 'missing'> {
    return this.#possible.get(thing) ?? new Set<State | 'missing'>(['missing']);
  }

  /** Call before the request is sent: from now on it may happen. */
  begin(thing: Thing, to: State | 'missing'): void {
    for (const recording of this.#recordings) {
      const states = recording.get(thing) ?? new Set(this.statesOf(thing));
      recording.set(thing, states.add(to));
    }
    this.#possible.set(thing, new Set([...this.statesOf(thing), to]));
    this.#touched.add(thing);
  }

  /** Call when the answer has arrived whole: from now on it must have happened. */
  acknowledge(thing: Thing, to: State | 'missing'): void {
    this.#possible.set(thing, new Set([to]));
    this.#acknowledged += 1;
  }

  /** Somebody looked, after a restart: what was seen has to stay. */
  settle(thing: Thing, seen: State | 'missing'): void {
    this.#possible.set(thing, new Set([seen]));
  }

  /** What was written to since the last call. */
  takeTouched(): readonly Thing[] {
    const touched = [...this.#touched];
    this.#touched.clear();
    return touched;
  }

  /** Collects every state that a thing may be in at any moment from now until `stop`. */
  record(): { stop(): PossibleStates<Thing, State> } {
    const recording = new Map([...this.#possible].map(([thing, states]) => [thing, new Set(states)]));
    this.#recordings.add(recording);
    return {
      stop: () => {
        this.#recordings.delete(recording);
        return recording;
      },
    };
  }
}
