/** Members of npm packages and scopes, through HTTP: what they read, what they write, and what nobody else sees of it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import type { Command } from '../../core/decide.ts';
import { git } from '../support/git.ts';
import { assertNpmError, escaped, npmApi, type NpmApi } from '../support/npm-api.ts';
import { packNpm } from '../support/npm-package.ts';
import { filesBelow, makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';

const name = '@acme/secret';
const path = escaped(name);
const scopes = ['read', 'publish', 'yank', 'owner'] as const;
const secret = { name, version: '1.0.0' };
const ofSecret = { ecosystem: 'npm', name } as const;
const ofScope = { ecosystem: 'npm', name: '@acme', of: 'namespace' } as const;

interface Prepared {
  readonly npm: NpmApi;
  readonly data: string;
  readonly alice: string;
  /** Accounts that own nothing. */
  readonly carl: string;
  readonly dora: string;
  execute(command: Command): Promise<unknown>;
}

/** A private package of alice, and a public one in the same scope. */
async function prepare(t: TestContext): Promise<Prepared> {
  const server = await openTestServer(t);
  const { data } = server;
  const npm = npmApi(server);
  const [alice = '', carl = '', dora = ''] = await Promise.all(
    ['alice', 'carl', 'dora'].map((handle) => makeToken(data, { handle, scopes })),
  );
  assert.equal((await npm.publish(secret, alice, { access: 'restricted' })).status, 201);
  assert.equal((await npm.publish({ name: '@acme/open', version: '1.0.0' }, alice)).status, 201);
  const control = remoteControl(join(data, 'control.sock'));
  return { npm, data, alice, carl, dora, execute: (command) => control.execute([command]) };
}

const reads = [
  path,
  `${path}/1.0.0`,
  `${path}/latest`,
  `${path}/-/secret-1.0.0.tgz`,
  `-/package/${path}/dist-tags`,
  `-/package/${path}/visibility`,
  `-/package/${path}/collaborators`,
];

async function statuses(npm: NpmApi, token: string): Promise<number[]> {
  const answers = await Promise.all(reads.map((read) => npm.ask({ path: read, token })));
  return [...new Set(answers.map(({ status }) => status))];
}

/** What owners do and members do not. */
function ownersWrites(of: string, token: string): Parameters<NpmApi['ask']>[0][] {
  return [
    { method: 'PUT', path: of, token, json: { versions: { '1.0.0': { deprecated: 'old' } } } },
    { method: 'PUT', path: `${of}/-rev/REV`, token, json: { maintainers: [{ name: 'carl' }] } },
    { method: 'PUT', path: `${of}/-rev/REV`, token, json: { versions: {} } },
    { method: 'DELETE', path: `${of}/-rev/REV`, token },
    { path: `-/package/${of}/access`, token, json: { access: 'public' } },
  ];
}

async function assertOwnsNothing({ npm, alice }: Prepared, token: string): Promise<void> {
  const { _rev } = await npm.packument(name, alice);
  for (const write of ownersWrites(path, token))
    assertNpmError(
      await npm.ask({ ...write, path: write.path.replace('REV', _rev) }),
      403,
      'not a package owner',
    );
}

test('a member who reads gets a private package as its owner does, and writes nothing', async (t) => {
  const prepared = await prepare(t);
  const { npm, alice, carl, dora, execute } = prepared;
  await execute({ kind: 'set-member', ...ofSecret, member: 'carl', access: 'read' });
  assert.deepEqual(await statuses(npm, carl), [200]);
  assert.deepEqual(await statuses(npm, dora), [404]);
  assert.deepEqual(await npm.packument(name, carl), await npm.packument(name, alice));
  const tarball = await npm.ask({ path: `${path}/-/secret-1.0.0.tgz`, token: carl });
  assert.deepEqual(tarball.body, packNpm(secret));
  assertNpmError(await npm.publish({ name, version: '1.1.0' }, carl), 403, 'not a package owner');
  const tag = { method: 'PUT', path: `-/package/${path}/dist-tags/next`, json: '1.0.0' } as const;
  assertNpmError(await npm.ask({ ...tag, token: carl }), 403, 'not a package owner');
  assertNpmError(await npm.ask({ ...tag, token: dora }), 404);
  await assertOwnsNothing(prepared, carl);
  await execute({ kind: 'remove-member', ...ofSecret, member: 'carl' });
  assert.deepEqual(await statuses(npm, carl), [404]);
});

