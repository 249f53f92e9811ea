import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { appendFile, link, mkdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { BlobDirectory } from '../../stores/blob-directory.ts';
import { MemoryBlobs, MemoryUploads } from '../../stores/memory.ts';
import { strayFiles, UploadDirectory } from '../../stores/upload-directory.ts';
import { inPieces } from '../support/blob-store-contract.ts';
import { clockAt } from '../support/counters-contract.ts';
import { countedIds } from '../support/registry.ts';
import { filesBelow } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { refusal, uploadStoreContract } from '../support/upload-store-contract.ts';

uploadStoreContract('UploadDirectory', async (t, clock) => {
  const directory = await temporaryDirectory(t);
  const blobs = new BlobDirectory(join(directory, 'blobs'));
  const ids = countedIds();
  const open = async (): Promise<UploadDirectory> => {
    const uploads = new UploadDirectory({ root: join(directory, 'uploads'), blobs, clock, ids });
    await uploads.prepare();
    return uploads;
  };
  return { uploads: await open(), blobs, again: open, lose: (digest) => rm(blobs.pathOf(digest)) };
});

uploadStoreContract('MemoryUploads', async (_t, clock) => {
  const blobs = new MemoryBlobs();
  const uploads = new MemoryUploads({ blobs, clock, ids: countedIds() });
  return {
    uploads,
    blobs,
    again: async () => uploads,
    lose: async (digest) => void blobs.blobs.delete(digest),
  };
});

const roomy = { maxBytes: 50_000_000 };

interface Opened {
  readonly root: string;
  readonly blobs: BlobDirectory;
  readonly uploads: UploadDirectory;
  again(): Promise<UploadDirectory>;
}

async function openDirectory(t: TestContext): Promise<Opened> {
  const directory = await temporaryDirectory(t);
  const root = join(directory, 'uploads');
  const blobs = new BlobDirectory(join(directory, 'blobs'));
  const ids = countedIds();
  const again = async (): Promise<UploadDirectory> => {
    const clock = clockAt('2026-05-01T12:00:00.000Z');
    const uploads = new UploadDirectory({ root, blobs, clock, ids });
    await uploads.prepare();
    return uploads;
  };
  return { root, blobs, uploads: await again(), again };
}

test('a start removes what belongs to no upload, and nothing else', async (t) => {
  const { root, blobs, uploads, again } = await openDirectory(t);
  const { id } = await uploads.start('acme/app', 'ann');
  await uploads.append(id, inPieces('hello'), roomy);
  await uploads.receive('acme/app', digestOf('held'), inPieces('held'), roomy);
  const kept = await filesBelow(root);
  const other = 'aaaaaaaa-0000-0000-0000-000000000000';
  for (const left of [other, `${other}x.json`, `${other}.new`])
    await writeFile(join(root, 'open', left), 'half');
  assert.equal(strayFiles(root).length, 3);
  await blobs.clearIncoming();
  const next = await again();
  assert.deepEqual(await filesBelow(root), kept);
  assert.equal(next.find(id)?.size, 5);
});

test('what a killed process has received of a blob in one request is removed at the next start', async (t) => {
  const { root, uploads, again } = await openDirectory(t);
  let received = (): void => undefined;
  const isHere = new Promise<void>((resolve) => (received = resolve));
  async function* unending(): AsyncIterable<Uint8Array> {
    for (let i = 0; i < 3; i += 1) yield Buffer.alloc(1024 * 1024);
    received();
    await new Promise(() => undefined);
  }
  void uploads.receive('acme/app', digestOf('x'), unending(), roomy);
  await isHere;
  assert.equal((await filesBelow(root)).length, 1);
  await again();
  assert.deepEqual(await filesBelow(root), []);
});

test('bytes that a killed process wrote and nobody was told of are gone on from', async (t) => {
  const { root, blobs, uploads, again } = await openDirectory(t);
  const { id } = await uploads.start('acme/app', 'ann');
  await uploads.append(id, inPieces('hello'), roomy);
  await appendFile(join(root, 'open', id), ' wor');
  // Also in the process that knows the hash of the first five.
  for (const next of [uploads, await again()]) assert.equal(next.find(id)?.size, 9);
  await uploads.append(id, inPieces('ld'), { at: 9, ...roomy });
  await uploads.finish(id, digestOf('hello world'));
  assert.equal(await blobs.isIntact(digestOf('hello world')), true);
});

test('bytes that the disk has lost over a restart make no blob', async (t) => {
  const { root, blobs, uploads, again } = await openDirectory(t);
  const { id } = await uploads.start('acme/app', 'ann');
  await uploads.append(id, inPieces('hello'), roomy);
  await writeFile(join(root, 'open', id), 'he\0\0o');
  const next = await again();
  await assert.rejects(next.finish(id, digestOf('hello')), refusal('digest-mismatch'));
  assert.equal(await blobs.has(digestOf('hello')), false);
});

test('a file that has become a blob takes no more bytes, whoever was stopped right after that', async (t) => {
  const { root, blobs, uploads, again } = await openDirectory(t);
  const digest = digestOf('hello');
  const { id } = await uploads.start('acme/app', 'ann');
  await uploads.append(id, inPieces('hello'), roomy);
  await mkdir(dirname(blobs.pathOf(digest)), { recursive: true });
  await link(join(root, 'open', id), blobs.pathOf(digest));
  assert.equal(uploads.find(id), undefined);
  await assert.rejects(uploads.append(id, inPieces('!'), roomy), refusal('upload-not-found'));
  await again();
  assert.deepEqual(await filesBelow(root), []);
  assert.equal(await blobs.isIntact(digest), true);
});

test('equal bytes that are there are never replaced, and whoever judges by age sees a fresh blob', async (t) => {
  const { blobs, uploads } = await openDirectory(t);
  const digest = digestOf('same');
  await uploads.receive('acme/app', digest, inPieces('same'), roomy);
  const path = blobs.pathOf(digest);
  const { ino } = await stat(path);
  const { id } = await uploads.start('acme/other', '');
  await uploads.append(id, inPieces('same'), roomy);
  for (const renew of [
    () => uploads.finish(id, digest),
    () => uploads.receive('acme/other', digest, inPieces('same'), roomy),
    () => uploads.hold('acme/third', digest),
    async () => (await blobs.stage(inPieces('same'), roomy)).commit(),
  ]) {
    await utimes(path, 1000, 1000);
    await renew();
    const now = await stat(path);
    assert.deepEqual([now.ino, now.nlink], [ino, 1]);
    assert.ok(now.mtimeMs > 1_000_000, renew.toString());
  }
});

test('a blob that comes to be after a long upload is fresh as well', async (t) => {
  const { root, blobs, uploads } = await openDirectory(t);
  const { id } = await uploads.start('acme/app', '');
  await uploads.append(id, inPieces('slow'), roomy);
  await utimes(join(root, 'open', id), 1000, 1000);
  await uploads.finish(id, digestOf('slow'));
  assert.ok((await stat(blobs.pathOf(digestOf('slow')))).mtimeMs > 1_000_000);
});

test('a blob that comes in counts as held once it is durable', async (t) => {
  const { blobs, uploads } = await openDirectory(t);
  const digest = digestOf('hello');
  let isDone = false;
  const received = uploads.receive('acme/app', digest, inPieces('hello'), roomy).then(() => (isDone = true));
  let looks = 0;
  while (!isDone) {
    // Every turn of the event loop: syncs take more than one.
    if (blobs.sizeOf(digest) !== undefined) looks += 1;
    assert.equal(uploads.held('acme/app', digest), undefined);
    await new Promise((resume) => setImmediate(resume));
  }
  await received;
  assert.ok(looks > 0);
  assert.equal(uploads.held('acme/app', digest)?.size, 5);
});

test('a blob is on the list of what is held before the blob store has it', async (t) => {
  const seen: boolean[] = [];
  const { root, blobs, uploads } = await openDirectory(t);
  const adopt = blobs.adopt.bind(blobs);
  blobs.adopt = (path, digest) => {
    seen.push(existsSync(join(root, 'held', 'acme=app', digest)));
    adopt(path, digest);
  };
  await uploads.receive('acme/app', digestOf('one'), inPieces('one'), roomy);
  const { id } = await uploads.start('acme/app', '');
  await uploads.finish(id, digestOf(''));
  assert.deepEqual(seen, [true, true]);
});

test('a blob that is removed while it is about to be held is not held', async (t) => {
  const { blobs, uploads } = await openDirectory(t);
  const digest = digestOf('hello');
  await (await blobs.stage(inPieces('hello'), roomy)).commit();
  const prepare = blobs.prepare.bind(blobs);
  blobs.prepare = async (of) => {
    await prepare(of);
    await rm(blobs.pathOf(of));
  };
  await assert.rejects(uploads.hold('acme/app', digest), refusal('not-found'));
  assert.equal(uploads.held('acme/app', digest), undefined);
});

test('a blob in one request that is refused leaves nothing on the disk', async (t) => {
  const { root, blobs, uploads } = await openDirectory(t);
  async function* broken(): AsyncIterable<Uint8Array> {
    yield Buffer.alloc(2_000_000);
    throw new Error('the client hung up');
  }
  const digest = digestOf('hello');
  for (const refused of [
    () => uploads.receive('acme/app', digest, broken(), roomy),
    () => uploads.receive('acme/app', digest, inPieces('other'), roomy),
    () => uploads.receive('acme/app', digest, inPieces('hello'), { maxBytes: 4 }),
    () => uploads.receive('acme/app', digest, inPieces('hello'), { length: 6, ...roomy }),
  ]) {
    await assert.rejects(refused);
    assert.deepEqual([await filesBelow(root), await blobs.has(digest)], [[], false]);
  }
});

const skip = !existsSync('/dev/full');

test('a disk that fails ends the upload: what it has of the bytes is not known', { skip }, async (t) => {
  const { root, uploads } = await openDirectory(t);
  let ended = false;
  async function* endless(): AsyncIterable<Uint8Array> {
    try {
      for (;;) yield Buffer.alloc(100_000);
    } finally {
      ended = true;
    }
  }
  for (const source of [inPieces('short'), endless()]) {
    const { id } = await uploads.start('acme/app', '');
    await rm(join(root, 'open', id));
    // Takes everything but bytes.
    await symlink('/dev/full', join(root, 'open', id));
    assert.equal(uploads.find(id)?.size, 0);
    await assert.rejects(uploads.append(id, source, { maxBytes: 1e9 }), { code: 'ENOSPC' });
    assert.equal(uploads.find(id), undefined);
    assert.deepEqual(await filesBelow(root), []);
  }
  assert.equal(ended, true, 'the source is told that nobody reads on');
});

test('an upload whose record cannot be read is none', async (t) => {
  const { root, uploads } = await openDirectory(t);
  const { id } = await uploads.start('acme/app', '');
  await writeFile(join(root, 'open', `${id}.json`), '{"place":"acme');
  assert.equal(uploads.find(id), undefined);
  await writeFile(join(root, 'open', 'notes.txt'), 'by hand');
  await mkdir(join(root, 'held', '=odd'), { recursive: true });
  await mkdir(join(root, 'held', 'acme=app'), { recursive: true });
  await writeFile(join(root, 'held', 'acme=app', 'notes.txt'), 'by hand');
  for await (const pending of uploads.all()) assert.fail(JSON.stringify(pending));
});

test('nobody else may look at what is for private packages', async (t) => {
  const { root } = await openDirectory(t);
  assert.equal((await stat(root)).mode & 0o777, 0o700);
});
