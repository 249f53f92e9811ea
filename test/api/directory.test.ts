/** What a search starts from: the generator's file, whatever state that is in, and the log after it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Directory } from '../../api/directory.ts';
import { READ_AT_ONCE_BYTES, type FoundFile, type SiteReader } from '../../core/ports.ts';
import { allSurfaces } from '../../surfaces/index.ts';
import { summariesHeader, summariesPath, summaryLine } from '../../ecosystems/summaries.ts';
import { bucketReader } from '../../stores/bucket-reader.ts';
import type { MemorySite } from '../../stores/memory.ts';
import { openBucketSite, putText } from '../support/bucket-site.ts';
import { openWorld, someSettings, type World } from '../support/registry.ts';

const [x07] = allSurfaces;
assert.ok(x07);
const file = summariesPath(x07.id);

/** A site in memory, read as a server reads one on disk: in pieces that end in the middle of lines and of letters. */
function readerOf(site: MemorySite): SiteReader {
  const found = new Map<Uint8Array, FoundFile>();
  return {
    find(path) {
      const body = site.files.get(path);
      if (!(body instanceof Uint8Array)) return undefined;
      const step = body.byteLength > 10_000 ? 1009 : 1;
      const file = found.get(body) ?? {
        size: body.byteLength,
        version: '1',
        read: () => assert.fail('not asked for'),
        async *lend({ start, end }) {
          for (let at = start; at <= end; at += step) yield body.subarray(at, Math.min(at + step, end + 1));
        },
      };
      found.set(body, file);
      return file;
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

/** Longer than what is read at once; as of now. */
function longFile(world: World, packages: number): string {
  const lines = Array.from({ length: packages }, (_, i) => {
    const key = `p${String(i).padStart(6, '0')}`;
    return summaryLine(key, { name: key, text: '{"é":"…"}'.repeat(10) });
  });
  return summariesHeader(world.state.length) + lines.join('');
}

test('a directory reads a long file in pieces, also one that lies in a bucket', async (t) => {
  const world = await aWorld();
  const text = longFile(world, 12_000);
  assert.ok(Buffer.byteLength(text) > READ_AT_ONCE_BYTES);
  const { bucket } = await openBucketSite(t);
  await putText(bucket, file, text);
  world.site.files.set(file, Buffer.from(text));
  for (const site of [bucketReader(bucket), readerOf(world.site)]) {
    const list = await new Directory(x07, { ...world, site }).all();
    assert.equal(list.length, 12_000);
    assert.deepEqual(list.at(-1), { name: 'p011999', text: '{"é":"…"}'.repeat(10) });
  }
});

test('a file that is replaced while it is read is read anew, and never half of it', async () => {
  const world = await aWorld();
  const texts = [longFile(world, 3), longFile(world, 2)] as const;
  for (const [replacements, wanted] of [
    [1, ['p000000', 'p000001']],
    [2, ['p000000', 'p000001', 'p000002']],
    // Another whenever it has been read: the log says the same as it would.
    [Infinity, ['a', 'old', 'other']],
  ] as const) {
    let replaced = 0;
    const fileOf = (bytes: Buffer): FoundFile => ({
      size: bytes.byteLength,
      version: '1',
      read: () => assert.fail('not asked for'),
      async *lend() {
        yield bytes.subarray(0, 10);
        if (replaced < replacements) now = fileOf(Buffer.from(texts[(replaced += 1) % 2 === 0 ? 0 : 1]));
        yield bytes.subarray(10);
      },
    });
    let now: FoundFile = fileOf(Buffer.from(texts[0]));
    const site: SiteReader = { find: () => now };
    const directory: Directory = new Directory(x07, { ...world, site });
    assert.deepEqual(
      (await directory.all()).map(({ name }) => name),
      wanted,
    );
  }
});

test('readers that ask at once are given one list', async () => {
  const world = await aWorld();
  const directory = directoryOf(world);
  const lists = await Promise.all(Array.from({ length: 10 }, () => directory.all()));
  assert.equal(new Set(lists).size, 1);
});
