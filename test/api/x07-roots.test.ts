import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertX07Error, send } from '../support/http.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile);

test("the surface's own document is a file at its path, and names the paths below its mount", async () => {
  const { status, headers, text } = await send(server.url, '/x07/openapi/openapi.json');
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'application/json');
  const document = JSON.parse(text) as { openapi: string; servers: { url: string }[]; paths: object };
  assert.equal(document.openapi, '3.1.0');
  assert.deepEqual(document.servers, [{ url: server.x07 }]);
  assert.ok('/v1/packages/publish' in document.paths);
  const redirected = await send(server.url, '/x07/openapi');
  assert.equal(redirected.status, 303);
  assert.equal(redirected.headers['location'], '/x07/openapi/openapi.json');
});

test('while a root is not there, its clients are told so in their own words', async () => {
  for (const [path, file] of [
    ['/x07/', '=index'],
    ['/x07/index/config.json', 'index/config.json'],
    ['/x07/index/catalog.json', 'index/catalog.json'],
    ['/x07/openapi/openapi.json', 'openapi/openapi.json'],
  ] as const) {
    assert.equal((await send(server.url, path)).status, 200, path);
    await rm(join(server.data, 'site/x07', file));
    assertX07Error(await send(server.url, path), 404, 'NOT_FOUND');
  }
});
