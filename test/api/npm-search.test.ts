/** Search, stars and lists of packages (contract of npm, sections 6, 8 and 9). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escaped, npmApi } from '../support/npm-api.ts';
import type { NpmPackage } from '../support/npm-package.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile);
const npm = npmApi(server);
const scopes = ['read', 'publish', 'yank', 'owner'] as const;
const alice = await makeToken(server.data, { handle: 'alice', scopes });
const bob = await makeToken(server.data, { handle: 'bob', scopes });

async function publish(
  name: string,
  version: string,
  over: NpmPackage['manifest'] = {},
  token = alice,
): Promise<void> {
  const manifest = { description: 'Nothing.', ...over };
  assert.equal((await npm.publish({ name, version, manifest }, token)).status, 201);
}

// Not in the order of their names.
await publish('pad-left', '1.0.0');
await publish('left-pad', '1.0.0', { keywords: ['string', 'tiny'], author: 'Barney <b@rubble.example>' });
await publish('left-pad', '1.1.0', { keywords: ['string', 'tiny'], author: 'Barney <b@rubble.example>' });
await publish('left', '0.9.0', { description: 'Where the heart is.' });
await publish('@acme/left', '2.0.0', { keywords: ['string'] }, bob);
await publish('@acme/lib', '1.0.0-rc.1', { description: 'What is LEFT of "quotes".' }, bob);
await publish('cleft', '1.0.0', { keywords: ['tiny', 'old'] });
await publish('compass', '1.0.0', { keywords: ['left'] });
await publish('@acme/hidden-left', '1.0.0', { keywords: ['left'] }, bob);
const access = { path: `-/package/${escaped('@acme/hidden-left')}/access`, token: bob };
await npm.ok({ ...access, method: 'POST', json: { access: 'restricted' } });

interface Found {
  readonly objects: readonly {
    readonly package: { readonly name: string } & Readonly<Record<string, unknown>>;
    readonly score: unknown;
    readonly searchScore: number;
  }[];
  readonly total: number;
  readonly time: string;
}
function search(text: string, more: Readonly<Record<string, string>> = {}): Promise<Found> {
  return npm.ok<Found>({ path: `-/v1/search?${new URLSearchParams({ text, ...more }).toString()}` });
}
async function namesOf(
  text: string,
  more: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  return (await search(text, more)).objects.map((object) => object.package.name);
}

test('a hit is shown as clients of npm read it', async () => {
  const { objects, total, time } = await search('left-pad');
  assert.equal(total, 1);
  const [hit] = objects;
  assert.ok(hit);
  const { date, ...shown } = hit.package;
  assert.deepEqual(shown, {
    name: 'left-pad',
    scope: 'unscoped',
    version: '1.1.0',
    description: 'Nothing.',
    keywords: ['string', 'tiny'],
    links: { npm: `${server.url}/npm/left-pad` },
    publisher: { username: 'alice', email: '' },
    maintainers: [{ username: 'alice', email: '' }],
  });
  assert.equal(date, (await npm.packument('left-pad')).time['1.1.0']);
  assert.deepEqual(hit.score, { final: 1, detail: { quality: 1, popularity: 1, maintenance: 1 } });
  assert.equal(new Date(time).toUTCString(), time);
  const scoped = (await search('@acme/left')).objects[0]?.package;
  assert.equal(scoped?.['scope'], 'acme');
});

test('the exact name comes first, then names that begin with a word, have it, hold it; then keywords and descriptions', async () => {
  assert.deepEqual(await namesOf('left'), [
    'left',
    '@acme/left',
    'left-pad',
    'pad-left',
    'cleft',
    'compass',
    '@acme/lib',
  ]);
  assert.deepEqual(await namesOf('LEFT pad'), ['left-pad', 'pad-left']);
  assert.deepEqual(await namesOf('heart where'), ['left']);
  assert.deepEqual(await namesOf('"quotes"'), ['@acme/lib']);
  assert.deepEqual(await namesOf('left elsewhere'), []);
  assert.deepEqual(await namesOf('.*'), [], 'a word is no pattern');
});

test('without words all public packages are there, by name, page by page', async () => {
  const all = ['@acme/left', '@acme/lib', 'cleft', 'compass', 'left', 'left-pad', 'pad-left'];
  const byName = (names: readonly string[]): string[] => [...names].sort();
  assert.deepEqual(byName(await namesOf('')), all);
  const pages = [];
  for (let from = 0; from < 9; from += 3)
    pages.push(...(await namesOf('', { size: '3', from: String(from) })));
  assert.deepEqual(pages, await namesOf(''));
  assert.deepEqual(await namesOf('', { size: '0' }), []);
  assert.equal((await search('', { size: '1', from: '999' })).total, all.length);
  assert.equal((await npm.ok<Found>({ path: '-/v1/search' })).total, all.length);
  await npm.ok({ path: '-/v1/search?text=left&size=250&quality=0.65&popularity=0.98&maintenance=0.5' });
});

test('qualifiers narrow a search', async () => {
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ['maintainer:bob', ['@acme/left', '@acme/lib']],
    ['author:barney', ['left-pad']],
    ['author:bob left', ['@acme/left', '@acme/lib']],
    ['scope:acme', ['@acme/left', '@acme/lib']],
    ['scope:@acme lib', ['@acme/lib']],
    ['keywords:string', ['@acme/left', 'left-pad']],
    ['keywords:tiny,old', ['cleft', 'left-pad']],
    ['keywords:tiny+old', ['cleft']],
    ['keywords:tiny,-old', ['left-pad']],
    ['keywords:-tiny scope:acme', ['@acme/left', '@acme/lib']],
    ['is:unstable', ['@acme/lib', 'left']],
    ['not:unstable left', ['@acme/left', 'left-pad', 'pad-left', 'cleft', 'compass']],
    ['is:wonderful', []],
    ['not:wonderful scope:acme', ['@acme/left', '@acme/lib']],
    ['boost-exact:false scope:acme', ['@acme/left', '@acme/lib']],
    ['maintainer:nobody', []],
    // No qualifier: a word like any other.
    ['colour:left', []],
  ];
  for (const [text, names] of rows) assert.deepEqual(await namesOf(text), names, text);
});

test('what was just published, deprecated or hidden is so in the next search', async () => {
  await publish('fresh-one', '1.0.0');
  await publish('fresh-two', '1.0.0');
  assert.deepEqual(await namesOf('fresh'), ['fresh-one', 'fresh-two']);
  const { versions, ...document } = await npm.packument('fresh-one');
  const changed = { ...document, versions: { '1.0.0': { ...versions['1.0.0'], deprecated: 'No.' } } };
  await npm.ok({ method: 'PUT', path: 'fresh-one', token: alice, json: changed });
  assert.deepEqual(await namesOf('fresh'), ['fresh-two', 'fresh-one'], 'deprecated ones come last');
  assert.deepEqual(await namesOf('fresh not:deprecated'), ['fresh-two']);
  for (const name of ['fresh-one', 'fresh-two']) {
    const { _rev } = await npm.packument(name);
    await npm.ok({ method: 'DELETE', path: `${name}/-rev/${_rev}`, token: alice });
  }
  assert.deepEqual(await namesOf('fresh'), []);
});

test('a package that is not for everybody is in no search and in no list, whoever asks', async () => {
  for (const token of [undefined, bob, ADMIN_TOKEN])
    for (const path of [
      '-/v1/search?text=hidden',
      '-/v1/search?size=250',
      '-/user/bob/package',
      '-/org/acme/package',
    ]) {
      const { status, text } = await npm.ask({ path, ...(token === undefined ? {} : { token }) });
      assert.equal(status, 200);
      assert.ok(!text.includes('hidden'), path);
    }
});

test('stars of an account are listed', async () => {
  const starred = (handle: string): Promise<unknown> =>
    npm.ok({ path: `-/_view/starredByUser?key=${encodeURIComponent(JSON.stringify(handle))}` });
  assert.deepEqual(await starred('alice'), { rows: [] });
  for (const name of ['left-pad', '@acme/lib'])
    await npm.ok({
      method: 'PUT',
      path: escaped(name),
      token: alice,
      json: { _id: name, users: { alice: true } },
    });
  assert.deepEqual(await starred('alice'), { rows: [{ value: '@acme/lib' }, { value: 'left-pad' }] });
  assert.deepEqual(await starred('bob'), { rows: [] });
  await npm.ok({ method: 'PUT', path: 'left-pad', token: alice, json: { _id: 'left-pad', users: {} } });
  assert.deepEqual(await starred('alice'), { rows: [{ value: '@acme/lib' }] });
});

test('packages of an account and of a scope are listed with what their owners may do', async () => {
  const ofScope = { '@acme/left': 'write', '@acme/lib': 'write' };
  assert.deepEqual(await npm.ok({ path: '-/org/acme/package' }), ofScope);
  assert.deepEqual(await npm.ok({ path: '-/user/bob/package' }), ofScope);
  const ofAlice = await npm.ok({ path: '-/user/alice/package' });
  assert.deepEqual(Object.keys(ofAlice).sort(), ['cleft', 'compass', 'left', 'left-pad', 'pad-left']);
});

test('what cannot be meant is refused, in the words of npm', async () => {
  const of = (query: string): { path: string } => ({ path: `-/v1/search?${query}` });
  await npm.refuses([
    ['a size that is none', of('text=a&size=many'), 400, 'size must be a number'],
    ['less than nothing', of('text=a&size=-1'), 400, 'size must be a number'],
    ['half of one', of('text=a&from=1.5'), 400, 'from must be a number'],
    ['too far', of('text=a&from=9999999999'), 400, 'from must be a number'],
    ['an empty number', of('text=a&size='), 400, 'size must be a number'],
    ['a weight that is none', of('text=a&quality=high'), 400, 'quality must be a number'],
    ['another', of('text=a&popularity=NaN'), 400, 'popularity must be a number'],
    ['a long text', of(`text=${'a'.repeat(2000)}`), 400, '1024 characters'],
    ['many words', of(`text=${'a+'.repeat(100)}`), 400, '32 words'],
    ['stars of nobody', { path: '-/_view/starredByUser' }, 400, 'JSON text'],
    ['stars without quotes', { path: '-/_view/starredByUser?key=alice' }, 400, 'JSON text'],
    ['stars of a number', { path: '-/_view/starredByUser?key=1' }, 400, 'JSON text'],
    // npm asks for the scope first, and then for the user.
    ['a scope without packages', { path: '-/org/bob/package' }, 404, 'no packages of bob'],
    ['an account without packages', { path: '-/user/acme/package' }, 404, 'no packages of acme'],
    ['nobody', { path: '-/user/nobody/package' }, 404, 'no packages of nobody'],
  ]);
});
