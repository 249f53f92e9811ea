import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LogDamage } from '../../core/errors.ts';
import type { EventDraft } from '../../core/event.ts';
import { reduceNamespace, reducePackage, type Package } from '../../core/package.ts';
import { anArtifact, aPackage, eventsFrom, fact } from '../support/registry.ts';

const plain = { versionKey: (version: string): string => version };
const start = [fact.claimed(), fact.published('1.0.0'), fact.published('2.0.0')];

function after(before: Package, ...drafts: readonly EventDraft[]): Package {
  const made = reducePackage(before, eventsFrom(drafts, before.lastSeq + 1), plain);
  assert.ok(made);
  return made;
}

function releaseOf(of: Package, version: string): NonNullable<ReturnType<Package['releases']['get']>> {
  const release = of.releases.get(version);
  assert.ok(release);
  return release;
}

test('releases that no event touches keep their identity', () => {
  const before = aPackage(start);
  const yanked = after(before, fact.yanked('1.0.0'));
  assert.notEqual(yanked.releases.get('1.0.0'), before.releases.get('1.0.0'));
  assert.equal(yanked.releases.get('2.0.0'), before.releases.get('2.0.0'));
  const more = after(before, fact.published('3.0.0'), fact.ownerAdded('bob'), fact.refSet('latest', '3.0.0'));
  for (const version of ['1.0.0', '2.0.0'])
    assert.equal(more.releases.get(version), before.releases.get(version));
});

test('a tag leaves the map of releases where it is, and a release with it does not', () => {
  const before = aPackage(start);
  const tag = fact.refSet('latest', '1.0.0');
  assert.equal(after(before, tag).releases, before.releases);
  const more = after(before, tag, fact.published('3.0.0'));
  assert.deepEqual([before.releases.size, more.releases.size], [2, 3]);
  assert.equal(after(more, fact.published('4.0.0')).refs, more.refs);
  assert.notEqual(after(more, fact.refSet('next', '3.0.0')).refs, more.refs);
});

test('the package that events are added to is left as it was', () => {
  const before = aPackage([...start, fact.refSet('latest', '1.0.0'), fact.advisoryFiled('A-1')]);
  const copy = structuredClone(before);
  after(
    before,
    fact.yanked('1.0.0'),
    fact.published('3.0.0'),
    fact.refSet('next', '3.0.0'),
    fact.ownerAdded('bob'),
    fact.memberSet('carl', 'read'),
    fact.advisoryFiled('A-2'),
    fact.deprecated('old'),
    fact.withdrawn(),
  );
  assert.deepEqual(before, copy);
});

test('without events a package stays itself', () => {
  const before = aPackage(start);
  assert.equal(reducePackage(before, [], plain), before);
  assert.equal(reducePackage(undefined, [], plain), undefined);
});

test('a yank and an unyank give back an equal release', () => {
  const before = aPackage(start);
  const there = after(before, fact.yanked('1.0.0'));
  assert.equal(releaseOf(there, '1.0.0').yanked, true);
  const back = after(there, fact.unyanked('1.0.0'));
  assert.deepEqual(back.releases, before.releases);
});

test('a withdrawal marks one version, or all and the package', () => {
  const one = after(aPackage(start), fact.withdrawn('1.0.0'));
  assert.ok(releaseOf(one, '1.0.0').withdrawnAt);
  assert.equal(releaseOf(one, '2.0.0').withdrawnAt, undefined);
  assert.equal(one.withdrawnAt, undefined);
  const all = after(one, fact.withdrawn());
  assert.ok(all.withdrawnAt);
  assert.equal(
    releaseOf(all, '1.0.0').withdrawnAt,
    releaseOf(one, '1.0.0').withdrawnAt,
    'the first time counts',
  );
  assert.equal(releaseOf(all, '2.0.0').withdrawnAt, all.withdrawnAt);
});

test('a warning belongs to a version or to the package', () => {
  const both = after(aPackage(start), fact.deprecated('old', '1.0.0'), fact.deprecated('all old'));
  assert.equal(releaseOf(both, '1.0.0').deprecated?.message, 'old');
  assert.equal(releaseOf(both, '2.0.0').deprecated, undefined);
  assert.equal(both.deprecated?.message, 'all old');
  const about = { by: 'ann', ecosystem: 'x07', name: 'foo' } as const;
  const without = after(
    both,
    { kind: 'undeprecated', ...about },
    { kind: 'undeprecated', ...about, version: '1.0.0' },
  );
  assert.deepEqual([without.deprecated, releaseOf(without, '1.0.0').deprecated], [undefined, undefined]);
});

