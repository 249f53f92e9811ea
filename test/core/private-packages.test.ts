/** Packages that are not for everybody: what of them stands where, who learns of it, and what going public opens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { visiblePackage } from '../../core/access.ts';
import type { Command } from '../../core/decide.ts';
import { RegistryError, type ErrorCode } from '../../core/errors.ts';
import { MAX_LINE_BYTES, registryLines, type RegistryEvent } from '../../core/event.ts';
import { reducePackage, type MemberAccess, type Package } from '../../core/package.ts';
import type { Actor } from '../../core/permission.ts';
import { RegistryState } from '../../core/state.ts';
import { Generator } from '../../generator/generator.ts';
import { MemoryLog, MemorySite } from '../../stores/memory.ts';
import { SealedLog } from '../../stores/sealed-log.ts';
import { eventsIn } from '../support/event-log-contract.ts';
import { applyAll, contentOf, siteOfPublicLog, steps, x07Alphabet } from '../support/histories.ts';
import { anActor, limitedActor, openWorld, publishOf, type World } from '../support/registry.ts';
import { namespacedRules, toyRulesOf } from '../support/toy-surface.ts';

const [ann, bob] = [anActor('ann'), anActor('bob')];
const of = (name: string): { ecosystem: 'x07'; name: string } => ({ ecosystem: 'x07', name });
const hiddenPublish = (name: string, version: string): Command =>
  publishOf(name, version, { visibility: 'private' });
const show = (name: string): Command => ({ kind: 'set-visibility', ...of(name), visibility: 'public' });
const hide = (name: string): Command => ({ kind: 'set-visibility', ...of(name), visibility: 'private' });
const yank = (name: string, version: string): Command => ({ kind: 'yank', ...of(name), version });
const addOwner = (name: string, owner: string): Command => ({ kind: 'add-owner', ...of(name), owner });

const setMember = (name: string, member: string, access: MemberAccess): Command => ({
  kind: 'set-member',
  ...of(name),
  member,
  access,
});

const kinds = (events: readonly RegistryEvent[]): string => events.map(({ kind }) => kind).join(' ');
const publicKinds = (world: World, from = 1): string => kinds(eventsIn(world.publicLog).slice(from));

/** Every line of the public log as anyone reads it, with the given words in none of them. */
function assertSilent(world: World, words: readonly string[], from = 1): void {
  const text = eventsIn(world.publicLog)
    .slice(from)
    .map((event) => registryLines.encode(event))
    .join('\n');
  for (const word of words) assert.ok(!text.includes(word), `${word} stands in the public log:\n${text}`);
}

function refusal(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof RegistryError && error.code === code;
}

function stateOfPublicLog(world: World): RegistryState {
  return new RegistryState(new SealedLog(world.publicLog), world.rulesOf);
}

test('of a package that is private from its first event on, the public log only knows how much happened', async () => {
  const world = await openWorld();
  const events = await world.execute(hiddenPublish('quokka', '1.0.0'), ann);
  assert.equal(kinds(events), 'visibility-set claimed published');
  for (const command of [publishOf('quokka', '1.1.0'), yank('quokka', '1.0.0'), addOwner('quokka', 'bob')])
    await world.execute(command, ann);
  assert.equal(publicKinds(world), 'sealed sealed sealed sealed sealed sealed');
  const [artifact] = publishOf('quokka', '1.0.0').artifacts;
  assert.ok(artifact);
  assertSilent(world, ['quokka', 'ann', 'bob', '1.1.0', artifact.digest.slice(7), 'x07', '"size"']);
  assert.deepEqual(world.state.package('x07', 'quokka')?.owners, ['ann', 'bob']);
  assert.equal(stateOfPublicLog(world).package('x07', 'quokka'), undefined);
  await world.generator.update();
  await world.generator.updateRoots();
  assert.ok(!JSON.stringify(contentOf(world.site)).includes('quokka'));
});

test('salts are new for each event', async () => {
  const world = await openWorld();
  const events = await world.execute([hiddenPublish('a', '1.0.0'), hiddenPublish('b', '1.0.0')]);
  const salts = events.map(({ seq }) => world.log.openingOf(seq)?.salt);
  assert.equal(new Set(salts).size, events.length);
  assert.ok(!salts.includes(undefined));
});

