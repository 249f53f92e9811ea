/** What is removed because nobody needs it, and what is not, whatever happens meanwhile. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Command } from '../../core/decide.ts';
import { asDigest, digestOf } from '../../core/digest.ts';
import { RegistryError, type ErrorCode } from '../../core/errors.ts';
import type { GarbageReport } from '../../core/garbage.ts';
import { withControl } from '../../bin/control.ts';
import { GarbageCollector } from '../../bin/garbage.ts';
import { layout } from '../../bin/layout.ts';
import { readRegistry } from '../../bin/open-registry.ts';
import { compareTrees } from '../../stores/compare-trees.ts';
import { assertRefused, cairn, cairnOk } from '../support/command-line.ts';
import { assertRemoved, DAY_MS, HOUR_MS, openGarbageWorld, type GarbageWorld } from '../support/garbage.ts';
import { eventually } from '../support/eventually.ts';
import { ociDigest, pushOf, tagOf } from '../support/oci-histories.ts';
import { anArtifact, bytesOf, publishOf } from '../support/registry.ts';
import { commitOf, npmVersionOf, shas } from '../support/sharing-histories.ts';
import { filesBelow } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';

const [sha = ''] = shas;
const of = (name: string) => ({ ecosystem: 'npm', name }) as const;
const digest = (name: string, version: string): string => anArtifact(name, version).digest;

function npm(world: GarbageWorld, name: string, version: string): Promise<unknown> {
  return world.write(npmVersionOf(name, version), bytesOf(name, version));
}

/** A manifest of `app` in the namespace `ann`, with its layers. */
function oci(world: GarbageWorld, what: string, blobs: readonly string[]): Promise<unknown> {
  return world.write(
    pushOf({ name: 'ann/app', what, blobs }),
    ...[what, ...blobs].map((content) => bytesOf('oci', content)),
  );
}

function refusal(code: ErrorCode, says: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof RegistryError && error.code === code && says.test(error.message);
}

describe('of a registry with packages of every kind', () => {
  test('what was withdrawn, replaced or left behind is removed, and nothing else', async (t) => {
    const world = await openGarbageWorld(t);
    await npm(world, 'lib', '1.0.0');
    await npm(world, 'lib', '2.0.0');
    await npm(world, 'gone', '1.0.0');
    await world.write(commitOf('lib', sha), bytesOf('lib', `${sha}-a`));
    await world.write(commitOf('lib', sha, 'b'), bytesOf('lib', `${sha}-b`));
    await world.write(publishOf('x', '1.0.0'), bytesOf('x', '1.0.0'));
    await world.write({ kind: 'withdraw', ...of('lib'), version: '1.0.0' });
    await world.write({ kind: 'withdraw', ...of('gone') });
    await oci(world, 'image 1', ['config', 'layer 1']);
    await oci(world, 'image 2', ['config', 'layer 2']);
    await world.write(tagOf('ann/app', 'latest', 'image 1'));
    const image: Command = {
      kind: 'withdraw',
      ecosystem: 'oci',
      name: 'ann/app',
      version: ociDigest('image 1'),
    };
    await world.write(image);
    const dropped = await world.drop('of a push that came to nothing');
    const before = await world.digests();
    const report = await world.collect();
    const gone = [
      digest('lib', '1.0.0'),
      digest('gone', '1.0.0'),
      digest('lib', `${sha}-a`),
      ociDigest('image 1'),
      ociDigest('layer 1'),
      dropped,
    ];
    assertRemoved(before, await world.digests(), gone);
    assert.equal(report.removed.blobs, gone.length);
    assert.equal(report.needed, before.length - gone.length);
    assert.deepEqual(await filesBelow(join(world.data, 'blobs/incoming')), []);
    assert.deepEqual((await world.collect()).removed, { blobs: 0, bytes: 0 });
  });

  test('a package that is private needs its blobs as others do, and so does a manifest that lies in a blob', async (t) => {
    const world = await openGarbageWorld(t);
    const long = JSON.stringify({ blobs: [[ociDigest('layer'), 3]] });
    const { meta: _, ...push } = pushOf({ name: 'ann/app', what: 'image' });
    await world.write(
      { ...push, metaDigest: digestOf(long), visibility: 'private' },
      bytesOf('oci', 'image'),
      bytesOf('oci', 'layer'),
      long,
    );
    await world.write(
      { ...npmVersionOf('quokka', '1.0.0'), visibility: 'private' },
      bytesOf('quokka', '1.0.0'),
    );
    const before = await world.digests();
    assert.equal((await world.collect()).removed.blobs, 0);
    assert.deepEqual(await world.digests(), before);
    await world.write({ kind: 'withdraw', ecosystem: 'oci', name: 'ann/app', version: ociDigest('image') });
    await world.collect();
    assert.deepEqual(await world.digests(), [digest('quokka', '1.0.0')]);
  });

  test('bytes that the site links to are told apart: removing them frees nothing', async (t) => {
    const world = await openGarbageWorld(t);
    await npm(world, 'lib', '1.0.0');
    const dropped = 'x'.repeat(1000);
    await world.drop(dropped);
    await world.registry.publisher.visible(world.registry.log.length);
    assert.deepEqual((await world.collect()).removed, { blobs: 1, bytes: 1000 });
  });
});

