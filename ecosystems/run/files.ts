/** A package as the files that Run's client reads (contract, section 8). */
import { asDigest } from '../../core/digest.ts';
import type { Package, Release } from '../../core/package.ts';
import { siteFile, type SiteFile } from '../../core/site.ts';
import type { SiteContext, Summary } from '../ecosystem.ts';
import { artifactOf, listedOf, metadataOf } from './metadata.ts';
import { browsePage, homePage, packagePage } from './pages.ts';
import { HEALTHY, paths } from './paths.ts';
import { statsDocument, summaryIn, type RunSummary } from './search.ts';

/** Of a yanked version as well: what is in a lock file goes on being found. */
export function* filesForRelease(release: Release, of: Package, site: SiteContext): Iterable<SiteFile> {
  const component = artifactOf(release, 'component');
  if (!component) return;
  const params = { name: of.name, version: release.version };
  const blob = { blob: asDigest(component.digest), size: component.size };
  yield siteFile(site.mount, paths.artifact, params, blob);
  const metadata = JSON.stringify(metadataOf(release, of, site.baseUrl));
  yield siteFile(site.mount, paths.metadata, params, metadata);
}

/** What is on offer. A package with nothing on offer has no list: an empty one is 404 (contract, section 4). */
export function* filesForPackage(of: Package, site: SiteContext): Iterable<SiteFile> {
  const { name } = of;
  const listed = listedOf(of);
  if (listed.length > 0) {
    const versions = listed.map(({ version }) => version);
    yield siteFile(site.mount, paths.versions, { name }, JSON.stringify({ name, versions }));
  }
  const page = packagePage(of, site);
  if (page !== undefined) yield siteFile(site.mount, paths.packagePage, { name }, page);
}

export function summarize(of: Package, { baseUrl }: SiteContext): Summary | undefined {
  const listed = listedOf(of);
  const highest = listed.at(-1);
  const metadata = highest && metadataOf(highest, of, baseUrl);
  if (!metadata) return undefined;
  const summary: RunSummary = {
    versions: listed.length,
    metadata: metadata as RunSummary['metadata'],
  };
  return { name: of.name, text: JSON.stringify(summary) };
}

export function* filesForRoot(summaries: AsyncIterable<Summary>, site: SiteContext): Iterable<SiteFile> {
  const { mount } = site;
  yield siteFile(mount, paths.home, {}, homePage(site));
  yield siteFile(mount, paths.browse, {}, { stream: () => browsePage(summaries, site) });
  yield siteFile(mount, paths.packages, {}, { stream: () => packagesDocument(summaries) });
  yield siteFile(mount, paths.stats, {}, { stream: () => staticStats(summaries) });
  yield siteFile(mount, paths.health, {}, HEALTHY);
}

/** Sorted by name, which the summaries are not where a name has an underscore: names alone take little room. */
async function* packagesDocument(summaries: AsyncIterable<Summary>): AsyncIterable<string> {
  const packages: string[] = [];
  for await (const { name } of summaries) packages.push(name);
  yield JSON.stringify({ packages: packages.sort() });
}

/** What was downloaded is no function of the log: a file says the least that is true. */
async function* staticStats(summaries: AsyncIterable<Summary>): AsyncIterable<string> {
  let [packages, versions] = [0, 0];
  for await (const summary of summaries) {
    packages += 1;
    versions += summaryIn(summary).versions;
  }
  yield statsDocument({ packages, versions, downloads: 0 });
}
