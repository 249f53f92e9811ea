/** Pushing manifests (contract, section 5): what may be pushed, how it is answered, and that it is kept as it came. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import type { Answer } from '../support/http.ts';
import { anImage, anIndex, assertOciError, IMAGE, INDEX, type Descriptor } from '../support/oci-api.ts';
import { NOWHERE, openRepositories, type OciRepository } from '../support/oci-repository.ts';
import { storedState } from '../support/stored-state.ts';
import { wholeFile } from '../support/whole-file.ts';

const registry = await openRepositories(wholeFile);
const { server } = registry;

const DOCKER_IMAGE = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json';

let count = 0;
/** One that no other test knows. */
const repository = (): Promise<OciRepository> => registry.repository(`acme/manifests-${(count += 1)}`);

async function events(): Promise<number> {
  return (await storedState(server)).events;
}

function put(to: OciRepository, reference: string, body: string | Buffer, type?: string): Promise<Answer> {
  return to.ask('PUT', `manifests/${reference}`, {
    body,
    headers: type === undefined ? {} : { 'content-type': type },
  });
}

/** Says that the manifest is there, and it is, under each of its names: the same bytes, of the same type. */
async function assertPushed(
  answer: Answer,
  to: OciRepository,
  { bytes, type, digest, names }: { bytes: Buffer; type: string; digest: string; names: readonly string[] },
): Promise<void> {
  assert.equal(answer.status, 201, answer.text);
  const location = `/v2/${to.name}/manifests/${digest}`;
  assert.equal(answer.headers.location, location);
  assert.equal(answer.headers['docker-content-digest'], digest);
  assert.equal(answer.headers['content-length'], '0');
  assert.equal(answer.text, '');
  for (const path of [location, ...names.map((name) => `/v2/${to.name}/manifests/${name}`)])
    for (const method of ['GET', 'HEAD']) {
      const got = await to.at(method, path);
      assert.equal(got.status, 200, `${method} ${path} ${got.text}`);
      assert.equal(got.headers['content-type'], type);
      assert.equal(got.headers['docker-content-digest'], digest);
      assert.equal(got.headers['content-length'], String(bytes.length));
      assert.deepEqual(got.body, method === 'GET' ? bytes : Buffer.alloc(0));
    }
}

/** Two blobs that manifests may name. */
async function someBlobs(to: OciRepository): Promise<{ config: Descriptor; layer: Descriptor }> {
  return { config: await to.blob('{"os":"linux"}'), layer: await to.blob('a layer') };
}

test('a manifest is pushed by tag or by digest, with or without saying in it what it is', async () => {
  const to = await repository();
  const { config, layer } = await someBlobs(to);
  const child = await to.manifest(anImage(config, [layer]));
  const image = { schemaVersion: 2, config, layers: [layer] };
  const index = { schemaVersion: 2, manifests: [child] };
  const rows: readonly (readonly [what: string, manifest: object, sent: string | undefined, type: string])[] =
    [
      ['OCI image', { ...image, mediaType: IMAGE, a: 1 }, IMAGE, IMAGE],
      ['OCI image, not said in it', { ...image, a: 2 }, IMAGE, IMAGE],
      ['OCI image, said only in it', { ...image, mediaType: IMAGE, a: 3 }, undefined, IMAGE],
      ['OCI image with a charset', { ...image, mediaType: IMAGE, a: 4 }, `${IMAGE}; charset=utf-8`, IMAGE],
      ['OCI image in capitals', { ...image, mediaType: IMAGE, a: 5 }, IMAGE.toUpperCase(), IMAGE],
      ['OCI index', { ...index, mediaType: INDEX, a: 1 }, INDEX, INDEX],
      ['OCI index, not said in it', { ...index, a: 2 }, INDEX, INDEX],
      ['Docker image', { ...image, mediaType: DOCKER_IMAGE, a: 1 }, DOCKER_IMAGE, DOCKER_IMAGE],
      ['Docker image, not said in it', { ...image, a: 6 }, DOCKER_IMAGE, DOCKER_IMAGE],
      ['Docker list', { ...index, mediaType: DOCKER_INDEX, a: 1 }, DOCKER_INDEX, DOCKER_INDEX],
    ];
  for (const [i, [what, manifest, sent, type]] of rows.entries()) {
    const bytes = Buffer.from(JSON.stringify(manifest));
    const digest = digestOf(bytes);
    const byDigest = await put(to, digest, bytes, sent);
    await assertPushed(byDigest, to, { bytes, type, digest, names: [] });
    assertOciError(await to.ask('GET', `manifests/tag-${i}`), 404, 'MANIFEST_UNKNOWN');
    const byTag = await put(to, `tag-${i}`, bytes, sent);
    await assertPushed(byTag, to, { bytes, type, digest, names: [`tag-${i}`] });
    assert.equal(byTag.headers['oci-subject'], undefined, what);
    assert.equal(byTag.headers['oci-tag'], undefined);
  }
});

