/** `oripk.toml` and the trap that its own examples are no TOML (contract, section 3, test 3 of section 16). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'smol-toml';
import { RegistryError } from '../../core/errors.ts';
import { readManifest, type NamedManifest } from '../../ecosystems/ori/manifest.ts';
import { asToml } from '../../ecosystems/ori/toml-spelling.ts';
import { oriManifest } from '../support/ori-package.ts';

const read = (text: string): NamedManifest => readManifest(Buffer.from(text));

/** As the plan has it. */
const planned = `# A package.
[project]
name = "@acme/json"
version = "1.1.0"
ori = "0.5.0"
description = "A useful library"
license = "MIT"
authors = ["Alice <alice@example.test>"]
repository = "https://example.test/json"
keywords = ["json"]
categories = ["encoding"]
edition = "2026"
mood = "newer clients may say more"

[project.entry]
lib = "src/lib.ori"

[dependencies]
std.json
  std.net.http   # comes with the compiler
std.crypto = "1.0.1"
@orilib/utils = "2.0.1"

[dependencies.@orilib/parser]
version = "3.0.2"
features = ["unicode"]
default-features = false

[dev-dependencies]
@orilib/bench = { version = "0.1.0" }

[target."cfg(windows)".dependencies]
@orilib/winapi = "1.0.0"

[features]
default = ["json"]
json = ["std.json"]

[registries.company]
url = "https://registry.company.test"

[publish]
include = ["README.md"]
`;

/** The same as TOML has it. */
const quoted = `[project]
name = '@acme/json'
version = "1.1.0"
ori = "0.5.0"
description = "A useful library"
license = "MIT"
authors = [ "Alice <alice@example.test>" ]
repository = "https://example.test/json"
keywords = ["json"]
categories = ["encoding"]
edition = "2026"
entry = { lib = "src/lib.ori" }
[dependencies."@orilib/utils"]
version = "2.0.1"
[dependencies."@orilib/parser"]
version = "3.0.2"
features = ["unicode"]
default-features = false
[dependencies.std]
json = "*bundled*"
net.http = "*bundled*"
crypto = { version = "1.0.1" }
[dev-dependencies]
"@orilib/bench" = "0.1.0"
[target.'cfg(windows)'.dependencies]
"@orilib/winapi" = "1.0.0"
[features]
json = ["std.json"]
default = ["json"]
`;

test('a manifest in the spelling of the plan says all that is shown', () => {
  const dependency = { features: [], default_features: true, kind: 'normal', target: null };
  assert.deepEqual(read(planned), {
    name: '@acme/json',
    version: '1.1.0',
    description: 'A useful library',
    license: 'MIT',
    authors: ['Alice <alice@example.test>'],
    repository: 'https://example.test/json',
    keywords: ['json'],
    categories: ['encoding'],
    funding: null,
    edition: '2026',
    ori: '0.5.0',
    entry: { lib: 'src/lib.ori', main: null },
    dependencies: [
      {
        ...dependency,
        name: '@orilib/parser',
        version: '3.0.2',
        features: ['unicode'],
        default_features: false,
      },
      { ...dependency, name: '@orilib/utils', version: '2.0.1' },
      { ...dependency, name: 'std.crypto', version: '1.0.1' },
      { ...dependency, name: 'std.json', version: null },
      { ...dependency, name: 'std.net.http', version: null },
      { ...dependency, name: '@orilib/winapi', version: '1.0.0', target: 'cfg(windows)' },
      { ...dependency, name: '@orilib/bench', version: '0.1.0', kind: 'dev' },
    ],
    features: { default: ['json'], json: ['std.json'] },
  });
});

test('the same in quoted TOML says the same', () => {
  parse(quoted);
  assert.throws(() => parse(planned), 'the plan writes no TOML: this test is for nothing');
  assert.deepEqual(read(quoted), read(planned));
});

test('what is TOML already is left byte for byte', () => {
  const texts = [
    quoted,
    `a = """\n@acme/json = 1\nstd.json\n[x.@acme/json]\n"""\nb = '''\nstd.json\n'''\n`,
    `a = "\\"@acme/json = 1"\nb = '@acme/json' # @acme/json = 1\nc = ["@a/b", '''x''', """y""""]\n`,
    `# std.json\n[a] # [b.@acme/json]\nx = 1979-05-27 07:32:00\ny = [1,\n  2, # std.json\n]\n`,
    `a = {b = {c = "}"}, d = [1, {e = 2}]}\r\n"std" = 1\r\n`,
    `std.json = "1.0.0"\n'@a/b'.x = 1`,
    `"x = 1" = """\n@a/b = 1\nstd.json\n"""\n'y'."z" = '''\n[@a/b]\n'''\n`,
    '',
  ];
  for (const text of texts) {
    assert.equal(asToml(text), text);
    parse(text);
  }
});

