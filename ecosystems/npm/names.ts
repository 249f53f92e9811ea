/** Names, versions and tags of npm packages (contract, sections 1, 4 and 5). */
import semver from 'semver';
import { RegistryError } from '../../core/errors.ts';
import type { Rules } from '../../core/rules.ts';

const MAX_NAME_LENGTH = 214;
const MAX_VERSION_LENGTH = 256;
const MAX_TAG_LENGTH = 214;

export const rules: Rules = {
  isName: isNewName,
  // Names of a scope are its owners' affair; elsewhere `is-array` must not pass for `isarray`.
  nameKey: (name) => (name.startsWith('@') ? name.toLowerCase() : name.toLowerCase().replace(/[._-]/g, '')),
  versionKey: (version) => semver.parse(version)?.version ?? version,
  compareVersions: (a, b) => semver.compareBuild(a, b),
  ownedBy: 'package',
  namespaceOf: scopeOf,
  // An empty range means every version, and mostly that something was forgotten.
  isRange: (text) => text.trim() !== '' && semver.validRange(text) !== null,
  isNamespace: (text) => text.startsWith('@') && part.test(text.slice(1)) && isNewName(`${text}/a`),
};

/** `@acme` of `@acme/lib`. */
export function scopeOf(name: string): string | undefined {
  return name.startsWith('@') ? name.slice(0, name.indexOf('/')) : undefined;
}

/** `lib` of `@acme/lib`. */
export function unscoped(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}

const part = /^[a-z0-9~][a-z0-9._~-]*$/;
const neverNames = new Set(['node_modules', 'favicon.ico']);

/** Whether a package may have this name from now on. Old ones elsewhere have capitals: those are only read. */
export function isNewName(name: string): boolean {
  if (name.length > MAX_NAME_LENGTH || neverNames.has(name)) return false;
  const scoped = /^@([^/]+)\/([^/]+)$/.exec(name);
  return scoped ? scoped.slice(1).every((text) => part.test(text)) : part.test(name);
}

/** @throws RegistryError `invalid-name` */
export function checkNewName(name: string): void {
  if (isNewName(name)) return;
  throw new RegistryError(
    'invalid-name',
    `${JSON.stringify(name.slice(0, 80))} is not a package name: use lower-case letters, digits, - . _ and ~, ` +
      `not first . _ or -, at most ${MAX_NAME_LENGTH} characters; a scope looks like @scope/name`,
  );
}

/** Whether a package anywhere may be called so: what is worth asking another registry for. */
export function isAskableName(name: string): boolean {
  return (
    // Everything below `-` is the registry's own.
    name !== '-' &&
    /^(?:@[A-Za-z0-9~-][\w.~-]*\/)?[A-Za-z0-9~-][\w.~!'()*-]*$/.test(name) &&
    name.length <= MAX_NAME_LENGTH
  );
}

/** The version as it is written without a leading v and without build metadata. @throws RegistryError `invalid-version` */
export function checkVersion(text: unknown): string {
  const parsed = typeof text === 'string' && text.length <= MAX_VERSION_LENGTH ? semver.parse(text) : null;
  if (parsed) return parsed.version;
  throw new RegistryError(
    'invalid-version',
    `${JSON.stringify(text)?.slice(0, 80)} is not a semantic version, such as 1.0.0`,
  );
}

/** @throws RegistryError `bad-request` for what would be taken for a version or a range, or cannot be in a URL. */
export function checkTag(tag: string): void {
  const isPlain = /^[A-Za-z0-9][\w.~!'()*-]*$/.test(tag) && tag.length <= MAX_TAG_LENGTH;
  if (isPlain && semver.validRange(tag) === null) return;
  throw new RegistryError(
    'bad-request',
    `${JSON.stringify(tag.slice(0, 80))} is not a tag: use letters, digits, - . and _, and nothing that reads as a version`,
  );
}

/** One spelling of a path: `/@acme/lib` and `/%40acme%2flib` are `/@acme%2Flib`, one segment. */
export function canonicalPath(path: string): string {
  return path.replace(/\/(?:@|%40)([^/%]+)(?:\/|%2f)(?=[^/])/gi, '/@$1%2F');
}
