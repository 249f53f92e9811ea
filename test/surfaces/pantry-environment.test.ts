/** The variables of Pantry's own server (contract, section 15). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOptions } from '../../bin/options.ts';
import type { RegistryError } from '../../core/errors.ts';

test('a server is moved here with its variables', () => {
  const options = readOptions(
    {},
    {
      PORT: '3000',
      BASE_URL: 'https://registry.example.com',
      S3_BUCKET: 'local',
      DYNAMODB_TABLE: 'local',
      PANTRY_REGISTRY_TOKEN: 'secret',
      PANTRY_TOKEN: 'another',
      NPM_FALLBACK: 'false',
    },
  );
  assert.deepEqual(options.listen, { host: '0.0.0.0', port: 3000 });
  assert.equal(options.said.publicUrl, 'https://registry.example.com');
  assert.equal(options.said.mounts?.['pantry'], '/');
  assert.equal(options.administratorToken, 'secret');
  assert.equal(options.npmFallback.upstream, 'off');
  assert.deepEqual(options.notes, []);
});

test('a path in the base URL is where Pantry is mounted', () => {
  const { said } = readOptions({}, { BASE_URL: 'https://example.com/pantry/registry' });
  assert.equal(said.publicUrl, 'https://example.com');
  assert.equal(said.mounts?.['pantry'], '/pantry/registry');
});

test('the shorter name of the token counts where the longer is missing', () => {
  assert.equal(readOptions({}, { PANTRY_TOKEN: 'secret' }).administratorToken, 'secret');
});

test('what is said in our own words counts', () => {
  const { listen, administratorToken } = readOptions(
    {},
    { PORT: '3000', PANTRY_TOKEN: 'theirs', CAIRN_LISTEN: '127.0.0.1:1', CAIRN_ADMIN_TOKEN: 'ours' },
  );
  assert.deepEqual([listen.port, administratorToken], [1, 'ours']);
});

test('a port alone tells nothing of Pantry', () => {
  const { listen, said } = readOptions({}, { PORT: '3000' });
  assert.equal(listen.port, 8080);
  assert.equal(said.mounts, undefined);
});

test('what does nothing here is said, and what cannot be meant is refused', () => {
  const { notes } = readOptions(
    {},
    { BASE_URL: 'https://a.example', DYNAMODB_TABLE: 'packages', STRIPE_SECRET_KEY: 'sk' },
  );
  assert.equal(notes.length, 2);
  assert.match(notes[0] ?? '', /^DYNAMODB_TABLE is ignored: the log/);
  // A note goes to a terminal: it names a variable and never its value.
  assert.ok(!notes.join().includes('sk_') && !notes.join().includes('packages'));
  const refused = [
    { BASE_URL: 'nowhere' },
    { S3_BUCKET: 'My_Bucket' },
    { S3_BUCKET: 'my-bucket', S3_ENDPOINT: 'nowhere' },
    { S3_BUCKET: 'my-bucket', S3_FORCE_PATH_STYLE: 'maybe' },
    { S3_BUCKET: 'my-bucket', STORAGE_PROVIDER: 'tape' },
    { S3_BUCKET: 'my-bucket', STORAGE_PROVIDER: 'hetzner' },
    { S3_BUCKET: 'my-bucket', STORAGE_PROVIDER: 'hetzner', S3_REGION: 'evil.example/' },
  ];
  for (const environment of refused)
    assert.throws(
      () => readOptions({}, environment),
      (error: RegistryError) => error.code === 'bad-request',
    );
});

test('a bucket counts, and its store is where the variables or the provider say', () => {
  const rows: readonly (readonly [Record<string, string>, endpoint?: string | undefined, region?: string])[] =
    [
      [{}],
      [{ S3_REGION: 'eu-west-1', AWS_REGION: 'us-west-2', STORAGE_PROVIDER: 'aws' }, undefined, 'eu-west-1'],
      [{ AWS_REGION: 'us-west-2' }, undefined, 'us-west-2'],
      [
        { STORAGE_PROVIDER: 'backblaze', S3_REGION: 'eu-central-003' },
        'https://s3.eu-central-003.backblazeb2.com',
        'eu-central-003',
      ],
      [{ STORAGE_PROVIDER: 'Hetzner', S3_REGION: 'fsn1' }, 'https://fsn1.your-objectstorage.com', 'fsn1'],
      [{ STORAGE_PROVIDER: 'hetzner', S3_ENDPOINT: 'https://s3.example/' }, 'https://s3.example'],
    ];
  for (const [environment, endpoint, region] of rows) {
    const { storage, notes } = readOptions({}, { S3_BUCKET: 'my-bucket', ...environment });
    const about = JSON.stringify(environment);
    assert.deepEqual([storage.endpoint, storage.region], [endpoint, region], about);
    assert.deepEqual([storage.blobs, storage.site], ['s3://my-bucket/blobs', 's3://my-bucket/site'], about);
    assert.deepEqual(notes, [], about);
  }
  const { storage } = readOptions({}, { S3_BUCKET: 'my-bucket', S3_FORCE_PATH_STYLE: 'true' });
  assert.equal(storage.pathStyle, true);
});

test('while files are local, what is said of a store is said to be ignored', () => {
  const { storage, notes } = readOptions(
    {},
    { S3_BUCKET: 'local', S3_REGION: 'eu-west-1', STORAGE_PROVIDER: 'hetzner' },
  );
  assert.equal(storage.blobs, undefined);
  assert.deepEqual(
    notes.map((note) => note.split(' ')[0]),
    ['S3_REGION', 'STORAGE_PROVIDER'],
  );
});
