import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RegistryError } from '../../core/errors.ts';
import { GuessLimits, type Guesser } from '../../core/guess-limits.ts';
import { aClock } from '../support/registry.ts';

const right = async (): Promise<boolean> => true;
const wrong = async (): Promise<boolean> => false;

function openLimits() {
  const clock = aClock(0);
  const limits = new GuessLimits(clock);
  const guess = (who: Partial<Guesser>, outcome = wrong): Promise<boolean | number> =>
    limits
      .attempt({ handle: 'ann', address: undefined, what: 'password', ...who }, outcome)
      .catch((error: unknown) => {
        if (error instanceof RegistryError && error.code === 'too-many-attempts')
          return error.retryAfterSeconds ?? 0;
        throw error;
      });
  return { clock, guess, limits };
}

async function times(count: number, run: (i: number) => Promise<unknown>): Promise<unknown[]> {
  const results = [];
  for (let i = 0; i < count; i += 1) results.push(await run(i));
  return results;
}

test('after five failures in a row each further one doubles the wait, up to a quarter of an hour', async () => {
  const { clock, guess } = openLimits();
  assert.deepEqual(await times(5, () => guess({})), Array(5).fill(false));
  const waits = await times(13, async () => {
    const wait = await guess({}, right);
    assert.ok(typeof wait === 'number');
    clock.time += wait * 1000 - 1;
    assert.equal(await guess({}, right), 1, 'a millisecond early');
    clock.time += 1;
    assert.equal(await guess({}), false);
    return wait;
  });
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
});

test('a success starts anew, and a try that is refused counts as none', async () => {
  const { clock, guess } = openLimits();
  await times(5, () => guess({}));
  assert.deepEqual(await times(50, () => guess({})), Array(50).fill(1));
  clock.time += 1000;
  assert.equal(await guess({}, right), true);
  assert.deepEqual(await times(5, () => guess({})), Array(5).fill(false));
  assert.equal(await guess({}), 1);
});

test('tries of the same moment count before their outcome is known', async () => {
  const { guess } = openLimits();
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => guess({})));
  assert.equal(outcomes.filter((outcome) => outcome === false).length, 5);
});

test('what could not be tried counts as nothing', async () => {
  const { guess } = openLimits();
  const fails = (): Promise<boolean> => Promise.reject(new Error('as a test'));
  await times(20, () => assert.rejects(guess({ address: '192.0.2.1' }, fails), /as a test/));
  assert.equal(await guess({ address: '192.0.2.1' }, right), true);
});

test('handles, and what is guessed of them, are counted apart', async () => {
  const { guess } = openLimits();
  await times(6, () => guess({}));
  assert.equal(await guess({ handle: 'bob' }, right), true);
  assert.equal(await guess({ what: 'code' }), false);
  assert.equal(await guess({}), 1);
});

test('an address has twenty failures, over all handles, and a success of its own is no new start', async () => {
  const { clock, guess } = openLimits();
  const from = (handle: string, outcome = wrong) => guess({ handle, address: '192.0.2.1' }, outcome);
  await times(19, (i) => from(`user-${i}`));
  assert.deepEqual(await times(5, () => from('own', right)), Array(5).fill(true));
  assert.equal(await from('user-19'), false);
  assert.equal(await from('own', right), 1);
  assert.equal(await guess({ handle: 'own', address: '192.0.2.2' }, right), true);
  clock.time += 1000;
  assert.equal(await from('own', right), true);
  assert.equal(await from('user-20'), false);
  assert.equal(await from('user-21'), 2);
});

test('an hour without a failure is a new start', async () => {
  const { clock, guess } = openLimits();
  await times(5, () => guess({}));
  clock.time += 3_599_999;
  assert.equal(await guess({}), false);
  assert.equal(await guess({}), 2);
  clock.time += 3_600_000;
  assert.deepEqual(await times(5, () => guess({})), Array(5).fill(false));
});

test('ten thousand handles are remembered, and the one that was tried longest ago is forgotten first', async () => {
  const { guess } = openLimits();
  await times(5, () => guess({ handle: 'first' }));
  await times(5, () => guess({ handle: 'second' }));
  await times(9_998, (i) => guess({ handle: `user-${i}` }));
  assert.equal(await guess({ handle: 'first' }), 1);
  await guess({ handle: 'one more' });
  assert.equal(await guess({ handle: 'first' }), 1, 'it was looked at since');
  assert.equal(await guess({ handle: 'second' }), false);
});
