import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openRegistry } from '../../bin/open-registry.ts';
import { readOptions } from '../../bin/options.ts';
import { serve } from '../../bin/serve.ts';
import { assertRefused, cairn, cairnOk, type Finished } from '../support/command-line.ts';
import { git } from '../support/git.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { codeAt } from '../support/totp.ts';
import '../support/test-server.ts';

const PASSWORD = 'correct horse battery';

interface Served {
  readonly data: string;
  stop(): Promise<void>;
}

async function aRegistry(t: TestContext): Promise<Served> {
  const data = await temporaryDirectory(t);
  const options = readOptions({ data, listen: '127.0.0.1:0' }, { CAIRN_ADMIN_TOKEN: ADMIN_TOKEN });
  const server = await serve(options, () => undefined);
  t.after(() => server.stop());
  return { data, stop: () => server.stop() };
}

function user(data: string, args: readonly string[], input?: string): Promise<Finished> {
  return cairn(['user', ...args, '--data', data], input === undefined ? {} : { input });
}

async function isPassword(data: string, handle: string, password: string): Promise<boolean> {
  const registry = await openRegistry({ dataDirectory: data });
  try {
    return await registry.accounts.verifyPassword(handle, password);
  } finally {
    await registry.close();
  }
}

test('accounts are made, listed and given passwords, beside a server and without one', async (t) => {
  const { data, stop } = await aRegistry(t);
  const [ann, bob] = await Promise.all([
    user(data, ['add', 'ann'], `${PASSWORD}\n`),
    user(data, ['add', 'bob', '--no-password']),
  ]);
  assert.deepEqual([ann.code, ann.stdout, ann.stderr], [0, 'created ann\n', '']);
  assert.deepEqual([bob.code, bob.stdout], [0, 'created bob\n']);
  assert.match(bob.stderr, /cairn token create bob/);
  assertRefused(await user(data, ['add', 'ann'], PASSWORD), 3, /the handle ann is taken/);
  await stop();
  assert.equal(await isPassword(data, 'ann', PASSWORD), true, 'without the end of its line');

  const changed = await user(data, ['password', 'ann'], 'another password\r\n');
  assert.deepEqual([changed.code, changed.stdout], [0, 'changed the password of ann\n']);
  assert.equal(await isPassword(data, 'ann', PASSWORD), false);
  assert.equal(await isPassword(data, 'ann', 'another password'), true);
  const listed = (await cairnOk(['user', 'list', '--data', data])).trimEnd().split('\n').sort();
  assert.match(listed[0] ?? '', /^ann  \S+Z  password$/);
  assert.match(listed[1] ?? '', /^bob  \S+Z  tokens only$/);
  const accounts = (await cairnOk(['user', 'list', '--json', '--data', data])).trimEnd().split('\n');
  for (const line of accounts)
    assert.deepEqual(Object.keys(JSON.parse(line) as object).sort(), [
      'createdAt',
      'handle',
      'hasPassword',
      'id',
    ]);

  // Nothing of it is in the log that everybody may read, and nothing of the password in any.
  const [log, privateLog] = ['log.git', 'private.git'].map((name) =>
    git(join(data, name), ['log', '-p', '--format=%B']),
  );
  assert.match(log ?? '', /genesis/);
  assert.doesNotMatch(log ?? '', /password-set|account-created|\bann\b|\bbob\b/);
  assert.match(privateLog ?? '', /password-set ann/);
  for (const secret of [PASSWORD, 'another password']) assert.ok(!privateLog?.includes(secret));
});

