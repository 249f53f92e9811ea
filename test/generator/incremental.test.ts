import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allSurfaces } from '../../surfaces/index.ts';
import type { MemorySite } from '../../stores/memory.ts';
import {
  anotherGenerator,
  apply,
  applyAll,
  assertExact,
  contentOf,
  documentsOf,
  siteFromNothing,
  steps,
  toyAlphabet,
  watchWrites,
  x07Alphabet,
  type Step,
} from '../support/histories.ts';
import { anArtifact, openWorld, someSettings, type WorldOptions } from '../support/registry.ts';
import { ociMounts, ociSteps } from '../support/oci-histories.ts';
import { runMounts, runSteps } from '../support/run-histories.ts';
import { sharedMounts, sharingSteps } from '../support/sharing-histories.ts';
import { toyRulesOf, toySurface } from '../support/toy-surface.ts';

/** With the surfaces that are there, beside one that depends on everything; and with names that have two spellings. */
const kinds: readonly {
  readonly title: string;
  readonly options: WorldOptions;
  readonly steps: (size: { min: number; max: number }) => fc.Arbitrary<Step[]>;
}[] = [
  {
    title: 'X07',
    options: { surfaces: [...allSurfaces, toySurface] },
    steps: (size) => steps(x07Alphabet, size),
  },
  {
    title: 'the toy',
    options: { surfaces: [toySurface], rulesOf: toyRulesOf },
    steps: (size) => steps(toyAlphabet, size),
  },
  {
    title: 'packages that share commits and contents',
    options: { settings: someSettings({ mounts: sharedMounts }) },
    steps: sharingSteps,
  },
  {
    title: 'repositories whose manifests share blobs and subjects',
    options: { settings: someSettings({ mounts: ociMounts }) },
    steps: ociSteps,
  },
  {
    title: 'components, and the OCI artifacts that they are',
    options: { settings: someSettings({ mounts: runMounts }) },
    steps: runSteps,
  },
];

interface Moment {
  readonly steps: readonly Step[];
  /** Whether the roots follow, too, and whether another process carries on. */
  readonly roots: boolean;
  readonly restart: boolean;
}

for (const { title, options, steps } of kinds) {
  test(`a site of ${title} that follows the log equals one made from nothing, at every moment`, async () => {
    const moment: fc.Arbitrary<Moment> = fc.record({
      steps: steps({ min: 0, max: 4 }),
      roots: fc.boolean(),
      restart: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(moment, { minLength: 1, maxLength: 8 }), async (moments) => {
        const world = await openWorld(options);
        let { generator } = world;
        for (const { steps, roots, restart } of moments) {
          await applyAll(world, steps);
          if (restart) generator = anotherGenerator(world);
          assert.equal(await generator.update(), world.log.length);
          if (roots) {
            await generator.updateRoots();
            await assertExact(world);
          } else {
            const wanted = await siteFromNothing(world);
            assert.deepEqual(documentsOf(world, world.site), documentsOf(world, wanted));
            assert.deepEqual(world.site.records.progress, wanted.records.progress);
          }
        }
        await generator.updateRoots();
        await assertExact(world);
      }),
      { numRuns: 200 },
    );
  });

  test(`a second update of ${title} writes nothing`, async () => {
    await fc.assert(
      fc.asyncProperty(steps({ min: 1, max: 10 }), fc.boolean(), async (history, restart) => {
        const world = await openWorld(options);
        await world.generator.update();
        await applyAll(world, history);
        await world.generator.update();
        await world.generator.updateRoots();
        const written = watchWrites(world.site, () => undefined);
        const generator = restart ? anotherGenerator(world) : world.generator;
        await generator.update();
        await generator.updateRoots();
        assert.equal(written(), 0);
      }),
      { numRuns: 40 },
    );
  });
}

