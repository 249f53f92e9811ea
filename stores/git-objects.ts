/**
 * Git objects written in this process, durably. Spawning git costs more than the write itself and, as packs pile
 * up, ever more (measured: docs/decisions/0002-log-in-git.md).
 */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { constants, deflate as deflateCallback, deflateSync } from 'node:zlib';
import {
  DurableDirectories,
  ensureDirectory,
  isErrno,
  moveOrRemove,
  nextNumber,
  sync,
  syncPath,
  writeSynced,
  writeWhole,
} from './durable-files.ts';

const deflateElsewhere = promisify(deflateCallback);

/** Up to here deflating takes less of this thread than the way to the thread pool and back. */
const SMALL_BYTES = 8 * 1024;

// Level 1: the object is repacked within minutes, and at a full segment level 6 costs three times as much.
const deflateOptions = { level: constants.Z_BEST_SPEED };

function deflate(bytes: Buffer): Buffer | Promise<Buffer> {
  return bytes.length <= SMALL_BYTES
    ? deflateSync(bytes, deflateOptions)
    : deflateElsewhere(bytes, deflateOptions);
}

export type ObjectType = 'blob' | 'tree' | 'commit';

export interface GitObject {
  readonly oid: string;
  readonly type: ObjectType;
  readonly header: Buffer;
  readonly body: Uint8Array;
}

export function gitObject(type: ObjectType, body: Uint8Array): GitObject {
  const header = Buffer.from(`${type} ${body.byteLength}\0`);
  return { oid: createHash('sha1').update(header).update(body).digest('hex'), type, header, body };
}

export interface TreeEntry {
  readonly mode: '100644' | '40000';
  readonly name: string;
  readonly oid: string;
}

/** Entries must come in git's order; names of equal length and one mode are, when sorted. */
export function gitTree(entries: readonly TreeEntry[]): GitObject {
  const parts = entries.flatMap(({ mode, name, oid }) => [
    Buffer.from(`${mode} ${name}\0`),
    Buffer.from(oid, 'hex'),
  ]);
  return gitObject('tree', Buffer.concat(parts));
}

export interface CommitFacts {
  readonly tree: string;
  readonly parent: string | undefined;
  /** Seconds since 1970; the commit's only time, so that equal batches give equal commits. */
  readonly epochSeconds: number;
  readonly message: string;
}

const identity = 'Cairn <cairn@localhost>';

export function gitCommit({ tree, parent, epochSeconds, message }: CommitFacts): GitObject {
  const lines = [
    `tree ${tree}`,
    ...(parent === undefined ? [] : [`parent ${parent}`]),
    `author ${identity} ${epochSeconds} +0000`,
    `committer ${identity} ${epochSeconds} +0000`,
    '',
    message,
  ];
  return gitObject('commit', Buffer.from(`${lines.join('\n')}\n`));
}

/** Writes loose objects of one repository. */
export class ObjectWriter {
  readonly #objects: string;
  readonly #directories: DurableDirectories;

  constructor(repository: string) {
    this.#objects = join(repository, 'objects');
    this.#directories = new DurableDirectories(this.#objects);
  }

  /** All are durable when it returns. One that exists is kept, and made durable too. */
  async write(objects: readonly GitObject[]): Promise<void> {
    const directories = new Set(await Promise.all(objects.map((object) => this.#writeOne(object))));
    await Promise.all([...directories].map(syncUnlessPacked));
  }

  async #writeOne(object: GitObject): Promise<string> {
    const directory = join(this.#objects, object.oid.slice(0, 2));
    const path = join(directory, object.oid.slice(2));
    await retryWhenRemoved(() => this.#directories.ensure(directory));
    if (existsSync(path)) return directory;
    const packed = await deflate(Buffer.concat([object.header, object.body]));
    // `tmp_obj_` is the name git itself knows, and removes when it is left over.
    const temporary = join(directory, `tmp_obj_${process.pid}_${nextNumber()}`);
    await retryWhenRemoved(async () => {
      await ensureDirectory(directory);
      await writeSynced(temporary, packed, 0o444);
    });
    // Stopping here leaves a temporary file: the next start removes it.
    moveOrRemove(temporary, path);
    return directory;
  }
}

/** git removes empty directories when it packs, also one that was made or looked at a moment ago. */
async function retryWhenRemoved(step: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await step();
    } catch (error) {
      if (!isErrno(error, 'ENOENT') || attempt === 5) throw error;
    }
  }
}

/** A directory that git has emptied and removed held what is in a pack by now, and packs are synced. */
async function syncUnlessPacked(directory: string): Promise<void> {
  try {
    await syncPath(directory);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

/** The only branch of a log. */
export const BRANCH = 'main';

/** What a branch points at; undefined before its first commit. */
export async function readBranch(repository: string, branch: string): Promise<string | undefined> {
  const loose = await readIfThere(join(repository, 'refs/heads', branch));
  if (loose !== undefined) return loose.trim();
  const packed = await readIfThere(join(repository, 'packed-refs'));
  const line = packed?.split('\n').find((text) => text.endsWith(` refs/heads/${branch}`));
  return line?.slice(0, 40);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The branch did not point where the caller believed. */
export class BranchMoved extends Error {
  override readonly name = 'BranchMoved';
}

/** Moves a branch under git's own lock; durable when it returns. @throws BranchMoved */
export async function moveBranch(
  repository: string,
  branch: string,
  from: string | undefined,
  to: string,
): Promise<void> {
  const path = join(repository, 'refs/heads', branch);
  const lock = `${path}.lock`;
  const file = await openLock(lock);
  try {
    const current = await readBranch(repository, branch);
    if (current !== from)
      throw new BranchMoved(`${branch} is at ${current ?? 'nothing'}, not at ${from ?? 'nothing'}`);
    writeWhole(file, Buffer.from(`${to}\n`));
    await sync(file);
  } catch (error) {
    rmSync(lock, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  // The moment the events become true. A power cut before the sync below may still lose them: nobody was told.
  moveOrRemove(lock, path);
  await syncPath(dirname(path));
}

/** git holds the lock of a branch for milliseconds: somebody who packs refs by hand is waited for. */
const LOCK_PATIENCE_MS = 3_000;
const LOCK_POLL_MS = 20;

async function openLock(path: string): Promise<number> {
  for (let waited = 0; ; waited += LOCK_POLL_MS) {
    try {
      return openSync(path, 'wx');
    } catch (error) {
      if (!isErrno(error, 'EEXIST') || waited >= LOCK_PATIENCE_MS) throw error;
      await new Promise((resume) => setTimeout(resume, LOCK_POLL_MS));
    }
  }
}