test('what cannot be is refused in a sentence that never shows the password', async (t) => {
  const { data } = await aRegistry(t);
  const nowhere = join(data, 'nowhere');
  const rows: readonly (readonly [args: string[], input: string | undefined, code: number, says: RegExp])[] =
    [
      [['add', 'ann'], 'nine-char\n', 2, /10 characters at least/],
      [['add', 'ann'], `with a \0 in it\n`, 2, /NUL/],
      [['add', 'ann'], 'x'.repeat(1025), 2, /1024 bytes at most/],
      [['add', 'ann'], 'x'.repeat(1_000_000), 2, /1024 bytes at most/],
      [['add', 'ann'], '', 2, /write it to standard input/],
      [['add', 'ann'], undefined, 2, /write it to standard input/],
      [['add', 'ann'], `${PASSWORD}\n${PASSWORD}\n`, 2, /one line/],
      [['add', 'Ann!', '--no-password'], undefined, 2, /not a handle/],
      [['add'], PASSWORD, 2, /missing required argument 'handle'/],
      [['password', 'nobody'], PASSWORD, 3, /no account "nobody"/],
      [['remove-second-factor', 'nobody'], undefined, 3, /no account "nobody"/],
      [['invite', '--expires', 'soon'], undefined, 2, /number of days/],
      [['invite', '--handle', 'A B'], undefined, 2, /not a handle/],
      [['list', '--data', nowhere], undefined, 3, /no registry in .*nowhere/],
    ];
  for (let i = 0; i < rows.length; i += 4)
    await Promise.all(
      rows.slice(i, i + 4).map(async ([args, input, code, says]) => {
        const finished = args.includes('--data')
          ? await cairn(['user', ...args])
          : await user(data, args, input);
        assertRefused(finished, code, says);
        assert.doesNotMatch(finished.stderr, /nine-char|correct horse|xxxxx/);
      }),
    );
  assert.equal(await cairnOk(['user', 'list', '--data', data]), '');
});

test('an invitation is printed alone, once, and stored as a hash', async (t) => {
  const { data, stop } = await aRegistry(t);
  const made = await user(data, ['invite', '--handle', 'carol', '--expires', '7']);
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /^[0-9a-f]{64}\n$/);
  assert.match(made.stderr, /for carol.*only this once.*--registration invited/s);
  await stop();
  const invitation = made.stdout.trim();
  assert.ok(!git(join(data, 'private.git'), ['log', '-p']).includes(invitation));
  const registry = await openRegistry({ dataDirectory: data, registration: 'invited' });
  t.after(() => registry.close());
  const wanted = { password: PASSWORD, invitation };
  for (const handle of ['dave', 'admin', 'operator', 'anonymous'])
    await assert.rejects(registry.accounts.register({ ...wanted, handle }), { code: 'registration-closed' });
  assert.equal((await registry.accounts.register({ ...wanted, handle: 'carol' })).handle, 'carol');
});

test('where registration is open, handles that mean something already are taken', async (t) => {
  const { data, stop } = await aRegistry(t);
  await cairnOk(['settings', '--data', data, '--x07', '{"officialOwner":"x07lang"}']);
  await stop();
  const registry = await openRegistry({ dataDirectory: data, registration: 'open' });
  t.after(() => registry.close());
  for (const handle of ['admin', 'operator', 'anonymous', 'x07lang'])
    await assert.rejects(registry.accounts.register({ handle, password: PASSWORD }), { code: 'name-taken' });
  assert.equal((await registry.accounts.register({ handle: 'erin', password: PASSWORD })).handle, 'erin');
});

test('a lost second factor is removed by the operator', async (t) => {
  const { data, stop } = await aRegistry(t);
  await stop();
  const registry = await openRegistry({ dataDirectory: data });
  await registry.accounts.createAccount({ handle: 'ann', password: PASSWORD });
  const { secret } = registry.accounts.startSecondFactor('ann', 'auth-and-writes');
  await registry.accounts.confirmSecondFactor('ann', codeAt(secret, Date.now()));
  await registry.close();
  assert.match(await cairnOk(['user', 'list', '--data', data]), /second factor \(auth-and-writes\)/);
  const removed = await cairnOk(['user', 'remove-second-factor', 'ann', '--data', data]);
  assert.equal(removed, 'removed the second factor of ann\n');
  assert.doesNotMatch(await cairnOk(['user', 'list', '--data', data]), /second factor/);
  assertRefused(await user(data, ['remove-second-factor', 'ann']), 3, /ann has no second factor/);
});

test('a token is made for some networks, and for machines', async (t) => {
  const { data } = await aRegistry(t);
  const at = ['--data', data, '--json'];
  await cairnOk([
    'token',
    'create',
    'ann',
    '--from',
    '192.0.2.0/24, 2001:db8::/32',
    '--bypass-second-factor',
    ...at,
  ]);
  const [token] = (await cairnOk(['token', 'list', ...at])).trimEnd().split('\n');
  const { addresses, bypassSecondFactor } = JSON.parse(token ?? '') as Record<string, unknown>;
  assert.deepEqual([addresses, bypassSecondFactor], [['192.0.2.0/24', '2001:db8::/32'], true]);
  assertRefused(await cairn(['token', 'create', 'ann', '--from', 'here', ...at]), 2, /"here" is no network/);
});
