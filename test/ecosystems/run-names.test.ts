/** Names and versions of components (contract, section 2), and where they lie (section 8). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildRouting } from '../../api/routing.ts';
import { sitePath } from '../../core/site.ts';
import {
  checkVersion,
  nameOfRepository,
  namespaceOf,
  repositoryOf,
  rules,
} from '../../ecosystems/run/names.ts';
import { ociPaths } from '../../ecosystems/run/oci-paths.ts';
import { paths } from '../../ecosystems/run/paths.ts';
import { allSurfaces } from '../../surfaces/index.ts';
import { someSettings } from '../support/registry.ts';

const label = fc.stringMatching(/^[a-z][a-z0-9]{0,4}([-_][a-z0-9]{1,3}){0,2}$/);
const namespace = fc.stringMatching(/^[a-z][a-z0-9]{0,4}(-[a-z0-9]{1,3}){0,2}$/);
const words = new Set(['versions', 'manifests', 'blobs', 'tags', 'referrers', 'uploads']);
const name = fc
  .tuple(namespace, fc.array(label, { minLength: 1, maxLength: 4 }))
  .filter(([first, labels]) => ![first, ...labels].some((one) => words.has(one)))
  .map(([first, labels]) => `${first}:${labels.join('/')}`);
const version = fc.stringMatching(/^[1-9]?[0-9]\.[0-9]\.[0-9](-[a-z][a-z0-9]{0,3}(\.[1-9])?)?$/);

test('names of the documented shapes are names', () => {
  for (const one of ['wasi:http', 'run:calc/calculator', 'run:example/hello', 'a:b', 'my-ns:a_b/c-d/e1/f'])
    assert.equal(rules.isName?.(one), true, one);
});

test('a name is found again from its repository, which every OCI client takes', () => {
  fc.assert(
    fc.property(name, (one) => {
      assert.equal(rules.isName?.(one), true, one);
      assert.equal(nameOfRepository(repositoryOf(one)), one);
      assert.match(
        repositoryOf(one),
        /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/,
      );
      assert.equal(namespaceOf(one), one.split(':')[0]);
    }),
  );
});

test('no two packages share a path, nor does one lie where another has a file', () => {
  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 2, maxLength: 6 }), version, (names, one) => {
      const all = names.flatMap((of) => {
        const params = { name: of, version: one };
        const oci = { name: repositoryOf(of), reference: one, digest: `sha256:${'0'.repeat(64)}` };
        return [
          ...Object.values(paths).map((route) => [sitePath('/run', route, params), route] as const),
          ...Object.values(ociPaths).map((route) => [sitePath('/v2/wasm', route, oci), route] as const),
        ]
          .filter(([, { pattern }]) => pattern.includes('name'))
          .map(([path]) => path ?? assert.fail());
      });
      assert.equal(new Set(all).size, all.length);
      for (const path of all) assert.ok(!all.some((other) => other.startsWith(`${path}/`)), path);
    }),
  );
});

test('two names that the client keeps in one file are one name', () => {
  const safe = (one: string): string => one.replaceAll(':', '__').replaceAll('/', '_');
  fc.assert(
    fc.property(name, name, (a, b) =>
      assert.equal(rules.nameKey(a) === rules.nameKey(b), safe(a) === safe(b), `${a} ${b}`),
    ),
  );
  assert.equal(rules.nameKey('a:b/c'), rules.nameKey('a:b_c'));
});

test('versions are in the order of semver, and that order is total', () => {
  const sorted = [
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-rc.1',
    '1.0.0',
    '1.2.0',
    '1.10.0',
  ];
  assert.deepEqual([...sorted].reverse().sort(rules.compareVersions), sorted);
  fc.assert(
    fc.property(version, version, (a, b) => assert.equal(rules.compareVersions(a, b) === 0, a === b)),
  );
});

test('every version is a tag', () => {
  fc.assert(
    fc.property(version, (one) => assert.match(checkVersion(one), /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/)),
  );
});

test('a mount that has /packages/ in it is refused: the client would look for artifacts there', () => {
  for (const mount of ['/packages', '/packages/run', '/a/packages', '/a/packages/b'])
    assert.throws(
      () => buildRouting(allSurfaces, someSettings({ mounts: { run: mount } })),
      /run cannot be mounted/,
    );
  for (const mount of ['/', '/run', '/my-packages', '/packages-of-run/x'])
    buildRouting(allSurfaces, someSettings({ mounts: { run: mount } }));
});
