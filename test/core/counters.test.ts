import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  categories,
  isCountableName,
  isCountableVersion,
  type Category,
  type CategoryReport,
  type CountEvent,
} from '../../core/count.ts';
import { CounterModel } from '../../core/counters.ts';
import type { Counters } from '../../core/ports.ts';
import { asSavedCounts, type SavedCounts } from '../../core/saved-counts.ts';
import { clockAt, countersContract, DAY_MS, smallLimits } from '../support/counters-contract.ts';

countersContract('CounterModel', async (_, clock, limits) => {
  const counters = new CounterModel(clock, limits);
  return {
    counters,
    async again() {
      const next = new CounterModel(clock, limits);
      for (const piece of counters.everything()) next.apply(throughText(piece));
      return next;
    },
  };
});

function throughText(saved: SavedCounts): SavedCounts {
  return asSavedCounts(JSON.stringify(saved));
}

test('a name is text as packages and projects have it, and a version, too', () => {
  const names = [
    'lib',
    '@acme/lib',
    'curl.se',
    'gnu.org/gcc/libstdc++',
    'crates.io/ripgrep',
    '__proto__',
    'A~b',
  ];
  assert.deepEqual(
    names.filter((name) => !isCountableName(name)),
    [],
  );
  const noNames = [
    '',
    '@',
    '/',
    'a/',
    '/a',
    'a//b',
    '..',
    'a/../b',
    '@../b',
    './a',
    'a b',
    'a\n',
    'ä',
    'a@b',
    'a%2f',
  ];
  assert.deepEqual(noNames.filter(isCountableName), []);
  assert.deepEqual([isCountableName('n'.repeat(214)), isCountableName('n'.repeat(215))], [true, false]);
  assert.deepEqual(
    ['1.0.0', '1.4.0-rc.1+build', 'abc1234', 'unknown'].filter((version) => !isCountableVersion(version)),
    [],
  );
  assert.deepEqual(['', '1 0', '1@2', '1/2', '1\n', 'ü'].filter(isCountableVersion), []);
  assert.deepEqual([isCountableVersion('v'.repeat(64)), isCountableVersion('v'.repeat(65))], [true, false]);
});

interface Counted {
  readonly name: string;
  readonly category: Category;
  readonly version: string;
  readonly day: number;
  readonly count: number;
}

const names = ['a', 'b', '@acme/lib', '__proto__'];
const counted: fc.Arbitrary<Counted> = fc.record({
  name: fc.constantFrom(...names),
  category: fc.constantFrom(...categories),
  version: fc.constantFrom('1', '2', 'constructor'),
  day: fc.integer({ min: -420, max: 0 }),
  count: fc.integer({ min: 1, max: 2000 }),
});

const today = '2026-06-14';
const noon = Date.parse(`${today}T12:00:00.000Z`);

/** The same questions over a list of everything that was ever counted. */
function naive(all: readonly Counted[]) {
  const sum = (list: readonly Counted[]) => list.reduce((total, { count }) => total + count, 0);
  const dateOf = (day: number) => new Date(noon + day * DAY_MS).toISOString().slice(0, 10);
  const downloads = all.filter(({ category }) => category === 'download');
  const of = (name: string) => downloads.filter((one) => one.name === name);
  const group = (list: readonly Counted[], key: 'name' | 'version') =>
    [...new Set(list.map((one) => one[key]))]
      .map((text) => [text, sum(list.filter((one) => one[key] === text))] as const)
      .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
  return {
    top: (limit: number) =>
      group(downloads, 'name')
        .slice(0, limit)
        .map(([name, count]) => ({ name, downloads: count })),
    statsOf: (packageName: string) =>
      of(packageName).length === 0
        ? undefined
        : {
            packageName,
            totalDownloads: sum(of(packageName)),
            weeklyDownloads: sum(of(packageName).filter(({ day }) => day > -7)),
            monthlyDownloads: sum(of(packageName).filter(({ day }) => day > -30)),
            versionDownloads: Object.fromEntries(group(of(packageName), 'version')),
            lastDownload: new Date(
              noon + Math.max(...of(packageName).map(({ day }) => day)) * DAY_MS,
            ).toISOString(),
          },
    timeline: (name: string, days: number) =>
      Array.from({ length: days }, (_, i) => i - days + 1).map((day) => ({
        date: dateOf(day),
        count: sum(of(name).filter((one) => one.day === day)),
      })),
    categoryReport(category: CategoryReport['category'], days: number) {
      const found = all.filter(
        (one) =>
          one.day > -days &&
          (one.category === category || (category === 'install' && one.category === 'download')),
      );
      return {
        category,
        total_items: group(found, 'name').length,
        start_date: dateOf(1 - days),
        end_date: today,
        total_count: sum(found),
        items: group(found, 'name').map(([formula, count], i) => ({
          number: i + 1,
          formula,
          count: count.toLocaleString('en-US'),
          percent: ((count / sum(found)) * 100).toFixed(2),
        })),
      };
    },
  };
}

