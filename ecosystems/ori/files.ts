/** A package as the files that Ori's client reads (contract, sections 6, 10 and 14). */
import { asDigest } from '../../core/digest.ts';
import type { Package, Release } from '../../core/package.ts';
import { isSegment, siteFile, type SiteFile } from '../../core/site.ts';
import type { SiteContext, Summary } from '../ecosystem.ts';
import type { Dependency } from './dependencies.ts';
import { paramsOf } from './names.ts';
import { osvDocuments } from './osv.ts';
import { downloadUrl, paths } from './paths.ts';
import { archiveOf, ascending, deprecationOf, isOffered, removalOf, type OriMeta } from './releases.ts';
import { advisoriesText, foundText } from './summary.ts';

export function* filesForRelease(release: Release, of: Package, site: SiteContext): Iterable<SiteFile> {
  if (release.withdrawnAt !== undefined) return;
  const params = { ...paramsOf(of.name), version: release.version };
  const { digest, size } = archiveOf(release);
  yield siteFile(site.mount, paths.download, params, { blob: asDigest(digest), size });
  yield siteFile(site.mount, paths.metadata, params, JSON.stringify(metadataOf(release, of, site)));
}

export function* filesForPackage(of: Package, site: SiteContext): Iterable<SiteFile> {
  if (of.releases.size === 0) return;
  const params = paramsOf(of.name);
  yield siteFile(site.mount, paths.versions, params, JSON.stringify(versionsOf(of)));
  const advisories = osvDocuments(of, site);
  if (advisories.length === 0) return;
  for (const document of advisories)
    // An id that cannot be a file is in the lists all the same.
    if (isSegment(document.id))
      yield siteFile(site.mount, paths.advisory, { id: document.id }, JSON.stringify(document));
  yield siteFile(site.mount, paths.advisoriesOf, params, JSON.stringify({ advisories }));
}

function versionsOf(of: Package): object {
  const releases = ascending(of);
  return {
    name: of.name,
    versions: releases.filter(isOffered).map(({ version }) => version),
    releases: releases.map((release) => {
      const removal = removalOf(release);
      return {
        version: release.version,
        checksum: archiveOf(release).digest,
        yanked: !isOffered(release),
        deprecated: deprecationOf(release, of),
        published_at: release.publishedAt,
        ...(removal ? { removed: removal } : {}),
      };
    }),
  };
}

/** Fields in the order of the contract: the log keeps them in another. */
function metadataOf(release: Release, of: Package, { baseUrl }: SiteContext): object {
  const { name } = of;
  const { version } = release;
  const { digest, size } = archiveOf(release);
  const meta = release.meta as unknown as OriMeta;
  return {
    name,
    version,
    description: meta.description,
    license: meta.license,
    authors: meta.authors,
    repository: meta.repository,
    keywords: meta.keywords,
    categories: meta.categories,
    funding: meta.funding,
    edition: meta.edition,
    ori: meta.ori,
    entry: { lib: meta.entry.lib, main: meta.entry.main },
    dependencies: meta.dependencies.map(dependencyOf),
    features: meta.features,
    checksum: digest,
    size,
    checksums: { archive: digest, dependencies: meta.lock },
    download_url: downloadUrl(baseUrl, { ...paramsOf(name), version }),
    yanked: release.yanked,
    yanked_reason: release.yankReason ?? null,
    deprecated: deprecationOf(release, of),
    owners: [...of.owners].sort(),
    published_at: release.publishedAt,
  };
}

function dependencyOf(dependency: Dependency): Dependency {
  const { name, version, features, default_features, kind, target } = dependency;
  return { name, version, features, default_features, kind, target };
}

export function* filesForRoot(summaries: AsyncIterable<Summary>, site: SiteContext): Iterable<SiteFile> {
  yield siteFile(site.mount, paths.advisories, {}, { stream: () => allAdvisories(summaries) });
  yield siteFile(site.mount, paths.searchIndex, {}, { stream: () => searchIndex(summaries) });
}

async function* allAdvisories(summaries: AsyncIterable<Summary>): AsyncIterable<string> {
  yield '{"advisories":[';
  let separator = '';
  for await (const summary of summaries) {
    const list = advisoriesText(summary);
    if (list === '') continue;
    yield separator + list.slice(1, -1);
    separator = ',';
  }
  yield ']}';
}

async function* searchIndex(summaries: AsyncIterable<Summary>): AsyncIterable<string> {
  for await (const summary of summaries) {
    const line = foundText(summary);
    if (line !== '') yield `${line}\n`;
  }
}
