import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Writer } from '../../core/writer.ts';
import { Generator } from '../../generator/generator.ts';
import { Publisher } from '../../generator/publisher.ts';
import { eventually } from '../support/eventually.ts';
import { assertExact, contentOf } from '../support/histories.ts';
import { admin, aClock, countedIds, openWorld, publishOf, type World } from '../support/registry.ts';

/** Counts its rounds, and stops at a gate when it is told to. */
class WatchedGenerator extends Generator {
  updates = 0;
  rootRounds = 0;
  /** Awaited after each update, before its result is known. */
  afterUpdate: Promise<void> | undefined;
  /** The same for the roots. */
  afterRoots: Promise<void> | undefined;

  override async update(): Promise<number> {
    this.updates += 1;
    const seq = await super.update();
    await this.afterUpdate;
    return seq;
  }

  override async updateRoots(): Promise<boolean> {
    this.rootRounds += 1;
    const changed = await super.updateRoots();
    await this.afterRoots;
    return changed;
  }
}

interface Bench extends World {
  readonly generator: WatchedGenerator;
  readonly publisher: Publisher;
  readonly errors: unknown[];
}

async function openBench(t: TestContext, clock = aClock(0)): Promise<Bench> {
  const world = await openWorld();
  const { log, state, site, blobs, surfaces, rulesOf } = world;
  const generator = new WatchedGenerator({ log, state, target: site, blobs, surfaces });
  const errors: unknown[] = [];
  const publisher = new Publisher({
    generator,
    clock,
    logLength: () => state.length,
    onError: (error) => errors.push(error),
  });
  const onAppended = (): void => publisher.notify();
  const writer = new Writer({
    log,
    state,
    rulesOf,
    clock: aClock(),
    ids: countedIds(),
    isAccount: () => true,
    onAppended,
  });
  const execute: World['execute'] = (command, actor = admin) =>
    writer.execute({ actor, plan: () => [command].flat() });
  t.after(() => publisher.close());
  const publish: World['publish'] = async (name, version) => void (await execute(publishOf(name, version)));
  return { ...world, writer, execute, publish, generator, publisher, errors };
}

function entryOf(world: World, path = 'x07/index/3/f/foo'): string {
  return contentOf(world.site)[path] ?? '';
}

test('what was published can be read when visible resolves', async (t) => {
  const bench = await openBench(t);
  for (const version of ['1.0.0', '1.1.0', '1.2.0']) {
    await bench.publish('foo', version);
    assert.equal(await bench.publisher.visible(bench.log.length), 'visible');
    assert.ok(entryOf(bench).includes(`"version":"${version}"`));
  }
  assert.deepEqual(bench.publisher.status, { seq: bench.log.length, failure: undefined });
  const { updates } = bench.generator;
  assert.equal(await bench.publisher.visible(2), 'visible');
  assert.equal(bench.generator.updates, updates, 'what is there already costs nothing');
});

test('an update that began too early makes nobody believe that more can be read', async (t) => {
  const bench = await openBench(t);
  let open = (): void => undefined;
  bench.generator.afterUpdate = new Promise((resolve) => (open = resolve));
  await bench.publish('foo', '1.0.0');
  const first = bench.publisher.visible(bench.log.length);
  await eventually(async () => assert.notEqual(entryOf(bench), ''), 5_000);
  await bench.publish('foo', '1.1.0');
  const second = bench.publisher.visible(bench.log.length).then(() => entryOf(bench));
  open();
  assert.equal(await first, 'visible');
  assert.match(await second, /"version":"1\.1\.0"/);
});

test('many waiters share an update', async (t) => {
  const bench = await openBench(t);
  const names = Array.from({ length: 50 }, (_, i) => `p${i}`);
  const seen = names.map(async (name) => {
    const events = await bench.execute(publishOf(name, '1.0.0'));
    return bench.publisher.visible((events.at(-1)?.seq ?? 0) + 1);
  });
  assert.deepEqual(new Set(await Promise.all(seen)), new Set(['visible']));
  assert.ok(bench.generator.updates <= 3, `${bench.generator.updates} updates for one batch`);
});

