import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CounterModel, usualLimits } from '../../core/counters.ts';
import type { Counters } from '../../core/ports.ts';
import { CounterFile, type CounterFileOptions } from '../../stores/counter-file.ts';
import { loadCounts, readCounters } from '../../stores/counter-files.ts';
import { clockAt, countersContract, download, times } from '../support/counters-contract.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Nothing happens by itself: a test saves when it wants to. */
const never = (): (() => void) => () => undefined;

countersContract('CounterFile', async (t, clock, limits) => {
  const directory = join(await temporaryDirectory(t), 'counters');
  const file = new CounterFile({ directory, clock, later: never, ...(limits ? { limits } : {}) });
  t.after(() => file.close());
  return {
    counters: file.counters,
    async again() {
      await file.save();
      return readCounters({ directory, clock, ...(limits ? { limits } : {}) });
    },
  };
});

const clock = clockAt('2026-06-14T06:42:15.123Z');

interface Place {
  readonly directory: string;
  /** What was said of it. */
  readonly troubles: string[];
  open(options?: Partial<CounterFileOptions>): CounterFile;
  /** Downloads of `a` that are on disk. */
  saved(): number;
  names(): string[];
}

async function aPlace(t: TestContext): Promise<Place> {
  const directory = join(await temporaryDirectory(t), 'counters');
  const troubles: string[] = [];
  const onTrouble = ({ message }: Error): number => troubles.push(message.replaceAll(directory, 'DIR'));
  return {
    directory,
    troubles,
    open: (options) => new CounterFile({ directory, clock, onTrouble, later: never, ...options }),
    saved: () => downloadsOf(readCounters({ directory, clock })),
    names: () => readdirSync(directory).sort(),
  };
}

function downloadsOf(counters: Counters, name = 'a'): number {
  return counters.statsOf(name)?.totalDownloads ?? 0;
}

test('what was counted is there after a stop and a start, and nothing is written while nothing is counted', async (t) => {
  const { open, saved, names, directory } = await aPlace(t);
  for (let start = 1; start <= 3; start += 1) {
    const file = open();
    times(2, () => file.counters.count(download('a', `${start}`)));
    await file.close();
    assert.equal(saved(), 2 * start);
  }
  const idle = open();
  await idle.save();
  await idle.close();
  assert.deepEqual(names(), ['journal-000001.ndjson', 'journal-000002.ndjson', 'journal-000003.ndjson']);
  assert.deepEqual(readCounters({ directory, clock }).statsOf('a')?.versionDownloads, { 1: 2, 2: 2, 3: 2 });
});

test('it is written once for everything that was counted within a second', async (t) => {
  const { open, saved, directory } = await aPlace(t);
  const waiting: { run: () => void; ms: number }[] = [];
  const file = open({
    later(run, ms) {
      waiting.push({ run, ms });
      return () => undefined;
    },
  });
  t.after(() => file.close());
  assert.equal(waiting.length, 0);
  times(5, () => file.counters.count(download('a', '1')));
  file.counters.countMissing('a', '2');
  assert.deepEqual(
    waiting.map(({ ms }) => ms),
    [1000],
  );
  assert.equal(saved(), 0);
  waiting[0]?.run();
  assert.equal(saved(), 5, 'before anything was awaited');
  file.counters.count(download('a', '1'));
  assert.equal(waiting.length, 2);
  waiting[1]?.run();
  assert.equal(readFileSync(join(directory, 'journal-000001.ndjson'), 'utf8').split('\n').length, 3);
});

test('after enough lines a snapshot replaces the journals', async (t) => {
  const { open, saved, names } = await aPlace(t);
  const file = open({ snapshotAfterBytes: 400 });
  for (let i = 1; i <= 30; i += 1) {
    file.counters.count(download('a', '1'));
    await file.save();
    assert.equal(saved(), i);
  }
  await file.close();
  const [journals, snapshots] = ['journal-', 'snapshot-'].map((start) =>
    names().filter((name) => name.startsWith(start)),
  );
  assert.equal(snapshots?.length, 1, names().join());
  assert.ok(journals && journals.length <= 1, names().join());
});

test('many starts leave few files', async (t) => {
  const { open, saved, names } = await aPlace(t);
  for (let i = 1; i <= 50; i += 1) {
    const file = open();
    file.counters.count(download('a', '1'));
    await file.save();
    await file.close();
    assert.equal(saved(), i);
  }
  assert.ok(names().length <= 20, names().join());
});

