/** Accounts and tokens (contract of X07, sections 8.1, 8.4 and 15). */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { git } from '../support/git.ts';
import { assertX07Error, bearer, send } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { filesBelow, makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { framedRefusals, x07Api, type Refusal } from '../support/x07-api.ts';

const SECRET = 'the-secret-of-whoever-set-this-up';
const server = await openTestServer(wholeFile, { CAIRN_BOOTSTRAP_TOKEN: SECRET });
const api = x07Api(server);
const control = remoteControl(join(server.data, 'control.sock'));

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z$/;
const everything = ['admin', 'owner.manage', 'publish', 'token.manage'];

interface Made {
  readonly token_id: string;
  readonly token: string;
  readonly scopes: readonly string[];
}
interface Listed {
  readonly id: string;
  readonly label: string;
  readonly scopes: readonly string[];
  readonly created_at: string;
  readonly last_used_at: string | null;
  readonly revoked_at: string | null;
}

function create(token: string, wanted: object = {}): Promise<Made> {
  return api.ok<Made>({ path: 'v1/tokens', token, json: wanted });
}
async function list(token: string): Promise<readonly Listed[]> {
  return (await api.ok<{ tokens: readonly Listed[] }>({ path: 'v1/tokens', token })).tokens;
}
function revoke(token: string, id: string): Promise<unknown> {
  return api.ok({ method: 'POST', path: `v1/tokens/${id}/revoke`, token });
}
/** A new account with every scope but `admin`, so that no test sees another one's tokens. */
async function anAccount(handle: string): Promise<string> {
  return makeToken(server.data, { handle, scopes: ['publish', 'yank', 'owner', 'tokens'] });
}

test('a good token is told so, and whose it is', async () => {
  const ann = await anAccount('ann');
  assert.deepEqual(await api.ok({ method: 'POST', path: 'v1/auth/token', token: ann }), {});
  const account = await api.ok({ path: 'v1/account', token: ann });
  assert.deepEqual(Object.keys(account), ['user_id', 'handle', 'token_id', 'scopes']);
  assert.match(String(account['user_id']), uuid);
  assert.match(String(account['token_id']), uuid);
  assert.equal(account['handle'], 'ann');
  assert.deepEqual(account['scopes'], ['owner.manage', 'publish', 'token.manage']);
  const other = await makeToken(server.data, { handle: 'ann' });
  const { user_id, token_id } = await api.ok({ path: 'v1/account', token: other });
  assert.equal(user_id, account['user_id'], 'one account');
  assert.notEqual(token_id, account['token_id'], 'another token');
  // The token of the environment is in no log, and has no id there.
  const { handle, scopes } = await api.ok({ path: 'v1/account', token: ADMIN_TOKEN });
  assert.deepEqual([handle, scopes], ['admin', everything]);
});

test('scopes are the words of X07, whichever way they were given', async () => {
  const rows = [
    [['publish'], ['publish']],
    [['yank', 'owner'], ['owner.manage']],
    [['tokens'], ['token.manage']],
    [['admin'], ['admin']],
    [['read', 'publish'], ['publish']],
    // Half of what a word means is not the word.
    [['yank'], []],
    [['owner'], []],
    [[], []],
  ] as const;
  for (const [scopes, words] of rows) {
    const token = await makeToken(server.data, { handle: 'scoped', scopes });
    const account = await api.ok({ path: 'v1/account', token });
    assert.deepEqual(account['scopes'], words, scopes.join());
  }
  const made = await create(ADMIN_TOKEN, { scopes: ['owner.manage'] });
  const record = (await control.listTokens()).find(({ tokenId }) => tokenId === made.token_id);
  assert.deepEqual(record?.scopes, ['owner', 'yank']);
});

test('a new token is shown once, works at once, and has the scopes it was asked for', async () => {
  const bea = await anAccount('bea');
  const made = await create(bea, { label: 'ci', scopes: ['publish', 'owner.manage', 'publish'] });
  assert.deepEqual(Object.keys(made), ['token_id', 'token', 'scopes']);
  assert.match(made.token_id, uuid);
  assert.match(made.token, /^x07t_[0-9a-f]{64}$/);
  assert.deepEqual(made.scopes, ['owner.manage', 'publish'], 'sorted, each once');
  await api.publish({ name: 'of-bea', version: '1.0.0' }, made.token);
  assert.deepEqual(await api.ok({ path: 'v1/account', token: made.token }), {
    user_id: (await api.ok({ path: 'v1/account', token: bea }))['user_id'],
    handle: 'bea',
    token_id: made.token_id,
    scopes: made.scopes,
  });
  for (const standard of [{}, { scopes: [] }, { scopes: null }, { label: null }, { label: '' }])
    assert.deepEqual((await create(bea, standard)).scopes, ['publish'], JSON.stringify(standard));
});

test('tokens are listed newest first, revoked ones included, and only to their own account', async () => {
  const cat = await anAccount('cat');
  const first = await create(cat, { label: 'first', scopes: ['token.manage'] });
  const second = await create(cat, { label: 'second "quoted" ✓' });
  await revoke(cat, second.token_id);
  const listed = await list(cat);
  assert.deepEqual(
    listed.map(({ label }) => label),
    ['second "quoted" ✓', 'first', ''],
  );
  for (const token of listed) {
    assert.deepEqual(Object.keys(token), [
      'id',
      'label',
      'scopes',
      'created_at',
      'last_used_at',
      'revoked_at',
    ]);
    assert.match(token.created_at, time);
  }
  const [revoked, unused] = listed;
  assert.deepEqual([revoked?.id, unused?.id], [second.token_id, first.token_id]);
  assert.match(String(revoked?.revoked_at), time);
  assert.deepEqual([unused?.revoked_at, unused?.last_used_at], [null, null]);
  assert.ok(!JSON.stringify(listed).includes(first.token.slice(5)), 'never the token itself');
  const of = async (token: string): Promise<string[]> => (await list(token)).map(({ id }) => id);
  assert.ok(!(await of(await anAccount('dan'))).includes(first.token_id));
});

test('a token says when it was used last, and only after it was', async () => {
  const eve = await anAccount('eve');
  const made = await create(eve, { scopes: ['publish'] });
  const used = async (): Promise<string | null | undefined> =>
    (await list(eve)).find(({ id }) => id === made.token_id)?.last_used_at;
  assert.equal(await used(), null);
  // Reads never look at it.
  await send(server.url, '/x07/index/config.json', { headers: bearer(made.token) });
  assert.equal(await used(), null);
  await api.ok({ method: 'POST', path: 'v1/auth/token', token: made.token });
  const first = await used();
  assert.match(String(first), time);
  await new Promise((next) => setTimeout(next, 5));
  // A refusal is a use as well: the token was there, and it was recognised.
  assertX07Error(await api.ask({ path: 'v1/tokens', token: made.token }), 403, 'FORBIDDEN');
  assert.ok(String(await used()) > String(first));
});

test('a revoked token ends at once, and may be revoked again', async () => {
  const fay = await anAccount('fay');
  const made = await create(fay, {});
  await revoke(fay, made.token_id);
  const revokedAt = async (): Promise<unknown> =>
    (await list(fay)).find(({ id }) => id === made.token_id)?.revoked_at;
  const first = await revokedAt();
  for (const [method, path] of [
    ['GET', 'v1/account'],
    ['POST', 'v1/auth/token'],
    ['GET', 'v1/tokens'],
    ['POST', 'v1/packages/publish'],
  ] as const)
    assertX07Error(await api.ask({ method, path, token: made.token }), 401, 'AUTH_INVALID');
  assert.deepEqual(await revoke(fay, made.token_id), {});
  await revoke(fay, made.token_id.toUpperCase());
  assert.equal(await revokedAt(), first, 'the first time is kept');
  // Also the one that asks.
  const own = String((await api.ok({ path: 'v1/account', token: fay }))['token_id']);
  await revoke(fay, own);
  assertX07Error(await api.ask({ path: 'v1/account', token: fay }), 401, 'AUTH_INVALID');
});

test('nobody revokes the token of another account, but an administrator', async () => {
  const gil = await anAccount('gil');
  const made = await create(gil, {});
  const root = await makeToken(server.data, { handle: 'root', scopes: ['tokens', 'admin'] });
  const limited = await makeToken(server.data, {
    handle: 'root',
    scopes: ['tokens', 'admin'],
    limits: [{ ecosystem: 'x07', namespace: 'gil' }],
  });
  const path = `v1/tokens/${made.token_id}/revoke`;
  const method = 'POST';
  const missing = `v1/tokens/${made.token_id.replace(/^......../, '00000000')}/revoke`;
  await api.refuses([
    ['another account', { method, path, token: await anAccount('hal') }, 404, 'NOT_FOUND'],
    ['an administrator of one place', { method, path, token: limited }, 404, 'NOT_FOUND'],
    ['no such token', { method, path: missing, token: root }, 404, 'NOT_FOUND'],
    ['no such token of mine', { method, path: missing, token: gil }, 404, 'NOT_FOUND'],
    // `admin` does not imply the scope that an endpoint asks for.
    [
      'an administrator without the scope',
      { method, path, token: await makeToken(server.data, { handle: 'root', scopes: ['admin'] }) },
      403,
      'FORBIDDEN',
      'missing scope: token.manage',
    ],
  ]);
  await revoke(root, made.token_id);
  assertX07Error(await api.ask({ path: 'v1/account', token: made.token }), 401, 'AUTH_INVALID');
});

test('a token id that is no UUID is refused in plain text, before anybody is asked who they are', async () => {
  const method = 'POST';
  for (const id of ['1', 'x'.repeat(36), '-'.repeat(36), '00000000-0000-0000-0000-00000000000g', '%2e%2e'])
    await api.refuses([
      [id, { method, path: `v1/tokens/${id}/revoke`, token: ADMIN_TOKEN }, 400, undefined],
      [`${id} without a token`, { method, path: `v1/tokens/${id}/revoke` }, 400, undefined],
    ]);
});

test('nobody makes a token that may do more than their own, but an administrator', async () => {
  const ivy = await makeToken(server.data, { handle: 'ivy', scopes: ['publish', 'tokens'] });
  await api.refuses(
    [['owner.manage'], ['admin'], ['publish', 'owner.manage']].map((scopes) => [
      scopes.join(),
      { path: 'v1/tokens', token: ivy, json: { scopes } },
      403,
      'FORBIDDEN',
    ]),
  );
  assert.deepEqual((await create(ivy, { scopes: ['token.manage', 'publish'] })).scopes, [
    'publish',
    'token.manage',
  ]);
  const root = await makeToken(server.data, { handle: 'root', scopes: ['tokens', 'admin'] });
  assert.deepEqual((await create(root, { scopes: everything.toReversed() })).scopes, everything);
  // Half of a word cannot grant the whole.
  const half = await makeToken(server.data, { handle: 'ivy', scopes: ['owner', 'tokens'] });
  await api.refuses([
    ['half', { path: 'v1/tokens', token: half, json: { scopes: ['owner.manage'] } }, 403, 'FORBIDDEN'],
  ]);
});

test('a token makes none that is good for more places, from more places, or for longer, than itself', async () => {
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const jim = await makeToken(server.data, {
    handle: 'jim',
    scopes: ['publish', 'tokens', 'admin'],
    limits: [{ ecosystem: 'x07', namespace: 'of-jim' }],
    addresses: ['127.0.0.1', '::1'],
    expiresAt,
  });
  const child = await create(jim, { scopes: ['publish', 'token.manage', 'admin'] });
  const grandchild = await create(child.token, {});
  for (const { token_id } of [child, grandchild]) {
    const record = (await control.listTokens()).find(({ tokenId }) => tokenId === token_id);
    assert.equal(record?.expiresAt, expiresAt);
    assert.deepEqual(record.limits, [{ ecosystem: 'x07', namespace: 'of-jim' }]);
    assert.deepEqual(record.addresses, ['127.0.0.1', '::1']);
  }
  await api.publish({ name: 'of-jim', version: '1.0.0' }, grandchild.token);
  const refused = await server.publish({ name: 'elsewhere', version: '1.0.0' }, grandchild.token);
  assert.equal(refused.status, 403);
});

test('a request for a token that is not right makes none', async () => {
  const kim = await anAccount('kim');
  const path = 'v1/tokens';
  const shape = (what: string, json: unknown): Refusal => [what, { path, token: kim, json }, 422, undefined];
  await api.refuses([
    ...framedRefusals(path, kim),
    shape('a label that is a number', { label: 1 }),
    shape('a label of 257 letters', { label: 'x'.repeat(257) }),
    shape('a label with half a character', { label: '\ud800' }),
    shape('scopes in a text', { scopes: 'publish' }),
    shape('a scope that is a number', { scopes: [1] }),
    shape('a scope that is null', { scopes: [null] }),
    shape('scopes in an object', { scopes: { publish: true } }),
    ['an unknown scope', { path, token: kim, json: { scopes: ['fly'] } }, 400, 'SCOPE_INVALID'],
    ['a scope of ours', { path, token: kim, json: { scopes: ['yank'] } }, 400, 'SCOPE_INVALID'],
    ['a scope in capitals', { path, token: kim, json: { scopes: ['Publish'] } }, 400, 'SCOPE_INVALID'],
    ['an inherited word', { path, token: kim, json: { scopes: ['toString'] } }, 400, 'SCOPE_INVALID'],
    ['an empty scope', { path, token: kim, json: { scopes: [''] } }, 400, 'SCOPE_INVALID'],
    ['a scope that is unknown, without a token', { path, json: { scopes: ['fly'] } }, 401, 'AUTH_REQUIRED'],
  ]);
  assert.equal((await create(kim, { label: 'x'.repeat(256) })).scopes.length, 1);
});

test('each endpoint asks for a token, a good one, and its scope', async () => {
  const publisher = await makeToken(server.data, { handle: 'leo', scopes: ['publish', 'admin'] });
  const id = '00000000-0000-0000-0000-000000000001';
  const endpoints = [
    [{ method: 'POST', path: 'v1/auth/token' }, false],
    [{ method: 'GET', path: 'v1/account' }, false],
    [{ method: 'GET', path: 'v1/tokens' }, true],
    [{ method: 'POST', path: 'v1/tokens', json: {} }, true],
    [{ method: 'POST', path: `v1/tokens/${id}/revoke` }, true],
  ] as const;
  for (const [asked, isManaged] of endpoints) {
    await api.refuses([
      ['no token', asked, 401, 'AUTH_REQUIRED'],
      ['an unknown token', { ...asked, token: 'nobody' }, 401, 'AUTH_INVALID'],
      ...['Basic YTpi', `bearer ${publisher}`, `BEARER ${publisher}`, publisher, 'Bearer'].map(
        (authorization) =>
          [authorization, { ...asked, headers: { authorization } }, 401, 'AUTH_REQUIRED'] as const,
      ),
      ...(isManaged
        ? [
            [
              'no scope',
              { ...asked, token: publisher },
              403,
              'FORBIDDEN',
              'missing scope: token.manage',
            ] as const,
          ]
        : []),
    ]);
    const answer = await api.ask(asked);
    assert.equal(answer.headers['www-authenticate'], undefined);
  }
  // What is around a token is no part of it.
  const spaced = { authorization: `Bearer   ${publisher}  ` };
  await api.ok({ path: 'v1/account', headers: spaced });
});

test('a plain token is stored nowhere', async () => {
  const max = await anAccount('max');
  const { token } = await create(max, { label: 'ci' });
  await api.publish({ name: 'of-max', version: '1.0.0' }, token);
  const texts = new Map<string, string>();
  for (const repository of ['log.git', 'private.git']) {
    const path = join(server.data, repository);
    texts.set(repository, git(path, ['cat-file', '--batch-all-objects', '--batch']));
  }
  for (const file of await filesBelow(server.data)) texts.set(file, await readFile(file, 'latin1'));
  assert.match(texts.get('private.git') ?? '', /"handle":"max"/, 'the scan sees what is there');
  for (const [where, text] of texts) assert.ok(!text.includes(token.slice('x07t_'.length)), where);
});

test('nobody is signed in with a browser', async () => {
  assert.deepEqual(await api.ok({ path: 'v1/auth/session' }), { authenticated: false });
  assert.deepEqual(await api.ok({ path: 'v1/auth/session', token: ADMIN_TOKEN }), { authenticated: false });
  await api.refuses([
    ['start', { path: 'v1/auth/github/start?next=/a' }, 400, 'GITHUB_OAUTH_DISABLED'],
    ['callback', { path: 'v1/auth/github/callback?code=a&state=b' }, 400, 'GITHUB_OAUTH_DISABLED'],
    ['logout', { method: 'POST', path: 'v1/auth/logout' }, 401, 'AUTH_REQUIRED'],
  ]);
});

interface Bootstrapped extends Made {
  readonly user_id: string;
  readonly handle: string;
}
function bootstrap(json: object): Promise<Bootstrapped> {
  return api.ok<Bootstrapped>({ path: 'v1/admin/bootstrap', token: SECRET, json });
}

test('the secret of the operator makes a first account, and a token for it each time', async () => {
  const first = await bootstrap({ handle: 'nat' });
  assert.deepEqual(Object.keys(first), ['user_id', 'handle', 'token_id', 'token', 'scopes']);
  assert.match(first.token, /^x07t_[0-9a-f]{64}$/);
  assert.equal(first.handle, 'nat');
  assert.deepEqual(first.scopes, everything);
  await api.publish({ name: 'of-nat', version: '1.0.0' }, first.token);
  const again = await bootstrap({ handle: ' NAT ', label: 'again', scopes: ['token.manage', 'publish'] });
  assert.equal(again.user_id, first.user_id, 'the same account');
  assert.equal(again.handle, 'nat');
  assert.notEqual(again.token, first.token);
  assert.deepEqual(again.scopes, ['publish', 'token.manage']);
  assert.deepEqual(
    (await list(again.token)).map(({ id, label }) => [id, label]),
    [
      [again.token_id, 'again'],
      [first.token_id, ''],
    ],
  );
  assert.deepEqual((await bootstrap({ handle: 'nat', scopes: [] })).scopes, everything);
});

test('nobody bootstraps without the secret, or with a body that is not right', async () => {
  const path = 'v1/admin/bootstrap';
  const json = { handle: 'oda' };
  await api.refuses([
    ...framedRefusals(path, SECRET),
    ['no secret', { path, json }, 401, 'AUTH_REQUIRED'],
    ['another secret', { path, json, token: `${SECRET}!` }, 401, 'AUTH_INVALID'],
    ['the token of an administrator', { path, json, token: ADMIN_TOKEN }, 401, 'AUTH_INVALID'],
    ['no handle', { path, token: SECRET, json: {} }, 422, undefined],
    ['a handle that is null', { path, token: SECRET, json: { handle: null } }, 422, undefined],
    ['a handle that is a number', { path, token: SECRET, json: { handle: 1 } }, 422, undefined],
    ['an unknown scope', { path, token: SECRET, json: { ...json, scopes: ['fly'] } }, 400, 'SCOPE_INVALID'],
    ...['', ' ', 'o.da', 'o da', '-oda', '_oda', 'ö', 'o/da', 'x'.repeat(65)].map(
      (handle) =>
        [`the handle ${handle}`, { path, token: SECRET, json: { handle } }, 400, 'INVALID_NAME'] as const,
    ),
    ['a bad handle and another secret', { path, token: 'x', json: { handle: '-' } }, 401, 'AUTH_INVALID'],
  ]);
  // The secret is good for nothing else.
  assertX07Error(await api.ask({ path: 'v1/account', token: SECRET }), 401, 'AUTH_INVALID');
});

test('without a secret, nobody bootstraps', async (t) => {
  const other = await openTestServer(t);
  const path = 'v1/admin/bootstrap';
  await x07Api(other).refuses([
    ['no token', { path, json: { handle: 'oda' } }, 403, 'BOOTSTRAP_DISABLED'],
    ['a token', { path, json: { handle: 'oda' }, token: SECRET }, 403, 'BOOTSTRAP_DISABLED'],
    ['an empty one', { path, json: { handle: 'oda' }, headers: bearer('') }, 403, 'BOOTSTRAP_DISABLED'],
    ['no handle', { path, json: {} }, 422, undefined],
  ]);
});
