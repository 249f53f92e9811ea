/** Packages of another registry in Pantry's shapes, and many answers in one (contract of Pantry, section 9). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { eventually } from '../support/eventually.ts';
import { packumentText, says, versionObject, type FakeUpstream } from '../support/fake-upstream.ts';
import { send } from '../support/http.ts';
import { npmApi } from '../support/npm-api.ts';
import { impatient, openWithFallback, type Surroundings } from '../support/npm-fallback.ts';
import { integrityOf, packNpm } from '../support/npm-package.ts';
import {
  assertOpenToAll,
  assertPantryError,
  pantryApi,
  spellings,
  type PantryApi,
} from '../support/pantry-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import type { TestServer } from '../support/test-server.ts';

const SHA = 'abc1234def567890abc1234def567890abc1234d';

interface Opened {
  readonly upstream: FakeUpstream;
  readonly server: TestServer;
  readonly pantry: PantryApi;
}

async function open(t: TestContext, around: Surroundings = {}): Promise<Opened> {
  const { upstream, server } = await openWithFallback(t, {
    ...around,
    env: { CAIRN_MOUNTS: 'npm=/npm,pantry=/pantry', ...around.env },
  });
  return { upstream, server, pantry: pantryApi(server) };
}

const scopes = ['read', 'publish', 'yank', 'owner'] as const;

test('a version of another registry comes in the shape of ours, from one question', async (t) => {
  const { upstream, pantry } = await open(t);
  const tarball = `${upstream.url}/@other/lib/-/lib-1.2.3.tgz`;
  const document = {
    ...versionObject('@other/lib', '1.2.3', tarball),
    description: 'Theirs.',
    repository: { type: 'git', url: 'git+https://git.example/lib.git', directory: 'x' },
    license: { type: 'ISC' },
    author: { name: 'Bob', email: 'bob@other.example' },
    homepage: 'https://other.example',
    keywords: ['a', 5, 'b'],
    scripts: { postinstall: 'x' },
    devDependencies: { tool: '1' },
    maintainers: [{ name: 'bob' }],
  };
  for (const version of ['latest', '1.2.3'])
    upstream.answers.set(`/@other%2flib/${version}`, says(JSON.stringify(document)));
  for (const name of spellings('@other/lib'))
    for (const path of [`packages/${name}`, `packages/${name}/1.2.3`]) {
      const before = upstream.asked.length;
      const { publishedAt, ...shown } = await pantry.ok({ path });
      assert.equal(upstream.asked.length, before + 1);
      assert.deepEqual(shown, {
        name: '@other/lib',
        version: '1.2.3',
        description: 'Theirs.',
        repository: 'git+https://git.example/lib.git',
        homepage: 'https://other.example',
        license: 'ISC',
        author: 'Bob',
        keywords: ['a', 'b'],
        dependencies: { tarball: '^1.0.0', dist: '^2.0.0' },
        devDependencies: { tool: '1' },
        tarballUrl: tarball,
        checksum: `sha1:${'0'.repeat(40)}`,
      });
      assert.ok(Math.abs(Date.parse(String(publishedAt)) - Date.now()) < 3_600_000);
      assert.equal((await pantry.ask({ path })).headers['cache-control'], 'no-store');
    }
});

test('versions of another registry are listed with the highest first, and none is no failure', async (t) => {
  const { upstream, pantry } = await open(t);
  upstream.answers.set(
    '/is-odd',
    says(packumentText('is-odd', ['1.0.0', '10.0.0', '2.0.0-rc.1', '2.0.0', 'odd'], () => 'x')),
  );
  assert.deepEqual(await pantry.ok({ path: 'packages/is-odd/versions' }), {
    versions: ['10.0.0', '2.0.0', '2.0.0-rc.1', '1.0.0'],
  });
  assert.deepEqual(await pantry.ok({ path: 'packages/not-there/versions' }), { versions: [] });
  assertPantryError(await pantry.ask({ path: 'packages/not-there' }), 404, 'Package not found');
  assertPantryError(await pantry.ask({ path: 'packages/is-odd/9.9.9' }), 404, 'Package version not found');
  assertPantryError(await pantry.ask({ path: 'packages/is-odd/9.9.9/tarball' }), 404, 'Package not found');
  // A version that is missing there is wanted here.
  const { requests } = await pantry.ok<{ requests: { version: string }[] }>({
    path: 'analytics/is-odd/requested-versions',
  });
  assert.deepEqual(
    requests.map(({ version }) => version),
    ['9.9.9'],
  );
});

test('a tarball of another registry is where that says, or comes through us', async (t) => {
  for (const tarballs of ['redirect', 'stream'] as const) {
    const { upstream, pantry } = await open(t, { tarballs });
    const at = `${upstream.url}/is-odd/-/is-odd-1.0.0.tgz`;
    upstream.answers.set('/is-odd/1.0.0', says(JSON.stringify(versionObject('is-odd', '1.0.0', at))));
    upstream.answers.set('/is-odd/-/is-odd-1.0.0.tgz', says('the bytes', { 'content-type': 'text/html' }));
    const answer = await pantry.ask({ path: 'packages/is-odd/1.0.0/tarball' });
    assertOpenToAll(answer);
    assert.equal(answer.headers['cache-control'], 'private, no-store');
    if (tarballs === 'redirect') assert.deepEqual([answer.status, answer.headers['location']], [302, at]);
    else {
      assert.deepEqual([answer.status, answer.text], [200, 'the bytes']);
      assert.equal(answer.headers['content-type'], 'application/gzip');
      assert.equal(answer.headers['content-disposition'], 'attachment; filename="is-odd-1.0.0.tgz"');
    }
  }
});

test('an upstream that fails, stalls, or talks nonsense is said to, and never kept', async (t) => {
  const { upstream, pantry } = await open(t, { limits: impatient });
  const paths = ['packages/p', 'packages/p/1.0.0', 'packages/p/1.0.0/tarball', 'packages/p/versions'];
  const answerAll = (answering: Parameters<FakeUpstream['answers']['set']>[1]): void => {
    for (const path of ['/p', '/p/latest', '/p/1.0.0']) upstream.answers.set(path, answering);
  };
  for (const [answering, status] of [
    [says('oh', {}, 500), 502],
    [says('<html>'), 502],
    [says('[]'), 502],
    [() => undefined, 504],
  ] as const) {
    answerAll(answering);
    for (const path of paths) assertPantryError(await pantry.ask({ path }), status, /upstream/);
  }
});

test('names, versions and files that nothing can be called are not asked for', async (t) => {
  const { upstream, pantry } = await open(t, { tarballs: 'stream' });
  const names = ['.hidden', '_private', 'a%2fb', '@a%2fb%2fc', 'a%20b', 'a%3fb', 'a%23b', 'a%5cb', '-'];
  for (const name of [...names, 'a'.repeat(215)])
    for (const end of ['', '/1.0.0', '/1.0.0/tarball', '/versions'])
      assert.ok([200, 404].includes((await pantry.ask({ path: `packages/${name}${end}` })).status), name);
  for (const version of ['~1', '%5e1', '1%2f2', '..%2f..%2fother', 'a?b', '%20'].map((text) =>
    text.replace('?', '%3f'),
  ))
    assertPantryError(
      await pantry.ask({ path: `packages/is-odd/${version}` }),
      404,
      'Package version not found',
    );
  const odd = ['../../etc', 'a b', 'a?b', '@a/b/c', '', '.x', '_x', 'a#b'];
  const dependencies = Object.fromEntries(odd.map((name) => [name, '*']));
  assert.deepEqual(await pantry.ok({ path: 'npm/resolve', json: { dependencies } }), { resolved: {} });
  assert.deepEqual(upstream.asked, []);
});

test('what is ours is never asked for elsewhere: neither its name, nor its scope, nor its commits, nor what is private or reserved', async (t) => {
  const { upstream, server, pantry } = await open(t, { tarballs: 'stream' });
  const alice = await makeToken(server.data, { handle: 'alice', scopes });
  const npm = npmApi(server);
  assert.equal((await pantry.publish({ name: 'ours', version: '1.0.0' }, alice)).status, 201);
  assert.equal(
    (await pantry.publishCommit(SHA, [{ name: 'only-commits', version: '1.0.0' }], alice)).status,
    201,
  );
  assert.equal(
    (await npm.publish({ name: '@acme/secret', version: '1.0.0' }, alice, { access: 'restricted' })).status,
    201,
  );
  await remoteControl(join(server.data, 'control.sock')).execute([
    { kind: 'claim', ecosystem: 'npm', name: 'reserved', owner: 'alice' },
    { kind: 'claim', ecosystem: 'npm', name: '@reserved', of: 'namespace', owner: 'alice' },
  ]);
  const tarball = (name: string): string => `${upstream.url}/${name}/-/x-9.0.0.tgz`;
  const names = ['ours', 'only-commits', '@acme/secret', '@acme/other', 'reserved', '@reserved/x'];
  for (const token of [undefined, alice])
    for (const name of names) {
      const as = token === undefined ? {} : { token };
      for (const end of ['', '/9.0.0', '/9.0.0/tarball', '/versions', '/latest'])
        await pantry.ask({ path: `packages/${name}${end}`, ...as });
      await pantry.ask({
        path: 'npm/resolve',
        json: { dependencies: { [name]: '9.0.0', alias: `npm:${name}@9` } },
        ...as,
      });
      await pantry.ask({ path: `npm/resolve/${name}@9.0.0`, ...as });
      const packages = [{ name, version: '9.0.0', tarball: tarball(name) }];
      assertPantryError(
        await pantry.ask({ path: 'registry/download', json: { packages }, ...as }),
        400,
        'No valid registry tarballs requested',
      );
    }
  assert.deepEqual(
    upstream.asked.map(({ path }) => path),
    [],
  );
});

const hit = (name: string, over: object = {}): object => ({
  package: { name, version: '1.0.0', description: `Theirs: ${name}.`, author: { name: 'Bob' }, ...over },
});

test('search shows ours first and then as many of theirs as are wanted, and none of theirs that are ours', async (t) => {
  const { upstream, server, pantry } = await open(t);
  const alice = await makeToken(server.data, { handle: 'alice', scopes });
  assert.equal((await pantry.publish({ name: 'odd-ours', version: '2.0.0' }, alice)).status, 201);
  assert.equal(
    (await npmApi(server).publish({ name: '@acme/odd', version: '1.0.0' }, alice, { access: 'restricted' }))
      .status,
    201,
  );
  const objects = [
    hit('odd-ours'),
    hit('@acme/odd'),
    hit('@acme/odd-too'),
    hit('is-odd', { keywords: ['math'] }),
    { package: { name: 5 } },
    { nothing: true },
    hit('odder', { version: undefined }),
    hit('oddest'),
  ];
  const asked = (limit: number): void =>
    void upstream.answers.set(`/-/v1/search?text=odd&size=${limit}`, says(JSON.stringify({ objects })));
  for (const limit of [19, 1, 49]) asked(limit);
  const names = async (query: string): Promise<readonly string[]> =>
    (await pantry.ok<{ results: { name: string }[] }>({ path: `search?${query}` })).results.map(
      ({ name }) => name,
    );
  assert.deepEqual(await names('q=odd'), ['odd-ours', 'is-odd', 'oddest']);
  assert.deepEqual(await names('q=odd&limit=2'), ['odd-ours', 'is-odd']);
  assert.deepEqual(await names('q=odd&limit=99'), ['odd-ours', 'is-odd', 'oddest']);
  const { results } = await pantry.ok<{ results: object[] }>({ path: 'search?q=odd' });
  assert.deepEqual(results[1], {
    name: 'is-odd',
    version: '1.0.0',
    description: 'Theirs: is-odd.',
    keywords: ['math'],
    author: 'Bob',
    downloads: 0,
  });
  const before = upstream.asked.length;
  assert.deepEqual(await names('q=odd&limit=1'), ['odd-ours']);
  assert.deepEqual(await names('q='), ['odd-ours']);
  assert.equal(upstream.asked.length, before, 'nothing to ask for');
  for (const failing of [says('oh', {}, 500), says('<html>'), says('{"objects":5}')]) {
    upstream.answers.set('/-/v1/search?text=odd&size=19', failing);
    assert.deepEqual(await names('q=odd'), ['odd-ours']);
  }
});

interface Resolved {
  readonly version: string;
  readonly tarball: string;
  readonly integrity?: string;
  readonly dependencies: Record<string, string>;
}

/** Packages of the upstream, as `name: { version: dependencies and more }`. */
function offer(upstream: FakeUpstream, packages: Record<string, Record<string, object>>): void {
  for (const [name, versions] of Object.entries(packages)) {
    const document = {
      name,
      'dist-tags': { latest: Object.keys(versions).at(-1), next: Object.keys(versions)[0] },
      versions: Object.fromEntries(
        Object.entries(versions).map(([version, more]) => [
          version,
          {
            name,
            version,
            dist: {
              tarball: `${upstream.url}/${name}/-/x-${version}.tgz`,
              integrity: `sha512-${name}-${version}`,
            },
            ...more,
          },
        ]),
      ),
    };
    upstream.answers.set(`/${name.replace('/', '%2f')}`, says(JSON.stringify(document)));
  }
}