test('a stop at any moment, also within a snapshot, loses nothing that was saved and counts nothing twice', async (t) => {
  const { open, directory, troubles, names } = await aPlace(t);
  const file = open({ snapshotAfterBytes: 20_000 });
  let [counted, savedAtLeast, moments] = [0, 0, 0];
  const seen = new Set<string>();
  const checks: (() => void)[] = [];
  let last = '';
  const look = (): void => {
    const sizes = names().map((name) => `${name} ${statSync(join(directory, name)).size}`);
    if (sizes.join() === last) return;
    last = sizes.join();
    // What a kill at this moment would leave.
    const copy = `${directory}-${(moments += 1)}`;
    cpSync(directory, copy, { recursive: true });
    seen.add(readdirSync(copy).sort().join(' '));
    const [least, most] = [savedAtLeast, counted];
    checks.push(() => {
      const next = new CounterFile({ directory: copy, clock, later: never, onTrouble: assert.ifError });
      const found = downloadsOf(next.counters);
      assert.ok(least <= found && found <= most, `${copy}: ${least} <= ${found} <= ${most}`);
      assert.equal(next.counters.statsOf('a')?.versionDownloads['1'], found || undefined);
      assert.equal(next.counters.timeline('a', 1)[0]?.count, found);
      if (least > 0) assert.ok(downloadsOf(next.counters, 'many-999') > 0);
    });
  };
  mkdirSync(directory);
  for (let round = 0; round < 12; round += 1) {
    for (let i = 0; i < 1000; i += 1) file.counters.count(download(`many-${i}`, '1'));
    file.counters.count(download('a', '1'));
    const expected = (counted += 1);
    let isSaved = false;
    const saving = file.save().then(() => (isSaved = true));
    // The line is written before anything is awaited.
    savedAtLeast = expected;
    for (let turn = 0; !isSaved; turn += 1) {
      look();
      if (turn % 3 === 0) {
        file.counters.count(download('a', '1'));
        counted += 1;
      }
      await nextTurn();
    }
    await saving;
  }
  await file.close();
  for (const check of checks) check();
  assert.deepEqual(troubles, []);
  // The states that are worth it did come up.
  const all = [...seen];
  for (const state of [
    /^journal-\d+\.ndjson$/,
    /^journal-.*snapshot-\d+\.tmp$/,
    /^(?:journal-.*)?snapshot-\d+\.ndjson$/,
  ])
    assert.ok(
      all.some((found) => state.test(found)),
      `${String(state)} of ${all.join(', ')}`,
    );
  assert.ok(all.filter((found) => found.includes('.tmp')).length > 3, 'more than one snapshot');
});

test('journals and snapshots that should be gone by now change nothing', async (t) => {
  const { open, directory, saved, names } = await aPlace(t);
  const old = `${directory}-old`;
  const file = open({ snapshotAfterBytes: 400 });
  for (let i = 1; i <= 40; i += 1) {
    file.counters.count(download('a', '1'));
    // Written, and no more: a journal before the snapshot that replaces it.
    const saving = file.save();
    cpSync(directory, old, { recursive: true });
    await saving;
  }
  await file.close();
  const kept = names();
  cpSync(old, directory, { recursive: true, force: false, errorOnExist: false });
  writeFileSync(join(directory, 'snapshot-7.tmp'), '{"names":[["a",1,10');
  assert.ok(names().length > kept.length + 2);
  assert.equal(saved(), 40);
  const next = open({ snapshotAfterBytes: 1 });
  next.counters.count(download('a', '1'));
  await next.save();
  await next.close();
  assert.equal(saved(), 41);
  assert.equal(names().length, 1, names().join());
});

test('half a line at the end is dropped, wherever the power was cut', async (t) => {
  const { open, directory, saved, names, troubles } = await aPlace(t);
  const file = open();
  const ends: number[] = [];
  const path = join(directory, 'journal-000001.ndjson');
  for (let i = 1; i <= 3; i += 1) {
    file.counters.count(download('a', '1'));
    await file.save();
    ends.push(statSync(path).size);
  }
  await file.close();
  for (let size = statSync(path).size; size >= 0; size -= 1) {
    truncateSync(path, size);
    const whole = ends.filter((end) => end <= size).length;
    assert.equal(saved(), whole);
  }
  // Zeros are what a file system shows of blocks that it never got.
  writeFileSync(path, Buffer.alloc(500));
  const next = open();
  next.counters.count(download('a', '1'));
  await next.close();
  assert.equal(saved(), 1);
  assert.deepEqual(
    names(),
    ['journal-000001.ndjson', 'journal-000002.ndjson'],
    'the next line has a file of its own',
  );
  assert.deepEqual(troubles, []);
});

