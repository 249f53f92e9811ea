/** Types of manifests (contract, section 1), and how a file of each is stored: a directory keeps no types. */
import type { Digest, DigestAlgorithm } from '../core/digest.ts';
import { splitDigest } from '../core/digest.ts';
import type { FileType } from '../core/site.ts';

export const OCI_MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

/** What this registry understands: only what it can read can it keep whole. Kind, and suffix of its files. */
const manifestTypes = {
  [OCI_MANIFEST_TYPE]: { kind: 'image', suffix: 'oci-image' },
  [INDEX_TYPE]: { kind: 'index', suffix: 'oci-index' },
  'application/vnd.docker.distribution.manifest.v2+json': { kind: 'image', suffix: 'docker-image' },
  'application/vnd.docker.distribution.manifest.list.v2+json': { kind: 'index', suffix: 'docker-index' },
} as const;

export type ManifestType = keyof typeof manifestTypes;

export const allManifestTypes = Object.keys(manifestTypes) as readonly ManifestType[];

export function isManifestType(text: string): text is ManifestType {
  return Object.hasOwn(manifestTypes, text);
}

export function kindOf(type: ManifestType): 'image' | 'index' {
  return manifestTypes[type].kind;
}

/** Layers that may lie anywhere but here: nobody pushes them. */
export function isForeign(mediaType: string): boolean {
  return (
    mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.v1.tar') ||
    mediaType === 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
  );
}

/** An index names manifests, and these name blobs. */
const ranks = { image: 1, index: 2 } as const;

/** What a file with such a manifest is stored with; by the algorithm as well, so that a tag's digest can be told. */
export function suffixOf(type: ManifestType, digest: Digest): string {
  return withAlgorithm(manifestTypes[type].suffix, splitDigest(digest).algorithm);
}

function withAlgorithm(suffix: string, algorithm: DigestAlgorithm): string {
  return algorithm === 'sha256' ? suffix : `${suffix}-${algorithm}`;
}

export const typesBySuffix: Readonly<Record<string, FileType>> = Object.fromEntries(
  (['sha256', 'sha512'] as const).flatMap((digest) =>
    allManifestTypes.map((contentType) => [
      withAlgorithm(manifestTypes[contentType].suffix, digest),
      { contentType, digest, rank: ranks[kindOf(contentType)] },
    ]),
  ),
);
