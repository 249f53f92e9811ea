/** Basic credentials, logins and second factors, as a surface meets them. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { basic, ENVIRONMENT_TOKEN, openAccountsApp, type AccountsApp } from '../support/accounts-app.ts';
import { bearer, type Answer } from '../support/http.ts';
import { codeAt } from '../support/totp.ts';

const PASSWORD = 'correct horse battery';
const ann = basic('ann', PASSWORD);

interface Said {
  readonly handle: string;
  readonly scopes: readonly string[];
  readonly secondFactor?: string;
  readonly byToken: boolean;
}

function said(answer: Answer): Said {
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text) as Said;
}

function assertRefused(answer: Answer, status: number, code: string): string {
  const body = JSON.parse(answer.text) as { code: string; message: string };
  assert.deepEqual([answer.status, body.code], [status, code], answer.text);
  return body.message;
}

async function withAnn(t: TestContext, mode?: 'auth-only' | 'auth-and-writes'): Promise<AccountsApp> {
  const app = await openAccountsApp(t);
  await app.book.createAccount({ handle: 'ann', password: PASSWORD });
  if (mode) await startDevice(app, mode);
  return app;
}

/** Secret by app, for the tests that need codes. */
const secrets = new WeakMap<AccountsApp, { secret: string; recovery: readonly string[] }>();

async function startDevice(app: AccountsApp, mode: 'auth-only' | 'auth-and-writes'): Promise<void> {
  const { secret } = app.book.startSecondFactor('ann', mode);
  const recovery = await app.book.confirmSecondFactor('ann', codeAt(secret, app.clock.time));
  secrets.set(app, { secret, recovery });
}

/** A code that was not used yet: the clock goes on first. */
function nextCode(app: AccountsApp): string {
  app.clock.time += 60_000;
  return codeAt(secrets.get(app)?.secret ?? assert.fail(), app.clock.time);
}

test('a password acts for its account, with every scope but that of an administrator', async (t) => {
  const app = await withAnn(t);
  const actor = said(await app.ask('whoami', { headers: ann }));
  assert.deepEqual(actor, {
    handle: 'ann',
    scopes: ['read', 'publish', 'yank', 'owner', 'tokens'],
    byToken: false,
  });
  assert.equal((await app.ask('write', { method: 'POST', headers: ann })).status, 200);
  // The scheme is a word without case (RFC 9110, section 11.1), and a password may have colons.
  await app.book.setPassword('ann', 'with:a:colon::');
  const { authorization } = basic('ann', 'with:a:colon::');
  const headers = { authorization: authorization.replace('Basic', 'bAsIc') };
  assert.equal((await app.ask('whoami', { headers })).status, 200);
});

test('a token stands in for a password, of its own account only', async (t) => {
  const app = await withAnn(t);
  await app.book.addToken('a-token-of-ann', { handle: 'ann', label: '', scopes: ['read'] });
  assert.deepEqual(said(await app.ask('whoami', { headers: basic('ann', 'a-token-of-ann') })), {
    handle: 'ann',
    scopes: ['read'],
    byToken: true,
  });
  for (const handle of ['bob', '', 'Ann'])
    assertRefused(
      await app.ask('whoami', { headers: basic(handle, 'a-token-of-ann') }),
      401,
      'token_invalid',
    );
  const environment = said(await app.ask('whoami', { headers: basic('admin', ENVIRONMENT_TOKEN) }));
  assert.deepEqual([environment.handle, environment.scopes.includes('admin')], ['admin', true]);
  assertRefused(await app.ask('whoami', { headers: basic('ann', ENVIRONMENT_TOKEN) }), 401, 'token_invalid');
});

