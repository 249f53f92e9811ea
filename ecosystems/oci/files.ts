/** A repository as the files that its clients pull (contract, section 13.3). */
import { asDigest } from '../../core/digest.ts';
import type { Package, Ref, Release } from '../../core/package.ts';
import { siteFile, type SiteFile } from '../../core/site.ts';
import type { SiteContext, Summary } from '../ecosystem.ts';
import { manifestArtifact, metaOf, suffixOfManifest } from './manifest.ts';
import { paths } from './paths.ts';
import { referrersDocument, MAX_REFERRERS_BYTES } from './referrers.ts';
import { tagsOf } from './tags.ts';

/** The manifest by its digest, and everything it names: so no manifest can be reached whose blobs cannot. */
export function* filesForRelease(release: Release, of: Package, { mount }: SiteContext): Iterable<SiteFile> {
  const { name } = of;
  for (const [digest, size] of metaOf(release).blobs)
    yield siteFile(mount, paths.blob, { name, digest }, { blob: asDigest(digest), size });
  yield manifestFile(release, { name, reference: release.version }, mount);
}

/** A tag is all of the manifest, and no redirect: HEAD has to tell its type, length and digest. */
export function* filesForRef(
  tag: string,
  { target }: Ref,
  of: Package,
  { mount }: SiteContext,
): Iterable<SiteFile> {
  const release = of.releases.get(target);
  if (release) yield manifestFile(release, { name: of.name, reference: tag }, mount);
}

function manifestFile(
  release: Release,
  params: { readonly name: string; readonly reference: string },
  mount: string,
): SiteFile {
  const { digest, size } = manifestArtifact(release);
  const body = { blob: asDigest(digest), size };
  return siteFile(mount, paths.manifest, params, body, suffixOfManifest(release));
}

export function groupOf(release: Release): string | undefined {
  return metaOf(release).subject;
}

/** What refers to a subject, whether that is here or not. */
export function* filesForGroup(
  subject: string,
  referrers: readonly Release[],
  of: Package,
  { mount }: SiteContext,
): Iterable<SiteFile> {
  const document = referrersDocument(referrers);
  // Clients read no further: a longer list comes in pages, which only the API can give.
  if (Buffer.byteLength(document) > MAX_REFERRERS_BYTES) return;
  yield siteFile(mount, paths.referrers, { name: of.name, digest: subject }, document);
}

export function* filesForPackage(of: Package, { mount }: SiteContext): Iterable<SiteFile> {
  const { name } = of;
  yield siteFile(mount, paths.tags, { name }, { bytes: tagsOf(of).document });
}

export function summarize({ name }: Package): Summary {
  return { name, text: '' };
}

export function* filesForRoot(summaries: AsyncIterable<Summary>, { mount }: SiteContext): Iterable<SiteFile> {
  yield siteFile(mount, paths.catalog, {}, { stream: () => catalogDocument(summaries) });
}

async function* catalogDocument(summaries: AsyncIterable<Summary>): AsyncIterable<string> {
  let piece = '{"repositories":[';
  let isFirst = true;
  for await (const { name } of summaries) {
    piece += (isFirst ? '' : ',') + JSON.stringify(name);
    isFirst = false;
    if (piece.length < 64 * 1024) continue;
    yield piece;
    piece = '';
  }
  yield `${piece}]}`;
}
