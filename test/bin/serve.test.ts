import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertRefused, cairn, cairnServe } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { send } from '../support/http.ts';
import { incomingOf } from '../support/stored-state.ts';
import { configOf, publish } from '../support/x07-requests.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { packX07 } from '../support/x07-package.ts';
import { signingOf } from '../support/x07-signature.ts';

const ADMIN = 'an-administrators-token-of-the-environment';

test('a first start makes everything, prints a token once, and says last where it listens', async (t) => {
  const data = await temporaryDirectory(t);
  const args = ['--data', data, '--listen', '127.0.0.1:0', '--public-url', 'https://registry.example'];
  const first = await cairnServe(t, args);
  for (const name of ['log.git', 'private.git', 'blobs', 'site'])
    assert.ok((await stat(join(data, name))).isDirectory(), name);
  assert.equal((await stat(join(data, 'private.git'))).mode & 0o077, 0, 'nobody else reads the accounts');
  assert.equal((await stat(join(data, 'control.sock'))).mode & 0o077, 0, 'nobody else commands the server');
  const { stdout } = first.printed();
  const lines = stdout.trimEnd().split('\n');
  assert.equal(lines.at(-1), `listening on ${first.url}`);
  assert.match(first.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  const [token = '', ...others] = stdout.match(/cairn_[0-9a-f]{64}/g) ?? [];
  assert.deepEqual(others, []);
  assert.equal((await publish(first.url, token, 'acme-hello')).status, 200);
  assert.deepEqual(await configOf(first.url), {
    dl: 'https://registry.example/x07/v1/packages/',
    api: 'https://registry.example/x07/v1/',
    'auth-required': false,
    sparse: true,
    signing: signingOf(data),
  });
  assert.equal(await first.stop(), 0);
  assert.ok(!existsSync(join(data, 'control.sock')));

  const second = await cairnServe(t, ['--data', data, '--listen', '127.0.0.1:0']);
  assert.doesNotMatch(second.printed().stdout, /cairn_[0-9a-f]/);
  assert.equal((await publish(second.url, token, 'acme-again')).status, 200);
  assert.equal((await configOf(second.url)).api, 'https://registry.example/x07/v1/');
  assert.equal(await second.stop(), 0);
});

test('settings come from the environment, and the token of the environment needs no set-up', async (t) => {
  const directory = await temporaryDirectory(t);
  const env = {
    CAIRN_ADMIN_TOKEN: ADMIN,
    CAIRN_DATA: join(directory, 'somewhere'),
    CAIRN_LISTEN: '127.0.0.1:0',
    CAIRN_PUBLIC_URL: 'http://packages.example:8080',
    CAIRN_ECOSYSTEMS: 'x07',
    CAIRN_MOUNTS: 'x07=/',
  };
  const server = await cairnServe(t, [], { env, cwd: directory });
  assert.ok(existsSync(join(directory, 'somewhere/log.git')));
  assert.doesNotMatch(server.printed().stdout, /token/i);
  assert.ok(!server.printed().stdout.includes(ADMIN));
  assert.equal((await publish(server.url, ADMIN, 'acme-hello', '')).status, 200);
  assert.equal((await configOf(server.url, '')).dl, 'http://packages.example:8080/v1/packages/');
  // A token that is stored nowhere is gone with its environment.
  assert.equal(await server.stop(), 0);
  const { CAIRN_ADMIN_TOKEN: _gone, ...without } = env;
  const again = await cairnServe(t, [], { env: without, cwd: directory });
  assert.equal((await publish(again.url, ADMIN, 'acme-again', '')).status, 401);
});

test('settings come from a file, and flags come before it and before the environment', async (t) => {
  const directory = await temporaryDirectory(t);
  const config = join(directory, 'cairn.json');
  const said = {
    data: join(directory, 'of-the-file'),
    listen: '127.0.0.1:0',
    publicUrl: 'https://file.example',
    mounts: { x07: '/packages' },
    x07: { verifiedNamespaces: ['acme'] },
  };
  await writeFile(config, JSON.stringify(said));
  const env = { CAIRN_ADMIN_TOKEN: ADMIN, CAIRN_PUBLIC_URL: 'https://environment.example' };
  const args = ['--config', config, '--public-url', 'https://flag.example'];
  const server = await cairnServe(t, args, { env, cwd: directory });
  assert.ok(existsSync(join(said.data, 'log.git')));
  assert.deepEqual(await configOf(server.url, '/packages'), {
    dl: 'https://flag.example/packages/v1/packages/',
    api: 'https://flag.example/packages/v1/',
    'auth-required': false,
    sparse: true,
    'verified-namespaces': ['acme'],
    signing: signingOf(said.data),
  });
});

test('a start that cannot be is refused in a sentence', async (t) => {
  const directory = await temporaryDirectory(t);
  const data = join(directory, 'data');
  const running = await cairnServe(t, ['--data', data, '--listen', '127.0.0.1:0']);
  const other = join(directory, 'other');
  const rows = [
    [['--data', other, '--listen', new URL(running.url).host], 3, /in use.*--listen/],
    [['--data', data, '--listen', '127.0.0.1:0'], 6, /process \d+ .*already writes/],
    [['--data', other, '--config', join(directory, 'missing.json')], 2, /missing\.json/],
  ] as const;
  const results = await Promise.all(rows.map(([args]) => cairn(['serve', ...args])));
  for (const [i, [, code, says]] of rows.entries()) assertRefused(results[i] ?? assert.fail(), code, says);
  assert.ok(!existsSync(join(other, 'log.git')), 'nothing was made');
  assert.equal((await send(running.url, '/healthz')).text, 'ok');
});

test('a stop lets an upload finish, and refuses a write that comes later', async (t) => {
  const data = await temporaryDirectory(t);
  const server = await cairnServe(t, ['--data', data, '--listen', '127.0.0.1:0'], {
    env: { CAIRN_ADMIN_TOKEN: ADMIN },
  });
  assert.equal((await publish(server.url, ADMIN, 'before')).status, 200);
  const { hostname, port } = new URL(server.url);
  const archive = packX07({ name: 'slow', version: '1.0.0' });
  const head = (length: number): string =>
    [
      'POST /x07/v1/packages/publish HTTP/1.1',
      'host: registry',
      `authorization: Bearer ${ADMIN}`,
      `content-length: ${length}`,
      '',
      '',
    ].join('\r\n');
  const slow = connect(Number(port), hostname);
  let received = '';
  slow.setEncoding('utf8').on('data', (text: string) => (received += text));
  slow.write(head(archive.length));
  slow.write(archive.subarray(0, 1000));
  await eventually(async () => assert.equal((await incomingOf(data)).length, 1));
  const stopped = server.stop();
  let asked = 0;
  // Reads go on and writes do not, for as long as the slow upload takes.
  await eventually(async () =>
    assert.equal((await publish(server.url, ADMIN, `early-${(asked += 1)}`)).status, 503),
  );
  const late = await publish(server.url, ADMIN, 'late');
  assert.equal(late.status, 503);
  assert.match(String(late.headers['x-request-id']), /^[0-9a-f]{32}$/);
  assert.match(String(late.headers['retry-after']), /^\d+$/);
  assert.match(late.text, /stopping/);
  assert.equal((await send(server.url, '/x07/v1/packages/before')).status, 200);
  slow.write(archive.subarray(1000));
  await eventually(async () => assert.match(received, /^HTTP\/1\.1 200 OK\r\n/));
  assert.equal(await stopped, 0);
  const again = await cairnServe(t, ['--data', data, '--listen', '127.0.0.1:0']);
  const served = await send(again.url, '/x07/v1/packages/slow/1.0.0/download');
  assert.deepEqual(served.body, archive);
  assert.equal((await send(again.url, '/x07/v1/packages/late')).status, 404);
});
