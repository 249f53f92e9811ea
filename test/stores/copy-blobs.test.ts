import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf, splitDigest, type Digest } from '../../core/digest.ts';
import { BlobDirectory } from '../../stores/blob-directory.ts';
import { blobFolders } from '../../stores/blob-folders.ts';
import { blobKey } from '../../stores/blob-keys.ts';
import type { ShelvedBlobs } from '../../stores/blob-shelf.ts';
import { copyBlobs, type CopyProgress } from '../../stores/copy-blobs.ts';
import { inPieces } from '../support/blob-store-contract.ts';
import { filesIn, openBucketWorld } from '../support/bucket-blobs.ts';
import { requestsOf } from '../support/s3-faults.ts';
import { openS3Server, type S3Server } from '../support/s3-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const texts = [
  ...Array.from({ length: 60 }, (_, i) => `blob ${i}`),
  '',
  'x'.repeat(100_000),
  'y'.repeat(3_000_000),
];
const bytes = texts.reduce((sum, text) => sum + text.length, 0);

/** One of them by SHA-512, as OCI has it. */
function digestIn(text: string): Digest {
  return digestOf(text, text === 'blob 7' ? 'sha512' : 'sha256');
}

async function fill(blobs: ShelvedBlobs): Promise<void> {
  for (const text of texts) {
    const { algorithm } = splitDigest(digestIn(text));
    const staged = await blobs.stage(inPieces(text), { maxBytes: text.length, algorithm });
    await staged.commit();
  }
}

async function assertSame(to: ShelvedBlobs): Promise<void> {
  const found: Digest[] = [];
  for await (const { digests } of blobFolders(to.shelf)) found.push(...digests);
  assert.deepEqual(found, texts.map(digestIn).sort());
  for (const digest of found) assert.equal(await to.isIntact(digest), true, digest);
}

type Open = (t: TestContext, s3: S3Server, name: string) => Promise<ShelvedBlobs>;

const kinds: Readonly<Record<string, Open>> = {
  directory: async (t) => new BlobDirectory(join(await temporaryDirectory(t), 'blobs')),
  bucket: async (t, s3, name) => (await openBucketWorld(t, s3.address(name))).blobs,
};

for (const [fromKind, openFrom] of Object.entries(kinds))
  for (const [toKind, openTo] of Object.entries(kinds))
    test(`all blobs of a ${fromKind} are brought to a ${toKind}, once`, async (t) => {
      const s3 = await openS3Server(t);
      const [from, to] = [await openFrom(t, s3, 'from'), await openTo(t, s3, 'to')];
      await fill(from);
      const seen: CopyProgress[] = [];
      const done = await copyBlobs(from, to, { onProgress: (progress) => seen.push(progress) });
      assert.deepEqual(done, { copied: texts.length, bytes, skipped: 0 });
      assert.deepEqual([seen.length, seen.at(-1)], [texts.length, done]);
      await assertSame(to);
      s3.requests.length = 0;
      assert.deepEqual(await copyBlobs(from, to), { copied: 0, bytes: 0, skipped: texts.length });
      assert.deepEqual(s3.requests, []);
      assert.deepEqual(await filesIn(to.shelf.incoming), []);
    });

test('a copy that is stopped is carried on, whatever failed, and wherever the shelf of the bucket went', async (t) => {
  const s3 = await openS3Server(t);
  const from = new BlobDirectory(join(await temporaryDirectory(t), 'blobs'));
  await fill(from);
  const world = await openBucketWorld(t, s3.address('to'));
  let puts = 0;
  const isTenth = (operation: string): boolean => operation === 'PutObject' && (puts += 1) > 10;
  s3.faults.failAlways(({ operation }) => isTenth(operation), { does: 'internal', persisted: true });
  await assert.rejects(copyBlobs(from, world.blobs), { code: 'storage-failed' });
  s3.faults.clear();
  await rm(world.ledger, { recursive: true });
  const { blobs } = await world.again();
  const before = s3.objects.size;
  assert.ok(before >= 10 && before < texts.length);
  s3.requests.length = 0;
  assert.equal((await copyBlobs(from, blobs)).skipped, before);
  assert.equal(s3.requests.filter(requestsOf('PutObject')).length, texts.length - before);
  await assertSame(blobs);
});

test('what is damaged or missing at the source is told at the end, and nothing of the kind is brought', async (t) => {
  const s3 = await openS3Server(t);
  const from = await openBucketWorld(t, s3.address('from'));
  await fill(from.blobs);
  const [changed, shorter, gone] = ['blob 1', 'blob 2', 'blob 3'].map((text) => digestOf(text)) as [
    Digest,
    Digest,
    Digest,
  ];
  for (const [digest, text] of [
    [changed, 'BLOB 1'],
    [shorter, 'blob'],
  ] as const) {
    const key = `from/${blobKey(digest)}`;
    const object = s3.objects.get(key) ?? assert.fail();
    s3.objects.set(key, { ...object, bytes: Buffer.from(text) });
  }
  s3.objects.delete(`from/${blobKey(gone)}`);
  const to = new BlobDirectory(join(await temporaryDirectory(t), 'blobs'));
  // What is read from memory would hide it.
  const { blobs } = await from.again();
  await assert.rejects(copyBlobs(blobs, to), (error: Error & { code?: string }) => {
    assert.match(error.message, /^3 blobs are missing or have other bytes/);
    return (
      error.code === 'storage-failed' && [changed, shorter, gone].every((d) => error.message.includes(d))
    );
  });
  for (const text of texts)
    assert.equal(await to.isIntact(digestIn(text)), ![changed, shorter, gone].includes(digestIn(text)), text);
  assert.deepEqual(await filesIn(to.incoming), []);
});

test('a damaged file that lies in the way in a directory is told, and never taken for the blob', async (t) => {
  const [from, to] = [
    new BlobDirectory(join(await temporaryDirectory(t), 'from')),
    new BlobDirectory(join(await temporaryDirectory(t), 'to')),
  ];
  await fill(from);
  const digest = digestOf('blob 1');
  await to.prepare(digest);
  await writeFile(to.pathOf(digest), 'blo');
  await assert.rejects(copyBlobs(from, to), /^RegistryError: 1 blobs .*sha256/);
});
