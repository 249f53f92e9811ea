/** Contract of Pantry, sections 1, 3 and 5, and what the checklist of section 17 says of reads. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { npmApi } from '../support/npm-api.ts';
import { packNpm } from '../support/npm-package.ts';
import {
  assertOpenToAll,
  assertPantryError,
  pantryApi,
  sha256,
  spellings,
  type PantryApi,
} from '../support/pantry-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';

const SHA = 'abc1234def567890abc1234def567890abc1234d';
const lib = (version: string) => ({
  name: '@acme/lib',
  version,
  manifest: { description: `Version ${version}.`, keywords: ['demo'] },
});
const published = ['1.0.0', '2.0.0-rc.1', '1.10.0', '1.9.0', '2.0.0-alpha.2', '2.0.0-alpha.10'];
const highestFirst = ['2.0.0-rc.1', '2.0.0-alpha.10', '2.0.0-alpha.2', '1.10.0', '1.9.0', '1.0.0'];

for (const mount of ['/pantry', '/'])
  describe(`mounted at ${mount}`, () => {
    const opened = closing();
    let pantry: PantryApi;
    before(async () => {
      const server = await openTestServer(opened, { CAIRN_MOUNTS: `pantry=${mount},npm=/registry` });
      pantry = pantryApi(server, mount === '/' ? '' : mount);
      for (const version of published) assert.equal((await pantry.publish(lib(version))).status, 201);
      assert.equal((await pantry.publish({ name: 'plain.js', version: '0.1.0' })).status, 201);
      assert.equal((await pantry.publishCommit(SHA, [lib('1.0.0')])).status, 201);
    });
    after(() => opened.close());

    /** Every path that names the package. */
    const paths = (name: string): readonly string[] => [
      `packages/${name}`,
      `packages/${name}/versions`,
      `packages/${name}/1.0.0`,
      `packages/${name}/1.0.0/tarball`,
      `commits/${SHA}/${name}`,
      `commits/${SHA}/${name}/tarball`,
      `commits/${SHA.slice(0, 8)}/${name}`,
      `commits/${SHA.slice(0, 8)}/${name}/tarball`,
      `${name}@${SHA}`,
      `${name}@${SHA.slice(0, 7)}`,
      `${name}@${SHA.slice(0, 9)}`,
      `analytics/${name}`,
      `analytics/${name}/timeline`,
      `analytics/${name}/requested-versions`,
      `npm/resolve/${name}@1.0.0`,
    ];

    test('a scoped name may be spelled in each way on every route, and every answer is open to all pages', async () => {
      await pantry.ask({ path: 'packages/@acme/lib/1.0.0/tarball' });
      for (const [i, path] of paths('@acme/lib').entries()) {
        const usual = await pantry.ask({ path });
        assert.equal(usual.status, 200, `${path}: ${usual.text}`);
        assertOpenToAll(usual);
        for (const name of spellings('@acme/lib')) {
          const other = paths(name)[i] ?? '';
          // Counts go on meanwhile.
          if (/^analytics/.test(path)) assert.equal((await pantry.ask({ path: other })).status, 200, other);
          else assert.deepEqual((await pantry.ask({ path: other })).body, usual.body, other);
        }
      }
    });

    test('HEAD says what GET would, OPTIONS is 200 and empty on any path', async () => {
      for (const path of [...paths('@acme/lib'), 'search?q=lib', 'health', 'analytics', 'analytics/top']) {
        const [head, get] = [await pantry.ask({ path, method: 'HEAD' }), await pantry.ask({ path })];
        assert.equal(head.status, 200, path);
        assert.equal(head.body.byteLength, 0);
        for (const header of ['content-type', 'cache-control', 'content-disposition', 'etag'])
          assert.equal(head.headers[header], get.headers[header], `${path}: ${header}`);
        assertOpenToAll(head);
      }
      for (const path of [
        'packages/@acme/lib',
        'publish',
        'nothing/is/here',
        'analytics/events',
        'zig/publish',
      ]) {
        const answer = await pantry.ask({
          path,
          method: 'OPTIONS',
          headers: { origin: 'https://a.example' },
        });
        assert.deepEqual([answer.status, answer.text], [200, '']);
        assertOpenToAll(answer);
      }
    });

    test('documents and tarballs have ETags, and are not sent again while they stand', async () => {
      for (const path of paths('@acme/lib').slice(0, 6)) {
        const { headers } = await pantry.ask({ path });
        const etag = String(headers['etag']);
        assert.match(etag, /^"[^"]+"$/, path);
        for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
          const again = await pantry.ask({ path, headers: { 'if-none-match': known } });
          assert.deepEqual([again.status, again.text], [304, ''], `${path}: ${known}`);
          assertOpenToAll(again);
        }
        assert.equal((await pantry.ask({ path, headers: { 'if-none-match': '"other"' } })).status, 200);
      }
    });

    test('a tarball is an attachment for ever, one of a commit until it is replaced', async () => {
      const { headers, body } = await pantry.ask({ path: 'packages/@acme/lib/1.0.0/tarball' });
      assert.equal(headers['content-type'], 'application/gzip');
      assert.equal(headers['content-disposition'], 'attachment; filename="acme-lib-1.0.0.tgz"');
      assert.equal(headers['content-length'], String(body.byteLength));
      assert.match(String(headers['cache-control']), /^public, max-age=31536000, .*immutable/);
      assert.deepEqual(body, packNpm(lib('1.0.0')));
      const plain = await pantry.ask({ path: 'packages/plain.js/0.1.0/tarball' });
      assert.equal(plain.headers['content-disposition'], 'attachment; filename="plain.js-0.1.0.tgz"');
      for (const path of paths('@acme/lib')
        .slice(5, 11)
        .filter((path) => /tarball$|^@/.test(path))) {
        const commit = await pantry.ask({ path });
        assert.equal(commit.headers['content-type'], 'application/gzip', path);
        assert.equal(
          commit.headers['content-disposition'],
          'attachment; filename="acme-lib-abc1234.tgz"',
          path,
        );
        assert.equal(commit.headers['content-length'], String(commit.body.byteLength));
        assert.doesNotMatch(String(commit.headers['cache-control']), /immutable/);
        assert.deepEqual(commit.body, packNpm(lib('1.0.0')));
      }
    });

    test('the tarballUrl can be downloaded as it is, and what comes has the checksum', async () => {
      for (const path of ['packages/@acme/lib', 'packages/@acme/lib/1.9.0', `commits/${SHA}/@acme/lib`]) {
        const { tarballUrl, checksum } = await pantry.ok<Record<string, string>>({ path });
        assert.ok(tarballUrl?.startsWith(`${pantry.base}/`), tarballUrl);
        const bytes = Buffer.from(await (await fetch(tarballUrl ?? '')).arrayBuffer());
        assert.equal(sha256(bytes), checksum);
      }
    });

    test('versions are listed with the highest first, and it is the one that is shown', async () => {
      assert.deepEqual(await pantry.ok({ path: 'packages/@acme/lib/versions' }), { versions: highestFirst });
      const latest = await pantry.ok({ path: 'packages/@acme/lib' });
      assert.equal(latest['version'], '2.0.0-rc.1');
      // A version says what it said of itself, whatever came later.
      for (const version of published) {
        const one = await pantry.ok({ path: `packages/@acme/lib/${version}` });
        assert.deepEqual([one['version'], one['description']], [version, `Version ${version}.`]);
      }
      assert.deepEqual(latest, await pantry.ok({ path: 'packages/@acme/lib/2.0.0-rc.1' }));
      assert.deepEqual(await pantry.ok({ path: 'packages/nothing/versions' }), { versions: [] });
      assert.deepEqual(await pantry.ok({ path: 'packages/@no/thing/versions' }), { versions: [] });
    });

    test('what is not said is left out, and never null', async () => {
      const { text } = await pantry.ask({ path: 'packages/plain.js' });
      assert.doesNotMatch(text, /null|undefined|homepage|author|keywords|repository/);
    });

    test('what is not there is a 404 in JSON, in the words of its route', async () => {
      const rows: readonly [path: string, message: string][] = [
        ['packages/nothing', 'Package not found'],
        ['packages/@no/thing', 'Package not found'],
        ['packages/@acme', 'Package not found'],
        ['packages/nothing/1.0.0', 'Package version not found'],
        ['packages/@acme/lib/9.9.9', 'Package version not found'],
        ['packages/@acme/lib/latest', 'Package version not found'],
        ['packages/@acme/lib/~1', 'Package version not found'],
        ['packages/@acme/lib/9.9.9/tarball', 'Package not found'],
        ['packages/nothing/1.0.0/tarball', 'Package not found'],
        ['commits/fffffff', 'No packages found for this commit'],
        ['commits/nosha', 'No packages found for this commit'],
        [`commits/${SHA.slice(0, 7)}`, 'No packages found for this commit'],
        [`commits/${SHA.toUpperCase()}`, 'No packages found for this commit'],
        [`commits/${SHA}/nothing`, 'Commit package not found'],
        [`commits/${SHA}/nothing/tarball`, 'Commit package not found'],
        [`commits/${SHA.slice(0, 6)}/@acme/lib`, 'Commit package not found'],
        [`commits/fffffff/@acme/lib/tarball`, 'Commit package not found'],
        [`@acme/lib@${SHA.slice(0, 6)}`, 'Commit package not found'],
        [`@acme/lib@${SHA}0`, 'Commit package not found'],
        ['@acme/lib@1.0.0', 'Commit package not found'],
        ['nothing@abc1234', 'Commit package not found'],
        ['analytics/nothing', 'No analytics data for this package'],
        ['nothing', 'Not found'],
        ['packages', 'Not found'],
        ['packages/a/b/c/d', 'Not found'],
        ['api/nothing', 'Not found'],
        ['api/analytics/install/30d', 'Not found'],
        ['nothing/at/all', 'Not found'],
      ];
      for (const [path, message] of rows)
        try {
          // A browser is answered no differently.
          const answer = await pantry.ask({ path, headers: { accept: 'text/html' } });
          assertPantryError(answer, 404, message);
        } catch (error) {
          throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
        }
      assertPantryError(await pantry.ask({ path: 'packages/@acme/lib', method: 'DELETE' }), 405, /DELETE/);
      assertPantryError(await pantry.ask({ path: 'search', method: 'POST', body: '{}' }), 405, /POST/);
    });

    test('names that must not reach a path are refused, and no version that cannot be one is looked for', async () => {
      const odd = ['..', '%2e%2e', 'a..b', '..%2f..%2fetc', '@a%2f..', 'a%00b', 'a%0ab', 'a%7fb', '@a%2f%1b'];
      for (const name of odd)
        for (const path of paths(name).slice(0, 11))
          assertPantryError(await pantry.ask({ path }), 400, 'Invalid package name');
      for (const version of ['%20', 'a%2fb', '%00', '1.0.0%3f', 'v'.repeat(65), '1.0.0~', '%e2%98%83'])
        assertPantryError(
          await pantry.ask({ path: `packages/@acme/lib/${version}/tarball` }),
          400,
          'Invalid version',
        );
      assertPantryError(await pantry.ask({ path: 'packages/%zz' }), 400, /percent-encoding/);
      assertPantryError(await pantry.ask({ path: 'packages/%ff' }), 400, /percent-encoding/);
    });

    test('a token that means nothing here is no reason to refuse a read', async () => {
      for (const authorization of ['Bearer unknown', 'unknown', 'Basic YTpi', 'token github'])
        for (const [path, status] of [
          ['packages/@acme/lib', 200],
          ['packages/nothing', 404],
          [`commits/${SHA.slice(0, 8)}/@acme/lib/tarball`, 200],
          ['packages/@acme/lib/9.9.9/tarball', 404],
          ['packages/nothing/versions', 200],
        ] as const)
          assert.equal((await pantry.ask({ path, headers: { authorization } })).status, status, path);
    });

    test('the server says that it is well', async () => {
      const { status, timestamp } = await pantry.ok({ path: 'health' });
      assert.equal(status, 'ok');
      assert.match(String(timestamp), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    });
  });

