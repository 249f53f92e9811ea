/** A package as the files that X07's clients read (contract, sections 4, 9 and 10). */
import { asDigest } from '../../core/digest.ts';
import type { Package, Release } from '../../core/package.ts';
import { siteFile, type SiteFile } from '../../core/site.ts';
import type { SiteContext, Summary } from '../ecosystem.ts';
import { openApiDocument, type DocumentedSurface } from '../openapi.ts';
import { advisoriesOf, advisoryList, advisoryObject } from './advisories.ts';
import { facetsOf } from './facets.ts';
import type { Manifest } from './manifest.ts';
import { compareVersions } from './names.ts';
import { entryPath, paths } from './paths.ts';
import { scaleOf } from './scale.ts';
import { signingConfig } from './signing.ts';
import { itemText, writeSummary } from './summary.ts';

/** What a `published` event keeps: the manifest as text, because a manifest may hold numbers that events may not. */
export interface X07Meta {
  readonly manifest: string;
}

/** A release with its manifest read, parsed once for all the files it goes into. */
interface Read {
  readonly release: Release;
  readonly manifest: Manifest;
  readonly cksum: string;
}

function read(release: Release): Read {
  const { manifest } = release.meta as unknown as X07Meta;
  const archive = release.artifacts[0];
  if (!archive) throw new TypeError(`${release.version} has no archive`);
  return {
    release,
    manifest: JSON.parse(manifest) as Manifest,
    cksum: archive.digest.slice('sha256:'.length),
  };
}

function ascending(of: Package): Read[] {
  return [...of.releases.values()]
    .filter((release) => release.withdrawnAt === undefined)
    .sort((a, b) => compareVersions(a.version, b.version))
    .map(read);
}

function isOfficial(of: Package, { settings }: SiteContext): boolean {
  const official = settings.x07?.officialOwner;
  return official !== undefined && of.owners.includes(official);
}

export function* filesForRelease(release: Release, of: Package, site: SiteContext): Iterable<SiteFile> {
  if (release.withdrawnAt !== undefined) return;
  const { manifest, cksum } = read(release);
  const params = { name: of.name, version: release.version };
  const archive = release.artifacts[0];
  if (archive)
    yield siteFile(site.mount, paths.download, params, {
      blob: asDigest(archive.digest),
      size: archive.size,
    });
  const facets = facetsOf(of.name, manifest.meta);
  const answer = {
    ok: true,
    package: manifest,
    cksum,
    is_official: isOfficial(of, site),
    ...(facets.length > 0 ? { facets } : {}),
    ...scaleOf(manifest.meta),
  };
  yield siteFile(site.mount, paths.metadata, params, JSON.stringify(answer));
}

export function* filesForPackage(of: Package, site: SiteContext): Iterable<SiteFile> {
  const releases = ascending(of);
  if (releases.length === 0) return;
  const { name } = of;
  const owners = [...of.owners].sort();
  const latest = latestOf(releases);
  const facets = latest ? facetsOf(name, latest.manifest.meta) : [];
  const entry = entryPath(name);
  yield siteFile(
    site.mount,
    entry.route,
    entry.params,
    releases.map((read) => `${entryLine(of, read)}\n`).join(''),
  );
  const detail = {
    ok: true,
    name,
    latest_version: latest?.release.version ?? null,
    is_official: isOfficial(of, site),
    owners,
    versions: releases.toReversed().map(({ release, cksum }) => ({
      version: release.version,
      cksum,
      yanked: release.yanked,
      published_at: release.publishedAt,
    })),
    ...(facets.length > 0 ? { facets } : {}),
  };
  yield siteFile(site.mount, paths.package, { name }, JSON.stringify(detail));
  for (const { release } of releases)
    if (advisoriesOf(of, release.version).length > 0) {
      const list = advisoryList(of, release.version);
      yield siteFile(site.mount, paths.advisories, { name, version: release.version }, JSON.stringify(list));
    }
  const ownership = { ok: true, name, is_official: isOfficial(of, site), owners };
  yield siteFile(site.mount, paths.owners, { name }, JSON.stringify(ownership));
}

