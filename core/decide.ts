/**
 * Every rule of the registry: a command, the slices of state it reads and the actor give events, or a refusal.
 * Pure: the time is an argument, nothing is read, nothing is written. A command that changes nothing gives no events.
 */
import type { EcosystemId, Settings } from '../schema/types.ts';
import { holderOf, isOwnerOf, isReader, mayWrite, readersOf, type Holders } from './access.ts';
import { canonicalJson } from './canonical-json.ts';
import { RegistryError } from './errors.ts';
import type { EventDraft } from './event.ts';
import type {
  Advisory,
  Artifact,
  MemberAccess,
  Namespace,
  Ownership,
  Package,
  Release,
  Signature,
} from './package.ts';
import { isAdministrator, requireScope, type Actor, type Scope } from './permission.ts';
import type { Rules } from './rules.ts';

interface OfName {
  readonly ecosystem: EcosystemId;
  readonly name: string;
}
interface OfSubject extends OfName {
  readonly of?: 'namespace';
}

export type PackageCommand =
  | (OfName & {
      readonly kind: 'publish';
      readonly version: string;
      readonly artifacts: readonly Artifact[];
      readonly meta?: object;
      readonly metaDigest?: string;
      readonly signatures?: readonly Signature[];
      readonly keys?: readonly string[];
      /** Counts when the package does not exist yet: then nothing of it is ever public, its first version included. */
      readonly visibility?: 'private';
    })
  | (OfName & { readonly kind: 'yank'; readonly version: string; readonly reason?: string })
  | (OfName & { readonly kind: 'unyank'; readonly version: string })
  | (OfName & {
      readonly kind: 'deprecate';
      readonly version?: string;
      readonly message?: string;
      readonly messageDigest?: string;
    })
  | (OfName & { readonly kind: 'undeprecate'; readonly version?: string })
  | (OfName & { readonly kind: 'withdraw'; readonly version?: string; readonly reason?: string })
  | (OfName & {
      /** A file that no version names; who asks has made sure of that. For the record: the log says who did it. */
      readonly kind: 'withdraw-artifact';
      readonly artifact: string;
    })
  | (OfName & { readonly kind: 'set-ref'; readonly ref: string; readonly target: string })
  | (OfName & {
      /** A name that brings files along, which belong to no version; the package may be new. What it was set to goes. */
      readonly kind: 'publish-ref';
      readonly ref: string;
      readonly artifacts: readonly [Artifact, ...Artifact[]];
      readonly meta?: object;
      /** As of `publish`. */
      readonly visibility?: 'private';
    })
  | (OfName & { readonly kind: 'remove-ref'; readonly ref: string })
  | (OfName & { readonly kind: 'expire'; readonly version?: string; readonly ref?: string })
  | (OfName & { readonly kind: 'set-visibility'; readonly visibility: 'public' | 'private' })
  | (OfName & { readonly kind: 'star' | 'unstar' })
  | (OfName & { readonly kind: 'file-advisory'; readonly advisory: Advisory })
  | (OfName & { readonly kind: 'withdraw-advisory'; readonly advisoryId: string });

export type OwnershipCommand =
  | (OfSubject & { readonly kind: 'claim'; readonly owner: string })
  | (OfSubject & { readonly kind: 'add-owner'; readonly owner: string })
  | (OfSubject & { readonly kind: 'remove-owner'; readonly owner: string })
  | (OfSubject & { readonly kind: 'set-member'; readonly member: string; readonly access: MemberAccess })
  | (OfSubject & { readonly kind: 'remove-member'; readonly member: string })
  | (OfSubject & { readonly kind: 'offer-transfer'; readonly to: string; readonly expiresAt: string })
  | (OfSubject & { readonly kind: 'accept-transfer' })
  | (OfSubject & { readonly kind: 'cancel-transfer' });

export interface SettingsCommand {
  readonly kind: 'change-settings';
  readonly settings: Settings;
  /** What they were made from: when they have changed since, somebody else's change would be undone. */
  readonly before?: Settings;
}

export type Command = PackageCommand | OwnershipCommand | SettingsCommand;