async function withSnapshot(t: TestContext): Promise<Place & { readonly snapshot: string }> {
  const place = await aPlace(t);
  const file = place.open({ snapshotAfterBytes: 1 });
  for (let i = 0; i < 600; i += 1) file.counters.count(download(`many-${i}`, '1'));
  times(7, () => file.counters.count(download('a', '1')));
  await file.save();
  await file.close();
  assert.deepEqual(place.names(), ['snapshot-000002.ndjson']);
  return { ...place, snapshot: join(place.directory, 'snapshot-000002.ndjson') };
}

const damages: readonly (readonly [
  what: string,
  damage: (bytes: Buffer) => Buffer,
  keepsTheRest: boolean,
])[] = [
  ['its end is missing', (bytes) => bytes.subarray(0, bytes.length - 30), true],
  ['half of it is missing', (bytes) => bytes.subarray(0, bytes.length / 2), true],
  ['it is empty', () => Buffer.alloc(0), false],
  ['it is something else', () => Buffer.from('<html>\n</html>\n'), false],
  [
    'a digit is another',
    (bytes) => Buffer.from(bytes.toString().replace('"many-3",1,1', '"many-3",1,2')),
    true,
  ],
  ['a line is missing', (bytes) => Buffer.from(bytes.toString().split('\n').slice(1).join('\n')), false],
];
for (const [what, damage, keepsTheRest] of damages)
  test(`a damaged snapshot is said, what can be read of it counts, and it is set aside: ${what}`, async (t) => {
    const { open, snapshot, directory, troubles, names } = await withSnapshot(t);
    const damaged = damage(readFileSync(snapshot));
    writeFileSync(snapshot, damaged);
    let run = (): void => assert.fail('nothing was to be done');
    const file = open({
      later(given) {
        run = given;
        return () => undefined;
      },
    });
    assert.deepEqual(troubles, ['DIR/snapshot-000002.ndjson is damaged; what can be read of it is counted']);
    assert.equal(downloadsOf(file.counters, 'many-0'), keepsTheRest ? 1 : 0);
    // A start is enough: nothing needs to be counted.
    run();
    await file.save();
    assert.deepEqual(names(), ['damaged-snapshot-000002.ndjson', 'snapshot-000004.ndjson']);
    assert.ok(damaged.equals(readFileSync(join(directory, 'damaged-snapshot-000002.ndjson'))));
    file.counters.count(download('many-0', '1'));
    await file.close();
    const next = open();
    assert.equal(downloadsOf(next.counters, 'many-0'), keepsTheRest ? 2 : 1);
    assert.equal(troubles.length, 1, 'it is said once');
  });

test('a damaged line of a journal is said and set aside, and the lines around it count', async (t) => {
  const { open, directory, troubles, names, saved } = await aPlace(t);
  const file = open();
  for (const name of ['a', 'b', 'c']) {
    file.counters.count(download(name, '1'));
    await file.save();
  }
  await file.close();
  const path = join(directory, 'journal-000001.ndjson');
  writeFileSync(path, readFileSync(path, 'utf8').replace('[["b"', '[["b'));
  const next = open();
  assert.deepEqual(
    next.counters.top(10).map(({ name }) => name),
    ['a', 'c'],
  );
  assert.equal(troubles.length, 1);
  await next.save();
  await next.close();
  assert.deepEqual(names(), ['damaged-journal-000001.ndjson', 'snapshot-000003.ndjson']);
  assert.equal(saved(), 1);
});

test('a disk that refuses writes is said once; counting goes on, and all is written when it can be', async (t) => {
  const { open, directory, troubles, saved } = await aPlace(t);
  // Where the directory has to be, there is a file.
  writeFileSync(directory, '');
  const waiting: (() => void)[] = [];
  const file = open({
    later(run) {
      waiting.push(run);
      return () => undefined;
    },
  });
  for (let i = 1; i <= 5; i += 1) {
    file.counters.count(download('a', '1'));
    waiting.shift()?.();
    assert.equal(waiting.length, 1, 'it is tried again by itself');
  }
  assert.equal(downloadsOf(file.counters), 5);
  assert.deepEqual(troubles, ['counts cannot be saved in DIR; they are kept in memory']);
  rmSync(directory);
  waiting.shift()?.();
  assert.equal(saved(), 5);
  assert.equal(waiting.length, 0);
  file.counters.count(download('a', '1'));
  await file.close();
  assert.equal(saved(), 6);
});

