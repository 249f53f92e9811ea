import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decide, slicesOf, type Command } from '../../core/decide.ts';
import { RegistryError, type ErrorCode } from '../../core/errors.ts';
import type { EventDraft } from '../../core/event.ts';
import {
  reduceNamespace,
  reducePackage,
  type MemberAccess,
  type Namespace,
  type Package,
} from '../../core/package.ts';
import { allScopes, requireScope, type Actor, type Scope } from '../../core/permission.ts';
import type { Rules } from '../../core/rules.ts';
import { rules as npmRules } from '../../ecosystems/npm/names.ts';
import { rules as x07Rules } from '../../ecosystems/x07/names.ts';
import {
  admin,
  anActor,
  anArtifact,
  aPackage,
  eventsFrom,
  fact,
  limitedActor,
  publishOf,
  someSettings,
} from '../support/registry.ts';
import { namespacedRules, toyRules } from '../support/toy-surface.ts';

const [ann, bob] = [anActor('ann'), anActor('bob')];
const now = '2026-06-01T00:00:00.000Z';
const isAccount = (handle: string): boolean => handle !== 'nobody';
const [later, earlier] = ['2026-07-01T00:00:00.000Z', '2026-05-01T00:00:00.000Z'];
const ofFoo = { ecosystem: 'x07', name: 'foo' } as const;

interface Case {
  readonly when: string;
  /** Facts about `foo`; none: it does not exist. */
  readonly given?: readonly EventDraft[];
  readonly command: Command;
  /** Ann, an owner without special rights, unless told. */
  readonly by?: Actor;
  readonly rules?: Rules;
  /** Kinds of the events, or the refusal. */
  readonly gives: readonly EventDraft['kind'][] | ErrorCode;
}

const withdrawArtifact: Command = {
  kind: 'withdraw-artifact',
  ecosystem: 'x07',
  name: 'foo',
  artifact: anArtifact('foo', 'x').digest,
};
const published = [fact.claimed(), fact.published('1.0.0'), fact.published('2.0.0')];
const withOffer = (expiresAt: string): EventDraft[] => [...published, fact.transferOffered('bob', expiresAt)];
const of = (
  kind: 'yank' | 'unyank' | 'deprecate' | 'undeprecate' | 'withdraw' | 'expire',
  version?: string,
): Command =>
  ({
    kind,
    ...ofFoo,
    ...(version === undefined ? {} : { version }),
  }) as Command;
const owner = (kind: 'claim' | 'add-owner' | 'remove-owner', handle: string): Command => ({
  kind,
  ...ofFoo,
  owner: handle,
});
const setRef = (target: string, ref = 'latest'): Command => ({ kind: 'set-ref', ...ofFoo, ref, target });
const publishRef: Command = {
  kind: 'publish-ref',
  ...ofFoo,
  ref: 'commit:abc',
  artifacts: [anArtifact('foo', 'abc')],
};
const removeRef = (ref: string): Command => ({ kind: 'remove-ref', ...ofFoo, ref });
const setMember = (member: string, access: MemberAccess): Command => ({
  kind: 'set-member',
  ...ofFoo,
  member,
  access,
});
const removeMember = (member: string): Command => ({ kind: 'remove-member', ...ofFoo, member });
const withMember = [...published, fact.memberSet('carl', 'read')];
const offer: Command = { kind: 'offer-transfer', ...ofFoo, to: 'bob', expiresAt: later };
const accept: Command = { kind: 'accept-transfer', ...ofFoo };
const cancel: Command = { kind: 'cancel-transfer', ...ofFoo };
const advisory = { id: 'A-1', kind: 'broken', severity: 'low', summary: 'It breaks.' } as const;
const file = (versions?: string[]): Command => ({
  kind: 'file-advisory',
  ...ofFoo,
  advisory: { ...advisory, ...(versions ? { versions } : {}) },
});
const digest = anArtifact('foo', '1.0.0').digest;

