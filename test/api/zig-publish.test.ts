/** Publishing and deleting as Pantry's contract has it (section 8), row by row. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { readEntries } from '../../ecosystems/zig/archive.ts';
import { readPackage } from '../../ecosystems/zig/package-hash.ts';
import { eventually } from '../support/eventually.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import {
  assertPantryError,
  formTo,
  publishOf,
  zigApi,
  type Published,
  type Refusal,
  type ZigUpload,
} from '../support/zig-api.ts';
import { archiveOf, archiveTypes, file, packAs } from '../support/zig-archive.ts';
import { inFolder, libraryFiles, libraryManifest, type ZigLibrary } from '../support/zig-library.ts';

const server = await openTestServer(wholeFile);
const zig = zigApi(server);
const admin = ADMIN_TOKEN;

function packed(library: ZigLibrary): Buffer {
  return packAs('tar.gz', inFolder(libraryFiles(library), library.name));
}

function publish(library: ZigLibrary, token = admin, upload: ZigUpload = {}): Promise<Published> {
  return zig.publish({ tarball: packed(library), ...upload }, token);
}

const naked = packAs('tar.gz', inFolder([file('a.zig', 'a')], 'x'));

/** A publish that is refused: `library` unless its parts are replaced. */
async function row(
  what: string,
  upload: ZigUpload,
  message: string | RegExp,
  status = 400,
): Promise<Refusal> {
  return [what, await publishOf(upload, admin), status, message];
}

test('the answer has all that a publisher needs, and says it again to whoever asks', async () => {
  const answer = await zig.ask(
    await publishOf({ tarball: packed({ name: 'my_zig_lib' }), description: 'Says it.' }, admin),
  );
  assert.equal(answer.status, 201, answer.text);
  const published = JSON.parse(answer.text) as Published;
  const tarballUrl = `${server.url}/zig/packages/my-zig-lib/1.0.0/tarball`;
  assert.match(published.hash, /^my_zig_lib-1\.0\.0-[A-Za-z0-9_-]{44}$/);
  assert.match(published.legacyHash, /^1220[0-9a-f]{64}$/);
  const said = {
    hash: published.hash,
    legacyHash: published.legacyHash,
    tarballUrl,
    fetchCommand: `zig fetch --save '${tarballUrl}'`,
    dependency: `.my_zig_lib = .{\n    .url = "${tarballUrl}",\n    .hash = "${published.hash}",\n},`,
  };
  assert.deepEqual(published, { success: true, message: 'Published my-zig-lib@1.0.0', ...said });
  const { publishedAt, ...shown } = await zig.ok({ path: 'packages/my-zig-lib' });
  assert.ok(Math.abs(Date.parse(publishedAt) - Date.now()) < 60_000, publishedAt);
  assert.deepEqual(shown, {
    name: 'my-zig-lib',
    version: '1.0.0',
    description: 'Says it.',
    ...said,
    unpackedSize: libraryFiles({ name: 'my_zig_lib' })
      .slice(0, 3)
      .reduce((sum, { content = '' }) => sum + content.length, 0),
    fileCount: 3,
    fingerprint: /fingerprint = (0x[0-9a-f]+)/.exec(libraryManifest({ name: 'my_zig_lib' }))?.[1],
    paths: ['build.zig', 'build.zig.zon', 'src'],
  });
});

test('what the manifest says of itself is shown', async () => {
  const extra = `.minimum_zig_version = "0.14.0", .description = "Of the manifest.", .license = "MIT", .author = "Ann",
    .homepage = "https://lib.example", .repository = "https://git.example/lib", .keywords = .{ "a" }, .other = .{ 1 },`;
  const one = `.one = .{ .url = "https://one.example/one.tar.gz", .hash = "N-V-__8AAAIAAADfgm5yNuiEW_7Fc1NXq1-KKhQe4CaNWQAQ", .lazy = true },`;
  const two = `.two = .{ .path = "src" },`;
  await publish({ name: 'telling', extra, dependencies: { one, two } });
  const shown = await zig.ok({ path: 'packages/telling' });
  assert.equal(shown['description'], 'Of the manifest.');
  assert.equal(shown['minimum_zig_version'], '0.14.0');
  assert.equal(shown['license'], 'MIT');
  assert.equal(shown['author'], 'Ann');
  assert.equal(shown['homepage'], 'https://lib.example');
  assert.equal(shown['repository'], 'https://git.example/lib');
  const { one: shownOne, two: shownTwo } = shown['dependencies'] as Record<string, Record<string, unknown>>;
  assert.equal(shownOne?.['url'], 'https://one.example/one.tar.gz');
  assert.equal(shownTwo?.['path'], 'src');
});

