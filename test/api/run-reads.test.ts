/** What Run's client and people read (contract, sections 1, 2, 4 and 5). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cairnOk } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { send } from '../support/http.ts';
import { assertOpen, assertRefusal, runApi } from '../support/run-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { openTestServer } from '../support/test-server.ts';
import { sha256 } from '../support/traffic.ts';
import { componentWith } from '../support/wasm-binary.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile, { CAIRN_LIMITS: 'run=off' });
const run = runApi(server);
const admin = ADMIN_TOKEN;

const name = 'run:example/hello';
const versions = ['2.0.0-rc.1', '1.10.0', '1.0.0', '1.9.0', '2.0.0-rc.1.1', '2.0.0-alpha'];
const inOrder = ['1.0.0', '1.9.0', '1.10.0', '2.0.0-alpha', '2.0.0-rc.1', '2.0.0-rc.1.1'];
for (const version of versions)
  await run.publish({ name, version, component: componentWith(version) }, admin);

const spellings = [
  'run%3Aexample%2Fhello',
  'run%3aexample%2fhello',
  'run:example%2Fhello',
  'run:example%2fhello',
  '%72un%3Aexample%2Fhell%6f',
];
for (const spelled of spellings)
  test(`${spelled} is the same package in every path`, async () => {
    for (const start of ['', '/']) {
      const list = await run.json<{ name: string; versions: string[] }>(
        `${start}api/v1/packages/${spelled}/versions`,
      );
      assert.deepEqual(list, { name, versions: inOrder });
      const metadata = await run.json<{ name: string; sha256: string }>(
        `${start}api/v1/packages/${spelled}/1.10.0`,
      );
      assert.equal(metadata.sha256, sha256(componentWith('1.10.0')));
      const artifact = await run.ask({ path: `${start}packages/${spelled}/1.10.0/artifact.wasm` });
      assert.ok(artifact.body.equals(componentWith('1.10.0')), 'other bytes');
    }
  });

test('versions are in the order of semver, and the highest is the one that lists show', async () => {
  assert.deepEqual(await run.versions(name), inOrder);
  const { packages } = await run.json<{ packages: { name: string; version: string }[] }>(
    'api/v1/search?q=hello',
  );
  assert.deepEqual(
    packages.map(({ version }) => version),
    ['2.0.0-rc.1.1'],
  );
});

test('an artifact is the same bytes whatever encodings a client takes, and whole or in part', async () => {
  const path = 'packages/run%3Aexample%2Fhello/1.0.0/artifact.wasm';
  const plain = await run.ask({ path });
  const wanted = componentWith('1.0.0');
  for (const encoding of ['gzip', 'gzip, deflate, br, zstd', 'identity'])
    for (const method of ['GET', 'HEAD']) {
      const answer = await run.ask({ path, method, headers: { 'accept-encoding': encoding } });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['content-encoding'], undefined);
      assert.equal(answer.headers['content-type'], 'application/wasm');
      assert.equal(answer.headers['content-length'], String(wanted.length));
      assert.match(String(answer.headers['cache-control']), /immutable, no-transform$/);
      assertOpen(answer);
      if (method === 'GET') assert.ok(answer.body.equals(wanted), 'other bytes');
    }
  const part = await run.ask({ path, headers: { range: 'bytes=4-7' } });
  assert.equal(part.status, 206);
  assert.ok(part.body.equals(wanted.subarray(4, 8)), 'other bytes');
  const again = await run.ask({ path, headers: { 'if-none-match': String(plain.headers.etag) } });
  assert.equal(again.status, 304);
});

test('documents are asked for again each time, and answered with 304 when nothing has changed', async () => {
  const path = 'api/v1/packages/run%3Aexample%2Fhello/versions';
  const { headers } = await run.ask({ path });
  assert.equal(headers['cache-control'], 'public, max-age=0, must-revalidate, s-maxage=30');
  assert.equal((await run.ask({ path, headers: { 'if-none-match': String(headers.etag) } })).status, 304);
});

test('a yanked version leaves the list, and its metadata and bytes stay', async () => {
  const yanked = 'run:yanking/thing';
  for (const version of ['1.0.0', '1.1.0'])
    await run.publish({ name: yanked, version, component: componentWith(version) }, admin);
  const before = await run.metadata(yanked, '1.1.0');
  await cairnOk(['yank', `run/${yanked}@1.1.0`, '--data', server.data]);
  assert.deepEqual(await run.versions(yanked), ['1.0.0']);
  assert.deepEqual(await run.metadata(yanked, '1.1.0'), { ...before, yanked: true });
  const artifact = await send(server.url, new URL(before.download_url).pathname);
  assert.ok(artifact.body.equals(componentWith('1.1.0')), 'other bytes');
  const { packages } = await run.json<{ packages: { version: string }[] }>('api/v1/search?q=yanking');
  assert.deepEqual(
    packages.map(({ version }) => version),
    ['1.0.0'],
  );
  // With nothing on offer there is no list, and no search finds it.
  await cairnOk(['yank', `run/${yanked}@1.0.0`, '--data', server.data]);
  assertRefusal(await run.ask({ path: 'api/v1/packages/run%3Ayanking%2Fthing/versions' }), 404, /^$/);
  assert.equal((await run.json<{ total: number }>('api/v1/search?q=yanking')).total, 0);
  await eventually(async () => assert.ok(!(await listed()).includes(yanked), 'it is still listed'));
  assert.equal((await run.metadata(yanked, '1.0.0')).yanked, true);
  assert.match((await run.ask({ path: 'browse/run%3Ayanking%2Fthing' })).text, /yanked/);
  await cairnOk(['unyank', `run/${yanked}@1.1.0`, '--data', server.data]);
  assert.deepEqual(await run.versions(yanked), ['1.1.0']);
  assert.deepEqual(await run.metadata(yanked, '1.1.0'), before);
});

test('what is not there is 404 with an empty body', async () => {
  for (const path of [
    'api/v1/packages/run%3Anothing/versions',
    'api/v1/packages/nothing/versions',
    'api/v1/packages/run%3Aexample%2Fhello/9.9.9',
    'api/v1/packages/run%3Aexample%2Fhello/1.0',
    'api/v1/packages/run%3Aexample/versions',
    'api/v1/packages/run%3Aexample%2Fhello%2Fversions',
    // A slash within a name is encoded.
    'api/v1/packages/run:example/hello/versions',
    'api/v1/packages/run%3Aexample%2Fhello%2F..%2Fhello/versions',
    'api/v1/packages/../packages/run%3Aexample%2Fhello/versions',
    'packages/run%3Aexample%2Fhello/9.9.9/artifact.wasm',
    'packages/run%3Aexample%2Fhello/1.0.0/artifact',
    'packages/run%3Aexample%2Fhello/1.0.0/=index/artifact.wasm',
    'packages/=index',
    'packages/',
    'nothing',
  ])
    for (const method of ['GET', 'HEAD']) assertRefusal(await run.ask({ path, method }), 404, /^$/);
});

test('a path that is no percent-encoding is refused', async () => {
  assertRefusal(await run.ask({ path: 'api/v1/packages/run%3/versions' }), 400, /percent-encoding/);
});

test('a known path with another method is 405, and says which it knows', async () => {
  for (const [path, allow, method] of [
    ['api/v1/packages', 'POST', 'GET'],
    ['api/v1/packages', 'POST', 'PUT'],
    ['api/v1/packages/run%3Aexample%2Fhello/versions', 'GET, HEAD', 'POST'],
    ['api/v1/packages/run%3Aexample%2Fhello/1.0.0', 'GET, HEAD', 'DELETE'],
    ['packages/run%3Aexample%2Fhello/1.0.0/artifact.wasm', 'GET, HEAD', 'PUT'],
    ['packages', 'GET, HEAD', 'POST'],
    ['api/v1/search', 'GET, HEAD', 'POST'],
    ['api/v1/stats', 'GET, HEAD', 'POST'],
    ['health', 'GET, HEAD', 'POST'],
    ['browse', 'GET, HEAD', 'POST'],
    ['', 'GET, HEAD', 'POST'],
  ] as const) {
    const answer = await run.ask({ path, method });
    assertRefusal(answer, 405, /not possible/);
    assert.equal(answer.headers.allow, allow, path);
  }
});

test('pages of every origin may ask', async () => {
  const answer = await run.ask({
    path: 'api/v1/packages',
    method: 'OPTIONS',
    headers: { origin: 'https://x.example' },
  });
  assert.equal(answer.status, 200);
  assertOpen(answer);
  assert.match(String(answer.headers['access-control-allow-headers']), /Authorization/);
  for (const path of ['', 'health', 'packages', 'browse', 'api/v1/stats', 'api/v1/search?q='])
    assertOpen(await run.ask({ path }));
});

test('names are listed in their order, whatever is in them', async () => {
  const names = ['sort:a_b', 'sort:a-c', 'sort:a1', 'sort:a/z', 'sort:ab', 'sort:a'];
  for (const one of names) await run.publish({ name: one, version: '1.0.0' }, admin);
  await eventually(async () =>
    assert.deepEqual(
      (await listed()).filter((one) => one.startsWith('sort:')),
      [...names].sort(),
    ),
  );
  const all = await listed();
  assert.deepEqual(all, [...all].sort());
});

test('health is ok, and as much of it to HEAD', async () => {
  const answer = await run.ask({ path: 'health' });
  assert.equal(answer.text, 'ok');
  assert.match(String(answer.headers['content-type']), /^text\/plain/);
  const head = await run.ask({ path: 'health', method: 'HEAD' });
  assert.deepEqual([head.status, head.text, head.headers['content-length']], [200, '', '2']);
});

test('stats count packages and versions on offer, and whole downloads of components', async () => {
  const before = await statsNow();
  assert.equal(before.uptime_percent, 100);
  const path = 'packages/run%3Acounted/1.0.0/artifact.wasm';
  await run.publish({ name: 'run:counted', version: '1.0.0' }, admin);
  await run.publish({ name: 'run:counted', version: '1.1.0' }, admin);
  for (let i = 0; i < 3; i += 1) await run.ask({ path });
  await run.ask({ path, method: 'HEAD' });
  await run.ask({ path, headers: { range: 'bytes=0-3' } });
  const after = await statsNow();
  assert.deepEqual(
    [after.package_count, after.version_count, after.download_count],
    [before.package_count + 1, before.version_count + 2, before.download_count + 3],
  );
  assert.match((await run.ask({ path: 'api/v1/stats' })).text, /"uptime_percent":100\.0\}$/);
  // Pantry's lists are about its own packages.
  assert.doesNotMatch((await send(server.url, '/pantry/analytics')).text, /counted/);
  assert.doesNotMatch((await send(server.url, '/pantry/analytics/install/30d')).text, /counted/);
});

/** Names at the root, which may be late. */
async function listed(): Promise<readonly string[]> {
  return (await run.json<{ packages: string[] }>('packages')).packages;
}