async function resolve(
  pantry: PantryApi,
  dependencies: object,
  token?: string,
): Promise<Record<string, Resolved>> {
  const as = token === undefined ? {} : { token };
  return (
    await pantry.ok<{ resolved: Record<string, Resolved> }>({
      path: 'npm/resolve',
      json: { dependencies },
      ...as,
    })
  ).resolved;
}

const versionsOf = (resolved: Record<string, Resolved>): Record<string, string> =>
  Object.fromEntries(Object.entries(resolved).map(([name, { version }]) => [name, version]));

test('a tree is resolved in one answer: ranges, tags, aliases, peers, circles, ours and theirs', async (t) => {
  const { upstream, pantry } = await open(t);
  offer(upstream, {
    react: {
      '17.0.2': {},
      '18.2.0': {},
      '18.3.1': { dependencies: { 'loose-envify': '^1.1.0' } },
      '19.0.0': {},
    },
    'loose-envify': {
      '1.0.0': {},
      '1.4.0': { dependencies: { 'js-tokens': '^3.0.0 || ^4.0.0' } },
      '2.0.0': {},
    },
    'js-tokens': { '4.0.0': {}, '5.0.0': {} },
    '@s/x': {
      '1.0.0-beta.1': {},
      '1.5.0': {
        peerDependencies: { peer: '*', maybe: '*' },
        peerDependenciesMeta: { maybe: { optional: true } },
      },
    },
    peer: { '3.0.0': {} },
    maybe: { '1.0.0': {} },
    circle: { '1.0.0': { dependencies: { round: '*' } } },
    round: { '1.0.0': { dependencies: { circle: '*', round: '*' } } },
    y: { '1.0.0': {}, '1.9.0': {}, '2.0.0': {} },
    dev: { '1.0.0': { devDependencies: { peer: '*' }, optionalDependencies: { maybe: '*' } } },
    old: { '1.0.0': {}, '2.0.0': {}, '1.5.0': {} },
  });
  assert.equal(
    (
      await pantry.publish({
        name: '@acme/lib',
        version: '1.4.0',
        manifest: { dependencies: { old: '^1.0.0' } },
      })
    ).status,
    201,
  );
  assert.equal((await pantry.publish({ name: '@acme/lib', version: '2.0.0-rc.1' })).status, 201);
  const { headers } = await pantry.ask({ path: 'npm/resolve', json: { dependencies: { y: '*' } } });
  assert.equal(headers['x-cache'], 'MISS');
  const found = await resolve(pantry, {
    react: '^18',
    '@s/x': 'latest',
    circle: '1.0.0',
    alias: 'npm:y@^1',
    '@acme/lib': '^1.0.0',
    dev: '',
    github: 'user/repository',
    git: 'git+https://git.example/x.git',
    file: 'file:../x',
    workspace: 'workspace:*',
    'no-such': '^1.0.0',
    peer: 'next',
  });
  assert.deepEqual(versionsOf(found), {
    react: '18.3.1',
    '@s/x': '1.5.0',
    circle: '1.0.0',
    y: '1.9.0',
    '@acme/lib': '1.4.0',
    dev: '1.0.0',
    peer: '3.0.0',
    'loose-envify': '1.4.0',
    round: '1.0.0',
    // A tag where it fits, even if another is higher.
    old: '1.5.0',
    'js-tokens': '4.0.0',
  });
  assert.deepEqual(found['react'], {
    version: '18.3.1',
    tarball: `${upstream.url}/react/-/x-18.3.1.tgz`,
    integrity: 'sha512-react-18.3.1',
    dependencies: { 'loose-envify': '^1.1.0' },
  });
  assert.equal(found['@acme/lib']?.tarball, `${pantry.base}/packages/%40acme%2Flib/1.4.0/tarball`);
  assert.equal(
    (await pantry.ask({ path: found['@acme/lib'].tarball.slice(pantry.base.length + 1) })).status,
    200,
  );
  assert.ok(upstream.asked.every(({ path }) => !path.includes('maybe')));
});