test('a wrong password and an unknown handle are told the same', async (t) => {
  const app = await withAnn(t);
  await app.book.createAccount({ handle: 'tokens-only' });
  const texts = new Set<string>();
  for (const [handle, secret] of [
    ['ann', 'not the password'],
    ['nobody', PASSWORD],
    ['tokens-only', PASSWORD],
    ['tokens-only', ''],
    ['ann', ''],
    ['ann', `${PASSWORD}\0`],
    ['ann', 'x'.repeat(1025)],
    ['not a handle!', PASSWORD],
  ] as const) {
    const message = assertRefused(
      await app.ask('whoami', { headers: basic(handle, secret) }),
      401,
      'token_invalid',
    );
    texts.add(message);
    const login = await app.post('login', { handle, password: secret });
    texts.add(assertRefused(login, 401, 'token_invalid'));
    app.clock.time += 3_600_000;
  }
  assert.equal(texts.size, 1, [...texts].join('\n'));
});

test('what is no pair of handle and secret is refused as credentials', async (t) => {
  const app = await withAnn(t);
  for (const text of ['', '!!', Buffer.from('ann').toString('base64')])
    assertRefused(
      await app.ask('whoami', { headers: { authorization: `Basic ${text}` } }),
      401,
      text === '' ? 'unauthenticated' : 'token_invalid',
    );
});

test('a public read is not refused for bad credentials, nor for too many of them', async (t) => {
  const app = await withAnn(t);
  const headers = basic('ann', 'not the password');
  for (let i = 0; i < 7; i += 1) assert.equal((await app.ask('public', { headers })).status, 200);
  assertRefused(await app.ask('whoami', { headers }), 429, 'too_many_attempts');
});

test('a surface that takes no Basic credentials sees none', async (t) => {
  const app = await withAnn(t);
  for (const headers of [ann, basic('ann', 'not the password'), basic('admin', ENVIRONMENT_TOKEN)])
    for (let i = 0; i < 3; i += 1)
      assertRefused(await app.ask('/other/whoami', { headers }), 401, 'unauthenticated');
  assert.equal((await app.ask('whoami', { headers: ann })).status, 200, 'and nobody counted');
});

test('a password that was good is not hashed again for a minute, and is none once it is changed', async (t) => {
  const app = await withAnn(t);
  let asked = 0;
  const verify = app.book.verifyPassword.bind(app.book);
  app.book.verifyPassword = (...args) => {
    asked += 1;
    return verify(...args);
  };
  const status = async (): Promise<number> => (await app.ask('whoami', { headers: ann })).status;
  // Together they are one question; ten failures at once would be too many.
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 10 }, status))), new Set([200]));
  assert.equal(asked, 1);
  app.clock.time += 59_000;
  assert.deepEqual([await status(), asked], [200, 1]);
  app.clock.time += 1_000;
  assert.deepEqual([await status(), asked], [200, 2]);
  await app.book.setPassword('ann', 'another password');
  assert.equal(await status(), 401);
  assert.equal((await app.ask('whoami', { headers: basic('ann', 'another password') })).status, 200);
});

test('guessing is slowed down with the seconds to wait, and a right password starts anew', async (t) => {
  const app = await withAnn(t);
  const guess = (password = 'not the password'): Promise<Answer> =>
    app.post('login', { handle: 'ann', password });
  for (let i = 0; i < 5; i += 1) assertRefused(await guess(), 401, 'token_invalid');
  const refused = await guess(PASSWORD);
  assertRefused(refused, 429, 'too_many_attempts');
  assert.equal(refused.headers['retry-after'], '1');
  app.clock.time += 1_000;
  assertRefused(await guess(), 401, 'token_invalid');
  assert.equal((await guess()).headers['retry-after'], '2');
  app.clock.time += 2_000;
  assert.equal(said(await guess(PASSWORD)).handle, 'ann');
  for (let i = 0; i < 5; i += 1) assertRefused(await guess(), 401, 'token_invalid');
});

test('a token works while its handle is guessed at', async (t) => {
  const app = await withAnn(t);
  await app.book.addToken('a-token-of-ann', { handle: 'ann', label: '', scopes: ['read'] });
  for (let i = 0; i < 6; i += 1) await app.post('login', { handle: 'ann', password: 'not the password' });
  assertRefused(await app.ask('whoami', { headers: ann }), 429, 'too_many_attempts');
  for (const headers of [basic('ann', 'a-token-of-ann'), bearer('a-token-of-ann')])
    assert.equal((await app.ask('whoami', { headers })).status, 200);
});

