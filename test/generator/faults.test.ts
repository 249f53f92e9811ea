import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allSurfaces } from '../../surfaces/index.ts';
import { isCurrent } from '../../generator/records.ts';
import { Fault } from '../../stores/memory.ts';
import {
  anotherGenerator,
  applyAll,
  assertExact,
  assertNothingDangles,
  steps,
  watchWrites,
  x07Alphabet,
} from '../support/histories.ts';
import { openWorld, type World } from '../support/registry.ts';
import { toySurface } from '../support/toy-surface.ts';

const surfaces = [...allSurfaces, toySurface];

/** Whether the work went through; a fault that was asked for is not an error. */
async function goesThrough(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

async function follow(world: World, generator = world.generator): Promise<void> {
  await generator.update();
  await generator.updateRoots();
}

test('a site that stopped at any write, lost or landed, is whole for readers and heals by the next update', async () => {
  const history = steps(x07Alphabet, { min: 1, max: 10 });
  await fc.assert(
    fc.asyncProperty(history, history, fc.boolean(), async (before, after, landed) => {
      for (let nth = 1, done = false; !done; nth += 1) {
        const world = await openWorld({ surfaces });
        await applyAll(world, before);
        await follow(world);
        await applyAll(world, after);
        watchWrites(world.site, () => assertNothingDangles(world));
        world.site.faults.failAt(nth, landed);
        done = await goesThrough(() => follow(world));
        // Not before the last write has landed do the records say that nothing is left to do.
        if (isCurrent(world.site.records, world.log.head)) await assertExact(world);
        else assert.ok(!done);
        // Either the same process tries again, or another one finds what a crash left.
        await follow(world, nth % 2 === 0 ? world.generator : anotherGenerator(world));
        await assertExact(world);
      }
    }),
    { numRuns: 12 },
  );
});

test('events that arrive after a stop are taken in together with the step that was cut off', async () => {
  const history = steps(x07Alphabet, { min: 1, max: 6 });
  await fc.assert(
    fc.asyncProperty(history, history, fc.integer({ min: 1, max: 12 }), async (first, second, nth) => {
      const world = await openWorld({ surfaces });
      await follow(world);
      await applyAll(world, first);
      world.site.faults.failAt(nth);
      await goesThrough(() => follow(world));
      world.site.faults.failAt(Infinity);
      await applyAll(world, second);
      await follow(world, anotherGenerator(world));
      await assertExact(world);
    }),
    { numRuns: 80 },
  );
});

test('an unyank that arrives after a yank was half published is not lost', async () => {
  for (let nth = 1; nth <= 4; nth += 1) {
    const world = await openWorld();
    await world.publish('foo', '1.0.0');
    await follow(world);
    const about = { ecosystem: 'x07', name: 'foo', version: '1.0.0' } as const;
    await world.execute({ kind: 'yank', ...about });
    world.site.faults.failAt(nth, true);
    await goesThrough(() => world.generator.update());
    await world.execute({ kind: 'unyank', ...about });
    await follow(world, anotherGenerator(world));
    await assertExact(world);
  }
});

test('when every version goes, the index entry goes before what it names', async () => {
  for (const command of [
    { kind: 'withdraw', ecosystem: 'x07', name: 'foo' },
    { kind: 'set-visibility', ecosystem: 'x07', name: 'foo', visibility: 'private' },
  ] as const) {
    const world = await openWorld();
    await world.publish('foo', '1.0.0');
    await world.publish('foo', '1.1.0');
    await follow(world);
    await world.execute(command);
    watchWrites(world.site, () => assertNothingDangles(world));
    await follow(world);
    assert.deepEqual(
      [...world.site.files.keys()].filter((path) => path.includes('foo')),
      [],
    );
  }
});

test('a failed rebuild leaves the old site as it was', async () => {
  const world = await openWorld();
  await world.publish('foo', '1.0.0');
  await follow(world);
  const before = new Map(world.site.files);
  await world.publish('foo', '1.1.0');
  world.site.faults.failAt(1);
  await assert.rejects(world.generator.rebuild(), Fault);
  assert.deepEqual(world.site.files, before);
  await world.generator.rebuild();
  await assertExact(world);
});
