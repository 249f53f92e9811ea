import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import {
  acquireLock,
  livingOwner,
  LockHeld,
  soleWriterOf,
  startOf,
  type LockOwner,
} from '../../stores/writer-lock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** A lock of the owner, as a process of theirs would have left it. */
async function lockOf(t: TestContext, owner: Partial<LockOwner>): Promise<string> {
  const path = join(await temporaryDirectory(t), 'the.lock');
  const started = startOf(process.pid) ?? '';
  writeFileSync(path, JSON.stringify({ pid: process.pid, started, host: hostname(), ...owner }));
  return path;
}

/** The number of a process that has just ended. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid ?? -1;
}

function ownerIn(path: string): LockOwner {
  return JSON.parse(readFileSync(path, 'utf8')) as LockOwner;
}

test('a lock is held until it is released, and says who holds it', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'the.lock');
  const lock = acquireLock(path, 'a socket');
  assert.equal(lock.isHeld(), true);
  assert.throws(
    () => acquireLock(path),
    (error) =>
      error instanceof LockHeld && error.owner.pid === process.pid && error.owner.contact === 'a socket',
  );
  assert.equal(livingOwner(path)?.contact, 'a socket');
  lock.release();
  assert.equal(lock.isHeld(), false);
  assert.equal(livingOwner(path), undefined);
  assert.deepEqual(readdirSync(directory), []);
  lock.release();
});

test('the lock of a process that lives is refused', async (t) => {
  const path = await lockOf(t, { pid: process.ppid, started: startOf(process.ppid) ?? '' });
  assert.throws(() => acquireLock(path), LockHeld);
  assert.equal(ownerIn(path).pid, process.ppid);
});

test('the lock of another machine is refused: nothing can be known of its owner', async (t) => {
  const path = await lockOf(t, { host: 'another.example', pid: await deadPid() });
  assert.throws(() => acquireLock(path), LockHeld);
});

const otherContainer = (contact?: string): Partial<LockOwner> => {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  // The number of a process that lives here, and means another one there.
  return { pid: 1, started: startOf(1) ?? '', processes: `${boot} pid:[1]`, ...(contact ? { contact } : {}) };
};
const twoMinutesAgo = (): number => Date.now() / 1000 - 120;

test('the lock of another container on this machine is refused while its socket is answered', async (t) => {
  for (const host of [hostname(), 'random-name']) {
    const path = await lockOf(t, { host });
    const contact = join(path, '../../control.sock');
    const server = createServer().listen(contact);
    await once(server, 'listening');
    writeFileSync(path, JSON.stringify({ ...ownerIn(path), ...otherContainer('/elsewhere/control.sock') }));
    utimesSync(path, twoMinutesAgo(), twoMinutesAgo());
    assert.throws(() => acquireLock(path), LockHeld);
    server.close();
    rmSync(contact, { force: true });
  }
});

test('the lock of another container that was killed is cleared, once it cannot be a start any more', async (t) => {
  const path = await lockOf(t, { host: 'random-name' });
  const contact = join(path, '../../control.sock');
  await leaveSocket(contact);
  t.after(() => rmSync(contact, { force: true }));
  writeFileSync(path, JSON.stringify({ ...ownerIn(path), ...otherContainer(contact) }));
  assert.throws(() => acquireLock(path), LockHeld, 'it may be starting');
  utimesSync(path, twoMinutesAgo(), twoMinutesAgo());
  acquireLock(path).release();
});

test('the lock of another container that says nowhere where it listens is refused', async (t) => {
  for (const contact of [undefined, '/nowhere/control.sock']) {
    const path = await lockOf(t, otherContainer(contact));
    utimesSync(path, twoMinutesAgo(), twoMinutesAgo());
    assert.throws(() => acquireLock(path), LockHeld);
  }
});

test('the lock of this machine before it was started anew is cleared', async (t) => {
  const path = await lockOf(t, { processes: 'another-boot pid:[1]' });
  acquireLock(path).release();
});

/** A socket that nobody listens at: what a killed server leaves. */
async function leaveSocket(path: string): Promise<void> {
  const child = spawn(process.execPath, [
    '-e',
    `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('on'))`,
  ]);
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('the lock of a dead process is cleared', async (t) => {
  const path = await lockOf(t, { pid: await deadPid() });
  const lock = acquireLock(path);
  assert.equal(ownerIn(path).pid, process.pid);
  lock.release();
});

test('a number that another process has got since does not keep the lock', async (t) => {
  const path = await lockOf(t, { pid: process.ppid, started: 'long ago' });
  acquireLock(path).release();
});

for (const text of ['', '{"pid":', '\0'.repeat(60), 'null', '[]'])
  test(`a lock that a power cut left as ${JSON.stringify(text.slice(0, 8))} is cleared`, async (t) => {
    const path = await lockOf(t, {});
    writeFileSync(path, text);
    acquireLock(path).release();
  });

test('who lost the lock knows it, and releases nobody else', async (t) => {
  const path = join(await temporaryDirectory(t), 'the.lock');
  const lost = acquireLock(path);
  rmSync(path);
  const held = acquireLock(path);
  assert.equal(lost.isHeld(), false);
  lost.release();
  assert.equal(held.isHeld(), true);
  held.release();
});

const ROUNDS = 250;

/** Takes every lock in turn, each at its appointed moment, and tells which ones it got and still holds. */
const racer = `
  const { acquireLock } = await import(${JSON.stringify(new URL('../../stores/writer-lock.ts', import.meta.url).href)});
  const [directory, rounds] = [process.argv[1], Number(process.argv[2])];
  console.log('ready');
  const start = Number(await new Promise((resolve) => process.stdin.once('data', (text) => resolve(String(text)))));
  const locks = [];
  for (let round = 0; round < rounds; round += 1) {
    // A fraction of a millisecond apart, differently each time: that is how long each of the steps takes.
    const moment = start + round * 4 + Math.random() * 0.5;
    while (performance.timeOrigin + performance.now() < moment);
    try {
      locks.push([round, acquireLock(directory + '/' + round)]);
    } catch (error) {
      if (error.name !== 'LockHeld') throw error;
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  console.log(JSON.stringify(locks.filter(([, lock]) => lock.isHeld()).map(([round]) => round)));
  console.log(JSON.stringify(locks.map(([round]) => round)));
  await new Promise((resolve) => process.stdin.once('data', resolve));
  process.exit();
`;

test('of two processes that race for a stale lock exactly one gets it', async (t) => {
  const directory = await temporaryDirectory(t);
  const stale = JSON.stringify({ pid: await deadPid(), started: 'x', host: hostname() });
  for (let round = 0; round < ROUNDS; round += 1) writeFileSync(join(directory, String(round)), stale);
  const racers = await Promise.all([startRacer(t, directory), startRacer(t, directory)]);
  const start = Date.now() + 100;
  const results = await Promise.all(racers.map((one) => one.race(start)));
  const taken = results.flatMap(({ taken }) => taken).sort((a, b) => a - b);
  assert.deepEqual(
    taken,
    Array.from({ length: ROUNDS }, (_, round) => round),
  );
  assert.deepEqual(
    results.flatMap(({ held }) => held).sort((a, b) => a - b),
    taken,
  );
});

interface Racer {
  race(start: number): Promise<{ held: number[]; taken: number[] }>;
}

async function startRacer(t: TestContext, directory: string): Promise<Racer> {
  const args = ['--import', 'tsx', '--input-type=module', '-e', racer, directory, String(ROUNDS)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let [output, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const line = async (index: number): Promise<string> => {
    for (;;) {
      const lines = output.split('\n');
      if (lines.length > index + 1) return lines[index] ?? '';
      if (child.exitCode !== null) throw new Error(errors);
      await new Promise((resume) => setTimeout(resume, 10));
    }
  };
  await line(0);
  return {
    async race(start) {
      child.stdin.write(`${start}\n`);
      const [held, taken] = [await line(1), await line(2)];
      child.stdin.write('done\n');
      return { held: JSON.parse(held) as number[], taken: JSON.parse(taken) as number[] };
    },
  };
}

test('each holder of a lock in one directory has the same name, those of another have not', async (t) => {
  const [one, other] = [await temporaryDirectory(t), await temporaryDirectory(t)];
  assert.equal(soleWriterOf(one), soleWriterOf(one));
  assert.notEqual(soleWriterOf(one), soleWriterOf(other));
  assert.equal(soleWriterOf(join(one, 'nothing')), undefined);
});