const cases: Record<string, readonly Case[]> = {
  publish: [
    { when: 'the name is new', command: publishOf('foo', '1.0.0'), gives: ['claimed', 'published'] },
    { when: 'by an owner', given: published, command: publishOf('foo', '3.0.0'), gives: ['published'] },
    {
      when: 'by a stranger',
      given: published,
      command: publishOf('foo', '3.0.0'),
      by: bob,
      gives: 'not-owner',
    },
    {
      when: 'by an administrator',
      given: published,
      command: publishOf('foo', '3.0.0'),
      by: admin,
      gives: ['published'],
    },
    {
      when: 'the version exists',
      given: published,
      command: publishOf('foo', '1.0.0'),
      gives: 'version-exists',
    },
    {
      when: 'the version exists and the actor is a stranger: nobody learns more than an owner',
      given: published,
      command: publishOf('foo', '1.0.0'),
      by: bob,
      gives: 'not-owner',
    },
    {
      when: 'the version is yanked',
      given: [...published, fact.yanked('1.0.0')],
      command: publishOf('foo', '1.0.0'),
      gives: 'version-exists',
    },
    {
      when: 'the version is withdrawn',
      given: [...published, fact.withdrawn('1.0.0')],
      command: publishOf('foo', '1.0.0'),
      gives: 'version-exists',
    },
    {
      when: 'the whole package is withdrawn',
      given: [...published, fact.withdrawn()],
      command: publishOf('foo', '1.0.0'),
      by: admin,
      gives: 'version-exists',
    },
    {
      when: 'another spelling of the version exists',
      given: [fact.claimed(), fact.published('1.0.0-rc')],
      command: publishOf('foo', '1.0.0-RC'),
      rules: toyRules,
      gives: 'version-exists',
    },
    {
      when: 'another spelling of the name exists, even to its owner',
      given: published,
      command: publishOf('FOO', '3.0.0'),
      rules: toyRules,
      gives: 'name-taken',
    },
    {
      when: 'the name is claimed and empty',
      given: [fact.claimed('bob')],
      command: publishOf('foo', '1.0.0'),
      gives: 'not-owner',
    },
    {
      when: 'without the scope',
      command: publishOf('foo', '1.0.0'),
      by: anActor('ann', ['yank', 'owner']),
      gives: 'scope-missing',
    },
  ],
  claim: [
    { when: 'the name is free', command: owner('claim', 'ann'), gives: ['claimed'] },
    {
      when: 'the name is taken',
      given: published,
      command: owner('claim', 'bob'),
      by: bob,
      gives: 'name-taken',
    },
    {
      when: 'the name is taken, by an administrator',
      given: published,
      command: owner('claim', 'bob'),
      by: admin,
      gives: 'name-taken',
    },
  ],
  yank: [
    { when: 'by an owner', given: published, command: of('yank', '1.0.0'), gives: ['yanked'] },
    {
      when: 'it is yanked',
      given: [...published, fact.yanked('1.0.0')],
      command: of('yank', '1.0.0'),
      gives: [],
    },
    { when: 'by a stranger', given: published, command: of('yank', '1.0.0'), by: bob, gives: 'not-owner' },
    {
      when: 'by an administrator',
      given: published,
      command: of('yank', '1.0.0'),
      by: admin,
      gives: ['yanked'],
    },
    {
      when: 'there is no such version',
      given: published,
      command: of('yank', '9.0.0'),
      gives: 'version-not-found',
    },
    { when: 'there is no such package', command: of('yank', '1.0.0'), gives: 'package-not-found' },
    {
      when: 'the package is empty',
      given: [fact.claimed()],
      command: of('yank', '1.0.0'),
      gives: 'package-not-found',
    },
    {
      when: 'without the scope',
      given: published,
      command: of('yank', '1.0.0'),
      by: anActor('ann', ['publish']),
      gives: 'scope-missing',
    },
  ],
  unyank: [
    {
      when: 'it is yanked',
      given: [...published, fact.yanked('1.0.0')],
      command: of('unyank', '1.0.0'),
      gives: ['unyanked'],
    },
    { when: 'it is not', given: published, command: of('unyank', '1.0.0'), gives: [] },
    {
      when: 'by a stranger',
      given: [...published, fact.yanked('1.0.0')],
      command: of('unyank', '1.0.0'),
      by: bob,
      gives: 'not-owner',
    },
    {
      when: 'there is no such version',
      given: published,
      command: of('unyank', '9.0.0'),
      gives: 'version-not-found',
    },
  ],
  deprecate: [
    {
      when: 'of a version',
      given: published,
      command: { ...of('deprecate', '1.0.0'), message: 'old' } as Command,
      gives: ['deprecated'],
    },
    {
      when: 'of the package',
      given: published,
      command: { ...of('deprecate'), message: 'old' } as Command,
      gives: ['deprecated'],
    },
    {
      when: 'in the same words again',
      given: [...published, fact.deprecated('old', '1.0.0')],
      command: { ...of('deprecate', '1.0.0'), message: 'old' } as Command,
      gives: [],
    },
    {
      when: 'in other words',
      given: [...published, fact.deprecated('old', '1.0.0')],
      command: { ...of('deprecate', '1.0.0'), message: 'very old' } as Command,
      gives: ['deprecated'],
    },
    {
      when: 'of the package when only a version is',
      given: [...published, fact.deprecated('old', '1.0.0')],
      command: { ...of('deprecate'), message: 'old' } as Command,
      gives: ['deprecated'],
    },
    { when: 'by a stranger', given: published, command: of('deprecate'), by: bob, gives: 'not-owner' },
    {
      when: 'there is no such version',
      given: published,
      command: of('deprecate', '9.0.0'),
      gives: 'version-not-found',
    },
  ],
  undeprecate: [
    {
      when: 'it is deprecated',
      given: [...published, fact.deprecated('old')],
      command: of('undeprecate'),
      gives: ['undeprecated'],
    },
    {
      when: 'it is not',
      given: [...published, fact.deprecated('old')],
      command: of('undeprecate', '1.0.0'),
      gives: [],
    },
  ],
  'withdraw-artifact': [
    {
      when: 'of a package with versions',
      given: published,
      command: withdrawArtifact,
      gives: ['withdrawn'],
    },
    {
      when: 'of a package whose versions are all gone',
      given: [fact.claimed()],
      command: withdrawArtifact,
      gives: ['withdrawn'],
    },
    {
      when: 'by a stranger',
      given: published,
      command: withdrawArtifact,
      by: bob,
      gives: 'not-owner',
    },
  ],
  withdraw: [
    { when: 'of a version', given: published, command: of('withdraw', '1.0.0'), gives: ['withdrawn'] },
    { when: 'of all', given: published, command: of('withdraw'), by: admin, gives: ['withdrawn'] },
    {
      when: 'it is withdrawn',
      given: [...published, fact.withdrawn('1.0.0')],
      command: of('withdraw', '1.0.0'),
      gives: [],
    },
    { when: 'all is withdrawn', given: [...published, fact.withdrawn()], command: of('withdraw'), gives: [] },
    {
      when: 'all is withdrawn, of a version',
      given: [...published, fact.withdrawn()],
      command: of('withdraw', '2.0.0'),
      gives: [],
    },
    {
      when: 'of all, after a version that came later than the last time',
      given: [...published, fact.withdrawn(), fact.published('3.0.0')],
      command: of('withdraw'),
      gives: ['withdrawn'],
    },
    { when: 'by a stranger', given: published, command: of('withdraw'), by: bob, gives: 'not-owner' },
    {
      when: 'there is no such version',
      given: published,
      command: of('withdraw', '9.0.0'),
      gives: 'version-not-found',
    },
  ],
  'publish-ref': [
    { when: 'of a new package', command: publishRef, gives: ['claimed', 'ref-set'] },
    { when: 'of one that exists', given: published, command: publishRef, gives: ['ref-set'] },
    {
      when: 'again',
      given: [...published, fact.refSet('commit:abc', digest)],
      command: publishRef,
      gives: ['ref-set'],
    },
    { when: 'of another owner', given: published, command: publishRef, by: bob, gives: 'not-owner' },
    {
      when: 'without the scope',
      given: published,
      command: publishRef,
      by: anActor('ann', ['yank']),
      gives: 'scope-missing',
    },
  ],
  'set-ref': [
    { when: 'to a version', given: published, command: setRef('1.0.0'), gives: ['ref-set'] },
    { when: 'to an artifact', given: published, command: setRef(digest), gives: ['ref-set'] },
    {
      when: 'to where it points',
      given: [...published, fact.refSet('latest', '1.0.0')],
      command: setRef('1.0.0'),
      gives: [],
    },
    {
      when: 'to elsewhere',
      given: [...published, fact.refSet('latest', '1.0.0')],
      command: setRef('2.0.0'),
      gives: ['ref-set'],
    },
    { when: 'to nothing', given: published, command: setRef('9.0.0'), gives: 'version-not-found' },
    {
      when: 'to a withdrawn version',
      given: [...published, fact.withdrawn('1.0.0')],
      command: setRef('1.0.0'),
      gives: 'version-not-found',
    },
    {
      when: 'to an artifact of a withdrawn version',
      given: [...published, fact.withdrawn('1.0.0')],
      command: setRef(digest),
      gives: 'version-not-found',
    },
    { when: 'by a stranger', given: published, command: setRef('1.0.0'), by: bob, gives: 'not-owner' },
  ],
  'remove-ref': [
    {
      when: 'it is there',
      given: [...published, fact.refSet('latest', '1.0.0')],
      command: removeRef('latest'),
      gives: ['ref-removed'],
    },
    { when: 'it is not', given: published, command: removeRef('latest'), gives: 'ref-not-found' },
    {
      when: 'by a stranger',
      given: [...published, fact.refSet('latest', '1.0.0')],
      command: removeRef('latest'),
      by: bob,
      gives: 'not-owner',
    },
  ],
  expire: [
    {
      when: 'of a version, by an administrator who owns nothing',
      given: published,
      command: of('expire', '1.0.0'),
      by: admin,
      gives: ['expired'],
    },
    { when: 'by an owner', given: published, command: of('expire', '1.0.0'), gives: 'scope-missing' },
    {
      when: 'it is gone',
      given: [...published, fact.withdrawn('1.0.0')],
      command: of('expire', '1.0.0'),
      by: admin,
      gives: [],
    },
    {
      when: 'of a ref that is not there',
      given: published,
      command: { kind: 'expire', ...ofFoo, ref: 'next' },
      by: admin,
      gives: 'ref-not-found',
    },
    {
      when: 'of a ref',
      given: [...published, fact.refSet('next', '1.0.0')],
      command: { kind: 'expire', ...ofFoo, ref: 'next' },
      by: admin,
      gives: ['expired'],
    },
  ],
  'set-visibility': [
    {
      when: 'to private',
      given: published,
      command: { kind: 'set-visibility', ...ofFoo, visibility: 'private' },
      gives: ['visibility-set'],
    },
    {
      when: 'to what it is',
      given: published,
      command: { kind: 'set-visibility', ...ofFoo, visibility: 'public' },
      gives: [],
    },
    {
      when: 'by a stranger',
      given: published,
      command: { kind: 'set-visibility', ...ofFoo, visibility: 'private' },
      by: bob,
      gives: 'not-owner',
    },
  ],
  star: [
    {
      when: 'by anybody',
      given: published,
      command: { kind: 'star', ...ofFoo },
      by: bob,
      gives: ['starred'],
    },
    {
      when: 'twice',
      given: [...published, { kind: 'starred', by: 'bob', ecosystem: 'x07', name: 'foo' }],
      command: { kind: 'star', ...ofFoo },
      by: bob,
      gives: [],
    },
    {
      when: 'of a package that is not there',
      command: { kind: 'star', ...ofFoo },
      gives: 'package-not-found',
    },
  ],
  unstar: [
    {
      when: 'what was starred',
      given: [...published, { kind: 'starred', by: 'bob', ecosystem: 'x07', name: 'foo' }],
      command: { kind: 'unstar', ...ofFoo },
      by: bob,
      gives: ['unstarred'],
    },
    { when: 'what was not', given: published, command: { kind: 'unstar', ...ofFoo }, by: bob, gives: [] },
  ],
  'file-advisory': [
    { when: 'about a version', given: published, command: file(['1.0.0']), gives: ['advisory-filed'] },
    { when: 'about a range', given: published, command: file(), gives: ['advisory-filed'] },
    {
      when: 'about a version that is not there',
      given: published,
      command: file(['1.0.0', '9.0.0']),
      gives: 'version-not-found',
    },
    {
      when: 'its id is taken',
      given: [...published, fact.advisoryFiled('A-1')],
      command: file(),
      gives: 'conflict',
    },
    { when: 'by a stranger', given: published, command: file(), by: bob, gives: 'not-owner' },
  ],
  'withdraw-advisory': [
    {
      when: 'it is filed',
      given: [...published, fact.advisoryFiled('A-1')],
      command: { kind: 'withdraw-advisory', ...ofFoo, advisoryId: 'A-1' },
      gives: ['advisory-withdrawn'],
    },
    {
      when: 'it is not',
      given: published,
      command: { kind: 'withdraw-advisory', ...ofFoo, advisoryId: 'A-1' },
      gives: 'advisory-not-found',
    },
    {
      when: 'it is withdrawn',
      given: [
        ...published,
        fact.advisoryFiled('A-1'),
        { kind: 'advisory-withdrawn', by: 'ann', ...ofFoo, advisoryId: 'A-1' },
      ],
      command: { kind: 'withdraw-advisory', ...ofFoo, advisoryId: 'A-1' },
      gives: [],
    },
  ],
  'add-owner': [
    { when: 'by an owner', given: published, command: owner('add-owner', 'bob'), gives: ['owner-added'] },
    { when: 'who owns it', given: published, command: owner('add-owner', 'ann'), gives: [] },
    {
      when: 'by a stranger',
      given: published,
      command: owner('add-owner', 'bob'),
      by: bob,
      gives: 'not-owner',
    },
    { when: 'there is no such package', command: owner('add-owner', 'bob'), gives: 'package-not-found' },
    {
      when: 'without the scope',
      given: published,
      command: owner('add-owner', 'bob'),
      by: anActor('ann', ['publish', 'yank']),
      gives: 'scope-missing',
    },
  ],
  'remove-owner': [
    {
      when: 'there are two',
      given: [...published, fact.ownerAdded('bob')],
      command: owner('remove-owner', 'ann'),
      gives: ['owner-removed'],
    },
    { when: 'it is the last', given: published, command: owner('remove-owner', 'ann'), gives: 'last-owner' },
    {
      when: 'it is the last, by an administrator',
      given: published,
      command: owner('remove-owner', 'ann'),
      by: admin,
      gives: 'last-owner',
    },
    {
      when: 'who owns nothing',
      given: published,
      command: owner('remove-owner', 'bob'),
      gives: 'owner-not-found',
    },
    {
      when: 'by a stranger',
      given: published,
      command: owner('remove-owner', 'ann'),
      by: bob,
      gives: 'not-owner',
    },
  ],
  'set-member': [
    { when: 'by an owner', given: published, command: setMember('carl', 'read'), gives: ['member-set'] },
    {
      when: 'by an administrator',
      given: published,
      command: setMember('carl', 'write'),
      by: admin,
      gives: ['member-set'],
    },
    { when: 'who is one', given: withMember, command: setMember('carl', 'read'), gives: [] },
    {
      when: 'who is one, with another access',
      given: withMember,
      command: setMember('carl', 'write'),
      gives: ['member-set'],
    },
    {
      when: 'who owns it: it will matter when that ends',
      given: published,
      command: setMember('ann', 'read'),
      gives: ['member-set'],
    },
    {
      when: 'of a name that is reserved and empty',
      given: [fact.claimed()],
      command: setMember('carl', 'write'),
      gives: ['member-set'],
    },
    {
      when: 'by a stranger',
      given: published,
      command: setMember('bob', 'write'),
      by: bob,
      gives: 'not-owner',
    },
    {
      when: 'by a member who writes',
      given: [...published, fact.memberSet('bob', 'write')],
      command: setMember('carl', 'read'),
      by: bob,
      gives: 'not-owner',
    },
    {
      when: 'who has no account',
      given: published,
      command: setMember('nobody', 'read'),
      gives: 'account-not-found',
    },
    {
      when: 'there is no such package',
      command: setMember('carl', 'read'),
      gives: 'package-not-found',
    },
    {
      when: 'the package is spelled otherwise',
      given: published,
      command: { ...setMember('carl', 'read'), name: 'FOO' } as Command,
      rules: toyRules,
      gives: 'package-not-found',
    },
    {
      when: 'without the scope',
      given: published,
      command: setMember('carl', 'read'),
      by: anActor('ann', ['publish', 'yank']),
      gives: 'scope-missing',
    },
  ],
  'remove-member': [
    { when: 'who is one', given: withMember, command: removeMember('carl'), gives: ['member-removed'] },
    {
      when: 'whose account is gone',
      given: [...published, fact.memberSet('nobody', 'read')],
      command: removeMember('nobody'),
      gives: ['member-removed'],
    },
    { when: 'who is none', given: withMember, command: removeMember('bob'), gives: 'member-not-found' },
    {
      when: 'who was one',
      given: [...withMember, { kind: 'member-removed', by: 'ann', ...ofFoo, member: 'carl' }],
      command: removeMember('carl'),
      gives: 'member-not-found',
    },
    {
      when: 'by a stranger',
      given: withMember,
      command: removeMember('carl'),
      by: bob,
      gives: 'not-owner',
    },
    {
      when: 'by the member',
      given: withMember,
      command: removeMember('carl'),
      by: anActor('carl'),
      gives: 'not-owner',
    },
  ],
  'offer-transfer': [
    { when: 'by an owner', given: published, command: offer, gives: ['transfer-offered'] },
    { when: 'by a stranger', given: published, command: offer, by: bob, gives: 'not-owner' },
    { when: 'one is on offer', given: withOffer(later), command: offer, gives: 'transfer-pending' },
    {
      when: 'the one on offer has expired',
      given: withOffer(earlier),
      command: offer,
      gives: ['transfer-offered'],
    },
  ],
  'accept-transfer': [
    {
      when: 'by whom it is for',
      given: withOffer(later),
      command: accept,
      by: bob,
      gives: ['transfer-accepted'],
    },
    { when: 'by the one who offers', given: withOffer(later), command: accept, gives: 'not-owner' },
    { when: 'by an administrator', given: withOffer(later), command: accept, by: admin, gives: 'not-owner' },
    {
      when: 'it has expired',
      given: withOffer(earlier),
      command: accept,
      by: bob,
      gives: 'transfer-not-found',
    },
    {
      when: 'at the very moment it expires',
      given: withOffer(now),
      command: accept,
      by: bob,
      gives: 'transfer-not-found',
    },
    { when: 'none was offered', given: published, command: accept, by: bob, gives: 'transfer-not-found' },
    {
      when: 'it was cancelled',
      given: [...withOffer(later), { kind: 'transfer-cancelled', by: 'ann', ...ofFoo }],
      command: accept,
      by: bob,
      gives: 'transfer-not-found',
    },
  ],
  'cancel-transfer': [
    { when: 'by an owner', given: withOffer(later), command: cancel, gives: ['transfer-cancelled'] },
    {
      when: 'by whom it is for',
      given: withOffer(later),
      command: cancel,
      by: bob,
      gives: ['transfer-cancelled'],
    },
    {
      when: 'by a third account',
      given: withOffer(later),
      command: cancel,
      by: anActor('carl'),
      gives: 'not-owner',
    },
    { when: 'none was offered', given: published, command: cancel, gives: 'transfer-not-found' },
    { when: 'it has expired', given: withOffer(earlier), command: cancel, gives: 'transfer-not-found' },
  ],
};

