import { join } from 'node:path';
import { alternate, spreadOf, type Bench, type BenchContext, type Place, type Row } from './measure.ts';
import { type Conversation, converse, makeRegistry, runCairn } from './processes.ts';

export const publishScale: Bench = {
  name: 'publish-scale',
  title: 'one publish, from the log to visible, in a large registry against a small one',
  async run(context) {
    const rows: Row[] = [];
    for (const place of context.places) rows.push(...(await compareAt(context, place)));
    return rows;
  },
};

async function compareAt(context: BenchContext, place: Place): Promise<Row[]> {
  const { sizes, rounds, publishes } =
    context.size === 'full'
      ? { sizes: [2_000, 200_000] as const, rounds: 6, publishes: 100 }
      : { sizes: [100, 2_000] as const, rounds: 2, publishes: 30 };
  const home = context.scratch(place);
  const make = async (packages: number): Promise<Conversation> => {
    const data = join(home, String(packages));
    context.say(`publish-scale: making ${packages} packages, ${place.name}`);
    await makeRegistry(data, { packages, versions: 2 * packages });
    await runCairn('regen', '--data', data);
    return converse('publisher', data, String(packages));
  };
  const slow = { ours: [] as number[], baseline: [] as number[] };
  const typical = async (publisher: Conversation, slowest: number[]): Promise<number> => {
    const times = await publisher.ask<number[]>(String(publishes));
    slowest.push(times.sort((a, b) => a - b)[Math.floor(times.length * 0.95)] ?? NaN);
    return spreadOf(times).median;
  };
  const [large, small] = [await make(sizes[1]), await make(sizes[0])];
  try {
    await Promise.all([small, large].map((publisher) => publisher.ask(String(publishes))));
    const measured = await alternate(
      rounds,
      () => typical(large, slow.ours),
      () => typical(small, slow.baseline),
    );
    return rowsOf(`${sizes[1]} packages against ${sizes[0]}, ${place.name}`, measured, slow);
  } finally {
    // A publisher that outlives the bench would write into directories that are being removed.
    await Promise.all([small.end(), large.end()]);
  }
}

interface Pairs {
  readonly ours: readonly number[];
  readonly baseline: readonly number[];
}

function rowsOf(what: string, typical: Pairs, slow: Pairs): Row[] {
  return [
    { what, unit: 'ms', ...typical, reach: { atMost: 1.1 } },
    { what: `95th percentile, ${what}`, unit: 'ms', ...slow },
  ];
}