test('a manifest is kept to the byte, however it is written', async () => {
  const to = await repository();
  const { config } = await someBlobs(to);
  const text = JSON.stringify({ schemaVersion: 2, mediaType: IMAGE, config, layers: [] });
  for (const [tag, written] of Object.entries({
    spaced: `\n\t ${JSON.stringify(JSON.parse(text), undefined, 3)} \r\n\n`,
    reordered: text.replace('"schemaVersion":2,', '').replace(/\}$/, ',"schemaVersion":2}'),
    escaped: text.replace('"config"', '"\\u0063onfig"').replace(/\}$/, ',"x":"ü\\u00fc\\/"}'),
    numbers: text.replace('"schemaVersion":2', '"schemaVersion":2.0e0').replace(/\}$/, ',"x":1.10}'),
  })) {
    const bytes = Buffer.from(written);
    const answer = await put(to, tag, bytes, IMAGE);
    await assertPushed(answer, to, { bytes, type: IMAGE, digest: digestOf(bytes), names: [tag] });
  }
});

test('what nobody here knows is no fault of a manifest', async () => {
  const to = await repository();
  const { config, layer } = await someBlobs(to);
  const image = (over: object): object => anImage(config, [layer], over);
  const foreign = (mediaType: string): Descriptor => ({ mediaType, digest: NOWHERE, size: 123 });
  const nondistributable = 'application/vnd.oci.image.layer.nondistributable.v1.tar';
  const rows: Readonly<Record<string, object>> = {
    'no layers': anImage(config, []),
    'layers that Go wrote as nothing': image({ layers: null }),
    'no list of layers': { schemaVersion: 2, mediaType: IMAGE, config },
    'unknown fields': image({ 'x-unknown': { deep: [1, null] }, config: { ...config, newer: true } }),
    'content inside': image({
      config: { ...config, data: Buffer.from('{"os":"linux"}').toString('base64') },
    }),
    'unknown types': image({
      config: { ...config, mediaType: 'application/vnd.acme.thing.v7+cbor' },
      layers: [{ ...layer, mediaType: 'x/y' }],
    }),
    'no types at all': image({ config: { digest: config.digest, size: config.size } }),
    'one layer twice': image({ layers: [layer, layer, config] }),
    'foreign layers': image({
      layers: [
        foreign(nondistributable),
        foreign(`${nondistributable}+gzip`),
        foreign(`${nondistributable}+zstd`),
        foreign('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'),
        { ...foreign('application/vnd.oci.image.layer.v1.tar'), urls: ['https://elsewhere.example/layer'] },
        layer,
      ],
    }),
    'annotations without a subject': image({
      annotations: { 'org.opencontainers.image.title': 'ü', '': '' },
    }),
    'an empty index': anIndex([]),
    'an index that lists one twice': anIndex([
      await to.manifest(anImage(config, [])),
      await to.manifest(anImage(config, [])),
    ]),
  };
  for (const [what, manifest] of Object.entries(rows)) {
    const bytes = Buffer.from(JSON.stringify(manifest));
    const type = (manifest as { mediaType: string }).mediaType;
    const answer = await put(to, 'odd', bytes, type);
    assert.equal(answer.status, 201, `${what}: ${answer.text}`);
    await assertPushed(answer, to, { bytes, type, digest: digestOf(bytes), names: ['odd'] });
  }
});