function assertSame(counters: Counters, all: readonly Counted[]): void {
  const expected = naive(all);
  for (const limit of [1, 2, 10]) assert.deepEqual(counters.top(limit), expected.top(limit));
  for (const name of names) {
    assert.deepEqual(counters.statsOf(name), expected.statsOf(name));
    for (const days of [1, 30, 400])
      assert.deepEqual(counters.timeline(name, days), expected.timeline(name, days));
  }
  for (const category of ['install', 'install_on_request', 'build_error'] as const)
    for (const days of [30, 90, 365])
      assert.deepEqual(counters.categoryReport(category, days), expected.categoryReport(category, days));
}

test('whatever is counted, in whatever order, every answer is that of a list of all events', () => {
  fc.assert(
    fc.property(fc.array(counted, { maxLength: 60 }), (all) => {
      const counters = new CounterModel(clockAt(`${today}T12:00:00.000Z`));
      for (const [i, one] of all.entries())
        counters.add({
          source: 'test',
          upTo: i,
          counts: [{ ...one, ours: 'version', atMs: noon + one.day * DAY_MS }],
        });
      assertSame(counters, all);
    }),
    { numRuns: 200 },
  );
});

test('counting one by one as the days go by is the same as adding them up afterwards', () => {
  fc.assert(
    fc.property(fc.array(counted, { maxLength: 40 }), (unordered) => {
      const all = unordered.map((one) => ({ ...one, count: 1 })).sort((a, b) => a.day - b.day);
      const clock = clockAt(`${today}T12:00:00.000Z`);
      const counters = new CounterModel(clock);
      for (const one of all) {
        clock.time = noon + one.day * DAY_MS;
        counters.count({ ...one, ours: 'version' });
      }
      clock.time = noon;
      assertSame(counters, all);
    }),
    { numRuns: 200 },
  );
});

/** What is done while a snapshot is taken; `undefined` writes down what changed, `piece` a piece of the snapshot. */
type Step = Counted | 'journal' | 'piece' | 'miss';

test('a snapshot that is taken while counting goes on, and what was written down since, give the counts', () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: counted },
    fc.constantFrom('journal' as const, 'piece' as const, 'miss' as const),
  );
  fc.assert(
    fc.property(fc.array(counted), fc.array(step, { maxLength: 60 }), fc.nat(60), (before, steps, again) => {
      const clock = clockAt(`${today}T12:00:00.000Z`);
      const counters = new CounterModel(clock);
      const all: Counted[] = [];
      const count = (one: Counted): void => {
        const counts = [{ ...one, ours: 'version' as const, atMs: noon + one.day * DAY_MS }];
        counters.add({ source: 'test', upTo: all.push(one), counts });
      };
      for (const one of before) count(one);
      // More names than a piece has.
      for (let i = 0; i < 600; i += 1)
        counters.count({ name: `many-${i}`, category: 'install', ours: 'name' });
      const [pieces, snapshot, journal] = [
        counters.everything()[Symbol.iterator](),
        [] as SavedCounts[],
        [] as SavedCounts[],
      ];
      const takePiece = (): boolean => {
        const { done, value } = pieces.next();
        if (done !== true) snapshot.push(throughText(value));
        return done !== true;
      };
      const takeChanges = (): void => {
        const changes = counters.changes();
        if (changes) journal.push(throughText(changes));
      };
      for (const what of steps) {
        if (what === 'piece') takePiece();
        else if (what === 'journal') takeChanges();
        else if (what === 'miss') counters.countMissing('a', '9');
        else count(what);
      }
      while (takePiece());
      takeChanges();
      const read = new CounterModel(clock);
      // Some of the journal was read before: from a reader's view it is never clear what came first.
      for (const saved of [...journal.slice(0, again), ...snapshot, ...journal]) read.apply(saved);
      for (const known of [counters, read]) {
        for (const name of names) assert.deepEqual(known.statsOf(name), naive(all).statsOf(name));
        assert.deepEqual(known.timeline('a', 400), naive(all).timeline('a', 400));
      }
      assert.deepEqual(read.requestedVersions('a', 20), counters.requestedVersions('a', 20));
      for (const category of ['install', 'install_on_request', 'build_error'] as const)
        assert.deepEqual(read.categoryReport(category, 365), counters.categoryReport(category, 365));
      assert.equal(read.takenUpTo('test'), all.length === 0 ? undefined : all.length);
    }),
    { numRuns: 60 },
  );
});

