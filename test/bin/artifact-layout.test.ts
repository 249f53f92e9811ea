/** Copies of artifacts or pointers to them: what is said, what is recorded, and how a registry gets from one to the other. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { readOptions } from '../../bin/options.ts';
import { agreedStorage, readStorage, recordStorage, refusePointersToFiles } from '../../bin/storage.ts';
import { RegistryError } from '../../core/errors.ts';
import { Bucket } from '../../stores/bucket.ts';
import { cairn, type Finished } from '../support/command-line.ts';
import { send } from '../support/http.ts';
import { openS3Server, type S3Server } from '../support/s3-server.ts';
import { ADMIN_TOKEN, startServer, type ServerProcess } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { packX07 } from '../support/x07-package.ts';

const buckets = { blobs: 's3://cairn/blobs', site: 's3://cairn/site' };
const download = '/x07/v1/packages/acme-hello/1.0.0/download';

test('copies and pointers are the layouts there are, for the environment and for a file', () => {
  const said = (CAIRN_SITE_ARTIFACTS: string) =>
    readOptions({}, { CAIRN_BUCKET: 's3://cairn', CAIRN_SITE_ARTIFACTS }).storage.artifacts;
  assert.equal(said('pointers'), 'pointers');
  assert.equal(said('copies'), 'copies');
  assert.equal(readOptions({}, { CAIRN_BUCKET: 's3://cairn' }).storage.artifacts, undefined);
  assert.throws(() => said('links'), { message: 'CAIRN_SITE_ARTIFACTS links: use copies or pointers' });
});

test('another layout than the recorded one is refused, with the command that makes the site anew', () => {
  const isRefused = (said: string) => (error: Error) =>
    error instanceof RegistryError &&
    error.code === 'conflict' &&
    error.message.includes(`cairn storage move --artifacts ${said}`);
  assert.throws(() => agreedStorage(buckets, { artifacts: 'pointers' }), isRefused('pointers'));
  const pointers = { ...buckets, artifacts: 'pointers' } as const;
  assert.throws(() => agreedStorage(pointers, { artifacts: 'copies' }), isRefused('copies'));
  assert.equal(agreedStorage(pointers, {}).artifacts, 'pointers', 'it may be left out');
  assert.equal(agreedStorage(pointers, pointers).artifacts, 'pointers');
  assert.deepEqual(agreedStorage(buckets, { artifacts: 'copies' }), buckets);
});

test('pointers need blobs and site in a bucket', () => {
  for (const some of [{}, { site: buckets.site }])
    assert.throws(() => refusePointersToFiles({ ...some, artifacts: 'pointers' }), /both in a bucket/);
  refusePointersToFiles({ ...buckets, artifacts: 'pointers' });
  refusePointersToFiles({ artifacts: 'copies' });
});

test('the layout is recorded with the places', async (t) => {
  const directory = await temporaryDirectory(t);
  await recordStorage(directory, { ...buckets, artifacts: 'pointers' });
  assert.deepEqual(readStorage(directory), { ...buckets, artifacts: 'pointers' });
});

interface Opened {
  readonly s3: S3Server;
  readonly data: string;
  readonly site: Bucket;
  start(more?: Record<string, string>): Promise<ServerProcess>;
  command(...args: readonly string[]): Promise<Finished>;
}

async function open(t: TestContext): Promise<Opened> {
  const s3 = await openS3Server(t);
  const data = join(await temporaryDirectory(t), 'data');
  const site = new Bucket(s3.address('a/site'));
  t.after(() => site.close());
  const env = {
    ...s3.environment,
    CAIRN_BUCKET: `s3://${s3.bucket}/a`,
    CAIRN_S3_ENDPOINT: s3.endpoint,
    CAIRN_S3_PATH_STYLE: 'true',
    CAIRN_ECOSYSTEMS: 'x07',
  };
  return {
    s3,
    data,
    site,
    async start(more = {}) {
      const server = await startServer({ data, env: { ...env, ...more } });
      t.after(() => server.kill());
      return server;
    },
    command: (...args) => cairn([...args, '--data', data], { env: s3.environment }),
  };
}

async function publish({ url }: ServerProcess, version: string): Promise<void> {
  const answer = await fetch(`${url}/x07/v1/packages/publish`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    body: packX07({ name: 'acme-hello', version }),
  });
  assert.equal(answer.status, 200, await answer.text());
}

async function isPointer({ site }: Opened, path: string): Promise<boolean> {
  const facts = await site.head(path.slice(1));
  assert.ok(facts, path);
  return facts.blob !== undefined;
}

test('a registry moves to pointers and back, and its readers find the same in between', async (t) => {
  const registry = await open(t);
  const { start, command, s3 } = registry;
  let server = await start();
  await publish(server, '1.0.0');
  const archive = await send(server.url, download);
  assert.equal(await isPointer(registry, download), false);
  await server.stop();

  const ok = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await command(...args);
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };
  // Stopped after the first artifact has become another: it is begun again. Nobody repeats what is answered like this.
  s3.faults.onRequest = ({ operation, key }) =>
    operation === 'PutObject' && key.startsWith('a/site/x07')
      ? { does: 'no-bucket', persisted: true }
      : undefined;
  assert.notEqual((await command('storage', 'move', '--artifacts', 'pointers')).code, 0);
  s3.faults.clear();
  assert.equal(readStorage(registry.data).artifacts, undefined);
  assert.equal(await isPointer(registry, download), true);
  server = await start();
  assert.deepEqual((await send(server.url, download)).body, archive.body);
  await server.stop();

  assert.match(await ok('storage', 'move', '--artifacts', 'pointers'), /pointers to the blobs/);
  assert.equal(await isPointer(registry, download), true);
  await ok('regen', '--check');
  server = await start({ CAIRN_SITE_ARTIFACTS: 'pointers' });
  assert.ok(server.output.includes('artifacts  pointers to the blobs'));
  assert.deepEqual((await send(server.url, download)).body, archive.body);
  await publish(server, '1.1.0');
  assert.equal(await isPointer(registry, download.replace('1.0.0', '1.1.0')), true);
  await server.stop();
  await assert.rejects(start({ CAIRN_SITE_ARTIFACTS: 'copies' }), /storage move --artifacts copies/);

  const refused = await command('storage', 'move', '--blobs', 'directory', '--site', 'directory');
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /cairn storage move --artifacts copies/);
  const both = await command('storage', 'move', '--artifacts', 'copies', '--site', 'directory');
  assert.match(both.stderr, /by itself/);
  await ok('storage', 'move', '--artifacts', 'copies');
  for (const version of ['1.0.0', '1.1.0'])
    assert.equal(await isPointer(registry, download.replace('1.0.0', version)), false);
  await ok('regen', '--check');
  await ok('storage', 'move', '--blobs', 'directory', '--site', 'directory');
  server = await start({ CAIRN_BUCKET: '', CAIRN_S3_ENDPOINT: '' });
  assert.deepEqual((await send(server.url, download)).body, archive.body);
});

test('a first start with pointers and no bucket is refused before anything is made', async (t) => {
  const data = join(await temporaryDirectory(t), 'data');
  await assert.rejects(
    startServer({ data, env: { CAIRN_SITE_ARTIFACTS: 'pointers' } }),
    /artifacts can be pointers only where blobs and site are both in a bucket/,
  );
});