test('pushing it again changes nothing, and another tag is one event', async () => {
  const to = await repository();
  const { config, layer } = await someBlobs(to);
  const bytes = Buffer.from(JSON.stringify(anImage(config, [layer])));
  const digest = digestOf(bytes);
  const pushed = { bytes, type: IMAGE, digest };
  await assertPushed(await put(to, '1', bytes, IMAGE), to, { ...pushed, names: ['1'] });
  const before = await storedState(server);
  for (const reference of ['1', digest])
    await assertPushed(await put(to, reference, bytes, IMAGE), to, { ...pushed, names: ['1'] });
  assert.deepEqual(await storedState(server), before);
  for (const tag of ['2', 'latest', '_', 'A'.repeat(128)]) {
    const earlier = await events();
    await assertPushed(await put(to, tag, bytes, IMAGE), to, { ...pushed, names: ['1', tag] });
    assert.equal(await events(), earlier + 1);
  }
});

test('a tag moves, and what it pointed at stays', async () => {
  const to = await repository();
  const { config, layer } = await someBlobs(to);
  const first = await to.manifest(anImage(config, []), { tag: 'latest' });
  const second = await to.manifest(anImage(config, [layer]), { tag: 'latest' });
  // Of another type as well: the file is another then.
  const third = await to.manifest(anIndex([first, second]), { tag: 'latest' });
  for (const [reference, { digest, mediaType }] of [
    ['latest', third],
    [first.digest, first],
    [second.digest, second],
  ] as const) {
    const { headers } = await to.ask('HEAD', `manifests/${reference}`);
    assert.deepEqual([headers['docker-content-digest'], headers['content-type']], [digest, mediaType]);
  }
  await to.manifest(anImage(config, []), { tag: 'latest' });
  const back = await to.ask('HEAD', 'manifests/latest');
  assert.equal(back.headers['docker-content-digest'], first.digest);
  assert.equal(back.headers['content-type'], IMAGE);
});

test('a push by digest sets the tags that it names, and says so', async () => {
  const to = await repository();
  const { config, layer } = await someBlobs(to);
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const bytes = Buffer.from(JSON.stringify(anImage(config, [layer], { algorithm })));
    const digest = digestOf(bytes, algorithm);
    const rows: readonly (readonly [query: string, tags: readonly string[]])[] = [
      ['?tag=a', ['a']],
      ['?tag=a&tag=b&tag=a', ['a', 'b']],
      ['?tag=1.0%2D_x', ['1.0-_x']],
      [
        `?${Array.from({ length: 32 }, (_, i) => `tag=many-${i}`).join('&')}`,
        [...Array(32).keys()].map((i) => `many-${i}`),
      ],
      ['?unknown=1', []],
    ];
    for (const [query, tags] of rows) {
      const answer = await put(to, `${digest}${query}`, bytes, IMAGE);
      await assertPushed(answer, to, { bytes, type: IMAGE, digest, names: tags });
      assert.equal(answer.headers['oci-tag'], tags.length > 0 ? tags.join(', ') : undefined);
    }
  }
  // By a tag there is that one alone.
  const bytes = Buffer.from(JSON.stringify(anImage(config, [])));
  const answer = await put(to, 'one?tag=other', bytes, IMAGE);
  assert.equal(answer.status, 201);
  assert.equal(answer.headers['oci-tag'], undefined);
  assertOciError(await to.ask('GET', 'manifests/other'), 404, 'MANIFEST_UNKNOWN');
});

