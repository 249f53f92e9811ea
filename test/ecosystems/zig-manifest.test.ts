import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readManifest, type ZigManifest } from '../../ecosystems/zig/manifest.ts';
import { isIncluded, resolvePath } from '../../ecosystems/zig/paths-of-packages.ts';
import { isZigVersion } from '../../ecosystems/zig/version.ts';

const hash = 'diffz-0.0.1-G2tlIWTPAQAvAIoMPQjGnqr9NlOGV8ETeDELVd9pwlwO';

/** A right manifest, with some of its fields changed or, by `undefined`, left out. */
function text(fields: Readonly<Record<string, string | undefined>> = {}): string {
  const all = {
    name: '.demo',
    version: '"0.1.0"',
    fingerprint: '0xd642dfa000000001',
    paths: '.{""}',
    ...fields,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`    .${name} = ${value},\n`],
  );
  return `.{\n${lines.join('')}}\n`;
}

const read = (fields?: Readonly<Record<string, string | undefined>>): ZigManifest =>
  readManifest(text(fields));

test('a manifest of today is read in full', () => {
  const manifest = read({
    version: '"1.2.3-dev.4+gabc"',
    minimum_zig_version: '"0.16.0"',
    description: '"Says hello."',
    license: '"MIT"',
    keywords: '.{"a"}',
    dependencies: `.{
      .diffz = .{ .url = "https://host/d.tar.gz", .hash = "${hash}" },
      .@"far-off" = .{ .url = "https://host/f", .hash = "1220${'0'.repeat(64)}", .lazy = true },
      .near = .{ .path = "libs/near", .note = 'x' },
    }`,
    paths: '.{"src/", "./build.zig", "a/../b"}',
  });
  assert.deepEqual(manifest, {
    generation: 'modern',
    name: 'demo',
    version: '1.2.3-dev.4+gabc',
    fingerprint: 0xd642dfa000000001n,
    id: 1,
    minimumZigVersion: '0.16.0',
    dependencies: new Map<string, unknown>([
      ['diffz', { kind: 'url', url: 'https://host/d.tar.gz', hash, isLazy: false }],
      ['far-off', { kind: 'url', url: 'https://host/f', hash: `1220${'0'.repeat(64)}`, isLazy: true }],
      ['near', { kind: 'path', path: 'libs/near', isLazy: false }],
    ]),
    paths: ['src', 'build.zig', 'b'],
    texts: new Map([
      ['description', 'Says hello.'],
      ['license', 'MIT'],
    ]),
    warnings: [],
  });
});

test('a manifest of yesterday is read, and has an id where its name can be in a hash', () => {
  const old = { fingerprint: undefined };
  const asString = read({ ...old, name: '"my_lib"' });
  assert.deepEqual([asString.generation, asString.name, asString.id], ['legacy', 'my_lib', 0]);
  assert.deepEqual(asString.warnings, []);
  assert.equal(read({ name: '"demo"' }).id, 1);
  for (const name of ['my-lib', 'test', 'a b'])
    assert.equal(read({ ...old, name: `"${name}"` }).id, undefined);
  const between = read(old);
  assert.deepEqual([between.generation, between.id], ['modern', 0]);
  assert.match(between.warnings.join(), /no fingerprint: Zig 0\.16 and later refuse/);
});

test('a manifest without paths includes everything, which is noted', () => {
  const manifest = read({ paths: undefined });
  assert.equal(manifest.paths, undefined);
  assert.match(manifest.warnings.join(), /no paths: every file counts/);
  assert.deepEqual(read({ paths: '.{""}' }).paths, ['.']);
});

test('a dependency that lies outside of the package is noted', () => {
  for (const path of ['../sibling', '/absolute', 'a/../../b']) {
    const { warnings } = read({ dependencies: `.{ .x = .{ .path = "${path}" } }` });
    assert.match(warnings.join(), /the dependency "x" lies outside the package/, path);
  }
});

