/** A site that lies in a bucket, as the embedded server reads it: how often its store is asked, and what for. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import { READ_AT_ONCE_BYTES, type SiteReader } from '../../core/ports.ts';
import type { Bucket } from '../../stores/bucket.ts';
import { bucketReader } from '../../stores/bucket-reader.ts';
import { openBucketSite, putText, type BucketSite } from '../support/bucket-site.ts';
import { eventually } from '../support/eventually.ts';
import { requestsOf } from '../support/s3-faults.ts';
import { bytesOf, found } from '../support/found-files.ts';

interface Opened extends BucketSite {
  readonly reader: SiteReader;
  /** Operations that the store was asked for since the last look, in order. */
  asked(): string[];
}

async function open(t: TestContext): Promise<Opened> {
  const site = await openBucketSite(t);
  return {
    ...site,
    reader: bucketReader(site.bucket),
    asked: () => site.s3.requests.splice(0).map(({ operation }) => operation),
  };
}

function isUnavailable(error: unknown): boolean {
  return error instanceof RegistryError && error.code === 'storage-unavailable' && !!error.retryAfterSeconds;
}

const long = randomBytes(READ_AT_ONCE_BYTES + 1);

test('a short file comes with one request, whole, and its parts from memory', async (t) => {
  const { reader, bucket, asked } = await open(t);
  await putText(bucket, 'a/=index', 'some text');
  asked();
  const file = await found(reader, 'a/=index');
  assert.deepEqual([file.size, file.digest], [9, digestOf('some text')]);
  assert.equal(String(file.read()), 'some text');
  assert.equal(String(await bytesOf(file.lend({ start: 5, end: 8 }))), 'text');
  assert.match(file.version, /^[0-9a-f]{32}$/);
  assert.deepEqual(asked(), ['GetObject']);
  await putText(bucket, 'empty', '');
  const empty = await found(reader, 'empty');
  assert.deepEqual([empty.size, empty.read().byteLength], [0, 0]);
  await putText(bucket, 'longest', long.subarray(1));
  assert.deepEqual(Buffer.from((await found(reader, 'longest')).read()), long.subarray(1));
});

test('what is known is itself until it is replaced, and another from the very next look on', async (t) => {
  const { reader, bucket, s3, asked } = await open(t);
  await putText(bucket, 'a', 'one');
  const first = await found(reader, 'a');
  asked();
  assert.equal(await reader.find('a', first), first);
  assert.deepEqual(asked(), ['GetObject']);
  await putText(bucket, 'a', 'two');
  const second = await found(reader, 'a', first);
  assert.equal(String(second.read()), 'two');
  assert.notEqual(second.version, first.version);
  assert.deepEqual(asked(), ['PutObject', 'GetObject']);
  s3.objects.clear();
  assert.equal(await reader.find('a', second), undefined);
  assert.equal(await reader.find('a'), undefined);
});

test('a long file is looked at by its head, once it is known to be one, and read in pieces', async (t) => {
  const { reader, bucket, s3, asked } = await open(t);
  await putText(bucket, 'long', long);
  asked();
  const file = await found(reader, 'long');
  assert.deepEqual([file.size, file.digest], [long.length, digestOf(long)]);
  assert.throws(() => file.read(), TypeError);
  assert.deepEqual(asked(), ['GetObject']);
  assert.equal(await reader.find('long', file), file);
  const again = await found(reader, 'long');
  assert.equal(again.version, file.version);
  assert.deepEqual(asked(), ['HeadObject', 'HeadObject']);
  assert.deepEqual(await bytesOf(again.lend({ start: 0, end: long.length - 1 })), long);
  assert.deepEqual(await bytesOf(again.lend({ start: 7, end: 7 })), long.subarray(7, 8));
  assert.deepEqual(asked(), ['GetObject', 'GetObject']);
  await putText(bucket, 'long', 'short');
  assert.equal(String((await found(reader, 'long', file)).read()), 'short');
  s3.objects.clear();
  assert.equal(await reader.find('long', file), undefined);
});

test('a file that is replaced is never answered with a part of another', async (t) => {
  const { reader, bucket } = await open(t);
  await putText(bucket, 'long', long);
  const file = await found(reader, 'long');
  await putText(bucket, 'long', Buffer.concat([long, long]));
  await assert.rejects(bytesOf(file.lend({ start: 0, end: long.length - 1 })), isUnavailable);
});

