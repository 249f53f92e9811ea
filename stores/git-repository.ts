/** A bare repository made, tidied after a killed writer, and read in bulk: what a log needs of git besides commits. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LogDamage } from '../core/errors.ts';
import { ensureDirectory, nextNumber, syncPath, syncTree } from './durable-files.ts';
import { BRANCH } from './git-objects.ts';
import { clearLeftovers } from './leftovers.ts';

/**
 * Packing runs beside the writer, which needs the other cores more. A segment's next version lies right beside it: a window of 10
 * costs 3.3 times the time and saves 5% of the bytes.
 */
const SETTINGS = `[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
[pack]
\tthreads = 1
\twindow = 1
[gc]
\tauto = 0
`;

/**
 * Made aside and renamed, so that a power cut leaves a whole repository or none. By hand (gitrepository-layout(5)): `git init`
 * takes hashes, references and hooks from settings and versions of git, and what writes here knows SHA-1, files and none.
 */
export async function createRepository(repository: string, isPrivate: boolean): Promise<void> {
  if (existsSync(join(repository, 'HEAD'))) return;
  const parent = dirname(repository);
  await ensureDirectory(parent);
  const beginning = `.${basename(repository)}.`;
  await clearLeftovers(parent, beginning);
  const aside = join(parent, `${beginning}${process.pid}.${nextNumber()}.new`);
  await ensureDirectory(aside, isPrivate ? 0o700 : 0o755);
  for (const part of ['objects/info', 'objects/pack', 'refs/heads', 'refs/tags'])
    await mkdir(join(aside, part), { recursive: true });
  await writeFile(join(aside, 'config'), SETTINGS);
  await writeFile(join(aside, 'HEAD'), `ref: refs/heads/${BRANCH}\n`);
  await syncTree(aside);
  try {
    await rename(aside, repository);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    if (!existsSync(join(repository, 'HEAD'))) throw error;
  }
  await syncPath(parent);
}

/** How long a lock of git may be in use: git holds the lock of a branch for milliseconds. */
const GIT_LOCK_PATIENCE_MS = 3_000;

/** What a killed writer leaves: half objects and git's own locks. Called by the only writer. */
export async function clearAfterWriter(repository: string): Promise<void> {
  for (const lock of [
    `refs/heads/${BRANCH}.lock`,
    'packed-refs.lock',
    'HEAD.lock',
    'config.lock',
    'objects/pack/multi-pack-index.lock',
  ])
    await clearGitLock(join(repository, lock));
  const objects = join(repository, 'objects');
  for (const directory of await readdir(objects)) {
    if (!/^[0-9a-f]{2}$/.test(directory)) continue;
    for (const name of await readdir(join(objects, directory)))
      if (name.startsWith('tmp_obj_')) await rm(join(objects, directory, name), { force: true });
  }
}

async function clearGitLock(path: string): Promise<void> {
  const waitUntil = Date.now() + GIT_LOCK_PATIENCE_MS;
  for (;;) {
    const found = await stat(path).catch(() => undefined);
    if (!found) return;
    // An old lock has no living owner; a young one may: give it the time that git needs.
    if (Date.now() - found.mtimeMs > GIT_LOCK_PATIENCE_MS || Date.now() > waitUntil) break;
    await new Promise((resume) => setTimeout(resume, 50));
  }
  await rm(path, { force: true });
}

/** Contents of blobs, in the order asked for, from one git process. */
export async function readBlobs(
  repository: string,
  oids: readonly string[],
  take: (bytes: Buffer) => void,
): Promise<void> {
  if (oids.length === 0) return;
  const git = spawn('git', ['cat-file', '--batch'], { cwd: repository, stdio: ['pipe', 'pipe', 'ignore'] });
  git.stdin.on('error', () => undefined); // git died; the count below tells
  git.stdin.end(oids.map((oid) => `${oid}\n`).join(''));
  let pending: Buffer = Buffer.alloc(0);
  let wanted: number | undefined;
  let taken = 0;
  for await (const chunk of git.stdout as AsyncIterable<Buffer>) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      if (wanted === undefined) {
        const end = pending.indexOf(10);
        if (end === -1) break;
        const [oid, type, size] = pending.toString('latin1', 0, end).split(' ');
        if (type !== 'blob') throw new LogDamage(`git cannot read segment ${oid}: ${type}`);
        wanted = Number(size);
        pending = pending.subarray(end + 1);
      }
      if (pending.length < wanted + 1) break;
      take(Buffer.from(pending.subarray(0, wanted)));
      pending = pending.subarray(wanted + 1);
      wanted = undefined;
      taken += 1;
    }
  }
  if (taken !== oids.length)
    throw new LogDamage(`git gave ${taken} of ${oids.length} segments: is the repository whole?`);
}
