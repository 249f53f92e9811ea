import type {
  Advisory,
  Artifact,
  EcosystemId,
  MemberAccess,
  RegistryEvent,
  Signature,
} from '../schema/types.ts';
import type { Json } from './canonical-json.ts';
import { LogDamage } from './errors.ts';
import type { VersionRules } from './rules.ts';

export type { Advisory, Artifact, MemberAccess, Signature };

/** One published version. A change to it is a new object, so that identity tells what changed. */
export interface Release {
  readonly version: string;
  readonly publishedAt: string;
  readonly publishedBy: string;
  readonly artifacts: readonly Artifact[];
  /** What the ecosystem kept of the manifest; for a large one it stands in the blob `metaDigest`. */
  readonly meta: Json | undefined;
  readonly metaDigest: string | undefined;
  readonly signatures: readonly Signature[];
  /** What it is found by apart from its name and number. */
  readonly keys: readonly string[];
  readonly yanked: boolean;
  /** What was said when it was yanked. */
  readonly yankReason: string | undefined;
  readonly deprecated: Deprecation | undefined;
  /** Set when the bytes are gone: the number stays burnt. */
  readonly withdrawnAt: string | undefined;
  /** What was said when they went. */
  readonly withdrawReason: string | undefined;
}

export interface Deprecation {
  readonly at: string;
  readonly message: string | undefined;
  readonly messageDigest: string | undefined;
}

export interface Readme {
  readonly digest: string;
  readonly text: string;
}

export interface Ref {
  readonly target: string;
  readonly setAt: string;
  readonly setBy: string;
  /** Files that belong to no version, and go with this name: a commit package. Empty for a name of a version. */
  readonly artifacts: readonly Artifact[];
  /** What the ecosystem kept to say of them. */
  readonly meta: Json | undefined;
}

export interface FiledAdvisory extends Advisory {
  readonly filedAt: string;
  readonly withdrawnAt: string | undefined;
}

export interface TransferOffer {
  /** As no other one has it. */
  readonly id: string;
  readonly to: string;
  /** Handle of who offered it. */
  readonly from: string;
  readonly offeredAt: string;
  readonly expiresAt: string;
}

export interface EndedTransfer {
  readonly id: string;
  readonly to: string;
  readonly from: string;
  readonly how: 'accepted' | 'cancelled';
}

/** Who may act for a name. Packages have one; namespaces are nothing else. */
export interface Ownership {
  readonly owners: readonly string[];
  readonly transfer: TransferOffer | undefined;
  /** The last one that was accepted or cancelled: who asks for that again is told that it is done. */
  readonly ended: EndedTransfer | undefined;
  /** Whom the owners let in, by handle. What it opens is said in `access.ts`. */
  readonly members: ReadonlyMap<string, MemberAccess>;
}

const noMembers: ReadonlyMap<string, MemberAccess> = new Map();

/** What nobody has claimed. */
export const nobody: Ownership = { owners: [], transfer: undefined, ended: undefined, members: noMembers };

export interface Namespace extends Ownership {
  readonly ecosystem: EcosystemId;
  readonly name: string;
  readonly lastSeq: number;
}

/** Everything the log says about one package. Never changed in place. */
export interface Package extends Ownership {
  readonly ecosystem: EcosystemId;
  readonly name: string;
  readonly createdAt: string;
  /**
   * When, and by which event, more changed than what no document shows: members, and names that bring files of their own
   * along. Commits come and go all day.
   */
  readonly changedAt: string;
  readonly changedSeq: number;
  readonly lastSeq: number;
  readonly visibility: 'public' | 'private';
  /** By version key, in the order of publication. */
  readonly releases: ReadonlyMap<string, Release>;
  readonly refs: ReadonlyMap<string, Ref>;
  readonly advisories: ReadonlyMap<string, FiledAdvisory>;
  /** What the newest says of itself, once it is hydrated: the readme of the release that `latest` points at. */
  readonly readme: Readme | undefined;
  /** Handles of those who marked it as a favourite. */
  readonly stars: ReadonlySet<string>;
  readonly deprecated: Deprecation | undefined;
  readonly withdrawnAt: string | undefined;
}

