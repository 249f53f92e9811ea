import type { EcosystemId, Settings } from '../schema/types.ts';
import { readersOf } from './access.ts';
import { LogDamage } from './errors.ts';
import { subjectOf, type RegistryEvent, type Subject } from './event.ts';
import {
  nobody,
  ownersAfter,
  reduceNamespace,
  reducePackage,
  type Namespace,
  type Ownership,
  type Package,
} from './package.ts';
import type { RegistryLog } from './ports.ts';
import { RecentPackages } from './recent-packages.ts';
import type { RulesOf } from './rules.ts';

/** What rules and handlers may ask of the registry. */
export interface StateView {
  readonly settings: Settings;
  package(ecosystem: EcosystemId, name: string): Package | undefined;
  namespace(ecosystem: EcosystemId, name: string): Namespace | undefined;
  /**
   * Handles of those who may see a private package, owners and members of it and of its namespace; undefined when it is
   * public or unknown. Costs the same for each of the three and reads nothing, so that the time of an answer does not tell
   * a stranger which it was.
   */
  privateReaders(ecosystem: EcosystemId, name: string): readonly string[] | undefined;
  /** Name keys of all private packages of an ecosystem, in no order; whoever shows any of them asks for each who may see it. */
  privateNames(ecosystem: EcosystemId): readonly string[];
  /** Packages that are, or once were, found by a key of their ecosystem: one of a release, or a ref with files of its own. Private ones too. */
  packagesBy(ecosystem: EcosystemId, key: string): readonly Package[];
  /** Keys that begin so, in ascending order. */
  keysFrom(ecosystem: EcosystemId, prefix: string): readonly string[];
}

/** Releases kept in memory over all packages, about 2 KB each; a package beyond it is reduced again when asked for. */
const RECENT_RELEASES = 10_000;

/**
 * The registry as the log tells it. Memory holds one number per package, the sequence number of its last event;
 * the rest is reduced on demand by following `prev`, and cached. Disposable: one scan of the log rebuilds it.
 */
export class RegistryState implements StateView {
  readonly #log: RegistryLog;
  readonly #rulesOf: RulesOf;
  readonly #last = new Map<string, number>();
  /** Sealed lines that cannot be opened here. */
  readonly #closed = new Set<number>();
  /** By subject, its sealed events that nobody has revealed yet, in their order. */
  readonly #sealed = new Map<string, Set<number>>();
  /** Owners and members of private packages and of namespaces: asked for before anything is read. */
  readonly #owners = new Map<string, Ownership>();
  /** By ecosystem and key, the packages that were ever found by it, in the order of their first time. */
  readonly #found = new Map<string, Set<string>>();
  /** Made when somebody looks for a beginning. */
  #sortedFound: readonly string[] | undefined;
  /** Names that brought files along, by package and name, the one that was set longest ago first. */
  readonly #refs = new Map<string, number>();
  readonly #recent = new RecentPackages(RECENT_RELEASES);
  /** As they were before their last change, with nearly all of the same objects: whoever renders that change asks for both. */
  readonly #previous = new RecentPackages(RECENT_RELEASES);
  #length = 0;
  #registry: string | undefined;
  #settings: Settings | undefined;

  constructor(log: RegistryLog, rulesOf: RulesOf) {
    this.#log = log;
    this.#rulesOf = rulesOf;
    this.catchUp();
  }

  /** How far in the log this state is. */
  get length(): number {
    return this.#length;
  }

