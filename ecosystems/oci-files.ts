/** Files that the clients of the Distribution Specification pull, whoever makes them (OCI's contract, sections 2 and 13.3). */
import type { SiteRoute } from '../core/site.ts';
import { typesBySuffix } from './oci-media-types.ts';

/** Says the digest of what is answered, or was taken. */
export const DIGEST_HEADER = 'docker-content-digest';

/** On every answer: some old clients fall back to another protocol without it. */
export const versionHeader = { 'docker-distribution-api-version': 'registry/2.0' } as const;

const headers = (): Readonly<Record<string, string>> => versionHeader;

export const jsonFile = {
  from: 'site',
  contentType: 'application/json',
  cache: 'document',
  stored: 'file',
  headers,
} as const;

export const ociFiles = {
  /** By digest for ever, by tag for now: the same bytes. */
  manifest: {
    ...jsonFile,
    pattern: '{+name}/manifests/{reference}',
    types: typesBySuffix,
    cacheOf: ({ reference = '' }) => (isDigestLike(reference) ? 'artifact' : 'document'),
    digestHeader: DIGEST_HEADER,
    headers: ({ reference = '' }) =>
      isDigestLike(reference) ? { ...versionHeader, [DIGEST_HEADER]: reference } : versionHeader,
    etag: ({ reference = '' }) => (isDigestLike(reference) ? reference : undefined),
  },
  blob: {
    ...jsonFile,
    pattern: '{+name}/blobs/{digest}',
    contentType: 'application/octet-stream',
    cache: 'artifact',
    refusesBackwardRanges: true,
    headers: ({ digest = '' }) => ({ ...versionHeader, [DIGEST_HEADER]: digest }),
    etag: ({ digest }) => digest,
  },
  tags: {
    ...jsonFile,
    pattern: '{+name}/tags/list',
    // It names tags, which are documents as well, and rank as the manifests that they are.
    rank: 3,
  },
} satisfies Record<string, SiteRoute>;

/** What a colon makes of a reference: no tag has one. */
export function isDigestLike(reference: string): boolean {
  return reference.includes(':');
}

/**
 * One spelling of a path: the name is everything up to the last words that can follow one, and one segment, its slashes
 * encoded. Read from the right, since a name may hold anything before them.
 */
export function canonicalPath(path: string): string {
  const [, name, rest] = namedPath.exec(path) ?? [];
  if (name === undefined || rest === undefined) return path;
  // Some clients leave the last slash out.
  return `/${name.replaceAll('/', '%2F')}${rest === '/blobs/uploads' ? `${rest}/` : rest}`;
}

const namedPath =
  /^\/(.+)(\/blobs\/uploads\/?|\/blobs\/uploads\/[^/]+|\/(?:manifests|blobs|referrers)\/[^/]+|\/tags\/list)$/;
