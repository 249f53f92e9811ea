/** Search (contract, section 6): its order, its pages, and what it leaves out. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { assertProblem, oriApi, oriToken, pathOf, unlimited } from '../support/ori-api.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile, unlimited);
const ori = oriApi(server);
const alice = await oriToken(server.data, 'alice');

interface Results {
  readonly query: string;
  readonly total: number;
  readonly results: readonly { readonly name: string; readonly version: string }[];
}
const search = (query: string): Promise<Results> => ori.ok<Results>({ path: `v1/search?${query}` });
const namesOf = ({ results }: Results): readonly string[] => results.map(({ name }) => name);

async function publish(name: string, project: string, version = '1.0.0'): Promise<void> {
  const manifest = `[project]\nname = "${name}"\nversion = "${version}"\nori = "0.5.0"\n${project}`;
  await ori.publish({ name, version, manifest }, alice);
}

await publish('@zeta/json', 'description = "Exact, of a later scope"');
await publish('@acme/json', 'description = "Exact"\nkeywords = ["json"]');
await publish('@acme/json-schema', 'description = "Begins so"');
await publish('@acme/fast-json', 'description = "Has it inside"');
await publish('@acme/yaml', 'description = "Other"\nkeywords = ["JSON"]');
await publish('@acme/toml', 'description = "Not JSON at all"');
await publish('@acme/other', 'description = "Nothing of the kind"');
await publish('@json/tools', 'description = "A scope"');

test('what fits best is first, and equals are in the order of their names', async () => {
  const found = await search('q=json');
  assert.equal(found.query, 'json');
  assert.equal(found.total, 7);
  assert.deepEqual(namesOf(found), [
    ...['@acme/json', '@zeta/json'],
    ...['@acme/json-schema', '@json/tools'],
    '@acme/fast-json',
    '@acme/yaml',
    '@acme/toml',
  ]);
});

test('a result says what a list needs to show', async () => {
  await ori.ok({ path: pathOf('@acme/json', '1.0.0/deprecate'), json: { message: 'Use 2.x' }, token: alice });
  const { results } = await search('q=%40acme%2Fjson&limit=1');
  assert.deepEqual(results, [
    { name: '@acme/json', version: '1.0.0', description: 'Exact', keywords: ['json'], deprecated: 'Use 2.x' },
  ]);
});

test('names are found with and without their scope and its @, whatever the case', async () => {
  for (const [query, first] of [
    ['@acme/json', '@acme/json'],
    ['acme/json', '@acme/json'],
    ['JSON', '@acme/json'],
    ['  json ', '@acme/json'],
    ['@zeta', '@zeta/json'],
    ['zeta/', '@zeta/json'],
    ['ME/JS', '@acme/json'],
  ] as const)
    assert.equal(namesOf(await search(`q=${encodeURIComponent(query)}`))[0], first, query);
});

test('pages are parts of one list', async () => {
  const all = namesOf(await search('q=json&limit=100'));
  for (let offset = 0; offset <= all.length; offset += 2) {
    const page = await search(`q=json&limit=2&offset=${offset}`);
    assert.equal(page.total, all.length);
    assert.deepEqual(namesOf(page), all.slice(offset, offset + 2));
  }
  assert.deepEqual(namesOf(await search('q=json&limit=0')), []);
  assert.deepEqual(namesOf(await search('q=json&limit=999')), all);
});

test('twenty where nothing is said, and a hundred at most', async () => {
  const names = Array.from({ length: 110 }, (_, i) => `@many/p${String(i).padStart(3, '0')}`);
  for (const name of names) await publish(name, 'description = "x"');
  assert.deepEqual(namesOf(await search('q=many')), names.slice(0, 20));
  const most = await search('q=many&limit=500');
  assert.deepEqual([most.total, most.results.length], [110, 100]);
});

test('the version shown is the highest on offer, and a pre-release only where there is no other', async () => {
  const shown = async (): Promise<string | undefined> => (await search('q=@acme/latest')).results[0]?.version;
  for (const [version, latest] of [
    ['1.0.0-rc.1', '1.0.0-rc.1'],
    ['1.0.0-rc.2', '1.0.0-rc.2'],
    ['1.0.0', '1.0.0'],
    ['2.0.0-rc.1', '1.0.0'],
    ['0.9.0', '1.0.0'],
  ] as const) {
    await publish('@acme/latest', `description = "${version}"`, version);
    assert.equal(await shown(), latest);
  }
  await ori.ok({ path: pathOf('@acme/latest', '1.0.0/yank'), json: {}, token: alice });
  assert.equal(await shown(), '0.9.0');
});

test('nothing to look for, and numbers that are none, are bad requests', async () => {
  for (const query of [
    '',
    'q=',
    'q=%20%20',
    'Q=json',
    `q=${'x'.repeat(257)}`,
    'q=x&limit=-1',
    'q=x&limit=a',
    'q=x&offset=1.5',
  ])
    assertProblem(await ori.ask({ path: `v1/search?${query}` }), 400, 'bad_request');
  assertProblem(await ori.ask({ path: 'v1/search' }), 400, 'bad_request');
  assert.deepEqual(await search('q=nothing-has-this'), { query: 'nothing-has-this', total: 0, results: [] });
  // What is no letter means itself.
  assert.equal((await search(`q=${encodeURIComponent('.*[')}`)).total, 0);
});

test('for readers without the API there is a line for each package, as searches answer it', async () => {
  await eventually(async () => {
    const answer = await ori.ask({ path: 'v1/search.ndjson' });
    assert.equal(answer.headers['content-type'], 'application/x-ndjson');
    const lines = answer.text.trimEnd().split('\n');
    const names = lines.map((line) => (JSON.parse(line) as { name: string }).name);
    assert.equal(names.length, 8 + 110 + 1);
    assert.deepEqual(names, names.toSorted());
    for (const [i, name] of names.entries()) {
      if (name.startsWith('@many/') && name !== '@many/p050') continue;
      const [first] = (await search(`q=${encodeURIComponent(name)}`)).results;
      assert.equal(lines[i], JSON.stringify(first));
    }
    assert.equal(await readFile(join(server.data, 'site/ori/v1/search.ndjson'), 'utf8'), answer.text);
  });
});
