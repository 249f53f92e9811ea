import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, type Json } from '../../core/canonical-json.ts';
import { anyJson, anyJsonObject } from '../support/schema-arbitrary.ts';

test('strings are written as in RFC 8785, section 3.2.2', () => {
  const value = { string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/', literals: [null, true, false] };
  assert.equal(
    canonicalJson(value),
    '{"literals":[null,true,false],"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test('keys are sorted by UTF-16 code units, as in RFC 8785, section 3.2.3', () => {
  const value = {
    '\u20ac': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '\ud83d\ude00': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    '\u00f6': 'Latin Small Letter O With Diaeresis',
  };
  assert.deepEqual(canonicalJson(value).match(/[A-Z][A-Za-z: ]+(?=")/g), [
    'Carriage Return',
    'One',
    'Control',
    'Latin Small Letter O With Diaeresis',
    'Euro Sign',
    'Emoji: Grinning Face',
    'Hebrew Letter Dalet With Dagesh',
  ]);
});

test('numbers are integers that every language writes the same', () => {
  assert.equal(canonicalJson([0, -0, -1, Number.MAX_SAFE_INTEGER]), '[0,0,-1,9007199254740991]');
  for (const wrong of [0.5, 1e21, Number.MAX_SAFE_INTEGER + 1, NaN, Infinity, -Infinity])
    assert.throws(() => canonicalJson({ wrong }), TypeError, String(wrong));
});

test('what JSON does not have is refused, and not left out', () => {
  for (const wrong of [undefined, () => 1, Symbol('x'), 1n])
    assert.throws(() => canonicalJson(wrong), TypeError);
  assert.throws(() => canonicalJson([undefined]), TypeError);
  // As JSON.stringify has it: an optional field that is absent.
  assert.equal(canonicalJson({ a: undefined, b: 1 }), '{"b":1}');
});

test('lone surrogates are refused, in values and in keys', () => {
  for (const lone of ['\ud800', 'a\udc00b', '\udc00\ud800']) {
    assert.throws(() => canonicalJson(lone), TypeError);
    assert.throws(() => canonicalJson({ [lone]: 1 }), TypeError);
  }
  assert.equal(canonicalJson('\ud83d\ude00'), '"\ud83d\ude00"');
});

test('parsing gives the value back, and writing it again the same text', () => {
  fc.assert(
    fc.property(anyJson, (value) => {
      const text = canonicalJson(value);
      assert.deepEqual(JSON.parse(text), value);
      assert.equal(canonicalJson(JSON.parse(text)), text);
      assert.doesNotMatch(text.replaceAll(/"(?:[^"\\]|\\.)*"/g, ''), /\s/);
    }),
    { numRuns: 300 },
  );
});

test('the order of keys makes no difference, at any depth', () => {
  const reversed = (value: Json): Json => {
    if (Array.isArray(value)) return (value as readonly Json[]).map(reversed);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .toReversed()
        .map(([key, inner]) => [key, reversed(inner)]),
    );
  };
  fc.assert(
    fc.property(anyJsonObject, (value) => assert.equal(canonicalJson(reversed(value)), canonicalJson(value))),
    { numRuns: 300 },
  );
});
