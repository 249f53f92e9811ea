/** Programs written for Pantry's own server (the founding document, "Programmatic Usage"). */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createServer as netServer } from 'node:net';
import { join } from 'node:path';
import { createProductionRegistry, createServer, Registry, RegistryError } from '../../bin/library.ts';
import { packNpm } from '../support/npm-package.ts';
import { openS3Server } from '../support/s3-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

async function open(t: TestContext, baseUrl = 'http://localhost:3000'): Promise<Registry> {
  const localStoragePath = join(await temporaryDirectory(t), 'registry');
  const registry = new Registry({ s3Bucket: 'local', dynamoTable: 'local', baseUrl, localStoragePath });
  t.after(() => registry.close());
  return registry;
}

function tarballOf(name: string, manifest: object = {}): Uint8Array<ArrayBuffer> {
  return new Uint8Array(packNpm({ name, version: '1.0.0', manifest: { ...manifest } }));
}

async function freePort(): Promise<number> {
  const probe = netServer().listen(0);
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  return port;
}

test('a program publishes, looks up, lists, searches and downloads without a server of its own', async (t) => {
  const registry = await open(t);
  const tarball = tarballOf('@acme/lib', { description: 'Small library' });
  assert.equal(await registry.getPackage('@acme/lib'), null);
  assert.deepEqual(await registry.listVersions('@acme/lib'), []);
  await registry.publish({ name: '@acme/lib', version: '1.0.0' }, tarball);
  assert.equal((await registry.getPackage('@acme/lib'))?.description, 'Small library');
  assert.equal((await registry.getPackage('@acme/lib', '1.0.0'))?.version, '1.0.0');
  assert.equal(await registry.getPackage('@acme/lib', '2.0.0'), null);
  assert.deepEqual(await registry.listVersions('@acme/lib'), ['1.0.0']);
  assert.deepEqual(
    (await registry.search('small')).map(({ name }) => name),
    ['@acme/lib'],
  );
  assert.deepEqual(
    new Uint8Array((await registry.downloadTarball('@acme/lib', '1.0.0')) ?? new ArrayBuffer(0)),
    tarball,
  );
  assert.equal(await registry.downloadTarball('@acme/lib', '2.0.0'), null);
  assert.equal(await registry.exists('@acme/lib', '1.0.0'), true);
  await assert.rejects(
    registry.publish({ name: '@acme/lib', version: '1.0.0' }, tarball),
    (error) => error instanceof RegistryError && error.code === 'version-exists',
  );
});

test('packages of commits, the newest first', async (t) => {
  const registry = await open(t);
  const tarball = tarballOf('lib');
  const [first, second] = ['a'.repeat(40), 'b'.repeat(40)];
  const repository = 'https://git.example/acme/lib';
  const published = await registry.publishCommit('lib', first, tarball, {
    repository,
    packageDir: 'packages/lib',
  });
  assert.equal(published.repository, repository);
  assert.equal(published.packageDir, 'packages/lib');
  await registry.publishCommit('lib', second, tarball);
  assert.deepEqual(
    (await registry.getPackageCommits('lib')).map(({ sha }) => sha),
    [second, first],
  );
  assert.equal((await registry.getPackageCommits('lib', 1)).length, 1);
  assert.equal((await registry.getCommitPackage('aaaaaaa', 'lib'))?.sha, first);
  assert.equal((await registry.getCommitPackages(first))?.packages.length, 1);
  assert.equal(await registry.getCommitPackages('c'.repeat(40)), null);
  assert.ok(await registry.downloadCommitTarball(first, 'lib'));
  await assert.rejects(registry.publishCommit('lib', 'not hex', tarball), RegistryError);
});

test('a server takes requests between start and stop, and what was published before is there', async (t) => {
  const port = await freePort();
  const registry = await open(t, `http://localhost:${port}`);
  await registry.publish({ name: 'lib', version: '1.0.0' }, tarballOf('lib'));
  // As the founding document has it: both are taken out of the object.
  const { start, stop } = createServer(registry, port);
  await start();
  const { tarballUrl } = (await (await fetch(`http://localhost:${port}/packages/lib`)).json()) as {
    tarballUrl: string;
  };
  assert.equal((await fetch(tarballUrl)).status, 200);
  const wrong = { method: 'POST', headers: { authorization: 'Bearer wrong' } };
  assert.equal((await fetch(`http://localhost:${port}/publish`, wrong)).status, 401);
  const right = { method: 'POST', headers: { authorization: `Bearer ${registry.token}` } };
  assert.equal((await fetch(`http://localhost:${port}/publish`, right)).status, 415);
  await stop();
  await assert.rejects(fetch(`http://localhost:${port}/health`));
  assert.equal(await registry.exists('lib', '1.0.0'), true);
});

test('what cannot be meant here is refused before anything is made', () => {
  const bucket = { s3Bucket: 'my-bucket', baseUrl: 'http://localhost' };
  assert.throws(() => new Registry({ ...bucket, storageProvider: 'hetzner' }), /follows from the region/);
  assert.throws(() => new Registry({ baseUrl: 'nowhere' }), /not a URL/);
});

test('a registry of production keeps blobs and site in its bucket', async (t) => {
  const s3 = await openS3Server(t);
  const registry = createProductionRegistry({
    s3Bucket: s3.bucket,
    dynamoTable: 'packages',
    baseUrl: 'http://localhost:3000',
    region: 'us-east-1',
    s3Endpoint: s3.endpoint,
    forcePathStyle: true,
    localStoragePath: join(await temporaryDirectory(t), 'registry'),
  });
  t.after(() => registry.close());
  const tarball = tarballOf('lib');
  await registry.publish({ name: 'lib', version: '1.0.0' }, tarball);
  assert.deepEqual(
    new Uint8Array((await registry.downloadTarball('lib', '1.0.0')) ?? new ArrayBuffer(0)),
    tarball,
  );
  // Before its store is gone.
  await registry.close();
  const keys = [...s3.objects.keys()];
  for (const below of ['blobs/sha256/', 'site/packages/lib'])
    assert.ok(
      keys.some((key) => key.startsWith(below)),
      keys.join(' '),
    );
});
