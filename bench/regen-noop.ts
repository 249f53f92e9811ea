import { dirname, join } from 'node:path';
import { layout } from '../bin/layout.ts';
import { alternate, secondsOf, type Bench, type Row } from './measure.ts';
import { removeTree, run, runCairn } from './processes.ts';
import { regenRegistry } from './regen-registry.ts';

export const regenNoop: Bench = {
  name: 'regen-noop',
  title: 'regen with nothing changed, start-up included, against cp -r of the tree',
  async run(context) {
    const rows: Row[] = [];
    for (const place of context.places) {
      const { data, packages, versions } = await regenRegistry(context, place);
      const copy = join(dirname(data), 'copy');
      await runCairn('regen', '--data', data);
      context.say(`regen-noop: ${place.name}`);
      const measured = await alternate(
        context.size === 'full' ? 3 : 2,
        async () => (await runCairn('regen', '--data', data)).seconds,
        async () => {
          const seconds = await secondsOf(() => run('cp', ['-r', layout(data).site, copy]));
          await removeTree(copy);
          return seconds;
        },
      );
      const what = `${packages} packages, ${versions} versions, ${place.name}`;
      rows.push({ what, unit: 's', ...measured, reach: { atMost: 0.05 } });
    }
    return rows;
  },
};
