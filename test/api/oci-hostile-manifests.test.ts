/** Manifests that nobody should be given are refused (contract, sections 5 and 9), and nothing of them is kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestOf } from '../../core/digest.ts';
import { anImage, anIndex, IMAGE, INDEX, type Descriptor } from '../support/oci-api.ts';
import { NOWHERE, openRepositories, type Refused } from '../support/oci-repository.ts';
import { wholeFile } from '../support/whole-file.ts';

const registry = await openRepositories(wholeFile);
const app = await registry.repository('acme/app');
const { manifest, layer, config } = await app.image('1.0');
const limit = 4 * 1024 * 1024;

type Body = Buffer | string | readonly Buffer[];

function push(body: Body, type: string | undefined = IMAGE, reference = 'x'): Refused[1] {
  return app.to('PUT', `manifests/${reference}`, {
    body,
    headers: type === '' ? {} : { 'content-type': type },
  });
}

/** Refused for what it says. */
function invalid(what: string, content: unknown, message: RegExp, type?: string): Refused {
  const body = typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content);
  return [what, push(body, type), 400, 'MANIFEST_INVALID', message];
}

const image = anImage(config, [layer]) as Readonly<Record<string, unknown>>;

test('what is no manifest is refused', async () => {
  const text = JSON.stringify(image);
  await registry.refuses([
    invalid('nothing', '', /not JSON/),
    invalid('a blank', ' ', /not JSON/),
    invalid('no JSON', 'schemaVersion: 2', /not JSON/),
    invalid('half of it', text.slice(0, -1), /not JSON/),
    invalid('more behind it', `${text}{}`, /not JSON/),
    invalid('a comment', `// x\n${text}`, /not JSON/),
    invalid(
      'no UTF-8',
      Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from(',"x":"\xff"}', 'latin1')]),
      /not JSON/,
    ),
    invalid('UTF-16', Buffer.from(text, 'utf16le'), /not JSON/),
    invalid('a mark before it that clients stumble over', `\uFEFF${text}`, /not JSON/),
    invalid('gzip', gzipSync(text), /not JSON/),
    invalid('a list', [image], /must be a JSON object/),
    invalid('null', 'null', /must be a JSON object/),
    invalid('a number', '2', /must be a JSON object/),
    invalid('a text', JSON.stringify(text), /must be a JSON object/),
    invalid('no version', { ...image, schemaVersion: undefined }, /schemaVersion/),
    invalid('another version', { ...image, schemaVersion: 3 }, /schemaVersion/),
    invalid('a version that is a text', { ...image, schemaVersion: '2' }, /schemaVersion/),
    invalid('a version that is a list', { ...image, schemaVersion: [2] }, /schemaVersion/),
    invalid('a version that can be no text', { ...image, schemaVersion: { toString: 1 } }, /schemaVersion/),
    invalid(
      'a version that is deep',
      `{"schemaVersion":${'['.repeat(500_000)}${']'.repeat(500_000)}}`,
      /schemaVersion/,
    ),
    invalid('lists without end', '['.repeat(limit), /not JSON/),
    invalid('objects without end', '{"a":'.repeat(limit / 5), /not JSON/),
    invalid('lists to great depth', '['.repeat(limit / 2) + ']'.repeat(limit / 2), /must be a JSON object/),
  ]);
});

test('deep inside of what nobody here reads a manifest may be what it likes', async () => {
  const text = JSON.stringify({ ...image, x: 'DEEP' });
  const deep = '['.repeat(1_000_000) + ']'.repeat(1_000_000);
  const { digest } = await app.manifest(text.replace('"DEEP"', deep), { tag: 'deep' });
  assert.equal((await app.ask('GET', 'manifests/deep')).headers['docker-content-digest'], digest);
  assert.equal((await app.ask('DELETE', `manifests/${digest}`)).status, 202);
});

