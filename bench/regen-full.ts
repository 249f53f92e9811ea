import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { layout } from '../bin/layout.ts';
import { alternate, secondsOf, type Bench, type BenchContext, type Place, type Row } from './measure.ts';
import { removeTree, run, runCairn } from './processes.ts';
import { copyPath } from './registry-generator.ts';
import { regenRegistry } from './regen-registry.ts';

const ALLOWED_BYTES = 256 * 1024 * 1024;

export const regenFull: Bench = {
  name: 'regen-full',
  title: 'a whole regen against tar x of the tree it makes, both followed by sync',
  async run(context) {
    const rows: Row[] = [];
    for (const place of context.places) rows.push(...(await compareAt(context, place)));
    return rows;
  },
};

async function compareAt(context: BenchContext, place: Place): Promise<Row[]> {
  const { data, packages, versions } = await regenRegistry(context, place);
  const { site } = layout(data);
  const home = dirname(data);
  const [archive, unpacked] = [join(home, 'site.tar'), join(home, 'unpacked')];
  await removeTree(site);
  await runCairn('regen', '--data', data);
  await run('tar', ['cf', archive, '-C', site, '.']);
  const peaks: number[] = [];
  context.say(`regen-full: ${place.name}`);
  const measured = await alternate(
    context.size === 'full' ? 3 : 2,
    async () => {
      await removeTree(site);
      await run('sync', ['-f', home]);
      const { seconds, peakBytes } = await runCairn('regen', '--data', data);
      peaks.push(peakBytes / 2 ** 20);
      return seconds + (await secondsOf(() => run('sync', ['-f', home])));
    },
    async () => {
      await removeTree(unpacked);
      await mkdir(unpacked);
      await run('sync', ['-f', home]);
      return secondsOf(async () => {
        await run('tar', ['xf', archive, '-C', unpacked]);
        await run('sync', ['-f', home]);
      });
    },
  );
  await removeTree(unpacked);
  await removeTree(archive);
  const allowed = Math.max(ALLOWED_BYTES, (await stat(copyPath(data))).size / 2) / 2 ** 20;
  const what = `${packages} packages, ${versions} versions, ${place.name}`;
  return [
    { what, unit: 's', ...measured, reach: { atMost: place.name === 'disk' ? 1.2 : 3 } },
    {
      what: `peak memory of it against half the log or 256 MiB, ${place.name}`,
      unit: 'MiB',
      ours: peaks,
      baseline: peaks.map(() => allowed),
      reach: { atMost: 1 },
    },
  ];
}
