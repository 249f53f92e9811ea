/** The S3 server of our tests is as strict as it says: what passes here would pass with a store. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { closing } from '../support/closing.ts';
import { openS3Server, type S3Server } from '../support/s3-server.ts';

const at = { Bucket: 'cairn', Key: 'a' };

async function open(
  t: TestContext,
  config: S3ClientConfig = {},
): Promise<{ server: S3Server; client: S3Client }> {
  const server = await openS3Server(t);
  const { endpoint } = server;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    ...config,
  });
  t.after(() => client.destroy());
  return { server, client };
}

test('who does not sign, signs otherwise or signs twice is not let in', async (t) => {
  const { server, client } = await open(t);
  await client.send(new PutObjectCommand({ ...at, Body: 'text' }));
  const url = await getSignedUrl(client, new GetObjectCommand(at), { expiresIn: 60 });
  assert.equal((await fetch(url)).status, 200);
  const authorization = 'AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=b';
  assert.equal((await fetch(url, { headers: { authorization } })).status, 400);
  assert.equal((await fetch(url.replace('/cairn/a?', '/cairn/b?'))).status, 403);
  assert.equal((await fetch(`${server.endpoint}/cairn/a`)).status, 403);
  const credentials = { accessKeyId: 'AKIDCAIRNTESTS000000', secretAccessKey: 'another' };
  const stranger = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
  });
  t.after(() => stranger.destroy());
  await assert.rejects(stranger.send(new GetObjectCommand(at)), { name: 'SignatureDoesNotMatch' });
});

test('anybody reads what is public, and nothing beside it', async (t) => {
  const { server, client } = await open(t);
  for (const Key of ['site/a b', 'blobs/a'])
    await client.send(new PutObjectCommand({ ...at, Key, Body: Key }));
  server.publicRead('site/');
  const read = (path: string, method = 'GET') => fetch(`${server.endpoint}/cairn/${path}`, { method });
  assert.equal(await (await read('site/a%20b')).text(), 'site/a b');
  assert.equal((await read('site/none')).status, 404);
  assert.equal((await read('site/a%20b', 'HEAD')).headers.get('content-length'), '8');
  assert.equal((await read('blobs/a')).status, 403);
  assert.equal((await read('site/a%20b?response-content-type=text/html')).status, 400);
  assert.equal((await read('site/a%20b', 'DELETE')).status, 403);
  assert.equal((await read('?list-type=2')).status, 403);
});

test('bytes that are not those that were sent are refused', async (t) => {
  const { server, client } = await open(t);
  const wrong = { ...at, Body: 'text', ContentMD5: Buffer.alloc(16).toString('base64') };
  await assert.rejects(client.send(new PutObjectCommand(wrong)), { name: 'BadDigest' });
  const sum = { ...at, Body: 'text', ChecksumCRC32: 'AAAAAA==' };
  await assert.rejects(client.send(new PutObjectCommand(sum)), { name: 'BadDigest' });
  assert.equal(server.objects.size, 0);
});

test('bodies in chunks, as the SDK sends streams, are put together again', async (t) => {
  const { server, client } = await open(t, { requestChecksumCalculation: 'WHEN_SUPPORTED' });
  const Body = Readable.from([Buffer.from('one '), Buffer.from('two')]);
  await client.send(new PutObjectCommand({ ...at, Body, ContentLength: 7 }));
  assert.equal(server.objects.get('a')?.bytes.toString(), 'one two');
  assert.equal(server.requests[0]?.headers['content-encoding'], 'aws-chunked');
  assert.equal(server.objects.get('a')?.headers['content-encoding'], undefined);
});

test('parts are long enough, named as they were answered, and once an object no upload any more', async (t) => {
  const { server, client } = await open(t);
  const start = async (): Promise<string | undefined> =>
    (await client.send(new CreateMultipartUploadCommand(at))).UploadId;
  const UploadId = await start();
  const sent = async (PartNumber: number, bytes: number): Promise<{ PartNumber: number; ETag?: string }> => {
    const Body = Buffer.alloc(bytes, PartNumber);
    const { ETag } = await client.send(new UploadPartCommand({ ...at, UploadId, PartNumber, Body }));
    return { PartNumber, ...(ETag === undefined ? {} : { ETag }) };
  };
  const Parts = [await sent(1, 5 * 1024 * 1024), await sent(2, 10)];
  const complete = (parts: typeof Parts) =>
    client.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts: parts } }));
  await assert.rejects(complete(Parts.toReversed()), { name: 'InvalidPartOrder' });
  await assert.rejects(complete([{ PartNumber: 1, ETag: '"1"' }]), { name: 'InvalidPart' });
  await assert.rejects(complete([...Parts, await sent(3, 10)]), { name: 'EntityTooSmall' });
  assert.equal(server.objects.size, 0);
  assert.match((await complete(Parts)).ETag ?? '', /^"[0-9a-f]{32}-2"$/);
  await assert.rejects(complete(Parts), { name: 'NoSuchUpload' });
  const other = await start();
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: at.Bucket }));
  assert.deepEqual(
    Uploads.map(({ Key, UploadId: id }) => [Key, id]),
    [['a', other]],
  );
});

test('a key is 1024 bytes at most', async (t) => {
  const { client } = await open(t);
  await client.send(new PutObjectCommand({ ...at, Key: 'é'.repeat(512), Body: 'text' }));
  const longer = new PutObjectCommand({ ...at, Key: `${'é'.repeat(512)}a`, Body: 'text' });
  await assert.rejects(client.send(longer), { name: 'KeyTooLongError' });
});

test('what none of ours should send fails the test that sent it', async (t) => {
  const opened = closing();
  const { endpoint } = await openS3Server(opened);
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1 });
  t.after(() => client.destroy());
  await assert.rejects(client.send(new PutObjectAclCommand({ ...at, ACL: 'public-read' })), {
    name: 'NotImplemented',
  });
  const notStar = new PutObjectCommand({ ...at, Body: 'text', IfNoneMatch: '"1"' });
  await assert.rejects(client.send(notStar), { name: 'NotImplemented' });
  await assert.rejects(opened.close(), /x-amz-acl|acl[\s\S]*If-None-Match/);
});