/** What is of the ownership is only ever replaced. */
type Mutable<T> = {
  -readonly [K in keyof T]: K extends keyof Ownership
    ? T[K]
    : T[K] extends ReadonlyMap<infer A, infer B>
      ? Map<A, B>
      : T[K];
};
type PackageEvent = Extract<RegistryEvent, { ecosystem: EcosystemId }>;

/**
 * Folds events of one package, in log order, into its state. The argument is left as it was; releases that no
 * event touches keep their identity.
 */
export function reducePackage(
  before: Package | undefined,
  events: readonly RegistryEvent[],
  rules: VersionRules,
): Package | undefined {
  let state: Mutable<Package> | undefined;
  for (const event of events) {
    if (!('ecosystem' in event)) continue;
    state ??= before ? copy(before, events) : create(event);
    const isQuiet = isOfMembers(event) || isOfRefWithFiles(state, event);
    apply(state, event, rules);
    state.lastSeq = event.seq;
    if (isQuiet) continue;
    state.changedSeq = event.seq;
    state.changedAt = event.at;
  }
  return state ?? before;
}

function isOfMembers({ kind }: RegistryEvent): boolean {
  return kind === 'member-set' || kind === 'member-removed';
}

function isOfRefWithFiles({ refs }: Pick<Package, 'refs'>, event: PackageEvent): boolean {
  if (event.kind === 'ref-set') return event.artifacts !== undefined;
  if (event.kind !== 'ref-removed' && (event.kind !== 'expired' || event.version !== undefined)) return false;
  return (refs.get(event.ref ?? '')?.artifacts.length ?? 0) > 0;
}

function create(event: PackageEvent): Mutable<Package> {
  return {
    ecosystem: event.ecosystem,
    name: event.name,
    createdAt: event.at,
    changedAt: event.at,
    changedSeq: event.seq,
    lastSeq: event.seq,
    ...nobody,
    visibility: 'public',
    releases: new Map(),
    refs: new Map(),
    advisories: new Map(),
    readme: undefined,
    stars: new Set(),
    deprecated: undefined,
    withdrawnAt: undefined,
  };
}

/** Most releases and names have none: all of those share these. */
const noKeys: readonly string[] = [];
const noArtifacts: readonly Artifact[] = [];

/** What a package is found by apart from its name, and the releases and refs that say so: other objects, another answer. */
export function foundKeysOf(of: Package): ReadonlyMap<string, readonly object[]> {
  const keys = new Map<string, object[]>();
  const note = (found: string, by: object): void => {
    const known = keys.get(found);
    if (known) known.push(by);
    else keys.set(found, [by]);
  };
  for (const release of of.releases.values()) for (const found of release.keys) note(found, release);
  for (const [name, ref] of of.refs) if (ref.artifacts.length > 0) note(name, ref);
  return keys;
}

/** There may be thousands of releases: an event that changes none of them leaves them where they are. */
function leavesReleases(event: RegistryEvent): boolean {
  const { kind } = event;
  if (kind === 'expired') return event.version === undefined;
  if (kind === 'withdrawn') return event.artifact !== undefined;
  if (isOfMembers(event)) return true;
  return kind === 'ref-set' || kind === 'ref-removed' || kind === 'starred' || kind === 'unstarred';
}

/** The same of refs: a package may have thousands of tags. */
function leavesRefs({ kind }: RegistryEvent): boolean {
  return kind === 'published' || kind === 'yanked' || kind === 'unyanked' || kind === 'deprecated';
}

