/** What is removed of blobs in a bucket, and what is not, whatever happens meanwhile. */
import assert from 'node:assert/strict';
import { readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { GarbageCollector } from '../../bin/garbage.ts';
import { digestOf, type Digest } from '../../core/digest.ts';
import type { GarbageReport } from '../../core/garbage.ts';
import { blobKey } from '../../stores/blob-keys.ts';
import { inPieces } from '../support/blob-store-contract.ts';
import { commit, openBucketWorld, type BucketWorld } from '../support/bucket-blobs.ts';
import { DAY_MS, openGarbageWorld, type GarbageWorld } from '../support/garbage.ts';
import { cairn } from '../support/command-line.ts';
import { bytesOf } from '../support/registry.ts';
import { requestsOf } from '../support/s3-faults.ts';
import { openS3Server, type S3Server } from '../support/s3-server.ts';
import { npmVersionOf } from '../support/sharing-histories.ts';

interface Scene {
  readonly s3: S3Server;
  readonly world: BucketWorld;
  readonly registry: GarbageWorld;
  collect(graceMs?: number, blobs?: BucketWorld): Promise<GarbageReport>;
  /** Publishes a package that needs it. */
  publish(name: string): Promise<Digest>;
  inBucket(): readonly string[];
}

async function open(t: TestContext): Promise<Scene> {
  const s3 = await openS3Server(t);
  const world = await openBucketWorld(t, s3.address('blobs'));
  const registry = await openGarbageWorld(t);
  const notes = join(world.directory, 'unneeded-blobs.ndjson');
  return {
    s3,
    world,
    registry,
    collect: (graceMs = 0, { blobs, uploads } = world) =>
      new GarbageCollector({
        ...registry.registry,
        blobs,
        uploads,
        notes,
        clock: { now: () => registry.clock.time },
      }).collect({ graceMs }),
    async publish(name) {
      const bytes = bytesOf(name, '1.0.0');
      await commit(world, bytes.toString());
      await registry.write(npmVersionOf(name, '1.0.0'), bytes);
      return digestOf(bytes);
    },
    inBucket: () => [...s3.objects.keys()].sort(),
  };
}

const keyOf = (digest: Digest): string => `blobs/${blobKey(digest)}`;

test('what nobody needs is removed from the bucket, and nothing else', async (t) => {
  const { s3, world, registry, collect, publish, inBucket } = await open(t);
  const [lib, gone] = [await publish('lib'), await publish('gone')];
  const dropped = await commit(world, 'dropped');
  await world.uploads.receive('ann/app', digestOf('held'), inPieces('held'), { maxBytes: 100 });
  await registry.write({ kind: 'withdraw', ecosystem: 'npm', name: 'gone' });
  const { length: size } = s3.objects.get(keyOf(gone))?.bytes ?? assert.fail();
  assert.deepEqual((await collect()).removed, { blobs: 2, bytes: size + 'dropped'.length });
  assert.deepEqual(inBucket(), [keyOf(lib), keyOf(digestOf('held'))].sort());
  assert.deepEqual([world.blobs.sizeOf(gone), await world.blobs.has(dropped)], [undefined, false]);
  assert.equal((await collect()).removed.blobs, 0);
});

test('what an upload has left that was killed is found, and goes when its grace period is over', async (t) => {
  const { s3, world, registry, collect, inBucket } = await open(t);
  const digest = digestOf('left');
  await world.bucket.put(blobKey(digest), Buffer.from('left'), { contentType: 'x/y', digest });
  s3.objects.set('blobs/notes.txt', s3.objects.get(keyOf(digest)) ?? assert.fail());
  const first = await collect(DAY_MS);
  assert.deepEqual([first.removed.blobs, first.waiting.blobs, first.strangers], [0, 1, 1]);
  assert.equal(world.blobs.sizeOf(digest), 4);
  registry.clock.time += DAY_MS;
  assert.equal((await collect(DAY_MS)).removed.blobs, 1);
  assert.deepEqual(inBucket(), ['blobs/notes.txt']);
});

test('a blob that an event names and the shelf has lost is on the shelf again', async (t) => {
  const { world, collect, publish, inBucket } = await open(t);
  const lib = await publish('lib');
  await rm(world.blobs.shelf.pathOf(lib));
  assert.equal(await world.blobs.has(lib), false);
  assert.equal((await collect()).removed.blobs, 0);
  assert.equal(await world.blobs.has(lib), true);
  assert.deepEqual(inBucket(), [keyOf(lib)]);
});

test('uploads in parts that nobody ends are ended after a day', async (t) => {
  const { s3, world, collect } = await open(t);
  const client = new S3Client({ endpoint: s3.endpoint, region: 'us-east-1', forcePathStyle: true });
  t.after(() => client.destroy());
  const begin = async (daysAgo: number, Key: string): Promise<void> => {
    s3.now = () => Date.now() - daysAgo * DAY_MS;
    // Signed by the same clock.
    client.config.systemClockOffset = -daysAgo * DAY_MS;
    await client.send(new CreateMultipartUploadCommand({ Bucket: s3.bucket, Key }));
  };
  await begin(2, 'blobs/sha256/00/old');
  await begin(2, 'elsewhere/old');
  await begin(0, 'blobs/sha256/00/young');
  await commit(world, 'x');
  await collect(DAY_MS);
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: s3.bucket }));
  assert.deepEqual(Uploads.map(({ Key }) => Key).sort(), ['blobs/sha256/00/young', 'elsewhere/old']);
});

