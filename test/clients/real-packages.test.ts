/**
 * A real application with all it depends on: packed from the registry that this machine is set up for, published
 * here, and installed from here alone. Nothing of what is fetched is kept in the project but the lock file, which
 * tells what the public registry says of every package.
 */
import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import semver from 'semver';
import { closing } from '../support/closing.ts';
import { inLanes } from '../support/lanes.ts';
import { fetchApplication, npmIn, publishAll, type Application } from '../support/npm-application.ts';
import { clientNamed } from '../support/npm-clients.ts';
import { openProject, type Project } from '../support/npm-project.ts';
import { publish, serveRegistry, type Served } from '../support/npm-registries.ts';
import { compareTrees } from '../support/same-trees.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Of more than 20 MB: published and fetched, without all that it depends on. */
const large = { name: 'next', version: '15.5.29' };

interface LockedPackage {
  readonly version: string;
  readonly integrity: string;
  readonly resolved?: string;
}
interface LockFile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}
/** What the public registry says of every package. */
const lock = readLock(new URL('application/', import.meta.url).pathname);

function readLock(folder: string): LockFile {
  return JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as LockFile;
}

let application: Application;
let scratch: string;
let served: Served;
let project: Project;
const opened = closing();
before(async () => {
  scratch = await temporaryDirectory(opened);
  served = await serveRegistry(opened);
  application = await fetchApplication(scratch, [`${large.name}@${large.version}`]);
});
after(() => opened.close());

test('its packages are published as they are', { timeout: 300_000 }, async (t) => {
  const { packages } = application;
  assert.ok(packages.length > 200, `${packages.length} packages`);
  const largest = Math.max(...packages.map(({ size }) => size));
  assert.ok(largest > 20_000_000, `the largest has ${largest} bytes`);
  await publishAll(application, served);
  const bytes = packages.reduce((sum, { size }) => sum + size, 0);
  t.diagnostic(`${packages.length} packages, ${Math.round(bytes / 1e6)} MB`);
});

test('it installs from here alone, and is byte for byte what the public registry gives', async (t) => {
  const { folder: installed, manifest } = application;
  project = await openProject(t, await clientNamed('npm 11'), served, { ...manifest });
  await project.ok('install');
  const ours = readLock(project.folder);
  const missing = Object.keys(lock.packages).filter((path) => ours.packages[path] === undefined);
  for (const path of missing) assert.ok(!existsSync(join(installed, path)), `${path} is missing`);
  for (const [path, { resolved, ...entry }] of Object.entries(ours.packages)) {
    if (path === '') continue;
    assert.deepEqual(entry, lock.packages[path], path);
    assert.ok(resolved?.startsWith(`${served.registry}/`), `${path} is from ${resolved}`);
  }
  const { differences, files, bytes } = await compareTrees(
    join(project.folder, 'node_modules'),
    join(installed, 'node_modules'),
    ['.package-lock.json'],
  );
  assert.deepEqual(differences, []);
  t.diagnostic(`${files} files, ${Math.round(bytes / 1e6)} MB are the same`);
  assert.ok(files > 1000);
  // A program that could not be built or was not linked would show here.
  const works = `require('bcrypt').hashSync('x', 4); require('@swc/core').transformSync('let a: number = 1',
    { jsc: { parser: { syntax: 'typescript' } } }); require('esbuild').transformSync('let a = 1'); require('express')()`;
  await project.node('-e', works);
  await stat(join(project.folder, 'node_modules/.bin/vite'));
});

test('a tarball of more than 20 MB is fetched as it was published', async (t) => {
  const user = await openProject(t, await clientNamed('npm 11'), served, {});
  await user.ok('pack', `${large.name}@${large.version}`);
  const packed = application.packages.find(({ name }) => name === large.name);
  assert.ok(packed);
  const fetched = await readFile(join(user.folder, basename(packed.archive)));
  assert.ok(fetched.equals(await readFile(packed.archive)));
});

/** More than 2,000 versions of a few kilobytes each. */
const oftenReleased = 'electron-to-chromium';

interface Foreign {
  readonly versions: Readonly<
    Record<string, { readonly dist: { readonly tarball: string; readonly shasum: string } }>
  >;
}

test('a package of more than 500 versions is published and installed', { timeout: 300_000 }, async (t) => {
  // The application has a version of it as well.
  const own = await serveRegistry(t);
  const npm = await npmIn(scratch);
  const registry = (await npm(['config', 'get', 'registry'], scratch)).trim();
  const foreign = (await (await fetch(new URL(oftenReleased, registry))).json()) as Foreign;
  const versions = Object.keys(foreign.versions).sort(semver.compare).slice(0, 520);
  const last = versions.at(-1) ?? '';
  const fetched = async (version: string): Promise<Buffer> => {
    const { tarball = '' } = foreign.versions[version]?.dist ?? {};
    return Buffer.from(await (await fetch(tarball)).arrayBuffer());
  };
  const take = async (version: string): Promise<void> =>
    publish({ name: oftenReleased, version }, own, await fetched(version));
  await take(versions[0] ?? '');
  await inLanes(8, async (lane) => {
    for (const version of versions.slice(1, -1).filter((_, i) => i % 8 === lane)) await take(version);
  });
  await take(last);
  const answer = await fetch(`${own.registry}/${oftenReleased}`);
  const ours = (await answer.json()) as Foreign;
  assert.equal(Object.keys(ours.versions).length, 520);
  for (const version of versions)
    assert.equal(ours.versions[version]?.dist.shasum, foreign.versions[version]?.dist.shasum, version);
  const wanted = versions.findLast((version) => semver.satisfies(version, '~1.2.0')) ?? '';
  const user = await openProject(t, await clientNamed('npm 11'), own, {
    name: 'user',
    version: '1.0.0',
    private: true,
    dependencies: { [oftenReleased]: '~1.2.0' },
  });
  const installedVersion = async (): Promise<string> =>
    (await user.node('-p', `require('${oftenReleased}/package.json').version`)).trim();
  await user.ok('install');
  assert.equal(await installedVersion(), wanted);
  await writeFile(join(user.folder, 'package.json'), `{"dependencies":{"${oftenReleased}":"1.x"}}`);
  await user.ok('install');
  await user.ok('update');
  assert.equal(await installedVersion(), last);
});