test('names that lie in one place are kept apart, also where their files are called the same', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const names = [
    '@a/b-c',
    '@a-b/c',
    'versions',
    'tarball',
    'top',
    'commits',
    'packages',
    'zig',
    'npm',
    'search',
  ];
  for (const name of names)
    assert.equal((await pantry.publish({ name, version: '1.0.0' })).status, 201, name);
  assert.equal(
    (
      await pantry.publishCommit(
        SHA,
        [...names.slice(0, 4)].map((name) => ({ name, version: '1.0.0' })),
      )
    ).status,
    201,
  );
  for (const name of names) {
    assert.equal((await pantry.ok({ path: `packages/${name}` }))['name'], name);
    assert.deepEqual(await pantry.ok({ path: `packages/${name}/versions` }), { versions: ['1.0.0'] });
    const { body, headers } = await pantry.ask({ path: `packages/${name}/1.0.0/tarball` });
    assert.deepEqual(body, packNpm({ name, version: '1.0.0' }), name);
    if (name.startsWith('@a')) assert.match(String(headers['content-disposition']), /"a-b-c-1\.0\.0\.tgz"/);
  }
  for (const name of names.slice(0, 4)) {
    assert.equal((await pantry.ok({ path: `commits/${SHA}/${name}` }))['name'], name);
    assert.deepEqual(
      (await pantry.ask({ path: `${name}@${SHA}` })).body,
      packNpm({ name, version: '1.0.0' }),
    );
  }
});