describe('who brings the same bytes', () => {
  test('while they are removed waits for that, and puts them there again', async (t) => {
    const { s3, world, collect, inBucket } = await open(t);
    const digest = await commit(world, 'content');
    const held = s3.faults.holdOnce(requestsOf('DeleteObjects'));
    const collecting = collect();
    const deletion = await held;
    assert.equal(await world.blobs.has(digest), false);
    s3.requests.length = 0;
    const brought = commit(world, 'content');
    const received = world.uploads.receive('ann/app', digest, inPieces('content'), { maxBytes: 100 });
    await new Promise((next) => setTimeout(next, 50));
    assert.deepEqual(s3.requests, [], 'nothing is sent before it is known what is there');
    await deletion.finish();
    await Promise.all([collecting, brought, received]);
    assert.deepEqual(inBucket(), [keyOf(digest)]);
    assert.equal(world.uploads.held('ann/app', digest)?.size, 7);
    assert.equal(await world.blobs.isIntact(digest), true);
  });

  test('has them, when they come between the mark and the sweep, and when they are still on their way then', async (t) => {
    const { s3, world, collect, inBucket } = await open(t);
    const digest = await commit(world, 'content');
    // It will be found there: the sweep comes while that is asked.
    const held = s3.faults.holdOnce(requestsOf('HeadObject'));
    const brought = commit(world, 'content');
    const head = await held;
    assert.equal((await collect()).removed.blobs, 0);
    await head.finish();
    await brought;
    assert.deepEqual(inBucket(), [keyOf(digest)]);
    assert.equal((await collect()).removed.blobs, 1);
    assert.deepEqual(inBucket(), []);
  });

  test('and cancels the upload while they are removed is told that it is over', async (t) => {
    const { s3, world, collect } = await open(t);
    const digest = await commit(world, 'content');
    const { id } = await world.uploads.start('ann/app', 'ann');
    await world.uploads.append(id, inPieces('content'), { maxBytes: 100 });
    const held = s3.faults.holdOnce(requestsOf('DeleteObjects'));
    const collecting = collect();
    const deletion = await held;
    const finished = world.uploads.finish(id, digest);
    finished.catch(() => undefined);
    await new Promise((next) => setTimeout(next, 50));
    await world.uploads.cancel(id);
    await deletion.finish();
    await collecting;
    await assert.rejects(finished, { code: 'upload-not-found' });
    assert.equal(world.blobs.sizeOf(digest), undefined);
  });

  test('is refused for a while where nobody knows whether a removal is still to come, also by the next process', async (t) => {
    const { s3, world, collect, inBucket } = await open(t);
    const digest = await commit(world, 'content');
    // The store takes it, says nothing, and does it much later.
    const held = s3.faults.holdOnce(requestsOf('DeleteObjects'));
    s3.faults.failAlways(requestsOf('DeleteObjects'), { does: 'silent' });
    await assert.rejects(collect(), { code: 'storage-failed' });
    const late = await held;
    s3.faults.clear();
    const next = await world.again();
    for (const where of [world, next]) {
      await assert.rejects(commit(where, 'content'), (error: Error & { retryAfterSeconds?: number }) => {
        assert.match(error.message, /was asked to remove sha256:\w+, .*try again in 600 seconds/i);
        return error.retryAfterSeconds === 600;
      });
      assert.equal(where.blobs.sizeOf(digest), undefined);
    }
    // A run in between does not make it certain.
    assert.equal((await collect(0, next)).removed.blobs, 0);
    await assert.rejects(commit(next, 'content'), { code: 'storage-failed' });
    await late.finish();
    await agePast(next, digest);
    await commit(next, 'content');
    assert.deepEqual(inBucket(), [keyOf(digest)]);
    assert.equal((await collect(0, next)).removed.blobs, 1);
    await commit(next, 'content');
  });
});

