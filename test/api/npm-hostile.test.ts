import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { escaped, npmApi, type Refusal } from '../support/npm-api.ts';
import {
  packNpm,
  packageJson,
  publishDocument,
  type DocumentOptions,
  type NpmPackage,
} from '../support/npm-package.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken, storedState } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { packTar, type Member } from '../support/x07-package.ts';

const server = await openTestServer(wholeFile);
const npm = npmApi(server);
const lib: NpmPackage = { name: 'lib', version: '1.0.0' };

/** A publish of `lib` 1.0.0 whose parts are replaced. */
function put(document: unknown, name = 'lib'): Refusal[1] {
  return { method: 'PUT', path: escaped(name), token: ADMIN_TOKEN, json: document };
}

/** The same with a tarball of these members. */
function packed(members: readonly Member[], options: DocumentOptions = {}): Refusal[1] {
  return put(publishDocument(lib, { tarball: gzipSync(packTar(members)), ...options }));
}

const manifest: Member = { path: 'package/package.json', content: JSON.stringify(packageJson(lib)) };

test('tarballs that no client should be given are refused', async () => {
  await npm.refuses([
    ['no gzip', put(publishDocument(lib, { tarball: Buffer.from('not gzip') })), 422, 'not a gzip file'],
    ['half a gzip', put(publishDocument(lib, { tarball: packNpm(lib).subarray(0, 60) })), 422],
    ['no tar', put(publishDocument(lib, { tarball: gzipSync('x'.repeat(2000)) })), 422, 'not a tar archive'],
    ['nothing', put(publishDocument(lib, { tarball: Buffer.alloc(0) })), 422, 'empty'],
    ['no package.json', packed([{ path: 'package/index.js' }]), 422, 'no package.json'],
    [
      'package.json deeper',
      packed([{ ...manifest, path: 'package/lib/package.json' }]),
      422,
      'no package.json',
    ],
    ['package.json outside', packed([{ ...manifest, path: 'package.json' }]), 422, 'not in a top folder'],
    ['package.json twice', packed([manifest, manifest]), 422, 'twice'],
    [
      'package.json in capitals',
      packed([manifest, { ...manifest, path: 'package/PACKAGE.JSON' }]),
      422,
      'twice',
    ],
    [
      'a file twice',
      packed([manifest, { path: 'package/x' }, { path: 'package/x' }]),
      422,
      'in the tarball twice',
    ],
    ['no JSON', packed([{ ...manifest, content: '{' }]), 422, 'not JSON'],
    ['an array', packed([{ ...manifest, content: '[]' }]), 422, 'not an object'],
    ['two top folders', packed([manifest, { path: 'other/x' }]), 422, 'two top folders'],
    ['an absolute path', packed([manifest, { path: '/etc/passwd' }]), 422, 'not a clean relative path'],
    [
      'a path that leads out',
      packed([manifest, { path: 'package/../../x' }]),
      422,
      'not a clean relative path',
    ],
    ['a backslash', packed([manifest, { path: 'package\\..\\x' }]), 422, 'not a clean relative path'],
    [
      'a symbolic link',
      packed([manifest, { path: 'package/x', type: '2', linkName: '/etc' }]),
      422,
      'symlink',
    ],
    ['a hard link', packed([manifest, { path: 'package/x', type: '1', linkName: 'package/y' }]), 422, 'link'],
    ['a device', packed([manifest, { path: 'package/x', type: '3' }]), 422],
    [
      'members after the end',
      put(
        publishDocument(lib, {
          tarball: gzipSync(Buffer.concat([packTar([manifest]), packTar([manifest])])),
        }),
      ),
      422,
      'goes on after its end',
    ],
    [
      'a package.json of 50 MB',
      packed([{ ...manifest, content: JSON.stringify({ ...packageJson(lib), x: 'x'.repeat(50_000_000) }) }]),
      422,
      'larger than',
    ],
    [
      'a bomb',
      put(
        publishDocument(lib, {
          tarball: gzipSync(packTar([manifest, { path: 'package/0', content: Buffer.alloc(200_000_000) }])),
        }),
      ),
      422,
      'times its size',
    ],
  ]);
});

test('100,000 members are too many', async () => {
  const members = Array.from({ length: 100_000 }, (_, i): Member => ({ path: `package/${i}` }));
  await npm.refuses([['100,001 members', packed([manifest, ...members]), 422, 'more than 99999 members']]);
});