function copy(before: Package, events: readonly RegistryEvent[]): Mutable<Package> {
  const { releases, refs } = before;
  return {
    ...before,
    releases: events.every(leavesReleases) ? (releases as Map<string, Release>) : new Map(releases),
    refs: events.every(leavesRefs) ? (refs as Map<string, Ref>) : new Map(refs),
    advisories: new Map(before.advisories),
  };
}

function apply(state: Mutable<Package>, event: PackageEvent, rules: VersionRules): void {
  const { versionKey } = rules;
  const change = (version: string, patch: Partial<Release>): void => {
    const key = versionKey(version);
    const release = state.releases.get(key);
    if (!release)
      throw new LogDamage(`line ${event.seq}: ${event.kind} of ${event.name} ${version}, never published`);
    state.releases.set(key, { ...release, ...patch });
  };
  const leave = (version: string | undefined, reason?: string): void => {
    if (rules.versionIsDigest) forget(state, version && versionKey(version));
    else withdraw(state, { at: event.at, reason }, version, change);
  };
  switch (event.kind) {
    case 'published':
      state.releases.set(versionKey(event.version), {
        version: event.version,
        publishedAt: event.at,
        publishedBy: event.by,
        artifacts: event.artifacts,
        meta: event.meta,
        metaDigest: event.metaDigest,
        signatures: event.signatures ?? [],
        keys: event.keys ?? noKeys,
        yanked: false,
        yankReason: undefined,
        deprecated: undefined,
        withdrawnAt: undefined,
        withdrawReason: undefined,
      });
      return;
    case 'yanked':
      return change(event.version, { yanked: true, yankReason: event.reason });
    case 'unyanked':
      return change(event.version, { yanked: false, yankReason: undefined });
    case 'deprecated': {
      const deprecated = { at: event.at, message: event.message, messageDigest: event.messageDigest };
      if (event.version === undefined) state.deprecated = deprecated;
      else change(event.version, { deprecated });
      return;
    }
    case 'undeprecated':
      if (event.version === undefined) state.deprecated = undefined;
      else change(event.version, { deprecated: undefined });
      return;
    case 'withdrawn':
      // Of a file that no version names: nothing here knows of it.
      if (event.artifact === undefined) leave(event.version, event.reason);
      return;
    case 'ref-set':
      state.refs.set(event.ref, {
        target: event.target,
        setAt: event.at,
        setBy: event.by,
        artifacts: event.artifacts ?? noArtifacts,
        meta: event.meta,
      });
      return;
    case 'ref-removed':
      state.refs.delete(event.ref);
      return;
    case 'expired':
      if (event.ref !== undefined) state.refs.delete(event.ref);
      if (event.version !== undefined) leave(event.version);
      return;
    case 'starred':
      state.stars = new Set([...state.stars, event.by]);
      return;
    case 'unstarred':
      state.stars = new Set([...state.stars].filter((handle) => handle !== event.by));
      return;
    case 'visibility-set':
      state.visibility = event.visibility;
      return;
    case 'advisory-filed':
      state.advisories.set(event.advisory.id, {
        ...event.advisory,
        filedAt: event.at,
        withdrawnAt: undefined,
      });
      return;
    case 'advisory-withdrawn': {
      const advisory = state.advisories.get(event.advisoryId);
      if (!advisory)
        throw new LogDamage(`line ${event.seq}: withdraws advisory ${event.advisoryId}, never filed`);
      state.advisories.set(event.advisoryId, { ...advisory, withdrawnAt: advisory.withdrawnAt ?? event.at });
      return;
    }
    case 'claimed':
    case 'owner-added':
    case 'owner-removed':
    case 'member-set':
    case 'member-removed':
    case 'transfer-offered':
    case 'transfer-accepted':
    case 'transfer-cancelled':
      Object.assign(state, ownershipAfter(state, event));
      return;
  }
}