test('a wish for privacy changes nothing of a package that exists', async () => {
  const world = await openWorld();
  await world.execute(publishOf('open', '1.0.0'), ann);
  await world.execute(hiddenPublish('open', '1.1.0'), ann);
  assert.equal(world.state.package('x07', 'open')?.visibility, 'public');
  assert.equal(publicKinds(world), 'claimed published published');
});

test('going private is public, and hides what comes after it', async () => {
  const world = await openWorld();
  await world.execute([publishOf('foo', '1.0.0'), hide('foo'), yank('foo', '1.0.0')], ann);
  await world.execute(publishOf('foo', '2.0.0'), ann);
  assert.equal(publicKinds(world), 'claimed published visibility-set sealed sealed');
  assertSilent(world, ['2.0.0', 'yanked']);
  assert.equal(stateOfPublicLog(world).package('x07', 'foo')?.visibility, 'private');
});

test('going public opens what was sealed, oldest first, in the same append', async () => {
  const world = await openWorld();
  await world.execute(hiddenPublish('foo', '1.0.0'), ann);
  await world.execute(hiddenPublish('other', '1.0.0'), bob);
  const events = await world.execute([yank('foo', '1.0.0'), show('foo')], ann);
  assert.equal(kinds(events), 'yanked revealed revealed revealed revealed visibility-set');
  assert.deepEqual(
    events.flatMap((event) => (event.kind === 'revealed' ? [event.sealedSeq] : [])),
    [1, 2, 3, 7],
  );
  assertSilent(world, ['other', 'bob']);
  assert.deepEqual(stateOfPublicLog(world).package('x07', 'foo'), world.state.package('x07', 'foo'));
});

test('public, private and public again, as often as one likes: each event is opened once', async () => {
  const world = await openWorld();
  await world.execute(hiddenPublish('foo', '1.0.0'), ann);
  for (const version of ['1.1.0', '1.2.0', '1.3.0']) {
    await world.execute(show('foo'), ann);
    assert.deepEqual(stateOfPublicLog(world).package('x07', 'foo'), world.state.package('x07', 'foo'));
    await world.execute([hide('foo'), publishOf('foo', version)], ann);
  }
  await world.execute([show('foo'), hide('foo'), show('foo')], ann);
  const opened = eventsIn(world.log).flatMap((e) => (e.kind === 'revealed' ? [e.sealedSeq] : []));
  const sealed = eventsIn(world.publicLog).flatMap((e) => (e.kind === 'sealed' ? [e.seq] : []));
  assert.deepEqual(opened, sealed);
});

test('what a refused request had sealed or opened is as if it had not been', async () => {
  const world = await openWorld();
  await world.execute(hiddenPublish('foo', '1.0.0'), ann);
  const requests = [
    world.execute([publishOf('foo', '2.0.0'), show('foo'), yank('foo', '9.9.9')], ann),
    world.execute(publishOf('bar', '1.0.0'), bob),
    world.execute(show('foo'), ann),
  ];
  const [first, ...others] = await Promise.allSettled(requests);
  assert.ok(first?.status === 'rejected' && refusal('version-not-found')(first.reason));
  assert.ok(others.every(({ status }) => status === 'fulfilled'));
  assert.equal(
    publicKinds(world, 4),
    'claimed published revealed revealed revealed visibility-set',
    'the public package is not sealed by what stood in its place before',
  );
  assert.deepEqual(stateOfPublicLog(world).package('x07', 'foo'), world.state.package('x07', 'foo'));
});

test('in one append private and public packages go side by side', async () => {
  const world = await openWorld();
  await Promise.all([
    world.execute(publishOf('open', '1.0.0'), ann),
    world.execute(hiddenPublish('quokka', '1.0.0'), bob),
    world.execute([hiddenPublish('half', '1.0.0'), publishOf('open2', '1.0.0')], bob),
    world.execute(yank('open', '1.0.0'), ann),
  ]);
  assert.equal(
    publicKinds(world),
    'claimed published sealed sealed sealed sealed sealed sealed claimed published yanked',
  );
  assertSilent(world, ['quokka', 'half']);
});

/** All of a line but its manifest, and what revealing puts around it. */
const OVERHEAD_BYTES = 2_000;

