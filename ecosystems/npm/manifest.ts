/** What a version says of itself: its tarball's own `package.json`, as clients expect it (contract, section 2). */
import semver from 'semver';
import { RegistryError } from '../../core/errors.ts';
import { quote } from '../quote.ts';
import { checkVersion, unscoped } from './names.ts';
import type { TarballContent } from './tarball.ts';

export type Manifest = Readonly<Record<string, unknown>>;

/** What a `published` event keeps. The manifest as text: it may hold numbers that events may not. */
export interface NpmMeta {
  readonly manifest: string;
  readonly integrity: string;
  readonly shasum: string;
  readonly fileCount: number;
  readonly unpackedSize: number;
  readonly readmeFilename?: string;
  /** Of the provenance bundle that came along. */
  readonly predicateType?: string;
}

/** Left behind by clients, about the machine that packed it; or said by us in another place. */
const dropped = new Set([
  '_resolved',
  '_from',
  '_integrity',
  '_shasum',
  '_where',
  '_args',
  '_requested',
  '_spec',
  '_rev',
  '_attachments',
  '_npmUser',
  '_id',
  'integrity',
  'shasum',
  'dist',
  'readme',
  'readmeFilename',
  'maintainers',
  'users',
  'time',
  'deprecated',
  'hasInstallScript',
  '_hasShrinkwrap',
]);

/** Said by the client beside the manifest, and harmless: which programs made this, and from which commit. */
const additions: Readonly<Record<string, RegExp>> = {
  _npmVersion: /^[\w.+-]{1,64}$/,
  _nodeVersion: /^[\w.+-]{1,64}$/,
  gitHead: /^[0-9a-f]{40,64}$/,
};

/** The version object without what the registry adds. @throws RegistryError `invalid-manifest`, `invalid-version` */
export function manifestOf(content: TarballContent, sent: Manifest): Manifest {
  const own = content.manifest;
  const { name } = own;
  if (typeof name !== 'string') throw bad(`the tarball's package.json has no name`);
  const version = checkVersion(own['version']);
  const kept = Object.entries(own).filter(([field]) => !dropped.has(field));
  const manifest: Record<string, unknown> = { name, version, ...Object.fromEntries(kept) };
  // `fromEntries` keeps a field `__proto__` as a field; spreading it keeps it so.
  manifest['version'] = version;
  if ('bin' in own) manifest['bin'] = binOf(own['bin'], name);
  else if (isOfFolder(sent['bin'], own)) manifest['bin'] = sent['bin'];
  if ('bundledDependencies' in own) {
    manifest['bundleDependencies'] ??= own['bundledDependencies'];
    delete manifest['bundledDependencies'];
  }
  for (const [field, grammar] of Object.entries(additions)) {
    const value = Object.hasOwn(sent, field) ? sent[field] : undefined;
    if (typeof value === 'string' && grammar.test(value)) manifest[field] = value;
  }
  if (runsScripts(own, content)) manifest['hasInstallScript'] = true;
  manifest['_hasShrinkwrap'] = content.hasShrinkwrap;
  return manifest;
}

/** An object of commands, as npm reads it: a scope is no part of one. What is none is left for clients to ignore. */
function binOf(bin: unknown, name: string): unknown {
  if (typeof bin === 'string') return { [unscoped(name)]: bin };
  if (Array.isArray(bin))
    return Object.fromEntries(
      bin.filter((path) => typeof path === 'string').map((path) => [last(path), path]),
    );
  if (!isObject(bin)) return bin;
  return Object.fromEntries(Object.entries(bin).map(([command, path]) => [last(command), path]));
}

function last(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'), path.lastIndexOf(':')) + 1);
}