describe('the grace period', () => {
  test('begins when nobody is found to need a blob, and is over later', async (t) => {
    const world = await openGarbageWorld(t);
    await npm(world, 'lib', '1.0.0');
    await world.write({ kind: 'withdraw', ...of('lib') });
    const first = await world.collect(7 * DAY_MS);
    assert.deepEqual([first.removed.blobs, first.waiting.blobs], [0, 1]);
    world.clock.time += 6 * DAY_MS;
    assert.deepEqual((await world.collect(7 * DAY_MS)).removed.blobs, 0);
    world.clock.time += 2 * DAY_MS;
    const last = await world.collect(7 * DAY_MS);
    assert.deepEqual([last.removed.blobs, last.waiting.blobs], [1, 0]);
    assert.deepEqual(await world.digests(), []);
  });

  test('begins anew when somebody needed it in between, though no run saw that', async (t) => {
    const world = await openGarbageWorld(t);
    await npm(world, 'lib', '1.0.0');
    await world.write({ kind: 'withdraw', ...of('lib') });
    await world.collect(7 * DAY_MS);
    world.clock.time += 6 * DAY_MS;
    // Equal bytes under another name, for a moment.
    await new Promise((next) => setTimeout(next, 10));
    await world.write(
      { ...npmVersionOf('other', '1.0.0'), artifacts: npmVersionOf('lib', '1.0.0').artifacts },
      bytesOf('lib', '1.0.0'),
    );
    await world.write({ kind: 'withdraw', ...of('other') });
    world.clock.time += 2 * DAY_MS;
    assert.equal((await world.collect(7 * DAY_MS)).removed.blobs, 0);
    world.clock.time += 6 * DAY_MS;
    assert.equal((await world.collect(7 * DAY_MS)).removed.blobs, 0);
    world.clock.time += 2 * DAY_MS;
    assert.equal((await world.collect(7 * DAY_MS)).removed.blobs, 1);
  });

  test('begins anew after a blob was needed', async (t) => {
    const world = await openGarbageWorld(t);
    const dropped = await world.drop('content');
    await world.collect(DAY_MS);
    await world.registry.uploads.hold('ann/app', dropped);
    world.clock.time += 2 * DAY_MS;
    await world.registry.uploads.hold('ann/app', dropped);
    assert.equal((await world.collect(DAY_MS)).removed.blobs, 0);
    await world.registry.uploads.release('ann/app', dropped);
    assert.equal((await world.collect(DAY_MS)).removed.blobs, 0, 'noted now');
    world.clock.time += DAY_MS;
    assert.equal((await world.collect(DAY_MS)).removed.blobs, 1);
  });

  test('of a clock that is set back begins anew', async (t) => {
    const world = await openGarbageWorld(t);
    await world.drop('content');
    world.clock.time += 30 * DAY_MS;
    await world.collect(DAY_MS);
    world.clock.time -= 30 * DAY_MS;
    assert.equal((await world.collect(DAY_MS)).removed.blobs, 0);
    world.clock.time += DAY_MS;
    assert.equal((await world.collect(DAY_MS)).removed.blobs, 1);
  });

  test('begins anew where notes are lost or damaged', async (t) => {
    const world = await openGarbageWorld(t);
    const [a, b] = [await world.drop('a'), await world.drop('b')];
    const notes = join(world.data, 'unneeded-blobs.ndjson');
    await world.collect(DAY_MS);
    world.clock.time += DAY_MS;
    const [first = '', second = ''] = (await readFile(notes, 'utf8')).split('\n');
    const damages = ['', 'not JSON', `${second}\n${first}`, '{"digest":"sha256:1"}', '{}'.repeat(100_000)];
    for (const damage of damages) {
      await writeFile(notes, damage === '' ? '' : `${damage}\n`);
      const removed = (await world.collect(DAY_MS)).removed.blobs;
      // Lines before the damage are as good as ever.
      assert.equal(removed, damage.startsWith(second) ? 1 : 0, damage.slice(0, 80));
    }
    await rm(notes);
    await world.collect(DAY_MS);
    assert.deepEqual(await world.digests(), [[a, b].sort()[0]]);
    world.clock.time += DAY_MS;
    assert.equal((await world.collect(DAY_MS)).removed.blobs, 1);
  });
});

