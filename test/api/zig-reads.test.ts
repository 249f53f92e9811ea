/** Reads of Zig's routes as Pantry's contract has them (section 8), at both mounts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { zigApi, type Published, type Refusal, type ZigMetadata } from '../support/zig-api.ts';
import { file, packAs, type Packed } from '../support/zig-archive.ts';
import { inFolder, libraryFiles, type ZigLibrary } from '../support/zig-library.ts';

const server = await openTestServer(wholeFile);
const mounts = ['/zig', '/pantry/zig'] as const;
const apis = mounts.map((mount) => ({ mount, zig: zigApi(server, mount) }));

function publish(library: ZigLibrary, mount = '/zig', extra: readonly Packed[] = []): Promise<Published> {
  const entries = [...libraryFiles(library), ...extra];
  return zigApi(server, mount).publish(
    { tarball: packAs('tar.gz', inFolder(entries, library.name)) },
    ADMIN_TOKEN,
  );
}

const first = await publish({ name: 'my_zig_lib' });
const second = await publish({ name: 'my_zig_lib', version: '2.0.0' }, '/pantry/zig');
// A fix for those who stay behind.
const last = await publish({ name: 'my_zig_lib', version: '1.0.1+b.1' });

for (const { mount, zig } of apis) {
  const base = `${server.url}${mount}`;

  test(`${mount}: the latest is what was published last, and every version has its own document`, async () => {
    const latest = await zig.ok({ path: 'packages/my-zig-lib' });
    assert.equal(latest.version, '1.0.1+b.1');
    assert.equal(latest.hash, last.hash);
    for (const [version, { hash, legacyHash }] of [
      ['1.0.0', first],
      ['2.0.0', second],
      ['1.0.1+b.1', last],
    ] as const) {
      const tarballUrl = `${base}/packages/my-zig-lib/${version.replace('+', '%2B')}/tarball`;
      const shown = await zig.ok({ path: `packages/my-zig-lib/${version}` });
      assert.equal(shown.version, version);
      assert.deepEqual([shown.hash, shown.legacyHash, shown.tarballUrl], [hash, legacyHash, tarballUrl]);
      assert.equal(shown.fetchCommand, `zig fetch --save '${tarballUrl}'`);
      assert.equal(
        shown.dependency,
        `.my_zig_lib = .{\n    .url = "${tarballUrl}",\n    .hash = "${hash}",\n},`,
      );
      assert.deepEqual(await zig.ok({ path: `packages/my-zig-lib/${version.replace('+', '%2b')}` }), shown);
    }
  });

  test(`${mount}: a name is found with hyphens and with underscores, in every mixture`, async () => {
    for (const below of ['', '/versions', '/2.0.0', '/2.0.0/tarball']) {
      const wanted = await zig.ask({ path: `packages/my-zig-lib${below}` });
      assert.equal(wanted.status, 200, below);
      for (const name of ['my_zig_lib', 'my-zig_lib', 'my_zig-lib', 'my%5Fzig%5flib', 'my%2Dzig-lib']) {
        const answer = await zig.ask({ path: `packages/${name}${below}` });
        assert.equal(answer.status, 200, name + below);
        assert.ok(answer.body.equals(wanted.body), name + below);
      }
    }
  });

  test(`${mount}: versions are listed, the last published first; of what is not there there are none`, async () => {
    assert.deepEqual(await zig.ok({ path: 'packages/my_zig_lib/versions' }), {
      name: 'my-zig-lib',
      versions: ['1.0.1+b.1', '2.0.0', '1.0.0'],
    });
    assert.deepEqual(await zig.ok({ path: 'packages/no_thing/versions' }), {
      name: 'no-thing',
      versions: [],
    });
  });

  test(`${mount}: an archive is a gzip that may be kept for ever`, async () => {
    const answer = await zig.ask({ path: 'packages/my-zig-lib/1.0.1%2Bb.1/tarball' });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'application/gzip');
    assert.equal(answer.headers['content-disposition'], 'attachment; filename="my-zig-lib-1.0.1+b.1.tar.gz"');
    assert.equal(answer.headers['content-length'], String(answer.body.length));
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.match(String(answer.headers['cache-control']), /max-age=31536000.*immutable/);
    const again = await zig.ask({
      path: 'packages/my-zig-lib/1.0.1%2Bb.1/tarball',
      headers: { 'if-none-match': String(answer.headers.etag) },
    });
    assert.equal(again.status, 304);
  });

  test(`${mount}: a package is found by its hash in both forms, and so are its bytes`, async () => {
    for (const { hash, legacyHash } of [first, second, last])
      for (const known of [hash, legacyHash, hash.replace('+', '%2B')]) {
        const { name, version, tarballUrl, dependency, ...rest } = await zig.ok({ path: `hash/${known}` });
        const said = decodeURIComponent(known);
        assert.deepEqual(rest, { hash: said });
        assert.equal(name, 'my-zig-lib');
        assert.ok(tarballUrl.startsWith(`${base}/`), tarballUrl);
        assert.ok(dependency.includes(`.hash = "${said}"`), dependency);
        const bytes = await zig.ask({ path: `p/${known}.tar.gz` });
        const tarball = await zig.ask({ path: `packages/my-zig-lib/${version}/tarball` });
        assert.equal(bytes.headers['content-type'], 'application/gzip');
        assert.ok(bytes.body.equals(tarball.body));
      }
  });

  test(`${mount}: what is not there is refused in the contract's words`, async () => {
    const rows: readonly Refusal[] = [
      ['a package', { path: 'packages/nothing' }, 404, 'Package not found'],
      ['a version', { path: 'packages/my-zig-lib/9.9.9' }, 404, 'Package version not found'],
      ['a version of nothing', { path: 'packages/nothing/1.0.0' }, 404, 'Package version not found'],
      ['an archive', { path: 'packages/my-zig-lib/9.9.9/tarball' }, 404, 'Package not found'],
      ['a hash', { path: `hash/${first.hash.slice(0, -1)}` }, 404, 'Package not found for this hash'],
      ['half a hash', { path: 'hash/1220' }, 404, 'Package not found for this hash'],
      ['bytes', { path: 'p/nothing.tar.gz' }, 404, 'Package not found for this hash'],
      ['bytes without their ending', { path: `p/${first.hash}` }, 404, 'Package not found for this hash'],
      ['our own index', { path: 'packages/my-zig-lib/=index' }, 404, 'Package version not found'],
      ['a path of nobody', { path: 'packages/a/b/c/d' }, 404, 'Not found'],
      ['nothing', { path: 'packages/' }, 404, 'Not found'],
      ['a path that climbs', { path: 'packages/..%2f..%2fx' }, 404, 'Package not found'],
      ['a method', { method: 'PUT', path: 'packages/my-zig-lib' }, 405, /PUT/],
    ];
    await zig.refuses(rows);
  });

  test(`${mount}: pages of every origin may ask`, async () => {
    const answer = await send(server.url, `${mount}/packages/nothing`, { method: 'OPTIONS' });
    assert.equal(answer.status, 200);
    assert.equal(answer.text, '');
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.equal(answer.headers['access-control-allow-methods'], 'GET, POST, DELETE, OPTIONS');
    assert.equal(answer.headers['access-control-allow-headers'], 'Content-Type, Authorization');
  });
}

test('two packages of the same files have one hash, which the first stands for as long as it is there', async () => {
  const [zig] = apis.map((api) => api.zig);
  assert.ok(zig);
  const tarball = packAs('tar.gz', inFolder([file('same.zig', 'the same')], 'x'));
  const one = await zig.publish({ tarball, filename: 'same-one-1.0.0.tar.gz' }, ADMIN_TOKEN);
  const two = await zig.publish({ tarball, filename: 'same-two-1.0.0.tar.gz' }, ADMIN_TOKEN);
  assert.equal(two.hash, one.hash);
  const found = async () => (await zig.ok({ path: `hash/${one.hash}` })).name;
  assert.equal(await found(), 'same-one');
  await zig.ok({ method: 'DELETE', path: 'packages/same-one', token: ADMIN_TOKEN });
  assert.equal(await found(), 'same-two');
  assert.ok((await zig.ask({ path: `p/${one.hash}.tar.gz` })).body.equals(tarball));
});

test('search finds names, descriptions and keywords, whatever their case, and no more than it is asked for', async () => {
  interface Found {
    readonly results: readonly Pick<ZigMetadata, 'name' | 'version'>[];
  }
  const [zig] = apis.map((api) => api.zig);
  assert.ok(zig);
  const search = async (query: string): Promise<string[]> =>
    (await zig.ok<Found>({ path: `search?${query}` })).results.map(({ name }) => name);
  await publish({ name: 'parser', extra: '.description = "Reads TOML files.", .author = "Ann",' });
  await publish({ name: 'toml_writer' });
  assert.deepEqual(await search('q=toml'), ['parser', 'toml-writer']);
  assert.deepEqual(await search('q=TOML_w'), ['toml-writer']);
  assert.deepEqual(await search('q=toml-w'), ['toml-writer']);
  assert.deepEqual(await search('q=reads%20toml'), ['parser']);
  assert.deepEqual(await search('q=nobody-has-this'), []);
  assert.deepEqual(await zig.ok({ path: 'search?q=parser' }), {
    results: [
      { name: 'parser', version: '1.0.0', description: 'Reads TOML files.', keywords: [], author: 'Ann' },
    ],
  });
  for (let i = 0; i < 101; i += 1) {
    const tarball = packAs('tar.gz', [file('r/a', String(i))]);
    await zig.publish({ tarball, filename: `many-${i}-1.0.0.tar.gz` }, ADMIN_TOKEN);
  }
  assert.equal((await search('q=many')).length, 20);
  assert.equal((await search('q=many&limit=7')).length, 7);
  assert.equal((await search('q=many&limit=0')).length, 0);
  assert.equal((await search('q=many&limit=1000')).length, 100);
  assert.equal((await search('')).length, 20);
  assert.equal((await search(`q=${'x'.repeat(256)}`)).length, 0);
  await zig.refuses([
    ['too long', { path: `search?q=${'x'.repeat(257)}` }, 400, 'Search query too long'],
    ['no number', { path: 'search?q=x&limit=many' }, 400, /limit must be a number/],
    ['less than nothing', { path: 'search?q=x&limit=-1' }, 400, /limit must be a number/],
  ]);
});
