import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestOf } from '../../core/digest.ts';
import type { Upload } from '../../core/ports.ts';
import { openBlobApp } from '../support/blob-app.ts';
import { eventually } from '../support/eventually.ts';
import type { Answer } from '../support/http.ts';
import { wholeFile } from '../support/whole-file.ts';

const app = await openBlobApp(wholeFile);
const { ask } = app;

async function start(): Promise<string> {
  return (JSON.parse((await ask('uploads', { method: 'POST' })).text) as Upload).id;
}

function add(id: string, body: string | readonly Buffer[], query = ''): Promise<Answer> {
  return ask(`uploads/${id}${query}`, { method: 'PATCH', body });
}

async function sizeOf(id: string): Promise<number> {
  return (JSON.parse((await ask(`uploads/${id}`)).text) as Upload).size;
}

function codeOf({ text }: Answer): unknown {
  return (JSON.parse(text) as { code: string }).code;
}

test('a handler receives a blob over several requests', async () => {
  const id = await start();
  assert.equal((await add(id, 'hello ', '?at=0&length=6')).status, 202);
  assert.equal((await add(id, [Buffer.from('wo'), Buffer.from('rld')], '?at=6')).status, 202);
  const digest = digestOf('hello world');
  assert.equal((await ask(`blobs/${digest}`)).status, 404);
  const finished = await ask(`uploads/${id}?digest=${digest}`, { method: 'PUT' });
  assert.equal(finished.status, 201);
  assert.equal((await ask(`blobs/${digest}`)).text, 'hello world');
  assert.equal(app.world.uploads.held('acme/app', digest)?.size, 11);
});

test('refusals have a status and a code of their own, and the upload goes on', async () => {
  const id = await start();
  await add(id, 'hello');
  const refusals = [
    [await add('../x', 'x'), 404, undefined],
    [await add('unknown', 'x'), 404, 'upload_not_found'],
    [await add(id, 'x', '?at=4'), 416, 'upload_out_of_order'],
    [await add(id, 'xyz', '?length=2'), 400, 'wrong_length'],
    [await add(id, 'x'.repeat(1_000_000)), 413, 'too_large'],
  ] as const;
  for (const [answer, status, code] of refusals) {
    assert.equal(answer.status, status, answer.text);
    if (code !== undefined) assert.equal(codeOf(answer), code);
  }
  assert.equal(await sizeOf(id), 5);
  const wrong = await ask(`uploads/${id}?digest=${digestOf('other')}`, { method: 'PUT' });
  assert.deepEqual([wrong.status, codeOf(wrong)], [400, 'digest_mismatch']);
  assert.equal((await ask(`uploads/${id}`, { method: 'DELETE' })).status, 404);
});

test('what came before the connection broke is there for the next request', async () => {
  const id = await start();
  const { hostname, port } = new URL(app.origin);
  const path = `/toy/uploads/${id}`;
  const outgoing = request({ hostname, port, path, method: 'PATCH', headers: { 'content-length': 11 } });
  outgoing.on('error', () => undefined);
  outgoing.write('hello');
  await eventually(async () => {
    // Nothing goes on there, before or after.
    assert.equal(codeOf(await add(id, 'other', '?at=1')), 'conflict');
  });
  outgoing.destroy();
  await eventually(async () => assert.equal(await sizeOf(id), 5));
  assert.equal((await add(id, ' world', '?at=5')).status, 202);
  const digest = digestOf('hello world');
  assert.equal((await ask(`uploads/${id}?digest=${digest}`, { method: 'PUT' })).status, 201);
});

test('a body that is packed for the way is unpacked', async () => {
  const id = await start();
  const body = gzipSync('hello');
  const headers = { 'content-encoding': 'gzip' };
  assert.equal((await ask(`uploads/${id}`, { method: 'PATCH', headers, body })).status, 202);
  assert.equal(await sizeOf(id), 5);
  assert.equal((await ask(`uploads/${id}`, { method: 'DELETE' })).status, 204);
  assert.deepEqual(app.errors, []);
});
