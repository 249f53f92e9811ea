/** A package as the files that npm's clients read (contract, sections 2, 3, 5, 11 and 14). */
import { createHash } from 'node:crypto';
import semver, { type SemVer } from 'semver';
import { asDigest } from '../../core/digest.ts';
import type { Package, Ref, Release } from '../../core/package.ts';
import { madeLater, siteFile, type SiteFile } from '../../core/site.ts';
import type { RegistryKey, Settings } from '../../schema/types.ts';
import type { SiteContext } from '../ecosystem.ts';
import type { Manifest, NpmMeta } from './manifest.ts';
import { paths, tarballName, tarballUrl } from './paths.ts';
import { keysDocument, signatureList } from './signing.ts';
import { advisoriesDocument } from './warnings.ts';

export function* filesForRelease(release: Release, of: Package, site: SiteContext): Iterable<SiteFile> {
  const archive = archiveOf(release);
  if (!archive) return;
  const { mount } = site;
  const { name } = of;
  const { version } = release;
  const blob = { blob: asDigest(archive.digest), size: archive.size };
  yield siteFile(mount, paths.tarball, { name, file: tarballName(name, version) }, blob);
  const provenance = release.artifacts.find(({ role }) => role === 'attestations');
  if (provenance)
    yield siteFile(
      mount,
      paths.attestations,
      { spec: `${name}@${version}` },
      { blob: asDigest(provenance.digest), size: provenance.size },
    );
  yield siteFile(mount, paths.version, { name, version }, { bytes: versionBytes(release, of, site) });
}

export function* filesForRef(tag: string, ref: Ref, of: Package, site: SiteContext): Iterable<SiteFile> {
  const release = of.releases.get(ref.target);
  if (release && isListed(release))
    yield siteFile(
      site.mount,
      paths.version,
      { name: of.name, version: tag },
      { bytes: versionBytes(release, of, site) },
    );
}

export function* filesForPackage(of: Package, site: SiteContext): Iterable<SiteFile> {
  if (of.releases.size === 0) return;
  const { mount } = site;
  const { name } = of;
  yield siteFile(
    mount,
    paths.packument,
    { name },
    madeLater(revisionOf(of), () => packument(of, site)),
  );
  yield siteFile(mount, paths.collaborators, { name }, JSON.stringify(collaborators(of)));
  yield siteFile(mount, paths.visibility, { name }, JSON.stringify({ public: true }));
  if (hasListed(of)) yield siteFile(mount, paths.distTags, { name }, JSON.stringify(distTags(of)));
  if (of.advisories.size > 0)
    yield siteFile(mount, paths.advisories, { name }, JSON.stringify(advisoriesDocument(of, site)));
}

export function* filesForRoot(_summaries: unknown, { mount, settings }: SiteContext): Iterable<SiteFile> {
  yield siteFile(mount, paths.root, {}, '{}');
  yield siteFile(mount, paths.ping, {}, '{}');
  const keys = keysDocument(settings);
  if (keys) yield siteFile(mount, paths.keys, {}, JSON.stringify(keys));
}

/** Yanked versions are simply left out: their tarballs stay for those who have them in a lock file. */
export function isListed(release: Release): boolean {
  return release.withdrawnAt === undefined && !release.yanked;
}

export function hasListed(of: Package): boolean {
  for (const release of of.releases.values()) if (isListed(release)) return true;
  return false;
}

export function archiveOf(release: Release): Release['artifacts'][number] | undefined {
  return release.withdrawnAt === undefined
    ? release.artifacts.find(({ role }) => role === 'tarball')
    : undefined;
}

/** Permission by account. */
export function collaborators(of: Package): Readonly<Record<string, string>> {
  return Object.fromEntries(of.owners.map((owner) => [owner, 'write']));
}

/** Changes with everything that the document says; opaque to clients. */
export function revisionOf(of: Package): string {
  const hash = createHash('sha256').update(`${of.name}@${of.changedSeq}@${of.changedAt}`).digest('hex');
  return `${of.changedSeq}-${hash.slice(0, 16)}`;
}

/** Names that a version can be asked for by; not those that bring files of their own along. */
export function tagsOf({ refs }: Package): readonly string[] {
  return [...refs].filter(([, { artifacts }]) => artifacts.length === 0).map(([tag]) => tag);
}

/** Every tag and the version it is at; `latest` is always there while there are versions. */
export function distTags(of: Package): Readonly<Record<string, string>> {
  const tags = [...of.refs].flatMap(([tag, { target }]): [string, string][] => {
    const release = of.releases.get(target);
    return release && isListed(release) ? [[tag, target]] : [];
  });
  if (!tags.some(([tag]) => tag === 'latest')) {
    const highest = highestVersion(of);
    if (highest !== undefined) tags.unshift(['latest', highest]);
  }
  return Object.fromEntries(tags);
}

/** The highest that is no pre-release, or the highest when all are; of equals, the one published first. */
export function highestVersion(of: Package): string | undefined {
  let highest: SemVer | undefined;
  for (const release of of.releases.values()) {
    const version = isListed(release) ? semver.parse(release.version) : undefined;
    if (version && (!highest || isHigher(version, highest))) highest = version;
  }
  return highest?.raw;
}

function isHigher(a: SemVer, b: SemVer): boolean {
  const [isStable, isOtherStable] = [a.prerelease.length === 0, b.prerelease.length === 0];
  return isStable === isOtherStable ? a.compare(b) > 0 : isStable;
}

