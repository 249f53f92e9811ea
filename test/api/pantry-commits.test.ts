/** Packages of commits (contract of Pantry, section 7). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { join } from 'node:path';
import { remoteControl } from '../../api/control.ts';
import { closing } from '../support/closing.ts';
import { cairn } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { git } from '../support/git.ts';
import { escaped, npmApi } from '../support/npm-api.ts';
import { packNpm, type NpmPackage } from '../support/npm-package.ts';
import {
  assertPantryError,
  commitParts,
  form,
  pantryApi,
  sha256,
  tarballPart,
  type PantryApi,
  type Part,
  type Refusal,
} from '../support/pantry-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTestServer } from '../support/test-server.ts';

const SHA = 'abc1234def567890abc1234def567890abc1234d';
const SHORT = SHA.slice(0, 7);
const one: NpmPackage = { name: '@s/x', version: '1.0.0' };
const two: NpmPackage = { name: 'y', version: '2.0.0-dev' };
const json = { 'content-type': 'application/json' };
const publishing = { path: 'publish/commit', token: ADMIN_TOKEN } as const;

const record = (of: NpmPackage, base: string): object => ({
  name: of.name,
  sha: SHA,
  tarballUrl: `${base}/commits/${SHA}/${encodeURIComponent(of.name)}/tarball`,
  checksum: sha256(packNpm(of)),
  size: packNpm(of).byteLength,
  publishedBy: 'admin',
});

/** Without its times. @throws AssertionError unless they are times. */
function timeless({ publishedAt, ...rest }: Record<string, unknown>): Record<string, unknown> {
  assert.match(String(publishedAt), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  return rest;
}

async function commitOf(pantry: PantryApi, sha = SHA): Promise<Record<string, unknown>> {
  const { packages, ...commit } = timeless(await pantry.ok({ path: `commits/${sha}` }));
  return { ...commit, packages: (packages as Record<string, unknown>[]).map(timeless) };
}

/** Each form that a client or the founding document sends, with what of it is told again. */
const forms: Readonly<
  Record<string, { sent: object; repository?: string; dir?: boolean; version?: boolean }>
> = {
  "the command line's form": {
    sent: form(commitParts(SHA, [one, two])),
    repository: 'https://git.example/acme/all',
    dir: true,
    version: true,
  },
  'its metadata last': {
    sent: form([...commitParts(SHA, [one, two])].reverse()),
    repository: 'https://git.example/acme/all',
    dir: true,
    version: true,
  },
  "the founding document's form": {
    sent: form([
      { name: 'sha', content: SHA },
      { name: 'repository', content: 'https://git.example/acme/all' },
      tarballPart(packNpm(one), 'package:@s/x'),
      tarballPart(packNpm(two), 'package:y'),
    ]),
    repository: 'https://git.example/acme/all',
  },
  JSON: {
    sent: {
      headers: json,
      body: JSON.stringify({
        sha: SHA,
        repository: 'https://git.example/acme/all',
        packages: [one, two].map((of) => ({
          name: of.name,
          tarball: packNpm(of).toString('base64'),
          version: of.version,
          packageDir: `packages/${of.name}`,
        })),
      }),
    },
    repository: 'https://git.example/acme/all',
    dir: true,
    version: true,
  },
  'JSON with the hash last, in capitals, and nothing that need not be said': {
    sent: {
      headers: json,
      body: JSON.stringify({
        packages: [one, two].map((of) => ({ tarball: packNpm(of).toString('base64'), name: of.name })),
        sha: SHA.toUpperCase(),
      }),
    },
  },
};

for (const [title, { sent, repository, dir = false, version = false }] of Object.entries(forms))
  test(`${title} publishes packages of a commit, which are there at once`, async (t) => {
    const pantry = pantryApi(await openTestServer(t));
    const answer = await pantry.ask({ ...publishing, ...sent });
    assert.equal(answer.status, 201, answer.text);
    const said = JSON.parse(answer.text) as { packages: { name: string }[] };
    const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
    assert.deepEqual(
      { ...said, packages: said.packages.toSorted(byName) },
      {
        success: true,
        sha: SHA,
        packages: [one, two].map(({ name }) => ({
          name,
          url: `${pantry.base}/commits/${SHA}/${encodeURIComponent(name)}/tarball`,
          sha: SHA,
        })),
        message: 'Published 2 package(s) from commit abc1234',
      },
    );
    const of = (wanted: NpmPackage): object => ({
      ...record(wanted, pantry.base),
      ...(repository === undefined ? {} : { repository }),
      ...(dir ? { packageDir: `packages/${wanted.name}` } : {}),
      ...(version ? { version: wanted.version } : {}),
    });
    assert.deepEqual(await commitOf(pantry), {
      sha: SHA,
      ...(repository === undefined ? {} : { repository }),
      packages: [of(one), of(two)],
    });
    for (const wanted of [one, two]) {
      const { name } = wanted;
      for (const sha of [SHA, SHORT, SHA.slice(0, 39)]) {
        assert.deepEqual(timeless(await pantry.ok({ path: `commits/${sha}/${name}` })), of(wanted));
        for (const path of [`commits/${sha}/${name}/tarball`, `${name}@${sha}`]) {
          const { status, headers, body } = await pantry.ask({ path });
          assert.equal(status, 200, path);
          assert.equal(headers['content-type'], 'application/gzip');
          assert.deepEqual(body, packNpm(wanted), path);
        }
      }
    }
    // No version of anything.
    assertPantryError(await pantry.ask({ path: 'packages/y' }), 404, 'Package not found');
    assert.deepEqual(await pantry.ok({ path: 'packages/y/versions' }), { versions: [] });
  });

test("the founding document's JSON publishes one package from the top of its body", async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const body = { sha: 'abc1234def5678', name: 'y', tarball: packNpm(two).toString('base64') };
  for (const repository of [undefined, 'https://github.com/org/repo']) {
    const answer = await pantry.ask({ ...publishing, json: { ...body, repository } });
    assert.equal(answer.status, 201, answer.text);
    const { packages, ...commit } = await commitOf(pantry, 'abc1234def5678');
    assert.equal(commit['repository'], repository);
    assert.equal((packages as object[]).length, 1);
  }
});

