/** A site in a bucket over HTTP: what clients see when its store is slow, wrong or away, and what the store is asked for. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import { openBucketServer, putText } from '../support/bucket-site.ts';
import { eventually } from '../support/eventually.ts';
import { assertX07Error, bearer, send, type Answer } from '../support/http.ts';
import { assertNpmError, npmApi } from '../support/npm-api.ts';
import { anIndex, assertOciError, basic, ociApi } from '../support/oci-api.ts';
import { requestsOf } from '../support/s3-faults.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openBucketServer(wholeFile, { isDescribed: false });
const { s3, bucket, url } = server;
assert.equal((await server.publish({ name: 'acme-hello', version: '0.1.0' })).status, 200);
assert.equal((await npmApi(server).publish({ name: 'left', version: '1.0.0' }, ADMIN_TOKEN)).status, 201);
const oci = ociApi(server);
const ann = ['ann', await server.tokenOf('ann', ['read', 'publish', 'owner'])] as const;
const image = await oci.pushImage('ann/app', '1', ann);
const made = await oci.ask({
  method: 'PUT',
  path: 'api/v1/ann/app/visibility',
  json: { visibility: 'public' },
  headers: basic(ann),
});
assert.equal(made.status, 200, made.text);

const entry = '/x07/index/ac/me/acme-hello';
const download = '/x07/v1/packages/acme-hello/0.1.0/download';
const tag = '/v2/ann/app/manifests/1';

/** Operations that the store was asked for since the last look. */
function asked(): string[] {
  return s3.requests.splice(0).map(({ operation }) => operation);
}

test('an answer says of a file what it says of one in a directory', async () => {
  const manifest = await send(url, tag);
  assert.equal(manifest.status, 200);
  assert.equal(manifest.headers['content-type'], 'application/vnd.oci.image.manifest.v1+json');
  assert.equal(manifest.headers['docker-content-digest'], image.manifest.digest);
  const layer = await send(url, `/v2/ann/app/blobs/${image.layer.digest}`);
  assert.equal(layer.headers['docker-content-digest'], image.layer.digest);
  assert.equal(layer.headers.etag, `"${image.layer.digest}"`);
  assert.equal(digestOf(layer.body), image.layer.digest);
  assert.equal((await send(url, '/npm/left')).headers['content-type'], 'application/json');
});

test('the store is asked once for what a public image is made of, and never for what is private or elsewhere', async () => {
  const index = await oci.pushManifest('ann/app', 'all', anIndex([image.manifest]), ann);
  await oci.pushImage('ann/secret', '1', ann);
  asked();
  const reads: readonly (readonly [path: string, status: number, questions: number])[] = [
    [`ann/app/manifests/all`, 200, 1],
    [`ann/app/manifests/${index.digest}`, 200, 1],
    [`ann/app/blobs/${image.layer.digest}`, 200, 1],
    ['ann/app/tags/list', 200, 1],
    // It may have been deleted just now, and the lists of the site still name it: each type is asked for.
    ['ann/app/manifests/none', 404, 8],
    ['ann/secret/manifests/1', 200, 0],
    [`ann/secret/blobs/${image.layer.digest}`, 200, 0],
    ['ann/secret/tags/list', 200, 0],
    ['ann/none/manifests/1', 404, 0],
  ];
  for (const [path, status, questions] of reads) {
    const answer = await oci.as(ann, { path: `v2/${path}` });
    assert.equal(answer.status, status, `${path}: ${answer.text}`);
    assert.equal(asked().length, questions, path);
  }
});