/** As if the longest that a request may still be done were over. */
async function agePast({ ledger }: BucketWorld, digest: Digest): Promise<void> {
  await utimes(join(ledger, 'leaving', digest), 1000, 1000);
}

describe('a run that is stopped', () => {
  test('between the two steps of a removal is carried on by the next', async (t) => {
    const { s3, world, collect, inBucket } = await open(t);
    const digest = await commit(world, 'content');
    // Taken out, and killed: what was not durable comes back as well.
    (await world.blobs.openRemover()).takeOut(digest);
    assert.deepEqual(inBucket(), [keyOf(digest)]);
    const next = await world.again();
    assert.equal(await next.blobs.has(digest), false);
    await collect(DAY_MS, next);
    assert.deepEqual(inBucket(), []);
    assert.equal(next.blobs.sizeOf(digest), undefined);
    await agePast(next, digest);
    s3.requests.length = 0;
    await collect(0, next);
    await collect(0, next);
    assert.equal(
      s3.requests.filter(({ operation }) => operation === 'DeleteObjects').length,
      1,
      'and is over',
    );
  });

  test('never removes what has been brought since, though a power cut has taken the word of that', async (t) => {
    const { world, collect, inBucket } = await open(t);
    const digest = await commit(world, 'content');
    await collect();
    await world.uploads.receive('ann/app', digest, inPieces('content'), { maxBytes: 100 });
    await writeFile(join(world.ledger, 'leaving', digest), '');
    await collect();
    assert.deepEqual(inBucket(), [keyOf(digest)]);
    await assert.rejects(readFile(join(world.ledger, 'leaving', digest)), { code: 'ENOENT' });
  });
});

test('whatever fails of a run, what is needed stays, and the next run removes the rest', async (t) => {
  const { s3, world, collect, publish, inBucket } = await open(t);
  const lib = await publish('lib');
  const operations = ['ListMultipartUploads', 'ListObjectsV2', 'DeleteObjects'] as const;
  let failed = 0;
  for (const operation of operations)
    for (const does of ['internal', 'slow-down', 'reset', 'silent', 'truncated', 'no-bucket'] as const)
      for (const persisted of [false, true]) {
        const content = `${operation} ${does} ${persisted}`;
        const dropped = await commit(world, content);
        s3.faults.failAlways(requestsOf(operation), { does, persisted });
        const report = await collect().catch((error: unknown) => error);
        s3.faults.clear();
        if (report instanceof Error) {
          failed += 1;
          assert.equal((report as { code?: string }).code, 'storage-failed', content);
        } else assert.equal(s3.objects.has(keyOf(dropped)), false, content);
        assert.equal(await world.blobs.isIntact(lib), true);
        await collect();
        assert.deepEqual(inBucket(), [keyOf(lib)], content);
        assert.equal(world.blobs.sizeOf(dropped), undefined);
      }
  t.diagnostic(`${failed} of 36 runs failed`);
  assert.ok(failed > 25);
});

