import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { TOTP } from 'otpauth';
import { remoteControl } from '../../api/control.ts';
import { assertNpmError, npmApi, type NpmApi } from '../support/npm-api.ts';
import { publishDocument } from '../support/npm-package.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';

const PASSWORD = 'correct horse battery';

/** A registry in which alice has a password. */
async function prepare(
  t: TestContext,
  env: Record<string, string> = {},
): Promise<{ npm: NpmApi; data: string; url: string }> {
  const server = await openTestServer(t, env);
  const { npm, data, url } = { npm: npmApi(server), data: server.data, url: server.url };
  await remoteControl(join(data, 'control.sock')).createAccount({ handle: 'alice', password: PASSWORD });
  return { npm, data, url };
}

const user = (handle: string): string => `-/user/org.couchdb.user:${handle}`;

async function logIn(npm: NpmApi, headers: Record<string, string> = {}): Promise<string> {
  const json = {
    _id: 'org.couchdb.user:alice',
    name: 'alice',
    password: PASSWORD,
    type: 'user',
    roles: [],
    date: '',
  };
  return (await npm.ok<{ token: string }>({ method: 'PUT', path: user('alice'), json, headers })).token;
}

test('a password becomes a token, which says whose it is until it is given back', async (t) => {
  const { npm } = await prepare(t);
  const token = await logIn(npm);
  assert.match(token, /^npm_[0-9a-f]{64}$/);
  assert.deepEqual(await npm.ok({ path: '-/whoami', token }), { username: 'alice' });
  assert.equal((await npm.publish({ name: 'lib', version: '1.0.0' }, token)).status, 201);
  await npm.ok({ method: 'DELETE', path: `-/user/token/${token}`, token });
  for (const path of ['-/whoami', '-/npm/v1/tokens', '-/npm/v1/user', user('alice')])
    assertNpmError(await npm.ask({ path, token }), 401);
  assertNpmError(await npm.ask({ method: 'DELETE', path: `-/user/token/${token}`, token }), 401);
});

test('nobody ends the token of somebody else, nor learns whether it is one', async (t) => {
  const { npm, data } = await prepare(t);
  const [alice, bob] = [await logIn(npm), await makeToken(data, { handle: 'bob' })];
  for (const secret of [alice, 'npm_nothing'])
    await npm.ok({ method: 'DELETE', path: `-/user/token/${secret}`, token: bob });
  assert.deepEqual(await npm.ok({ path: '-/whoami', token: alice }), { username: 'alice' });
});

test('a wrong password and an unknown name are refused in the same words, and soon for a while', async (t) => {
  const { npm } = await prepare(t);
  const put = (
    handle: string,
    password: unknown = 'wrong password',
  ): Promise<{ text: string; status: number }> =>
    npm.ask({ method: 'PUT', path: user(handle), json: { name: handle, password } });
  const messages = await Promise.all(
    ['alice', 'nobody'].map(async (handle) => {
      const answer = await put(handle);
      assert.equal(answer.status, 401);
      return (JSON.parse(answer.text) as { error: string }).error;
    }),
  );
  assert.equal(messages[0], messages[1]);
  assert.equal((await put('alice', 7)).status, 400);
  let status = 401;
  for (let tries = 0; tries < 10 && status === 401; tries += 1) ({ status } = await put('alice'));
  assert.equal(status, 429);
  const answer = await npm.ask({
    method: 'PUT',
    path: user('alice'),
    json: { name: 'alice', password: PASSWORD },
  });
  assertNpmError(answer, 429);
  assert.match(String(answer.headers['retry-after']), /^\d+$/);
});

test('with an e-mail address a new name becomes an account, where the registry is open', async (t) => {
  const closed = await prepare(t);
  const json = { name: 'carol', password: PASSWORD, email: 'carol@example.com' };
  assertNpmError(await closed.npm.ask({ method: 'PUT', path: user('carol'), json }), 403, 'ask the operator');
  const wrong = { name: 'alice', password: 'wrong password', email: 'alice@example.com' };
  assertNpmError(
    await closed.npm.ask({ method: 'PUT', path: user('alice'), json: wrong }),
    403,
    'ask the operator',
  );
  const right = { ...wrong, password: PASSWORD };
  assert.ok('token' in (await closed.npm.ok({ method: 'PUT', path: user('alice'), json: right })));
  const { npm } = await prepare(t, { CAIRN_REGISTRATION: 'open' });
  assertNpmError(await npm.ask({ method: 'PUT', path: user('alice'), json: wrong }), 403);
  const { token } = await npm.ok<{ token: string }>({ method: 'PUT', path: user('carol'), json });
  const profile = await npm.ok({ path: '-/npm/v1/user', token });
  assert.equal(profile['email'], 'carol@example.com');
  const seen = await npm.ok({ path: user('carol'), token });
  assert.deepEqual(seen, { _id: 'org.couchdb.user:carol', name: 'carol', email: '' });
});

