/** Where blobs and site are, and with which credentials: what is said, and what of it is kept. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { test } from 'node:test';
import { readOptions } from '../../bin/options.ts';
import { addressOf, readStorage, recordStorage, storageIn, storagePath } from '../../bin/storage.ts';
import { Bucket } from '../../stores/bucket.ts';
import { openAt, readText, written } from '../support/bucket-objects.ts';
import { openS3Server } from '../support/s3-server.ts';
import { s3Credentials } from '../support/s3-signature.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const words = { CAIRN_S3_ACCESS_KEY_ID: 'AKIDOFOURS', CAIRN_S3_SECRET_ACCESS_KEY: 'a-secret-of-ours' };
const credentials = { accessKeyId: 'AKIDOFOURS', secretAccessKey: 'a-secret-of-ours' };

test('credentials are taken from words of ours, for a server and for every other command', () => {
  assert.deepEqual(readOptions({}, words).storage.credentials, credentials);
  assert.deepEqual(storageIn(words).credentials, credentials);
  assert.equal(storageIn({}).credentials, undefined);
});

test('other commands understand what another server’s environment says of a bucket', () => {
  const storage = storageIn({
    X07_REGISTRY_STORAGE: 's3',
    X07_REGISTRY_S3_BUCKET: 'packages',
    X07_REGISTRY_S3_ACCESS_KEY_ID: 'AKIDOFOURS',
    X07_REGISTRY_S3_SECRET_ACCESS_KEY: 'a-secret-of-ours',
  });
  assert.equal(storage.site, 's3://packages/site');
  assert.deepEqual(storage.credentials, credentials);
});

test('one half of the credentials is refused, and told to nobody', () => {
  for (const [name, value] of Object.entries(words))
    assert.throws(
      () => readOptions({}, { [name]: value }),
      (error: Error) => /belong together/.test(error.message) && !error.message.includes(value),
    );
});

test('what is recorded has no credentials, wherever they came from', async (t) => {
  const directory = await temporaryDirectory(t);
  const { storage } = readOptions({}, { ...words, CAIRN_BUCKET: 's3://packages', CAIRN_S3_REGION: 'r' });
  await recordStorage(directory, storage);
  const text = await readFile(storagePath(directory), 'utf8');
  assert.doesNotMatch(text, /AKIDOFOURS|a-secret/);
  assert.deepEqual(readStorage(directory), {
    blobs: 's3://packages/blobs',
    site: 's3://packages/site',
    region: 'r',
  });
});

test('a bucket is asked with the credentials it was given, and does not show them', async (t) => {
  const s3 = await openS3Server(t);
  const { endpoint, region, pathStyle } = s3.address();
  const given = {
    accessKeyId: s3Credentials.AWS_ACCESS_KEY_ID,
    secretAccessKey: s3Credentials.AWS_SECRET_ACCESS_KEY,
  };
  const storage = { endpoint, region, pathStyle };
  const names = Object.keys(s3Credentials);
  for (const name of names) process.env[name] = 'of-nobody';
  t.after(() => void Object.assign(process.env, s3Credentials));
  const bucket = openAt(t, addressOf(`s3://${s3.bucket}/below`, { ...storage, credentials: given }));
  await bucket.put('a', ...written('text'));
  assert.equal(await readText(bucket, 'a'), 'text');
  assert.ok(!inspect(bucket.address).includes(given.secretAccessKey));
  const stranger = new Bucket(addressOf(`s3://${s3.bucket}/below`, storage));
  t.after(() => stranger.close());
  await assert.rejects(stranger.get('a'), { name: 'InvalidAccessKeyId' });
});
