/** What a package names now, which is what may not be removed; and of each of its events, what that brings along. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json } from '../../core/canonical-json.ts';
import type { EventDraft } from '../../core/event.ts';
import { blobsNamedBy, namedBlobs, type NamedBlobsDeps } from '../../core/named-blobs.ts';
import { ecosystems } from '../../ecosystems/index.ts';
import { examples } from '../ecosystems/examples.ts';
import { aPackage, anArtifact, eventsFrom } from '../support/registry.ts';

const digest = (what: string): string => anArtifact('a blob', what).digest;
const noMeta: NamedBlobsDeps = { read: () => assert.fail('nothing has to be read') };

async function namedIn(
  drafts: readonly EventDraft[],
  { rules, ...deps }: NamedBlobsDeps & { rules?: Parameters<typeof aPackage>[1] } = noMeta,
): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { digest, by } of namedBlobs(aPackage(drafts, rules), deps)) found.push(`${by} ${digest}`);
  return found.sort();
}

const about = { by: 'ann', ecosystem: 'npm', name: 'lib' } as const;
const published = (version: string): EventDraft => ({
  kind: 'published',
  ...about,
  version,
  artifacts: ['tarball', 'readme', 'provenance'].map((role) => ({
    ...anArtifact('a blob', `${role} ${version}`),
    role,
  })),
  metaDigest: digest(`meta ${version}`),
});
const ofVersion = (version: string): string[] =>
  ['tarball', 'readme', 'provenance', 'meta'].map((what) => `${version} ${digest(`${what} ${version}`)}`);
const commit = (ref: string, what: string): EventDraft => ({
  kind: 'ref-set',
  ...about,
  ref,
  target: digest(what),
  artifacts: [{ ...anArtifact('a blob', what), role: 'tarball' }],
});

test('versions name their artifacts, long manifests and long warnings; one that was withdrawn names nothing', async () => {
  const all: EventDraft[] = [
    published('1.0.0'),
    published('2.0.0'),
    { kind: 'ref-set', ...about, ref: 'latest', target: '2.0.0' },
    { kind: 'deprecated', ...about, version: '1.0.0', messageDigest: digest('a long warning') },
    { kind: 'yanked', ...about, version: '1.0.0' },
  ];
  const ofFirst = [...ofVersion('1.0.0'), `1.0.0 ${digest('a long warning')}`];
  assert.deepEqual(await namedIn(all), [...ofFirst, ...ofVersion('2.0.0')].sort());
  const withdrawn: EventDraft = { kind: 'withdrawn', ...about, version: '2.0.0' };
  assert.deepEqual(await namedIn([...all, withdrawn]), ofFirst.sort());
  assert.deepEqual(
    await namedIn([...all, { kind: 'expired', ...about, version: '1.0.0' }]),
    ofVersion('2.0.0').sort(),
  );
  assert.deepEqual(await namedIn([...all, { kind: 'withdrawn', ...about }]), []);
});

test('a package of a commit names its files until it is replaced, removed or over', async () => {
  const first = commit('commit:a', 'first');
  assert.deepEqual(
    await namedIn([published('1.0.0'), first]),
    [...ofVersion('1.0.0'), `commit:a ${digest('first')}`].sort(),
  );
  assert.deepEqual(await namedIn([first, commit('commit:a', 'second')]), [`commit:a ${digest('second')}`]);
  assert.deepEqual(await namedIn([first, { kind: 'ref-removed', ...about, ref: 'commit:a' }]), []);
  assert.deepEqual(await namedIn([first, { kind: 'expired', ...about, ref: 'commit:a' }]), []);
  assert.deepEqual(await namedIn([first, { kind: 'withdrawn', ...about }]), []);
});

test('a package names the texts of its warning and of its advisories, also of those that were withdrawn', async () => {
  const filed: EventDraft = {
    kind: 'advisory-filed',
    ...about,
    advisory: {
      id: 'a',
      kind: 'security',
      severity: 'low',
      summary: 'No.',
      detailsDigest: digest('details'),
    },
  };
  const warned: EventDraft = { kind: 'deprecated', ...about, messageDigest: digest('a warning') };
  const named = [`advisory a ${digest('details')}`, `deprecation ${digest('a warning')}`];
  assert.deepEqual(await namedIn([filed, warned]), named);
  const over: EventDraft[] = [
    { kind: 'advisory-withdrawn', ...about, advisoryId: 'a' },
    { kind: 'undeprecated', ...about },
  ];
  assert.deepEqual(await namedIn([filed, warned, ...over]), named.slice(0, 1));
});

test('what a manifest names beyond its artifacts counts as well, also where it lies in a blob', async () => {
  const deps: NamedBlobsDeps = {
    namedByMeta: (meta) => (meta as { layers: string[] }).layers,
    read: async (metaDigest) =>
      metaDigest === digest('a long one')
        ? Buffer.from(JSON.stringify({ layers: [digest('layer 2')] }))
        : undefined,
  };
  const release = (
    version: string,
    rest: { meta?: Record<string, Json>; metaDigest?: string },
  ): EventDraft => ({ kind: 'published', ...about, version, artifacts: [], ...rest });
  assert.deepEqual(
    await namedIn(
      [
        release('1', { meta: { layers: [digest('layer 1')] } }),
        release('2', { metaDigest: digest('a long one') }),
        release('3', { metaDigest: digest('one that is missing') }),
        release('4', {}),
      ],
      deps,
    ),
    [
      `1 ${digest('layer 1')}`,
      `2 ${digest('a long one')}`,
      `2 ${digest('layer 2')}`,
      `3 ${digest('one that is missing')}`,
    ].sort(),
  );
});

/** Whatever field it stands in: a new one that is forgotten in `namedBlobs` is found here. */
function digestsIn(value: unknown): readonly string[] {
  return JSON.stringify(value).match(/sha(?:256|512):[0-9a-f]{64,128}/g) ?? [];
}

for (const ecosystem of Object.values(ecosystems)) {
  const { id, rules } = ecosystem;
  describe(`the example of ${id}`, () => {
    const deps: NamedBlobsDeps = { ...ecosystem, ...noMeta };
    const example = aPackage(examples[id], rules);

    test('names every digest that stands in its releases and refs, but for those that are names themselves', async () => {
      const named = new Set(
        (await namedIn(examples[id], { ...deps, rules })).map((line) => line.split(' ').at(-1)),
      );
      const { releases, refs, advisories } = example;
      const found = digestsIn([...releases.values(), ...refs.values(), ...advisories.values()]);
      // A version that is a digest is that of its manifest, which its artifact names; a subject may be anywhere.
      assert.deepEqual(
        [...new Set(found)].filter((one) => !named.has(one)),
        [],
      );
      assert.ok(named.size > 0);
    });

    test('names what its events named, as long as nothing was taken back', async () => {
      const named = await namedIn(examples[id], { ...deps, rules });
      const ofEvents = await Promise.all(eventsFrom(examples[id]).map((event) => blobsNamedBy(event, deps)));
      assert.deepEqual(
        [...new Set(ofEvents.flat())].sort(),
        [...new Set(named.map((line) => line.split(' ').at(-1)))].sort(),
      );
    });
  });
}
