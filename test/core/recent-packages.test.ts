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

test('a package that is larger than all room is kept alone', () => {
  const recent = new RecentPackages(10);
  recent.set('a', ofSize(2));
  const large = ofSize(50);
  recent.set('large', large);
  assert.equal(recent.get('a'), undefined);
  assert.equal(recent.get('large'), large);
  recent.set('b', ofSize(2));
  assert.equal(recent.get('large'), undefined);
  recent.set('b', ofSize(9));
  assert.notEqual(recent.get('b'), undefined);
  recent.clear();
  assert.equal(recent.get('b'), undefined);
});