test('a site that cannot be written makes answers degraded, and heals by itself', async (t) => {
  const bench = await openBench(t);
  await bench.publish('foo', '1.0.0');
  await bench.publisher.visible(bench.log.length);
  bench.site.faults.failAt(2);
  await bench.publish('foo', '1.1.0');
  assert.equal(await bench.publisher.visible(bench.log.length), 'degraded');
  assert.equal(bench.publisher.status.failure, 'lost');
  assert.equal(bench.errors.length, 1);
  // While it lags, nobody waits for it.
  await bench.publish('foo', '1.2.0');
  assert.equal(await bench.publisher.visible(bench.log.length), 'degraded');
  await eventually(async () => assert.equal(bench.publisher.status.failure, undefined), 5_000);
  assert.equal(await bench.publisher.visible(bench.log.length), 'visible');
  await eventually(() => assertExact(bench), 5_000);
});

test('roots are coalesced while publishing goes on, and exact at rest', async (t) => {
  const bench = await openBench(t);
  for (let minor = 0; minor < 100; minor += 1) {
    await bench.publish(`p${minor % 10}`, `1.${minor}.0`);
    await bench.publisher.visible(bench.log.length);
  }
  assert.ok(
    bench.generator.rootRounds <= 3,
    `${bench.generator.rootRounds} rounds of the roots for 100 publishes`,
  );
  await eventually(() => assertExact(bench), 5_000);
});

test('roots follow what was published while a round found nothing to do', async (t) => {
  const bench = await openBench(t);
  await bench.publish('foo', '1.0.0');
  await bench.publisher.visible(bench.log.length);
  await eventually(() => assertExact(bench), 5_000);
  let open = (): void => undefined;
  const rounds = bench.generator.rootRounds;
  bench.generator.afterRoots = new Promise((resolve) => (open = resolve));
  // The round after the last that changed something looks once more, and finds nothing.
  await eventually(async () => assert.ok(bench.generator.rootRounds > rounds), 5_000);
  await bench.publish('bar', '1.0.0');
  assert.equal(await bench.publisher.visible(bench.log.length), 'visible');
  open();
  await eventually(() => assertExact(bench), 5_000);
});

test('a clock that is set while the roots are made does not put them off for days', async (t) => {
  const clock = aClock(0);
  const bench = await openBench(t, clock);
  let open = (): void => undefined;
  bench.generator.afterRoots = new Promise((resolve) => (open = resolve));
  await bench.publish('foo', '1.0.0');
  await bench.publisher.visible(bench.log.length);
  await eventually(async () => assert.equal(bench.generator.rootRounds, 1), 5_000);
  const waits = t.mock.method(globalThis, 'setTimeout').mock;
  clock.time += 30 * 24 * 3_600_000;
  await bench.publish('bar', '1.0.0');
  await bench.publisher.visible(bench.log.length);
  open();
  const delays = (): readonly unknown[] => waits.calls.map(({ arguments: [, delay] }) => delay);
  await eventually(
    async () => assert.ok(delays().includes(600_000), `it waits ${[...new Set(delays())].join()} ms`),
    5_000,
  );
});

test('a failure of the roots is tried again and never makes a publish degraded', async (t) => {
  const bench = await openBench(t);
  await bench.publish('foo', '1.0.0');
  await bench.publisher.visible(bench.log.length);
  await bench.publish('foo', '1.1.0');
  // Two records, the archive, its metadata, the index entry, the package; then the summaries.
  bench.site.faults.failAt(7);
  assert.equal(await bench.publisher.visible(bench.log.length), 'visible');
  await eventually(async () => assert.equal(bench.errors.length, 1), 5_000);
  assert.equal(bench.publisher.status.failure, undefined);
  await bench.publisher.close();
  await assertExact(bench);
});

test('closing leaves the site exact, roots included', async (t) => {
  const bench = await openBench(t);
  for (const version of ['1.0.0', '1.1.0', '1.2.0']) await bench.publish('foo', version);
  await bench.writer.close();
  await bench.publisher.close();
  await assertExact(bench);
});