/** The slices of state a decision reads, and nothing beyond them. */
export interface Slices extends Holders {
  readonly package?: Package | undefined;
  /** The namespace of the package, or the one the command is about. */
  readonly namespace?: Namespace | undefined;
  readonly settings?: Settings | undefined;
}

/** Which slices `decide` will read for a command: what must be loaded, and what a lost race re-reads. */
export function slicesOf(
  command: Command,
  rules: Rules | undefined,
): { package?: OfName; namespace?: OfName } {
  if (command.kind === 'change-settings') return {};
  const { ecosystem, name } = command;
  if ('of' in command && command.of === 'namespace') return { namespace: { ecosystem, name } };
  const namespace = rules?.namespaceOf?.(name);
  return {
    package: { ecosystem, name },
    ...(namespace === undefined ? {} : { namespace: { ecosystem, name: namespace } }),
  };
}

export interface Circumstances {
  readonly actor: Actor;
  readonly rules: Rules;
  /** RFC 3339, UTC. */
  readonly now: string;
  /** Whether somebody of this name is known here: nobody else can be made an owner or a member. */
  readonly isAccount: (handle: string) => boolean;
}

/** @throws RegistryError with the first rule that the command breaks. */
export function decide(command: Command, slices: Slices, at: Circumstances): readonly EventDraft[] {
  if (command.kind === 'change-settings') return changeSettings(command, slices, at);
  const { ecosystem, name } = command;
  const isOfNamespace = 'of' in command && command.of === 'namespace';
  const namespace = isOfNamespace ? name : at.rules.namespaceOf?.(name);
  requireScope(at.actor, scopeOf[command.kind], { ecosystem, name, namespace });
  switch (command.kind) {
    case 'publish':
      return publish(command, slices, at);
    case 'publish-ref':
      return publishRef(command, slices, at);
    case 'claim':
      return claim(command, slices, at);
    case 'add-owner':
    case 'remove-owner':
    case 'offer-transfer':
    case 'accept-transfer':
    case 'cancel-transfer':
      return changeOwnership(command, slices, at);
    case 'set-member':
    case 'remove-member':
      return changeMembers(command, slices, at);
    case 'yank':
    case 'unyank':
    case 'deprecate':
    case 'undeprecate':
    case 'withdraw':
    case 'withdraw-artifact':
    case 'set-ref':
    case 'remove-ref':
    case 'expire':
    case 'set-visibility':
    case 'star':
    case 'unstar':
    case 'file-advisory':
    case 'withdraw-advisory':
      return changePackage(command, slices, at);
  }
}

const scopeOf: Record<PackageCommand['kind'] | OwnershipCommand['kind'], Scope> = {
  publish: 'publish',
  'publish-ref': 'publish',
  'set-ref': 'publish',
  'remove-ref': 'publish',
  claim: 'publish',
  yank: 'yank',
  unyank: 'yank',
  deprecate: 'yank',
  undeprecate: 'yank',
  withdraw: 'yank',
  'withdraw-artifact': 'yank',
  expire: 'admin',
  'set-visibility': 'owner',
  star: 'publish',
  unstar: 'publish',
  'file-advisory': 'owner',
  'withdraw-advisory': 'owner',
  'add-owner': 'owner',
  'remove-owner': 'owner',
  'set-member': 'owner',
  'remove-member': 'owner',
  'offer-transfer': 'owner',
  'accept-transfer': 'owner',
  'cancel-transfer': 'owner',
};

function changeSettings(
  { settings, before }: SettingsCommand,
  slices: Slices,
  { actor, now }: Circumstances,
): readonly EventDraft[] {
  requireScope(actor, 'admin');
  if (before && slices.settings && canonicalJson(before) !== canonicalJson(slices.settings))
    throw new RegistryError(
      'conflict',
      'the settings have changed meanwhile; nothing was changed, try again',
    );
  if (slices.settings && canonicalJson(settings) === canonicalJson(slices.settings)) return [];
  return [{ kind: 'settings-changed', by: actor.handle, settings: datingRetirements(settings, slices, now) }];
}

