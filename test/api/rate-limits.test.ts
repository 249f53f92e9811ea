/** Limits by request: the contract's section 9, on whatever surface has one. Minutes pass by a clock that is set. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { limitsOf } from '../../api/limits.ts';
import { readOptions } from '../../bin/options.ts';
import { bearer, send, type Answer, type Sent } from '../support/http.ts';
import { npmApi } from '../support/npm-api.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer, type TestServer } from '../support/test-server.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';

const START = Date.parse('2026-03-01T12:00:00.000Z');

function setClock(t: TestContext): { forward(ms: number): void } {
  t.mock.timers.enable({ apis: ['Date'], now: START });
  return { forward: (ms) => t.mock.timers.setTime(Date.now() + ms) };
}

interface Seen {
  readonly limit: number;
  readonly remaining: number;
  readonly reset: number;
  readonly policy: unknown;
  readonly field: unknown;
}

function seen({ headers }: Answer): Seen {
  return {
    limit: Number(headers['x-ratelimit-limit']),
    remaining: Number(headers['x-ratelimit-remaining']),
    reset: Number(headers['x-ratelimit-reset']),
    policy: headers['ratelimit-policy'],
    field: headers['ratelimit'],
  };
}

function ask(server: TestServer, path = '/x07/index/config.json', sent: Sent = {}): Promise<Answer> {
  return send(server.url, path, sent);
}

test('the 101st anonymous request of a minute is refused, and the next minute is a new one', async (t) => {
  const clock = setClock(t);
  const server = await openTestServer(t, { CAIRN_LIMITS: 'x07=1000/100' });
  for (let left = 99; left >= 0; left -= 1) {
    const answer = await ask(server);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(seen(answer), {
      limit: 100,
      remaining: left,
      reset: START / 1000 + 60,
      policy: '"anonymous";q=100;w=60',
      field: `"anonymous";r=${left};t=60`,
    });
    assert.equal(answer.headers['retry-after'], undefined);
  }
  clock.forward(22_500);
  const refused = await ask(server);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers['retry-after'], '38');
  assert.deepEqual(seen(refused), {
    limit: 100,
    remaining: 0,
    reset: START / 1000 + 60,
    policy: '"anonymous";q=100;w=60',
    field: '"anonymous";r=0;t=38',
  });
  assert.match(refused.text, /100 a minute/);
  clock.forward(37_499);
  assert.equal((await ask(server)).status, 429);
  clock.forward(1);
  const again = await ask(server);
  assert.equal(again.status, 200);
  assert.equal(seen(again).remaining, 99);
});

test('a token has a limit of its own, and each its own; what is no good token counts against the address', async (t) => {
  setClock(t);
  const server = await openTestServer(t, { CAIRN_LIMITS: 'x07=5/3' });
  const [ann, bob] = [await makeToken(server.data), await makeToken(server.data, { handle: 'bob' })];
  const path = '/x07/v1/account';
  const left = async (sent: Sent): Promise<number> => seen(await ask(server, path, sent)).remaining;
  const by = (token: string): Sent => ({ headers: bearer(token) });
  assert.equal(await left(by(ann)), 4);
  assert.equal(await left(by(ann)), 3);
  assert.equal(await left(by(bob)), 4);
  assert.equal(await left(by(ADMIN_TOKEN)), 4);
  assert.equal(await left({}), 2);
  assert.equal(await left(by('made-up')), 1);
  assert.equal(await left(by('made-up-as-well')), 0);
  const refused = await ask(server, path, by('another-guess'));
  assert.equal(refused.status, 429);
  assert.equal(refused.headers['ratelimit-policy'], '"anonymous";q=3;w=60');
  // Others are not in the way of who has a token.
  assert.equal(await left(by(ann)), 2);
});

test('every answer of the surface counts and tells, whatever it is, and no other one', async (t) => {
  setClock(t);
  const server = await openTestServer(t, { CAIRN_LIMITS: 'npm=100', CAIRN_CORS_ORIGINS: '*' });
  const npm = npmApi(server);
  const etag = (
    await (await npm.publish({ name: 'lib', version: '1.0.0' }, ADMIN_TOKEN), ask(server, '/npm/lib'))
  ).headers.etag;
  const rows: readonly (readonly [path: string, sent: Sent, status: number])[] = [
    ['/npm/lib', {}, 200],
    ['/npm/lib', { method: 'HEAD' }, 200],
    ['/npm/lib', { headers: { 'if-none-match': String(etag) } }, 304],
    ['/npm/lib', { headers: { range: 'bytes=0-3' } }, 206],
    ['/npm/-/ping', {}, 200],
    ['/npm/none', {}, 404],
    ['/npm/a/b/c/d/e', {}, 404],
    ['/npm/%zz', {}, 400],
    ['/npm/-/ping', { method: 'PATCH' }, 405],
    ['/npm/-/whoami', {}, 401],
    ['/npm/lib', { method: 'PUT', body: '{' }, 401],
    ['/npm/', {}, 200],
  ];
  let left = seen(await ask(server, '/npm/lib')).remaining;
  for (const [path, sent, status] of rows) {
    const answer = await ask(server, path, sent);
    assert.equal(answer.status, status, `${path}: ${answer.status} ${answer.text}`);
    left -= 1;
    assert.equal(seen(answer).remaining, left, path);
    assert.equal(answer.headers['ratelimit'], `"anonymous";r=${left};t=60`, path);
  }
  for (const path of [
    '/healthz',
    '/readyz',
    '/metrics',
    '/',
    '/-/cairn/openapi.json',
    '/x07/index/config.json',
  ]) {
    const answer = await ask(server, path);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['x-ratelimit-limit'], undefined, path);
    assert.equal(answer.headers['ratelimit'], undefined, path);
  }
  const preflight = await ask(server, '/npm/lib', { method: 'OPTIONS' });
  assert.equal(preflight.headers['x-ratelimit-limit'], undefined);
  assert.equal(seen(await ask(server, '/npm/lib')).remaining, left - 1);
});

test('health and figures are never refused, also where a limited surface is the root', async (t) => {
  setClock(t);
  const server = await openTestServer(t, { CAIRN_LIMITS: 'x07=1', CAIRN_MOUNTS: 'x07=/' });
  assert.equal((await ask(server, '/index/config.json')).status, 200);
  assert.equal((await ask(server, '/index/config.json')).status, 429);
  for (const path of ['/healthz', '/readyz', '/metrics', '/healthz', '/readyz', '/metrics'])
    assert.equal((await ask(server, path)).status, 200, path);
  // What ends the test asks for the document as well.
  assert.equal((await ask(server, '/-/cairn/openapi.json')).status, 200);
});

test('each surface refuses in its own form, and stores nothing of it', async (t) => {
  setClock(t);
  const limits = 'x07=1,npm=1,pantry=1,zig=1,oci=1';
  const server = await openTestServer(t, { CAIRN_LIMITS: limits });
  const rows: readonly (readonly [path: string, type: string, body: RegExp])[] = [
    ['/x07/index/config.json', 'text/plain; charset=utf-8', /^too many requests: 1 a minute/],
    ['/npm/none', 'application/json', /^\{"error":"too many requests/],
    ['/pantry/health', 'application/json;charset=utf-8', /"error":"too many requests/],
    ['/zig/health', 'application/json;charset=utf-8', /"error":"too many requests/],
    ['/v2/', 'application/json', /^\{"errors":\[\{"code":"TOOMANYREQUESTS"/],
  ];
  for (const [path, type, body] of rows) {
    assert.notEqual((await ask(server, path)).status, 429, path);
    const refused = await ask(server, path);
    assert.equal(refused.status, 429, path);
    assert.equal(refused.headers['content-type'], type, path);
    assert.match(refused.text, body, path);
    assert.match(String(refused.headers['x-request-id']), /^[0-9a-f]{32}$/);
    assert.equal(refused.headers['retry-after'], '60');
  }
  // The routes of Zig that stand below Pantry count with it, and those of tokens with the images.
  assert.equal((await ask(server, '/pantry/zig/packages/none')).status, 429);
  assert.equal((await ask(server, '/auth/token')).status, 429);
  const metrics = await ask(server, '/metrics');
  assert.match(metrics.text, /code="rate-limited"/);
});

test('a refused upload is read to its end, and nothing of it is kept', async (t) => {
  setClock(t);
  const server = await openTestServer(t, { CAIRN_LIMITS: 'x07=1' });
  await ask(server, '/x07/index/config.json', { headers: bearer(ADMIN_TOKEN) });
  const answer = await server.publish(Buffer.alloc(512 * 1024, 'x'));
  assert.equal(answer.status, 429);
});

test('two hundred at once: exactly as many are accepted as may be', async (t) => {
  const server = await openTestServer(t, { CAIRN_LIMITS: 'x07=1000/120' });
  const answers = await Promise.all(Array.from({ length: 200 }, () => ask(server)));
  const accepted = answers.filter(({ status }) => status === 200);
  assert.equal(accepted.length, 120);
  assert.equal(answers.filter(({ status }) => status === 429).length, 80);
  const left = accepted.map((answer) => seen(answer).remaining).sort((a, b) => b - a);
  assert.deepEqual(
    left,
    Array.from({ length: 120 }, (_, i) => 119 - i),
  );
});

test('clients behind a proxy that is trusted count apart; a client cannot choose who it is', async (t) => {
  setClock(t);
  const server = await openTestServer(t, {
    CAIRN_LIMITS: 'x07=9/2',
    CAIRN_TRUSTED_PROXIES: '127.0.0.0/8, 10.0.0.0/8',
  });
  const left = async (forwarded: string | undefined): Promise<number | undefined> => {
    const answer = await ask(server, '/x07/index/config.json', {
      headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
    });
    return answer.status === 429 ? undefined : seen(answer).remaining;
  };
  assert.equal(await left('192.0.2.1'), 1);
  assert.equal(await left('192.0.2.2'), 1);
  assert.equal(await left('203.0.113.5, 192.0.2.1, 10.1.1.1'), 0);
  assert.equal(await left('198.51.100.1, 192.0.2.1'), undefined);
  assert.equal(await left(undefined), 1);
  const alone = await openTestServer(t, { CAIRN_LIMITS: 'x07=9/2' });
  for (const forwarded of ['192.0.2.1', '192.0.2.2'])
    await ask(alone, '/x07/index/config.json', { headers: { 'x-forwarded-for': forwarded } });
  assert.equal(
    (await ask(alone, '/x07/index/config.json', { headers: { 'x-forwarded-for': '192.0.2.3' } })).status,
    429,
  );
});

test('behind a proxy that is trusted, tokens for some networks are held against the client', async (t) => {
  const server = await openTestServer(t, { CAIRN_TRUSTED_PROXIES: '127.0.0.1' });
  const token = await makeToken(server.data, { scopes: ['read'], addresses: ['192.0.2.0/24'] });
  const status = async (forwarded: string): Promise<number> => {
    const headers = { ...bearer(token), 'x-forwarded-for': forwarded };
    return (await ask(server, '/x07/v1/account', { headers })).status;
  };
  assert.equal(await status('192.0.2.9'), 200);
  assert.equal(await status('192.0.3.9'), 401);
  assert.equal(await status('192.0.2.9, 192.0.3.9'), 401);
});

test('settings: a number for both, one for each, none; the last word is the variable of ours', () => {
  const { limits, trustedProxies } = readOptions(
    {},
    { CAIRN_LIMITS: 'x07=5/3, npm=120 ,oci=off', CAIRN_TRUSTED_PROXIES: '10.0.0.0/8,::1' },
  );
  assert.deepEqual(limits, {
    x07: { withToken: 5, anonymous: 3 },
    npm: { withToken: 120, anonymous: 120 },
    oci: 'off',
  });
  assert.deepEqual(trustedProxies, ['10.0.0.0/8', '::1']);
  assert.deepEqual(readOptions({}, {}).limits, {});
  const rows: readonly (readonly [env: Record<string, string>, says: RegExp])[] = [
    [{ CAIRN_LIMITS: 'x07' }, /x07: use SURFACE=/],
    [{ CAIRN_LIMITS: 'cobol=1' }, /cobol=1: use/],
    [{ CAIRN_LIMITS: 'pantry-zig=1' }, /use/],
    [{ CAIRN_LIMITS: 'x07=0' }, /whole numbers from 1/],
    [{ CAIRN_LIMITS: 'x07=-1' }, /whole numbers/],
    [{ CAIRN_LIMITS: 'x07=1.5' }, /whole numbers/],
    [{ CAIRN_LIMITS: 'x07=1/2/3' }, /whole numbers/],
    [{ CAIRN_LIMITS: 'x07=1/' }, /whole numbers/],
    [{ CAIRN_LIMITS: 'x07=1=2' }, /use/],
    [{ CAIRN_LIMITS: 'x07=99999999999' }, /whole numbers/],
    [{ CAIRN_TRUSTED_PROXIES: '10.0.0.0/33' }, /CAIRN_TRUSTED_PROXIES: "10.0.0.0\/33" is no network/],
    [{ CAIRN_TRUSTED_PROXIES: 'proxy.example' }, /is no network/],
  ];
  for (const [env, says] of rows) assert.throws(() => readOptions({}, env), says, JSON.stringify(env));
});

test('a surface says its own limit; the operator changes it or lifts it, and what stands beside or below counts with it', () => {
  const own = { id: 'ori', limits: { withToken: 1000, anonymous: 100 } };
  const beside = { id: 'ori-extra', beside: { surface: 'ori', mount: '/x' } };
  const below = { id: 'other-ori', below: { surface: 'ori', path: 'x', twin: 'other' } };
  const free = { id: 'free' };
  const all = [own, beside, below, free];
  for (const surface of [own, beside, below]) {
    assert.deepEqual(limitsOf(surface, all), own.limits);
    assert.equal(limitsOf(surface, all, { ori: 'off' }), undefined);
    assert.deepEqual(limitsOf(surface, all, { ori: { withToken: 2, anonymous: 1 } }), {
      withToken: 2,
      anonymous: 1,
    });
  }
  assert.equal(limitsOf(free, all), undefined);
  assert.deepEqual(limitsOf(free, all, { free: own.limits }), own.limits);
});
