import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, cairn, cairnOk, cairnServe } from '../support/command-line.ts';
import { send } from '../support/http.ts';
import { basic, ociApi } from '../support/oci-api.ts';
import { configOf, publish } from '../support/x07-requests.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const ADMIN = 'an-administrators-token-of-the-environment';

test('a registry that was made is not moved by a start; the command that is named moves it', async (t) => {
  const data = await temporaryDirectory(t);
  const env = { CAIRN_ADMIN_TOKEN: ADMIN };
  const made = await cairnServe(
    t,
    ['--data', data, '--listen', '127.0.0.1:0', '--public-url', 'http://one.example'],
    { env },
  );
  assert.equal((await publish(made.url, ADMIN, 'acme-hello')).status, 200);
  assert.equal(await made.stop(), 0);

  const rows = [
    [['--public-url', 'https://two.example'], {}],
    [[], { CAIRN_MOUNTS: 'x07=/' }],
  ] as const;
  for (const [flags, settings] of rows) {
    const args = ['serve', '--data', data, '--listen', '127.0.0.1:0', ...flags];
    const refused = await cairn(args, { env: { ...env, ...settings } });
    assertRefused(refused, 3, /was created with/);
    const wayOut = /cairn (settings .*)$/m.exec(refused.stderr)?.[1]?.split(' ') ?? [];
    assert.notDeepEqual(wayOut, []);
    // As it stands there, with nothing added.
    await cairnOk(wayOut);
  }
  const moved = await cairnServe(
    t,
    ['--data', data, '--listen', '127.0.0.1:0', '--public-url', 'https://two.example'],
    {
      env: { ...env, CAIRN_MOUNTS: 'x07=/' },
    },
  );
  assert.equal((await configOf(moved.url, '')).dl, 'https://two.example/v1/packages/');
  assert.equal((await send(moved.url, '/v1/packages/acme-hello/1.0.0/download')).status, 200);
  assert.equal((await send(moved.url, '/x07/index/config.json')).status, 404);

  // The same beside a running server: the site is new when the command ends.
  const printed = await cairnOk([
    'settings',
    '--data',
    data,
    '--public-url',
    'https://three.example',
    '--mounts',
    'x07=/p',
  ]);
  const { keys, ...rest } = JSON.parse(printed) as { keys: readonly unknown[] };
  assert.equal(keys.length, 2, 'the keys stay');
  assert.deepEqual(rest, {
    publicUrl: 'https://three.example',
    mounts: { x07: '/p', npm: '/npm', zig: '/zig', oci: '/v2', run: '/run', ori: '/ori', pantry: '/pantry' },
  });
  assert.equal((await configOf(moved.url, '/p')).dl, 'https://three.example/p/v1/packages/');
  assert.equal((await send(moved.url, '/p/v1/packages/acme-hello')).status, 200);
  assert.equal((await send(moved.url, '/v1/packages/acme-hello')).status, 404);
  assert.equal(await cairnOk(['settings', '--data', data]), printed);
});

test('what a start does not say may have been set since', async (t) => {
  const data = await temporaryDirectory(t);
  const env = { CAIRN_ADMIN_TOKEN: ADMIN, CAIRN_X07_VERIFIED_NAMESPACES: 'ext' };
  const args = ['--data', data, '--listen', '127.0.0.1:0'];
  assert.equal(await (await cairnServe(t, args, { env })).stop(), 0);
  const x07 = '{"officialOwner":"x07lang","verifiedNamespaces":["ext"]}';
  await cairnOk(['settings', '--data', data, '--x07', x07]);
  assert.equal(await (await cairnServe(t, args, { env })).stop(), 0);
  const refused = await cairn(['serve', ...args], {
    env: { ...env, CAIRN_X07_VERIFIED_NAMESPACES: 'other' },
  });
  assertRefused(refused, 3, /"officialOwner":"x07lang","verifiedNamespaces":\["other"\]/);
});

test('whether new repositories are public, and where a push may go, is changed beside a running server', async (t) => {
  const data = await temporaryDirectory(t);
  const env = { CAIRN_ADMIN_TOKEN: ADMIN, CAIRN_ECOSYSTEMS: 'oci' };
  const args = ['--data', data, '--listen', '127.0.0.1:0'];
  const made = await cairnServe(t, args, { env });
  const token = (await cairnOk(['token', 'create', 'ann', '--only', 'oci', '--data', data])).trim();
  const ann = ['ann', token] as const;
  const { ask, pushImage } = ociApi({ url: made.url, data });
  const begin = { method: 'POST', path: 'v2/free/app/blobs/uploads/', headers: basic(ann) } as const;
  assert.equal((await ask(begin)).status, 403);
  await cairnOk([
    'settings',
    '--data',
    data,
    '--oci',
    '{"defaultVisibility":"public","namespaces":"first-push"}',
  ]);
  await pushImage('free/app', '1', ann);
  assert.equal((await ask({ path: 'v2/free/app/manifests/1' })).status, 200);
  assert.equal(await made.stop(), 0);
  const refused = await cairn(['serve', ...args], { env: { ...env, CAIRN_OCI_VISIBILITY: 'private' } });
  assertRefused(refused, 3, /--oci '\{"defaultVisibility":"private","namespaces":"first-push"\}'/);
  for (const wrong of ['{', '"public"', '{"namespaces":"any"}'])
    assertRefused(await cairn(['settings', '--data', data, '--oci', wrong]), 2, /--oci|oci/);
});
