/** Counts (contract of Pantry, section 6): what the server serves and what clients post. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { closing } from '../support/closing.ts';
import { cairn } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { npmApi } from '../support/npm-api.ts';
import { assertPantryError, form, pantryApi, type PantryApi } from '../support/pantry-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTestServer } from '../support/test-server.ts';
import { demoManifest, file, packAs } from '../support/zig-archive.ts';

const SHA = 'abc1234def567890abc1234def567890abc1234d';
const lib = { name: '@acme/lib', version: '1.0.0' };

interface Stats {
  readonly totalDownloads: number;
  readonly versionDownloads: Record<string, number>;
}
interface Report {
  readonly total_count: number;
  readonly items: readonly { readonly formula: string; readonly count: string; readonly percent: string }[];
}

const post = (pantry: PantryApi, json: unknown): Promise<Record<string, unknown>> =>
  pantry.ok({ path: 'analytics/events', json });
const event = (packageName: string, category: string, version?: string): object => ({
  packageName,
  category,
  ...(version === undefined ? {} : { version }),
});
/** Far from midnight, and standing still: days do not end in the middle of a test. */
const NOON = Date.parse('2026-06-14T12:00:00Z');
const today = (): string => new Date().toISOString().slice(0, 10);
const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
const installs = async (pantry: PantryApi): Promise<Record<string, string>> => {
  const { items } = await pantry.ok<Report>({ path: 'analytics/install/30d' });
  return Object.fromEntries(items.map(({ formula, count }) => [formula, count]));
};

test('each download of a version, of a commit and of a Zig package counts once; what only reads counts nothing', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  assert.equal((await pantry.publish(lib)).status, 201);
  assert.equal((await pantry.publishCommit(SHA, [lib])).status, 201);
  const manifest = demoManifest('1.0.0', '00000001', ['']);
  const archive = packAs('tar.gz', [file('build.zig.zon', manifest), file('a.zig', '')]);
  const zig = await pantry.ask({
    path: 'zig/publish',
    token: ADMIN_TOKEN,
    ...form([{ name: 'tarball', filename: 'demo-1.0.0.tar.gz', content: archive }]),
  });
  assert.equal(zig.status, 201, zig.text);
  const uncounted = [
    'packages/@acme/lib',
    'packages/@acme/lib/1.0.0',
    'packages/@acme/lib/versions',
    `commits/${SHA}`,
    `commits/${SHA}/@acme/lib`,
    `commits/${SHA.slice(0, 7)}/@acme/lib`,
    'zig/packages/demo',
    'zig/packages/demo/1.0.0',
    'search?q=lib',
    'npm/resolve/@acme/lib@1.0.0',
    'analytics/@acme/lib/timeline',
  ];
  for (const path of uncounted) assert.equal((await pantry.ask({ path })).status, 200, path);
  assertPantryError(
    await pantry.ask({ path: 'analytics/@acme/lib' }),
    404,
    'No analytics data for this package',
  );
  // The short addresses are files, beginnings of other lengths are the API's; from memory or from disk is no matter.
  const downloads = [
    'packages/@acme/lib/1.0.0/tarball',
    `commits/${SHA}/@acme/lib/tarball`,
    `commits/${SHA.slice(0, 8)}/@acme/lib/tarball`,
    `@acme/lib@${SHA}`,
    `@acme/lib@${SHA.slice(0, 7)}`,
    `@acme/lib@${SHA.slice(0, 8)}`,
    `lib@${SHA.slice(0, 8)}`,
    'zig/packages/demo/1.0.0/tarball',
  ];
  for (const path of downloads)
    for (let times = 0; times < 3; times += 1) {
      const { status, headers } = await pantry.ask({ path });
      assert.equal(status, 200, path);
      // None of these is a download.
      await pantry.ask({ path, method: 'HEAD' });
      const etag = headers['etag'];
      if (etag === undefined) continue;
      assert.equal((await pantry.ask({ path, headers: { 'if-none-match': etag } })).status, 304);
      assert.equal((await pantry.ask({ path, headers: { range: 'bytes=0-0' } })).status, 206);
    }
  const { lastDownload, ...stats } = await pantry.ok<Stats & { lastDownload: string }>({
    path: 'analytics/@acme/lib',
  });
  assert.deepEqual(stats, {
    packageName: '@acme/lib',
    totalDownloads: 21,
    weeklyDownloads: 21,
    monthlyDownloads: 21,
    versionDownloads: { '1.0.0': 3, abc1234: 18 },
  });
  assert.ok(Math.abs(Date.parse(lastDownload) - Date.now()) < 3_600_000, lastDownload);
  assert.deepEqual((await pantry.ok<Stats>({ path: 'analytics/demo' })).versionDownloads, { '1.0.0': 3 });
  assert.deepEqual(await installs(pantry), { '@acme/lib': '21', demo: '3' });
  const { items } = await pantry.ok<Report>({ path: 'analytics/install-on-request/30d' });
  assert.deepEqual(items, [{ number: 1, formula: 'demo', count: '1', percent: '100.00' }]);
});

