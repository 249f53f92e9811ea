import assert from 'node:assert/strict';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { BlobDirectory } from '../../stores/blob-directory.ts';
import { MemoryBlobs } from '../../stores/memory.ts';
import { blobStoreContract, inPieces } from '../support/blob-store-contract.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);
}

blobStoreContract('BlobDirectory', async (t) => {
  const root = await temporaryDirectory(t);
  return {
    blobs: new BlobDirectory(root),
    waiting: async () => (await namesIn(join(root, 'incoming'))).length,
    kept: async () => (await namesIn(join(root, 'sha256'))).length,
  };
});

blobStoreContract('MemoryBlobs', async () => {
  const blobs = new MemoryBlobs();
  return { blobs, waiting: async () => blobs.staged, kept: async () => blobs.blobs.size };
});

test('a blob lies where its digest says, and equal bytes that come later do not replace it', async (t) => {
  const root = await temporaryDirectory(t);
  const blobs = new BlobDirectory(root);
  const { digest, commit } = await stageAndBind(blobs, 'hello');
  await commit();
  const hex = digestOf('hello').slice('sha256:'.length);
  const path = join(root, 'sha256', hex.slice(0, 2), hex);
  assert.equal(blobs.pathOf(digest), path);
  const { ino } = await stat(path);
  await (await stageAndBind(blobs, 'hello')).commit();
  assert.deepEqual([(await stat(path)).ino, (await stat(path)).nlink], [ino, 1]);
});

async function stageAndBind(
  blobs: BlobDirectory,
  text: string,
): Promise<{ digest: ReturnType<typeof digestOf>; commit(): Promise<void>; discard(): Promise<void> }> {
  const staged = await blobs.stage(inPieces(text), { maxBytes: 1000 });
  return { digest: staged.digest, commit: () => staged.commit(), discard: () => staged.discard() };
}

test('a commit that fails can be tried again, or discarded without a trace', async (t) => {
  const root = await temporaryDirectory(t);
  const blobs = new BlobDirectory(root);
  const [one, other] = [await stageAndBind(blobs, 'one'), await stageAndBind(blobs, 'other')];
  // Where the directory has to be, there is a file.
  await writeFile(join(root, 'sha256'), '');
  await assert.rejects(one.commit());
  await assert.rejects(other.commit());
  await other.discard();
  await rm(join(root, 'sha256'));
  await one.commit();
  assert.equal(await blobs.has(one.digest), true);
  assert.equal(await blobs.has(other.digest), false);
  assert.deepEqual(await namesIn(join(root, 'incoming')), []);
});

test('what an earlier process left half received is cleared, and nothing else', async (t) => {
  const root = await temporaryDirectory(t);
  const blobs = new BlobDirectory(root);
  await (await stageAndBind(blobs, 'kept')).commit();
  await blobs.stage(inPieces('left behind'), { maxBytes: 1000 });
  const next = new BlobDirectory(root);
  await next.clearIncoming();
  assert.deepEqual(await namesIn(join(root, 'incoming')), []);
  assert.equal(await next.has(digestOf('kept')), true);
});
