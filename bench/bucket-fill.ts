/** The first upload of a whole site: from the log into an empty prefix, against `rclone copy` of the tree that it makes. */
import { join } from 'node:path';
import { layout } from '../bin/layout.ts';
import { filesOf, openBenchStore, recordConnection, shapeOf } from './bucket-store.ts';
import { secondsOf, type Bench, type BenchContext, type Place, type Row } from './measure.ts';
import { makeRegistry, runCairn } from './processes.ts';

const ROUNDS = 2;

export const bucketFill: Bench = {
  name: 'bucket-fill',
  title:
    'the first regen of a registry into a bucket, rendering included, against rclone copy of the same tree',
  async run(context) {
    const rows: Row[] = [];
    for (const place of context.places) rows.push(...(await compareAt(context, place)));
    return rows;
  },
};

async function compareAt(context: BenchContext, place: Place): Promise<Row[]> {
  const files = filesOf(context.size === 'full' ? 20_000 : 2_000);
  const home = context.scratch(place);
  const store = await openBenchStore(home);
  const data = join(home, 'data');
  try {
    await makeRegistry(data, shapeOf(files));
    await recordConnection(data, store);
    await runCairn('regen', '--data', data);
    const { site } = layout(data);
    const [ours, rclone, wide, requests] = [[], [], [], []] as [number[], number[], number[], number[]];
    for (let round = 0; round < ROUNDS; round += 1) {
      store.requests();
      const { seconds } = await runCairn('regen', '--data', data, '--to', store.place(`cairn-${round}`));
      ours.push(seconds);
      requests.push(store.requests().length);
      rclone.push(await secondsOf(() => store.rclone('copy', site, `rclone-${round}`)));
      wide.push(await secondsOf(() => store.rclone('copy', site, `wide-${round}`, '--transfers', '32')));
      context.say(`bucket-fill: ${seconds.toFixed(1)} s, rclone ${rclone.at(-1)?.toFixed(1)} s`);
    }
    const what = `${files} files, ${place.name}`;
    return [
      { what: `${what}: rclone copy`, unit: 's', ours, baseline: rclone, reach: { atMost: 1.2 } },
      {
        what: `${what}: rclone copy --transfers 32`,
        unit: 's',
        ours,
        baseline: wide,
        reach: { atMost: 1.2 },
      },
      {
        what: `${what}: requests for each file`,
        unit: '',
        ours: requests,
        baseline: requests.map(() => files),
      },
    ];
  } finally {
    await store.close();
  }
}
