import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { Bucket } from '../../stores/bucket.ts';
import { ConditionFailed, type BucketPatience } from '../../stores/bucket.ts';
import { bucketContract } from '../support/bucket-contract.ts';
import { aLargeFile, keysOf, MIB, openAt, readAll, readText, written } from '../support/bucket-objects.ts';
import { eventually } from '../support/eventually.ts';
import { requestsOf } from '../support/s3-faults.ts';
import { openS3Server } from '../support/s3-server.ts';

bucketContract('a bucket in memory', openS3Server);

const patience: BucketPatience = { attempts: 4, idleMs: 20_000, partBytes: 5 * MIB };

test('however many requests fail at once, each is sent again', async (t) => {
  const server = await openS3Server(t);
  const bucket = openAt(t, server.address(), patience);
  const failures = new Map<string, number>();
  server.faults.onRequest = ({ key }) => {
    const before = failures.get(key) ?? 0;
    failures.set(key, before + 1);
    return before < 2 ? { does: 'internal' } : undefined;
  };
  const keys = Array.from({ length: 100 }, (_, each) => `key ${each}`);
  await Promise.all(keys.map((key) => bucket.put(key, ...written(key))));
  assert.equal(server.objects.size, 100);
  assert.equal(server.requests.length, 300);
});

test('what is not allowed, or not there, is asked for once', async (t) => {
  const server = await openS3Server(t);
  const bucket = openAt(t, server.address(), patience);
  assert.equal(await bucket.get('none'), undefined);
  assert.equal(await bucket.head('none'), undefined);
  await assert.rejects(bucket.put('a', ...written('a', { condition: { etag: '"1"' } })), ConditionFailed);
  // The last looks at what is there instead.
  assert.deepEqual(
    server.requests.map(({ operation }) => operation),
    ['GetObject', 'HeadObject', 'PutObject', 'HeadObject'],
  );
});

test('a list has as many pages as it needs', async (t) => {
  const server = await openS3Server(t);
  server.pageSize = 3;
  const bucket = openAt(t, server.address('p'), patience);
  const keys = Array.from({ length: 8 }, (_, each) => `a/${each}`);
  for (const key of keys) await bucket.put(key, ...written(key));
  assert.deepEqual(await keysOf(bucket), keys);
  assert.deepEqual(await keysOf(bucket, 'a/', 'a/4'), ['a/5', 'a/6', 'a/7']);
  assert.equal(server.requests.filter(({ operation }) => operation === 'ListObjectsV2').length, 4);
});

test('many are removed with a request for each thousand', async (t) => {
  const server = await openS3Server(t);
  const bucket = openAt(t, server.address('p'), patience);
  const keys = Array.from({ length: 1001 }, (_, each) => `a/${each}`);
  await bucket.put('a/1000', ...written('last'));
  await bucket.removeAll(keys);
  assert.deepEqual(await keysOf(bucket), []);
  assert.equal(server.requests.filter(({ operation }) => operation === 'DeleteObjects').length, 2);
});

test('a body that is cut off again and again is read to its end, and is never of two objects', async (t) => {
  const server = await openS3Server(t);
  const bucket = openAt(t, server.address(), patience);
  const text = 'abcdefghij'.repeat(1000);
  await bucket.put('a', ...written(text));
  // Half of what remains comes each time: that is 14 answers, and many more than are cut off without a byte.
  server.faults.failAlways(requestsOf('GetObject'), { does: 'truncated' });
  const reading = bucket.read('a', { start: 0, end: text.length - 1 });
  let read = 0;
  for await (const piece of reading) {
    read += piece.byteLength;
    if (read > text.length - 10) server.faults.clear();
  }
  assert.equal(read, text.length);
  server.faults.failOnce(requestsOf('GetObject'), { does: 'truncated' });
  const another = bucket.read('a', { start: 0, end: text.length - 1 });
  assert.equal((await another.next()).done, false);
  await bucket.put('a', ...written('z'.repeat(text.length)));
  await assert.rejects(readAll(another), ConditionFailed);
});