/** What a key has signed up to now stays good: it ends a millisecond later, and the next event is signed by another. */
function datingRetirements(settings: Settings, slices: Slices, now: string): Settings {
  if (!settings.keys) return settings;
  const retiredAt = new Date(Date.parse(now) + 1).toISOString();
  const keys = settings.keys.map((key) => {
    if (key.retired !== true || key.retiredAt !== undefined) return key;
    const before = slices.settings?.keys?.find(({ id }) => id === key.id);
    return { ...key, retiredAt: before?.retiredAt ?? retiredAt };
  });
  return { ...settings, keys };
}

type Publish = Extract<Command, { kind: 'publish' }>;

function publish(command: Publish, slices: Slices, at: Circumstances): readonly EventDraft[] {
  const { actor, rules } = at;
  const { ecosystem, name, version, artifacts, meta, metaDigest, signatures = [], keys = [] } = command;
  const existing = slices.package;
  requireMayPublish(name, slices, at);
  const isThere = existing?.releases.has(rules.versionKey(version)) === true;
  if (isThere && rules.versionIsDigest) return [];
  if (isThere)
    throw new RegistryError(
      'version-exists',
      `${name} ${version} is already published; publish a new version`,
    );
  const published: EventDraft = {
    kind: 'published',
    by: actor.handle,
    ecosystem,
    name,
    version,
    artifacts: [...artifacts],
    ...(meta === undefined ? {} : { meta }),
    ...(metaDigest === undefined ? {} : { metaDigest }),
    ...(signatures.length > 0 ? { signatures: [...signatures] } : {}),
    ...(keys.length > 0 ? { keys: [...keys] } : {}),
  };
  return [...hidingNew(command, slices, at), ...claimsOf(command, slices, at), published];
}

/** What is new and not for everybody is hidden before anything is said of it. */
function hidingNew(
  { ecosystem, name, visibility }: OfName & { readonly visibility?: 'private' },
  slices: Slices,
  { actor }: Circumstances,
): EventDraft[] {
  if (!visibility || slices.package) return [];
  return [{ kind: 'visibility-set', by: actor.handle, ecosystem, name, visibility }];
}

/** @throws RegistryError `name-taken`, `not-owner` */
function requireMayPublish(name: string, slices: Slices, at: Circumstances): void {
  const { package: existing, namespace } = slices;
  if (existing && existing.name !== name)
    throw new RegistryError(
      'name-taken',
      existing.visibility === 'private'
        ? `${name} is too close to a name that is taken`
        : `${name} is too close to ${existing.name}, which exists`,
    );
  if (holderOf(slices, at.rules)) requireWriter(slices, at);
  else if (!namespace) requireMayTakeNamespace(name, slices, at);
}

/** @throws RegistryError `not-owner` */
function requireMayTakeNamespace(name: string, { settings }: Slices, { actor, rules }: Circumstances): void {
  const namespace = rules.namespaceOf?.(name);
  if (namespace === undefined || !settings || rules.freeNamespaces?.(settings) !== 'own') return;
  if (namespace === actor.handle || actor.byEnvironment || isAdministrator(actor)) return;
  throw new RegistryError(
    'not-owner',
    `${namespace} is not yours: publish below ${actor.handle}/, or ask the operator for ${namespace}`,
  );
}

/**
 * What a first publish takes for its publisher: the name, and its namespace where that is free. A member of a namespace
 * takes it for the owners: whoever is let in to write owns nothing by it, and keeps nothing when put out again.
 */
function claimsOf(
  { ecosystem, name }: OfName,
  slices: Slices,
  { actor, rules }: Circumstances,
): EventDraft[] {
  const { handle } = actor;
  const draft = { by: handle, ecosystem, name } as const;
  const namespace = rules.namespaceOf?.(name);
  const claims: EventDraft[] = [];
  if (namespace !== undefined && !slices.namespace)
    claims.push({ kind: 'claimed', ...draft, name: namespace, of: 'namespace', owner: handle });
  if (rules.ownedBy === 'namespace' || slices.package) return claims;
  const isForOthers =
    slices.namespace && !isAdministrator(actor) && !slices.namespace.owners.includes(handle);
  const [owner = handle, ...others] = isForOthers ? slices.namespace.owners : [];
  claims.push({ kind: 'claimed', ...draft, owner });
  for (const other of others) claims.push({ kind: 'owner-added', ...draft, owner: other });
  return claims;
}