describe('a push', () => {
  test('keeps what it has brought until nobody comes back to it, whatever the grace period is', async (t) => {
    const world = await openGarbageWorld(t);
    const { uploads } = world.registry;
    const content = Buffer.from('a layer');
    const layer = digestOf(content);
    await uploads.receive('ann/app', layer, pieces(content), { maxBytes: 100 });
    const open = await uploads.start('ann/app', 'ann');
    assert.deepEqual(await world.collect(), {
      removed: { blobs: 0, bytes: 0 },
      waiting: { blobs: 0, bytes: 0 },
      expired: 0,
      needed: 1,
      strangers: 0,
    });
    world.clock.time += DAY_MS - HOUR_MS;
    assert.equal((await world.collect()).expired, 0);
    world.clock.time += 2 * HOUR_MS;
    const last = await world.collect();
    assert.deepEqual([last.expired, last.removed], [2, { blobs: 1, bytes: content.length }]);
    assert.equal(uploads.find(open.id), undefined);
    assert.equal(uploads.held('ann/app', layer), undefined);
    assert.deepEqual(await world.digests(), []);
  });

  test('keeps it for a grace period that is longer than that', async (t) => {
    const world = await openGarbageWorld(t);
    const { uploads } = world.registry;
    const content = Buffer.from('a layer');
    await uploads.receive('ann/app', digestOf(content), pieces(content), { maxBytes: 100 });
    world.clock.time += 6 * DAY_MS;
    assert.deepEqual(
      await world.collect(7 * DAY_MS).then(({ expired, needed }) => [expired, needed]),
      [0, 1],
    );
    world.clock.time += 2 * DAY_MS;
    assert.deepEqual(
      await world.collect(7 * DAY_MS).then(({ expired, waiting }) => [expired, waiting.blobs]),
      [1, 1],
    );
  });
});

async function* pieces(...all: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* all;
}

/** Removes everything that nobody needs, and lets `act` happen after what is needed was settled and before anything goes. */
function collectDuring(
  { registry, clock, data }: GarbageWorld,
  act: () => Promise<unknown>,
): Promise<GarbageReport> {
  const collector = new GarbageCollector({
    ...registry,
    clock: { now: () => clock.time },
    notes: layout(data).unneeded,
    site: {
      async hold() {
        await act();
        return async () => undefined;
      },
    },
  });
  return collector.collect({ graceMs: 0 });
}

