/** What refers to a manifest (contract, section 7): the list, its filter, and pages that clients can read whole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anImage, anIndex, IMAGE, INDEX, type Descriptor } from '../support/oci-api.ts';
import {
  linkOf,
  NOWHERE,
  openRepositories,
  pagesFrom,
  type OciRepository,
} from '../support/oci-repository.ts';
import { wholeFile } from '../support/whole-file.ts';

const registry = await openRepositories(wholeFile);

const EMPTY = 'application/vnd.oci.empty.v1+json';
const DOCKER_IMAGE = 'application/vnd.docker.distribution.manifest.v2+json';

type Entry = Descriptor & { readonly artifactType?: string; readonly annotations?: Record<string, string> };

function entriesOf(text: string): readonly Entry[] {
  const list = JSON.parse(text) as { schemaVersion: number; mediaType: string; manifests: Entry[] };
  assert.deepEqual(Object.keys(list), ['schemaVersion', 'mediaType', 'manifests']);
  assert.deepEqual([list.schemaVersion, list.mediaType], [2, INDEX]);
  return list.manifests;
}

async function referrers(to: OciRepository, digest: string, query = ''): Promise<readonly Entry[]> {
  const { status, headers, text } = await to.ask('GET', `referrers/${digest}${query}`);
  assert.equal(status, 200, text);
  // Exactly: some clients compare the whole of it.
  assert.equal(headers['content-type'], INDEX);
  assert.equal(headers['content-length'], String(Buffer.byteLength(text)));
  const isFiltered = new URLSearchParams(query).has('artifactType');
  assert.equal(headers['oci-filters-applied'], isFiltered ? 'artifactType' : undefined);
  return entriesOf(text);
}

interface Filled {
  readonly to: OciRepository;
  readonly subject: Descriptor;
  readonly entries: readonly Entry[];
}

/** Six that refer to one subject, half of them before it was there, and one to another. */
async function fill(name: string, isHidden: boolean): Promise<Filled> {
  const to = await registry.repository(name);
  const config = await to.blob('{}');
  const content = JSON.stringify(anImage({ ...config, mediaType: EMPTY }, [], { subject: undefined }));
  const { digest } = await registry.repository(`${name}-elsewhere`).then(async (other) => {
    await other.blob('{}');
    return other.manifest(content);
  });
  const subject = { mediaType: IMAGE, digest, size: content.length };
  const empty = { ...config, mediaType: EMPTY };
  const signature = 'application/vnd.acme.signature+json';
  const annotated = { annotations: { 'org.example.ü': 'x\n"', ['__proto__']: 'y', '': '' } };
  const given: readonly (readonly [manifest: object, artifactType?: string, annotations?: object])[] = [
    [
      anImage(empty, [], { artifactType: signature, subject, annotations: { n: '1' } }),
      signature,
      { n: '1' },
    ],
    // Of an image without one it is what its config is.
    [anImage(empty, [], { subject }), EMPTY],
    [
      anImage({ ...config, mediaType: signature }, [], { subject, ...annotated }),
      signature,
      annotated.annotations,
    ],
    [anImage(empty, [], { subject, artifactType: '', annotations: {} }), EMPTY, {}],
    [anIndex([], { subject, annotations: null })],
    [anIndex([], { subject, artifactType: signature }), signature],
    [{ ...anImage(empty, [], { subject }), mediaType: DOCKER_IMAGE }, EMPTY],
  ];
  const entries: Entry[] = [];
  for (const [i, [manifest, artifactType, annotations]] of given.entries()) {
    if (i === 3) await to.manifest(content, { tag: 'subject' });
    const pushed = await to.manifest(manifest);
    entries.push({
      ...pushed,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations: annotations as Record<string, string> }),
    });
  }
  await to.manifest(anImage(empty, [], { subject: { ...subject, digest: NOWHERE } }));
  if (isHidden) await registry.hide(to);
  return { to, subject, entries };
}

const open = await fill('acme/open', false);
const hidden = await fill('acme/hidden', true);

test('everything that refers to a manifest is listed in the order in which it came, whole', async () => {
  for (const { to, subject, entries } of [open, hidden]) {
    assert.deepEqual(await referrers(to, subject.digest), entries);
    assert.deepEqual(await referrers(to, subject.digest, '?ns=x'), entries);
    assert.equal((await referrers(to, NOWHERE)).length, 1);
    const head = await to.ask('HEAD', `referrers/${subject.digest}`);
    assert.deepEqual([head.status, head.headers['content-type'], head.text], [200, INDEX, '']);
  }
});

test('to what nothing refers, nothing refers: also where there is no repository', async () => {
  const nowhere = await registry.repository('acme/never-pushed-to');
  const { digest } = open.entries[0] ?? { digest: '' };
  for (const to of [open.to, hidden.to, nowhere])
    for (const subject of [digest, `sha256:${'7'.repeat(64)}`, `sha512:${'7'.repeat(128)}`])
      for (const query of ['', '?artifactType=x', '?n=5', '?last=x'])
        assert.deepEqual(await referrers(to, subject, query), [], `${to.name} ${subject} ${query}`);
});

test('a filter leaves exactly those of one type, and says that it did', async () => {
  const rows: readonly (readonly [query: string, which: readonly number[]])[] = [
    ['?artifactType=application%2Fvnd.acme.signature%2Bjson', [0, 2, 5]],
    [`?artifactType=${encodeURIComponent(EMPTY)}`, [1, 3, 6]],
    [`?artifactType=${EMPTY.replace('+', '%2B')}&n=1`, [1]],
    ['?artifactType=application%2Fvnd.acme.signature', []],
    ['?artifactType=application%2Fvnd.acme.SIGNATURE%2Bjson', []],
    ['?artifactType=%2A', []],
  ];
  for (const { to, subject, entries } of [open, hidden])
    for (const [query, which] of rows)
      assert.deepEqual(
        await referrers(to, subject.digest, query),
        which.map((i) => entries[i]),
        query,
      );
  // Nothing asked for is nothing filtered.
  const { to, subject } = open;
  const { headers, text } = await to.ask('GET', `referrers/${subject.digest}?artifactType=`);
  assert.equal(headers['oci-filters-applied'], undefined);
  assert.equal(entriesOf(text).length, open.entries.length);
});