test('a write that arrives after its writer has gone on finds that its condition holds no longer', async (t) => {
  const server = await openS3Server(t);
  const bucket = openAt(t, server.address(), { ...patience, idleMs: 500 });
  const first = await bucket.put('a', ...written('one'));
  const held = server.faults.holdOnce(requestsOf('PutObject'));
  // The attempt that is held is given up, and the next one is done.
  const second = await bucket.put('a', ...written('two', { condition: { etag: first } }));
  await bucket.put('a', ...written('three', { condition: { etag: second } }));
  assert.equal(await (await held).finish(), 412);
  assert.equal(await readText(bucket, 'a'), 'three');
});

test('what had to be sent again is counted, since the store may still do it', async (t) => {
  const server = await openS3Server(t);
  const bucket = openAt(t, server.address(), patience);
  const { path, digest } = await aLargeFile(t, 10);
  const etag = await bucket.put('a', ...written('one'));
  const over = written('two', { condition: { etag } });
  const writes: Record<string, () => Promise<unknown>> = {
    put: () => bucket.put('b', ...written('two')),
    'put that was done at first': () => bucket.put('a', ...over),
    'put that is refused': () => bucket.put('a', ...written('three', { condition: { etag } })),
    putFile: () => bucket.putFile('c', path, 10, { contentType: 'text/plain', digest }),
    copy: () => bucket.copy(bucket, 'a', 3, 'd', over[1]),
    remove: () => bucket.remove('a'),
  };
  for (const [name, write] of Object.entries(writes)) {
    const before = bucket.repeatedWrites;
    server.faults.failOnce(1, { does: 'reset', persisted: true });
    await write().catch((error: unknown) => assert.ok(error instanceof ConditionFailed));
    assert.equal(bucket.repeatedWrites, before + 1, name);
    await bucket.get('a');
    assert.equal(bucket.repeatedWrites, before + 1, 'reads are none of them');
  }
});

test('uploads in parts that are old and not whole are ended, and one that is gone by then is fine', async (t) => {
  const server = await openS3Server(t);
  const bucket = openAt(t, server.address('p'), patience);
  const size = 5 * MIB + 5;
  const { path, digest } = await aLargeFile(t, size);
  const uploads = server.buckets.get(server.bucket)?.uploads;
  for (const each of [1, 2]) {
    // Whoever sent it has no answer, and begins another.
    server.faults.failOnce(requestsOf('CreateMultipartUpload'), { does: 'reset', persisted: true });
    await bucket.putFile(`large ${each}`, path, size, { contentType: 'text/plain', digest });
  }
  assert.equal(uploads?.size, 2);
  await bucket.abortUploads(Date.now() - 3_600_000);
  assert.equal(uploads?.size, 2);
  server.faults.failOnce(requestsOf('AbortMultipartUpload'), { does: 'reset', persisted: true });
  await bucket.abortUploads(Date.now() + 3_600_000);
  assert.equal(uploads?.size, 0);
  assert.deepEqual(await keysOf(bucket), ['large 1', 'large 2']);
});

test('of a write that somebody else has written over, the truth is that nothing of it is there', async (t) => {
  const server = await openS3Server(t);
  const bucket = openAt(t, server.address(), patience);
  const etag = await bucket.put('a', ...written('one'));
  server.faults.failOnce(requestsOf('PutObject'), { does: 'reset', persisted: true });
  const held = server.faults.holdOnce(
    (request) => requestsOf('PutObject')(request) && server.requests.length > 2,
  );
  const writing = bucket.put('a', ...written('two', { condition: { etag } }));
  const again = await held;
  server.objects.delete('a');
  await again.finish();
  await assert.rejects(writing, ConditionFailed);
});

