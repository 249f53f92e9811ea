/**
 * The one place where events come to be. What arrives while an append runs goes into the next one (group commit):
 * a batch is decided in order against the state and its own earlier events, its blobs are committed, then its
 * events are appended in one durable step. Nothing is stored for a request that is refused.
 */
import type { Settings } from '../schema/types.ts';
import { decide, slicesOf, type Command } from './decide.ts';
import { RegistryError } from './errors.ts';
import {
  EVENT_FORMAT,
  registryLines,
  subjectOf,
  type EventDraft,
  type LogLine,
  type RegistryEvent,
} from './event.ts';
import { reduceNamespace, type Namespace, type Package } from './package.ts';
import type { Actor } from './permission.ts';
import type { Clock, EventLog, Ids, StagedBlob } from './ports.ts';
import type { Rules, RulesOf } from './rules.ts';
import type { RegistryState, StateView } from './state.ts';

export interface WriteRequest {
  readonly actor: Actor;
  plan(view: StateView): readonly Command[];
  readonly blobs?: readonly StagedBlob[];
}

export interface WriterDeps {
  readonly log: EventLog<RegistryEvent>;
  readonly state: RegistryState;
  readonly rulesOf: RulesOf;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly isAccount: (handle: string) => boolean;
  /** Called after each durable append, before its requests are answered. */
  readonly onAppended?: (events: readonly RegistryEvent[]) => void;
  /** Called after each durable append, with how long it took. */
  readonly onBatch?: (batch: { requests: number; events: number; seconds: number }) => void;
}

/** More would let one commit grow without bound under load; four segments is where a batch stops gaining. */
const MAX_BATCH_EVENTS = 1024;

/** A clock this far behind the log has been set wrong: its times would be lies. */
const MAX_CLOCK_LAG_MS = 5 * 60_000;

/** A disk that failed is looked at this often until it answers. */
const LOOK_AGAIN_MS = 1_000;

interface Waiting {
  readonly request: WriteRequest;
  readonly resolve: (events: readonly RegistryEvent[]) => void;
  readonly reject: (error: unknown) => void;
}

export class Writer {
  readonly #deps: WriterDeps;
  #queue: Waiting[] = [];
  #running: Promise<void> | undefined;
  #closing = false;
  #isUnsure = false;
  #again: NodeJS.Timeout | undefined;

  constructor(deps: WriterDeps) {
    this.#deps = deps;
  }

  /** An append failed, and so did looking at what came of it. It is looked at again, and nothing is decided before that. */
  get isUnsure(): boolean {
    return this.#isUnsure;
  }

  /** Requests that wait for the next append. */
  get waiting(): number {
    return this.#queue.length;
  }

