import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { escaped, npmApi } from '../support/npm-api.ts';
import { integrityOf, packNpm, publishDocument } from '../support/npm-package.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';

for (const name of ['lib', '@acme/lib'])
  test(`a published version of ${name} can be read the moment the publish is answered`, async (t) => {
    const server = await openTestServer(t);
    const npm = npmApi(server);
    const wanted = {
      name,
      version: '1.0.0',
      manifest: { bin: 'cli.js', scripts: { postinstall: 'echo' }, odd: 1.5, keywords: ['demo'] },
      files: { 'README.md': '# A library\n', 'cli.js': '' },
    };
    const published = await npm.publish(wanted, ADMIN_TOKEN);
    assert.equal(published.status, 201, published.text);
    const tarball = packNpm(wanted);
    const packument = await npm.packument(name);
    assert.deepEqual(packument['dist-tags'], { latest: '1.0.0' });
    assert.equal(packument['readme'], '# A library\n');
    assert.equal(packument['readmeFilename'], 'README.md');
    assert.deepEqual(packument['keywords'], ['demo']);
    assert.deepEqual(packument.maintainers, [{ name: 'admin', email: '' }]);
    assert.equal(packument.time['1.0.0'], packument.time['created']);
    const version = packument.versions['1.0.0'];
    assert.ok(version);
    assert.deepEqual(version['bin'], { lib: 'cli.js' });
    assert.equal(version['odd'], 1.5);
    assert.equal(version['hasInstallScript'], true);
    assert.equal(version['_id'], `${name}@1.0.0`);
    assert.equal(version['_npmVersion'], '11.21.2');
    assert.equal(version.dist['integrity'], integrityOf(tarball));
    assert.equal(version.dist['fileCount'], 4);
    assert.equal(version.dist['tarball'], `${server.url}/npm/${name}/-/lib-1.0.0.tgz`);
    for (const path of ['1.0.0', 'latest'])
      assert.deepEqual(await npm.ok({ path: `${escaped(name)}/${path}` }), version);
    const keys = await npm.ok<{ keys: { keyid: string; key: string }[] }>({ path: '-/npm/v1/keys' });
    const [signature] = version.dist['signatures'] as { keyid: string; sig: string }[];
    const key = keys.keys.find(({ keyid }) => keyid === signature?.keyid);
    assert.ok(key && signature);
    const publicKey = createPublicKey({ key: Buffer.from(key.key, 'base64'), format: 'der', type: 'spki' });
    const signed = Buffer.from(`${name}@1.0.0:${integrityOf(tarball)}`);
    assert.ok(verify('sha256', signed, publicKey, Buffer.from(signature.sig, 'base64')));
  });

test('commands are what npm makes of them, however the manifest and the document say it', async (t) => {
  const server = await openTestServer(t);
  const npm = npmApi(server);
  const rows: readonly [manifest: object, sent: object, bin: unknown][] = [
    // Bun gives the command the whole name; npm takes the scope away.
    [{ bin: 'cli.js' }, { bin: { '@acme/tool': 'cli.js' } }, { tool: 'cli.js' }],
    [{ bin: { '@acme/tool': './cli.js' } }, { bin: { tool: 'cli.js' } }, { tool: './cli.js' }],
    [{ bin: ['bin/a.js'] }, { bin: { 'a.js': 'bin/a.js' } }, { 'a.js': 'bin/a.js' }],
    // npm lists the files of the folder as it publishes.
    [{ directories: { bin: './bin' } }, { bin: { 'a.js': 'bin/a.js' } }, { 'a.js': 'bin/a.js' }],
    [{ directories: { bin: 'bin' } }, {}, undefined],
  ];
  for (const [i, [manifest, sent, bin]] of rows.entries()) {
    const wanted = { name: '@acme/tool', version: `1.0.${i}`, manifest: { ...manifest } };
    const published = await npm.publish(wanted, ADMIN_TOKEN, { sent: { ...sent } });
    assert.equal(published.status, 201, published.text);
    const { versions } = await npm.packument('@acme/tool');
    assert.deepEqual(versions[`1.0.${i}`]?.['bin'], bin);
  }
});

