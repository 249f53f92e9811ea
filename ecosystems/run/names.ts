/** Names and versions of components (contract, section 2). */
import semver from 'semver';
import { RegistryError } from '../../core/errors.ts';
import type { Rules } from '../../core/rules.ts';
import { quote } from '../quote.ts';

const MAX_NAME_LENGTH = 128;
const MAX_LABELS = 4;
/** A version is an OCI tag as well, which can be no longer. */
const MAX_VERSION_LENGTH = 128;

const namespace = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
/** With single `_` in it as well: names of upstream's documents have some. */
const label = /^[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*$/;
// https://semver.org/#is-there-a-suggested-regular-expression-regex-to-check-a-semver-string
const semanticVersion =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/;

/** What stands after a name in some path: files of such a name would lie among another's. */
const wordsOfPaths = new Set(['versions', 'manifests', 'blobs', 'tags', 'referrers', 'uploads']);
const wordsOfVersions = new Set(['latest', 'dev', 'stable']);

export const rules: Rules = {
  isName: (name) => faultOf(name) === undefined,
  // The client keeps `a:b/c` and `a:b_c` in one file (contract, section 6).
  nameKey: (name) => name.replaceAll('/', '_'),
  versionKey: (version) => version,
  compareVersions: (a, b) => semver.compareBuild(a, b) || (a < b ? -1 : a > b ? 1 : 0),
  ownedBy: 'namespace',
  namespaceOf,
  isNamespace: (text) => namespace.test(text) && !wordsOfPaths.has(text),
  // Upstream lets whoever comes first have a name.
  freeNamespaces: () => 'any',
};

/** `run` of `run:example/hello`. */
export function namespaceOf(name: string): string {
  return name.slice(0, Math.max(name.indexOf(':'), 0));
}

/** `run/example/hello` of `run:example/hello`: what OCI clients call it, below `wasm/`. */
export function repositoryOf(name: string): string {
  return name.replace(':', '/');
}

/** `run:example/hello` of `run/example/hello`. */
export function nameOfRepository(repository: string): string {
  return repository.replace('/', ':');
}

function faultOf(name: string): string | undefined {
  const [first = '', rest = '', ...others] = name.split(':');
  if (first === '' || rest === '' || others.length > 0)
    return 'use namespace:name or namespace:path/name, with one colon';
  if (name.length > MAX_NAME_LENGTH) return `it is longer than ${MAX_NAME_LENGTH} characters`;
  if (!namespace.test(first))
    return 'its namespace may have a-z, 0-9 and single - between them, and begins with a letter';
  const labels = rest.split('/');
  if (labels.length > MAX_LABELS) return `it may have ${MAX_LABELS} parts after the colon at most`;
  if (!labels.every((one) => label.test(one)))
    return 'its parts may have a-z, 0-9 and single - or _ between them, and begin with a letter';
  const word = [first, ...labels].find((one) => wordsOfPaths.has(one));
  return word === undefined ? undefined : `${word} cannot be a part of it: paths have that word`;
}

/** @throws RegistryError `invalid-name` */
export function checkName(name: string): string {
  const fault = faultOf(name);
  if (fault === undefined) return name;
  throw new RegistryError('invalid-name', `${quote(name)} is not the name of a component: ${fault}`);
}

/** @throws RegistryError `invalid-version` */
export function checkVersion(version: string): string {
  const fault = faultOfVersion(version);
  if (fault === undefined) return version;
  throw new RegistryError('invalid-version', `${quote(version)} cannot be a version: ${fault}`);
}

function faultOfVersion(version: string): string | undefined {
  if (wordsOfVersions.has(version)) return 'that is a word and not a number; use one such as 1.0.0';
  if (version.length > MAX_VERSION_LENGTH) return `it is longer than ${MAX_VERSION_LENGTH} characters`;
  const parts = semanticVersion.exec(version);
  if (!parts || semver.parse(version) === null) return 'use a semantic version such as 1.0.0 or 2.0.0-rc.1';
  // No legal tag has a +, and two versions that differ in it alone would be equal.
  return parts[4] === undefined ? undefined : 'leave out what follows the +';
}

/** A base URL with a slash at its end gives `//api/v1/…`; nothing is decoded here yet. */
export function canonicalPath(path: string): string {
  return path.replace(/^\/+/, '/');
}

/** As the client writes it in addresses: `run%3Aexample%2Fhello`. */
export function encoded(name: string): string {
  return encodeURIComponent(name);
}

/**
 * The client looks for the first `/packages/` of an address and puts its own registry before it: one in the mount would be taken
 * for that (contract, section 5).
 */
export function faultOfMount(mount: string): string | undefined {
  const isThere = `${mount}/`.includes('/packages/');
  return isThere ? 'its clients look for /packages/ in addresses, and would find this one' : undefined;
}
