/** What every `UploadStore` promises, whatever keeps it. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { digestOf, type Digest } from '../../core/digest.ts';
import { RegistryError, type ErrorCode } from '../../core/errors.ts';
import type { BlobStore, Clock, Pending, UploadStore } from '../../core/ports.ts';
import { inPieces } from './blob-store-contract.ts';
import { clockAt, type SetClock } from './counters-contract.ts';

export interface UploadHarness {
  readonly uploads: UploadStore;
  readonly blobs: BlobStore;
  /** The same uploads as the next process finds them, where that means anything. */
  again(): Promise<UploadStore>;
  /** Makes a blob go, as nobody should. */
  lose(digest: Digest): Promise<void>;
}

export type OpenUploads = (t: TestContext, clock: Clock) => Promise<UploadHarness>;

const roomy = { maxBytes: 1_000_000 };

export function refusal(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof RegistryError && error.code === code;
}

/** A source that a test feeds: it stands still until it is given a piece, its end or its failure. */
function fedSource(): {
  source: AsyncIterable<Uint8Array>;
  /** Resolves when somebody reads. */
  readonly asked: Promise<void>;
  give(text: string): void;
  end(): void;
  fail(error: Error): void;
} {
  let tellAsked = (): void => undefined;
  const asked = new Promise<void>((resolve) => (tellAsked = resolve));
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>(
    {
      start: (given) => void (controller = given),
      pull: () => tellAsked(),
    },
    { highWaterMark: 0 },
  );
  return {
    source: stream,
    asked,
    give: (text) => controller?.enqueue(Buffer.from(text)),
    end: () => controller?.close(),
    fail: (error) => controller?.error(error),
  };
}

async function* broken(...pieces: readonly string[]): AsyncIterable<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece);
  throw new Error('the client hung up');
}

async function listed(uploads: UploadStore): Promise<string[]> {
  const found: string[] = [];
  for await (const pending of uploads.all()) found.push(named(pending));
  return found.sort();
}

function named(pending: Pending): string {
  const what = pending.kind === 'upload' ? pending.id : pending.digest;
  return [pending.kind, pending.place, what, pending.size, pending.at].join(' ');
}

async function textOf(blobs: BlobStore, digest: Digest): Promise<string> {
  return Buffer.from(await blobs.read(digest)).toString('utf8');
}

