/** Access tokens as a surface meets them: how they are asked for, and what they are taken for. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { decodeJwt } from 'jose';
import type { IssuedToken } from '../../core/access-tokens.ts';
import { basic, ENVIRONMENT_TOKEN, openAccountsApp, type AccountsApp } from '../support/accounts-app.ts';
import { bearer, type Answer, type Sent } from '../support/http.ts';
import { codeAt } from '../support/totp.ts';

const PASSWORD = 'correct horse battery';
const TOKEN = `cairn_${'5'.repeat(64)}`;
const ann = basic('ann', PASSWORD);

async function withAnn(t: TestContext): Promise<AccountsApp> {
  const app = await openAccountsApp(t);
  await app.book.createAccount({ handle: 'ann', password: PASSWORD });
  await app.book.addToken(TOKEN, { handle: 'ann', label: '', scopes: ['read', 'publish'] });
  return app;
}

function json(answer: Answer): unknown {
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text);
}

function assertRefused(answer: Answer, status: number, code: string): string {
  const body = JSON.parse(answer.text) as { code: string; message: string };
  assert.deepEqual([answer.status, body.code], [status, code], answer.text);
  return body.message;
}

/** Asked for as Docker does, in the query and with credentials or without. */
async function tokenFor(app: AccountsApp, query: string, headers: Sent['headers'] = {}): Promise<string> {
  return (json(await app.ask(`/signed/token?${query}`, { headers })) as IssuedToken).token;
}

const askAs = (app: AccountsApp, token: string, path = '/signed/access'): Promise<Answer> =>
  app.ask(path, { headers: bearer(token) });

const pull = (...names: string[]) => names.map((name) => ({ type: 'toy', name, actions: ['pull'] }));

test('a token is good for what it was made for, whoever has asked for it and however', async (t) => {
  const app = await withAnn(t);
  for (const [headers, handle] of [
    [ann, 'ann'],
    [bearer(TOKEN), 'ann'],
    [basic('ann', TOKEN), 'ann'],
    [basic('admin', ENVIRONMENT_TOKEN), 'admin'],
  ] as const) {
    const token = await tokenFor(app, 'name=a&name=b', headers);
    assert.deepEqual(json(await askAs(app, token)), { access: pull('a', 'b'), handle });
  }
  assert.deepEqual(json(await askAs(app, await tokenFor(app, 'name=a'))), { access: pull('a') });
  assert.deepEqual(json(await askAs(app, await tokenFor(app, ''))), { access: [] });
});

test('what came without an access token has none, whatever else it brought', async (t) => {
  const app = await withAnn(t);
  const rows: readonly (readonly [headers: Record<string, string>, handle?: string])[] = [
    [{}],
    [{ authorization: '' }],
    [{ authorization: `Digest ${await tokenFor(app, 'name=a')}` }],
    [{ authorization: 'Negotiate YII=' }],
    [ann, 'ann'],
    [bearer(TOKEN), 'ann'],
    [bearer(ENVIRONMENT_TOKEN), 'admin'],
  ];
  for (const [headers, handle] of rows) {
    const expected = { access: 'none', ...(handle === undefined ? {} : { handle }) };
    assert.deepEqual(json(await app.ask('/signed/access', { headers })), expected, JSON.stringify(headers));
  }
});

test('a token has the scopes of its credential only where it was made to carry them', async (t) => {
  const app = await withAnn(t);
  const [plain, managing] = [
    await tokenFor(app, 'name=a', bearer(TOKEN)),
    await tokenFor(app, 'scopes', bearer(TOKEN)),
  ];
  assertRefused(await askAs(app, plain, '/signed/whoami'), 403, 'scope_missing');
  assert.deepEqual(json(await askAs(app, managing, '/signed/whoami')), {
    handle: 'ann',
    scopes: ['publish', 'read'],
    byToken: true,
  });
  const change = await app.post('/signed/change-account', {}, { headers: bearer(managing) });
  assertRefused(change, 403, 'scope_missing');
  assertRefused(await askAs(app, await tokenFor(app, 'scopes'), '/signed/whoami'), 401, 'unauthenticated');
});