function statsNow(): Promise<
  Record<'package_count' | 'version_count' | 'download_count' | 'uptime_percent', number>
> {
  return run.json('api/v1/stats');
}

test('people find pages, in which nothing that a publisher wrote is HTML', async () => {
  const description = '<script>alert(1)</script> & "more"';
  const more = { repository: 'javascript:alert(1)', wit_url: 'https://wit.example/"x', license: '<b>' };
  await run.publish({ name: 'run:paged', version: '1.0.0', description, more }, admin);
  const home = await run.ask({ path: '' });
  assert.match(home.text, /href="\/run\/browse"/);
  const list = await eventually(async () => {
    const answer = await run.ask({ path: 'browse' });
    assert.match(answer.text, /href="\/run\/browse\/run%3Apaged"/);
    return answer;
  });
  const page = await run.ask({ path: 'browse/run%3Apaged' });
  assert.match(page.text, /run v2 install run:paged@1\.0\.0/);
  for (const answer of [home, list, page]) {
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'text/html; charset=utf-8');
    assert.match(String(answer.headers['content-security-policy']), /default-src 'none'/);
    assert.doesNotMatch(answer.text, /<script|<b>|href="javascript|wit\.example\/"x/);
    assertOpen(answer);
  }
  const missing = await run.ask({ path: 'browse/run%3Anothing' });
  assert.equal(missing.status, 404);
  assert.match(missing.text, /No such component/);
  assert.equal(missing.headers['content-type'], 'text/html; charset=utf-8');
});

test('what is deprecated says so in its metadata, in search and on its page', async () => {
  const old = 'run:old/thing';
  for (const version of ['1.0.0', '1.1.0']) await run.publish({ name: old, version }, admin);
  assert.equal('deprecated' in (await run.metadata(old, '1.0.0')), false);
  await cairnOk(['deprecate', `run/${old}`, '--message', 'Use <run:new>.', '--data', server.data]);
  for (const version of ['1.0.0', '1.1.0']) {
    const shown = (await run.metadata(old, version)) as unknown as Record<string, unknown>;
    assert.equal(shown['deprecated'], 'Use <run:new>.');
  }
  const { packages } = await run.json<{ packages: Record<string, unknown>[] }>('api/v1/search?q=run:old');
  assert.equal(packages[0]?.['deprecated'], 'Use <run:new>.');
  const page = await run.ask({ path: 'browse/run%3Aold%2Fthing' });
  assert.match(page.text, /Deprecated\.<\/strong> Use &#60;run:new&#62;\./);
});
