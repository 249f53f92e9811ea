/** One publish, from the log to visible, with blobs and site in a bucket: in a large registry against a small one. */
import { join } from 'node:path';
import { openBenchStore, recordConnection, type BenchStore } from './bucket-store.ts';
import { alternate, spreadOf, type Bench, type BenchContext, type Place, type Row } from './measure.ts';
import { converse, makeRegistry, runCairn, type Conversation } from './processes.ts';

export const bucketScale: Bench = {
  name: 'bucket-scale',
  title:
    'one publish, from the log to visible, blobs and site in a bucket, in a large registry against a small one',
  async run(context) {
    const rows: Row[] = [];
    for (const place of context.places) rows.push(...(await compareAt(context, place)));
    return rows;
  },
};

async function compareAt(context: BenchContext, place: Place): Promise<Row[]> {
  const { rounds, publishes } =
    context.size === 'full' ? { rounds: 6, publishes: 50 } : { rounds: 2, publishes: 20 };
  const largest = process.env['CAIRN_BENCH_PACKAGES'] ?? (context.size === 'full' ? 200_000 : 2_000);
  const sizes = { small: context.size === 'full' ? 2_000 : 100, large: Number(largest) };
  const home = context.scratch(place);
  const store = await openBenchStore(home);
  const publishers: Conversation[] = [];
  const make = async (packages: number): Promise<Conversation> => {
    context.say(`bucket-scale: making ${packages} packages, ${place.name}`);
    const publisher = await makeInBucket(join(home, String(packages)), packages, store);
    publishers.push(publisher);
    return publisher;
  };
  try {
    const [large, small] = [await make(sizes.large), await make(sizes.small)];
    for (const publisher of [large, small]) await publisher.ask(String(publishes));
    const requests = { ours: [] as number[], baseline: [] as number[] };
    const typical = async (publisher: Conversation, counts: number[]): Promise<number> => {
      store.forget();
      const times = await publisher.ask<number[]>(String(publishes));
      // Roots come once in a while, whatever was published meanwhile, and are recorded apart.
      const ofPackages = store.requests().filter(({ key }) => /\/v1\/packages\/|\/index\/..?\//.test(key));
      counts.push(ofPackages.length / publishes);
      return spreadOf(times).median;
    };
    const measured = await alternate(
      rounds,
      () => typical(large, requests.ours),
      () => typical(small, requests.baseline),
    );
    const what = `${sizes.large} packages against ${sizes.small}, ${place.name}`;
    return [
      { what, unit: 'ms', ...measured, reach: { atMost: 1.1 } },
      { what: `requests about files of packages, ${what}`, unit: '', ...requests, reach: { atMost: 1 } },
    ];
  } finally {
    for (const publisher of publishers) await publisher.end();
    await store.close();
  }
}

async function makeInBucket(data: string, packages: number, store: BenchStore): Promise<Conversation> {
  await makeRegistry(data, { packages, versions: packages });
  await recordConnection(data, store);
  const places = ['blobs', 'site'].flatMap((part) => [`--${part}`, store.place(`${packages}/${part}`)]);
  await runCairn('storage', 'move', '--data', data, ...places);
  return converse('publisher', data, String(packages));
}
