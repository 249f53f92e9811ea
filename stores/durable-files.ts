/**
 * Small steps that survive a power cut. A file is durable when its bytes *and* the directory that names it are
 * synced: git, and most programs, do only the first.
 */
import { randomInt } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Syncs each directory once, all at the same time: the journal of the disk commits them together. */
export async function syncDirectories(directories: Iterable<string>): Promise<void> {
  await Promise.all([...new Set(directories)].map(syncDirectory));
}

/** Creates a directory and its parents; durable when it returns. Cheap when it exists. */
export async function ensureDirectory(directory: string, mode?: number): Promise<void> {
  const first = await mkdir(directory, { recursive: true, ...(mode === undefined ? {} : { mode }) });
  if (first === undefined) return;
  const changed: string[] = [];
  for (let made = directory; made.length >= first.length; made = dirname(made)) changed.push(dirname(made));
  await syncDirectories(changed);
}

/** Directories remembered as durable; forgetting them only costs a sync each. */
const REMEMBERED_DIRECTORIES = 50_000;

/**
 * Directories below one root, made durable once per process. That one exists does not say that it is durable: a
 * process that was killed may have made it a moment before the power went.
 */
export class DurableDirectories {
  readonly #root: string;
  readonly #known = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Durable, with every directory above it up to the root, when it returns. */
  async ensure(directory: string): Promise<void> {
    if (this.#known.has(directory)) return;
    await ensureDirectory(directory);
    const chain = [dirname(this.#root)];
    for (let at = directory; at.length >= this.#root.length; at = dirname(at)) chain.push(at);
    await syncDirectories(chain.filter((at) => !this.#known.has(at)));
    if (this.#known.size > REMEMBERED_DIRECTORIES) this.#known.clear();
    for (const at of chain) this.#known.add(at);
  }
}

/** Writes bytes to a path that does not exist yet and syncs them; the directory is the caller's to sync. */
export async function writeSynced(path: string, bytes: Uint8Array | string, mode = 0o644): Promise<void> {
  const handle = await open(path, 'wx', mode);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Replaces a file by whole new content, by way of a `temporary` one on the same disk: readers see the old bytes or
 * the new ones. Durable when it returns.
 */
export async function replaceFile(
  path: string,
  bytes: Uint8Array | string,
  temporary: string,
): Promise<void> {
  await writeSynced(temporary, bytes);
  try {
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

// In a container every process may have the same number: what a killed one left must not be in the next one's way.
let counter = randomInt(2 ** 40);
/** For names of temporary files: never the same twice. */
export function nextNumber(): number {
  return (counter += 1);
}

/** Syncs a whole tree that another program wrote. */
export async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) await syncDirectory(path);
  }
  await syncDirectory(directory);
}

export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