test('what is published again is replaced, and other packages of the commit stay', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  assert.equal((await pantry.publishCommit(SHA, [one, two])).status, 201);
  // The command line sends one package after the other.
  const again = { ...one, files: { 'more.js': 'new' } };
  const before = await pantry.ask({ path: `commits/${SHA}/@s/x/tarball` });
  assert.equal((await pantry.publishCommit(SHA, [again])).status, 201);
  for (const path of [`commits/${SHA}/@s/x/tarball`, `@s/x@${SHA}`, `@s/x@${SHORT}`]) {
    const { body, headers } = await pantry.ask({
      path,
      headers: { 'if-none-match': String(before.headers['etag']) },
    });
    assert.deepEqual(body, packNpm(again), path);
    assert.notEqual(headers['etag'], before.headers['etag']);
  }
  const { packages } = await pantry.ok<{ packages: { checksum: string }[] }>({ path: `commits/${SHA}` });
  assert.deepEqual(
    packages.map(({ checksum }) => checksum),
    [again, two].map((of) => sha256(packNpm(of))),
  );
  assert.deepEqual((await pantry.ask({ path: `commits/${SHA}/y/tarball` })).body, packNpm(two));
});

test('a package that is listed and not sent is passed over, and so is one that is sent and not listed', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const [said] = commitParts(SHA, [one, two]);
  assert.ok(said);
  const parts = [
    said,
    tarballPart(packNpm(two), 'package:y'),
    tarballPart(Buffer.from('no archive'), 'package:z'),
  ];
  const answer = await pantry.ask({ ...publishing, ...form(parts) });
  assert.equal(answer.status, 201, answer.text);
  assert.equal(
    (JSON.parse(answer.text) as { message: string }).message,
    'Published 1 package(s) from commit abc1234',
  );
  assertPantryError(await pantry.ask({ path: `commits/${SHA}/@s/x` }), 404, 'Commit package not found');
  assertPantryError(await pantry.ask({ path: `commits/${SHA}/z` }), 404, 'Commit package not found');
});

