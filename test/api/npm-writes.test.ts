import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { escaped, npmApi, type NpmApi, type Packument } from '../support/npm-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';

interface Prepared {
  readonly npm: NpmApi;
  readonly data: string;
  readonly token: string;
  readonly name: string;
}

/** A package of alice with versions 1.0.0, 1.1.0 and 2.0.0-beta.1, `latest` at the second, `beta` at the third. */
async function prepare(
  t: TestContext,
  name = '@acme/lib',
  env: Record<string, string> = {},
): Promise<Prepared> {
  const server = await openTestServer(t, env);
  const npm = npmApi(server);
  const scopes = ['read', 'publish', 'yank', 'owner'] as const;
  const token = await makeToken(server.data, { handle: 'alice', scopes });
  await makeToken(server.data, { handle: 'bob' });
  for (const [version, tag] of [
    ['1.0.0', 'latest'],
    ['1.1.0', 'latest'],
    ['2.0.0-beta.1', 'beta'],
  ] as const)
    assert.equal((await npm.publish({ name, version }, token, { tags: { [tag]: version } })).status, 201);
  return { npm, data: server.data, token, name };
}

/** What differs between two documents, but for what changes with every write. */
function difference(before: Packument, after: Packument): Record<string, unknown> {
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (field) =>
      field !== '_rev' &&
      JSON.stringify(withoutModified(before[field])) !== JSON.stringify(withoutModified(after[field])),
  );
  assert.notEqual(before._rev, after._rev);
  return Object.fromEntries(changed.map((field) => [field, after[field]]));
}

function withoutModified(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('modified' in value)) return value;
  return { ...value, modified: undefined };
}

for (const revisioned of [false, true])
  test(`deprecating a version ${revisioned ? 'by its revision ' : ''}changes that and nothing else, and can be undone`, async (t) => {
    const { npm, token, name } = await prepare(t);
    const before = await npm.packument(name);
    const deprecate = async (of: Packument, message: string): Promise<void> => {
      const version = { ...of.versions['1.0.0'], deprecated: message };
      const path = revisioned ? `${escaped(name)}/-rev/${of._rev}` : escaped(name);
      const json = { ...of, description: 'smuggled', versions: { ...of.versions, '1.0.0': version } };
      await npm.ok({ method: 'PUT', path, token, json });
    };
    await deprecate(before, 'Use 1.1.0.');
    const after = await npm.packument(name);
    assert.deepEqual(difference(before, after), {
      versions: { ...before.versions, '1.0.0': after.versions['1.0.0'] },
    });
    assert.equal(after.versions['1.0.0']?.['deprecated'], 'Use 1.1.0.');
    assert.equal((await npm.ok({ path: `${escaped(name)}/1.0.0` }))['deprecated'], 'Use 1.1.0.');
    await deprecate(after, '');
    const undone = await npm.packument(name);
    assert.deepEqual(difference(after, undone), { versions: before.versions });
  });

test('a document of an older state is a conflict, and undoes nothing that others did', async (t) => {
  const { npm, token, name } = await prepare(t);
  const old = await npm.packument(name);
  await npm.publish({ name, version: '1.2.0' }, token);
  const { versions } = old;
  const json = { ...old, versions: { ...versions, '1.0.0': { ...versions['1.0.0'], deprecated: 'x' } } };
  const path = escaped(name);
  await npm.refuses([
    ['deprecate', { method: 'PUT', path, token, json }, 409, 'conflict: please get the latest revision'],
    ['by its revision', { method: 'PUT', path: `${path}/-rev/${old._rev}`, token, json }, 409],
    ['take out', { method: 'DELETE', path: `${path}/-rev/${old._rev}`, token }, 409],
  ]);
});