function publishRef(
  command: Extract<Command, { kind: 'publish-ref' }>,
  slices: Slices,
  at: Circumstances,
): readonly EventDraft[] {
  const { ecosystem, name, ref, artifacts, meta } = command;
  requireMayPublish(name, slices, at);
  const set: EventDraft = {
    kind: 'ref-set',
    by: at.actor.handle,
    ecosystem,
    name,
    ref,
    target: artifacts[0].digest,
    artifacts: [...artifacts],
    ...(meta === undefined ? {} : { meta }),
  };
  return [...hidingNew(command, slices, at), ...claimsOf(command, slices, at), set];
}

function claim(
  command: Extract<Command, { kind: 'claim' }>,
  slices: Slices,
  at: Circumstances,
): readonly EventDraft[] {
  const { ecosystem, name, owner, of } = command;
  if (of === 'namespace' && !at.rules.namespaceOf)
    throw new RegistryError('bad-request', `${ecosystem} has no namespaces`);
  if (of === 'namespace' ? slices.namespace : slices.package)
    throw new RegistryError('name-taken', `${name} already has an owner`);
  requireAccount(owner, at);
  return [{ kind: 'claimed', by: at.actor.handle, ecosystem, name, ...(of ? { of } : {}), owner }];
}

function requireOwner(holder: Ownership | undefined, { actor }: Circumstances): void {
  if (isAdministrator(actor) || isOwnerOf(holder, actor)) return;
  throw new RegistryError('not-owner', 'not a package owner');
}

function requireWriter(holders: Holders, { actor, rules }: Circumstances): void {
  if (!mayWrite(actor, holders, rules)) throw new RegistryError('not-owner', 'not a package owner');
}

/** To those who may not see it, a private package is one that does not exist. Whom it is offered to has to see it. */
function isHiddenFrom({ actor }: Circumstances, slices: Slices): boolean {
  const { package: of } = slices;
  if (of?.visibility !== 'private' || isAdministrator(actor)) return false;
  return !isReader(actor, readersOf(slices)) && of.transfer?.to !== actor.handle;
}

/** What an ownership command is about. @throws RegistryError `package-not-found` */
function subjectIn({ name, of }: OfSubject, slices: Slices, at: Circumstances): Package | Namespace {
  const subject = of === 'namespace' ? slices.namespace : slices.package;
  // A name that is only close to this one is another's.
  const isOther = subject?.name !== name;
  if (!subject || isOther || (of !== 'namespace' && isHiddenFrom(at, slices)))
    throw new RegistryError('package-not-found', `${name} is not known here`);
  return subject;
}

type MemberChange = Extract<OwnershipCommand, { kind: 'set-member' | 'remove-member' }>;

function changeMembers(command: MemberChange, slices: Slices, at: Circumstances): readonly EventDraft[] {
  const { ecosystem, name, of, member } = command;
  const { members } = subjectIn(command, slices, at);
  // Those of a package are its namespace's affair where that owns what is in it.
  requireOwner(holderOf(slices, at.rules), at);
  const draft = { by: at.actor.handle, ecosystem, name, ...(of ? { of } : {}), member };
  if (command.kind === 'set-member') {
    const { access } = command;
    requireAccount(member, at);
    return members.get(member) === access ? [] : [{ kind: 'member-set', ...draft, access }];
  }
  // Not whether there is such an account: a member whose account is gone must be removable.
  if (!members.has(member))
    throw new RegistryError('member-not-found', `${member} is not a member of ${name}`);
  return [{ kind: 'member-removed', ...draft }];
}

type OwnershipChange = Exclude<OwnershipCommand, MemberChange | { kind: 'claim' }>;

