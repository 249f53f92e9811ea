import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeProtectedHeader } from 'jose';
import { RotatingKeys } from '../../core/rotating-keys.ts';
import { Fault, MemoryAccessKeys } from '../../stores/memory.ts';
import { openTokenBench } from '../support/access-tokens.ts';
import { aClock } from '../support/registry.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function openKeys(options: { readonly rotateAfterMs?: number } = {}) {
  const clock = aClock(0);
  const keys = new MemoryAccessKeys();
  const troubles: unknown[] = [];
  const onTrouble = (error: unknown): number => troubles.push(error);
  const rotating = new RotatingKeys({ keys, clock, onTrouble, ...options });
  const signing = async (): Promise<string> => (await rotating.signing()).id;
  const ids = (): string[] => rotating.verifying().map(({ id }) => id);
  return { clock, keys, rotating, troubles, signing, ids };
}

test('a key signs for a day, and the next one takes over', async () => {
  const { clock, signing, ids } = openKeys();
  assert.deepEqual(ids(), [], 'none is made before it is needed');
  const first = await signing();
  clock.time += DAY_MS - 1;
  assert.equal(await signing(), first);
  clock.time += 1;
  const second = await signing();
  assert.notEqual(second, first);
  assert.deepEqual(ids(), [first, second]);
});

test('how long a key signs can be said', async () => {
  const { clock, signing } = openKeys({ rotateAfterMs: 5000 });
  const first = await signing();
  clock.time += 4999;
  assert.equal(await signing(), first);
  clock.time += 1;
  assert.notEqual(await signing(), first);
});

test('requests that come together make one key', async () => {
  const { clock, keys, signing } = openKeys();
  const together = (): Promise<string[]> => Promise.all(Array.from({ length: 20 }, signing));
  assert.equal(new Set(await together()).size, 1);
  clock.time += DAY_MS;
  assert.equal(new Set(await together()).size, 1);
  assert.equal(keys.all.length, 2);
});

test('a key is kept for as long as the longest token may be good, and then it is gone', async () => {
  const { clock, keys, signing, ids } = openKeys();
  const first = await signing();
  clock.time += DAY_MS;
  const second = await signing();
  clock.time += HOUR_MS + 120_000 - 1;
  await signing();
  assert.deepEqual(ids(), [first, second]);
  clock.time += 1;
  assert.deepEqual(ids(), [second], 'it verifies no more');
  assert.equal(keys.all.length, 2, 'and lies there until somebody comes');
  assert.equal(await signing(), second);
  assert.deepEqual(
    keys.all.map(({ id }) => id),
    [second],
  );
});

test('a token that was signed before a rotation is good until its end', async () => {
  const bench = openTokenBench();
  const tokens = bench.again({ keys: bench.keys, lifetimeSeconds: 3600 });
  const made = { actor: undefined, audience: 'here', access: [], carriesScopes: false };
  await tokens.issue(made);
  bench.clock.time += DAY_MS - 1000;
  const { token } = await tokens.issue(made);
  bench.clock.time += 1000;
  const { token: next } = await tokens.issue(made);
  assert.notEqual(decodeProtectedHeader(next).kid, decodeProtectedHeader(token).kid);
  const kids = (): unknown[] => tokens.publicKeys().keys.map(({ kid }) => kid);
  bench.clock.time += 3600_000 + 58_000;
  for (const one of [tokens, bench.again()]) assert.equal(typeof (await one.verify(token, 'here')), 'object');
  bench.clock.time += 1000;
  for (const one of [tokens, bench.again()]) assert.equal(await one.verify(token, 'here'), 'expired');
  assert.deepEqual(kids(), [decodeProtectedHeader(token).kid, decodeProtectedHeader(next).kid]);
  bench.clock.time += 120_000;
  assert.deepEqual(kids(), [decodeProtectedHeader(next).kid]);
  for (const one of [tokens, bench.again()]) assert.equal(await one.verify(token, 'here'), 'invalid');
});

test('a key that nobody needed for a month signs nothing more', async () => {
  const { clock, signing, ids } = openKeys();
  const first = await signing();
  clock.time += 30 * DAY_MS;
  const second = await signing();
  assert.notEqual(second, first);
  assert.deepEqual(ids(), [first, second], 'a token of a moment ago may be under way');
});

test('a disk that refuses a new key is told of, once a minute, and the old key signs on', async () => {
  const { clock, keys, signing, troubles } = openKeys();
  const first = await signing();
  clock.time += DAY_MS;
  keys.faults.failAt(1);
  assert.deepEqual(await Promise.all([signing(), signing()]), [first, first]);
  assert.equal(await signing(), first, 'nothing is tried');
  assert.deepEqual(
    troubles.map((error) => error instanceof Fault),
    [true],
  );
  clock.time += 59_999;
  assert.equal(await signing(), first);
  clock.time += 1;
  const second = await signing();
  assert.notEqual(second, first);
  assert.equal(troubles.length, 1);
});

test('a key that could not be removed signs and verifies nothing, and is removed later', async () => {
  const { clock, keys, signing, ids, troubles } = openKeys();
  await signing();
  clock.time += DAY_MS;
  const second = await signing();
  clock.time += 2 * HOUR_MS;
  keys.faults.failAt(1);
  assert.equal(await signing(), second);
  assert.deepEqual([troubles.length, keys.all.length, ids()], [1, 2, [second]]);
  clock.time += 60_000;
  await signing();
  assert.equal(keys.all.length, 1);
});

test('without any key the trouble is the caller’s', async () => {
  const { keys, signing, troubles } = openKeys();
  keys.faults.failAt(1);
  await assert.rejects(signing(), Fault);
  assert.deepEqual(troubles, []);
  assert.match(await signing(), /^[0-9a-f]{16}$/, 'and the next one tries again');
});

test('a key that was made and reported lost is there after a restart', async () => {
  const { clock, keys, signing } = openKeys();
  const first = await signing();
  clock.time += DAY_MS;
  keys.faults.failAt(1, true);
  assert.equal(await signing(), first);
  const again = new RotatingKeys({ keys: new MemoryAccessKeys(keys), clock });
  assert.notEqual((await again.signing()).id, first);
  assert.equal(again.verifying().length, 2);
});

test('a key that was made while the clock was wrong is not used once it is right', async () => {
  const { clock, keys, signing, ids } = openKeys();
  const first = await signing();
  const now = clock.time;
  clock.time += 365 * DAY_MS;
  const ofNextYear = await signing();
  clock.time = now + HOUR_MS;
  assert.deepEqual(ids(), [first]);
  assert.equal(await signing(), first);
  assert.deepEqual(
    keys.all.map(({ id }) => id),
    [first],
  );
  clock.time = now + 2 * DAY_MS;
  assert.ok(![first, ofNextYear].includes(await signing()));
});

test('a clock that goes back by a little changes no key', async () => {
  const { clock, signing } = openKeys();
  const first = await signing();
  clock.time -= 60_000;
  assert.equal(await signing(), first);
  clock.time -= 1;
  assert.notEqual(await signing(), first);
});
