import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RegistryError } from '../../core/errors.ts';
import { decodeZon, isBareIdentifier, parseZon, type ZonValue } from '../../ecosystems/zig/zon.ts';

/** A value without its places. */
function plain(value: ZonValue): unknown {
  switch (value.kind) {
    case 'struct':
      return Object.fromEntries([...value.fields].map(([name, field]) => [name, plain(field)]));
    case 'tuple':
      return value.items.map(plain);
    case 'string':
      return value.text;
    case 'number':
      return value.value;
    case 'enum':
      return { enum: value.name };
    case 'boolean':
      return value.value;
    case 'other':
      return { other: value.what };
  }
}

const values: readonly [string, unknown][] = [
  ['.{}', {}],
  ['. { }', {}],
  ['.{ .a = 1 }', { a: 1n }],
  ['.{ .a = 1, .b = .{ .c = .d }, }', { a: 1n, b: { c: { enum: 'd' } } }],
  ['.{ .@"a-b" = true, .@"error" = false }', { 'a-b': true, error: false }],
  ['.{ .@"\\x61" = 1 }', { a: 1n }],
  ['.{ 1, "two", .three, }', [1n, 'two', { enum: 'three' }]],
  ['.{ .three }', [{ enum: 'three' }]],
  ['.{ .a, .b }', [{ enum: 'a' }, { enum: 'b' }]],
  ['.{ .{ .a = 1 }, .{} }', [{ a: 1n }, {}]],
  ['.@"any text"', { enum: 'any text' }],
  ['// first\n.{ // in\n.a // of\n= 1 //// four\n, } // last', { a: 1n }],
  ['\uFEFF.{\r\n\t.a = 1,\r\n}\r\n', { a: 1n }],
  ['.{ .url = "https://host/a//b" }', { url: 'https://host/a//b' }],
  ['""', ''],
  ['"\\n\\r\\t\\\\\\\'\\"\\x41\\u{1F600}\\u{00e9}"', '\n\r\t\\\'"A\u{1F600}\u{e9}'],
  ['"\\xc3\\xa9 \u00e9"', '\u00e9 \u00e9'],
  ['"\\xff"', { other: 'a string that is not UTF-8' }],
  ['0', 0n],
  ['1_000_000', 1_000_000n],
  ['0xd642dfa0_00000001', 0xd642dfa000000001n],
  ['0o17', 15n],
  ['0b1010', 10n],
  ['18446744073709551616', 18446744073709551616n],
  ['-7', -7n],
  ['- 7', -7n],
  ['1.5', { other: 'a number with a fraction' }],
  ['-1e-9', { other: 'a number with a fraction' }],
  ['0x1.8p+3', { other: 'a number with a fraction' }],
  ['null', { other: 'null' }],
  ['nan', { other: 'nan' }],
  ['inf', { other: 'inf' }],
  ['-inf', { other: '-inf' }],
  ["'a'", { other: 'a character' }],
  ["'\\''", { other: 'a character' }],
  ["'\\u{1F600}'", { other: 'a character' }],
  ["'\u{1F600}'", { other: 'a character' }],
  ['.{ .a =\n\\\\one // no comment "\n  \\\\two\n, .b = 1 }', { a: { other: 'a multiline string' }, b: 1n }],
  ['\\\\at the end', { other: 'a multiline string' }],
];

for (const [text, expected] of values)
  test(`${JSON.stringify(text)} is read`, () => assert.deepEqual(plain(parseZon(text)), expected));

