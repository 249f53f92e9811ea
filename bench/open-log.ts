/** What a start costs when the log is long: every line is read and checked, and little of it is kept. */
import { join } from 'node:path';
import { alternate, secondsOf, type Bench, type Row } from './measure.ts';
import { makeRegistry, run, runChild } from './processes.ts';
import { copyPath } from './registry-generator.ts';

/** "A few tens of MB at two million versions." */
const ALLOWED_BYTES = 64 * 2 ** 20;

interface Opened {
  readonly seconds: number;
  readonly heldBytes: number;
  readonly events: number;
}

export const openLog: Bench = {
  name: 'open-log',
  title: 'reading a long log, as every start does, against sha256sum of its lines',
  async run({ size, places, scratch, say }) {
    const shape =
      size === 'full' ? { packages: 200_000, versions: 2_000_000 } : { packages: 2_000, versions: 20_000 };
    const rows: Row[] = [];
    for (const place of places) {
      const data = join(scratch(place), 'data');
      say(`open-log: making ${shape.packages} packages, ${shape.versions} versions, ${place.name}`);
      await makeRegistry(data, shape);
      await runChild<Opened>('open', data);
      const held: number[] = [];
      const measured = await alternate(
        2,
        async () => {
          const { seconds, heldBytes } = await runChild<Opened>('open', data);
          held.push(heldBytes);
          return seconds;
        },
        () => secondsOf(() => run('sha256sum', [copyPath(data)])),
      );
      const what = `${shape.packages} packages, ${shape.versions} versions, ${place.name}`;
      rows.push(
        { what, unit: 's', ...measured },
        {
          what: `memory held, ${what}`,
          unit: 'MiB',
          ours: held.map((bytes) => bytes / 2 ** 20),
          baseline: held.map(() => ALLOWED_BYTES / 2 ** 20),
          reach: { atMost: 1 },
        },
      );
    }
    return rows;
  },
};
