/** A whole site written beside the old one, then merged into it: the way of `regen` when there is nothing to carry on from. */
import { execFile } from 'node:child_process';
import { closeSync, mkdirSync } from 'node:fs';
import { link, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Digest } from '../core/digest.ts';
import type { SiteBuild } from '../core/ports.ts';
import type { SiteFile } from '../core/site.ts';
import { BuildWriter } from './build-writer.ts';
import { compareTrees } from './compare-trees.ts';
import { ensureDirectory, isErrno, nextNumber, syncPath, syncTree, writeWhole } from './durable-files.ts';
import { readText, recordNames, setLaterTime, temporaryFolder, temporaryIn } from './site-files.ts';

interface BuildOptions {
  readonly root: string;
  readonly blobPath: (digest: Digest) => string;
  /** What is no function of the log stays as it is. */
  readonly isOutsideLog: (path: string) => boolean;
}

export async function startBuild({ root, blobPath, isOutsideLog }: BuildOptions): Promise<SiteBuild> {
  const parent = dirname(root);
  await ensureDirectory(parent);
  await removeAbandoned(parent, root);
  const aside = join(parent, `.${basename(root)}.next.${process.pid}.${nextNumber()}`);
  const rootPaths: string[] = [];
  mkdirSync(aside, { recursive: true });
  const writer = new BuildWriter(aside);

  function add({ path, body }: SiteFile): void {
    if ('blob' in body) writer.link(blobPath(body.blob), path);
    else if ('bytes' in body) writer.write(path, body.bytes);
    else throw new TypeError(`${path} is a stream: add it as a root`);
  }

  return {
    add,
    async addRoot(file) {
      const { path, body } = file;
      rootPaths.push(path);
      if (!('stream' in body)) return add(file);
      const opened = writer.open(path);
      try {
        for await (const text of body.stream()) writeWhole(opened, Buffer.from(text));
      } finally {
        closeSync(opened);
      }
    },
    read: (path) => readText(join(aside, path)),
    async finish(records) {
      for (const name of ['progress', 'roots'] as const)
        writer.write(recordNames[name], Buffer.from(`${JSON.stringify(records[name])}\n`));
      await writer.finish();
      await syncFileSystem(aside);
      await moveInto({ root, aside, rootPaths, copied: writer.copied, isOutsideLog });
    },
    async abandon() {
      await writer.end();
      await rm(aside, { recursive: true, force: true });
    },
  };
}

async function removeAbandoned(parent: string, root: string): Promise<void> {
  for (const name of await readdir(parent))
    if (name.startsWith(`.${basename(root)}.next.`))
      await rm(join(parent, name), { recursive: true, force: true });
}

interface Move {
  readonly root: string;
  readonly aside: string;
  readonly rootPaths: readonly string[];
  readonly copied: ReadonlySet<string>;
  readonly isOutsideLog: (path: string) => boolean;
}

/** Removals come last, so that at every moment what a document names is there. */
async function moveInto({ root, aside, rootPaths, copied, isOutsideLog }: Move): Promise<void> {
  try {
    await rename(aside, root);
    await syncPath(dirname(root));
    return;
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY') && !isErrno(error, 'EEXIST')) throw error;
  }
  const last = new Set<string>([...rootPaths, ...Object.values(recordNames)]);
  const differences = await compareTrees(aside, root);
  const wanted = [...differences.missing, ...differences.different];
  const isLast = (path: string): boolean => last.has(path);
  const { artifacts, documents } = await parted(
    aside,
    wanted.filter((path) => !isLast(path)),
    copied,
  );
  for (const path of [...artifacts, ...documents, ...wanted.filter(isLast)])
    await replaceByLink(root, join(aside, path), join(root, path));
  const gone = await parted(root, differences.extra);
  // Of links, those that name others have the later paths: `blobs` of a repository, and its `manifests`.
  for (const path of [...gone.documents, ...gone.artifacts.reverse()])
    if (!path.startsWith(`${temporaryFolder}/`) && path !== recordNames.counted && !isOutsideLog(path))
      await removeAndPrune(root, path);
  await syncFileSystem(root);
  await rm(aside, { recursive: true, force: true });
}

interface Parted {
  readonly artifacts: string[];
  readonly documents: string[];
}

/** Artifacts are links to their blobs, or copies. */
async function parted(
  directory: string,
  paths: readonly string[],
  copied: ReadonlySet<string> = new Set(),
): Promise<Parted> {
  const of: Parted = { artifacts: [], documents: [] };
  for (const path of paths) {
    // What somebody else was writing there may be gone by now.
    const found = await stat(join(directory, path)).catch(() => undefined);
    const isArtifact = copied.has(path) || (found !== undefined && found.nlink > 1);
    of[isArtifact ? 'artifacts' : 'documents'].push(path);
  }
  return of;
}

async function replaceByLink(root: string, from: string, to: string): Promise<void> {
  await ensureDirectory(dirname(to));
  const existing = await stat(to).catch(() => undefined);
  if (existing) setLaterTime(from, existing.mtimeMs);
  const temporary = temporaryIn(root);
  await ensureDirectory(dirname(temporary));
  await link(from, temporary);
  await rename(temporary, to);
}

async function removeAndPrune(root: string, path: string): Promise<void> {
  await rm(join(root, path), { force: true });
  for (let directory = dirname(path); directory !== '.'; directory = dirname(directory)) {
    try {
      await rmdir(join(root, directory));
    } catch (error) {
      if (isErrno(error, 'ENOTEMPTY') || isErrno(error, 'EEXIST') || isErrno(error, 'ENOENT')) return;
      throw error;
    }
  }
}

/** One sync of the whole disk is cheaper than one for each of a million files; where there is no such command, those. */
async function syncFileSystem(directory: string): Promise<void> {
  try {
    await promisify(execFile)('sync', ['-f', directory]);
  } catch {
    await syncTree(directory);
  }
}
