import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { alternate, type Bench, type Place, type Row } from './measure.ts';
import { makeRegistry, runChild } from './processes.ts';

const EARLY_COMMITS = 100;

interface Appended {
  readonly appendSeconds: number;
  readonly totalSeconds: number;
}

export const appendLate: Bench = {
  name: 'append-late',
  title: 'commits of one event, in an old log against a young one, repacking in the background included',
  async run({ size, places, scratch, say }) {
    const { lateCommits, window, rounds } =
      size === 'full'
        ? { lateCommits: 100_000, window: 2_500, rounds: 4 }
        : { lateCommits: 1_500, window: 150, rounds: 2 };
    const builtIn = places.find(({ name }) => name === 'tmpfs') ?? places[0];
    if (!builtIn) return [];
    const built = scratch(builtIn);
    const [early, late] = [join(built, 'early'), join(built, 'late')];
    for (const data of [early, late]) await makeRegistry(data, { packages: 1, versions: 1 });
    await runChild('append-single', early, String(EARLY_COMMITS));
    say(`append-late: making ${lateCommits} commits`);
    await runChild('append-single', late, String(lateCommits));
    const rows: Row[] = [];
    for (const place of places) {
      say(`append-late: ${place.name}`);
      rows.push(await compareAt(place, { early, late, home: scratch(place), window, rounds }));
    }
    return rows.map((row) => ({ ...row, what: `after ${lateCommits} commits and after 100, ${row.what}` }));
  },
};

interface Comparison {
  readonly early: string;
  readonly late: string;
  readonly home: string;
  readonly window: number;
  readonly rounds: number;
}

/** Every window starts from a copy, so that the young log stays young. */
async function compareAt(place: Place, { early, late, home, window, rounds }: Comparison): Promise<Row> {
  let copies = 0;
  const costOf = async (data: string): Promise<number> => {
    const copy = join(home, `copy-${(copies += 1)}`);
    await cp(data, copy, { recursive: true });
    const { totalSeconds } = await runChild<Appended>('append-single', copy, String(window));
    return (totalSeconds / window) * 1000;
  };
  const measured = await alternate(
    rounds,
    () => costOf(late),
    () => costOf(early),
  );
  return { what: place.name, unit: 'ms/append', ...measured, reach: { atMost: 1.2 } };
}