const faults: readonly [string, RegExp][] = [
  ['', /:1:1: expected a value, found the end/],
  ['.', /:1:2: expected a name, found the end/],
  ['.{', /:1:3: expected a value, found the end/],
  ['.{ .a = }', /:1:9: expected a value, found "}"/],
  ['.{\n  .a = 1\n  .b = 2\n}', /:3:3: expected ',' or '}', found "."/],
  ['.{ .a = 1, 2 }', /:1:12: expected '\.'/],
  ['.{ 1, .a = 2 }', /:1:10: expected ',' or '}', found "="/],
  ['.{ .a = 1 } x', /:1:13: expected the end, found "x"/],
  ['.{ ,}', /:1:4: expected a value/],
  ['.{ .a = 1, .a = 2 }', /:1:12: the field "a" is there twice/],
  ['.{ .a = 1, .@"a" = 2 }', /the field "a" is there twice/],
  ['.{ .error = 1 }', /:1:5: 'error' is a word of Zig's: as a name it is written @"error"/],
  ['.{ .1 = 1 }', /:1:5: expected a name/],
  ['.@""', /a name must be UTF-8, not empty/],
  ['hello', /:1:1: expected a value, found "hello": texts are quoted/],
  ['{}', /:1:1: expected a value, found "{"/],
  ['{"a":1}', /expected a value/],
  ['&.{}', /expected a value/],
  ['"abc', /:1:1: a text without its closing mark/],
  ['"a\nb"', /:1:1: a text without its closing mark/],
  ['"a\tb"', /:1:3: a control character in a text: write \\t/],
  ['"\\q"', /:1:2: "\\\\q" is not an escape/],
  ['"\\x4"', /\\x is followed by two hexadecimal digits/],
  ['"\\u{}"', /\\u is followed by/],
  ['"\\u{d800}"', /\\u is followed by/],
  ['"\\u{110000}"', /\\u is followed by/],
  ['"\\u0041"', /\\u is followed by/],
  ["''", /a character between single quotes must be one/],
  ["'ab'", /a character between single quotes must be one/],
  ['007', /"007" is not a number/],
  ['0X1', /is not a number/],
  ['1__0', /is not a number/],
  ['1_', /is not a number/],
  ['0x', /is not a number/],
  ['1.', /is not a number/],
  ['12abc', /is not a number/],
  ['--1', /expected a number/],
  ['-info', /expected a number/],
  ['/// doc\n.{}', /:1:1: Zig takes no documentation comments/],
  ['//! doc\n.{}', /:1:1: Zig takes no documentation comments/],
  ['// a\u0007\n.{}', /a control character in a comment/],
  ['// a\rb\n.{}', /a control character in a comment/],
  ['.{}\0', /expected the end/],
  ['\\one', /expected a value/],
];

for (const [text, message] of faults)
  test(`${JSON.stringify(text)} is refused, with its place`, () => {
    assert.throws(() => parseZon(text), { name: 'RegistryError', code: 'invalid-manifest', message });
  });

test('a hostile manifest is refused or read, in time and without its stack', () => {
  for (const levels of [129, 10_000, 5_000_000])
    assert.throws(() => parseZon('.{'.repeat(levels)), /nested deeper than 128 levels/);
  assert.throws(() => parseZon('.{.a='.repeat(2_000_000)), /nested deeper than 128 levels/);
  assert.doesNotThrow(() => parseZon('.{'.repeat(128) + '}'.repeat(128)));
  assert.throws(() => parseZon(`.{${'1,'.repeat(5_000_000)}}`), /more than 200000 values/);
  assert.throws(() => parseZon('9'.repeat(10_000_000)), /a number of more than 200 characters/);
  assert.throws(() => parseZon('-'.repeat(10_000_000)), /expected a number/);
  assert.throws(() => parseZon(`"${'\\x41'.repeat(2_000_000)}`), /without its closing mark/);
  assert.throws(() => parseZon(`"${'\\u{'.repeat(3_000_000)}`), /\\u is followed by/);
  assert.throws(() => parseZon(' '.repeat(10 * 1024 ** 2 + 1)), /longer than 10485760 bytes/);
  assert.throws(() => parseZon('\u00e9'.repeat(6_000_000)), /longer than 10485760 bytes/);
  assert.throws(() => parseZon('\n'.repeat(10_000_000)), /build\.zig\.zon:10000001:1: expected a value/);
  assert.deepEqual(plain(parseZon(`"${'a'.repeat(10_000_000)}"`)), 'a'.repeat(10_000_000));
  const long = `${'\\\\a\n'.repeat(2_000_000)}`;
  assert.deepEqual(plain(parseZon(long)), { other: 'a multiline string' });
});

test('bytes that are not UTF-8 are no manifest', () => {
  assert.equal(decodeZon(Buffer.from('.{ "\u00e9" }')), '.{ "\u00e9" }');
  for (const bytes of ['ff', 'c3', 'c0af', 'eda080'])
    assert.throws(() => decodeZon(Buffer.from(bytes, 'hex')), {
      code: 'invalid-manifest',
      message: /not UTF-8/,
    });
});

test('a name is bare unless it is empty, has other characters, or is a word of Zig', () => {
  for (const name of ['a', '_', 'my_lib', 'A1', 'true', 'u8']) assert.ok(isBareIdentifier(name), name);
  for (const name of ['', '1a', 'my-lib', 'test', 'error', '\u00e9', 'a b', 'a\n'])
    assert.equal(isBareIdentifier(name), false, name);
});

/** Writes a value as ZON, with the quoting that is always right. */
function write(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return `.{${value.map((item) => `${write(item)},`).join(' ')}}`;
  if (typeof value === 'object' && value !== null)
    return `.{${Object.entries(value)
      .map(([name, field]) => ` .@${quoted(name)} = ${write(field)} // "\n`)
      .join(',')}}`;
  return String(value);
}

function quoted(text: string): string {
  const escaped = [...text].map((letter) => {
    const code = letter.codePointAt(0) ?? 0;
    return /[ -!#-[\]-~]/.test(letter) || code > 0x7f ? letter : `\\u{${code.toString(16)}}`;
  });
  return `"${escaped.join('')}"`;
}

test('what is written as ZON is read as it was', () => {
  const names = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 });
  const texts = fc.string({ unit: 'grapheme', maxLength: 12 });
  const { any } = fc.letrec((tie) => ({
    any: fc.oneof({ maxDepth: 4 }, texts, fc.boolean(), fc.bigInt(), tie('items'), tie('fields')),
    items: fc.array(tie('any'), { minLength: 1, maxLength: 4 }),
    fields: fc.dictionary(names, tie('any'), { maxKeys: 4, noNullPrototype: true }),
  }));
  fc.assert(fc.property(any, (value) => assert.deepEqual(plain(parseZon(write(value))), value)));
});

test('no text makes the reader fail but with a refusal', () => {
  const marks = fc.constantFrom(...'.{}=,"\\\'@/-+_ \n0x1ae', '.a', '@"', '\\\\', '//', '.{ .a = ', '\u00e9');
  fc.assert(
    fc.property(fc.array(marks, { maxLength: 30 }), (parts) => {
      try {
        parseZon(parts.join(''));
      } catch (error) {
        assert.ok(error instanceof RegistryError);
      }
    }),
    { numRuns: 500 },
  );
});
