import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { git } from '../support/git.ts';
import { assertNpmError, escaped, npmApi, type NpmApi } from '../support/npm-api.ts';
import { packNpm } from '../support/npm-package.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';

const name = '@acme/secret';
const path = escaped(name);
const scopes = ['read', 'publish', 'yank', 'owner'] as const;

interface Prepared {
  readonly npm: NpmApi;
  readonly data: string;
  readonly alice: string;
  readonly bob: string;
}

/** A private package of alice, a public one in the same scope, and bob, who owns nothing. */
async function prepare(t: TestContext): Promise<Prepared> {
  const server = await openTestServer(t);
  const npm = npmApi(server);
  const alice = await makeToken(server.data, { handle: 'alice', scopes });
  const bob = await makeToken(server.data, { handle: 'bob', scopes });
  const secret = { name, version: '1.0.0', manifest: { description: 'classified-words' } };
  assert.equal((await npm.publish(secret, alice, { access: 'restricted' })).status, 201);
  assert.equal((await npm.publish({ name: '@acme/open', version: '1.0.0' }, alice)).status, 201);
  return { npm, data: server.data, alice, bob };
}

/** Whatever of a package can be asked for. */
const reads = [
  path,
  `${path}?write=true`,
  `${path}/1.0.0`,
  `${path}/latest`,
  `${path}/-/secret-1.0.0.tgz`,
  `-/package/${path}/dist-tags`,
  `-/package/${path}/visibility`,
  `-/package/${path}/collaborators`,
];

test('who may read a private package reads all of it, by a token', async (t) => {
  const { npm, alice } = await prepare(t);
  for (const token of [alice, ADMIN_TOKEN]) {
    const packument = await npm.packument(name, token);
    assert.deepEqual(packument['dist-tags'], { latest: '1.0.0' });
    for (const read of reads) {
      const answer = await npm.ask({ path: read, token });
      assert.equal(answer.status, 200, read);
      // No cache between us may hold it.
      assert.match(String(answer.headers['cache-control']), /no-store|private/, read);
    }
    const tarball = await npm.ask({ path: `${path}/-/secret-1.0.0.tgz`, token });
    const secret = { name, version: '1.0.0', manifest: { description: 'classified-words' } };
    assert.deepEqual(tarball.body, packNpm(secret));
    assert.deepEqual(await npm.ok({ path: `-/package/${path}/visibility`, token }), { public: false });
    assert.deepEqual(await npm.ok({ path: `-/package/${path}/collaborators`, token }), { alice: 'write' });
    assert.equal((await npm.ok({ path: `${path}/latest`, token }))['version'], '1.0.0');
  }
});

test('to everybody else it is as if there were none, in every answer', async (t) => {
  const { npm, data, bob } = await prepare(t);
  const reader = await makeToken(data, { handle: 'alice', scopes: ['publish'] });
  const elsewhere = await makeToken(data, {
    handle: 'alice',
    scopes,
    limits: [{ ecosystem: 'npm', namespace: '@other' }],
  });
  const other = (text: string): string => text.replaceAll('secret', 'nothere');
  const withoutId = (text: string): string => other(text).replace(/"request_id":"[^"]*"/, '');
  for (const token of [undefined, bob, reader, elsewhere])
    for (const read of reads) {
      const [hidden, missing] = [read, other(read)].map((at) =>
        npm.ask({ path: at, ...(token === undefined ? {} : { token }) }),
      );
      const [a, b] = [await hidden, await missing];
      assert.equal(a?.status, 404, read);
      assert.equal(withoutId(a.text), withoutId(b?.text ?? ''), read);
      const { 'x-request-id': _a, date: _b, 'content-length': _c, ...headers } = a.headers;
      const { 'x-request-id': _d, date: _e, 'content-length': _f, ...others } = b?.headers ?? {};
      assert.deepEqual(headers, others, read);
    }
});

test('writes of others are refused as for a package that is not there', async (t) => {
  const { npm, bob } = await prepare(t);
  const writes = (of: string): Parameters<NpmApi['ask']>[0][] => [
    { method: 'PUT', path: of, token: bob, json: { versions: {} } },
    { method: 'PUT', path: of, token: bob, json: { users: { bob: true } } },
    { method: 'PUT', path: `${of}/-rev/1-0`, token: bob, json: { maintainers: [{ name: 'bob' }] } },
    { method: 'DELETE', path: `${of}/-rev/1-0`, token: bob },
    { method: 'PUT', path: `-/package/${of}/dist-tags/next`, token: bob, json: '1.0.0' },
    { method: 'DELETE', path: `-/package/${of}/dist-tags/latest2`, token: bob },
    { path: `-/package/${of}/access`, token: bob, json: { access: 'public' } },
    { method: 'PUT', path: `-/user/package/${of}/star`, token: bob },
  ];
  const missing = escaped('@acme/nothere');
  for (const [i, write] of writes(path).entries()) {
    const [hidden, absent] = [await npm.ask(write), await npm.ask(writes(missing)[i] ?? write)];
    assert.equal(hidden.status, absent.status, JSON.stringify(write));
    const error = (text: string): string =>
      (JSON.parse(text) as { error: string }).error.replaceAll('nothere', 'secret');
    assert.equal(error(hidden.text), error(absent.text));
  }
  for (const version of ['1.0.0', '2.0.0']) {
    const [taken, free] = [
      await npm.publish({ name, version }, bob),
      await npm.publish({ name: '@acme/nothere', version }, bob),
    ];
    assertNpmError(taken, 403);
    assert.equal(
      (JSON.parse(taken.text) as { error: string }).error,
      (JSON.parse(free.text) as { error: string }).error,
    );
  }
});