describe('between the mark and the sweep', () => {
  test('a blob that is brought again stays, whatever becomes of it', async (t) => {
    const world = await openGarbageWorld(t);
    const dropped = await world.drop('content');
    await collectDuring(world, () => world.drop('content'));
    assert.deepEqual(await world.digests(), [dropped]);
  });

  test('a blob that is held, or that comes with a push, stays', async (t) => {
    const world = await openGarbageWorld(t);
    const { uploads } = world.registry;
    const [held, pushed] = [await world.drop('held'), await world.drop('pushed')];
    await world.drop('other');
    await collectDuring(world, async () => {
      await uploads.hold('ann/app', held);
      await uploads.receive('ann/app', pushed, pieces(Buffer.from('pushed')), { maxBytes: 100 });
    });
    assert.deepEqual(await world.digests(), [held, pushed].sort());
  });

  test('a blob that an event names stays, also one of its layers', async (t) => {
    const world = await openGarbageWorld(t);
    const long = JSON.stringify({ blobs: [[ociDigest('layer 2'), 3]] });
    for (const content of ['a', 'layer 1', 'b', 'layer 2', 'other'])
      await world.drop(bytesOf('oci', content).toString());
    await world.drop(long);
    await world.write(commitOf('lib', sha), bytesOf('lib', `${sha}-a`));
    const { meta: _, ...push } = pushOf({ name: 'ann/app', what: 'b' });
    const before = await world.digests();
    await collectDuring(world, async () => {
      await world.write(pushOf({ name: 'ann/app', what: 'a', blobs: ['layer 1'] }));
      await world.write({ ...push, metaDigest: digestOf(long) });
    });
    assertRemoved(before, await world.digests(), [ociDigest('other')]);
  });

  test('what is withdrawn goes another time: the site may still be made of it', async (t) => {
    const world = await openGarbageWorld(t);
    await npm(world, 'lib', '1.0.0');
    await collectDuring(world, () => world.write({ kind: 'withdraw', ...of('lib') }));
    assert.deepEqual(await world.digests(), [digest('lib', '1.0.0')]);
    await world.collect();
    assert.deepEqual(await world.digests(), []);
  });

  test('what was about to be appended when it began is waited for', async (t) => {
    const world = await openGarbageWorld(t);
    const { log, garbage } = world.registry;
    const append = log.append.bind(log);
    let [reach, open] = [() => {}, () => {}];
    const reached = new Promise<void>((resolve) => (reach = resolve));
    const gate = new Promise<void>((resolve) => (open = resolve));
    log.append = async (...args) => {
      reach();
      await gate;
      await append(...args);
    };
    const writing = npm(world, 'lib', '1.0.0');
    await reached;
    const collecting = garbage.collect({ graceMs: 0 });
    // Whoever does not wait is done by then, and has removed it.
    await Promise.race([collecting, new Promise((next) => setTimeout(next, 300))]);
    open();
    await Promise.all([writing, collecting]);
    assert.deepEqual(await world.digests(), [digest('lib', '1.0.0')]);
  });
});