test('whether there is an account is told to those who have one', async (t) => {
  const { npm, data } = await prepare(t);
  const token = await makeToken(data, { handle: 'bob' });
  assert.equal((await npm.ok({ path: user('alice'), token }))['name'], 'alice');
  await npm.refuses([
    ['a stranger', { path: user('alice') }, 401],
    ['nobody of that name', { path: user('zoe'), token }, 404],
    ['another kind of user', { path: '-/user/zoe', token }, 404],
    ['no password', { method: 'PUT', path: user('alice'), json: {} }, 400],
    [
      'another name than the URL',
      { method: 'PUT', path: user('alice'), json: { name: 'bob', password: 'x' } },
      400,
    ],
  ]);
});

interface Started {
  readonly page: string;
  readonly done: string;
}

async function start(npm: NpmApi, url: string, json: object = {}): Promise<Started> {
  const { loginUrl, doneUrl } = await npm.ok<{ loginUrl: string; doneUrl: string }>({
    path: '-/v1/login',
    json,
  });
  return { page: loginUrl.slice(`${url}/npm/`.length), done: doneUrl.slice(`${url}/npm/`.length) };
}

const form = (fields: Record<string, string>): { body: string; headers: Record<string, string> } => ({
  body: new URLSearchParams(fields).toString(),
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
});

test('a login that starts in a command line ends in a browser, and gives its token once', async (t) => {
  const { npm, url } = await prepare(t);
  const { page, done } = await start(npm, url);
  const pending = await npm.ask({ path: done });
  assert.equal(pending.status, 202);
  assert.match(String(pending.headers['retry-after']), /^\d+$/);
  const shown = await npm.ask({ path: page });
  assert.equal(shown.status, 200);
  assert.match(String(shown.headers['content-security-policy']), /frame-ancestors 'none'/);
  const wrong = await npm.ask({ path: page, ...form({ handle: '<script>', password: 'x' }) });
  assert.equal(wrong.status, 403);
  assert.doesNotMatch(wrong.text, /<script>/);
  assert.equal((await npm.ask({ path: done })).status, 202);
  assert.equal(
    (await npm.ask({ path: page, ...form({ handle: 'Alice ', password: PASSWORD }) })).status,
    200,
  );
  // Whoever sees the page's address can take nothing with it.
  assertNpmError(await npm.ask({ path: `-/v1/done?authId=${page.split('/').at(-1)}` }), 404);
  assertNpmError(await npm.ask({ path: page }), 404);
  const { token } = await npm.ok<{ token: string }>({ path: done });
  assert.deepEqual(await npm.ok({ path: '-/whoami', token }), { username: 'alice' });
  assertNpmError(await npm.ask({ path: done }), 404);
});

test('a login in a browser can make an account, and ends after ten minutes', async (t) => {
  const { npm, url } = await prepare(t, { CAIRN_REGISTRATION: 'open' });
  const made = await start(npm, url, { create: true });
  const fields = { handle: 'dave', password: PASSWORD, email: 'dave@example.com', invitation: '' };
  assert.equal((await npm.ask({ path: made.page, ...form(fields) })).status, 200);
  const { token } = await npm.ok<{ token: string }>({ path: made.done });
  assert.deepEqual(await npm.ok({ path: '-/whoami', token }), { username: 'dave' });
  const late = await start(npm, url);
  await npm.refuses([
    ['no form', { path: late.page, json: {} }, 415],
    ['a login that never was', { path: '-/v1/login/cli/0', ...form({}) }, 404],
    ['no object', { path: '-/v1/login', json: [] }, 400],
  ]);
  for (let tries = 0, status = 403; status !== 429; tries += 1) {
    assert.ok(tries < 10);
    ({ status } = await npm.ask({
      path: late.page,
      ...form({ handle: 'dave', password: 'wrong password' }),
    }));
  }
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 11 * 60_000 });
  assertNpmError(await npm.ask({ path: late.page }), 404, 'start it again');
});

