/** A package as the files that Zig and Pantry's clients read (Pantry's contract, section 8). */
import { asDigest } from '../../core/digest.ts';
import type { Package, Release } from '../../core/package.ts';
import { siteFile, type SiteBody, type SiteFile } from '../../core/site.ts';
import type { SiteContext, Summary } from '../ecosystem.ts';
import { zigName } from './names.ts';
import { paths, tarballUrl } from './paths.ts';

/** What a `published` event keeps. */
export interface ZigMeta {
  /** Of Zig 0.14 and later; none where the manifest's name cannot be in it. */
  readonly hash?: string;
  /** Of Zig 0.11 to 0.13. */
  readonly legacyHash: string;
  /** Of all files that count. */
  readonly unpackedSize: number;
  readonly fileCount: number;
  readonly description?: string;
  readonly fingerprint?: string;
  readonly minimumZigVersion?: string;
  readonly dependencies?: Readonly<Record<string, object>>;
  readonly paths?: readonly string[];
  readonly license?: string;
  readonly author?: string;
  readonly homepage?: string;
  readonly repository?: string;
  readonly keywords?: readonly string[];
}

/** What a release is found by. */
export function keysOf({ hash, legacyHash }: Pick<ZigMeta, 'hash' | 'legacyHash'>): readonly string[] {
  return [...(hash === undefined ? [] : [HASH_KEY + hash]), HASH_KEY + legacyHash];
}

const HASH_KEY = 'hash:';

export function* filesForRelease(release: Release, of: Package, site: SiteContext): Iterable<SiteFile> {
  const blob = tarballOf(release);
  if (!blob) return;
  const { name } = of;
  const { version } = release;
  yield siteFile(site.mount, paths.tarball, { name, version }, blob);
  const document = JSON.stringify(metadataOf(release, of, site));
  yield siteFile(site.mount, paths.version, { name, version }, document);
}

export function* filesForPackage(of: Package, site: SiteContext): Iterable<SiteFile> {
  const listed = listedOf(of);
  const latest = listed[0];
  if (!latest) return;
  const { name } = of;
  const versions = listed.map(({ version }) => version);
  yield siteFile(site.mount, paths.package, { name }, JSON.stringify(metadataOf(latest, of, site)));
  yield siteFile(site.mount, paths.versions, { name }, JSON.stringify({ name, versions }));
}

/** Two packages of the same files have the same hash: whichever was first stands for it. */
export function* filesForKey(
  key: string,
  members: readonly Package[],
  { mount, baseUrl }: SiteContext,
): Iterable<SiteFile> {
  if (!key.startsWith(HASH_KEY)) return;
  const hash = key.slice(HASH_KEY.length);
  const found = firstWith(key, members);
  const blob = found && tarballOf(found.release);
  if (!found || !blob) return;
  const { name } = found.of;
  const { version } = found.release;
  const url = tarballUrl(baseUrl, name, version);
  const document = { name, version, tarballUrl: url, hash, dependency: dependencyText(name, url, hash) };
  yield siteFile(mount, paths.hash, { hash }, JSON.stringify(document));
  yield siteFile(mount, paths.byHash, { file: `${hash}.tar.gz` }, blob);
}

function firstWith(
  key: string,
  members: readonly Package[],
): { readonly of: Package; readonly release: Release } | undefined {
  const all = members.flatMap((of) =>
    [...of.releases.values()]
      .filter((release) => release.withdrawnAt === undefined && release.keys.includes(key))
      .map((release) => ({ of, release })),
  );
  const rank = ({ of, release }: (typeof all)[number]): string => `${release.publishedAt} ${of.name}`;
  return all.sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0];
}

export function summarize(of: Package): Summary | undefined {
  const [latest] = listedOf(of);
  if (!latest) return undefined;
  const { description, keywords = [], author } = latest.meta as unknown as ZigMeta;
  const { name } = of;
  return { name, text: JSON.stringify({ name, version: latest.version, description, keywords, author }) };
}

/** Versions on offer, the last that was published first. */
function listedOf(of: Package): readonly Release[] {
  return [...of.releases.values()]
    .filter(({ withdrawnAt, yanked }) => withdrawnAt === undefined && !yanked)
    .reverse();
}

function tarballOf(release: Release): SiteBody | undefined {
  if (release.withdrawnAt !== undefined) return undefined;
  const archive = release.artifacts.find(({ role }) => role === 'tarball');
  return archive && { blob: asDigest(archive.digest), size: archive.size };
}

function metadataOf(release: Release, of: Package, { baseUrl }: SiteContext): object {
  const { name } = of;
  const { version } = release;
  const { hash, legacyHash, minimumZigVersion, ...rest } = release.meta as unknown as ZigMeta;
  const url = tarballUrl(baseUrl, name, version);
  const deprecated = release.deprecated?.message ?? of.deprecated?.message;
  return {
    name,
    version,
    ...rest,
    ...(minimumZigVersion === undefined ? {} : { minimum_zig_version: minimumZigVersion }),
    ...(deprecated === undefined ? {} : { deprecated }),
    tarballUrl: url,
    hash: hash ?? legacyHash,
    legacyHash,
    publishedAt: release.publishedAt,
    fetchCommand: fetchCommand(url),
    dependency: dependencyText(name, url, hash ?? legacyHash),
  };
}

export function fetchCommand(url: string): string {
  return `zig fetch --save '${url}'`;
}

/** A line of `.dependencies` in `build.zig.zon`. */
export function dependencyText(name: string, url: string, hash: string): string {
  return `.${zigName(name)} = .{\n    .url = "${url}",\n    .hash = "${hash}",\n},`;
}
