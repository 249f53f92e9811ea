/** What a manifest says it depends on (contract, section 3), in the forms that may be published. */
import { quote } from '../quote.ts';
import { badManifest } from '../bad.ts';
import { badDependency } from './bad.ts';
import { isName, isVersion } from './names.ts';
import { isTable, type TomlTable, type TomlValue } from './toml.ts';
import { BUNDLED } from './toml-spelling.ts';

/** As metadata shows it, fields in their order. */
export interface Dependency {
  /** `@scope/name`, or `std.module`. */
  readonly name: string;
  /** Null for a module that comes with the compiler. */
  readonly version: string | null;
  readonly features: readonly string[];
  readonly default_features: boolean;
  readonly kind: 'normal' | 'dev';
  /** The condition of `[target."cfg(…)".dependencies]`. */
  readonly target: string | null;
}

/** Where it stands. */
type Place = Pick<Dependency, 'kind' | 'target'>;

/**
 * All of them, in an order of their own: two spellings of one manifest say the same.
 * @throws RegistryError `invalid-manifest`, as `unpublishable_dependency` where it is one that others could not follow
 */
export function dependenciesOf(manifest: TomlTable): readonly Dependency[] {
  const found = [
    ...inTable(manifest['dependencies'], 'dependencies', { kind: 'normal', target: null }),
    ...inTable(manifest['dev-dependencies'], 'dev-dependencies', { kind: 'dev', target: null }),
  ];
  for (const [target, value] of Object.entries(tableOf(manifest['target'], 'target')))
    found.push(
      ...inTable(tableOf(value, `target.${quote(target)}`)['dependencies'], `target.${quote(target)}`, {
        kind: 'normal',
        target,
      }),
    );
  const rank = ({ kind, target, name }: Dependency): string =>
    [kind === 'normal' ? 0 : 1, target ?? '', name].join('\0');
  return found.sort((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
}

function* inTable(value: TomlValue, where: string, place: Place): Iterable<Dependency> {
  for (const [name, spec] of Object.entries(tableOf(value, where)))
    if (name.startsWith('@')) yield ofPackage(name, spec, place);
    else if (name === 'std') yield* ofModules(name, tableOf(spec, `${where}.std`), place);
    else if (name.startsWith('std.')) yield ofModule(name, spec, place);
    else throw badManifest(`${quote(name)} in ${where} is neither @scope/name nor a module of std`);
}

/** Unquoted, `std.crypto = "1.0.1"` is a table in a table. */
function* ofModules(parent: string, table: TomlTable, place: Place): Iterable<Dependency> {
  for (const [part, spec] of Object.entries(table)) {
    const name = `${parent}.${part}`;
    if (isTable(spec) && !isSpec(spec)) yield* ofModules(name, spec, place);
    else yield ofModule(name, spec, place);
  }
}

/** Whether a table says which version, or what else a dependency may say; any other has modules in it. */
function isSpec(table: TomlTable): boolean {
  const { version } = table;
  if (typeof version === 'string' && version !== BUNDLED) return true;
  return ['features', 'default-features', 'git', 'rev', 'path', 'workspace'].some((field) => {
    const value = table[field];
    return value !== undefined && value !== BUNDLED && !isTable(value);
  });
}

function ofModule(name: string, spec: TomlValue, place: Place): Dependency {
  if (!/^std(?:\.[a-z0-9_-]+)+$/i.test(name)) throw badManifest(`${quote(name)} is not a module of std`);
  if (spec === BUNDLED) return { name, version: null, features: [], default_features: true, ...place };
  return ofSpec(name, spec, place);
}

function ofPackage(name: string, spec: TomlValue, place: Place): Dependency {
  if (!isName(name)) throw badManifest(`the dependency ${quote(name)} is not the name of a package`);
  return ofSpec(name, spec, place);
}

function ofSpec(name: string, spec: TomlValue, place: Place): Dependency {
  const table = typeof spec === 'string' ? { version: spec } : spec;
  if (!isTable(table))
    throw badManifest(`the dependency ${quote(name)} needs a version such as "1.0.0", or a table with one`);
  for (const field of ['git', 'path', 'workspace'])
    if (table[field] !== undefined)
      throw badDependency(
        `the dependency ${quote(name)} has ${field}: nobody else could follow it; name a published version`,
      );
  const { version, features = [], 'default-features': isDefault = true } = table;
  if (typeof version !== 'string' || !isVersion(version))
    throw badDependency(
      `the dependency ${quote(name)} has the version ${quote(version ?? null)}: use an exact one, such as "1.0.0"`,
    );
  if (typeof isDefault !== 'boolean')
    throw badManifest(`default-features of the dependency ${quote(name)} is neither true nor false`);
  return {
    name,
    version,
    features: textsIn(features, `features of the dependency ${quote(name)}`),
    default_features: isDefault,
    ...place,
  };
}

/** An empty one where there is none. */
export function tableOf(value: TomlValue, what: string): TomlTable {
  if (value === undefined) return {};
  if (isTable(value)) return value;
  throw badManifest(`${what} is not a table`);
}

export function textsIn(value: TomlValue, what: string): readonly string[] {
  const isList = Array.isArray(value) && value.every((item): item is string => typeof item === 'string');
  if (!isList) throw badManifest(`${what} is not a list of texts`);
  return value;
}