test('the store is asked for packages of npm that are public, and for no others', async () => {
  const npm = npmApi(server);
  const secret = { name: '@acme/secret', version: '1.0.0' };
  assert.equal((await npm.publish(secret, ADMIN_TOKEN, { access: 'restricted' })).status, 201);
  asked();
  const reads: readonly (readonly [path: string, status: number, questions: number])[] = [
    ['left', 200, 1],
    ['left/1.0.0', 200, 1],
    ['left/-/left-1.0.0.tgz', 200, 1],
    ['-/package/left/dist-tags', 200, 1],
    ['-/package/left/visibility', 200, 1],
    ['-/package/left/collaborators', 200, 1],
    ['left/2.0.0', 404, 1],
    ['@acme%2fsecret', 200, 0],
    ['@acme/secret/1.0.0', 200, 0],
    ['@acme/secret/-/secret-1.0.0.tgz', 200, 0],
    ['-/package/@acme%2fsecret/dist-tags', 200, 0],
    ['-/package/@acme%2fsecret/visibility', 200, 0],
    ['-/package/@acme%2fsecret/collaborators', 200, 0],
    ['of-somebody-else', 404, 0],
  ];
  for (const [path, status, questions] of reads) {
    const answer = await send(url, `/npm/${path}`, { headers: bearer(ADMIN_TOKEN) });
    assert.equal(answer.status, status, `${path}: ${answer.text}`);
    assert.equal(asked().length, questions, path);
  }
});

test('a document costs one question, also where it has changed meanwhile, and so does a short archive', async () => {
  const first = await send(url, entry);
  asked();
  for (const method of ['GET', 'HEAD', 'GET']) await send(url, entry, { method });
  assert.deepEqual(asked(), ['GetObject', 'GetObject', 'GetObject']);
  await putText(bucket, entry.slice(1), first.text.replaceAll('0.1.0', '9.9.9'));
  asked();
  assert.match((await send(url, entry)).text, /9\.9\.9/);
  assert.deepEqual(asked(), ['GetObject']);
  await putText(bucket, entry.slice(1), first.text);
  assert.equal((await send(url, entry)).text, first.text);
  asked();
  assert.equal((await send(url, download)).status, 200);
  assert.equal((await send(url, download, { headers: { range: 'bytes=0-4' } })).body.length, 5);
  assert.deepEqual(asked(), ['GetObject', 'GetObject']);
});

test('what is ours is never served, and not even asked for', async () => {
  for (const path of ['=progress.json', '=summaries/x07', 'x07/index/=index', 'v2/=index'])
    await putText(bucket, path, 'secret');
  for (const path of [
    '/=progress.json',
    '/%3Dprogress.json',
    '/=summaries/x07',
    '/npm/=progress.json',
    '/x07/index/=index',
    '/x07/../=progress.json',
    '/npm/..%2f=progress.json',
    '/v2/=index',
    '/v2/..%2F=summaries/manifests/x07',
  ]) {
    asked();
    const answer = await send(url, path);
    assert.ok(answer.status === 404 || answer.status === 400, `${path}: ${answer.status}`);
    assert.doesNotMatch(answer.text, /secret/);
    assert.deepEqual(
      s3.requests.map(({ key }) => key).filter((key) => key.includes('=') && !key.endsWith('/=index')),
      [],
      path,
    );
  }
});

