/** Names of repositories, and the one spelling of a path that holds one (contract, section 1). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RegistryError } from '../../core/errors.ts';
import { RouteTable } from '../../core/route.ts';
import { oci } from '../../ecosystems/oci/index.ts';
import {
  checkDigest,
  checkName,
  digestIn,
  isTag,
  namespaceOf,
  quoted,
  rules,
} from '../../ecosystems/oci/names.ts';
import { canonicalPath } from '../../ecosystems/oci-files.ts';

/** As the specification has it; ours is put together of parts. */
const ofSpecification = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const ours = new Set(['blobs', 'manifests', 'tags', 'uploads', 'referrers']);
const others = new Set(['packages', 'crates', 'users', 'repo', 'auth', 'search', 'stats', 'wasm']);

const word = fc.stringMatching(/^[a-z0-9]{1,6}$/);
const part = fc
  .tuple(
    word,
    fc.array(fc.tuple(fc.constantFrom('.', '_', '__', '-', '--', '-----'), word), { maxLength: 3 }),
  )
  .map(([first, rest]) => first + rest.flat().join(''));
const name = fc
  .array(
    fc.oneof(
      { weight: 9, arbitrary: part },
      { weight: 1, arbitrary: fc.constantFrom('list', 'v2', 'sha256', '_catalog'.slice(1)) },
    ),
    {
      minLength: 1,
      maxLength: 5,
    },
  )
  .map((parts) => parts.join('/'))
  .filter((text) => rules.isName?.(text) === true);

test('a name is one exactly where the specification says so, but for words that we need ourselves', () => {
  const nearly = fc.stringMatching(/^[a-zA-Z0-9._/-]{0,20}$/);
  const spoiled = fc
    .tuple(name, fc.nat(), fc.constantFrom('/', '.', '_', '-', 'A', '..', ' ', ':', '%', 'é', '\n', '='))
    .map(
      ([text, at, mark]) => text.slice(0, at % (text.length + 1)) + mark + text.slice(at % (text.length + 1)),
    );
  const withOurs = fc
    .tuple(
      fc.array(word, { maxLength: 2 }),
      fc.constantFrom(...ours, ...others),
      fc.array(word, { maxLength: 2 }),
    )
    .map((parts) => parts.flat().join('/'));
  const seen = { names: 0, others: 0 };
  fc.assert(
    fc.property(fc.oneof(name, nearly, spoiled, withOurs), (text) => {
      const parts = text.split('/');
      const expected =
        ofSpecification.test(text) && !parts.some((one) => ours.has(one)) && !others.has(parts[0] ?? '');
      seen[expected ? 'names' : 'others'] += 1;
      assert.equal(rules.isName?.(text), expected, JSON.stringify(text));
      if (expected) assert.equal(checkName(text), text);
      else
        assert.throws(
          () => checkName(text),
          (error) => error instanceof RegistryError && error.code === 'invalid-name',
        );
    }),
    { numRuns: 3000 },
  );
  assert.ok(seen.names > 100 && seen.others > 100, JSON.stringify(seen));
  assert.equal(rules.isName?.('a'.repeat(255)), true);
  assert.equal(rules.isName?.('a'.repeat(256)), false);
});

test('a namespace is what stands first in a name', () => {
  fc.assert(
    fc.property(name, (text) => {
      assert.equal(namespaceOf(text), text.split('/')[0]);
      assert.equal(rules.isNamespace?.(namespaceOf(text)), true);
      assert.equal(rules.isNamespace?.(text), !text.includes('/'));
    }),
  );
  for (const text of ['', 'A', 'a/', 'blobs', 'users', '-a', 'a b'])
    assert.equal(rules.isNamespace?.(text), false);
});

const [distribution] = oci.surfaces;
const table = new RouteTable<string>();
for (const route of distribution?.routes ?? [])
  table.add(route.from === 'api' ? route.method : 'GET', `/${route.pattern}`, `${route.pattern}`);

/** What a path of a request means: which route, with what. */
function meant(
  method: string,
  path: string,
): { route: string; params: Readonly<Record<string, string>> } | undefined {
  const match = table.match(method, canonicalPath(path));
  return match.found === 'route' ? { route: match.route, params: match.params } : undefined;
}

const digest = fc.constantFrom(`sha256:${'0'.repeat(64)}`, `sha512:${'f'.repeat(128)}`);
const tag = fc.oneof(
  fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/),
  fc.constantFrom('latest', 'list', 'uploads', 'blobs', 'manifests', 'tags'),
);
const id = fc.uuid();

interface Endpoint {
  readonly method: string;
  readonly route: string;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
}

const endpoint: fc.Arbitrary<Endpoint> = fc.oneof(
  fc
    .tuple(fc.constantFrom('GET', 'HEAD', 'PUT', 'DELETE'), fc.oneof(tag, digest))
    .map(([method, reference]) => ({
      method,
      route: '{+name}/manifests/{reference}',
      path: `manifests/${reference}`,
      params: { reference },
    })),
  fc.tuple(fc.constantFrom('GET', 'HEAD', 'DELETE'), digest).map(([method, digest]) => ({
    method,
    route: '{+name}/blobs/{digest}',
    path: `blobs/${digest}`,
    params: { digest },
  })),
  fc.constantFrom('blobs/uploads/', 'blobs/uploads').map((path) => ({
    method: 'POST',
    route: '{+name}/blobs/uploads/',
    path,
    params: {},
  })),
  fc.tuple(fc.constantFrom('GET', 'PATCH', 'PUT', 'DELETE'), id).map(([method, id]) => ({
    method,
    route: '{+name}/blobs/uploads/{id}',
    path: `blobs/uploads/${id}`,
    params: { id },
  })),
  digest.map((digest) => ({
    method: 'GET',
    route: '{+name}/referrers/{digest}',
    path: `referrers/${digest}`,
    params: { digest },
  })),
  fc.constant({ method: 'GET', route: '{+name}/tags/list', path: 'tags/list', params: {} }),
);

