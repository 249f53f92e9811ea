/** Publishing to Ori, row by row (contract, sections 2 to 5 and 12). */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { remoteControl } from '../../api/control.ts';
import type { Asked } from '../support/asking.ts';
import {
  assertProblem,
  formTo,
  oriApi,
  oriToken,
  pathOf,
  publishOf,
  type Published,
  type Refusal,
  unlimited,
} from '../support/ori-api.ts';
import {
  checksumOf,
  oriEntries,
  oriManifest,
  packOri,
  sha256Hex,
  type OriPackage,
} from '../support/ori-package.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { file, link, packTar } from '../support/zig-archive.ts';

const server = await openTestServer(wholeFile, unlimited);
const ori = oriApi(server);
const alice = await oriToken(server.data, 'alice', 'publish');
const mallory = await oriToken(server.data, 'mallory', 'admin');
const reader = await oriToken(server.data, 'alice', 'read');

const name = '@acme/json';
const packed = (wanted: Partial<OriPackage> = {}): Buffer => packOri({ name, ...wanted });

test('what is published is answered with all that a client needs, and can be read at once', async () => {
  const archive = packed({ version: '1.0.0', project: 'keywords = ["json"]' });
  const answer = await ori.ask(await publishOf(name, archive, alice));
  assert.equal(answer.status, 201, answer.text);
  const published = JSON.parse(answer.text) as Published;
  const { published_at, ...rest } = published;
  assert.deepEqual(rest, { name, version: '1.0.0', checksum: checksumOf(archive), size: archive.byteLength });
  assert.ok(Math.abs(Date.parse(published_at) - Date.now()) < 60_000, published_at);
  assert.deepEqual(await ori.versions(name), {
    name,
    versions: ['1.0.0'],
    releases: [{ version: '1.0.0', checksum: rest.checksum, yanked: false, deprecated: null, published_at }],
  });
  const download = await ori.ask({ path: pathOf(name, '1.0.0/download') });
  assert.ok(download.body.equals(archive), 'the very bytes');
});

test('the same bytes by the same account are answered with the first answer', async () => {
  const archive = packed({ version: '1.1.0' });
  const first = await ori.ok<Published>(await publishOf(name, archive, alice), 201);
  for (const part of ['archive', 'package', 'file'])
    assert.deepEqual(await ori.ok(await publishOf(name, archive, alice, { part }), 200), first);
  const [again] = (await ori.versions(name)).releases.filter(({ version }) => version === '1.1.0');
  assert.equal(again?.['published_at'], first.published_at);
});

test('a version is never replaced, and the refusal says what is there', async () => {
  const archive = packed({ version: '1.2.0' });
  await ori.ok(await publishOf(name, archive, alice), 201);
  const other = packed({ version: '1.2.0', files: { 'src/lib.ori': 'other' } });
  const refused = assertProblem(await ori.ask(await publishOf(name, other, alice)), 409, 'version_exists');
  assert.equal(refused.checksum, checksumOf(archive));
  assert.match(refused.detail, /@acme\/json 1\.2\.0 is already published/);
  // The operator may publish anywhere, and is another account all the same.
  const byOther = assertProblem(
    await ori.ask(await publishOf(name, archive, ADMIN_TOKEN)),
    409,
    'version_exists',
  );
  assert.equal(byOther.checksum, checksumOf(archive));
  assert.ok((await ori.ask({ path: pathOf(name, '1.2.0/download') })).body.equals(archive));
});

test('of two that race for a version one is told that it was first', async () => {
  const different = await Promise.all(
    Array.from({ length: 8 }, async (_, i) =>
      publishOf(name, packed({ version: '2.0.0', files: { 'src/lib.ori': String(i) } }), alice),
    ),
  );
  const statuses = (await Promise.all(different.map((asked) => ori.ask(asked)))).map(({ status }) => status);
  assert.deepEqual(statuses.sort(), [201, 409, 409, 409, 409, 409, 409, 409]);
  const archive = packed({ version: '2.1.0' });
  const same = await publishOf(name, archive, alice);
  const answers = await Promise.all(Array.from({ length: 8 }, () => ori.ask(same)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 200, 200, 200, 200, 200, 201]);
  assert.equal(new Set(answers.map(({ text }) => text)).size, 1, 'one answer for all');
});