test('everything can go by SHA-512', async () => {
  const to = await repository();
  const [config, layer] = [await to.blob('{}', 'sha512'), await to.blob('a layer', 'sha512')];
  const image = Buffer.from(JSON.stringify(anImage(config, [layer])));
  const child = await to.manifest(image.toString(), { algorithm: 'sha512' });
  assert.match(child.digest, /^sha512:/);
  const index = Buffer.from(JSON.stringify(anIndex([child])));
  const digest = digestOf(index, 'sha512');
  const answer = await put(to, `${digest}?tag=1`, index, INDEX);
  await assertPushed(answer, to, { bytes: index, type: INDEX, digest, names: ['1'] });
  // It is there by the digest that it was pushed by, and what names it by another names something else.
  assertOciError(await to.ask('GET', `manifests/${digestOf(index)}`), 404, 'MANIFEST_UNKNOWN');
  const byOther = anIndex([{ ...child, digest: digestOf(image) }]);
  assertOciError(await put(to, 'x', JSON.stringify(byOther), INDEX), 400, 'MANIFEST_BLOB_UNKNOWN');
  // Pushed by both it is there by both, and the tag is of the last.
  await to.manifest(index.toString(), { type: INDEX, tag: '1' });
  const tagged = await to.ask('GET', 'manifests/1');
  assert.equal(tagged.headers['docker-content-digest'], digestOf(index));
  assert.deepEqual((await to.ask('GET', `manifests/${digest}`)).body, index);
});

test('indexes may list indexes', async () => {
  const to = await repository();
  const { config, layer } = await someBlobs(to);
  const image = await to.manifest(anImage(config, [layer]));
  const inner = await to.manifest(anIndex([image]));
  const bytes = Buffer.from(JSON.stringify(anIndex([inner, image, await to.manifest(anIndex([]))])));
  const answer = await put(to, 'nested', bytes, INDEX);
  await assertPushed(answer, to, { bytes, type: INDEX, digest: digestOf(bytes), names: ['nested'] });
});

test('what refers to a subject says so, be the subject there, not yet, or never', async () => {
  const to = await repository();
  const { config, layer } = await someBlobs(to);
  const bytes = Buffer.from(JSON.stringify(anImage(config, [layer])));
  const subject: Descriptor = { mediaType: IMAGE, digest: digestOf(bytes), size: bytes.length };
  const refer = async (manifest: object, type: string): Promise<void> => {
    const sent = Buffer.from(JSON.stringify({ ...manifest, subject }));
    for (const reference of [digestOf(sent), 'sig']) {
      const answer = await put(to, reference, sent, type);
      const pushed = { bytes: sent, type, digest: digestOf(sent), names: [] };
      await assertPushed(answer, to, pushed);
      assert.equal(answer.headers['oci-subject'], subject.digest);
    }
  };
  await refer(anImage(config, [], { artifactType: 'application/vnd.acme.early' }), IMAGE);
  await refer(anIndex([], { artifactType: 'application/vnd.acme.early' }), INDEX);
  assertOciError(await to.ask('GET', `manifests/${subject.digest}`), 404, 'MANIFEST_UNKNOWN');
  await put(to, 'subject', bytes, IMAGE);
  await refer(anImage(config, [layer]), IMAGE);
  await refer({ ...anImage(config, []), mediaType: DOCKER_IMAGE }, DOCKER_IMAGE);
  await refer({ ...anIndex([]), mediaType: DOCKER_INDEX }, DOCKER_INDEX);
});

test('a manifest of exactly 4 MiB is taken, and its annotations come back', async () => {
  const to = await repository();
  const { config } = await someBlobs(to);
  const subject = { mediaType: IMAGE, digest: NOWHERE, size: 1 };
  const text = (padding: number): string =>
    JSON.stringify(anImage(config, [], { subject, annotations: { padding: 'x'.repeat(padding) } }));
  const bytes = Buffer.from(text(4 * 1024 * 1024 - text(0).length));
  assert.equal(bytes.length, 4 * 1024 * 1024);
  const answer = await put(to, 'large', bytes, IMAGE);
  await assertPushed(answer, to, { bytes, type: IMAGE, digest: digestOf(bytes), names: ['large'] });
});

