/** What every `Counters` promises, whatever keeps it. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { CountEvent } from '../../core/count.ts';
import type { CounterLimits } from '../../core/counters.ts';
import type { Clock, Counters } from '../../core/ports.ts';

export interface CountersHarness {
  readonly counters: Counters;
  /** The counts as they are after a stop and a start, where that means anything. */
  again(): Promise<Counters>;
}

export type OpenCounters = (t: TestContext, clock: Clock, limits?: CounterLimits) => Promise<CountersHarness>;

/** A clock that stands still until a test sets it. */
export interface SetClock extends Clock {
  time: number;
}

export function clockAt(time: string): SetClock {
  return {
    time: Date.parse(time),
    now() {
      return this.time;
    },
  };
}

export const DAY_MS = 86_400_000;

export const smallLimits: CounterLimits = {
  strangeNames: 3,
  strangeVersionsPerName: 2,
  strangeVersions: 5,
  strangeCells: 6,
  missingVersions: 3,
};

export function download(name: string, version?: string, ours: CountEvent['ours'] = 'version'): CountEvent {
  return { name, category: 'download', version, ours };
}

function report(name: string, category: CountEvent['category'] = 'install'): CountEvent {
  return { name, category, ours: 'nothing' };
}

export function times(count: number, run: () => void): void {
  for (let i = 0; i < count; i += 1) run();
}