  /**
   * Resolves once the events are durable; they may be none, when nothing had to change.
   * @throws RegistryError a rule's refusal, `storage-failed` when the append failed, `shutting-down`.
   */
  execute(request: WriteRequest): Promise<readonly RegistryEvent[]> {
    if (this.#closing)
      return Promise.reject(
        new RegistryError('shutting-down', 'the registry is stopping; try again shortly'),
      );
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, resolve, reject });
      this.#start();
    });
  }

  /** A request can arrive after the last look at the queue and before the run counts as ended: it starts the next. */
  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#queue.length > 0) this.#start();
    });
  }

  /** Accepted requests finish; new ones are refused. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#again);
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    // A turn of the event loop lets requests that arrived together share the first batch as well.
    await new Promise((resume) => setImmediate(resume));
    // Asked for by nobody but the clock: whoever waits finds it out himself.
    if (this.#isUnsure && this.#queue.length === 0) await this.#reread().catch(() => undefined);
    while (this.#queue.length > 0) await this.#runBatch();
  }

  async #runBatch(): Promise<void> {
    const { log, state, clock, onBatch } = this.#deps;
    const startedMs = onBatch ? clock.now() : 0;
    const batch = await this.#openBatch();
    if (!batch) return;
    const accepted: { waiting: Waiting; events: readonly RegistryEvent[] }[] = [];
    let next: Waiting | undefined;
    while (batch.events.length < MAX_BATCH_EVENTS && (next = this.#queue.shift())) {
      try {
        accepted.push({ waiting: next, events: batch.decide(next.request) });
      } catch (error) {
        next.reject(error);
      }
    }
    try {
      // Stopping here leaves blobs that no event names: garbage, which nobody can ask for.
      await Promise.all(
        accepted.flatMap(({ waiting }) => waiting.request.blobs?.map((blob) => blob.commit()) ?? []),
      );
      if (batch.events.length > 0) await log.append(batch.events);
    } catch (error) {
      const landed = await this.#reread().catch(() => undefined);
      const refusal = error instanceof RegistryError ? error : storageFailed(error, landed?.length === 0);
      for (const { waiting } of accepted) waiting.reject(refusal);
      return;
    }
    state.catchUp();
    if (batch.events.length > 0) {
      this.#deps.onAppended?.(batch.events);
      if (onBatch) {
        const seconds = (clock.now() - startedMs) / 1000;
        onBatch({ requests: accepted.length, events: batch.events.length, seconds });
      }
    }
    for (const { waiting, events } of accepted) waiting.resolve(events);
  }

  /** Undefined when nothing may be written now: the clock or the log is wrong, and all who wait are told so. */
  async #openBatch(): Promise<Batch | undefined> {
    try {
      if (this.#isUnsure) await this.#reread();
      // What a refresh brought may be damaged: nothing is decided on a state that could not take it in.
      this.#deps.state.catchUp();
      return new Batch(this.#deps);
    } catch (error) {
      for (const { reject } of this.#queue.splice(0)) reject(error);
      return undefined;
    }
  }

  #lookAgain(): void {
    if (this.#closing) return;
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.#start(), LOOK_AGAIN_MS);
    this.#again.unref();
  }

  /** The outcome of a failed append is unknown: looks at what is there, and returns what landed all the same. */
  async #reread(): Promise<readonly RegistryEvent[]> {
    const { log, state } = this.#deps;
    // Should looking fail as well, nothing is decided before it has succeeded.
    this.#isUnsure = true;
    await log.refresh().catch((error: unknown) => {
      this.#lookAgain();
      throw error;
    });
    const from = state.length;
    state.catchUp();
    this.#isUnsure = false;
    // The site has to follow the log, whoever was told.
    const landed = Array.from({ length: state.length - from }, (_, i) => log.read(from + i));
    if (landed.length > 0) this.#deps.onAppended?.(landed);
    return landed;
  }
}

/** Whoever is told that nothing was accepted sends it again: it is said only where it is certain. */
function storageFailed(cause: unknown, isNothingStored: boolean): RegistryError {
  return new RegistryError(
    'storage-failed',
    isNothingStored
      ? 'the registry could not store this; nothing was accepted, try again later'
      : 'the registry could not store this for certain; look whether it is there before you try again',
    { cause },
  );
}

/** Decides requests one after the other, each seeing what those before it will have done. */
class Batch implements StateView {
  readonly events: RegistryEvent[] = [];
  readonly #deps: WriterDeps;
  readonly #at: string;
  readonly #packages = new Map<string, Package>();
  readonly #namespaces = new Map<string, Namespace>();
  readonly #last = new Map<string, number>();
  #settings: Settings | undefined;
  #undo: (() => unknown)[] = [];

  constructor(deps: WriterDeps) {
    this.#deps = deps;
    this.#at = timeOfAppend(deps.clock, deps.log);
  }

  get settings(): Settings {
    return this.#settings ?? this.#deps.state.settings;
  }

  package(ecosystem: Package['ecosystem'], name: string): Package | undefined {
    const key = this.#deps.state.keyOf({ ecosystem, name, of: 'package' });
    return this.#packages.get(key) ?? this.#deps.state.packageByKey(key);
  }

