/** A disk that takes names for one that differ only in case: NTFS, mounted as Windows has it. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { assertRefused, cairn, cairnServe } from '../support/command-line.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
const cannotMount =
  process.getuid?.() !== 0
    ? 'only root may mount'
    : spawnSync('lowntfs-3g', ['--help'], { env }).error
      ? 'ntfs-3g is not installed'
      : false;

async function foldingDisk(t: TestContext): Promise<string> {
  const directory = await temporaryDirectory(t);
  const [image, mount] = [join(directory, 'image'), join(directory, 'mounted')];
  writeFileSync(image, '');
  truncateSync(image, 64 * 1024 * 1024);
  await mkdir(mount);
  execFileSync('mkntfs', ['-F', '-Q', '-q', image], { env, stdio: 'ignore' });
  execFileSync('lowntfs-3g', ['-o', 'ignore_case', image, mount], { env });
  t.after(() => spawnSync('umount', [mount]));
  return mount;
}

test(
  'a disk that folds case is refused by a start, and found out by the doctor',
  { skip: cannotMount },
  async (t) => {
    const mount = await foldingDisk(t);
    const refused = await cairn(['serve', '--data', join(mount, 'data'), '--listen', '127.0.0.1:0']);
    assertRefused(refused, 2, /names that differ only in case for one/);

    const data = await temporaryDirectory(t);
    assert.equal(await (await cairnServe(t, ['--data', data, '--listen', '127.0.0.1:0'], {})).stop(), 0);
    // A registry that somebody moved there.
    cpSync(data, join(mount, 'moved'), { recursive: true });
    const { code, stdout } = await cairn(['doctor', '--data', join(mount, 'moved')]);
    assert.equal(code, 4);
    assert.match(stdout, /^problem {2}disk: it takes names that differ only in case for one.*move the data/m);
  },
);
