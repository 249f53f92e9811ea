/** Advisories from the command line, beside a server and without one. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileAdvisory, listAdvisories, withdrawAdvisory } from '../../bin/advisory.ts';
import { exitCodeOf, explain } from '../../bin/exit-codes.ts';
import { readOptions } from '../../bin/options.ts';
import { serve } from '../../bin/serve.ts';
import { cairnOk } from '../support/command-line.ts';
import { npmApi } from '../support/npm-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { storedState } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import '../support/test-server.ts';
import { x07Api } from '../support/x07-api.ts';

interface Server {
  readonly url: string;
  readonly data: string;
  stop(): Promise<void>;
}

/** A running registry with @acme/lib 1.0.0 and 1.1.0 for npm, and acme-hello 1.0.0 for X07. */
async function aRegistry(t: TestContext, data: string): Promise<Server> {
  const options = readOptions({ data, listen: '127.0.0.1:0' }, { CAIRN_ADMIN_TOKEN: ADMIN_TOKEN });
  const { url, stop } = await serve(options, () => undefined);
  t.after(stop);
  return { url, data, stop };
}
async function publishAll(server: Server): Promise<void> {
  for (const version of ['1.0.0', '1.1.0'])
    assert.equal((await npmApi(server).publish({ name: '@acme/lib', version }, ADMIN_TOKEN)).status, 201);
  await x07Api(server).publish({ name: 'acme-hello', version: '1.0.0' }, ADMIN_TOKEN);
}
function audit(server: Server): Promise<Record<string, { title: string; cvss: { score: number } }[]>> {
  return npmApi(server).ok({
    path: '-/npm/v1/security/advisories/bulk',
    json: { '@acme/lib': ['1.0.0', '1.1.0'] },
  });
}
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/;
const vector = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N';

test('an advisory is filed beside a server and withdrawn without one, or the other way round', async (t) => {
  const data = await temporaryDirectory(t);
  const at = ['--data', data];
  const details = join(data, 'details.md');
  let server = await aRegistry(t, data);
  await publishAll(server);
  await writeFile(details, 'More to say.\n');
  const first = await cairnOk([
    ...['advisory', 'file', 'npm/@acme/lib', ...at, '--range', '<1.1.0', '--severity', 'high'],
    ...['--summary', 'It leaks.', '--url', 'https://acme.example/leak', '--cwe', 'CWE-79, CWE-1321'],
    ...['--cvss', vector, '--details', details],
  ]);
  assert.match(first, uuid);
  assert.match(await cairnOk(['advisory', 'file', '--help']), /--range <range>/);
  assert.deepEqual(
    (await audit(server))['@acme/lib']?.map(({ title, cvss }) => [title, cvss.score]),
    [['It leaks.', 7.5]],
  );
  await server.stop();

  const broken = ['--severity', 'low', '--kind', 'broken', '--summary', 'It \u001b[31mcrashes.'];
  const second = await cairnOk([
    'advisory',
    'file',
    'x07/acme-hello',
    ...at,
    '--versions',
    '1.0.0',
    ...broken,
  ]);
  assert.equal(
    await cairnOk(['advisory', 'withdraw', 'npm/@acme/lib', first.trim(), ...at]),
    `withdrew ${first}`,
  );
  assert.equal(
    await cairnOk(['advisory', 'withdraw', 'npm/@acme/lib', first.trim(), ...at]),
    `${first.trim()} is withdrawn already\n`,
  );
  const [lib = '', hello = '', ...others] = (await cairnOk(['advisory', 'list', ...at])).split('\n');
  assert.deepEqual(others, ['']);
  assert.match(lib, /^[0-9a-f-]+  npm\/@acme\/lib  high  security  <1\.1\.0  withdrawn 2\S+  It leaks\.$/);
  assert.equal(hello, `${second.trim()}  x07/acme-hello  low  broken  1.0.0  active  It  [31mcrashes.`);
  const { filedAt, withdrawnAt, ...listed } = JSON.parse(
    await cairnOk(['advisory', 'list', 'npm/@acme/lib', '--json', ...at]),
  ) as Record<string, unknown>;
  assert.deepEqual(listed, {
    ecosystem: 'npm',
    name: '@acme/lib',
    id: first.trim(),
    range: '<1.1.0',
    kind: 'security',
    severity: 'high',
    summary: 'It leaks.',
    url: 'https://acme.example/leak',
    cwe: ['CWE-79', 'CWE-1321'],
    cvss: vector,
    details: 'More to say.',
  });
  assert.ok(typeof filedAt === 'string' && typeof withdrawnAt === 'string');

  server = await aRegistry(t, data);
  assert.deepEqual(await audit(server), {});
  const path = 'v1/packages/acme-hello/1.0.0/advisories';
  const { advisories } = await x07Api(server).ok<{ advisories: { id: string }[] }>({ path });
  assert.deepEqual(
    advisories.map(({ id }) => id),
    [second.trim()],
  );
  assert.equal(
    await cairnOk(['advisory', 'withdraw', 'x07/acme-hello', second.trim(), ...at]),
    `withdrew ${second}`,
  );
});

