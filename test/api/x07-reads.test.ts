import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { assertBare, assertRequestId, assertX07Error, bearer, send } from '../support/http.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { signingOf } from '../support/x07-signature.ts';

const server = await openTestServer(wholeFile);
for (const [name, version] of [
  ['a', '1.0.0'],
  ['ab', '1.0.0'],
  ['abc', '1.0.0'],
  ['abcd', '1.0.0'],
  ['a-_9', '1.0.0'],
  ['acme-hello', '0.1.0'],
  ['acme-hello', '1.0.0+b1'],
  ['acme-hello', '1.0.0-rc.1'],
  ['publish', '1.0.0'],
  ['owners', '1.0.0'],
] as const)
  assert.equal((await server.publish({ name, version })).status, 200, name);
await eventually(async () => assert.match((await get('/x07/index/catalog.json')).text, /"name":"publish"/));

function get(path: string, headers: Record<string, string> = {}) {
  return send(server.url, path, { headers });
}

test('documents have their types, and every answer an id of its own', async () => {
  const rows = [
    ['/x07', 'application/json'],
    ['/x07/', 'application/json'],
    ['/x07/index/config.json', 'application/json'],
    ['/x07/index/catalog.json', 'application/json'],
    ['/x07/index/1/a', 'application/x-ndjson'],
    ['/x07/index/2/ab', 'application/x-ndjson'],
    ['/x07/index/3/a/abc', 'application/x-ndjson'],
    ['/x07/index/ab/cd/abcd', 'application/x-ndjson'],
    ['/x07/index/a-/_9/a-_9', 'application/x-ndjson'],
    ['/x07/v1/packages/acme-hello', 'application/json'],
    ['/x07/v1/packages/acme-hello/owners', 'application/json'],
    ['/x07/v1/packages/acme-hello/0.1.0/metadata', 'application/json'],
    ['/x07/v1/packages/acme-hello/0.1.0/download', 'application/octet-stream'],
    ['/x07/v1/packages/owners', 'application/json'],
    ['/x07/v1/packages/owners/owners', 'application/json'],
  ] as const;
  const ids = new Set<string>();
  for (const [path, type] of rows) {
    const answer = await get(path);
    assert.equal(answer.status, 200, path);
    assert.equal(answer.headers['content-type'], type, path);
    assert.equal(answer.headers['content-length'], String(answer.body.length), path);
    ids.add(assertRequestId(answer));
  }
  assert.equal(ids.size, rows.length);
});

test('config and catalog are where a client looks, and name absolute URLs', async () => {
  const config = await get('/x07/index/config.json');
  assert.equal(
    config.text,
    `{"dl":"${server.url}/x07/v1/packages/","api":"${server.url}/x07/v1/","auth-required":false,"sparse":true,"signing":${JSON.stringify(signingOf(server.data))}}`,
  );
});

test('the redirects of the index are those of upstream', async () => {
  const rows = [
    ['/x07/index', 308, '/x07/index/'],
    ['/x07/index/', 307, '/x07/index/catalog.json'],
    ['/x07/openapi', 303, '/x07/openapi/openapi.json'],
  ] as const;
  for (const [path, status, location] of rows)
    for (const method of ['GET', 'HEAD']) {
      const answer = await send(server.url, path, { method });
      assertRequestId(answer);
      assert.deepEqual([answer.status, answer.headers.location, answer.text], [status, location, ''], path);
    }
});

test('HEAD answers what GET does, without the body', async () => {
  const paths = [
    '/x07/',
    '/x07/index/config.json',
    '/x07/index/catalog.json',
    '/x07/index/ac/me/acme-hello',
    '/x07/v1/packages/acme-hello',
    '/x07/v1/packages/acme-hello/owners',
    '/x07/v1/packages/acme-hello/0.1.0/metadata',
    '/x07/v1/packages/acme-hello/0.1.0/download',
    '/x07/v1/packages/nobody',
    '/x07/index/no/bo/nobody',
    '/x07/nothing',
    '/healthz',
  ];
  for (const path of paths) {
    const [asked, whole] = [await send(server.url, path, { method: 'HEAD' }), await get(path)];
    assert.equal(asked.status, whole.status, path);
    assert.equal(asked.text, '', path);
    for (const header of ['content-type', 'content-length', 'etag', 'cache-control', 'accept-ranges'])
      assert.equal(asked.headers[header], whole.headers[header], `${header} of ${path}`);
  }
});