test('tokens are made with the password, are listed without themselves, and are ended by their key', async (t) => {
  const { npm, data } = await prepare(t);
  const token = await logIn(npm);
  const create = (json: object): Promise<Record<string, unknown>> =>
    npm.ok({ path: '-/npm/v1/tokens', token, json });
  const old = await create({ password: PASSWORD, readonly: true, cidr_whitelist: ['127.0.0.0/8'] });
  assert.equal(old['readonly'], true);
  assert.deepEqual(old['cidr_whitelist'], ['127.0.0.0/8']);
  const fresh = await create({
    password: PASSWORD,
    name: 'ci',
    packages: ['lib'],
    scopes: ['@acme'],
    packages_and_scopes_permission: 'read-write',
    expires: 30,
  });
  const list = await npm.ok<{ objects: Record<string, unknown>[]; total: number }>({
    path: '-/npm/v1/tokens',
    token,
  });
  assert.equal(list.total, 3);
  assert.ok(!JSON.stringify(list).includes(String(fresh['token'])));
  const named = list.objects.find(({ name }) => name === 'ci');
  assert.equal(
    Date.parse(String(named?.['expires'])) - Date.parse(String(named?.['created'])) - 30 * 86_400_000 <
      60_000,
    true,
  );
  const publish = async (name: string, by: unknown): Promise<number> =>
    (await npm.publish({ name, version: '1.0.0' }, String(by))).status;
  assert.equal(await publish('lib', old['token']), 403);
  assert.equal(await publish('other', fresh['token']), 403);
  assert.equal(await publish('lib', fresh['token']), 201);
  assert.equal(await publish('@acme/lib', fresh['token']), 201);
  const elsewhere = await create({ password: PASSWORD, cidr_whitelist: ['10.0.0.0/8'] });
  assertNpmError(await npm.ask({ path: '-/whoami', token: String(elsewhere['token']) }), 401);
  const end = { method: 'DELETE', path: `-/npm/v1/tokens/token/${String(fresh['key'])}` } as const;
  const bob = await makeToken(data, { handle: 'bob' });
  await npm.refuses([
    ['of somebody else', { ...end, token: bob }, 404],
    ['by a token that may not', { ...end, token: String(old['token']) }, 403],
    ['by nobody', end, 401],
    ['without the password', { path: '-/npm/v1/tokens', token, json: {} }, 400],
    ['with a wrong one', { path: '-/npm/v1/tokens', token, json: { password: 'wrong password' } }, 401],
    [
      'where there is none',
      { path: '-/npm/v1/tokens', token: bob, json: { password: PASSWORD } },
      400,
      'cairn user password bob',
    ],
    [
      'for an organization',
      { path: '-/npm/v1/tokens', token, json: { password: PASSWORD, orgs: ['acme'] } },
      400,
    ],
    [
      'for no package',
      { path: '-/npm/v1/tokens', token, json: { password: PASSWORD, packages: ['../x'] } },
      400,
    ],
    [
      'for ever and a day',
      { path: '-/npm/v1/tokens', token, json: { password: PASSWORD, expires: 1e9 } },
      400,
    ],
    [
      'from nowhere',
      { path: '-/npm/v1/tokens', token, json: { password: PASSWORD, cidr_whitelist: ['x'] } },
      400,
    ],
    ['by nobody at all', { path: '-/npm/v1/tokens', json: { password: PASSWORD } }, 401],
  ]);
  assert.equal((await npm.ask({ ...end, token })).status, 204);
  assertNpmError(await npm.ask({ path: '-/whoami', token: String(fresh['token']) }), 401);
});

test('name, address and password of an account are its own to change', async (t) => {
  const { npm, data } = await prepare(t);
  const token = await logIn(npm);
  const set = { path: '-/npm/v1/user', token } as const;
  const changed = await npm.ok({ ...set, json: { fullname: 'Alice', email: 'a@example.com' } });
  assert.equal(changed['fullname'], 'Alice');
  assert.equal((await npm.ok({ ...set, json: { fullname: '' } }))['email'], 'a@example.com');
  await npm.ok({ ...set, json: { password: { old: PASSWORD, new: 'another horse entirely' } } });
  const bob = await makeToken(data, { handle: 'bob', scopes: ['publish'] });
  await npm.refuses([
    [
      'the old password',
      { method: 'PUT', path: user('alice'), json: { name: 'alice', password: PASSWORD } },
      401,
    ],
    [
      'a password too short',
      { ...set, json: { password: { old: 'another horse entirely', new: 'x' } } },
      400,
    ],
    ['no new one', { ...set, json: { password: { old: 'x' } } }, 400],
    ['a name that is none', { ...set, json: { fullname: 7 } }, 400],
    ['by a token that may not', { ...set, token: bob, json: { fullname: 'Bob' } }, 403],
    ['of no account', { ...set, token: ADMIN_TOKEN, json: { fullname: 'x' } }, 404],
    ['by nobody', { path: '-/npm/v1/user', json: {} }, 401],
    ['a second factor of no kind', { ...set, json: { tfa: { password: 'x', mode: 'x' } } }, 400],
    ['a code for nothing', { ...set, json: { tfa: ['123456'] } }, 404],
  ]);
});

