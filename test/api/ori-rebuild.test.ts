/** Whatever happened to packages of Ori: the site made step by step is that made from the log at once (contract, section 14, test 12 of section 16). */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { cairn } from '../support/command-line.ts';
import { oriApi, oriToken, pathOf, unlimited } from '../support/ori-api.ts';
import { compareTrees } from '../support/same-trees.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const server = await openTestServer(wholeFile, { ...unlimited, CAIRN_ECOSYSTEMS: 'ori' });
const ori = oriApi(server);
const control = remoteControl(join(server.data, 'control.sock'));

test('two rebuilds from one log are equal to the site, byte for byte, and to each other', async (t) => {
  const [alice = '', bob = ''] = await Promise.all(
    ['alice', 'bob'].map((handle) => oriToken(server.data, handle)),
  );
  const post = (name: string, rest: string, json: object, token = alice): Promise<Record<string, unknown>> =>
    ori.ok({ path: pathOf(name, rest), json, token });
  const keywords = JSON.stringify(Array.from({ length: 1500 }, (_, i) => `keyword-${i}`));
  for (const name of ['@acme/a', '@acme/b', '@acme-b/a', '@other/c'])
    for (const version of ['1.0.0', '1.1.0-rc.1', '1.1.0'])
      await ori.publish(
        { name, version, ...(name === '@acme/b' ? { project: `keywords = ${keywords}` } : {}) },
        alice,
      );
  await post('@acme/a', '1.0.0/yank', { reason: 'It leaks.' });
  await post('@acme/a', '1.1.0/yank', {});
  await post('@acme/a', '1.1.0/unyank', {});
  await post('@acme/b', '1.0.0/deprecate', { message: 'Use 1.1' });
  await post('@acme/b', '1.1.0/deprecate', { message: 'no' });
  await post('@acme/b', '1.1.0/deprecate', { message: '' });
  const { transfer } = await ori.ok<{ transfer: { id: string } }>(
    { path: pathOf('@acme/b', 'transfer'), json: { to: 'bob' }, token: alice },
    202,
  );
  await post('@acme/b', 'transfer', { accept: true, id: transfer.id }, bob);
  const advisory = { kind: 'security', severity: 'low', summary: 'No.' } as const;
  const of = { ecosystem: 'ori', name: '@acme/a' } as const;
  await control.execute([
    { kind: 'file-advisory', ...of, advisory: { ...advisory, id: 'one', range: '<2.0.0' } },
    { kind: 'file-advisory', ...of, advisory: { ...advisory, id: 'two', versions: ['1.0.0'] } },
    { kind: 'withdraw-advisory', ...of, advisoryId: 'two' },
    { kind: 'withdraw', ecosystem: 'ori', name: '@acme-b/a', version: '1.0.0', reason: 'legal' },
    { kind: 'withdraw', ecosystem: 'ori', name: '@other/c' },
  ]);
  await ori.publish({ name: '@acme/a', version: '1.2.0' }, alice);
  const check = await cairn(['regen', '--check', '--data', server.data]);
  assert.match(check.stdout, /^clean/, check.stdout + check.stderr);
  const [first, second] = [await temporaryDirectory(t), await temporaryDirectory(t)].map((at) =>
    join(at, 'site'),
  );
  for (const out of [first, second]) {
    const made = await cairn(['regen', '--out', out ?? '', '--data', server.data]);
    assert.equal(made.code, 0, made.stderr);
  }
  const { differences, files } = await compareTrees(join(first ?? '', 'ori'), join(second ?? '', 'ori'), []);
  assert.deepEqual(differences, []);
  assert.ok(files > 20, `${files} files`);
});