test('the same list may stand in the path, in either spelling', async (t) => {
  const { upstream, pantry } = await open(t);
  offer(upstream, {
    react: { '18.3.1': {}, '19.0.0': {} },
    '@s/x': { '1.0.0': {}, '2.0.0': {} },
    y: { '1.0.0': {} },
  });
  const wanted = { react: '18.3.1', '@s/x': '1.0.0', y: '1.0.0' };
  for (const list of [
    'react@^18,@s/x@^1,y',
    'react@%5E18,@s%2Fx@^1,y@',
    encodeURIComponent('react@^18,@s/x@^1,y@latest'),
  ])
    assert.deepEqual(
      versionsOf(
        (await pantry.ok<{ resolved: Record<string, Resolved> }>({ path: `npm/resolve/${list}` })).resolved,
      ),
      wanted,
      list,
    );
  assert.deepEqual(await pantry.ok({ path: 'npm/resolve/@s/x@^9,not-there' }), { resolved: {} });
});

test('what nothing can be resolved of is refused', async (t) => {
  const { pantry } = await open(t);
  const missing = 'Missing or empty "dependencies" object in request body';
  const path = 'npm/resolve';
  for (const json of [
    {},
    { dependencies: {} },
    { dependencies: [] },
    { dependencies: 'react' },
    [],
    null,
    'react',
  ])
    assertPantryError(await pantry.ask({ path, json }), 400, missing);
  assertPantryError(await pantry.ask({ path: 'npm/resolve/,' }), 400, missing);
  const headers = { 'content-type': 'application/json' };
  assertPantryError(await pantry.ask({ path, body: '{', headers }), 400, /not JSON/);
  assertPantryError(await pantry.ask({ path, body: '{}' }), 415, /application\/json/);
  assertPantryError(
    await pantry.ask({ path, body: ' '.repeat((1 << 20) + 1), headers }),
    413,
    /over the limit/,
  );
});