  /** How many sealed lines cannot be opened: what they stand for is missing from everything that this state says. */
  get closedLines(): number {
    return this.#closed.size;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  get registry(): string {
    if (this.#registry === undefined) throw new LogDamage('the log does not start with a genesis event');
    return this.#registry;
  }

  get settings(): Settings {
    if (this.#settings === undefined) throw new LogDamage('the log does not start with a genesis event');
    return this.#settings;
  }

  /** Takes in what the log has seen since. @throws LogDamage when an event does not follow its predecessor. */
  catchUp(): void {
    while (this.#length < this.#log.length) this.#absorb(this.#log.read(this.#length));
  }

  #absorb(event: RegistryEvent): void {
    if ((event.seq === 0) !== (event.kind === 'genesis'))
      throw new LogDamage(`line ${event.seq}: a log starts with its only genesis event`);
    if (event.kind === 'genesis') this.#registry = event.registry;
    if (event.kind === 'genesis' || event.kind === 'settings-changed') this.#settings = event.settings;
    if (event.kind === 'revealed') this.#reveal(event.sealedSeq);
    else if (event.kind === 'sealed') this.#closed.add(event.seq);
    else {
      const key = this.#follow(event);
      if (key !== undefined && this.#log.openingOf(event.seq)) this.#noteSealed(key, event.seq);
    }
    this.#length = event.seq + 1;
  }

  /** An event about a package or a namespace becomes its last one. Returns the key of what it is about. */
  #follow(event: RegistryEvent): string | undefined {
    const subject = subjectOf(event);
    if (!subject) return undefined;
    const key = this.keyOf(subject);
    const last = this.#last.get(key);
    const prev = 'prev' in event ? event.prev : undefined;
    if (prev !== last)
      throw new LogDamage(`line ${event.seq}: its previous event should be ${last}, it says ${prev}`);
    this.#last.set(key, event.seq);
    this.#followOwners(key, subject, event);
    this.#followKeys(key, event);
    return key;
  }

  /**
   * What was sealed is for everybody from here on. Who could open it has taken it in where it stood; who could not
   * does so now. What follows names it as its predecessor.
   */
  #reveal(sealedSeq: number): void {
    this.#closed.delete(sealedSeq);
    const event = this.#log.read(sealedSeq);
    const subject = subjectOf(event);
    if (!subject) return;
    const key = this.keyOf(subject);
    if ((this.#last.get(key) ?? -1) < sealedSeq) this.#follow(event);
    const sealed = this.#sealed.get(key);
    if (sealed?.delete(sealedSeq) && sealed.size === 0) this.#sealed.delete(key);
  }

  #noteSealed(key: string, seq: number): void {
    const sealed = this.#sealed.get(key);
    if (sealed) sealed.add(seq);
    else this.#sealed.set(key, new Set([seq]));
  }

  #followOwners(key: string, subject: Subject, event: RegistryEvent): void {
    if (event.kind === 'visibility-set') {
      const { owners, transfer, settledTransfer, members } = this.packageAt(key, event.seq) ?? nobody;
      if (event.visibility === 'private')
        this.#owners.set(key, { owners, transfer, settledTransfer, members });
      else this.#owners.delete(key);
      return;
    }
    const before = this.#owners.get(key) ?? (subject.of === 'namespace' ? nobody : undefined);
    if (before) this.#owners.set(key, ownersAfter(before, event));
  }

  #followKeys(key: string, event: RegistryEvent): void {
    if (!('ecosystem' in event)) return;
    const { ecosystem } = event;
    if (event.kind === 'published')
      for (const found of event.keys ?? []) this.#find(ecosystem, found).add(key);
    if (event.kind === 'withdrawn' && event.version === undefined)
      for (const id of this.#refs.keys()) if (id.startsWith(`${key} `)) this.#refs.delete(id);
    const isOfRef = event.kind === 'ref-set' || event.kind === 'ref-removed' || event.kind === 'expired';
    if (!isOfRef || event.ref === undefined) return;
    // Again at the end: it is as old as its last change.
    this.#refs.delete(`${key} ${event.ref}`);
    if (event.kind === 'ref-set' && event.artifacts) {
      this.#refs.set(`${key} ${event.ref}`, event.seq);
      this.#find(ecosystem, event.ref).add(key);
    } else this.#forget(ecosystem, event.ref, key);
  }

  #find(ecosystem: EcosystemId, found: string): Set<string> {
    const known = this.#found.get(`${ecosystem}/${found}`);
    if (known) return known;
    const added = new Set<string>();
    this.#found.set(`${ecosystem}/${found}`, added);
    this.#sortedFound = undefined;
    return added;
  }

