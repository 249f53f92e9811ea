/** npm's packages as the files that Pantry's clients read (contract, sections 3 and 7). */
import semver, { type SemVer } from 'semver';
import { asDigest } from '../../core/digest.ts';
import type { Package, Ref, Release } from '../../core/package.ts';
import { siteFile, type SiteBody, type SiteFile } from '../../core/site.ts';
import type { SiteContext, Summary } from '../../ecosystems/ecosystem.ts';
import { archiveOf, isListed, readMeta } from '../../ecosystems/npm/files.ts';
import { isObject, type Manifest } from '../../ecosystems/npm/manifest.ts';
import { COMMIT_VERSION_LENGTH, shaOfRef } from './names.ts';
import { commitTarballUrl, paths, tarballUrl } from './paths.ts';

/** What the event of a commit package keeps beside its tarball. */
export interface CommitMeta {
  readonly repository?: string;
  readonly packageDir?: string;
  readonly version?: string;
}

export function* filesForRelease(release: Release, of: Package, site: SiteContext): Iterable<SiteFile> {
  const blob = blobOf(release);
  if (!blob) return;
  const { name } = of;
  const { version } = release;
  yield siteFile(site.mount, paths.tarball, { name, version }, blob);
  const document = JSON.stringify(metadataOf(release, of, site.baseUrl));
  yield siteFile(site.mount, paths.version, { name, version }, document);
}

export function* filesForRef(
  refName: string,
  ref: Ref,
  of: Package,
  { mount, baseUrl }: SiteContext,
): Iterable<SiteFile> {
  const sha = shaOfRef(refName);
  const blob = commitBlobOf(ref);
  if (sha === undefined || !blob) return;
  const { name } = of;
  yield siteFile(mount, paths.commitTarball, { sha, name }, blob);
  yield siteFile(mount, paths.short, { spec: `${name}@${sha}` }, blob);
  const document = JSON.stringify(commitRecord(sha, ref, name, baseUrl));
  yield siteFile(mount, paths.commitPackage, { sha, name }, document);
}

export function* filesForPackage(of: Package, { mount, baseUrl }: SiteContext): Iterable<SiteFile> {
  const { name } = of;
  for (const [spec, ref] of shortSpecs(of)) {
    const blob = commitBlobOf(ref);
    if (blob) yield siteFile(mount, paths.short, { spec: `${name}@${spec}` }, blob);
  }
  const listed = listedOf(of);
  const [latest] = listed;
  if (!latest) return;
  const versions = listed.map(({ version }) => version);
  yield siteFile(mount, paths.package, { name }, JSON.stringify(metadataOf(latest, of, baseUrl)));
  yield siteFile(mount, paths.versions, { name }, JSON.stringify({ versions }));
}

/** The first digits of each commit, which belong to whichever was published last; whole hashes come before all others. */
function shortSpecs(of: Package): Map<string, Ref> {
  const shorts = new Map<string, Ref>();
  const shas = new Set<string>();
  for (const [refName, ref] of of.refs) {
    const sha = shaOfRef(refName);
    if (sha === undefined) continue;
    shas.add(sha);
    const short = sha.slice(0, COMMIT_VERSION_LENGTH);
    const known = shorts.get(short);
    if (!known || known.setAt <= ref.setAt) shorts.set(short, ref);
  }
  for (const sha of shas) shorts.delete(sha);
  return shorts;
}

/** All packages of one commit. */
export function* filesForKey(
  key: string,
  members: readonly Package[],
  { mount, baseUrl }: SiteContext,
): Iterable<SiteFile> {
  const sha = shaOfRef(key);
  const document = sha === undefined ? undefined : commitDocument(sha, members, baseUrl);
  if (sha !== undefined && document) yield siteFile(mount, paths.commit, { sha }, JSON.stringify(document));
}

