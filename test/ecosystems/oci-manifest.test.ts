/** What is read from a manifest, and kept of it: refusals of all kinds are in `test/api/oci-hostile-manifests.test.ts`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RegistryError } from '../../core/errors.ts';
import { parseManifest, type OciMeta, type ParsedManifest } from '../../ecosystems/oci/manifest.ts';
import { allManifestTypes, kindOf } from '../../ecosystems/oci-media-types.ts';

const [IMAGE, INDEX, DOCKER_IMAGE, DOCKER_INDEX] = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
] as const;

const a = `sha256:${'a'.repeat(64)}`;
const b = `sha256:${'b'.repeat(64)}`;
const c = `sha512:${'c'.repeat(128)}`;
const of = (digest: string, size: number, more: object = {}): object => ({
  mediaType: 'x/y',
  digest,
  size,
  ...more,
});

function parse(manifest: object, type: string | undefined = IMAGE): ParsedManifest {
  return parseManifest(Buffer.from(JSON.stringify({ schemaVersion: 2, ...manifest })), type);
}

test('what a manifest names is kept, and no more of it', () => {
  const rows: readonly (readonly [what: string, manifest: object, type: string, meta: OciMeta])[] = [
    [
      'an image',
      { config: of(a, 1), layers: [of(b, 2), of(c, 3)] },
      IMAGE,
      {
        blobs: [
          [a, 1],
          [b, 2],
          [c, 3],
        ],
      },
    ],
    ['without layers', { config: of(a, 1) }, IMAGE, { blobs: [[a, 1]] }],
    [
      'a layer twice',
      { config: of(a, 1), layers: [of(b, 2), of(a, 1), of(b, 2)] },
      IMAGE,
      {
        blobs: [
          [a, 1],
          [b, 2],
        ],
      },
    ],
    [
      'nothing in a layer',
      { config: of(a, 0), layers: [of(b, 0)] },
      IMAGE,
      {
        blobs: [
          [a, 0],
          [b, 0],
        ],
      },
    ],
    [
      'layers that lie elsewhere',
      {
        config: of(a, 1),
        layers: [
          of(b, 2, { urls: ['https://x.example/'] }),
          of(c, 3, { mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd' }),
        ],
      },
      IMAGE,
      { blobs: [[a, 1]] },
    ],
    [
      'a layer that lies here and elsewhere',
      { config: of(a, 1), layers: [of(b, 2, { urls: ['https://x.example/'] }), of(b, 2)] },
      IMAGE,
      {
        blobs: [
          [a, 1],
          [b, 2],
        ],
      },
    ],
    [
      'no urls',
      { config: of(a, 1), layers: [of(b, 2, { urls: [] })] },
      IMAGE,
      {
        blobs: [
          [a, 1],
          [b, 2],
        ],
      },
    ],
    [
      'a config that is said to lie elsewhere',
      { config: of(a, 1, { urls: ['https://x.example/'] }) },
      IMAGE,
      { blobs: [[a, 1]] },
    ],
    [
      'an artifact without a subject',
      { config: of(a, 1), artifactType: 'p/q', annotations: { k: 'v' } },
      IMAGE,
      { blobs: [[a, 1]] },
    ],
    [
      'an artifact with one',
      { config: of(a, 1), artifactType: 'p/q', annotations: { k: 'v' }, subject: of(b, 9) },
      IMAGE,
      { blobs: [[a, 1]], subject: b, artifactType: 'p/q', annotations: { k: 'v' } },
    ],
    [
      'one whose type is that of its config',
      { config: of(a, 1), subject: of(b, 9), annotations: {} },
      IMAGE,
      { blobs: [[a, 1]], subject: b, artifactType: 'x/y', annotations: {} },
    ],
    [
      'one of an empty type',
      { config: of(a, 1), subject: of(b, 9), artifactType: '' },
      IMAGE,
      { blobs: [[a, 1]], subject: b, artifactType: 'x/y' },
    ],
    [
      'one of no type at all',
      { config: of(a, 1, { mediaType: '' }), subject: of(b, 9), annotations: null },
      IMAGE,
      { blobs: [[a, 1]], subject: b },
    ],
    ['of Docker', { config: of(a, 1), layers: [] }, DOCKER_IMAGE, { blobs: [[a, 1]] }],
    ['an index', { manifests: [of(a, 1), of(c, 2), of(a, 1)] }, INDEX, { blobs: [], manifests: [a, c] }],
    ['an empty index', { manifests: [] }, INDEX, { blobs: [] }],
    ['an index of Go, which writes nothing as null', { manifests: null }, INDEX, { blobs: [] }],
    [
      'an index with a subject',
      { manifests: [of(a, 1)], subject: of(b, 9), annotations: { k: '' } },
      INDEX,
      { blobs: [], manifests: [a], subject: b, annotations: { k: '' } },
    ],
    [
      'an index of a type',
      { manifests: [], subject: of(b, 9), artifactType: 'p/q' },
      INDEX,
      { blobs: [], subject: b, artifactType: 'p/q' },
    ],
    ['a list of Docker', { manifests: [of(a, 1)] }, DOCKER_INDEX, { blobs: [], manifests: [a] }],
  ];
  for (const [what, manifest, type, meta] of rows) {
    const parsed = parse(manifest, type);
    assert.deepEqual(parsed.meta, meta, what);
    assert.equal(parsed.mediaType, type);
  }
});

test('sizes of what an index lists are told, and not kept', () => {
  const { childSizes, meta } = parse({ manifests: [of(a, 1), of(c, 2)] }, INDEX);
  assert.deepEqual(
    [...childSizes],
    [
      [a, 1],
      [c, 2],
    ],
  );
  assert.doesNotMatch(JSON.stringify(meta), /[12]\]/);
  assert.equal(parse({ config: of(a, 1) }).childSizes.size, 0);
});

test('its type is what header and manifest agree on, in small letters and without parameters', () => {
  const rows: readonly (readonly [header: string | undefined, inside: string | undefined, type: string])[] = [
    [IMAGE, undefined, IMAGE],
    [undefined, IMAGE, IMAGE],
    ['', IMAGE, IMAGE],
    [' ; charset=utf-8', IMAGE, IMAGE],
    [IMAGE, IMAGE, IMAGE],
    [` ${IMAGE.toUpperCase()} ; charset="utf-8"`, undefined, IMAGE],
    [DOCKER_IMAGE, DOCKER_IMAGE, DOCKER_IMAGE],
  ];
  for (const [header, mediaType, type] of rows)
    assert.equal(parse({ config: of(a, 1), mediaType }, header ?? '').mediaType, type, String(header));
  assert.equal(
    parseManifest(
      Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: IMAGE, config: of(a, 1) })),
      undefined,
    ).mediaType,
    IMAGE,
  );
});

test('whatever comes, it is read or refused in words: nothing else is thrown', () => {
  const word = fc.constantFrom(
    'schemaVersion',
    'mediaType',
    'config',
    'layers',
    'manifests',
    'subject',
    'annotations',
    'artifactType',
    'digest',
    'size',
    'urls',
    '__proto__',
    'constructor',
    'toString',
  );
  const leaf = fc.oneof(
    fc.constantFrom<unknown>(2, 1, -1, null, '', a, b, c, IMAGE, INDEX, 1e400, {}, []),
    fc.jsonValue(),
  );
  const { manifest } = fc.letrec<{ manifest: unknown; any: unknown }>((tie) => ({
    any: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('any'), { maxLength: 3 }), tie('manifest')),
    manifest: fc.dictionary(word, tie('any'), { maxKeys: 8 }),
  }));
  const seen = { read: 0, refused: 0 };
  fc.assert(
    fc.property(
      manifest,
      fc.constantFrom(...allManifestTypes, undefined, 'text/plain'),
      fc.boolean(),
      (sent, type, isVersioned) => {
        const whole = isVersioned
          ? { config: of(a, 1), manifests: [], ...(sent as object), schemaVersion: 2 }
          : sent;
        try {
          const parsed = parseManifest(Buffer.from(JSON.stringify(whole)), type);
          seen.read += 1;
          const { blobs, manifests = [] } = parsed.meta;
          const digests = [...blobs.map(([digest]) => digest), ...manifests];
          assert.equal(new Set(digests).size, digests.length, 'each once');
          for (const digest of digests) assert.match(digest, /^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$/);
          assert.equal(kindOf(parsed.mediaType) === 'index' ? blobs.length : manifests.length, 0);
        } catch (error) {
          if (!(error instanceof RegistryError)) throw error;
          seen.refused += 1;
          assert.equal(error.code, 'invalid-manifest');
          assert.match(error.message, /^this manifest cannot be taken: /);
        }
      },
    ),
    { numRuns: 2000 },
  );
  assert.ok(seen.read > 20 && seen.refused > 20, JSON.stringify(seen));
});
