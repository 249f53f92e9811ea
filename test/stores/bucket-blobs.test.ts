import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf, type Digest } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import { blobKey, blobOfKey } from '../../stores/blob-keys.ts';
import { BucketBlobs } from '../../stores/bucket-blobs.ts';
import { Bucket } from '../../stores/bucket.ts';
import { UploadDirectory } from '../../stores/upload-directory.ts';
import { blobStoreContract, inPieces } from '../support/blob-store-contract.ts';
import { commit, filesIn, openBucketWorld, removeBlob, type BucketWorld } from '../support/bucket-blobs.ts';
import { countedIds } from '../support/registry.ts';
import { requestsOf } from '../support/s3-faults.ts';
import { openS3Server, type S3Server } from '../support/s3-server.ts';
import { uploadStoreContract } from '../support/upload-store-contract.ts';

type Scene = BucketWorld & { readonly s3: S3Server };

async function open(t: TestContext): Promise<Scene> {
  const s3 = await openS3Server(t);
  return { s3, ...(await openBucketWorld(t, s3.address('blobs'))) };
}

const roomy = { maxBytes: 100_000_000 };
const keyOf = (digest: Digest): string => `blobs/${blobKey(digest)}`;

async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

blobStoreContract('BucketBlobs', async (t) => {
  const { s3, blobs, ledger } = await open(t);
  return {
    blobs,
    waiting: async () => (await filesIn(join(ledger, 'incoming'))).length,
    kept: async () => s3.objects.size,
  };
});

uploadStoreContract('UploadDirectory over BucketBlobs', async (t, clock) => {
  const { directory, blobs } = await open(t);
  const ids = countedIds();
  const again = async (): Promise<UploadDirectory> => {
    const uploads = new UploadDirectory({ root: join(directory, 'held'), blobs, clock, ids });
    await uploads.prepare();
    return uploads;
  };
  return { uploads: await again(), blobs, again, lose: (digest) => rm(blobs.shelf.pathOf(digest)) };
});

test('a blob lies in the bucket by its digest, and on the shelf as a file of its length that takes no room', async (t) => {
  const { s3, blobs, uploads } = await open(t);
  const text = 'x'.repeat(3_000_000);
  const digest = digestOf(text, 'sha512');
  await uploads.receive('acme/app', digest, inPieces(text), roomy);
  const object = s3.objects.get(keyOf(digest));
  assert.equal(object?.bytes.length, text.length);
  assert.equal(object?.metadata['digest'], digest);
  const file = await stat(blobs.shelf.pathOf(digest));
  assert.deepEqual([file.size, file.blocks], [text.length, 0]);
  assert.equal(blobOfKey(blobKey(digest)), digest);
  for (const key of ['sha256/ab', 'sha256/ab/cd', `sha256/00/${'ab'.repeat(32)}`, `x/sha256/ab/cd`])
    assert.equal(blobOfKey(key), undefined);
});

test('what was read or brought a moment ago is not asked for again; what is gone is not remembered', async (t) => {
  const world = await open(t);
  const { s3, blobs, again } = world;
  const digest = await commit(world, 'hello');
  const gets = (): number => s3.requests.filter(({ operation }) => operation === 'GetObject').length;
  assert.equal(Buffer.from(await blobs.read(digest)).toString(), 'hello');
  assert.equal(gets(), 0);
  const next = await again();
  for (let i = 0; i < 3; i += 1) await next.blobs.read(digest);
  assert.equal(await textOf(next.blobs.open(digest, { start: 1, end: 2 })), 'el');
  assert.equal(gets(), 1);
  assert.equal(await removeBlob(next, digest), true);
  await assert.rejects(next.blobs.read(digest), { code: 'not-found' });
  await assert.rejects(textOf(next.blobs.open(digest)), { code: 'not-found' });
});

test('who only reads, and has no shelf, finds everything', async (t) => {
  const world = await open(t);
  const text = 'y'.repeat(2_000_000);
  const [short, long] = [await commit(world, 'short'), await commit(world, text)];
  const reader = world.reader();
  for (const digest of [short, long]) {
    assert.equal(await reader.has(digest), true);
    assert.equal(await reader.isIntact(digest), true);
  }
  assert.ok((await textOf(reader.open(long))) === text);
  assert.equal(await textOf(reader.lend(long, { start: 5, end: 6 })), 'yy');
  assert.equal(Buffer.from(await reader.read(short)).toString(), 'short');
  const missing = digestOf('missing');
  assert.equal(await reader.has(missing), false);
  assert.equal(await reader.isIntact(missing), false);
  await assert.rejects(reader.read(missing), { code: 'not-found' });
  await assert.rejects(textOf(reader.open(missing)), { code: 'not-found' });
});