interface Given {
  readonly package?: Package;
  readonly namespace?: Namespace;
}

function outcome(
  command: Command,
  slices: Given,
  by: Actor,
  rules: Rules,
): readonly EventDraft[] | ErrorCode {
  try {
    return decide(command, slices, { actor: by, rules, now, isAccount });
  } catch (error) {
    if (error instanceof RegistryError) return error.code;
    throw error;
  }
}

for (const [kind, rows] of Object.entries(cases))
  describe(kind, () => {
    for (const { when, given, command, by = ann, rules = x07Rules, gives } of rows)
      test(`${when} -> ${typeof gives === 'string' ? gives : gives.join(', ') || 'nothing to do'}`, () => {
        const slices = given ? { package: aPackage(given, rules) } : {};
        const found = outcome(command, slices, by, rules);
        assert.deepEqual(typeof found === 'string' ? found : found.map((draft) => draft.kind), gives);
        for (const draft of typeof found === 'string' ? [] : found) assert.equal(draft.by, by.handle);
      });
  });

test('the table has rows for every command, and refusals for all that can be refused', () => {
  const kinds: Record<Command['kind'], true> = {
    publish: true,
    claim: true,
    yank: true,
    unyank: true,
    deprecate: true,
    undeprecate: true,
    withdraw: true,
    'withdraw-artifact': true,
    'set-ref': true,
    'publish-ref': true,
    'remove-ref': true,
    expire: true,
    'set-visibility': true,
    star: true,
    unstar: true,
    'file-advisory': true,
    'withdraw-advisory': true,
    'add-owner': true,
    'remove-owner': true,
    'set-member': true,
    'remove-member': true,
    'offer-transfer': true,
    'accept-transfer': true,
    'cancel-transfer': true,
    'change-settings': true,
  };
  assert.deepEqual([...Object.keys(cases), 'change-settings'].sort(), Object.keys(kinds).sort());
});