test('a thousand names are resolved at once, and what is beyond them is left to the client', async (t) => {
  const { upstream, pantry } = await open(t);
  const names = Array.from({ length: 1_100 }, (_, i) => `name-${i}`);
  // A chain as well as a crowd: nobody may be sent around for ever.
  offer(
    upstream,
    Object.fromEntries(names.map((name, i) => [name, { '1.0.0': { dependencies: { [`far-${i}`]: '*' } } }])),
  );
  const found = await resolve(pantry, Object.fromEntries(names.slice(0, 1_000).map((name) => [name, '*'])));
  assert.equal(Object.keys(found).length, 1_000);
  const some = await resolve(pantry, Object.fromEntries(names.map((name) => [name, '*'])));
  assert.equal(Object.keys(some).length, 1_000);
  assert.ok(
    upstream.asked.every(({ path }) => /^\/name-\d+$/.test(path)),
    'asked beyond the limit',
  );
});

test('names whose registry fails are left out, and a chain of any length ends', async (t) => {
  const { upstream, pantry } = await open(t);
  offer(upstream, { good: { '1.0.0': { dependencies: { failing: '*', nonsense: '*' } } } });
  upstream.answers.set('/failing', says('oh', {}, 500));
  upstream.answers.set('/nonsense', says('<html>'));
  upstream.answers.set(
    '/untrue',
    says('{"versions":{"1.0.0":{"dist":{"tarball":5}},"2.0.0":null},"dist-tags":[]}'),
  );
  assert.deepEqual(versionsOf(await resolve(pantry, { good: '*', untrue: '*', failing: '^1' })), {
    good: '1.0.0',
  });
  for (let i = 0; i < 300; i += 1)
    offer(upstream, { [`chain-${i}`]: { '1.0.0': { dependencies: { [`chain-${i + 1}`]: '*' } } } });
  assert.equal(Object.keys(await resolve(pantry, { 'chain-0': '*' })).length, 300);
});