test('taking a version out moves latest, burns the number, and takes its files away', async (t) => {
  const { npm, token, name } = await prepare(t);
  const before = await npm.packument(name);
  const { '1.1.0': _gone, ...versions } = before.versions;
  const json = { ...before, versions, 'dist-tags': { beta: '2.0.0-beta.1', latest: '1.0.0' } };
  const path = escaped(name);
  await npm.ok({ method: 'PUT', path: `${path}/-rev/${before._rev}`, token, json });
  const after = await npm.packument(name);
  assert.deepEqual(difference(before, after), {
    versions,
    'dist-tags': { latest: '1.0.0', beta: '2.0.0-beta.1' },
  });
  await npm.ok({ method: 'DELETE', path: `${name}/-/lib-1.1.0.tgz/-rev/${after._rev}`, token });
  for (const gone of [`${path}/1.1.0`, `${path}/-/lib-1.1.0.tgz`])
    assert.equal((await npm.ask({ path: gone })).status, 404, gone);
  assert.equal((await npm.ok({ path: `${path}/latest` }))['version'], '1.0.0');
  assert.equal((await npm.publish({ name, version: '1.1.0' }, token)).status, 403);
});

test('latest goes to the highest version left that is no pre-release, when the document leaves it open', async (t) => {
  const { npm, token, name } = await prepare(t);
  const before = await npm.packument(name);
  const { '1.1.0': _gone, ...versions } = before.versions;
  const json = { _id: name, _rev: before._rev, versions };
  await npm.ok({ method: 'PUT', path: `${escaped(name)}/-rev/${before._rev}`, token, json });
  assert.deepEqual((await npm.packument(name))['dist-tags'], { latest: '1.0.0', beta: '2.0.0-beta.1' });
});

test('a package that is taken out leaves a tombstone, and its numbers stay burnt', async (t) => {
  const { npm, token, name } = await prepare(t);
  const { _rev } = await npm.packument(name);
  await npm.ok({ method: 'DELETE', path: `${escaped(name)}/-rev/${_rev}`, token });
  const tombstone = await npm.packument(name);
  assert.equal('versions' in tombstone, false);
  const { unpublished } = tombstone.time as unknown as { unpublished: { versions: string[] } };
  assert.deepEqual(unpublished.versions, ['1.0.0', '1.1.0', '2.0.0-beta.1']);
  assert.equal((await npm.ask({ path: `-/package/${escaped(name)}/dist-tags` })).status, 404);
  assert.equal((await npm.publish({ name, version: '1.0.0' }, token)).status, 403);
  assert.equal((await npm.publish({ name, version: '3.0.0' }, token)).status, 201);
  assert.deepEqual((await npm.packument(name))['dist-tags'], { latest: '3.0.0' });
});

test('owners are added and removed by a document of three fields, and the last one stays', async (t) => {
  const { npm, data, token, name } = await prepare(t);
  const before = await npm.packument(name);
  const own = async (maintainers: unknown): Promise<void> => {
    const { _rev } = await npm.packument(name);
    const json = { _id: name, _rev, maintainers };
    await npm.ok({ method: 'PUT', path: `${escaped(name)}/-rev/${_rev}`, token, json });
  };
  await own([{ name: 'alice' }, { name: 'bob', email: 'bob@example.com' }]);
  const after = await npm.packument(name);
  const maintainers = [
    { name: 'alice', email: '' },
    { name: 'bob', email: '' },
  ];
  assert.deepEqual(difference(before, after), { maintainers });
  assert.deepEqual(await npm.ok({ path: `-/package/${escaped(name)}/collaborators` }), {
    alice: 'write',
    bob: 'write',
  });
  const bob = await makeToken(data, { handle: 'bob' });
  assert.equal((await npm.publish({ name, version: '1.3.0' }, bob)).status, 201);
  await own([{ name: 'alice' }]);
  assert.equal((await npm.publish({ name, version: '1.4.0' }, bob)).status, 403);
  const { _rev } = await npm.packument(name);
  const path = `${escaped(name)}/-rev/${_rev}`;
  const ownedBy = (...names: unknown[]): unknown => ({ maintainers: names });
  await npm.refuses([
    ['nobody', { method: 'PUT', path, token, json: ownedBy() }, 400],
    [
      'somebody without an account',
      { method: 'PUT', path, token, json: ownedBy({ name: 'alice' }, { name: 'zoe' }) },
      404,
    ],
    ['no name', { method: 'PUT', path, token, json: ownedBy({ email: 'x' }) }, 400],
  ]);
});