test('a bad token is refused where somebody asks for it, and only there', async (t) => {
  const app = await withAnn(t);
  const token = await tokenFor(app, 'name=a', ann);
  const stranger = await withAnn(t);
  const bad: Record<string, string> = {
    altered: token.replace('.', '.e'),
    'cut short': token.slice(0, -4),
    'of another registry': await tokenFor(stranger, 'name=a', ann),
    'no token at all': 'eyJ.eyJ.x',
    'of the old kind, and unknown': `cairn_${'6'.repeat(64)}`,
  };
  for (const [name, text] of Object.entries(bad)) {
    for (const path of ['access', 'access-alone', 'whoami', 'token'])
      assertRefused(await askAs(app, text, `/signed/${path}`), 401, 'token_invalid');
    assert.equal((await askAs(app, text, '/signed/public')).status, 200, name);
  }
  app.clock.time += 360_000;
  assertRefused(await askAs(app, token), 401, 'token_expired');
  assertRefused(await askAs(app, token, '/signed/whoami'), 401, 'token_expired');
  assert.equal((await askAs(app, token, '/signed/public')).status, 200);
});

test('bad Basic credentials are refused where access is asked for', async (t) => {
  const app = await withAnn(t);
  const headers = basic('ann', 'not the password');
  for (const path of ['access', 'access-alone'])
    assertRefused(await app.ask(`/signed/${path}`, { headers }), 401, 'token_invalid');
});

test('a surface that takes no access tokens knows none', async (t) => {
  const app = await withAnn(t);
  const token = await tokenFor(app, 'scopes', ann);
  for (const mount of ['/toy', '/other'])
    assertRefused(await askAs(app, token, `${mount}/whoami`), 401, 'token_invalid');
});

test('a token ends at once with what it was made with', async (t) => {
  const app = await withAnn(t);
  const [byPassword, byToken] = [
    await tokenFor(app, 'name=a', ann),
    await tokenFor(app, 'name=a', bearer(TOKEN)),
  ];
  await app.book.setPassword('ann', 'another password');
  assertRefused(await askAs(app, byPassword), 401, 'token_invalid');
  assert.equal((await askAs(app, byToken)).status, 200);
  await app.book.revokeToken(app.book.tokenBySecret(TOKEN)?.tokenId ?? '', 'ann');
  assertRefused(await askAs(app, byToken), 401, 'token_invalid');
});

test('an access token makes no other one', async (t) => {
  const app = await withAnn(t);
  for (const query of ['name=a', 'scopes']) {
    const token = await tokenFor(app, query, ann);
    assert.match(
      assertRefused(await askAs(app, token, '/signed/token'), 401, 'token_invalid'),
      /no other one/,
    );
  }
});