export function uploadStoreContract(kind: string, openStore: OpenUploads): void {
  async function open(t: TestContext): Promise<UploadHarness & { clock: SetClock }> {
    const clock = clockAt('2026-05-01T12:00:00.000Z');
    return { ...(await openStore(t, clock)), clock };
  }

  test(`${kind}: a blob that comes in three requests is whole, in the blob store, and held for its place`, async (t) => {
    const { uploads, blobs, clock } = await open(t);
    const { id, ...started } = await uploads.start('acme/app', 'ann');
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
    assert.deepEqual(started, { place: 'acme/app', by: 'ann', size: 0, at: clock.time });
    let size = 0;
    for (const piece of ['hello ', 'wor', 'ld']) {
      clock.time += 1000;
      const after = await uploads.append(id, inPieces(piece), { at: size, length: piece.length, ...roomy });
      size += piece.length;
      assert.deepEqual(after, { id, place: 'acme/app', by: 'ann', size, at: clock.time });
      assert.deepEqual(uploads.find(id), after);
    }
    const digest = digestOf('hello world');
    assert.equal(uploads.held('acme/app', digest), undefined);
    assert.equal(await blobs.has(digest), false);
    clock.time += 1000;
    const held = { place: 'acme/app', digest, size: 11, at: clock.time };
    assert.deepEqual(await uploads.finish(id, digest), held);
    assert.deepEqual(uploads.held('acme/app', digest), held);
    assert.equal(await textOf(blobs, digest), 'hello world');
    assert.equal(uploads.held('acme/other', digest), undefined, 'in its own place only');
    assert.equal(uploads.find(id), undefined);
    assert.deepEqual(await listed(uploads), [`held acme/app ${digest} 11 ${clock.time}`]);
  });

  test(`${kind}: what is over is unknown, whatever is asked of it`, async (t) => {
    const { uploads } = await open(t);
    const [finished, cancelled, wrong] = [
      await uploads.start('acme/app', ''),
      await uploads.start('acme/app', ''),
      await uploads.start('acme/app', ''),
    ];
    await uploads.finish(finished.id, digestOf(''));
    await uploads.cancel(cancelled.id);
    await assert.rejects(uploads.finish(wrong.id, digestOf('x')), refusal('digest-mismatch'));
    for (const { id } of [finished, cancelled, wrong]) {
      assert.equal(uploads.find(id), undefined);
      await assert.rejects(uploads.append(id, inPieces('x'), roomy), refusal('upload-not-found'));
      await assert.rejects(uploads.finish(id, digestOf('')), refusal('upload-not-found'));
      await assert.rejects(uploads.cancel(id), refusal('upload-not-found'));
    }
  });

  test(`${kind}: an id is never a path`, async (t) => {
    const { uploads } = await open(t);
    const { id } = await uploads.start('acme/app', '');
    const hostile = [
      '../x',
      '..',
      '.',
      '',
      '/etc/passwd',
      'x'.repeat(300),
      `${id}.json`,
      `../open/${id}`,
      `${id}\0`,
    ];
    for (const text of [...hostile, `${id.slice(0, -1)}G`, '__proto__']) {
      assert.equal(uploads.find(text), undefined, text);
      await assert.rejects(uploads.append(text, inPieces('x'), roomy), refusal('upload-not-found'));
      await assert.rejects(uploads.finish(text, digestOf('')), refusal('upload-not-found'));
      await assert.rejects(uploads.cancel(text), (error: Error) => error.message.length < 300);
    }
    assert.equal(uploads.find(id)?.size, 0);
  });

  test(`${kind}: a place that could be another one, or a path, is a fault of ours`, async (t) => {
    const { uploads } = await open(t);
    for (const place of ['', '.', '..', '/etc', 'acme=app', 'a\0b', 'a\\b', 'x'.repeat(256)]) {
      await assert.rejects(uploads.start(place, ''), TypeError, place);
      await assert.rejects(uploads.receive(place, digestOf(''), inPieces(), roomy), TypeError);
      await assert.rejects(uploads.hold(place, digestOf('')));
      assert.throws(() => uploads.held(place, digestOf('')), TypeError);
    }
    assert.deepEqual(await listed(uploads), []);
    const long = `${'x'.repeat(127)}/${'y'.repeat(127)}`;
    await uploads.receive(long, digestOf(''), inPieces(), roomy);
    assert.equal(uploads.held(long, digestOf(''))?.place, long);
  });

  test(`${kind}: what does not go on at the end changes nothing`, async (t) => {
    const { uploads, clock } = await open(t);
    const { id } = await uploads.start('acme/app', 'ann');
    const before = await uploads.append(id, inPieces('hello'), roomy);
    clock.time += 1000;
    for (const at of [0, 4, 6, 5000])
      await assert.rejects(
        uploads.append(id, inPieces('xyz'), { at, ...roomy }),
        (error) => refusal('upload-out-of-order')(error) && /5 bytes/.test((error as Error).message),
      );
    assert.deepEqual(uploads.find(id), before);
    await uploads.append(id, inPieces(' world'), { at: 5, ...roomy });
    assert.equal((await uploads.finish(id, digestOf('hello world'))).size, 11);
  });

  test(`${kind}: fewer or more bytes than were promised are refused as a whole, and can be sent again`, async (t) => {
    const { uploads, clock } = await open(t);
    const { id } = await uploads.start('acme/app', '');
    const before = await uploads.append(id, inPieces('hello'), roomy);
    clock.time += 1000;
    for (const pieces of [[' wor'], [' world', '!'], [], ['x'.repeat(300_000)]])
      await assert.rejects(
        uploads.append(id, inPieces(...pieces), { length: 6, ...roomy }),
        refusal('wrong-length'),
        pieces.join(),
      );
    assert.deepEqual(uploads.find(id), before);
    await uploads.append(id, inPieces(' wor', 'ld'), { length: 6, ...roomy });
    await uploads.finish(id, digestOf('hello world'));
    for (const pieces of [['a'], ['abc']])
      await assert.rejects(
        uploads.receive('acme/app', digestOf('ab'), inPieces(...pieces), { length: 2, ...roomy }),
        refusal('wrong-length'),
      );
    assert.equal(uploads.held('acme/app', digestOf('ab')), undefined);
  });

  test(`${kind}: the limit is of the whole blob, and is met before its last byte is read`, async (t) => {
    const { uploads, clock } = await open(t);
    const { id } = await uploads.start('acme/app', '');
    const before = await uploads.append(id, inPieces('x'.repeat(900)), { maxBytes: 1000 });
    clock.time += 1000;
    let [taken, ended] = [0, 0];
    async function* endless(): AsyncIterable<Uint8Array> {
      try {
        for (;;) {
          taken += 1;
          yield Buffer.alloc(50);
        }
      } finally {
        ended += 1;
      }
    }
    await assert.rejects(uploads.append(id, endless(), { maxBytes: 1000 }), refusal('too-large'));
    assert.deepEqual([taken, ended], [3, 1], 'the source is told that nobody reads on');
    const promised = uploads.append(id, endless(), { length: 101, maxBytes: 1000 });
    await assert.rejects(promised, refusal('too-large'));
    await assert.rejects(uploads.append(id, endless(), { maxBytes: 899 }), refusal('too-large'));
    assert.equal(taken, 4, 'what is announced as too long is not read');
    assert.deepEqual(uploads.find(id), before);
    await uploads.append(id, inPieces('y'.repeat(100)), { length: 100, maxBytes: 1000 });
    await uploads.finish(id, digestOf('x'.repeat(900) + 'y'.repeat(100)));

    const digest = digestOf('x'.repeat(1001));
    const long = inPieces('x'.repeat(1001));
    await assert.rejects(uploads.receive('acme/app', digest, long, { maxBytes: 1000 }), refusal('too-large'));
    const announced = uploads.receive('acme/app', digest, endless(), { length: 1001, maxBytes: 1000 });
    await assert.rejects(announced, refusal('too-large'));
    assert.equal(taken, 4);
  });

  test(`${kind}: what came before a client hung up is kept, and gone on from`, async (t) => {
    const { uploads, clock } = await open(t);
    const { id } = await uploads.start('acme/app', '');
    clock.time += 1000;
    await assert.rejects(uploads.append(id, broken('hel', 'lo'), { length: 11, ...roomy }), /hung up/);
    assert.deepEqual([uploads.find(id)?.size, uploads.find(id)?.at], [5, clock.time]);
    await assert.rejects(uploads.append(id, broken(), roomy), /hung up/);
    await uploads.append(id, inPieces(' world'), { at: 5, ...roomy });
    await uploads.finish(id, digestOf('hello world'));
    await assert.rejects(uploads.receive('acme/app', digestOf('half'), broken('half'), roomy), /hung up/);
    assert.equal(uploads.held('acme/app', digestOf('half')), undefined);
  });

  test(`${kind}: while one request works on an upload, others are told so, and nothing is mixed`, async (t) => {
    const { uploads } = await open(t);
    const { id } = await uploads.start('acme/app', '');
    const first = fedSource();
    const appended = uploads.append(id, first.source, { at: 0, ...roomy });
    await first.asked;
    await assert.rejects(uploads.append(id, inPieces('other'), { at: 0, ...roomy }), refusal('conflict'));
    await assert.rejects(uploads.finish(id, digestOf('')), refusal('conflict'));
    first.give('hello');
    first.end();
    assert.equal((await appended).size, 5);
    await assert.rejects(
      uploads.append(id, inPieces('other'), { at: 0, ...roomy }),
      refusal('upload-out-of-order'),
    );

    const outcomes = await Promise.allSettled(
      Array.from({ length: 5 }, () => uploads.append(id, inPieces(' world'), { at: 5, ...roomy })),
    );
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.equal(uploads.find(id)?.size, 11);
    const finished = await Promise.allSettled([
      uploads.finish(id, digestOf('hello world')),
      uploads.finish(id, digestOf('hello world')),
      uploads.append(id, inPieces('!'), roomy),
    ]);
    assert.deepEqual(
      finished.map((each) => (each.status === 'fulfilled' ? 'ok' : (each.reason as RegistryError).code)),
      ['ok', 'conflict', 'conflict'],
    );
    assert.equal(uploads.held('acme/app', digestOf('hello world'))?.size, 11);
  });

  test(`${kind}: an upload that is cancelled takes no more, also in the middle of a request`, async (t) => {
    const { uploads, blobs } = await open(t);
    const { id } = await uploads.start('acme/app', '');
    await uploads.append(id, inPieces('hello'), roomy);
    const fed = fedSource();
    const refused = assert.rejects(uploads.append(id, fed.source, roomy), refusal('upload-not-found'));
    await fed.asked;
    fed.give(' world');
    await uploads.cancel(id);
    fed.end();
    await refused;

    const other = await uploads.start('acme/app', '');
    await uploads.append(other.id, inPieces('hello'), roomy);
    const finished = uploads.finish(other.id, digestOf('hello', 'sha512'));
    await Promise.all([assert.rejects(finished, refusal('upload-not-found')), uploads.cancel(other.id)]);
    assert.deepEqual(await listed(uploads), []);
    assert.equal(await blobs.has(digestOf('hello', 'sha512')), false);
  });

  test(`${kind}: bytes that are not what the digest says are gone, and the upload with them`, async (t) => {
    const { uploads, blobs } = await open(t);
    const { id } = await uploads.start('acme/app', '');
    await uploads.append(id, inPieces('hello'), roomy);
    const wanted = digestOf('other');
    await assert.rejects(
      uploads.finish(id, wanted),
      (error) => refusal('digest-mismatch')(error) && (error as Error).message.includes(digestOf('hello')),
    );
    await assert.rejects(
      uploads.receive('acme/app', wanted, inPieces('hello'), roomy),
      refusal('digest-mismatch'),
    );
    assert.deepEqual(await listed(uploads), []);
    assert.deepEqual([await blobs.has(wanted), await blobs.has(digestOf('hello'))], [false, false]);
  });

  test(`${kind}: a blob has the digest it was asked to have, sha512 as well`, async (t) => {
    const { uploads, blobs } = await open(t);
    const text = Array.from({ length: 60_000 }, (_, i) => `${i} `).join('');
    const digest = digestOf(text, 'sha512');
    const { id } = await uploads.start('acme/app', '');
    for (const piece of [text.slice(0, 70_000), text.slice(70_000)])
      await uploads.append(id, inPieces(...(piece.match(/.{1,9000}/g) ?? [])), roomy);
    assert.equal((await uploads.finish(id, digest)).digest, digest);
    assert.equal(uploads.held('acme/app', digest)?.size, text.length);
    assert.ok((await textOf(blobs, digest)) === text);
    assert.equal(await blobs.has(digestOf(text)), false, 'by the name that was asked for, and no other');
    await assert.rejects(
      uploads.receive('acme/app', digest, inPieces('x'), roomy),
      refusal('digest-mismatch'),
    );
    await uploads.receive('acme/other', digestOf('x', 'sha512'), inPieces('x'), roomy);
    assert.equal(await textOf(blobs, digestOf('x', 'sha512')), 'x');
  });

  test(`${kind}: a long blob is kept as it came, in whatever pieces`, async (t) => {
    const { uploads, blobs } = await open(t);
    const text = Array.from({ length: 400_000 }, (_, i) => `${i} `).join('');
    const digest = digestOf(text);
    const limits = { maxBytes: 10_000_000 };
    const { id } = await uploads.start('acme/app', '');
    let at = 0;
    // Of single bytes, of a network's pieces, in one piece, and what is left.
    for (const [length, ofPiece] of [
      [5_000, 1],
      [1_500_000, 65_536],
      [1_100_000, 1_100_000],
      [text.length, 1_048_576],
    ] as const) {
      const sent = text.slice(at, at + length);
      const pieces = Array.from({ length: Math.ceil(sent.length / ofPiece) }, (_, i) =>
        sent.slice(i * ofPiece, (i + 1) * ofPiece),
      );
      at += sent.length;
      assert.equal((await uploads.append(id, inPieces(...pieces), limits)).size, at);
    }
    assert.equal((await uploads.finish(id, digest)).size, text.length);
    assert.ok((await textOf(blobs, digest)) === text);
  });

  test(`${kind}: no bytes at all are a blob`, async (t) => {
    const { uploads, blobs } = await open(t);
    const digest = digestOf('');
    const { id } = await uploads.start('acme/app', '');
    await uploads.append(id, inPieces(), { at: 0, length: 0, maxBytes: 0 });
    assert.equal((await uploads.finish(id, digest)).size, 0);
    assert.deepEqual([uploads.held('acme/app', digest)?.size, blobs.sizeOf(digest)], [0, 0]);
    const { id: untouched } = await uploads.start('acme/other', '');
    await uploads.finish(untouched, digest);
    await uploads.receive('acme/third', digest, inPieces(), { length: 0, maxBytes: 0 });
    assert.equal(uploads.held('acme/third', digest)?.size, 0);
  });

  test(`${kind}: a blob in one request is there when it is answered, and is nowhere before`, async (t) => {
    const { uploads, blobs, clock } = await open(t);
    const digest = digestOf('hello');
    const fed = fedSource();
    const received = uploads.receive('acme/app', digest, fed.source, { length: 5, ...roomy });
    await fed.asked;
    fed.give('hello');
    assert.deepEqual(await listed(uploads), []);
    fed.end();
    assert.deepEqual(await received, { place: 'acme/app', digest, size: 5, at: clock.time });
    assert.equal(await textOf(blobs, digest), 'hello');
  });

  test(`${kind}: equal blobs are kept once, held in each place, and a place lets go of its own only`, async (t) => {
    const { uploads, blobs } = await open(t);
    const digest = digestOf('same');
    const places = ['acme/app', 'acme/other', 'bob/app', 'acme/app'];
    const ids = await Promise.all(
      places.map(async (place) => {
        const { id } = await uploads.start(place, '');
        await uploads.append(id, inPieces('sa', 'me'), roomy);
        return id;
      }),
    );
    await Promise.all([
      ...ids.map((id) => uploads.finish(id, digest)),
      ...places.map((place) => uploads.receive(place, digest, inPieces('same'), roomy)),
    ]);
    for (const place of places) assert.equal(uploads.held(place, digest)?.size, 4);
    assert.equal((await listed(uploads)).length, 3);
    assert.equal(await textOf(blobs, digest), 'same');
    assert.equal(await uploads.release('bob/app', digest), true);
    assert.equal(uploads.held('bob/app', digest), undefined);
    assert.equal(uploads.held('acme/app', digest)?.size, 4);
    assert.equal(await blobs.has(digest), true);
  });

  test(`${kind}: what is released is not held from the call on, before anything is waited for`, async (t) => {
    const { uploads } = await open(t);
    const digest = digestOf('hello');
    await uploads.receive('acme/app', digest, inPieces('hello'), roomy);
    const released = uploads.release('acme/app', digest);
    assert.equal(uploads.held('acme/app', digest), undefined);
    assert.equal(await released, true);
    assert.equal(await uploads.release('acme/app', digest), false);
    assert.equal(await uploads.release('acme/unknown', digest), false);
    assert.deepEqual(await listed(uploads), []);
  });

  test(`${kind}: a blob that is here can be held in any place, and anew`, async (t) => {
    const { uploads, blobs, clock } = await open(t);
    const digest = digestOf('hello');
    await assert.rejects(uploads.hold('acme/app', digest), refusal('not-found'));
    assert.equal(uploads.held('acme/app', digest), undefined);
    await (await blobs.stage(inPieces('hello'), roomy)).commit();
    assert.equal(uploads.held('acme/app', digest), undefined);
    clock.time += 1000;
    const held = { place: 'acme/app', digest, size: 5, at: clock.time };
    assert.deepEqual(await uploads.hold('acme/app', digest), held);
    assert.deepEqual(uploads.held('acme/app', digest), held);
    clock.time += 1000;
    const both = await Promise.all([uploads.hold('acme/app', digest), uploads.hold('acme/app', digest)]);
    assert.deepEqual(both[0], { ...held, at: clock.time });
    assert.deepEqual(uploads.held('acme/app', digest), both[1]);
    assert.equal((await listed(uploads)).length, 1);
  });

  test(`${kind}: a blob that the blob store has lost is held nowhere, and listed until it expires`, async (t) => {
    const { uploads, lose, clock } = await open(t);
    const digest = digestOf('hello');
    await uploads.receive('acme/app', digest, inPieces('hello'), roomy);
    await lose(digest);
    assert.equal(uploads.held('acme/app', digest), undefined);
    assert.deepEqual(await listed(uploads), [`held acme/app ${digest} 0 ${clock.time}`]);
    await uploads.expire({ beforeMs: clock.time + 1 });
    assert.deepEqual(await listed(uploads), []);
  });

  test(`${kind}: what nobody touched since is ended, and what was touched is not`, async (t) => {
    const { uploads, blobs, clock } = await open(t);
    const old = await uploads.start('acme/app', 'ann');
    const goneOn = await uploads.start('acme/app', 'ann');
    for (const text of ['old', 'renewed'])
      await uploads.receive('acme/app', digestOf(text), inPieces(text), roomy);
    const then = clock.time;
    clock.time += 1000;
    const limit = clock.time;
    await uploads.append(goneOn.id, inPieces('x'), roomy);
    await uploads.hold('acme/app', digestOf('renewed'));
    clock.time += 1000;
    const young = await uploads.start('bob/app', 'bob');
    assert.deepEqual(await uploads.expire({ beforeMs: then }), []);

    const ends = [`held acme/app ${digestOf('old')} 3 ${then}`, `upload acme/app ${old.id} 0 ${then}`];
    const before = await listed(uploads);
    assert.deepEqual((await uploads.expire({ beforeMs: limit, dryRun: true })).map(named).sort(), ends);
    assert.deepEqual(await listed(uploads), before);
    assert.deepEqual((await uploads.expire({ beforeMs: limit })).map(named).sort(), ends);
    assert.deepEqual(
      await listed(uploads),
      before.filter((line) => !ends.includes(line)),
    );
    assert.deepEqual(await uploads.expire({ beforeMs: limit }), []);
    assert.equal(uploads.find(old.id), undefined);
    assert.equal(uploads.find(goneOn.id)?.size, 1);
    assert.equal(uploads.find(young.id)?.by, 'bob');
    assert.equal(uploads.held('acme/app', digestOf('old')), undefined);
    assert.equal(await blobs.has(digestOf('old')), true, 'whether anybody else needs it is not known here');
  });

  test(`${kind}: one kind can expire alone`, async (t) => {
    for (const only of ['upload', 'held'] as const) {
      const { uploads, clock } = await open(t);
      await uploads.start('acme/app', 'ann');
      await uploads.receive('acme/app', digestOf('old'), inPieces('old'), roomy);
      const beforeMs = clock.time + 1;
      assert.deepEqual(
        (await uploads.expire({ beforeMs, only })).map((ended) => ended.kind),
        [only],
      );
      const left = await listed(uploads);
      assert.equal(left.length, 1);
      assert.ok(!left[0]?.startsWith(only), left[0]);
    }
  });

  test(`${kind}: an upload that a request works on does not expire`, async (t) => {
    const { uploads, clock } = await open(t);
    const { id } = await uploads.start('acme/app', '');
    const fed = fedSource();
    const appended = uploads.append(id, fed.source, roomy);
    await fed.asked;
    clock.time += 1000;
    assert.deepEqual(await uploads.expire({ beforeMs: clock.time + 5000 }), []);
    fed.end();
    assert.equal((await appended).at, clock.time);
  });

  test(`${kind}: the next process goes on where this one was`, async (t) => {
    const { uploads, blobs, again, clock } = await open(t);
    const { id } = await uploads.start('acme/app', 'ann');
    await uploads.append(id, inPieces('hello'), roomy);
    await assert.rejects(uploads.append(id, broken(' wo'), roomy), /hung up/);
    await uploads.receive('acme/app', digestOf('held'), inPieces('held'), roomy);
    const before = await listed(uploads);
    const then = clock.time;
    clock.time += 1000;
    const next = await again();
    assert.deepEqual(await listed(next), before);
    assert.deepEqual(next.find(id), { id, place: 'acme/app', by: 'ann', size: 8, at: then });
    assert.equal(next.held('acme/app', digestOf('held'))?.size, 4);
    await assert.rejects(next.append(id, inPieces('x'), { at: 5, ...roomy }), refusal('upload-out-of-order'));
    await next.append(id, inPieces('rl'), { at: 8, ...roomy });
    const last = await again();
    await last.append(id, inPieces('d'), roomy);
    await last.finish(id, digestOf('hello world'));
    assert.equal(await textOf(blobs, digestOf('hello world')), 'hello world');
    assert.equal((await again()).held('acme/app', digestOf('hello world'))?.size, 11);

    const untouched = await last.start('acme/app', '');
    await last.append(untouched.id, inPieces('at once'), roomy);
    await (await again()).finish(untouched.id, digestOf('at once'));
  });
}