test('a document that contradicts its tarball is refused', async () => {
  const deps = { dependencies: { a: '^1.0.0' } };
  const withDeps = { ...lib, manifest: deps };
  const said = (sent: object, wanted: NpmPackage = lib): Refusal[1] =>
    put(publishDocument(lib, { tarball: packNpm(wanted), sent: { ...sent } }));
  await npm.refuses([
    ['another name', put(publishDocument(lib, { tarball: packNpm({ ...lib, name: 'other' }) })), 422, 'name'],
    [
      'another version',
      put(publishDocument(lib, { tarball: packNpm({ ...lib, version: '2.0.0' }) })),
      422,
      'version',
    ],
    ['a dependency that is not there', said(deps), 422, 'dependencies.a'],
    ['a dependency left out', said({ dependencies: {} }, withDeps), 422, 'dependencies.a'],
    ['another range', said({ dependencies: { a: '^2.0.0' } }, withDeps), 422, 'dependencies.a'],
    ['a peer that is not there', said({ peerDependencies: { b: '*' } }), 422, 'peerDependencies.b'],
    [
      'a hidden install script',
      said({ scripts: {} }, { ...lib, manifest: { scripts: { install: 'x' } } }),
      422,
      'scripts.install',
    ],
    ['a command that is not there', said({ bin: { x: 'x.js' } }), 422, 'bin.x'],
    [
      'a command outside of the folder of commands',
      said({ bin: { x: 'bin/../x' } }, { ...lib, manifest: { directories: { bin: 'bin' } } }),
      422,
      'bin.x',
    ],
    [
      'an integrity of other bytes',
      said({ dist: { integrity: `sha512-${'A'.repeat(86)}==` } }),
      422,
      'dist.integrity',
    ],
    ['a shasum of other bytes', said({ dist: { shasum: '0'.repeat(40) } }), 422, 'dist.shasum'],
  ]);
});

test('documents that are not what they should be are refused', async () => {
  const right = publishDocument(lib);
  const attachments = right['_attachments'] as Record<string, Record<string, unknown>>;
  const [attachment] = Object.values(attachments);
  const attached = (over: object): Record<string, unknown> => ({
    ...right,
    _attachments: { 'lib-1.0.0.tgz': { ...attachment, ...over } },
  });
  const json = { 'content-type': 'application/json' };
  const raw = { method: 'PUT', path: 'lib', token: ADMIN_TOKEN } as const;
  const [version] = Object.values(right['versions'] as object) as [object];
  await npm.refuses([
    ['no token', { method: 'PUT', path: 'lib', json: right }, 401],
    ['no good token', { ...put(right), token: 'nope' }, 401],
    ['an array', put([]), 400],
    ['null', put(null), 400],
    ['half a body', { ...raw, body: '{"a":', headers: json }, 400, 'not JSON'],
    ['nothing', { ...raw, body: '', headers: json }, 400],
    ['a body in another packing', { ...raw, body: 'x', headers: { ...json, 'content-encoding': 'br' } }, 415],
    [
      'a body that is not the gzip it says',
      { ...raw, body: 'x', headers: { ...json, 'content-encoding': 'gzip' } },
      400,
    ],
    ['another name than the URL', put(right, 'other'), 400, 'the URL of other'],
    ['no version', put({ ...right, versions: {} }), 400],
    ['two versions', put({ ...right, versions: { '1.0.0': version, '1.0.1': version } }), 400],
    ['a version that is no object', put({ ...right, versions: { '1.0.0': 'x' } }), 400],
    ['a tag that is a range', put({ ...right, 'dist-tags': { '^1': '1.0.0' } }), 400, 'is not a tag'],
    ['a tag at another version', put({ ...right, 'dist-tags': { latest: '2.0.0' } }), 400],
    ['an access that is none', put({ ...right, access: 'secret' }), 400],
    ['restricted without a scope', put({ ...right, access: 'restricted' }), 400, 'scoped'],
    ['base64 that is not', put(attached({ data: '!!!!' })), 400, 'not base64'],
    ['a length that lies', put(attached({ length: 1 })), 400, 'says that it has 1 bytes'],
    [
      'an attachment of another kind',
      put({ ...right, _attachments: { 'lib.zip': attachment } }),
      400,
      '.tgz',
    ],
    ['two tarballs', put({ ...right, _attachments: { 'a.tgz': attachment, 'b.tgz': attachment } }), 400],
    [
      'a bomb of a document',
      {
        ...raw,
        headers: { ...json, 'content-encoding': 'gzip' },
        body: gzipSync(Buffer.alloc(500_000_000, 0x20)),
      },
      413,
    ],
  ]);
});