test("npm's downloads are Pantry's as well, one tar of many counts each in it", async (t) => {
  const server = await openTestServer(t);
  const [pantry, npm] = [pantryApi(server), npmApi(server)];
  assert.equal((await pantry.publish(lib)).status, 201);
  const json = {
    packages: [{ ...lib, tarball: `${pantry.base}/packages/%40acme%2Flib/1.0.0/tarball` }],
  };
  assert.equal((await pantry.ask({ path: 'registry/download', json })).status, 200);
  assert.equal((await pantry.ok<Stats>({ path: 'analytics/@acme/lib' })).totalDownloads, 1);
  await npm.ask({ path: '@acme/lib/-/lib-1.0.0.tgz' });
  assert.equal((await pantry.ok<Stats>({ path: 'analytics/@acme/lib' })).totalDownloads, 2);
});

test('clients post one event or a list; a download is an install, each is counted once', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  assert.deepEqual(await post(pantry, event('gnu.org/gcc', 'download', '14.1.0')), { success: true });
  const list = [
    event('gnu.org/gcc', 'download', '14.1.0'),
    event('gnu.org/gcc', 'download'),
    event('bun.sh', 'install', '1.0.0'),
    event('bun.sh', 'install_on_request'),
    event('curl.se', 'build_error', '8.12.0'),
    event('@acme/lib', 'download', 'no version at all'),
  ];
  assert.deepEqual(await post(pantry, list), { success: true });
  assert.deepEqual(await post(pantry, []), { success: true });
  for (const path of ['analytics/gnu.org/gcc', 'analytics/gnu.org%2Fgcc']) {
    const stats = await pantry.ok<Stats>({ path });
    assert.deepEqual([stats.totalDownloads, stats.versionDownloads], [3, { '14.1.0': 2, unknown: 1 }], path);
  }
  assert.deepEqual((await pantry.ok<Stats>({ path: 'analytics/@acme/lib' })).versionDownloads, {
    unknown: 1,
  });
  assertPantryError(
    await pantry.ask({ path: 'analytics/bun.sh' }),
    404,
    'No analytics data for this package',
  );
  const top = {
    packages: [
      { name: 'gnu.org/gcc', downloads: 3 },
      { name: '@acme/lib', downloads: 1 },
    ],
  };
  assert.deepEqual(await pantry.ok({ path: 'analytics/top' }), top);
  assert.deepEqual(await pantry.ok({ path: 'analytics' }), top);
  assert.deepEqual(await pantry.ok({ path: 'analytics/top?limit=1' }), {
    packages: top.packages.slice(0, 1),
  });
  assert.deepEqual(await installs(pantry), { 'gnu.org/gcc': '3', 'bun.sh': '1', '@acme/lib': '1' });
});

