/** Names and versions of Ori packages (contract, section 2 and test 1 and 2 of section 16). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RegistryError } from '../../core/errors.ts';
import {
  checkNewName,
  compareVersions,
  intervalsIn,
  isVersion,
  isWithin,
  rules,
} from '../../ecosystems/ori/names.ts';

function refusalOf(name: string): string | undefined {
  try {
    checkNewName(name);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof RegistryError && error.code === 'invalid-name');
    return error.surfaceCode ?? 'invalid_name';
  }
}

const long = (length: number): string => `@acme/${'a'.repeat(length - 6)}`;

const rows: readonly (readonly [name: string, refusal: string | undefined])[] = [
  ['@acme/json', undefined],
  ['@a/b', undefined],
  ['@0/1', undefined],
  ['@a-b-c/d-e', undefined],
  [long(64), undefined],
  [long(65), 'invalid_name'],
  ['@testing/tests-of-mine', undefined],
  ['@acme/mystd', undefined],
  ['acme/json', 'invalid_name'],
  ['@acme', 'invalid_name'],
  ['@acme/', 'invalid_name'],
  ['@/json', 'invalid_name'],
  ['@acme/json/x', 'invalid_name'],
  ['@@acme/json', 'invalid_name'],
  ['@Acme/json', 'invalid_name'],
  ['@acme/Json', 'invalid_name'],
  ['@acme/js_on', 'invalid_name'],
  ['@acme/js.on', 'invalid_name'],
  ['@-a/json', 'invalid_name'],
  ['@acme/-a', 'invalid_name'],
  ['@acme/a-', 'invalid_name'],
  ['@acme/a--b', 'invalid_name'],
  ['%40acme/json', 'invalid_name'],
  ['@acme/json ', 'invalid_name'],
  ['@acme/jsön', 'invalid_name'],
  ['', 'invalid_name'],
  ...[
    'test',
    'tests',
    'example',
    'examples',
    'internal',
    'private',
    'temp',
    'tmp',
    'build',
    'dist',
    'out',
  ].flatMap((word): [string, string][] => [
    [`@${word}/x`, 'reserved_name'],
    [`@x/${word}`, 'reserved_name'],
  ]),
  ...['std', 'std-x', 'stdio'].flatMap((word): [string, string][] => [
    [`@${word}/y`, 'reserved_name'],
    [`@x/${word}`, 'reserved_name'],
  ]),
];

for (const [name, refusal] of rows)
  test(`${JSON.stringify(name.slice(0, 40))} of ${name.length} characters: ${refusal ?? 'a name'}`, () => {
    assert.equal(refusalOf(name), refusal);
    assert.equal(rules.isName?.(name), refusal === undefined);
  });

test('a scope is what is before the slash, and can be claimed as such', () => {
  assert.equal(rules.namespaceOf?.('@acme/json'), '@acme');
  for (const [text, is] of [
    ['@acme', true],
    ['acme', false],
    ['@acme/json', false],
    ['@std', false],
    ['@tmp', false],
    ['@', false],
  ] as const)
    assert.equal(rules.isNamespace?.(text), is, text);
});

test('a version is exact, and has no build metadata', () => {
  for (const good of ['1.2.3', '0.0.0', '1.2.3-alpha', '1.0.0-rc.1', '1.0.0-0a', '10.20.30'])
    assert.ok(isVersion(good), good);
  for (const bad of [
    ...['1.2', '1', '01.2.3', '1.02.3', '1.2.3+b', '1.2.3-a+b', 'v1.2.3', '1.2.3-', '1.2.3-01', '1.2.3-a..b'],
    ...[
      '^1.2.3',
      '1.2.x',
      '',
      ' 1.2.3',
      '1.2.3 ',
      `1.0.${'9'.repeat(20)}`,
      `1.0.0-${'a'.repeat(200)}`,
      '1.2.3.4',
    ],
  ])
    assert.ok(!isVersion(bad), bad);
});

test('versions are in the order of semantic versions', () => {
  const sorted = ['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-beta', '1.0.0', '1.2.0', '1.10.0', '2.0.0'];
  assert.deepEqual(sorted.toReversed().sort(compareVersions), sorted);
});

test('ranges of advisories are read as intervals, and nothing else is', () => {
  assert.deepEqual(intervalsIn('<3.0.3'), [{ fixed: '3.0.3' }]);
  assert.deepEqual(intervalsIn('>=1.0.0  <=1.4.2 || >=2.0.0'), [
    { introduced: '1.0.0', lastAffected: '1.4.2' },
    { introduced: '2.0.0' },
  ]);
  for (const text of [
    '',
    '*',
    '^1.0.0',
    '>1.0.0',
    '=1.0.0',
    '1.0.0',
    '<1',
    '<1.0.0 <2.0.0',
    '<1.0.0 <=2.0.0',
    '<1.0.0 ||',
  ])
    assert.equal(intervalsIn(text), undefined, text);
  const interval = { introduced: '1.0.0', fixed: '2.0.0' };
  for (const [version, is] of [
    ['0.9.9', false],
    ['1.0.0-rc.1', false],
    ['1.0.0', true],
    ['2.0.0-rc.1', true],
    ['2.0.0', false],
  ] as const)
    assert.equal(isWithin(version, interval), is, version);
  assert.ok(isWithin('1.4.2', { lastAffected: '1.4.2' }));
  assert.ok(!isWithin('1.4.3', { lastAffected: '1.4.2' }));
});
