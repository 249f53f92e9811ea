import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LogDamage } from '../../core/errors.ts';
import type { EventDraft, RegistryEvent } from '../../core/event.ts';
import { reducePackage } from '../../core/package.ts';
import type { RegistryLog } from '../../core/ports.ts';
import { RegistryState } from '../../core/state.ts';
import { rulesOf } from '../../ecosystems/index.ts';
import { applyAll, steps, toyAlphabet } from '../support/histories.ts';
import { eventsFrom, fact, genesis, openWorld, someSettings } from '../support/registry.ts';
import { namespacedRules, toyRules, toyRulesOf } from '../support/toy-surface.ts';

/** A log that checks nothing and costs nothing; `grow` is somebody's append. */
function listLog(events: RegistryEvent[]): RegistryLog & { grow(more: readonly RegistryEvent[]): void } {
  return {
    get length() {
      return events.length;
    },
    head: '',
    openingOf: () => undefined,
    read(seq) {
      const event = events[seq];
      if (!event) throw new RangeError(`the log has no event ${seq} yet`);
      return event;
    },
    append: async () => undefined,
    refresh: async () => undefined,
    carriesOn: async () => true,
    close: async () => undefined,
    grow: (more) => void events.push(...more),
  };
}

const start = [fact.claimed(), fact.published('1.0.0')];
const log = (): ReturnType<typeof listLog> => listLog([genesis(), ...eventsFrom(start)]);

test('a state is what the log says, and follows it', () => {
  const growing = log();
  const state = new RegistryState(growing, rulesOf);
  assert.deepEqual([state.length, state.isEmpty, state.registry], [3, false, 'e'.repeat(32)]);
  assert.deepEqual(state.settings, someSettings());
  assert.deepEqual([...(state.package('x07', 'foo')?.releases.keys() ?? [])], ['1.0.0']);
  const [next] = eventsFrom([fact.published('2.0.0')], 3);
  assert.ok(next);
  growing.grow([{ ...next, prev: 2 } as RegistryEvent]);
  assert.equal(state.package('x07', 'foo')?.releases.size, 1, 'it does not move by itself');
  state.catchUp();
  assert.deepEqual([...(state.package('x07', 'foo')?.releases.keys() ?? [])], ['1.0.0', '2.0.0']);
  assert.equal(state.lastSeq({ ecosystem: 'x07', name: 'foo', of: 'package' }), 3);
  assert.equal(state.package('x07', 'bar'), undefined);
  assert.deepEqual(state.eventsOf({ ecosystem: 'x07', name: 'bar', of: 'package' }), []);
});

test('an empty log has no settings to ask for', () => {
  const state = new RegistryState(listLog([]), rulesOf);
  assert.equal(state.isEmpty, true);
  assert.throws(() => state.settings, LogDamage);
  assert.throws(() => state.registry, LogDamage);
});

test('settings are those of the last event that set them', () => {
  const growing = log();
  const state = new RegistryState(growing, rulesOf);
  const settings = someSettings({ publicUrl: 'https://other.example' });
  growing.grow(eventsFrom([{ kind: 'settings-changed', by: 'root', settings }], 3));
  state.catchUp();
  assert.deepEqual(state.settings, settings);
});

const breaks: Record<string, readonly RegistryEvent[]> = {
  'does not name its predecessor': [genesis(), ...eventsFrom(start).map(({ ...event }) => without(event))],
  'names another one': [
    genesis(),
    ...eventsFrom([...start, fact.yanked('1.0.0')]).map((e) => (e.seq === 3 ? { ...e, prev: 1 } : e)),
  ],
  'names one though it is the first': [
    genesis(),
    ...eventsFrom(start).map((e) => (e.seq === 1 ? { ...e, prev: 0 } : e)),
  ],
  'is a second genesis': [genesis(), ...eventsFrom(start), { ...genesis(), seq: 3 }],
  'comes before any genesis': eventsFrom(start, 0),
};

function without(event: RegistryEvent): RegistryEvent {
  const { prev: _prev, ...rest } = event as RegistryEvent & { prev?: number };
  return rest;
}

for (const [what, events] of Object.entries(breaks))
  test(`an event that ${what} is damage`, () => {
    assert.throws(() => new RegistryState(listLog([...events]), rulesOf), LogDamage);
  });