test('a beginning that several commits share belongs to the one that was published last', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const [a, b] = [SHA, `${SHORT}${'0'.repeat(33)}`];
  const of = (text: string): NpmPackage => ({ ...two, files: { 'text.txt': text } });
  const expect = async (path: string, text: string): Promise<void> =>
    assert.deepEqual((await pantry.ask({ path })).body, packNpm(of(text)), `${path} is not ${text}`);
  await pantry.publishCommit(a, [of('a')]);
  await pantry.publishCommit(b, [of('b')]);
  for (const path of [`y@${SHORT}`, `commits/${SHORT}/y/tarball`]) await expect(path, 'b');
  await expect(`y@${SHA.slice(0, 9)}`, 'a');
  await pantry.publishCommit(a, [of('a again')]);
  for (const path of [`y@${SHORT}`, `commits/${SHORT}/y/tarball`, `y@${a}`]) await expect(path, 'a again');
  await expect(`y@${b}`, 'b');
  // A hash of seven digits is whole before it is a beginning.
  await pantry.publishCommit(SHORT, [of('seven')]);
  for (const path of [`y@${SHORT}`, `commits/${SHORT}/y/tarball`]) await expect(path, 'seven');
  await pantry.publishCommit(a, [of('a once more')]);
  await expect(`y@${SHORT}`, 'seven');
});

test('an alias is the last part of a name, for that commit', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const craft: NpmPackage = { name: '@craft-native/craft', version: '1.0.0' };
  const witch: NpmPackage = { name: 'witchcraft', version: '1.0.0' };
  const tools: NpmPackage = { name: 'craft-tools', version: '1.0.0' };
  await pantry.publishCommit(SHA, [craft, witch, tools]);
  for (const path of [
    `craft@${SHA}`,
    `craft@${SHORT}`,
    `native-craft@${SHORT}`,
    `craft-native-craft@${SHORT}`,
  ])
    assert.deepEqual((await pantry.ask({ path })).body, packNpm(craft), path);
  assert.deepEqual((await pantry.ask({ path: `tools@${SHORT}` })).body, packNpm(tools));
  for (const path of ['raft', 'aft', 'native', '@other/craft', 't'].map((name) => `${name}@${SHORT}`))
    assertPantryError(await pantry.ask({ path }), 404, 'Commit package not found');
  assertPantryError(await pantry.ask({ path: 'craft@fffffff' }), 404, 'Commit package not found');
  // Once a package is called so, it is the one.
  const own: NpmPackage = { name: 'craft', version: '9.0.0' };
  await pantry.publishCommit(SHA, [own]);
  assert.deepEqual((await pantry.ask({ path: `craft@${SHORT}` })).body, packNpm(own));
});