test('an advisory that could not be meant is refused with what would be right, and nothing is filed', async (t) => {
  const data = await temporaryDirectory(t);
  const server = await aRegistry(t, data);
  await publishAll(server);
  await writeFile(join(data, 'long.md'), 'x'.repeat(5000));
  const right = { range: '<1.1.0', severity: 'high', kind: 'security', summary: 'It leaks.' } as const;
  const { range: _range, ...without } = right;
  const file = (of: string, flags: Partial<Parameters<typeof fileAdvisory>[2]>) => () =>
    fileAdvisory(data, of, { ...right, ...flags });
  const lib = (flags: Partial<Parameters<typeof fileAdvisory>[2]>) => file('npm/@acme/lib', flags);
  const rows: readonly (readonly [run: () => Promise<void>, code: number, says: RegExp])[] = [
    [() => fileAdvisory(data, 'npm/@acme/lib', without), 2, /--range RANGE, or --versions LIST/],
    [lib({ versions: '1.0.0' }), 2, /--range RANGE, or --versions LIST/],
    [file('@acme/lib', {}), 2, /name the ecosystem/],
    [lib({ summary: ' ' }), 2, /--summary: one sentence/],
    [lib({ summary: 'x'.repeat(513) }), 2, /--summary: one sentence/],
    [lib({ url: 'javascript:alert(1)' }), 2, /--url/],
    [lib({ cwe: '79' }), 2, /--cwe: use a list such as/],
    [lib({ cvss: 'AV:N' }), 2, /--cvss AV:N: use a vector/],
    [lib({ details: join(data, 'long.md') }), 2, /4096 bytes at most/],
    [lib({ details: join(data, 'nowhere.md') }), 1, /nowhere\.md/],
    [lib({ range: 'soon' }), 3, /"soon" is not a range/],
    [lib({ range: ' ' }), 3, /is not a range/],
    [() => fileAdvisory(data, 'npm/@acme/lib', { ...without, versions: '9.9.9' }), 3, /no version 9\.9\.9/],
    [file('npm/nobody', {}), 3, /nobody/],
    [file('x07/acme-hello', {}), 3, /x07 knows no ranges: list the versions/],
    [() => withdrawAdvisory(data, 'npm/@acme/lib', 'nothing'), 3, /nothing/],
    [() => listAdvisories(data, 'npm/nobody', {}), 3, /no package npm\/nobody/],
    [() => listAdvisories(join(data, 'nowhere'), undefined, {}), 3, /cairn serve --data/],
  ];
  const before = (await storedState(server)).events;
  for (const [run, code, says] of rows)
    await assert.rejects(run, (error) => {
      assert.match(explain(error), says);
      assert.equal(exitCodeOf(error), code, explain(error));
      return true;
    });
  assert.equal((await storedState(server)).events, before);
});