/** The full document. It serves every client, whichever of the two forms it asks for (contract, section 2). */
export function packument(of: Package, site: SiteContext): Buffer {
  const listed = [...of.releases.values()].filter(isListed);
  const head = { _id: of.name, _rev: revisionOf(of), name: of.name };
  const maintainers = of.owners.map(personOf);
  if (listed.length === 0)
    return Buffer.from(JSON.stringify({ ...head, time: tombstoneTimes(of), maintainers: [] }));
  const tags = distTags(of);
  const latest = of.releases.get(tags['latest'] ?? '') ?? listed.at(-1);
  const about = latest ? hoisted(readMeta(latest)) : {};
  const readmeFilename = latest && readMeta(latest).readmeFilename;
  const start = `${JSON.stringify({ ...head, ...about, 'dist-tags': tags }).slice(0, -1)},"versions":{`;
  const rest = JSON.stringify({
    maintainers,
    readme: of.readme?.text ?? '',
    ...(readmeFilename === undefined ? {} : { readmeFilename }),
    users: Object.fromEntries([...of.stars].sort().map((handle) => [handle, true])),
  }).slice(1);
  // Ten megabytes for a package of thousands: put together from bytes that are there, without a text of all of it.
  const entries = listed.map((release, i) => renderedOf(release, of, site).entry.subarray(i === 0 ? 1 : 0));
  return Buffer.concat([Buffer.from(start), ...entries, Buffer.from(`},"time":${timesText(of)},${rest}`)]);
}

function times(of: Package): object {
  return {
    created: of.createdAt,
    modified: of.changedAt,
    // Numbers that are burnt keep their times, as on npm's own registry.
    ...Object.fromEntries(
      [...of.releases.values()].map(({ version, publishedAt }) => [version, publishedAt]),
    ),
  };
}

/** `times` as text: an object of thousands of keys costs more to make than to say. */
function timesText(of: Package): string {
  const { releases, ...others } = of;
  let text = JSON.stringify(times({ ...others, releases: new Map() })).slice(0, -1);
  for (const { version, publishedAt } of releases.values())
    text += `,${JSON.stringify(version)}:${JSON.stringify(publishedAt)}`;
  return `${text}}`;
}

function tombstoneTimes(of: Package): object {
  const versions = [...of.releases.values()].map(({ version }) => version);
  return { ...times(of), unpublished: { time: of.withdrawnAt ?? of.changedAt, versions } };
}

const hoistedFields = ['description', 'homepage', 'repository', 'license', 'author', 'bugs', 'keywords'];

function hoisted({ manifest }: ReadMeta): object {
  return Object.fromEntries(Object.entries(manifest).filter(([field]) => hoistedFields.includes(field)));
}

interface ReadMeta extends Omit<NpmMeta, 'manifest'> {
  readonly manifest: Manifest;
}

/** What the event kept, with the manifest read. */
export function readMeta(release: Release): ReadMeta {
  const { manifest, ...meta } = release.meta as unknown as NpmMeta;
  return { ...meta, manifest: JSON.parse(manifest) as Manifest };
}

interface Rendered {
  readonly settings: Settings;
  readonly baseUrl: string;
  readonly packageDeprecation: string | undefined;
  /** `,"1.0.0":{…}`, as it stands in the packument. */
  readonly entry: Buffer;
  /** `{…}`, the same memory. */
  readonly object: Buffer;
}

/** A release is the same object for as long as nothing about it changes: a packument of thousands is put together. */
const rendered = new WeakMap<Release, Rendered>();

export function versionBytes(release: Release, of: Package, site: SiteContext): Buffer {
  return renderedOf(release, of, site).object;
}

function renderedOf(release: Release, of: Package, site: SiteContext): Rendered {
  const { settings, baseUrl } = site;
  const packageDeprecation = of.deprecated?.message;
  const known = rendered.get(release);
  if (
    known?.settings === settings &&
    known.baseUrl === baseUrl &&
    known.packageDeprecation === packageDeprecation
  )
    return known;
  const key = `,${JSON.stringify(release.version)}:`;
  const entry = ownBytes(key + JSON.stringify(versionObject(release, of, site)));
  const object = entry.subarray(Buffer.byteLength(key));
  const made = { settings, baseUrl, packageDeprecation, entry, object };
  rendered.set(release, made);
  return made;
}

/** Not from the pool that short buffers share: what is kept would keep its neighbours. */
function ownBytes(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

function versionObject(release: Release, of: Package, { settings, baseUrl }: SiteContext): object {
  const { manifest, integrity, shasum, fileCount, unpackedSize, predicateType } = readMeta(release);
  const { name } = of;
  const { version } = release;
  const signatures = signatureList(release, keysOf(settings));
  const deprecated = release.deprecated?.message ?? of.deprecated?.message;
  return {
    ...manifest,
    _id: `${name}@${version}`,
    ...(deprecated === undefined ? {} : { deprecated }),
    dist: {
      integrity,
      shasum,
      tarball: tarballUrl(baseUrl, name, version),
      fileCount,
      unpackedSize,
      ...(signatures.length > 0 ? { signatures } : {}),
      ...(predicateType === undefined
        ? {}
        : {
            attestations: {
              url: `${baseUrl}/-/npm/v1/attestations/${name.replace('/', '%2f')}@${version}`,
              provenance: { predicateType },
            },
          }),
    },
    _npmUser: personOf(release.publishedBy),
  };
}

function keysOf({ keys = [] }: Settings): readonly RegistryKey[] {
  return keys.filter(({ ecosystem }) => ecosystem === 'npm');
}

/** E-mail addresses stay private; clients print the field, and some do not look whether it is there. */
export function personOf(handle: string): { name: string; email: string } {
  return { name: handle, email: '' };
}