test('owners are a sorted set, and a transfer leaves one', () => {
  const about = { by: 'ann', ecosystem: 'x07', name: 'foo' } as const;
  const many = after(aPackage(start), fact.ownerAdded('zoe'), fact.ownerAdded('abe'), fact.ownerAdded('zoe'));
  assert.deepEqual(many.owners, ['abe', 'ann', 'zoe']);
  assert.deepEqual(after(many, { kind: 'owner-removed', ...about, owner: 'ann' }).owners, ['abe', 'zoe']);
  const offered = after(many, fact.transferOffered('bob'));
  assert.equal(offered.transfer?.to, 'bob');
  assert.deepEqual(offered.owners, many.owners);
  const accepted = after(offered, { kind: 'transfer-accepted', ...about });
  assert.deepEqual([accepted.owners, accepted.transfer], [['bob'], undefined]);
  const cancelled = after(offered, { kind: 'transfer-cancelled', ...about });
  assert.deepEqual([cancelled.owners, cancelled.transfer], [many.owners, undefined]);
  const { id, from, to } = offered.transfer ?? {};
  for (const [one, how] of [
    [accepted, 'accepted'],
    [cancelled, 'cancelled'],
  ] as const)
    assert.deepEqual(one.ended, { id, to, from, how });
});

test('why a version was yanked, or taken away, is remembered as long as that stands', () => {
  const about = { by: 'ann', ecosystem: 'x07', name: 'foo', version: '1.0.0' } as const;
  const yanked = after(aPackage(start), { kind: 'yanked', ...about, reason: 'It leaks.' });
  assert.equal(releaseOf(yanked, '1.0.0').yankReason, 'It leaks.');
  assert.equal(releaseOf(after(yanked, fact.unyanked('1.0.0')), '1.0.0').yankReason, undefined);
  const gone = after(yanked, { kind: 'withdrawn', ...about, reason: 'legal' });
  assert.equal(releaseOf(gone, '1.0.0').withdrawReason, 'legal');
});

test('members have one access each, and go with the owners that let them in', () => {
  const about = { by: 'ann', ecosystem: 'x07', name: 'foo' } as const;
  const before = aPackage(start);
  const many = after(
    before,
    fact.memberSet('bob', 'read'),
    fact.memberSet('carl', 'write'),
    fact.memberSet('bob', 'write'),
  );
  assert.deepEqual(
    [...many.members],
    [
      ['bob', 'write'],
      ['carl', 'write'],
    ],
  );
  assert.deepEqual([before.members.size, many.owners], [0, ['ann']]);
  const left = after(many, { kind: 'member-removed', ...about, member: 'bob' });
  assert.deepEqual([...left.members.keys()], ['carl']);
  const cancelled = after(left, fact.transferOffered('zoe'), { kind: 'transfer-cancelled', ...about });
  assert.deepEqual(cancelled.members, left.members);
  const accepted = after(left, fact.transferOffered('zoe'), { kind: 'transfer-accepted', ...about });
  assert.deepEqual([accepted.owners, accepted.members.size], [['zoe'], 0]);
});

test('no document changes with members, and the map of releases stays where it is', () => {
  const before = aPackage(start);
  const set = after(before, fact.memberSet('bob', 'read'));
  const removed = after(set, {
    kind: 'member-removed',
    by: 'ann',
    ecosystem: 'x07',
    name: 'foo',
    member: 'bob',
  });
  for (const one of [set, removed]) {
    assert.deepEqual([one.changedSeq, one.changedAt], [before.changedSeq, before.changedAt]);
    assert.equal(one.releases, before.releases);
  }
  assert.equal(removed.lastSeq, before.lastSeq + 2);
});

