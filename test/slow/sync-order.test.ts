/** What is synced before what: watched from outside, so that no file system can hide a step that was left out. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { livingOwner } from '../../stores/writer-lock.ts';
import { ADMIN_TOKEN, cairnCommand } from '../support/server-process.ts';
import { diskCalls, momentsOf, type Moment } from '../support/sync-order.ts';
import { readCalls, watchCalls, watchingUnavailable } from '../support/system-calls.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { publish, sha256, yank } from '../support/traffic.ts';
import { startOwn } from '../support/working-registry.ts';
import { packX07 } from '../support/x07-package.ts';

const skip = (await watchingUnavailable()) ?? false;

/** Locks, half-written files, what a start makes anew, and the roots, which may be late. */
const disposable =
  /\.lock\b|\.new\/|\/cairn-copy\.ndjson$|\/blobs\/incoming\/|\/site\/=tmp\b|\/\.probe\.|\/control\.sock$|\/=roots\.json$|\/=summaries\b|\/catalog\.json$|\/config\.json$|\/site\/x07\/=index$/;

function unsafeBelow(data: string, { unsynced }: Moment): string[] {
  return unsynced.filter((key) => key.includes(` ${data}/`) && !disposable.test(key));
}

function isAnswer({ call }: Moment): boolean {
  return /^writev?\(.*"HTTP\/1\.1 200/.test(call);
}

/** Nothing gets its final name before it is whole on the disk: a file, or a directory with all that is in it. */
function assertWholeBeforeNamed(data: string, moments: readonly Moment[]): void {
  for (const { call, from, to, unsynced } of moments) {
    if (!from || !to?.startsWith(data) || disposable.test(to)) continue;
    const torn = unsynced.filter((key) => key === `bytes ${from}` || key.includes(` ${from}/`));
    assert.deepEqual(torn, [], call);
  }
}

/** What became true before each answer, in order. The record of the site is written twice: as a claim, and as done. */
function stepsOf(data: string, moments: readonly Moment[]): string[][] {
  const steps: string[][] = [];
  let current: string[] = [];
  for (const moment of moments) {
    if (isAnswer(moment)) {
      steps.push(current);
      current = [];
    }
    const step = moment.to?.startsWith(data) ? stepOf(moment.to.slice(data.length)) : undefined;
    if (step !== undefined && current.at(-1) !== step) current.push(step);
  }
  return steps;
}

function stepOf(path: string): string | undefined {
  if (path.startsWith('/blobs/sha256/')) return 'blob';
  if (path === '/log.git/refs/heads/main') return 'event';
  if (path === '/site/=progress.json') return 'record';
  if (!path.startsWith('/site/') || disposable.test(path)) return undefined;
  return path.endsWith('/download') ? 'artifact' : 'document';
}

test(
  'every step of a write is on the disk before the next one, and all before the answer',
  { skip },
  async (t) => {
    const data = await temporaryDirectory(t);
    // The roots of others would have to be told from documents.
    const server = await startOwn(t, { data, env: { CAIRN_ECOSYSTEMS: 'x07' } });
    const output = join(await temporaryDirectory(t), 'calls');
    const watched = await watchCalls(server.child.pid ?? 0, { calls: diskCalls, output });
    const first = packX07({ name: 'acme-hello', version: '1.0.0' });
    const release = { name: 'acme-hello', version: '1.0.0', digest: sha256(first) };
    for (const archive of [
      first,
      packX07({ name: 'acme-hello', version: '1.1.0' }),
      packX07({ name: 'other', version: '1.0.0' }),
    ])
      assert.equal((await publish(server.url, archive)).status, 200);
    for (const yanked of [true, false]) assert.equal((await yank(server.url, release, yanked)).status, 200);
    await pause(50);
    const moments = momentsOf(await watched.stop());

    const answers = moments.filter(isAnswer);
    assert.equal(answers.length, 5);
    for (const answer of answers) assert.deepEqual(unsafeBelow(data, answer), []);

    const appends = moments.filter(({ to }) => to === join(data, 'log.git/refs/heads/main'));
    assert.equal(appends.length, 5);
    for (const append of appends) assert.deepEqual(unsafeBelow(data, append), []);

    assertWholeBeforeNamed(data, moments);

    const publishing = ['blob', 'event', 'record', 'artifact', 'document', 'record'];
    const yanking = ['event', 'record', 'document', 'record'];
    assert.deepEqual(stepsOf(data, moments), [publishing, publishing, publishing, yanking, yanking]);
  },
);

test('a new registry says that it listens after every sync', { skip }, async (t) => {
  const data = join(await temporaryDirectory(t), 'data');
  const output = join(await temporaryDirectory(t), 'calls');
  const strace = ['-f', '-y', '-o', output, '-e', `trace=${diskCalls.join(',')}`];
  const server = spawn(
    'strace',
    [...strace, process.execPath, ...cairnCommand, 'serve', '--data', data, '--listen', '127.0.0.1:0'],
    { env: { ...process.env, CAIRN_ADMIN_TOKEN: ADMIN_TOKEN }, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = once(server, 'exit');
  // To the server and not to strace, which would leave it alone.
  const tell = (signal: NodeJS.Signals): void => {
    const owner = livingOwner(join(data, 'log.git/cairn-writer.lock'));
    if (owner) process.kill(owner.pid, signal);
  };
  t.after(() => tell('SIGKILL'));
  let printed = '';
  for await (const text of server.stdout) if ((printed += String(text)).includes('listening on')) break;
  tell('SIGTERM');
  await exited;
  const moments = momentsOf(await readCalls(output));
  const listening = moments.find(({ call }) => call.includes('"listening on'));
  assert.ok(listening);
  assert.deepEqual(unsafeBelow(data, listening), []);
  assertWholeBeforeNamed(data, moments);
});