test('types that are unknown, dead, missing or in contradiction are refused', async () => {
  const untyped = { ...image, mediaType: undefined };
  const v1 = 'application/vnd.docker.distribution.manifest.v1';
  await registry.refuses([
    invalid('no type anywhere', untyped, /neither Content-Type nor its mediaType/, ''),
    invalid('a type of all JSON', untyped, /is no manifest that this registry can read/, 'application/json'),
    invalid('a type of all bytes', untyped, /it can read application\/vnd/, 'application/octet-stream'),
    invalid('a text', untyped, /no manifest/, 'text/plain; charset=utf-8'),
    invalid('a type of another thing', untyped, /no manifest/, 'application/vnd.oci.image.config.v1+json'),
    invalid('a newer version', untyped, /no manifest/, 'application/vnd.oci.image.manifest.v2+json'),
    invalid(
      'artifact manifests, which have ended',
      untyped,
      /no manifest/,
      'application/vnd.oci.artifact.manifest.v1+json',
    ),
    invalid(
      'schema 1',
      { schemaVersion: 1, name: 'acme/app', tag: 'x', fsLayers: [] },
      /schemaVersion/,
      `${v1}+json`,
    ),
    invalid('schema 1, signed', { schemaVersion: 1, signatures: [] }, /schemaVersion/, `${v1}+prettyjws`),
    invalid('schema 1 that says 2', untyped, /no manifest/, `${v1}+json`),
    invalid('an unknown type inside', { ...image, mediaType: 'a/b' }, /no manifest/, 'a/b'),
    invalid('an unknown type inside, alone', { ...image, mediaType: 'a/b' }, /no manifest/, ''),
    invalid(
      'an index that says it is an image',
      anIndex([]),
      /was sent as .*manifest.*says that it is .*index/,
      IMAGE,
    ),
    invalid('an image that says it is an index', image, /was sent as/, INDEX),
    invalid('all JSON, and it says more', image, /was sent as "application\/json"/, 'application/json'),
    invalid('a type that is no text', { ...image, mediaType: 7 }, /mediaType is not a text/),
    invalid('a type that is null', { ...image, mediaType: null }, /mediaType is not a text/),
    invalid('a name of every object', untyped, /no manifest/, 'constructor'),
    invalid('a prototype', { ...image, mediaType: '__proto__' }, /no manifest/, ''),
  ]);
});

test('descriptors that describe nothing are refused', async () => {
  const like = (over: object): object => ({ ...layer, ...over });
  const fields: readonly (readonly [field: string, of: (one: unknown) => object, type?: string])[] = [
    ['config', (one) => ({ ...image, config: one })],
    ['layers[1]', (one) => ({ ...image, layers: [layer, one] })],
    ['subject', (one) => ({ ...image, subject: one })],
    ['manifests[0]', (one) => ({ ...anIndex([]), manifests: [one] }), INDEX],
    ['subject', (one) => ({ ...anIndex([]), subject: one }), INDEX],
  ];
  const faults: readonly (readonly [what: string, descriptor: unknown, message: RegExp])[] = [
    ['null', null, /is missing, or no descriptor/],
    ['a text', layer.digest, /is missing, or no descriptor/],
    ['a list', [layer], /is missing, or no descriptor/],
    ['nothing in it', {}, /has no digest/],
    ['no digest', like({ digest: undefined }), /has no digest/],
    ['a digest that is none', like({ digest: 'sha256:x' }), /has no digest that this registry knows/],
    ['a digest in capitals', like({ digest: layer.digest.toUpperCase() }), /has no digest/],
    ['a digest that is a number', like({ digest: 7 }), /has no digest/],
    ['a path', like({ digest: '../../keys' }), /has no digest/],
    ['no size', like({ size: undefined }), /the size of its .* is not a number of bytes/],
    ['a size that is a text', like({ size: String(layer.size) }), /the size/],
    ['less than nothing', like({ size: -1 }), /the size/],
    ['half a byte', like({ size: 0.5 }), /the size/],
    ['more than can be counted', like({ size: 2 ** 53 }), /the size/],
    ['a type that is no text', like({ mediaType: 7 }), /the mediaType of its .* is not a text/],
  ];
  await registry.refuses(
    fields.flatMap(([field, of, type]) =>
      faults.map(([what, descriptor, message]) =>
        invalid(`${field}: ${what}`, of(descriptor), message, type),
      ),
    ),
  );
  await registry.refuses([
    invalid('no config', { ...image, config: undefined }, /its config is missing/),
    invalid('layers that are no list', { ...image, layers: { 0: layer } }, /its layers are not a list/),
    invalid('layers that are a text', { ...image, layers: 'none' }, /its layers are not a list/),
    invalid('an index without a list', { schemaVersion: 2 }, /an index needs a list of manifests/, INDEX),
    invalid('an index that is an image', { ...image, mediaType: undefined }, /an index needs a list/, INDEX),
    invalid('an image that is an index', { schemaVersion: 2, manifests: [] }, /its config is missing/),
    invalid(
      'manifests that are no list',
      { schemaVersion: 2, manifests: {} },
      /its manifests are not a list/,
      INDEX,
    ),
    invalid('an artifact of no type', { ...image, artifactType: 7 }, /artifactType is not a text/),
    invalid(
      'an artifact index of no type',
      anIndex([], { artifactType: [] }),
      /artifactType is not a text/,
      INDEX,
    ),
    ...[[], 'x', 7, { a: 1 }, { a: null }, { a: { b: 'c' } }].map((annotations) =>
      invalid(
        `annotations ${JSON.stringify(annotations)}`,
        { ...image, subject: manifest, annotations },
        /its annotations must be texts by name/,
      ),
    ),
  ]);
});