test('a timeline has exactly the days that were asked for, the oldest first and today last', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: NOON });
  const pantry = pantryApi(await openTestServer(t));
  await post(pantry, [event('a', 'download'), event('a', 'download')]);
  const timeline = async (path: string): Promise<readonly { date: string; count: number }[]> =>
    (await pantry.ok<{ timeline: { date: string; count: number }[] }>({ path: `analytics/${path}` }))
      .timeline;
  const usual = await timeline('a/timeline');
  assert.equal(usual.length, 30);
  assert.deepEqual(
    [usual[0], usual.at(-1)],
    [
      { date: daysAgo(29), count: 0 },
      { date: today(), count: 2 },
    ],
  );
  for (const [query, length] of [
    ['?days=1', 1],
    ['?days=7', 7],
    ['?days=365', 365],
    ['?days=366', 365],
    ['?days=100000', 365],
    ['?days=0', 1],
  ] as const) {
    const days = await timeline(`a/timeline${query}`);
    assert.equal(days.length, length, query);
    assert.deepEqual(days.at(-1), { date: today(), count: 2 });
    assert.equal(new Set(days.map(({ date }) => date)).size, length);
  }
  assert.ok((await timeline('nobody/ever/timeline')).every(({ count }) => count === 0));
  assert.equal((await pantry.ok({ path: 'analytics/nobody/timeline' }))['packageName'], 'nobody');
  assertPantryError(await pantry.ask({ path: 'analytics/a/timeline?days=all' }), 400, /days/);
  assertPantryError(await pantry.ask({ path: 'analytics/top?limit=-1' }), 400, /limit/);
  assertPantryError(await pantry.ask({ path: 'analytics?limit=x' }), 400, /limit/);
});

test('a version that was asked for and is missing is wanted, until it is there', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  assert.equal((await pantry.publish(lib)).status, 201);
  const ask = async (version: string, times = 1): Promise<void> => {
    for (let i = 0; i < times; i += 1) await pantry.ask({ path: `packages/@acme/lib/${version}` });
  };
  await ask('9.9.9', 2);
  await ask('2.0.0', 3);
  await ask('1.0.0');
  await ask('1.0.0%20');
  await pantry.ask({ path: 'packages/@acme/lib/8.0.0/tarball' });
  const wanted = async (query = ''): Promise<readonly unknown[]> => {
    const path = `analytics/@acme/lib/requested-versions${query}`;
    const { packageName, requests } = await pantry.ok<{
      packageName: string;
      requests: Record<string, unknown>[];
    }>({ path });
    assert.equal(packageName, '@acme/lib');
    return requests.map(({ lastRequestedAt, ...rest }) => {
      assert.match(String(lastRequestedAt), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      return rest;
    });
  };
  const one = (version: string, requestCount: number, isKnownVersion: boolean): object => ({
    packageName: '@acme/lib',
    version,
    requestCount,
    isKnownVersion,
  });
  assert.deepEqual(await wanted(), [one('2.0.0', 3, false), one('9.9.9', 2, false)]);
  assert.deepEqual(await wanted('?limit=1'), [one('2.0.0', 3, false)]);
  assert.equal((await pantry.publish({ ...lib, version: '2.0.0' })).status, 201);
  assert.deepEqual(await wanted(), [one('2.0.0', 3, true), one('9.9.9', 2, false)]);
  assert.deepEqual(await pantry.ok({ path: 'analytics/nobody/requested-versions' }), {
    packageName: 'nobody',
    requests: [],
  });
  assertPantryError(await pantry.ask({ path: 'analytics/a/requested-versions?limit=x' }), 400, /limit/);
});

test('reports say per category how often each was counted, as texts, and may be kept for an hour', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: NOON });
  const pantry = pantryApi(await openTestServer(t));
  const times = (count: number, one: object): object[] => Array<object>(count).fill(one);
  for (let i = 0; i < 3; i += 1) await post(pantry, times(400, event('curl.se', 'install')));
  await post(pantry, times(400, event('bun.sh', 'install')));
  await post(pantry, [
    event('bun.sh', 'install_on_request'),
    event('z', 'build_error'),
    event('y', 'build_error'),
  ]);
  const spans = { '30d': 29, '90d': 89, '365d': 364 } as const;
  const items = {
    install: [
      { number: 1, formula: 'curl.se', count: '1,200', percent: '75.00' },
      { number: 2, formula: 'bun.sh', count: '400', percent: '25.00' },
    ],
    'install-on-request': [{ number: 1, formula: 'bun.sh', count: '1', percent: '100.00' }],
    'build-error': [
      { number: 1, formula: 'y', count: '1', percent: '50.00' },
      { number: 2, formula: 'z', count: '1', percent: '50.00' },
    ],
  };
  for (const [category, wanted] of Object.entries(items))
    for (const [span, days] of Object.entries(spans))
      for (const path of [`analytics/${category}/${span}`, `api/analytics/${category}/${span}.json`]) {
        const total = wanted.reduce((sum, { count }) => sum + Number(count.replace(',', '')), 0);
        assert.deepEqual(await pantry.ok({ path }), {
          category: category.replaceAll('-', '_'),
          total_items: wanted.length,
          start_date: daysAgo(days),
          end_date: today(),
          total_count: total,
          items: wanted,
        });
        assert.equal((await pantry.ask({ path })).headers['cache-control'], 'public, max-age=3600');
      }
  for (const path of ['analytics/install/7d', 'analytics/download/30d', 'analytics/install_on_request/30d'])
    // It is the name of something that was never counted.
    assertPantryError(await pantry.ask({ path }), 404, 'No analytics data for this package');
});