test('what could not be revealed later is refused now, and what is accepted can be revealed by anybody', async () => {
  const world = await openWorld();
  const publish = (version: string, length: number, visibility?: 'private'): Promise<unknown> =>
    world.execute(
      publishOf('foo', version, {
        meta: { manifest: '"'.repeat(length / 2) },
        ...(visibility ? { visibility } : {}),
      }),
      ann,
    );
  // Binary search for the longest that is accepted.
  let [low, high] = [0, MAX_LINE_BYTES];
  await world.execute(hiddenPublish('foo', '0.0.1'), ann);
  for (let i = 0; high - low > 2; i += 1) {
    const middle = (low + high) >> 1;
    await publish(`1.${i}.0`, middle).then(
      () => (low = middle),
      (error: unknown) => {
        assert.ok(refusal('too-large')(error));
        high = middle;
      },
    );
  }
  assert.ok(low > MAX_LINE_BYTES - OVERHEAD_BYTES, `only ${low} bytes are accepted`);
  await world.execute(show('foo'), anActor('z'.repeat(128), ['owner', 'admin']));
  // In the open there is more room.
  await publish('2.0.0', high);
});

test('a stranger learns nothing of a private package that a missing one would not say', async () => {
  const world = await openWorld();
  await world.execute(hiddenPublish('quokka', '1.0.0'), ann);
  const commands = (name: string): Command[] => [
    yank(name, '1.0.0'),
    yank(name, '9.9.9'),
    show(name),
    hide(name),
    addOwner(name, 'bob'),
    { kind: 'remove-owner', ...of(name), owner: 'ann' },
    setMember(name, 'bob', 'read'),
    { kind: 'remove-member', ...of(name), member: 'bob' },
    { kind: 'accept-transfer', ...of(name) },
    { kind: 'cancel-transfer', ...of(name) },
    { kind: 'withdraw', ...of(name) },
    { kind: 'set-ref', ...of(name), ref: 'latest', target: '1.0.0' },
  ];
  const said = async (name: string): Promise<string[]> =>
    Promise.all(
      commands(name).map((command) =>
        world.execute(command, bob).then(
          () => 'accepted',
          (error: unknown) => {
            const { code, message } = error as RegistryError;
            return `${command.kind}: ${code} ${message.replaceAll(name, 'NAME')}`;
          },
        ),
      ),
    );
  assert.deepEqual(await said('quokka'), await said('missing'));
});

test('whom a private package is offered to can accept it', async () => {
  const world = await openWorld();
  await world.execute(hiddenPublish('quokka', '1.0.0'), ann);
  const expiresAt = '2099-01-01T00:00:00.000Z';
  await world.execute({ kind: 'offer-transfer', ...of('quokka'), to: 'bob', expiresAt }, ann);
  await world.execute({ kind: 'accept-transfer', ...of('quokka') }, bob);
  assert.deepEqual(world.state.privateReaders('x07', 'quokka'), ['bob']);
  assertSilent(world, ['bob', 'ann']);
});

test('a member of a private package sees it, and only one who writes adds to it; in the open there is nothing of either', async () => {
  const world = await openWorld();
  await world.execute(hiddenPublish('quokka', '1.0.0'), ann);
  const [carl, dora] = [anActor('carl'), anActor('dora')];
  await world.execute([setMember('quokka', 'carl', 'read'), setMember('quokka', 'dora', 'write')], ann);
  const seenBy = (actor: Actor | undefined): string | undefined =>
    visiblePackage(world.state, of('quokka'), actor)?.name;
  assert.deepEqual([ann, carl, dora].map(seenBy), ['quokka', 'quokka', 'quokka']);
  const elsewhere = limitedActor('dora', [{ ecosystem: 'npm' }]);
  const others = [bob, undefined, anActor('carl', ['publish']), { ...elsewhere, scopes: carl.scopes }];
  assert.deepEqual(others.map(seenBy), [undefined, undefined, undefined, undefined]);
  for (const actor of [bob, carl])
    await assert.rejects(world.execute(publishOf('quokka', '2.0.0'), actor), refusal('not-owner'));
  await world.execute(publishOf('quokka', '2.0.0'), dora);
  await assert.rejects(world.execute(yank('quokka', '2.0.0'), dora), refusal('not-owner'));
  await world.execute({ kind: 'remove-member', ...of('quokka'), member: 'dora' }, ann);
  await assert.rejects(world.execute(yank('quokka', '2.0.0'), dora), refusal('package-not-found'));
  assert.equal(seenBy(dora), undefined);
  assert.match(publicKinds(world), /^(sealed ?){7}$/);
  assertSilent(world, ['quokka', 'carl', 'dora']);
});