describe('nothing is removed', () => {
  async function assertNothingGoes(world: GarbageWorld, refused: (error: unknown) => boolean): Promise<void> {
    const before = await world.digests();
    await assert.rejects(world.collect(), refused);
    assert.deepEqual(await world.digests(), before);
  }

  test('while the site lags behind the log', async (t) => {
    const world = await openGarbageWorld(t);
    await world.drop('content');
    const { site, generator } = world.registry;
    await generator.update();
    const put = site.put.bind(site);
    site.put = () => Promise.reject(new Error('the disk is full'));
    await npm(world, 'lib', '1.0.0');
    await assertNothingGoes(world, refusal('conflict', /site lags behind the log \(the disk is full\)/));
    site.put = put;
    await eventually(async () => assert.equal((await world.collect()).removed.blobs, 1));
  });

  test('while it is not known what landed in the log', async (t) => {
    const world = await openGarbageWorld(t);
    await world.drop('content');
    const { log } = world.registry;
    const [append, refresh] = [log.append.bind(log), log.refresh.bind(log)];
    log.append = log.refresh = () => Promise.reject(new Error('input/output error'));
    await assert.rejects(npm(world, 'lib', '1.0.0'));
    await assertNothingGoes(world, refusal('conflict', /could not be read after a failed write/));
    [log.append, log.refresh] = [append, refresh];
    await npm(world, 'lib', '1.0.0');
    assert.equal((await world.collect()).removed.blobs, 1);
  });

  test('while a manifest is missing: nobody knows what it names', async (t) => {
    const world = await openGarbageWorld(t);
    const long = JSON.stringify({ blobs: [[ociDigest('layer'), 3]] });
    const { meta: _, ...push } = pushOf({ name: 'ann/app', what: 'image' });
    const contents = [bytesOf('oci', 'image'), bytesOf('oci', 'layer'), long];
    await world.write({ ...push, metaDigest: digestOf(long), visibility: 'private' }, ...contents);
    await rm(world.registry.blobs.shelf.pathOf(digestOf(long)));
    await assertNothingGoes(world, refusal('conflict', /of oci\/ann\/app .*is missing.*cairn doctor/));
  });

  test('twice at once, nor after a stop was asked for', async (t) => {
    const world = await openGarbageWorld(t);
    await world.drop('content');
    await collectDuring(world, async () => undefined);
    await world.drop('content');
    const [first, second] = await Promise.allSettled([world.collect(), world.collect()]);
    assert.equal(first.status, 'fulfilled');
    assert.ok(second.status === 'rejected' && refusal('conflict', /already/)(second.reason));
    await world.drop('content');
    const { garbage } = world.registry;
    const running = garbage.collect({ graceMs: 0 });
    const stopped = garbage.stop();
    await assert.rejects(running, refusal('shutting-down', /stopping/));
    await stopped;
    await assertNothingGoes(world, refusal('shutting-down', /stopping/));
    assert.equal((await world.digests()).length, 1);
  });

  test('of what is no blob', async (t) => {
    const world = await openGarbageWorld(t);
    const blobs = join(world.data, 'blobs');
    const dropped = await world.drop('content');
    const folder = dropped.slice(7, 9);
    const strangers = [
      'notes.txt',
      'sha256/README',
      `sha256/${folder}/${'0'.repeat(64)}`,
      `sha256/${folder}/copy of it`,
    ];
    for (const path of strangers) await writeFile(join(blobs, path), '');
    await mkdir(join(blobs, 'sha256', 'lost+found'));
    await mkdir(join(blobs, 'sha256', folder, `${folder}${'1'.repeat(62)}`));
    await symlink('/', join(blobs, 'sha256', folder, `${folder}${'2'.repeat(62)}`));
    await mkdir(join(blobs, 'sha512/00'), { recursive: true });
    const report = await world.collect();
    assert.deepEqual([report.strangers, report.removed.blobs], [7, 1]);
    for (const path of strangers) assert.equal(await readFile(join(blobs, path), 'utf8'), '');
    const listed = await cairnOk(['gc', '--dry-run', '--data', world.data]);
    assert.equal(listed.match(/^leave {3}\/.*: it is no blob$/gm)?.length, 7);
  });
});

test('a site at another place that needs what is gone, to know what it shows, is made from nothing', async (t) => {
  const world = await openGarbageWorld(t);
  const long = JSON.stringify({ blobs: [[ociDigest('layer'), 3]] });
  const { meta: _, ...push } = pushOf({ name: 'ann/app', what: 'image' });
  await world.write(
    { ...push, metaDigest: digestOf(long) },
    bytesOf('oci', 'image'),
    bytesOf('oci', 'layer'),
    long,
  );
  await npm(world, 'lib', '1.0.0');
  const other = join(world.data, 'other');
  await follow(world, other);
  await npm(world, 'lib', '2.0.0');
  await world.write({ kind: 'withdraw', ecosystem: 'oci', name: 'ann/app', version: ociDigest('image') });
  assert.equal((await world.collect()).removed.blobs, 3);
  await follow(world, other);
  const fresh = join(world.data, 'from nothing');
  await follow(world, fresh);
  const { missing, different, extra } = await compareTrees(other, fresh);
  assert.deepEqual({ missing, different, extra }, { missing: [], different: [], extra: [] });
});