test('refs move and go, and an expiry takes a ref or a version', () => {
  const about = { by: 'root', ecosystem: 'x07', name: 'foo' } as const;
  const set = after(
    aPackage(start),
    fact.refSet('latest', '1.0.0'),
    fact.refSet('latest', '2.0.0'),
    fact.refSet('next', '1.0.0'),
  );
  assert.deepEqual(
    [...set.refs].map(([name, { target }]) => [name, target]),
    [
      ['latest', '2.0.0'],
      ['next', '1.0.0'],
    ],
  );
  assert.deepEqual([...after(set, { kind: 'ref-removed', ...about, ref: 'latest' }).refs.keys()], ['next']);
  const expired = after(
    set,
    { kind: 'expired', ...about, ref: 'next' },
    { kind: 'expired', ...about, version: '1.0.0' },
  );
  assert.deepEqual([...expired.refs.keys()], ['latest']);
  assert.ok(releaseOf(expired, '1.0.0').withdrawnAt);
});

test('an advisory stays on record after it is withdrawn', () => {
  const about = { by: 'ann', ecosystem: 'x07', name: 'foo' } as const;
  const filed = after(aPackage(start), fact.advisoryFiled('A-1', ['1.0.0']));
  const gone = after(filed, { kind: 'advisory-withdrawn', ...about, advisoryId: 'A-1' });
  assert.equal(filed.advisories.get('A-1')?.withdrawnAt, undefined);
  assert.ok(gone.advisories.get('A-1')?.withdrawnAt);
});

test('events about what never was are damage', () => {
  for (const wrong of [fact.yanked('9.9.9'), fact.withdrawn('9.9.9'), fact.deprecated('old', '9.9.9')])
    assert.throws(() => after(aPackage(start), wrong), LogDamage);
  const about = { by: 'ann', ecosystem: 'x07', name: 'foo' } as const;
  assert.throws(
    () => after(aPackage(start), { kind: 'advisory-withdrawn', ...about, advisoryId: 'A-1' }),
    LogDamage,
  );
});

test('a package remembers when it began, changed and how far it came', () => {
  const made = aPackage(start);
  const events = eventsFrom(start);
  assert.deepEqual([made.createdAt, made.changedAt, made.lastSeq], [events[0]?.at, events[2]?.at, 3]);
  assert.deepEqual([...made.releases.keys()], ['1.0.0', '2.0.0']);
});

const about = { by: 'ann', ecosystem: 'x07', name: 'foo' } as const;
const version = fc.constantFrom('1.0.0', '2.0.0');
const happening: fc.Arbitrary<EventDraft> = fc.oneof(
  version.map(fact.published),
  version.map(fact.yanked),
  version.map(fact.unyanked),
  fc.option(version, { nil: undefined }).map(fact.withdrawn),
  fc.tuple(fc.constantFrom('latest', 'next'), version).map(([ref, target]) => fact.refSet(ref, target)),
  fc.constantFrom('abe', 'zoe').map(fact.ownerAdded),
  fc.constantFrom('abe', 'ann').map((owner): EventDraft => ({ kind: 'owner-removed', ...about, owner })),
  fc
    .tuple(fc.constantFrom('abe', 'zoe'), fc.constantFrom('read' as const, 'write' as const))
    .map(([who, access]) => fact.memberSet(who, access)),
  fc.constantFrom('abe', 'ann').map((member): EventDraft => ({ kind: 'member-removed', ...about, member })),
  fc
    .tuple(fc.constantFrom('old', 'older'), fc.option(version, { nil: undefined }))
    .map(([a, b]) => fact.deprecated(a, b)),
  fc.constantFrom('A-1', 'A-2').map((id) => fact.advisoryFiled(id)),
  fc.constant(fact.transferOffered('bob')),
  fc.constant<EventDraft>({ kind: 'transfer-accepted', ...about }),
  fc
    .constantFrom('public' as const, 'private' as const)
    .map((visibility): EventDraft => ({ kind: 'visibility-set', ...about, visibility })),
);

test('folding all at once equals folding in pieces, wherever they are cut', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 20 }), fc.array(fc.nat(22)), (happenings, cuts) => {
      const events = eventsFrom([...start, ...happenings]);
      const whole = reducePackage(undefined, events, plain);
      let pieces: Package | undefined;
      const edges = [0, ...cuts.toSorted((a, b) => a - b), events.length];
      for (const [i, from] of edges.entries())
        pieces = reducePackage(pieces, events.slice(from, edges[i + 1] ?? events.length), plain);
      assert.deepEqual(pieces, whole);
    }),
    { numRuns: 200 },
  );
});