test("a star is its owner's own, whatever else the document says", async (t) => {
  const { npm, data, token, name } = await prepare(t);
  const bob = await makeToken(data, { handle: 'bob' });
  const star = (by: string, users: object): Promise<unknown> =>
    npm.ok({ method: 'PUT', path: escaped(name), token: by, json: { _id: name, users } });
  await star(token, { alice: true, mallory: true });
  assert.deepEqual((await npm.packument(name))['users'], { alice: true });
  await star(bob, { bob: true });
  assert.deepEqual((await npm.packument(name))['users'], { alice: true, bob: true });
  await star(token, { bob: true });
  assert.deepEqual((await npm.packument(name))['users'], { bob: true });
  const path = `-/user/package/${escaped(name)}/star`;
  await npm.ok({ method: 'PUT', path, token });
  assert.deepEqual((await npm.packument(name))['users'], { alice: true, bob: true });
  await npm.ok({ method: 'DELETE', path, token: bob });
  assert.deepEqual((await npm.packument(name))['users'], { alice: true });
  for (const method of ['PUT', 'DELETE'])
    await npm.refuses([
      ['without a token', { method, path }, 401],
      ['of nothing', { method, path: '-/user/package/nope/star', token }, 404],
    ]);
});

test('tags are set, moved and removed, and latest is always there', async (t) => {
  const { npm, token, name } = await prepare(t);
  const before = await npm.packument(name);
  const tags = `-/package/${escaped(name)}/dist-tags`;
  await npm.ok({ method: 'PUT', path: `${tags}/next`, token, json: '1.0.0' });
  const after = await npm.packument(name);
  assert.deepEqual(difference(before, after), {
    'dist-tags': { latest: '1.1.0', beta: '2.0.0-beta.1', next: '1.0.0' },
  });
  assert.equal((await npm.ok({ path: `${escaped(name)}/next` }))['version'], '1.0.0');
  await npm.ok({ method: 'DELETE', path: `${tags}/next`, token });
  assert.deepEqual(difference(after, await npm.packument(name)), { 'dist-tags': before['dist-tags'] });
  assert.equal((await npm.ask({ path: `${escaped(name)}/next` })).status, 404);
  const put = (
    tag: string,
    json: unknown,
  ): { method: string; path: string; token: string; json: unknown } => ({
    method: 'PUT',
    path: `${tags}/${tag}`,
    token,
    json,
  });
  await npm.refuses([
    ['a version that is not there', put('next', '9.9.9'), 404],
    ['a tag that is a version', put('1.0.0', '1.0.0'), 400, 'is not a tag'],
    ['a tag that is a range', put('v1', '1.0.0'), 400, 'is not a tag'],
    ['a tag that is any version', put('x', '1.0.0'), 400, 'is not a tag'],
    ['a tag of two segments', put('a%2fb', '1.0.0'), 400, 'is not a tag'],
    ['no version', put('next', { version: '1.0.0' }), 400],
    ['no latest', { method: 'DELETE', path: `${tags}/latest`, token }, 400, 'latest cannot be removed'],
    ['a tag that is not there', { method: 'DELETE', path: `${tags}/nope`, token }, 404],
    ['nobody', { method: 'PUT', path: `${tags}/next`, json: '1.0.0' }, 401],
  ]);
});

test('after 72 hours an owner can deprecate, and an operator can still take out', async (t) => {
  const { npm, token, name } = await prepare(t);
  const { _rev } = await npm.packument(name);
  const path = `${escaped(name)}/-rev/${_rev}`;
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 72 * 3_600_000 + 60_000 });
  await npm.refuses([
    ['all of it', { method: 'DELETE', path, token }, 403, 'more than 72 hours ago'],
    ['one version', { method: 'PUT', path, token, json: { versions: {} } }, 403, 'more than 72 hours ago'],
  ]);
  await npm.ok({ method: 'DELETE', path, token: ADMIN_TOKEN });
});

