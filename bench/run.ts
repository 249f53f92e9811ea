/**
 * `npm run bench [-- NAME…] [-- --size small|full] [--places disk,tmpfs] [--list]`: runs benches and writes what
 * they gave to `bench/RESULTS.md`. A section stays until its bench runs again. The small size, on disk alone unless
 * told, shows that everything works; figures are held against their reach at the full size only.
 */
import { existsSync, mkdtempSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { append } from './append.ts';
import { appendLate } from './append-late.ts';
import { bucketChange } from './bucket-change.ts';
import { bucketFill } from './bucket-fill.ts';
import { bucketRequests } from './bucket-requests.ts';
import { bucketScale } from './bucket-scale.ts';
import { npmInstall } from './npm-install.ts';
import { npmPublishMany } from './npm-publish-many.ts';
import { ociMemory } from './oci-memory.ts';
import { ociTags } from './oci-tags.ts';
import { ociTransfer } from './oci-transfer.ts';
import { openLog } from './open-log.ts';
import { Absent, type Bench, type BenchContext, type Place, type Size } from './measure.ts';
import { publishRate } from './publish-rate.ts';
import { endurance } from './endurance.ts';
import { removeTree } from './processes.ts';
import { publishScale } from './publish-scale.ts';
import { regenFull } from './regen-full.ts';
import { regenNoop } from './regen-noop.ts';
import { regenOne } from './regen-one.ts';
import { describeMachine, tableOf, writeSection } from './results.ts';
import { serveEntries } from './serve.ts';
import { uploadMemory } from './upload-memory.ts';
import { zigHash } from './zig-hash.ts';

const benches: readonly Bench[] = [
  append,
  appendLate,
  regenFull,
  regenNoop,
  regenOne,
  publishScale,
  publishRate,
  npmPublishMany,
  npmInstall,
  serveEntries,
  uploadMemory,
  zigHash,
  ociTransfer,
  ociMemory,
  ociTags,
  openLog,
  endurance,
  bucketChange,
  bucketFill,
  bucketRequests,
  bucketScale,
];

const allPlaces: readonly Place[] = [
  { name: 'disk', directory: tmpdir() },
  { name: 'tmpfs', directory: '/dev/shm' },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: 'small' },
    places: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});

const unknown = positionals.find((name) => !benches.some((bench) => bench.name === name));
if (values.list) for (const { name, title } of benches) console.log(`${name.padEnd(16)} ${title}`);
else if (unknown !== undefined) fail(`there is no bench ${unknown}; see --list`);
else if (values.size !== 'small' && values.size !== 'full') fail('--size is small or full');
else await runAll(values.size);

function fail(message: string): void {
  console.error(message);
  process.exitCode = 2;
}

async function runAll(size: Size): Promise<void> {
  const scratches: string[] = [];
  const places = placesNamed(values.places ?? (size === 'full' ? 'disk,tmpfs' : 'disk'));
  const context: BenchContext = {
    size,
    places,
    say: (line) => console.error(`  ${line}`),
    scratch({ directory }) {
      const made = mkdtempSync(join(directory, 'cairn-bench-'));
      scratches.push(made);
      return made;
    },
  };
  const machine = await describeMachine(places);
  console.log(machine);
  const wanted = benches.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  try {
    for (const bench of wanted) await runOne(bench, context, machine);
  } finally {
    for (const made of scratches) await removeTree(made);
  }
}

function placesNamed(list: string): Place[] {
  const wanted = list.split(',');
  return allPlaces.filter(({ name, directory }) => wanted.includes(name) && existsSync(directory));
}

async function runOne(bench: Bench, context: BenchContext, machine: string): Promise<void> {
  const command = `npm run bench -- ${bench.name} --size ${context.size} --places ${context.places.map(({ name }) => name).join(',')}`;
  const load = loadavg()[0]?.toFixed(1);
  const started = performance.now();
  let text: string;
  try {
    text = tableOf(await bench.run(context), context.size);
  } catch (error) {
    if (!(error instanceof Absent)) throw error;
    text = `Not run: ${error.message}.`;
  }
  const took = `${Math.round((performance.now() - started) / 1000)} s`;
  console.log(`\n${bench.name}: ${bench.title} (${took})\n\n${text}`);
  await writeSection(
    bench,
    `\`${command}\` (${took}; load average at its start ${load})\n\n${text}`,
    machine,
  );
}