const id = '00000001';
const refused: readonly [string, Readonly<Record<string, string | undefined>>, RegExp][] = [
  ['a name that is missing', { name: undefined }, /:1:1: missing top-level 'name' field/],
  ['a version that is missing', { version: undefined }, /:1:1: missing top-level 'version' field/],
  [
    'a quoted enum literal as a name',
    { name: '.@"my-lib"' },
    /:2:13: name must be a valid bare zig identifier/,
  ],
  ['a number as a name', { name: '1' }, /name: expected an enum literal/],
  ['an empty name', { name: '""' }, /name must not be empty/],
  ['a name of 33 bytes', { name: `.${'a'.repeat(33)}` }, /exceeds max length of 32/],
  ['a name of 33 bytes in fewer letters', { name: `"${'\u00e9'.repeat(17)}"` }, /exceeds max length of 32/],
  ['a word of Zig as a name', { name: '.test' }, /'test' is a word of Zig's/],
  [
    'a version of 33 bytes',
    { version: `"1.2.3-${'a'.repeat(27)}"` },
    /version string length 33 exceeds maximum of 32/,
  ],
  ['a version that is none', { version: '"1.2"' }, /:3:16: "1\.2" is not a semantic version/],
  [
    'a version that is no string',
    { version: '.v1' },
    /version: expected string literal, found an enum literal/,
  ],
  ['a multiline version', { version: '\n\\\\1.2.3\n' }, /found a multiline string/],
  ['a minimum version that is none', { minimum_zig_version: '"0.16"' }, /"0\.16" is not a semantic version/],
  [
    'the fingerprint of another name',
    { fingerprint: `0x12345678${id}` },
    /:4:20: invalid fingerprint: 0x1234567800000001; if this is a new or forked package, use this value: 0xd642dfa000000001/,
  ],
  [
    'an id of 0',
    { fingerprint: '0xd642dfa000000000' },
    /its low half must be neither 0 nor 0xffffffff: choose .* write them after 0xd642dfa0/,
  ],
  ['an id of all ones', { fingerprint: '0xd642dfa0ffffffff' }, /its low half must be neither/],
  ['a fingerprint of 65 bits', { fingerprint: `0x1d642dfa0${id}` }, /expected a u64 integer literal/],
  ['a negative fingerprint', { fingerprint: '-1' }, /expected a u64 integer literal/],
  ['a fingerprint in quotes', { fingerprint: `"0xd642dfa0${id}"` }, /expected a u64 integer literal/],
  ['paths that are empty', { paths: '.{}' }, /expected paths expression to be a list of strings/],
  ['a path that is no string', { paths: '.{ .src }' }, /a path: expected string literal/],
  ['paths in one string', { paths: '"src"' }, /expected paths expression to be a list of strings/],
  ['dependencies in a list', { dependencies: '.{"a"}' }, /expected dependencies expression to be a struct/],
  [
    'a dependency that is a string',
    { dependencies: '.{ .a = "b" }' },
    /expected dependency expression to be/,
  ],
  [
    'a dependency from nowhere',
    { dependencies: '.{ .a = .{} }' },
    /"a": dependency requires location field, one of 'url' or 'path'\./,
  ],
  [
    'a dependency from two places',
    { dependencies: '.{ .a = .{ .url = "u", .path = "p" } }' },
    /"a": dependency should specify only one of 'url' and 'path' fields\./,
  ],
  [
    'a url without a hash',
    { dependencies: '.{ .a = .{ .url = "u" } }' },
    /"a" has a url and no hash: zig fetch/,
  ],
  [
    'a hash that is none',
    { dependencies: '.{ .a = .{ .url = "u", .hash = "1220" } }' },
    /invalid hash: "1220"/,
  ],
  [
    'a path with a hash',
    { dependencies: `.{ .a = .{ .path = "p", .hash = "${hash}" } }` },
    /path-based dependencies are not hashed/,
  ],
  [
    'a lazy that is no boolean',
    { dependencies: '.{ .a = .{ .path = "p", .lazy = 1 } }' },
    /lazy: expected true or false/,
  ],
];

for (const [what, fields, message] of refused)
  test(`${what} is refused`, () => {
    assert.throws(() => read(fields), { name: 'RegistryError', code: 'invalid-manifest', message });
  });

test('a manifest that is no struct is refused', () => {
  for (const wrong of ['.{"a"}', '"a"', '.a'])
    assert.throws(() => readManifest(wrong), { message: /expected top level expression to be a struct/ });
});

test('versions are those of Semantic Versioning, with numbers of 64 bits (examples of Zig itself)', () => {
  const valid =
    '0.0.4 1.2.3 10.20.30 1.1.2-prerelease+meta 1.1.2+meta 1.0.0-alpha.beta.1 1.0.0-alpha0.valid 1.0.0-rc.1+build.1 1.2.3----RC-SNAPSHOT.12.9.1--.12+788 1.0.0+0.build.1-rc.10000aaa-kk-0.1 18446744073709551615.0.0';
  for (const version of valid.split(' ')) assert.ok(isZigVersion(version), version);
  const wrong =
    '1 1.2 1.2.3-0123 1.2.3-0123.0123 1.1.2+.123 +invalid -invalid alpha 1.0.0-alpha_beta 1.0.0-alpha..1 01.1.1 1.01.1 1.1.01 1.2.3.DEV 9.8.7+meta+meta -1 1_0.0.0 v1.2.3 1.2.3- 1.2.3+ 18446744073709551616.0.0 1.0.0-18446744073709551616';
  for (const version of ['', '1.2.3\n', ...wrong.split(' ')])
    assert.equal(isZigVersion(version), false, version);
});

test('listed paths are resolved, and include what lies below them', () => {
  const resolved = {
    '': '.',
    '.': '.',
    'src/': 'src',
    './a': 'a',
    'src/../src/': 'src',
    'a//b': 'a/b',
    '/': '/',
  };
  for (const [path, expected] of Object.entries(resolved)) assert.equal(resolvePath(path), expected);
  for (const [path, expected] of Object.entries({
    'a/..': '.',
    '../a': '../a',
    '../../a': '../../a',
    '/../a': '/a',
  }))
    assert.equal(resolvePath(path), expected);
  const listed = new Set(['src', 'build.zig', 'a/b']);
  for (const path of ['src', 'src/x', 'src/x/y', 'build.zig', 'a/b/c'])
    assert.ok(isIncluded(path, listed), path);
  for (const path of ['srcs', 'x/src', 'Src/x', 'a', 'a/bc', 'build.zig.zon'])
    assert.equal(isIncluded(path, listed), false, path);
  assert.ok(isIncluded('anything/at/all', new Set(['.'])));
  assert.ok(isIncluded('anything/at/all', undefined));
});
