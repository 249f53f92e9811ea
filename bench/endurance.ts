/** Does it stay as it is? Many publishes in one run of one server: memory and latency at the end against the beginning. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ADMIN_TOKEN, startServer } from '../test/support/server-process.ts';
import { spreadOf, type Bench, type Row } from './measure.ts';
import { converse, runCairn } from './processes.ts';

const CLIENTS = 64;
const SAMPLE_MS = 500;

interface Tenth {
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  /** Resident memory of the server, median over the tenth: with the garbage that nobody has collected yet. */
  readonly mebibytes: number;
  /** What the heap came down to: what the server really holds. */
  readonly heldMebibytes: number;
}

export const endurance: Bench = {
  name: 'endurance',
  title: 'publishes over HTTP in one run: the last tenth of them against the second',
  async run({ size, places, scratch, say }) {
    const { publishes, packages } =
      size === 'full' ? { publishes: 100_000, packages: 5_000 } : { publishes: 2_000, packages: 200 };
    const place = places[0];
    if (!place) return [];
    const data = join(scratch(place), 'data');
    const server = await startServer({ isCompiled: true, data, env: { CAIRN_LOG_LEVEL: 'error' } });
    const pid = server.child.pid ?? 0;
    const clients = converse(
      'endurance-clients',
      `${server.url}/x07`,
      ADMIN_TOKEN,
      String(CLIENTS),
      String(packages),
    );
    const tenths: Tenth[] = [];
    try {
      for (let i = 0; i < 10; i += 1) {
        tenths.push(await measured(server.url, pid, clients.ask(String(publishes / 10))));
        const { seconds, p50, p99, mebibytes, heldMebibytes } = tenths[i] as Tenth;
        say(
          `endurance: tenth ${i + 1}: ${Math.round(publishes / 10 / seconds)} publishes/s, p50 ${p50.toFixed(0)} ms, ` +
            `p99 ${p99.toFixed(0)} ms, ${mebibytes.toFixed(0)} MiB resident, ${heldMebibytes.toFixed(0)} held`,
        );
      }
    } finally {
      await clients.end();
      await server.stop();
    }
    // Throws unless every byte of the site is what the log gives.
    await runCairn('regen', '--check', '--data', data);
    say('endurance: regen --check is clean');
    return rowsOf(publishes, tenths);
  },
};

type Times = Omit<Tenth, 'mebibytes' | 'heldMebibytes'>;

async function measured(url: string, pid: number, work: Promise<Times>): Promise<Tenth> {
  const resident: number[] = [];
  const held: number[] = [];
  const sample = async (): Promise<void> => {
    resident.push(residentMebibytes(pid));
    held.push(await heapMebibytes(url));
  };
  const timer = setInterval(() => void sample(), SAMPLE_MS);
  try {
    const times = await work;
    await sample();
    return { ...times, mebibytes: spreadOf(resident).median, heldMebibytes: Math.min(...held) };
  } finally {
    clearInterval(timer);
  }
}

async function heapMebibytes(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^nodejs_heap_size_used_bytes (\d+)/m.exec(metrics)?.[1]) / 2 ** 20;
}

function residentMebibytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s*(\d+)/.exec(status)?.[1]) / 1024;
}

function rowsOf(publishes: number, tenths: readonly Tenth[]): Row[] {
  const [second, last] = [tenths[1], tenths[9]];
  if (!second || !last) return [];
  const row = (what: string, unit: string, pick: (tenth: Tenth) => number, reach?: Row['reach']): Row => ({
    what: `${what}, ${publishes} publishes`,
    unit,
    ours: [pick(last)],
    baseline: [pick(second)],
    ...(reach ? { reach } : {}),
  });
  return [
    row('memory held', 'MiB', ({ heldMebibytes }) => heldMebibytes, { atMost: 1.1 }),
    row('memory resident', 'MiB', ({ mebibytes }) => mebibytes, { atMost: 1.1 }),
    row('latency, 99th percentile', 'ms', ({ p99 }) => p99, { atMost: 1.2 }),
    row('latency, median', 'ms', ({ p50 }) => p50),
    row('seconds for a tenth', 's', ({ seconds }) => seconds),
  ];
}
