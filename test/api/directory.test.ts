/** What a search starts from: the generator's file, whatever state that is in, and the log after it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Directory } from '../../api/directory.ts';
import type { SiteReader } from '../../core/ports.ts';
import { allSurfaces } from '../../surfaces/index.ts';
import { summariesPath } from '../../ecosystems/summaries.ts';
import type { MemorySite } from '../../stores/memory.ts';
import { openWorld, someSettings, type World } from '../support/registry.ts';

const [x07] = allSurfaces;
assert.ok(x07);
const file = summariesPath(x07.id);

/** A site in memory, read as a server reads one on disk. */
function readerOf(site: MemorySite): SiteReader {
  return {
    find(path) {
      const body = site.files.get(path);
      if (!(body instanceof Uint8Array)) return undefined;
      return {
        size: body.byteLength,
        version: '1',
        read: () => body,
        lend: () => assert.fail('not asked for'),
      };
    },
  };
}

function directoryOf(world: World): Directory {
  const { log, state, blobs, site } = world;
  assert.ok(x07);
  return new Directory(x07, { log, state, blobs, site: readerOf(site) });
}

async function textOf(directory: Directory): Promise<string> {
  return (await directory.all()).map(({ name, text }) => `${name} ${text}`).join('\n');
}

/** @throws AssertionError unless the directory says what the generator would. */
async function assertExact(world: World, directory: Directory, what: string): Promise<void> {
  const said = await textOf(directory);
  await world.generator.update();
  await world.generator.updateRoots();
  assert.equal(said, await textOf(directoryOf(world)), what);
}

/** A change of each kind that searches see, and some that they do not. */
const changes: readonly (readonly [what: string, change: (world: World) => Promise<unknown>])[] = [
  ['a new package', (world) => world.publish('new', '1.0.0')],
  ['a new version', (world) => world.publish('old', '2.0.0')],
  ['a long manifest', (world) => world.publish('long', '1.0.0', { long: true })],
  ['a yank', (world) => world.execute({ kind: 'yank', ecosystem: 'x07', name: 'old', version: '1.0.0' })],
  ['an owner', (world) => world.execute({ kind: 'add-owner', ecosystem: 'x07', name: 'old', owner: 'x07' })],
  [
    'a hidden package',
    (world) =>
      world.execute({ kind: 'set-visibility', ecosystem: 'x07', name: 'other', visibility: 'private' }),
  ],
  ['a withdrawn package', (world) => world.execute({ kind: 'withdraw', ecosystem: 'x07', name: 'other' })],
  ['other settings', (world) => changeOfficial(world, 'x07')],
  [
    'other settings between others',
    async (world) => {
      await world.publish('before', '1.0.0');
      await changeOfficial(world, 'root');
      await world.publish('after', '1.0.0');
      await changeOfficial(world, 'x07');
    },
  ],
];

function changeOfficial(world: World, officialOwner: string): Promise<unknown> {
  return world.execute({ kind: 'change-settings', settings: someSettings({ x07: { officialOwner } }) });
}

async function aWorld(): Promise<World> {
  const world = await openWorld({ settings: someSettings({ mounts: { x07: '/x07' } }) });
  for (const name of ['old', 'other', 'a']) await world.publish(name, '1.0.0');
  return world;
}

test('a directory follows the log, whether the site does or not', async () => {
  for (const follows of [true, false])
    for (const [what, change] of changes) {
      const world = await aWorld();
      const directory = directoryOf(world);
      await textOf(directory);
      await change(world);
      if (follows) {
        await world.generator.update();
        await world.generator.updateRoots();
      }
      await assertExact(world, directory, `${what}${follows ? ', after the site' : ''}`);
    }
});

test('a directory that starts late is right with a file of now, of before, an empty one, or none', async () => {
  for (const [what, change] of changes) {
    const world = await aWorld();
    await world.generator.update();
    await world.generator.updateRoots();
    const old = world.site.files.get(file);
    assert.ok(old instanceof Uint8Array);
    await change(world);
    await world.generator.update();
    await world.generator.updateRoots();
    const wanted = await textOf(directoryOf(world));
    for (const [state, bytes] of [
      ['of before', old],
      ['none', undefined],
      ['empty', Buffer.alloc(0)],
    ] as const) {
      if (bytes) world.site.files.set(file, bytes);
      else world.site.files.delete(file);
      const directory = directoryOf(world);
      assert.equal(await textOf(directory), wanted, `${what}, the file is ${state}`);
      assert.equal(await textOf(directory), wanted, `${what}, asked again`);
    }
  }
});

test('a file that is ahead of this log is that of another one, and is not read', async () => {
  const world = await aWorld();
  const ahead = await aWorld();
  for (const name of ['x', 'y', 'z']) await ahead.publish(name, '1.0.0');
  await ahead.generator.update();
  await ahead.generator.updateRoots();
  const other = ahead.site.files.get(file);
  assert.ok(other);
  world.site.files.set(file, other);
  const directory = directoryOf(world);
  assert.deepEqual(
    (await directory.all()).map(({ name }) => name),
    ['a', 'old', 'other'],
  );
});

test('a directory that could not read a blob tries again, and forgets nothing meanwhile', async () => {
  const world = await aWorld();
  const directory = directoryOf(world);
  await directory.all();
  await world.publish('first', '1.0.0');
  await world.publish('long', '1.0.0', { long: true });
  const kept = new Map(world.blobs.blobs);
  world.blobs.blobs.clear();
  await assert.rejects(directory.all(), /missing/);
  for (const [digest, bytes] of kept) world.blobs.blobs.set(digest, bytes);
  assert.deepEqual(
    (await directory.all()).map(({ name }) => name),
    ['a', 'first', 'long', 'old', 'other'],
  );
});

test('readers that ask at once are given one list', async () => {
  const world = await aWorld();
  const directory = directoryOf(world);
  const lists = await Promise.all(Array.from({ length: 10 }, () => directory.all()));
  assert.equal(new Set(lists).size, 1);
});
