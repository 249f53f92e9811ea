/** Every path that the OCI surface publishes, and nowhere else (contract, sections 2 and 13.3). */
import type { ReadRoute } from '../../core/route.ts';
import { readMissingBlob } from './blobs.ts';
import { listRepositories } from './catalog.ts';
import { DIGEST_HEADER, versionHeader } from './headers.ts';
import { INDEX_TYPE, typesBySuffix } from './media-types.ts';
import { isDigestLike } from './names.ts';
import { readMissingManifest } from './manifests.ts';
import { readReferrers } from './referrers.ts';
import { readTags } from './tags.ts';

const json = { from: 'site', contentType: 'application/json', cache: 'document', stored: 'file' } as const;
const headers = (): Readonly<Record<string, string>> => versionHeader;

export const paths = {
  /** By digest for ever, by tag for now: the same bytes. */
  manifest: {
    ...json,
    pattern: '{+name}/manifests/{reference}',
    types: typesBySuffix,
    cacheOf: ({ reference = '' }) => (isDigestLike(reference) ? 'artifact' : 'document'),
    digestHeader: DIGEST_HEADER,
    headers: ({ reference = '' }) =>
      isDigestLike(reference) ? { ...versionHeader, [DIGEST_HEADER]: reference } : versionHeader,
    etag: ({ reference = '' }) => (isDigestLike(reference) ? reference : undefined),
    missFromApi: readMissingManifest,
  },
  blob: {
    ...json,
    pattern: '{+name}/blobs/{digest}',
    contentType: 'application/octet-stream',
    cache: 'artifact',
    refusesBackwardRanges: true,
    headers: ({ digest = '' }) => ({ ...versionHeader, [DIGEST_HEADER]: digest }),
    etag: ({ digest }) => digest,
    missFromApi: readMissingBlob,
  },
  tags: {
    ...json,
    pattern: '{+name}/tags/list',
    // It names tags, which are documents as well, and rank as the manifests that they are.
    rank: 3,
    headers,
    asksApi: (query) => isAsked(query, 'n', 'last'),
    missFromApi: readTags,
  },
  referrers: {
    ...json,
    pattern: '{+name}/referrers/{digest}',
    contentType: INDEX_TYPE,
    headers,
    asksApi: (query) => isAsked(query, 'artifactType', 'n', 'last'),
    missFromApi: readReferrers,
  },
  /** The file lists what is public; whoever asks the API may see more than that. */
  catalog: { ...json, pattern: '_catalog', headers, asksApi: () => true, missFromApi: listRepositories },
} satisfies Record<string, ReadRoute>;

/** All other parameters mean nothing here, such as the `ns` of a client that takes us for a mirror. */
function isAsked(query: string, ...parameters: readonly string[]): boolean {
  if (query === '') return false;
  const given = new URLSearchParams(query);
  return parameters.some((parameter) => given.has(parameter));
}