test('a store that does not answer is 503 in the words of each client, with a time to come back', async (t) => {
  t.after(() => s3.faults.clear());
  const rows: readonly (readonly [path: string, check: (answer: Answer) => void])[] = [
    [entry, (answer) => assertX07Error(answer, 503, 'STORAGE')],
    [download, (answer) => assertX07Error(answer, 503, 'STORAGE')],
    ['/x07/index/no/bo/nobody', (answer) => assertX07Error(answer, 503, 'STORAGE')],
    ['/npm/left', (answer) => assertNpmError(answer, 503, 'try again')],
    ['/npm/left/9.9.9', (answer) => assertNpmError(answer, 503, 'try again')],
    [tag, (answer) => assertOciError(answer, 503, 'UNAVAILABLE')],
    [`/v2/ann/app/blobs/${image.layer.digest}`, (answer) => assertOciError(answer, 503, 'UNAVAILABLE')],
    ['/pantry/packages/left', (answer) => assert.match(answer.text, /^{"error":".*try again/)],
    ['/zig/packages/left', (answer) => assert.match(answer.text, /^{"error":".*try again/)],
    ['/run/packages/left/1.0.0/artifact.wasm', (answer) => assert.match(answer.text, /try again/)],
    ['/ori/v1/packages/ann/left/versions', (answer) => assert.match(answer.text, /"code":"unavailable"/)],
  ];
  // Some are kept in memory by now, and none of those may be answered unseen.
  const before = new Map<string, number>();
  for (const [path] of rows) before.set(path, (await send(url, path)).status);
  for (const does of ['internal', 'reset', 'no-bucket'] as const) {
    s3.faults.failAlways(() => true, { does });
    for (const [path, check] of rows) {
      const errors = server.errors.length;
      const answer = await send(url, path);
      assert.equal(answer.status, 503, `${does} ${path}: ${answer.text}`);
      assert.equal(answer.headers['retry-after'], '5');
      check(answer);
      // The operator is told why, and the client is not told where.
      const [error] = server.errors.slice(errors);
      assert.ok(error instanceof RegistryError && error.cause instanceof Error);
      assert.doesNotMatch(answer.text, /127\.0\.0\.1|a site|cairn\/|InternalError|ECONNRESET/);
    }
    s3.faults.clear();
  }
  for (const [path] of rows) assert.equal((await send(url, path)).status, before.get(path), path);
  const last = server.records.findLast(({ status }) => status === 503);
  assert.equal(last?.code, 'storage-unavailable');
  // Writes do not need it.
  assert.equal((await send(url, '/healthz')).status, 200);
});

test('a long file is sent in pieces, whole or in part', async () => {
  const bytes = randomBytes(3 * 1024 * 1024);
  const before = await bucket.get(download.slice(1));
  assert.ok(before && before !== 'unchanged');
  const archive = await before.bytes();
  await putText(bucket, download.slice(1), bytes);
  const whole = await send(url, download);
  assert.deepEqual(whole.body, bytes);
  assert.equal(whole.headers['content-length'], String(bytes.length));
  asked();
  const head = await send(url, download, { method: 'HEAD' });
  assert.equal(head.headers['content-length'], String(bytes.length));
  const etag = String(head.headers.etag);
  assert.equal((await send(url, download, { headers: { 'if-none-match': etag } })).status, 304);
  assert.deepEqual(asked(), ['HeadObject', 'HeadObject']);
  const part = await send(url, download, { headers: { range: 'bytes=1048570-1048590', 'if-range': etag } });
  assert.deepEqual([part.status, part.body], [206, bytes.subarray(1_048_570, 1_048_591)]);
  const [, get] = s3.requests;
  assert.equal(get?.headers['range'], 'bytes=1048570-1048590');
  await putText(bucket, download.slice(1), archive);
});

test('a body that breaks off for good ends the connection, and the operator is told', async (t) => {
  t.after(() => s3.faults.clear());
  const bytes = randomBytes(2 * 1024 * 1024);
  await putText(bucket, 'x07/v1/packages/acme-hello/0.1.0/download', bytes);
  await send(url, download);
  const errors = server.errors.length;
  s3.faults.failAlways(requestsOf('GetObject'), { does: 'internal' });
  await assert.rejects(send(url, download), /hang up|aborted|ECONNRESET/);
  s3.faults.clear();
  await eventually(async () => assert.equal(server.errors.length, errors + 1));
  assert.ok(server.errors.at(-1) instanceof RegistryError);
  assert.deepEqual((await send(url, download)).body, bytes);
});

test('a client that leaves while the store is asked is no trouble for others', async () => {
  const errors = server.errors.length;
  const held = s3.faults.holdOnce(requestsOf('GetObject', 'acme-hello'));
  const gone = new AbortController();
  const leaving = fetch(url + entry, { signal: gone.signal });
  const request = await held;
  gone.abort();
  await assert.rejects(leaving);
  const staying = send(url, entry);
  await request.finish();
  assert.equal((await staying).status, 200);
  assert.equal(server.errors.length, errors);
});

test('searches start from a file in the bucket, and say so when they cannot', async (t) => {
  t.after(() => s3.faults.clear());
  const search = '/x07/v1/search?q=hello';
  s3.faults.failAlways(requestsOf('GetObject', '=summaries/x07'), { does: 'internal' });
  assertX07Error(await send(url, search), 503, 'STORAGE');
  s3.faults.clear();
  const found = await send(url, search, { headers: bearer(ADMIN_TOKEN) });
  assert.match(found.text, /acme-hello/);
});