/** Whether these are commands of the manifest's `directories.bin`: clients list that folder's files as they publish. */
function isOfFolder(bin: unknown, own: Manifest): boolean {
  const folder = objectIn(own, 'directories')['bin'];
  if (own['bin'] !== undefined || typeof folder !== 'string' || !isObject(bin)) return false;
  const tidy = (path: string): string => path.replace(/^(?:\.?\/)+/, '').replace(/\/+$/, '');
  return Object.entries(bin).every(
    ([command, path]) =>
      typeof path === 'string' &&
      last(path) === command &&
      tidy(path).startsWith(`${tidy(folder)}/`) &&
      !path.split('/').includes('..'),
  );
}

function runsScripts(own: Manifest, { hasBindingGyp }: TarballContent): boolean {
  const scripts = objectIn(own, 'scripts');
  const has = (script: string): boolean => typeof scripts[script] === 'string' && scripts[script] !== '';
  // npm runs node-gyp where nothing else is said.
  const isBuilt = hasBindingGyp && own['gypfile'] !== false;
  return has('preinstall') || has('install') || has('postinstall') || isBuilt;
}

/** What clients install by: where the document says other than the tarball, somebody would be deceived. */
const compared = ['dependencies', 'peerDependencies', 'scripts', 'bin'] as const;
const installScripts = ['preinstall', 'install', 'postinstall'];

/** @throws RegistryError `invalid-manifest` naming the first field in which the two differ. */
export function requireAgreement(sent: Manifest, content: TarballContent): void {
  const own = content.manifest;
  if (sent['name'] !== own['name']) throw differ('name', sent['name'], own['name']);
  if (
    typeof sent['version'] !== 'string' ||
    semver.parse(sent['version'])?.version !== checkVersion(own['version'])
  )
    throw differ('version', sent['version'], own['version']);
  for (const field of compared) {
    // What a document does not say it does not deny.
    if (!Object.hasOwn(sent, field) || sent[field] === null) continue;
    if (field === 'bin' && isOfFolder(sent['bin'], own)) continue;
    const [said, meant] = [relevant(field, sent), relevant(field, own)];
    if (field === 'scripts' && content.hasBindingGyp && said.get('install') === 'node-gyp rebuild') {
      // npm says here what it will do.
      said.delete('install');
      if (meant.get('install') === 'node-gyp rebuild') meant.delete('install');
    }
    const key = [...new Set([...said.keys(), ...meant.keys()])].find(
      (name) => said.get(name) !== meant.get(name),
    );
    if (key !== undefined) throw differ(`${field}.${key}`, said.get(key), meant.get(key));
  }
}

function relevant(field: (typeof compared)[number], manifest: Manifest): Map<string, unknown> {
  switch (field) {
    case 'dependencies':
      // Some clients list optional ones in both places.
      return new Map(
        Object.entries({
          ...objectIn(manifest, 'dependencies'),
          ...objectIn(manifest, 'optionalDependencies'),
        }),
      );
    case 'peerDependencies':
      return new Map(Object.entries(objectIn(manifest, field)));
    case 'scripts':
      return new Map(
        Object.entries(objectIn(manifest, field)).filter(([name]) => installScripts.includes(name)),
      );
    case 'bin': {
      const bin = binOf(manifest['bin'], String(manifest['name']));
      // Which files is tidied up by clients (`./cli.js`); which commands is not.
      return new Map(Object.keys(isObject(bin) ? bin : {}).map((command) => [command, 'a command']));
    }
  }
}

function differ(field: string, said: unknown, meant: unknown): RegistryError {
  return bad(
    `the document says ${field} ${said === undefined ? 'nothing' : quote(said)}, the package.json in the tarball says ${meant === undefined ? 'nothing' : quote(meant)}: publish what was packed`,
  );
}

function bad(message: string): RegistryError {
  return new RegistryError('invalid-manifest', message);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object that stands in a field; an empty one where it is missing, or something else. */
export function objectIn(manifest: Manifest, field: string): Readonly<Record<string, unknown>> {
  const value = Object.hasOwn(manifest, field) ? manifest[field] : undefined;
  return isObject(value) ? value : {};
}