test('whoever does not own a package changes nothing of it', async (t) => {
  const { npm, data, name } = await prepare(t);
  const token = await makeToken(data, { handle: 'bob', scopes: ['read', 'publish', 'yank', 'owner'] });
  const packument = await npm.packument(name);
  const { versions, _rev } = packument;
  const path = escaped(name);
  const deprecated = {
    ...packument,
    versions: { ...versions, '1.0.0': { ...versions['1.0.0'], deprecated: 'x' } },
  };
  await npm.refuses([
    ['deprecate', { method: 'PUT', path, token, json: deprecated }, 403],
    [
      'take a version out',
      { method: 'PUT', path: `${path}/-rev/${_rev}`, token, json: { versions: {} } },
      403,
    ],
    ['take all out', { method: 'DELETE', path: `${path}/-rev/${_rev}`, token }, 403],
    [
      'own',
      { method: 'PUT', path: `${path}/-rev/${_rev}`, token, json: { maintainers: [{ name: 'bob' }] } },
      403,
    ],
    ['tag', { method: 'PUT', path: `-/package/${path}/dist-tags/next`, token, json: '1.0.0' }, 403],
    ['untag', { method: 'DELETE', path: `-/package/${path}/dist-tags/beta`, token }, 403],
    ['hide', { path: `-/package/${path}/access`, token, json: { access: 'restricted' } }, 403],
    ['without a token: hide', { path: `-/package/${path}/access`, json: { access: 'restricted' } }, 401],
    ['without a token: deprecate', { method: 'PUT', path, json: deprecated }, 401],
    ['without a token: take out', { method: 'DELETE', path: `${path}/-rev/${_rev}` }, 401],
    ['without a token: change', { method: 'PUT', path: `${path}/-rev/${_rev}`, json: {} }, 401],
    ['without a token: tarball', { method: 'DELETE', path: `${path}/-/lib-1.0.0.tgz/-rev/${_rev}` }, 401],
    ['without a token: untag', { method: 'DELETE', path: `-/package/${path}/dist-tags/beta` }, 401],
  ]);
});

test('what is not there cannot be changed', async (t) => {
  const { npm, token, name } = await prepare(t);
  const path = escaped(name);
  await npm.refuses([
    ['deprecate', { method: 'PUT', path: 'nope', token, json: { versions: {} } }, 404],
    ['change', { method: 'PUT', path: 'nope/-rev/1', token, json: { maintainers: [{ name: 'a' }] } }, 404],
    ['take out', { method: 'DELETE', path: 'nope/-rev/1', token }, 404],
    ['tarball of nothing', { method: 'DELETE', path: 'nope/-/nope-1.0.0.tgz/-rev/1', token }, 404],
    ['tarball of no version', { method: 'DELETE', path: `${path}/-/lib-9.9.9.tgz/-rev/1`, token }, 404],
    [
      'tarball that stands',
      { method: 'DELETE', path: `${path}/-/lib-1.0.0.tgz/-rev/1`, token },
      409,
      'npm unpublish',
    ],
    ['tag', { method: 'PUT', path: '-/package/nope/dist-tags/next', token, json: '1.0.0' }, 404],
    ['untag', { method: 'DELETE', path: '-/package/nope/dist-tags/next', token }, 404],
    ['hide', { path: '-/package/nope/access', token, json: { access: 'public' } }, 404],
    ['hide what has no scope', { path: '-/package/nope/access', token, json: { access: 'restricted' } }, 400],
    ['a document of nothing', { method: 'PUT', path, token, json: {} }, 400],
    ['a revision of nothing', { method: 'PUT', path: `${path}/-rev/x`, token, json: {} }, 409],
    ['a document that is none', { method: 'PUT', path: `${path}/-rev/x`, token, json: [] }, 400],
    ['access of another kind', { path: `-/package/${path}/access`, token, json: { access: 'x' } }, 400],
    ['two factors', { path: `-/package/${path}/access`, token, json: { publish_requires_tfa: true } }, 400],
  ]);
  for (const missing of [
    'nope',
    'nope/1.0.0',
    `${path}/9.9.9`,
    'nope/-/nope-1.0.0.tgz',
    `${path}/-/lib-9.9.9.tgz`,
    '-/package/nope/dist-tags',
    '-/package/nope/visibility',
    '-/package/nope/collaborators',
    '-/npm/v1/attestations/nope@1.0.0',
  ])
    assert.equal((await npm.ask({ path: missing })).status, 404, missing);
});