test('bytes that come again are sent only where the bucket has lost them', async (t) => {
  const world = await open(t);
  const { s3 } = world;
  const digest = await commit(world, 'hello');
  const puts = (): number => s3.requests.filter(({ operation }) => operation === 'PutObject').length;
  await commit(world, 'hello');
  assert.equal(puts(), 1);
  s3.objects.delete(keyOf(digest));
  await commit(world, 'hello');
  assert.equal(puts(), 2);
  assert.equal(s3.objects.has(keyOf(digest)), true);
});

test('other bytes under the name of a blob are damage, which is said and left alone', async (t) => {
  const world = await open(t);
  const { s3, bucket, blobs } = world;
  const digest = digestOf('hello');
  for (const damaged of ['jello', 'hell']) {
    s3.objects.clear();
    await bucket.put(blobKey(digest), Buffer.from(damaged), {
      contentType: 'x/y',
      digest: digestOf(damaged),
    });
    await assert.rejects(
      commit(world, 'hello'),
      (error) =>
        error instanceof RegistryError &&
        error.code === 'storage-failed' &&
        error.message.includes(`s3://cairn/blobs/${blobKey(digest)} has other bytes`),
    );
    assert.equal(s3.objects.get(keyOf(digest))?.bytes.toString(), damaged);
    assert.equal(blobs.sizeOf(digest), undefined);
    assert.equal(await world.reader().isIntact(digest), false);
    await assert.rejects(world.reader().read(digest), /has other bytes/);
  }
});

test('an object that another program has copied, without what we note beside it, is the blob', async (t) => {
  const world = await open(t);
  const { s3, bucket } = world;
  const digest = digestOf('hello');
  await bucket.put(blobKey(digest), Buffer.from('hello'), { contentType: 'x/y', digest: '' });
  await commit(world, 'hello');
  assert.equal(world.blobs.sizeOf(digest), 5);
  assert.equal(s3.requests.filter(({ operation }) => operation === 'PutObject').length, 2);
});

test('a blob is held once the bucket has it, and not before', async (t) => {
  const { s3, blobs, uploads } = await open(t);
  const digest = digestOf('hello');
  const held = s3.faults.holdOnce(requestsOf('PutObject'));
  const received = uploads.receive('acme/app', digest, inPieces('hello'), roomy);
  const put = await held;
  assert.equal(blobs.sizeOf(digest), undefined);
  assert.equal(uploads.held('acme/app', digest), undefined);
  await put.finish();
  await received;
  assert.equal(uploads.held('acme/app', digest)?.size, 5);
});

test('an upload that is cancelled while its bytes are sent is over, and nothing holds the blob', async (t) => {
  const { s3, blobs, uploads } = await open(t);
  for (const text of ['hello', 'x'.repeat(2_000_000)]) {
    const { id } = await uploads.start('acme/app', 'ann');
    await uploads.append(id, inPieces(text), roomy);
    const held = s3.faults.holdOnce(requestsOf('PutObject'));
    const finished = uploads.finish(id, digestOf(text));
    finished.catch(() => undefined);
    const put = await held;
    await uploads.cancel(id);
    await put.finish();
    await assert.rejects(finished, { code: 'upload-not-found' });
    assert.deepEqual(
      [blobs.sizeOf(digestOf(text)), uploads.held('acme/app', digestOf(text))],
      [undefined, undefined],
    );
  }
});

test('a shelf that is missing is made of a list of the bucket, again if that was stopped half-way', async (t) => {
  const world = await open(t);
  const { s3, ledger } = world;
  const texts = Array.from({ length: 50 }, (_, i) => `blob ${i}`);
  const digests: Digest[] = [];
  for (const text of texts) digests.push(await commit(world, text));
  digests.push(await commit(world, ''));
  s3.objects.set('blobs/readme.txt', [...s3.objects.values()][0]!);
  await rm(ledger, { recursive: true });
  s3.pageSize = 20;
  s3.faults.failAlways(
    (request) => request.operation === 'ListObjectsV2' && request.query.has('continuation-token'),
    { does: 'internal' },
  );
  await assert.rejects(world.again(), { code: 'storage-failed' });
  await assert.rejects(stat(ledger), { code: 'ENOENT' });
  s3.faults.clear();
  const next = await world.again();
  for (const [i, digest] of digests.entries())
    assert.equal(next.blobs.sizeOf(digest), (texts[i] ?? '').length);
  assert.equal((await filesIn(ledger)).length, digests.length);
  assert.equal(Buffer.from(await next.blobs.read(digests[7]!)).toString(), 'blob 7');
  assert.deepEqual(await filesIn(`${ledger}.new`), []);
});

