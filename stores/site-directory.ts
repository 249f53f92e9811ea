/**
 * A site as plain files under one directory, for any static host. Documents are replaced whole; artifacts are hard
 * links to their blobs.
 */
import {
  closeSync,
  existsSync,
  linkSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Digest } from '../core/digest.ts';
import type { SiteBuild, SiteRecords, SiteTarget } from '../core/ports.ts';
import { byRank, type SiteBody, type SiteFile } from '../core/site.ts';
import {
  DurableDirectories,
  ensureDirectory,
  isErrno,
  moveOrRemove,
  replaceFile,
  sync,
  syncDirectories,
  writeWhole,
} from './durable-files.ts';
import { clearLeftovers } from './leftovers.ts';
import { sideBySide } from './side-by-side.ts';
import { startBuild } from './site-build.ts';
import {
  clearTemporaries,
  copySynced,
  loadRecord,
  readText,
  recordNames,
  setLaterTime,
  temporaryIn,
} from './site-files.ts';
import { acquireLock, LockHeld } from './writer-lock.ts';

const LOCK_POLL_MS = 20;

export interface SiteDirectoryOptions {
  readonly root: string;
  readonly blobPath: (digest: Digest) => string;
  /** Whether a path is no function of the log, and so not for a rebuild to remove; none unless told. */
  readonly isOutsideLog?: (path: string) => boolean;
}

export class SiteDirectory implements SiteTarget {
  readonly root: string;
  readonly #blobPath: (digest: Digest) => string;
  readonly #isOutsideLog: (path: string) => boolean;
  #directories: DurableDirectories;
  #cleared = false;

  constructor({ root, blobPath, isOutsideLog = () => false }: SiteDirectoryOptions) {
    this.root = root;
    this.#blobPath = blobPath;
    this.#isOutsideLog = isOutsideLog;
    this.#directories = new DurableDirectories(root);
  }

  async hold(part: keyof SiteRecords): Promise<() => Promise<void>> {
    await ensureDirectory(dirname(this.root));
    for (;;) {
      try {
        const lock = acquireLock(this.#lockPath(part));
        if (!this.#cleared) await this.#clear();
        this.#cleared = true;
        return async () => lock.release();
      } catch (error) {
        if (!(error instanceof LockHeld)) throw error;
        await new Promise((resume) => setTimeout(resume, LOCK_POLL_MS));
      }
    }
  }

  /** To hold a part is to have it to oneself. */
  async claim(): Promise<void> {}

  #lockPath(part: string): string {
    return join(dirname(this.root), `.${basename(this.root)}.${part}.lock`);
  }

  /** What killed processes have left. */
  async #clear(): Promise<void> {
    await clearTemporaries(this.root);
    for (const part of Object.keys(recordNames))
      await clearLeftovers(dirname(this.root), `${basename(this.#lockPath(part))}.`);
  }

  load<K extends keyof SiteRecords>(record: K): Promise<SiteRecords[K] | undefined> {
    return loadRecord(this.root, record);
  }

  async save<K extends keyof SiteRecords>(record: K, value: SiteRecords[K]): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
    await this.#again(async () =>
      replaceFile(join(this.root, recordNames[record]), bytes, await this.#temporary()),
    );
  }

  async put(files: readonly SiteFile[]): Promise<void> {
    await this.#again(async () => {
      for (const together of byRank(files)) await sideBySide(together, (file) => this.#putOne(file));
      // Also where nothing changed: whoever wrote those bytes may have been killed before this step.
      await syncDirectories(files.map(({ path }) => dirname(join(this.root, path))));
    });
  }

  /** Somebody may have removed the site, or exchanged it for another: then the directories have to be made again. */
  async #again(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      this.#directories = new DurableDirectories(this.root);
      await write();
    }
  }

  async #putOne({ path, body }: SiteFile): Promise<void> {
    const target = join(this.root, path);
    await this.#directories.ensure(dirname(target));
    if ('blob' in body) return this.#putLink(target, body.blob);
    const existing = statSync(target, { throwIfNoEntry: false });
    if (existing && holds(target, existing.size, body)) return;
    const temporary = await this.#temporary();
    await writeBody(temporary, body, existing?.mtimeMs);
    moveOrRemove(temporary, target);
  }

  async #putLink(target: string, blob: Digest): Promise<void> {
    const source = this.#blobPath(blob);
    if (await this.#linkOrCopy(source, target)) return;
    const existing = statSync(target);
    if (existing.ino === statSync(source).ino) return;
    const temporary = await this.#temporary();
    await this.#linkOrCopy(source, temporary);
    // Of the blob itself, whose time means nothing anywhere else.
    setLaterTime(temporary, existing.mtimeMs);
    moveOrRemove(temporary, target);
  }

  /** False when something is there already. */
  async #linkOrCopy(source: string, target: string): Promise<boolean> {
    try {
      linkSync(source, target);
      return true;
    } catch (error) {
      if (isErrno(error, 'EEXIST')) return false;
      // EMLINK: ext4 stops at 65,000 links. EXDEV, EPERM: the site lies on another disk, or one without links.
      if (!isErrno(error, 'EMLINK') && !isErrno(error, 'EXDEV') && !isErrno(error, 'EPERM')) throw error;
    }
    const temporary = await this.#temporary();
    copySynced(source, temporary);
    moveOrRemove(temporary, target);
    return true;
  }

  async #temporary(): Promise<string> {
    const path = temporaryIn(this.root);
    await this.#directories.ensure(dirname(path));
    return path;
  }

  async remove(paths: readonly string[]): Promise<void> {
    const full = paths.map((path) => join(this.root, path));
    for (const path of full)
      try {
        unlinkSync(path);
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    // Also where it was gone already: whoever removed it may have been killed before these steps.
    const staying = full.map((path) => this.#removeEmpty(dirname(path)));
    await syncDirectories(staying.filter((directory) => existsSync(directory)));
  }

  /** The folders of what is gone: their names may tell what nobody is to know any more. Returns the first that stays. */
  #removeEmpty(directory: string): string {
    if (directory === this.root) return directory;
    try {
      rmdirSync(directory);
    } catch (error) {
      // Something is in it, or it is not ours to remove, such as a link: then it stays.
      if (!isErrno(error, 'ENOENT')) return directory;
    }
    return this.#removeEmpty(dirname(directory));
  }

  /** Every write looks. */
  forget(): void {}

  read(path: string): AsyncIterable<string> {
    return readText(join(this.root, path));
  }

  rebuild(): Promise<SiteBuild> {
    // The directories that stand there are about to be exchanged.
    this.#directories = new DurableDirectories(this.root);
    return startBuild({ root: this.root, blobPath: this.#blobPath, isOutsideLog: this.#isOutsideLog });
  }
}

function holds(target: string, size: number, body: SiteBody): boolean {
  return 'bytes' in body && size === body.bytes.byteLength && readFileSync(target).equals(body.bytes);
}

async function writeBody(path: string, body: SiteBody, previousMs: number | undefined): Promise<void> {
  const file = openSync(path, 'wx');
  try {
    if ('bytes' in body) writeWhole(file, body.bytes);
    else if ('stream' in body) for await (const text of body.stream()) writeWhole(file, Buffer.from(text));
    setLaterTime(file, previousMs);
    await sync(file);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}