test('two that race for a scope: one has it, the other nothing', async () => {
  const accounts = await Promise.all(
    ['ann', 'ben'].map((handle) => oriToken(server.data, handle, 'publish')),
  );
  const answers = await Promise.all(
    accounts.map(async (token, i) =>
      ori.ask(await publishOf(`@raced/p${i}`, packOri({ name: `@raced/p${i}` }), token)),
    ),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 403]);
});

test('whoever publishes first into a scope has it, and alone adds to it', async () => {
  await ori.publish({ name: '@alices/one' }, alice);
  await ori.publish({ name: '@alices/two' }, alice);
  await ori.refuses([
    [
      'a new package',
      await publishOf('@alices/three', packOri({ name: '@alices/three' }), mallory),
      403,
      'forbidden',
      /^@alices is not yours/,
    ],
    [
      'a package that is there',
      await publishOf('@alices/one', packOri({ name: '@alices/one', version: '9.0.0' }), mallory),
      403,
      'forbidden',
      /^@alices\/one is not yours/,
    ],
    // Also where the upload is nothing at all: nobody learns more of what is not theirs.
    [
      'nothing',
      { method: 'POST', path: pathOf('@alices/one', 'publish'), token: mallory, body: '' },
      403,
      'forbidden',
    ],
  ]);
});

test('a scope is not another ecosystem’s of the same name, nor a handle', async () => {
  await ori.publish({ name: '@mallory/thing' }, alice);
  await ori.refuses([
    [
      'her own name is taken',
      await publishOf('@mallory/other', packOri({ name: '@mallory/other' }), mallory),
      403,
      'forbidden',
    ],
  ]);
});

test('what the path spells with an @ is the same package', async () => {
  for (const [i, spelled] of ['@spelled', '%40spelled', 'spelled'].entries()) {
    const asked = await publishOf(
      '@spelled/lib',
      packOri({ name: '@spelled/lib', version: `1.0.${i}` }),
      alice,
    );
    await ori.ok({ ...asked, path: `v1/packages/${spelled}/lib/publish` }, 201);
    const { versions } = await ori.ok<{ versions: string[] }>({
      path: `v1/packages/${spelled}/lib/versions`,
    });
    assert.equal(versions.length, i + 1);
  }
});

const good = packed({ version: '7.0.0' });
const otherMultipart = async (form: (form: FormData) => void): Promise<Asked> => {
  const made = new FormData();
  form(made);
  return formTo(pathOf(name, 'publish'), made, alice);
};

test('who may not publish is told so before anything of the upload is looked at', async () => {
  const rest = { method: 'POST', path: pathOf(name, 'publish') };
  const bodies: Asked[] = [
    await publishOf(name, good),
    await publishOf(name, Buffer.from('no archive')),
    { ...rest, body: '{}', headers: { 'content-type': 'application/json' } },
    { ...rest, body: '' },
    await publishOf('@std/x', packOri({ name: '@std/x' })),
  ];
  await ori.refuses(
    bodies.flatMap((asked): Refusal[] => [
      ['no token', asked, 401, 'unauthenticated'],
      [
        'no good token',
        { ...asked, headers: { ...asked.headers, authorization: 'Bearer ori_nope' } },
        401,
        'unauthenticated',
      ],
      [
        'a token to read',
        { ...asked, headers: { ...asked.headers, authorization: `Bearer ${reader}` } },
        403,
        'forbidden',
        /publish/,
      ],
    ]),
  );
});

test('what is not a form with a file is a bad request', async () => {
  const rest = { method: 'POST', path: pathOf(name, 'publish'), token: alice };
  await ori.refuses([
    ['JSON', { ...rest, json: {} }, 400, 'bad_request'],
    [
      'the archive itself',
      { ...rest, body: good, headers: { 'content-type': 'application/gzip' } },
      400,
      'bad_request',
    ],
    ['no type', { ...rest, body: good }, 400, 'bad_request'],
    [
      'a form without a boundary',
      { ...rest, body: good, headers: { 'content-type': 'multipart/form-data' } },
      400,
      'bad_request',
    ],
    [
      'half a form',
      { ...rest, body: '--x\r\n', headers: { 'content-type': 'multipart/form-data; boundary=x' } },
      400,
      'bad_request',
    ],
    [
      'no file',
      await otherMultipart((form) => form.append('checksum', checksumOf(good))),
      400,
      'bad_request',
      /no file/,
    ],
    [
      'the archive as a text',
      await otherMultipart((form) => form.append('archive', 'x')),
      400,
      'bad_request',
      /no file/,
    ],
    [
      'a file of another name',
      await publishOf(name, good, alice, { part: 'tarball' }),
      400,
      'bad_request',
      /no file/,
    ],
    [
      'a checksum that is none',
      await publishOf(name, good, alice, { texts: { checksum: sha256Hex(good) } }),
      400,
      'bad_request',
      /sha256: and 64/,
    ],
  ]);
});