test('what is not there is refused in the words of the contract', async () => {
  const rows = [
    ['/x07/index/no/bo/nobody', 404, 'INDEX_NOT_FOUND'],
    ['/x07/index/1/z', 404, 'INDEX_NOT_FOUND'],
    ['/x07/index/2/zz', 404, 'INDEX_NOT_FOUND'],
    ['/x07/index/3/z/zzz', 404, 'INDEX_NOT_FOUND'],
    ['/x07/index/9l/iv/9lives', 404, 'INDEX_NOT_FOUND'],
    // Another shard than the name's own
    ['/x07/index/ac/ma/acme-hello', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/1/ab', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/3/a/ab', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/3/b/abc', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/ab/cd/abc', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/acme-hello', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/a', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/a/b/c/acme-hello', 400, 'INDEX_PATH_INVALID'],
    // `..` and backslash, before anything else is looked at
    ['/x07/index/../config.json', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/ac/../acme-hello', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/ac/me/..', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/ac/me/%2e%2e', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/ac/me/..%2f..%2fconfig.json', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/ac\\me\\acme-hello', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/ac/me/acme\\hello', 400, 'INDEX_PATH_INVALID'],
    ['/x07/index/ac/me/acme%5chello', 400, 'INDEX_PATH_INVALID'],
    // Not a name
    ['/x07/index/Ac/me/Acme', 400, 'INVALID_NAME'],
    ['/x07/index/ac/me/acme.hello', 400, 'INVALID_NAME'],
    ['/x07/index/ac/me/%00', 400, 'INVALID_NAME'],
    ['/x07/index/ac/me/acme%20hello', 400, 'INVALID_NAME'],
    ['/x07/index/=index', 400, 'INVALID_NAME'],
    // Packages and their releases
    ['/x07/v1/packages/nobody', 404, 'NOT_FOUND'],
    ['/x07/v1/packages/nobody/owners', 404, 'NOT_FOUND'],
    ['/x07/v1/packages/nobody/1.0.0/metadata', 404, 'NOT_FOUND'],
    ['/x07/v1/packages/nobody/1.0.0/download', 404, 'NOT_FOUND'],
    ['/x07/v1/packages/acme-hello/9.9.9/metadata', 404, 'NOT_FOUND'],
    ['/x07/v1/packages/acme-hello/9.9.9/download', 404, 'NOT_FOUND'],
    ['/x07/v1/packages/Acme', 400, 'INVALID_NAME'],
    ['/x07/v1/packages/..', 400, 'INVALID_NAME'],
    ['/x07/v1/packages/%2e%2e', 400, 'INVALID_NAME'],
    ['/x07/v1/packages/..%2f..%2findex', 400, 'INVALID_NAME'],
    ['/x07/v1/packages/acme%5chello', 400, 'INVALID_NAME'],
    ['/x07/v1/packages/=index', 400, 'INVALID_NAME'],
    ['/x07/v1/packages/Acme/1/download', 400, 'INVALID_NAME'],
    ['/x07/v1/packages/acme-hello/1/download', 400, 'INVALID_VERSION'],
    ['/x07/v1/packages/acme-hello/v0.1.0/metadata', 400, 'INVALID_VERSION'],
    ['/x07/v1/packages/acme-hello/../download', 400, 'INVALID_VERSION'],
    ['/x07/v1/packages/acme-hello/0.1.0%2f../download', 400, 'INVALID_VERSION'],
    ['/x07/v1/packages/acme-hello/=index/download', 400, 'INVALID_VERSION'],
  ] as const;
  for (const [path, status, code] of rows) {
    try {
      assertX07Error(await get(path), status, code);
    } catch (error) {
      throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
    }
  }
});

test('what every site has is not found where there is no site yet, or none any more', async (t) => {
  const bare = await openTestServer(t);
  await rm(join(bare.data, 'site'), { recursive: true });
  for (const path of ['', 'index/config.json', 'index/catalog.json', 'openapi/openapi.json'])
    assertX07Error(await send(bare.url, `/x07/${path}`), 404, 'NOT_FOUND');
});

test('a path that is no route is a bare 404 to read and 405 to write', async () => {
  const paths = [
    '/x07/nothing',
    '/x07/v1',
    '/x07/v1/packages',
    '/x07/v1/packages/',
    '/x07/v1/packages/acme-hello/',
    '/x07/v1/packages/acme-hello/owners/',
    '/x07/index/ac/me/acme-hello/',
    '/x07/index/config.json/',
    '/x07/v1/packages/acme-hello/0.1.0',
    '/x07/v1/packages/acme-hello/0.1.0/download/',
    '/x07/v1//packages/acme-hello',
    '/x07//index/config.json',
    '/x07/V1/packages/acme-hello',
    '/x07/config.json',
    '/x07/ac/me/acme-hello',
    '/x07/=progress.json',
    '/x07/v1/packages/acme-hello/0.1.0/metadata/=index',
  ];
  for (const path of paths) {
    assertBare(await get(path), 404);
    assertBare(await send(server.url, path, { method: 'HEAD' }), 404);
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
      assertBare(await send(server.url, path, { method }), 405);
  }
});

test('a route asked with another method is a bare 405 that says what is allowed', async () => {
  const rows = [
    ['/x07/index', 'GET,HEAD'],
    ['/x07/index/config.json', 'GET,HEAD'],
    ['/x07/index/catalog.json', 'GET,HEAD'],
    ['/x07/index/ac/me/acme-hello', 'GET,HEAD'],
    ['/x07/v1/packages/acme-hello', 'GET,HEAD'],
    ['/x07/v1/packages/acme-hello/0.1.0/download', 'GET,HEAD'],
    ['/x07/v1/packages/acme-hello/0.1.0/yank', 'POST'],
    ['/x07/v1/packages/publish', 'POST'],
  ] as const;
  for (const [path, allow] of rows)
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      if (allow.split(',').includes(method)) continue;
      const answer = await send(server.url, path, { method });
      assertBare(answer, 405);
      assert.equal(answer.headers.allow, allow, `${method} ${path}`);
    }
});

