/** Names, versions and commits as Pantry checks them (contract, sections 4 and 7); npm's own rules come on top. */
import { RegistryError } from '../../core/errors.ts';
import { checkNewName, checkVersion } from '../../ecosystems/npm/names.ts';

const MAX_NAME_LENGTH = 214;
const MAX_VERSION_LENGTH = 64;
const reserved = new Set(['__proto__', 'constructor', 'prototype', 'node_modules', 'favicon.ico']);

/** A commit's download counts for this many digits of its hash. */
export const COMMIT_VERSION_LENGTH = 7;

/** @throws RegistryError `invalid-name` in Pantry's words; npm's where only npm minds. */
export function checkName(name: unknown): string {
  if (typeof name !== 'string' || name === '') throw badName('Package name is required');
  if (name.length > MAX_NAME_LENGTH) throw badName(`Package name exceeds ${MAX_NAME_LENGTH} characters`);
  if (!/^(@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/i.test(name) || name.includes('..'))
    throw badName('Package name contains invalid characters');
  if (reserved.has(name.toLowerCase())) throw badName('Package name is reserved');
  checkNewName(name);
  return name;
}

/** @throws RegistryError `invalid-version` in Pantry's words; it has to be a semantic version as well. */
export function checkPantryVersion(version: unknown): string {
  if (typeof version !== 'string' || version === '') throw badVersion('Package version is required');
  if (version.length > MAX_VERSION_LENGTH)
    throw badVersion(`Version string exceeds ${MAX_VERSION_LENGTH} characters`);
  if (!isAskableVersion(version)) throw badVersion('Version contains invalid characters');
  return checkVersion(version);
}

export function isAskableVersion(version: string): boolean {
  return /^[a-zA-Z0-9._+-]{1,64}$/.test(version);
}

/** @throws RegistryError `bad-request` */
export function checkSha(sha: unknown): string {
  if (typeof sha === 'string' && /^[0-9a-f]{7,40}$/i.test(sha)) return sha.toLowerCase();
  throw new RegistryError('bad-request', 'sha must be 7 to 40 hexadecimal digits of a commit');
}

/** Whether a path can name a commit: whole, or by its beginning. */
export function isAskableSha(sha: string): boolean {
  return /^[0-9a-f]{7,40}$/.test(sha);
}

/** For file names only: two names can have one. */
export function safeName(name: string): string {
  return name.replaceAll('@', '').replaceAll('/', '-');
}

/** How long a commit package is kept after it was last published (section 7). */
export const COMMIT_DAYS = 90;

const COMMIT_KEY = 'commit:';

/** What a commit package is called among the movable names of its package. */
export function commitRef(sha: string): string {
  return COMMIT_KEY + sha;
}

/** The commit of such a name; undefined for others, which are tags. */
export function shaOfRef(ref: string): string | undefined {
  return ref.startsWith(COMMIT_KEY) ? ref.slice(COMMIT_KEY.length) : undefined;
}

function badName(message: string): RegistryError {
  return new RegistryError('invalid-name', message);
}

function badVersion(message: string): RegistryError {
  return new RegistryError('invalid-version', message);
}
