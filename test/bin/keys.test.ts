import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { assertRefused, cairn, cairnOk } from '../support/command-line.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { readOptions } from '../../bin/options.ts';
import { serve } from '../../bin/serve.ts';
import '../support/test-server.ts';

interface Key {
  readonly id: string;
  readonly ecosystem: string;
  readonly kind: string;
  readonly publicKey: string;
  readonly retired?: boolean;
  readonly state: string;
}

async function keysOf(data: string): Promise<readonly Key[]> {
  const lines = (await cairnOk(['keys', 'list', '--json', '--data', data])).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Key);
}

/** The data directory of a registry that has been started; it may be running, or stopped again. */
async function aRegistry(t: TestContext, runs: boolean, ecosystem = 'x07'): Promise<string> {
  const data = await temporaryDirectory(t);
  const options = readOptions(
    { data, listen: '127.0.0.1:0' },
    { CAIRN_ADMIN_TOKEN: ADMIN_TOKEN, CAIRN_ECOSYSTEMS: ecosystem },
  );
  const server = await serve(options, () => undefined);
  t.after(() => server.stop());
  if (!runs) await server.stop();
  return data;
}

test('keys are listed with what they are good for, and rotated beside a server or without one', async (t) => {
  const places = [true, false].map((runs) =>
    rotates(t, runs, { ecosystem: 'x07', kind: 'ed25519', bytes: 32 }),
  );
  const npm = { ecosystem: 'npm', kind: 'ecdsa-sha2-nistp256', bytes: 91 };
  await Promise.all([...places, rotates(t, false, npm)]);
});

interface Signing {
  readonly ecosystem: string;
  readonly kind: string;
  /** Length of the public half. */
  readonly bytes: number;
}

async function rotates(t: TestContext, runs: boolean, signing: Signing): Promise<void> {
  const data = await aRegistry(t, runs, signing.ecosystem);
  const [first, ...others] = await keysOf(data);
  assert.ok(first);
  assert.deepEqual(others, []);
  assert.deepEqual(Object.keys(first).sort(), ['ecosystem', 'id', 'kind', 'publicKey', 'state']);
  assert.deepEqual([first.ecosystem, first.kind, first.state], [signing.ecosystem, signing.kind, 'signs']);
  assert.match(first.id, /^[0-9a-f]{16}$/);
  assert.equal(Buffer.from(first.publicKey, 'base64').length, signing.bytes);

  const printed = await cairnOk(['keys', 'rotate', signing.ecosystem, '--data', data]);
  const [id = '', ecosystem, kind, publicKey, state] = printed.trimEnd().split('  ');
  assert.deepEqual([ecosystem, kind, state], [signing.ecosystem, signing.kind, 'signs']);
  assert.notEqual(id, first.id);
  assert.notEqual(publicKey, first.publicKey);
  assert.equal(
    await cairnOk(['keys', 'list', '--data', data]),
    `${first.id}  ${ecosystem}  ${kind}  ${first.publicKey}  retired\n${printed}`,
  );

  await rm(join(data, 'keys', `${id}.pem`));
  assert.deepEqual(
    (await keysOf(data)).map(({ state }) => state),
    ['retired', 'its private half is missing'],
  );
  await cairnOk(['keys', 'rotate', signing.ecosystem, '--data', data]);
  assert.deepEqual(
    (await keysOf(data)).map(({ state, retired }) => [state, retired]),
    [
      ['retired', true],
      ['retired', true],
      ['signs', undefined],
    ],
  );
}

test('keys that cannot be listed or rotated are refused in a sentence', async (t) => {
  const data = await aRegistry(t, false);
  const nowhere = join(data, 'nowhere');
  const before = await keysOf(data);
  const rows = [
    [['keys', 'list', '--data', nowhere], 3, /there is no registry in .*nowhere/],
    [['keys', 'rotate', 'x07', '--data', nowhere], 3, /there is no registry in .*nowhere/],
    [['keys', 'rotate', 'cobol', '--data', data], 2, /cobol/],
    [['keys', 'rotate', 'toString', '--data', data], 2, /toString/],
    [['keys', 'rotate', '--data', data], 2, /ecosystem/],
  ] as const;
  const results = await Promise.all(rows.map(([args]) => cairn(args)));
  for (const [i, [, code, says]] of rows.entries()) assertRefused(results[i] ?? assert.fail(), code, says);
  assert.deepEqual(await keysOf(data), before);
});
