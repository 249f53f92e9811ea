/** What `regen` does when there is something to do, or to check. */
import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { compareTrees, type TreeDifferences } from '../stores/compare-trees.ts';
import { recordNames, temporaryFolder } from '../stores/site-files.ts';
import { requireRegistry } from './control.ts';
import { ExitCode } from './exit-codes.ts';
import { readRegistry, type ReadOnlyRegistry } from './open-registry.ts';
import { reportRegen, type RegenFlags } from './regen.ts';

const WATCH_MS = 500;

export async function regenFromLog(dataDirectory: string, root: string, flags: RegenFlags): Promise<void> {
  requireRegistry(dataDirectory);
  const registry = await readRegistry(dataDirectory);
  try {
    if (flags.check) return await check(registry, root, flags);
    const { generator } = registry.generatorFor(root);
    if (flags.full || flags.acceptLog) await generator.rebuild({ acceptLog: flags.acceptLog ?? false });
    let seq = await generator.update();
    await generator.updateRoots();
    reportRegen(root, seq, flags);
    while (flags.watch) {
      await new Promise((next) => setTimeout(next, WATCH_MS));
      await registry.log.refresh();
      registry.state.catchUp();
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

/** Makes the site aside and compares every file. What a server publishes meanwhile shows as a difference. */
async function check(registry: ReadOnlyRegistry, root: string, flags: RegenFlags): Promise<void> {
  const aside = await mkdtemp(join(dirname(root), `.check.${process.pid}.`));
  try {
    const { generator } = registry.generatorFor(join(aside, 'site'));
    const seq = await generator.update();
    const differences = withoutRecords(await compareTrees(join(aside, 'site'), root));
    const count = differences.missing.length + differences.different.length + differences.extra.length;
    if (flags.json) console.log(JSON.stringify({ events: seq, clean: count === 0, ...differences }));
    else if (count === 0) console.log(`clean: ${root} is what ${seq} events give`);
    else
      for (const [kind, paths] of Object.entries(differences) as [string, string[]][])
        for (const path of paths) console.log(`${kind}\t${path}`);
    if (count > 0) process.exitCode = ExitCode.differs;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** Records say how a site came to be, not what it is; half-written files belong to whoever writes them. */
function withoutRecords(differences: TreeDifferences): TreeDifferences {
  const records = new Set<string>(Object.values(recordNames));
  const isFile = (path: string): boolean => !records.has(path) && !path.startsWith(`${temporaryFolder}/`);
  return {
    missing: differences.missing.filter(isFile),
    different: differences.different.filter(isFile),
    extra: differences.extra.filter(isFile),
  };
}
