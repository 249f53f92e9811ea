/** Blobs in a bucket of a store that somebody else has written. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { BlobDirectory } from '../../stores/blob-directory.ts';
import { blobKey } from '../../stores/blob-keys.ts';
import { copyBlobs } from '../../stores/copy-blobs.ts';
import { UploadDirectory } from '../../stores/upload-directory.ts';
import { blobStoreContract, inPieces } from '../support/blob-store-contract.ts';
import { commit, filesIn, openBucketWorld, removeBlob, shelvedIn } from '../support/bucket-blobs.ts';
import { closing } from '../support/closing.ts';
import { noGo } from '../support/go-programs.ts';
import { countedIds } from '../support/registry.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { uploadStoreContract } from '../support/upload-store-contract.ts';
import { openVersitygw, type Versitygw } from '../support/versitygw.ts';

describe('versitygw', { skip: noGo }, () => {
  let server: Versitygw;
  let worlds = 0;
  const opened = closing();
  const patience = { attempts: 3, idleMs: 10_000 };
  before(async () => (server = await openVersitygw(opened)));
  after(() => opened.close());

  type Test = Parameters<typeof openBucketWorld>[0];
  const open = (t: Test) => openBucketWorld(t, server.address(`blobs-${(worlds += 1)}`), patience);

  blobStoreContract('BucketBlobs over versitygw', async (t) => {
    const { blobs, bucket, ledger } = await open(t);
    return {
      blobs,
      waiting: async () => (await filesIn(join(ledger, 'incoming'))).length,
      async kept() {
        let count = 0;
        for await (const _ of bucket.list()) count += 1;
        return count;
      },
    };
  });

  uploadStoreContract('UploadDirectory over BucketBlobs over versitygw', async (t, clock) => {
    const { directory, blobs } = await open(t);
    const ids = countedIds();
    const again = async (): Promise<UploadDirectory> => {
      const uploads = new UploadDirectory({ root: join(directory, 'held'), blobs, clock, ids });
      await uploads.prepare();
      return uploads;
    };
    return { uploads: await again(), blobs, again, lose: (digest) => rm(blobs.shelf.pathOf(digest)) };
  });

  test('a long blob goes in parts, is found there when it comes again, and is removed', async (t) => {
    const world = await open(t);
    const text = 'long'.repeat(10_000_000);
    const digest = digestOf(text);
    for (const place of ['acme/app', 'acme/other'])
      await world.uploads.receive(place, digest, inPieces(text), { maxBytes: text.length });
    assert.equal(await world.blobs.isIntact(digest), true);
    assert.equal((await world.bucket.head(blobKey(digest)))?.digest, digest);
    assert.equal(await removeBlob(world, digest), true);
    assert.equal(await world.bucket.head(blobKey(digest)), undefined);
  });

  test('shelf and bucket are compared, and what an upload has left is found and removed', async (t) => {
    const world = await open(t);
    const kept = await Promise.all(Array.from({ length: 20 }, (_, i) => commit(world, `blob ${i}`)));
    const [left, lost] = [digestOf('left'), kept[3]!];
    await world.bucket.put(blobKey(left), Buffer.from('left'), { contentType: 'x/y', digest: left });
    await world.bucket.put('notes.txt', Buffer.from('x'), { contentType: 'x/y', digest: digestOf('x') });
    await world.bucket.remove(blobKey(lost));
    const found: string[] = [];
    for await (const difference of world.blobs.stock.differences())
      found.push(`${difference.kind} ${'digest' in difference ? difference.digest : difference.path}`);
    assert.deepEqual(found.sort(), [
      `missing ${lost}`,
      `stranger ${world.bucket.name}/notes.txt`,
      `unshelved ${left}`,
    ]);
    assert.equal(await world.blobs.stock.update(), 1);
    assert.deepEqual(await shelvedIn(world), [...kept, left].sort());
    for (const digest of await shelvedIn(world)) await removeBlob(world, digest);
    for await (const { key } of world.bucket.list()) assert.equal(key, 'notes.txt');
  });

  test('a registry moves there and back, and a signed URL is good for anybody', async (t) => {
    const world = await open(t);
    const from = new BlobDirectory(join(await temporaryDirectory(t), 'blobs'));
    const texts = ['a', '', 'b'.repeat(100_000)];
    for (const text of texts) await (await from.stage(inPieces(text), { maxBytes: text.length })).commit();
    assert.equal((await copyBlobs(from, world.blobs)).copied, 3);
    const back = new BlobDirectory(join(await temporaryDirectory(t), 'blobs'));
    await rm(world.ledger, { recursive: true });
    const { blobs } = await world.again();
    assert.equal((await copyBlobs(blobs, back)).copied, 3);
    for (const text of texts) assert.equal(await back.isIntact(digestOf(text)), true);
    const url = await blobs.signedUrl(digestOf('a'), 60, { contentType: 'application/x-thing' });
    const answer = await fetch(url);
    assert.deepEqual([await answer.text(), answer.headers.get('content-type')], ['a', 'application/x-thing']);
  });
});