test('what is no event is refused in the words of the contract, and nothing of its list counts', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const path = 'analytics/events';
  const category =
    'Missing or invalid category. Must be one of: install, install_on_request, build_error, download';
  const name = 'Missing or invalid packageName';
  const rows: readonly (readonly [unknown, string])[] = [
    [{}, name],
    [null, name],
    ['text', name],
    [5, name],
    [[[]], name],
    [event('', 'download'), name],
    [{ packageName: 5, category: 'download' }, name],
    [event('a b', 'download'), name],
    [event('../../etc', 'download'), name],
    [event('a//b', 'download'), name],
    [event('=index', 'download'), name],
    [event('__proto__/../x', 'download'), name],
    [event('a'.repeat(215), 'download'), name],
    [{ packageName: 'a' }, category],
    [event('a', 'Download'), category],
    [event('a', '__proto__'), category],
    [{ packageName: 'a', category: ['download'] }, category],
    [[event('a', 'download'), {}], name],
    [[event('a', 'download'), event('a', 'downloads')], category],
  ];
  for (const [json, message] of rows) assertPantryError(await pantry.ask({ path, json }), 400, message);
  const headers = { 'content-type': 'application/json' };
  for (const body of ['{', '', 'text', '{"a":}'])
    assertPantryError(await pantry.ask({ path, method: 'POST', body, headers }), 400, 'Invalid JSON body');
  assertPantryError(await pantry.ask({ path, method: 'POST', body: '[]' }), 415, /application\/json/);
  assertPantryError(await pantry.ask({ path: 'analytics/a' }), 404, 'No analytics data for this package');
  assert.deepEqual(await pantry.ok({ path: 'analytics' }), { packages: [] });
  // Names that objects have by themselves are names like others.
  await post(pantry, [event('__proto__', 'download', 'constructor'), event('constructor', 'download')]);
  assert.equal((await pantry.ok<Stats>({ path: 'analytics/__proto__' })).totalDownloads, 1);
});

test('a flood is refused, or counted within bounds: what is ours is never pushed out', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  assert.equal((await pantry.publish(lib)).status, 201);
  const path = 'analytics/events';
  const many = (count: number, of = (i: number): string => `name-${i}`): object[] =>
    Array.from({ length: count }, (_, i) => event(of(i), 'download', '1.0.0'));
  await post(pantry, many(500));
  assertPantryError(await pantry.ask({ path, json: many(501) }), 413, 'send at most 500 events at once');
  const long = JSON.stringify(many(400, (i) => `${i}`.padEnd(214, 'x'))).padEnd(513 * 1024, ' ');
  assertPantryError(
    await pantry.ask({ path, body: long, headers: { 'content-type': 'application/json' } }),
    413,
    /over the limit/,
  );
  await pantry.ask({ path: 'packages/@acme/lib/1.0.0/tarball' });
  await Promise.all(
    Array.from({ length: 60 }, (_, n) =>
      post(
        pantry,
        many(500, (i) => `flood-${n}-${i}`),
      ),
    ),
  );
  assert.equal((await pantry.ok<Stats>({ path: 'analytics/@acme/lib' })).totalDownloads, 1);
  const versions = Array.from({ length: 500 }, (_, i) => event('@acme/lib', 'download', `0.0.${i}`));
  for (let i = 0; i < 10; i += 1) await post(pantry, versions);
  const stats = await pantry.ok<Stats>({ path: 'analytics/@acme/lib' });
  assert.equal(stats.versionDownloads['1.0.0'], 1);
  assert.equal(stats.totalDownloads, 5001);
});

