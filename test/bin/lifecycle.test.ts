/** Deprecation and transfers from the command line, beside a server and without one. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { deprecate, undeprecate } from '../../bin/deprecate.ts';
import { exitCodeOf, explain } from '../../bin/exit-codes.ts';
import { readOptions } from '../../bin/options.ts';
import { serve } from '../../bin/serve.ts';
import { endTransfer, offerTransfer } from '../../bin/transfer.ts';
import { assertRefused, cairn, cairnOk } from '../support/command-line.ts';
import { npmApi, type NpmApi } from '../support/npm-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken, storedState } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import '../support/test-server.ts';

interface Running {
  readonly url: string;
  readonly data: string;
  readonly npm: NpmApi;
  stop(): Promise<void>;
}

async function start(t: TestContext, data: string): Promise<Running> {
  const options = readOptions({ data, listen: '127.0.0.1:0' }, { CAIRN_ADMIN_TOKEN: ADMIN_TOKEN });
  const { url, stop } = await serve(options, () => undefined);
  t.after(stop);
  return { url, data, npm: npmApi({ url, data }), stop };
}

/** @acme/lib 1.0.0 and 1.1.0 of Ann, and an account of Bob. */
async function aRegistry(t: TestContext): Promise<Running> {
  const running = await start(t, await temporaryDirectory(t));
  const ann = await makeToken(running.data, { handle: 'ann' });
  await makeToken(running.data, { handle: 'bob' });
  for (const version of ['1.0.0', '1.1.0'])
    assert.equal((await running.npm.publish({ name: '@acme/lib', version }, ann)).status, 201);
  return running;
}

async function deprecated({ npm }: Running): Promise<readonly unknown[]> {
  const { versions } = await npm.packument('@acme/lib');
  return Object.values(versions).map((version) => version['deprecated']);
}

async function ownersOf({ npm }: Running): Promise<readonly string[]> {
  return (await npm.packument('@acme/lib')).maintainers.map(({ name }) => name);
}

test('a version is deprecated beside a server, and no longer without one', async (t) => {
  const running = await aRegistry(t);
  const at = ['--data', running.data];
  const one = 'npm/@acme/lib@1.0.0';
  assert.equal(await cairnOk(['deprecate', one, '--message', 'Use 1.1.0.', ...at]), `deprecated ${one}\n`);
  assert.deepEqual(await deprecated(running), ['Use 1.1.0.', undefined]);
  assert.equal(
    await cairnOk(['deprecate', one, '--message', 'Use 1.1.0.', ...at]),
    `${one} says so already\n`,
  );
  const event = await cairnOk(['deprecate', 'npm/@acme/lib', '--message', 'Use other.', '--json', ...at]);
  const { kind, name, version, by } = JSON.parse(event) as Record<string, unknown>;
  assert.deepEqual([kind, name, version, by], ['deprecated', '@acme/lib', undefined, 'operator']);
  await running.stop();

  assert.equal(await cairnOk(['undeprecate', one, ...at]), `undeprecated ${one}\n`);
  assert.equal(await cairnOk(['undeprecate', one, ...at]), `${one} is not deprecated\n`);
  assert.deepEqual(await deprecated(await start(t, running.data)), ['Use other.', 'Use other.']);
});

test('a name is offered beside a server and accepted without one, or the other way round', async (t) => {
  const running = await aRegistry(t);
  const at = ['--data', running.data];
  const list = (): Promise<string> => cairnOk(['transfer', 'list', ...at]);
  assert.equal(await list(), '');
  const offered = await cairnOk([
    'transfer',
    'offer',
    'npm/@acme/lib',
    '--to',
    'bob',
    '--expires',
    '7',
    ...at,
  ]);
  assert.equal(offered, 'offered npm/@acme/lib to bob\n');
  assert.match(await list(), /^tr_[0-9a-f]{32} {2}npm\/@acme\/lib {2}operator -> bob {2}until 20\S+Z\n$/);
  assert.equal(
    await cairnOk(['transfer', 'offer', 'npm/@acme/lib', '--to', 'bob', ...at]),
    'npm/@acme/lib is on offer to bob already\n',
  );
  assert.deepEqual(await ownersOf(running), ['ann']);
  await running.stop();

  assert.equal(await cairnOk(['transfer', 'accept', 'npm/@acme/lib', ...at]), 'accepted npm/@acme/lib\n');
  assert.equal(await list(), '');
  const scope = await cairnOk(['transfer', 'offer', 'npm/@acme', '--to', 'bob', '--json', ...at]);
  assert.match(
    await cairnOk(['log', 'npm/@acme', ...at]),
    /claimed npm\/@acme [\s\S]*transfer-offered npm\/@acme /,
  );
  const { kind, name, of, to } = JSON.parse(scope) as Record<string, unknown>;
  assert.deepEqual([kind, name, of, to], ['transfer-offered', '@acme', 'namespace', 'bob']);
  const again = await start(t, running.data);
  assert.deepEqual(await ownersOf(again), ['bob']);
  const [line = ''] = (await cairnOk(['transfer', 'list', '--json', ...at])).split('\n');
  const { to: recipient, of: what } = JSON.parse(line) as Record<string, unknown>;
  assert.deepEqual([recipient, what], ['bob', 'namespace']);
  assert.equal(
    await cairnOk(['transfer', 'cancel', 'npm/@acme', ...at]),
    'cancelled the offer of npm/@acme\n',
  );
  assert.equal(await list(), '');
});

test('what cannot be is refused with a sentence and the code of a refusal, and nothing is recorded', async (t) => {
  const running = await aRegistry(t);
  const { data } = running;
  const before = await storedState(running);
  const lib = 'npm/@acme/lib';
  const rows: readonly (readonly [run: () => Promise<void>, code: number, says: RegExp])[] = [
    [() => deprecate(data, lib, { message: ' ' }), 2, /1 to 1024 characters/],
    [() => deprecate(data, lib, { message: 'a\u001b[31mb' }), 2, /control a terminal/],
    [() => deprecate(data, `${lib}@9.9.9`, { message: 'No.' }), 3, /no version 9\.9\.9/],
    [() => deprecate(data, 'npm/none', { message: 'No.' }), 3, /none not found/],
    [() => undeprecate(data, 'none', {}), 2, /name the ecosystem/],
    [() => offerTransfer(data, lib, { to: 'nobody' }), 3, /user nobody not found/],
    [() => offerTransfer(data, lib, { to: 'ann' }), 3, /belongs to ann already/],
    [() => offerTransfer(data, lib, { to: 'bob', expires: '0' }), 2, /1 to 365/],
    [() => offerTransfer(data, lib, { to: 'bob', expires: '366' }), 2, /1 to 365/],
    [() => offerTransfer(data, 'npm/none', { to: 'bob' }), 3, /not known here/],
    [() => offerTransfer(data, 'npm/@none', { to: 'bob' }), 3, /not known here/],
    [() => endTransfer(data, 'accept', lib, {}), 3, /no such transfer/],
    [() => endTransfer(data, 'cancel', lib, {}), 3, /no such transfer/],
  ];
  for (const [run, code, says] of rows)
    await assert.rejects(run, (error: unknown) => {
      assert.equal(exitCodeOf(error), code, explain(error));
      assert.match(explain(error), says);
      return true;
    });
  assertRefused(await cairn(['transfer', 'offer', lib, '--data', data]), 2, /--to/);
  assert.deepEqual(await storedState(running), before);
});