  namespace(ecosystem: Package['ecosystem'], name: string): Namespace | undefined {
    const key = this.#deps.state.keyOf({ ecosystem, name, of: 'namespace' });
    return this.#namespaces.get(key) ?? this.#deps.state.namespace(ecosystem, name);
  }

  /** All of a request's events or none. */
  decide(request: WriteRequest): readonly RegistryEvent[] {
    const before = this.events.length;
    this.#undo = [];
    try {
      for (const command of request.plan(this)) this.#decideOne(command, request.actor);
      return this.events.slice(before);
    } catch (error) {
      this.events.length = before;
      for (const step of this.#undo.reverse()) step();
      throw error;
    }
  }

  #set<V>(map: Map<string, V>, key: string, value: V): void {
    const old = map.get(key);
    this.#undo.push(() => (old === undefined ? map.delete(key) : map.set(key, old)));
    map.set(key, value);
  }

  #decideOne(command: Command, actor: Actor): void {
    const rules = command.kind === 'change-settings' ? undefined : this.#deps.rulesOf(command.ecosystem);
    const wanted = slicesOf(command, rules);
    const drafts = decide(
      command,
      {
        package: wanted.package && this.package(wanted.package.ecosystem, wanted.package.name),
        namespace: wanted.namespace && this.namespace(wanted.namespace.ecosystem, wanted.namespace.name),
        settings: this.settings,
      },
      { actor, rules: rules ?? noRules, now: this.#at, isAccount: this.#deps.isAccount },
    );
    for (const draft of drafts) this.#take(draft);
  }

  #take(draft: EventDraft): void {
    const { log, ids, state } = this.#deps;
    const subject = subjectOf(draft);
    const key = subject && state.keyOf(subject);
    const prev = subject && key !== undefined ? (this.#last.get(key) ?? state.lastSeq(subject)) : undefined;
    const event = stamp<RegistryEvent>(draft, {
      seq: log.length + this.events.length,
      id: ids.next(),
      at: this.#at,
      ...(prev === undefined ? {} : { prev }),
    });
    registryLines.encode(event);
    this.events.push(event);
    if (event.kind === 'settings-changed') {
      const old = this.#settings;
      this.#undo.push(() => (this.#settings = old));
      this.#settings = event.settings;
    }
    if (!subject || key === undefined) return;
    this.#set(this.#last, key, event.seq);
    if (subject.of === 'namespace') {
      const reduced = reduceNamespace(this.namespace(subject.ecosystem, subject.name), [event]);
      if (reduced) this.#set(this.#namespaces, key, reduced);
    } else {
      const reduced = state.reduce(this.package(subject.ecosystem, subject.name), [event]);
      if (reduced) this.#set(this.#packages, key, reduced);
    }
  }
}

const noRules: Rules = {
  nameKey: (name) => name,
  versionKey: (version) => version,
  compareVersions: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
  ownedBy: 'package',
};

/**
 * Now, but never before the last event: times never decrease along a log.
 * @throws RegistryError `clock-behind`
 */
export function timeOfAppend<E extends LogLine>(clock: Clock, log: EventLog<E>): string {
  const now = clock.now();
  if (log.length === 0) return new Date(now).toISOString();
  const last = Date.parse(log.read(log.length - 1).at);
  if (now < last - MAX_CLOCK_LAG_MS)
    throw new RegistryError(
      'clock-behind',
      `the clock of this machine is ${Math.round((last - now) / 1000)} seconds behind the log; set it right, nothing is written until then`,
    );
  return new Date(Math.max(now, last)).toISOString();
}

interface Place {
  readonly seq: number;
  readonly id: string;
  readonly at: string;
  readonly prev?: number;
}

/** A draft with its place in the log. */
export function stamp<E extends LogLine>(draft: object, place: Place): E {
  return { v: EVENT_FORMAT, ...place, ...draft } as unknown as E;
}
