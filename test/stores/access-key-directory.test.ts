import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { AccessKeyDirectory, findAccessKeys } from '../../stores/access-key-directory.ts';
import { MemoryAccessKeys } from '../../stores/memory.ts';
import { accessKeysContract } from '../support/access-keys-contract.ts';
import { openTokenBench } from '../support/access-tokens.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

accessKeysContract('MemoryAccessKeys', async () => {
  const keys = new MemoryAccessKeys();
  return { keys, again: () => new MemoryAccessKeys(keys) };
});

accessKeysContract('AccessKeyDirectory', async (t) => {
  const directory = await aDirectory(t);
  return { keys: new AccessKeyDirectory(directory), again: () => new AccessKeyDirectory(directory) };
});

async function aDirectory(t: TestContext): Promise<string> {
  return join(await temporaryDirectory(t), 'keys', 'access');
}

const modeOf = (path: string): number => statSync(path).mode & 0o777;

test('to look for keys makes nothing, and to make one makes what only its owner may read', async (t) => {
  const directory = await aDirectory(t);
  const keys = new AccessKeyDirectory(directory);
  assert.ok(!existsSync(join(directory, '..')));
  const before = process.umask(0);
  t.after(() => process.umask(before));
  const { id } = await keys.create(17);
  assert.deepEqual(readdirSync(directory), [`17-${id}.pem`]);
  assert.match(readFileSync(join(directory, `17-${id}.pem`), 'utf8'), /^-----BEGIN PRIVATE KEY-----\n/);
  for (const path of [join(directory, '..'), directory]) assert.equal(modeOf(path), 0o700, path);
  assert.equal(modeOf(join(directory, `17-${id}.pem`)), 0o600);
});

test('a token outlives the process that signed it', async (t) => {
  const directory = await aDirectory(t);
  const { book, clock, again } = openTokenBench();
  const wanted = { actor: undefined, audience: 'here', access: [], carriesScopes: false };
  const { token } = await again({ keys: new AccessKeyDirectory(directory) }).issue(wanted);
  // Nothing was closed: it was killed.
  const next = again({ keys: new AccessKeyDirectory(directory), accounts: book, clock });
  assert.deepEqual(await next.verify(token, 'here'), { actor: undefined, access: [] });
  await next.issue(wanted);
  assert.equal(readdirSync(directory).length, 1);
});

test('what a killed process has half written is removed at the next start, and only then', async (t) => {
  const directory = await aDirectory(t);
  mkdirSync(directory, { recursive: true });
  const path = join(directory, '.new-123');
  writeFileSync(path, '-----BEGIN PRIV');
  assert.deepEqual(findAccessKeys(directory), { keys: [], damaged: [], halfWritten: [path] });
  assert.ok(existsSync(path), 'who only looks changes nothing');
  assert.deepEqual(new AccessKeyDirectory(directory).all, []);
  assert.deepEqual(readdirSync(directory), []);
});

test('a file that holds no key, or another one, is named and passed over', async (t) => {
  const directory = await aDirectory(t);
  const keys = new AccessKeyDirectory(directory);
  const [good, other, cut] = [await keys.create(1), await keys.create(2), await keys.create(3)];
  const at = (name: string): string => join(directory, `${name}.pem`);
  const pem = (type: 'rsa' | 'ed25519'): string =>
    (type === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ed25519')
    ).privateKey
      .export({ type: 'pkcs8', format: 'pem' })
      .toString();
  writeFileSync(at(`2-${other.id}`), pem('ed25519'));
  writeFileSync(at(`3-${cut.id}`), readFileSync(at(`3-${cut.id}`)).subarray(0, 40));
  writeFileSync(at(`4-${good.id}`), pem('rsa'));
  writeFileSync(at(`5-${'0'.repeat(16)}`), '');
  writeFileSync(at('by-hand'), pem('ed25519'));
  mkdirSync(at('6-a-folder'));
  writeFileSync(join(directory, 'notes.txt'), 'left alone');
  const found = findAccessKeys(directory);
  assert.deepEqual(
    found.keys.map(({ id }) => id),
    [good.id],
  );
  assert.deepEqual(
    [...found.damaged].sort(),
    [`2-${other.id}`, `3-${cut.id}`, `4-${good.id}`, `5-${'0'.repeat(16)}`, '6-a-folder', 'by-hand'].map(at),
  );
  const again = new AccessKeyDirectory(directory);
  assert.deepEqual(
    again.all.map(({ id }) => id),
    [good.id],
  );
  assert.equal(readdirSync(directory).length, 8, 'nothing is removed that nobody can name');
});

test('a disk that takes no file gives no key', async (t) => {
  const directory = await aDirectory(t);
  const keys = new AccessKeyDirectory(directory);
  writeFileSync(join(directory, '..'), 'in the way');
  await assert.rejects(keys.create(1), { code: 'ENOTDIR' });
  assert.deepEqual(keys.all, []);
});
