/** What `cairn doctor` says of keys of access tokens; the rest of it is in `test/slow/regen-and-doctor.test.ts`. */
import assert from 'node:assert/strict';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkFiles } from '../../bin/doctor-files.ts';
import { layout } from '../../bin/layout.ts';
import { AccessKeyDirectory } from '../../stores/access-key-directory.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

test('keys of access tokens are looked at: who may read them, damage, and what was left behind', async (t) => {
  const data = await temporaryDirectory(t);
  const { keys, accessKeys } = layout(data);
  const { id } = await new AccessKeyDirectory(accessKeys).create(1);
  const found = (): string[] =>
    [...checkFiles(data)]
      .filter(({ about, severity }) => about === 'keys' && severity !== 'ok')
      .map(({ severity, message }) => `${severity} ${message.replaceAll(data, 'DATA')}`);
  assert.deepEqual(found(), []);

  const path = join(accessKeys, `1-${id}.pem`);
  await chmod(path, 0o640);
  assert.deepEqual(found(), [
    `problem others may read DATA/keys/access/1-${id}.pem: chmod go= DATA/keys/access/1-${id}.pem`,
  ]);
  await chmod(path, 0o600);
  await chmod(accessKeys, 0o755);
  assert.match(found().join(), /^problem others may read DATA\/keys\/access: /);
  await chmod(accessKeys, 0o700);

  await writeFile(join(accessKeys, '.new-1'), '', { mode: 0o600 });
  await writeFile(join(accessKeys, '2-nonsense.pem'), '', { mode: 0o600 });
  const [damaged = '', left = '', ...more] = found();
  assert.match(
    damaged,
    /^warning 1 keys of access tokens cannot be read: DATA\/keys\/access\/2-nonsense\.pem\./,
  );
  assert.match(left, /^warning 1 half-written keys of access tokens .* such as DATA\/keys\/access\/\.new-1;/);
  assert.deepEqual(more, []);
  assert.equal((await readdir(accessKeys)).length, 3, 'nothing is changed');
  assert.deepEqual(await readdir(keys), ['access']);
});