test('a namespace is its owners and members, and nothing else is taken for one', () => {
  const of = { by: 'ann', ecosystem: 'x07', name: 'wasi', of: 'namespace' } as const;
  const events = eventsFrom([
    { kind: 'claimed', ...of, owner: 'ann' },
    { kind: 'owner-added', ...of, owner: 'bob' },
    { kind: 'owner-removed', ...of, owner: 'ann' },
    fact.ownerAdded('mallory'),
    fact.memberSet('mallory', 'write'),
    { kind: 'member-set', ...of, member: 'dora', access: 'read' },
    { kind: 'transfer-offered', ...of, to: 'carl', expiresAt: '2027-01-01T00:00:00.000Z' },
    { kind: 'transfer-accepted', ...of },
  ]);
  assert.deepEqual(reduceNamespace(undefined, events.slice(0, 6)), {
    ecosystem: 'x07',
    name: 'wasi',
    owners: ['bob'],
    transfer: undefined,
    ended: undefined,
    members: new Map([['dora', 'read']]),
    lastSeq: 6,
  });
  const whole = reduceNamespace(undefined, events);
  assert.deepEqual([whole?.owners, whole?.members.size], [['carl'], 0]);
  const part = reduceNamespace(undefined, events.slice(0, 2));
  assert.deepEqual(reduceNamespace(part, events.slice(2)), reduceNamespace(undefined, events));
  assert.equal(reduceNamespace(undefined, eventsFrom(start)), undefined);
});

test('what npm reads does not change when a commit comes or goes', () => {
  const artifacts = [anArtifact('foo', 'a commit')] as const;
  const set: EventDraft = {
    kind: 'ref-set',
    by: 'ann',
    ecosystem: 'x07',
    name: 'foo',
    ref: 'commit:a',
    target: artifacts[0].digest,
    artifacts: [...artifacts],
  };
  const gone: EventDraft = { kind: 'expired', by: 'ann', ecosystem: 'x07', name: 'foo', ref: 'commit:a' };
  const before = aPackage([fact.claimed(), fact.published('1.0.0')]);
  const during = aPackage([fact.claimed(), fact.published('1.0.0'), set]);
  const after = aPackage([fact.claimed(), fact.published('1.0.0'), set, gone]);
  for (const one of [during, after]) {
    assert.deepEqual([one.changedSeq, one.changedAt], [before.changedSeq, before.changedAt]);
    assert.ok(one.lastSeq > before.lastSeq);
  }
  assert.deepEqual([during.refs.size, after.refs.size], [1, 0]);
  const tagged = aPackage([fact.claimed(), fact.published('1.0.0'), fact.refSet('latest', '1.0.0')]);
  assert.equal(tagged.changedSeq, tagged.lastSeq);
});

test('a version that is a digest is forgotten with its tags when it is withdrawn, and may come back', () => {
  const digests = { versionKey: (version: string) => version, versionIsDigest: true } as const;
  const [a, b] = [anArtifact('foo', 'a').digest, anArtifact('foo', 'b').digest];
  const setRef = (ref: string, target: string): EventDraft => ({
    kind: 'ref-set',
    by: 'ann',
    ecosystem: 'x07',
    name: 'foo',
    ref,
    target,
  });
  const events = eventsFrom([
    fact.claimed(),
    fact.published(a),
    fact.published(b),
    setRef('latest', a),
    setRef('1.0', a),
    setRef('next', b),
    fact.withdrawn(a),
  ]);
  const without = reducePackage(undefined, events, digests);
  assert.deepEqual([...(without?.releases.keys() ?? [])], [b]);
  assert.deepEqual([...(without?.refs.keys() ?? [])], ['next']);
  const again = reducePackage(without, eventsFrom([fact.published(a)], 20), digests);
  assert.equal(again?.releases.get(a)?.withdrawnAt, undefined);
  assert.deepEqual([...(again?.releases.keys() ?? [])], [b, a]);
  const nothing = reducePackage(again, eventsFrom([fact.withdrawn()], 30), digests);
  assert.equal(nothing?.releases.size, 0);
  assert.equal(nothing.refs.size, 0);
  assert.equal(nothing.withdrawnAt, undefined);
});