test('with a second factor every write needs a code, which is good once', async (t) => {
  const { npm, data } = await prepare(t);
  const token = await logIn(npm);
  const set = { path: '-/npm/v1/user', token } as const;
  const { tfa: uri } = await npm.ok<{ tfa: string }>({
    ...set,
    json: { tfa: { password: PASSWORD, mode: 'auth-and-writes' } },
  });
  const secret = new URL(uri).searchParams.get('secret') ?? '';
  // Each code of another moment within the window: one is good once.
  const device = new TOTP({ secret });
  const code = (offsetSeconds: number): string =>
    device.generate({ timestamp: Date.now() + offsetSeconds * 1000 });
  const { tfa: recovery } = await npm.ok<{ tfa: string[] }>({ ...set, json: { tfa: [code(-30)] } });
  const [first = '', second = '', third = ''] = recovery;
  const document = publishDocument({ name: 'lib', version: '1.0.0' });
  const put = { method: 'PUT', path: 'lib', token, json: document } as const;
  const asked = await npm.ask(put);
  assertNpmError(asked, 401, 'code');
  assert.equal(asked.headers['www-authenticate'], 'OTP');
  assertNpmError(await npm.ask({ ...put, headers: { 'npm-otp': '000000' } }), 401);
  assert.equal((await npm.ask({ ...put, headers: { 'npm-otp': first } })).status, 201);
  const again = { ...put, json: publishDocument({ name: 'lib', version: '1.0.1' }) };
  assertNpmError(await npm.ask({ ...again, headers: { 'npm-otp': first } }), 401);
  const machine = await npm.ok<{ token: string }>({
    path: '-/npm/v1/tokens',
    token,
    json: { password: PASSWORD, bypass_2fa: true },
    headers: { 'npm-otp': second },
  });
  assert.equal((await npm.ask({ ...again, token: machine.token })).status, 201);
  const json = { name: 'alice', password: PASSWORD };
  assertNpmError(await npm.ask({ method: 'PUT', path: user('alice'), json }), 401, 'code');
  assert.match(await logIn(npm, { 'npm-otp': third }), /^npm_/);
  assert.deepEqual((await npm.ok({ path: '-/npm/v1/user', token }))['tfa'], {
    pending: false,
    mode: 'auth-and-writes',
  });
  const bob = await makeToken(data, { handle: 'bob' });
  assert.equal((await npm.publish({ name: 'free', version: '1.0.0' }, bob)).status, 201);
  const [, , , fourth = '', fifth = ''] = recovery;
  const disable = { ...set, json: { tfa: { password: PASSWORD, mode: 'disable' } } };
  const weaker = { ...set, json: { tfa: { password: PASSWORD, mode: 'auth-only' } } };
  assert.deepEqual(await npm.ok({ ...weaker, headers: { 'npm-otp': fourth } }), { tfa: null });
  assert.deepEqual(await npm.ok({ ...disable, headers: { 'npm-otp': fifth } }), { tfa: null });
  assert.equal((await npm.publish({ name: 'lib', version: '1.0.2' }, token)).status, 201);
});

test('a name and a password in the header are as good as a token', async (t) => {
  const { npm } = await prepare(t);
  const basic = (secret: string): { authorization: string } => ({
    authorization: `Basic ${Buffer.from(`alice:${secret}`).toString('base64')}`,
  });
  assert.deepEqual(await npm.ok({ path: '-/whoami', headers: basic(PASSWORD) }), { username: 'alice' });
  assertNpmError(await npm.ask({ path: '-/whoami', headers: basic('wrong password') }), 401);
  assert.equal((await npm.ask({ path: '-/ping', headers: basic('wrong password') })).status, 200);
});
