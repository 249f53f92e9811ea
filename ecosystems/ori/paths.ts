/** Every path that the Ori surface publishes, and nowhere else (contract, sections 1 and 14). */
import { RegistryError } from '../../core/errors.ts';
import type { ReadRoute } from '../../core/route.ts';
import type { RouteParams } from '../../core/site.ts';
import { listAdvisories } from './advisories.ts';
import { nameIn } from './names.ts';
import { readMissing } from './reads.ts';

const json = { from: 'site', contentType: 'application/json', cache: 'document', stored: 'file' } as const;

export const paths = {
  download: {
    ...json,
    pattern: 'v1/packages/{scope}/{name}/{version}/download',
    contentType: 'application/gzip',
    cache: 'artifact',
    headers: attachment,
    // What clients hash it to as well.
    etag: (params, view) =>
      view.package('ori', nameIn(params))?.releases.get(params['version'] ?? '')?.artifacts[0]?.digest,
    missFromApi: readMissing,
  },
  metadata: { ...json, pattern: 'v1/packages/{scope}/{name}/{version}/metadata', missFromApi: readMissing },
  versions: {
    ...json,
    pattern: 'v1/packages/{scope}/{name}/versions',
    // It names the others, which rank below it.
    rank: 1,
    miss: (params) => new RegistryError('package-not-found', `there is no package ${nameIn(params)}`),
  },
  advisories: {
    ...json,
    pattern: 'v1/advisories',
    stored: 'index',
    asksApi: (query) => query !== '' && filters.some((filter) => new URLSearchParams(query).has(filter)),
    missFromApi: listAdvisories,
  },
  /** What is known against one package. */
  advisoriesOf: {
    ...json,
    pattern: 'v1/advisories/{scope}/{name}',
    rank: 1,
    miss: (params) => new RegistryError('advisory-not-found', `nothing is known against ${nameIn(params)}`),
  },
  advisory: {
    ...json,
    pattern: 'v1/advisories/{id}',
    miss: ({ id }) => new RegistryError('advisory-not-found', `there is no advisory ${id}`),
  },
  /** What searches go through, a line for each package: for readers without the API. */
  searchIndex: {
    ...json,
    pattern: 'v1/search.ndjson',
    contentType: 'application/x-ndjson',
    miss: () => new RegistryError('not-found', 'there is no index of this registry yet'),
  },
} satisfies Record<string, ReadRoute>;

const filters = ['package', 'version', 'since'] as const;

/** What an archive is saved as. */
function attachment({ scope, name, version }: RouteParams): Readonly<Record<string, string>> {
  return { 'content-disposition': `attachment; filename="${scope}-${name}-${version}.oripk"` };
}

/** `@acme` in a path is `acme`; nothing is decoded here yet. What cannot be decoded is a name that nobody has. */
export function canonicalPath(path: string): string {
  const decodable = isDecodable(path) ? path : path.replaceAll('%', '%25');
  return decodable.replace(/^(\/v1\/(?:packages|advisories)\/)(?:@|%40)(?=[^/]+\/)/, '$1');
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

export function downloadUrl(
  baseUrl: string,
  params: { scope: string; name: string; version: string },
): string {
  return `${baseUrl}/v1/packages/${params.scope}/${params.name}/${params.version}/download`;
}
