/** A package of each ecosystem, as events: what the contract of every surface is tried on. */
import type { EcosystemId } from '../../schema/types.ts';
import type { EventDraft } from '../../core/event.ts';
import { anArtifact } from '../support/registry.ts';
import { manifestOf } from '../support/x07-package.ts';

const x07 = { by: 'ann', ecosystem: 'x07', name: 'acme-hello' } as const;
const published = (version: string): EventDraft => ({
  kind: 'published',
  ...x07,
  version,
  artifacts: [anArtifact('acme-hello', version)],
  meta: { manifest: JSON.stringify(manifestOf({ name: 'acme-hello', version })) },
});

const npm = { by: 'ann', ecosystem: 'npm', name: '@acme/lib' } as const;
const npmPublished = (version: string): EventDraft => ({
  kind: 'published',
  ...npm,
  version,
  artifacts: [{ ...anArtifact('@acme/lib', version), role: 'tarball' }],
  meta: {
    manifest: JSON.stringify({ name: '@acme/lib', version, description: 'An example.' }),
    integrity: `sha512-${'A'.repeat(86)}==`,
    shasum: '0'.repeat(40),
    fileCount: 2,
    unpackedSize: 300,
  },
  signatures: [{ keyId: 'k', kind: 'ecdsa-sha2-nistp256', value: 'MEUC' }],
});

const zig = { by: 'ann', ecosystem: 'zig', name: 'my-lib' } as const;
const zigPublished = (version: string): EventDraft => {
  const hash = `my_lib-${version}-${'A'.repeat(44)}`;
  const legacyHash = `1220${version.charAt(0).repeat(64)}`;
  return {
    kind: 'published',
    ...zig,
    version,
    artifacts: [{ ...anArtifact('my-lib', version), role: 'tarball' }],
    keys: [`hash:${hash}`, `hash:${legacyHash}`],
    meta: { hash, legacyHash, unpackedSize: 109, fileCount: 1, description: 'An example.' },
  };
};

const oci = { by: 'ann', ecosystem: 'oci', name: 'acme/team/app' } as const;
const ociDigest = (what: string): string => anArtifact('acme/team/app', what).digest;
const ociBlob = (what: string): readonly [string, number] => [ociDigest(what), 3];
const ociPublished = (what: string, meta: object): EventDraft => ({
  kind: 'published',
  ...oci,
  version: ociDigest(what),
  artifacts: [
    {
      ...anArtifact('acme/team/app', what),
      role: 'manifest',
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
    },
  ],
  meta: { ...meta },
});

const run = { by: 'ann', ecosystem: 'run', name: 'acme:tools/hello' } as const;
const runPublished = (version: string): EventDraft => ({
  kind: 'published',
  ...run,
  version,
  artifacts: (['component', 'config', 'manifest'] as const).map((role) => ({
    ...anArtifact('acme:tools/hello', `${version} ${role}`),
    role,
  })),
  meta: { description: 'An <example>.', exports: ['wasi:cli/run@0.2.0'], imports: [] },
});

const ori = { by: 'ann', ecosystem: 'ori', name: '@acme/json' } as const;
const oriPublished = (version: string): EventDraft => ({
  kind: 'published',
  ...ori,
  version,
  artifacts: [{ ...anArtifact('@acme/json', version), mediaType: 'application/gzip' }],
  meta: {
    description: 'An example.',
    license: 'MIT',
    authors: [],
    repository: null,
    keywords: ['json'],
    categories: [],
    funding: null,
    edition: null,
    ori: '0.5.0',
    entry: { lib: 'src/lib.ori', main: null },
    dependencies: [],
    features: {},
    lock: {},
  },
});

export const examples: { readonly [Id in EcosystemId]: readonly EventDraft[] } = {
  npm: [
    { kind: 'claimed', ...npm, owner: 'ann' },
    npmPublished('1.0.0'),
    { kind: 'ref-set', ...npm, ref: 'latest', target: '1.0.0' },
    npmPublished('1.1.0-rc.1'),
    { kind: 'ref-set', ...npm, ref: 'next', target: '1.1.0-rc.1' },
    { kind: 'deprecated', ...npm, version: '1.0.0', message: 'Use 1.1.0.' },
    { kind: 'starred', ...npm },
    {
      kind: 'ref-set',
      ...npm,
      ref: `commit:${'a'.repeat(40)}`,
      target: anArtifact('@acme/lib', 'a commit').digest,
      artifacts: [{ ...anArtifact('@acme/lib', 'a commit'), role: 'tarball' }],
      meta: { repository: 'https://git.example/acme/lib' },
    },
  ],
  oci: [
    { kind: 'claimed', by: 'ann', ecosystem: 'oci', name: 'acme', of: 'namespace', owner: 'ann' },
    ociPublished('image', { blobs: [ociBlob('config'), ociBlob('layer')] }),
    { kind: 'ref-set', ...oci, ref: '1.0', target: ociDigest('image') },
    ociPublished('signature', {
      blobs: [ociBlob('config')],
      subject: ociDigest('image'),
      artifactType: 'application/vnd.acme.signature',
      annotations: { made: 'today' },
    }),
  ],
  run: [
    { kind: 'claimed', by: 'ann', ecosystem: 'run', name: 'acme', of: 'namespace', owner: 'ann' },
    runPublished('1.0.0'),
    runPublished('1.1.0'),
    { kind: 'yanked', ...run, version: '1.0.0' },
    { kind: 'deprecated', ...run, message: 'Use another.' },
  ],
  ori: [
    { kind: 'claimed', ...ori, owner: 'ann' },
    oriPublished('1.0.0'),
    oriPublished('1.1.0'),
    oriPublished('2.0.0-rc.1'),
    { kind: 'yanked', ...ori, version: '1.0.0', reason: 'It leaks.' },
    { kind: 'deprecated', ...ori, version: '1.1.0', message: 'Use 2.x' },
    {
      kind: 'advisory-filed',
      ...ori,
      advisory: { id: 'a', kind: 'security', severity: 'high', summary: 'It leaks.', range: '<1.1.0' },
    },
  ],
  zig: [{ kind: 'claimed', ...zig, owner: 'ann' }, zigPublished('1.0.0'), zigPublished('2.0.0')],
  x07: [
    { kind: 'claimed', ...x07, owner: 'ann' },
    published('1.0.0'),
    published('1.1.0-rc.1'),
    { kind: 'yanked', ...x07, version: '1.0.0' },
    {
      kind: 'advisory-filed',
      ...x07,
      advisory: { id: 'a', kind: 'broken', severity: 'low', summary: 'No.', versions: ['1.0.0'] },
    },
  ],
};