for (const type of archiveTypes)
  test(`a ${type} is served as a tar.gz of the same files`, async () => {
    const name = `as_${type.replaceAll('.', '_')}`;
    const tarball = packAs(type, libraryFiles({ name }));
    const published = await zig.publish({ tarball, filename: `x.${type}` }, admin);
    const url = new URL(published.tarballUrl).pathname.slice('/zig/'.length);
    const served = await zig.ask({ path: url });
    assert.equal(served.status, 200);
    assert.equal(served.headers['content-type'], 'application/gzip');
    assert.equal(
      served.headers['content-disposition'],
      `attachment; filename="${name.replaceAll('_', '-')}-1.0.0.tar.gz"`,
    );
    assert.equal(served.headers['content-encoding'], undefined);
    if (type === 'tar.gz') return assert.ok(served.body.equals(tarball), 'as it came');
    const { archiveType, rootFolder, hash } = await readPackage(archiveOf(served.body));
    assert.deepEqual(
      { archiveType, rootFolder, hash },
      { archiveType: 'tar.gz', rootFolder: `${name.replaceAll('_', '-')}-1.0.0`, hash: published.hash },
    );
    const paths: string[] = [];
    for await (const { path } of readEntries(archiveOf(served.body), 'tar.gz')) paths.push(path);
    assert.deepEqual(
      paths.map((path) => path.slice(rootFolder?.length)),
      ['', '/build.zig.zon', '/build.zig', '/src/root.zig'],
      'a folder first, and only what counts',
    );
  });

test('who may not publish is told so before the form is looked at', async () => {
  const reader = await makeToken(server.data, { handle: 'reader', scopes: ['read'] });
  const soon = new Date(Date.now() + 1000).toISOString();
  const expired = await makeToken(server.data, { handle: 'late', expiresAt: soon });
  await eventually(async () => assert.ok(Date.now() > Date.parse(soon), 'not yet'));
  const good = await publishOf({ tarball: packed({ name: 'nobodys' }) });
  const bad = { path: 'publish', body: '{}', headers: { 'content-type': 'application/json' } };
  const rows = [good, bad, { method: 'DELETE', path: 'packages/my-zig-lib' }].flatMap((asked): Refusal[] => [
    ['no token', asked, 401, 'Authorization required'],
    [
      'no good token',
      { ...asked, headers: { ...asked.headers, authorization: 'Bearer nope' } },
      401,
      'Invalid token',
    ],
    [
      'no good bare token',
      { ...asked, headers: { ...asked.headers, authorization: 'nope' } },
      401,
      'Invalid token',
    ],
    [
      'expired',
      { ...asked, headers: { ...asked.headers, authorization: `Bearer ${expired}` } },
      401,
      'Token has expired',
    ],
    [
      'a reader',
      { ...asked, headers: { ...asked.headers, authorization: `Bearer ${reader}` } },
      401,
      'Token does not have publish permission',
    ],
  ]);
  await zig.refuses(rows);
});

test('a token alone will do, without the word Bearer', async () => {
  const asked = await publishOf({ tarball: packed({ name: 'bare_token' }) });
  const answer = await zig.ask({ ...asked, headers: { ...asked.headers, authorization: admin } });
  assert.equal(answer.status, 201, answer.text);
});

