/** What Ori's client reads (contract, sections 6, 8, 12 and 14). */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { assertProblem, oriApi, oriToken, pathOf, unlimited } from '../support/ori-api.ts';
import { checksumOf, packOri } from '../support/ori-package.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile, unlimited);
const ori = oriApi(server);
const alice = await oriToken(server.data, 'alice');
const name = '@acme/json';
const described = `license = "MIT"
authors = ["Alice <alice@example.test>"]
repository = "https://example.test/json"
keywords = ["json"]
categories = ["encoding"]
edition = "2026"
entry = { lib = "src/lib.ori" }`;

const parser = await ori.publish({ name: '@orilib/parser', version: '3.0.2' }, alice);
const lock = { '@orilib/parser:3.0.2': parser.checksum };
const rest = `[dependencies]
std.json
@orilib/parser = { version = "3.0.2", features = ["unicode"] }
[features]
default = ["json"]
json = ["std.json"]
[registries.company]
url = "https://registry.company.test"
[workspace]
members = ["a"]
[publish]
registry = "company"`;
for (const version of ['1.10.0', '1.0.0', '1.2.0-rc.1', '1.2.0'])
  await ori.publish({ name, version, project: described, rest, lock }, alice);
const archive = packOri({ name, version: '1.2.0', project: described, rest, lock });

