import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Digest } from '../../core/digest.ts';
import { registryLines, type RegistryEvent } from '../../core/event.ts';
import type { BlobStore } from '../../core/ports.ts';
import { RegistryState } from '../../core/state.ts';
import { ForeignSite, Generator } from '../../generator/generator.ts';
import { isCurrent } from '../../generator/records.ts';
import { Fault } from '../../stores/memory.ts';
import {
  anotherGenerator,
  applyAll,
  assertExact,
  assertNothingDangles,
  contentOf,
  steps,
  watchWrites,
  x07Alphabet,
} from '../support/histories.ts';
import { SealedLog } from '../../stores/sealed-log.ts';
import { openWorld, publishOf, someSettings, type World } from '../support/registry.ts';
import { SharedLog } from '../support/shared-log.ts';

/** A registry whose log other processes can read as well. */
async function openShared(): Promise<{ world: World; shared: SharedLog<RegistryEvent> }> {
  const shared = new SharedLog(registryLines);
  return { world: await openWorld({ log: shared.open() }), shared };
}

/** Another process, which may not look at the private log: it has read the log up to now, and no further until it looks again. */
function secondProcess(
  world: World,
  shared: SharedLog<RegistryEvent>,
): { generator: Generator; look(): Promise<void> } {
  const log = new SealedLog(shared.open());
  const state = new RegistryState(log, world.rulesOf);
  const { site, blobs, surfaces } = world;
  return {
    generator: new Generator({ log, state, target: site, blobs, surfaces }),
    async look() {
      await log.refresh();
      state.catchUp();
    },
  };
}

test('two generators that take turns in any order leave the site that one would', async () => {
  const turn = fc.record({
    steps: steps(x07Alphabet, { min: 0, max: 3 }),
    looks: fc.boolean(),
    works: fc.constantFrom('first' as const, 'second' as const, 'both' as const),
    roots: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 8 }), async (turns) => {
      const { world, shared } = await openShared();
      const second = secondProcess(world, shared);
      for (const { steps, looks, works, roots } of turns) {
        await applyAll(world, steps);
        if (looks) await second.look();
        const generators = works === 'both' ? [world.generator, second.generator] : [world.generator];
        const working = works === 'second' ? [second.generator] : generators;
        await Promise.all(working.map((generator) => generator.update()));
        if (roots) await Promise.all(working.map((generator) => generator.updateRoots()));
        assertNothingDangles(world);
      }
      await Promise.all([world.generator.update(), second.generator.update()]);
      await world.generator.updateRoots();
      await assertExact(world);
    }),
    { numRuns: 80 },
  );
});

test('a step that another process claimed and left is carried on, also by one that has read less of the log', async () => {
  for (const looks of [true, false]) {
    const { world, shared } = await openShared();
    await world.generator.update();
    await world.publish('foo', '1.0.0');
    const second = secondProcess(world, shared);
    await world.publish('foo', '1.1.0');
    await world.publish('bar', '1.0.0');
    world.site.faults.failAt(3, true);
    await assert.rejects(world.generator.update(), Fault);
    assert.deepEqual(world.site.records.progress?.claim, { toSeq: world.log.length });
    if (looks) await second.look();
    assert.equal(await second.generator.update(), world.log.length);
    await second.generator.updateRoots();
    await assertExact(world);
  }
});

test('a process that has read less than the site shows takes nothing back', async () => {
  const { world, shared } = await openShared();
  await world.publish('foo', '1.0.0');
  const second = secondProcess(world, shared);
  await world.publish('foo', '1.1.0');
  await world.generator.update();
  const before = contentOf(world.site);
  assert.equal(await second.generator.update(), world.log.length);
  await second.generator.updateRoots();
  assert.deepEqual(contentOf(world.site), before);
});

