import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf, type Digest } from '../../core/digest.ts';
import { compareTrees } from '../../stores/compare-trees.ts';
import { MemorySite } from '../../stores/memory.ts';
import { SiteDirectory, type SiteDirectoryOptions } from '../../stores/site-directory.ts';
import { siteReader } from '../../stores/site-reader.ts';
import {
  aDocument,
  anArtifactFile,
  aStream,
  siteTargetContract,
  someRecords,
  type SiteHarness,
} from '../support/site-target-contract.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface DirectoryHarness extends SiteHarness {
  readonly root: string;
  readonly blobs: string;
  readonly target: SiteDirectory;
}

async function openDirectory(
  t: TestContext,
  blobsAt?: string,
  options: Pick<SiteDirectoryOptions, 'isOutsideLog'> = {},
): Promise<DirectoryHarness> {
  const home = await temporaryDirectory(t);
  const [root, blobs] = [join(home, 'site'), blobsAt ?? join(home, 'blobs')];
  await mkdir(blobs, { recursive: true });
  const blobPath = (digest: Digest): string => join(blobs, digest.slice('sha256:'.length));
  return {
    root,
    blobs,
    target: new SiteDirectory({ root, blobPath, ...options }),
    another: () => new SiteDirectory({ root, blobPath }),
    async keep(text) {
      const digest = digestOf(text);
      await writeFile(blobPath(digest), text);
      return digest;
    },
    content: () => contentIn(root),
  };
}

/** What the read side finds; names that start with `=` are ours, and only `=index` is ever asked for. */
async function contentIn(root: string): Promise<Record<string, string>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => !path.replaceAll('=index', '').includes('='));
  const reader = siteReader(root);
  return Object.fromEntries(
    paths.sort().map((path) => [path, Buffer.from(reader.find(path)?.read() ?? []).toString('utf8')]),
  );
}

siteTargetContract('SiteDirectory', (t) => openDirectory(t));

siteTargetContract('MemorySite', async () => {
  const target = new MemorySite();
  const blobs = new Map<Digest, string>();
  return {
    target,
    async keep(text) {
      blobs.set(digestOf(text), text);
      return digestOf(text);
    },
    async content() {
      const entries = [...target.files].map(([path, body]): [string, string] => [
        path,
        body instanceof Uint8Array ? Buffer.from(body).toString('utf8') : (blobs.get(body.blob) ?? ''),
      ]);
      return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
    },
  };
});

test('the strict site in memory refuses an artifact that changes', async () => {
  const site = new MemorySite();
  await site.put([anArtifactFile('a', digestOf('one'))]);
  await site.put([anArtifactFile('a', digestOf('one'))]);
  await assert.rejects(site.put([anArtifactFile('a', digestOf('other'))]), /immutable/);
});

test('an artifact is a hard link to its blob, and putting it again leaves it alone', async (t) => {
  const { target, keep, root, blobs } = await openDirectory(t);
  const blob = await keep('archive');
  await target.put([anArtifactFile('a', blob)]);
  const [file, source] = [await stat(join(root, 'a')), await stat(join(blobs, blob.slice(7)))];
  assert.equal(file.ino, source.ino);
  await target.put([anArtifactFile('a', blob)]);
  assert.deepEqual(await stat(join(root, 'a')), file);
});

test('the folders of what is removed go with it, as long as nothing else is in them', async (t) => {
  const { target, root } = await openDirectory(t);
  const folders = (): string[] =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('='))
      .map(({ parentPath, name }) => join(parentPath, name).slice(root.length + 1))
      .sort();
  const files = ['a/b/c/d', 'a/b/e', 'f/g'];
  await target.put(files.map((path) => aDocument(path, 'x')));
  await target.remove(['a/b/c/d', 'f/g']);
  assert.deepEqual(folders(), ['a', 'a/b']);
  // Whoever removed a file may have been killed before the folder was gone.
  mkdirSync(join(root, 'f'));
  await target.remove(['f/g', 'never/there']);
  assert.deepEqual(folders(), ['a', 'a/b']);
  await target.put([aDocument('f/g', 'again')]);
  assert.deepEqual(folders(), ['a', 'a/b', 'f']);
  await target.remove(['a/b/e', 'f/g']);
  assert.deepEqual(folders(), []);
  rmSync(root, { recursive: true });
  await target.remove(['a/b/e']);
});

test('equal bytes are left alone: same file, same time', async (t) => {
  const { target, root } = await openDirectory(t);
  await target.put([aDocument('a', 'one')]);
  const before = await stat(join(root, 'a'), { bigint: true });
  await target.put([aDocument('a', 'one')]);
  const after = await stat(join(root, 'a'), { bigint: true });
  assert.deepEqual([after.ino, after.mtimeNs], [before.ino, before.mtimeNs]);
});

