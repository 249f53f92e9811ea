import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mapDifference } from '../../core/map-difference.ts';

const entries = fc.uniqueArray(fc.tuple(fc.constantFrom(...'abcdefgh'), fc.nat(2)), {
  selector: ([key]) => key,
});

test('what changed between two maps is every key whose value is another, is new or is gone', () => {
  fc.assert(
    fc.property(entries, entries, (some, others) => {
      const [before, after] = [new Map(some), new Map(others)];
      const isChanged = (key: string): boolean => before.get(key) !== after.get(key);
      const found = mapDifference(before, after);
      assert.deepEqual(
        { ...found, before: [...found.before].sort() },
        { before: [...before.keys()].filter(isChanged).sort(), after: [...after.keys()].filter(isChanged) },
      );
    }),
  );
});

test('between a map and itself nothing changed', () => {
  const map = new Map([['a', 1]]);
  assert.deepEqual(mapDifference(map, map), { before: [], after: [] });
});