interface Hit {
  readonly name: string;
  readonly downloads: number;
}

test('search finds a text in names, descriptions and keywords, the most downloaded first, and never as HTML', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const packages = [
    {
      name: 'alpha',
      version: '1.0.0',
      manifest: { description: 'A Small library', author: { name: 'Ann' } },
    },
    {
      name: '@acme/beta',
      version: '2.0.0',
      manifest: { keywords: ['SMALL', 'other'], description: undefined },
    },
    { name: 'smallest', version: '1.0.0', manifest: { description: 'Quoted "words" and \\ more ☃.' } },
    { name: 'gamma', version: '1.0.0', manifest: { description: 'Nothing of it' } },
  ];
  for (const one of packages) assert.equal((await pantry.publish(one)).status, 201);
  for (let i = 0; i < 3; i += 1) await pantry.ask({ path: 'packages/smallest/1.0.0/tarball' });
  await pantry.ask({ path: 'packages/@acme/beta/2.0.0/tarball' });
  const search = async (query: string, headers = {}): Promise<readonly Hit[]> =>
    (await pantry.ok<{ results: Hit[] }>({ path: `search?${query}`, headers })).results;
  assert.deepEqual(await search('q=small&format=json'), [
    {
      name: 'smallest',
      version: '1.0.0',
      description: 'Quoted "words" and \\ more ☃.',
      downloads: 3,
    },
    { name: '@acme/beta', version: '2.0.0', keywords: ['SMALL', 'other'], downloads: 1 },
    { name: 'alpha', version: '1.0.0', description: 'A Small library', author: 'Ann', downloads: 0 },
  ]);
  const names = async (query: string, headers = {}): Promise<readonly string[]> =>
    (await search(query, headers)).map(({ name }) => name);
  // What a browser sends changes nothing.
  for (const accept of ['text/html', 'application/json', '*/*', 'text/html, application/json'])
    assert.deepEqual(await names('q=SMALL', { accept }), ['smallest', '@acme/beta', 'alpha']);
  assert.deepEqual(await names('q=small&limit=1'), ['smallest']);
  assert.deepEqual(await names('q=small&limit=0'), []);
  assert.deepEqual(await names('q=%22words%22'), ['smallest']);
  assert.deepEqual(await names('q=%5C%20more'), ['smallest']);
  assert.deepEqual(await names('q=%E2%98%83'), ['smallest']);
  assert.deepEqual(await names('q=acme/'), ['@acme/beta']);
  assert.deepEqual(await names('q=@acme/beta'), ['@acme/beta']);
  // What is not in a name, a description or a keyword is not found, however the hit is written down.
  for (const text of ['Ann', 'version', '1.0.0', 'keywords', 'MIT', 'nothing at all'])
    assert.deepEqual(await names(`q=${encodeURIComponent(text)}`), [], text);
  assert.equal((await names('')).length, 4);
  assert.equal((await names('q=')).length, 4);
  assert.deepEqual(await names(`q=${'small'.padEnd(256, '-')}tail`), []);
  assert.deepEqual(await names(`q=${'a'.repeat(5000)}`), []);
  assertPantryError(await pantry.ask({ path: 'search?q=a&limit=many' }), 400, /limit/);
});

