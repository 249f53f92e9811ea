/** What a component says of itself: as an event keeps it, and as the client reads it (contract, sections 3 and 4). */
import type { Artifact, Package, Release } from '../../core/package.ts';
import { encoded, rules } from './names.ts';

/** What a `published` event keeps. */
export interface RunMeta {
  readonly description: string;
  readonly license?: string;
  readonly repository?: string;
  readonly witUrl?: string;
  readonly dependencies?: readonly Dependency[];
  /** Where it is not the usual one. */
  readonly targets?: readonly string[];
  /** Of a component, for its page; a core module has none. */
  readonly exports?: readonly string[];
  readonly imports?: readonly string[];
}

export interface Dependency {
  readonly name: string;
  readonly version: string;
  readonly optional: boolean;
}

export const usualTargets: readonly string[] = ['wasm32-wasip2'];

/** What upstream's server drops without a word when it does not parse (contract, section 3). */
export function dependenciesIn(text: string | undefined): readonly Dependency[] {
  const list = parsedList(text) ?? [];
  const known = list.flatMap((one) => dependencyIn(one) ?? []);
  // One that cannot be read is as good as a text that cannot.
  return known.length === list.length ? known : [];
}

function dependencyIn(value: unknown): Dependency | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, version, optional = false } = value as Record<string, unknown>;
  if (typeof name !== 'string' || typeof version !== 'string' || typeof optional !== 'boolean')
    return undefined;
  return { name, version, optional };
}

export function targetsIn(text: string | undefined): readonly string[] {
  const list = parsedList(text);
  const isTexts = list?.every((one): one is string => typeof one === 'string');
  return list && isTexts ? list : usualTargets;
}

function parsedList(text: string | undefined): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return Array.isArray(value) ? (value as readonly unknown[]) : undefined;
  } catch {
    return undefined; // no JSON, no list
  }
}

/** Undefined of a version whose bytes are gone. */
export function artifactOf(
  { artifacts, withdrawnAt }: Release,
  role: 'component' | 'config' | 'manifest',
): Artifact | undefined {
  return withdrawnAt === undefined ? artifacts.find((one) => one.role === role) : undefined;
}

/** What a new resolution may take, the lowest first. */
export function listedOf(of: Package): readonly Release[] {
  return [...of.releases.values()]
    .filter((release) => !release.yanked && artifactOf(release, 'component') !== undefined)
    .sort((a, b) => rules.compareVersions(a.version, b.version));
}

export function metaOf({ meta }: Pick<Release, 'meta'>): RunMeta {
  return meta as unknown as RunMeta;
}

export function artifactUrl(baseUrl: string, name: string, version: string): string {
  return `${baseUrl}/packages/${encoded(name)}/${version}/artifact.wasm`;
}

/** Lists are never null: the client would take that for a package that is not there (contract, section 4). */
export function metadataOf(release: Release, of: Package, baseUrl: string): object | undefined {
  const component = artifactOf(release, 'component');
  if (!component) return undefined;
  const { name } = of;
  const { version } = release;
  const { description, license, witUrl, repository, dependencies = [], targets } = metaOf(release);
  const deprecated = release.deprecated ?? of.deprecated;
  return {
    name,
    version,
    description,
    license: license ?? null,
    size: component.size,
    sha256: component.digest.replace('sha256:', ''),
    download_url: artifactUrl(baseUrl, name, version),
    wit_url: witUrl ?? null,
    dependencies,
    targets: targets ?? usualTargets,
    repository: repository ?? null,
    published_at: Math.floor(Date.parse(release.publishedAt) / 1000),
    yanked: release.yanked,
    ...(deprecated ? { deprecated: deprecated.message ?? '' } : {}),
    digest: artifactOf(release, 'manifest')?.digest,
  };
}