test('a log with another history of the same length is refused until an operator accepts it', async () => {
  const { world, shared } = await openShared();
  await world.publish('foo', '1.0.0');
  await world.publish('foo', '1.1.0');
  await world.generator.update();
  const before = contentOf(world.site);
  const events = [0, 1, 2, 3].map((seq) => world.log.read(seq));
  const last = events[3];
  assert.equal(last?.kind, 'published');
  shared.rewrite([...events.slice(0, 3), { ...last, version: '9.9.9' }]);
  const second = secondProcess(world, shared);
  await assert.rejects(second.generator.update(), ForeignSite);
  await assert.rejects(second.generator.rebuild(), ForeignSite);
  assert.deepEqual(contentOf(world.site), before);
  await second.generator.rebuild({ acceptLog: true });
  await second.generator.update();
  assert.match(contentOf(world.site)['x07/index/3/f/foo'] ?? '', /"version":"9\.9\.9"/);
  assert.doesNotMatch(contentOf(world.site)['x07/index/3/f/foo'] ?? '', /"version":"1\.1\.0"/);
});

test('a log that has lost its end is refused', async () => {
  const { world, shared } = await openShared();
  await world.publish('foo', '1.0.0');
  await world.generator.update();
  shared.rewrite([world.log.read(0), world.log.read(1)]);
  await assert.rejects(secondProcess(world, shared).generator.update(), ForeignSite);
});

test('a site of another registry is refused', async () => {
  const world = await openWorld();
  await world.generator.update();
  const { progress } = world.site.records;
  assert.ok(progress);
  world.site.records = { ...world.site.records, progress: { ...progress, registry: '0'.repeat(32) } };
  await assert.rejects(anotherGenerator(world).update(), ForeignSite);
});

test('a site of an older revision is made again whole, at once and only once', async () => {
  const world = await openWorld();
  await world.publish('foo', '1.0.0');
  await world.generator.update();
  const { progress } = world.site.records;
  assert.ok(progress);
  world.site.records = { ...world.site.records, progress: { ...progress, revision: -1 } };
  world.site.files.set('x07/index/3/f/foo', Buffer.from('as an older release wrote it'));
  const written = watchWrites(world.site, () => undefined);
  await world.generator.update();
  await assertExact(world);
  await world.generator.update();
  assert.equal(written(), 1);
});

test('a change after a rebuild shows what the rebuild took in as well', async () => {
  const world = await openWorld();
  await world.publish('foo', '1.0.0');
  await world.generator.update();
  await world.publish('foo', '1.1.0');
  await world.generator.update();
  await world.publish('foo', '1.2.0');
  await world.execute({
    kind: 'change-settings',
    settings: someSettings({ publicUrl: 'https://new.example' }),
  });
  await world.generator.update();
  await world.publish('foo', '1.3.0');
  await world.generator.update();
  await world.generator.updateRoots();
  await assertExact(world);
});

/** Blobs whose next read waits until it is let through. */
function gatedBlobs(blobs: BlobStore): BlobStore & { closeGate(): { reached: Promise<void>; open(): void } } {
  let gate: { reached(): void; opened: Promise<void> } | undefined;
  return {
    stage: (source, limits) => blobs.stage(source, limits),
    has: (digest) => blobs.has(digest),
    open: (digest, range) => blobs.open(digest, range),
    lend: (digest, range) => blobs.lend(digest, range),
    sizeOf: (digest) => blobs.sizeOf(digest),
    async read(digest: Digest) {
      const here = gate;
      gate = undefined;
      here?.reached();
      await here?.opened;
      return blobs.read(digest);
    },
    closeGate() {
      let reached = (): void => undefined;
      let open = (): void => undefined;
      const wasReached = new Promise<void>((resolve) => (reached = resolve));
      gate = { reached, opened: new Promise<void>((resolve) => (open = resolve)) };
      return { reached: wasReached, open: () => open() };
    },
  };
}