test('the keys that others verify with are told', async (t) => {
  const app = await withAnn(t);
  assert.deepEqual(json(await app.ask('/signed/keys')), { keys: [] });
  await tokenFor(app, '');
  const { keys } = json(await app.ask('/signed/keys')) as { keys: readonly Record<string, string>[] };
  assert.deepEqual(
    keys.map(({ kty, crv, alg, use, kid, d }) => ({ kty, crv, alg, use, kid, d })),
    [{ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig', kid: app.accessKeys.all[0]?.id, d: undefined }],
  );
});

test('credentials in a body are a password, a token of the account or the environment’s', async (t) => {
  const app = await withAnn(t);
  const post = (handle: string, secret: string, sent?: Sent): Promise<Answer> =>
    app.post('/signed/token?name=a', { handle, secret }, sent);
  for (const [handle, secret] of [
    ['ann', PASSWORD],
    ['ann', TOKEN],
    ['admin', ENVIRONMENT_TOKEN],
  ] as const) {
    const { token } = json(await post(handle, secret)) as IssuedToken;
    assert.deepEqual(json(await askAs(app, token)), { access: pull('a'), handle });
  }
  for (const [handle, secret] of [
    ['bob', TOKEN],
    ['', TOKEN],
    ['ann', ENVIRONMENT_TOKEN],
    ['ann', await tokenFor(app, 'scopes', ann)],
  ] as const)
    assertRefused(await post(handle, secret), 401, 'token_invalid');
  // Those of the request itself play no part.
  assertRefused(await post('ann', 'not the password', { headers: ann }), 401, 'token_invalid');
  assert.equal((await post('ann', PASSWORD, { headers: basic('ann', 'not the password') })).status, 200);
  assert.equal((await post('ann', PASSWORD, { headers: bearer('eyJ.eyJ.x') })).status, 200);
});

test('a wrong password and an unknown handle are told the same, after the same work', async (t) => {
  const app = await withAnn(t);
  await app.book.createAccount({ handle: 'tokens-only' });
  const asked: string[] = [];
  const verify = app.book.verifyPassword.bind(app.book);
  app.book.verifyPassword = (handle, password) => {
    asked.push(handle);
    return verify(handle, password);
  };
  const texts = new Set<string>();
  const handles = ['ann', 'nobody', 'tokens-only', 'not a handle!', ''];
  for (const handle of handles) {
    const answers = [
      await app.post('/signed/token', { handle, secret: 'not the password' }),
      await app.ask('/signed/token', { headers: basic(handle, 'not the password') }),
    ];
    for (const answer of answers) texts.add(assertRefused(answer, 401, 'token_invalid'));
  }
  assert.equal(texts.size, 1, [...texts].join('\n'));
  assert.deepEqual(
    asked,
    handles.flatMap((handle) => [handle, handle]),
  );
});

test('guessing in bodies and in headers is one guessing, slowed down with the seconds to wait', async (t) => {
  const app = await withAnn(t);
  const inBody = (secret: string): Promise<Answer> => app.post('/signed/token', { handle: 'ann', secret });
  const inHeader = (secret: string): Promise<Answer> =>
    app.ask('/signed/token', { headers: basic('ann', secret) });
  for (let i = 0; i < 5; i += 1)
    assertRefused(await (i % 2 ? inBody : inHeader)(`guess number ${i}`), 401, 'token_invalid');
  for (const ask of [inBody, inHeader]) {
    const refused = await ask(PASSWORD);
    assertRefused(refused, 429, 'too_many_attempts');
    assert.equal(refused.headers['retry-after'], '1');
  }
  // Whoever has a token works on, also by one that was made of the password before.
  assert.equal((await inBody(TOKEN)).status, 200);
  app.clock.time += 1000;
  assert.equal((await inBody(PASSWORD)).status, 200);
});

test('a password that was good in a body is not hashed again for a minute', async (t) => {
  const app = await withAnn(t);
  let asked = 0;
  const verify = app.book.verifyPassword.bind(app.book);
  app.book.verifyPassword = (...args) => {
    asked += 1;
    return verify(...args);
  };
  const ask = (): Promise<Answer> => app.post('/signed/token', { handle: 'ann', secret: PASSWORD });
  for (const answer of await Promise.all([ask(), ask(), ask()])) assert.equal(answer.status, 200);
  assert.equal((await ask()).status, 200);
  assert.equal((await app.ask('/signed/whoami', { headers: ann })).status, 200);
  assert.equal(asked, 1);
  await app.book.setPassword('ann', 'another password');
  assertRefused(await ask(), 401, 'token_invalid');
});

test('a handle with a colon is not taken for another pair of the same letters', async (t) => {
  const app = await withAnn(t);
  await app.book.setPassword('ann', 'some:long password');
  const post = (handle: string, secret: string): Promise<Answer> =>
    app.post('/signed/token', { handle, secret });
  const [right, wrong] = await Promise.all([
    post('ann', 'some:long password'),
    post('ann:some', 'long password'),
  ]);
  assert.equal(right.status, 200);
  assertRefused(wrong, 401, 'token_invalid');
  assertRefused(await post('ann:some', 'long password'), 401, 'token_invalid');
});

for (const mode of ['auth-only', 'auth-and-writes'] as const)
  test(`with a second factor (${mode}) a password gives no token, and a token does`, async (t) => {
    const app = await withAnn(t);
    const { secret } = app.book.startSecondFactor('ann', mode);
    await app.book.confirmSecondFactor('ann', codeAt(secret, app.clock.time));
    const answers = [
      await app.ask('/signed/token', { headers: ann }),
      await app.post('/signed/token', { handle: 'ann', secret: PASSWORD }),
    ];
    for (const answer of answers)
      assert.match(assertRefused(answer, 401, 'second_factor_required'), /or use a token/);
    const token = await tokenFor(app, 'name=a&scopes', bearer(TOKEN));
    assert.deepEqual(json(await askAs(app, token)), { access: pull('a'), handle: 'ann' });
    const written = await app.post('/signed/write', {}, { headers: bearer(token) });
    assert.equal(written.status, 200, written.text);
  });

test('neither a log nor a refusal holds a token', async (t) => {
  const app = await withAnn(t);
  const token = await tokenFor(app, 'name=a&scopes', ann);
  assert.ok(decodeJwt(token));
  const altered = `${token.slice(0, -4)}AAAA`;
  const answers = [];
  for (const text of [token, altered])
    for (const path of ['access', 'whoami', `access/${text}`, `access?token=${text}`])
      answers.push(await askAs(app, text, `/signed/${path}`));
  const inPaths = await app.ask(`/signed/nothing/${token}`);
  app.clock.time += 3_600_000;
  answers.push(await askAs(app, token));
  for (const { text } of answers) assert.doesNotMatch(text, /eyJ/);
  assert.equal(inPaths.status, 404);
  assert.ok(app.records.some(({ path }) => path === '/signed/nothing/…'));
  assert.ok(app.records.some(({ path }) => path === '/signed/access/…'));
  assert.doesNotMatch(JSON.stringify(app.records), /eyJ/);
  assert.deepEqual(app.errors, []);
});