test('pages lead to one another, with the filter of the first', async () => {
  for (const { to, subject, entries } of [open, hidden]) {
    const path = `/v2/${to.name}/referrers/${subject.digest}`;
    for (const n of [1, 2, 3, 6, 7, 8]) {
      const pages = await pagesFrom(to, `${path}?n=${n}`);
      assert.deepEqual(
        pages.flatMap(({ text }) => entriesOf(text)),
        entries,
      );
      assert.equal(pages.length, Math.ceil(entries.length / n));
    }
    const filtered = await pagesFrom(to, `${path}?n=2&artifactType=${encodeURIComponent(EMPTY)}`);
    assert.deepEqual(
      filtered.map(({ text }) => entriesOf(text).length),
      [2, 1],
    );
    for (const { headers } of filtered) assert.equal(headers['oci-filters-applied'], 'artifactType');
    // None at all leads nowhere, wherever it begins.
    for (const query of ['?n=0', `?n=0&last=${entries[1]?.digest}`]) {
      const answer = await to.ask('GET', `referrers/${subject.digest}${query}`);
      assert.deepEqual([entriesOf(answer.text), linkOf(answer)], [[], undefined], query);
    }
    const [after] = await pagesFrom(to, `${path}?last=${entries[4]?.digest}`);
    assert.deepEqual(entriesOf(after?.text ?? ''), entries.slice(5));
  }
});

test('a list that clients would not read to its end comes in pages that they do', async () => {
  for (const isHidden of [false, true]) {
    const to = await registry.repository(`acme/long-${String(isHidden)}`);
    const config = await to.blob('{}');
    const subject = { mediaType: IMAGE, digest: NOWHERE, size: 1 };
    const digests: string[] = [];
    for (let i = 0; i < 4; i += 1) {
      const annotations = { i: String(i), long: 'ü'.repeat(i === 2 ? 1_000_000 : 600_000) };
      digests.push((await to.manifest(anImage(config, [], { subject, annotations }))).digest);
    }
    if (isHidden) await registry.hide(to);
    const pages = await pagesFrom(to, `/v2/${to.name}/referrers/${NOWHERE}`);
    for (const { body } of pages) assert.ok(body.length <= 4 * 1024 * 1024, `${body.length} bytes`);
    assert.deepEqual(
      pages.map(({ text }) => entriesOf(text).map(({ annotations }) => annotations?.['i'])),
      [
        ['0', '1'],
        ['2', '3'],
      ],
    );
    assert.deepEqual(
      pages.flatMap(({ text }) => entriesOf(text).map(({ digest }) => digest)),
      digests,
    );
    // Once it is short again it is one list, and a file where it may be.
    await to.ask('DELETE', `manifests/${digests[2]}`);
    const short = await to.ask('GET', `referrers/${NOWHERE}`);
    assert.equal(entriesOf(short.text).length, 3);
    assert.equal(linkOf(short), undefined);
    assert.match(String(short.headers['cache-control']), isHidden ? /^private/ : /^public/);
  }
});

test('what refers with more annotations than its event can hold is listed with all of them', async () => {
  for (const isHidden of [false, true]) {
    const to = await registry.repository(`acme/annotated-${String(isHidden)}`);
    const config = await to.blob('{}');
    const subject = await to.manifest(anImage(config, []), { tag: '1' });
    const annotations = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [`key ${i}`, 'v'.repeat(60)]),
    );
    const artifactType = 'application/vnd.acme.long';
    const pushed = await to.manifest(anImage(config, [], { subject, annotations, artifactType }));
    if (isHidden) await registry.hide(to);
    for (const query of ['', `?artifactType=${artifactType}`])
      assert.deepEqual(await referrers(to, subject.digest, query), [
        { ...pushed, artifactType, annotations },
      ]);
  }
});

test('deleting what refers takes it from the list, deleting the subject does not', async () => {
  for (const { to, subject, entries } of [open, hidden]) {
    for (const which of [0, 4])
      assert.equal((await to.ask('DELETE', `manifests/${entries[which]?.digest}`)).status, 202);
    const left = entries.filter((_, i) => i !== 0 && i !== 4);
    assert.deepEqual(await referrers(to, subject.digest), left);
    assert.equal((await to.ask('DELETE', `manifests/${subject.digest}`)).status, 202);
    assert.deepEqual(await referrers(to, subject.digest), left);
    for (const { digest } of left) await to.ask('DELETE', `manifests/${digest}`);
    assert.deepEqual(await referrers(to, subject.digest), []);
  }
});

test('what refers can refer to what refers', async () => {
  const to = await registry.repository('acme/chain');
  const config = await to.blob('{}');
  const first = await to.manifest(anImage(config, []));
  const second = await to.manifest(anImage(config, [], { subject: first }));
  const third = await to.manifest(anIndex([first], { subject: second }));
  assert.deepEqual(
    (await referrers(to, first.digest)).map(({ digest }) => digest),
    [second.digest],
  );
  assert.deepEqual(
    (await referrers(to, second.digest)).map(({ digest }) => digest),
    [third.digest],
  );
  assert.deepEqual(await referrers(to, third.digest), []);
});
