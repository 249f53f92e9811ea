/** Where a registry is created, and how it gets elsewhere: from directories to buckets, from one bucket to another, and back. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { readStorage } from '../../bin/storage.ts';
import { digestOf } from '../../core/digest.ts';
import { blobKey } from '../../stores/blob-keys.ts';
import { assertRefused, cairn, cairnOk, cairnServe, type Finished } from '../support/command-line.ts';
import { digestsIn, openGarbageWorld } from '../support/garbage.ts';
import { bytesOf } from '../support/registry.ts';
import { openS3Server, type S3Server } from '../support/s3-server.ts';
import { npmVersionOf } from '../support/sharing-histories.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface Place {
  readonly s3: S3Server;
  /** Of a registry with one version of a package, in directories; nobody has it open. */
  readonly data: string;
  run(...args: readonly string[]): Promise<Finished>;
  move(...to: readonly string[]): Promise<string>;
}

const archive = bytesOf('one', '1.0.0');
const digest = digestOf(archive);

async function openPlace(t: TestContext): Promise<Place> {
  const s3 = await openS3Server(t);
  const { data, write, registry, close } = await openGarbageWorld(t);
  await write(npmVersionOf('one', '1.0.0'), archive);
  await registry.publisher.visible(registry.log.length);
  await close();
  const env = { ...s3.environment, CAIRN_S3_ENDPOINT: s3.endpoint, CAIRN_S3_PATH_STYLE: 'true' };
  return {
    s3,
    data,
    run: (...args) => cairn([...args, '--data', data], { env }),
    move: (...to) => cairnOk(['storage', 'move', '--data', data, ...to], { env }),
  };
}

async function assertWhole({ run }: Place): Promise<void> {
  const { code, stdout } = await run('doctor', '--deep');
  assert.equal(code, 0, stdout);
  const checked = await run('regen', '--check');
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
}

test('a registry moves to buckets, to other buckets, and back to its directories', async (t) => {
  const place = await openPlace(t);
  const { s3, data, move } = place;
  const first = ['--blobs', 's3://cairn/blobs', '--site', 's3://cairn/site'];
  assert.match(await move(...first), /^copied 1 blobs .*; 0 were there$/m);
  assert.match(await move(...first), /^they were there already: nothing was moved$/m);
  // The shelf of the bucket before says that all is there, of another bucket.
  s3.addBucket('other');
  assert.match(await move('--blobs', 's3://other/all'), /^copied 1 blobs .*; 0 were there$/m);
  assert.ok(s3.buckets.get('other')?.objects.has(`all/${blobKey(digest)}`));
  await assertWhole(place);
  await move('--blobs', 'directory', '--site', 'directory');
  assert.deepEqual(readStorage(data), { endpoint: s3.endpoint, pathStyle: true });
  assert.ok(!existsSync(join(data, 'blobs-in-bucket')));
  await assertWhole(place);
});

test('a bucket that was emptied since gets its blobs again, whatever an earlier shelf said of it', async (t) => {
  const place = await openPlace(t);
  const { s3, data, move } = place;
  const to = ['--blobs', 's3://cairn/blobs', '--site', 's3://cairn/site'];
  await move(...to);
  await move('--site', 'directory', '--blobs', 'directory');
  // As somebody leaves it who restores an old copy of the data directory.
  await mkdir(join(data, 'blobs-in-bucket.next/sha256', digest.slice(7, 9)), { recursive: true });
  await writeFile(join(data, 'blobs-in-bucket.next', blobKey(digest)), archive);
  s3.objects.clear();
  assert.match(await move(...to), /^copied 1 blobs /m);
  assert.deepEqual(await digestsIn(data, 'blobs-in-bucket'), [digest]);
  await assertWhole(place);
});

test('a move that was stopped before its site was whole has changed nothing, and is carried on', async (t) => {
  const place = await openPlace(t);
  const { s3, data, run, move } = place;
  const to = ['--blobs', 's3://cairn/blobs', '--site', 's3://cairn/site'];
  s3.faults.failAlways(({ key, operation }) => operation === 'PutObject' && key.includes('/npm/one'), {
    does: 'no-bucket',
  });
  const stopped = await run('storage', 'move', ...to);
  assert.notEqual(stopped.code, 0);
  assert.match(stopped.stderr, /create it first, or correct its name/);
  assert.doesNotMatch(stopped.stderr, /^\s+at /m);
  assert.deepEqual(readStorage(data), {});
  s3.faults.clear();
  assert.match(await move(...to), /^copied 0 blobs .*; 1 were there$/m);
  await assertWhole(place);
});

test('a site does not move to where other things lie, and that is said before any blob is copied', async (t) => {
  const { s3, data, run } = await openPlace(t);
  const [like] = [{ bytes: Buffer.from('x'), headers: {}, metadata: {}, etag: '"x"', modifiedMs: 0 }];
  s3.objects.set('site/holiday.jpg', like);
  const refused = await run('storage', 'move', '--blobs', 's3://cairn/blobs', '--site', 's3://cairn/site');
  assertRefused(refused, 3, /holds holiday\.jpg, and no site of a registry: choose an empty bucket/);
  assert.deepEqual([...s3.objects.keys()], ['site/holiday.jpg']);
  assert.deepEqual(readStorage(data), {});
});

test('whoever names a wrong bucket at first start says the right one the next time', async (t) => {
  const [s3, data] = [await openS3Server(t), join(await temporaryDirectory(t), 'data')];
  const env = { ...s3.environment, CAIRN_S3_ENDPOINT: s3.endpoint, CAIRN_S3_PATH_STYLE: 'true' };
  const words = ['--data', data, '--listen', '127.0.0.1:0'];
  const refused = await cairn(['serve', ...words], { env: { ...env, CAIRN_BUCKET: 's3://nowhere' } });
  assertRefused(refused, 3, /s3:\/\/nowhere\/blobs cannot be used .*create it first, or correct its name/);
  assert.deepEqual(await readdir(data), []);
  const server = await cairnServe(t, words, { env: { ...env, CAIRN_BUCKET: 's3://cairn' } });
  assert.equal(await server.stop(), 0);
  assert.equal(readStorage(data).site, 's3://cairn/site');
  const elsewhere = ['serve', '--data', `${data}-2`, '--listen', '127.0.0.1:0'];
  const second = await cairn(elsewhere, { env: { ...env, CAIRN_BUCKET: 's3://cairn' } });
  assertRefused(second, 5, /s3:\/\/cairn\/site has the site of a registry whose log is not in /);
});

test('a doctor whose store refuses it says so, with a way out, and all else that it found', async (t) => {
  const { data, s3, move } = await openPlace(t);
  await move('--blobs', 's3://cairn/blobs', '--site', 's3://cairn/site');
  const env = {
    ...s3.environment,
    CAIRN_S3_ACCESS_KEY_ID: 'nobody',
    CAIRN_S3_SECRET_ACCESS_KEY: 'secret-of-nobody',
  };
  const { code, stdout, stderr } = await cairn(['doctor', '--data', data], { env });
  assert.equal(code, 4, stderr);
  assert.match(stdout, /^problem {2}store of the site: .*the store does not know these credentials/m);
  assert.match(stdout, /^problem {2}blobs and site: not looked at: /m);
  assert.doesNotMatch(stdout + stderr, /secret-of-nobody|^\s+at /m);
});
