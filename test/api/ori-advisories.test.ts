/** Advisories as OSV documents (contract, section 10, test 11 of section 16). */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { remoteControl } from '../../api/control.ts';
import type { Advisory } from '../../core/package.ts';
import { cairn } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { assertProblem, oriApi, oriToken, unlimited } from '../support/ori-api.ts';
import { osvSchema } from '../support/osv-schema.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile, unlimited);
const ori = oriApi(server);
const alice = await oriToken(server.data, 'alice');

interface Osv extends Record<string, unknown> {
  readonly id: string;
  readonly modified: string;
  readonly published: string;
  readonly withdrawn?: string;
  readonly affected: readonly [{ readonly versions: readonly string[]; readonly ranges?: readonly object[] }];
}
const ajv = new Ajv2020({ allErrors: true, strictTypes: false });
(addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
const isOsv = ajv.compile(osvSchema);

function assertOsv(document: unknown): asserts document is Osv {
  assert.ok(isOsv(document), `${ajv.errorsText(isOsv.errors)}: ${JSON.stringify(document)}`);
}

async function list(query = ''): Promise<readonly Osv[]> {
  const { advisories } = await ori.ok<{ advisories: readonly Osv[] }>({ path: `v1/advisories${query}` });
  for (const document of advisories) assertOsv(document);
  return advisories;
}
const about = (name: string, more = ''): Promise<readonly Osv[]> =>
  list(`?package=${encodeURIComponent(name)}${more}`);

const control = remoteControl(join(server.data, 'control.sock'));
async function file(name: string, over: Partial<Advisory> = {}): Promise<string> {
  const { events } = await control.execute([
    {
      kind: 'file-advisory',
      ecosystem: 'ori',
      name,
      advisory: {
        id: crypto.randomUUID(),
        kind: 'security',
        severity: 'high',
        summary: 'It leaks.',
        ...over,
      },
    },
  ]);
  const [event] = events;
  return event?.kind === 'advisory-filed' ? event.advisory.id : assert.fail();
}
async function aPackage(name: string, ...versions: readonly string[]): Promise<void> {
  for (const version of versions) await ori.publish({ name, version }, alice);
}

test('cairn advisory files one for an Ori package, with all that OSV has a place for', async () => {
  const name = '@orilib/parser';
  await aPackage(name, '3.0.1', '3.0.2', '3.0.3');
  const details = join(server.data, 'details.md');
  await writeFile(details, 'Reads **past** its buffer.\nUpgrade.');
  const cvss = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H';
  const filed = await cairn([
    ...[
      'advisory',
      'file',
      `ori/${name}`,
      '--range',
      '<3.0.3',
      '--severity',
      'high',
      '--summary',
      'Parser reads past its buffer',
    ],
    ...[
      '--url',
      'https://example.test/1',
      '--aliases',
      'CVE-2026-00001,GHSA-aaaa-bbbb-cccc',
      '--cwe',
      'CWE-125',
      '--cvss',
      cvss,
    ],
    ...['--details', details, '--data', server.data],
  ]);
  assert.equal(filed.code, 0, filed.stderr);
  const id = `x_ORI-${filed.stdout.trim()}`;
  const [found, ...others] = await about(name);
  assert.deepEqual(others, []);
  const { modified, published, ...rest } = found ?? assert.fail();
  assert.equal(modified, published);
  assert.deepEqual(rest, {
    schema_version: '1.7.5',
    id,
    aliases: ['CVE-2026-00001', 'GHSA-aaaa-bbbb-cccc'],
    summary: 'Parser reads past its buffer',
    details: 'Reads **past** its buffer.\nUpgrade.',
    severity: [{ type: 'CVSS_V3', score: cvss }],
    affected: [
      {
        package: { ecosystem: 'Ori', name },
        ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '3.0.3' }] }],
        versions: ['3.0.1', '3.0.2'],
      },
    ],
    references: [{ type: 'ADVISORY', url: 'https://example.test/1' }],
    database_specific: { severity: 'HIGH', kind: 'security', cwe_ids: ['CWE-125'] },
  });
  for (const [flag, value] of [
    ['--aliases', 'not an id'],
    ['--range', '^1.0.0'],
    ['--versions', '9.9.9'],
  ] as const) {
    const other = flag === '--aliases' ? ['--range', '<1.0.0'] : [];
    const refused = await cairn([
      ...['advisory', 'file', `ori/${name}`, '--severity', 'low', '--summary', 'x', flag, value],
      ...other,
      '--data',
      server.data,
    ]);
    assert.notEqual(refused.code, 0, flag);
  }
  assert.equal((await about(name)).length, 1);
});

