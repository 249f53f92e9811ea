/** Advisories about versions (contract of X07, sections 4.3 and 9.7). */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { readRegistry } from '../../bin/open-registry.ts';
import { compareTrees } from '../../stores/compare-trees.ts';
import { eventually } from '../support/eventually.ts';
import { assertX07Error, send, type Answer } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken, storedState } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { framedRefusals, x07Api, type Asked } from '../support/x07-api.ts';

const server = await openTestServer(wholeFile);
const api = x07Api(server);
const ann = await makeToken(server.data, { handle: 'ann', scopes: ['publish', 'owner', 'yank'] });
const cat = await makeToken(server.data, { handle: 'cat', scopes: ['owner', 'yank'] });
const publisher = await makeToken(server.data, { handle: 'ann', scopes: ['publish', 'admin'] });

interface Advisory {
  readonly id: string;
  readonly version: string;
  readonly summary: string;
  readonly url?: string;
  readonly details?: string;
  readonly created_at_utc: string;
  readonly withdrawn_at_utc?: string;
}

const warning = { kind: 'security', severity: 'high', summary: 'Overflow in hello_v1.' };
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/;

function pathOf(name: string, version = '1.0.0'): string {
  return `v1/packages/${name}/${version}/advisories`;
}
async function file(name: string, wanted: object = {}, token = ann): Promise<Advisory> {
  const { advisory, ...rest } = await api.ok<{ advisory: Advisory }>({
    path: pathOf(name),
    token,
    json: { ...warning, ...wanted },
  });
  assert.deepEqual(rest, {});
  return advisory;
}
function withdrawal(name: string, id: string, version = '1.0.0'): Asked {
  return { method: 'POST', path: `${pathOf(name, version)}/${id}/withdraw` };
}
async function withdraw(name: string, id: string, token = ann): Promise<Advisory> {
  return (await api.ok<{ advisory: Advisory }>({ ...withdrawal(name, id), token })).advisory;
}
async function listed(name: string, version = '1.0.0'): Promise<readonly Advisory[]> {
  const { advisories, ...rest } = await api.ok<{ advisories: readonly Advisory[] }>({
    path: pathOf(name, version),
  });
  assert.deepEqual(rest, { name, version });
  return advisories;
}
/** The advisories of a version as its index line has them; undefined when the line has no such field. */
async function inIndex(name: string, version = '1.0.0'): Promise<readonly Advisory[] | undefined> {
  const { text } = await api.ask({ path: `index/${name.slice(0, 2)}/${name.slice(2, 4)}/${name}` });
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { version: string; advisories?: readonly Advisory[] });
  return lines.find((line) => line.version === version)?.advisories;
}
async function aPackage(name: string, ...versions: readonly string[]): Promise<void> {
  for (const version of ['1.0.0', ...versions]) await api.publish({ name, version }, ann);
}

test('an advisory is in the answer, in the list and in the index line of its version at once', async () => {
  await aPackage('warned', '1.1.0');
  const wanted = { url: 'https://acme.example/a/1', details: 'Upgrade.' };
  const filed = await file('warned', wanted);
  assert.match(filed.id, uuid);
  assert.match(filed.created_at_utc, time);
  assert.equal(
    JSON.stringify(filed),
    JSON.stringify({
      schema_version: 'x07.pkg.advisory@0.1.0',
      id: filed.id,
      package: 'warned',
      version: '1.0.0',
      ...warning,
      ...wanted,
      created_at_utc: filed.created_at_utc,
    }),
    'fields in the order of the contract',
  );
  assert.deepEqual(await listed('warned'), [filed]);
  assert.deepEqual(await inIndex('warned'), [filed]);
  assert.deepEqual(await listed('warned', '1.1.0'), []);
  assert.equal(await inIndex('warned', '1.1.0'), undefined, 'left out, never null');
});

test('every kind and severity can be filed, and what is blank is dropped', async () => {
  await aPackage('kinds');
  for (const kind of ['broken', 'security', 'deprecated'])
    for (const severity of ['low', 'medium', 'high', 'critical']) {
      const filed = await file('kinds', { kind, severity });
      assert.deepEqual([filed.url, filed.details], [undefined, undefined]);
    }
  for (const blank of ['', ' \n', null, ' '.repeat(3000)]) {
    const filed = await file('kinds', { details: blank, ...(blank?.length === 3000 ? {} : { url: blank }) });
    assert.ok(!('url' in filed) && !('details' in filed), JSON.stringify(blank));
  }
  const trimmed = await file('kinds', {
    summary: ' Short. ',
    url: ' https://a.example ',
    details: ' As is.\n',
  });
  assert.deepEqual(
    [trimmed.summary, trimmed.url, trimmed.details],
    ['Short.', 'https://a.example', ' As is.\n'],
  );
});

