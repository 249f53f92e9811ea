/**
 * Which blobs a repository has because a manifest of it names them. Asked for by nearly every request of a push, so it is kept
 * for the repositories that were asked about last, and follows their changes.
 */
import { asDigest } from '../../core/digest.ts';
import type { Package, Release } from '../../core/package.ts';
import type { Call } from '../../core/route.ts';
import { metaOf, type OciMeta } from './manifest.ts';

type Blobs = OciMeta['blobs'];

interface Contents {
  readonly releases: Package['releases'];
  /** By digest: the size, and how many manifests name it. */
  readonly blobs: Map<string, { readonly size: number; readonly count: number }>;
}

/** Each costs as much memory as it has blobs. */
const REMEMBERED = 8;
const remembered = new Map<string, Contents>();

/** Lists that are too long for their events, by the digest of the manifest: that one digest always means the same list. */
const longLists = new Map<string, Blobs>();
const LONG_LISTS = 4_096;

/** What a manifest that is about to be published names: whoever decides after it must know, and cannot wait for a file. */
export function noteContents(version: string, { blobs }: OciMeta): void {
  longLists.delete(version);
  longLists.set(version, blobs);
  const [oldest] = longLists.keys();
  if (longLists.size > LONG_LISTS && oldest !== undefined) longLists.delete(oldest);
}

/** Brings to hand what `namedBlobSize` will need of this repository. */
export async function loadContents(call: Call, of: Package | undefined): Promise<void> {
  if (!of) return;
  for (const [version, { meta, metaDigest }] of of.releases)
    if (meta === undefined && metaDigest !== undefined && !longLists.has(version))
      noteContents(version, JSON.parse(await call.readText(asDigest(metaDigest))) as OciMeta);
}

/** The size of a blob that some manifest of the repository names. */
export function namedBlobSize(of: Package | undefined, digest: string): number | undefined {
  return of && contentsOf(of).blobs.get(digest)?.size;
}

function contentsOf(of: Package): Contents {
  const known = remembered.get(of.name);
  if (known?.releases === of.releases) return known;
  const blobs = known?.blobs ?? new Map<string, { size: number; count: number }>();
  for (const [version, release] of known?.releases ?? [])
    if (of.releases.get(version) !== release) count(blobs, release, -1);
  for (const [version, release] of of.releases)
    if (known?.releases.get(version) !== release) count(blobs, release, 1);
  const contents = { releases: of.releases, blobs };
  remembered.delete(of.name);
  remembered.set(of.name, contents);
  const [oldest] = remembered.keys();
  if (remembered.size > REMEMBERED && oldest !== undefined) remembered.delete(oldest);
  return contents;
}

function count(blobs: Contents['blobs'], release: Release, by: 1 | -1): void {
  for (const [digest, size] of blobsOf(release)) {
    const times = (blobs.get(digest)?.count ?? 0) + by;
    if (times > 0) blobs.set(digest, { size, count: times });
    else blobs.delete(digest);
  }
}

function blobsOf(release: Release): Blobs {
  return release.meta === undefined ? (longLists.get(release.version) ?? []) : metaOf(release).blobs;
}