test('a name that is only close to a package finds none', async () => {
  const world = await openWorld({ rulesOf: toyRulesOf, surfaces: [] });
  await world.execute([hiddenPublish('quokka', '1.0.0'), publishOf('wombat', '1.0.0')], ann);
  const found = ['quokka', 'QUOKKA', 'wombat', 'WOMBAT'].map(
    (name) => visiblePackage(world.state, of(name), ann)?.name,
  );
  assert.deepEqual(found, ['quokka', undefined, 'wombat', undefined]);
});

test('members stand in the open once their package does, and what is said of them from then on', async () => {
  const world = await openWorld();
  await world.execute([hiddenPublish('quokka', '1.0.0'), setMember('quokka', 'carl', 'read')], ann);
  await world.execute(show('quokka'), ann);
  await world.execute(setMember('quokka', 'dora', 'write'), ann);
  await world.execute([hide('quokka'), setMember('quokka', 'carl', 'write')], ann);
  assert.equal(
    publicKinds(world, 5),
    'revealed revealed revealed revealed visibility-set member-set visibility-set sealed',
  );
  const everybody = stateOfPublicLog(world);
  assert.deepEqual(
    [everybody, world.state].map((state) => [...(state.package('x07', 'quokka')?.members ?? [])]),
    [
      [
        ['carl', 'read'],
        ['dora', 'write'],
      ],
      [
        ['carl', 'write'],
        ['dora', 'write'],
      ],
    ],
  );
  assert.deepEqual(everybody.privateReaders('x07', 'quokka'), ['ann', 'carl', 'dora']);
});

test('whoever was let in, or put out, a moment ago is so for the next request of the same append', async () => {
  const world = await openWorld();
  await world.execute([hiddenPublish('quokka', '1.0.0'), publishOf('open', '1.0.0')], ann);
  const seen: unknown[] = [];
  const look = (): Promise<unknown> =>
    world.writer.execute({
      actor: bob,
      plan(view) {
        seen.push(['quokka', 'open'].map((name) => view.privateReaders('x07', name)));
        return [];
      },
    });
  await Promise.all([
    look(),
    world.execute([setMember('quokka', 'bob', 'read'), hide('open')], ann),
    look(),
    world.execute([{ kind: 'remove-member', ...of('quokka'), member: 'bob' }, show('open')], ann),
    look(),
  ]);
  assert.deepEqual(seen, [
    [['ann'], undefined],
    [['ann', 'bob'], ['ann']],
    [['ann'], undefined],
  ]);
});

test('who may see a private package is known without a look at the log', async () => {
  const publicLog = new MemoryLog(registryLines);
  const world = await openWorld({ log: publicLog });
  await world.execute([hiddenPublish('quokka', '1.0.0'), addOwner('quokka', 'bob')], ann);
  await world.execute([publishOf('open', '1.0.0'), addOwner('open', 'bob')], ann);
  await world.execute([publishOf('shy', '1.0.0'), addOwner('shy', 'bob'), hide('shy')], ann);
  await world.execute({ kind: 'remove-owner', ...of('shy'), owner: 'ann' }, ann);
  await world.execute([hiddenPublish('shown', '1.0.0'), show('shown')], ann);
  const fresh = new RegistryState(world.log, world.rulesOf);
  publicLog.read = () => assert.fail('the log was read');
  for (const state of [world.state, fresh])
    assert.deepEqual(
      ['quokka', 'open', 'shy', 'shown', 'missing'].map((name) => state.privateReaders('x07', name)),
      [['ann', 'bob'], undefined, ['bob'], undefined, undefined],
    );
});

const namespaced = { rulesOf: () => namespacedRules, surfaces: [] };
const inWasi = { ecosystem: 'x07', name: 'wasi', of: 'namespace' } as const;

