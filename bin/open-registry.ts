/** The only place where the parts are wired together: stores, state, writer and generator over one data directory. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ADMINISTRATOR } from '../api/auth.ts';
import { AccountBook, type Registration } from '../core/account-book.ts';
import {
  EVENT_FORMAT,
  privateLines,
  registryLines,
  type PrivateEvent,
  type RegistryEvent,
} from '../core/event.ts';
import { LogDamage } from '../core/errors.ts';
import type {
  Clock,
  Counters,
  EventLog,
  Ids,
  RegistryLog,
  SiteReader,
  SiteTarget,
  UploadStore,
} from '../core/ports.ts';
import { PrivateJournal } from '../core/private-journal.ts';
import { RegistryState } from '../core/state.ts';
import { Writer, type WriterDeps } from '../core/writer.ts';
import { rulesOf } from '../ecosystems/index.ts';
import { allSurfaces } from '../surfaces/index.ts';
import { Generator } from '../generator/generator.ts';
import { isOutsideLog } from '../generator/counted-site.ts';
import { Publisher } from '../generator/publisher.ts';
import type { Settings } from '../schema/types.ts';
import { asSettings } from '../schema/validate.ts';
import { AccessKeyDirectory } from '../stores/access-key-directory.ts';
import type { ShelvedBlobs } from '../stores/blob-shelf.ts';
import { CounterFile } from '../stores/counter-file.ts';
import { openLogReader, openLogWriter } from '../stores/git-log.ts';
import { KeyDirectory } from '../stores/key-directory.ts';
import { clearLeftovers } from '../stores/leftovers.ts';
import { SealedLog } from '../stores/sealed-log.ts';
import { TokenUseFile } from '../stores/token-use.ts';
import { UNFINISHED } from '../stores/unneeded-blobs.ts';
import { UploadDirectory } from '../stores/upload-directory.ts';
import { soleWriterOf } from '../stores/writer-lock.ts';
import { GarbageCollector } from './garbage.ts';
import { layout } from './layout.ts';
import { openBlobs, readBlobs } from './open-blobs.ts';
import { openSite, openSiteReader, SCRATCH, sitePlace, type SiteOptions } from './open-site.ts';
import { readStorage, storageIn, withConnection, type Storage } from './storage.ts';

export const systemClock: Clock = { now: () => Date.now() };
export const randomIds: Ids = {
  next: () => randomBytes(16).toString('hex'),
  secret: () => randomBytes(32).toString('hex'),
};

/** Whose name stands on what the command line writes. */
export const OPERATOR = 'operator';
/** Handles that stand for somebody without there being an account, or for nobody. */
const reservedHandles: readonly string[] = [ADMINISTRATOR, OPERATOR, 'anonymous'];

export interface Registry {
  readonly log: RegistryLog;
  readonly state: RegistryState;
  readonly accounts: AccountBook;
  readonly keys: KeyDirectory;
  /** Keys of access tokens, which no event names. */
  readonly accessKeys: AccessKeyDirectory;
  readonly blobs: ShelvedBlobs;
  readonly uploads: UploadStore;
  readonly site: SiteTarget;
  /** The same, for whoever answers requests. */
  readonly siteReader: SiteReader;
  readonly generator: Generator;
  readonly writer: Writer;
  readonly publisher: Publisher;
  readonly counters: Counters;
  readonly garbage: GarbageCollector;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly dataDirectory: string;
  /** How other processes reach this one; recorded in the writer's lock. */
  readonly contact?: string;
  /** Who may make an account by themselves; default nobody. */
  readonly registration?: Registration;
  readonly onSiteError?: (error: unknown) => void;
  /** Counts could not be read or written; nothing else is the matter. */
  readonly onCounterTrouble?: (error: unknown) => void;
  readonly onBatch?: WriterDeps['onBatch'];
  readonly clock?: Clock;
  readonly ids?: Ids;
  /** How the store of its buckets is reached, where that was said anew. */
  readonly storage?: Storage;
}

