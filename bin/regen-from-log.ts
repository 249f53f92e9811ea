/** What `regen` does when there is something to do, or to check. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Digest } from '../core/digest.ts';
import type { SiteTarget } from '../core/ports.ts';
import { isOutsideLog, updateCounted } from '../generator/counted-site.ts';
import { Generator } from '../generator/generator.ts';
import { LATE_WRITES_MS, rootsFollow } from '../generator/records.ts';
import { readCounters } from '../stores/counter-files.ts';
import { compareTrees, type TreeDifferences } from '../stores/compare-trees.ts';
import { writerLockPath } from '../stores/git-log.ts';
import { recordNames, temporaryFolder } from '../stores/site-files.ts';
import { livingOwner } from '../stores/writer-lock.ts';
import { requireRegistry } from './control.ts';
import { ExitCode } from './exit-codes.ts';
import { allSurfaces } from '../surfaces/index.ts';
import { layout } from './layout.ts';
import { addressOf, isBucket } from './storage.ts';
import { isHidden, readRegistry, systemClock, type ReadOnlyRegistry } from './open-registry.ts';
import { endProgress, progressShown } from './regen-progress.ts';
import { countsAreCurrent, reportRegen, siteRoot, type RegenFlags } from './regen.ts';

const WATCH_MS = 500;

export async function regenFromLog(dataDirectory: string, root: string, flags: RegenFlags): Promise<void> {
  requireRegistry(dataDirectory);
  const registry = await readRegistry(dataDirectory);
  try {
    if (flags.check) return reportCheck(await check(dataDirectory, registry, root), root, flags);
    const { generator, site } = await registry.generatorFor(root, progressShown(flags));
    let seq = await bringUp(generator, flags);
    await bringCounts(dataDirectory, registry, site);
    endProgress();
    reportRegen(root, seq, flags);
    while (flags.watch) {
      await new Promise((next) => setTimeout(next, WATCH_MS));
      await registry.log.refresh();
      registry.state.catchUp();
      if (!(await countsAreCurrent(dataDirectory, root, registry.storage)))
        await bringCounts(dataDirectory, registry, site);
      if (registry.state.length === seq) continue;
      seq = await generator.update();
      await generator.updateRoots();
      console.log(
        flags.json ? JSON.stringify({ events: seq, root }) : `${new Date().toISOString()} ${seq} events`,
      );
    }
  } finally {
    await registry.close();
  }
}

/** Brings documents and roots to the end of the log. @returns how many events the site stands for. */
export async function bringUp(
  generator: Generator,
  { full, acceptLog }: Pick<RegenFlags, 'full' | 'acceptLog'>,
): Promise<number> {
  if (full || acceptLog) await generator.rebuild({ acceptLog: acceptLog ?? false });
  const seq = await generator.update();
  await generator.updateRoots();
  await generator.settleDoubts(Date.now() - LATE_WRITES_MS);
  return seq;
}

/** Files of what a server has counted by now. */
async function bringCounts(
  dataDirectory: string,
  { state }: ReadOnlyRegistry,
  target: SiteTarget,
): Promise<void> {
  const counters = readCounters({ directory: layout(dataDirectory).counters, clock: systemClock });
  await updateCounted({
    counters,
    target,
    surfaces: allSurfaces,
    settings: () => state.settings,
    isHidden: (name) => isHidden(state, name),
    clock: systemClock,
  });
}

/** How a site differs from what its log gives. */
interface SiteCheck extends TreeDifferences {
  /** How many events the site was compared with. */
  readonly events: number;
  readonly clean: boolean;
}

/** Roots are late by a second or so under load; one that does not come is a difference. */
const SETTLE_MS = 10_000;
const SETTLE_POLL_MS = 50;
/** Of a site that is written to without end. */
const MOST_CHECKS = 3;

/**
 * Makes the site aside and compares every file. Beside a server, which goes on publishing: what it is about to bring is waited
 * for, and where the site has changed meanwhile it is compared anew.
 */