describe('the commands', () => {
  interface Place {
    readonly s3: S3Server;
    readonly world: GarbageWorld;
    run(...args: readonly string[]): Promise<string>;
  }

  async function openPlace(t: TestContext): Promise<Place> {
    const s3 = await openS3Server(t);
    const world = await openGarbageWorld(t, {
      blobs: 's3://cairn/blobs',
      site: 's3://cairn/site',
      endpoint: s3.endpoint,
      pathStyle: true,
    });
    return {
      s3,
      world,
      run: async (...args) =>
        (await cairn([...args, '--data', world.data], { env: s3.environment })).stdout.trimEnd(),
    };
  }

  function putObject({ s3 }: Place, content: string, key = `blobs/${blobKey(digestOf(content))}`): void {
    const [like] = s3.objects.values();
    assert.ok(like);
    s3.objects.set(key, { ...like, bytes: Buffer.from(content) });
  }

  test('gc --dry-run tells of what only the bucket has as well, and changes nothing; gc removes it', async (t) => {
    const place = await openPlace(t);
    const { s3, world, run } = place;
    const bytes = bytesOf('lib', '1.0.0');
    await world.write(npmVersionOf('lib', '1.0.0'), bytes);
    const dropped = await world.drop('dropped');
    await world.registry.publisher.visible(world.registry.log.length);
    await world.close();
    putObject(place, 'left');
    putObject(place, 'notes', 'blobs/notes.txt');
    const before = [...s3.objects.keys()];
    const text = await run('gc', '--dry-run', '--grace', '0');
    const lines = text.split('\n');
    for (const says of [
      new RegExp(`^remove  ${dropped} \\(7 bytes\\): `, 'm'),
      new RegExp(`^remove  ${digestOf('left')} \\(4 bytes\\): .*, from now on$`, 'm'),
      /^leave {3}s3:\/\/cairn\/blobs\/notes.txt: it is no blob$/m,
      /^2 blobs \(11 bytes\) would go, 0 blobs \(0 bytes\) would wait, 0 uploads would end; 1 needed$/m,
    ])
      assert.match(text, says);
    assert.equal(lines.length, 4);
    assert.deepEqual([...s3.objects.keys()], before);
    assert.match(await run('gc', '--grace', '0'), /^removed 2 blobs \(11 bytes\); 1 needed\n.*1 file;/);
    assert.deepEqual(
      [...s3.objects.keys()].filter((key) => key.startsWith('blobs/')),
      [keyOf(digestOf(bytes)), 'blobs/notes.txt'],
    );
  });

  test('doctor tells what the bucket has lost, what it has beside, and asks for a list and no more', async (t) => {
    const place = await openPlace(t);
    const { s3, world, run } = place;
    const [one, two] = [bytesOf('one', '1.0.0'), bytesOf('two', '1.0.0')];
    await world.write(npmVersionOf('one', '1.0.0'), one);
    await world.write(npmVersionOf('two', '1.0.0'), two);
    await world.registry.publisher.visible(world.registry.log.length);
    await world.close();
    const examine = async (...flags: readonly string[]): Promise<readonly string[]> =>
      (await run('doctor', ...flags)).split('\n').filter((line) => /^\w+ +(?:bucket of )?blobs: /.test(line));
    s3.requests.length = 0;
    assert.deepEqual(await examine(), [
      'ok       bucket of blobs: has exactly what is known here',
      'ok       blobs: all 2 that packages name are there; --deep compares their hashes',
    ]);
    const ofBlobs = s3.requests.filter(
      ({ key, query }) =>
        // What the store can do is tried with an object of its own.
        (key.startsWith('blobs/') && !key.startsWith('blobs/=probe.')) || query.get('prefix') === 'blobs/',
    );
    assert.deepEqual(
      ofBlobs.map(({ operation }) => operation),
      ['ListObjectsV2'],
    );
    s3.objects.delete(keyOf(digestOf(one)));
    putObject(place, 'left');
    putObject(place, 'notes', 'blobs/notes.txt');
    const [lost, unshelved, strangers, missing] = await examine();
    assert.match(lost ?? '', new RegExp(`^problem  bucket of blobs: 1 blobs .*, such as ${digestOf(one)};`));
    assert.match(unshelved ?? '', /^warning {2}bucket of blobs: 1 blobs lie there that uploads or removals/);
    assert.match(strangers ?? '', /^warning {2}bucket of blobs: 1 objects .* s3:\/\/cairn\/blobs\/notes.txt/);
    assert.match(missing ?? '', new RegExp(`^problem  blobs: 1 of 2 are missing; .*${digestOf(one)} `));
    putObject(place, one.toString().replace(/.$/, '?'), keyOf(digestOf(one)));
    assert.match((await examine('--deep')).at(-1) ?? '', /^problem {2}blobs: 1 of 2 are missing or damaged/);
  });
});