export function countersContract(kind: string, open: OpenCounters): void {
  test(`${kind}: downloads are counted by name, by version and by day`, async (t) => {
    const clock = clockAt('2026-05-01T12:00:00.000Z');
    const { counters, again } = await open(t, clock);
    counters.count(download('a', '1.3.0'));
    clock.time = Date.parse('2026-05-16T00:00:00.000Z');
    times(4, () => counters.count(download('a', '1.4.0')));
    clock.time = Date.parse('2026-06-08T00:00:00.000Z');
    times(3, () => counters.count(download('a', '1.4.0')));
    clock.time = Date.parse('2026-06-14T06:42:15.123Z');
    counters.count(download('a', '1.4.0'));
    for (const known of [counters, await again()]) {
      assert.deepEqual(known.statsOf('a'), {
        packageName: 'a',
        totalDownloads: 9,
        weeklyDownloads: 4,
        monthlyDownloads: 8,
        versionDownloads: { '1.3.0': 1, '1.4.0': 8 },
        lastDownload: '2026-06-14T06:42:15.123Z',
      });
      clock.time += DAY_MS;
      assert.equal(known.statsOf('a')?.weeklyDownloads, 1, 'six days before today still count, seven do not');
      assert.equal(known.statsOf('a')?.monthlyDownloads, 4);
      clock.time -= DAY_MS;
    }
  });

  test(`${kind}: nothing is known of a name without downloads, and its timeline is all zeros`, async (t) => {
    const { counters, again } = await open(t, clockAt('2026-06-14T06:42:15.123Z'));
    counters.count(report('a'));
    for (const known of [counters, await again()]) {
      assert.equal(known.statsOf('a'), undefined);
      assert.equal(known.statsOf('b'), undefined);
      assert.deepEqual(known.top(10), []);
      assert.deepEqual(known.timeline('b', 2), [
        { date: '2026-06-13', count: 0 },
        { date: '2026-06-14', count: 0 },
      ]);
    }
  });

  test(`${kind}: a timeline has one entry for each UTC day, the oldest first and today last`, async (t) => {
    const clock = clockAt('2026-02-27T23:59:59.999Z');
    const { counters, again } = await open(t, clock);
    times(2, () => counters.count(download('a', '1')));
    clock.time += 1;
    counters.count(download('a', '1'));
    counters.count({ name: 'a', category: 'install', ours: 'name' });
    clock.time = Date.parse('2026-03-02T00:00:00.000Z');
    times(3, () => counters.count(download('a', '2')));
    for (const known of [counters, await again()]) {
      assert.deepEqual(known.timeline('a', 5), [
        { date: '2026-02-26', count: 0 },
        { date: '2026-02-27', count: 2 },
        { date: '2026-02-28', count: 1 },
        { date: '2026-03-01', count: 0 },
        { date: '2026-03-02', count: 3 },
      ]);
      assert.equal(known.timeline('a', 400).length, 400);
      for (const days of [0, -1, 1.5, 401, Infinity, NaN])
        assert.throws(() => known.timeline('a', days), RangeError, String(days));
    }
  });

  test(`${kind}: the most downloaded come first, and equal ones by name`, async (t) => {
    const { counters, again } = await open(t, clockAt('2026-06-14T06:42:15.123Z'));
    for (const [name, count] of Object.entries({ b: 2, '@acme/lib': 2, c: 3, a: 2, z: 1 }))
      times(count, () => counters.count(download(name, '1')));
    for (const known of [counters, await again()]) {
      assert.deepEqual(
        known.top(4).map(({ name, downloads }) => `${name} ${downloads}`),
        ['c 3', '@acme/lib 2', 'a 2', 'b 2'],
      );
      assert.deepEqual(known.top(1), [{ name: 'c', downloads: 3 }]);
      assert.equal(known.top(100).length, 5);
      assert.deepEqual(known.top(0), []);
    }
  });

  test(`${kind}: a report says of each name how many there were, in words, and which part of all`, async (t) => {
    const clock = clockAt('2026-06-14T06:42:15.123Z');
    const { counters, again } = await open(t, clock);
    times(1100, () => counters.count(report('curl.se')));
    times(100, () => counters.count(report('bun.sh')));
    for (const known of [counters, await again()]) {
      assert.deepEqual(known.categoryReport('install', 30), {
        category: 'install',
        total_items: 2,
        start_date: '2026-05-16',
        end_date: '2026-06-14',
        total_count: 1200,
        items: [
          { number: 1, formula: 'curl.se', count: '1,100', percent: '91.67' },
          { number: 2, formula: 'bun.sh', count: '100', percent: '8.33' },
        ],
      });
      assert.deepEqual(known.categoryReport('build_error', 365), {
        category: 'build_error',
        total_items: 0,
        start_date: '2025-06-15',
        end_date: '2026-06-14',
        total_count: 0,
        items: [],
      });
    }
  });

  test(`${kind}: a download is an install, once, and the other categories are for themselves`, async (t) => {
    const { counters, again } = await open(t, clockAt('2026-06-14T06:42:15.123Z'));
    counters.count(download('a', '1'));
    counters.count(download('a', undefined, 'nothing'));
    counters.count(report('a', 'install'));
    times(4, () => counters.count(report('a', 'install_on_request')));
    times(5, () => counters.count(report('a', 'build_error')));
    for (const known of [counters, await again()]) {
      const totals = (['install', 'install_on_request', 'build_error'] as const).map(
        (category) => known.categoryReport(category, 90).total_count,
      );
      assert.deepEqual(totals, [3, 4, 5]);
      assert.equal(known.statsOf('a')?.totalDownloads, 2);
    }
  });

  test(`${kind}: versions that are not here are counted when asked for, the most wanted first`, async (t) => {
    const clock = clockAt('2026-06-14T06:42:15.123Z');
    const { counters, again } = await open(t, clock);
    counters.countMissing('@acme/lib', '9.9.9');
    counters.countMissing('@acme/lib', '1.0.0');
    counters.countMissing('other', '1.0.0');
    clock.time += 1000;
    times(2, () => counters.countMissing('@acme/lib', '9.9.9'));
    counters.countMissing('@acme/lib', '2.0.0');
    for (const known of [counters, await again()]) {
      const one = { packageName: '@acme/lib', requestCount: 1, isKnownVersion: false };
      assert.deepEqual(
        known.requestedVersions('@acme/lib', 20, (version) => version === '1.0.0'),
        [
          { ...one, version: '9.9.9', requestCount: 3, lastRequestedAt: '2026-06-14T06:42:16.123Z' },
          { ...one, version: '1.0.0', lastRequestedAt: '2026-06-14T06:42:15.123Z', isKnownVersion: true },
          { ...one, version: '2.0.0', lastRequestedAt: '2026-06-14T06:42:16.123Z' },
        ],
      );
      assert.deepEqual(
        known
          .requestedVersions('@acme/lib', 1)
          .map(({ version, isKnownVersion }) => [version, isKnownVersion]),
        [['9.9.9', false]],
      );
      assert.deepEqual(known.requestedVersions('nobody', 20), []);
    }
  });

  test(`${kind}: a piece of another log counts on its own days, and only once`, async (t) => {
    const clock = clockAt('2026-06-14T06:42:15.123Z');
    const { counters, again } = await open(t, clock);
    const past = { ...download('a', '1'), count: 20, atMs: Date.parse('2026-06-12T23:00:00.000Z') };
    const batch = { source: 'cdn', upTo: 100, counts: [past, { ...past, name: 'b', count: 3 }] };
    for (const wrong of [-1, 0.5, NaN, 2 ** 53])
      for (const bad of [
        { upTo: wrong },
        ...['count', 'atMs'].map((key) => ({ counts: [past, { ...past, [key]: wrong }] })),
      ])
        assert.throws(() => counters.add({ ...batch, ...bad }), RangeError);
    assert.equal(counters.takenUpTo('cdn'), undefined);
    assert.equal(counters.add(batch), true);
    assert.equal(counters.add(batch), false);
    assert.equal(counters.add({ ...batch, source: 'another', upTo: 0, counts: [] }), true);
    let known = counters;
    for (let round = 1; round <= 2; round += 1, known = await again()) {
      assert.equal(known.add(batch), false, 'also after a new start');
      assert.equal(known.add({ ...batch, upTo: 99 }), false);
      assert.deepEqual([known.takenUpTo('cdn'), known.takenUpTo('another')], [100, 0]);
      assert.deepEqual(known.top(10), [
        { name: 'a', downloads: 20 },
        { name: 'b', downloads: 3 },
      ]);
      assert.deepEqual(
        known.timeline('a', 3).map(({ count }) => count),
        [20, 0, 0],
      );
      assert.equal(known.statsOf('a')?.lastDownload, '2026-06-12T23:00:00.000Z');
    }
    assert.equal(known.add({ ...batch, upTo: 101 }), true);
    assert.equal(known.statsOf('a')?.totalDownloads, 40);
  });

  test(`${kind}: names that objects have anyway are names like others`, async (t) => {
    const { counters, again } = await open(t, clockAt('2026-06-14T06:42:15.123Z'));
    const names = ['__proto__', 'constructor', 'toString'];
    for (const name of names) {
      counters.count(download(name, '__proto__'));
      counters.countMissing(name, 'constructor');
    }
    for (const known of [counters, await again()])
      for (const name of names) {
        const { versionDownloads, totalDownloads } = known.statsOf(name) ?? {};
        assert.equal(totalDownloads, 1);
        assert.equal(JSON.stringify(versionDownloads), '{"__proto__":1}');
        assert.equal(known.requestedVersions(name, 20)[0]?.requestCount, 1);
      }
    assert.equal(counters.statsOf('hasOwnProperty'), undefined);
  });

  test(`${kind}: days that are too old leave the all-time counts behind`, async (t) => {
    const clock = clockAt('2026-01-01T12:00:00.000Z');
    const { counters, again } = await open(t, clock);
    counters.count(download('a', '1'));
    counters.count(report('stranger'));
    clock.time += 399 * DAY_MS;
    for (const known of [counters, await again()]) {
      assert.equal(known.timeline('a', 400)[0]?.count, 1);
      assert.equal(known.categoryReport('install', 400).total_count, 2);
    }
    clock.time += DAY_MS;
    counters.count(download('a', '1'));
    for (const known of [counters, await again()]) {
      assert.equal(known.categoryReport('install', 400).total_count, 1);
      assert.equal(known.statsOf('a')?.totalDownloads, 2);
    }
  });

  test(`${kind}: counts stay exact and do not grow beyond`, async (t) => {
    const clock = clockAt('2026-06-14T06:42:15.123Z');
    const { counters, again } = await open(t, clock);
    const past = { ...download('a', '1'), count: Number.MAX_SAFE_INTEGER - 1, atMs: clock.time };
    counters.add({ source: 'cdn', upTo: 1, counts: [past, { ...past, name: 'b' }] });
    times(3, () => counters.count(download('a', '1')));
    for (const known of [counters, await again()]) {
      const most = Number.MAX_SAFE_INTEGER;
      const stats = known.statsOf('a');
      assert.deepEqual([stats?.totalDownloads, stats?.weeklyDownloads], [most, most]);
      assert.deepEqual(stats?.versionDownloads, { 1: most });
      assert.equal(known.timeline('a', 1)[0]?.count, most);
      const { total_count, items } = known.categoryReport('install', 30);
      assert.deepEqual([total_count, items[0]?.count], [most, '9,007,199,254,740,991']);
    }
  });

  test(`${kind}: names that are not ours are counted while there is room; ours always`, async (t) => {
    const { counters, again } = await open(t, clockAt('2026-06-14T06:42:15.123Z'), smallLimits);
    for (const name of ['s1', 's2', 's3', 's4', 's5']) counters.count(download(name, '1', 'nothing'));
    for (const name of ['o1', 'o2', 'o3', 'o4', 'o5']) counters.count(download(name, '1', 'version'));
    counters.count(download('s1', '1', 'nothing'));
    const names = ['s1', 'o1', 'o2', 'o3', 'o4', 'o5', 's2', 's3'];
    for (const known of [counters, await again()]) {
      assert.deepEqual(
        known.top(100).map(({ name }) => name),
        names,
      );
      assert.equal(known.dropped, 2);
    }
    counters.count({ name: 's2', category: 'install', ours: 'name' });
    counters.count(download('s6', '1', 'nothing'));
    assert.equal(counters.statsOf('s6')?.totalDownloads, 1, 'one that is ours by now made room');
    const later = await again();
    later.count(download('s7', '1', 'nothing'));
    assert.equal(later.statsOf('s7'), undefined, 'a new start makes none');
    assert.equal(later.dropped, 3);
  });

  test(`${kind}: of versions that nobody published few have lines of their own, the rest are others`, async (t) => {
    const { counters, again } = await open(t, clockAt('2026-06-14T06:42:15.123Z'), smallLimits);
    for (const version of ['1', '2', '3', '4', '1']) counters.count(download('s1', version, 'nothing'));
    for (const version of ['1', '2', '3']) counters.count(download('s2', version, 'nothing'));
    for (const version of ['1', '2', '3', '4']) counters.count(download('ours', version, 'version'));
    for (const version of ['1', '5', '6']) counters.count(download('ours', version, 'name'));
    for (const known of [counters, await again()]) {
      assert.deepEqual(known.statsOf('s1')?.versionDownloads, { 1: 2, 2: 1, other: 2 });
      assert.deepEqual(known.statsOf('s2')?.versionDownloads, { 1: 1, 2: 1, other: 1 });
      assert.deepEqual(known.statsOf('ours')?.versionDownloads, { 1: 2, 2: 1, 3: 1, 4: 1, other: 2 });
    }
    counters.count(download('s3', '1', 'nothing'));
    assert.deepEqual(counters.statsOf('s3')?.versionDownloads, { other: 1 }, 'all together have bounds, too');
    assert.equal(counters.dropped, 0);
    counters.count({ name: 's1', category: 'install', ours: 'name' });
    counters.count(download('s3', '1', 'nothing'));
    assert.deepEqual(
      counters.statsOf('s3')?.versionDownloads,
      { other: 1, 1: 1 },
      'what is ours by now made room',
    );
  });

  test(`${kind}: a version of ours that nobody published has no line of its own, also while there is room`, async (t) => {
    const { counters } = await open(t, clockAt('2026-06-14T06:42:15.123Z'));
    counters.count(download('ours', '1', 'version'));
    counters.count(download('ours', '2', 'name'));
    assert.deepEqual(counters.statsOf('ours')?.versionDownloads, { 1: 1, other: 1 });
  });

  test(`${kind}: days of names that are not ours have bounds, and old days make room`, async (t) => {
    const clock = clockAt('2026-01-01T12:00:00.000Z');
    const { counters, again } = await open(t, clock, smallLimits);
    for (let day = 0; day < 9; day += 1, clock.time += DAY_MS) {
      counters.count(report('s1'));
      counters.count(download('ours', '1'));
    }
    for (const known of [counters, await again()]) {
      const counts = known
        .categoryReport('install', 400)
        .items.map(({ formula, count }) => `${formula} ${count}`);
      assert.deepEqual(counts, ['ours 9', 's1 6']);
      assert.equal(known.dropped, 3);
    }
    const later = await again();
    later.count(report('s2'));
    assert.equal(later.dropped, 4, 'a new start makes no room');
    clock.time = Date.parse('2026-01-01T12:00:00.000Z') + 400 * DAY_MS;
    times(2, () => counters.count(report('s2')));
    counters.count(report('s1'));
    for (const known of [counters, await again()]) {
      const of = (name: string) =>
        known.categoryReport('install', 400).items.find(({ formula }) => formula === name)?.count;
      assert.deepEqual([of('s1'), of('s2')], ['5', '2']);
      assert.equal(known.dropped, 4, 'one day was over, and one name took its room');
    }
    clock.time += 5 * DAY_MS;
    const much = await again();
    for (const category of ['install_on_request', 'build_error', 'install'] as const)
      much.count(report('s1', category));
    assert.equal(much.dropped, 4, 'days that were over before the start take no room');
  });

  test(`${kind}: days that were over when they were heard of take no room, nor those of what is ours by now`, async (t) => {
    const clock = clockAt('2026-06-14T06:42:15.123Z');
    const { counters } = await open(t, clock, smallLimits);
    const old = (i: number) => ({ ...report('s1'), count: 1, atMs: clock.time - (400 + i) * DAY_MS });
    counters.add({ source: 'cdn', upTo: 1, counts: [0, 1, 2, 3, 4, 5, 6, 7].map(old) });
    for (let day = 0; day < 6; day += 1, clock.time += DAY_MS) counters.count(report('s1'));
    assert.equal(counters.dropped, 0);
    counters.count(report('s2'));
    assert.equal(counters.dropped, 1);
    counters.count({ name: 's1', category: 'install', ours: 'name' });
    for (let day = 0; day < 6; day += 1, clock.time += DAY_MS) counters.count(report('s2'));
    assert.equal(counters.dropped, 1);
  });

  test(`${kind}: the missing version that was asked for longest ago makes room`, async (t) => {
    const clock = clockAt('2026-06-14T06:42:15.123Z');
    const { counters, again } = await open(t, clock, smallLimits);
    for (const version of ['1', '2', '3', '1', '4']) counters.countMissing('a', version);
    for (const known of [counters, await again()]) {
      const found = known
        .requestedVersions('a', 20)
        .map(({ version, requestCount }) => [version, requestCount]);
      assert.deepEqual(found, [
        ['1', 2],
        ['3', 1],
        ['4', 1],
      ]);
    }
    const later = await again();
    later.countMissing('b', '1');
    assert.deepEqual(
      later.requestedVersions('a', 20).map(({ version }) => version),
      ['1', '4'],
      'a new start knows which one that is',
    );
  });
}