test('bare keys of the plan are quoted wherever keys stand', () => {
  for (const [text, toml] of [
    ['@a/b = 1', '"@a/b" = 1'],
    [`"x".@a/b = { 'y' = { @c/d = 1 } }`, `"x"."@a/b" = { 'y' = { "@c/d" = 1 } }`],
    ['x.@a/b.c = 1', 'x."@a/b".c = 1'],
    ['[x . @a/b ]\ny = 1', '[x . "@a/b" ]\ny = 1'],
    ['[[@a/b]]', '[["@a/b"]]'],
    ['x = { @a/b = 1, y = { @c/d = "@e/f" } }', 'x = { "@a/b" = 1, y = { "@c/d" = "@e/f" } }'],
    ['x = [ {\n @a/b = 1 } ]', 'x = [ {\n "@a/b" = 1 } ]'],
    ['std.json', 'std.json = "*bundled*"'],
    ['std.json\r\nstd . net.http # x\r\n', 'std.json = "*bundled*"\r\nstd . net.http = "*bundled*" # x\r\n'],
  ] as const) {
    assert.equal(asToml(text), toml);
    parse(toml);
  }
  // What is spelled as neither is for TOML to refuse.
  for (const text of ['@A/b = 1', '@a/b/c = 1', '@a = 1', 'std', 'json', 'other.json'])
    assert.equal(asToml(text), text);
});

type Row = readonly [what: string, manifest: string, message: RegExp, code?: string];

const withRest = (rest: string): string => oriManifest({ name: '@acme/json', rest });
const without = (field: string): string => withRest('').replace(new RegExp(`^${field} = .*\n`, 'm'), '');
const replaced = (field: string, value: string): string =>
  withRest('').replace(new RegExp(`^${field} = .*\n`, 'm'), `${field} = ${value}\n`);

const unpublishable: readonly Row[] = (
  [
    ['git', '@a/b = { git = "https://git.example/b", rev = "abc" }'],
    ['path', '@a/b = { path = "../b" }'],
    ['path beside a version', '@a/b = { version = "1.0.0", path = "../b" }'],
    ['workspace', '@a/b = { workspace = true }'],
    ['workspace of a module', 'std.json = { workspace = true }'],
    ['a range', '@a/b = "^1.0.0"'],
    ['half a version', '@a/b = "1.0"'],
    ['build metadata', '@a/b = "1.0.0+x"'],
    ['no version', '@a/b = { features = ["x"] }'],
    ['a range of a module', 'std.json = ">=1.0.0"'],
  ] as const
).flatMap(([what, line]) => [
  [`${what}`, withRest(`[dependencies]\n${line}`), /the dependency/, 'unpublishable_dependency'] as const,
  [
    `${what}, to develop`,
    withRest(`[dev-dependencies]\n${line}`),
    /the dependency/,
    'unpublishable_dependency',
  ],
  [
    `${what}, of a target`,
    withRest(`[target.x.dependencies]\n${line}`),
    /the dependency/,
    'unpublishable_dependency',
  ],
]);

const rows: readonly Row[] = [
  ['no project', 'x = 1', /has no \[project\]/],
  ['a project that is no table', 'project = 1', /project is not a table/],
  ...['name', 'version', 'ori', 'description'].map((field): Row => [
    `no ${field}`,
    without(field),
    new RegExp(`has no project.${field}`),
  ]),
  ['a blank description', replaced('description', '" "'), /has no project.description/],
  ['a number for a name', replaced('name', '1'), /project.name is not a text/],
  [
    'a date for a license',
    withRest('').replace('ori =', 'license = 2020-01-01\nori ='),
    /license is not a text/,
  ],
  ['no version of a compiler', replaced('ori', '"new"'), /project.ori is "new"/],
  [
    'authors that are no list',
    withRest('').replace('ori =', 'authors = "a"\nori ='),
    /authors is not a list/,
  ],
  [
    'keywords that are no texts',
    withRest('').replace('ori =', 'keywords = [1]\nori ='),
    /keywords is not a list/,
  ],
  ['an entry that is no table', withRest('').replace('ori =', 'entry = 1\nori ='), /entry is not a table/],
  ['scripts', withRest('[scripts]\nx = "rm -rf /"'), /has \[scripts\]/, 'scripts_not_stripped'],
  ['scripts without any', withRest('[scripts]'), /has \[scripts\]/, 'scripts_not_stripped'],
  ['scripts in a list', withRest('[[scripts]]'), /has \[scripts\]/, 'scripts_not_stripped'],
  ['dependencies that are no table', `dependencies = 1\n${withRest('')}`, /dependencies is not a table/],
  ['a dependency of another kind', withRest('[dependencies]\njson = "1.0.0"'), /neither @scope\/name nor/],
  [
    'a dependency with a wrong name',
    withRest('[dependencies]\n"@A/b" = "1.0.0"'),
    /not the name of a package/,
  ],
  ['a dependency that is a number', withRest('[dependencies]\n@a/b = 1'), /needs a version/],
  [
    'features that are no texts',
    withRest('[dependencies]\n@a/b = { version = "1.0.0", features = [1] }'),
    /not a list/,
  ],
  [
    'default-features of no kind',
    withRest('[dependencies]\n@a/b = { version = "1.0.0", default-features = 1 }'),
    /neither/,
  ],
  ['a module with a wrong name', withRest('[dependencies]\n"std.a b" = "1.0.0"'), /not a module/],
  ['features of a wrong name', withRest('[features]\n"a b" = []'), /not the name of a feature/],
  ['features of no list', withRest('[features]\na = "b"'), /not a list/],
  ['no TOML', 'x = = 1', /line 1: Invalid TOML/],
  ['a key twice', withRest('').replace('ori =', 'ori = "1.0.0"\nori ='), /line 5: .*redefine/],
  ['a key that is no key', withRest('[features]\n__proto__ = []'), /unsafe/],
  ...unpublishable,
];