test('a document of 100 MB without a tarball is refused while it arrives', async () => {
  const body = Buffer.alloc(100_000_000, 0x20);
  const headers = { 'content-type': 'application/json' };
  await npm.refuses([
    ['100 MB', { method: 'PUT', path: 'lib', token: ADMIN_TOKEN, body, headers }, 413, 'over the limit'],
  ]);
});

test('names that are none, or too close to another, are refused', async () => {
  const publish = (name: string): Refusal[1] => put(publishDocument({ name, version: '1.0.0' }), name);
  const none = [
    'UPPER',
    '.hidden',
    '_under',
    '-dash',
    'node_modules',
    'favicon.ico',
    'sp%20ace',
    'é',
    'a'.repeat(215),
    'a*b',
  ];
  await npm.refuses(
    none.map((name) => [
      name,
      put(
        publishDocument({ name: decodeURIComponent(name), version: '1.0.0' }),
        encodeURIComponent(decodeURIComponent(name)),
      ),
      400,
    ]),
  );
  await npm.publish({ name: 'close-by', version: '1.0.0' }, ADMIN_TOKEN);
  await npm.publish({ name: '@close/by-name', version: '1.0.0' }, ADMIN_TOKEN);
  await npm.refuses(
    ['closeby', 'close.by', 'close_by', 'c-l-o-s-e-b-y'].map((name) => [
      name,
      publish(name),
      403,
      'too close to close-by',
    ]),
  );
  // In a scope its owners know what they do.
  assert.equal((await npm.publish({ name: '@close/byname', version: '1.0.0' }, ADMIN_TOKEN)).status, 201);
  for (const name of ['closeby', 'close.by']) assert.equal((await npm.ask({ path: name })).status, 404, name);
});

test('versions that are none are refused', async () => {
  for (const version of ['1', '1.0', '01.0.0', 'latest', '1.0.0.0', '', '1.0.0-', '9'.repeat(300)])
    await npm.refuses([[version, put(publishDocument({ name: 'lib', version })), 400]]);
});

test('of two tarballs for one version at once one is published, whole', async () => {
  const tries = Array.from({ length: 8 }, (_, i) => ({
    name: 'race',
    version: '1.0.0',
    files: { 'which.txt': String(i) },
  }));
  const answers = await Promise.all(tries.map((wanted) => npm.publish(wanted, ADMIN_TOKEN)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 403, 403, 403, 403, 403, 403, 403]);
  const winner = tries[answers.findIndex(({ status }) => status === 201)];
  assert.ok(winner);
  const tarball = await npm.ask({ path: 'race/-/race-1.0.0.tgz' });
  assert.deepEqual(tarball.body, packNpm(winner));
  assert.deepEqual((await storedState(server)).incoming, []);
});

test('fields called __proto__ and constructor are fields like others', async () => {
  const text = JSON.stringify(packageJson({ name: 'proto', version: '1.0.0' })).replace(
    '{',
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},',
  );
  const answer = await npm.publish({ name: 'proto', version: '1.0.0', manifestText: text }, ADMIN_TOKEN);
  assert.equal(answer.status, 201, answer.text);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  assert.match((await npm.ask({ path: 'proto' })).text, /"__proto__":\{"polluted":1\}/);
});

test('a token without the scope publishes nothing', async () => {
  const token = await makeToken(server.data, { handle: 'reader', scopes: ['read'] });
  await npm.refuses([['publish', { ...put(publishDocument(lib)), token }, 403, 'missing scope: publish']]);
});

test('methods that are not there are refused in the words of npm', async () => {
  await npm.refuses([
    ['POST to a package', { method: 'POST', path: 'lib', token: ADMIN_TOKEN, json: {} }, 405],
    ['a path of nobody', { path: '-/nothing/at/all' }, 404],
    ['broken encoding', { path: '%zz' }, 400],
  ]);
});