test('nothing of it is in the public log, or anywhere on the site', async (t) => {
  const { npm, data, alice } = await prepare(t);
  await npm.ok({
    method: 'PUT',
    path: `-/package/${path}/dist-tags/hidden-tag`,
    token: alice,
    json: '1.0.0',
  });
  await npm.publish({ name: '@acme/open', version: '1.1.0' }, alice);
  const log = git(join(data, 'log.git'), ['log', '-p', '--all']);
  for (const word of ['secret', 'classified-words', 'hidden-tag']) assert.ok(!log.includes(word), word);
  const files = readdirSync(join(data, 'site'), { recursive: true, encoding: 'utf8' });
  assert.ok(files.some((file) => file.includes('open-1.1.0.tgz')));
  assert.deepEqual(
    files.filter((file) => file.includes('secret')),
    [],
  );
});

test('what goes public is there for all at once, and what goes private is gone', async (t) => {
  const { npm, data, alice } = await prepare(t);
  const access = (value: string): Promise<unknown> =>
    npm.ok({ path: `-/package/${path}/access`, token: alice, json: { access: value } });
  await access('public');
  assert.equal((await npm.packument(name))['description'], 'classified-words');
  assert.equal((await npm.ask({ path: `${path}/-/secret-1.0.0.tgz` })).status, 200);
  assert.deepEqual(await npm.ok({ path: `-/package/${path}/visibility` }), { public: true });
  await access('restricted');
  for (const read of reads) assert.equal((await npm.ask({ path: read })).status, 404, read);
  await npm.publish({ name, version: '1.1.0', files: { 'hidden.txt': '' } }, alice);
  assert.equal((await npm.ask({ path })).status, 404);
  assert.deepEqual((await npm.packument(name, alice))['dist-tags'], { latest: '1.1.0' });
  assert.ok(!git(join(data, 'log.git'), ['log', '-p', '--all']).includes('1.1.0'));
});

test('a package that is public is not made to look restricted by a publish', async (t) => {
  const { npm, alice } = await prepare(t);
  const answer = await npm.publish({ name: '@acme/open', version: '2.0.0' }, alice, { access: 'restricted' });
  assertNpmError(answer, 409, 'is public: restrict it first');
  const kept = await npm.publish({ name, version: '2.0.0' }, alice, { access: 'public' });
  assert.equal(kept.status, 201, kept.text);
  assert.equal((await npm.ask({ path })).status, 404);
});

test('whoever owns the scope may read, and a new owner of the package too', async (t) => {
  const { npm, alice, bob } = await prepare(t);
  const { _rev } = await npm.packument(name, alice);
  const json = { _id: name, _rev, maintainers: [{ name: 'alice' }, { name: 'bob' }] };
  await npm.ok({ method: 'PUT', path: `${path}/-rev/${_rev}`, token: alice, json });
  assert.equal((await npm.packument(name, bob)).name, name);
});

test('a name that was reserved in public can be published to for few alone', async (t) => {
  const server = await openTestServer(t, { CAIRN_NPM_ACCESS: 'restricted' });
  const npm = npmApi(server);
  const alice = await makeToken(server.data, { handle: 'alice', scopes });
  const control = remoteControl(join(server.data, 'control.sock'));
  await control.execute([{ kind: 'claim', ecosystem: 'npm', name, owner: 'alice' }]);
  const manifest = { description: 'classified-words' };
  const published = await npm.publish({ name, version: '1.0.0', manifest }, alice, { access: null });
  assert.equal(published.status, 201, published.text);
  assert.equal((await npm.ask({ path })).status, 404);
  assert.equal((await npm.packument(name, alice)).name, name);
  const log = git(join(server.data, 'log.git'), ['log', '-p', '--all']);
  assert.ok(log.includes(name) && !log.includes('classified-words'));
});

test('where new packages are restricted unless they say so, a publish that says nothing is', async (t) => {
  const server = await openTestServer(t, { CAIRN_NPM_ACCESS: 'restricted' });
  const npm = npmApi(server);
  await npm.publish({ name, version: '1.0.0' }, ADMIN_TOKEN, { access: null });
  assert.equal((await npm.ask({ path })).status, 404);
  assert.equal((await npm.packument(name, ADMIN_TOKEN)).name, name);
  // What has no scope cannot be restricted.
  assert.equal(
    (await npm.publish({ name: 'lib', version: '1.0.0' }, ADMIN_TOKEN, { access: null })).status,
    201,
  );
  assert.equal((await npm.ask({ path: 'lib' })).status, 200);
});
