/** Every path that Run's own surface publishes, and nowhere else (contract, sections 1 and 8). */
import { RegistryError } from '../../core/errors.ts';
import type { HttpAnswer, ReadRoute } from '../../core/route.ts';
import { openToAll } from '../open-to-all.ts';
import { PAGE } from './refusals.ts';
import { showStats } from './search.ts';

const headers = (): Readonly<Record<string, string>> => openToAll;
const json = { from: 'site', contentType: 'application/json', cache: 'document', headers } as const;
const page = { from: 'site', contentType: 'text/html; charset=utf-8', cache: 'document' } as const;
const pageHeaders = {
  ...openToAll,
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'",
  'x-content-type-options': 'nosniff',
};

const noPackage = (): RegistryError => new RegistryError('package-not-found', '');
const noVersion = (): RegistryError => new RegistryError('version-not-found', '');
export const HEALTHY = 'ok';

/** Documents of one package go up in this order: whatever a list names is there before it. */
export const paths = {
  artifact: {
    from: 'site',
    pattern: 'packages/{+name}/{version}/artifact.wasm',
    contentType: 'application/wasm',
    cache: 'artifact',
    stored: 'file',
    headers,
    miss: noVersion,
    counts: ({ name = '', version = '' }) => ({ name, version }),
  },
  metadata: {
    ...json,
    pattern: 'api/v1/packages/{+name}/{version}',
    stored: 'file',
    rank: 1,
    miss: noVersion,
  },
  versions: {
    ...json,
    pattern: 'api/v1/packages/{+name}/versions',
    stored: 'file',
    rank: 2,
    miss: noPackage,
  },
  packagePage: {
    ...page,
    pattern: 'browse/{+name}',
    stored: 'index',
    rank: 3,
    headers: () => pageHeaders,
    miss: () => new RegistryError('package-not-found', '', { surfaceCode: PAGE }),
  },
  packages: { ...json, pattern: 'packages', stored: 'index', miss: noPackage },
  /** The file knows of no downloads: those who ask the API get them as well. */
  stats: { ...json, pattern: 'api/v1/stats', stored: 'file', asksApi: () => true, missFromApi: showStats },
  health: {
    from: 'site',
    pattern: 'health',
    contentType: 'text/plain; charset=utf-8',
    cache: 'document',
    stored: 'file',
    headers,
    missFromApi: showHealth,
  },
  home: { ...page, pattern: '', stored: 'index', headers: () => pageHeaders, miss: noPackage },
  browse: { ...page, pattern: 'browse', stored: 'index', headers: () => pageHeaders, miss: noPackage },
} satisfies Record<string, ReadRoute>;

async function showHealth(): Promise<HttpAnswer> {
  return {
    status: 200,
    headers: { 'content-type': 'text/plain; charset=utf-8', ...openToAll },
    body: HEALTHY,
  };
}
