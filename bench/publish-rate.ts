import { join } from 'node:path';
import { ADMIN_TOKEN, startServer } from '../test/support/server-process.ts';
import { commitPerEvent } from './commit-per-event.ts';
import { alternate, type Bench, type BenchContext, type Place, type Row } from './measure.ts';
import { makeRegistry, run, runChild } from './processes.ts';

const CLIENTS = 64;

export const publishRate: Bench = {
  name: 'publish-rate',
  title: `durable and visible publishes over HTTP, ${CLIENTS} clients, against one git commit per event`,
  async run(context) {
    const rows: Row[] = [];
    for (const place of context.places) rows.push(await compareAt(context, place));
    return rows;
  },
};

async function compareAt({ size, scratch, say }: BenchContext, place: Place): Promise<Row> {
  const { packages, versions, seconds, rounds } =
    size === 'full'
      ? { packages: 2_000, versions: 20_000, seconds: 6, rounds: 4 }
      : { packages: 200, versions: 2_000, seconds: 2, rounds: 2 };
  const home = scratch(place);
  const data = join(home, 'data');
  await makeRegistry(data, { packages, versions });
  const baseline = await commitPerEvent(data, join(home, 'worktree'));
  const server = await startServer({ isCompiled: true, data, env: { CAIRN_LOG_LEVEL: 'error' } });
  say(`publish-rate: ${place.name}`);
  let runs = 0;
  try {
    const measured = await alternate(
      rounds,
      async () => {
        const result = await runChild<{ published: number; seconds: number }>(
          'http-clients',
          ...[`${server.url}/x07`, ADMIN_TOKEN, String(seconds), String(CLIENTS), String((runs += 1))],
        );
        await run('sync', ['-f', home]);
        return result.published / result.seconds;
      },
      () => baseline.measure(seconds),
    );
    const reach = { atLeast: place.name === 'disk' ? 5 : 13 };
    return { what: `publishes, ${place.name}`, unit: '1/s', ...measured, reach };
  } finally {
    await server.stop();
  }
}
