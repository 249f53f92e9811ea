/** What writing a site file by file and writing it whole have in common. */
import {
  closeSync,
  copyFileSync,
  createReadStream,
  fsyncSync,
  futimesSync,
  openSync,
  utimesSync,
} from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SiteRecords } from '../core/ports.ts';
import { isErrno, nextNumber } from './durable-files.ts';
import { startOf } from './writer-lock.ts';

/** Names that start with `=` belong to nobody's package and are never served. */
export const recordNames: { readonly [K in keyof SiteRecords]: string } = {
  progress: '=progress.json',
  roots: '=roots.json',
  counted: '=counted.json',
};

/** A record that cannot be read is one that is not there: the site is then made again from the log. */
export async function loadRecord<K extends keyof SiteRecords>(
  root: string,
  record: K,
): Promise<SiteRecords[K] | undefined> {
  try {
    return JSON.parse(await readFile(join(root, recordNames[record]), 'utf8')) as SiteRecords[K];
  } catch (error) {
    if (isErrno(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Where files are half written: below the site's root, so that a rename brings them to their place. */
export const temporaryFolder = '=tmp';

export function temporaryIn(root: string): string {
  return join(root, temporaryFolder, `${process.pid}.${nextNumber()}`);
}

/** Removes what killed processes have left half written. */
export async function clearTemporaries(root: string): Promise<void> {
  const folder = join(root, temporaryFolder);
  for (const name of await readdir(folder).catch(() => [])) {
    if (startOf(Number.parseInt(name, 10)) === undefined) await rm(join(folder, name), { force: true });
  }
}

export async function* readText(path: string): AsyncGenerator<string> {
  try {
    for await (const text of createReadStream(path, { encoding: 'utf8', highWaterMark: 256 * 1024 }))
      yield text as string;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

/**
 * nginx makes ETags from whole seconds and the length: two bodies of one length within a second would give a false
 * 304 (measured: five times out of five). So each path's time grows by a second at least.
 */
export function setLaterTime(file: string | number, previousMs: number | undefined): void {
  const now = Math.floor(Date.now() / 1000);
  const previous = previousMs === undefined ? 0 : Math.floor(previousMs / 1000);
  const time = Math.max(now, previous + 1);
  if (typeof file === 'string') utimesSync(file, time, time);
  else futimesSync(file, time, time);
}

export function copySynced(source: string, target: string): void {
  copyFileSync(source, target);
  const file = openSync(target, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
