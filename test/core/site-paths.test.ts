import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { indexName, isSegment, siteFile, sitePath, type SiteRoute } from '../../core/site.ts';
import { isPublishableName, shardOf } from '../../ecosystems/x07/names.ts';
import { entryPath, paths } from '../../ecosystems/x07/paths.ts';

const route = (pattern: string, stored: SiteRoute['stored'] = 'file'): SiteRoute => ({
  from: 'site',
  pattern,
  contentType: 'text/plain',
  cache: 'document',
  stored,
});

test('a path is mount, pattern and parameters', () => {
  assert.equal(sitePath('/', route('v1/{name}/owners'), { name: 'foo' }), 'v1/foo/owners');
  assert.equal(sitePath('/x07', route('v1/{name}'), { name: 'foo' }), 'x07/v1/foo');
  assert.equal(sitePath('/a/b', route(''), {}), 'a/b');
  assert.equal(sitePath('/', route('', 'index'), {}), indexName);
  assert.equal(sitePath('/x07', route('v1/{name}', 'index'), { name: 'foo' }), `x07/v1/foo/${indexName}`);
});

const hostile = {
  empty: '',
  'the folder': '.',
  'the folder above': '..',
  'a slash': 'a/b',
  'a backslash': 'a\\b',
  'a NUL': 'a\0b',
  'a newline': 'a\nb',
  'a delete character': 'a\u007fb',
  'a name of ours': '=index',
  'a name that starts like ours': '=',
  'too long': 'x'.repeat(256),
  'too long in bytes': 'é'.repeat(128),
};

for (const [what, name] of Object.entries(hostile))
  test(`a parameter that is ${what} has no path`, () => {
    assert.equal(isSegment(name), false);
    assert.equal(sitePath('/', route('v1/{name}'), { name }), undefined);
    assert.equal(sitePath('/', route('{a}/{name}/x'), { a: 'ok', name }), undefined);
    assert.throws(() => siteFile('/', route('v1/{name}'), { name }, 'text'), TypeError);
  });

test('a parameter that is missing has no path', () => {
  assert.equal(sitePath('/', route('v1/{name}'), {}), undefined);
});

test('what only looks strange is a name like any other', () => {
  for (const name of [
    '...',
    '..a',
    ' ',
    'a=b',
    '~',
    '%2e%2e',
    'CON',
    'ünï',
    'x'.repeat(255),
    'é'.repeat(127),
    'a:b',
    '-',
  ])
    assert.equal(sitePath('/', route('v1/{name}'), { name }), `v1/${name}`);
});

test('a file carries the type and the policy of its route', () => {
  const file = siteFile('/', { ...route('a/{b}'), contentType: 'text/x' }, { b: 'c' }, 'text');
  assert.deepEqual(file, {
    path: 'a/c',
    body: { bytes: Buffer.from('text') },
    contentType: 'text/x',
    cache: 'document',
  });
});

/** Any name that a client may ask for, some of them like our literals; whether such a package exists or not. */
const name = fc.oneof(
  fc.constantFrom('index', 'owners', 'metadata', 'v1', 'packages', 'x'),
  fc.stringMatching(/^[a-z0-9_-]{1,5}$/),
);
const version = fc.constantFrom('1.0.0', '1.0.0-owners', '1.0.0+metadata', 'owners', 'metadata');
const request = fc
  .record({
    route: fc.constantFrom(...Object.entries<SiteRoute>(paths)),
    picked: fc.array(name, { minLength: 8, maxLength: 8 }),
    version,
  })
  .map(({ route: [id, wanted], picked, version }) => {
    const parameters = [...wanted.pattern.matchAll(/\{(\w+)\}/g)].map(([, parameter = '']) => parameter);
    const params = Object.fromEntries(
      parameters.map((parameter, i) => [parameter, parameter === 'version' ? version : (picked[i] ?? '')]),
    );
    return { id, params, path: sitePath('/x07', wanted, params) };
  });

test('two different routes or parameters of X07 never share a path', () => {
  fc.assert(
    fc.property(fc.array(request, { minLength: 2, maxLength: 40 }), (requests) => {
      const owners = new Map<string, string>();
      for (const { id, params, path } of requests) {
        assert.ok(path !== undefined);
        const owner = JSON.stringify([id, params]);
        assert.equal(owners.get(path) ?? owner, owner, path);
        owners.set(path, owner);
      }
    }),
    { numRuns: 300 },
  );
});

const publishable = fc.oneof(
  fc.stringMatching(/^[a-c][a-c_-]{0,4}$/),
  fc.stringMatching(/^[a-z][a-z0-9_-]{0,12}$/),
  fc.constantFrom('config', 'catalog', 'owners', 'metadata', 'v1', 'index', 'x07', 'publish'),
);

test('the files of packages that can be published never share a path, nor is one the folder of another', () => {
  fc.assert(
    fc.property(fc.array(publishable, { minLength: 1, maxLength: 12 }), (names) => {
      assert.ok(names.every(isPublishableName));
      const found = new Map<string, string>();
      const add = (owner: string, path: string | undefined): void => {
        assert.ok(path !== undefined, owner);
        assert.equal(found.get(path) ?? owner, owner, path);
        found.set(path, owner);
      };
      add('config', sitePath('/', paths.config, {}));
      add('catalog', sitePath('/', paths.catalog, {}));
      add('service', sitePath('/', paths.service, {}));
      for (const name of new Set(names)) {
        const entry = entryPath(name);
        add(`entry ${name}`, sitePath('/', entry.route, entry.params));
        add(`package ${name}`, sitePath('/', paths.package, { name }));
        add(`owners ${name}`, sitePath('/', paths.owners, { name }));
        for (const version of ['1.0.0', '1.0.0-index', '1.0.0+owners']) {
          add(`metadata ${name} ${version}`, sitePath('/', paths.metadata, { name, version }));
          add(`download ${name} ${version}`, sitePath('/', paths.download, { name, version }));
        }
      }
      for (const path of found.keys()) {
        const folders = path
          .split('/')
          .slice(0, -1)
          .map((_, i, parts) => parts.slice(0, i + 1).join('/'));
        for (const folder of folders)
          assert.ok(!found.has(folder), `${folder} is a file and the folder of ${path}`);
      }
    }),
    { numRuns: 200 },
  );
});

test('an index entry lies where a client computes it', () => {
  const rows = { a: '1', ab: '2', abc: '3/a', abcd: 'ab/cd', 'ext-db': 'ex/t-' };
  for (const [name, shard] of Object.entries(rows)) assert.equal(shardOf(name).join('/'), shard);
});
