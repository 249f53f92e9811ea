/** A registry in memory, with a clock and identities that are the same in every run; and what goes into it. */
import { allScopes, type Actor, type Scope, type TokenLimit } from '../../core/permission.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import type { Command } from '../../core/decide.ts';
import { digestOf } from '../../core/digest.ts';
import {
  privateLines,
  registryLines,
  type EventDraft,
  type PrivateEvent,
  type RegistryEvent,
} from '../../core/event.ts';
import { reducePackage, type Artifact, type MemberAccess, type Package } from '../../core/package.ts';
import type { VersionRules } from '../../core/rules.ts';
import type { Clock, EventLog, Ids, RegistryLog } from '../../core/ports.ts';
import { PrivateJournal } from '../../core/private-journal.ts';
import type { RulesOf } from '../../core/rules.ts';
import { RegistryState } from '../../core/state.ts';
import { stamp, Writer } from '../../core/writer.ts';
import type { Surface } from '../../ecosystems/ecosystem.ts';
import { rulesOf as realRulesOf } from '../../ecosystems/index.ts';
import { allSurfaces } from '../../surfaces/index.ts';
import { Generator } from '../../generator/generator.ts';
import type { Settings } from '../../schema/types.ts';
import { MemoryBlobs, MemoryLog, MemorySite, MemoryUploads } from '../../stores/memory.ts';
import { SealedLog } from '../../stores/sealed-log.ts';
import { manifestOf } from './x07-package.ts';

const START = Date.parse('2026-01-02T03:04:05.678Z');

export interface TestClock extends Clock {
  /** Milliseconds since 1970; set it back to see what happens. */
  time: number;
}

/** Moves by a second at each look, so that no two appends share their time by chance. */
export function aClock(stepMs = 1000): TestClock {
  return {
    time: START,
    now() {
      this.time += stepMs;
      return this.time;
    },
  };
}

export function countedIds(): Ids {
  let count = 0;
  return {
    next: () => (count += 1).toString(16).padStart(32, '0'),
    secret: () => (count += 1).toString(16).padStart(64, '0'),
  };
}

export function someSettings(over: Partial<Settings> = {}): Settings {
  return { publicUrl: 'https://registry.example', mounts: { x07: '/x07', toy: '/toy' }, ...over };
}

export function anActor(
  handle: string,
  scopes: readonly Scope[] = ['read', 'publish', 'yank', 'owner'],
): Actor {
  return { handle, scopes: new Set(scopes), limits: undefined, tokenId: undefined };
}

export function limitedActor(handle: string, limits: readonly TokenLimit[]): Actor {
  return { ...anActor(handle, allScopes), limits };
}

export const admin: Actor = anActor('root', allScopes);

/** The bytes that stand for the archive of a version. */
export function bytesOf(name: string, version: string): Buffer {
  return Buffer.from(`archive of ${name} ${version}`);
}

export function anArtifact(name: string, version: string): Artifact {
  const bytes = bytesOf(name, version);
  return {
    role: 'archive',
    digest: digestOf(bytes),
    size: bytes.length,
    mediaType: 'application/octet-stream',
  };
}

type Publish = Extract<Command, { kind: 'publish' }>;

/** What an X07 upload becomes; `docs` makes its manifest as long as wanted. */
export function publishOf(name: string, version: string, over: Partial<Publish> = {}): Publish {
  const meta = { manifest: JSON.stringify(manifestOf({ name, version })) };
  return {
    kind: 'publish',
    ecosystem: 'x07',
    name,
    version,
    artifacts: [anArtifact(name, version)],
    meta,
    ...over,
  };
}

export interface World {
  readonly log: RegistryLog;
  /** The half of the log that anyone may have. */
  readonly publicLog: EventLog<RegistryEvent>;
  readonly state: RegistryState;
  readonly blobs: MemoryBlobs;
  readonly uploads: MemoryUploads;
  readonly site: MemorySite;
  readonly writer: Writer;
  readonly generator: Generator;
  readonly clock: TestClock;
  readonly surfaces: readonly Surface[];
  readonly rulesOf: RulesOf;
  /** Writes as `actor`, an administrator unless told. */
  execute(command: Command | readonly Command[], actor?: Actor): Promise<readonly RegistryEvent[]>;
  /** Publishes with the blobs that an upload would have brought; `long` puts the manifest into a blob as well. */
  publish(name: string, version: string, options?: PublishOptions): Promise<void>;
}

export interface PublishOptions {
  readonly actor?: Actor;
  readonly long?: boolean;
  /** Private from its first event on, if it is new. */
  readonly hidden?: boolean;
}