test('each error has its own words, and nothing of a refused commit is stored', async (t) => {
  const server = await openTestServer(t);
  const pantry = pantryApi(server);
  const alice = await makeToken(server.data, { handle: 'alice' });
  const bob = await makeToken(server.data, { handle: 'bob' });
  assert.equal((await pantry.publish({ name: 'hers', version: '1.0.0' }, alice)).status, 201);
  assert.equal((await pantry.publishCommit(SHA, [{ name: '@hers/x', version: '1.0.0' }], alice)).status, 201);
  const said = (fields: object): Part => ({ name: 'metadata', content: JSON.stringify(fields) });
  const file = (name = 'y', of: NpmPackage = two): Part => tarballPart(packNpm(of), `package:${name}`);
  const packages = [{ name: 'y', version: '2.0.0-dev' }];
  const row = (what: string, sent: object, status: number, message: string | RegExp): Refusal => [
    what,
    { ...publishing, ...sent },
    status,
    message,
  ];
  const multipart = (what: string, parts: readonly Part[], message: string | RegExp, status = 400): Refusal =>
    row(`form: ${what}`, form(parts), status, message);
  const asJson = (what: string, body: unknown, message: string | RegExp, status = 400): Refusal =>
    row(
      `JSON: ${what}`,
      { headers: json, body: typeof body === 'string' ? body : JSON.stringify(body) },
      status,
      message,
    );
  const base64 = packNpm(two).toString('base64');
  const incomplete = 'Missing sha or packages in metadata';
  const badSha = /sha must be 7 to 40 hexadecimal digits/;
  const shas = [
    '',
    'abc123',
    'main',
    `${SHA}0`,
    '../../../etc',
    'abc1234 ',
    'ghijklm',
    '-abc1234',
    'abc1234\n',
  ];
  await pantry.refuses([
    row(
      'another type',
      { body: 'x', headers: { 'content-type': 'text/plain' } },
      415,
      'Unsupported content type',
    ),
    row('no type', { body: 'x' }, 415, 'Unsupported content type'),
    multipart('nothing', [file()], 'Missing metadata'),
    multipart('no JSON', [{ name: 'metadata', content: '{' }, file()], 'Invalid metadata JSON'),
    multipart('a list', [said([]), file()], 'Invalid metadata JSON'),
    multipart('no hash', [said({ packages }), file()], incomplete),
    multipart('no packages', [said({ sha: SHA }), file()], incomplete),
    multipart('packages no list', [said({ sha: SHA, packages: {} }), file()], incomplete),
    multipart('an empty list', [said({ sha: SHA, packages: [] }), file()], incomplete),
    multipart('no file', [said({ sha: SHA, packages })], incomplete),
    multipart('a file of another', [said({ sha: SHA, packages }), file('z')], incomplete),
    multipart(
      'a text for a file',
      [said({ sha: SHA, packages }), { name: 'package:y', content: 'x' }],
      incomplete,
    ),
    multipart('fields without a file', [{ name: 'sha', content: SHA }], incomplete),
    multipart(
      'fields and another file',
      [{ name: 'sha', content: SHA }, tarballPart(packNpm(two))],
      incomplete,
    ),
    multipart(
      'two of one name',
      [said({ sha: SHA, packages: [...packages, ...packages] }), file()],
      /y is listed twice/,
    ),
    multipart('a bad name', [said({ sha: SHA, packages: [{ name: 'Y' }] }), file('Y')], /lower-case/),
    multipart(
      'a name that climbs',
      [{ name: 'sha', content: SHA }, file('../y')],
      'Package name contains invalid characters',
    ),
    multipart('no name', [{ name: 'sha', content: SHA }, file('')], 'Package name is required'),
    multipart(
      'another package',
      [said({ sha: SHA, packages: [{ name: 'z' }] }), file('z')],
      /metadata is of "z", the tarball of "y@/,
    ),
    multipart(
      'no archive',
      [said({ sha: SHA, packages }), tarballPart(Buffer.from('x'), 'package:y')],
      /not a gzip file/,
    ),
    multipart(
      'one good and one bad',
      [
        ...commitParts(SHA, [one]).slice(1),
        said({ sha: SHA, packages: [{ name: '@s/x' }, { name: 'y' }] }),
        tarballPart(Buffer.from('x'), 'package:y'),
      ],
      /not a gzip/,
    ),
    multipart(
      'a long folder',
      [said({ sha: SHA, packages: [{ name: 'y', packageDir: 'x'.repeat(1025) }] }), file()],
      /packageDir must be a text/,
    ),
    multipart(
      'a repository of another kind',
      [said({ sha: SHA, repository: { url: 'x' }, packages }), file()],
      /repository must be a text/,
    ),
    ...shas.flatMap((sha) => [
      multipart(`the hash ${JSON.stringify(sha)}`, [said({ sha, packages }), file()], badSha),
      asJson(`the hash ${JSON.stringify(sha)}`, { sha, name: 'y', tarball: base64 }, badSha),
    ]),
    multipart('a number for a hash', [said({ sha: 1234567, packages }), file()], badSha),
    multipart('an empty field for a hash', [{ name: 'sha', content: '' }, file()], badSha),

    asJson('cut off', '{"sha"', 'Invalid JSON body'),
    asJson('empty', '', 'Invalid JSON body'),
    asJson('a list', [], 'Missing sha or packages'),
    asJson('no hash', { packages: [{ name: 'y', tarball: base64 }] }, 'Missing sha or packages'),
    asJson('no packages', { sha: SHA }, 'Missing sha or packages'),
    asJson('an empty list', { sha: SHA, packages: [] }, 'Missing sha or packages'),
    asJson(
      'packages no list',
      { sha: SHA, packages: { 0: { name: 'y', tarball: base64 } } },
      'Missing sha or packages',
    ),
    asJson('a name and no tarball', { sha: SHA, name: 'y' }, 'Missing sha or packages'),
    asJson('no name', { sha: SHA, tarball: base64 }, 'Package name is required'),
    asJson(
      'no base64',
      { sha: SHA, packages: [{ tarball: '*', name: 'y' }] },
      'Invalid base64 tarball data for y',
    ),
    asJson(
      'the second no base64',
      {
        sha: SHA,
        packages: [
          { name: '@s/x', tarball: packNpm(one).toString('base64') },
          { name: 'y', tarball: 'A' },
        ],
      },
      'Invalid base64 tarball data for y',
    ),
    asJson(
      'one at the top no base64',
      { tarball: 'A-A=', name: 'y', sha: SHA },
      'Invalid base64 tarball data for y',
    ),

    row(
      "another's package",
      { ...form(commitParts(SHA, [{ name: 'hers', version: '2.0.0' }])), token: bob },
      401,
      'not a package owner',
    ),
    row(
      "another's scope",
      { ...form(commitParts(SHA, [{ name: '@hers/y', version: '2.0.0' }])), token: bob },
      401,
      'not a package owner',
    ),
    row(
      "one's own and another's",
      { ...form(commitParts(SHA, [two, { name: 'hers', version: '2.0.0' }])), token: bob },
      401,
      'not a package owner',
    ),
    row(
      "a name close to another's",
      { ...form(commitParts(SHA, [{ name: 'he-rs', version: '2.0.0' }])), token: bob },
      409,
      /too close to hers/,
    ),
  ]);
});