/** Some characters of it percent-encoded, as a client or a proxy may. */
function encoded(text: string, which: readonly boolean[]): string {
  return [...text]
    .map((letter, i) => {
      const hex = letter.charCodeAt(0).toString(16);
      return which[i % which.length] === true ? `%${i % 2 === 0 ? hex.toUpperCase() : hex}` : letter;
    })
    .join('');
}

test('a path that is made of a name comes back as that name, however it is spelled', () => {
  fc.assert(
    fc.property(
      name,
      endpoint,
      fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
      (name, { method, route, path, params }, which) => {
        const expected = { route, params: { name, ...params } };
        assert.deepEqual(meant(method, `/${name}/${path}`), expected);
        assert.deepEqual(meant(method, `/${encodeURIComponent(name)}/${path}`), expected);
        assert.deepEqual(meant(method, `/${encoded(name, which)}/${path}`), expected);
        assert.deepEqual(meant(method, `/${name}/${path.replace(':', '%3A')}`), expected);
      },
    ),
    { numRuns: 2000 },
  );
});

test('one spelling is enough: it is its own', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.tuple(name, endpoint).map(([name, { path }]) => `/${name}/${path}`),
        fc.webPath(),
        fc
          .array(
            fc.constantFrom(
              '/',
              'blobs',
              'uploads',
              'manifests',
              'tags',
              'list',
              'referrers',
              'a',
              '%2F',
              '..',
            ),
          )
          .map((parts) => `/${parts.join('')}`),
      ),
      (path) => {
        const once = canonicalPath(path);
        assert.equal(canonicalPath(once), once);
      },
    ),
    { numRuns: 500 },
  );
});

test('the name is everything up to the last words that can follow one', () => {
  const rows: readonly (readonly [method: string, path: string, name: string | undefined, rest?: string])[] =
    [
      ['GET', '/a/tags/list/manifests/x', 'a/tags/list', 'x'],
      ['GET', '/a/manifests/b/manifests/c', 'a/manifests/b', 'c'],
      ['GET', '/a/blobs/uploads/tags/list', 'a/blobs/uploads'],
      ['GET', '/manifests/manifests/manifests', 'manifests', 'manifests'],
      ['POST', '/a/blobs/uploads/blobs/uploads/', 'a/blobs/uploads'],
      ['POST', '/a/blobs/blobs/uploads', 'a/blobs'],
      ['PATCH', '/a/blobs/uploads/blobs/uploads/id', 'a/blobs/uploads', 'id'],
      ['GET', '/../../etc/manifests/passwd', '../../etc', 'passwd'],
      ['GET', '/a//b/tags/list', 'a//b'],
      ['GET', '//tags/list', undefined],
      ['GET', '/a%2F..%2Fb/tags/list', 'a/../b'],
      ['GET', '/a/manifests/b%2Fc', 'a', 'b/c'],
      ['GET', '/a/manifests/', undefined],
      ['GET', '/manifests/x', undefined],
      ['GET', '/tags/list', undefined],
      ['GET', '/a/tags/list/', undefined],
      ['GET', '/a/manifests/b/c', undefined],
      ['GET', '/a%2Fmanifests%2Fb', undefined],
      ['GET', '/_catalog', undefined],
      ['GET', '/', undefined],
    ];
  for (const [method, path, name, rest] of rows) {
    const params = meant(method, path)?.params;
    assert.equal(params?.['name'], name, path);
    if (name !== undefined)
      assert.deepEqual(Object.values(params ?? {}).slice(1), rest === undefined ? [] : [rest]);
  }
  assert.equal(meant('GET', '/_catalog')?.route, '_catalog');
});

test('tags and digests are what the specification says, and nothing near it', () => {
  const rows: readonly (readonly [text: string, isTag: boolean])[] = [
    ['a', true],
    ['_', true],
    ['A.b-c_D', true],
    ['a'.repeat(128), true],
    ['a'.repeat(129), false],
    ['', false],
    ['.a', false],
    ['-a', false],
    ['a\n', false],
    ['a+b', false],
    ['a:b', false],
    ['é', false],
  ];
  for (const [text, expected] of rows) assert.equal(isTag(text), expected, JSON.stringify(text));
  fc.assert(
    fc.property(fc.oneof(digest, fc.stringMatching(/^sha(256|512):[0-9a-fA-F]{60,66}$/)), (text) => {
      const expected = /^sha256:[0-9a-f]{64}$|^sha512:[0-9a-f]{128}$/.test(text) ? text : undefined;
      assert.equal(digestIn(text), expected);
      if (expected === undefined) assert.throws(() => checkDigest(text), /is not a digest/);
      else assert.equal(checkDigest(text), text);
    }),
  );
});

test('what was sent is said again in quotes, and no longer than anybody reads', () => {
  assert.equal(quoted('a"\n'), String.raw`"a\"\n"`);
  assert.equal(quoted('x'.repeat(300)).length, 302);
  assert.equal(quoted('x'.repeat(10_000)).length, 303);
});