test('a namespace is as secret as what is in it', async () => {
  const world = await openWorld(namespaced);
  await world.execute(hiddenPublish('wasi.http', '1.0.0'), ann);
  await world.execute({ kind: 'add-owner', ...inWasi, owner: 'bob' }, ann);
  assert.equal(publicKinds(world), 'sealed sealed sealed sealed');
  assert.deepEqual(world.state.privateReaders('x07', 'wasi.http'), ['ann', 'bob']);
  assert.deepEqual(world.state.privateReaders('x07', 'wasi.io'), undefined);
  await world.execute(hiddenPublish('wasi.io', '1.0.0'), bob);
  await world.execute(publishOf('wasi.clocks', '1.0.0'), bob);
  // The claim of the namespace and its second owner; nothing of the packages that stay private.
  assert.equal(publicKinds(world, 5), 'sealed sealed revealed revealed published');
  assertSilent(world, ['wasi.http', 'wasi.io']);
  assert.deepEqual(stateOfPublicLog(world).namespace('x07', 'wasi')?.owners, ['ann', 'bob']);
  await world.execute({ kind: 'remove-owner', ...inWasi, owner: 'ann' }, bob);
  await world.execute(show('wasi.io'), bob);
  assert.equal(publicKinds(world, 10), 'owner-removed revealed revealed visibility-set');
});

test('members of a namespace see and write what is in it, and are as secret as it is', async () => {
  for (const rules of [namespacedRules, { ...namespacedRules, ownedBy: 'package' } as const]) {
    const world = await openWorld({ rulesOf: () => rules, surfaces: [] });
    const letIn = (member: string, access: MemberAccess): Command => ({
      kind: 'set-member',
      ...inWasi,
      member,
      access,
    });
    await world.execute(hiddenPublish('wasi.http', '1.0.0'), ann);
    await world.execute([letIn('bob', 'read'), letIn('carl', 'write')], ann);
    const fresh = new RegistryState(world.log, world.rulesOf);
    for (const state of [world.state, fresh])
      assert.deepEqual(state.privateReaders('x07', 'wasi.http'), ['ann', 'bob', 'carl']);
    await world.execute(publishOf('wasi.http', '1.1.0'), anActor('carl'));
    await assert.rejects(world.execute(publishOf('wasi.http', '1.2.0'), bob), refusal('not-owner'));
    await world.execute(hiddenPublish('wasi.io', '1.0.0'), anActor('carl'));
    assert.match(publicKinds(world), /^(sealed ?)+$/);
    const before = world.publicLog.length;
    await world.execute(publishOf('wasi.clocks', '1.0.0'), ann);
    // The claim of the namespace and its two members, before what is public there.
    assert.match(publicKinds(world, before), /^revealed revealed revealed (claimed )?published$/);
    assertSilent(world, ['wasi.http', 'wasi.io']);
    assert.deepEqual(
      [...(stateOfPublicLog(world).namespace('x07', 'wasi')?.members ?? [])],
      [
        ['bob', 'read'],
        ['carl', 'write'],
      ],
    );
    await world.execute({ kind: 'remove-member', ...inWasi, member: 'bob' }, ann);
    assert.equal(publicKinds(world, world.publicLog.length - 1), 'member-removed');
    assert.deepEqual(world.state.privateReaders('x07', 'wasi.io'), ['ann', 'carl']);
  }
});

test('a namespace claimed in the request that publishes a private package is sealed with it', async () => {
  const world = await openWorld(namespaced);
  const claim: Command = { kind: 'claim', ...inWasi, owner: 'ann' };
  await world.execute([claim, hiddenPublish('wasi.http', '1.0.0')], ann);
  assert.equal(publicKinds(world), 'sealed sealed sealed');
  const mixed = await openWorld(namespaced);
  await mixed.execute([claim, publishOf('wasi.io', '1.0.0'), hiddenPublish('wasi.http', '1.0.0')], ann);
  assert.equal(publicKinds(mixed), 'claimed published sealed sealed');
});

function readersOfPrivate(of: Package | undefined): readonly string[] | undefined {
  return of?.visibility === 'private' ? [...new Set([...of.owners, ...of.members.keys()])] : undefined;
}

