import { layout } from '../bin/layout.ts';
import { alternate, spreadOf, type Bench, type BenchContext, type Place, type Row } from './measure.ts';
import { converse, removeTree, runCairn } from './processes.ts';
import { regenRegistry } from './regen-registry.ts';

interface Followed {
  readonly documents: number;
  readonly roots: number;
}

export const regenOne: Bench = {
  name: 'regen-one',
  title: 'regen after one publish in a process that follows the log, against a whole regen',
  async run(context) {
    const rows: Row[] = [];
    for (const place of context.places) rows.push(...(await compareAt(context, place)));
    return rows;
  },
};

async function compareAt(context: BenchContext, place: Place): Promise<Row[]> {
  const { data, packages, versions } = await regenRegistry(context, place);
  const { rounds, publishes } =
    context.size === 'full' ? { rounds: 2, publishes: 40 } : { rounds: 2, publishes: 10 };
  context.say(`regen-one: ${place.name}`);
  const all: number[] = [];
  const measured = await alternate(
    rounds,
    async () => {
      const follower = converse('follower', data, String(packages));
      const times: Followed[] = [];
      try {
        for (let i = 0; i < publishes; i += 1) times.push(await follower.ask<Followed>('publish'));
      } finally {
        await follower.end();
      }
      // The first few of a fresh process are not warm yet.
      const warm = times.slice(publishes >> 2);
      all.push(spreadOf(warm.map(({ documents, roots }) => documents + roots)).median);
      return spreadOf(warm.map(({ documents }) => documents)).median;
    },
    async () => {
      await removeTree(layout(data).site);
      return (await runCairn('regen', '--data', data)).seconds;
    },
  );
  const what = `${packages} packages, ${versions} versions, ${place.name}`;
  return [
    { what, unit: 's', ...measured, reach: { atMost: 1 / 1000 } },
    { what: `with its roots, ${what}`, unit: 's', ours: all, baseline: measured.baseline },
  ];
}