test('a package called publish exists, behind the route of that name', async () => {
  assertBare(await get('/x07/v1/packages/publish'), 405);
  assert.equal((await get('/x07/index/pu/bl/publish')).status, 200);
  assert.equal((await get('/x07/v1/packages/publish/1.0.0/download')).status, 200);
});

test('a path means the same however it is written', async () => {
  const rows = [
    ['/x07/v1/packages/acme-hello/1.0.0+b1/download', '/x07/v1/packages/acme-hello/1.0.0%2Bb1/download'],
    ['/x07/v1/packages/acme-hello/1.0.0+b1/metadata', '/x07/v1/packages/acme-hello/1.0.0%2bb1/metadata'],
    ['/x07/v1/packages/acme-hello', '/x07/v1/packages/acme%2Dhello'],
    ['/x07/v1/packages/acme-hello', '/x07/v1/packages/%61cme-hello'],
    ['/x07/index/ac/me/acme-hello', '/x07/index/%61c/me/acme%2dhello'],
    ['/x07/index/ac/me/acme-hello', '/x07/index/ac/me/acme-hello?x07_refresh=1764000000000'],
    ['/x07/index/config.json', '/x07/index/config.json?'],
    ['/x07/v1/packages/acme-hello', '/x07/v1/packages/acme-hello?a=b&c=%zz'],
  ] as const;
  for (const [plain, other] of rows) {
    const [a, b] = [await get(plain), await get(other)];
    assert.equal(b.status, 200, other);
    assert.deepEqual([b.text, b.headers.etag], [a.text, a.headers.etag], other);
  }
  const { package: manifest } = JSON.parse(
    (await get('/x07/v1/packages/acme-hello/1.0.0+b1/metadata')).text,
  ) as { package: { version: string } };
  assert.equal(manifest.version, '1.0.0+b1');
  // A plus is not a space.
  assertX07Error(await get('/x07/v1/packages/acme-hello/1.0.0%20b1/download'), 400, 'INVALID_VERSION');
});

