/** Search and archetypes (contract of X07, section 9.8). */
import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readOptions } from '../../bin/options.ts';
import { serve } from '../../bin/serve.ts';
import { bearer } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { changeSettings } from '../support/settings.ts';
import { makeToken } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { x07Api } from '../support/x07-api.ts';
import type { X07Package } from '../support/x07-package.ts';

const server = await openTestServer(wholeFile);
const api = x07Api(server);
const tested = { x07c_compat: '*', scale_classes_supported: ['edge-1'], scale_tested: true };
const evidence = { ...tested, scale_test_evidence_ref: 'https://x07.io/evidence/1.json' };

function publish(name: string, version: string, over: Partial<X07Package> = {}): Promise<unknown> {
  return api.publish({ name, version, ...over }, ADMIN_TOKEN);
}
function withMeta(meta: object, description = 'Described.'): Partial<X07Package> {
  return { manifest: { description, meta: { x07c_compat: '*', ...meta } } };
}

interface Found {
  readonly q: string;
  readonly limit: number;
  readonly offset: number;
  readonly total: number;
  readonly packages: readonly Hit[];
}
interface Hit {
  readonly name: string;
  readonly latest_version: string | null;
  readonly is_official: boolean;
  readonly description?: string;
  readonly modules_count: number;
  readonly facets?: readonly string[];
}
function search(query: string): Promise<Found> {
  return api.ok<Found>({ path: `v1/search${query}` });
}
async function namesOf(query: string): Promise<readonly string[]> {
  return (await search(query)).packages.map(({ name }) => name);
}

// Not in the order of their names.
for (const name of ['hello-b', 'hello-a', 'hello_c', 'say-hello', 'other', 'h']) await publish(name, '1.0.0');
await publish('scale-new', '1.0.0');
await publish('scale-new', '2.0.0', { manifest: { meta: evidence } });
await publish('scale-old', '1.0.0', { manifest: { meta: evidence } });
await publish('scale-old', '2.0.0');
await publish('web-kit', '1.0.0', withMeta({ archetypes: ['Web', 'cli'] }, 'A kit for SITES.'));
await publish('web-tool', '1.0.0', withMeta({ archetype: 'web' }, 'A tool.'));
await publish('cli-tool', '1.0.0', withMeta({ archetype: 'cli', facets: ['fast'] }, 'Another tool.'));
const everything = [
  'cli-tool',
  'h',
  'hello-a',
  'hello-b',
  'hello_c',
  'other',
  'say-hello',
  'scale-new',
  'scale-old',
  'web-kit',
  'web-tool',
];

test('a search answers with the packages whose names contain the text, in order, fields in theirs', async () => {
  const { text } = await api.ask({ path: 'v1/search?q=tool' });
  assert.equal(
    text,
    '{"ok":true,"q":"tool","limit":20,"offset":0,"total":2,"packages":[' +
      '{"name":"cli-tool","latest_version":"1.0.0","is_official":false,"description":"Another tool.","modules_count":1,"facets":["archetype:cli","fast"]},' +
      '{"name":"web-tool","latest_version":"1.0.0","is_official":false,"description":"A tool.","modules_count":1,"facets":["archetype:web"]}]}',
  );
  const rows = [
    ['', everything],
    ['?q=', everything],
    ['?q=%20%20', everything],
    ['?q=hello', ['hello-a', 'hello-b', 'hello_c', 'say-hello']],
    ['?q=%20hello-%20', ['hello-a', 'hello-b']],
    ['?q=+hello-', ['hello-a', 'hello-b']],
    ['?q=hello-a', ['hello-a']],
    // Names only, letters as they are, and a text is no pattern.
    ['?q=Hello', []],
    ['?q=Described', []],
    ['?q=hello_', ['hello_c']],
    ['?q=hel%25', []],
    ['?q=.', []],
    ['?q=nothing', []],
    ['?q=hello-a&unknown=1', ['hello-a']],
  ] as const;
  for (const [query, names] of rows) assert.deepEqual(await namesOf(query), names, query);
  assert.equal((await search('?q=%20hello%20')).q, 'hello', 'trimmed');
});

