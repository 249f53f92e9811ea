/** The end of what is kept for a time: by an event, never by the clock alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expireCommits, expireUploads } from '../../bin/chores.ts';
import { digestOf } from '../../core/digest.ts';
import { shaOfRef } from '../../surfaces/pantry/names.ts';
import { assertExact, contentOf } from '../support/histories.ts';
import { openWorld, someSettings, type World } from '../support/registry.ts';
import { commitOf, npmVersionOf, sharedMounts, shas } from '../support/sharing-histories.ts';

const DAY_MS = 24 * 60 * 60_000;
const [a = '', b = ''] = shas;
const open = (): Promise<World> => openWorld({ settings: someSettings({ mounts: sharedMounts }) });

/** What is gone, as `name sha`. */
async function expire(world: World): Promise<readonly string[]> {
  const events = await expireCommits(world, { clock: { now: () => world.clock.time } });
  return events.map((event) => {
    assert.equal(event.kind, 'expired');
    assert.ok('ecosystem' in event && 'ref' in event && event.by === 'operator');
    return `${event.name} ${shaOfRef(event.ref ?? '')}`;
  });
}

async function documents(world: World): Promise<readonly string[]> {
  await world.generator.update();
  await world.generator.updateRoots();
  await assertExact(world);
  return Object.keys(contentOf(world.site)).filter((path) => path.startsWith('pantry/'));
}

test('a package of a commit ends 90 days after it was last published, and takes its files along', async () => {
  const world = await open();
  const start = world.clock.time;
  await world.execute(commitOf('@s/x', a));
  await world.execute(commitOf('y', a));
  await world.execute(npmVersionOf('y', '1.0.0'));
  await world.execute({ kind: 'set-ref', ecosystem: 'npm', name: 'y', ref: 'latest', target: '1.0.0' });
  world.clock.time = start + 50 * DAY_MS;
  await world.execute(commitOf('y', b));
  await world.execute(commitOf('@s/x', a, 'b'));
  const all = await documents(world);
  for (const path of [`commits/${a}/=index`, `commits/${a}/@s/x/=index`, `commits/${a}/y/tarball`, `y@${a}`])
    assert.ok(all.includes(`pantry/${path}`), path);

  world.clock.time = start + 90 * DAY_MS;
  assert.deepEqual(await expire(world), []);
  world.clock.time = start + 90 * DAY_MS + 60_000;
  assert.deepEqual(await expire(world), [`y ${a}`]);
  assert.deepEqual(await expire(world), []);
  const left = await documents(world);
  assert.deepEqual(
    all.filter((path) => !left.includes(path)),
    [`commits/${a}/y/=index`, `commits/${a}/y/tarball`, `y@${a}`].map((path) => `pantry/${path}`),
  );
  assert.ok(left.includes(`pantry/commits/${a}/=index`), 'one package of the commit is left');

  world.clock.time = start + 140 * DAY_MS + 60_000;
  assert.deepEqual(await expire(world), [`y ${b}`, `@s/x ${a}`]);
  const rest = await documents(world);
  assert.deepEqual(
    rest.filter((path) => /commits|@/.test(path)),
    [],
  );
  assert.ok(rest.includes('pantry/packages/y/=index'), 'a version stays');
});

test('what was published again, or taken out meanwhile, does not end', async () => {
  const world = await open();
  const start = world.clock.time;
  for (const name of ['gone', 'removed', 'again', 'hidden', 'left']) {
    await world.execute({ ...commitOf(name, a), ...(name === 'hidden' ? { visibility: 'private' } : {}) });
    await world.execute(npmVersionOf(name, '1.0.0'));
  }
  await world.execute({ kind: 'withdraw', ecosystem: 'npm', name: 'gone' });
  await world.execute({ kind: 'remove-ref', ecosystem: 'npm', name: 'removed', ref: `commit:${a}` });
  world.clock.time = start + 89 * DAY_MS;
  await world.execute(commitOf('again', a));
  world.clock.time = start + 91 * DAY_MS;
  assert.deepEqual(await expire(world), [`hidden ${a}`, `left ${a}`]);
  await documents(world);
  // Also for somebody who reads the log from its beginning.
  world.clock.time = start + 180 * DAY_MS;
  assert.deepEqual(await expire(world), [`again ${a}`]);
});

test('what is published again at the very moment in which it would end stays', async () => {
  const world = await open();
  await world.execute(commitOf('y', a));
  world.clock.time += 91 * DAY_MS;
  const [, expired] = await Promise.all([world.execute(commitOf('y', a, 'b')), expire(world)]);
  assert.deepEqual(expired, []);
  assert.ok((await documents(world)).includes(`pantry/commits/${a}/y/tarball`));
});

test('an upload ends a week after anybody last went on with it, and what came whole stays', async () => {
  const { uploads, clock, blobs } = await open();
  const roomy = { maxBytes: 1000 };
  const start = clock.time;
  const abandoned = await uploads.start('acme/app', 'ann');
  await uploads.append(abandoned.id, inOnePiece('half'), roomy);
  const goneOn = await uploads.start('acme/app', 'ann');
  const digest = digestOf('whole');
  await uploads.receive('acme/app', digest, inOnePiece('whole'), roomy);
  clock.time = start + 3 * DAY_MS;
  await uploads.append(goneOn.id, inOnePiece('x'), roomy);

  const expire = async (): Promise<readonly string[]> =>
    (await expireUploads({ uploads }, { now: () => clock.time })).map((ended) =>
      ended.kind === 'upload' ? ended.id : ended.digest,
    );
  clock.time = start + 7 * DAY_MS;
  assert.deepEqual(await expire(), []);
  clock.time = start + 7 * DAY_MS + 60_000;
  assert.deepEqual(await expire(), [abandoned.id]);
  assert.equal(uploads.find(abandoned.id), undefined);
  assert.equal(uploads.find(goneOn.id)?.size, 1);
  clock.time = start + 11 * DAY_MS;
  assert.deepEqual(await expire(), [goneOn.id]);
  clock.time = start + 1000 * DAY_MS;
  assert.deepEqual(await expire(), []);
  assert.equal(uploads.held('acme/app', digest)?.size, 5);
  assert.equal(await blobs.has(digest), true);
});

async function* inOnePiece(text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text);
}