test('a member who writes publishes and moves tags, and does nothing else that owners do', async (t) => {
  const prepared = await prepare(t);
  const { npm, carl, execute } = prepared;
  await execute({ kind: 'set-member', ...ofSecret, member: 'carl', access: 'write' });
  const published = await npm.publish({ name, version: '1.1.0' }, carl);
  assert.equal(published.status, 201, published.text);
  const tag = { path: `-/package/${path}/dist-tags/next`, token: carl } as const;
  await npm.ok({ ...tag, method: 'PUT', json: '1.0.0' });
  const { versions, maintainers, ...of } = await npm.packument(name, carl);
  assert.deepEqual(Object.keys(versions), ['1.0.0', '1.1.0']);
  assert.deepEqual(of['dist-tags'], { latest: '1.1.0', next: '1.0.0' });
  assert.deepEqual(
    maintainers.map((maintainer) => maintainer.name),
    ['alice'],
  );
  await npm.ok({ ...tag, method: 'DELETE' });
  await assertOwnsNothing(prepared, carl);
  const other = await npm.publish({ name: '@acme/new', version: '1.0.0' }, carl);
  assertNpmError(other, 403, 'not a package owner');
});

test('members of a scope are members of all that is in it, and what they add belongs to its owners', async (t) => {
  const prepared = await prepare(t);
  const { npm, carl, dora, execute } = prepared;
  await execute({ kind: 'set-member', ...ofScope, member: 'carl', access: 'write' });
  await execute({ kind: 'set-member', ...ofScope, member: 'dora', access: 'read' });
  for (const token of [carl, dora]) assert.deepEqual(await statuses(npm, token), [200]);
  const added = { name: '@acme/new', version: '1.0.0' };
  assertNpmError(await npm.publish(added, dora, { access: 'restricted' }), 403, 'not a package owner');
  for (const wanted of [{ name, version: '1.1.0' }, { name: '@acme/open', version: '1.1.0' }, added]) {
    const answer = await npm.publish(wanted, carl, wanted === added ? { access: 'restricted' } : {});
    assert.equal(answer.status, 201, answer.text);
  }
  const { maintainers } = await npm.packument('@acme/new', dora);
  assert.deepEqual(
    maintainers.map((maintainer) => maintainer.name),
    ['alice'],
  );
  assert.equal((await npm.ask({ path: escaped('@acme/new') })).status, 404);
  await execute({ kind: 'remove-member', ...ofScope, member: 'carl' });
  assertNpmError(await npm.publish({ name: '@acme/new', version: '2.0.0' }, carl), 403);
  assert.deepEqual(await statuses(npm, carl), [404]);
});

test('no file changes with members, and none names them; of a private package neither does the public log', async (t) => {
  const { npm, data, execute } = await prepare(t);
  const site = join(data, 'site/npm');
  const content = async (): Promise<Record<string, string>> =>
    Object.fromEntries(
      await Promise.all(
        (await filesBelow(site)).map(async (file) => [file, await readFile(file, 'latin1')] as const),
      ),
    );
  const before = await content();
  const { headers } = await npm.ask({ path: escaped('@acme/open') });
  for (const subject of [ofSecret, { ecosystem: 'npm', name: '@acme/open' } as const])
    await execute({ kind: 'set-member', ...subject, member: 'carl', access: 'write' });
  await execute({ kind: 'remove-member', ...ofSecret, member: 'carl' });
  assert.deepEqual(await content(), before);
  assert.equal((await npm.ask({ path: escaped('@acme/open') })).headers['etag'], headers['etag']);
  const history = git(join(data, 'log.git'), ['log', '-p', '-U0', '--all']);
  assert.deepEqual(history.match(/"kind":"member-\w+"/g), ['"kind":"member-set"']);
  assert.ok(!history.includes('secret'));
});
