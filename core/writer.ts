/**
 * The one place where events come to be. What arrives while an append runs goes into the next one (group commit):
 * a batch is decided in order against the state and its own earlier events, its blobs are committed, then its
 * events are appended in one durable step. Nothing is stored for a request that is refused.
 */
import type { Settings } from '../schema/types.ts';
import { readersOf } from './access.ts';
import { decide, slicesOf, type Command } from './decide.ts';
import { LogDamage, RegistryError } from './errors.ts';
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
import type { Clock, EventLog, Ids, RegistryLog, StagedBlob } from './ports.ts';
import type { Rules, RulesOf } from './rules.ts';
import { requireRoomToOpen, revealedDraft, type Opening } from './sealing.ts';
import type { RegistryState, StateView } from './state.ts';

export interface WriteRequest {
  readonly actor: Actor;
  plan(view: StateView): readonly Command[];
  readonly blobs?: readonly StagedBlob[];
}

export interface WriterDeps {
  readonly log: RegistryLog;
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
  #batch: Promise<void> = Promise.resolve();
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

  /**
   * Resolves when the append that runs now has ended, if one does: the blobs that were committed before have been named by
   * an event, or never will be.
   */
  settled(): Promise<void> {
    return this.#batch;
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
    while (this.#queue.length > 0) {
      const batch = this.#runBatch();
      this.#batch = batch.catch(() => undefined);
      await batch;
    }
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
      if (batch.events.length > 0) await log.append(batch.events, batch.salts);
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
  /** Of the events that are for nobody but those who may see their package. */
  readonly salts = new Map<number, string>();
  readonly #deps: WriterDeps;
  readonly #at: string;
  readonly #packages = new Map<string, Package>();
  readonly #namespaces = new Map<string, Namespace>();
  readonly #last = new Map<string, number>();
  readonly #sealed = new Map<string, readonly number[]>();
  /** Where in `events` the request begins that is being decided. */
  #from = 0;
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

  /** As of before this batch. */
  offered(): ReturnType<StateView['offered']> {
    return this.#deps.state.offered();
  }

  /** As of before this batch. */
  subjectOfTransfer(id: string): ReturnType<StateView['subjectOfTransfer']> {
    return this.#deps.state.subjectOfTransfer(id);
  }

  /** As of before this batch. */
  packagesBy(ecosystem: Package['ecosystem'], found: string): readonly Package[] {
    return this.#deps.state.packagesBy(ecosystem, found);
  }

  /** As of before this batch. */
  keysFrom(ecosystem: Package['ecosystem'], prefix: string): readonly string[] {
    return this.#deps.state.keysFrom(ecosystem, prefix);
  }

  privateReaders(ecosystem: Package['ecosystem'], name: string): readonly string[] | undefined {
    const { state, rulesOf } = this.#deps;
    const namespace = rulesOf(ecosystem).namespaceOf?.(name);
    const isChanged =
      this.#packages.has(state.keyOf({ ecosystem, name, of: 'package' })) ||
      (namespace !== undefined &&
        this.#namespaces.has(state.keyOf({ ecosystem, name: namespace, of: 'namespace' })));
    if (!isChanged) return state.privateReaders(ecosystem, name);
    // What became private, or whoever was let in or put out, a moment ago.
    const of = this.package(ecosystem, name);
    if (of?.visibility !== 'private') return undefined;
    return readersOf({
      package: of,
      namespace: namespace === undefined ? undefined : this.namespace(ecosystem, namespace),
    });
  }

  /** As of before this batch. */
  privateNames(ecosystem: Package['ecosystem']): readonly string[] {
    return this.#deps.state.privateNames(ecosystem);
  }

  /** All of a request's events or none. */
  decide(request: WriteRequest): readonly RegistryEvent[] {
    this.#from = this.events.length;
    this.#undo = [];
    try {
      for (const command of request.plan(this)) this.#decideOne(command, request.actor);
      return this.events.slice(this.#from);
    } catch (error) {
      this.events.length = this.#from;
      for (const step of this.#undo.reverse()) step();
      throw error;
    }
  }

  #set<K, V>(map: Map<K, V>, key: K, value: V): void {
    const old = map.get(key);
    this.#undo.push(() => (old === undefined ? map.delete(key) : map.set(key, old)));
    map.set(key, value);
  }

  #decideOne(command: Command, actor: Actor): void {
    const rules = command.kind === 'change-settings' ? undefined : this.#deps.rulesOf(command.ecosystem);
    const { package: of, namespace } = slicesOf(command, rules);
    const target = of && this.package(of.ecosystem, of.name);
    const drafts = decide(
      command,
      {
        package: target,
        namespace: namespace && this.namespace(namespace.ecosystem, namespace.name),
        settings: this.settings,
      },
      { actor, rules: rules ?? noRules, now: this.#at, isAccount: this.#deps.isAccount },
    );
    if (drafts.length === 0) return;
    const { state } = this.#deps;
    const packageKey = of && state.keyOf({ ...of, of: 'package' });
    const namespaceKey = namespace && state.keyOf({ ...namespace, of: 'namespace' });
    const isSealed = of ? staysPrivate(target, drafts) : this.#sealedOf(namespaceKey).length > 0;
    if (!isSealed) this.#reveal([packageKey, namespaceKey], actor);
    for (const draft of drafts) this.#take(draft, isSealed);
    if (isSealed && of && namespaceKey !== undefined) this.#sealClaim(namespaceKey);
  }

  #sealedOf(key: string | undefined): readonly number[] {
    return key === undefined ? [] : (this.#sealed.get(key) ?? this.#deps.state.sealedOf(key));
  }

  #seal(key: string, event: RegistryEvent): void {
    const salt = this.#deps.ids.secret();
    requireRoomToOpen({ event, salt });
    this.#set(this.salts, event.seq, salt);
    this.#set(this.#sealed, key, [...this.#sealedOf(key), event.seq]);
  }

  /**
   * A namespace is as secret as what is in it: one that this request claims for a private package is sealed with it.
   * The first public package in it reveals it.
   */
  #sealClaim(namespaceKey: string): void {
    const { state, rulesOf } = this.#deps;
    const about: RegistryEvent[] = [];
    for (const event of this.events.slice(this.#from)) {
      const subject = subjectOf(event);
      if (!subject || this.salts.has(event.seq)) continue;
      const { ecosystem, name } = subject;
      const namespace = subject.of === 'namespace' ? name : (rulesOf(ecosystem).namespaceOf?.(name) ?? name);
      if (state.keyOf({ ecosystem, name: namespace, of: 'namespace' }) !== namespaceKey) continue;
      // Its name is in the public log with a package already.
      if (subject.of === 'package') return;
      about.push(event);
    }
    if (about[0]?.kind === 'claimed') for (const event of about) this.#seal(namespaceKey, event);
  }

  /** What is done in public names what came before it: that is opened first, oldest first, all in one append. */
  #reveal(keys: readonly (string | undefined)[], actor: Actor): void {
    const sealed = keys.flatMap((key) => this.#sealedOf(key)).sort((a, b) => a - b);
    for (const seq of sealed) this.#take(revealedDraft(this.#openingOf(seq), actor.handle));
    for (const key of keys) if (key !== undefined && sealed.length > 0) this.#set(this.#sealed, key, []);
  }

  #openingOf(seq: number): Opening {
    const { log } = this.#deps;
    const event = this.events[seq - log.length];
    const salt = this.salts.get(seq);
    const opening = event && salt !== undefined ? { event, salt } : log.openingOf(seq);
    if (!opening) throw new LogDamage(`line ${seq}: what it stands for was known, and is gone`);
    return opening;
  }

  #take(draft: EventDraft, isSealed = false): void {
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
    if (isSealed) this.#seal(key, event);
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

/** Whether what a command does to a package is for nobody but those who may see it. Hiding it is itself public. */
function staysPrivate(before: Package | undefined, drafts: readonly EventDraft[]): boolean {
  let visibility = before?.visibility ?? 'public';
  for (const draft of drafts) if (draft.kind === 'visibility-set') visibility = draft.visibility;
  return visibility === 'private' && before?.visibility !== 'public';
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
