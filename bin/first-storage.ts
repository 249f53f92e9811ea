/**
 * Where blobs and site of a new registry are to be. The places are tried before they are recorded: whoever has made a mistake says
 * it right the next time, and nothing has to be undone.
 */
import { existsSync } from 'node:fs';
import { LogDamage, RegistryError } from '../core/errors.ts';
import { layout } from './layout.ts';
import { loadSiteRecord } from './open-site.ts';
import type { Options } from './options.ts';
import {
  addressOf,
  agreedStorage,
  readStorage,
  recordStorage,
  refusePointersToFiles,
  storagePath,
  type Storage,
} from './storage.ts';

/** What a server goes by; at first start it is recorded before anything is stored. `say` gets what a person should read. */
export async function storageFor(
  { dataDirectory, storage: said }: Options,
  say: (line: string) => void,
): Promise<Storage> {
  const isFirst = !existsSync(layout(dataDirectory).log) && !existsSync(storagePath(dataDirectory));
  if (isFirst) refusePointersToFiles(said);
  if (isFirst && (said.blobs ?? said.site) !== undefined) {
    if (said.blobs !== undefined) await tryPlace(said.blobs, said, say);
    await refuseSitePlace(said, say);
    await refuseOldSite(dataDirectory, said);
    // Stopping before this leaves an empty bucket as it was.
    await recordStorage(dataDirectory, said);
  }
  return agreedStorage(readStorage(dataDirectory), said);
}

/** @throws RegistryError `conflict` where a site would have to remove what is not its own; `storage-failed` where nothing can be written */
export async function refuseSitePlace(
  { site, ...storage }: Storage,
  say: (line: string) => void = () => undefined,
): Promise<void> {
  if (site === undefined) return;
  await tryPlace(site, storage, say);
  const [{ Bucket }, { refuseOthers }] = await Promise.all([
    import('../stores/bucket.ts'),
    import('../stores/bucket-site.ts'),
  ]);
  const bucket = new Bucket(addressOf(site, storage));
  try {
    await refuseOthers(bucket);
  } finally {
    bucket.close();
  }
}

/** An object of its own is written, and removed again. */
async function tryPlace(place: string, storage: Storage, say: (line: string) => void): Promise<void> {
  const [{ Bucket }, { probeBucket }] = await Promise.all([
    import('../stores/bucket.ts'),
    import('../stores/bucket-probe.ts'),
  ]);
  const bucket = new Bucket(addressOf(place, storage));
  try {
    const { keepsWhatIsThere, comparesWhatItReplaces } = await probeBucket(bucket);
    if (!keepsWhatIsThere || !comparesWhatItReplaces)
      say(`note       the store of ${place} does no conditional writes: see cairn doctor`);
  } catch (error) {
    throw new RegistryError('storage-failed', `${place} cannot be used`, { cause: error });
  } finally {
    bucket.close();
  }
}

/** A new log beside an old site would give every name away a second time. */
async function refuseOldSite(dataDirectory: string, storage: Storage): Promise<void> {
  const { site } = storage;
  if (site !== undefined && (await loadSiteRecord(site, storage, 'progress')))
    throw new LogDamage(
      `${site} has the site of a registry whose log is not in ${dataDirectory}: restore its data directory from a copy and start with that, or choose another bucket or prefix`,
    );
}
