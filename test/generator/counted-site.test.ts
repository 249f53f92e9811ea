/** Files of counts, which follow the counters and not the log. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CounterModel } from '../../core/counters.ts';
import { siteContext } from '../../ecosystems/ecosystem.ts';
import { isOutsideLog, updateCounted } from '../../generator/counted-site.ts';
import { planPackage } from '../../generator/plan.ts';
import { MemorySite } from '../../stores/memory.ts';
import { allSurfaces } from '../../surfaces/index.ts';
import { pantry } from '../../surfaces/pantry/index.ts';
import { examples } from '../ecosystems/examples.ts';
import { rules } from '../../ecosystems/npm/names.ts';
import { aClock, aPackage, someSettings } from '../support/registry.ts';

const settings = someSettings({ mounts: { pantry: '/pantry' } });
const site = siteContext(pantry, settings) ?? assert.fail();
const DAY_MS = 24 * 60 * 60_000;

function world(): {
  target: MemorySite;
  counters: CounterModel;
  clock: ReturnType<typeof aClock>;
  hidden: Set<string>;
  update(): Promise<void>;
} {
  // Nothing moves by itself: a new day begins when a test says so.
  const clock = Object.assign(aClock(0), { time: DAY_MS * 20_000 });
  const [target, counters, hidden] = [new MemorySite(), new CounterModel(clock), new Set<string>()];
  const update = (): Promise<void> =>
    updateCounted({
      counters,
      target,
      surfaces: allSurfaces,
      settings: () => settings,
      isHidden: (name) => hidden.has(name),
      clock,
    });
  return { target, counters, clock, hidden, update };
}

const download = (name: string): Parameters<CounterModel['count']>[0] => ({
  category: 'download',
  name,
  version: '1.0.0',
  ours: 'version',
});
const filesOf = (target: MemorySite, name: string): number =>
  [...target.files.keys()].filter((path) => path.startsWith(`pantry/analytics/${name}/`)).length;

test('where nothing was ever counted nothing is written', async () => {
  const { target, update } = world();
  await update();
  assert.equal(target.files.size, 0);
});

test('a name that was downloaded gets its files, and those of others stay until a new day begins', async () => {
  const { target, counters, clock, update } = world();
  counters.count(download('lib'));
  counters.count(download('other'));
  // Longer than other processes may take to see it.
  clock.time += 10_000;
  await update();
  assert.deepEqual([filesOf(target, 'lib'), filesOf(target, 'other')], [2, 2]);
  const timeline = (name: string): unknown => target.files.get(`pantry/analytics/${name}/timeline/=index`);
  const [before, ofOther] = [timeline('lib'), timeline('other')];
  clock.time += 60_000;
  counters.count(download('lib'));
  await update();
  assert.notDeepEqual(timeline('lib'), before);
  assert.equal(timeline('other'), ofOther);
  clock.time += DAY_MS;
  await update();
  assert.notDeepEqual(timeline('other'), ofOther);
});

test('no file is about a package that is not for everybody, and those that were go with it', async () => {
  const { target, counters, clock, hidden, update } = world();
  counters.count(download('@acme/lib'));
  await update();
  assert.equal(filesOf(target, '@acme/lib'), 2);
  const before = aPackage(examples.npm, rules);
  const { removals } = planPackage(before, { ...before, visibility: 'private' }, { surface: pantry, site });
  await target.remove(removals.map(({ path }) => path));
  assert.equal(filesOf(target, '@acme/lib'), 0);
  hidden.add('@acme/lib');
  clock.time += DAY_MS;
  counters.count(download('@acme/lib'));
  await update();
  assert.equal(filesOf(target, '@acme/lib'), 0);
});

test('a name whose files would lie where others do has none', async () => {
  const { target, counters, update } = world();
  counters.count(download('top'));
  counters.count(download('lib/timeline'));
  await update();
  assert.deepEqual([...target.files.keys()].sort(), [
    'pantry/analytics/=index',
    'pantry/analytics/top/=index',
  ]);
});

test('what lies outside the log is told by its place', () => {
  const is = (path: string): boolean => isOutsideLog(path, allSurfaces, settings);
  assert.ok(is('pantry/analytics/=index') && is('pantry/analytics/lib/timeline/=index'));
  assert.ok(
    !is('pantry/packages/lib/=index') && !is('pantry/analytics-of-mine') && !is('npm/analytics/=index'),
  );
});
