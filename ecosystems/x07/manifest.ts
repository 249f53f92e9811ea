/** `x07-package.json`: what it must say to be published (contract, sections 6 and 7, checks 4 to 10 and 13). */
import { RegistryError } from '../../core/errors.ts';
import { isPublishableName, isVersion } from './names.ts';
import { quote } from '../quote.ts';
import { badManifest } from './refusals.ts';
import { checkScale } from './scale.ts';

const MANIFEST_SCHEMA = 'x07.package@0.1.0';

/** The fields that are kept, in the order in which the registry answers them. */
export interface Manifest {
  readonly schema_version: string;
  readonly name: string;
  readonly description: string;
  readonly license: string;
  readonly docs: string;
  readonly version: string;
  readonly module_root: string;
  readonly modules: readonly string[];
  readonly meta: Readonly<Record<string, unknown>>;
}

/** The fields without which nothing else can be checked; their values are not believed yet. */
export interface RawManifest {
  readonly schema_version: string;
  readonly name: string;
  readonly version: string;
  readonly module_root: string;
  readonly modules: readonly string[];
  readonly [field: string]: unknown;
}

/** Check 4: it is JSON and has the five fields, of the right types. @throws RegistryError */
export function readManifest(text: string): RawManifest {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw badManifest('x07-package.json is not JSON');
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    throw badManifest('x07-package.json is not an object');
  const fault = unreadable(raw, 1);
  if (fault !== undefined) throw badManifest(`x07-package.json ${fault}`);
  const manifest = raw as Record<string, unknown>;
  for (const field of ['schema_version', 'name', 'version', 'module_root'])
    if (typeof manifest[field] !== 'string') throw badManifest(`x07-package.json: ${field} must be a string`);
  const { modules } = manifest;
  if (!Array.isArray(modules) || !modules.every((id) => typeof id === 'string'))
    throw badManifest('x07-package.json: modules must be an array of strings');
  return manifest as RawManifest;
}

/** The client's JSON reader stops at 128; the answer about a release holds its manifest one level down. */
const MAX_NESTING = 120;

/**
 * What is JSON to us and not to the client (Rust's serde_json). Parts of a manifest are copied into index lines and
 * answers: one such value there, and no client could read any version of the package.
 */
function unreadable(value: unknown, depth: number): string | undefined {
  if (typeof value === 'string')
    return /\p{Surrogate}/u.test(value) ? 'has half a surrogate pair' : undefined;
  if (typeof value === 'number')
    return Number.isFinite(value) ? undefined : 'has a number that is out of range';
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > MAX_NESTING) return `is nested deeper than ${MAX_NESTING} levels`;
  for (const part of Object.entries(value).flat()) {
    const fault = unreadable(part, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const worlds = new Set([
  'solve-pure',
  'solve-fs',
  'solve-rr',
  'solve-kv',
  'solve-full',
  'run-os',
  'run-os-sandboxed',
]);

/** Checks 6 to 10, in their order. @throws RegistryError with the first that fails. */
export function checkManifest(raw: RawManifest): Manifest {
  if (raw.schema_version.trim() !== MANIFEST_SCHEMA)
    throw badManifest(`schema_version must be ${MANIFEST_SCHEMA}`, 'PKG_SCHEMA_VERSION');
  if (!isPublishableName(raw.name))
    throw new RegistryError(
      'invalid-name',
      `${quote(raw.name)} is not a package name: a-z first, then a-z, 0-9, _ and -, 128 at most`,
    );
  if (!isVersion(raw.version))
    throw new RegistryError(
      'invalid-version',
      `${quote(raw.version)} is not a version: use MAJOR.MINOR.PATCH (SemVer 2.0.0)`,
    );
  const description = requiredText(raw, 'description', 'PKG_DESCRIPTION_REQUIRED');
  const docs = requiredText(raw, 'docs', 'PKG_DOCS_REQUIRED');
  const license = requiredText(raw, 'license', 'PKG_LICENSE_REQUIRED');
  const meta = metaOf(raw);
  checkCompiler(meta);
  checkWorlds(meta);
  const { name, version, module_root, modules } = raw;
  return {
    schema_version: MANIFEST_SCHEMA,
    name,
    description,
    license,
    docs,
    version,
    module_root,
    modules,
    meta,
  };
}

/** Check 13, last because the others come first upstream. @throws RegistryError */
export function checkManifestScale(manifest: Manifest): void {
  checkScale(manifest.meta);
}

function requiredText(raw: RawManifest, field: string, code: string): string {
  const value = raw[field];
  if (typeof value !== 'string' || value.trim() === '')
    throw badManifest(`x07-package.json needs ${field}, and not only white space`, code);
  return value;
}

function metaOf(raw: RawManifest): Readonly<Record<string, unknown>> {
  const { meta } = raw;
  if (meta === undefined) return {};
  if (typeof meta !== 'object' || meta === null || Array.isArray(meta))
    throw badManifest('meta must be an object');
  return meta as Readonly<Record<string, unknown>>;
}

function checkCompiler(meta: Readonly<Record<string, unknown>>): void {
  const range = meta['x07c_compat'];
  if (range === undefined || range === null || (typeof range === 'string' && range.trim() === ''))
    throw badManifest(
      'meta.x07c_compat is required: the compiler versions this package works with',
      'PKG_X07C_COMPAT_REQUIRED',
    );
  if (typeof range !== 'string' || !isCompilerRange(range))
    throw badManifest(
      `meta.x07c_compat ${quote(range)} is not a version range such as >=0.2.2 <0.3.0`,
      'PKG_X07C_COMPAT_INVALID',
    );
}

const identifier = '[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*';
const number = '(?:0|[1-9]\\d*)';
const wildcard = '[*xX]';
/** One comparator as Cargo reads it: an operator and a version that may stop early or end in a wildcard. */
const comparator = new RegExp(
  `^(?:${wildcard}|(?:=|>=|<=|>|<|~|\\^)?\\s*${number}(?:\\.(?:${wildcard}(?:\\.${wildcard})?|${number}(?:\\.(?:${wildcard}|${number}(?:-${identifier})?(?:\\+${identifier})?))?))?)$`,
);

/** Upstream's server reading of the range (section 6): white space separates only where there is no comma. */
function isCompilerRange(text: string): boolean {
  const parts = text.includes(',') ? text.trim().replace(/,\s*$/, '').split(',') : text.trim().split(/\s+/);
  return parts.every((part) => comparator.test(part.trim()));
}

function checkWorlds(meta: Readonly<Record<string, unknown>>): void {
  const allowed = meta['worlds_allowed'];
  if (allowed === undefined) return;
  if (!Array.isArray(allowed) || allowed.length === 0)
    throw badManifest('meta.worlds_allowed must be a non-empty array');
  const unknown: unknown = allowed.find((world) => typeof world !== 'string' || !worlds.has(world));
  if (unknown !== undefined) throw badManifest(`meta.worlds_allowed: ${quote(unknown)} is not a world`);
}
