/** Names and versions of Zig packages (contract, sections 6 and 8). */
import semver from 'semver';
import { RegistryError } from '../../core/errors.ts';
import type { Rules } from '../../core/rules.ts';
import { quote } from '../quote.ts';
import { isBareIdentifier } from './zon.ts';

const MAX_NAME_LENGTH = 64;
const MAX_VERSION_LENGTH = 32;

export const rules: Rules = {
  isName: (name) => grammar.test(name) && name === registryName(name),
  // `my_lib` is what Zig calls it, `my-lib` what it is called in URLs; on some disks `Lib` and `lib` are one file.
  nameKey: (name) => registryName(name).toLowerCase(),
  versionKey: (version) => version,
  compareVersions: (a, b) => semver.compareBuild(a, b) || (a < b ? -1 : a > b ? 1 : 0),
  ownedBy: 'package',
};

const grammar = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,${MAX_NAME_LENGTH - 1}}$`);

/** As it stands in URLs: with hyphens. */
export function registryName(name: string): string {
  return name.replaceAll('_', '-');
}

/** As it stands in `build.zig.zon`: an identifier, or quoted where it cannot be one. */
export function zigName(name: string): string {
  const identifier = name.replaceAll('-', '_');
  return isBareIdentifier(identifier) ? identifier : `@"${identifier}"`;
}

/** @throws RegistryError `invalid-name`, `invalid-version` */
export function checkNames(name: string, version: string): void {
  if (!grammar.test(name))
    throw new RegistryError(
      'invalid-name',
      `${quote(name)} is not a package name: use letters, digits, - _ and ., not first - _ or ., at most ${MAX_NAME_LENGTH} characters`,
    );
  if (version.length > MAX_VERSION_LENGTH || semver.parse(version) === null || version.startsWith('v'))
    throw new RegistryError(
      'invalid-version',
      `${quote(version)} is not a semantic version, such as 1.0.0, of at most ${MAX_VERSION_LENGTH} characters`,
    );
}

/** `packages/my_lib` is `packages/my-lib`; nothing is decoded here yet. */
export function canonicalPath(path: string): string {
  return path.replace(/^\/packages\/[^/]+/, (start) => registryName(start.replaceAll(/%5f/gi, '_')));
}