export interface WorldOptions {
  /** The public log. */
  readonly log?: EventLog<RegistryEvent>;
  readonly privateLog?: EventLog<PrivateEvent>;
  readonly surfaces?: readonly Surface[];
  readonly rulesOf?: RulesOf;
  readonly settings?: Settings;
  /** How files are written that may be written in any order. */
  readonly site?: ConstructorParameters<typeof MemorySite>[0];
}

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const { surfaces = allSurfaces, rulesOf = realRulesOf } = options;
  const { log: publicLog = new MemoryLog(registryLines), privateLog = new MemoryLog(privateLines) } = options;
  const clock = aClock();
  const ids = countedIds();
  const log = new SealedLog(
    publicLog,
    new PrivateJournal({ log: privateLog, clock: aClock(), ids: countedIds() }),
  );
  if (log.length === 0) await log.append([genesis(options.settings)]);
  const state = new RegistryState(log, rulesOf);
  const blobs = new MemoryBlobs();
  const uploads = new MemoryUploads({ blobs, clock, ids });
  const site = new MemorySite(options.site);
  const writer = new Writer({ log, state, rulesOf, clock, ids, isAccount: () => true });
  const generator = new Generator({ log, state, target: site, blobs, surfaces });
  const keep = (bytes: Buffer): string => {
    const digest = digestOf(bytes);
    blobs.blobs.set(digest, bytes);
    return digest;
  };
  const execute: World['execute'] = (command, actor = admin) =>
    writer.execute({ actor, plan: () => (isList(command) ? command : [command]) });
  return {
    log,
    publicLog,
    state,
    blobs,
    uploads,
    site,
    writer,
    generator,
    clock,
    surfaces,
    rulesOf,
    execute,
    async publish(name, version, { actor, long = false, hidden = false } = {}) {
      keep(bytesOf(name, version));
      const { meta, ...wanted } = publishOf(name, version, hidden ? { visibility: 'private' } : {});
      const kept = long
        ? { metaDigest: keep(Buffer.from(canonicalJson(meta))) }
        : meta === undefined
          ? {}
          : { meta };
      await execute({ ...wanted, ...kept }, actor);
    },
  };
}

function isList(command: Command | readonly Command[]): command is readonly Command[] {
  return Array.isArray(command);
}

export function genesis(settings: Settings = someSettings()): RegistryEvent {
  return {
    v: 1,
    seq: 0,
    id: 'f'.repeat(32),
    at: new Date(START).toISOString(),
    by: 'operator',
    kind: 'genesis',
    registry: 'e'.repeat(32),
    settings,
  };
}

/** Drafts with places in a log, one second apart, each `prev` right as long as they are about one package. */
export function eventsFrom(drafts: readonly EventDraft[], first = 1): RegistryEvent[] {
  return drafts.map((draft, i) =>
    stamp<RegistryEvent>(draft, {
      seq: first + i,
      id: (first + i).toString(16).padStart(32, '0'),
      at: new Date(START + (first + i) * 1000).toISOString(),
      ...(i === 0 ? {} : { prev: first + i - 1 }),
    }),
  );
}

/** A package as events make it; `drafts` say what happened in the words of their kinds. */
export function aPackage(
  drafts: readonly EventDraft[],
  rules: VersionRules = { versionKey: (version) => version },
): Package {
  const made = reducePackage(undefined, eventsFrom(drafts), rules);
  if (!made) throw new Error('no events, no package');
  return made;
}

const about = { by: 'ann', ecosystem: 'x07', name: 'foo' } as const;

/** One-line drafts about the package `foo` of `ann`. */
export const fact = {
  claimed: (owner = 'ann'): EventDraft => ({ kind: 'claimed', ...about, owner }),
  published: (version: string): EventDraft => ({
    kind: 'published',
    ...about,
    version,
    artifacts: [anArtifact('foo', version)],
  }),
  yanked: (version: string): EventDraft => ({ kind: 'yanked', ...about, version }),
  unyanked: (version: string): EventDraft => ({ kind: 'unyanked', ...about, version }),
  withdrawn: (version?: string): EventDraft => ({
    kind: 'withdrawn',
    ...about,
    ...(version === undefined ? {} : { version }),
  }),
  refSet: (ref: string, target: string): EventDraft => ({ kind: 'ref-set', ...about, ref, target }),
  ownerAdded: (owner: string): EventDraft => ({ kind: 'owner-added', ...about, owner }),
  memberSet: (member: string, access: MemberAccess): EventDraft => ({
    kind: 'member-set',
    ...about,
    member,
    access,
  }),
  transferOffered: (to: string, expiresAt = '2027-01-01T00:00:00.000Z'): EventDraft => ({
    kind: 'transfer-offered',
    ...about,
    to,
    expiresAt,
  }),
  deprecated: (message: string, version?: string): EventDraft => ({
    kind: 'deprecated',
    ...about,
    message,
    ...(version === undefined ? {} : { version }),
  }),
  advisoryFiled: (id: string, versions: string[] = []): EventDraft => ({
    kind: 'advisory-filed',
    ...about,
    advisory: { id, kind: 'security', severity: 'high', summary: 'It leaks.', versions },
  }),
};