test('the list is newest first with withdrawn ones, the index line oldest first without them', async () => {
  await aPackage('several');
  const filed: Advisory[] = [];
  for (const summary of ['One.', 'Two.', 'Three.']) {
    filed.push(await file('several', { summary }));
    await new Promise((next) => setTimeout(next, 2));
  }
  assert.deepEqual(await inIndex('several'), filed);
  assert.deepEqual(await listed('several'), filed.toReversed());
  const [first, second, third] = filed as [Advisory, Advisory, Advisory];
  const withdrawn = await withdraw('several', second.id);
  assert.deepEqual(withdrawn, { ...second, withdrawn_at_utc: withdrawn.withdrawn_at_utc });
  assert.equal(Object.keys(withdrawn).at(-1), 'withdrawn_at_utc');
  assert.match(String(withdrawn.withdrawn_at_utc), time);
  assert.deepEqual(await inIndex('several'), [first, third]);
  assert.deepEqual(await listed('several'), [third, withdrawn, first]);
  for (const { id } of [first, third]) await withdraw('several', id);
  assert.equal(await inIndex('several'), undefined);
  assert.equal((await listed('several')).length, 3);
});

test('a withdrawal may be asked for again, and keeps its first time', async () => {
  await aPackage('repeated');
  const { id } = await file('repeated');
  const first = await withdraw('repeated', id);
  const before = await storedState(server);
  await new Promise((next) => setTimeout(next, 2));
  assert.deepEqual(await withdraw('repeated', id.toUpperCase()), first);
  assert.deepEqual(await withdraw('repeated', id, ADMIN_TOKEN), first);
  assert.deepEqual(await storedState(server), before);
});

test('long details are kept whole, up to 65,536 characters', async () => {
  await aPackage('lengthy');
  const texts = [
    'x'.repeat(2048),
    'x'.repeat(2049),
    'x'.repeat(65_536),
    '🦀'.repeat(65_536),
    'é"\\\n'.repeat(2_000),
  ];
  for (const details of texts) {
    const filed = await file('lengthy', { details });
    assert.ok(filed.details === details, 'in the answer');
    assert.ok((await listed('lengthy'))[0]?.details === details, 'in the list');
    assert.ok((await inIndex('lengthy'))?.at(-1)?.details === details, 'in the index line');
    const withdrawn = await withdraw('lengthy', filed.id);
    assert.ok(withdrawn.details === details, 'in the answer to its withdrawal');
  }
  await file('lengthy', { details: texts[2], summary: '🦀'.repeat(512), url: `https://${'a'.repeat(2040)}` });
  const asked = { path: pathOf('lengthy'), token: ann };
  await api.refuses([
    ['details', { ...asked, json: { ...warning, details: 'x'.repeat(65_537) } }, 400, 'ADVISORY_INVALID'],
    ['a summary', { ...asked, json: { ...warning, summary: 'x'.repeat(513) } }, 400, 'ADVISORY_INVALID'],
    ['a URL', { ...asked, json: { ...warning, url: 'x'.repeat(2049) } }, 400, 'ADVISORY_INVALID'],
  ]);
});

test('an advisory stays with its version when that is yanked, and an administrator may file one', async () => {
  await aPackage('yanked');
  const filed = await file('yanked', {}, ADMIN_TOKEN);
  await api.ok({ path: 'v1/packages/yanked/1.0.0/yank', token: ann, json: { yanked: true } });
  assert.deepEqual(await inIndex('yanked'), [filed]);
  const late = await file('yanked', { kind: 'broken' });
  assert.deepEqual(await listed('yanked'), [late, filed]);
});

test('a version without advisories has an empty list, and one that is not there has none', async () => {
  await aPackage('quiet');
  const answer = await api.ask({ path: pathOf('quiet') });
  assert.equal(answer.text, '{"ok":true,"name":"quiet","version":"1.0.0","advisories":[]}');
  assert.deepEqual(await listed('quiet'), []);
  await api.refuses([
    ['no version', { path: pathOf('quiet', '9.9.9') }, 404, 'NOT_FOUND'],
    ['no package', { path: pathOf('nobody') }, 404, 'NOT_FOUND'],
    ['a bad name', { path: pathOf('Quiet') }, 400, 'INVALID_NAME'],
    ['a bad version', { path: pathOf('quiet', '1') }, 400, 'INVALID_VERSION'],
  ]);
});