test('a first publish makes its author the owner', () => {
  const drafts = decide(publishOf('foo', '1.0.0'), {}, { actor: bob, rules: x07Rules, now, isAccount });
  assert.deepEqual(aPackage(drafts).owners, ['bob']);
});

test('events name the version as it was published, however the client spelled it', () => {
  const given = { package: aPackage([fact.claimed(), fact.published('1.0.0-rc')], toyRules) };
  const [draft] = decide({ ...of('yank', '1.0.0-RC') }, given, {
    actor: ann,
    rules: toyRules,
    now,
    isAccount,
  });
  assert.deepEqual(draft, fact.yanked('1.0.0-rc'));
});

test('settings change only by an administrator, and only when they change', () => {
  const settings = someSettings();
  const change = (to: typeof settings, by: Actor): readonly EventDraft[] =>
    decide(
      { kind: 'change-settings', settings: to },
      { settings },
      { actor: by, rules: x07Rules, now, isAccount },
    );
  assert.deepEqual(change({ mounts: { ...settings.mounts }, publicUrl: settings.publicUrl }, admin), []);
  const other = someSettings({ publicUrl: 'https://other.example' });
  assert.deepEqual(change(other, admin), [{ kind: 'settings-changed', by: 'root', settings: other }]);
  assert.throws(() => change(other, ann), { code: 'scope-missing' });
});