test('search gives 20 hits unless told, and never more than 50', async (t) => {
  const server = await openTestServer(t);
  const pantry = pantryApi(server);
  await Promise.all(
    Array.from({ length: 55 }, (_, i) =>
      pantry.publish({ name: `lib${String(i).padStart(2, '0')}`, version: '1.0.0' }),
    ),
  );
  const count = async (query: string): Promise<number> =>
    (await pantry.ok<{ results: Hit[] }>({ path: `search?q=lib${query}` })).results.length;
  assert.deepEqual([await count(''), await count('&limit=21'), await count('&limit=1000')], [20, 21, 50]);
});

test('what is taken out is gone from everything, and what is deprecated says so', async (t) => {
  const server = await openTestServer(t, { CAIRN_NPM_UNPUBLISH_HOURS: '72' });
  const pantry = pantryApi(server);
  const npm = npmApi(server);
  for (const version of ['1.0.0', '2.0.0']) assert.equal((await pantry.publish(lib(version))).status, 201);
  const document = await npm.packument('@acme/lib', ADMIN_TOKEN);
  const deprecated = { ...document, versions: { ...document.versions } } as Record<string, unknown>;
  (deprecated['versions'] as Record<string, object>)['1.0.0'] = {
    ...document.versions['1.0.0'],
    deprecated: 'Use 2.0.0.',
  };
  assert.ok(
    (await npm.ask({ method: 'PUT', path: '@acme%2flib', token: ADMIN_TOKEN, json: deprecated })).status <
      300,
  );
  assert.equal((await pantry.ok({ path: 'packages/@acme/lib/1.0.0' }))['deprecated'], 'Use 2.0.0.');
  const { _rev, versions, ...rest } = await npm.packument('@acme/lib');
  const { '2.0.0': _gone, ...left } = versions;
  const without = { ...rest, _rev, versions: left, 'dist-tags': { latest: '1.0.0' } };
  const put = await npm.ask({
    method: 'PUT',
    path: `@acme%2flib/-rev/${_rev}`,
    token: ADMIN_TOKEN,
    json: without,
  });
  assert.ok(put.status < 300, put.text);
  assert.equal((await pantry.ok({ path: 'packages/@acme/lib' }))['version'], '1.0.0');
  assert.deepEqual(await pantry.ok({ path: 'packages/@acme/lib/versions' }), { versions: ['1.0.0'] });
  assertPantryError(await pantry.ask({ path: 'packages/@acme/lib/2.0.0' }), 404, 'Package version not found');
  assertPantryError(await pantry.ask({ path: 'packages/@acme/lib/2.0.0/tarball' }), 404, 'Package not found');
  // The number is burnt.
  assertPantryError(await pantry.publish(lib('2.0.0')), 409, /was deleted/);
});