test('parts that nobody knows are ignored, and a checksum is held against what arrived', async () => {
  const archive = packed({ version: '3.0.0' });
  const texts = { checksum: checksumOf(archive), mood: 'good' };
  await ori.ok(await publishOf(name, archive, alice, { texts }), 201);
  await ori.refuses([
    [
      'another checksum',
      await publishOf(name, good, alice, { texts: { checksum: checksumOf(Buffer.from('x')) } }),
      422,
      'checksum_mismatch',
    ],
  ]);
});

/** An archive of exactly so many bytes: it does not pack, and its gzip header has a name for what tar's blocks leave over. */
function archiveOf(version: string, bytes: number): Buffer {
  // The same in every run.
  const noise = createHash('shake256', { outputLength: bytes }).update(version).digest();
  const packedOf = (length: number): Buffer =>
    packOri({ name, version, level: 0, files: { 'src/lib.ori': noise.subarray(0, length) } });
  const length = bytes - 8192;
  const archive = packedOf(length + Math.floor((bytes - packedOf(length).byteLength - 16) / 512) * 512);
  return withName(archive, bytes - archive.byteLength);
}

/** RFC 1952: a name in the header, with a NUL at its end. */
function withName(archive: Buffer, bytes: number): Buffer {
  const header = Buffer.from(archive.subarray(0, 10));
  header[3] = 8;
  return Buffer.concat([header, Buffer.alloc(bytes - 1, 'x'), Buffer.of(0), archive.subarray(10)]);
}

const MAX = 10 * 1024 * 1024;

test('10 MiB are accepted, and a byte more is not', async () => {
  const [under, atLimit, over] = ([-1, 0, 1] as const).map((more) =>
    archiveOf(`4.0.${more + 1}`, MAX + more),
  );
  assert.ok(under && atLimit && over);
  assert.deepEqual([under.byteLength, atLimit.byteLength, over.byteLength], [MAX - 1, MAX, MAX + 1]);
  await ori.refuses([
    ['a byte over', await publishOf(name, over, alice), 413, 'too_large', /10485760/],
    [
      'a file that is over, whatever it is called',
      await publishOf(name, Buffer.alloc(MAX + 1), alice, { part: 'x' }),
      413,
      'too_large',
    ],
    [
      'a text without end',
      await publishOf(name, good, alice, { texts: { notes: 'x'.repeat(70_000) } }),
      413,
      'too_large',
    ],
  ]);
  assert.equal((await ori.ok<Published>(await publishOf(name, atLimit, alice), 201)).size, MAX);
  assert.equal((await ori.ok<Published>(await publishOf(name, under, alice), 201)).size, MAX - 1);
});

async function row(
  what: string,
  wanted: Partial<OriPackage>,
  code: string,
  message?: RegExp,
): Promise<Refusal> {
  return [what, await publishOf(name, packed({ version: '8.0.0', ...wanted }), alice), 422, code, message];
}

test('names that nobody can have are refused, and so is the manifest of another package', async () => {
  const named = async (path: string, said = path): Promise<Asked> =>
    publishOf(path, packOri({ name: said }), alice);
  await ori.refuses([
    ['capitals', await named('@Acme/json'), 422, 'invalid_name'],
    ['a hyphen first', await named('@acme/-a'), 422, 'invalid_name'],
    ['two hyphens', await named('@acme/a--b'), 422, 'invalid_name'],
    ['an underscore', await named('@acme/a_b'), 422, 'invalid_name'],
    ['65 characters', await named(`@acme/${'a'.repeat(59)}`), 422, 'invalid_name'],
    ['std', await named('@std-x/y'), 422, 'reserved_name'],
    ['std as a name', await named('@x/std'), 422, 'reserved_name'],
    ['a reserved scope', await named('@test/x'), 422, 'reserved_name'],
    ['a reserved name', await named('@acme/internal'), 422, 'reserved_name'],
    ['another name', await named('@acme/json', '@acme/yaml'), 422, 'name_mismatch', /"@acme\/yaml"/],
    ['another scope', await named('@acme/json', '@other/json'), 422, 'name_mismatch'],
    ['a name without scope', await named('@acme/json', 'json'), 422, 'name_mismatch'],
    // What is said before the archive is looked into.
    [
      'no archive at a wrong name',
      await publishOf('@Acme/json', Buffer.from('x'), alice),
      422,
      'invalid_name',
    ],
  ]);
  await ori.publish({ name: `@acme/${'a'.repeat(58)}` }, alice);
});