describe('namespaces', () => {
  const given: Given = {
    namespace: namespaceOf([
      { kind: 'claimed', by: 'ann', ecosystem: 'x07', name: 'wasi', of: 'namespace', owner: 'ann' },
    ]),
  };
  const publish = publishOf('wasi.http', '1.0.0');

  test('the first publish into one claims it, not the package', () => {
    assert.deepEqual(
      decide(publish, {}, { actor: bob, rules: namespacedRules, now, isAccount }).map((draft) => [
        draft.kind,
        'name' in draft && draft.name,
      ]),
      [
        ['claimed', 'wasi'],
        ['published', 'wasi.http'],
      ],
    );
  });

  test('its owners publish new packages, and nobody else does', () => {
    assert.deepEqual(kindsOf(outcome(publish, given, ann, namespacedRules)), ['published']);
    assert.equal(outcome(publish, given, bob, namespacedRules), 'not-owner');
    assert.deepEqual(kindsOf(outcome(publish, given, admin, namespacedRules)), ['published']);
  });

  test('its owners yank, and an owner of nothing else does not', () => {
    const both = { ...given, package: aPackage([fact.published('1.0.0')]) };
    assert.deepEqual(kindsOf(outcome(of('yank', '1.0.0'), both, ann, namespacedRules)), ['yanked']);
    assert.equal(outcome(of('yank', '1.0.0'), both, bob, namespacedRules), 'not-owner');
  });

  test('ownership commands are about the namespace when they say so', () => {
    const command: Command = {
      kind: 'add-owner',
      ecosystem: 'x07',
      name: 'wasi',
      of: 'namespace',
      owner: 'bob',
    };
    const drafts = outcome(command, given, ann, namespacedRules);
    assert.deepEqual(drafts, [
      { kind: 'owner-added', by: 'ann', ecosystem: 'x07', name: 'wasi', of: 'namespace', owner: 'bob' },
    ]);
    assert.equal(outcome({ ...command, name: 'other' }, {}, ann, namespacedRules), 'package-not-found');
    assert.equal(outcome({ ...command, kind: 'claim' }, given, bob, namespacedRules), 'name-taken');
  });

  test('the slices that a decision reads are declared', () => {
    assert.deepEqual(slicesOf(publish, namespacedRules), {
      package: { ecosystem: 'x07', name: 'wasi.http' },
      namespace: { ecosystem: 'x07', name: 'wasi' },
    });
    assert.deepEqual(slicesOf(publish, x07Rules), { package: { ecosystem: 'x07', name: 'wasi.http' } });
    assert.deepEqual(
      slicesOf(
        { kind: 'claim', ecosystem: 'x07', name: 'wasi', of: 'namespace', owner: 'a' },
        namespacedRules,
      ),
      {
        namespace: { ecosystem: 'x07', name: 'wasi' },
      },
    );
    assert.deepEqual(slicesOf({ kind: 'change-settings', settings: someSettings() }, undefined), {});
  });
});

