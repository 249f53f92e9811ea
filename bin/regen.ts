/**
 * `cairn regen`: the site from the log, without a server. Safe beside a running one, and from cron, where it mostly
 * has nothing to do: then it ends before anything is loaded that reads a log.
 */
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { dayOf } from '../core/count.ts';
import { isCurrent } from '../generator/records.ts';
import { BRANCH, readBranch } from '../stores/git-objects.ts';
import type { SiteRecords } from '../core/ports.ts';
import { layout } from './layout.ts';
import { loadSiteRecord, sitePlace } from './open-site.ts';
import { isBucket, readStorage, storageIn, withConnection, type Storage } from './storage.ts';

export interface RegenFlags {
  readonly out?: string;
  /** The same, in the word of those who have buckets. */
  readonly to?: string;
  readonly check?: boolean;
  readonly full?: boolean;
  readonly watch?: boolean;
  readonly acceptLog?: boolean;
  readonly json?: boolean;
}

export async function regen(dataDirectory: string, flags: RegenFlags): Promise<void> {
  const { log } = layout(dataDirectory);
  const root = siteRoot(dataDirectory, flags.to ?? flags.out);
  const isPlain = !flags.check && !flags.full && !flags.watch && !flags.acceptLog;
  const storage = withConnection(readStorage(dataDirectory), storageIn(process.env));
  const isCounted = isPlain && (await countsAreCurrent(dataDirectory, root, storage));
  const events = isCounted ? await eventsWhenCurrent(log, root, storage) : undefined;
  if (events !== undefined) return reportRegen(root, events, flags);
  const { regenFromLog } = await import('./regen-from-log.ts');
  await regenFromLog(dataDirectory, root, flags);
}

/** Where a site lies: the registry's own place, or another one. */
export function siteRoot(dataDirectory: string, out: string | undefined): string {
  if (out === undefined) return sitePlace(dataDirectory, readStorage(dataDirectory));
  return isBucket(out) ? out.replace(/\/$/, '') : resolve(out);
}

/** How many events a site stands for when nothing is to be done for it. Whatever looks odd is left to the long way. */
export async function eventsWhenCurrent(
  log: string,
  root: string,
  storage: Storage = {},
): Promise<number | undefined> {
  try {
    const head = await readBranch(log, BRANCH);
    const load = <K extends keyof SiteRecords>(name: K): Promise<SiteRecords[K] | undefined> =>
      loadSiteRecord(root, storage, name);
    const [progress, roots] = [await load('progress'), await load('roots')];
    if (head === undefined || !progress || !roots) return undefined;
    return isCurrent({ progress, roots }, head) ? progress.seq : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the files of counts are of today, and nothing was counted since. */
export async function countsAreCurrent(
  dataDirectory: string,
  root: string,
  storage: Storage = {},
): Promise<boolean> {
  const directory = layout(dataDirectory).counters;
  const names = await readdir(directory).catch(() => []);
  if (names.length === 0) return true;
  const counted = await loadSiteRecord(root, storage, 'counted').catch(() => undefined);
  if (!counted || dayOf(counted.untilMs) !== dayOf(Date.now())) return false;
  const times = await Promise.all(names.map((name) => stat(join(directory, name)).catch(() => undefined)));
  return times.every((file) => file === undefined || file.mtimeMs <= counted.untilMs);
}

export function reportRegen(root: string, events: number, { json }: RegenFlags): void {
  console.log(json ? JSON.stringify({ events, root }) : `${root} stands for ${events} events`);
}
