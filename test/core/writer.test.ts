import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Command } from '../../core/decide.ts';
import { RegistryError, type ErrorCode } from '../../core/errors.ts';
import { registryLines, type RegistryEvent } from '../../core/event.ts';
import type { StagedBlob } from '../../core/ports.ts';
import { RegistryState } from '../../core/state.ts';
import { Writer } from '../../core/writer.ts';
import { rulesOf } from '../../ecosystems/index.ts';
import { MemoryBlobs, MemoryLog } from '../../stores/memory.ts';
import { SealedLog } from '../../stores/sealed-log.ts';
import { eventsIn } from '../support/event-log-contract.ts';
import { eventually } from '../support/eventually.ts';
import {
  aClock,
  admin,
  anActor,
  countedIds,
  genesis,
  publishOf,
  someSettings,
  type TestClock,
} from '../support/registry.ts';
import { namespacedRules } from '../support/toy-surface.ts';

interface Bench {
  readonly log: MemoryLog<RegistryEvent>;
  readonly state: RegistryState;
  readonly writer: Writer;
  readonly blobs: MemoryBlobs;
  readonly clock: TestClock;
  /** How many events each append brought. */
  readonly appends: number[];
  /** Sequence numbers of the events that were announced. */
  readonly announced: number[];
  execute(
    commands: Command | readonly Command[],
    blobs?: readonly StagedBlob[],
  ): Promise<readonly RegistryEvent[]>;
  stage(text: string): Promise<StagedBlob>;
}

async function openBench(rules = rulesOf): Promise<Bench> {
  const log = new MemoryLog(registryLines);
  await log.append([genesis()]);
  const appends: number[] = [];
  const append = log.append.bind(log);
  log.append = async (events) => {
    appends.push(events.length);
    await append(events);
  };
  const sealed = new SealedLog(log);
  const state = new RegistryState(sealed, rules);
  const clock = aClock();
  const announced: number[] = [];
  const onAppended = (events: readonly RegistryEvent[]): void =>
    void announced.push(...events.map(({ seq }) => seq));
  const writer = new Writer({
    log: sealed,
    state,
    rulesOf: rules,
    clock,
    ids: countedIds(),
    isAccount: () => true,
    onAppended,
  });
  const blobs = new MemoryBlobs();
  return {
    log,
    state,
    writer,
    blobs,
    clock,
    appends,
    announced,
    execute(commands, blobs = []) {
      const list = Array.isArray(commands) ? (commands as readonly Command[]) : [commands as Command];
      return writer.execute({ actor: admin, plan: () => list, blobs });
    },
    stage: (text) => blobs.stage(once(text), { maxBytes: 1000 }),
  };
}

async function* once(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text);
}

function refusal(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof RegistryError && error.code === code;
}

/** How each of some requests ended: the kinds of its events, or the code of its refusal. */
async function outcomes(requests: readonly Promise<readonly RegistryEvent[]>[]): Promise<string[]> {
  const settled = await Promise.allSettled(requests);
  return settled.map((result) =>
    result.status === 'fulfilled'
      ? result.value.map(({ kind }) => kind).join('+')
      : (result.reason as RegistryError).code,
  );
}

const yank = (name: string, version: string): Command => ({ kind: 'yank', ecosystem: 'x07', name, version });

test('of two racing publishes of one version exactly one wins, in one append', async () => {
  const { execute, log, appends } = await openBench();
  const [first, second] = [
    publishOf('foo', '1.0.0'),
    publishOf('foo', '1.0.0', { artifacts: publishOf('x', '1.0.0').artifacts }),
  ];
  assert.deepEqual(await outcomes([execute(first), execute(second)]), [
    'claimed+published',
    'version-exists',
  ]);
  assert.deepEqual(appends, [2]);
  assert.equal(log.length, 3);
});

test('requests that arrive together share an append, and each gets its own events', async () => {
  const { execute, log, appends, state } = await openBench();
  const names = Array.from({ length: 20 }, (_, i) => `p${i}`);
  const results = await Promise.all(names.map((name) => execute(publishOf(name, '1.0.0'))));
  assert.deepEqual(appends, [40]);
  assert.deepEqual(
    results.map((events) => events.map((event) => ('name' in event ? event.name : ''))),
    names.map((name) => [name, name]),
  );
  assert.deepEqual(eventsIn(log).slice(1), results.flat());
  assert.equal(state.length, log.length);
});

