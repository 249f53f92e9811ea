/** What every `AccessKeys` promises, whatever keeps it. */
import assert from 'node:assert/strict';
import { sign, verify } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import type { AccessKey, AccessKeys } from '../../core/ports.ts';

export interface AccessKeysHarness {
  readonly keys: AccessKeys;
  /** The same keys as the next process finds them. */
  again(): AccessKeys;
}

const message = Buffer.from('a message');

/** What two processes have to agree on. */
function shown({ all }: AccessKeys): unknown[] {
  return all.map(({ id, madeAtMs, publicKey }) => [id, madeAtMs, publicKey.export({ format: 'jwk' }).x]);
}

function assertPair(one: AccessKey, other: AccessKey = one): void {
  assert.equal(one.privateKey.asymmetricKeyType, 'ed25519');
  assert.ok(verify(null, message, other.publicKey, sign(null, message, one.privateKey)), one.id);
}

export function accessKeysContract(kind: string, open: (t: TestContext) => Promise<AccessKeysHarness>): void {
  test(`${kind}: there is no key until one is made, and then the next process has it`, async (t) => {
    const { keys, again } = await open(t);
    assert.deepEqual(keys.all, []);
    assert.deepEqual(again().all, []);
    const made = await keys.create(1_767_323_045_678);
    assert.match(made.id, /^[0-9a-f]{16}$/);
    assert.equal(made.madeAtMs, 1_767_323_045_678);
    assert.deepEqual(shown(again()), shown(keys));
    const [found] = again().all;
    assert.ok(found);
    assertPair(made);
    assertPair(made, found);
    assertPair(found, made);
  });

  test(`${kind}: keys are in the order in which their clock made them, and no two are the same`, async (t) => {
    const { keys, again } = await open(t);
    // As texts these would be in another order.
    for (const at of [1000, 999, 20_000, 1000]) await keys.create(at);
    for (const one of [keys, again()]) {
      assert.deepEqual(
        one.all.map(({ madeAtMs }) => madeAtMs),
        [999, 1000, 1000, 20_000],
      );
      assert.equal(new Set(one.all.map(({ id }) => id)).size, 4);
    }
    const [first, second] = keys.all;
    assert.ok(first && second);
    assert.ok(!verify(null, message, second.publicKey, sign(null, message, first.privateKey)));
  });

  test(`${kind}: a key that is removed is gone for good, and to remove it again is fine`, async (t) => {
    const { keys, again } = await open(t);
    const [gone, kept] = [await keys.create(1), await keys.create(2)];
    const before = keys.all;
    for (let i = 0; i < 2; i += 1) await keys.remove(gone.id);
    await keys.remove('f'.repeat(16));
    for (const one of [keys, again()])
      assert.deepEqual(
        one.all.map(({ id }) => id),
        [kept.id],
      );
    assert.equal(before.length, 2, 'who looks at the list sees it as it was');
  });
}