test('only so many trees are resolved at once, and the others are told to do without', async (t) => {
  const { upstream, pantry } = await open(t);
  const held: (() => void)[] = [];
  upstream.answers.set('/slow', (_request, response) => {
    held.push(() => says('{"versions":{},"dist-tags":{}}')(_request, response));
  });
  const running = Array.from({ length: 4 }, () =>
    pantry.ask({ path: 'npm/resolve', json: { dependencies: { slow: '*' } } }),
  );
  await eventually(async () => assert.ok(held.length > 0, 'nobody asked'));
  await eventually(async () => {
    const fifth = await Promise.race([
      pantry.ask({ path: 'npm/resolve', json: { dependencies: { not: '*' } } }),
      new Promise<undefined>((late) => setTimeout(late, 1000, undefined)),
    ]);
    assert.equal(fifth?.status, 504, 'four are not under way yet');
  });
  assertPantryError(await pantry.ask({ path: 'npm/resolve/not@1' }), 504, /under way/);
  const release = setInterval(() => held.splice(0).forEach((answer) => answer()), 20);
  for (const answer of await Promise.all(running)) assert.equal(answer.status, 200);
  clearInterval(release);
  assert.equal((await pantry.ask({ path: 'npm/resolve', json: { dependencies: { not: '*' } } })).status, 200);
});