test('a pax header may say the size once more, and never another one', async (t) => {
  const npm = npmApi(await openTestServer(t));
  // As npm packs a file whose name is not ASCII.
  const sized = (version: string, record: string) => ({
    name: 'snow',
    version,
    extra: [
      { path: 'PaxHeader/snow.txt', type: 'x', content: record },
      { path: 'package/snow ☃.txt', content: 'abc' },
    ],
  });
  const good = await npm.publish(sized('1.0.0', '9 size=3\n'), ADMIN_TOKEN);
  assert.equal(good.status, 201, good.text);
  for (const [i, record] of ['9 size=2\n', '9 size=4\n', '11 size=512\n', '9 size=0\n'].entries()) {
    const bad = await npm.publish(sized(`2.0.${i}`, record), ADMIN_TOKEN);
    assert.equal(bad.status, 422, `${record}: ${bad.text}`);
  }
});

test('a pax header for all members may say where they come from, and no size', async (t) => {
  const npm = npmApi(await openTestServer(t));
  const headed = (version: string, record: string) => ({
    name: 'from-git',
    version,
    extra: [
      { path: 'pax_global_header', type: 'g', content: record },
      { path: 'package/a.txt', content: 'abc' },
    ],
  });
  const good = await npm.publish(headed('1.0.0', '19 comment=0123abc\n'), ADMIN_TOKEN);
  assert.equal(good.status, 201, good.text);
  // npm's own reader would go by it, and find other members than ours.
  const bad = await npm.publish(headed('2.0.0', '19 comment=0123abc\n9 size=0\n'), ADMIN_TOKEN);
  assert.equal(bad.status, 422, bad.text);
});

test('every spelling of a scoped name is the same package', async (t) => {
  const server = await openTestServer(t);
  const npm = npmApi(server);
  await npm.publish({ name: '@acme/lib', version: '1.0.0' }, ADMIN_TOKEN);
  const whole = (await npm.ask({ path: '@acme/lib' })).text;
  for (const path of ['@acme%2flib', '@acme%2Flib', '%40acme%2Flib', '%40acme/lib', '@acme/lib?write=true'])
    assert.equal((await npm.ask({ path })).text, whole, path);
  for (const path of [
    '@acme/lib/-/lib-1.0.0.tgz',
    '@acme%2flib/-/lib-1.0.0.tgz',
    '%40acme%2Flib/-/lib-1.0.0.tgz',
  ])
    assert.deepEqual((await npm.ask({ path })).body, packNpm({ name: '@acme/lib', version: '1.0.0' }), path);
  for (const path of ['-/package/@acme%2flib/dist-tags', '-/package/@acme/lib/dist-tags'])
    assert.deepEqual(await npm.ok({ path }), { latest: '1.0.0' });
});

test('a registry at the root of its origin says so in its documents', async (t) => {
  const server = await openTestServer(t, { CAIRN_MOUNTS: 'npm=/', CAIRN_ECOSYSTEMS: 'npm' });
  const npm = npmApi(server, '');
  assert.equal((await npm.publish({ name: '@acme/lib', version: '1.0.0' }, ADMIN_TOKEN)).status, 201);
  const packument = await npm.packument('@acme/lib');
  const url = packument.versions['1.0.0']?.dist['tarball'] as string;
  assert.equal(url, `${server.url}/@acme/lib/-/lib-1.0.0.tgz`);
  assert.equal((await fetch(url)).status, 200);
  assert.equal((await npm.ask({ path: '-/ping' })).text, '{}');
});

test('the first version is latest whatever its tag, and later ones only where they say so', async (t) => {
  const npm = npmApi(await openTestServer(t));
  await npm.publish({ name: 'lib', version: '1.0.0-beta.1' }, ADMIN_TOKEN, {
    tags: { beta: '1.0.0-beta.1' },
  });
  await npm.publish({ name: 'lib', version: '1.0.0-beta.2' }, ADMIN_TOKEN, {
    tags: { beta: '1.0.0-beta.2' },
  });
  assert.deepEqual((await npm.packument('lib'))['dist-tags'], {
    latest: '1.0.0-beta.1',
    beta: '1.0.0-beta.2',
  });
  await npm.publish({ name: 'lib', version: '1.0.0' }, ADMIN_TOKEN);
  assert.deepEqual((await npm.packument('lib'))['dist-tags'], { latest: '1.0.0', beta: '1.0.0-beta.2' });
  assert.deepEqual(await npm.ok({ path: '-/package/lib/dist-tags' }), {
    latest: '1.0.0',
    beta: '1.0.0-beta.2',
  });
});