test('manifests and versions that cannot be published are refused', async () => {
  await ori.refuses([
    ...(await Promise.all(
      ['1.2', '01.2.3', '1.2.3+b', 'v1.0.0', ''].map((version) =>
        row(`the version ${version}`, { version }, version === '' ? 'invalid_manifest' : 'invalid_version'),
      ),
    )),
    await row('no TOML', { manifest: '= 1' }, 'invalid_manifest', /oripk.toml, line 1/),
    await row(
      'no description',
      { manifest: oriManifest({ name }).replace(/^description.*$/m, '') },
      'invalid_manifest',
    ),
    await row('a manifest of bytes', { manifest: Buffer.of(0xff, 0xfe) }, 'invalid_manifest', /UTF-8/),
    await row(
      'a manifest nested without end',
      { manifest: `a = ${'['.repeat(500_000)}` },
      'invalid_manifest',
      /nested/,
    ),
    await row(
      'a manifest of 130,000 keys',
      {
        manifest: Array.from({ length: 130_000 }, (_, i) => `a${i}=1\n`)
          .join('')
          .slice(0, 1024 * 1024),
      },
      'invalid_manifest',
      /50000/,
    ),
    await row('scripts', { rest: '[scripts]\nbuild = "make"' }, 'scripts_not_stripped'),
    await row('a path', { rest: '[dependencies]\n@a/b = { path = "../b" }' }, 'unpublishable_dependency'),
    await row(
      'git',
      { rest: '[dependencies]\n@a/b = { git = "https://git.example/b", rev = "1" }' },
      'unpublishable_dependency',
    ),
    await row(
      'a workspace',
      { rest: '[dependencies]\n@a/b = { workspace = true }' },
      'unpublishable_dependency',
    ),
    await row('a range', { rest: '[dependencies]\n@a/b = "^1.0.0"' }, 'unpublishable_dependency'),
  ]);
});

test('archives that nobody should unpack are refused', async () => {
  const bytes = async (
    what: string,
    archive: Buffer,
    code = 'invalid_archive',
    message?: RegExp,
  ): Promise<Refusal> => [what, await publishOf(name, archive, alice), 422, code, message];
  const whole = oriEntries({ name, version: '8.0.0' });
  const with_ = (...extra: Parameters<typeof packTar>[0]): Buffer => gzipSync(packTar([...whole, ...extra]));
  await ori.refuses([
    await bytes('nothing', Buffer.alloc(0)),
    await bytes('a text', Buffer.from('no archive')),
    await bytes('a tar', packTar(whole)),
    await bytes('half of it', gzipSync(packTar(whole)).subarray(0, -30)),
    await bytes('a path that climbs', with_(file('../x', 'x')), 'invalid_archive', /clean relative path/),
    await bytes('an absolute path', with_(file('/etc/x', 'x')), 'invalid_archive', /clean relative path/),
    await bytes('a backslash', with_(file('src\\..\\x', 'x')), 'invalid_archive', /backslash/),
    await bytes('a link', with_(link('src/x', '/etc/passwd')), 'invalid_archive', /symlink/),
    await bytes('a path twice', with_(file('src/lib.ori', 'x')), 'invalid_archive', /twice/),
    await bytes(
      'paths that differ by case',
      with_(file('src/LIB.ori', 'x')),
      'invalid_archive',
      /case alone/,
    ),
    await bytes('nothing in src', packed({ version: '8.0.0', files: {} })),
    await bytes('a file too many', with_(file('src/x', 'x')), 'checksum_mismatch'),
    await bytes(
      'a wrong hash',
      packed({
        version: '8.0.0',
        checksum: (text) => text.replace(/[0-9a-f]/, (x) => (x === '0' ? '1' : '0')),
      }),
      'checksum_mismatch',
    ),
    await bytes('no CHECKSUM', packed({ version: '8.0.0', checksum: () => undefined }), 'checksum_mismatch'),
  ]);
});