test('what arrives while an append runs goes into the next one', async () => {
  const { execute, log, appends } = await openBench();
  let late: Promise<unknown> | undefined;
  const append = log.append.bind(log);
  log.append = async (events) => {
    late ??= Promise.all([execute(publishOf('b', '1.0.0')), execute(publishOf('c', '1.0.0'))]);
    await append(events);
  };
  await execute(publishOf('a', '1.0.0'));
  await late;
  assert.deepEqual(appends, [2, 4]);
});

test('a long queue is written in batches of bounded size', async () => {
  const { execute, appends } = await openBench();
  await Promise.all(Array.from({ length: 1500 }, (_, i) => execute(publishOf(`p${i}`, '1.0.0'))));
  assert.ok(appends.length >= 3 && Math.max(...appends) <= 1025, `${appends.join()} events per append`);
});

test('a request that follows an answer at once is not left waiting', async () => {
  const { execute } = await openBench();
  // Each wrapper costs the continuation one more turn of the microtask queue: one of them hits the writer's end.
  const wrap = async (depth: number, version: string): Promise<unknown> =>
    depth === 0 ? execute(publishOf('foo', version)) : wrap(depth - 1, version);
  for (let depth = 0; depth < 8; depth += 1) {
    await wrap(depth, `1.${depth}.0`);
    await within(execute(publishOf('foo', `2.${depth}.0`)));
  }
});

/** @throws when nothing comes of it: a promise that nobody settles would only end the process. */
async function within<T>(promise: Promise<T>, milliseconds = 2000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing happened for ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

test('a refused request in the middle of a batch leaves no event and no blob', async () => {
  const { execute, stage, blobs, log } = await openBench();
  const [one, two, three] = [await stage('one'), await stage('two'), await stage('three')];
  const requests = [
    execute(publishOf('foo', '1.0.0'), [one]),
    execute([publishOf('bar', '1.0.0'), publishOf('foo', '1.0.0')], [two]),
    execute(publishOf('bar', '1.0.0'), [three]),
  ];
  assert.deepEqual(await outcomes(requests), ['claimed+published', 'version-exists', 'claimed+published']);
  assert.deepEqual([...blobs.blobs.keys()].sort(), [one.digest, three.digest].sort());
  assert.deepEqual(
    eventsIn(log).map((event) => ('name' in event ? `${event.kind} ${event.name}` : event.kind)),
    ['genesis', 'claimed foo', 'published foo', 'claimed bar', 'published bar'],
  );
  // The log is in one piece: numbers without gaps, and every `prev` right.
  new RegistryState(new SealedLog(log), rulesOf);
});

test('a plan of several commands happens whole or not at all', async () => {
  const { execute, log, state } = await openBench();
  const before = state.settings;
  await assert.rejects(
    execute([
      publishOf('foo', '1.0.0'),
      { kind: 'change-settings', settings: someSettings({ publicUrl: 'https://other.example' }) },
      { kind: 'add-owner', ecosystem: 'x07', name: 'foo', owner: 'bob' },
      yank('foo', '2.0.0'),
    ]),
    refusal('version-not-found'),
  );
  assert.equal(log.length, 1);
  assert.deepEqual(state.settings, before);
  const events = await execute([publishOf('foo', '1.0.0'), yank('foo', '1.0.0')]);
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['claimed', 'published', 'yanked'],
  );
});

test('what a refused plan had begun is not seen by those after it in the batch', async () => {
  const { execute, writer, state } = await openBench();
  const changed = someSettings({ publicUrl: 'https://other.example' });
  const seen: string[] = [];
  const requests = [
    execute([
      publishOf('foo', '1.0.0'),
      { kind: 'change-settings', settings: changed },
      yank('foo', '9.9.9'),
    ]),
    writer.execute({
      actor: admin,
      plan(view) {
        seen.push(view.settings.publicUrl, view.package('x07', 'foo') ? 'there' : 'nowhere');
        return [];
      },
    }),
    execute({ kind: 'change-settings', settings: changed }),
    writer.execute({
      actor: admin,
      plan(view) {
        seen.push(view.settings.publicUrl);
        return [publishOf('foo', '1.0.0')];
      },
    }),
  ];
  assert.deepEqual(await outcomes(requests), [
    'version-not-found',
    '',
    'settings-changed',
    'claimed+published',
  ]);
  assert.deepEqual(seen, ['https://registry.example', 'nowhere', 'https://other.example']);
  assert.equal(state.settings.publicUrl, 'https://other.example');
});