test('a tarball over 50 MiB is refused with 413, and with its name', async (t) => {
  const pantry = pantryApi(await openTestServer(t));
  const large = Buffer.alloc(50 * 1024 * 1024 + 3, 'A');
  const [said] = commitParts(SHA, [one, two]);
  assert.ok(said);
  const message = 'Tarball for @s/x exceeds maximum size of 50MB';
  const parts = [said, tarballPart(packNpm(two), 'package:y'), tarballPart(large, 'package:@s/x')];
  await pantry.refuses([
    ['a form', { ...publishing, ...form(parts) }, 413, message],
    [
      'JSON',
      {
        ...publishing,
        headers: json,
        body: `{"sha":"${SHA}","packages":[{"tarball":"${large.toString('base64')}","name":"@s/x"}]}`,
      },
      413,
      message,
    ],
  ]);
});

test('a package of a commit is no version: npm sees none, and the name belongs to who published it', async (t) => {
  const server = await openTestServer(t);
  const [pantry, npm] = [pantryApi(server), npmApi(server)];
  const [alice, bob] = [
    await makeToken(server.data, { handle: 'alice' }),
    await makeToken(server.data, { handle: 'bob' }),
  ];
  assert.equal((await pantry.publishCommit(SHA, [one], alice)).status, 201);
  assert.equal((await npm.ask({ path: '@s%2fx' })).status, 404);
  assert.equal((await npm.publish(one, bob)).status, 403);
  assert.equal((await pantry.publish(one, alice)).status, 201);
  assert.deepEqual((await npm.packument('@s/x'))['dist-tags'], { latest: '1.0.0' });
  const tags = await npm.ok({ path: '-/package/@s%2fx/dist-tags' });
  assert.deepEqual(tags, { latest: '1.0.0' });
  // A tag cannot be set to look like a commit.
  const tag = await npm.ask({
    method: 'PUT',
    path: `-/package/@s%2fx/dist-tags/commit:${SHA}`,
    token: alice,
    json: '1.0.0',
  });
  assert.ok(tag.status >= 400, tag.text);
  const gone = await npm.ask({
    method: 'DELETE',
    path: `-/package/@s%2fx/dist-tags/commit:${SHA}`,
    token: alice,
  });
  assert.ok(gone.status >= 400, gone.text);
  assert.deepEqual((await pantry.ask({ path: `@s/x@${SHORT}` })).body, packNpm(one));
});

