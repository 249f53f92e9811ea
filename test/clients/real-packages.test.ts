/**
 * A real application with all it depends on: packed from the registry that this machine is set up for, published
 * here, and installed from here alone. Nothing of what is fetched is kept in the project but the lock file, which
 * tells what the public registry says of every package.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import semver from 'semver';
import { closing } from '../support/closing.ts';
import { inLanes } from '../support/lanes.ts';
import { clientNamed } from '../support/npm-clients.ts';
import { openProject, type Project } from '../support/npm-project.ts';
import { publish, serveRegistry, type Served } from '../support/npm-registries.ts';
import { compareTrees } from '../support/same-trees.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const run = promisify(execFile);
const LANES = 4;
/** Of more than 20 MB: published and fetched, without all that it depends on. */
const large = { name: 'next', version: '15.5.29', filename: 'next-15.5.29.tgz' };
const application = new URL('application/', import.meta.url).pathname;

interface LockedPackage {
  readonly version: string;
  readonly integrity: string;
  readonly resolved?: string;
}
interface LockFile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}
const lock = readLock(application);

function readLock(folder: string): LockFile {
  return JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as LockFile;
}

function nameIn(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

/** Folders of the application as the public registry's packages fill them. */
let installed: string;
/** Tarballs, and the cache that they and the installation share. */
let scratch: string;
let served: Served;
let project: Project;
const opened = closing();
before(async () => {
  scratch = await temporaryDirectory(opened);
  served = await serveRegistry(opened);
  installed = join(scratch, 'public');
  await mkdir(installed);
  await cp(application, installed, { recursive: true });
  // Not `ci`: it also wants what the lock file leaves out, binaries of platforms that are not ours.
  await npm(['install'], installed);
});
after(() => opened.close());

/** With the settings of whoever runs this: it is the only thing here that asks another registry. */
async function npm(words: readonly string[], cwd: string): Promise<string> {
  const { command } = await clientNamed('npm 11');
  const [file, ...program] = command;
  // `npm run` hands the settings of this project on to every npm below it; an application has other engines.
  const flags = ['--no-engine-strict', '--prefer-offline', '--no-audit', '--no-fund'];
  const cache = ['--cache', join(scratch, 'cache')];
  const { stdout } = await run(file, [...program, ...words, ...flags, ...cache], {
    cwd,
    maxBuffer: 64 * 1024 ** 2,
  });
  return stdout;
}

interface Packed {
  readonly name: string;
  readonly version: string;
  readonly filename: string;
  readonly size: number;
}

test('its packages are published as they are', { timeout: 300_000 }, async (t) => {
  // What this machine needs: binaries of other platforms are optional, and are not there.
  const wanted = new Set(
    Object.entries(lock.packages)
      .filter(([path]) => path !== '' && existsSync(join(installed, path)))
      .map(([path, { version }]) => `${nameIn(path)}@${version}`),
  );
  assert.ok(wanted.size > 200, `${wanted.size} packages`);
  const packed = await pack([...wanted, `${large.name}@${large.version}`]);
  assert.equal(packed.length, wanted.size + 1);
  const largest = Math.max(...packed.map(({ size }) => size));
  assert.ok(largest > 20_000_000, `the largest has ${largest} bytes`);
  const refused: string[] = [];
  const started = performance.now();
  // Of one package the highest version last, so that it is the latest.
  const inOrder = packed.sort((a, b) => semver.compare(a.version, b.version));
  await inLanes(LANES, async (lane) => {
    for (const one of inOrder.filter(({ name }) => laneOf(name) === lane))
      await publishReal(one).catch((error: Error) => refused.push(error.message));
  });
  assert.deepEqual(refused, []);
  const bytes = packed.reduce((sum, { size }) => sum + size, 0);
  t.diagnostic(
    `${packed.length} packages, ${Math.round(bytes / 1e6)} MB, published in ${Math.round((performance.now() - started) / 1000)} s`,
  );
});

/** All versions of a package are published one after the other. */
function laneOf(name: string): number {
  return [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % LANES;
}

async function pack(specs: readonly string[]): Promise<Packed[]> {
  const lists: Packed[][] = [];
  await inLanes(LANES, async (lane) => {
    const own = specs.filter((_, i) => i % LANES === lane);
    const printed = await npm(['pack', '--json', '--pack-destination', scratch, ...own], scratch);
    lists.push(JSON.parse(printed) as Packed[]);
  });
  return lists.flat();
}

async function publishReal({ name, version, filename }: Packed): Promise<void> {
  const archive = join(scratch, filename);
  const { stdout: members } = await run('tar', ['-tzf', archive], { maxBuffer: 64 * 1024 ** 2 });
  const path = members.split('\n').find((member) => /^[^/]+\/package\.json$/.test(member)) ?? '';
  const { stdout: text } = await run('tar', ['-xzOf', archive, path]);
  const manifest = JSON.parse(text.replace(/^\uFEFF/, '')) as Record<string, unknown>;
  await publish({ name, version, manifest }, served, await readFile(archive));
}

test('it installs from here alone, and is byte for byte what the public registry gives', async (t) => {
  const manifest = JSON.parse(readFileSync(join(application, 'package.json'), 'utf8')) as object;
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
  const fetched = await readFile(join(user.folder, large.filename));
  assert.ok(fetched.equals(await readFile(join(scratch, large.filename))));
});

/** More than 2,000 versions of a few kilobytes each. */
const oftenReleased = 'electron-to-chromium';

interface Foreign {
  readonly versions: Readonly<
    Record<string, { readonly dist: { readonly tarball: string; readonly shasum: string } }>
  >;
}

test('a package of more than 500 versions is published and installed', { timeout: 300_000 }, async (t) => {
  const registry = (await npm(['config', 'get', 'registry'], scratch)).trim();
  const foreign = (await (await fetch(new URL(oftenReleased, registry))).json()) as Foreign;
  const versions = Object.keys(foreign.versions).sort(semver.compare).slice(0, 520);
  const last = versions.at(-1) ?? '';
  const fetched = async (version: string): Promise<Buffer> => {
    const { tarball = '' } = foreign.versions[version]?.dist ?? {};
    return Buffer.from(await (await fetch(tarball)).arrayBuffer());
  };
  const take = async (version: string): Promise<void> =>
    publish({ name: oftenReleased, version }, served, await fetched(version));
  await take(versions[0] ?? '');
  await inLanes(8, async (lane) => {
    for (const version of versions.slice(1, -1).filter((_, i) => i % 8 === lane)) await take(version);
  });
  await take(last);
  const answer = await fetch(`${served.registry}/${oftenReleased}`);
  const ours = (await answer.json()) as Foreign;
  assert.equal(Object.keys(ours.versions).length, 520);
  for (const version of versions)
    assert.equal(ours.versions[version]?.dist.shasum, foreign.versions[version]?.dist.shasum, version);
  const wanted = versions.findLast((version) => semver.satisfies(version, '~1.2.0')) ?? '';
  const user = await openProject(t, await clientNamed('npm 11'), served, {
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