test('a store that does not answer is an error that names the bucket, and never a blob that is missing', async (t) => {
  const world = await open(t);
  const { s3, blobs, uploads } = world;
  const long = 'z'.repeat(2_000_000);
  const digest = await commit(world, long);
  const { id } = await uploads.start('acme/app', 'ann');
  await uploads.append(id, inPieces('hello'), roomy);
  s3.faults.failAlways(() => true, { does: 'internal' });
  const isSaid = (error: unknown): boolean =>
    error instanceof RegistryError &&
    error.code === 'storage-failed' &&
    error.message.includes('s3://cairn/blobs') &&
    !JSON.stringify(error.message).includes(process.env['AWS_ACCESS_KEY_ID'] ?? '?');
  const reader = world.reader();
  for (const asked of [
    () => textOf(blobs.open(digest)),
    () => textOf(reader.open(digest)),
    () => reader.read(digest),
    () => reader.has(digest),
    () => reader.isIntact(digest),
    () => commit(world, 'other'),
    () => uploads.finish(id, digestOf('hello')),
    () => uploads.receive('acme/app', digestOf('hello'), inPieces('hello'), roomy),
    () => blobs.stock.update(),
  ])
    await assert.rejects(asked, isSaid, asked.toString());
  assert.equal(await blobs.has(digest), true);
  s3.faults.clear();
  await uploads.finish(id, digestOf('hello'));
  assert.equal(uploads.held('acme/app', digestOf('hello'))?.size, 5);
});

test('a download that is cut off goes on where it was', async (t) => {
  const world = await open(t);
  const text = Array.from({ length: 300_000 }, (_, i) => `${i} `).join('');
  const digest = await commit(world, text);
  world.s3.faults.failOnce(requestsOf('GetObject'), { does: 'truncated' });
  assert.ok((await textOf(world.blobs.open(digest))) === text);
  assert.equal(world.s3.faults.pending, 0);
});

test('a long blob goes in parts, and is hashed before it counts', async (t) => {
  const { s3, blobs, uploads } = await open(t);
  const piece = Buffer.alloc(1024 * 1024, 'p');
  const hash = createHash('sha256');
  for (let i = 0; i < 40; i += 1) hash.update(piece);
  const digest = `sha256:${hash.digest('hex')}` as Digest;
  async function* pieces(): AsyncIterable<Uint8Array> {
    for (let i = 0; i < 40; i += 1) yield piece;
  }
  await uploads.receive('acme/app', digest, pieces(), roomy);
  assert.equal(blobs.sizeOf(digest), 40 * piece.length);
  assert.equal(s3.objects.get(keyOf(digest))?.bytes.length, 40 * piece.length);
  assert.ok(s3.requests.some(({ operation }) => operation === 'UploadPart'));
  assert.equal(await blobs.isIntact(digest), true);
  s3.requests.length = 0;
  await uploads.receive('acme/other', digest, pieces(), roomy);
  assert.deepEqual(
    s3.requests.map(({ operation }) => operation),
    ['HeadObject'],
  );
});

test('anybody may read a blob by a signed URL, for a while, as what it is said to be, and from where clients reach it', async (t) => {
  const world = await open(t);
  const digest = await commit(world, 'private');
  const url = await world.blobs.signedUrl(digest, 60, {
    contentType: 'application/x-thing',
    contentDisposition: 'attachment; filename="thing"',
  });
  const answer = await fetch(url);
  assert.equal(await answer.text(), 'private');
  assert.equal(answer.headers.get('content-type'), 'application/x-thing');
  assert.equal(answer.headers.get('content-disposition'), 'attachment; filename="thing"');
  world.s3.now = () => Date.now() + 120_000;
  assert.equal((await fetch(url)).status, 403);
  const signing = new Bucket({ ...world.bucket.address, endpoint: 'https://files.example.org' });
  t.after(() => signing.close());
  const blobs = new BucketBlobs({ bucket: world.bucket, ledger: world.ledger, signing });
  assert.equal(new URL(await blobs.signedUrl(digest, 60)).host, 'files.example.org');
});

test('a shelf that cannot be written to is not the fault of the bucket, and can be mended', async (t) => {
  const world = await open(t);
  const digest = digestOf('hello');
  const folder = dirname(dirname(world.blobs.shelf.pathOf(digest)));
  await writeFile(folder, '');
  await assert.rejects(
    commit(world, 'hello'),
    (error: NodeJS.ErrnoException) => error.code === 'EEXIST' || error.code === 'ENOTDIR',
  );
  await rm(folder);
  await commit(world, 'hello');
  assert.equal(await world.blobs.has(digest), true);
});