function changeOwnership(command: OwnershipChange, slices: Slices, at: Circumstances): readonly EventDraft[] {
  const { ecosystem, name, of } = command;
  const holder = subjectIn(command, slices, at);
  const draft = { by: at.actor.handle, ecosystem, name, ...(of ? { of } : {}) };
  if (command.kind === 'accept-transfer') {
    const offer = pendingTransfer(holder, at.now);
    if (offer.to !== at.actor.handle)
      throw new RegistryError('not-owner', `${name} was not offered to this account`);
    return [{ kind: 'transfer-accepted', ...draft }];
  }
  if (command.kind === 'cancel-transfer') {
    // Either party may call it off.
    if (holder.transfer?.to !== at.actor.handle) requireOwner(holder, at);
    pendingTransfer(holder, at.now);
    return [{ kind: 'transfer-cancelled', ...draft }];
  }
  requireOwner(holder, at);
  switch (command.kind) {
    case 'add-owner':
      requireAccount(command.owner, at);
      return holder.owners.includes(command.owner)
        ? []
        : [{ kind: 'owner-added', ...draft, owner: command.owner }];
    case 'remove-owner':
      // Not whether there is such an account: an owner whose account is gone must be removable.
      if (!holder.owners.includes(command.owner))
        throw new RegistryError('owner-not-found', `${command.owner} does not own ${name}`);
      if (holder.owners.length === 1) throw new RegistryError('last-owner', 'cannot remove last owner');
      return [{ kind: 'owner-removed', ...draft, owner: command.owner }];
    case 'offer-transfer':
      requireAccount(command.to, at);
      if (holder.transfer && holder.transfer.expiresAt > at.now)
        throw new RegistryError(
          'transfer-pending',
          `${name} is already offered to ${holder.transfer.to}; cancel that first`,
        );
      return [{ kind: 'transfer-offered', ...draft, to: command.to, expiresAt: command.expiresAt }];
  }
}

function requireAccount(handle: string, { isAccount }: Circumstances): void {
  if (!isAccount(handle)) throw new RegistryError('account-not-found', `user ${handle} not found`);
}

function pendingTransfer(holder: Ownership, now: string): { to: string } {
  if (holder.transfer && holder.transfer.expiresAt > now) return holder.transfer;
  throw new RegistryError('transfer-not-found', 'no transfer is on offer, or it has expired');
}

type PackageChange = Exclude<PackageCommand, { kind: 'publish' | 'publish-ref' }>;

/** What makes sense of a package without a version. */
const ofNothing: ReadonlySet<Command['kind']> = new Set(['set-visibility', 'withdraw-artifact']);

/** What is not a matter of who owns the package. */
const ofAnybody: ReadonlySet<Command['kind']> = new Set(['expire', 'star', 'unstar']);
/** What members do who write: names move with what is published. */
const ofWriters: ReadonlySet<Command['kind']> = new Set(['set-ref', 'remove-ref']);