const forms: readonly (readonly [
  what: string,
  over: Partial<Advisory>,
  ranges: readonly object[] | undefined,
  versions: readonly string[],
])[] = [
  ['exact versions', { versions: ['1.0.0', '1.2.0'] }, undefined, ['1.0.0', '1.2.0']],
  [
    'up to and with a version',
    { range: '<=1.1.0' },
    [{ type: 'SEMVER', events: [{ introduced: '0' }, { last_affected: '1.1.0' }] }],
    ['1.0.0', '1.1.0-rc.1', '1.1.0'],
  ],
  [
    'from a version on',
    { range: '>=1.1.0' },
    [{ type: 'SEMVER', events: [{ introduced: '1.1.0' }] }],
    ['1.1.0', '1.2.0'],
  ],
  [
    'two ranges',
    { range: '<1.0.1 || >=1.2.0 <2.0.0' },
    [
      { type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '1.0.1' }] },
      { type: 'SEMVER', events: [{ introduced: '1.2.0' }, { fixed: '2.0.0' }] },
    ],
    ['1.0.0', '1.2.0'],
  ],
  [
    'everything',
    {},
    [{ type: 'SEMVER', events: [{ introduced: '0' }] }],
    ['1.0.0', '1.1.0-rc.1', '1.1.0', '1.2.0'],
  ],
  [
    'a range without a version',
    { range: '<0.1.0' },
    [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '0.1.0' }] }],
    [],
  ],
];
test('whatever it is about, each version is named, for clients compare exactly', async () => {
  for (const [i, [what, over, ranges, versions]] of forms.entries()) {
    const name = `@acme/form-${i}`;
    await aPackage(name, '1.0.0', '1.1.0-rc.1', '1.1.0', '1.2.0');
    await file(name, over);
    const [found] = await about(name);
    assert.deepEqual(found?.affected[0].ranges, ranges, what);
    assert.deepEqual(found?.affected[0].versions, versions, what);
  }
});

test('a later version in its range is named as well, and the document says that it changed', async () => {
  const name = '@acme/later';
  await aPackage(name, '1.0.0');
  await file(name, { range: '<2.0.0' });
  const [before] = await about(name);
  await aPackage(name, '1.5.0');
  const [during] = await about(name);
  assert.deepEqual(during?.affected[0].versions, ['1.0.0', '1.5.0']);
  assert.ok(before && during.modified > before.modified, `${during?.modified} after ${before?.modified}`);
  await aPackage(name, '2.0.0');
  const [after] = await about(name);
  assert.deepEqual(after, during, 'nothing has changed for it');
});

test('one that is withdrawn says so, and stays', async () => {
  const name = '@acme/withdrawn';
  await aPackage(name, '1.0.0');
  const id = await file(name, { versions: ['1.0.0'] });
  const [before] = await about(name);
  await control.execute([{ kind: 'withdraw-advisory', ecosystem: 'ori', name, advisoryId: id }]);
  const [after] = await about(name);
  assert.equal(after?.id, before?.id);
  assert.ok(after?.withdrawn !== undefined && before?.withdrawn === undefined);
  assert.equal(after.modified, after.withdrawn);
  assert.equal(after.published, before?.published);
});

test('it stays when the version, and the whole package, are yanked or taken away', async () => {
  const name = '@acme/left';
  await aPackage(name, '1.0.0');
  await file(name, { versions: ['1.0.0'] });
  const before = await about(name);
  await control.execute([{ kind: 'yank', ecosystem: 'ori', name, version: '1.0.0' }]);
  assert.deepEqual(await about(name), before);
  await control.execute([{ kind: 'withdraw', ecosystem: 'ori', name, reason: 'security' }]);
  assert.deepEqual(await about(name), before);
});

test('that something is deprecated or broken is told apart', async () => {
  const name = '@acme/kinds';
  await aPackage(name, '1.0.0');
  await file(name, { kind: 'broken', range: '<2.0.0' });
  await file(name, { kind: 'deprecated', range: '<2.0.0' });
  const found = await about(name);
  assert.deepEqual(
    found.map(({ database_specific }) => database_specific),
    [{ severity: 'HIGH', kind: 'broken' }],
  );
});

