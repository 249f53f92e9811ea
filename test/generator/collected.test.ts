/** Sites of registries whose unneeded blobs are removed now and then: those that kept up, and those that did not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allSurfaces } from '../../surfaces/index.ts';
import { namedBlobsOf } from '../../ecosystems/index.ts';
import { hydrate } from '../../core/hydrate.ts';
import { digestOf } from '../../core/digest.ts';
import {
  anotherGenerator,
  applyAll,
  assertExact,
  assertNothingDangles,
  steps,
  x07Alphabet,
  type Step,
} from '../support/histories.ts';
import { aPackage, anArtifact, openWorld, someSettings, type World } from '../support/registry.ts';
import { ociMounts, ociSteps } from '../support/oci-histories.ts';
import { runMounts, runSteps } from '../support/run-histories.ts';
import { sharedMounts, sharingSteps } from '../support/sharing-histories.ts';
import { toySurface } from '../support/toy-surface.ts';

/** Of what no package names: all of it, at once. */
async function collect({ state, blobs }: World): Promise<void> {
  const needed = new Set<string>();
  for (const key of state.packageKeys(['x07', 'npm', 'zig', 'oci', 'run'])) {
    const of = state.packageByKey(key);
    if (of) for await (const { digest } of namedBlobsOf(of, (meta) => blobs.read(meta))) needed.add(digest);
  }
  for (const digest of blobs.blobs.keys()) if (!needed.has(digest)) blobs.blobs.delete(digest);
}

/** As a disk does, which cannot link to what is not there. */
function refuseMissing({ site, blobs }: World): void {
  const put = site.put.bind(site);
  site.put = async (files) => {
    for (const { path, body } of files)
      if ('blob' in body && !blobs.blobs.has(body.blob)) throw new Error(`${path}: its blob is not there`);
    return put(files);
  };
}

interface Moment {
  readonly steps: readonly Step[];
  readonly follow: boolean;
  readonly restart: boolean;
  readonly collect: boolean;
}

const kinds = [
  {
    title: 'X07',
    options: { surfaces: [...allSurfaces, toySurface] },
    hasBlobs: true,
    steps: (size: { min: number; max: number }) => steps(x07Alphabet, size),
  },
  {
    title: 'packages that share commits and contents',
    options: { settings: someSettings({ mounts: sharedMounts }) },
    hasBlobs: false,
    steps: sharingSteps,
  },
  {
    title: 'containers',
    options: { settings: someSettings({ mounts: ociMounts }) },
    hasBlobs: false,
    steps: ociSteps,
  },
  {
    title: 'components',
    options: { settings: someSettings({ mounts: runMounts }) },
    hasBlobs: false,
    steps: runSteps,
  },
];

for (const { title, options, hasBlobs, steps } of kinds)
  test(`a site of ${title} comes out the same, whenever what nothing names is removed`, async () => {
    const moment: fc.Arbitrary<Moment> = fc.record({
      steps: steps({ min: 0, max: 6 }),
      follow: fc.boolean(),
      restart: fc.boolean(),
      collect: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(moment, { minLength: 1, maxLength: 6 }), async (moments) => {
        const world = await openWorld(options);
        if (hasBlobs) refuseMissing(world);
        let { generator } = world;
        for (const moment of moments) {
          await applyAll(world, moment.steps);
          if (moment.restart) generator = anotherGenerator(world);
          if (moment.follow || moment.restart) await generator.update();
          if (moment.collect) await collect(world);
        }
        await generator.update();
        await generator.updateRoots();
        await assertExact(world);
        await collect(world);
        await assertExact(world);
        assertNothingDangles(world);
      }),
      { numRuns: 60 },
    );
  });

const foo = { ecosystem: 'x07', name: 'foo' } as const;

test('a site that missed a version, its end and the removal of its manifest is made from nothing', async () => {
  const world = await openWorld();
  refuseMissing(world);
  await world.publish('foo', '1.0.0', { long: true });
  await world.generator.update();
  await world.publish('foo', '2.0.0', { long: true });
  await world.execute({ kind: 'withdraw', ...foo, version: '1.0.0' });
  await collect(world);
  const behind = anotherGenerator(world);
  await behind.update();
  await behind.updateRoots();
  await assertExact(world);
});

test('a manifest that is missing although its version is there is damage, however far behind the site is', async () => {
  const world = await openWorld();
  await world.publish('foo', '1.0.0', { long: true });
  await world.generator.update();
  await world.publish('foo', '2.0.0', { long: true });
  await world.execute({ kind: 'withdraw', ...foo, version: '1.0.0' });
  await collect(world);
  const { metaDigest } = world.state.package('x07', 'foo')?.releases.get('2.0.0') ?? {};
  world.blobs.blobs.delete(metaDigest ?? '');
  const before = JSON.stringify([...world.site.files.keys()]);
  await assert.rejects(anotherGenerator(world).update(), /blob sha256:[0-9a-f]+ is missing/);
  assert.equal(JSON.stringify([...world.site.files.keys()]), before);
});

test('the readme of a version that was withdrawn is not asked for', async () => {
  const npm = { by: 'ann', ecosystem: 'npm', name: 'lib' } as const;
  const readme = { ...anArtifact('lib', 'readme'), role: 'readme', digest: digestOf('# lib') };
  const of = aPackage([
    { kind: 'published', ...npm, version: '1.0.0', artifacts: [readme] },
    { kind: 'ref-set', ...npm, ref: 'latest', target: '1.0.0' },
    { kind: 'withdrawn', ...npm, version: '1.0.0' },
  ]);
  const { blobs } = await openWorld();
  assert.equal((await hydrate(of, blobs)).readme, undefined);
});
