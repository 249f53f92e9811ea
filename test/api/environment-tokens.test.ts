/** Tokens of the environment by request: what they open, and that nothing of them is ever seen. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { bearer, send } from '../support/http.ts';
import { npmApi } from '../support/npm-api.ts';
import { ociApi } from '../support/oci-api.ts';
import { cairnOk, cairnServe } from '../support/command-line.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTestServer } from '../support/test-server.ts';

const [npmToken, x07Token, ociToken] = [
  'environment-token-of-npm',
  'environment-token-of-x07',
  'environment-token-of-oci',
];
const CAIRN_TOKENS = `npm/@acme:${npmToken},x07/acme-hello:${x07Token},oci/acme:${ociToken}`;

test('each opens its own place in the protocol of that place, and no other', async (t) => {
  const server = await openTestServer(t, { CAIRN_TOKENS });
  const npm = npmApi(server);
  assert.equal((await npm.publish({ name: '@acme/lib', version: '1.0.0' }, npmToken)).status, 201);
  assert.equal((await npm.publish({ name: '@other/lib', version: '1.0.0' }, npmToken)).status, 403);
  assert.equal((await npm.publish({ name: '@acme/lib', version: '1.1.0' }, x07Token)).status, 403);
  assert.deepEqual(await npm.ok({ path: '-/whoami', token: npmToken }), { username: 'npm.@acme' });
  assert.equal((await server.publish({ name: 'acme-hello', version: '1.0.0' }, x07Token)).status, 200);
  assert.equal((await server.publish({ name: 'acme-other', version: '1.0.0' }, x07Token)).status, 403);
  assert.equal((await server.publish({ name: 'acme-hello', version: '1.1.0' }, npmToken)).status, 403);
  // What it may do ends at publishing.
  const yank = await send(server.url, '/x07/v1/packages/acme-hello/1.0.0/yank', {
    method: 'POST',
    headers: { ...bearer(x07Token), 'content-type': 'application/json' },
    body: '{"yanked":true}',
  });
  assert.equal(yank.status, 403, yank.text);
});

test('a container client logs in with its handle, pushes to its namespace and pulls what is private there', async (t) => {
  const server = await openTestServer(t, { CAIRN_TOKENS });
  const oci = ociApi(server);
  await oci.pushImage('acme/app', '1.0', ['oci.acme', ociToken]);
  const pulled = await oci.as(['oci.acme', ociToken], { path: 'v2/acme/app/manifests/1.0' });
  assert.equal(pulled.status, 200, pulled.text);
  assert.equal((await oci.as(undefined, { path: 'v2/acme/app/manifests/1.0' })).status, 401);
  const elsewhere = await oci.as(['oci.acme', ociToken], {
    method: 'POST',
    path: 'v2/other/app/blobs/uploads/',
  });
  assert.equal(elsewhere.status, 401);
  const wrongName = await send(server.url, '/auth/token?service=oci-registry', {
    headers: { authorization: `Basic ${Buffer.from(`someone:${ociToken}`).toString('base64')}` },
  });
  assert.equal(wrongName.status, 401);
});

test('no file, no command and no log line shows one', async (t) => {
  const data = join(await temporaryDirectory(t), 'data');
  const env = { CAIRN_TOKENS, CAIRN_LOG_LEVEL: 'debug', CAIRN_ADMIN_TOKEN: 'an-administrators-token' };
  const server = await cairnServe(t, ['--data', data, '--listen', '127.0.0.1:0'], { env });
  const npm = npmApi({ url: server.url, data });
  assert.equal((await npm.publish({ name: '@acme/lib', version: '1.0.0' }, npmToken)).status, 201);
  await send(server.url, '/npm/-/whoami', { headers: bearer(npmToken) });
  const shown = await Promise.all([
    cairnOk(['token', 'list', '--json', '--data', data], { env }),
    cairnOk(['user', 'list', '--json', '--data', data], { env }),
    cairnOk(['settings', '--data', data], { env }),
    cairnOk(['log', '--json', '--data', data], { env }),
  ]);
  assert.equal(await server.stop(), 0);
  const { stdout, stderr } = server.printed();
  const files = (await readdir(data, { recursive: true, withFileTypes: true })).filter((file) =>
    file.isFile(),
  );
  const contents = await Promise.all(
    files.map((file) => readFile(join(file.parentPath, file.name), 'latin1')),
  );
  assert.ok(shown[3].includes('npm.@acme'));
  for (const text of [stdout, stderr, ...shown, ...contents])
    for (const token of [npmToken, x07Token, ociToken]) assert.ok(!text.includes(token));
});
