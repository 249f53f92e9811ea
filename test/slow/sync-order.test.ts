/** What is synced before what: watched from outside, so that no file system can hide a step that was left out. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { readOwner } from '../../stores/writer-lock.ts';
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
  /\.lock\b|\/cairn-copy\.ndjson$|\/blobs\/incoming\/|\/site\/=tmp\b|\/\.probe\.|\/control\.sock$|\/=roots\.json$|\/=summaries\b|\/catalog\.json$|\/config\.json$|\/site\/x07\/=index$/;

function unsafeBelow(data: string, { unsynced }: Moment): string[] {
  return unsynced.filter((key) => key.includes(` ${data}/`) && !disposable.test(key));
}

function isAnswer({ call }: Moment): boolean {
  return /^writev?\(.*"HTTP\/1\.1 200/.test(call);
}

function assertBytesBeforeNames(data: string, moments: readonly Moment[]): void {
  for (const { call, unsynced } of moments) {
    const [, from] = /^(?:rename|link)\w*\("([^"]*)"/.exec(call) ?? [];
    if (from === undefined || disposable.test(call.replaceAll('main.lock', '')) || !from.startsWith(data))
      continue;
    assert.ok(!unsynced.includes(`bytes ${from}`), `${call} comes before its bytes are synced`);
  }
}

test(
  'an answer comes after every sync, the event after those of its blobs and objects',
  { skip },
  async (t) => {
    const data = await temporaryDirectory(t);
    const server = await startOwn(t, { data });
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

    const appends = moments.filter(({ target }) => target === join(data, 'log.git/refs/heads/main'));
    assert.equal(appends.length, 5);
    for (const append of appends) assert.deepEqual(unsafeBelow(data, append), []);

    assertBytesBeforeNames(data, moments);
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
  let printed = '';
  for await (const text of server.stdout) if ((printed += String(text)).includes('listening on')) break;
  // To the server and not to strace, which would leave it alone.
  const owner = readOwner(join(data, 'log.git/cairn-writer.lock'));
  assert.ok(owner);
  process.kill(owner.pid, 'SIGTERM');
  await exited;
  const listening = momentsOf(await readCalls(output)).find(({ call }) => call.includes('"listening on'));
  assert.ok(listening);
  assert.deepEqual(unsafeBelow(data, listening), []);
});
