/**
 * Small steps that survive a power cut. A file is durable when its bytes *and* the directory that names it are
 * synced: git, and most programs, do only the first.
 */
import { randomInt } from 'node:crypto';
import {
  closeSync,
  fsync as fsyncCallback,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { sideBySide } from './side-by-side.ts';

// Opening, writing a few kilobytes and renaming take microseconds, less than a trip through the thread pool costs this
// thread. Only the sync waits for the disk, so only the sync is given away.
export const sync = promisify(fsyncCallback);

/** Syncs a file or a directory by its path. */
export async function syncPath(path: string): Promise<void> {
  const file = openSync(path, 'r');
  try {
    await sync(file);
  } finally {
    closeSync(file);
  }
}

/** Syncs each directory once, many at the same time: the journal of the disk commits them together. */
export async function syncDirectories(directories: Iterable<string>): Promise<void> {
  await sideBySide(new Set(directories), syncPath);
}

/** Creates a directory and its parents; durable when it returns. Cheap when it exists. */
export async function ensureDirectory(directory: string, mode?: number): Promise<void> {
  const first = mkdirSync(directory, { recursive: true, ...(mode === undefined ? {} : { mode }) });
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
  /** What is being made: thousands of files of one directory wait for it once. */
  readonly #making = new Map<string, Promise<void>>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Durable, with every directory above it up to the root, when it returns. */
  async ensure(directory: string): Promise<void> {
    if (this.#known.has(directory)) return;
    let making = this.#making.get(directory);
    if (!making) {
      making = this.#make(directory).finally(() => this.#making.delete(directory));
      this.#making.set(directory, making);
    }
    await making;
  }

  async #make(directory: string): Promise<void> {
    mkdirSync(directory, { recursive: true });
    // A directory is durable once the one that names it is synced; what is put into it is the caller's to sync.
    const unsure: string[] = [];
    for (let at = directory; at.length >= this.#root.length && !this.#known.has(at); at = dirname(at))
      unsure.push(at);
    await syncDirectories(unsure.map((at) => dirname(at)));
    if (this.#known.size > REMEMBERED_DIRECTORIES) this.#known.clear();
    for (const at of unsure) this.#known.add(at);
  }
}

/** Writes all of `bytes` at the position of an open file. */
export function writeWhole(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.byteLength;) done += writeSync(file, bytes, done);
}

/** Writes bytes to a path that does not exist yet and syncs them; the directory is the caller's to sync. */
export async function writeSynced(path: string, bytes: Uint8Array, mode = 0o644): Promise<void> {
  const file = openSync(path, 'wx', mode);
  try {
    writeWhole(file, bytes);
    await sync(file);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/**
 * Replaces a file by whole new content, by way of a `temporary` one on the same disk: readers see the old bytes or
 * the new ones. Durable when it returns.
 */
export async function replaceFile(path: string, bytes: Uint8Array, temporary: string): Promise<void> {
  await writeSynced(temporary, bytes);
  moveOrRemove(temporary, path);
  await syncPath(dirname(path));
}

/** Renames; when that fails, nothing is left of the file. */
export function moveOrRemove(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    rmSync(from, { force: true });
    throw error;
  }
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
    else if (entry.isFile()) await syncPath(path);
  }
  await syncPath(directory);
}

export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}