/** Opens a registry to write to it. @throws LockHeld when another living process does. */
export async function openRegistry(options: OpenOptions): Promise<Registry> {
  const {
    dataDirectory,
    contact,
    registration = 'closed',
    onSiteError = () => undefined,
    onCounterTrouble = () => undefined,
    onBatch,
    clock = systemClock,
    ids = randomIds,
  } = options;
  const paths = layout(dataDirectory);
  const storage = withConnection(readStorage(dataDirectory), options.storage ?? storageIn(process.env));
  const publicLog = await openLogWriter({ repository: paths.log, lines: registryLines, contact });
  let privateLog: EventLog<PrivateEvent> | undefined;
  try {
    privateLog = await openLogWriter({
      repository: paths.privateLog,
      lines: privateLines,
      contact,
      isPrivate: true,
    });
    const journal = new PrivateJournal({ log: privateLog, clock, ids });
    const log = new SealedLog(publicLog, journal);
    const blobs = await openBlobs(dataDirectory, storage);
    await blobs.clearIncoming();
    await clearLeftovers(dataDirectory, UNFINISHED);
    const uploads = new UploadDirectory({ root: paths.uploads, blobs, clock, ids });
    await uploads.prepare();
    const state = new RegistryState(log, rulesOf);
    await clearLeftovers(dataDirectory, SCRATCH);
    const site = await openSite({
      dataDirectory,
      storage,
      place: sitePlace(dataDirectory, storage),
      blobs,
      isOutsideLog: (path) => isOutsideLog(path, allSurfaces, state.settings),
      soleWriter: soleWriterOf(dataDirectory),
    });
    const counted = new CounterFile({ directory: paths.counters, clock, onTrouble: onCounterTrouble });
    const tokenUse = new TokenUseFile(paths.tokenUse);
    const accounts = new AccountBook({
      journal,
      clock,
      ids,
      tokenUse,
      registration,
      isReserved: (handle) =>
        reservedHandles.includes(handle) || handle === state.settings.x07?.officialOwner,
    });
    const keys = new KeyDirectory(paths.keys);
    const accessKeys = new AccessKeyDirectory(paths.accessKeys);
    const generator = new Generator({ log, state, target: site, blobs, surfaces: allSurfaces });
    const publisher = new Publisher({
      generator,
      clock,
      logLength: () => state.length,
      onError: onSiteError,
    });
    const writer = new Writer({
      log,
      state,
      rulesOf,
      clock,
      ids,
      isAccount: (handle) => handle === ADMINISTRATOR || accounts.account(handle) !== undefined,
      onAppended: () => publisher.notify(),
      ...(onBatch ? { onBatch } : {}),
    });
    const garbage = new GarbageCollector({
      log,
      state,
      writer,
      publisher,
      site,
      blobs,
      uploads,
      clock,
      notes: paths.unneeded,
    });
    const opened = privateLog;
    return {
      log,
      state,
      accounts,
      keys,
      accessKeys,
      blobs,
      uploads,
      site,
      siteReader: await openSiteReader(sitePlace(dataDirectory, storage), storage),
      generator,
      writer,
      publisher,
      counters: counted.counters,
      garbage,
      async close() {
        await garbage.stop();
        await writer.close();
        await publisher.close();
        await counted.close();
        tokenUse.close();
        await Promise.all([log.close(), opened.close()]);
      },
    };
  } catch (error) {
    await Promise.all([publicLog.close(), privateLog?.close()]);
    throw error;
  }
}

/** Whether a name is that of a private package: no file of counts may be about it. */
export function isHidden(state: RegistryState, name: string): boolean {
  return state.privateReaders('npm', name) !== undefined;
}

export interface ReadOnlyRegistry {
  readonly log: RegistryLog;
  readonly state: RegistryState;
  readonly blobs: ShelvedBlobs;
  readonly storage: Storage;
  /** Keeps a site at `place`, a directory or a bucket, what the log says; without `place`, the registry's own. */
  generatorFor(
    place?: string,
    onProgress?: SiteOptions['onProgress'],
  ): Promise<{ readonly generator: Generator; readonly site: SiteTarget }>;
  close(): Promise<void>;
}

export interface ReadOptions {
  /** As somebody reads it who has a copy of the public log and no more. */
  readonly onlyPublic?: boolean;
  /** Where something else counts than what is recorded, and how the store is reached; that unless told. */
  readonly storage?: Storage;
}

/** Opens a registry to read it, beside whoever writes. @throws LogDamage */
export async function readRegistry(
  dataDirectory: string,
  {
    onlyPublic = false,
    storage = withConnection(readStorage(dataDirectory), storageIn(process.env)),
  }: ReadOptions = {},
): Promise<ReadOnlyRegistry> {
  const paths = layout(dataDirectory);
  const publicLog = await openLogReader<RegistryEvent>({ repository: paths.log, lines: registryLines });
  let privateLog: EventLog<PrivateEvent> | undefined;
  const close = async (): Promise<void> => {
    await Promise.all([publicLog.close(), privateLog?.close()]);
  };
  try {
    if (publicLog.length === 0)
      throw new LogDamage(`${paths.log} holds no event: its branch was lost, or no start has finished yet`);
    // After the public log: the openings of what that says by then are there already.
    if (!onlyPublic) privateLog = await readPrivateLog(paths.privateLog);
    const journal = privateLog && new PrivateJournal({ log: privateLog, clock: systemClock, ids: randomIds });
    const log = new SealedLog(publicLog, journal);
    const state = new RegistryState(log, rulesOf);
    const blobs = await readBlobs(dataDirectory, storage);
    return {
      log,
      state,
      blobs,
      storage,
      async generatorFor(place = sitePlace(dataDirectory, storage), onProgress) {
        const site = await openSite({
          dataDirectory,
          storage,
          place,
          blobs,
          isOutsideLog: (path) => isOutsideLog(path, allSurfaces, state.settings),
          onProgress,
        });
        return { site, generator: new Generator({ log, state, target: site, blobs, surfaces: allSurfaces }) };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Undefined where there is none, or it is not for us to read: public packages need nothing of it. */
async function readPrivateLog(repository: string): Promise<EventLog<PrivateEvent> | undefined> {
  if (!existsSync(join(repository, 'HEAD'))) return undefined;
  return openLogReader({ repository, lines: privateLines });
}

/** Appends the first event of a new registry. */
export async function createRegistry(
  registry: Registry,
  settings: Settings,
  clock: Clock = systemClock,
  ids: Ids = randomIds,
): Promise<void> {
  await registry.log.append([
    {
      v: EVENT_FORMAT,
      seq: 0,
      id: ids.next(),
      at: new Date(clock.now()).toISOString(),
      by: OPERATOR,
      kind: 'genesis',
      registry: ids.next(),
      settings: asSettings(settings),
    },
  ]);
  registry.state.catchUp();
}