test('an address that guesses at many handles is slowed down as well', async (t) => {
  const app = await withAnn(t);
  for (let i = 0; i < 20; i += 1)
    assertRefused(
      await app.post('login', { handle: `user-${i}`, password: 'not the password' }),
      401,
      'token_invalid',
    );
  assertRefused(await app.post('login', { handle: 'ann', password: PASSWORD }), 429, 'too_many_attempts');
});

for (const mode of ['auth-only', 'auth-and-writes'] as const)
  test(`with a second factor (${mode}) a password alone reads, and does nothing else`, async (t) => {
    const app = await withAnn(t, mode);
    assert.equal(said(await app.ask('whoami', { headers: ann })).secondFactor, 'required');
    const post = { method: 'POST', headers: ann };
    for (const path of ['write', 'write-with-code', 'write-with-code?code=', 'change-account'])
      assertRefused(await app.ask(path, post), 401, 'second_factor_required');
    const actor = said(await app.ask(`write-with-code?code=${nextCode(app)}`, post));
    assert.deepEqual([actor.handle, actor.secondFactor], ['ann', 'given']);
  });

test('a code is good once, for whatever asks for it', async (t) => {
  const app = await withAnn(t, 'auth-and-writes');
  const code = nextCode(app);
  const write = (): Promise<Answer> =>
    app.ask(`write-with-code?code=${code}`, { method: 'POST', headers: ann });
  const [first, second] = await Promise.all([write(), write()]);
  assert.deepEqual([first.status, second.status].sort(), [200, 401]);
  assertRefused(
    await app.post('login', { handle: 'ann', password: PASSWORD, code }),
    401,
    'second_factor_required',
  );
});

test('a login takes the password and, where there is a second factor, a code or a recovery code', async (t) => {
  const app = await withAnn(t, 'auth-only');
  const login = (code?: string, password = PASSWORD): Promise<Answer> =>
    app.post('login', { handle: 'ann', password, code });
  assertRefused(await login(), 401, 'second_factor_required');
  assertRefused(await login('000000'), 401, 'second_factor_required');
  assertRefused(await login(nextCode(app), 'not the password'), 401, 'token_invalid');
  assert.equal(said(await login(nextCode(app))).secondFactor, 'given');
  const [recovery = ''] = secrets.get(app)?.recovery ?? [];
  assert.equal(said(await login(recovery)).secondFactor, 'given');
  assertRefused(await login(recovery), 401, 'second_factor_required');
});

test('codes are guessed at as slowly as passwords, and a right password is no new start', async (t) => {
  const app = await withAnn(t, 'auth-only');
  const login = (code: string): Promise<Answer> =>
    app.post('login', { handle: 'ann', password: PASSWORD, code });
  for (let i = 0; i < 5; i += 1) assertRefused(await login(`00000${i}`), 401, 'second_factor_required');
  assertRefused(
    await login(codeAt(secrets.get(app)?.secret ?? '', app.clock.time)),
    429,
    'too_many_attempts',
  );
});

test('a token needs a code for writes where its account says so, unless it is made for machines', async (t) => {
  const app = await withAnn(t, 'auth-and-writes');
  const wanted = { handle: 'ann', label: '', scopes: ['read', 'publish', 'tokens'] } as const;
  await app.book.addToken('a-token', wanted);
  await app.book.addToken('of-a-machine', { ...wanted, bypassSecondFactor: true });
  const post = (token: string, path: string): Promise<Answer> =>
    app.ask(path, { method: 'POST', headers: bearer(token) });
  assertRefused(await post('a-token', 'write-with-code'), 401, 'second_factor_required');
  assert.equal((await post('a-token', 'write')).status, 200, 'this surface cannot ask');
  assert.equal(said(await post('a-token', `write-with-code?code=${nextCode(app)}`)).secondFactor, 'given');
  assert.equal(said(await post('of-a-machine', 'write-with-code')).secondFactor, 'given');
  // The account itself is another matter: a token of a machine must not be able to take it over.
  assertRefused(await post('of-a-machine', 'change-account'), 401, 'second_factor_required');
  await app.book.changeSecondFactorMode('ann', 'auth-only');
  assert.equal((await post('a-token', 'write-with-code')).status, 200);
  assertRefused(await post('a-token', 'change-account'), 401, 'second_factor_required');
  await app.book.removeSecondFactor('ann');
  assert.equal((await post('a-token', 'change-account')).status, 200);
});