/** As `cairn regen --out` does. */
async function follow({ data }: GarbageWorld, root: string): Promise<void> {
  const reader = await readRegistry(data);
  const { generator } = await reader.generatorFor(root);
  await generator.update();
  await generator.updateRoots();
  await reader.close();
}

test('a doctor misses what packages name, layers of images included, and nothing that was withdrawn and removed', async (t) => {
  const world = await openGarbageWorld(t);
  const long = JSON.stringify({ blobs: [[ociDigest('layer 2'), 3]] });
  const { meta: _, ...push } = pushOf({ name: 'ann/app', what: 'image 2' });
  await oci(world, 'image 1', ['layer 1']);
  await world.write(
    { ...push, metaDigest: digestOf(long) },
    bytesOf('oci', 'image 2'),
    bytesOf('oci', 'layer 2'),
    long,
  );
  await npm(world, 'gone', '1.0.0');
  await world.write({ kind: 'withdraw', ...of('gone') });
  assert.equal((await world.collect()).removed.blobs, 1);
  await world.close();
  const examine = async (): Promise<string> =>
    (await cairn(['doctor', '--data', world.data])).stdout
      .split('\n')
      .find((line) => / blobs: /.test(line)) ?? '';
  assert.match(await examine(), /^ok {7}blobs: all 5 that packages name are there/);
  const { blobs } = world.registry;
  for (const layer of ['layer 1', 'layer 2'] as const) {
    const path = blobs.shelf.pathOf(asDigest(ociDigest(layer)));
    await rename(path, `${path}.away`);
    assert.match(
      await examine(),
      new RegExp(`^problem  blobs: 1 of 5 are missing; .*: ${ociDigest(layer)} \\(oci/ann/app sha256:`),
    );
    await rename(`${path}.away`, path);
  }
  // What it names cannot be told then.
  await rm(blobs.shelf.pathOf(digestOf(long)));
  assert.match(await examine(), new RegExp(`^problem  blobs: 1 of 4 are missing; .*: ${digestOf(long)} `));
});