test('whatever happens, both logs together tell what was decided, and the public one no more than it should', async () => {
  await fc.assert(
    fc.asyncProperty(steps(x07Alphabet, { min: 1, max: 20 }), async (history) => {
      const world = await openWorld({ surfaces: [] });
      await applyAll(world, history);
      const events = eventsIn(world.log);
      const [fresh, everybody] = [new RegistryState(world.log, world.rulesOf), stateOfPublicLog(world)];
      for (const name of x07Alphabet.names) {
        const own = events.filter((event) => 'name' in event && event.name === name);
        const wanted = reducePackage(undefined, own, { versionKey: (version) => version });
        for (const state of [world.state, fresh]) assert.deepEqual(state.package('x07', name), wanted);
        const isPrivate = wanted?.visibility === 'private';
        for (const state of [world.state, fresh])
          assert.deepEqual(state.privateReaders('x07', name), readersOfPrivate(wanted));
        const public_ = everybody.package('x07', name);
        assert.deepEqual(everybody.privateReaders('x07', name), readersOfPrivate(public_));
        if (!isPrivate) assert.deepEqual(public_, wanted);
        else assert.ok(!public_ || public_.visibility === 'private');
        // A line of a package stands in the open when the package was public right before or right after it.
        let visibility: string | undefined;
        for (const event of own) {
          const before = visibility;
          if (event.kind === 'visibility-set') visibility = event.visibility;
          visibility ??= 'public';
          const isSealed = world.publicLog.read(event.seq).kind === 'sealed';
          assert.equal(isSealed, visibility === 'private' && before !== 'public', `line ${event.seq}`);
        }
      }
      assert.equal(everybody.length, world.state.length);
    }),
    { numRuns: 150 },
  );
});

test('a copy of the public log is enough to make the site of a package that has gone public', async () => {
  const world = await openWorld();
  await world.execute(hiddenPublish('wombat', '1.0.0'), ann);
  await world.publish('wombat', '1.1.0', { actor: ann });
  await world.publish('quokka', '1.0.0', { actor: bob, hidden: true });
  await world.publish('open', '1.0.0', { actor: ann });
  await world.generator.update();
  const before = await siteOfPublicLog(world);
  assert.deepEqual(contentOf(before), contentOf(world.site));
  assert.ok(!JSON.stringify(contentOf(before)).includes('wombat'));
  await world.execute(show('wombat'), ann);
  await world.generator.update();
  await world.generator.updateRoots();
  const after = contentOf(await siteOfPublicLog(world));
  assert.deepEqual(after, contentOf(world.site));
  assert.ok('x07/v1/packages/wombat/1.1.0/download' in after);
  assert.ok(!JSON.stringify(after).includes('quokka'));
});

test('who cannot open what is sealed knows how much that is, until it is revealed', async () => {
  const world = await openWorld();
  await world.execute(hiddenPublish('quokka', '1.0.0'), ann);
  await world.execute(hiddenPublish('wombat', '1.0.0'), bob);
  await world.execute(publishOf('open', '1.0.0'), bob);
  assert.equal(world.state.closedLines, 0);
  const everybody = stateOfPublicLog(world);
  assert.equal(everybody.closedLines, 6);
  await world.execute(show('quokka'), ann);
  everybody.catchUp();
  assert.equal(everybody.closedLines, 3);
  assert.equal(stateOfPublicLog(world).closedLines, 3);
  assert.equal(world.state.closedLines, 0);
});

test('a site that follows the public log takes in what was revealed of a package that it has shown before', async () => {
  const world = await openWorld();
  const log = new SealedLog(world.publicLog);
  const state = new RegistryState(log, world.rulesOf);
  const site = new MemorySite();
  const { blobs, surfaces } = world;
  const generator = new Generator({ log, state, target: site, blobs, surfaces });
  const follow = async (): Promise<void> => {
    state.catchUp();
    for (const each of [world.generator, generator]) {
      await each.update();
      await each.updateRoots();
    }
    assert.deepEqual(contentOf(site), contentOf(world.site));
  };
  await follow();
  await world.publish('wombat', '1.0.0', { actor: ann });
  await follow();
  await world.execute(hide('wombat'), ann);
  await follow();
  await world.publish('wombat', '2.0.0', { actor: ann });
  await follow();
  await world.execute(show('wombat'), ann);
  await follow();
  assert.ok(site.files.has('x07/v1/packages/wombat/2.0.0/download'));
});
