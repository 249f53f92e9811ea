/** Names of repositories, tags and digests (contract, section 1). */
import { asDigest, type Digest } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Rules } from '../../core/rules.ts';

/** Clients refuse a host and a name that are longer together; a path on a disk bears no more either. */
const MAX_NAME_LENGTH = 255;
const component = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/;
const tag = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const digest = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** What stands after a name in every path: a repository of such a name would lie among another's files. */
const wordsOfPaths = new Set(['blobs', 'manifests', 'tags', 'uploads', 'referrers']);
/** Below `/api/v1/` other protocols have their own: `PUT /api/v1/crates/new` is Cargo's. `wasm` is where components are shown. */
const wordsOfOthers = new Set(['packages', 'crates', 'users', 'repo', 'auth', 'search', 'stats', 'wasm']);

export const rules: Rules = {
  isName: (name) => faultOf(name) === undefined,
  nameKey: (name) => name,
  versionKey: (version) => version,
  versionIsDigest: true,
  compareVersions: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
  ownedBy: 'namespace',
  namespaceOf,
  isNamespace: (text) => !text.includes('/') && faultOf(`${text}/a`) === undefined,
  freeNamespaces: ({ oci }) =>
    oci?.namespaces === 'first-push' || oci?.anonymous === 'push' ? 'any' : 'own',
};

/** `acme` of `acme/team/app`. */
export function namespaceOf(name: string): string {
  const slash = name.indexOf('/');
  return slash === -1 ? name : name.slice(0, slash);
}

function faultOf(name: string): string | undefined {
  const components = name.split('/');
  if (name.length > MAX_NAME_LENGTH) return `it is longer than ${MAX_NAME_LENGTH} characters`;
  if (!components.every((part) => component.test(part)))
    return 'use a-z and 0-9, with single . _ or - between them, in parts that a / separates';
  const word = components.find((part) => wordsOfPaths.has(part));
  if (word !== undefined) return `${word} cannot be a part of it: it is a word of the protocol`;
  const [first = ''] = components;
  return wordsOfOthers.has(first) ? `nothing can be pushed below ${first}/` : undefined;
}

/** @throws RegistryError `invalid-name` */
export function checkName(name: string): string {
  const fault = faultOf(name);
  if (fault === undefined) return name;
  throw new RegistryError('invalid-name', `${quoted(name)} is not the name of a repository: ${fault}`);
}

export function isTag(text: string): boolean {
  return tag.test(text);
}

/** Undefined unless it is one that this registry knows how to compute. */
export function digestIn(text: string): Digest | undefined {
  return digest.test(text) ? asDigest(text) : undefined;
}

/** @throws RegistryError `bad-request` as `DIGEST_INVALID` */
export function checkDigest(text: string): Digest {
  const known = digestIn(text);
  if (known) return known;
  throw new RegistryError(
    'bad-request',
    `${quoted(text)} is not a digest: use sha256: with 64, or sha512: with 128 lower-case hex digits`,
    { surfaceCode: 'DIGEST_INVALID' },
  );
}

export function quoted(text: string): string {
  return JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}…` : text);
}

/** Of `/api/v1`: a repository may lie deeper than the two parts that upstream knows. */
export function canonicalAccountsPath(path: string): string {
  const [, namespace, repo] = /^\/([^/]+)\/(.+)\/visibility$/.exec(path) ?? [];
  // No part of a name is `-`: what stands below that is ours.
  if (namespace === undefined || repo === undefined || repo.startsWith('-/')) return path;
  return `/${namespace}/${repo.replaceAll('/', '%2F')}/visibility`;
}