test('yank and then unyank restores every byte that X07 clients read', async () => {
  await fc.assert(
    fc.asyncProperty(steps(x07Alphabet, { min: 3, max: 12 }), fc.boolean(), async (history, together) => {
      const world = await openWorld();
      await world.publish('foo', '1.0.0');
      await applyAll(world, history);
      const yanked = world.state.package('x07', 'foo')?.releases.get('1.0.0')?.yanked;
      await world.generator.update();
      await world.generator.updateRoots();
      const before = readByClients(world.site);
      const order = yanked ? (['unyank', 'yank'] as const) : (['yank', 'unyank'] as const);
      for (const kind of order) {
        await world.execute({ kind, ecosystem: 'x07', name: 'foo', version: '1.0.0' });
        if (together) continue;
        await world.generator.update();
        await world.generator.updateRoots();
      }
      await world.generator.update();
      await world.generator.updateRoots();
      assert.deepEqual(readByClients(world.site), before);
    }),
    { numRuns: 40 },
  );
});

/** Without the generator's own files, which say how far in the log they are. */
function readByClients(site: MemorySite): Record<string, string> {
  return Object.fromEntries(Object.entries(contentOf(site)).filter(([path]) => !path.startsWith('=')));
}

test('a yank shows in the index entry and nowhere takes a file away', async () => {
  const world = await openWorld();
  await world.publish('foo', '1.0.0');
  await world.publish('foo', '1.1.0');
  await world.generator.update();
  const before = contentOf(world.site);
  await world.execute({ kind: 'yank', ecosystem: 'x07', name: 'foo', version: '1.1.0' });
  await world.generator.update();
  const after = contentOf(world.site);
  assert.deepEqual(Object.keys(after), Object.keys(before));
  const changed = Object.keys(after).filter((path) => after[path] !== before[path]);
  assert.deepEqual(changed, ['x07/index/3/f/foo', 'x07/v1/packages/foo/=index']);
  assert.match(after['x07/index/3/f/foo'] ?? '', /"version":"1.1.0".*"yanked":true/);
});

test('a package whose manifest is too long for its event is rendered as if it stood there', async () => {
  const [inline, long] = [await openWorld(), await openWorld()];
  for (const [world, isLong] of [
    [inline, false],
    [long, true],
  ] as const) {
    await world.generator.update();
    await world.publish('foo', '1.0.0', { long: isLong });
    await world.generator.update();
    await world.publish('foo', '1.1.0', { long: isLong });
    await world.generator.update();
    await world.generator.updateRoots();
  }
  assert.deepEqual(contentOf(long.site), contentOf(inline.site));
  assert.deepEqual(contentOf(await siteFromNothing(long)), contentOf(inline.site));
});

test('a ref follows the release it points at, also by digest and in another spelling, and the time it was set', async () => {
  const world = await openWorld({ surfaces: [toySurface], rulesOf: toyRulesOf });
  const about = { ecosystem: 'x07', name: 'foo' } as const;
  await world.publish('foo', '1-rc');
  await world.publish('foo', '2');
  const targets = { digest: anArtifact('foo', '1-rc').digest, spelled: '1-RC', plain: '1-rc', other: '2' };
  for (const [ref, target] of Object.entries(targets))
    await world.execute({ kind: 'set-ref', ...about, ref, target });
  await world.generator.update();
  const shown = (ref: string): string => contentOf(world.site)[`toy/refs/foo/${ref}`] ?? '';
  await world.execute({ kind: 'yank', ...about, version: '1-rc' });
  await world.generator.update();
  for (const ref of ['digest', 'spelled', 'plain']) assert.match(shown(ref), /"yanked":true/, ref);
  const before = shown('other');
  await world.execute({ kind: 'set-ref', ...about, ref: 'other', target: '1-rc' });
  await world.execute({ kind: 'set-ref', ...about, ref: 'other', target: '2' });
  await world.generator.update();
  assert.notEqual(shown('other'), before);
  await world.generator.updateRoots();
  await assertExact(world);
});

test('the files of one release are written once, however many follow', async () => {
  const world = await openWorld();
  await world.generator.update();
  const writes: number[] = [];
  const written = watchWrites(world.site, () => undefined);
  for (let minor = 0; minor < 30; minor += 1) {
    const before = written();
    await apply(world, { do: 'publish', name: 'foo', version: `1.${minor}.0`, long: false });
    await world.generator.update();
    writes.push(written() - before);
  }
  // Two records, an archive, its metadata, the index entry, the package; and at first its owners.
  assert.deepEqual(writes, [7, ...Array<number>(29).fill(6)]);
});
