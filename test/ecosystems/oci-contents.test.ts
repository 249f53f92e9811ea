/** Which blobs a repository has because a manifest names them: kept as it changes, and the same as counted anew. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { digestOf } from '../../core/digest.ts';
import type { Package, Release } from '../../core/package.ts';
import type { Call } from '../../core/route.ts';
import { isNamed, loadContents, namedBlobSize, noteContents } from '../../ecosystems/oci/contents.ts';
import type { OciMeta } from '../../ecosystems/oci/manifest.ts';

type Blobs = OciMeta['blobs'];

/** Six blobs, and manifests that name some of them; every other one is too long for its event. */
const blobs: Blobs = ['a', 'b', 'c', 'd', 'e', 'f'].map((text, i) => [digestOf(text), i]);
const manifests = Array.from({ length: 12 }, (_, i) => ({
  version: digestOf(`manifest ${i}`),
  names: blobs.filter((_, at) => ((i * 11 + 5) >> at) % 2 === 1 || at === i % 6),
  isLong: i % 2 === 1,
}));

/** Files that say what long manifests name. */
const files = new Map(
  manifests.map(({ version, names }) => [String(digestOf(version)), JSON.stringify({ blobs: names })]),
);
const call = {
  readText: async (digest: string) => files.get(digest) ?? assert.fail(`no file ${digest}`),
} as unknown as Call;

function releaseOf(which: number): Release {
  const manifest = manifests[which];
  assert.ok(manifest);
  const { version, names, isLong } = manifest;
  return {
    version,
    meta: isLong ? undefined : { blobs: names },
    metaDigest: isLong ? digestOf(version) : undefined,
  } as unknown as Release;
}

/** A repository as the state has it: another map for each change, the same releases in it. */
class Repository {
  of: Package;

  constructor(name: string) {
    this.of = { name, releases: new Map() } as unknown as Package;
  }

  change(change: (releases: Map<string, Release>) => void): void {
    const releases = new Map(this.of.releases);
    change(releases);
    this.of = { ...this.of, releases };
  }

  /** Counted from nothing. */
  sizeOf(digest: string): number | undefined {
    for (const version of this.of.releases.keys())
      for (const [named, size] of manifests.find((one) => one.version === version)?.names ?? [])
        if (named === digest) return size;
    return undefined;
  }
}

let count = 0;
const repository = (): Repository => new Repository(`contents/test-${(count += 1)}`);

function check(one: Repository): void {
  for (const [digest] of [...blobs, [digestOf('nobody names this')]] as const) {
    assert.equal(namedBlobSize(one.of, digest), one.sizeOf(digest));
    assert.equal(isNamed(one.of, digest), one.sizeOf(digest) !== undefined);
  }
}

type Step =
  | { readonly do: 'push' | 'delete'; readonly at: number; readonly which: number }
  | { readonly do: 'go back' | 'look'; readonly at: number }
  | { readonly do: 'look away' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('push' as const), at: fc.nat(2), which: fc.nat(11) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('delete' as const), at: fc.nat(2), which: fc.nat(11) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('go back' as const, 'look' as const), at: fc.nat(2) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'look away' as const }) },
);

/** So many others are asked about that these are forgotten. */
function lookAway(): void {
  for (let i = 0; i < 20; i += 1) namedBlobSize(repository().of, digestOf('x'));
}

test('the blobs that manifests name are those that counting anew finds, whatever is pushed and deleted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const all = [repository(), repository(), repository()];
      for (const step of steps) {
        if (step.do === 'look away') {
          lookAway();
          continue;
        }
        const one = all[step.at];
        assert.ok(one);
        const before = one.of;
        if (step.do === 'push') {
          // As a push has it: what is there is loaded, what comes is noted, and then it is decided without waiting.
          await loadContents(call, one.of);
          const release = releaseOf(step.which);
          const { names, isLong } = manifests[step.which] ?? assert.fail();
          if (isLong) noteContents(release.version, names);
          one.change((releases) => releases.set(release.version, release));
          check(one);
        } else if (step.do === 'delete') {
          await loadContents(call, one.of);
          one.change((releases) => releases.delete(manifests[step.which]?.version ?? ''));
          check(one);
        } else if (step.do === 'go back') {
          // Who decides may be ahead of who reads.
          one.change((releases) => releases.delete([...releases.keys()].at(-1) ?? ''));
          await loadContents(call, one.of);
          check(one);
          one.of = before;
        }
        await loadContents(call, one.of);
        check(one);
      }
    }),
    { numRuns: 300 },
  );
});

test('of a repository that is not there nothing is named', async () => {
  await loadContents(call, undefined);
  assert.equal(namedBlobSize(undefined, digestOf('a')), undefined);
  assert.equal(isNamed(undefined, digestOf('a')), false);
});

/** Another list comes that leaves no room for those that were noted before it. */
function fillAllRoom(): void {
  noteContents(digestOf('another'), Array<Blobs[number]>(600_000).fill([digestOf('x'), 1]));
}

test('a list that is not at hand makes nothing look free', async () => {
  const one = repository();
  const long = releaseOf(7);
  const [named] = manifests[7]?.names[0] ?? assert.fail();
  one.change((releases) => releases.set(long.version, long));
  // Nobody has loaded it.
  fillAllRoom();
  for (const digest of [named, digestOf('nobody names this')]) {
    assert.equal(isNamed(one.of, digest), true);
    assert.equal(namedBlobSize(one.of, digest), undefined);
  }
  await loadContents(call, one.of);
  check(one);
});

test('a long list outlasts whatever comes after it, for as long as its repository is asked about', async () => {
  const one = repository();
  for (const which of [1, 3, 5]) {
    const release = releaseOf(which);
    one.change((releases) => releases.set(release.version, release));
  }
  await loadContents(call, one.of);
  fillAllRoom();
  check(one);
  one.change((releases) => releases.delete(releaseOf(3).version));
  check(one);
  one.change((releases) => releases.delete(releaseOf(1).version));
  check(one);
});