test('what cannot be filed is answered with the first of its faults', async () => {
  await aPackage('guarded');
  const path = pathOf('guarded');
  const json = warning;
  const blank = { ...warning, summary: ' \n' };
  const wrong = (what: string, over: object) =>
    [what, { path, token: ann, json: { ...warning, ...over } }, 422, undefined] as const;
  await api.refuses([
    ...framedRefusals(path, ann),
    wrong('no kind', { kind: undefined }),
    wrong('an unknown kind', { kind: 'rumour' }),
    wrong('a kind in capitals', { kind: 'Security' }),
    wrong('no severity', { severity: undefined }),
    wrong('an unknown severity', { severity: 'none' }),
    wrong('no summary', { summary: undefined }),
    wrong('a summary that is null', { summary: null }),
    wrong('a summary that is a number', { summary: 1 }),
    wrong('a URL that is a number', { url: 1 }),
    wrong('details that are a list', { details: ['x'] }),
    wrong('half a character', { details: '\ud800' }),
    ['no token', { path: pathOf('A', '1'), json: blank }, 401, 'AUTH_REQUIRED'],
    ['an unknown token', { path: pathOf('A', '1'), token: 'nobody', json: blank }, 401, 'AUTH_INVALID'],
    [
      'no scope',
      { path: pathOf('A', '1'), token: publisher, json: blank },
      403,
      'FORBIDDEN',
      'missing scope: owner.manage',
    ],
    ['a bad name', { path: pathOf('A', '1'), token: cat, json: blank }, 400, 'INVALID_NAME'],
    ['a bad version', { path: pathOf('nobody', '1'), token: cat, json: blank }, 400, 'INVALID_VERSION'],
    ['a blank summary', { path, token: cat, json: blank }, 400, 'ADVISORY_INVALID'],
    ['no package', { path: pathOf('nobody'), token: cat, json }, 404, 'NOT_FOUND'],
    ['no version', { path: pathOf('guarded', '9.9.9'), token: cat, json }, 404, 'NOT_FOUND'],
    ['not an owner', { path, token: cat, json }, 403, 'FORBIDDEN', 'not a package owner'],
    [
      'not an owner, with long details',
      { path, token: cat, json: { ...json, details: 'x'.repeat(10_000) } },
      403,
      'FORBIDDEN',
    ],
  ]);
});

test('what cannot be withdrawn is answered with the first of its faults', async () => {
  await aPackage('firm', '1.1.0');
  await aPackage('other');
  const { id } = await file('firm');
  const { id: elsewhere } = await file('other');
  await api.refuses([
    ['no UUID', withdrawal('A', 'x', '1'), 400, undefined],
    ['only dashes', withdrawal('firm', '-'.repeat(36)), 400, undefined],
    ['no token', withdrawal('A', id, '1'), 401, 'AUTH_REQUIRED'],
    ['an unknown token', { ...withdrawal('A', id, '1'), token: 'nobody' }, 401, 'AUTH_INVALID'],
    [
      'no scope',
      { ...withdrawal('A', id, '1'), token: publisher },
      403,
      'FORBIDDEN',
      'missing scope: owner.manage',
    ],
    ['a bad name', { ...withdrawal('A', id, '1'), token: cat }, 400, 'INVALID_NAME'],
    ['a bad version', { ...withdrawal('firm', id, '1'), token: cat }, 400, 'INVALID_VERSION'],
    ['no package', { ...withdrawal('nobody', id), token: cat }, 404, 'NOT_FOUND'],
    ['no version', { ...withdrawal('firm', id, '9.9.9'), token: cat }, 404, 'NOT_FOUND'],
    ['another version', { ...withdrawal('firm', id, '1.1.0'), token: ann }, 404, 'NOT_FOUND'],
    ['another package', { ...withdrawal('firm', elsewhere), token: ann }, 404, 'NOT_FOUND'],
    [
      'no such advisory',
      { ...withdrawal('firm', id.replace(/^.{8}/, '00000000')), token: ann },
      404,
      'NOT_FOUND',
    ],
    ['not an owner', { ...withdrawal('firm', id), token: cat }, 403, 'FORBIDDEN', 'not a package owner'],
  ]);
  assert.equal((await inIndex('firm'))?.length, 1);
});

test('the log alone gives the same files, long details included', async (t) => {
  const directory = await temporaryDirectory(t);
  const registry = await readRegistry(server.data);
  const { generator } = await registry.generatorFor(join(directory, 'site'));
  await generator.update();
  await generator.updateRoots();
  await registry.close();
  const compare = () => compareTrees(join(directory, 'site/x07'), join(server.data, 'site/x07'));
  // The catalog of the server may be late.
  await eventually(async () => assert.deepEqual(await compare(), { missing: [], different: [], extra: [] }));
});

test('what is not for everybody has no list of advisories either', async () => {
  assert.equal((await server.publish({ name: 'hidden', version: '1.0.0' })).status, 200);
  const list = (): Promise<Answer> => send(server.url, '/x07/v1/packages/hidden/1.0.0/advisories');
  assert.equal((await list()).status, 200);
  await remoteControl(join(server.data, 'control.sock')).execute([
    { kind: 'set-visibility', ecosystem: 'x07', name: 'hidden', visibility: 'private' },
  ]);
  assertX07Error(await list(), 404, 'NOT_FOUND');
});
