import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, open, readFile, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import {
  openPowerCutDisk,
  openSmallDisk,
  powerCutUnavailable,
  type CutFileSystem,
  type CutImage,
  type PowerCutDisk,
} from '../support/power-cut-disk.ts';

const skip = (await powerCutUnavailable()) ?? false;
const skipOnBtrfs = (await powerCutUnavailable('btrfs')) ?? false;
const run = promisify(execFile);

async function openDisk(t: TestContext, fileSystem: CutFileSystem = 'ext4'): Promise<PowerCutDisk> {
  const disk = await openPowerCutDisk({ fileSystem });
  t.after(() => disk.close());
  return disk;
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}

async function writeSynced(path: string, content: string): Promise<void> {
  await writeFile(path, content, { flush: true });
  await sync(dirname(path));
}

async function listFiles(image: CutImage): Promise<string[]> {
  return (await readdir(image.directory)).filter((name) => name !== 'lost+found').sort();
}

test('a file that was fsynced together with its directory survives the cut', { skip }, async (t) => {
  const disk = await openDisk(t);
  await writeSynced(join(disk.directory, 'kept'), 'content');
  const image = await disk.cut();
  assert.equal(await readFile(join(image.directory, 'kept'), 'utf8'), 'content');
});

test('a file that was never fsynced is gone after the cut', { skip }, async (t) => {
  const disk = await openDisk(t);
  await writeFile(join(disk.directory, 'lost'), 'content');
  assert.deepEqual(await listFiles(await disk.cut()), []);
  assert.equal(await readFile(join(disk.directory, 'lost'), 'utf8'), 'content');
});

test('an fsync of another file brings a never fsynced file back by name only', { skip }, async (t) => {
  const disk = await openDisk(t);
  await writeFile(join(disk.directory, 'hollow'), 'content');
  await writeSynced(join(disk.directory, 'other'), 'content');
  const image = await disk.cut();
  assert.deepEqual(await listFiles(image), ['hollow', 'other']);
  assert.equal((await stat(join(image.directory, 'hollow'))).size, 0);
});

test('what is appended after the last fsync is gone after the cut', { skip }, async (t) => {
  const disk = await openDisk(t);
  await writeSynced(join(disk.directory, 'log'), 'first\n');
  await writeFile(join(disk.directory, 'log'), 'second\n', { flag: 'a' });
  assert.equal(await readFile(join((await disk.cut()).directory, 'log'), 'utf8'), 'first\n');
});

test('a rename is undone by the cut until its directory is fsynced', { skip }, async (t) => {
  const disk = await openDisk(t);
  await writeSynced(join(disk.directory, 'temporary'), 'content');
  await rename(join(disk.directory, 'temporary'), join(disk.directory, 'final'));
  assert.deepEqual(await listFiles(await disk.cut()), ['temporary']);
  await sync(disk.directory);
  assert.deepEqual(await listFiles(await disk.cut()), ['final']);
});

test('a block that reached the drive without a flush is gone after the cut', { skip }, async (t) => {
  const disk = await openDisk(t);
  const path = join(disk.directory, 'block');
  await writeSynced(path, 'A'.repeat(4096));
  const zeroes = ['if=/dev/zero', `of=${path}`, 'bs=4096', 'count=1', 'conv=notrunc', 'oflag=direct'];
  await run('dd', zeroes);
  assert.equal((await readFile(join((await disk.cut()).directory, 'block'), 'utf8'))[0], 'A');
  await sync(path);
  assert.equal((await readFile(join((await disk.cut()).directory, 'block'), 'utf8'))[0], '\0');
});

test('cuts under a running writer keep every acknowledged write, whole', { skip }, async (t) => {
  const disk = await openDisk(t);
  let acknowledged = 0;
  let stopped = false;
  const writer = (async () => {
    for (let number = 1; !stopped; number += 1) {
      await writeFile(join(disk.directory, 'next'), `${number} `.repeat(10_000), { flush: true });
      await rename(join(disk.directory, 'next'), join(disk.directory, 'current'));
      await sync(disk.directory);
      acknowledged = number;
    }
  })();
  try {
    while (acknowledged === 0) await new Promise(setImmediate);
    for (let round = 0; round < 10; round += 1) {
      const before = acknowledged;
      const image = await disk.cut();
      const content = await readFile(join(image.directory, 'current'), 'utf8');
      const found = Number.parseInt(content, 10);
      assert.equal(content, `${found} `.repeat(10_000));
      assert.ok(found >= before && found <= acknowledged + 1, `${before} <= ${found} <= ${acknowledged} + 1`);
      await image.close();
    }
  } finally {
    stopped = true;
    await writer;
  }
});

test('git acknowledges a commit that the cut takes away', { skip }, async (t) => {
  const disk = await openDisk(t);
  const git = async (repository: string, ...args: string[]) => {
    const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.org'];
    // Not the whole environment: a GIT_DIR in it would send the commits to somebody's real repository.
    const env = { PATH: process.env['PATH'], GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
    return (await run('git', ['-C', repository, ...identity, ...args], { env })).stdout.trim();
  };
  const repository = join(disk.directory, 'repository');
  await mkdir(repository);
  await git(repository, 'init', '--quiet');
  await git(repository, 'commit', '--quiet', '--allow-empty', '--message', 'first');
  const first = await git(repository, 'rev-parse', 'HEAD');
  await run('sync', ['--file-system', repository]);

  await git(repository, 'commit', '--quiet', '--allow-empty', '--message', 'second');
  const second = await git(repository, 'rev-parse', 'HEAD');
  const image = await disk.cut();
  assert.equal(await git(join(image.directory, 'repository'), 'rev-parse', 'HEAD'), first);

  // Worse than lost: the next fsync of anything keeps the names of the new objects, but not their contents.
  await writeSynced(join(disk.directory, 'other'), 'content');
  const later = join((await disk.cut()).directory, 'repository');
  await assert.rejects(git(later, 'cat-file', 'commit', second), /empty|corrupt/);
});

test(
  'on btrfs a rename is undone by the cut though another file was fsynced after it',
  { skip: skipOnBtrfs },
  async (t) => {
    const disk = await openDisk(t, 'btrfs');
    await mkdir(join(disk.directory, 'elsewhere'));
    await writeSynced(join(disk.directory, 'temporary'), 'content');
    await run('sync', ['--file-system', disk.directory]);
    await rename(join(disk.directory, 'temporary'), join(disk.directory, 'final'));
    await writeSynced(join(disk.directory, 'elsewhere', 'other'), 'content');
    const image = await disk.cut();
    assert.deepEqual(await listFiles(image), ['elsewhere', 'temporary']);
    assert.equal(await readFile(join(image.directory, 'elsewhere', 'other'), 'utf8'), 'content');
  },
);

test('a small disk runs full', { skip }, async (t) => {
  const disk = await openSmallDisk({ sizeMiB: 8 });
  t.after(() => disk.close());
  const filling = writeFile(join(disk.directory, 'big'), Buffer.alloc(16 * 1024 * 1024));
  await assert.rejects(filling, { code: 'ENOSPC' });
});

test('closing leaves no mount and no file, even while a file is still open', { skip }, async () => {
  const disk = await openPowerCutDisk();
  const image = await disk.cut();
  const held = await open(join(image.directory, 'held'), 'w');
  await disk.close();
  assert.ok(!(await readFile('/proc/mounts', 'utf8')).includes(dirname(disk.directory)));
  await assert.rejects(stat(dirname(disk.directory)), { code: 'ENOENT' });
  await held.close();
});