test('a token is good from its networks only, and says so where it is not', async (t) => {
  const app = await withAnn(t);
  const wanted = { handle: 'ann', label: '', scopes: ['read'] } as const;
  await app.book.addToken('from-here', { ...wanted, addresses: ['127.0.0.0/8'] });
  await app.book.addToken('from-there', { ...wanted, addresses: ['192.0.2.0/24', '2001:db8::/32'] });
  for (const headers of [bearer('from-here'), basic('ann', 'from-here')])
    assert.equal((await app.ask('whoami', { headers })).status, 200);
  for (const headers of [bearer('from-there'), basic('ann', 'from-there')])
    assertRefused(await app.ask('whoami', { headers }), 401, 'token_invalid');
  assert.equal((await app.ask('public', { headers: bearer('from-there') })).status, 200);
});

test('registration is closed unless it is opened, and an invitation is good for one account', async (t) => {
  const wanted = { handle: 'bob', password: PASSWORD };
  const closed = await openAccountsApp(t);
  assertRefused(await closed.post('register', wanted), 403, 'registration_closed');
  const open = await openAccountsApp(t, 'open');
  assert.equal((await open.post('register', wanted)).status, 200);
  assertRefused(await open.post('register', wanted), 409, 'name_taken');
  assertRefused(await open.post('register', { ...wanted, handle: 'admin' }), 409, 'name_taken');
  assert.equal((await open.ask('whoami', { headers: basic('bob', PASSWORD) })).status, 200);
  const invited = await openAccountsApp(t, 'invited');
  const invitation = await invited.book.createInvitation({}, 'operator');
  assertRefused(await invited.post('register', wanted), 403, 'registration_closed');
  assert.equal((await invited.post('register', { ...wanted, invitation })).status, 200);
  const again = { ...wanted, handle: 'carol', invitation };
  assertRefused(await invited.post('register', again), 403, 'registration_closed');
});

test('no password, code or invitation is in an answer, in a record of a request, or in the log', async (t) => {
  const app = await openAccountsApp(t, 'invited');
  const invitation = await app.book.createInvitation({}, 'operator');
  await app.post('register', { handle: 'ann', password: PASSWORD, invitation });
  await startDevice(app, 'auth-and-writes');
  const { recovery = [] } = secrets.get(app) ?? {};
  const answers = [
    await app.ask('whoami', { headers: ann }),
    await app.ask('whoami', { headers: basic('ann', 'wrong-password-wrong') }),
    await app.post('login', { handle: 'ann', password: PASSWORD, code: recovery[0] }),
    await app.post('register', { handle: 'ann', password: PASSWORD, invitation }),
    await app.post('register', { handle: 'bob', password: 'tooshort9', invitation }),
  ];
  const lines = Array.from({ length: app.privateLog.length }, (_, seq) => privateLineOf(app, seq));
  const everything = JSON.stringify([answers.map(({ text }) => text), app.records, app.errors, lines]);
  for (const secret of [PASSWORD, 'wrong-password-wrong', invitation, ...recovery, 'tooshort9'])
    assert.ok(!everything.includes(secret), secret);
  assert.deepEqual(app.errors, []);
});

function privateLineOf({ privateLog }: AccountsApp, seq: number): string {
  return JSON.stringify(privateLog.read(seq));
}
