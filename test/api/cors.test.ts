/** Which pages of other origins may read the API (contract of X07, section 3.1). */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { assertBare, assertRequestId, bearer, send, type Answer } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { openTestServer } from '../support/test-server.ts';
import { packX07 } from '../support/x07-package.ts';

const LISTED = 'https://ui.example';
const ALSO_LISTED = 'http://localhost:5173';

/** A request of each way an answer can come to be, and its status. */
const requests = [
  ['a file', 'GET', '/x07/index/config.json', 200],
  ['a file, unchanged', 'GET', '/x07/index/config.json', 304, { 'if-none-match': '*' }],
  ['an archive', 'GET', '/x07/v1/packages/acme-hello/1.0.0/download', 200],
  ['its header', 'HEAD', '/x07/index/config.json', 200],
  ['a redirect', 'GET', '/x07/index', 308],
  ['an answer of the API', 'GET', '/x07/v1/search', 200],
  ['a refusal of a file', 'GET', '/x07/v1/packages/nobody', 404],
  ['a refusal of the API', 'POST', '/x07/v1/packages/publish', 401],
  ['another method', 'DELETE', '/x07/v1/packages/publish', 405],
  ['no route', 'GET', '/x07/nothing', 404],
  ['the server itself', 'GET', '/healthz', 200],
] as const;

const allowed = {
  methods: ['GET', 'HEAD', 'OPTIONS', 'POST', 'DELETE'],
  headers: 'authorization, content-type, x-x07-csrf',
};

type Ask = (path: string, method?: string, headers?: Record<string, string>) => Promise<Answer>;

async function served(t: TestContext, origins: string): Promise<Ask> {
  const server = await openTestServer(t, { CAIRN_CORS_ORIGINS: origins });
  const ask: Ask = (path, method = 'GET', headers = {}) => send(server.url, path, { method, headers });
  const published = await send(server.url, '/x07/v1/packages/publish', {
    method: 'POST',
    headers: bearer(ADMIN_TOKEN),
    body: packX07({ name: 'acme-hello', version: '1.0.0' }),
  });
  assert.equal(published.status, 200);
  return ask;
}

function corsOf({ headers }: Answer): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name === 'vary' || name.startsWith('access-control-')),
  );
}

async function expectEverywhere(ask: Ask, origin: string | undefined, wanted: object): Promise<void> {
  for (const [what, method, path, status, headers = {}] of requests) {
    const answer = await ask(path, method, { ...headers, ...(origin === undefined ? {} : { origin }) });
    assert.equal(answer.status, status, what);
    assertRequestId(answer);
    assert.deepEqual(corsOf(answer), wanted, `${what}, asked from ${origin ?? 'nowhere'}`);
  }
}

/** What a browser asks before it sends a token or JSON to another origin. */
function preflight(ask: Ask, origin: string | undefined, path = '/x07/v1/tokens'): Promise<Answer> {
  return ask(path, 'OPTIONS', {
    ...(origin === undefined ? {} : { origin }),
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type',
  });
}

/** What is allowed does not depend on who asks; whether they may read it does. */
function assertPreflight(answer: Answer, wanted: object): void {
  assert.equal(answer.status, 200);
  assert.equal(answer.text, '');
  assert.equal(answer.headers['x-request-id'], undefined, 'it is answered before requests get their ids');
  const {
    vary,
    'access-control-allow-methods': methods,
    'access-control-allow-headers': headers,
    ...rest
  } = corsOf(answer);
  assert.deepEqual(rest, wanted);
  for (const method of allowed.methods) assert.ok(String(methods).split(', ').includes(method), method);
  assert.equal(headers, allowed.headers);
  for (const name of ['origin', 'access-control-request-method', 'access-control-request-headers'])
    assert.ok(String(vary).split(', ').includes(name), `Vary: ${name}`);
}

async function expectNone(ask: Ask): Promise<void> {
  await expectEverywhere(ask, LISTED, {});
  for (const [path, allow] of [
    ['/x07/index/config.json', 'GET,HEAD'],
    ['/x07/v1/tokens', 'GET,HEAD,POST'],
    ['/x07/nothing', undefined],
  ] as const) {
    const answer = await preflight(ask, LISTED, path);
    assertBare(answer, 405);
    assert.deepEqual(corsOf(answer), {});
    assert.equal(answer.headers.allow, allow);
  }
}

test('without a list there is no CORS, and OPTIONS is a method like any other', async (t) => {
  await expectNone(await served(t, ''));
});

test('a star lets every page read, and none with credentials', async (t) => {
  for (const origins of ['*', `${LISTED}, *`]) {
    const ask = await served(t, origins);
    const wanted = { 'access-control-allow-origin': '*' };
    for (const origin of [LISTED, 'https://elsewhere.example', undefined]) {
      await expectEverywhere(ask, origin, wanted);
      assertPreflight(await preflight(ask, origin), wanted);
    }
  }
});

test('a listed origin is named, with credentials; any other gets no leave', async (t) => {
  const ask = await served(t, `${LISTED} , ${ALSO_LISTED}`);
  for (const origin of [LISTED, ALSO_LISTED]) {
    const named = {
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
    };
    await expectEverywhere(ask, origin, { ...named, vary: 'origin' });
    for (const path of ['/x07/v1/tokens', '/x07/index/config.json', '/x07/nothing', '/healthz'])
      assertPreflight(await preflight(ask, origin, path), named);
  }
  const others = [
    'https://elsewhere.example',
    'https://ui.example.elsewhere.example',
    'http://ui.example',
    'https://ui.example:8443',
    'https://UI.example',
    'null',
    '*',
    undefined,
  ];
  for (const origin of others) {
    // Caches still have to tell origins apart.
    await expectEverywhere(ask, origin, { vary: 'origin' });
    const { headers } = await preflight(ask, origin);
    for (const name of ['origin', 'credentials'])
      assert.equal(headers[`access-control-allow-${name}`], undefined, `${name} for ${origin}`);
  }
});

test('an entry that cannot be a header value turns all of it off', async (t) => {
  await expectNone(await served(t, `${LISTED},https://grüße.example`));
  await expectNone(await served(t, '*,https://a.example\u0001'));
});

test('what is sent from a page is done like anything else', async (t) => {
  const ask = await served(t, LISTED);
  const answer = await ask('/x07/v1/auth/token', 'POST', { origin: LISTED, ...bearer(ADMIN_TOKEN) });
  assert.deepEqual([answer.status, answer.text], [200, '{"ok":true}']);
  // Nothing is exposed, and nothing is kept of a preflight.
  assert.equal(answer.headers['access-control-expose-headers'], undefined);
  assert.equal((await preflight(ask, LISTED)).headers['access-control-max-age'], undefined);
});
