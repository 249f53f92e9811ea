/** Programs that keep archives in a bucket by the class of Pantry's own server. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { RegistryError, S3Storage, type S3StoragePlace } from '../../bin/library.ts';
import { openS3Server, type S3Server } from '../support/s3-server.ts';

const bytes = new TextEncoder().encode('an archive');

interface Opened {
  readonly s3: S3Server;
  readonly place: S3StoragePlace;
  readonly storage: S3Storage;
}

async function open(t: TestContext): Promise<Opened> {
  const s3 = await openS3Server(t);
  const place: S3StoragePlace = { region: 'us-east-1', endpoint: s3.endpoint, forcePathStyle: true };
  const storage = new S3Storage(s3.bucket, place);
  t.after(() => storage.close());
  return { s3, place, storage };
}

test('what is uploaded by key is there until it is deleted, and a second upload takes its place', async (t) => {
  const { s3, storage } = await open(t);
  assert.equal(await storage.exists('commits/a b/lib.tgz'), false);
  const url = await storage.upload('commits/a b/lib.tgz', bytes.buffer);
  assert.equal(url, `${s3.endpoint}/cairn/commits/a%20b/lib.tgz`);
  assert.equal(await storage.exists('commits/a b/lib.tgz'), true);
  await storage.upload('commits/a b/lib.tgz', new TextEncoder().encode('another'));
  assert.equal(Buffer.from(await storage.download('commits/a b/lib.tgz')).toString(), 'another');
  await storage.upload('other', bytes);
  assert.deepEqual(await storage.list('commits/'), ['commits/a b/lib.tgz']);
  assert.deepEqual(await storage.list(), ['commits/a b/lib.tgz', 'other']);
  await storage.delete('commits/a b/lib.tgz');
  await storage.delete('commits/a b/lib.tgz');
  assert.deepEqual(await storage.list('commits/'), []);
  await assert.rejects(
    storage.download('commits/a b/lib.tgz'),
    (error) => error instanceof RegistryError && error.code === 'not-found',
  );
});

test('packages lie where Pantry has them, and their versions are listed', async (t) => {
  const { s3, storage } = await open(t);
  await storage.uploadPackage('@acme/lib', '1.0.0', bytes);
  await storage.uploadPackage('@acme/lib', '1.1.0', bytes);
  await storage.uploadPackage('@acme/lib-more', '3.0.0', bytes);
  const key = 'packages/pantry/acme-lib/1.0.0/acme-lib-1.0.0.tgz';
  assert.ok(s3.objects.has(key));
  assert.equal(s3.objects.get(key)?.headers['content-type'], 'application/gzip');
  assert.deepEqual(await storage.listPackageVersions('@acme/lib'), ['1.0.0', '1.1.0']);
  assert.deepEqual(await storage.listPackageVersions('none'), []);
  assert.deepEqual(new Uint8Array(await storage.downloadPackage('@acme/lib', '1.1.0')), bytes);
  assert.equal(await storage.packageExists('@acme/lib', '1.1.0'), true);
  assert.equal(await storage.packageExists('@acme/lib', '2.0.0'), false);
  assert.equal(storage.getPackageUrl('@acme/lib', '1.0.0'), `${s3.endpoint}/cairn/${key}`);
});

test('a signed URL lets somebody without credentials read, and another one write', async (t) => {
  const { storage } = await open(t);
  const upload = await storage.getPresignedUploadUrl('lib', '1.0.0');
  assert.equal(new URL(upload).searchParams.get('X-Amz-Expires'), '3600');
  const headers = { 'content-type': 'application/gzip', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
  const md5 = (await import('node:crypto')).createHash('md5').update(bytes).digest('base64');
  const put = await fetch(upload, {
    method: 'PUT',
    body: bytes,
    headers: { ...headers, 'content-md5': md5 },
  });
  assert.equal(put.status, 200, await put.text());
  const download = await storage.getPresignedDownloadUrl('lib', '1.0.0', 60);
  assert.equal(new URL(download).searchParams.get('X-Amz-Expires'), '60');
  assert.equal(await (await fetch(download)).text(), 'an archive');
  assert.equal((await fetch(storage.getPackageUrl('lib', '1.0.0'))).status, 403);
});

test('a region or a provider is enough to say where a bucket is', () => {
  const url = (where?: string | S3StoragePlace): string => new S3Storage('my-bucket', where).getUrl('a');
  assert.equal(url(), 'https://my-bucket.s3.us-east-1.amazonaws.com/a');
  assert.equal(url('eu-west-1'), 'https://my-bucket.s3.eu-west-1.amazonaws.com/a');
  assert.equal(
    url({ provider: 'hetzner', region: 'fsn1' }),
    'https://my-bucket.fsn1.your-objectstorage.com/a',
  );
  assert.equal(
    url({ endpoint: 'https://s3.example/', forcePathStyle: true }),
    'https://s3.example/my-bucket/a',
  );
});

test('what cannot be meant is refused, and asks the store for nothing', async (t) => {
  const { s3, storage } = await open(t);
  const before = s3.requests.length;
  assert.throws(() => new S3Storage('My_Bucket'), { code: 'bad-request' });
  assert.throws(() => new S3Storage('my-bucket', { provider: 'backblaze' }), { code: 'bad-request' });
  assert.throws(() => storage.getPackageUrl('lib', '1/2'), { code: 'bad-request' });
  for (const key of ['', 'a/../b', './a'])
    await assert.rejects(storage.upload(key, bytes), { code: 'bad-request' }, key);
  await assert.rejects(storage.packageExists('lib', '..'), { code: 'bad-request' });
  assert.equal(s3.requests.length, before);
});

test('a store that refuses is told of without what it said', async (t) => {
  const { s3, place } = await open(t);
  const credentials = { accessKeyId: 'AKIDSOMEBODY', secretAccessKey: 'a-secret-of-somebody' };
  const stranger = new S3Storage(s3.bucket, { ...place, credentials });
  t.after(() => stranger.close());
  await assert.rejects(
    stranger.upload('a', bytes),
    (error) =>
      error instanceof RegistryError &&
      error.code === 'storage-failed' &&
      !/AKIDSOMEBODY|a-secret/.test(error.message),
  );
});