test('a private name is resolved for those who may know of it, and for others as one that is not there', async (t) => {
  const { upstream, server, pantry } = await open(t);
  const alice = await makeToken(server.data, { handle: 'alice', scopes });
  const bob = await makeToken(server.data, { handle: 'bob', scopes });
  offer(upstream, { '@acme/secret': { '9.0.0': {} }, '@acme/nothin': { '9.0.0': {} } });
  assert.equal(
    (
      await npmApi(server).publish({ name: '@acme/secret', version: '1.0.0' }, alice, {
        access: 'restricted',
      })
    ).status,
    201,
  );
  assert.deepEqual(versionsOf(await resolve(pantry, { '@acme/secret': '*' }, alice)), {
    '@acme/secret': '1.0.0',
  });
  const tarball = (name: string): string =>
    `${pantry.base}/packages/${encodeURIComponent(name)}/1.0.0/tarball`;
  for (const token of [undefined, bob, 'unknown']) {
    const as = token === undefined ? {} : { token };
    const answers = [];
    for (const name of ['@acme/secret', '@acme/nothin']) {
      const packages = [{ name, version: '1.0.0', tarball: tarball(name) }];
      answers.push([
        await pantry.ask({ path: 'npm/resolve', json: { dependencies: { [name]: '*' } }, ...as }),
        await pantry.ask({ path: `npm/resolve/${name}`, ...as }),
        await pantry.ask({ path: 'registry/download', json: { packages }, ...as }),
        await pantry.ask({ path: `packages/${name}/versions`, ...as }),
      ]);
    }
    const [hidden, missing] = answers.map((of) =>
      of.map(({ status, text, headers: { date: _date, 'x-request-id': _id, ...headers } }) => ({
        status,
        text,
        headers,
      })),
    );
    assert.deepEqual(hidden, missing);
  }
  const packages = [{ name: '@acme/secret', version: '1.0.0', tarball: tarball('@acme/secret') }];
  assert.equal(
    (await pantry.ask({ path: 'registry/download', json: { packages }, token: alice })).status,
    200,
  );
  assertPantryError(
    await pantry.ask({ path: 'analytics/@acme/secret' }),
    404,
    'No analytics data for this package',
  );
  assert.deepEqual(upstream.asked, []);
});

interface Manifest {
  readonly packages: readonly { readonly name: string; readonly file: string; readonly size: number }[];
}

/** As the system's tar unpacks it: its members in order, what manifest.json says, and their bytes. */
async function unpack(
  t: TestContext,
  archive: Buffer,
): Promise<{ members: readonly string[]; manifest: Manifest; read: (file: string) => Buffer }> {
  const directory = await temporaryDirectory(t);
  const path = join(directory, 'all.tar');
  writeFileSync(path, archive);
  const members = execFileSync('tar', ['-tf', path], { encoding: 'utf8' }).trim().split('\n');
  execFileSync('tar', ['-xf', path, '-C', directory]);
  const read = (file: string): Buffer => readFileSync(join(directory, file));
  return { members, manifest: JSON.parse(read('manifest.json').toString()) as Manifest, read };
}

