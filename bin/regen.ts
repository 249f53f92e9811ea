/** `cairn regen`: the site from the log, without a server. Safe beside a running one, and from cron. */
import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { compareTrees, type TreeDifferences } from '../stores/compare-trees.ts';
import { recordNames, temporaryFolder } from '../stores/site-files.ts';
import { requireRegistry } from './control.ts';
import { ExitCode } from './exit-codes.ts';
import { layout, readRegistry, type ReadOnlyRegistry } from './open-registry.ts';

interface RegenFlags {
  readonly out?: string;
  readonly check?: boolean;
  readonly full?: boolean;
  readonly watch?: boolean;
  readonly acceptLog?: boolean;
  readonly json?: boolean;
}

const WATCH_MS = 500;

export async function regen(dataDirectory: string, flags: RegenFlags): Promise<void> {
  requireRegistry(dataDirectory);
  const registry = await readRegistry(dataDirectory);
  try {
    const root = flags.out === undefined ? layout(dataDirectory).site : resolve(flags.out);
    if (flags.check) return await check(registry, root, flags);
    const { generator } = registry.generatorFor(root);
    if (flags.full || flags.acceptLog) await generator.rebuild({ acceptLog: flags.acceptLog ?? false });
    let seq = await generator.update();
    await generator.updateRoots();
    console.log(flags.json ? JSON.stringify({ events: seq, root }) : `${root} stands for ${seq} events`);
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
