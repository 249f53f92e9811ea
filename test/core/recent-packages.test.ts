import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentPackages } from '../../core/recent-packages.ts';
import { aPackage, fact } from '../support/registry.ts';

const ofSize = (releases: number) =>
  aPackage([fact.claimed(), ...Array.from({ length: releases }, (_, i) => fact.published(`1.${i}.0`))]);

test('packages are kept by how many releases they have, and the one used longest ago goes first', () => {
  const recent = new RecentPackages(10);
  const [a, b, c] = [ofSize(3), ofSize(3), ofSize(5)];
  recent.set('a', a);
  recent.set('b', b);
  recent.set('a', a);
  recent.set('c', c);
  assert.equal(recent.get('b'), undefined);
  assert.equal(recent.get('a'), a);
  assert.equal(recent.get('c'), c);
});

test('packages that are larger than all room are kept beside the others, the two that were used last', () => {
  const recent = new RecentPackages(10);
  const kept = (): string[] => ['a', 'b', 'x', 'y', 'z'].filter((key) => recent.get(key));
  recent.set('a', ofSize(2));
  recent.set('x', ofSize(50));
  recent.set('y', ofSize(60));
  recent.set('b', ofSize(6));
  assert.deepEqual(kept(), ['a', 'b', 'x', 'y']);
  recent.set('x', ofSize(51));
  recent.set('z', ofSize(40));
  assert.deepEqual(kept(), ['a', 'b', 'x', 'z']);
  // What was small has grown, and the other way round.
  recent.set('a', ofSize(10));
  recent.set('z', ofSize(1));
  assert.deepEqual(kept(), ['a', 'b', 'z']);
  recent.clear();
  assert.deepEqual(kept(), []);
});