test('whoever posts the name of a private package learns nothing of it', async (t) => {
  const server = await openTestServer(t);
  const [pantry, npm] = [pantryApi(server), npmApi(server)];
  const alice = await makeToken(server.data, { handle: 'alice', scopes: ['read', 'publish'] });
  assert.equal(
    (await npm.publish({ name: '@acme/secret', version: '1.0.0' }, alice, { access: 'restricted' })).status,
    201,
  );
  const answers = [];
  for (const name of ['@acme/secret', '@acme/nothin']) {
    await post(pantry, event(name, 'download', '1.0.0'));
    await pantry.ask({ path: `packages/${name}/1.0.0` });
    const texts = ['', '/timeline', '/requested-versions'].map((end) =>
      pantry.ask({ path: `analytics/${name}${end}` }),
    );
    const said = (await Promise.all(texts)).map(({ status, text }) => `${status} ${text}`);
    answers.push(said.map((text) => text.replaceAll(name, 'NAME').replaceAll(/"\d{4}-[^"]*Z"/g, 'TIME')));
  }
  assert.deepEqual(answers[0], answers[1]);
});

test('counts become files for static hosts, which say what the API says, and no regeneration takes them for its own', async (t) => {
  const data = await temporaryDirectory(t);
  const first = closing();
  const pantry = pantryApi(await openTestServer(first, {}, { data }));
  const names = ['@acme/lib', 'top', 'timeline'];
  for (const name of names) assert.equal((await pantry.publish({ name, version: '1.0.0' })).status, 201);
  for (const name of names) await pantry.ask({ path: `packages/${name}/1.0.0/tarball` });
  await post(pantry, [event('not-ours', 'download'), event('@acme/lib', 'download', '1.0.0')]);
  const regen = (...flags: string[]): ReturnType<typeof cairn> => cairn(['regen', '--data', data, ...flags]);
  const stored = (path: string): Promise<string> =>
    readFile(join(data, 'site/pantry', path, '=index'), 'utf8');
  const paths = [
    'analytics',
    'analytics/top',
    'analytics/@acme/lib',
    'analytics/@acme/lib/timeline',
    'analytics/timeline',
    'analytics/timeline/timeline',
  ];
  // What was counted is on disk a second later, where another process finds it.
  const expectFiles = (): Promise<void> =>
    eventually(async () => {
      assert.equal((await regen()).code, 0, 'regen failed');
      for (const path of paths)
        assert.equal(
          await stored(path),
          (await pantry.ask({ path })).text,
          `${path} is not what the API says`,
        );
    });
  await expectFiles();
  const inTop = JSON.parse(await stored('analytics/top')) as { packages: { name: string }[] };
  assert.ok(inTop.packages.some(({ name }) => name === 'not-ours'));
  // Of what is not ours there are no files: anybody could make as many as they like.
  await assert.rejects(stored('analytics/not-ours'));
  const check = await regen('--check');
  assert.match(check.stdout, /^clean/, check.stdout + check.stderr);
  assert.equal((await regen('--full')).code, 0);
  for (const path of paths) assert.equal(await stored(path), (await pantry.ask({ path })).text, path);
  await pantry.ask({ path: 'packages/@acme/lib/1.0.0/tarball' });
  await expectFiles();
  assert.equal((await pantry.ok<Stats>({ path: 'analytics/@acme/lib' })).totalDownloads, 3);
  const before = await Promise.all(paths.map((path) => pantry.ask({ path })));
  await first.close();

  const again = pantryApi(await openTestServer(t, {}, { data }));
  for (const [i, path] of paths.entries())
    assert.equal((await again.ask({ path })).text, before[i]?.text, path);
  assert.equal((await again.ok<Report>({ path: 'analytics/install/30d' })).total_count, 6);
  assert.match((await regen('--check')).stdout, /^clean/);
});