test('an archive with a top folder is published as it is', async () => {
  const archive = packed({ version: '5.0.0', top: 'json-5.0.0' });
  const { checksum } = await ori.ok<Published>(await publishOf(name, archive, alice), 201);
  assert.equal(checksum, checksumOf(archive));
  assert.ok((await ori.ask({ path: pathOf(name, '5.0.0/download') })).body.equals(archive));
});

test('a lock says what this registry has, where it names what is here', async () => {
  const parser = await ori.publish({ name: '@orilib/parser', version: '3.0.2' }, alice);
  const rest = '[dependencies]\n@orilib/parser = "3.0.2"';
  const lock = {
    '@orilib/parser:3.0.2': parser.checksum,
    '@elsewhere/lib:1.0.0': `sha256:${'e'.repeat(64)}`,
  };
  await ori.refuses([
    await row(
      'another checksum',
      { rest, lock: { ...lock, '@orilib/parser:3.0.2': `sha256:${'0'.repeat(64)}` } },
      'checksum_mismatch',
      /in this registry it is/,
    ),
    await row('a lock without what is needed', { rest }, 'invalid_archive', /oripk.lock/),
    await row('a lock that is none', { rest, lockText: '[checksums]\nx = 1' }, 'invalid_archive'),
  ]);
  await ori.ok(await publishOf(name, packed({ version: '6.0.0', rest, lock }), alice), 201);
  const { checksums } = await ori.metadata(name, '6.0.0');
  assert.deepEqual((checksums as Record<string, unknown>)['dependencies'], lock);
});

test('a manifest that is too long for the log is shown all the same', async () => {
  const keywords = Array.from({ length: 2000 }, (_, i) => `keyword-${i}`);
  await ori.publish({ name: '@acme/wordy', project: `keywords = ${JSON.stringify(keywords)}` }, alice);
  assert.deepEqual((await ori.metadata('@acme/wordy', '1.0.0'))['keywords'], keywords);
});

test('a token for a scope is good there and nowhere else', async () => {
  const scopes = ['read', 'publish', 'yank'] as const;
  const limited = await makeToken(server.data, {
    handle: 'alice',
    scopes,
    limits: [{ ecosystem: 'ori', namespace: '@mine' }],
  });
  const elsewhere = await makeToken(server.data, { handle: 'alice', scopes, limits: [{ ecosystem: 'npm' }] });
  await ori.publish({ name: '@mine/lib' }, limited);
  await ori.refuses([
    [
      'another scope',
      await publishOf('@acme/limited', packOri({ name: '@acme/limited' }), limited),
      403,
      'forbidden',
    ],
    [
      'another ecosystem',
      await publishOf('@mine/lib', packOri({ name: '@mine/lib', version: '2.0.0' }), elsewhere),
      403,
      'forbidden',
    ],
  ]);
});

test('pre-releases can be turned off', async (t) => {
  const strict = await openTestServer(t, {
    CAIRN_ORI_PRERELEASES: 'refused',
    CAIRN_ECOSYSTEMS: 'ori',
    ...unlimited,
  });
  const api = oriApi(strict);
  const token = await oriToken(strict.data, 'alice');
  await api.refuses([
    [
      'a pre-release',
      await publishOf(name, packed({ version: '1.2.3-alpha' }), token),
      422,
      'invalid_version',
      /takes none/,
    ],
  ]);
  await api.publish({ name, version: '1.2.3' }, token);
  await ori.publish({ name: '@acme/early', version: '1.2.3-alpha' }, alice);
});

test('members of a scope publish there, and own nothing by it', async () => {
  await ori.publish({ name: '@shared/one' }, alice);
  const bob = await oriToken(server.data, 'bob');
  await remoteControl(`${server.data}/control.sock`).execute([
    {
      kind: 'set-member',
      ecosystem: 'ori',
      name: '@shared',
      of: 'namespace',
      member: 'bob',
      access: 'write',
    },
  ]);
  await ori.publish({ name: '@shared/two' }, bob);
  assert.deepEqual((await ori.metadata('@shared/two', '1.0.0'))['owners'], ['alice']);
});