test('a publish that is repeated after a lost answer succeeds and changes nothing', async (t) => {
  const npm = npmApi(await openTestServer(t));
  const wanted = { name: 'lib', version: '1.0.0' };
  await npm.publish(wanted, ADMIN_TOKEN);
  const before = await npm.ask({ path: 'lib' });
  const again = await npm.publish(wanted, ADMIN_TOKEN, { document: { _rev: '1-stale' } });
  assert.equal(again.status, 201, again.text);
  assert.equal((await npm.ask({ path: 'lib' })).text, before.text);
});

test('a document may come packed, in pieces of any size, and with every slash escaped', async (t) => {
  const server = await openTestServer(t);
  const npm = npmApi(server);
  const put = { method: 'PUT', token: ADMIN_TOKEN } as const;
  const text = (version: string): string => JSON.stringify(publishDocument({ name: 'lib', version }));
  const headers = { 'content-type': 'application/json' };
  const packed = { ...headers, 'content-encoding': 'gzip' };
  assert.equal(
    (await npm.ask({ ...put, path: 'lib', body: gzipSync(text('1.0.0')), headers: packed })).status,
    201,
  );
  const slashes = text('1.0.1').replaceAll('/', '\\/');
  assert.equal((await npm.ask({ ...put, path: 'lib', body: slashes, headers })).status, 201);
  assert.deepEqual(Object.keys((await npm.packument('lib')).versions), ['1.0.0', '1.0.1']);
});

test('the version is written without build metadata, and two that differ only there are one', async (t) => {
  const npm = npmApi(await openTestServer(t));
  const built = { name: 'lib', version: '1.0.0+linux' };
  const tags = { tags: { latest: '1.0.0' } };
  const document = publishDocument(built, tags);
  const versions = document['versions'] as Record<string, unknown>;
  const clean = { ...document, versions: { '1.0.0': versions['1.0.0+linux'] } };
  const first = await npm.ask({ method: 'PUT', path: 'lib', token: ADMIN_TOKEN, json: clean });
  assert.equal(first.status, 201, first.text);
  assert.deepEqual(Object.keys((await npm.packument('lib')).versions), ['1.0.0']);
  const second = await npm.publish({ name: 'lib', version: '1.0.0' }, ADMIN_TOKEN);
  assert.equal(second.status, 403, second.text);
});

test('a scope belongs to who published into it first', async (t) => {
  const server = await openTestServer(t);
  const npm = npmApi(server);
  const [alice, bob] = [
    await makeToken(server.data, { handle: 'alice' }),
    await makeToken(server.data, { handle: 'bob' }),
  ];
  assert.equal((await npm.publish({ name: '@acme/a', version: '1.0.0' }, alice)).status, 201);
  assert.equal((await npm.publish({ name: '@acme/b', version: '1.0.0' }, bob)).status, 403);
  assert.equal((await npm.publish({ name: '@acme/b', version: '1.0.0' }, alice)).status, 201);
  assert.equal((await npm.publish({ name: 'free', version: '1.0.0' }, bob)).status, 201);
});

test('what clients leave behind of their machine is not published', async (t) => {
  const npm = npmApi(await openTestServer(t));
  const leaks = {
    _resolved: '/home/me/lib.tgz',
    _from: 'file:lib.tgz',
    _integrity: 'x',
    shasum: 'y',
    integrity: 'z',
  };
  await npm.publish({ name: 'lib', version: '1.0.0', manifest: leaks }, ADMIN_TOKEN, { sent: leaks });
  const version = (await npm.packument('lib')).versions['1.0.0'] ?? {};
  for (const field of Object.keys(leaks)) assert.ok(!(field in version), field);
});