for (const [kind, operation] of [
  ['a short file', 'PutObject'],
  ['a part of a long file', 'UploadPart'],
  ['the end of a long file', 'CompleteMultipartUpload'],
] as const)
  test(`what a signal ends is not sent again: ${kind}`, async (t) => {
    const server = await openS3Server(t);
    const bucket = openAt(t, server.address(), patience);
    const size = operation === 'PutObject' ? 10 : 5 * MIB + 5;
    const { path, digest } = await aLargeFile(t, size);
    const stop = new AbortController();
    const options = { contentType: 'text/plain', digest, signal: stop.signal };
    const held = server.faults.holdOnce(requestsOf(operation));
    const writing = bucket.putFile('a', path, size, options);
    await held;
    stop.abort();
    await assert.rejects(writing, { name: 'AbortError' });
    // Only what was sent in parts is given up.
    await eventually(async () => assert.equal(server.buckets.get(server.bucket)?.uploads.size, 0, 'parts'));
    const sent = server.requests.filter((request) => requestsOf(operation)(request)).length;
    assert.ok(sent <= 2, `${sent} requests`);
    await assert.rejects(bucket.putFile('a', path, size, options), { name: 'AbortError' });
    await assert.rejects(bucket.put('a', ...written('a', { signal: stop.signal })), { name: 'AbortError' });
    await assert.rejects(bucket.remove('a', stop.signal), { name: 'AbortError' });
    assert.equal(server.requests.filter((request) => requestsOf(operation)(request)).length, sent);
    assert.equal(server.objects.size, 0);
  });

test('a signal that outlives many writes is not a list of them', async (t) => {
  const server = await openS3Server(t);
  const bucket = openAt(t, server.address(), patience);
  const { path, digest } = await aLargeFile(t, 10);
  const { signal } = new AbortController();
  const listeners = t.mock.method(signal, 'addEventListener');
  const gone = t.mock.method(signal, 'removeEventListener');
  for (const key of ['a', 'b', 'c'])
    await bucket.putFile(key, path, 10, { contentType: 'text/plain', digest, signal });
  await eventually(async () =>
    assert.ok(gone.mock.callCount() >= listeners.mock.callCount(), 'as many go as come'),
  );
});

/** Something that answers, and is no store. */
async function answering(t: TestContext, status: number, body: string): Promise<Bucket> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': 'text/html' }).end(body);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return openAt(t, { bucket: 'cairn', prefix: '', endpoint, pathStyle: true }, patience);
}

for (const body of ['', 'Not Found', '<html><body>Not Found</body></html>', '{"error":"not_found"}'])
  test(`what is no store does not say that something is absent: ${body || 'nothing'}`, async (t) => {
    await openS3Server(t);
    const bucket = await answering(t, 404, body);
    await assert.rejects(async () => bucket.get('a'));
    await assert.rejects(async () => bucket.head('a'));
    await assert.rejects(async () => readAll(bucket.read('a', { start: 0, end: 0 })));
    await assert.rejects(async () => keysOf(bucket));
    await assert.rejects(async () => bucket.remove('a'));
    await assert.rejects(
      async () => bucket.put('a', ...written('a', { condition: { etag: '"1"' } })),
      (error) => !(error instanceof ConditionFailed),
    );
    const pleased = await answering(t, 200, body);
    await assert.rejects(async () => keysOf(pleased));
    await assert.rejects(async () => pleased.put('a', ...written('a')));
    await assert.rejects(async () => pleased.removeAll(['a']));
  });

test('a signed URL is over when it was said to be', async (t) => {
  const server = await openS3Server(t);
  const bucket = openAt(t, server.address(), patience);
  await bucket.put('a', ...written('secret'));
  const url = await bucket.signedUrl('a', 60);
  assert.equal((await fetch(url)).status, 200);
  server.now = () => Date.now() + 61_000;
  assert.equal((await fetch(url)).status, 403);
});
