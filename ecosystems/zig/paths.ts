/** Every path the Zig surface publishes, and nowhere else (Pantry's contract, section 8). */
import { RegistryError } from '../../core/errors.ts';
import type { ReadRoute } from '../../core/route.ts';
import { attachment, jsonFile } from '../pantry-answers.ts';
import { versionsOfNothing } from './search.ts';

const gzip = { from: 'site', contentType: 'application/gzip' } as const;
const noPackage = (): RegistryError => new RegistryError('package-not-found', 'Package not found');
const noVersion = (): RegistryError => new RegistryError('version-not-found', 'Package version not found');
const noHash = (): RegistryError => new RegistryError('package-not-found', 'Package not found for this hash');

export const paths = {
  package: { ...jsonFile, pattern: 'packages/{name}', stored: 'index', miss: noPackage },
  versions: {
    ...jsonFile,
    pattern: 'packages/{name}/versions',
    stored: 'file',
    missFromApi: versionsOfNothing,
  },
  version: { ...jsonFile, pattern: 'packages/{name}/{version}', stored: 'index', miss: noVersion },
  tarball: {
    ...gzip,
    cache: 'artifact',
    pattern: 'packages/{name}/{version}/tarball',
    stored: 'file',
    miss: noPackage,
    headers: ({ name, version }) => attachment(`${name}-${version}.tar.gz`),
    counts: ({ name = '', version = '' }) => ({ name, version }),
  },
  hash: { ...jsonFile, pattern: 'hash/{hash}', stored: 'file', miss: noHash },
  // What it holds never changes; which of two packages with the same files it comes from may.
  byHash: {
    ...gzip,
    cache: 'document',
    pattern: 'p/{file}',
    stored: 'file',
    miss: noHash,
    headers: ({ file = '' }) => attachment(file),
  },
} satisfies Record<string, ReadRoute>;

export function tarballUrl(baseUrl: string, name: string, version: string): string {
  // Some stores take a plus in a path for a space.
  return `${baseUrl}/packages/${name}/${version.replaceAll('+', '%2B')}/tarball`;
}
