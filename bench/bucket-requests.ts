/** What a publish asks of the store, from its first byte to the answer that says it can be read; blobs and site in one bucket. */
import { setTimeout as after } from 'node:timers/promises';
import { join } from 'node:path';
import { ADMIN_TOKEN, startServer } from '../test/support/server-process.ts';
import { packX07 } from '../test/support/x07-package.ts';
import { openBenchStore, type BenchStore, type StoreRequest } from './bucket-store.ts';
import { httpPublisher } from './http-publisher.ts';
import { type Bench, type Row } from './measure.ts';

const ALLOWED = 9;
/** Longer than roots wait for one another; what comes meanwhile belongs to the publish before. */
const QUIET_MS = 4_000;

export const bucketRequests: Bench = {
  name: 'bucket-requests',
  title: `requests to the store of one X07 publish over HTTP, until it is visible, against ${ALLOWED}`,
  async run({ size, places, scratch, say }) {
    const place = places[0];
    if (!place) return [];
    const home = scratch(place);
    const store = await openBenchStore(home);
    const server = await startServer({
      isCompiled: true,
      data: join(home, 'data'),
      env: {
        CAIRN_LOG_LEVEL: 'error',
        CAIRN_BUCKET: store.place('registry'),
        CAIRN_S3_ENDPOINT: store.connection.endpoint ?? '',
        CAIRN_S3_PATH_STYLE: 'true',
      },
    });
    const publisher = httpPublisher(`${server.url}/x07`, ADMIN_TOKEN, 1);
    const publish = (name: string, version: string): Promise<void> =>
      publisher.publish(packX07({ name, version }));
    try {
      await publish('warm', '1.0.0');
      await after(QUIET_MS);
      const [first, later] = [[], []] as [Publish[], Publish[]];
      for (let i = 0; i < (size === 'full' ? 5 : 2); i += 1) {
        first.push(await requestsOf(store, () => publish(`counted-${i}`, '1.0.0')));
        later.push(await requestsOf(store, () => publish(`counted-${i}`, '1.1.0')));
      }
      for (const { work, roots } of [first.at(-1), later.at(-1)].filter((each) => each !== undefined))
        for (const [what, requests] of Object.entries({ work, roots }))
          say(`${what}: ${requests.map(({ operation, key }) => `${operation} ${key}`).join(', ')}`);
      return [...rowsOf('first version of a package', first), ...rowsOf('a later version', later)];
    } finally {
      publisher.close();
      await server.stop();
      await store.close();
    }
  },
};

interface Publish {
  readonly work: readonly StoreRequest[];
  /** What is for everybody follows once in a while, for all publishes since the last time. */
  readonly roots: readonly StoreRequest[];
}

async function requestsOf(store: BenchStore, publish: () => Promise<void>): Promise<Publish> {
  store.requests();
  await publish();
  await after(QUIET_MS);
  const all = store.requests();
  // All but the roots is done when the answer is given, and roots begin after it with their own record.
  const begun = all.findIndex(({ key }) => /=roots\.json$|=counted\.json$/.test(key));
  const isRoot = ({ key }: StoreRequest, index: number): boolean =>
    begun >= 0 && index >= begun && !key.endsWith('=progress.json');
  return { work: all.filter((one, i) => !isRoot(one, i)), roots: all.filter(isRoot) };
}

function rowsOf(what: string, publishes: readonly Publish[]): Row[] {
  const ours = publishes.map(({ work }) => work.length);
  const row = (label: string, counts: readonly number[]): Row => ({
    what: label,
    unit: '',
    ours: counts,
    baseline: counts.map(() => ALLOWED),
  });
  const kinds = [...new Set(publishes.flatMap(({ work }) => work.map(kindOf)))].sort();
  return [
    { ...row(what, ours), reach: { atMost: 1 } },
    ...kinds.map((kind) =>
      row(
        `${what}, of these: ${kind}`,
        publishes.map(({ work }) => work.filter((each) => kindOf(each) === kind).length),
      ),
    ),
    row(
      `roots after it, ${what}`,
      publishes.map(({ roots }) => roots.length),
    ),
  ];
}

function kindOf({ operation, key }: StoreRequest): string {
  if (key.includes('/blobs/')) return `${operation} of a blob`;
  return `${operation} of ${/\/=\w+\.json$/.test(key) ? 'a record' : /download$/.test(key) ? 'an artifact' : 'a document'}`;
}
