import { join } from 'node:path';
import { commitPerEvent } from './commit-per-event.ts';
import { alternate, type Bench } from './measure.ts';
import { makeRegistry, runChild } from './processes.ts';

const IN_FLIGHT = 256;

export const append: Bench = {
  name: 'append',
  title: `durable appends, ${IN_FLIGHT} in flight, against one git commit per event`,
  async run({ size, places, scratch, say }) {
    const { packages, versions, seconds, rounds } =
      size === 'full'
        ? { packages: 2_000, versions: 20_000, seconds: 5, rounds: 5 }
        : { packages: 200, versions: 2_000, seconds: 2, rounds: 2 };
    const rows = [];
    for (const place of places) {
      const home = scratch(place);
      const data = join(home, 'data');
      await makeRegistry(data, { packages, versions });
      const baseline = await commitPerEvent(data, join(home, 'worktree'));
      say(`append: ${place.name}`);
      const measured = await alternate(
        rounds,
        async () => {
          const result = await runChild<{ events: number; seconds: number }>(
            'append',
            ...[data, String(seconds), String(IN_FLIGHT), String(packages)],
          );
          return result.events / result.seconds;
        },
        () => baseline.measure(seconds),
      );
      rows.push({
        what: `appends in a log of ${versions} versions, ${place.name}`,
        unit: 'events/s',
        ...measured,
        reach: { atLeast: 100 },
      });
    }
    return rows;
  },
};