test('bodies that are no form, or one without an archive, are refused', async () => {
  const unsupported = 'Unsupported content type. Use multipart/form-data.';
  const withType = (type: string) => ({
    path: 'publish',
    token: admin,
    body: '{}',
    headers: { 'content-type': type },
  });
  const textOnly = new FormData();
  textOnly.append('tarball', 'a text');
  const { headers, ...form } = await publishOf({ tarball: naked }, admin);
  await zig.refuses([
    ['JSON', withType('application/json'), 415, unsupported],
    ['bytes', withType('application/octet-stream'), 415, unsupported],
    ['no type', { method: 'POST', path: 'publish', token: admin }, 415, unsupported],
    ['a form without a boundary', withType('multipart/form-data'), 400, /form/],
    [
      'half a form',
      { ...form, headers: { ...headers }, body: (form.body as Buffer).subarray(0, 200) },
      400,
      /form/,
    ],
    await row('no archive', { manifest: libraryManifest({ name: 'x' }) }, 'Missing tarball'),
    ['an archive that is a text', await formTo('publish', textOnly, admin), 400, 'Missing tarball'],
    await row('an empty archive', { tarball: Buffer.alloc(0) }, /not an archive/),
    await row(
      'a description that is too long',
      { tarball: naked, description: 'x'.repeat(2001) },
      /description/,
    ),
  ]);
});

test('an archive over 50 MiB is refused, one byte less is looked at', async () => {
  const limit = 50 * 1024 * 1024;
  await zig.refuses([
    await row('over', { tarball: Buffer.alloc(limit + 1) }, 'Tarball exceeds maximum size of 50MB', 413),
    await row('not over', { tarball: Buffer.alloc(limit) }, /no files/),
  ]);
});

test('without a manifest in the archive the name is of the one beside it, then of the file', async () => {
  const manifest = libraryManifest({ name: 'beside_it', version: '2.0.0-rc.1' });
  const both = await zig.publish({ tarball: naked, manifest, filename: 'by-file-1.0.0.tar.gz' }, admin);
  assert.equal(both.message, 'Published beside-it@2.0.0-rc.1');
  assert.match(both.hash, /^N-V-__8AA/);
  for (const [filename, message] of [
    ['by_file-1.2.3.tar.gz', 'Published by-file@1.2.3'],
    ['by-2nd-file-1.2.3-rc.1.tar.gz', 'Published by-2nd-file@1.2.3-rc.1'],
    ['by-file-1.2.4+b.5.tgz', 'Published by-file@1.2.4+b.5'],
    ['folders/by-file-1.2.5.tar', 'Published by-file@1.2.5'],
  ] as const)
    assert.equal((await zig.publish({ tarball: naked, filename }, admin)).message, message);
  const without =
    'Could not determine package name/version. Provide manifest or use name-version.tar.gz filename.';
  await zig.refuses([
    await row('no name anywhere', { tarball: naked, filename: 'package.tar.gz' }, without),
    await row('no version', { tarball: naked, filename: 'package-1.0.tar.gz' }, without),
    await row('another kind of file', { tarball: naked, filename: 'package-1.0.0.exe' }, without),
    await row('an empty manifest, and no name', { tarball: naked, manifest: ' ' }, without),
    await row(
      'a name that is none',
      { tarball: naked, manifest: '.{ .name = .@"a/b", .version = "1.0.0" }' },
      /not a package name/,
    ),
    await row(
      'a name of dots',
      { tarball: naked, manifest: '.{ .name = "..", .version = "1.0.0" }' },
      /not a package name/,
    ),
    await row(
      'a version that is none',
      { tarball: naked, manifest: '.{ .name = "a", .version = "one" }' },
      /semantic version/,
    ),
    await row(
      'a version with a v',
      { tarball: naked, manifest: '.{ .name = "a", .version = "v1.0.0" }' },
      /semantic version/,
    ),
    await row(
      'a version too long',
      { tarball: naked, filename: `a-1.0.0-${'x'.repeat(30)}.tar.gz` },
      /32 characters/,
    ),
    await row(
      'a name too long',
      { tarball: naked, filename: `${'a'.repeat(65)}-1.0.0.tar.gz` },
      /64 characters/,
    ),
  ]);
});

