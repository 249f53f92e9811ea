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
  type Step,
} from '../support/histories.ts';
import { ociFilesOf, ociIndex, ociMounts, ociSteps, pushOf, tagOf } from '../support/oci-histories.ts';
import { danglingIn } from '../support/oci-reader.ts';
import { openWorld, someSettings, type World, type WorldOptions } from '../support/registry.ts';
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

/** What is there, and what readers find at every moment while it is written. */
interface Kind {
  readonly title: string;
  readonly options: WorldOptions;
  readonly steps: (size: { min: number; max: number }) => fc.Arbitrary<Step[]>;
  readonly look: (world: World) => void;
}

const x07: readonly Kind[] = [false, true].map((isBackwards) => ({
  title: `X07, ${isBackwards ? 'the last file first' : 'in order'},`,
  options: { surfaces, site: { isBackwards } },
  steps: (size) => steps(x07Alphabet, size),
  look: assertNothingDangles,
}));

const repositories: readonly Kind[] = [false, true].map((isBackwards) => ({
  title: `repositories, ${isBackwards ? 'the last file first' : 'in order'},`,
  options: { settings: someSettings({ mounts: ociMounts }), site: { isBackwards } },
  steps: ociSteps,
  look: ({ site }) => assert.deepEqual(danglingIn(ociFilesOf(site), { isWhole: false }), []),
}));

for (const { title, options, steps, look } of [...x07, ...repositories]) {
  test(`a site of ${title} that stopped at any write, lost or landed, is whole for readers and heals by the next update`, async () => {
    const history = steps({ min: 1, max: 10 });
    await fc.assert(
      fc.asyncProperty(history, history, fc.boolean(), async (before, after, landed) => {
        for (let nth = 1, done = false; !done; nth += 1) {
          const world = await openWorld(options);
          await applyAll(world, before);
          await follow(world);
          await applyAll(world, after);
          watchWrites(world.site, () => look(world));
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

  test(`events that arrive after a stop are taken in by a site of ${title} together with the step that was cut off`, async () => {
    const history = steps({ min: 1, max: 6 });
    await fc.assert(
      fc.asyncProperty(history, history, fc.integer({ min: 1, max: 12 }), async (first, second, nth) => {
        const world = await openWorld(options);
        await follow(world);
        await applyAll(world, first);
        watchWrites(world.site, () => look(world));
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
}

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

test('an index comes after what it lists and goes before it, whatever was pushed first', async () => {
  for (const isBackwards of [false, true]) {
    const world = await openWorld({
      settings: someSettings({ mounts: ociMounts }),
      site: { isBackwards },
    });
    const about = { ecosystem: 'oci', name: 'ann/app' } as const;
    const child = pushOf({ name: 'ann/app', what: 'a', blobs: ['config', 'layer 1'] });
    const another = pushOf({ name: 'ann/app', what: 'b', blobs: ['config', 'layer 1', 'layer 2'] });
    watchWrites(world.site, () => assert.deepEqual(danglingIn(ociFilesOf(world.site)), []));
    await world.execute([child, another, ociIndex('ann/app'), tagOf('ann/app', 'latest', 'c')]);
    // From here on it is younger than the index.
    await world.execute([{ kind: 'withdraw', ...about, version: child.version }, child]);
    await follow(world);
    for (const visibility of ['private', 'public'] as const) {
      await world.execute({ kind: 'set-visibility', ...about, visibility });
      await follow(world);
      await assertExact(world);
    }
    assert.ok(world.site.files.has('v2/ann/app/manifests/latest.oci-index'));
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