function namespaceOf(drafts: readonly EventDraft[]): Namespace {
  const made = reduceNamespace(undefined, eventsFrom(drafts));
  assert.ok(made);
  return made;
}

function kindsOf(found: readonly EventDraft[] | ErrorCode): readonly string[] | ErrorCode {
  return typeof found === 'string' ? found : found.map(({ kind }) => kind);
}

describe('members', () => {
  const carl = anActor('carl');
  const none: readonly EventDraft[] = [];
  const ofPackage = { by: 'ann', ecosystem: 'x07', name: 'wasi.foo' } as const;
  const ofWasi = { by: 'ann', ecosystem: 'x07', name: 'wasi', of: 'namespace' } as const;
  const byPackage: Rules = { ...namespacedRules, ownedBy: 'package' };

  const writes = ['publish', 'publish-ref', 'set-ref', 'remove-ref'];
  const commands: readonly Command[] = [
    publishOf('foo', '3.0.0'),
    publishRef,
    setRef('2.0.0', 'next'),
    removeRef('latest'),
    { kind: 'star', ...ofFoo },
    of('yank', '1.0.0'),
    of('deprecate'),
    of('withdraw', '1.0.0'),
    { kind: 'set-visibility', ...ofFoo, visibility: 'public' },
    file(),
    owner('add-owner', 'carl'),
    owner('remove-owner', 'ann'),
    setMember('carl', 'write'),
    offer,
  ].map((command) => ({ ...command, name: 'wasi.foo' }) as Command);

  /** What carl may do with a private package of ann's, and with its namespace: kinds of the commands that are not refused. */
  function allowed(
    rules: Rules,
    aboutPackage: readonly EventDraft[],
    aboutNamespace: readonly EventDraft[],
  ): string[] {
    const facts = [
      { kind: 'visibility-set', visibility: 'private' },
      ...(rules.ownedBy === 'package' ? [fact.claimed()] : []),
      fact.published('1.0.0'),
      fact.published('2.0.0'),
      fact.refSet('latest', '1.0.0'),
    ].map((draft) => ({ ...draft, ...ofPackage }) as EventDraft);
    const slices = {
      package: aPackage([...facts, ...aboutPackage], rules),
      namespace: namespaceOf([{ kind: 'claimed', ...ofWasi, owner: 'ann' }, ...aboutNamespace]),
    };
    const found = commands.map((command) => [command.kind, outcome(command, slices, carl, rules)] as const);
    const kinds = found.flatMap(([kind, result]) => (typeof result === 'string' ? [] : [kind]));
    // Of what somebody sees he is told that it is not his; of the rest that it is not there, unless he would publish it.
    for (const [kind, result] of found)
      if (typeof result === 'string')
        assert.equal(result, kinds.length > 0 || /^publish/.test(kind) ? 'not-owner' : 'package-not-found');
    const add = outcome(publishOf('wasi.bar', '1.0.0'), { namespace: slices.namespace }, carl, rules);
    return add === 'not-owner' ? kinds : [...kinds, 'add a package'];
  }

  const member = (access: MemberAccess): readonly EventDraft[] => [
    { kind: 'member-set', ...ofPackage, member: 'carl', access },
  ];
  const ofScope = (access: MemberAccess): readonly EventDraft[] => [
    { kind: 'member-set', ...ofWasi, member: 'carl', access },
  ];

  for (const rules of [byPackage, namespacedRules]) {
    const when = `where owners own ${rules.ownedBy === 'package' ? 'packages' : 'namespaces'}`;

    test(`${when}, a stranger may do nothing, nor see that a private package is there`, () => {
      assert.deepEqual(allowed(rules, none, none), []);
    });

    test(`${when}, members who read see it, and change nothing of it`, () => {
      assert.deepEqual(allowed(rules, member('read'), none), ['star']);
      assert.deepEqual(allowed(rules, none, ofScope('read')), ['star']);
    });

    test(`${when}, members who write publish and move names, and do nothing else that owners do`, () => {
      assert.deepEqual(allowed(rules, member('write'), none), [...writes, 'star']);
      assert.deepEqual(allowed(rules, none, ofScope('write')), [...writes, 'star', 'add a package']);
      assert.deepEqual(allowed(rules, member('read'), ofScope('write')), [
        ...writes,
        'star',
        'add a package',
      ]);
    });

    test(`${when}, whoever was put out is a stranger again`, () => {
      const out: EventDraft = { kind: 'member-removed', ...ofPackage, member: 'carl' };
      assert.deepEqual(allowed(rules, [...member('write'), out], none), []);
    });

    test(`${when}, owners say who is a member of what they own`, () => {
      const slices = {
        package: aPackage([{ ...fact.published('1.0.0'), ...ofPackage }]),
        namespace: namespaceOf([{ kind: 'claimed', ...ofWasi, owner: 'carl' }]),
      };
      const ofOne = { ...setMember('bob', 'write'), name: 'wasi.foo' } as Command;
      const ofAll = { ...setMember('bob', 'write'), name: 'wasi', of: 'namespace' } as Command;
      assert.deepEqual(
        kindsOf(outcome(ofOne, slices, carl, rules)),
        rules.ownedBy === 'package' ? 'not-owner' : ['member-set'],
      );
      assert.deepEqual(outcome(ofAll, { namespace: slices.namespace }, carl, rules), [
        { kind: 'member-set', ...ofWasi, by: 'carl', member: 'bob', access: 'write' },
      ]);
      assert.equal(outcome(ofAll, { namespace: slices.namespace }, bob, rules), 'not-owner');
    });
  }

  test('a member who adds a package to a namespace adds it for the owners of that', () => {
    const namespace = namespaceOf([
      { kind: 'claimed', ...ofWasi, owner: 'ann' },
      { kind: 'owner-added', ...ofWasi, owner: 'zoe' },
      { kind: 'member-set', ...ofWasi, member: 'carl', access: 'write' },
    ]);
    const owners = (by: Actor): readonly string[] => {
      const drafts = outcome(publishOf('wasi.bar', '1.0.0'), { namespace }, by, byPackage);
      return typeof drafts === 'string' ? [drafts] : aPackage(drafts).owners;
    };
    assert.deepEqual(owners(carl), ['ann', 'zoe']);
    assert.deepEqual(owners(ann), ['ann']);
    assert.deepEqual(owners(admin), ['root']);
  });
});