test('in a batch, a namespace belongs to who came first', async () => {
  const { writer, state } = await openBench(() => namespacedRules);
  const publish = (who: string, name: string): Promise<readonly RegistryEvent[]> =>
    writer.execute({ actor: anActor(who), plan: () => [publishOf(name, '1.0.0')] });
  const requests = [publish('ann', 'wasi.http'), publish('bob', 'wasi.io'), publish('ann', 'wasi.io')];
  assert.deepEqual(await outcomes(requests), ['claimed+published', 'not-owner', 'published']);
  assert.deepEqual(state.namespace('x07', 'wasi')?.owners, ['ann']);
});

test('a plan that changes nothing is answered without an append', async () => {
  const { execute, appends, announced } = await openBench();
  await execute([publishOf('foo', '1.0.0'), yank('foo', '1.0.0')]);
  assert.deepEqual(await execute(yank('foo', '1.0.0')), []);
  assert.deepEqual(appends, [3]);
  assert.deepEqual(announced, [1, 2, 3]);
});

test('an event too long for its line is refused alone', async () => {
  const { execute } = await openBench();
  const long: Command = { kind: 'deprecate', ecosystem: 'x07', name: 'foo', message: 'no' };
  const requests = [
    execute(publishOf('foo', '1.0.0')),
    execute(publishOf('foo', '2.0.0', { meta: { manifest: 'x'.repeat(16 * 1024) } })),
    execute(long),
  ];
  assert.deepEqual(await outcomes(requests), ['claimed+published', 'too-large', 'deprecated']);
});

for (const landed of [false, true])
  test(`after an append that failed (${landed ? 'landed' : 'lost'}) nobody is acknowledged, and the next write is right`, async () => {
    const { execute, log, state, announced } = await openBench();
    await execute(publishOf('foo', '1.0.0'));
    log.faults.failAt(1, landed);
    const requests = [
      execute(publishOf('foo', '1.1.0')),
      execute(yank('foo', '1.0.0')),
      execute(yank('foo', '9.9.9')),
    ];
    assert.deepEqual(await outcomes(requests), ['storage-failed', 'storage-failed', 'version-not-found']);
    assert.equal(log.length, landed ? 5 : 3);
    // The site has to follow what stands in the log, whoever was told.
    assert.equal(announced.at(-1), log.length - 1);
    const again = await outcomes([execute(publishOf('foo', '1.1.0')), execute(yank('foo', '1.0.0'))]);
    assert.deepEqual(again, landed ? ['version-exists', ''] : ['published', 'yanked']);
    assert.equal(state.length, log.length);
    assert.equal(
      new RegistryState(new SealedLog(log), rulesOf).package('x07', 'foo')?.releases.get('1.0.0')?.yanked,
      true,
    );
  });

for (const landed of [false, true])
  test(`a blob that could not be stored (${landed ? 'landed' : 'lost'}) leaves no event that names it`, async () => {
    const { execute, stage, blobs, log } = await openBench();
    const blob = await stage('archive');
    blobs.faults.failAt(1, landed);
    await assert.rejects(execute(publishOf('foo', '1.0.0'), [blob]), refusal('storage-failed'));
    assert.equal(log.length, 1);
    const again = await stage('archive');
    await execute(publishOf('foo', '1.0.0'), [again]);
    assert.ok(blobs.blobs.has(again.digest));
  });

test('while it is not known what came of an append the writer says so, and looks again by itself', async () => {
  const { execute, log, writer } = await openBench();
  assert.equal(writer.isUnsure, false);
  log.faults.failAt(1, true);
  const refresh = log.refresh.bind(log);
  log.refresh = () => Promise.reject(new Error('the disk is away'));
  await assert.rejects(execute(publishOf('foo', '1.0.0')), refusal('storage-failed'));
  assert.equal(writer.isUnsure, true);
  log.refresh = refresh;
  await eventually(async () => assert.equal(writer.isUnsure, false));
  await assert.rejects(execute(publishOf('foo', '1.0.0')), refusal('version-exists'));
  await writer.close();
});

