/** Several generators on one site in a bucket: the end state is that of one, whoever is slow, dead or late. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Generator } from '../../generator/generator.ts';
import { openBucketWorld, textsOf, type BucketWorld } from '../support/bucket-world.ts';
import { applyAll, assertNothingDangles, steps, x07Alphabet } from '../support/histories.ts';
import { requestsOf } from '../support/s3-faults.ts';
import { allSurfaces } from '../../surfaces/index.ts';

/** Believes that nobody takes over, however long it is slow: as a process does that stood still. */
const unsuspecting = { leaseMs: 3_600_000, pollMs: 20 };
/** Takes others for dead soon. */
const impatient = { leaseMs: 1_500, pollMs: 20 };

async function assertExact({ files, expected }: BucketWorld): Promise<void> {
  assert.deepEqual(differencesOf(textsOf(files()), textsOf(await expected())), {});
}

/** Whole sites are too long to read. */
function differencesOf(
  found: Record<string, string>,
  wanted: Record<string, string>,
): Record<string, string[]> {
  const paths = new Set([...Object.keys(found), ...Object.keys(wanted)]);
  return Object.fromEntries(
    [...paths]
      .filter((path) => found[path] !== wanted[path])
      .map((path) => [path, [found[path], wanted[path]].map((text) => text?.slice(0, 300) ?? 'nothing')]),
  );
}

async function follow(generator: Generator): Promise<void> {
  await generator.update();
  await generator.updateRoots();
}

const about = { ecosystem: 'x07', name: 'foo', version: '1.0.0' } as const;

/** A package is there; its yank is half published by a process that stands still before the entry of the index. */
async function haltedYank(t: TestContext): Promise<{
  readonly of: BucketWorld;
  readonly late: Promise<void>;
  readonly finish: () => Promise<number>;
  readonly slow: Generator;
}> {
  const of = await openBucketWorld(t, { surfaces: allSurfaces });
  const { world, s3 } = of;
  await world.publish('foo', '1.0.0');
  await follow(of.process());
  const slow = of.process(unsuspecting);
  await slow.update();
  await world.execute({ kind: 'yank', ...about });
  const held = s3.faults.holdOnce(requestsOf('PutObject', 'index/3/f/foo'));
  const late = slow.update().then(() => undefined);
  late.catch(() => undefined);
  const { finish } = await held;
  return { of, late, finish, slow };
}

test('a dead claimer’s step is inherited, and derived again', async (t) => {
  const { of } = await haltedYank(t);
  await follow(of.process(impatient));
  await assertExact(of);
});

test('a yank that is written late does not win over the unyank that others have published since', async (t) => {
  const { of, late, finish } = await haltedYank(t);
  const other = of.process(impatient);
  await follow(other);
  await of.world.execute({ kind: 'unyank', ...about });
  await follow(other);
  await assertExact(of);
  // The entry has the bytes again that the late write expects: no condition can tell.
  assert.equal(await finish(), 200);
  assert.notDeepEqual(textsOf(of.files()), textsOf(await of.expected()));
  // Its process finds out that another has the claim, and puts right what it wrote.
  await late;
  await assertExact(of);
});

test('and where its process dies right after it, the one who inherited the step puts it right some time later', async (t) => {
  const { of, finish } = await haltedYank(t);
  const other = of.process(impatient);
  await follow(other);
  await of.world.execute({ kind: 'unyank', ...about });
  await follow(other);
  assert.equal(await finish(), 200);
  const next = of.process(impatient);
  await next.settleDoubts(0);
  assert.notDeepEqual(textsOf(of.files()), textsOf(await of.expected()), 'it is not due yet');
  await next.settleDoubts(Infinity);
  await assertExact(of);
  of.s3.requests.length = 0;
  await next.settleDoubts(Infinity);
  assert.deepEqual(
    of.s3.requests.filter(({ operation }) => operation === 'PutObject'),
    [],
    'once',
  );
});

