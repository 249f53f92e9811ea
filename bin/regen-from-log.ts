/** What `regen` does when there is something to do, or to check. */
import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SiteTarget } from '../core/ports.ts';
import { isOutsideLog, updateCounted } from '../generator/counted-site.ts';
import type { Generator } from '../generator/generator.ts';
import { readCounters } from '../stores/counter-files.ts';
import { compareTrees, type TreeDifferences } from '../stores/compare-trees.ts';
import { recordNames, temporaryFolder } from '../stores/site-files.ts';
import { requireRegistry } from './control.ts';
import { ExitCode } from './exit-codes.ts';
import { allSurfaces } from '../surfaces/index.ts';
import { layout } from './layout.ts';
import { isHidden, readRegistry, systemClock, type ReadOnlyRegistry } from './open-registry.ts';
import { countsAreCurrent, reportRegen, type RegenFlags } from './regen.ts';

const WATCH_MS = 500;

export async function regenFromLog(dataDirectory: string, root: string, flags: RegenFlags): Promise<void> {
  requireRegistry(dataDirectory);
  const registry = await readRegistry(dataDirectory);
  try {
    if (flags.check) return reportCheck(await check(registry, root), root, flags);
    const { generator, site } = registry.generatorFor(root);
    let seq = await bringUp(generator, flags);
    await bringCounts(dataDirectory, registry, site);
    reportRegen(root, seq, flags);
    while (flags.watch) {
      await new Promise((next) => setTimeout(next, WATCH_MS));
      await registry.log.refresh();
      registry.state.catchUp();
      if (!(await countsAreCurrent(dataDirectory, root))) await bringCounts(dataDirectory, registry, site);
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
  return seq;
}

/** Files of what a server has counted by now. */
async function bringCounts(
  dataDirectory: string,
  { state }: ReadOnlyRegistry,
  target: SiteTarget,
): Promise<void> {
  const counters = readCounters({
    directory: layout(dataDirectory).counters,
    clock: systemClock,
    isHidden: (name) => isHidden(state, name),
  });
  await updateCounted({
    counters,
    target,
    surfaces: allSurfaces,
    settings: () => state.settings,
    clock: systemClock,
  });
}

/** How a site differs from what its log gives. */
interface SiteCheck extends TreeDifferences {
  /** How many events the site was compared with. */
  readonly events: number;
  readonly clean: boolean;
}

/** Makes the site aside and compares every file. What a server publishes meanwhile shows as a difference. */
export async function check(registry: ReadOnlyRegistry, root: string): Promise<SiteCheck> {
  const aside = await mkdtemp(join(dirname(root), `.check.${process.pid}.`));
  try {
    const { generator } = registry.generatorFor(join(aside, 'site'));
    const events = await generator.update();
    const differences = withoutOthers(await compareTrees(join(aside, 'site'), root), (path) =>
      isOutsideLog(path, allSurfaces, registry.state.settings),
    );
    const clean = Object.values(differences).every((paths: readonly string[]) => paths.length === 0);
    return { events, clean, ...differences };
  } finally {
    await rm(aside, { recursive: true, force: true });
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
