/** What every `BlobStore` promises, whatever keeps it. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import type { BlobStore } from '../../core/ports.ts';

export interface BlobHarness {
  readonly blobs: BlobStore;
  /** How many received blobs wait for their end, whole or in part. */
  waiting(): Promise<number>;
  /** How many are kept. */
  kept(): Promise<number>;
}

export async function* inPieces(...pieces: readonly string[]): AsyncIterable<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece);
}

async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) {
    // What is lent stands for long enough: whoever reads ahead must not read into it.
    await new Promise((resume) => setTimeout(resume, 2));
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces).toString('utf8');
}

const roomy = { maxBytes: 1_000_000 };

export function blobStoreContract(kind: string, open: (t: TestContext) => Promise<BlobHarness>): void {
  test(`${kind}: received bytes are nowhere to be seen until they are committed`, async (t) => {
    const { blobs, waiting, kept } = await open(t);
    const staged = await blobs.stage(inPieces('hello ', 'world'), roomy);
    assert.deepEqual([staged.digest, staged.size], [digestOf('hello world'), 11]);
    assert.equal(await blobs.has(staged.digest), false);
    await assert.rejects(blobs.read(staged.digest), { code: 'not-found' });
    assert.equal(await textOf(staged.open()), 'hello world');
    assert.equal(await textOf(staged.open()), 'hello world', 'it can be read more than once');
    await staged.commit();
    assert.equal(await blobs.has(staged.digest), true);
    assert.equal(Buffer.from(await blobs.read(staged.digest)).toString(), 'hello world');
    assert.deepEqual([await waiting(), await kept()], [0, 1]);
  });

  test(`${kind}: committing and discarding may be repeated, and a discard takes nothing that is committed`, async (t) => {
    const { blobs, waiting, kept } = await open(t);
    const staged = await blobs.stage(inPieces('kept'), roomy);
    await Promise.all([staged.commit(), staged.commit()]);
    await staged.commit();
    await staged.discard();
    await staged.discard();
    assert.equal(await blobs.has(staged.digest), true);
    const dropped = await blobs.stage(inPieces('dropped'), roomy);
    await dropped.discard();
    await dropped.discard();
    assert.equal(await blobs.has(dropped.digest), false);
    assert.deepEqual([await waiting(), await kept()], [0, 1]);
  });

  test(`${kind}: equal bytes are kept once, also when they arrive at the same time`, async (t) => {
    const { blobs, waiting, kept } = await open(t);
    const all = await Promise.all(Array.from({ length: 8 }, () => blobs.stage(inPieces('same'), roomy)));
    await Promise.all(all.map((staged) => staged.commit()));
    await (await blobs.stage(inPieces('sa', 'me'), roomy)).commit();
    assert.deepEqual([await waiting(), await kept()], [0, 1]);
    assert.equal(Buffer.from(await blobs.read(digestOf('same'))).toString(), 'same');
  });

  test(`${kind}: a long upload is read and kept like a short one, in whatever pieces it comes`, async (t) => {
    const { blobs } = await open(t);
    const text = Array.from({ length: 30_000 }, (_, i) => `${i} `).join('');
    for (const pieceLength of [1_000, 65_536, 100_000, text.length]) {
      const pieces = text.match(new RegExp(`.{1,${pieceLength}}`, 'g')) ?? [];
      const staged = await blobs.stage(inPieces(...pieces), roomy);
      assert.deepEqual([staged.digest, staged.size], [digestOf(text), text.length]);
      assert.ok((await textOf(staged.open())) === text);
      await staged.commit();
      assert.ok(Buffer.from(await blobs.read(staged.digest)).toString() === text);
    }
  });

  test(`${kind}: a blob tells its length, and gives any part of it`, async (t) => {
    const { blobs } = await open(t);
    const text = Array.from({ length: 100_000 }, (_, i) => `${i} `).join('');
    const staged = await blobs.stage(inPieces(text), roomy);
    assert.equal(blobs.sizeOf(staged.digest), undefined);
    await staged.commit();
    const { digest, size } = staged;
    assert.equal(blobs.sizeOf(digest), size);
    for (const [start, end] of [
      [0, 0],
      [0, size - 1],
      [size - 1, size - 1],
      [7, 300_000],
      [262_144, 262_144],
    ] as const)
      assert.ok((await textOf(blobs.open(digest, { start, end }))) === text.slice(start, end + 1));
    assert.ok((await textOf(blobs.open(digest))) === text);
    assert.ok((await textOf(blobs.lend(digest))) === text);
    assert.ok((await textOf(blobs.lend(digest, { start: 7, end: 300_000 }))) === text.slice(7, 300_001));
    await assert.rejects(textOf(blobs.lend(digestOf('missing'))), { code: 'not-found' });
    await assert.rejects(textOf(blobs.open(digestOf('missing'), { start: 0, end: 0 })), {
      code: 'not-found',
    });
  });

  test(`${kind}: a blob can have its digest by SHA-512`, async (t) => {
    const { blobs } = await open(t);
    const staged = await blobs.stage(inPieces('hello ', 'world'), { ...roomy, algorithm: 'sha512' });
    assert.equal(staged.digest, digestOf('hello world', 'sha512'));
    await staged.commit();
    assert.equal(await textOf(blobs.open(staged.digest)), 'hello world');
    assert.equal(await blobs.has(digestOf('hello world')), false);
  });

  test(`${kind}: an empty blob is a blob`, async (t) => {
    const { blobs } = await open(t);
    const staged = await blobs.stage(inPieces(), { maxBytes: 0 });
    await staged.commit();
    assert.equal((await blobs.read(digestOf(''))).length, 0);
  });

  test(`${kind}: what is over the limit is refused while it arrives, and nothing is left`, async (t) => {
    const { blobs, waiting, kept } = await open(t);
    let taken = 0;
    let ended = false;
    async function* endless(): AsyncIterable<Uint8Array> {
      try {
        for (;;) {
          taken += 1;
          yield Buffer.alloc(100);
        }
      } finally {
        ended = true;
      }
    }
    await assert.rejects(
      blobs.stage(endless(), { maxBytes: 1000 }),
      (error) => error instanceof RegistryError && error.code === 'too-large',
    );
    assert.equal(taken, 11);
    assert.equal(ended, true, 'the source is told that nobody reads on');
    assert.deepEqual([await waiting(), await kept()], [0, 0]);
    await (await blobs.stage(inPieces('x'.repeat(1000)), { maxBytes: 1000 })).commit();
    assert.equal(await kept(), 1);
  });

  test(`${kind}: a source that fails half way leaves nothing`, async (t) => {
    const { blobs, waiting, kept } = await open(t);
    async function* failing(): AsyncIterable<Uint8Array> {
      yield Buffer.from('half');
      throw new Error('the client hung up');
    }
    await assert.rejects(blobs.stage(failing(), roomy), /hung up/);
    assert.deepEqual([await waiting(), await kept()], [0, 0]);
  });
}