test('what is written down is only what changed since', () => {
  const counters = new CounterModel(clockAt(`${today}T12:00:00.000Z`));
  assert.equal(counters.changes(), undefined);
  for (const version of ['1', '2'])
    counters.count({ name: 'a', category: 'download', version, ours: 'version' });
  counters.count({ name: 'b', category: 'install', ours: 'name' });
  counters.changes();
  assert.equal(counters.changes(), undefined);
  counters.count({ name: 'a', category: 'download', version: '2', ours: 'version' });
  const cell = Math.floor(noon / DAY_MS) * 4;
  assert.deepEqual(counters.changes(), {
    names: [['a', 1, 3, noon, ['2', 2], [cell, 3]]],
    missing: [],
    positions: [],
    dropped: 0,
  });
});

test('a flood of whatever kind does not grow what is kept', () => {
  const clock = clockAt(`${today}T12:00:00.000Z`);
  const event: fc.Arbitrary<CountEvent> = fc.record({
    name: fc.stringMatching(/^[a-z]{1,2}$/),
    category: fc.constantFrom(...categories),
    version: fc.stringMatching(/^[0-9]{1,2}$/),
    ours: fc.constant('nothing' as const),
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(event, fc.nat(3)), { maxLength: 200 }), (flood) => {
      clock.time = noon;
      const counters = new CounterModel(clock, smallLimits);
      for (const [one, days] of flood) {
        clock.time += days * DAY_MS;
        counters.count(one);
        counters.countMissing(one.name, one.version ?? '');
      }
      const kept = [...counters.everything()];
      const tallies = kept.flatMap((piece) => piece.names);
      assert.ok(tallies.length <= 3, 'names');
      const lines = tallies.flatMap(([, , , , versions]) => versions.filter((_, i) => i % 2 === 0));
      // `other` is one line more of each name.
      assert.ok(lines.filter((version) => version !== 'other').length <= 5, 'versions');
      assert.ok(tallies.reduce((sum, [, , , , , days]) => sum + days.length / 2, 0) <= 6, 'days');
      assert.ok(kept.flatMap(({ missing }) => missing).length <= 3, 'missing versions');
      const changes = counters.changes();
      assert.ok((changes?.missing.length ?? 0) <= 3, 'missing versions that wait to be written');
    }),
  );
});

test('lines that are not what counts are saved as are refused', () => {
  const good = {
    names: [['a', 1, 2, 3, ['1', 2], [4, 5]]],
    missing: [['a', '1', 1, 1]],
    positions: [['x', 1]],
    dropped: 0,
  };
  assert.deepEqual(asSavedCounts(JSON.stringify(good)), good);
  const bad: unknown[] = [
    null,
    [],
    {},
    { ...good, dropped: -1 },
    { ...good, names: {} },
    { ...good, names: [['a', 1, 2, 3, ['1', 2]]] },
    { ...good, names: [[1, 1, 2, 3, ['1', 2], [4, 5]]] },
    { ...good, names: [['a', 2, 2, 3, ['1', 2], [4, 5]]] },
    { ...good, names: [['a', 1, 2.5, 3, ['1', 2], [4, 5]]] },
    { ...good, names: [['a', 1, 2, 3, ['1'], [4, 5]]] },
    { ...good, names: [['a', 1, 2, 3, [1, 2], [4, 5]]] },
    { ...good, names: [['a', 1, 2, 3, ['1', 2], [4]]] },
    { ...good, names: [['a', 1, 2, 3, ['1', 2], ['4', 5]]] },
    { ...good, missing: [['a', '1', 1]] },
    { ...good, positions: [['x', 2 ** 53]] },
  ];
  for (const value of bad)
    assert.throws(() => asSavedCounts(JSON.stringify(value)), TypeError, JSON.stringify(value));
  assert.throws(() => asSavedCounts(JSON.stringify(good).slice(0, -1)), TypeError);
});