test('a page is a part of the hits, and the total is that of all', async () => {
  const rows = [
    ['?limit=2', 2, 0, everything.slice(0, 2)],
    ['?limit=2&offset=3', 2, 3, everything.slice(3, 5)],
    ['?limit=2&offset=10', 2, 10, everything.slice(10)],
    ['?offset=11', 20, 11, []],
    ['?offset=999999999', 20, 999_999_999, []],
    ['?limit=0', 0, 0, []],
    ['?limit=100', 100, 0, everything],
    ['?limit=101', 100, 0, everything],
    ['?limit=999999999', 100, 0, everything],
    ['?limit=007', 7, 0, everything.slice(0, 7)],
  ] as const;
  for (const [query, limit, offset, names] of rows) {
    const { packages, ...page } = await search(query);
    assert.deepEqual(page, { q: '', limit, offset, total: everything.length }, query);
    assert.deepEqual(
      packages.map(({ name }) => name),
      names,
      query,
    );
  }
  const { total, packages } = await search('?q=hello&limit=1&offset=1');
  assert.deepEqual([total, packages[0]?.name], [4, 'hello-b']);
});

test('a hundred are the most on one page', async (t) => {
  const many = await openTestServer(t);
  const other = x07Api(many);
  const names = Array.from({ length: 101 }, (_, i) => `p${String(i).padStart(3, '0')}`);
  await Promise.all(names.map((name) => other.publish({ name, version: '1.0.0' }, ADMIN_TOKEN)));
  const of = async (query: string): Promise<Found> => other.ok<Found>({ path: `v1/search${query}` });
  for (const [query, first, length] of [
    ['', 'p000', 20],
    ['?limit=100', 'p000', 100],
    ['?limit=101', 'p000', 100],
    ['?limit=101&offset=100', 'p100', 1],
  ] as const) {
    const { packages, total } = await of(query);
    assert.deepEqual([packages[0]?.name, packages.length, total], [first, length, 101], query);
  }
});

test('only a latest version counts as scale tested', async () => {
  assert.deepEqual(await namesOf('?scale_tested=true'), ['scale-new']);
  assert.deepEqual(await namesOf('?scale_tested=true&q=old'), []);
  assert.deepEqual(await namesOf('?scale_tested=false'), everything);
  await api.ok({ path: 'v1/packages/scale-old/2.0.0/yank', token: ADMIN_TOKEN, json: { yanked: true } });
  assert.deepEqual(await namesOf('?scale_tested=true'), ['scale-new', 'scale-old']);
  assert.equal((await search('?scale_tested=true')).total, 2);
});

test('a value that cannot be is refused in plain text', async () => {
  const values = ['-1', 'abc', '', '1.5', '1e2', '%201', '0x1', '9999999999'];
  for (const path of ['v1/search', 'v1/archetypes'])
    await api.refuses(
      ['limit', 'offset'].flatMap((name) =>
        values.map((value) => [value, { path: `${path}?${name}=${value}` }, 400, undefined] as const),
      ),
    );
  await api.refuses(
    ['1', 'yes', 'TRUE', ''].map(
      (value) => [value, { path: `v1/search?scale_tested=${value}` }, 400, undefined] as const,
    ),
  );
});

test('what was written a moment ago is found', async () => {
  const hit = async (name: string): Promise<Hit | undefined> => (await search(`?q=${name}`)).packages[0];
  assert.equal(await hit('fresh'), undefined);
  await publish('fresh', '1.0.0', { manifest: { description: 'First.' } });
  assert.deepEqual(await hit('fresh'), {
    name: 'fresh',
    latest_version: '1.0.0',
    is_official: false,
    description: 'First.',
    modules_count: 1,
  });
  await publish('fresh', '2.0.0', {
    manifest: { description: 'Second.' },
    modules: {
      'ext.fresh': moduleNamed('ext.fresh'),
      'ext.more': moduleNamed('ext.more'),
    },
  });
  const second = await hit('fresh');
  assert.deepEqual(
    [second?.latest_version, second?.description, second?.modules_count],
    ['2.0.0', 'Second.', 2],
  );
  const yank = (version: string) =>
    api.ok({ path: `v1/packages/fresh/${version}/yank`, token: ADMIN_TOKEN, json: { yanked: true } });
  await yank('2.0.0');
  assert.equal((await hit('fresh'))?.description, 'First.');
  await yank('1.0.0');
  assert.deepEqual(await hit('fresh'), {
    name: 'fresh',
    latest_version: null,
    is_official: false,
    modules_count: 0,
  });
  await makeToken(server.data, { handle: 'x07' });
  await changeSettings(server.data, { x07: { officialOwner: 'x07' } });
  assert.equal((await hit('fresh'))?.is_official, false);
  await api.ok({ path: 'v1/packages/fresh/owners', token: ADMIN_TOKEN, json: { handle: 'x07' } });
  assert.equal((await hit('fresh'))?.is_official, true);
  await changeSettings(server.data, { x07: { officialOwner: 'admin' } });
  assert.ok((await search('?limit=100')).packages.every(({ is_official }) => is_official));
  await changeSettings(server.data, { x07: {} });
  assert.ok((await search('?limit=100')).packages.every(({ is_official }) => !is_official));
});