test('metadata say all that the manifest shows, and nothing of registries, workspace and publishing', async () => {
  const { text } = await ori.ask({ path: pathOf(name, '1.2.0/metadata') });
  const { published_at, ...metadata } = JSON.parse(text) as Record<string, unknown>;
  assert.match(String(published_at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const checksum = checksumOf(archive);
  const dependency = { default_features: true, kind: 'normal', target: null };
  const wanted = {
    name,
    version: '1.2.0',
    description: `About ${name}.`,
    license: 'MIT',
    authors: ['Alice <alice@example.test>'],
    repository: 'https://example.test/json',
    keywords: ['json'],
    categories: ['encoding'],
    funding: null,
    edition: '2026',
    ori: '0.5.0',
    entry: { lib: 'src/lib.ori', main: null },
    dependencies: [
      { name: '@orilib/parser', version: '3.0.2', features: ['unicode'], ...dependency },
      { name: 'std.json', version: null, features: [], ...dependency },
    ],
    features: { default: ['json'], json: ['std.json'] },
    checksum,
    size: archive.byteLength,
    checksums: { archive: checksum, dependencies: lock },
    download_url: `${server.url}/ori/v1/packages/acme/json/1.2.0/download`,
    yanked: false,
    yanked_reason: null,
    deprecated: null,
    owners: ['alice'],
  };
  assert.deepEqual(metadata, wanted);
  assert.equal(text, JSON.stringify({ ...wanted, published_at }), 'in the order of the contract');
});

test('versions are in the order of semantic versions', async () => {
  const { versions, releases } = await ori.versions(name);
  assert.deepEqual(versions, ['1.0.0', '1.2.0-rc.1', '1.2.0', '1.10.0']);
  assert.deepEqual(
    releases.map(({ version }) => version),
    versions,
  );
});

test('a download is the very bytes, under their checksum, for ever', async () => {
  const path = pathOf(name, '1.2.0/download');
  const answer = await ori.ask({ path });
  assert.ok(answer.body.equals(archive));
  const { headers } = answer;
  assert.equal(headers['content-type'], 'application/gzip');
  assert.equal(headers['content-length'], String(archive.byteLength));
  assert.equal(headers['content-disposition'], 'attachment; filename="acme-json-1.2.0.oripk"');
  assert.equal(headers.etag, `"${checksumOf(archive)}"`);
  assert.match(String(headers['cache-control']), /immutable, no-transform/);
  assert.equal(headers['content-encoding'], undefined);
  const packed = await ori.ask({ path, headers: { 'accept-encoding': 'gzip, br' } });
  assert.equal(packed.headers['content-encoding'], undefined);
  const again = await ori.ask({ path, headers: { 'if-none-match': String(headers.etag) } });
  assert.equal(again.status, 304);
  const part = await ori.ask({ path, headers: { range: 'bytes=0-3' } });
  assert.equal(part.status, 206);
  assert.ok(part.body.equals(archive.subarray(0, 4)));
  const head = await ori.ask({ method: 'HEAD', path });
  assert.deepEqual(
    [head.status, head.headers['content-length'], head.body.length],
    [200, String(archive.byteLength), 0],
  );
});

test('documents are asked for again each time, and not sent again while they are the same', async () => {
  for (const rest of ['versions', '1.2.0/metadata']) {
    const answer = await ori.ask({ path: pathOf(name, rest) });
    assert.equal(answer.headers['cache-control'], 'public, max-age=0, must-revalidate, s-maxage=30');
    const again = await ori.ask({
      path: pathOf(name, rest),
      headers: { 'if-none-match': String(answer.headers.etag) },
    });
    assert.equal(again.status, 304);
  }
});

test('an @ in the path is the same thing', async () => {
  for (const rest of ['versions', '1.2.0/metadata', '1.2.0/download']) {
    const { body } = await ori.ask({ path: pathOf(name, rest) });
    for (const scope of ['@acme', '%40acme']) {
      const spelled = await ori.ask({ path: `v1/packages/${scope}/json/${rest}` });
      assert.equal(spelled.status, 200);
      assert.ok(spelled.body.equals(body));
    }
  }
});

const missing: readonly string[] = [
  ...['versions', '1.2.0/metadata', '1.2.0/download'].flatMap((rest) => [
    `v1/packages/acme/nothing/${rest}`,
    `v1/packages/none/json/${rest}`,
    `v1/packages/Acme/json/${rest}`,
    `v1/packages/acme/JSON/${rest}`,
    `v1/packages/-acme/json/${rest}`,
    `v1/packages/@@acme/json/${rest}`,
    `v1/packages/acme/js--on/${rest}`,
    `v1/packages/${'a'.repeat(300)}/json/${rest}`,
    `v1/packages/%2e%2e/json/${rest}`,
    `v1/packages/..%2f../json/${rest}`,
    `v1/packages/acme/=index/${rest}`,
    `v1/packages/acme%00/json/${rest}`,
    `v1/packages/%zz/json/${rest}`,
    `v1/packages/%ff/json/${rest}`,
  ]),
  ...['9.9.9', '1.2', '01.2.0', '1.2.0+x', 'latest', '%2e', '=index'].flatMap((version) => [
    pathOf(name, `${version}/metadata`),
    pathOf(name, `${version}/download`),
  ]),
  ...[
    '',
    'v1',
    'v1/',
    'v1/packages',
    'v1/packages/acme',
    'v1/packages/acme/json',
    'v1/packages/acme/json/1.2.0',
  ],
  ...[
    `v1/packages/acme/json/1.2.0/checksum`,
    'v2/packages/acme/json/versions',
    'v1/advisories/x',
    'v1/advisories/acme/json',
  ],
  'v1/log/checkpoint',
];
test('what is not there, or cannot be, is not found', async () => {
  for (const path of missing) assertProblem(await ori.ask({ path }), 404, 'not_found');
});

test('another method is refused, with those that there are', async () => {
  for (const [method, path, allow] of [
    ['POST', pathOf(name, 'versions'), 'GET, HEAD'],
    ['DELETE', pathOf(name, '1.2.0/download'), 'GET, HEAD'],
    ['PUT', pathOf(name, '1.2.0/metadata'), 'GET, HEAD'],
    ['GET', pathOf(name, 'publish'), 'POST'],
    ['GET', pathOf(name, 'transfer'), 'POST'],
    ['GET', pathOf(name, '1.2.0/yank'), 'POST'],
    ['POST', 'v1/search', 'GET, HEAD'],
    ['POST', 'v1/advisories', 'GET, HEAD'],
  ] as const) {
    const answer = await ori.ask({ method, path });
    assertProblem(answer, 405, 'method_not_allowed');
    assert.equal(answer.headers['allow'], allow);
  }
});

test('a bad token is refused also where none is needed', async () => {
  const soon = new Date(Date.now() - 1000).toISOString();
  const expired = await makeToken(server.data, { handle: 'alice', scopes: ['read'], expiresAt: soon });
  const reads = [
    ...['versions', '1.2.0/metadata', '1.2.0/download', '9.9.9/metadata'].map((rest) => pathOf(name, rest)),
    ...[
      'v1/search?q=json',
      'v1/search.ndjson',
      'v1/advisories',
      'v1/advisories?package=@acme/json',
      'v1/nothing',
    ],
  ];
  for (const token of ['ori_nope', expired])
    for (const path of reads) {
      // Also when the file is remembered from the request before.
      for (const method of ['GET', 'HEAD', 'GET']) {
        const answer = await ori.ask({ method, path, token });
        assert.equal(answer.status, 401, path);
        assert.equal(answer.headers['www-authenticate'], 'Bearer realm="ori", error="invalid_token"');
        if (method === 'GET') assertProblem(answer, 401, 'unauthenticated');
      }
    }
  for (const token of [alice, await oriToken(server.data, 'bob', 'read')])
    for (const path of reads.slice(0, 3)) assert.equal((await ori.ask({ path, token })).status, 200, path);
  // What is no Bearer token is none at all.
  for (const authorization of ['Basic YTpi', 'nope', 'Bearer'])
    assert.equal((await ori.ask({ path: pathOf(name, 'versions'), headers: { authorization } })).status, 200);
});

test('no answer has a place in the transparency log yet', async () => {
  const asked = ['versions', '1.2.0/metadata'].map((rest) => ori.ok({ path: pathOf(name, rest) }));
  for (const body of await Promise.all(asked)) assert.ok(!('log' in body));
});

test('what is not for everybody is as good as not there', async () => {
  await ori.publish({ name: '@acme/hidden', version: '1.0.0' }, alice);
  await remoteControl(join(server.data, 'control.sock')).execute([
    { kind: 'set-visibility', ecosystem: 'ori', name: '@acme/hidden', visibility: 'private' },
  ]);
  for (const rest of ['versions', '1.0.0/metadata', '1.0.0/download'])
    assertProblem(await ori.ask({ path: pathOf('@acme/hidden', rest), token: alice }), 404, 'not_found');
});

test('each is a file where the contract wants it', async () => {
  const site = join(server.data, 'site/ori/v1/packages/acme/json');
  assert.ok((await readFile(join(site, '1.2.0/download'))).equals(archive));
  const metadata = await readFile(join(site, '1.2.0/metadata'), 'utf8');
  assert.equal(metadata, (await ori.ask({ path: pathOf(name, '1.2.0/metadata') })).text);
  const versions = await readFile(join(site, 'versions'), 'utf8');
  assert.equal(versions, (await ori.ask({ path: pathOf(name, 'versions') })).text);
});

test('it stands at the root as well', async (t) => {
  const alone = await openTestServer(
    t,
    { CAIRN_ECOSYSTEMS: 'ori', CAIRN_MOUNTS: 'ori=/' },
    { isDescribed: false },
  );
  const root = oriApi(alone, '');
  const token = await oriToken(alone.data, 'alice');
  await root.publish({ name }, token);
  const { download_url } = await root.metadata(name, '1.0.0');
  assert.equal(download_url, `${alone.url}/v1/packages/acme/json/1.0.0/download`);
  assert.equal((await root.ask({ path: 'v1/packages/@acme/json/versions' })).status, 200);
  assertProblem(await root.ask({ path: 'v1/packages/acme/json/nothing' }), 404, 'not_found');
});
