/**
 * A site as plain files under one directory, for any static host. Documents are replaced whole; artifacts are hard
 * links to their blobs.
 */
import { link, open, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Digest } from '../core/digest.ts';
import type { SiteBuild, SiteRecords, SiteTarget } from '../core/ports.ts';
import type { SiteBody, SiteFile } from '../core/site.ts';
import { ensureDirectory, isErrno, replaceFile, syncDirectories } from './durable-files.ts';
import { startBuild } from './site-build.ts';
import { copySynced, readText, recordNames, setLaterTime, temporaryBeside } from './site-files.ts';
import { acquireLock, LockHeld } from './writer-lock.ts';

const LOCK_POLL_MS = 20;

export interface SiteDirectoryOptions {
  readonly root: string;
  readonly blobPath: (digest: Digest) => string;
}

export class SiteDirectory implements SiteTarget {
  readonly root: string;
  readonly #blobPath: (digest: Digest) => string;

  constructor({ root, blobPath }: SiteDirectoryOptions) {
    this.root = root;
    this.#blobPath = blobPath;
  }

  async hold(part: keyof SiteRecords): Promise<() => Promise<void>> {
    await ensureDirectory(dirname(this.root));
    for (;;) {
      try {
        const lock = acquireLock(join(dirname(this.root), `.${basename(this.root)}.${part}.lock`));
        return async () => lock.release();
      } catch (error) {
        if (!(error instanceof LockHeld)) throw error;
        await new Promise((resume) => setTimeout(resume, LOCK_POLL_MS));
      }
    }
  }

  async load<K extends keyof SiteRecords>(record: K): Promise<SiteRecords[K] | undefined> {
    try {
      return JSON.parse(await readFile(join(this.root, recordNames[record]), 'utf8')) as SiteRecords[K];
    } catch (error) {
      // A record that cannot be read is one that is not there: the site is then made again from the log.
      if (isErrno(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  async save<K extends keyof SiteRecords>(record: K, value: SiteRecords[K]): Promise<void> {
    await ensureDirectory(this.root);
    await replaceFile(join(this.root, recordNames[record]), `${JSON.stringify(value)}\n`);
  }

  async put(files: readonly SiteFile[]): Promise<void> {
    const changed = await Promise.all(files.map((file) => this.#putOne(file)));
    await syncDirectories(changed.filter((directory) => directory !== undefined));
  }

  /** Returns the directory to sync, or undefined when the file was right already. */
  async #putOne({ path, body }: SiteFile): Promise<string | undefined> {
    const target = join(this.root, path);
    const directory = dirname(target);
    await ensureDirectory(directory);
    if ('blob' in body) return (await this.#putLink(target, body.blob)) ? directory : undefined;
    const existing = await stat(target).catch(() => undefined);
    if (existing && (await holds(target, existing.size, body))) return undefined;
    const temporary = temporaryBeside(target);
    try {
      await writeBody(temporary, body);
      await setLaterTime(temporary, existing?.mtimeMs);
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    return directory;
  }

  async #putLink(target: string, blob: Digest): Promise<boolean> {
    const source = this.#blobPath(blob);
    if (await linkOrCopy(source, target)) return true;
    const [there, wanted] = await Promise.all([stat(target), stat(source)]);
    if (there.ino === wanted.ino) return false;
    const temporary = temporaryBeside(target);
    await linkOrCopy(source, temporary);
    await rename(temporary, target);
    return true;
  }

  async remove(paths: readonly string[]): Promise<void> {
    const changed: string[] = [];
    for (const path of paths) {
      try {
        await unlink(join(this.root, path));
        changed.push(dirname(join(this.root, path)));
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    }
    await syncDirectories(changed);
  }

  read(path: string): AsyncIterable<string> {
    return readText(join(this.root, path));
  }

  rebuild(): Promise<SiteBuild> {
    return startBuild({ root: this.root, blobPath: this.#blobPath });
  }
}

async function holds(target: string, size: number, body: SiteBody): Promise<boolean> {
  if (!('bytes' in body) || size !== body.bytes.byteLength) return false;
  return (await readFile(target)).equals(body.bytes);
}

async function writeBody(path: string, body: SiteBody): Promise<void> {
  const file = await open(path, 'wx');
  try {
    if ('bytes' in body) await file.writeFile(body.bytes);
    else if ('stream' in body)
      await pipeline(Readable.from(body.stream()), file.createWriteStream({ autoClose: false }));
    await file.sync();
  } finally {
    await file.close();
  }
}

/** False when something is there already. */
async function linkOrCopy(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    // EMLINK: ext4 stops at 65,000 links. EXDEV, EPERM: the site lies on another disk, or one without links.
    if (!isErrno(error, 'EMLINK') && !isErrno(error, 'EXDEV') && !isErrno(error, 'EPERM')) throw error;
  }
  const temporary = temporaryBeside(target);
  copySynced(source, temporary);
  await rename(temporary, target);
  return true;
}