function commitDocument(sha: string, members: readonly Package[], baseUrl: string): object | undefined {
  const records = members
    .flatMap((of) => {
      const ref = of.refs.get(`commit:${sha}`);
      return ref ? [commitRecord(sha, ref, of.name, baseUrl)] : [];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (records.length === 0) return undefined;
  const newest = records.toSorted((a, b) => (a.publishedAt < b.publishedAt ? 1 : -1));
  const repository = newest.find((record) => record.repository !== undefined)?.repository;
  return {
    sha,
    ...(repository === undefined ? {} : { repository }),
    publishedAt: newest[0]?.publishedAt,
    packages: records,
  };
}

export interface CommitRecord extends CommitMeta {
  readonly name: string;
  readonly sha: string;
  readonly tarballUrl: string;
  readonly checksum: string;
  readonly publishedAt: string;
  readonly size: number;
  readonly publishedBy: string;
}

export function commitRecord(sha: string, ref: Ref, name: string, baseUrl: string): CommitRecord {
  const [tarball] = ref.artifacts;
  return {
    name,
    sha,
    tarballUrl: commitTarballUrl(baseUrl, name, sha),
    checksum: ref.target,
    publishedAt: ref.setAt,
    ...(ref.meta as CommitMeta | undefined),
    size: tarball?.size ?? 0,
    publishedBy: ref.setBy,
  };
}

const listed = new WeakMap<Package, readonly Release[]>();
const parsed = new WeakMap<Release, SemVer | null>();

/** Versions on offer, the highest first. Some packages have thousands, and both sides of every change ask. */
export function listedOf(of: Package): readonly Release[] {
  const known = listed.get(of);
  if (known) return known;
  const sorted = [...of.releases.values()].filter(isListed).sort((a, b) => compare(b, a));
  listed.set(of, sorted);
  return sorted;
}

function compare(a: Release, b: Release): number {
  const [left, right] = [parse(a), parse(b)];
  return left && right ? left.compare(right) : a.version < b.version ? -1 : 1;
}

function parse(release: Release): SemVer | null {
  let version = parsed.get(release);
  if (version === undefined) parsed.set(release, (version = semver.parse(release.version)));
  return version;
}

export function blobOf(
  release: Release,
): Exclude<SiteBody, { bytes: unknown } | { stream: unknown }> | undefined {
  const archive = archiveOf(release);
  return archive && { blob: asDigest(archive.digest), size: archive.size };
}

export function commitBlobOf({ artifacts: [tarball] }: Ref): ReturnType<typeof blobOf> {
  return tarball && { blob: asDigest(tarball.digest), size: tarball.size };
}

export function metadataOf(
  release: Release,
  { name, deprecated: ofPackage }: Pick<Package, 'name' | 'deprecated'>,
  baseUrl: string,
): object {
  const { manifest, integrity } = readMeta(release);
  const deprecated = release.deprecated?.message ?? ofPackage?.message;
  return {
    name,
    version: release.version,
    ...describing(manifest),
    tarballUrl: tarballUrl(baseUrl, name, release.version),
    checksum: archiveOf(release)?.digest,
    integrity,
    publishedAt: release.publishedAt,
    ...(deprecated === undefined ? {} : { deprecated }),
  };
}

/** What a manifest says, as the texts that Pantry's clients read; what is not said is left out. */
export function describing(manifest: Manifest): Readonly<Record<string, unknown>> {
  const { keywords } = manifest;
  const fields: Record<string, unknown> = {
    description: textIn(manifest['description']),
    repository: textIn(manifest['repository'], 'url'),
    homepage: textIn(manifest['homepage']),
    license: textIn(manifest['license'], 'type'),
    author: textIn(manifest['author'], 'name'),
    keywords: Array.isArray(keywords) ? keywords.filter((word) => typeof word === 'string') : undefined,
  };
  for (const field of ['dependencies', 'devDependencies', 'peerDependencies'])
    if (isObject(manifest[field])) fields[field] = manifest[field];
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A text, or the field of an object that stands for it. */
function textIn(value: unknown, field?: string): string | undefined {
  const text = field !== undefined && isObject(value) ? value[field] : value;
  return typeof text === 'string' && text !== '' ? text : undefined;
}

const MAX_DESCRIPTION_LENGTH = 255;
const MAX_KEYWORDS = 50;

/** One hit of a search, but for the downloads. */
export interface PantrySummary {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly keywords?: readonly string[];
  readonly author?: string;
}

export function summarize(of: Package): Summary | undefined {
  if (of.ecosystem !== 'npm') return undefined;
  const [latest] = listedOf(of);
  if (!latest) return undefined;
  const { description, keywords, author } = describing(readMeta(latest).manifest) as Partial<PantrySummary>;
  const summary: PantrySummary = {
    name: of.name,
    version: latest.version,
    ...(description === undefined
      ? {}
      : { description: [...description].slice(0, MAX_DESCRIPTION_LENGTH).join('') }),
    ...(keywords === undefined ? {} : { keywords: keywords.slice(0, MAX_KEYWORDS) }),
    ...(author === undefined ? {} : { author }),
  };
  return { name: of.name, text: JSON.stringify(summary) };
}