test('a disk that has room for no snapshot keeps the journals, and the next snapshot is tried later', async (t) => {
  const { open, directory, troubles, saved, names } = await aPlace(t);
  const file = open({ snapshotAfterBytes: 400 });
  const inTheWay = Array.from({ length: 20 }, (_, i) =>
    join(directory, `snapshot-${String(i + 2).padStart(6, '0')}.ndjson`),
  );
  for (const path of inTheWay) mkdirSync(path, { recursive: true });
  const journals = (): number => names().filter((name) => name.startsWith('journal-')).length;
  for (let i = 1; i <= 20; i += 1) {
    file.counters.count(download('a', '1'));
    await file.save();
    assert.equal(saved(), i);
  }
  assert.deepEqual(troubles, ['counts cannot be saved in DIR; they are kept in memory']);
  assert.equal(names().filter((name) => name.endsWith('.tmp')).length, 0);
  assert.ok(
    journals() >= 3 && journals() <= 8,
    `${journals()} journals: one more for each snapshot that was tried`,
  );
  for (const path of inTheWay) rmdirSync(path);
  for (let i = 21; i <= 30; i += 1) {
    file.counters.count(download('a', '1'));
    await file.save();
    assert.equal(saved(), i);
  }
  assert.ok(journals() <= 1);
  await file.close();
});

test('counts that could not be read are not written over, also when they can be read again', async (t) => {
  const { open, directory, troubles, saved, names } = await withSnapshot(t);
  renameSync(directory, `${directory}-away`);
  symlinkSync(directory, directory);
  const file = open();
  assert.match(troubles.join(), /cannot be read; until the next start none are kept/);
  rmSync(directory);
  renameSync(`${directory}-away`, directory);
  file.counters.count(download('a', '1'));
  await file.save();
  await file.close();
  assert.equal(downloadsOf(file.counters), 1);
  assert.equal(saved(), 7);
  assert.equal(names().length, 1);
});

test('a reader whose files are replaced by a snapshot meanwhile starts again', async (t) => {
  const { open, directory } = await aPlace(t);
  const file = open();
  file.counters.count(download('a', '1'));
  await file.close();
  const next = open({ snapshotAfterBytes: 1 });
  t.after(() => next.close());
  next.counters.count(download('a', '1'));
  const [before, after] = [`${directory}-before`, `${directory}-after`];
  cpSync(directory, before, { recursive: true });
  await next.save();
  renameSync(directory, after);
  renameSync(before, directory);
  const troubles: Error[] = [];
  let tries = 0;
  const { model } = loadCounts({ directory, onTrouble: (error) => troubles.push(error) }, () => {
    // Its files are listed by now, and not read.
    if ((tries += 1) === 1) {
      renameSync(directory, before);
      renameSync(after, directory);
    }
    return new CounterModel(clock);
  });
  assert.equal(downloadsOf(model), 2);
  assert.equal(tries, 2);
  assert.deepEqual(troubles, []);
});

async function untilSnapshotBegins(saving: Promise<void>, names: () => string[]): Promise<void> {
  let isOver = false;
  void saving.then(() => (isOver = true));
  while (!isOver && !names().some((name) => name.startsWith('snapshot-'))) await nextTurn();
}