test('filters leave only what fits all of them', async () => {
  const name = '@acme/filtered';
  await aPackage(name, '1.0.0', '2.0.0');
  await file(name, { versions: ['1.0.0'], summary: 'First.' });
  const since = (await about(name))[0]?.modified ?? assert.fail();
  await file(name, { versions: ['2.0.0'], summary: 'Second.' });
  const said = async (more: string): Promise<unknown[]> =>
    (await about(name, more)).map(({ summary }) => summary);
  assert.deepEqual(await said(''), ['First.', 'Second.']);
  assert.deepEqual(await said('&version=1.0.0'), ['First.']);
  assert.deepEqual(await said('&version=3.0.0'), []);
  assert.deepEqual(await said(`&since=${since}`), ['First.', 'Second.'], 'then or later');
  const later = new Date(Date.parse(since) + 1).toISOString();
  assert.deepEqual(await said(`&since=${later}`), ['Second.']);
  const elsewhere = `${new Date(Date.parse(later) + 2 * 60 * 60_000).toISOString().slice(0, -1)}%2B02:00`;
  assert.deepEqual(await said(`&since=${elsewhere}`), ['Second.']);
  assert.deepEqual(await said(`&since=2999-01-01T00:00:00Z`), []);
  assert.deepEqual(await about('@acme/unknown'), []);
  // Without a package as well.
  assert.ok((await list('?version=2.0.0')).some(({ summary }) => summary === 'Second.'));
  assert.ok((await list(`?since=${later}`)).every(({ modified }) => modified >= later));
});

test('filters that are none are bad requests', async () => {
  for (const query of [
    'package=parser',
    'package=@A/b',
    'package=',
    'version=1',
    'version=',
    'since=yesterday',
    'since=2026-02-01',
    'since=2026-13-01T00:00:00Z',
    'since=',
  ])
    assertProblem(await ori.ask({ path: `v1/advisories?${query}` }), 400, 'bad_request');
  // Another parameter asks for nothing: the file answers.
  assert.equal((await ori.ask({ path: 'v1/advisories?page=2' })).status, 200);
});

test('all of them are files: the whole list, one of each package, and one of each', async () => {
  const all = await list('?since=2000-01-01T00:00:00Z');
  assert.ok(all.length > 5);
  await eventually(async () => assert.deepEqual(await list(), all));
  const site = join(server.data, 'site/ori/v1/advisories');
  const read = async (path: string): Promise<unknown> =>
    JSON.parse(await readFile(join(site, path), 'utf8')) as unknown;
  assert.deepEqual(await read('=index'), { advisories: all });
  for (const document of all) {
    assert.deepEqual(await read(document.id), document);
    assert.deepEqual(await ori.ok({ path: `v1/advisories/${document.id}` }), document);
  }
  const of = all.filter(
    ({ affected }) =>
      (affected[0] as unknown as { package: { name: string } }).package.name === '@acme/filtered',
  );
  assert.deepEqual(await read('acme/filtered'), { advisories: of });
  for (const spelled of ['acme', '@acme', '%40acme'])
    assert.deepEqual(await ori.ok({ path: `v1/advisories/${spelled}/filtered` }), { advisories: of });
  const files = (await readdir(site, { withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
  assert.deepEqual(files.sort(), ['=index', ...all.map(({ id }) => id)].sort());
});

test('of a package that is not for everybody nothing is said', async () => {
  const name = '@acme/hidden';
  await aPackage(name, '1.0.0');
  await file(name, { versions: ['1.0.0'], summary: 'A secret.' });
  await control.execute([{ kind: 'set-visibility', ecosystem: 'ori', name, visibility: 'private' }]);
  assert.deepEqual(await about(name), []);
  await eventually(async () => assert.ok((await list()).every(({ summary }) => summary !== 'A secret.')));
  assertProblem(await ori.ask({ path: 'v1/advisories/acme/hidden' }), 404, 'not_found');
});

test('a bad token is refused at each of these paths', async () => {
  const [one] = await list();
  for (const path of [
    'v1/advisories',
    'v1/advisories/acme/filtered',
    `v1/advisories/${one?.id}`,
    'v1/search.ndjson',
  ])
    assertProblem(await ori.ask({ path, token: 'ori_nope' }), 401, 'unauthenticated');
});