function withdraw(
  state: Mutable<Package>,
  { at, reason }: { readonly at: string; readonly reason: string | undefined },
  version: string | undefined,
  change: (version: string, patch: Partial<Release>) => void,
): void {
  // A tombstone: the manifest goes too, and may be gone from the blobs by the time somebody looks.
  const tombstone = { withdrawnAt: at, withdrawReason: reason, meta: undefined, metaDigest: undefined };
  if (version !== undefined) return change(version, tombstone);
  state.withdrawnAt = at;
  for (const [name, { artifacts }] of [...state.refs]) if (artifacts.length > 0) state.refs.delete(name);
  for (const release of [...state.releases.values()])
    if (release.withdrawnAt === undefined) change(release.version, tombstone);
}

/** Of versions that are digests; of all of them when none is named. */
function forget(state: Mutable<Package>, version: string | undefined): void {
  if (version === undefined) {
    state.releases.clear();
    state.refs.clear();
    return;
  }
  state.releases.delete(version);
  for (const [name, { target }] of [...state.refs]) if (target === version) state.refs.delete(name);
}

type OwnershipEvent = Extract<
  PackageEvent,
  { kind: 'claimed' | `owner-${string}` | `member-${string}` | `transfer-${string}` }
>;

/** Who may act for a name after one more event about it; the same object when the event is not about that. */
export function ownersAfter(before: Ownership, event: RegistryEvent): Ownership {
  return isOfOwnership(event) ? ownershipAfter(before, event) : before;
}

const ownershipKinds: Record<OwnershipEvent['kind'], true> = {
  claimed: true,
  'owner-added': true,
  'owner-removed': true,
  'member-set': true,
  'member-removed': true,
  'transfer-offered': true,
  'transfer-accepted': true,
  'transfer-cancelled': true,
};

function isOfOwnership(event: RegistryEvent): event is OwnershipEvent {
  return event.kind in ownershipKinds;
}

function ownershipAfter(before: Ownership, event: OwnershipEvent): Ownership {
  switch (event.kind) {
    case 'claimed':
      return { ...nobody, owners: [event.owner] };
    case 'owner-added':
      return { ...before, owners: [...new Set([...before.owners, event.owner])].sort() };
    case 'owner-removed':
      return { ...before, owners: before.owners.filter((owner) => owner !== event.owner) };
    case 'member-set':
      return { ...before, members: new Map([...before.members, [event.member, event.access]]) };
    case 'member-removed':
      return { ...before, members: without(before.members, event.member) };
    case 'transfer-offered': {
      const { id, to, by: from, at: offeredAt, expiresAt } = event;
      return { ...before, transfer: { id: transferId(id), to, from, offeredAt, expiresAt } };
    }
    case 'transfer-accepted':
      // Whom the former owners let in is out: the new one has not chosen them.
      return before.transfer
        ? { ...nobody, owners: [before.transfer.to], ended: endOf(before.transfer, 'accepted') }
        : before;
    case 'transfer-cancelled':
      return {
        ...before,
        transfer: undefined,
        ended: before.transfer ? endOf(before.transfer, 'cancelled') : before.ended,
      };
  }
}

/** Of an offer, by the id of its event. */
export function transferId(eventId: string): string {
  return `tr_${eventId}`;
}

function endOf({ id, to, from }: TransferOffer, how: EndedTransfer['how']): EndedTransfer {
  return { id, to, from, how };
}

function without<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  return new Map([...map].filter(([each]) => each !== key));
}

/** Folds events of one namespace. A namespace only ever has owners and members. */
export function reduceNamespace(
  before: Namespace | undefined,
  events: readonly RegistryEvent[],
): Namespace | undefined {
  let state = before;
  for (const event of events) {
    if (!('of' in event) || event.of !== 'namespace') continue;
    const base: Namespace = state ?? {
      ecosystem: event.ecosystem,
      name: event.name,
      ...nobody,
      lastSeq: event.seq,
    };
    state = { ...base, ...ownershipAfter(base, event), lastSeq: event.seq };
  }
  return state;
}
