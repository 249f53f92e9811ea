/** What a version costs that is not the first: of a package with thousands against the second of a new one. */
import { join } from 'node:path';
import { publish } from '../test/support/npm-registries.ts';
import { ADMIN_TOKEN, startServer, type ServerProcess } from '../test/support/server-process.ts';
import { watchCalls, watchingUnavailable } from '../test/support/system-calls.ts';
import { spreadOf, type Bench, type BenchContext, type Place, type Row } from './measure.ts';
import { realistic, versionAt, type NpmShape } from './npm-registry.ts';
import { cpuMsOf, runCairn, runChild } from './processes.ts';

/** After a round: the roots follow a publish by a second at most, and their work counts as well. */
const ROOTS_MS = 1_600;

export const npmPublishMany: Bench = {
  name: 'npm-publish-many',
  title: 'publishing one more version of a large npm package over HTTP, against version 2 of another',
  async run(context) {
    const rows: Row[] = [];
    for (const place of context.places) rows.push(...(await compareAt(context, place)));
    return rows;
  },
};

async function compareAt(context: BenchContext, place: Place): Promise<Row[]> {
  const { large, pair, rounds, publishes } =
    context.size === 'full'
      ? { large: 5_000, pair: 3_000, rounds: 5, publishes: 12 }
      : { large: 500, pair: 300, rounds: 2, publishes: 4 };
  const data = join(context.scratch(place), 'data');
  const smalls = Array.from({ length: rounds * publishes + 20 }, (_, i) => `small-${i}`);
  await makeNpmRegistry(data, {
    large,
    'twin-a': pair,
    'twin-b': pair,
    ...Object.fromEntries(smalls.map((name) => [name, 1])),
  });
  const server = await startServer({ isCompiled: true, data, env: { CAIRN_LOG_LEVEL: 'error' } });
  context.say(`npm-publish-many: ${place.name}`);
  try {
    const session = publishing(server, { large, 'twin-a': pair, 'twin-b': pair });
    const second = (): string => smalls.pop() ?? '';
    const again = (name: string) => () => name;
    let turn = 0;
    const inTurn = (): string => ((turn += 1) % 2 === 0 ? 'twin-a' : 'twin-b');
    await session.round(4, again('large'));
    await session.round(4, second);
    const many = await inRounds(rounds, publishes, session, again('large'), second);
    const written = [await session.written('large', data), await session.written(second(), data)] as const;
    await session.round(4, inTurn);
    const twins = await inRounds(rounds, publishes, session, inTurn, again('twin-a'));
    const what = `version ${large + 1} against version 2, ${place.name}`;
    const turns = `two packages of ${pair} in turn against one of them, ${place.name}`;
    return [
      ...rowsOf(what, many),
      ...(written[0] && written[1] ? bytesRows(what, written[0], written[1]) : []),
      ...rowsOf(turns, twins),
    ];
  } finally {
    await server.stop();
  }
}

/** A registry with its keys and settings as a server makes them, then filled, and its site. */
export async function makeNpmRegistry(data: string, shape: NpmShape): Promise<void> {
  const first = await startServer({ isCompiled: true, data, env: { CAIRN_LOG_LEVEL: 'error' } });
  await first.stop();
  await runChild('generate-npm', data, JSON.stringify(shape));
  await runCairn('regen', '--data', data);
}

interface Round {
  /** Until it can be read. */
  readonly ms: number;
  readonly cpuMs: number;
}

interface Publishing {
  /** The typical publish of a round. */
  round(publishes: number, next: () => string): Promise<Round>;
  /** Undefined where no calls can be watched. */
  written(name: string, data: string): Promise<Written | undefined>;
}

function publishing(server: ServerProcess, counts: Record<string, number>): Publishing {
  const to = { registry: `${server.url}/npm`, token: ADMIN_TOKEN };
  const pid = server.child.pid ?? 0;
  const publishNext = (name: string): Promise<void> => {
    const count = counts[name] ?? 1;
    counts[name] = count + 1;
    return publish(realistic(name, versionAt(count)), to);
  };
  return {
    async round(publishes, next) {
      const times: number[] = [];
      const before = cpuMsOf(pid);
      for (let i = 0; i < publishes; i += 1) {
        const started = performance.now();
        await publishNext(next());
        times.push(performance.now() - started);
      }
      await new Promise((resume) => setTimeout(resume, ROOTS_MS));
      return { ms: spreadOf(times).median, cpuMs: (cpuMsOf(pid) - before) / publishes };
    },
    async written(name, data) {
      if ((await watchingUnavailable()) !== undefined) return undefined;
      const calls = ['write', 'pwrite64', 'writev', 'pwritev'];
      const watched = await watchCalls(pid, { calls, output: join(data, '..', `calls-${name}`) });
      await publishNext(name);
      await new Promise((resume) => setTimeout(resume, ROOTS_MS));
      return bytesIn(await watched.stop(), data);
    },
  };
}

async function inRounds(
  rounds: number,
  publishes: number,
  session: Publishing,
  ours: () => string,
  baseline: () => string,
): Promise<{ ours: Round[]; baseline: Round[] }> {
  const measured = { ours: [] as Round[], baseline: [] as Round[] };
  for (let round = 0; round < rounds; round += 1) {
    measured.ours.push(await session.round(publishes, ours));
    measured.baseline.push(await session.round(publishes, baseline));
  }
  return measured;
}

function rowsOf(what: string, { ours, baseline }: { ours: Round[]; baseline: Round[] }): Row[] {
  const row = (label: string, pick: (round: Round) => number): Row => ({
    what: `${label}, ${what}`,
    unit: 'ms',
    ours: ours.map(pick),
    baseline: baseline.map(pick),
  });
  return [row('visible', ({ ms }) => ms), row('processor', ({ cpuMs }) => cpuMs)];
}

/** Bytes that a publish writes, by where below the data directory. */
type Written = Readonly<Record<'log' | 'blobs' | 'site', number>>;

/** Lines such as `12 write(20</data/site/.tmp/1>, "…"..., 8192) = 8192`, also when another thread stood in between. */
function bytesIn(calls: readonly string[], data: string): Written {
  const written = { log: 0, blobs: 0, site: 0 };
  const unfinished = new Map<string, string>();
  for (const line of calls) {
    const thread = /^\d+/.exec(line)?.[0] ?? '';
    const path = /^\d+ +\w+\(\d+<([^>]*)>/.exec(line)?.[1] ?? unfinished.get(thread) ?? '';
    if (line.endsWith('<unfinished ...>')) unfinished.set(thread, path);
    const bytes = Number(/ = (\d+)$/.exec(line)?.[1] ?? 0);
    if (!path.startsWith(`${data}/`)) continue;
    if (path.includes('/log.git/')) written.log += bytes;
    else if (path.includes('/blobs/')) written.blobs += bytes;
    else written.site += bytes;
  }
  return written;
}

function bytesRows(what: string, ours: Written, baseline: Written): Row[] {
  return (['log', 'blobs', 'site'] as const).map((part) => ({
    what: `written to ${part}, ${what}`,
    unit: 'KiB',
    ours: [ours[part] / 1024],
    baseline: [baseline[part] / 1024],
  }));
}