test('a manifest that names more than its event can hold is like any other', async () => {
  const to = await repository();
  const layers = await Promise.all(Array.from({ length: 150 }, (_, i) => to.blob(`layer ${i}`)));
  const config = await to.blob('{}');
  const bytes = Buffer.from(JSON.stringify(anImage(config, layers)));
  const pushed = { bytes, type: IMAGE, digest: digestOf(bytes) };
  await assertPushed(await put(to, 'long', bytes, IMAGE), to, { ...pushed, names: ['long'] });
  const before = await storedState(server);
  await assertPushed(await put(to, 'long', bytes, IMAGE), to, { ...pushed, names: ['long'] });
  assert.deepEqual(await storedState(server), before);
  for (const { digest } of [layers[0], layers[149], config].filter((one) => one !== undefined)) {
    assertOciError(await to.ask('DELETE', `blobs/${digest}`), 405, 'UNSUPPORTED');
    assert.equal((await to.ask('GET', `blobs/${digest}`)).status, 200);
  }
  // A blob that only this one names is enough for another.
  await to.manifest(anImage(config, layers.slice(0, 1)), { tag: 'short' });
});

test('a manifest that came as one type cannot come as another: its digest has one', async () => {
  const to = await repository();
  const { config } = await someBlobs(to);
  const ambiguous = JSON.stringify({ schemaVersion: 2, config, layers: [], manifests: [] });
  const digest = digestOf(ambiguous);
  await to.manifest(ambiguous, { type: IMAGE });
  await registry.refuses(
    [DOCKER_IMAGE, INDEX, DOCKER_INDEX].map((type) => [
      type,
      to.to('PUT', `manifests/${digest}?tag=other`, { body: ambiguous, headers: { 'content-type': type } }),
      400,
      'MANIFEST_INVALID',
      /was pushed as "application\/vnd.oci.image.manifest.v1\+json"/,
    ]),
  );
  const got = await to.ask('GET', `manifests/${digest}`);
  assert.equal(got.headers['content-type'], IMAGE);
  // Once it is deleted it may come back as what it likes.
  assert.equal((await to.ask('DELETE', `manifests/${digest}`)).status, 202);
  await to.manifest(ambiguous, { type: INDEX, tag: 'other' });
  assert.equal((await to.ask('GET', `manifests/${digest}`)).headers['content-type'], INDEX);
  assert.equal((await to.ask('GET', 'manifests/other')).headers['content-type'], INDEX);
});

test('names of repositories and tags may be as long as they may be', async () => {
  const rows = [`acme/${'a'.repeat(250)}`, `acme/${'a/'.repeat(124)}aa`, `acme/a__b-c---d.e/0`];
  for (const name of rows) {
    assert.ok(name.length <= 255);
    const to = await registry.repository(name);
    const { manifest, layer } = await to.image('t'.repeat(128), name);
    for (const path of [
      `manifests/${'t'.repeat(128)}`,
      `manifests/${manifest.digest}`,
      `blobs/${layer.digest}`,
    ])
      assert.equal((await to.ask('GET', path)).status, 200, name);
    const sha512 = await to.manifest(anImage(layer, [], { name }), { algorithm: 'sha512' });
    assert.equal((await to.ask('GET', `manifests/${sha512.digest}`)).status, 200);
  }
});

test('many who push at once to one repository all find what they pushed', async () => {
  const to = await repository();
  const images = await Promise.all(Array.from({ length: 12 }, (_, i) => to.image(`at-once-${i}`)));
  for (const [i, { manifest }] of images.entries()) {
    const { headers } = await to.ask('HEAD', `manifests/at-once-${i}`);
    assert.equal(headers['docker-content-digest'], manifest.digest);
  }
  const list = JSON.parse((await to.ask('GET', 'tags/list')).text) as { tags: string[] };
  assert.equal(list.tags.length, 12);
});