  #forget(ecosystem: EcosystemId, found: string, key: string): void {
    const known = this.#found.get(`${ecosystem}/${found}`);
    if (known?.delete(key) && known.size === 0) {
      this.#found.delete(`${ecosystem}/${found}`);
      this.#sortedFound = undefined;
    }
  }

  packagesBy(ecosystem: EcosystemId, found: string): readonly Package[] {
    return this.packageKeysBy(ecosystem, found).flatMap((key) => this.packageByKey(key) ?? []);
  }

  keysFrom(ecosystem: EcosystemId, prefix: string): readonly string[] {
    this.#sortedFound ??= [...this.#found.keys()].sort();
    const wanted = `${ecosystem}/${prefix}`;
    const keys = [];
    for (let i = firstFrom(this.#sortedFound, wanted); this.#sortedFound[i]?.startsWith(wanted); i += 1)
      keys.push(this.#sortedFound[i]?.slice(ecosystem.length + 1) ?? '');
    return keys;
  }

  packageKeysBy(ecosystem: EcosystemId, found: string): readonly string[] {
    return [...(this.#found.get(`${ecosystem}/${found}`) ?? [])];
  }

  /** Every key that packages of these ecosystems are found by. */
  *foundBy(of: readonly EcosystemId[]): Iterable<{ ecosystem: EcosystemId; found: string }> {
    for (const key of this.#found.keys()) {
      const slash = key.indexOf('/');
      const ecosystem = of.find((id) => id === key.slice(0, slash));
      if (ecosystem) yield { ecosystem, found: key.slice(slash + 1) };
    }
  }

  /** Names with files of their own that were set before a time (RFC 3339, UTC), the oldest first. */
  refsSetBefore(time: string): readonly { ecosystem: EcosystemId; name: string; ref: string }[] {
    const found = [];
    for (const seq of this.#refs.values()) {
      const event = this.#log.read(seq);
      if (event.at >= time) break;
      if (event.kind === 'ref-set')
        found.push({ ecosystem: event.ecosystem, name: event.name, ref: event.ref });
    }
    return found;
  }

  keyOf(subject: Subject): string {
    if (subject.of === 'namespace') return `${subject.ecosystem}/namespace/${subject.name}`;
    return `${subject.ecosystem}/package/${this.#rulesOf(subject.ecosystem).nameKey(subject.name)}`;
  }

  /** Sequence number of a subject's last event, for its next event's `prev`. */
  lastSeq(subject: Subject): number | undefined {
    return this.#last.get(this.keyOf(subject));
  }

  /** Sealed events of a subject that nobody has revealed yet: what going public has to open. */
  sealedOf(key: string): readonly number[] {
    return [...(this.#sealed.get(key) ?? [])];
  }

  privateReaders(ecosystem: EcosystemId, name: string): readonly string[] | undefined {
    const ofPackage = this.#owners.get(this.keyOf({ ecosystem, name, of: 'package' }));
    const namespace = this.#rulesOf(ecosystem).namespaceOf?.(name);
    const ofNamespace =
      namespace === undefined
        ? undefined
        : this.#owners.get(this.keyOf({ ecosystem, name: namespace, of: 'namespace' }));
    // Listed for every name alike, whether they are asked for or not.
    const readers = readersOf({ package: ofPackage, namespace: ofNamespace });
    return ofPackage && readers;
  }

  privateNames(ecosystem: EcosystemId): readonly string[] {
    const prefix = `${ecosystem}/package/`;
    return [...this.#owners.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length));
  }

  /** Keys of every package of these ecosystems, in ascending order. */
  packageKeys(of: readonly EcosystemId[]): string[] {
    const prefixes = of.map((ecosystem) => `${ecosystem}/package/`);
    return [...this.#last.keys()].filter((key) => prefixes.some((prefix) => key.startsWith(prefix))).sort();
  }

  package(ecosystem: EcosystemId, name: string): Package | undefined {
    return this.packageByKey(this.keyOf({ ecosystem, name, of: 'package' }));
  }

  packageByKey(key: string): Package | undefined {
    const last = this.#last.get(key);
    if (last === undefined) return undefined;
    const cached = this.#recent.get(key);
    if (cached?.lastSeq === last) return this.#remember(key, cached);
    const reduced = this.reduce(cached, this.#chain(last, cached ? cached.lastSeq : -1));
    if (cached) this.#previous.set(key, cached);
    return reduced && this.#remember(key, reduced);
  }

  /** The package as it stood when the log had `length` events. Not cached: made for those who pass over everything. */
  packageAt(key: string, length: number): Package | undefined {
    const last = this.#last.get(key);
    if (last === undefined) return undefined;
    return this.reduce(
      undefined,
      this.#chain(last, -1).filter((event) => event.seq < length),
    );
  }

  /** The package before an event about it. Whoever has just decided that event, or asked for what came of it, has left it at hand. */
  packageBefore(key: string, event: RegistryEvent): Package | undefined {
    for (const known of [this.#recent.get(key), this.#previous.get(key)])
      if (known && 'prev' in event && event.prev === known.lastSeq) return known;
    return this.packageAt(key, event.seq);
  }

  namespace(ecosystem: EcosystemId, name: string): Namespace | undefined {
    return reduceNamespace(undefined, this.eventsOf({ ecosystem, name, of: 'namespace' }));
  }

  /** Events of one subject, oldest first; empty when it is unknown. */
  eventsOf(subject: Subject): readonly RegistryEvent[] {
    const last = this.#last.get(this.keyOf(subject));
    return last === undefined ? [] : this.#chain(last, -1);
  }

  reduce(before: Package | undefined, events: readonly RegistryEvent[]): Package | undefined {
    const first = events[0];
    if (!first || !('ecosystem' in first)) return before;
    return reducePackage(before, events, this.#rulesOf(first.ecosystem));
  }

  /** Events from `last` back to the one after `stop`, oldest first. */
  #chain(last: number, stop: number): RegistryEvent[] {
    const events: RegistryEvent[] = [];
    for (let seq: number | undefined = last; seq !== undefined && seq > stop;) {
      const event: RegistryEvent = this.#log.read(seq);
      events.push(event);
      seq = 'prev' in event ? event.prev : undefined;
    }
    return events.reverse();
  }

  #remember(key: string, reduced: Package): Package {
    this.#recent.set(key, reduced);
    return reduced;
  }
}

/** Index of the first that is not below `wanted`. */
function firstFrom(sorted: readonly string[], wanted: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? '') < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