test('an older process never writes over what is newer', async (t) => {
  const { of, late, finish } = await haltedYank(t);
  const other = of.process(impatient);
  await follow(other);
  await of.world.publish('foo', '1.1.0');
  await follow(other);
  const before = textsOf(of.files());
  assert.equal(await finish(), 412);
  assert.deepEqual(textsOf(of.files()), before);
  await late;
  await assertExact(of);
});

test('what was taken down does not come back by a late copy', async (t) => {
  const of = await openBucketWorld(t, { surfaces: allSurfaces });
  const { world, s3 } = of;
  await follow(of.process());
  const slow = of.process(unsuspecting);
  await slow.update();
  await world.publish('foo', '1.0.0');
  const held = s3.faults.holdOnce(requestsOf('CopyObject', 'download'));
  const late = slow.update();
  const { finish } = await held;
  const other = of.process(impatient);
  await follow(other);
  await world.execute({ kind: 'withdraw', ...about, reason: 'it leaks' });
  await follow(other);
  await assertExact(of);
  assert.equal(await finish(), 200);
  await late;
  await assertExact(of);
});

test('what was asked for twice, since no answer came, is looked at again: the first may be done late', async (t) => {
  const of = await openBucketWorld(t, { surfaces: allSurfaces });
  const { world, s3 } = of;
  const generator = of.process(undefined, { attempts: 3, idleMs: 100 });
  await follow(generator);
  await world.publish('foo', '1.0.0');
  const held = s3.faults.holdOnce(requestsOf('CopyObject', 'download'));
  await generator.update();
  const { finish } = await held;
  await world.execute({ kind: 'withdraw', ...about, reason: 'it leaks' });
  await follow(generator);
  await assertExact(of);
  await finish();
  assert.notDeepEqual(textsOf(of.files()), textsOf(await of.expected()));
  await of.process().settleDoubts(Infinity);
  await assertExact(of);
});

test('where no surface shows what happened, its roots cost a record and no claim', async (t) => {
  const { world, s3, process } = await openBucketWorld(t, { surfaces: allSurfaces });
  await world.publish('foo', '1.0.0');
  const generator = process();
  await follow(generator);
  await world.execute({ kind: 'claim', ecosystem: 'npm', name: 'scope', of: 'namespace', owner: 'ann' });
  await generator.update();
  s3.requests.length = 0;
  assert.equal(await generator.updateRoots(), true);
  assert.deepEqual(
    s3.requests.map(({ operation, key }) => [operation, key]),
    [['PutObject', 'site/=roots.json']],
  );
});

test('whole sites that are made at the same time, and steps beside them, end as one', async (t) => {
  const of = await openBucketWorld(t, { surfaces: allSurfaces });
  await of.world.publish('foo', '1.0.0');
  const all = [of.process(), of.process(), of.process()];
  await Promise.all(all.map((generator) => follow(generator)));
  await of.world.publish('bar', '1.0.0');
  await Promise.all([all[0]?.rebuild(), ...all.slice(1).map((generator) => follow(generator))]);
  for (const generator of all) await follow(generator);
  await assertExact(of);
});

test('generators that run side by side, as an API and two cron jobs do, end as one; readers never find a dangling name', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps(x07Alphabet, { min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
      async (histories) => {
        const of = await openBucketWorld(t, { surfaces: allSurfaces });
        const { world, s3, process, files } = of;
        const seen: unknown[] = [];
        s3.faults.onRequest = () => {
          try {
            assertNothingDangles({ site: { files: files() } as typeof world.site, blobs: world.blobs });
          } catch (error) {
            seen.push(error);
          }
          return undefined;
        };
        const all = [process(), process(), process()];
        for (const history of histories) {
          await applyAll(world, history);
          await Promise.all(all.map((generator) => follow(generator)));
        }
        for (const generator of all) await follow(generator);
        await assertExact(of);
        await s3.close();
        assert.deepEqual(seen, []);
      },
    ),
    { numRuns: 8 },
  );
});