test('a manifest beside the archive may spell the name as addresses do, and may not disagree', async () => {
  const library = { name: 'tolerated_lib', version: '1.0.0' };
  const tarball = packed(library);
  const beside = (name: string, version = '1.0.0') => `.{ .name = ${name}, .version = "${version}" }`;
  await zig.refuses([
    await row(
      'another name',
      { tarball, manifest: beside('.other') },
      /the manifest sent is of "other 1\.0\.0"/,
    ),
    await row(
      'another version',
      { tarball, manifest: beside('.tolerated_lib', '1.0.1') },
      /send the archive's own/,
    ),
    await row('no ZON', { tarball, manifest: 'name: tolerated' }, /build\.zig\.zon|manifest|expected/),
    await row(
      'no struct',
      { tarball, manifest: '"text"' },
      'the manifest needs .name and .version, as build.zig.zon has them',
    ),
    await row(
      'no version',
      { tarball, manifest: '.{ .name = .tolerated_lib }' },
      /needs \.name and \.version/,
    ),
    await row('10,000 deep', { tarball, manifest: `${'.{'.repeat(10_000)}${'}'.repeat(10_000)}` }, /deep/),
  ]);
  const said = ['.tolerated_lib', '.@"tolerated-lib"', '"tolerated_lib"', '"tolerated-lib"'];
  for (const [i, name] of said.entries()) {
    const version = `1.0.${i}`;
    const sent = {
      tarball: packed({ ...library, version }),
      manifest: beside(name, version),
      filename: 'any.tgz',
    };
    assert.equal((await zig.publish(sent, admin)).message, `Published tolerated-lib@${version}`);
  }
});

test("what upstream's action sends is published: no root folder, and a name that Zig would refuse beside it", async () => {
  const library = { name: 'action_lib', version: '0.3.0' };
  const entries = libraryFiles(library).slice(0, 3);
  const published = await zig.publish(
    {
      tarball: packAs('tar.gz', entries),
      filename: 'action-lib-0.3.0.tar.gz',
      manifest: libraryManifest(library).replace('.action_lib', '.@"action-lib"'),
    },
    admin,
  );
  assert.equal(published.message, 'Published action-lib@0.3.0');
  assert.match(published.hash, /^action_lib-0\.3\.0-/, 'of the manifest in the archive');
  assert.match(published.dependency, /^\.action_lib = \.\{$/m);
  assert.match(published.warnings?.join() ?? '', /root folder/);
  const again = await zig.ask(await publishOf({ tarball: packAs('tar.gz', entries) }, admin));
  assertPantryError(again, 409, 'Version already exists');
});

test('a version is published once, whatever is in it and however its name is spelt', async () => {
  await publish({ name: 'only_once' });
  const changed = { ...(await publishOf({ tarball: packed({ name: 'only_once', says: 'else' }) }, admin)) };
  const sameName = await publishOf({ tarball: naked, filename: 'only-once-1.0.0.tar.gz' }, admin);
  await zig.refuses([
    [
      'the same',
      await publishOf({ tarball: packed({ name: 'only_once' }) }, admin),
      409,
      'Version already exists',
    ],
    ['another', changed, 409, 'Version already exists'],
    ['with a hyphen', sameName, 409, 'Version already exists'],
    [
      'in capitals',
      await publishOf({ tarball: packed({ name: 'ONLY_once', version: '2.0.0' }) }, admin),
      409,
      /only-once/,
    ],
  ]);
  await publish({ name: 'only_once', version: '1.0.0+build' });
});

test('of two uploads of one version at once one is published, whole', async () => {
  const tries = Array.from({ length: 6 }, (_, i) => packed({ name: 'race', says: `${i}` }));
  const answers = await Promise.all(
    tries.map(async (tarball) => zig.ask(await publishOf({ tarball }, admin))),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409, 409, 409]);
  const winner = tries[answers.findIndex(({ status }) => status === 201)];
  assert.ok(winner);
  assert.ok((await zig.ask({ path: 'packages/race/1.0.0/tarball' })).body.equals(winner));
});