test('what a snapshot has of counts that came meanwhile is in the journal before', async (t) => {
  const { open, directory, names } = await aPlace(t);
  const file = open({ snapshotAfterBytes: 20_000 });
  t.after(() => file.close());
  for (let i = 0; i < 2000; i += 1) file.counters.count(download(`many-${i}`, '1'));
  file.counters.count(download('a', '1'));
  const saving = file.save();
  await untilSnapshotBegins(saving, names);
  file.counters.count(download('a', '2'));
  await saving;
  assert.deepEqual(names(), ['journal-000002.ndjson', 'snapshot-000002.ndjson']);
  for (const name of names())
    assert.match(
      readFileSync(join(directory, name), 'utf8'),
      /\["a",1,2,\d+,\["1",1,"2",1|\["a",1,2,\d+,\["2",1/,
    );
});

test('stopping does not wait for a snapshot', async (t) => {
  const { open, names, saved } = await aPlace(t);
  const file = open({ snapshotAfterBytes: 1 });
  for (let i = 0; i < 5000; i += 1) file.counters.count(download(`many-${i}`, '1'));
  const saving = file.save();
  await untilSnapshotBegins(saving, names);
  file.counters.count(download('a', '1'));
  await file.close();
  await saving;
  assert.deepEqual(names(), ['journal-000001.ndjson', 'journal-000002.ndjson']);
  assert.equal(saved(), 1);
});

test('nobody else may read which packages are counted', async (t) => {
  const { snapshot, open, directory } = await withSnapshot(t);
  const file = open();
  file.counters.count(download('a', '1'));
  await file.close();
  for (const path of [snapshot, join(directory, 'journal-000003.ndjson')])
    assert.equal(statSync(path).mode & 0o077, 0);
});

test('a flood of names is kept out on disk, too, and after a new start', async (t) => {
  const { open, directory } = await aPlace(t);
  const limits = { ...usualLimits, strangeNames: 100 };
  for (let start = 0; start < 3; start += 1) {
    const file = open({ limits, snapshotAfterBytes: 1 });
    for (let i = 0; i < 1000; i += 1) file.counters.count(download(`${start}-${i}`, `${i}`, 'nothing'));
    file.counters.count(download('ours', '1', 'version'));
    await file.save();
    await file.close();
  }
  const read = readCounters({ directory, clock, limits });
  assert.equal(read.top(1000).length, 101);
  assert.equal(read.dropped, 900 + 1000 + 1000);
  assert.equal(downloadsOf(read, 'ours'), 3);
});

const program = new URL('../../stores/', import.meta.url).href;
const run = ['--import', 'tsx', '--input-type=module', '--eval'];

test('another process sees what the writer wrote', async (t) => {
  const { open, directory } = await aPlace(t);
  const file = open();
  t.after(() => file.close());
  const read = async (): Promise<string> => {
    const script = `
      import { loadCounts, readCounters } from '${program}counter-files.ts';
      const counters = readCounters({ directory: process.argv[1], clock: { now: () => ${clock.time} } });
      console.log(JSON.stringify(counters.top(10)));`;
    return (await promisify(execFile)(process.execPath, [...run, script, directory])).stdout.trim();
  };
  assert.equal(await read(), '[]');
  file.counters.count(download('a', '1'));
  await file.save();
  assert.equal(await read(), '[{"name":"a","downloads":1}]');
  file.counters.count(download('a', '1'));
  assert.equal(await read(), '[{"name":"a","downloads":1}]', 'what is not written yet is not there');
  await file.save();
  assert.equal(await read(), '[{"name":"a","downloads":2}]');
});

test('a writer that is killed over and over loses nothing that it had saved', async (t) => {
  const { directory } = await aPlace(t);
  const script = `
    import { CounterFile } from '${program}counter-file.ts';
    const file = new CounterFile({
      directory: process.argv[1], clock: { now: () => ${clock.time} }, later: () => () => {}, snapshotAfterBytes: 2000,
    });
    for (;;) {
      file.counters.count({ name: 'a', category: 'download', version: '1', ours: 'version' });
      for (let i = 0; i < 300; i += 1) file.counters.count({ name: 'many-' + i, category: 'install', ours: 'name' });
      await file.save();
      console.log(file.counters.statsOf('a').totalDownloads);
    }`;
  let least = 0;
  for (const lines of [3, 10, 1]) {
    const child = spawn(process.execPath, [...run, script, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    let left = lines;
    for await (const line of createInterface({ input: child.stdout })) {
      assert.ok(Number(line) > least, 'it went on where it was');
      least = Number(line);
      if ((left -= 1) === 0) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    const read = readCounters({ directory, clock });
    assert.ok(downloadsOf(read) >= least);
    assert.ok(downloadsOf(read) <= least + 1, 'one may have been saved and not been said');
    assert.equal(read.timeline('a', 1)[0]?.count, downloadsOf(read));
    const installs = read.categoryReport('install', 30).items.map(({ count }) => count);
    assert.deepEqual([...new Set(installs)], [String(downloadsOf(read))]);
    least = downloadsOf(read);
  }
});