test('every replacement of a path is later than the one before by whole seconds, however fast they come', async (t) => {
  const { target, root } = await openDirectory(t);
  const times: number[] = [];
  const look = async (): Promise<void> =>
    void times.push(Math.floor((await stat(join(root, 'a'))).mtimeMs / 1000));
  for (let round = 0; round < 4; round += 1) {
    await target.put([aDocument('a', `v${round}`)]);
    await look();
  }
  for (let round = 0; round < 2; round += 1) {
    await target.put([aStream('a', `s${round}`)]);
    await look();
  }
  for (let round = 0; round < 3; round += 1) {
    const build = await target.rebuild();
    build.add(aDocument('a', `r${round}`));
    await build.finish(someRecords(round));
    await look();
  }
  for (const [i, time] of times.entries())
    if (i > 0) assert.ok(time > (times[i - 1] ?? Infinity), times.join(' '));
});

test('a rebuild over a site leaves the files that did not change as they are', async (t) => {
  const { target, keep, root } = await openDirectory(t);
  const blob = await keep('archive');
  await target.put([
    aDocument('a/same', 'same'),
    anArtifactFile('a/archive', blob),
    aDocument('a/other', 'x'),
  ]);
  for (const path of ['a/same', 'a/archive']) await utimes(join(root, path), 1000, 1000);
  const before = ['a/same', 'a/archive'].map((path) => statSync(join(root, path)));
  const build = await target.rebuild();
  build.add(aDocument('a/same', 'same'));
  build.add(anArtifactFile('a/archive', blob));
  build.add(aDocument('a/other', 'y'));
  await build.finish(someRecords(1));
  for (const [i, path] of ['a/same', 'a/archive'].entries()) {
    const { ino, mtimeMs } = statSync(join(root, path));
    assert.deepEqual([ino, mtimeMs], [before[i]?.ino, before[i]?.mtimeMs], path);
  }
});

test('a rebuild leaves no empty folders and nothing beside the site', async (t) => {
  const { target, root } = await openDirectory(t);
  await target.put([aDocument('a/b/c/d', 'one'), aDocument('e', 'two')]);
  const build = await target.rebuild();
  build.add(aDocument('e', 'two'));
  await build.finish(someRecords(1));
  assert.equal(existsSync(join(root, 'a')), false);
  const beside = (await readdir(join(root, '..'))).filter((name) => name.includes('next'));
  assert.deepEqual(beside, []);
});

test('what a killed rebuild left beside the site is removed by the next one', async (t) => {
  const { target, root, content } = await openDirectory(t);
  await target.put([aDocument('a', 'one')]);
  const killed = await target.rebuild();
  killed.add(aDocument('b', 'two'));
  const build = await target.rebuild();
  build.add(aDocument('c', 'three'));
  await build.finish(someRecords(1));
  assert.deepEqual(await content(), { c: 'three' });
  assert.deepEqual(
    (await readdir(join(root, '..'))).filter((name) => name.includes('next')),
    [],
  );
});

test('a record that was cut off counts as missing: the site is then made again', async (t) => {
  const { target, root } = await openDirectory(t);
  await target.save('progress', someRecords(1).progress);
  const [name = ''] = (await readdir(root)).filter((found) => found.includes('progress'));
  await writeFile(join(root, name), (await readFile(join(root, name), 'utf8')).slice(0, 20));
  assert.equal(await target.load('progress'), undefined);
});

/** Blobs on another file system, where hard links cannot reach; the reason to skip where there is none. */
async function otherDisk(t: TestContext): Promise<string | undefined> {
  const shm = '/dev/shm';
  const home = await temporaryDirectory(t);
  if (!existsSync(shm) || statSync(shm).dev === statSync(home).dev) {
    t.skip('there is no second file system here: /dev/shm is missing, or is that of the temporary directory');
    return undefined;
  }
  const blobs = await mkdtemp(join(shm, 'cairn-test-'));
  t.after(() => rm(blobs, { recursive: true, force: true }));
  return blobs;
}

test('where links cannot reach, artifacts are copied', async (t) => {
  const blobs = await otherDisk(t);
  if (blobs === undefined) return;
  const { target, keep, content, root } = await openDirectory(t, blobs);
  const [one, two] = [await keep('one'), await keep('two')];
  await target.put([anArtifactFile('a/one', one)]);
  await target.put([anArtifactFile('a/one', one), aDocument('index', 'a/one')]);
  assert.deepEqual(await content(), { 'a/one': 'one', index: 'a/one' });
  const { ino } = await stat(join(root, 'a/one'));
  const build = await target.rebuild();
  build.add(anArtifactFile('a/one', one));
  build.add(anArtifactFile('a/two', two));
  await build.finish(someRecords(1));
  assert.deepEqual(await content(), { 'a/one': 'one', 'a/two': 'two' });
  assert.equal((await stat(join(root, 'a/one'))).ino, ino, 'a copy that is right is left alone');
});

