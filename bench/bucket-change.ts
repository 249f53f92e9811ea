/** A few changed files of many: what a step of the generator sends, against programs that compare two trees to find them. */
import { join } from 'node:path';
import { layout } from '../bin/layout.ts';
import {
  countOf,
  filesOf,
  openBenchStore,
  recordConnection,
  shapeOf,
  type BenchStore,
} from './bucket-store.ts';
import { secondsOf, type Bench, type BenchContext, type Place, type Row } from './measure.ts';
import { converse, makeRegistry, runCairn, type Conversation } from './processes.ts';

/** Each writes four files: its metadata, its artifact, the entry and the document of its package. */
const PUBLISHES = 3;
const ROUNDS = 2;
const REACH = { atMost: 1 / 200 };

export const bucketChange: Bench = {
  name: 'bucket-change',
  title:
    'a step of the generator over a site in a bucket that changes 12 files of many, against sync of the same trees',
  async run(context) {
    const rows: Row[] = [];
    for (const place of context.places) rows.push(...(await compareAt(context, place)));
    return rows;
  },
};

async function compareAt(context: BenchContext, place: Place): Promise<Row[]> {
  const files = filesOf(context.size === 'full' ? 200_000 : 2_000);
  const home = context.scratch(place);
  const store = await openBenchStore(home);
  const data = join(home, 'data');
  const shape = shapeOf(files);
  context.say(`bucket-change: filling three prefixes with ${files} files, ${place.name}`);
  try {
    await makeRegistry(data, shape);
    await recordConnection(data, store);
    await runCairn('regen', '--data', data);
    await runCairn('regen', '--data', data, '--to', store.place('cairn'));
    const { site } = layout(data);
    for (const prefix of prefixes) await store.rclone('copy', site, prefix, '--transfers', '32');
    const follower = converse('bucket-follower', data, String(shape.packages), store.place('cairn'));
    try {
      return await compare(context, { store, follower, site, what: `12 files of ${files}, ${place.name}` });
    } finally {
      await follower.end();
    }
  } finally {
    await store.close();
  }
}

interface Trees {
  readonly store: BenchStore;
  readonly follower: Conversation;
  readonly site: string;
  readonly what: string;
}

const prefixes = ['rclone', 'rclone-lists', 'aws'] as const;

async function compare({ say }: BenchContext, { store, follower, site, what }: Trees): Promise<Row[]> {
  const seconds = {
    ours: [] as number[],
    roots: [] as number[],
    rclone: [] as number[],
    lists: [] as number[],
  };
  const asked = { ours: [] as number[], lists: [] as number[], rclone: [] as number[], aws: [] as number[] };
  const aws: number[] = [];
  const change = async (): Promise<{ documents: number; roots: number }> =>
    follower.ask<{ documents: number; roots: number }>(String(PUBLISHES));
  // Nothing of it is warm in the first.
  await change();
  store.forget();
  for (let round = 0; round < ROUNDS; round += 1) {
    const { documents, roots } = await change();
    const requests = store.requests();
    seconds.ours.push(documents);
    seconds.roots.push(documents + roots);
    asked.ours.push(requests.length);
    asked.lists.push(countOf(requests, /^List/));
    say(`bucket-change: ${(documents * 1000).toFixed(0)} ms, ${requests.length} requests`);
    seconds.rclone.push(await secondsOf(() => store.rclone('sync', site, 'rclone')));
    asked.rclone.push(store.requests().length);
    seconds.lists.push(
      await secondsOf(() => store.rclone('sync', site, 'rclone-lists', '--checksum', '--fast-list')),
    );
    store.forget();
    aws.push(await secondsOf(() => store.awsSync(site, 'aws')));
    asked.aws.push(store.requests().length);
  }
  const none = asked.lists.map(() => 0);
  return [
    { what: `${what}: rclone sync`, unit: 's', ours: seconds.ours, baseline: seconds.rclone, reach: REACH },
    { what: `${what}: aws s3 sync`, unit: 's', ours: seconds.ours, baseline: aws, reach: REACH },
    {
      what: `${what}: rclone sync --checksum --fast-list`,
      unit: 's',
      ours: seconds.ours,
      baseline: seconds.lists,
    },
    {
      what: `${what}, with its roots: rclone sync`,
      unit: 's',
      ours: seconds.roots,
      baseline: seconds.rclone,
    },
    {
      what: `${what}, with its roots: requests of rclone sync`,
      unit: '',
      ours: asked.ours,
      baseline: asked.rclone,
    },
    {
      what: `${what}, with its roots: requests of aws s3 sync`,
      unit: '',
      ours: asked.ours,
      baseline: asked.aws,
    },
    {
      what: `${what}, with its roots: LIST requests, none allowed`,
      unit: '',
      ours: asked.lists,
      baseline: none,
    },
  ];
}