describe('the command', () => {
  test('with --dry-run tells what would go, what would wait and why, and changes nothing', async (t) => {
    const world = await openGarbageWorld(t);
    const { uploads, publisher, log } = world.registry;
    const content = Buffer.from('a layer');
    await npm(world, 'lib', '1.0.0');
    world.clock.time -= 10 * DAY_MS;
    await uploads.receive('ann/app', digestOf(content), pieces(content), { maxBytes: 100 });
    const old = await world.drop('old');
    await world.registry.garbage.collect({ graceMs: 365 * DAY_MS });
    world.clock.time += 10 * DAY_MS;
    const fresh = await world.drop('x'.repeat(3000));
    await publisher.visible(log.length);
    await world.close();
    const before = await treeOf(world.data);
    const text = await cairnOk(['gc', '--dry-run', '--data', world.data]);
    const lines = text.trimEnd().split('\n');
    assert.equal(lines.length, 5, text);
    for (const says of [
      /^end {5}sha256:\w+, held for ann\/app \(7 bytes\): no manifest has named it since 20/m,
      new RegExp(
        `^remove  ${old} \\(3 bytes\\): no version, name or upload needs it, since 20\\S+ \\((9|10) days\\)$`,
        'm',
      ),
      new RegExp(`^wait    ${fresh} \\(2.9 KiB\\): .* from now on; it stays until 20`, 'm'),
      new RegExp(`^wait    ${digestOf(content)} `, 'm'),
      /^1 blob \(3 bytes\) would go, 2 blobs \(2.9 KiB\) would wait, 1 upload would end; 1 needed$/m,
    ])
      assert.match(text, says);
    const objects = (await cairnOk(['gc', '--dry-run', '--json', '--grace', '0', '--data', world.data]))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      objects.map(({ what }) => what),
      ['end', 'remove', 'remove', 'remove', 'total'],
    );
    assert.deepEqual(objects.at(-1), {
      what: 'total',
      removed: { blobs: 3, bytes: 3010 },
      waiting: { blobs: 0, bytes: 0 },
      expired: 1,
      needed: 1,
      strangers: 0,
    });
    assert.deepEqual(await treeOf(world.data), before);
  });

  test('removes by itself where no server runs, and through the server where one does', async (t) => {
    const world = await openGarbageWorld(t);
    await npm(world, 'lib', '1.0.0');
    await world.drop('a');
    await world.close();
    assert.match(
      await cairnOk(['gc', '--data', world.data]),
      /^removed 0 blobs \(0 bytes\); 1 needed\nwaiting until nobody has needed them for 7d: 1 blob \(1 byte\)\n$/,
    );
    assert.match(
      await cairnOk(['gc', '--grace', '0', '--data', world.data]),
      /^removed 1 blob \(1 byte\); 1 needed\n$/,
    );
    const server = await openTestServer(t, {}, { data: world.data });
    const blobs = join(world.data, 'blobs/sha256/ca');
    await mkdir(blobs, { recursive: true });
    await writeFile(join(blobs, digestOf('a').slice(7)), 'a');
    const report = JSON.parse(
      await cairnOk(['gc', '--grace', '0', '--json', '--data', server.data]),
    ) as GarbageReport;
    assert.deepEqual(report, {
      removed: { blobs: 1, bytes: 1 },
      waiting: { blobs: 0, bytes: 0 },
      expired: 0,
      needed: 1,
      strangers: 0,
    });
    assert.match(
      await cairnOk(['doctor', '--deep', '--data', server.data]),
      /all 1 that packages name are there, every byte/,
    );
    assert.equal(await withControl(server.data, (control) => control.garbageProgress()), null);
  });

  test('removes nothing of a registry whose private log is lost, and says why', async (t) => {
    const world = await openGarbageWorld(t);
    await world.write(
      { ...npmVersionOf('quokka', '1.0.0'), visibility: 'private' },
      bytesOf('quokka', '1.0.0'),
    );
    await world.registry.publisher.visible(world.registry.log.length);
    await world.close();
    await rm(join(world.data, 'private.git'), { recursive: true });
    const before = await world.digests();
    for (const how of [['--dry-run'], []]) {
      const finished = await cairn(['gc', '--grace', '0', ...how, '--data', world.data]);
      assertRefused(finished, 3, /nothing is removed: 3 sealed lines cannot be opened.*private\.git/);
    }
    assert.deepEqual(await world.digests(), before);
  });

  test('refuses what is no time, and where there is no registry', async (t) => {
    const world = await openGarbageWorld(t);
    for (const grace of ['a week', '-1d', '7', '1.5d', '', '7 d'])
      assertRefused(
        await cairn(['gc', `--grace=${grace}`, '--data', world.data]),
        2,
        /--grace .*such as 7d or 24h/,
      );
    const nowhere = join(world.data, 'nowhere');
    for (const how of [['--dry-run'], []])
      assertRefused(
        await cairn(['gc', ...how, '--data', nowhere]),
        3,
        /there is no registry in .*cairn serve/,
      );
  });
});

/** Every file below a directory: its content, and when it was changed. */
async function treeOf(directory: string): Promise<Record<string, string>> {
  const files = await filesBelow(directory);
  const states = await Promise.all(
    files.map(async (path): Promise<[string, string]> => {
      const { mtimeMs } = await stat(path);
      return [path, `${mtimeMs} ${digestOf(await readFile(path))}`];
    }),
  );
  return Object.fromEntries(states);
}