test('a body that breaks off is gone on with, and another look is taken where it is another by then', async (t) => {
  const { reader, bucket, s3 } = await open(t);
  await putText(bucket, 'a', 'first text');
  s3.faults.failOnce(1, { does: 'truncated' });
  assert.equal(String((await found(reader, 'a')).read()), 'first text');
  const etag = s3.objects.get('a site/a')?.etag;
  let cut = false;
  s3.faults.onRequest = ({ headers }) => {
    if (!cut) return ((cut = true), { does: 'truncated' });
    const object = s3.objects.get('a site/a');
    // Replaced between the first part and the next.
    if (headers['if-match'] === etag && object) object.etag = '"another"';
    return undefined;
  };
  assert.equal((await found(reader, 'a')).version, 'another');
});

test('who asks at once shares an answer, and none that left the store before they asked', async () => {
  const answers: ((text: string) => void)[] = [];
  const get = () =>
    new Promise((resolve) =>
      answers.push((etag) =>
        resolve({ etag, size: etag.length, bytes: async () => Buffer.from(etag), discard: () => undefined }),
      ),
    );
  const reader = bucketReader({ address: { prefix: '' }, get } as unknown as Bucket);
  const first = found(reader, 'a');
  const others = Array.from({ length: 100 }, () => found(reader, 'a'));
  const elsewhere = found(reader, 'b');
  assert.equal(answers.length, 2);
  answers[1]?.('b');
  assert.equal((await elsewhere).version, 'b');
  answers[0]?.('one');
  assert.equal((await first).version, 'one');
  // Whatever was acknowledged while the first was on its way is in the second.
  await eventually(async () => assert.equal(answers.length, 3));
  const late = found(reader, 'a');
  answers[2]?.('two');
  assert.deepEqual(new Set((await Promise.all(others)).map(({ version }) => version)), new Set(['two']));
  await eventually(async () => assert.equal(answers.length, 4));
  answers[3]?.('three');
  assert.equal((await late).version, 'three');
  const next = found(reader, 'a');
  assert.equal(answers.length, 5);
  answers[4]?.('four');
  assert.equal((await next).version, 'four');
});

test('those who wait for a question that fails have one of their own', async () => {
  const answers: ((error?: Error) => void)[] = [];
  const get = () =>
    new Promise((resolve, reject) => answers.push((error) => (error ? reject(error) : resolve(undefined))));
  const reader = bucketReader({ address: { prefix: '' }, get } as unknown as Bucket);
  const [first, second] = [Promise.resolve(reader.find('a')), Promise.resolve(reader.find('a'))];
  answers[0]?.(new Error('gone'));
  await assert.rejects(first, isUnavailable);
  await eventually(async () => assert.equal(answers.length, 2));
  answers[1]?.();
  assert.equal(await second, undefined);
});

test('a store that does not answer is no missing file', async (t) => {
  const { reader, bucket, s3 } = await open(t);
  await putText(bucket, 'a', 'text');
  await putText(bucket, 'long', long);
  const file = await found(reader, 'long');
  for (const does of ['internal', 'slow-down', 'reset', 'silent', 'no-bucket'] as const) {
    s3.faults.failAlways(() => true, { does });
    for (const path of does === 'silent' ? ['a'] : ['a', 'long', 'missing'])
      await assert.rejects(Promise.resolve(reader.find(path)), isUnavailable, `${does} ${path}`);
    if (does === 'internal') await assert.rejects(bytesOf(file.lend({ start: 0, end: 9 })), isUnavailable);
    s3.faults.clear();
    assert.equal(String((await found(reader, 'a')).read()), 'text', `after ${does}`);
    assert.equal(await reader.find('missing'), undefined);
  }
  s3.faults.failOnce(requestsOf('GetObject'), { does: 'internal' });
  assert.equal(String((await found(reader, 'a')).read()), 'text');
});

test('a path that no store takes is that of no file, and is not asked for', async (t) => {
  const { reader, bucket, asked } = await open(t);
  const most = 1024 - 'a site/'.length;
  await putText(bucket, 'é'.repeat(most / 2 - 1), 'text');
  asked();
  assert.equal((await reader.find('é'.repeat(most / 2 - 1)))?.size, 4);
  assert.equal(reader.find('x'.repeat(most + 1)), undefined);
  assert.equal(reader.find('é'.repeat(most)), undefined);
  assert.deepEqual(asked(), ['GetObject']);
});