/** The highest version that is not yanked, pre-releases on equal terms (10.1). */
function latestOf(ascendingReleases: readonly Read[]): Read | undefined {
  return ascendingReleases.findLast(({ release }) => !release.yanked);
}

function entryLine(of: Package, { release, manifest, cksum }: Read): string {
  const signature = release.signatures.find(({ kind }) => kind === 'ed25519');
  const advisories = advisoriesOf(of, release.version)
    .filter(({ withdrawnAt }) => withdrawnAt === undefined)
    .map((advisory) => advisoryObject(of, release.version, advisory));
  return JSON.stringify({
    schema_version: 'x07.index-entry@0.1.0',
    name: of.name,
    version: release.version,
    cksum,
    yanked: release.yanked,
    description: manifest.description,
    docs: manifest.docs,
    ...(signature
      ? { signature: { kind: 'ed25519', key_id: signature.keyId, ed25519_sig: signature.value } }
      : {}),
    ...(advisories.length > 0 ? { advisories } : {}),
  });
}

/** The package's item of the catalog, and what searches want to know beside it. */
export function summarize(of: Package, site: SiteContext): Summary | undefined {
  const releases = ascending(of);
  if (releases.length === 0) return undefined;
  const latest = latestOf(releases);
  const facets = latest ? facetsOf(of.name, latest.manifest.meta) : [];
  const item = {
    name: of.name,
    is_official: isOfficial(of, site),
    ...(latest
      ? {
          latest: latest.release.version,
          description: latest.manifest.description,
          docs: latest.manifest.docs,
        }
      : {}),
    ...(facets.length > 0 ? { facets } : {}),
  };
  return writeSummary({
    item,
    modulesCount: latest?.manifest.modules.length ?? 0,
    scaleTested: latest?.manifest.meta['scale_tested'] === true,
  });
}

export function* filesForRoot(
  summaries: AsyncIterable<Summary>,
  site: SiteContext,
  surface: DocumentedSurface['surface'],
): Iterable<SiteFile> {
  const { mount, baseUrl, settings } = site;
  const verified = settings.x07?.verifiedNamespaces ?? [];
  const config = {
    dl: `${baseUrl}/v1/packages/`,
    api: `${baseUrl}/v1/`,
    'auth-required': false,
    sparse: true,
    ...(verified.length > 0 ? { 'verified-namespaces': verified } : {}),
    ...signingConfig(settings),
  };
  yield siteFile(mount, paths.config, {}, JSON.stringify(config));
  const root = mount === '/' ? '' : mount;
  const service = {
    catalog: `${root}/index/catalog.json`,
    healthz: '/healthz',
    index: `${root}/index/`,
    openapi: `${root}/openapi/openapi.json`,
    service: 'x07-registry',
    web: `${settings.publicUrl}/`,
  };
  yield siteFile(mount, paths.service, {}, JSON.stringify(service));
  const document = openApiDocument(
    {
      title: 'X07 package registry',
      description: 'The API of this registry for X07 packages.',
      version: '1.0.0',
      serverUrl: baseUrl,
    },
    [{ surface, prefix: '' }],
  );
  yield siteFile(mount, paths.openapi, {}, `${JSON.stringify(document, null, 2)}\n`);
  yield siteFile(mount, paths.catalog, {}, { stream: () => catalog(summaries) });
}

async function* catalog(summaries: AsyncIterable<Summary>): AsyncIterable<string> {
  yield '{"schema_version":"x07.index-catalog@0.1.0","packages":[';
  let separator = '';
  for await (const summary of summaries) {
    yield separator + itemText(summary);
    separator = ',';
  }
  yield ']}\n';
}