test('blobs are stored before the event that names them', async () => {
  const { execute, stage, blobs, log } = await openBench();
  const blob = await stage('archive');
  const append = log.append.bind(log);
  let there: boolean | undefined;
  log.append = async (events) => {
    there = blobs.blobs.has(blob.digest);
    await append(events);
  };
  await execute(publishOf('foo', '1.0.0'), [blob]);
  assert.equal(there, true);
});

test('a clock six minutes behind the log refuses every write, and an hour later all is well', async () => {
  const { execute, clock, log } = await openBench();
  await execute(publishOf('foo', '1.0.0'));
  clock.time -= 6 * 60_000;
  assert.deepEqual(
    await outcomes(
      [execute(yank('foo', '1.0.0')), execute(publishOf('bar', '1.0.0'))].map((it) => within(it)),
    ),
    ['clock-behind', 'clock-behind'],
  );
  assert.equal(log.length, 3);
  clock.time += 60 * 60_000;
  await execute(yank('foo', '1.0.0'));
});

test('a clock one minute behind writes, and times do not go back', async () => {
  const { execute, clock, log } = await openBench();
  await execute(publishOf('foo', '1.0.0'));
  clock.time -= 60_000;
  await execute(yank('foo', '1.0.0'));
  clock.time += 120_000;
  await execute(publishOf('foo', '1.1.0'));
  const times = eventsIn(log).map(({ at }) => at);
  assert.deepEqual(times, times.toSorted());
  assert.equal(times[3], times[2]);
  assert.notEqual(times[4], times[3]);
});

test('closing finishes what was accepted and refuses what comes after', async () => {
  const { execute, writer, log } = await openBench();
  const accepted = [execute(publishOf('foo', '1.0.0')), execute(publishOf('bar', '1.0.0'))];
  const closed = writer.close();
  const refused = execute(publishOf('baz', '1.0.0'));
  await assert.rejects(refused, refusal('shutting-down'));
  await closed;
  assert.equal(log.length, 5);
  assert.deepEqual(await outcomes(accepted), ['claimed+published', 'claimed+published']);
  await writer.close();
});

test('on a log that somebody damaged nothing is decided any more', async () => {
  const { execute, log } = await openBench();
  await execute(publishOf('foo', '1.0.0'));
  // An event that does not follow its predecessor: the state cannot take it in.
  const wrong: RegistryEvent = {
    ...(log.read(2) as Extract<RegistryEvent, { kind: 'published' }>),
    seq: 3,
    prev: 0,
  };
  await log.append([{ ...wrong, version: '9.9.9' }]);
  for (let again = 0; again < 2; again += 1)
    await assert.rejects(within(execute(publishOf('foo', '1.1.0'))), { name: 'LogDamage' });
  assert.equal(log.length, 4);
});

test('whatever is asked for at once, the log it gives is one that can be read', async () => {
  const name = fc.constantFrom('foo', 'bar');
  const version = fc.constantFrom('1.0.0', '2.0.0');
  const command: fc.Arbitrary<Command> = fc.oneof(
    fc.tuple(name, version).map(([n, v]) => publishOf(n, v)),
    fc.tuple(name, version).map(([n, v]) => yank(n, v)),
    fc
      .tuple(name, version)
      .map(([n, v]): Command => ({ kind: 'unyank', ecosystem: 'x07', name: n, version: v })),
    name.map((n): Command => ({ kind: 'add-owner', ecosystem: 'x07', name: n, owner: 'bob' })),
  );
  const requests = fc.array(fc.array(command, { minLength: 1, maxLength: 3 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(requests, fc.nat(3), fc.boolean(), async (plans, fault, landed) => {
      const { execute, log, state } = await openBench();
      if (fault > 0) log.faults.failAt(fault, landed);
      const half = Math.floor(plans.length / 2);
      for (const part of [plans.slice(0, half), plans.slice(half)])
        await Promise.allSettled(part.map((plan) => execute(plan)));
      const fresh = new RegistryState(new SealedLog(log), rulesOf);
      for (const n of ['foo', 'bar']) assert.deepEqual(state.package('x07', n), fresh.package('x07', n));
      const published = eventsIn(log).flatMap((event) =>
        event.kind === 'published' ? [`${event.name} ${event.version}`] : [],
      );
      assert.equal(new Set(published).size, published.length, 'a version was published twice');
    }),
    { numRuns: 100 },
  );
});
