/** `GET api/v1/search` (contract, section 4). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefusal, runApi } from '../support/run-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile, { CAIRN_LIMITS: 'run=off' });
const run = runApi(server);

interface Found {
  readonly packages: readonly { readonly name: string; readonly version: string }[];
  readonly total: number;
}

async function names(query: string): Promise<readonly string[]> {
  return (await run.json<Found>(`api/v1/search?${query}`)).packages.map(({ name }) => name);
}

const descriptions: Readonly<Record<string, string>> = {
  'run:calc': 'Adds 100% of all numbers',
  'run:calc/calculator': 'Subtracts',
  'run:a-calc': 'Something',
  'wasi:http': 'Requests, as run:calc makes them',
  'wasi:io': 'In_and_out',
  'wasi:clocks': 'ÄÖ and time',
};
for (const [name, description] of Object.entries(descriptions))
  for (const version of ['0.1.0', '0.2.0']) await run.publish({ name, version, description }, ADMIN_TOKEN);

test('the name itself comes first, then names that begin so, then all others by name', async () => {
  assert.deepEqual(await names('q=run:calc'), ['run:calc', 'run:calc/calculator', 'wasi:http']);
  assert.deepEqual(await names('q=calc'), ['run:a-calc', 'run:calc', 'run:calc/calculator', 'wasi:http']);
});

test('names and descriptions are looked through, whatever the case', async () => {
  assert.deepEqual(await names('q=SUBTRACTS'), ['run:calc/calculator']);
  assert.deepEqual(await names('q=%C3%A4%C3%B6'), ['wasi:clocks']);
  assert.deepEqual(await names('q=WASI'), ['wasi:clocks', 'wasi:http', 'wasi:io']);
});

test('each character stands for itself', async () => {
  assert.deepEqual(await names('q=%25'), ['run:calc']);
  assert.deepEqual(await names('q=n_a'), ['wasi:io']);
  assert.deepEqual(await names('q=.'), []);
  assert.deepEqual(await names('q=*'), []);
});

test('both fields are there, and each package once, in its highest version and with all its metadata', async () => {
  const { packages, total } = await run.json<Found>('api/v1/search?q=wasi:io');
  assert.equal(total, 1);
  assert.deepEqual(packages, [await run.metadata('wasi:io', '0.2.0')]);
  assert.deepEqual(await run.json('api/v1/search?q=nothing'), { packages: [], total: 0 });
});

test('pages are parts of one list, and the total is that of the whole', async () => {
  const all = await names('q=');
  assert.equal(all.length, 6);
  const pages: string[] = [];
  for (let offset = 0; offset < 8; offset += 2) {
    const page = await run.json<Found>(`api/v1/search?q=&limit=2&offset=${offset}`);
    assert.equal(page.total, 6);
    pages.push(...page.packages.map(({ name }) => name));
  }
  assert.deepEqual(pages, all);
  assert.deepEqual(await names('q=&limit=0'), []);
});

test('a search gives 20 unless it is told otherwise, and 100 at most', async () => {
  await Promise.all(
    Array.from({ length: 110 }, (_, i) => run.publish({ name: `many:m${i}`, version: '1.0.0' }, ADMIN_TOKEN)),
  );
  assert.equal((await names('q=many')).length, 20);
  assert.equal((await names('q=many&limit=1000')).length, 100);
  assert.equal((await names('q=many&limit=1000&offset=100')).length, 10);
});

test('a search for nothing in particular, or with a number that is none, is refused in a line of text', async () => {
  for (const query of ['', '?', '?limit=1', '?query=a'])
    assertRefusal(await run.ask({ path: `api/v1/search${query}` }), 400, /\?q=/);
  for (const query of ['limit=a', 'limit=-1', 'limit=', 'offset=1.5', 'limit=1e3', 'offset=%00'])
    assertRefusal(await run.ask({ path: `api/v1/search?q=a&${query}` }), 400, /must be a number/);
});