test('what names what is not in this repository is refused, and told what that is', async () => {
  const other = await registry.repository('acme/other');
  const elsewhere = await other.blob('in another repository');
  const theirs = await other.image('1', 'theirs');
  const missing = (digest: string): Descriptor => ({ mediaType: 'a/b', digest, size: 21 });
  const sha512 = `sha512:${'0'.repeat(128)}`;
  const lacking = (what: string, content: object, digest: string, type = IMAGE): Refused => [
    what,
    push(JSON.stringify(content), type),
    400,
    'MANIFEST_BLOB_UNKNOWN',
    new RegExp(`names what is not in acme/app: push that first: .*${digest}`),
  ];
  await registry.refuses([
    lacking('the config', anImage(missing(NOWHERE), [layer]), NOWHERE),
    lacking('a layer', anImage(config, [layer, missing(NOWHERE)]), NOWHERE),
    lacking('by SHA-512', anImage(config, [missing(sha512)]), sha512),
    lacking(
      'by another digest than it is here',
      anImage(config, [{ ...layer, digest: digestOf('layer of 1.0', 'sha512') }]),
      'sha512',
    ),
    lacking('a layer that is elsewhere', anImage(config, [elsewhere]), elsewhere.digest),
    lacking('a manifest for a layer', anImage(config, [{ ...manifest }]), manifest.digest),
    lacking('a child', anIndex([manifest, missing(NOWHERE)]), NOWHERE, INDEX),
    lacking('a child that is elsewhere', anIndex([theirs.manifest]), theirs.manifest.digest, INDEX),
    lacking('a blob for a child', anIndex([layer]), layer.digest, INDEX),
    lacking('itself, nearly', anIndex([missing(NOWHERE)], { subject: manifest }), NOWHERE, INDEX),
    lacking(
      'a layer that has no places to get it from',
      anImage(config, [{ ...missing(NOWHERE), urls: [] } as Descriptor]),
      NOWHERE,
    ),
    lacking(
      'a layer with places that are no list',
      anImage(config, [{ ...missing(NOWHERE), urls: 'x' } as Descriptor]),
      NOWHERE,
    ),
    lacking(
      'a foreign config',
      anImage(
        { ...missing(NOWHERE), mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' },
        [],
      ),
      NOWHERE,
    ),
    lacking(
      'a type that is nearly foreign',
      anImage(config, [
        { ...missing(NOWHERE), mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' },
      ]),
      NOWHERE,
    ),
  ]);
});

test('of ten thousand that are missing ten are told', async () => {
  const layers = Array.from({ length: 10_000 }, (_, i) => ({
    mediaType: 'a/b',
    digest: digestOf(`${i}`),
    size: 1,
  }));
  await registry.refuses([
    [
      'ten thousand',
      push(JSON.stringify(anImage(config, layers))),
      400,
      'MANIFEST_BLOB_UNKNOWN',
      /push that first: (?:sha256:[0-9a-f]{64}, ){9}sha256:[0-9a-f]{64}$/,
    ],
  ]);
});

test('what says that a blob has another size than it has is refused', async () => {
  const lies = (what: string, content: object, type = IMAGE): Refused => [
    what,
    push(JSON.stringify(content), type),
    400,
    'SIZE_INVALID',
    /says that sha256:[0-9a-f]{64} has \d+ bytes; it has \d+/,
  ];
  const empty = await app.blob('');
  await registry.refuses([
    lies('a byte more', anImage(config, [{ ...layer, size: layer.size + 1 }])),
    lies('a byte less', anImage({ ...config, size: config.size - 1 }, [])),
    lies('nothing', anImage(config, [{ ...layer, size: 0 }])),
    lies('something', anImage(config, [{ ...empty, size: 1 }])),
    lies('a child that is larger', anIndex([{ ...manifest, size: manifest.size - 1 }]), INDEX),
    invalid('first right, then wrong', anImage(config, [layer, { ...layer, size: 7 }]), /and that it has 7/),
    invalid('first wrong, then right', anImage(config, [{ ...layer, size: 7 }, layer]), /has 7 bytes/),
    invalid(
      'a child of two sizes',
      anIndex([manifest, { ...manifest, size: 7 }]),
      /and that it has 7/,
      INDEX,
    ),
  ]);
});

test('a manifest of more than 4 MiB is refused, by its length or as it comes', async () => {
  const padded = (size: number): Buffer => Buffer.from(JSON.stringify(image).padEnd(size, ' '));
  const whole = padded(limit + 1);
  await registry.refuses([
    ['a byte more', push(whole), 413, 'SIZE_INVALID', /a manifest has 4194304 bytes at most/],
    ['a byte more, in pieces', push([whole.subarray(0, limit), whole.subarray(limit)]), 413, 'SIZE_INVALID'],
    [
      'much more',
      push(Array.from({ length: 24 }, () => Buffer.alloc(1024 * 1024, ' '))),
      413,
      'SIZE_INVALID',
    ],
    ['by its digest', push(whole, IMAGE, digestOf(whole)), 413, 'SIZE_INVALID'],
    // What is wrong with the reference is said first.
    ['with a bad tag', push(whole, IMAGE, '.x'), 400, 'MANIFEST_INVALID'],
    ['with a bad digest', push(whole, IMAGE, 'sha256:x'), 400, 'DIGEST_INVALID'],
  ]);
});

test('a manifest whose bytes are not what its digest says is refused', async () => {
  const text = JSON.stringify(image);
  const wrong = (what: string, reference: string, body: string): Refused => [
    what,
    push(body, IMAGE, reference),
    400,
    'DIGEST_INVALID',
    /these are the bytes of sha(?:256|512):[0-9a-f]+, and not of sha/,
  ];
  await registry.refuses([
    wrong('of nothing', NOWHERE, text),
    wrong('a blank more', digestOf(text), `${text} `),
    wrong('that of another', manifest.digest, JSON.stringify(anImage(config, []))),
    wrong('by SHA-512', digestOf('x', 'sha512'), text),
    wrong('with tags', `${NOWHERE}?tag=x`, text),
    // What is no manifest is said to be none, whatever its digest.
    ['no manifest', push('{}', IMAGE, NOWHERE), 400, 'MANIFEST_INVALID'],
  ]);
});

test('an index cannot list itself, nor two each other', async () => {
  const a = JSON.stringify(anIndex([{ mediaType: INDEX, digest: NOWHERE, size: 7 }]));
  await registry.refuses([
    ['one', push(a, INDEX), 400, 'MANIFEST_BLOB_UNKNOWN'],
    [
      'the other',
      push(JSON.stringify(anIndex([{ mediaType: INDEX, digest: digestOf(a), size: a.length }])), INDEX),
      400,
      'MANIFEST_BLOB_UNKNOWN',
    ],
  ]);
});
