/** Members from the command line, beside a server and without one. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { exitCodeOf, explain } from '../../bin/exit-codes.ts';
import { listMembers, removeMember, setMember } from '../../bin/member.ts';
import { readOptions } from '../../bin/options.ts';
import { serve } from '../../bin/serve.ts';
import { assertRefused, cairn, cairnOk, type Finished } from '../support/command-line.ts';
import { npmApi } from '../support/npm-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken, storedState } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import '../support/test-server.ts';

interface Server {
  readonly url: string;
  readonly data: string;
  stop(): Promise<void>;
}

/** A running registry with a private @acme/lib, and accounts of carl and dora. */
async function aRegistry(t: TestContext): Promise<Server> {
  const data = await temporaryDirectory(t);
  const options = readOptions({ data, listen: '127.0.0.1:0' }, { CAIRN_ADMIN_TOKEN: ADMIN_TOKEN });
  const { url, stop } = await serve(options, () => undefined);
  t.after(stop);
  const server = { url, data, stop };
  const wanted = { name: '@acme/lib', version: '1.0.0' };
  assert.equal((await npmApi(server).publish(wanted, ADMIN_TOKEN, { access: 'restricted' })).status, 201);
  for (const handle of ['carl', 'dora']) await makeToken(data, { handle });
  return server;
}

function member(data: string, ...args: readonly string[]): Promise<Finished> {
  return cairn(['member', ...args, '--data', data]);
}

function memberOk(data: string, ...args: readonly string[]): Promise<string> {
  return cairnOk(['member', ...args, '--data', data]);
}

test('members are set and listed beside a server, and removed without one', async (t) => {
  const { data, stop } = await aRegistry(t);
  assert.equal(
    await memberOk(data, 'set', 'npm/@acme/lib', 'dora', '--access', 'write'),
    'dora may read and write npm/@acme/lib\n',
  );
  assert.equal(
    await memberOk(data, 'set', 'npm/@acme/lib', 'carl', '--access', 'read'),
    'carl may read npm/@acme/lib\n',
  );
  assert.equal(
    await memberOk(data, 'set', 'npm/@acme/lib', 'carl', '--access', 'read'),
    'carl may read npm/@acme/lib already\n',
  );
  const event = await memberOk(data, 'set', 'npm/@acme', 'carl', '--access', 'write', '--json');
  const { kind, name, of, member: who, access, by } = JSON.parse(event) as Record<string, unknown>;
  assert.deepEqual(
    [kind, name, of, who, access, by],
    ['member-set', '@acme', 'namespace', 'carl', 'write', 'operator'],
  );
  assert.equal(
    await memberOk(data, 'list', 'npm/@acme/lib'),
    'carl  read  npm/@acme/lib\ndora  write  npm/@acme/lib\ncarl  write  npm/@acme\n',
  );
  assert.equal(await memberOk(data, 'list', 'npm/@acme'), 'carl  write  npm/@acme\n');
  await stop();

  assert.equal(await memberOk(data, 'remove', 'npm/@acme/lib', 'dora'), 'removed dora from npm/@acme/lib\n');
  const lines = (await memberOk(data, 'list', 'npm/@acme/lib', '--json')).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    [
      { ecosystem: 'npm', name: '@acme/lib', member: 'carl', access: 'read' },
      { ecosystem: 'npm', name: '@acme', of: 'namespace', member: 'carl', access: 'write' },
    ],
  );
  assertRefused(
    await member(data, 'remove', 'npm/@acme/lib', 'dora'),
    3,
    /dora is not a member of @acme\/lib/,
  );
});

test('what cannot be meant is refused with what would be right, and nothing is recorded', async (t) => {
  const server = await aRegistry(t);
  const { data } = server;
  const set =
    (text: string, handle = 'carl') =>
    () =>
      setMember(data, text, handle, { access: 'read' });
  const rows: readonly (readonly [run: () => Promise<void>, code: number, says: RegExp])[] = [
    [set('@acme/lib'), 2, /name the ecosystem/],
    [set('npm/@Acme'), 2, /cannot be the name of a package or a scope of npm/],
    [set('npm/nobody'), 3, /nobody is not known here/],
    [set('npm/@nobody'), 3, /@nobody is not known here/],
    [set('npm/@acme/lib', 'zoe'), 3, /user zoe not found/],
    [() => removeMember(data, 'npm/@acme', 'carl', {}), 3, /carl is not a member of @acme/],
    [() => listMembers(data, 'npm/nobody', {}), 3, /no package npm\/nobody/],
    [() => listMembers(data, 'npm/@nobody', {}), 3, /nobody has claimed npm\/@nobody/],
    [() => listMembers(join(data, 'nowhere'), 'npm/@acme', {}), 3, /cairn serve --data/],
  ];
  const before = (await storedState(server)).events;
  for (const [run, code, says] of rows)
    await assert.rejects(run, (error) => {
      assert.match(explain(error), says);
      assert.equal(exitCodeOf(error), code, explain(error));
      return true;
    });
  assertRefused(await member(data, 'set', 'npm/@acme/lib', 'carl'), 2, /--access <word>/);
  assertRefused(await member(data, 'set', 'npm/@acme/lib', 'carl', '--access', 'own'), 2, /read, write/);
  assert.equal((await storedState(server)).events, before);
});
