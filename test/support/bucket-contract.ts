/** What `Bucket` promises, whatever store it speaks to. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ConditionFailed, type Bucket, type BucketAddress, type WriteOptions } from '../../stores/bucket.ts';
import {
  aLargeFile,
  digestOfPieces,
  keysOf,
  MIB,
  openAt,
  readAll,
  readText,
  written,
} from './bucket-objects.ts';

export interface BucketHarness {
  /** Of the same store; nobody else writes below the prefix. */
  address(prefix: string): BucketAddress;
}

/** What a key may be made of. */
const difficultKeys = [
  '=progress.json',
  'a b/c  d',
  'at@1.0+build.5/~tilde',
  'fifty%25/100%',
  'ünïcode/\u{1f980}/日本',
  'quotes\'"(and)*!',
  'and&semi;colon,comma:colon',
  'tags<b>/$x',
  '007',
  '[square]{curly}|pipe^',
];

/** What nobody has said of an object. */
const plain = { rank: 0, blob: undefined } as const;

export function bucketContract(kind: string, open: (t: TestContext) => Promise<BucketHarness>): void {
  let prefixes = 0;
  const openBucket = async (t: TestContext): Promise<{ bucket: Bucket; at: BucketHarness['address'] }> => {
    const harness = await open(t);
    const prefix = `contract/${(prefixes += 1)}`;
    const at = (below: string): BucketAddress => harness.address(`${prefix}/${below}`);
    return { bucket: openAt(t, at('own')), at };
  };

  test(`${kind}: what is written is read with its type, its digest, its size and its rank`, async (t) => {
    const { bucket } = await openBucket(t);
    assert.equal(await bucket.get('a/b'), undefined);
    assert.equal(await bucket.head('a/b'), undefined);
    const [bytes, options] = written('one');
    const etag = await bucket.put('a/b', bytes, { ...options, contentType: 'application/json', rank: 2 });
    const facts = {
      etag,
      size: 3,
      contentType: 'application/json',
      digest: options.digest,
      isImmutable: false,
      ...plain,
      rank: 2,
    };
    assert.deepEqual(await bucket.head('a/b'), facts);
    const found = await bucket.get('a/b');
    assert.ok(typeof found === 'object');
    const { bytes: read, pieces: _, discard: __, ...said } = found;
    assert.deepEqual(said, facts);
    assert.equal((await read()).toString(), 'one');
    assert.equal(await bucket.get('a/b', { unless: etag }), 'unchanged');
    await bucket.put('a/b', ...written('two'));
    const changed = await bucket.get('a/b', { unless: etag });
    assert.ok(typeof changed === 'object');
    changed.discard();
    assert.equal(await readText(bucket, 'a/b'), 'two');
  });

  test(`${kind}: a file of no bytes is written and read`, async (t) => {
    const { bucket } = await openBucket(t);
    await bucket.put('empty', ...written(''));
    assert.equal(await readText(bucket, 'empty'), '');
    assert.equal((await bucket.head('empty'))?.size, 0);
    const { path, digest } = await aLargeFile(t, 0);
    await bucket.putFile('empty file', path, 0, { contentType: 'text/plain', digest });
    assert.equal(await readText(bucket, 'empty file'), '');
    assert.equal((await readAll(bucket.read('empty', { start: 0, end: -1 }))).length, 0);
  });

  test(`${kind}: a write that depends on nothing being there is done once`, async (t) => {
    const { bucket } = await openBucket(t);
    const [bytes, options] = written('one', { condition: 'absent' });
    const etag = await bucket.put('a', bytes, options);
    assert.equal(await bucket.put('a', bytes, options), etag, 'the same content is no failure');
    await assert.rejects(bucket.put('a', ...written('two', { condition: 'absent' })), ConditionFailed);
    assert.equal(await readText(bucket, 'a'), 'one');
    await bucket.remove('a');
    await bucket.put('a', ...written('two', { condition: 'absent' }));
    assert.equal(await readText(bucket, 'a'), 'two');
  });

  test(`${kind}: a write that depends on what is there does not write over anything else`, async (t) => {
    const { bucket } = await openBucket(t);
    const first = await bucket.put('a', ...written('one'));
    const second = await bucket.put('a', ...written('two', { condition: { etag: first } }));
    assert.notEqual(first, second);
    await assert.rejects(
      bucket.put('a', ...written('three', { condition: { etag: first } })),
      ConditionFailed,
    );
    assert.equal(await readText(bucket, 'a'), 'two');
    const again = await bucket.put('a', ...written('two', { condition: { etag: first } }));
    assert.equal(again, second, 'the same content is no failure');
    await bucket.remove('a');
    await assert.rejects(
      bucket.put('a', ...written('four', { condition: { etag: second } })),
      ConditionFailed,
    );
    assert.equal(await bucket.get('a'), undefined);
  });

  test(`${kind}: of many who write on the same condition, one does`, async (t) => {
    const { bucket } = await openBucket(t);
    for (const round of [1, 2]) {
      const before = await bucket.head('a');
      const condition = before ? { etag: before.etag } : ('absent' as const);
      const writes = Array.from({ length: 8 }, (_, each) =>
        bucket.put('a', ...written(`${round}/${each}`, { condition })),
      );
      const results = await Promise.allSettled(writes);
      const winners = results.flatMap(({ status }, each) => (status === 'fulfilled' ? [each] : []));
      assert.equal(winners.length, 1);
      for (const result of results)
        if (result.status === 'rejected') assert.ok(result.reason instanceof ConditionFailed);
      assert.equal(await readText(bucket, 'a'), `${round}/${winners[0]}`);
    }
  });

  test(`${kind}: a large file goes in parts, with the same promises`, async (t) => {
    const { bucket } = await openBucket(t);
    const size = 40 * MIB + 17;
    const { path, digest } = await aLargeFile(t, size);
    const options: WriteOptions = { contentType: 'application/gzip', digest, condition: 'absent' };
    const etag = await bucket.putFile('large', path, size, options);
    const facts = { etag, size, contentType: 'application/gzip', digest, isImmutable: false, ...plain };
    assert.deepEqual(await bucket.head('large'), facts);
    assert.equal(await digestOfPieces(bucket.read('large', { start: 0, end: size - 1 }, etag)), digest);
    assert.equal(await bucket.putFile('large', path, size, options), etag, 'the same content is no failure');
    const other = await aLargeFile(t, size, 'other');
    await assert.rejects(
      bucket.putFile('large', other.path, size, { ...options, digest: other.digest }),
      ConditionFailed,
    );
    assert.equal((await bucket.head('large'))?.digest, digest);
    const condition = { etag };
    await bucket.putFile('large', other.path, size, { ...options, digest: other.digest, condition });
    assert.equal((await bucket.head('large'))?.digest, other.digest);
  });

  test(`${kind}: a file is what it was said to be, or is not written`, async (t) => {
    const { bucket } = await openBucket(t);
    for (const size of [100, 20 * MIB]) {
      const { path, digest } = await aLargeFile(t, size);
      const options: WriteOptions = { contentType: 'text/plain', digest };
      await assert.rejects(bucket.putFile('short', path, size + 1, options));
      await assert.rejects(bucket.putFile('long', path, size - 1, options));
    }
    assert.deepEqual(await keysOf(bucket), []);
  });

  test(`${kind}: a copy has the bytes of its source and a type and headers of its own`, async (t) => {
    const { bucket: source, at } = await openBucket(t);
    const target = openAt(t, at('other'));
    const [bytes, options] = written('archive');
    await source.put('sha256/ab/x', bytes, { ...options, contentType: 'application/octet-stream' });
    const etag = await target.copy(source, 'sha256/ab/x', bytes.length, 'p/p-1.tgz', {
      ...options,
      contentType: 'application/gzip',
      cacheControl: 'max-age=31536000, immutable',
      contentDisposition: 'attachment; filename="p-1.tgz"',
    });
    assert.deepEqual(await target.head('p/p-1.tgz'), {
      etag,
      size: bytes.length,
      contentType: 'application/gzip',
      digest: options.digest,
      isImmutable: true,
      ...plain,
    });
    const { headers } = await fetch(await target.signedUrl('p/p-1.tgz', 60));
    assert.equal(headers.get('cache-control'), 'max-age=31536000, immutable');
    assert.equal(headers.get('content-disposition'), 'attachment; filename="p-1.tgz"');
    assert.equal((await source.head('sha256/ab/x'))?.contentType, 'application/octet-stream');
    assert.equal(await readText(target, 'p/p-1.tgz'), 'archive');
    await assert.rejects(target.copy(source, 'sha256/ab/none', 1, 'p/none', options));
    assert.equal(await target.head('p/none'), undefined);
  });

  test(`${kind}: what an object stands for and its rank are recorded, and tell it from others`, async (t) => {
    const { bucket } = await openBucket(t);
    const [bytes, options] = written('key', { rank: 2, blob: 'sha256/ab/x', condition: 'absent' });
    const etag = await bucket.put('a', bytes, options);
    const { rank, blob } = (await bucket.head('a')) ?? {};
    assert.deepEqual({ rank, blob }, { rank: 2, blob: 'sha256/ab/x' });
    assert.equal(await bucket.put('a', bytes, options), etag, 'the same is no failure');
    for (const other of [undefined, 'sha256/ab/y'])
      await assert.rejects(bucket.put('a', bytes, { ...options, blob: other }), ConditionFailed);
  });

  test(`${kind}: a large copy goes in parts`, async (t) => {
    const { bucket: source, at } = await openBucket(t);
    const target = openAt(t, at('other'), { attempts: 2, idleMs: 20_000, partBytes: 5 * MIB });
    const size = 12 * MIB + 5;
    const { path, digest } = await aLargeFile(t, size);
    const options: WriteOptions = { contentType: 'application/gzip', digest };
    await source.putFile('large', path, size, options);
    const etag = await target.copy(source, 'large', size, 'copy', { ...options, cacheControl: 'no-store' });
    const facts = { etag, size, contentType: 'application/gzip', digest, isImmutable: false, ...plain };
    assert.deepEqual(await target.head('copy'), facts);
    assert.match(etag, /-3"$/);
    assert.equal(await digestOfPieces(target.read('copy', { start: 0, end: size - 1 }, etag)), digest);
    await assert.rejects(target.copy(source, 'none', size, 'none', options));
    assert.deepEqual(await keysOf(target), ['copy']);
  });

  test(`${kind}: keys are taken as they are`, async (t) => {
    const { bucket, at } = await openBucket(t);
    const other = openAt(t, at('copies of 100%+/=other'));
    for (const key of difficultKeys) {
      await bucket.put(key, ...written(key, { condition: 'absent' }));
      assert.equal(await readText(bucket, key), key);
      await other.copy(bucket, key, Buffer.byteLength(key), `c/${key}`, written(key)[1]);
      assert.equal(await readText(other, `c/${key}`), key);
      assert.equal(await (await fetch(await bucket.signedUrl(key, 60))).text(), key);
    }
    const sorted = difficultKeys.toSorted((one, two) => Buffer.compare(Buffer.from(one), Buffer.from(two)));
    assert.deepEqual((await keysOf(bucket)).toSorted(), sorted.toSorted());
    await bucket.removeAll(difficultKeys.slice(1));
    await bucket.remove(difficultKeys[0] ?? '');
    assert.deepEqual(await keysOf(bucket), []);
    assert.equal((await keysOf(other)).length, difficultKeys.length);
  });

  test(`${kind}: a part of an object is read, and of another object nothing`, async (t) => {
    const { bucket } = await openBucket(t);
    const etag = await bucket.put('a', ...written('0123456789'));
    assert.equal((await readAll(bucket.read('a', { start: 2, end: 5 }, etag))).toString(), '2345');
    assert.equal((await readAll(bucket.read('a', { start: 9, end: 9 }))).toString(), '9');
    const part = await bucket.get('a', { range: { start: 0, end: 3 } });
    assert.ok(typeof part === 'object');
    assert.equal((await part.bytes()).toString(), '0123');
    assert.deepEqual([part.etag, part.size], [etag, 10]);
    await bucket.put('a', ...written('abcdefghij'));
    await assert.rejects(readAll(bucket.read('a', { start: 2, end: 5 }, etag)), ConditionFailed);
    await assert.rejects(readAll(bucket.read('none', { start: 0, end: 1 })));
    await assert.rejects(readAll(bucket.read('a', { start: 10, end: 12 })));
    await assert.rejects(readAll(bucket.read('a', { start: 5, end: 10 })));
  });

  test(`${kind}: what is removed is not there, and what was never there can be removed`, async (t) => {
    const { bucket, at } = await openBucket(t);
    const sibling = openAt(t, at('own-but-longer'));
    await sibling.put('a', ...written('theirs'));
    for (const key of ['a', 'b/c', 'b/d']) await bucket.put(key, ...written(key));
    await bucket.remove('a');
    await bucket.remove('a');
    await bucket.remove('never/there');
    assert.deepEqual(await keysOf(bucket), ['b/c', 'b/d']);
    await bucket.removeAll(['b/c', 'never/there', 'b/d']);
    await bucket.removeAll([]);
    assert.deepEqual(await keysOf(bucket), []);
    assert.equal(await readText(sibling, 'a'), 'theirs');
  });

  test(`${kind}: lists are in the order of the bytes of keys, and name nothing beside the prefix`, async (t) => {
    const { bucket, at } = await openBucket(t);
    const beside = openAt(t, at('own2'));
    await beside.put('a', ...written('beside'));
    const keys = [
      'a',
      'a-b',
      'b/1',
      'b/10',
      'b/2',
      'c',
      'd/=index',
      'd/e/f',
      'Z',
      'é',
      '\u{1f980}',
      '\uff5e',
    ];
    for (const key of keys.toReversed()) await bucket.put(key, ...written(key));
    const sorted = keys.toSorted((one, two) => Buffer.compare(Buffer.from(one), Buffer.from(two)));
    assert.deepEqual(await keysOf(bucket), sorted);
    assert.deepEqual(await keysOf(bucket, 'b/'), ['b/1', 'b/10', 'b/2']);
    assert.deepEqual(await keysOf(bucket, 'b/', 'b/1'), ['b/10', 'b/2']);
    assert.deepEqual(await keysOf(bucket, '', 'd'), sorted.slice(sorted.indexOf('d/=index')));
    assert.deepEqual(await keysOf(bucket, 'x/'), []);
    const before = Date.now();
    for await (const { key, etag, size, modifiedMs } of bucket.list('b/2')) {
      assert.deepEqual({ key, etag, size }, { key: 'b/2', etag: (await bucket.head(key))?.etag, size: 3 });
      assert.ok(Math.abs(before - modifiedMs) < 3_600_000);
    }
  });

  test(`${kind}: a signed URL lets anybody read one object, as the type that was signed`, async (t) => {
    const { bucket } = await openBucket(t);
    await bucket.put('a', ...written('secret'));
    await bucket.put('b', ...written('another'));
    const url = await bucket.signedUrl('a', 60, {
      contentType: 'application/vnd.oci.image.layer.v1.tar',
      contentDisposition: 'inline',
    });
    const answer = await fetch(url);
    assert.equal(answer.headers.get('content-type'), 'application/vnd.oci.image.layer.v1.tar');
    assert.equal(answer.headers.get('content-disposition'), 'inline');
    assert.equal(await answer.text(), 'secret');
    const part = await fetch(url, { headers: { range: 'bytes=0-2' } });
    assert.deepEqual([part.status, await part.text()], [206, 'sec']);
    const forged = [
      url.replace('/own/a?', '/own/b?'),
      url.replace(/&X-Amz-Signature=[^&]*/, ''),
      url.split('?')[0],
    ];
    for (const other of forged) assert.ok((await fetch(other ?? '')).status >= 400);
  });

  test(`${kind}: a bucket that does not exist is an error, and nothing that is absent`, async (t) => {
    const { bucket, at } = await openBucket(t);
    const { path, digest } = await aLargeFile(t, 20 * MIB);
    const missing = openAt(t, { ...at('own'), bucket: 'no-such-bucket' });
    const [bytes, options] = written('one');
    await bucket.put('a', bytes, options);
    const asks: Record<string, () => Promise<unknown>> = {
      get: () => missing.get('a'),
      head: () => missing.head('a'),
      read: () => readAll(missing.read('a', { start: 0, end: 1 })),
      put: () => missing.put('a', bytes, options),
      'put absent': () => missing.put('a', bytes, { ...options, condition: 'absent' }),
      'put over': () => missing.put('a', bytes, { ...options, condition: { etag: '"1"' } }),
      putFile: () => missing.putFile('a', path, 20 * MIB, { ...options, digest }),
      copy: () => missing.copy(bucket, 'a', 3, 'a', options),
      'copy from': () => bucket.copy(missing, 'a', 3, 'b', options),
      remove: () => missing.remove('a'),
      removeAll: () => missing.removeAll(['a']),
      list: () => keysOf(missing),
    };
    for (const [name, ask] of Object.entries(asks))
      await assert.rejects(ask(), { name: 'NoSuchBucket' }, `${name} in a bucket that does not exist`);
  });
}