for (const copied of [false, true])
  test(`a rebuild brings in artifacts (${copied ? 'copies' : 'links'}) before the documents that name them`, async (t) => {
    const blobs = copied ? await otherDisk(t) : join(await temporaryDirectory(t), 'blobs');
    if (blobs === undefined) return;
    const { target, keep, root } = await openDirectory(t, blobs);
    const blob = await keep('archive');
    // A folder in the way of the artifact stops the merge right there.
    await mkdir(join(root, 'z/archive/in-the-way'), { recursive: true });
    await writeFile(join(root, 'z/archive/in-the-way/file'), '');
    const build = await target.rebuild();
    build.add(anArtifactFile('z/archive', blob));
    build.add(aDocument('a/index', 'names z/archive'));
    await assert.rejects(build.finish(someRecords(1)));
    assert.equal(existsSync(join(root, 'a/index')), false);
  });

test('the reader finds files, and neither folders nor what cannot be a name', async (t) => {
  const { target, root } = await openDirectory(t);
  await target.put([aDocument('a/b', 'hello')]);
  const reader = siteReader(root);
  const found = reader.find('a/b');
  assert.equal(found?.size, 5);
  assert.equal(Buffer.from(found.read()).toString(), 'hello');
  const piece: Buffer[] = [];
  for await (const chunk of found.lend({ start: 1, end: 3 })) piece.push(Buffer.from(chunk));
  assert.equal(Buffer.concat(piece).toString(), 'ell');
  for (const path of ['a', 'a/b/c', 'none', 'x'.repeat(300)])
    assert.equal(reader.find(path), undefined, path);
  assert.equal(reader.find('a/b', found), found);
  await target.put([aDocument('a/b', 'HELLO')]);
  const later = reader.find('a/b', found);
  assert.notEqual(later, found);
  assert.notEqual(later?.version, found.version);
  assert.equal(reader.find('a/b', later), later);
  await target.remove(['a/b']);
  assert.equal(reader.find('a/b', later), undefined);
});

test('trees are compared by names and bytes', async (t) => {
  const home = await temporaryDirectory(t);
  const write = async (tree: string, files: Record<string, string>): Promise<string> => {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(home, tree, path, '..'), { recursive: true });
      await writeFile(join(home, tree, path), text);
    }
    return join(home, tree);
  };
  const long = 'x'.repeat(200_000);
  const wanted = await write('wanted', {
    'a/same': 'same',
    'a/long': long,
    'a/changed': 'one',
    'a/at-the-end': `${long}1`,
    'b/missing': 'b',
    'file-here': 'f',
    'folder-here/f': 'f',
    'c/d/e': 'deep',
  });
  const found = await write('found', {
    'a/same': 'same',
    'a/long': long,
    'a/changed': 'two',
    'a/at-the-end': `${long}2`,
    'a/extra': 'x',
    'x/y/extra': 'y',
    'file-here/f': 'f',
    'folder-here': 'f',
    'c/d/e': 'deep',
  });
  const { missing, different, extra } = await compareTrees(wanted, found);
  assert.deepEqual([...missing].sort(), ['b/missing', 'file-here', 'folder-here/f']);
  assert.deepEqual([...different].sort(), ['a/at-the-end', 'a/changed']);
  assert.deepEqual([...extra].sort(), ['a/extra', 'file-here/f', 'folder-here', 'x/y/extra']);
  const nothing = { missing: [], different: [], extra: [] };
  assert.deepEqual(await compareTrees(wanted, wanted), nothing);
  assert.deepEqual(await compareTrees(join(home, 'neither'), join(home, 'nor')), nothing);
});

test('what a rebuild takes away goes before what it names', async (t) => {
  const asked: string[] = [];
  const isOutsideLog = (path: string): boolean => asked.push(path) === 0;
  const { target, keep } = await openDirectory(t, undefined, { isOutsideLog });
  const [layer, manifest] = [await keep('layer'), await keep('manifest')];
  for (const name of ['app', 'tool'])
    await target.put([
      anArtifactFile(`${name}/blobs/layer`, layer),
      anArtifactFile(`${name}/manifests/latest`, manifest),
      aDocument(`${name}/tags`, 'latest'),
    ]);
  const build = await target.rebuild();
  build.add(aDocument('another', 'text'));
  await build.finish(someRecords(1));
  // Each is asked about right before it goes.
  assert.deepEqual(asked, [
    'app/tags',
    'tool/tags',
    'tool/manifests/latest',
    'tool/blobs/layer',
    'app/manifests/latest',
    'app/blobs/layer',
  ]);
});