test('names with one key are one package, and a namespace is none', () => {
  const of = { by: 'ann', ecosystem: 'x07', name: 'Foo_Bar' } as const;
  const events = [
    ...eventsFrom([{ kind: 'claimed', ...of, of: 'namespace', owner: 'ann' }]),
    ...eventsFrom([{ kind: 'claimed', ...of, owner: 'bob' }], 2),
  ];
  const state = new RegistryState(listLog([genesis(), ...events]), toyRulesOf);
  for (const name of ['Foo_Bar', 'foo-bar', 'FOO-BAR'])
    assert.deepEqual(state.package('x07', name)?.owners, ['bob']);
  assert.deepEqual(state.namespace('x07', 'Foo_Bar')?.owners, ['ann']);
  assert.equal(state.namespace('x07', 'foo-bar'), undefined);
  assert.deepEqual(state.packageKeys(['x07']), ['x07/package/foo-bar']);
  assert.deepEqual(state.packageKeys([]), []);
  assert.equal(
    new RegistryState(listLog([genesis()]), () => namespacedRules).namespace('x07', 'foo'),
    undefined,
  );
});

test('keys of packages come in ascending order', () => {
  const names = ['b', 'a-b', 'a', 'a_b', 'aa', 'Z'];
  const events = names.flatMap((name, i) => eventsFrom([{ ...fact.claimed(), name } as EventDraft], i + 1));
  const state = new RegistryState(listLog([genesis(), ...events]), rulesOf);
  const keys = state.packageKeys(['x07']);
  assert.equal(keys.length, names.length);
  for (const [i, key] of keys.entries()) if (i > 0) assert.ok((keys[i - 1] ?? '') < key);
});

test('a package at any length of the log is the fold of its events up to there', async () => {
  await fc.assert(
    fc.asyncProperty(steps(toyAlphabet, { min: 1, max: 15 }), async (history) => {
      const world = await openWorld({ rulesOf: toyRulesOf, surfaces: [] });
      await applyAll(world, history);
      const events = Array.from({ length: world.log.length }, (_, seq) => world.log.read(seq));
      for (const key of world.state.packageKeys(['x07'])) {
        const own = events.filter(
          (event) => 'ecosystem' in event && `x07/package/${toyRules.nameKey(event.name)}` === key,
        );
        for (let length = 0; length <= events.length; length += 1)
          assert.deepEqual(
            world.state.packageAt(key, length),
            reducePackage(
              undefined,
              own.filter(({ seq }) => seq < length),
              toyRules,
            ),
          );
        assert.deepEqual(world.state.packageByKey(key), world.state.packageAt(key, events.length));
      }
    }),
    { numRuns: 40 },
  );
});

test('what falls out of the cache is reduced again, and is the same', () => {
  // Each of the three fills more than half of what is kept, so that asking for one drops another.
  const versions = Array.from({ length: 101_000 }, (_, i) => `1.${i}.0`);
  const names = ['a', 'b', 'c'];
  const events: RegistryEvent[] = [genesis()];
  const [template] = eventsFrom([fact.published('1.0.0')]);
  assert.ok(template?.kind === 'published');
  for (const name of names)
    for (const [i, version] of versions.entries()) {
      const seq = events.length;
      const { prev: _prev, ...event } = { ...template, seq, name, version };
      events.push(i === 0 ? event : { ...event, prev: seq - 1 });
    }
  const growing = listLog(events);
  const state = new RegistryState(growing, rulesOf);
  const first = new Map(names.map((name) => [name, state.package('x07', name)]));
  for (const name of [...names, ...names.toReversed()]) {
    const found = state.package('x07', name);
    assert.equal(found?.releases.size, versions.length);
    assert.equal(found.lastSeq, first.get(name)?.lastSeq);
    assert.deepEqual(found.releases.get('1.7.0'), first.get(name)?.releases.get('1.7.0'));
  }
  // One that was dropped takes in what came meanwhile.
  growing.grow([{ ...template, seq: events.length, name: 'a', version: '2.0.0', prev: versions.length }]);
  state.catchUp();
  assert.equal(state.package('x07', 'a')?.releases.size, versions.length + 1);
});

test('the package before a change is at hand, also when somebody has looked at what came of it', () => {
  const growing = log();
  const state = new RegistryState(growing, rulesOf);
  const before = state.package('x07', 'foo');
  assert.ok(before);
  const change = eventsFrom([...start, fact.yanked('1.0.0')])[2];
  assert.ok(change);
  growing.grow([change]);
  state.catchUp();
  const key = state.keyOf({ ecosystem: 'x07', name: 'foo', of: 'package' });
  assert.equal(state.packageBefore(key, change), before);
  assert.notEqual(state.package('x07', 'foo'), before);
  assert.equal(state.packageBefore(key, change), before);
});

test('asking twice gives the same object: what is cached is not reduced again', () => {
  const state = new RegistryState(log(), rulesOf);
  assert.equal(state.package('x07', 'foo'), state.package('x07', 'foo'));
});