test('a rebuild shows the log as it was when it began: what is undone right after it is not half there', async () => {
  const world = await openWorld();
  await world.publish('a', '1.0.0', { long: true });
  await world.publish('b', '1.0.0');
  await world.publish('c', '1.0.0', { long: true });
  const blobs = gatedBlobs(world.blobs);
  const { log, state, site, surfaces } = world;
  const generator = new Generator({ log, state, target: site, blobs, surfaces });
  const beforeB = blobs.closeGate();
  const updated = generator.update();
  await beforeB.reached;
  await world.execute({ kind: 'yank', ecosystem: 'x07', name: 'b', version: '1.0.0' });
  const afterB = blobs.closeGate();
  beforeB.open();
  await afterB.reached;
  await world.execute({ kind: 'unyank', ecosystem: 'x07', name: 'b', version: '1.0.0' });
  afterB.open();
  await updated;
  await generator.updateRoots();
  await assertExact(world);
});

test('settings that change in the middle of a step never show half a package at its new place', async () => {
  const world = await openWorld();
  await world.publish('a', '1.0.0', { long: true });
  await world.publish('b', '1.0.0');
  const blobs = gatedBlobs(world.blobs);
  const { log, state, site, surfaces } = world;
  const generator = new Generator({ log, state, target: site, blobs, surfaces });
  await generator.update();
  await world.publish('a', '1.1.0', { long: true });
  await world.publish('b', '1.1.0');
  watchWrites(site, () => assertNothingDangles(world));
  const gate = blobs.closeGate();
  const updated = generator.update();
  await gate.reached;
  await world.execute({ kind: 'change-settings', settings: someSettings({ mounts: { x07: '/new' } }) });
  gate.open();
  await updated;
  await generator.update();
  await assertExact(world);
});

test('records of a site whose log grew during a step stand at no commit: a log put back to one is looked into', async () => {
  const world = await openWorld();
  const blobs = gatedBlobs(world.blobs);
  const { log, state, site, surfaces } = world;
  const generator = new Generator({ log, state, target: site, blobs, surfaces });
  await generator.update();
  await generator.updateRoots();
  const heads = [log.head];
  await world.publish('a', '1.0.0', { long: true });
  heads.push(log.head);
  const gate = blobs.closeGate();
  const updated = generator.update().then(() => generator.updateRoots());
  await gate.reached;
  await world.publish('b', '1.0.0');
  heads.push(log.head);
  const seen: boolean[] = [];
  watchWrites(site, () => seen.push(heads.some((head) => isCurrent(site.records, head))));
  gate.open();
  await updated;
  assert.equal(seen.indexOf(true), seen.length - 1);
  await assertExact(world);
});

test('roots wait for the documents when settings have moved the site', async () => {
  const world = await openWorld();
  await world.generator.update();
  await world.publish('a', '1.0.0');
  await world.generator.update();
  await world.execute({ kind: 'change-settings', settings: someSettings({ mounts: { x07: '/new' } }) });
  await world.generator.updateRoots();
  const paths = [...world.site.files.keys()];
  assert.deepEqual(
    paths.filter((path) => path.startsWith('new/')),
    [],
  );
  await world.generator.update();
  await world.generator.updateRoots();
  await assertExact(world);
});

test('a log longer than one step is followed in several, each recorded', async () => {
  const world = await openWorld();
  await world.generator.update();
  const versions = Array.from({ length: 2100 }, (_, minor) => `1.${minor}.0`);
  await world.writer.execute({
    actor: { handle: 'ann', scopes: new Set(['publish']), limits: undefined, tokenId: undefined },
    plan: () =>
      versions.map((version, i) => publishOf(`p${i % 50}`, version, { artifacts: [...someArtifact] })),
  });
  const claims = new Set<number>();
  watchWrites(world.site, () => claims.add(world.site.records.progress?.claim?.toSeq ?? -1));
  await world.generator.update();
  assert.deepEqual([...claims], [2049, -1, 2151]);
  assert.match(contentOf(world.site)['x07/index/2/p0'] ?? '', /"version":"1\.2050\.0"/);
});

const someArtifact = publishOf('p', '1.0.0').artifacts;