test('many tarballs come as one tar, ours and theirs, with a manifest of them at its end', async (t) => {
  const { upstream, server, pantry } = await open(t);
  const lib = { name: '@acme/lib', version: '1.0.0' };
  assert.equal((await pantry.publish(lib)).status, 201);
  assert.equal((await pantry.publishCommit(SHA, [lib])).status, 201);
  const theirs = Buffer.alloc(70_000, 'their bytes ');
  upstream.answers.set(
    '/is-odd/-/is-odd-1.0.0.tgz',
    says(theirs, { 'content-length': String(theirs.length) }),
  );
  upstream.answers.set('/unsized/-/unsized-1.0.0.tgz', (_request, response) => {
    response.write('half and ');
    response.end('half');
  });
  upstream.answers.set('/broken/-/broken-1.0.0.tgz', says('oh', {}, 500));
  const own = (path: string): string => `${pantry.base}/${path}`;
  const item = (name: string, tarball: string, more: object = {}): object => ({
    name,
    version: '1.0.0',
    tarball,
    ...more,
  });
  const integrity = integrityOf(packNpm(lib));
  const packages = [
    item('is-odd', `${upstream.url}/is-odd/-/is-odd-1.0.0.tgz`),
    item('@acme/lib', own('packages/%40acme%2Flib/1.0.0/tarball'), { integrity }),
    item('gone', `${upstream.url}/gone/-/gone-1.0.0.tgz`),
    item('@acme/lib', own('packages/@acme/lib/1.0.0/tarball')),
    item('@acme/lib', own(`commits/${SHA}/@acme%2Flib/tarball`)),
    item('broken', `${upstream.url}/broken/-/broken-1.0.0.tgz`),
    item('unsized', `${upstream.url}/unsized/-/unsized-1.0.0.tgz`, {
      integrity: 'sha512-as-it-was-sent',
      more: 1,
    }),
  ];
  for (const path of ['registry/download', 'npm/download']) {
    const answer = await pantry.ask({ path, json: { packages } });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers['content-type'], 'application/x-tar');
    assert.equal(answer.headers['x-pantry-bulk-download'], '1');
    assert.equal(answer.headers['cache-control'], 'no-store');
    assertOpenToAll(answer);
    const { members, manifest, read } = await unpack(t, answer.body);
    const index = (name: string): number =>
      packages.findIndex((one) => (one as { name: string }).name === name);
    assert.deepEqual(
      manifest.packages.map(({ name }) => name),
      ['is-odd', '@acme/lib', '@acme/lib', '@acme/lib', 'unsized'],
    );
    assert.deepEqual(members, [...manifest.packages.map(({ file }) => file), 'manifest.json']);
    for (const { file, size } of manifest.packages) assert.equal(read(file).byteLength, size);
    const [first, second, , , last] = manifest.packages;
    assert.deepEqual(second, { ...packages[1], file: 'packages/1.tgz', size: packNpm(lib).byteLength });
    assert.deepEqual(read(first?.file ?? ''), theirs);
    assert.equal(last?.file, `packages/${index('unsized')}.tgz`);
    assert.equal(read(last.file).toString(), 'half and half');
    for (const { file } of manifest.packages.slice(1, 4)) assert.deepEqual(read(file), packNpm(lib));
  }
  assert.equal(
    (await pantry.ok<{ totalDownloads: number }>({ path: 'analytics/@acme/lib' })).totalDownloads,
    6,
  );
  assertPantryError(
    await pantry.ask({ path: 'analytics/is-odd' }),
    404,
    'No analytics data for this package',
  );
  void server;
});

