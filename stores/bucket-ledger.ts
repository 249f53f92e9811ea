/**
 * The shelf of blobs that lie in a bucket: what is there, and since when nobody has needed it, can be asked without a request. A
 * file of it is as long as the blob and takes no room: a hole.
 */
import { closeSync, existsSync, ftruncateSync, futimesSync, openSync, renameSync, rmSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { blobOfKey } from './blob-keys.ts';
import { BlobShelf } from './blob-shelf.ts';
import type { Bucket } from './bucket.ts';
import { listing } from './bucket-failure.ts';
import { ensureDirectory, nextNumber, sync, syncDirectories, syncPath } from './durable-files.ts';

/** A file that may become one of the shelf: synced. `touchedMs` is when somebody last needed it; now unless told. */
async function writeHole(path: string, size: number, touchedMs?: number): Promise<void> {
  const file = openSync(path, 'wx');
  try {
    ftruncateSync(file, size);
    if (touchedMs !== undefined) futimesSync(file, touchedMs / 1000, touchedMs / 1000);
    await sync(file);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** The same, where received bytes wait: what is left there the next start removes. */
export async function holeIn(shelf: BlobShelf, size: number, touchedMs?: number): Promise<string> {
  await ensureDirectory(shelf.incoming);
  const path = join(shelf.incoming, `${process.pid}-${nextNumber()}`);
  await writeHole(path, size, touchedMs);
  return path;
}

/**
 * Where there is none it is made of a list of the bucket: of a bucket that is new, or was another machine's. Only whoever writes
 * to the registry may do that. Stopping in between leaves nothing that counts: the next time begins again.
 * @throws RegistryError `storage-failed`
 */
export async function ensureLedger(root: string, bucket: Bucket): Promise<void> {
  if (existsSync(root)) return;
  const temporary = `${root}.new`;
  await rm(temporary, { recursive: true, force: true });
  const shelf = new BlobShelf(temporary);
  await mkdir(shelf.incoming, { recursive: true });
  const folders = new Set<string>();
  for await (const { key, size, modifiedMs } of listing(bucket)) {
    const digest = blobOfKey(key);
    if (digest === undefined) continue;
    const path = shelf.pathOf(digest);
    const folder = dirname(path);
    if (!folders.has(folder)) await mkdir(folder, { recursive: true });
    for (const made of [folder, dirname(folder)]) folders.add(made);
    await writeHole(path, size, modifiedMs);
  }
  await syncDirectories([...folders, temporary]);
  renameSync(temporary, root);
  await syncPath(dirname(root));
}

/**
 * The shelf of another bucket, which a registry moves to. What an earlier run has left is removed: the list of that bucket says
 * what is there by now.
 */
export async function nextLedger(root: string): Promise<string> {
  for (const path of [`${root}.next`, `${root}.old`]) await rm(path, { recursive: true, force: true });
  return `${root}.next`;
}

/**
 * Blobs are elsewhere from now on, which `record` says durably: the shelf of the bucket where they were would tell of what is not
 * there. Stopping anywhere in between leaves no shelf, or the right one: whoever writes next makes one of a list.
 */
export async function switchLedger(root: string, record: () => Promise<void>): Promise<void> {
  const [next, old] = [`${root}.next`, `${root}.old`];
  if (existsSync(root)) renameSync(root, old);
  await syncPath(dirname(root));
  await record();
  if (existsSync(next)) renameSync(next, root);
  await syncPath(dirname(root));
  await rm(old, { recursive: true, force: true });
}
