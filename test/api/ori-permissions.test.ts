/** Who may do what: every endpoint by every permission (contract, section 8, test 8 of section 16). */
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cairn } from '../support/command-line.ts';
import type { Asked } from '../support/asking.ts';
import { assertProblem, oriApi, oriToken, pathOf, publishOf, unlimited } from '../support/ori-api.ts';
import { packOri } from '../support/ori-package.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile, unlimited);
const ori = oriApi(server);
const name = '@acme/json';
const owner = await oriToken(server.data, 'alice', 'admin');
await ori.publish({ name }, owner);
await oriToken(server.data, 'bob', 'read');

const permissions = ['none', 'read', 'publish', 'admin'] as const;
type Permission = (typeof permissions)[number];
const tokens: Readonly<Record<Permission, string | undefined>> = {
  none: undefined,
  read: await oriToken(server.data, 'alice', 'read'),
  publish: await oriToken(server.data, 'alice', 'publish'),
  admin: owner,
};

interface Endpoint {
  readonly needs: Permission;
  /** A request that succeeds, once more each time. */
  ask(): Promise<Asked>;
}

let version = 1;
const post =
  (rest: string, json: unknown): Endpoint['ask'] =>
  async () => ({ path: pathOf(name, rest), json });
const get = (path: string): Endpoint => ({ needs: 'none', ask: async () => ({ path }) });
const endpoints: Readonly<Record<string, Endpoint>> = {
  versions: get(pathOf(name, 'versions')),
  metadata: get(pathOf(name, '1.0.0/metadata')),
  download: get(pathOf(name, '1.0.0/download')),
  search: get('v1/search?q=json'),
  advisories: get('v1/advisories'),
  'advisories of a package': get('v1/advisories?package=%40acme%2Fjson'),
  publish: {
    needs: 'publish',
    ask: () => publishOf(name, packOri({ name, version: `2.0.${(version += 1)}` })),
  },
  yank: { needs: 'publish', ask: post('1.0.0/yank', {}) },
  unyank: { needs: 'publish', ask: post('1.0.0/unyank', {}) },
  deprecate: { needs: 'publish', ask: post('1.0.0/deprecate', { message: 'Use 2.x' }) },
  transfer: { needs: 'admin', ask: post('transfer', { to: 'bob' }) },
};

for (const [what, { needs, ask }] of Object.entries(endpoints))
  for (const permission of permissions)
    test(`${what} by a token for ${permission}`, async () => {
      const token = tokens[permission];
      const asked = await ask();
      const headers = {
        ...asked.headers,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      };
      const answer = await ori.ask({ ...asked, headers });
      if (permissions.indexOf(permission) >= permissions.indexOf(needs))
        return assert.ok(answer.status >= 200 && answer.status < 300, answer.text);
      if (permission === 'none') {
        assertProblem(answer, 401, 'unauthenticated');
        return assert.equal(answer.headers['www-authenticate'], 'Bearer realm="ori"');
      }
      const { detail } = assertProblem(answer, 403, 'forbidden');
      assert.equal(answer.headers['www-authenticate'], 'Bearer realm="ori", error="insufficient_scope"');
      assert.equal(detail, `missing scope: ${needs}`);
    });

test('every endpoint refuses a token that is none, or was revoked', async () => {
  const made = await cairn(['token', 'create', 'alice', '--ori', 'admin', '--json', '--data', server.data]);
  const { token, tokenId } = JSON.parse(made.stdout) as { token: string; tokenId: string };
  await cairn(['token', 'revoke', tokenId, '--data', server.data]);
  for (const { ask } of Object.values(endpoints))
    for (const bad of ['ori_nope', token]) {
      const asked = await ask();
      const headers = { ...asked.headers, authorization: `Bearer ${bad}` };
      const answer = await ori.ask({ ...asked, headers });
      assertProblem(answer, 401, 'unauthenticated');
      assert.equal(answer.headers['www-authenticate'], 'Bearer realm="ori", error="invalid_token"');
    }
});

test('whoever may act on packages of their own may not on those of others', async () => {
  const carl = await oriToken(server.data, 'carl', 'admin');
  for (const [what, { needs, ask }] of Object.entries(endpoints)) {
    if (needs === 'none') continue;
    const asked = await ask();
    const answer = await ori.ask({
      ...asked,
      headers: { ...asked.headers, authorization: `Bearer ${carl}` },
    });
    assertProblem(answer, 403, 'forbidden');
    assert.equal(answer.headers['www-authenticate'], undefined, what);
  }
});

test('a token of the registry that may only publish cannot yank, and says which it lacks', async () => {
  const publisher = await makeToken(server.data, { handle: 'alice', scopes: ['publish'] });
  await ori.ok({ ...(await publishOf(name, packOri({ name, version: '3.0.0' }), publisher)) }, 201);
  await ori.refuses([
    ['yank', { path: pathOf(name, '3.0.0/yank'), json: {}, token: publisher }, 403, 'forbidden', /publish/],
  ]);
});

test('cairn token create makes tokens in the words of Ori, good for Ori alone', async () => {
  const made = await cairn(['token', 'create', 'dora', '--ori', 'publish', '--data', server.data]);
  assert.equal(made.code, 0, made.stderr);
  const token = made.stdout.trim();
  assert.match(token, /^ori_[0-9a-f]{64}$/);
  assert.match(made.stderr, /publish, read, yank/);
  await ori.publish({ name: '@doras/lib' }, token);
  const elsewhere = await fetch(`${server.url}/zig/publish`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  assert.notEqual(elsewhere.status, 201);
  const narrowed = await cairn([
    'token',
    'create',
    'dora',
    '--ori',
    'admin',
    '--only',
    'ori/@doras',
    '--data',
    server.data,
  ]);
  await ori.publish({ name: '@doras/more' }, narrowed.stdout.trim());
  await ori.refuses([
    [
      'another scope',
      await publishOf('@doras-other/x', packOri({ name: '@doras-other/x' }), narrowed.stdout.trim()),
      403,
      'forbidden',
    ],
  ]);
  for (const [flags, code] of [
    [['--ori', 'owner'], 2],
    [['--ori', 'read', '--scopes', 'read'], 2],
    [['--ori', 'read', '--only', 'npm'], 2],
  ] as const) {
    const refused = await cairn(['token', 'create', 'dora', ...flags, '--data', server.data]);
    assert.equal(refused.code, code, refused.stderr);
  }
  // Only its hash is kept.
  for (const entry of await readdir(join(server.data, 'private.git'), {
    recursive: true,
    withFileTypes: true,
  }))
    if (entry.isFile()) assert.ok(!(await readFile(join(entry.parentPath, entry.name))).includes(token));
});