test('no address is followed but ours and those of the registry behind us', async (t) => {
  const { upstream, server, pantry } = await open(t, { prefix: '/npm/all' });
  const lib = { name: '@acme/lib', version: '1.0.0' };
  assert.equal((await pantry.publish(lib)).status, 201);
  const { host, port } = new URL(upstream.url);
  const own = new URL(server.url).host;
  const rows = [
    `http://127.0.0.1:${port}/secret`,
    `http://127.0.0.1:${port}/npm/all/../secret`,
    `http://127.0.0.1:${port}/npm/all/%2e%2e/secret`,
    `http://127.0.0.1:${port}/npm/allother/x.tgz`,
    `http://localhost:${port}/npm/all/x/-/x-1.0.0.tgz`,
    `https://${host}/npm/all/x/-/x-1.0.0.tgz`,
    `http://user:password@${host}/npm/all/x/-/x-1.0.0.tgz`,
    `http://user@${host}/npm/all/x/-/x-1.0.0.tgz`,
    `http://${host}.evil.example/npm/all/x/-/x-1.0.0.tgz`,
    `http://${host}@evil.example/npm/all/x/-/x-1.0.0.tgz`,
    'http://127.0.0.1/x.tgz',
    'http://169.254.169.254/latest/meta-data/',
    'http://[::1]/x.tgz',
    'https://elsewhere.example/x/-/x-1.0.0.tgz',
    'file:///etc/passwd',
    'ftp://elsewhere.example/x.tgz',
    'data:application/gzip;base64,AAAA',
    'javascript:1',
    '/packages/@acme/lib/1.0.0/tarball',
    'packages/@acme/lib/1.0.0/tarball',
    '',
    `${pantry.base}/packages/@acme/lib/9.9.9/tarball`,
    `${pantry.base}/packages/@acme/lib/1.0.0`,
    `${pantry.base}/packages/@acme/lib/1.0.0/tarball?x`,
    `${pantry.base}/packages/%zz/1.0.0/tarball`,
    `${pantry.base}/packages/../packages/@acme/lib/1.0.0/tarball`,
    `${pantry.base}/../-/cairn/openapi.json`,
    `${pantry.base}/commits/${SHA}/@acme/lib/tarball`,
    `${pantry.base}/commits/nosha/@acme/lib/tarball`,
    `${server.url}/-/cairn/openapi.json`,
    `${server.url}/npm/@acme/lib/-/lib-1.0.0.tgz`,
    `http://user:password@${own}/pantry/packages/@acme/lib/1.0.0/tarball`,
    `${pantry.base}.evil.example/packages/@acme/lib/1.0.0/tarball`,
  ];
  const path = 'registry/download';
  for (const tarball of rows) {
    const packages = [{ name: 'x', version: '1.0.0', tarball }];
    const answer = await pantry.ask({ path, json: { packages } });
    assert.equal(answer.status, 400, `${tarball}: ${answer.status}`);
    assertPantryError(answer, 400, 'No valid registry tarballs requested');
  }
  assert.deepEqual(upstream.asked, []);
  const none = 'No valid registry tarballs requested';
  for (const json of [
    {},
    { packages: [] },
    { packages: {} },
    { packages: [5, null, 'x', [], { name: 'x' }] },
    [],
    null,
  ])
    assertPantryError(await pantry.ask({ path, json }), 400, none);
  for (const alias of ['registry/download', 'npm/download']) {
    const packages = Array<object>(2_001).fill({ name: 'x', version: '1', tarball: 'x' });
    assertPantryError(await pantry.ask({ path: alias, json: { packages } }), 413, /at most 2000/);
    assertPantryError(await pantry.ask({ path: alias, json: { packages: packages.slice(1) } }), 400, none);
  }
});

test('an archive of the other registry that is cut off ends the tar without its end', async (t) => {
  const { upstream, pantry, server } = await open(t);
  upstream.answers.set('/cut/-/cut-1.0.0.tgz', (_request, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('less');
    setTimeout(() => response.destroy(), 50);
  });
  const packages = [{ name: 'cut', version: '1.0.0', tarball: `${upstream.url}/cut/-/cut-1.0.0.tgz` }];
  // What the client sees is a broken connection: it fetches one by one then.
  await assert.rejects(
    send(server.url, '/pantry/registry/download', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ packages }),
    }),
  );
  assert.equal((await pantry.ask({ path: 'health' })).status, 200);
});

test('NPM_FALLBACK=false asks nobody', async (t) => {
  const { upstream, pantry } = await open(t, { env: { CAIRN_NPM_FALLBACK: '', NPM_FALLBACK: 'false' } });
  offer(upstream, { 'is-odd': { '1.0.0': {} } });
  for (const path of ['packages/is-odd', 'packages/is-odd/1.0.0', 'packages/is-odd/1.0.0/tarball'])
    assert.equal((await pantry.ask({ path })).status, 404);
  assert.deepEqual(await pantry.ok({ path: 'packages/is-odd/versions' }), { versions: [] });
  assert.deepEqual(await resolve(pantry, { 'is-odd': '*' }), {});
  assert.deepEqual(await pantry.ok({ path: 'search?q=odd' }), { results: [] });
  assert.deepEqual(upstream.asked, []);
});

test('nothing of the client is sent on', async (t) => {
  const { upstream, pantry } = await open(t);
  offer(upstream, { 'is-odd': { '1.0.0': {} } });
  await pantry.ask({
    path: 'packages/is-odd/versions?token=secret',
    token: ADMIN_TOKEN,
    headers: { cookie: 'a=b' },
  });
  const [asked] = upstream.asked;
  assert.equal(asked?.path, '/is-odd');
  assert.deepEqual(
    Object.keys(asked.headers).filter(
      (name) => !/^(accept|accept-encoding|connection|host|user-agent|via)$/.test(name),
    ),
    [],
  );
});