test('going private, and unpublishing, take the packages of commits along', async (t) => {
  const server = await openTestServer(t);
  const [pantry, npm] = [pantryApi(server), npmApi(server)];
  const control = remoteControl(join(server.data, 'control.sock'));
  const of = { ecosystem: 'npm', name: '@s/x' } as const;
  const paths = [
    `commits/${SHA}/@s/x`,
    `commits/${SHA}/@s/x/tarball`,
    `@s/x@${SHA}`,
    `@s/x@${SHORT}`,
    `x@${SHORT}`,
  ];
  const expect = async (status: number): Promise<void> => {
    for (const path of paths) assert.equal((await pantry.ask({ path })).status, status, path);
    const { packages } = await pantry.ok<{ packages: { name: string }[] }>({ path: `commits/${SHA}` });
    const wanted = status === 200 ? ['@s/x', 'y'] : ['y'];
    assert.deepEqual(
      packages.map(({ name }) => name),
      wanted,
    );
  };
  assert.equal((await pantry.publish(one)).status, 201);
  assert.equal((await pantry.publishCommit(SHA, [one, two])).status, 201);
  await expect(200);
  await control.execute([{ kind: 'set-visibility', ...of, visibility: 'private' }]);
  await expect(404);
  await control.execute([{ kind: 'set-visibility', ...of, visibility: 'public' }]);
  await expect(200);
  assert.equal((await pantry.ask({ path: `commits/${SHA}/y` })).status, 200);
  const { _rev } = await npm.packument('@s/x');
  const gone = await npm.ask({
    method: 'DELETE',
    path: `${escaped('@s/x')}/-rev/${_rev}`,
    token: ADMIN_TOKEN,
  });
  assert.ok(gone.status < 300, gone.text);
  await expect(404);
  const check = await cairn(['regen', '--check', '--data', server.data]);
  assert.match(check.stdout, /^clean/, check.stdout + check.stderr);
});

test('a server that starts 90 days later finds the packages of the commit ended, and says so in the log', async (t) => {
  const data = await temporaryDirectory(t);
  const first = closing();
  const published = pantryApi(await openTestServer(first, {}, { data }));
  assert.equal((await published.publishCommit(SHA, [one, two])).status, 201);
  assert.equal((await published.publish(one)).status, 201);
  await first.close();
  const start = Date.now();
  const open = async (days: number): Promise<{ pantry: PantryApi; close(): Promise<void> }> => {
    t.mock.timers.reset();
    t.mock.timers.enable({ apis: ['Date'], now: start + days * 24 * 60 * 60_000 });
    const opened = closing();
    return { pantry: pantryApi(await openTestServer(opened, {}, { data })), close: () => opened.close() };
  };
  const early = await open(89);
  // Long enough for a turn that would end it: it is asked for after a write that waits for its turn in the same log.
  assert.equal((await early.pantry.publish({ name: 'z', version: '1.0.0' })).status, 201);
  assert.equal((await early.pantry.ask({ path: `commits/${SHA}` })).status, 200);
  await early.close();
  const late = await open(91);
  await eventually(async () =>
    assert.equal((await late.pantry.ask({ path: `commits/${SHA}` })).status, 404, 'still there'),
  );
  await eventually(async () =>
    assert.equal((await late.pantry.ask({ path: `y@${SHORT}` })).status, 404, 'still there'),
  );
  for (const path of [`commits/${SHA}/@s/x/tarball`, `@s/x@${SHORT}`, `x@${SHORT}`, `@s/x@${SHA}`])
    assertPantryError(await late.pantry.ask({ path }), 404, 'Commit package not found');
  assert.equal((await late.pantry.ok({ path: 'packages/@s/x' }))['version'], '1.0.0');
  const lines = git(join(data, 'log.git'), ['log', '--format=%B']);
  assert.match(lines, /expired npm\/@s\/x/);
  await late.close();
  const check = await cairn(['regen', '--check', '--data', data]);
  assert.match(check.stdout, /^clean/, check.stdout + check.stderr);
});

test('where new packages are restricted, a commit makes no public one', async (t) => {
  const server = await openTestServer(t, { CAIRN_NPM_ACCESS: 'restricted' });
  const pantry = pantryApi(server);
  const alice = await makeToken(server.data, { handle: 'alice', scopes: ['read', 'publish'] });
  assert.equal((await pantry.publishCommit(SHA, [one, two], alice)).status, 201);
  for (const path of [`commits/${SHA}/@s/x`, `commits/${SHA}/@s/x/tarball`, `@s/x@${SHORT}`, `x@${SHORT}`]) {
    assert.equal((await pantry.ask({ path })).status, 404, path);
    // An alias is for what everybody may see.
    if (path !== `x@${SHORT}`) assert.equal((await pantry.ask({ path, token: alice })).status, 200, path);
  }
  // What has no scope cannot be restricted.
  const { packages } = await pantry.ok<{ packages: { name: string }[] }>({ path: `commits/${SHA}` });
  assert.deepEqual(
    packages.map(({ name }) => name),
    ['y'],
  );
  assert.equal((await pantry.publishCommit(SHA, [one], alice)).status, 201);
  assert.equal((await pantry.ask({ path: `@s/x@${SHORT}` })).status, 404);
});