describe('credentials', () => {
  const scopes: Partial<Record<Command['kind'], Scope>> = {
    publish: 'publish',
    'publish-ref': 'publish',
    'set-ref': 'publish',
    'remove-ref': 'publish',
    claim: 'publish',
    yank: 'yank',
    unyank: 'yank',
    deprecate: 'yank',
    undeprecate: 'yank',
    withdraw: 'yank',
    'withdraw-artifact': 'yank',
    expire: 'admin',
    star: 'publish',
    unstar: 'publish',
  };

  test('every command asks for its scope before anything else', () => {
    for (const [kind, [row]] of Object.entries(cases)) {
      assert.ok(row);
      const needed = scopes[kind as Command['kind']] ?? 'owner';
      const others = anActor(
        'ann',
        allScopes.filter((scope) => scope !== needed),
      );
      assert.equal(outcome(row.command, {}, others, x07Rules), 'scope-missing', kind);
      assert.notEqual(outcome(row.command, {}, anActor('ann', [needed]), x07Rules), 'scope-missing', kind);
    }
  });

  test('a token is good only for the places it names', () => {
    const given = { package: aPackage(published) };
    const tries: [Parameters<typeof limitedActor>[1], boolean][] = [
      [[{ ecosystem: 'x07' }], true],
      [[{ ecosystem: 'x07', namespace: 'foo' }], true],
      [[{ ecosystem: 'x07', namespace: 'bar' }], false],
      [[{ ecosystem: 'x07', namespace: 'fo' }], false],
      [[{ ecosystem: 'npm' }], false],
      [[{ ecosystem: 'npm' }, { ecosystem: 'x07', namespace: 'foo' }], true],
      [[], false],
    ];
    for (const [limits, allowed] of tries)
      assert.deepEqual(
        kindsOf(outcome(of('yank', '1.0.0'), given, limitedActor('ann', limits), x07Rules)),
        allowed ? ['yanked'] : 'scope-missing',
        JSON.stringify(limits),
      );
  });

  test('a token for a namespace is good for what is about that', () => {
    const rules = npmRules;
    const scope = { by: 'ann', ecosystem: 'npm', name: '@acme', of: 'namespace' } as const;
    const namespace = namespaceOf([{ kind: 'claimed', ...scope, owner: 'ann' }]);
    const command: Command = {
      kind: 'set-member',
      ecosystem: 'npm',
      name: '@acme',
      of: 'namespace',
      member: 'bob',
      access: 'read',
    };
    const by = (limit: string): Actor => limitedActor('ann', [{ ecosystem: 'npm', namespace: limit }]);
    assert.deepEqual(kindsOf(outcome(command, { namespace }, by('@acme'), rules)), ['member-set']);
    for (const other of ['@acm', 'acme', '@acme/lib'])
      assert.equal(outcome(command, { namespace }, by(other), rules), 'scope-missing');
  });

  test('a token for a namespace is good for the packages in it', () => {
    const actor = limitedActor('ann', [{ ecosystem: 'x07', namespace: 'wasi' }]);
    assert.deepEqual(kindsOf(outcome(publishOf('wasi.http', '1.0.0'), {}, actor, namespacedRules)), [
      'claimed',
      'published',
    ]);
    assert.equal(outcome(publishOf('wasihttp', '1.0.0'), {}, actor, namespacedRules), 'scope-missing');
  });

  test('nobody at all is told to bring a token, in words a person can follow', () => {
    assert.throws(() => requireScope(undefined, 'publish'), { code: 'unauthenticated' });
    assert.equal(requireScope(ann, 'publish'), ann);
    assert.throws(() => requireScope(ann, 'tokens', undefined, 'token.manage'), {
      message: 'missing scope: token.manage',
    });
  });
});

