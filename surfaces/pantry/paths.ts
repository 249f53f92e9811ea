/** Every path that Pantry's surface publishes, and nowhere else (contract, sections 3, 6, 7 and 16). */
import { RegistryError } from '../../core/errors.ts';
import type { ReadRoute } from '../../core/route.ts';
import type { SiteRoute } from '../../core/site.ts';
import { attachment, jsonFile } from '../../ecosystems/pantry-answers.ts';
import { COMMIT_VERSION_LENGTH, safeName } from './names.ts';
import {
  readMissingCommitPackage,
  readMissingCommitTarball,
  readMissingPackage,
  readMissingShort,
  readMissingTarball,
  readMissingVersion,
  readMissingVersions,
} from './reads.ts';

const gzip = { from: 'site', contentType: 'application/gzip', stored: 'file' } as const;
const commitDownload = (name: string, sha: string): { name: string; version: string } => ({
  name,
  version: sha.slice(0, COMMIT_VERSION_LENGTH),
});

export const paths = {
  package: { ...jsonFile, pattern: 'packages/{+name}', stored: 'index', missFromApi: readMissingPackage },
  versions: {
    ...jsonFile,
    pattern: 'packages/{+name}/versions',
    stored: 'file',
    missFromApi: readMissingVersions,
  },
  version: {
    ...jsonFile,
    pattern: 'packages/{+name}/{version}',
    stored: 'index',
    missFromApi: readMissingVersion,
  },
  tarball: {
    ...gzip,
    cache: 'artifact',
    pattern: 'packages/{+name}/{version}/tarball',
    missFromApi: readMissingTarball,
    headers: ({ name = '', version = '' }) => attachment(`${safeName(name)}-${version}.tgz`),
    counts: ({ name = '', version = '' }) => ({ name, version }),
  },
  commit: {
    ...jsonFile,
    pattern: 'commits/{sha}',
    stored: 'index',
    miss: () => new RegistryError('not-found', 'No packages found for this commit'),
  },
  commitPackage: {
    ...jsonFile,
    pattern: 'commits/{sha}/{+name}',
    stored: 'index',
    missFromApi: readMissingCommitPackage,
  },
  // What a commit is published as can be replaced: nobody may keep it unasked.
  commitTarball: {
    ...gzip,
    cache: 'document',
    pattern: 'commits/{sha}/{+name}/tarball',
    missFromApi: readMissingCommitTarball,
    headers: ({ sha = '', name = '' }) => attachment(commitFile(name, sha)),
    counts: ({ sha = '', name = '' }) => commitDownload(name, sha),
  },
  /** `{name}@{sha}`; the whole hash, and its first seven digits. */
  short: {
    ...gzip,
    cache: 'document',
    pattern: '{+spec}',
    missFromApi: readMissingShort,
    headers: ({ spec = '' }) => attachment(commitFile(...shortParts(spec))),
    counts: ({ spec = '' }) => commitDownload(...shortParts(spec)),
  },
} satisfies Record<string, ReadRoute>;

/** Counts are no part of the log: these files follow them, and the API knows better. */
const counted = { ...jsonFile, stored: 'index' } as const;
export const countedPaths = {
  all: { ...counted, pattern: 'analytics' },
  top: { ...counted, pattern: 'analytics/top' },
  stats: { ...counted, pattern: 'analytics/{+name}' },
  timeline: { ...counted, pattern: 'analytics/{+name}/timeline' },
} satisfies Record<string, SiteRoute>;

export function commitFile(name: string, sha: string): string {
  return `${safeName(name)}-${sha.slice(0, COMMIT_VERSION_LENGTH)}.tgz`;
}

/** Name and hash of `@scope/name@abc1234`. */
export function shortParts(spec: string): [name: string, sha: string] {
  const at = spec.lastIndexOf('@');
  return at <= 0 ? [spec, ''] : [spec.slice(0, at), spec.slice(at + 1)];
}

function encoded(name: string): string {
  return encodeURIComponent(name);
}

export function tarballUrl(baseUrl: string, name: string, version: string): string {
  return `${baseUrl}/packages/${encoded(name)}/${encoded(version)}/tarball`;
}

export function commitTarballUrl(baseUrl: string, name: string, sha: string): string {
  return `${baseUrl}/commits/${sha}/${encoded(name)}/tarball`;
}