function changePackage(command: PackageChange, slices: Slices, at: Circumstances): readonly EventDraft[] {
  const target = slices.package;
  // A name that is only close to this one is another's.
  const isNothing = target?.releases.size === 0 && target.refs.size === 0 && !ofNothing.has(command.kind);
  const isOther = !target || isNothing || target.name !== command.name;
  if (isOther || isHiddenFrom(at, slices))
    throw new RegistryError('package-not-found', `package ${command.name} not found`);
  const versioned = 'version' in command && command.version !== undefined;
  if (command.kind === 'file-advisory') requireVersionsIn(command.advisory, target, at.rules);
  const release = versioned ? existingRelease(target, command.version, at.rules) : undefined;
  if (ofWriters.has(command.kind)) requireWriter(slices, at);
  else if (!ofAnybody.has(command.kind)) requireOwner(holderOf(slices, at.rules), at);
  const draft = { by: at.actor.handle, ecosystem: command.ecosystem, name: target.name };
  // What the client sent is replaced by the version as published: two spellings can share a version key.
  const ofVersion = release ? { version: release.version } : {};
  const ofReason = 'reason' in command && command.reason !== undefined ? { reason: command.reason } : {};
  switch (command.kind) {
    case 'yank':
      return release && !release.yanked
        ? [{ kind: 'yanked', ...draft, version: release.version, ...ofReason }]
        : [];
    case 'unyank':
      return release?.yanked ? [{ kind: 'unyanked', ...draft, version: release.version }] : [];
    case 'deprecate': {
      const { message, messageDigest } = command;
      const current = release ? release.deprecated : target.deprecated;
      if (current && current.message === message && current.messageDigest === messageDigest) return [];
      const text = {
        ...(message === undefined ? {} : { message }),
        ...(messageDigest === undefined ? {} : { messageDigest }),
      };
      return [{ kind: 'deprecated', ...draft, ...ofVersion, ...text }];
    }
    case 'undeprecate':
      return (release ? release.deprecated : target.deprecated)
        ? [{ kind: 'undeprecated', ...draft, ...ofVersion }]
        : [];
    case 'withdraw':
      if (release ? isWithdrawn(release) : [...target.releases.values()].every(isWithdrawn)) return [];
      return [{ kind: 'withdrawn', ...draft, ...ofVersion, ...ofReason }];
    case 'withdraw-artifact':
      return [{ kind: 'withdrawn', ...draft, artifact: command.artifact }];
    case 'set-ref':
      requireRefTarget(target, command.target, at.rules);
      if (target.refs.get(command.ref)?.target === command.target) return [];
      return [{ kind: 'ref-set', ...draft, ref: command.ref, target: command.target }];
    case 'remove-ref':
      requireRef(target, command.ref);
      return [{ kind: 'ref-removed', ...draft, ref: command.ref }];
    case 'expire':
      if (command.ref !== undefined) requireRef(target, command.ref);
      else if (!release || isWithdrawn(release)) return [];
      return [
        {
          kind: 'expired',
          ...draft,
          ...ofVersion,
          ...(command.ref === undefined ? {} : { ref: command.ref }),
        },
      ];
    case 'set-visibility':
      if (target.visibility === command.visibility) return [];
      return [{ kind: 'visibility-set', ...draft, visibility: command.visibility }];
    case 'star':
      return target.stars.has(at.actor.handle) ? [] : [{ kind: 'starred', ...draft }];
    case 'unstar':
      return target.stars.has(at.actor.handle) ? [{ kind: 'unstarred', ...draft }] : [];
    case 'file-advisory':
      if (target.advisories.has(command.advisory.id))
        throw new RegistryError('conflict', `advisory ${command.advisory.id} is already filed`);
      return [{ kind: 'advisory-filed', ...draft, advisory: command.advisory }];
    case 'withdraw-advisory': {
      const advisory = target.advisories.get(command.advisoryId);
      if (!advisory)
        throw new RegistryError('advisory-not-found', `advisory ${command.advisoryId} not found`);
      return advisory.withdrawnAt
        ? []
        : [{ kind: 'advisory-withdrawn', ...draft, advisoryId: command.advisoryId }];
    }
  }
}

/** What an advisory is about has to exist, and a range to be one: nobody would ever see that it is none. */
function requireVersionsIn({ versions = [], range }: Advisory, target: Package, rules: Rules): void {
  for (const version of versions) existingRelease(target, version, rules);
  if (range === undefined) return;
  if (!rules.isRange)
    throw new RegistryError('invalid-advisory', `${target.ecosystem} knows no ranges: list the versions`);
  if (!rules.isRange(range))
    throw new RegistryError('invalid-advisory', `${JSON.stringify(range)} is not a range of versions`);
}

function existingRelease(target: Package, version: string, rules: Rules): Release {
  const release = target.releases.get(rules.versionKey(version));
  if (release) return release;
  throw new RegistryError('version-not-found', `${target.name} has no version ${version}`);
}

function requireRef(target: Package, ref: string): void {
  if (!target.refs.has(ref)) throw new RegistryError('ref-not-found', `${target.name} has no ${ref}`);
}

function requireRefTarget(target: Package, wanted: string, rules: Rules): void {
  const release = target.releases.get(rules.versionKey(wanted));
  const isArtifact = (): boolean =>
    [...target.releases.values()].some(
      (r) => !isWithdrawn(r) && r.artifacts.some((artifact) => artifact.digest === wanted),
    );
  if ((release && !isWithdrawn(release)) || isArtifact()) return;
  throw new RegistryError('version-not-found', `${target.name} has no ${wanted} to point at`);
}

function isWithdrawn(release: Release): boolean {
  return release.withdrawnAt !== undefined;
}
