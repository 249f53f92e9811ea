/** Every path the npm surface publishes, and nowhere else (contract, sections 2, 3, 5, 9, 11 and 14). */
import type { ReadRoute } from '../../core/route.ts';
import { RegistryError } from '../../core/errors.ts';
import { ofPublicPackages } from '../../core/site.ts';
import {
  readMissing,
  readMissingArchive,
  readMissingCollaborators,
  readMissingDistTags,
  readMissingVersion,
  readMissingVisibility,
} from './reads.ts';
import { unscoped } from './names.ts';

const json = { from: 'site', contentType: 'application/json', cache: 'document' } as const;
const mayBeThere = ofPublicPackages('npm');
const notFound = (): RegistryError => new RegistryError('not-found', 'Not found');

export const paths = {
  root: { ...json, pattern: '', stored: 'index', miss: notFound },
  ping: { ...json, pattern: '-/ping', stored: 'file', miss: notFound },
  keys: { ...json, pattern: '-/npm/v1/keys', stored: 'file', miss: notFound },
  packument: { ...json, mayBeThere, pattern: '{+name}', stored: 'index', missFromApi: readMissing },
  // A version and a tag cannot look alike: one pattern for both.
  version: {
    ...json,
    mayBeThere,
    pattern: '{+name}/{version}',
    stored: 'file',
    missFromApi: readMissingVersion,
  },
  tarball: {
    mayBeThere,
    from: 'site',
    contentType: 'application/octet-stream',
    cache: 'artifact',
    pattern: '{+name}/-/{file}',
    stored: 'file',
    missFromApi: readMissingArchive,
    counts: ({ name = '', file = '' }) => ({
      name,
      version: file.slice(unscoped(name).length + 1, -'.tgz'.length),
    }),
  },
  distTags: {
    ...json,
    mayBeThere,
    pattern: '-/package/{+name}/dist-tags',
    stored: 'index',
    missFromApi: readMissingDistTags,
  },
  visibility: {
    ...json,
    mayBeThere,
    pattern: '-/package/{+name}/visibility',
    stored: 'file',
    missFromApi: readMissingVisibility,
  },
  collaborators: {
    ...json,
    mayBeThere,
    pattern: '-/package/{+name}/collaborators',
    stored: 'file',
    missFromApi: readMissingCollaborators,
  },
  attestations: { ...json, pattern: '-/npm/v1/attestations/{+spec}', stored: 'file', miss: notFound },
  advisories: { ...json, pattern: '-/npm/v1/advisories/{+name}', stored: 'index', miss: notFound },
} satisfies Record<string, ReadRoute>;

/** Last part of the path of a release's tarball. */
export function tarballName(name: string, version: string): string {
  return `${unscoped(name)}-${version}.tgz`;
}

export function tarballUrl(baseUrl: string, name: string, version: string): string {
  return `${baseUrl}/${name}/-/${tarballName(name, version)}`;
}