test('percent-encoding that is none is refused', async () => {
  for (const path of [
    '/x07/v1/packages/%zz',
    '/x07/v1/packages/%c3%28',
    '/x07/index/ac/me/%',
    '/x07/v1/packages/a/%ff/download',
  ]) {
    const answer = await get(path);
    assertRequestId(answer);
    assert.equal(answer.status, 400, path);
  }
});

test('reads are anonymous, and a bad credential does no harm to them', async () => {
  const paths = [
    '/x07/index/config.json',
    '/x07/index/ac/me/acme-hello',
    '/x07/v1/packages/acme-hello',
    '/x07/v1/packages/acme-hello/0.1.0/download',
  ];
  for (const path of paths)
    for (const headers of [bearer('nobody'), { authorization: 'Basic !!' }, { authorization: '' }]) {
      const answer = await get(path, headers);
      assert.equal(answer.status, 200);
      assert.match(String(answer.headers['cache-control']), /^public/);
    }
});

test('at the host of the index the index is at the root, and everything else where it was', async () => {
  for (const host of ['index.x07.io', 'INDEX.X07.IO', 'index.x07.io:8443']) {
    const rows = [
      ['/config.json', '/x07/index/config.json'],
      ['/catalog.json', '/x07/index/catalog.json'],
      ['/1/a', '/x07/index/1/a'],
      ['/2/ab', '/x07/index/2/ab'],
      ['/3/a/abc', '/x07/index/3/a/abc'],
      ['/ac/me/acme-hello', '/x07/index/ac/me/acme-hello'],
      ['/ac/me/acme-hello?x07_refresh=1', '/x07/index/ac/me/acme-hello'],
      ['/x07/index/config.json', '/x07/index/config.json'],
      ['/x07/v1/packages/acme-hello', '/x07/v1/packages/acme-hello'],
      ['/healthz', '/healthz'],
    ] as const;
    for (const [path, same] of rows) {
      const answer = await get(path, { host });
      assert.equal(answer.status, 200, `${path} at ${host}`);
      assert.equal(answer.text, (await get(same)).text);
    }
    assertX07Error(await get('/no/bo/nobody', { host }), 404, 'INDEX_NOT_FOUND');
    assertX07Error(await get('/ab/me/acme-hello', { host }), 400, 'INDEX_PATH_INVALID');
    assertX07Error(await get('/ac/../acme-hello', { host }), 400, 'INDEX_PATH_INVALID');
    assert.equal((await get('/', { host })).text, (await get('/')).text);
  }
  for (const path of ['/config.json', '/catalog.json', '/ac/me/acme-hello'])
    assert.equal((await get(path, { host: 'registry.x07.io' })).status, 404);
});

test('an upload can be made at the host of the index as well', async () => {
  const answer = await send(server.url, '/x07/v1/packages/publish', {
    method: 'POST',
    headers: { host: 'index.x07.io' },
    body: '',
  });
  assertX07Error(answer, 401, 'AUTH_REQUIRED');
});

test('a path below no mount is answered in a body that every client can print', async () => {
  for (const method of ['GET', 'POST']) {
    const answer = await send(server.url, '/elsewhere', { method });
    const id = assertRequestId(answer);
    assert.equal(answer.status, 404);
    const { message, ...body } = JSON.parse(answer.text) as Record<string, unknown>;
    assert.deepEqual(body, {
      error: message,
      errors: [{ code: 'NAME_UNKNOWN', detail: message, message }],
      code: 'not_found',
      request_id: id,
    });
  }
});
