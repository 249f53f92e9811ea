import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DigestSet } from '../../core/digest-set.ts';
import { asDigest, digestOf } from '../../core/digest.ts';

test('a set of very many digests has those that were added, and no others', () => {
  const set = new DigestSet();
  const digests = Array.from({ length: 20_000 }, (_, i) =>
    digestOf(`${i}`, i % 3 === 0 ? 'sha512' : 'sha256'),
  );
  const [added, others] = [digests.slice(0, 15_000), digests.slice(15_000)];
  for (const digest of added) assert.equal(set.add(digest), true);
  assert.equal(set.size, 15_000);
  assert.ok(added.every((digest) => set.has(digest)));
  assert.ok(!others.some((digest) => set.has(digest)));
  for (const digest of added) assert.equal(set.add(digest), false);
  assert.equal(set.size, 15_000);
});

test('digests of zeros are digests as well', () => {
  const [zeros, tail] = [asDigest(`sha256:${'0'.repeat(64)}`), asDigest(`sha256:00000000${'f'.repeat(56)}`)];
  const set = new DigestSet();
  assert.equal(set.has(zeros), false);
  assert.equal(set.add(zeros), true);
  assert.equal(set.has(zeros), true);
  assert.equal(set.has(tail), false);
  assert.equal(set.add(tail), true);
  assert.equal(set.size, 2);
});

test('digests that fall into one place of the table stay apart', () => {
  const set = new DigestSet();
  const alike = Array.from({ length: 3_000 }, (_, i) =>
    asDigest(`sha256:${(i + 1).toString(16).padStart(8, '0')}000000ff${'0'.repeat(48)}`),
  );
  for (const digest of alike) assert.equal(set.add(digest), true);
  assert.ok(alike.every((digest) => set.has(digest)));
  assert.equal(set.has(asDigest(`sha256:ffffffff000000ff${'0'.repeat(48)}`)), false);
});