test('a package belongs to who published it first', async () => {
  const [ann, bob] = [
    await makeToken(server.data, { handle: 'ann', scopes: ['publish', 'yank'] }),
    await makeToken(server.data, { handle: 'bob', scopes: ['publish', 'yank'] }),
  ];
  await publish({ name: 'anns' }, ann);
  const remove = { method: 'DELETE', path: 'packages/anns' };
  await zig.refuses([
    [
      'a version by another',
      await publishOf({ tarball: packed({ name: 'anns', version: '2.0.0' }) }, bob),
      401,
      'not a package owner',
    ],
    ['a delete by another', { ...remove, token: bob }, 401, 'not a package owner'],
    [
      'a delete by a publisher',
      { ...remove, token: await makeToken(server.data, { handle: 'ann' }) },
      401,
      'Token does not have publish permission',
    ],
  ]);
  await publish({ name: 'anns', version: '2.0.0' }, ann);
  assert.deepEqual(await zig.ok({ ...remove, token: ann }), { success: true, message: 'Deleted anns' });
});

test('what is deleted is gone everywhere, and its versions are never published again', async () => {
  const first = await publish({ name: 'to_go' });
  await publish({ name: 'to_go', version: '1.1.0' });
  for (const path of ['packages/to_go', 'packages/to-go', 'packages/never-was'])
    assert.deepEqual(await zig.ok({ method: 'DELETE', path, token: admin }), {
      success: true,
      message: `Deleted ${path.includes('never') ? 'never-was' : 'to-go'}`,
    });
  await zig.refuses([
    ['the package', { path: 'packages/to-go' }, 404, 'Package not found'],
    ['a version', { path: 'packages/to-go/1.0.0' }, 404, 'Package version not found'],
    ['its archive', { path: 'packages/to-go/1.0.0/tarball' }, 404, 'Package not found'],
    ['its hash', { path: `hash/${first.hash}` }, 404, 'Package not found for this hash'],
    ['its older hash', { path: `hash/${first.legacyHash}` }, 404, 'Package not found for this hash'],
    ['its bytes', { path: `p/${first.hash}.tar.gz` }, 404, 'Package not found for this hash'],
    ['again', await publishOf({ tarball: packed({ name: 'to_go' }) }, admin), 409, /was deleted/],
  ]);
  assert.deepEqual(await zig.ok({ path: 'packages/to-go/versions' }), { name: 'to-go', versions: [] });
  assert.deepEqual(await zig.ok({ path: 'search?q=to-go' }), { results: [] });
  await publish({ name: 'to_go', version: '2.0.0' });
  assert.deepEqual(await zig.ok({ path: 'packages/to-go/versions' }), { name: 'to-go', versions: ['2.0.0'] });
});

test('a yanked version is not offered and can still be fetched; a deprecated one says so', async () => {
  const [one] = [await publish({ name: 'yanked' }), await publish({ name: 'yanked', version: '1.1.0' })];
  const control = remoteControl(join(server.data, 'control.sock'));
  const release = { ecosystem: 'zig', name: 'yanked' } as const;
  await control.execute([{ kind: 'yank', ...release, version: '1.1.0' }]);
  assert.deepEqual(await zig.ok({ path: 'packages/yanked/versions' }), {
    name: 'yanked',
    versions: ['1.0.0'],
  });
  assert.equal((await zig.ok({ path: 'packages/yanked' })).version, '1.0.0');
  for (const path of ['packages/yanked/1.1.0', 'packages/yanked/1.1.0/tarball'])
    assert.equal((await zig.ask({ path })).status, 200, path);
  await control.execute([{ kind: 'deprecate', ...release, version: '1.0.0', message: 'Use another.' }]);
  for (const path of ['packages/yanked', 'packages/yanked/1.0.0'])
    assert.equal((await zig.ok({ path }))['deprecated'], 'Use another.');
  await control.execute([{ kind: 'yank', ...release, version: '1.0.0' }]);
  assertPantryError(await zig.ask({ path: 'packages/yanked' }), 404, 'Package not found');
  assert.deepEqual(await zig.ok({ path: 'packages/yanked/versions' }), { name: 'yanked', versions: [] });
  assert.equal((await zig.ask({ path: `p/${one.hash}.tar.gz` })).status, 200);
  await control.execute([{ kind: 'unyank', ...release, version: '1.1.0' }]);
  assert.equal((await zig.ok({ path: 'packages/yanked' })).version, '1.1.0');
});
