/** Every path the X07 surface publishes, and nowhere else (contract, section 4). */
import { RegistryError } from '../../core/errors.ts';
import type { ReadRoute } from '../../core/route.ts';
import type { RouteParams, SiteRoute } from '../../core/site.ts';
import { noAdvisories } from './advisories.ts';
import { isAskableName, isVersion, shardOf } from './names.ts';

const json = { from: 'site', contentType: 'application/json', cache: 'document' } as const;
const ndjson = { from: 'site', contentType: 'application/x-ndjson', cache: 'document' } as const;

export const paths = {
  service: { ...json, pattern: '', stored: 'index', miss: notFound },
  config: { ...json, pattern: 'index/config.json', stored: 'file', miss: notFound },
  catalog: { ...json, pattern: 'index/catalog.json', stored: 'file', miss: notFound },
  // Entries and packages name versions, whose metadata rank below them.
  shortEntry: { ...ndjson, pattern: 'index/{a}/{name}', stored: 'file', rank: 1, miss: entryMissing },
  entry: { ...ndjson, pattern: 'index/{a}/{b}/{name}', stored: 'file', rank: 1, miss: entryMissing },
  // Nothing is ever stored at these: a request for them is told that the folders are wrong.
  shallowEntry: { ...ndjson, pattern: 'index/{name}', stored: 'file', miss: entryMissing },
  deepEntry: { ...ndjson, pattern: 'index/{a}/{b}/{c}/{name}', stored: 'file', miss: entryMissing },
  package: { ...json, pattern: 'v1/packages/{name}', stored: 'index', rank: 1, miss: packageMissing },
  owners: { ...json, pattern: 'v1/packages/{name}/owners', stored: 'file', miss: packageMissing },
  metadata: {
    ...json,
    pattern: 'v1/packages/{name}/{version}/metadata',
    stored: 'file',
    miss: packageMissing,
  },
  advisories: {
    ...json,
    pattern: 'v1/packages/{name}/{version}/advisories',
    stored: 'file',
    missFromApi: noAdvisories,
  },
  openapi: { ...json, pattern: 'openapi/openapi.json', stored: 'file', miss: notFound },
  download: {
    from: 'site',
    contentType: 'application/octet-stream',
    cache: 'artifact',
    pattern: 'v1/packages/{name}/{version}/download',
    stored: 'file',
    miss: packageMissing,
  },
} satisfies Record<string, ReadRoute>;

/** Route and parameters of a package's index entry. */
export function entryPath(name: string): { route: SiteRoute; params: RouteParams } {
  const [a = '', b] = shardOf(name);
  return b === undefined
    ? { route: paths.shortEntry, params: { a, name } }
    : { route: paths.entry, params: { a, b, name } };
}

/** The same as a path below the mount, as the publish answer names it. */
export function entryUrlPath(name: string): string {
  return ['index', ...shardOf(name), name].join('/');
}

function notFound(): RegistryError {
  return new RegistryError('not-found', 'not found');
}

function entryMissing({ name = '', ...folders }: RouteParams): RegistryError {
  const shard = Object.values(folders);
  // Upstream's order: it looks for these in the path as a whole, before it takes the name from it.
  if ([...shard, name].some((part) => part.includes('..') || part.includes('\\')))
    return new RegistryError('invalid-path', 'invalid index path');
  if (!isAskableName(name)) return new RegistryError('invalid-name', 'invalid package name');
  if (shard.join('/') !== shardOf(name).join('/'))
    return new RegistryError('invalid-path', `the index entry of ${name} is at /${entryUrlPath(name)}`);
  return new RegistryError('not-found', `no package ${name}`, { surfaceCode: 'INDEX_NOT_FOUND' });
}

function packageMissing({ name = '', version }: RouteParams): RegistryError {
  if (!isAskableName(name)) return new RegistryError('invalid-name', 'invalid package name');
  if (version !== undefined && !isVersion(version))
    return new RegistryError('invalid-version', 'invalid version');
  return new RegistryError('package-not-found', 'not found');
}
