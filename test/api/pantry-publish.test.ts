/** Contract of Pantry, sections 2 and 4. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { bearer } from '../support/http.ts';
import { npmApi } from '../support/npm-api.ts';
import { packNpm, packageJson, type NpmPackage } from '../support/npm-package.ts';
import {
  assertPantryError,
  form,
  metadataText,
  pantryApi,
  sha256,
  tarballPart,
  type Part,
  type Refusal,
} from '../support/pantry-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { packTar } from '../support/x07-package.ts';
import { gzipSync } from 'node:zlib';

const lib = (version = '1.0.0', over: Partial<NpmPackage> = {}): NpmPackage => ({
  name: '@acme/lib',
  version,
  ...over,
});
const metadata = (content: string, type?: string): Part => ({
  name: 'metadata',
  content,
  ...(type === undefined ? {} : { type }),
});
const publishing = { path: 'publish', token: ADMIN_TOKEN } as const;

test('a form publishes with its parts in either order, its metadata of any type, and fields nobody knows', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  // Every byte, also those that end lines and begin boundaries.
  const binary = Buffer.concat([randomBytes(4096), Buffer.from('\r\n--x\r\n\0\xff', 'latin1')]);
  const wanted = (version: string): NpmPackage => lib(version, { files: { 'data.bin': binary } });
  const tarball = (version: string): Part => tarballPart(packNpm(wanted(version)));
  const forms: readonly (readonly Part[])[] = [
    [metadata(metadataText(wanted('1.0.0'))), tarball('1.0.0')],
    [tarball('1.0.1'), metadata(metadataText(wanted('1.0.1')))],
    [tarball('1.0.2'), metadata(metadataText(wanted('1.0.2')), 'text/plain')],
    [metadata(metadataText(wanted('1.0.3')), 'application/json; charset=utf-8'), tarball('1.0.3')],
    [metadata(JSON.stringify({ name: '@acme/lib', version: '1.0.4' })), tarball('1.0.4')],
    [
      { name: 'unknown', content: 'text' },
      tarball('1.0.5'),
      tarballPart(randomBytes(100), 'other'),
      metadata(metadataText(wanted('1.0.5'))),
    ],
  ];
  for (const [i, parts] of forms.entries()) {
    const version = `1.0.${i}`;
    const answer = await pantry.ask({ ...publishing, ...form(parts) });
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.text, `{"success":true,"message":"Published @acme/lib@${version}"}`);
    const { body } = await pantry.ask({ path: `packages/@acme/lib/${version}/tarball` });
    assert.deepEqual(body, packNpm(wanted(version)));
  }
});

test('JSON publishes with its fields in either order, packed or in pieces, and with every slash escaped', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const base64 = (version: string): string => packNpm(lib(version)).toString('base64');
  const object = (version: string): object => packageJson(lib(version));
  const headers = { 'content-type': 'application/json' };
  const bodies: readonly (readonly [string | Buffer, object])[] = [
    [JSON.stringify({ metadata: object('1.0.0'), tarball: base64('1.0.0') }), {}],
    [JSON.stringify({ tarball: base64('1.0.1'), metadata: object('1.0.1') }), {}],
    [
      `{"tarball":"${base64('1.0.2').replaceAll('/', '\\/')}","metadata":${JSON.stringify(object('1.0.2'))}}`,
      {},
    ],
    [
      gzipSync(JSON.stringify({ metadata: object('1.0.3'), tarball: base64('1.0.3') })),
      { 'content-encoding': 'gzip' },
    ],
    [JSON.stringify({ more: { tarball: 'no' }, metadata: object('1.0.4'), tarball: base64('1.0.4') }), {}],
  ];
  for (const [i, [body, more]] of bodies.entries()) {
    const answer = await pantry.ask({ ...publishing, body, headers: { ...headers, ...more } });
    assert.equal(answer.status, 201, answer.text);
    assert.equal(answer.text, `{"success":true,"message":"Published @acme/lib@1.0.${i}"}`);
    const read = await pantry.ask({ path: `packages/@acme/lib/1.0.${i}/tarball` });
    assert.equal(sha256(read.body), sha256(packNpm(lib(`1.0.${i}`))));
  }
});

test('a tarball with a pantry.json and no package.json is published by it; where both are, package.json counts', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const pack = (files: Record<string, object>): Buffer =>
    gzipSync(
      packTar(
        Object.entries(files).map(([path, content]) => ({
          path: `package/${path}`,
          content: JSON.stringify(content),
        })),
      ),
    );
  const publish = (tarball: Buffer, sent: object): ReturnType<typeof pantry.ask> =>
    pantry.ask({ ...publishing, ...form([tarballPart(tarball), metadata(JSON.stringify(sent))]) });
  const own = { name: 'only-pantry', version: '0.1.0', description: 'By pantry.json.', license: 'MIT' };
  const published = await publish(pack({ 'pantry.json': own }), own);
  assert.equal(published.status, 201, published.text);
  assert.equal((await pantry.ok({ path: 'packages/only-pantry' }))['description'], 'By pantry.json.');
  const other = { ...own, version: '0.2.0', description: 'By package.json.' };
  const both = pack({ 'pantry.json': { ...own, version: '0.2.0' }, 'package.json': other });
  assert.equal((await publish(both, { name: own.name, version: '0.2.0' })).status, 201);

  assert.equal((await pantry.ok({ path: 'packages/only-pantry' }))['description'], 'By package.json.');
  const neither = await publish(pack({ 'index.js': {} }), { ...own, version: '0.3.0' });
  assertPantryError(neither, 400, /no package\.json/);
});

test("what is shown may come from beside the tarball where that says nothing; what counts is the tarball's", async (t) => {
  const server = await openTestServer(t);
  const pantry = pantryApi(server);
  const npm = npmApi(server);
  const wanted = lib('1.0.0', {
    manifest: {
      description: undefined,
      license: undefined,
      author: { name: 'Ann', email: 'ann@acme.example' },
      dependencies: { left: '^1.0.0' },
    },
  });
  const beside = {
    name: '@acme/lib',
    version: '1.0.0',
    description: 'From beside.',
    license: { type: 'ISC' },
    repository: { type: 'git', url: 'https://git.example/acme/lib' },
    homepage: 'https://acme.example/lib',
    keywords: ['a', 'b'],
    author: 'Somebody else',
    main: 'elsewhere.js',
    exports: './evil.js',
    devDependencies: { tool: '1' },
    // As of a pantry.json, which lies beside package.json and names programs of the system.
    dependencies: { 'node.org': '^20' },
    scripts: { postinstall: 'evil' },
  };
  const answer = await pantry.ask({
    ...publishing,
    ...form([metadata(JSON.stringify(beside)), tarballPart(packNpm(wanted))]),
  });
  assert.equal(answer.status, 201, answer.text);
  const shown = await pantry.ok({ path: 'packages/@acme/lib' });
  const { tarballUrl, checksum, integrity, publishedAt, ...rest } = shown;
  assert.deepEqual(rest, {
    name: '@acme/lib',
    version: '1.0.0',
    description: 'From beside.',
    repository: 'https://git.example/acme/lib',
    homepage: 'https://acme.example/lib',
    license: 'ISC',
    author: 'Ann',
    keywords: ['a', 'b'],
    dependencies: { left: '^1.0.0' },
  });
  assert.equal(tarballUrl, `${pantry.base}/packages/%40acme%2Flib/1.0.0/tarball`);
  assert.equal(checksum, sha256(packNpm(wanted)));
  assert.match(String(integrity), /^sha512-/);
  assert.match(String(publishedAt), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  // npm's clients read the same package.
  const version: Record<string, unknown> = (await npm.packument('@acme/lib')).versions['1.0.0'] ?? {};
  assert.equal(version['description'], 'From beside.');
  assert.equal(version['main'], 'index.js');
  assert.equal(version['exports'], undefined);
  assert.equal(version['devDependencies'], undefined);
  assert.deepEqual(version['dependencies'], { left: '^1.0.0' });
  assert.equal(version['scripts'], undefined);
  assert.equal(version['hasInstallScript'], undefined);
});

test('metadata of another package or version than the tarball is refused', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const tarball = tarballPart(packNpm(lib()));
  const row = (what: string, over: object, message: RegExp): Refusal => [
    what,
    { ...publishing, ...form([tarball, metadata(JSON.stringify({ ...packageJson(lib()), ...over }))]) },
    400,
    message,
  ];
  await pantry.refuses([
    row('another name', { name: '@acme/other' }, /@acme\/other@1\.0\.0/),
    row('another version', { version: '1.0.1' }, /@acme\/lib@1\.0\.1/),
  ]);
});

const good = lib();
const tarball = tarballPart(packNpm(good));
const sentForm = (...parts: readonly Part[]): { body: Buffer; headers: Record<string, string> } =>
  form(parts);
const ofMetadata = (fields: object): object =>
  sentForm(tarball, metadata(JSON.stringify({ ...packageJson(good), ...fields })));
const asJson = (body: string): object => ({ body, headers: { 'content-type': 'application/json' } });
const base64 = packNpm(good).toString('base64');

test('who may not publish is told so with 401 before the body is looked at', async (t) => {
  const server = await openTestServer(t);
  const pantry = pantryApi(server);
  const reader = await makeToken(server.data, { handle: 'reader', scopes: ['read'] });
  const elsewhere = await makeToken(server.data, {
    handle: 'elsewhere',
    limits: [{ ecosystem: 'npm', namespace: '@other' }],
  });
  const expired = await makeToken(server.data, {
    handle: 'expired',
    expiresAt: new Date(Date.now() - 1000).toISOString(),
  });
  const body = { body: 'neither JSON nor a form', headers: { 'content-type': 'text/plain' } };
  const whole = sentForm(tarball, metadata(metadataText(good)));
  const bare = (authorization: string): object => ({ headers: { ...body.headers, authorization } });
  const rows: Refusal[] = [];
  for (const path of ['publish', 'publish/commit', 'zig/publish'])
    rows.push(
      [`${path}, no token`, { path, ...body }, 401, 'Authorization required'],
      [`${path}, an empty one`, { path, ...body, ...bare('') }, 401, 'Authorization required'],
      [`${path}, Basic`, { path, ...body, ...bare('Basic YTpi') }, 401, 'Authorization required'],
      [`${path}, unknown`, { path, ...body, token: 'unknown' }, 401, 'Invalid token'],
      [`${path}, unknown and bare`, { path, ...body, ...bare('unknown') }, 401, 'Invalid token'],
      [`${path}, expired`, { path, ...body, token: expired }, 401, 'Token has expired'],
      [`${path}, expired and bare`, { path, ...body, ...bare(expired) }, 401, 'Token has expired'],
      [`${path}, read only`, { path, ...body, token: reader }, 401, 'Token does not have publish permission'],
    );
  await pantry.refuses([
    ...rows,
    [
      'for another scope',
      { path: 'publish', ...whole, token: elsewhere },
      401,
      'Token does not have publish permission',
    ],
  ]);
});

test('a token may come without the word Bearer', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const { body, headers } = sentForm(tarball, metadata(metadataText(good)));
  const answer = await pantry.ask({
    path: 'publish',
    body,
    headers: { ...headers, authorization: ADMIN_TOKEN },
  });
  assert.equal(answer.status, 201, answer.text);
});

test('each error has its own words, and nothing of a refused upload is stored', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  assert.equal((await pantry.publish(good)).status, 201);
  const row = (what: string, sent: object, status: number, message: string | RegExp): Refusal => [
    what,
    { ...publishing, ...sent },
    status,
    message,
  ];
  const text = { 'content-type': 'text/plain' };
  const file: Part = { name: 'metadata', filename: 'package.json', content: metadataText(good) };
  const long = 'a'.repeat(200);
  await pantry.refuses([
    row('another type', { body: 'x', headers: text }, 415, 'Unsupported content type'),
    row('no type', { body: 'x' }, 415, 'Unsupported content type'),
    row('an empty form', sentForm(), 400, /Missing metadata|form cannot be read/),
    row('no metadata', sentForm(tarball), 400, 'Missing metadata'),
    row('metadata as a file', sentForm(tarball, file), 400, 'Missing metadata'),
    row('no tarball', sentForm(metadata('{}')), 400, 'Missing tarball'),
    row(
      'a tarball as text',
      sentForm(metadata('{}'), { name: 'tarball', content: 'x' }),
      400,
      'Missing tarball',
    ),
    row(
      'a tarball comes before what is wrong with metadata',
      sentForm(metadata('{')),
      400,
      'Missing tarball',
    ),
    row('metadata no JSON', sentForm(tarball, metadata('{')), 400, 'Invalid metadata JSON'),
    row('metadata a list', sentForm(tarball, metadata('[]')), 400, 'Invalid metadata JSON'),
    row('metadata empty', sentForm(tarball, metadata('')), 400, 'Invalid metadata JSON'),
    row(
      'a form without a boundary',
      { body: 'x', headers: { 'content-type': 'multipart/form-data' } },
      400,
      /form cannot be read/,
    ),
    row(
      'a form that is cut off',
      { ...sentForm(tarball), body: sentForm(tarball).body.subarray(0, 300) },
      400,
      /form cannot be read/,
    ),
    row('JSON cut off', asJson('{"metadata"'), 400, 'Invalid JSON body'),
    row('JSON empty', asJson(''), 400, 'Invalid JSON body'),
    row('JSON without a tarball', asJson('{"metadata":{}}'), 400, 'Missing metadata or tarball'),
    row(
      'JSON with an empty tarball',
      asJson('{"metadata":{"name":"x"},"tarball":""}'),
      400,
      'Missing metadata or tarball',
    ),
    row(
      'JSON with a number for a tarball',
      asJson('{"metadata":{},"tarball":5}'),
      400,
      'Missing metadata or tarball',
    ),
    row('JSON without metadata', asJson(`{"tarball":"${base64}"}`), 400, 'Missing metadata or tarball'),
    row(
      'JSON with a text for metadata',
      asJson(`{"metadata":"x","tarball":"${base64}"}`),
      400,
      'Missing metadata or tarball',
    ),
    row('JSON that is a list', asJson('[]'), 400, 'Missing metadata or tarball'),
    row('JSON that is null', asJson('null'), 400, 'Missing metadata or tarball'),

    row('no name', ofMetadata({ name: undefined }), 400, 'Package name is required'),
    row('an empty name', ofMetadata({ name: '' }), 400, 'Package name is required'),
    row('a number for a name', ofMetadata({ name: 5 }), 400, 'Package name is required'),
    row(
      'a name too long',
      ofMetadata({ name: `${long}${long}/` }),
      400,
      'Package name exceeds 214 characters',
    ),
    row(
      'a name of odd letters',
      ofMetadata({ name: 'a b' }),
      400,
      'Package name contains invalid characters',
    ),
    row(
      'a name of two slashes',
      ofMetadata({ name: '@a/b/c' }),
      400,
      'Package name contains invalid characters',
    ),
    row('a name with dots', ofMetadata({ name: 'a..b' }), 400, 'Package name contains invalid characters'),
    row(
      'a name that climbs',
      ofMetadata({ name: '../etc' }),
      400,
      'Package name contains invalid characters',
    ),
    row(
      'a name of no letters',
      ofMetadata({ name: '__proto__' }),
      400,
      'Package name contains invalid characters',
    ),
    ...['constructor', 'prototype', 'node_modules', 'favicon.ico'].map((name) =>
      row(`the name ${name}`, ofMetadata({ name }), 400, 'Package name is reserved'),
    ),
    row('a name with capitals', ofMetadata({ name: 'Lib' }), 400, /lower-case/),

    row('no version', ofMetadata({ version: undefined }), 400, 'Package version is required'),
    row('a number for a version', ofMetadata({ version: 1 }), 400, 'Package version is required'),
    row(
      'a version too long',
      ofMetadata({ version: `1.0.0-${long}` }),
      400,
      'Version string exceeds 64 characters',
    ),
    row(
      'a version of odd letters',
      ofMetadata({ version: '1.0.0 ' }),
      400,
      'Version contains invalid characters',
    ),
    row('no semantic version', ofMetadata({ version: 'latest' }), 400, /not a semantic version/),
    row('half a version', ofMetadata({ version: '1.0' }), 400, /not a semantic version/),

    row('a long description', ofMetadata({ description: 'a'.repeat(2001) }), 400, /description exceeds 2000/),
    row('keywords as text', ofMetadata({ keywords: 'a,b' }), 400, 'keywords must be an array'),
    row('many keywords', ofMetadata({ keywords: Array(51).fill('a') }), 400, /keywords has more than 50/),
    row(
      'a long keyword',
      ofMetadata({ keywords: ['a'.repeat(51)] }),
      400,
      /keyword must be a string of at most 50/,
    ),
    row('a number for a keyword', ofMetadata({ keywords: [1] }), 400, /keyword must be a string/),
    row(
      'a long homepage',
      ofMetadata({ homepage: `https://${'a'.repeat(512)}` }),
      400,
      /homepage exceeds 512/,
    ),

    row('the version exists', ofMetadata({}), 409, 'Version already exists'),
    row(
      'it exists, whatever its build',
      ofMetadata({ version: '1.0.0+linux' }),
      409,
      'Version already exists',
    ),
    row(
      'the same as JSON',
      asJson(JSON.stringify({ metadata: packageJson(good), tarball: base64 })),
      409,
      'Version already exists',
    ),
    row(
      'no archive',
      sentForm(metadata(metadataText(lib('2.0.0'))), tarballPart(Buffer.from('text'))),
      400,
      /not a gzip file/,
    ),
    row(
      'an empty archive',
      sentForm(metadata(metadataText(lib('2.0.0'))), tarballPart(Buffer.alloc(0))),
      400,
      /./,
    ),
  ]);
});

test('in JSON, what is wrong with the base64 comes last, after the version that exists', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  assert.equal((await pantry.publish(good)).status, 201);
  const row = (what: string, fields: object, text: string, status: number, message: string): Refusal => [
    what,
    {
      ...publishing,
      ...asJson(`{"tarball":${text},"metadata":${JSON.stringify({ ...packageJson(good), ...fields })}}`),
    },
    status,
    message,
  ];
  const wrong = ['"*"', '"AAA"', '"AAAA\\nAAAA"', '"A-_="', '"AA==AAAA"', '"\\u0041AAA"', '"=AAA"'];
  await pantry.refuses([
    ...wrong.map((text) => row(text, { version: '2.0.0' }, text, 400, 'Invalid base64 tarball data')),
    row('the name first', { name: '' }, '"*"', 400, 'Package name is required'),
    row('the version first', { version: 'x y' }, '"*"', 400, 'Version contains invalid characters'),
    row('the keywords first', { keywords: 5 }, '"*"', 400, 'keywords must be an array'),
    row('the version that exists first', {}, '"*"', 409, 'Version already exists'),
  ]);
});

test('a tarball over 50 MiB is refused with 413, in a form and in JSON, and one of 50 MiB is read', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const limit = 50 * 1024 * 1024;
  const [most, over] = [Buffer.alloc(limit, 'A'), Buffer.alloc(limit + 3, 'A')];
  const tooLarge = 'Tarball exceeds maximum size of 50MB';
  const json = (bytes: Buffer): object =>
    asJson(`{"metadata":${metadataText(good)},"tarball":"${bytes.toString('base64')}"}`);
  await pantry.refuses([
    [
      'a form, its metadata first',
      { ...publishing, ...sentForm(metadata(metadataText(good)), tarballPart(over)) },
      413,
      tooLarge,
    ],
    [
      'a form, its tarball first',
      { ...publishing, ...sentForm(tarballPart(over), metadata(metadataText(good))) },
      413,
      tooLarge,
    ],
    ['JSON', { ...publishing, ...json(over) }, 413, tooLarge],
    [
      'a form of the most',
      { ...publishing, ...sentForm(tarballPart(most), metadata(metadataText(good))) },
      400,
      /not a gzip file/,
    ],
    ['JSON of the most', { ...publishing, ...json(most) }, 400, /not a gzip file/],
  ]);
});

test('a form is refused that nobody could make sense of, and nothing of its files is left lying', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const said = metadata(metadataText(good));
  // Large enough to be on its way to the disk when the refusal comes.
  const large = tarballPart(randomBytes(8 << 20));
  await pantry.refuses([
    ['metadata twice', { ...publishing, ...sentForm(tarball, said, said) }, 400, /"metadata" comes twice/],
    ['a tarball twice', { ...publishing, ...sentForm(large, tarball, said) }, 400, /"tarball" comes twice/],
    [
      'a large one, and metadata twice',
      { ...publishing, ...sentForm(large, said, said) },
      400,
      /"metadata" comes twice/,
    ],
    [
      'nine files',
      {
        ...publishing,
        ...sentForm(...Array.from({ length: 9 }, (_, i) => tarballPart(randomBytes(1 << 20), `f${i}`)), said),
      },
      413,
      /at most 8 files/,
    ],
    [
      'metadata too long',
      { ...publishing, ...sentForm(large, metadata('x'.repeat((4 << 20) + 1))) },
      413,
      /over the limit/,
    ],
    [
      'too many fields',
      {
        ...publishing,
        ...sentForm(...Array.from({ length: 1001 }, (_, i) => ({ name: `f${i}`, content: '' }))),
      },
      413,
      /at most 1000 fields/,
    ],
  ]);
});

test('a package belongs to who published it first, and a scope to who published into it first', async (t) => {
  const server = await openTestServer(t);
  const pantry = pantryApi(server);
  const [alice, bob] = [
    await makeToken(server.data, { handle: 'alice' }),
    await makeToken(server.data, { handle: 'bob' }),
  ];
  assert.equal((await pantry.publish(lib(), alice)).status, 201);
  assert.equal((await pantry.publish({ name: 'plain', version: '1.0.0' }, alice)).status, 201);
  assertPantryError(await pantry.publish(lib('2.0.0'), bob), 401, 'not a package owner');
  assertPantryError(
    await pantry.publish({ name: '@acme/new', version: '1.0.0' }, bob),
    401,
    'not a package owner',
  );
  assertPantryError(
    await pantry.publish({ name: 'plain', version: '2.0.0' }, bob),
    401,
    'not a package owner',
  );
  assertPantryError(
    await pantry.publish({ name: 'pla-in', version: '1.0.0' }, bob),
    409,
    /too close to plain/,
  );
  assert.equal((await pantry.publish(lib('2.0.0'), alice)).status, 201);
  assert.equal((await pantry.publish({ name: 'free', version: '1.0.0' }, bob)).status, 201);
});

test('a private package gets private versions, and to others it is as if there were none', async (t) => {
  const server = await openTestServer(t);
  const pantry = pantryApi(server);
  const scopes = ['read', 'publish', 'yank', 'owner'] as const;
  const alice = await makeToken(server.data, { handle: 'alice', scopes });
  const bob = await makeToken(server.data, { handle: 'bob', scopes });
  const secret = (version: string): NpmPackage => ({ name: '@acme/secret', version });
  assert.equal((await npmApi(server).publish(secret('1.0.0'), alice, { access: 'restricted' })).status, 201);
  assert.equal((await pantry.publish(secret('1.1.0'), alice)).status, 201);
  for (const path of ['packages/@acme/secret', 'packages/@acme/secret/1.1.0'])
    assert.equal((await pantry.ok({ path, token: alice }))['version'], '1.1.0');
  assertPantryError(await pantry.ask({ path: 'packages/@acme/secret' }), 404, 'Package not found');
  // Whether the number is taken is nobody else's business.
  for (const version of ['1.1.0', '9.0.0']) {
    const taken = await pantry.publish(secret(version), bob);
    const free = await pantry.publish({ name: '@acme/nothere', version }, bob);
    assert.deepEqual([taken.status, taken.text], [free.status, free.text]);
  }
  assertPantryError(await pantry.publish(secret('1.1.0'), alice), 409, 'Version already exists');
});

test("for npm's clients the highest version without a suffix is latest, and theirs are Pantry's", async (t) => {
  const server = await openTestServer(t);
  const pantry = pantryApi(server);
  const npm = npmApi(server);
  const latest = async (): Promise<unknown> => (await npm.packument('@acme/lib'))['dist-tags']['latest'];
  for (const [version, wanted] of [
    ['1.0.0-beta.1', '1.0.0-beta.1'],
    ['1.0.0-beta.2', '1.0.0-beta.1'],
    ['1.0.0', '1.0.0'],
    ['0.9.0', '1.0.0'],
    ['2.0.0-rc.1', '1.0.0'],
    ['1.10.0', '1.10.0'],
    ['1.9.0', '1.10.0'],
  ] as const) {
    assert.equal((await pantry.publish(lib(version))).status, 201);
    assert.equal(await latest(), wanted, `after ${version}`);
  }
  assert.equal((await npm.publish(lib('3.0.0'), ADMIN_TOKEN)).status, 201);
  assert.equal((await pantry.ok({ path: 'packages/@acme/lib' }))['version'], '3.0.0');
  const tarball = (await npm.packument('@acme/lib')).versions['1.10.0']?.dist['tarball'];
  const { body } = await npm.ask({
    path: String(tarball).slice(`${server.url}/npm/`.length),
    headers: bearer(ADMIN_TOKEN),
  });
  assert.deepEqual(body, packNpm(lib('1.10.0')));
});

test('a version is read without its build metadata, as npm does', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const answer = await pantry.publish(lib('1.0.0+build.5'));
  assert.equal(answer.text, '{"success":true,"message":"Published @acme/lib@1.0.0"}');
  assert.deepEqual(await pantry.ok({ path: 'packages/@acme/lib/versions' }), { versions: ['1.0.0'] });
});