function refusal(manifest: string | Buffer): RegistryError {
  try {
    readManifest(Buffer.from(manifest));
  } catch (error) {
    assert.ok(error instanceof RegistryError, String(error));
    return error;
  }
  return assert.fail('it was not refused');
}

for (const [what, manifest, message, code] of rows)
  test(`${what} is refused`, () => {
    const error = refusal(manifest);
    assert.match(error.message, message);
    assert.deepEqual([error.code, error.surfaceCode], ['invalid-manifest', code]);
  });

test('a version that is none is refused as such', () => {
  for (const version of ['1.2', '01.2.3', '1.2.3+b'])
    assert.equal(refusal(oriManifest({ name: '@acme/json', version })).code, 'invalid-version');
  assert.equal(read(oriManifest({ name: '@acme/json', version: '1.2.3-alpha' })).version, '1.2.3-alpha');
});

test('what is not UTF-8 is refused', () => {
  assert.match(refusal(Buffer.from([0x61, 0x3d, 0xff])).message, /not UTF-8/);
});

const MIB = 1024 * 1024;
const many = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

/** Each up to a MiB, which is all that a manifest may have. */
const bombs: Readonly<Record<string, string>> = {
  'names with dots': `a${'.a'.repeat(MIB / 2 - 5)} = 1`,
  'a table deep in tables': `[a${'.a'.repeat(MIB / 2 - 5)}]`,
  'lists in lists': `a = ${'['.repeat(MIB - 4)}`,
  'closed lists in lists': `a = ${'['.repeat(MIB / 2 - 4)}${']'.repeat(MIB / 2 - 4)}`,
  'tables in tables': `a = ${'{a='.repeat(MIB / 3 - 4)}`,
  'more keys than anybody writes': many(130_000, (i) => `a${i}=1`),
  'more modules than there are': many(100_000, (i) => `std.a${i}`),
  'a long list': `a = [${'1,'.repeat(MIB / 2 - 5)}]`,
  'a list of tables': `a = [${'{b=1},'.repeat(MIB / 6 - 5)}]`,
  'lists of tables': '[[a]]\n'.repeat(MIB / 6 - 1),
};
for (const [what, text] of Object.entries(bombs))
  test(`${what} are refused before anything is made of them`, () => {
    assert.match(refusal(text).message, /^the file (?:is nested more than 32|has more than 50000)/);
  });

test('32 levels are read, of whatever kind, and no more', () => {
  const nested = (levels: number): readonly string[] => [
    `a = ${'['.repeat(levels)}${']'.repeat(levels)}`,
    `a = ${'{a='.repeat(levels)}1${'}'.repeat(levels)}`,
    `[a${'.a'.repeat(levels - 1)}]`,
    `a${'.a'.repeat(levels - 1)} = 1`,
  ];
  for (const text of nested(32)) assert.equal(asToml(text), text);
  for (const text of nested(33))
    assert.match(refusal(text).message, /^the file is nested more than 32 levels/);
});

test('50,000 keys and values are read, and no more', () => {
  const list = (values: number): string => `a = [${'1,'.repeat(values - 2)}]`;
  assert.equal(asToml(list(50_000)), list(50_000));
  assert.match(refusal(list(50_001)).message, /^the file has more than 50000/);
});

test('texts without end do not take long to be refused', () => {
  for (const text of [
    ...[
      `a = "${'\\"'.repeat(MIB / 2 - 5)}`,
      `a = """${'""'.repeat(MIB / 2 - 5)}`,
      '#\n'.repeat(MIB / 2),
      '\n'.repeat(MIB),
    ],
    ...[
      `a = ${'1'.repeat(MIB - 4)}`,
      '='.repeat(MIB),
      `@${'a-'.repeat(MIB / 2 - 5)}/b = 1`,
      '@a/'.repeat(MIB / 3),
    ],
  ])
    assert.equal(refusal(text).code, 'invalid-manifest');
});