/** Commands that meet each other: one package, two spellings of its versions, two owners. */
const someCommand: fc.Arbitrary<Command> = (() => {
  const version = fc.constantFrom('1-rc', '1-RC', '2');
  const handle = fc.constantFrom('ann', 'bob');
  const versioned = fc
    .tuple(fc.constantFrom('yank', 'unyank', 'deprecate', 'undeprecate', 'withdraw', 'expire'), version)
    .map(([kind, chosen]) => of(kind as 'yank', chosen));
  return fc.oneof(
    version.map((chosen) => publishOf('foo', chosen)),
    versioned,
    fc.constantFrom(
      of('deprecate'),
      of('undeprecate'),
      of('withdraw'),
      offer,
      accept,
      cancel,
      removeRef('latest'),
    ),
    fc
      .tuple(fc.constantFrom('add-owner', 'remove-owner', 'claim'), handle)
      .map(([kind, who]) => owner(kind as 'claim', who)),
    fc
      .tuple(handle, fc.constantFrom('read' as const, 'write' as const))
      .map(([who, access]) => setMember(who, access)),
    handle.map(removeMember),
    fc.oneof(version, fc.constant(anArtifact('foo', '2').digest)).map((target) => setRef(target)),
    fc
      .constantFrom('public' as const, 'private' as const)
      .map((visibility): Command => ({ kind: 'set-visibility', ...ofFoo, visibility })),
    fc.array(version, { maxLength: 2 }).map((versions) => file(versions)),
    fc.constant<Command>({ kind: 'withdraw-advisory', ...ofFoo, advisoryId: 'A-1' }),
  );
})();

const idempotent = new Set<Command['kind']>([
  'yank',
  'unyank',
  'deprecate',
  'undeprecate',
  'withdraw',
  'set-ref',
  'set-visibility',
  'withdraw-advisory',
  'add-owner',
  'set-member',
]);

test('what decide gives can always be reduced, and saying it twice changes nothing', () => {
  const actor = fc.constantFrom(ann, bob, admin);
  fc.assert(
    fc.property(fc.array(fc.tuple(someCommand, actor), { maxLength: 25 }), (history) => {
      let state: Package | undefined;
      let seq = 1;
      for (const [command, by] of history) {
        const drafts = outcome(command, state ? { package: state } : {}, by, toyRules);
        if (typeof drafts === 'string') continue;
        state = reducePackage(state, eventsFrom(drafts, seq), toyRules);
        seq += drafts.length;
        if (!state) assert.deepEqual(drafts, []);
        else if (idempotent.has(command.kind))
          assert.deepEqual(outcome(command, { package: state }, by, toyRules), [], command.kind);
        assert.ok(!state || state.owners.length > 0, 'a package without owners');
      }
    }),
    { numRuns: 500 },
  );
});