export async function check(
  dataDirectory: string,
  registry: ReadOnlyRegistry,
  root: string,
): Promise<SiteCheck> {
  const { site } = await registry.generatorFor(root);
  const isServed = root === siteRoot(dataDirectory, undefined) && isWritten(dataDirectory);
  for (let checks = 1; ; checks += 1) {
    const before = isServed ? await settled(registry, site) : undefined;
    const found = await compare(registry, root);
    if (found.clean || checks === MOST_CHECKS || before === (isServed ? await recordsOf(site) : undefined))
      return found;
  }
}

/** A server, or a command, has the log. */
function isWritten(dataDirectory: string): boolean {
  return livingOwner(writerLockPath(layout(dataDirectory).log)) !== undefined;
}

/** Waits until the site has come as far as the log. @returns its records then. */
async function settled({ log, state }: ReadOnlyRegistry, site: SiteTarget): Promise<string> {
  for (let waited = 0; ; waited += SETTLE_POLL_MS) {
    await log.refresh();
    state.catchUp();
    const [progress, roots] = [await site.load('progress'), await site.load('roots')];
    const isSettled =
      progress && !progress.claim && progress.seq === log.length && rootsFollow(roots, progress);
    // Those that were looked at: what comes a moment later is a change.
    if (isSettled || waited >= SETTLE_MS) return JSON.stringify([progress, roots]);
    await new Promise((next) => setTimeout(next, SETTLE_POLL_MS));
  }
}

async function recordsOf(site: SiteTarget): Promise<string> {
  return JSON.stringify([await site.load('progress'), await site.load('roots')]);
}

async function compare(registry: ReadOnlyRegistry, root: string): Promise<SiteCheck> {
  const aside = await mkdtemp(
    isBucket(root) ? join(tmpdir(), 'cairn-check.') : join(dirname(root), `.check.${process.pid}.`),
  );
  try {
    const { events, ...found } = await (isBucket(root) ? compareInBucket : compareOnDisk)(
      registry,
      root,
      aside,
    );
    const differences = withoutOthers(found, (path) =>
      isOutsideLog(path, allSurfaces, registry.state.settings),
    );
    const clean = Object.values(differences).every((paths: readonly string[]) => paths.length === 0);
    return { events, clean, ...differences };
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

type Compared = TreeDifferences & { readonly events: number };

async function compareOnDisk(registry: ReadOnlyRegistry, root: string, aside: string): Promise<Compared> {
  const { generator } = await registry.generatorFor(join(aside, 'site'));
  const events = await generator.update();
  return { events, ...(await compareTrees(join(aside, 'site'), root)) };
}

async function compareInBucket(registry: ReadOnlyRegistry, place: string, aside: string): Promise<Compared> {
  const [{ Bucket }, { compareBucket, SiteOnPaper }] = await Promise.all([
    import('../stores/bucket.ts'),
    import('../stores/bucket-check.ts'),
  ]);
  const { log, state, blobs, storage } = registry;
  const target = new SiteOnPaper(aside, storage.artifacts);
  await new Generator({ log, state, target, blobs, surfaces: allSurfaces }).rebuild();
  const bucket = new Bucket(addressOf(place, storage));
  const openBlob = (digest: Digest): AsyncIterable<Uint8Array> => blobs.open(digest);
  try {
    return { events: state.length, ...(await compareBucket({ site: target.site, bucket, openBlob })) };
  } finally {
    bucket.close();
  }
}

function reportCheck({ events, clean, ...differences }: SiteCheck, root: string, flags: RegenFlags): void {
  if (flags.json) console.log(JSON.stringify({ events, clean, ...differences }));
  else if (clean) console.log(`clean: ${root} is what ${events} events give`);
  else
    for (const [kind, paths] of Object.entries(differences) as [string, string[]][])
      for (const path of paths) console.log(`${kind}\t${path}`);
  if (!clean) process.exitCode = ExitCode.differs;
}

/**
 * Records say how a site came to be, not what it is; half-written files belong to whoever writes them, and counts are no
 * part of the log.
 */
function withoutOthers(differences: TreeDifferences, isOutside: (path: string) => boolean): TreeDifferences {
  const records = new Set<string>(Object.values(recordNames));
  const isFile = (path: string): boolean =>
    !records.has(path) && !path.startsWith(`${temporaryFolder}/`) && !isOutside(path);
  return {
    missing: differences.missing.filter(isFile),
    different: differences.different.filter(isFile),
    extra: differences.extra.filter(isFile),
  };
}
