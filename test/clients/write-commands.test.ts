/** Commands that change what is published: the document differs afterwards in what the command means, and nowhere else. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { cairnOk } from '../support/command-line.ts';
import { clientNamed, type ClientName } from '../support/npm-clients.ts';
import { changesBetween, readPackument, type Changes } from '../support/npm-packument.ts';
import { openProject, type Project } from '../support/npm-project.ts';
import { publish, serveRegistry, type Served } from '../support/npm-registries.ts';

let served: Served;
const opened = closing();
before(async () => {
  served = await serveRegistry(opened);
  await cairnOk(['token', 'create', 'bob', '--data', served.data]);
});
after(() => opened.close());

/** A client, and a package of its own with three versions. */
async function aClientOf(
  t: Parameters<typeof openProject>[0],
  client: ClientName,
  name: string,
): Promise<Project> {
  for (const version of ['1.0.0', '1.1.0', '2.0.0-beta.1'])
    await publish({ name, version, tag: version === '2.0.0-beta.1' ? 'beta' : 'latest' }, served);
  return openProject(t, await clientNamed(client), served, { name: 'desk', version: '1.0.0', private: true });
}

interface Step {
  readonly words: readonly string[];
  readonly changes: Changes;
  /** In what it prints. */
  readonly says?: RegExp;
}

/** Runs commands one after the other, and looks at the document between them. */
async function follow(project: Project, name: string, steps: readonly Step[]): Promise<void> {
  let known = await readPackument(served, name);
  for (const { words, changes, says } of steps) {
    const printed = await project.ok(...words);
    const now = await readPackument(served, name);
    assert.deepEqual(changesBetween(known, now), changes, words.join(' '));
    if (says) assert.match(printed, says, words.join(' '));
    if (Object.keys(changes).length > 0) assert.notEqual(now._rev, known._rev, words.join(' '));
    known = now;
  }
}

const message = 'Use something else; this "one" is old.';
const person = (name: string): object => ({ name, email: '' });

for (const client of ['npm 11', 'pnpm 12'] as const)
  for (const name of [`lib-of-${client.replace(' ', '-')}`, `@${client.replace(' ', '-')}/lib`])
    describe(`${client} with ${name}`, { concurrency: 1 }, () => {
      test('dist-tags are added, listed, moved and removed', async (t) => {
        const own = `${name}-tags`;
        await follow(await aClientOf(t, client, own), own, [
          {
            words: ['dist-tag', 'add', `${own}@1.0.0`, 'old'],
            changes: { 'dist-tags.old': [undefined, '1.0.0'] },
          },
          {
            words: ['dist-tag', 'ls', own],
            changes: {},
            says: /beta: 2\.0\.0-beta\.1\nlatest: 1\.1\.0\nold: 1\.0\.0/,
          },
          {
            words: ['dist-tag', 'add', `${own}@1.0.0`, 'latest'],
            changes: { 'dist-tags.latest': ['1.1.0', '1.0.0'] },
          },
          {
            words: ['dist-tag', 'rm', own, 'beta'],
            changes: { 'dist-tags.beta': ['2.0.0-beta.1', undefined] },
          },
        ]);
      });

      test('versions are deprecated, and that is taken back', async (t) => {
        const own = `${name}-deprecate`;
        const of = (version: string): string => `versions.${version}.deprecated`;
        await follow(await aClientOf(t, client, own), own, [
          {
            words: ['deprecate', `${own}@1.0.0`, message],
            changes: { [of('1.0.0')]: [undefined, message] },
          },
          {
            words: ['deprecate', `${own}@1.x`, 'all of 1'],
            changes: { [of('1.0.0')]: [message, 'all of 1'], [of('1.1.0')]: [undefined, 'all of 1'] },
          },
          {
            words: ['undeprecate', `${own}@1.1.0`],
            changes: { [of('1.1.0')]: ['all of 1', undefined] },
          },
        ]);
      });

      test('one version is unpublished, then all', async (t) => {
        const own = `${name}-unpublish`;
        const project = await aClientOf(t, client, own);
        const { versions } = await readPackument(served, own);
        await follow(project, own, [
          {
            words: ['unpublish', `${own}@1.1.0`, '--force'],
            changes: {
              'versions.1.1.0': [versions['1.1.0'], undefined],
              // The client's choice: the highest that is left, pre-release or not.
              'dist-tags.latest': ['1.1.0', '2.0.0-beta.1'],
            },
          },
        ]);
        assert.equal((await fetch(String(versions['1.1.0']?.dist['tarball']))).status, 404);
        assert.equal((await fetch(String(versions['1.0.0']?.dist['tarball']))).status, 200);
        await project.ok('unpublish', own, '--force');
        const tombstone = await readPackument(served, own);
        assert.equal(tombstone.versions, undefined);
        assert.deepEqual(Object.keys(tombstone.time).includes('unpublished'), true);
        assert.match(await project.refused('install', own), /ENOVERSIONS|ERR_PNPM_\w+[\s\S]*404/);
      });
    });

describe('npm 11, what pnpm has not', () => {
  test('owners are added, listed and removed', async (t) => {
    const name = '@owned/lib';
    await follow(await aClientOf(t, 'npm 11', name), name, [
      {
        words: ['owner', 'add', 'bob', name],
        changes: { maintainers: [[person('admin')], [person('admin'), person('bob')]] },
      },
      { words: ['owner', 'ls', name], changes: {}, says: /admin.*\n.*bob/ },
      {
        words: ['owner', 'rm', 'admin', name],
        changes: { maintainers: [[person('admin'), person('bob')], [person('bob')]] },
      },
    ]);
  });

  test('an owner who is nobody here is refused, and nothing changes', async (t) => {
    const name = 'owned-by-nobody';
    const project = await aClientOf(t, 'npm 11', name);
    const known = await readPackument(served, name);
    await project.refused('owner', 'add', 'nobody', name);
    await project.refused('owner', 'rm', 'admin', name);
    assert.deepEqual(await readPackument(served, name), known);
  });

  test('a scoped package becomes restricted and public again', async (t) => {
    const name = '@shut/lib';
    const project = await aClientOf(t, 'npm 11', name);
    const known = await readPackument(served, name);
    const statusForAll = async (): Promise<number> => (await fetch(`${served.registry}/@shut%2flib`)).status;
    assert.match(await project.ok('access', 'get', 'status', name), /public/);
    await project.ok('access', 'set', 'status=private', name);
    assert.equal(await statusForAll(), 404);
    assert.deepEqual(changesBetween(known, await readPackument(served, name)), {});
    assert.match(await project.ok('access', 'get', 'status', name), /private/);
    await project.ok('access', 'set', 'status=public', name);
    assert.equal(await statusForAll(), 200);
    assert.deepEqual(changesBetween(known, await readPackument(served, name)), {});
    assert.match(await project.ok('access', 'list', 'collaborators', name), /admin: read-write/);
  });
});

for (const client of ['npm 10', 'npm 11'] as const)
  test(`${client} gives a star and takes it back`, async (t) => {
    const name = `star-of-${client.replace(' ', '-')}`;
    await follow(await aClientOf(t, client, name), name, [
      { words: ['star', name], changes: { 'users.admin': [undefined, true] } },
      { words: ['stars'], changes: {}, says: new RegExp(name) },
      { words: ['unstar', name], changes: { 'users.admin': [true, undefined] } },
    ]);
  });