function moduleNamed(id: string): string {
  const decls = [{ kind: 'defn', name: `${id}.answer`, params: [], result: 'i32', body: 1 }];
  return JSON.stringify({
    schema_version: 'x07.x07ast@0.8.0',
    kind: 'module',
    module_id: id,
    imports: [],
    decls,
  });
}

test('archetypes group the packages that name them', async () => {
  const { text } = await api.ask({ path: 'v1/archetypes' });
  const cliTool =
    '{"name":"cli-tool","latest_version":"1.0.0","is_official":false,"description":"Another tool."}';
  const webKit =
    '{"name":"web-kit","latest_version":"1.0.0","is_official":false,"description":"A kit for SITES."}';
  const webTool = '{"name":"web-tool","latest_version":"1.0.0","is_official":false,"description":"A tool."}';
  const cli = `{"archetype":"cli","package_count":2,"packages":[${cliTool},${webKit}]}`;
  const web = `{"archetype":"web","package_count":2,"packages":[${webKit},${webTool}]}`;
  assert.equal(text, `{"ok":true,"q":"","limit":20,"offset":0,"total":2,"archetypes":[${cli},${web}]}`);
  assert.equal((await api.ask({ path: 'v1/archetypes/web' })).text, `{"ok":true,${web.slice(1)}`);
  assert.equal((await api.ask({ path: 'v1/archetypes/WEB' })).text, `{"ok":true,${web.slice(1)}`);
  const groups = async (query: string): Promise<string[]> => {
    const { archetypes } = await api.ok<{ archetypes: { archetype: string; packages: Hit[] }[] }>({
      path: `v1/archetypes${query}`,
    });
    return archetypes.map(
      ({ archetype, packages }) => `${archetype}: ${packages.map(({ name }) => name).join(' ')}`,
    );
  };
  const rows = [
    ['?q=web', ['cli: web-kit', 'web: web-kit web-tool']],
    ['?q=CLI', ['cli: cli-tool web-kit']],
    ['?q=sites', ['cli: web-kit', 'web: web-kit']],
    ['?q=nothing', []],
    ['?limit=1', ['cli: cli-tool web-kit']],
    ['?limit=1&offset=1', ['web: web-kit web-tool']],
    ['?limit=0', []],
  ] as const;
  for (const [query, wanted] of rows) assert.deepEqual(await groups(query), wanted, query);
  assert.equal((await api.ok({ path: 'v1/archetypes?limit=0' }))['total'], 2);
  await api.refuses([
    ['none has it', { path: 'v1/archetypes/desktop' }, 404, 'NOT_FOUND'],
    ['a facet of another kind', { path: 'v1/archetypes/fast' }, 404, 'NOT_FOUND'],
  ]);
  // An archetype goes with the last package that has it.
  for (const name of ['web-kit', 'web-tool'])
    await api.ok({ path: `v1/packages/${name}/1.0.0/yank`, token: ADMIN_TOKEN, json: { yanked: true } });
  await api.refuses([['gone', { path: 'v1/archetypes/web' }, 404, 'NOT_FOUND']]);
});

test('a server that starts again finds the same, also when what it had noted is gone', async (t) => {
  const data = await temporaryDirectory(t);
  const options = readOptions({ data, listen: '127.0.0.1:0' }, { CAIRN_ADMIN_TOKEN: ADMIN_TOKEN });
  const noted = join(data, 'site/=summaries/x07');
  const found: string[] = [];
  for (const prepare of [
    () => undefined,
    () => assert.ok(existsSync(noted), 'there is a file to lose'),
    () => rmSync(noted),
    () => writeFileSync(noted, ''),
  ]) {
    prepare();
    const running = await serve(options, () => undefined);
    t.after(() => running.stop());
    const again = x07Api({ url: running.url, data });
    const { status } = await again.ask({
      path: 'v1/packages/publish',
      method: 'POST',
      headers: bearer(ADMIN_TOKEN),
      body: '',
    });
    assert.equal(status, 400, 'it takes writes');
    if (found.length === 0)
      for (const name of ['b', 'a', 'c']) await again.publish({ name, version: '1.0.0' }, ADMIN_TOKEN);
    found.push((await again.ask({ path: 'v1/search' })).text);
    await running.stop();
  }
  assert.deepEqual(new Set(found).size, 1, found.join('\n'));
  assert.match(String(found[0]), /"total":3,"packages":\[\{"name":"a".*\{"name":"b".*\{"name":"c"/);
});