test('a private package can be read with a token of those who may, and is nothing to all others', async (t) => {
  const server = await openTestServer(t);
  const pantry = pantryApi(server);
  const scopes = ['read', 'publish', 'yank', 'owner'] as const;
  const alice = await makeToken(server.data, { handle: 'alice', scopes });
  const bob = await makeToken(server.data, { handle: 'bob', scopes });
  const secret = { name: '@acme/secret', version: '1.0.0' };
  assert.equal((await npmApi(server).publish(secret, alice, { access: 'restricted' })).status, 201);
  assert.equal((await pantry.publishCommit(SHA, [secret], alice)).status, 201);
  const paths = (name: string): readonly string[] => [
    `packages/${name}`,
    `packages/${name}/1.0.0`,
    `packages/${name}/1.0.0/tarball`,
    `packages/${name}/versions`,
    `commits/${SHA}/${name}`,
    `commits/${SHA}/${name}/tarball`,
    `commits/${SHA.slice(0, 9)}/${name}/tarball`,
    `${name}@${SHA}`,
    `${name}@${SHA.slice(0, 7)}`,
    `npm/resolve/${name}@1.0.0`,
  ];
  for (const token of [alice, ADMIN_TOKEN])
    for (const path of paths('@acme/secret')) {
      const answer = await pantry.ask({ path, token });
      assert.equal(answer.status, 200, `${path}: ${answer.text}`);
      // No cache between us may hold it.
      assert.match(String(answer.headers['cache-control']), /no-store|private/, path);
    }
  assert.deepEqual(await pantry.ok({ path: 'packages/@acme/secret/versions', token: alice }), {
    versions: ['1.0.0'],
  });
  const tarball = await pantry.ask({ path: 'packages/@acme/secret/1.0.0/tarball', token: alice });
  assert.deepEqual(tarball.body, packNpm(secret));
  for (const token of [undefined, bob])
    for (const [i, path] of paths('@acme/secret').entries()) {
      const as = token === undefined ? {} : { token };
      const [hidden, missing] = [
        await pantry.ask({ path, ...as }),
        await pantry.ask({ path: paths('@acme/nothere')[i] ?? '', ...as }),
      ];
      assert.deepEqual([hidden.status, hidden.text], [missing.status, missing.text], path);
      const { 'x-request-id': _a, date: _b, ...headers } = hidden.headers;
      const { 'x-request-id': _c, date: _d, ...others } = missing.headers;
      assert.deepEqual(headers, others, path);
    }
  assertPantryError(await pantry.ask({ path: `commits/${SHA}` }), 404, 'No packages found for this commit');
  assertPantryError(await pantry.ask({ path: `secret@${SHA}` }), 404, 'Commit package not found');
  assert.deepEqual(await pantry.ok({ path: 'search?q=secret' }), { results: [] });
  // Whoever reads it leaves no trace that others could see.
  await pantry.ask({ path: 'packages/@acme/secret/3.0.0', token: alice });
  const counted = `analytics/${encodeURIComponent('@acme/secret')}`;
  assertPantryError(await pantry.ask({ path: counted }), 404, 'No analytics data for this package');
  // Strangers have asked for versions of it above, as anybody may for those of anything.
  assert.doesNotMatch((await pantry.ask({ path: `${counted}/requested-versions` })).text, /3\.0\.0|true/);
  assert.deepEqual(await pantry.ok({ path: 'analytics/top' }), { packages: [] });
  assert.doesNotMatch((await pantry.ask({ path: 'analytics/install/30d' })).text, /secret/);
});
