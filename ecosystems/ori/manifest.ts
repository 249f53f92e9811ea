/** `oripk.toml` (contract, section 3): what it has to say to be published, and what of it is shown. */
import semver from 'semver';
import { RegistryError } from '../../core/errors.ts';
import { quote } from '../quote.ts';
import { badManifest } from '../bad.ts';
import { dependenciesOf, tableOf, textsIn, type Dependency } from './dependencies.ts';
import { isVersion } from './names.ts';
import { readToml, type TomlTable } from './toml.ts';

export const MANIFEST = 'oripk.toml';

/** What is shown of a manifest, fields as metadata has them. Scripts, registries, workspace and publish are not in it. */
export interface Manifest {
  readonly description: string;
  readonly license: string | null;
  readonly authors: readonly string[];
  readonly repository: string | null;
  readonly keywords: readonly string[];
  readonly categories: readonly string[];
  readonly funding: string | null;
  readonly edition: string | null;
  readonly ori: string;
  readonly entry: { readonly lib: string | null; readonly main: string | null };
  readonly dependencies: readonly Dependency[];
  readonly features: Readonly<Record<string, readonly string[]>>;
}

export interface NamedManifest extends Manifest {
  readonly name: string;
  readonly version: string;
}

/**
 * Keys that nobody knows are left alone: a newer client may have them.
 * @throws RegistryError `invalid-manifest`, also as `scripts_not_stripped` and `unpublishable_dependency`; `invalid-version`
 */
export function readManifest(bytes: Uint8Array): NamedManifest {
  const manifest = readToml(bytes, MANIFEST);
  // The client takes them out; to do it here would change the bytes whose checksum it has.
  if (manifest['scripts'] !== undefined)
    throw new RegistryError(
      'invalid-manifest',
      `${MANIFEST} in the archive has [scripts]: a published package carries no commands, pack it without them`,
      { surfaceCode: 'scripts_not_stripped' },
    );
  if (manifest['project'] === undefined) throw badManifest(`${MANIFEST} has no [project]`);
  const project = tableOf(manifest['project'], 'project');
  const text = textReader(project, 'project');
  const entry = textReader(tableOf(project['entry'], 'project.entry'), 'project.entry');
  const version = text.required('version');
  if (!isVersion(version))
    throw new RegistryError(
      'invalid-version',
      `${quote(version)} is not a version: use major.minor.patch, such as 1.0.0 or 1.0.0-alpha, without + and leading zeros`,
    );
  const ori = text.required('ori');
  if (semver.parse(ori) === null || !/^\d\S*$/.test(ori))
    throw badManifest(`project.ori is ${quote(ori)}: use a version of the compiler, such as "0.5.0"`);
  return {
    name: text.required('name'),
    version,
    description: text.required('description'),
    license: text.optional('license'),
    authors: textsIn(project['authors'] ?? [], 'project.authors'),
    repository: text.optional('repository'),
    keywords: textsIn(project['keywords'] ?? [], 'project.keywords'),
    categories: textsIn(project['categories'] ?? [], 'project.categories'),
    funding: text.optional('funding'),
    edition: text.optional('edition'),
    ori,
    entry: { lib: entry.optional('lib'), main: entry.optional('main') },
    dependencies: dependenciesOf(manifest),
    features: featuresOf(manifest),
  };
}

interface TextReader {
  required(field: string): string;
  optional(field: string): string | null;
}

function textReader(table: TomlTable, where: string): TextReader {
  const optional = (field: string): string | null => {
    const value = table[field];
    if (value === undefined) return null;
    if (typeof value !== 'string') throw badManifest(`${where}.${field} is not a text`);
    return value;
  };
  return {
    optional,
    required(field) {
      const value = optional(field);
      if (value === null || value.trim() === '')
        throw badManifest(`${MANIFEST} has no ${where}.${field}: it is needed to publish`);
      return value;
    },
  };
}

/** By name, in ascending order: the log keeps no other. */
function featuresOf(manifest: TomlTable): Manifest['features'] {
  const features = Object.entries(tableOf(manifest['features'], 'features')).map(([name, value]) => {
    if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(name))
      throw badManifest(`${quote(name)} is not the name of a feature`);
    return [name, textsIn(value, `the feature ${name}`)] as const;
  });
  return Object.fromEntries(features.sort(([a], [b]) => (a < b ? -1 : 1)));
}
