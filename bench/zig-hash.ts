/** What it takes to know the hash of a large Zig package: ours from the archive, against the compiler's own `zig fetch` of it. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { seededRandom } from '../test/support/seeded-random.ts';
import { demoManifest, file, tarEntry } from '../test/support/zig-archive.ts';
import { newestZig, zigProgram } from '../test/support/zig-program.ts';
import type { Bench, Row } from './measure.ts';
import { cpuMsOf, peakBytesOf, removeTree, runChild } from './processes.ts';

const MEBIBYTE = 1024 ** 2;
/** Text packs to two fifths. */
const TEXT_PER_PACKED = 2.5;
interface Cost {
  readonly hash: string;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Of ours, what is more than a process has that has read a small package. */
  readonly peakBytes: number;
}

export const zigHash: Bench = {
  name: 'zig-hash',
  title: `the hash of a large Zig package, against zig fetch of the same file by Zig ${newestZig}, which unpacks it and packs a copy as well`,
  async run({ size, places, scratch, say }) {
    const place = places[0];
    if (!place) return [];
    const home = scratch(place);
    const zig = await zigProgram(newestZig);
    const packedBytes = (size === 'full' ? 100 : 5) * MEBIBYTE;
    const rows: Row[] = [];
    for (const [what, entries] of [
      ['many files of text', textFiles(packedBytes * TEXT_PER_PACKED)],
      ['one file that cannot be packed', [file('r/big.bin', randomBytes(packedBytes))]],
    ] as const) {
      say(`zig-hash: packing ${what}`);
      const archive = join(home, 'package.tar.gz');
      await pack(entries, archive);
      const label = `${((await stat(archive)).size / MEBIBYTE).toFixed(0)} MiB, ${what}`;
      say('zig-hash: hashing');
      rows.push(...rowsOf(label, await measure(archive, zig, home, size === 'full' ? 3 : 1)));
    }
    return rows;
  },
};

interface Pair {
  readonly ours: Cost;
  readonly theirs: Cost;
}

async function measure(archive: string, zig: string, home: string, rounds: number): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const ours = await runChild<Cost>('zig-hash', archive);
    const theirs = await zigFetch(archive, zig, home);
    if (ours.hash !== theirs.hash) throw new Error(`ours is ${ours.hash}, Zig's ${theirs.hash}`);
    pairs.push({ ours, theirs });
  }
  return pairs;
}

const LOOK_EVERY_MS = 10;

/** With an empty cache. What the system knows of a process is gone with it: it is asked again and again. */
async function zigFetch(archive: string, zig: string, home: string): Promise<Cost> {
  const folder = await mkdtemp(join(home, 'project-'));
  await writeFile(join(folder, 'build.zig'), '');
  const started = performance.now();
  const env = { ...process.env, ZIG_GLOBAL_CACHE_DIR: join(folder, 'global') };
  const child = spawn(zig, ['fetch', archive], { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let [hash, cpuMs, peakBytes] = ['', 0, 0];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (hash += text));
  const looking = setInterval(() => {
    if (child.exitCode !== null) return;
    cpuMs = cpuMsOf(child.pid ?? 0);
    // An ended process that nobody has waited for has no memory any more.
    peakBytes = peakBytesOf(child.pid ?? 0) ?? peakBytes;
  }, LOOK_EVERY_MS);
  await once(child, 'close');
  clearInterval(looking);
  const seconds = (performance.now() - started) / 1000;
  await removeTree(folder);
  return { hash: hash.trim(), seconds, cpuSeconds: cpuMs / 1000, peakBytes };
}

function rowsOf(label: string, pairs: readonly Pair[]): Row[] {
  const row = (what: string, unit: string, pick: (one: Cost) => number, reach?: Row['reach']): Row => ({
    what: `${what}: ${label}`,
    unit,
    ours: pairs.map(({ ours }) => pick(ours)),
    baseline: pairs.map(({ theirs }) => pick(theirs)),
    ...(reach ? { reach } : {}),
  });
  return [
    row('time', 's', ({ seconds }) => seconds, { atMost: 2 }),
    row('processor time', 's', ({ cpuSeconds }) => cpuSeconds, { atMost: 2 }),
    row('peak memory, of ours above a small package', 'MiB', ({ peakBytes }) => peakBytes / MEBIBYTE),
  ];
}

type Entry = ReturnType<typeof file>;

async function pack(entries: Iterable<Entry>, to: string): Promise<void> {
  const tar = function* (): Generator<Uint8Array> {
    yield* tarEntry(file('r/build.zig.zon', demoManifest('1.0.0', '00000001', [''])));
    for (const entry of entries) yield* tarEntry(entry);
    yield Buffer.alloc(1024);
  };
  await pipeline(Readable.from(tar()), createGzip(), createWriteStream(to));
}

/** As a repository has them: most are short, a few are long, and some words are everywhere. */
function* textFiles(totalBytes: number): Generator<Entry> {
  const random = seededRandom(5);
  const word = () =>
    Array.from({ length: 2 + random.below(9) }, () => String.fromCharCode(97 + random.below(26))).join('');
  const words = Array.from({ length: 6000 }, word);
  const text = (length: number): string => {
    let made = '';
    while (made.length < length) {
      const common = random.pick([50, 500, words.length]) ?? 1;
      made += (words[random.below(common)] ?? '') + (random.chance(0.12) ? '\n' : ' ');
    }
    return made;
  };
  let made = 0;
  for (let index = 0; made < totalBytes; index += 1) {
    const length = 2 ** (8 + random.below(8)) + random.below(256);
    made += length;
    yield file(`r/src/${index % 97}/file${index}.zig`, text(length));
  }
}
