/**
 * Which blobs a repository has because a manifest of it names them. Asked for by nearly every request of a push, so it is kept
 * for the repositories that were asked about last, and follows their changes.
 */
import { asDigest } from '../../core/digest.ts';
import { mapDifference } from '../../core/map-difference.ts';
import type { Package, Release } from '../../core/package.ts';
import type { Call } from '../../core/route.ts';
import { metaOf, type OciMeta } from './manifest.ts';

type Blobs = OciMeta['blobs'];

interface Contents {
  /** What all below was made of. */
  readonly releases: Package['releases'];
  /** By digest: the size, and how many manifests name it. */
  readonly blobs: Map<string, { readonly size: number; readonly count: number }>;
  /** By manifest, lists that are too long for their events. */
  readonly long: Map<string, Blobs>;
}

/** Each costs as much memory as it has blobs. */
const REMEMBERED = 8;
const remembered = new Map<string, Contents>();

/** Long lists on their way into contents, by manifest: its digest always means the same list. */
const noted = new Map<string, Blobs>();
let notedBlobs = 0;
const MOST_NOTED_BLOBS = 500_000;

/** What a manifest that is about to be published names: whoever decides after it must know, and cannot wait for a file. */
export function noteContents(version: string, blobs: Blobs): void {
  forgetNoted(version);
  noted.set(version, blobs);
  notedBlobs += blobs.length;
  for (const oldest of noted.keys()) {
    if (notedBlobs <= MOST_NOTED_BLOBS || oldest === version) return;
    forgetNoted(oldest);
  }
}

function forgetNoted(version: string): void {
  notedBlobs -= noted.get(version)?.length ?? 0;
  noted.delete(version);
}

/** Brings to hand what `namedBlobSize` and `isNamed` will need of this repository. */
export async function loadContents(call: Call, of: Package | undefined): Promise<void> {
  const known = of && remembered.get(of.name);
  if (!of || known?.releases === of.releases) return;
  for (const [version, { meta, metaDigest }] of of.releases)
    if (meta === undefined && metaDigest !== undefined && !known?.long.has(version) && !noted.has(version))
      noteContents(version, (JSON.parse(await call.readText(asDigest(metaDigest))) as OciMeta).blobs);
  contentsOf(of);
}

/** The size of a blob that some manifest of the repository names. */
export function namedBlobSize(of: Package | undefined, digest: string): number | undefined {
  return of && contentsOf(of)?.blobs.get(digest)?.size;
}

/** Whether some manifest names it; also where that is not known for certain. */
export function isNamed(of: Package | undefined, digest: string): boolean {
  if (!of) return false;
  const contents = contentsOf(of);
  return !contents || contents.blobs.has(digest);
}

/** Undefined where a list is not at hand: nothing is known then, and what was known is forgotten. */
function contentsOf(of: Package): Contents | undefined {
  const known = remembered.get(of.name);
  if (known?.releases === of.releases) return known;
  remembered.delete(of.name);
  const contents: Contents = {
    releases: of.releases,
    blobs: known?.blobs ?? new Map<string, { size: number; count: number }>(),
    long: known?.long ?? new Map<string, Blobs>(),
  };
  const before: Package['releases'] = known?.releases ?? new Map<string, Release>();
  const changed = mapDifference(before, of.releases);
  for (const [keys, releases, by] of [
    [changed.before, before, -1],
    [changed.after, of.releases, 1],
  ] as const)
    for (const version of keys) {
      const release = releases.get(version);
      if (release && !count(contents, release, by)) return undefined;
    }
  remembered.set(of.name, contents);
  const [oldest] = remembered.keys();
  if (remembered.size > REMEMBERED && oldest !== undefined) remembered.delete(oldest);
  return contents;
}

/** False when its list is not at hand. */
function count({ blobs, long }: Contents, release: Release, by: 1 | -1): boolean {
  const list = release.meta === undefined ? longListOf(long, release.version, by) : metaOf(release).blobs;
  for (const [digest, size] of list ?? []) {
    const times = (blobs.get(digest)?.count ?? 0) + by;
    if (times > 0) blobs.set(digest, { size, count: times });
    else blobs.delete(digest);
  }
  return list !== undefined;
}

function longListOf(long: Map<string, Blobs>, version: string, by: 1 | -1): Blobs | undefined {
  const list = long.get(version) ?? noted.get(version);
  if (by === -1) long.delete(version);
  else if (list) long.set(version, list);
  return list;
}
