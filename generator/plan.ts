/** What has to change on the site when a package went from one state to the next. Pure. */
import type { Package, Ref, Release } from '../core/package.ts';
import { byRank, type SiteBody, type SiteFile } from '../core/site.ts';
import type { SiteContext, Surface } from '../ecosystems/ecosystem.ts';

/** A surface that is on, and where it stands. */
export interface Mounted {
  readonly surface: Surface;
  readonly site: SiteContext;
}

export interface Plan {
  /** Immutable files, written before any document names them. */
  readonly artifacts: readonly SiteFile[];
  readonly documents: readonly SiteFile[];
  /** Paths that are gone; removed last, documents before the artifacts they named, and each before what it names itself. */
  readonly removals: readonly string[];
}

/** Every file of a package: what a site made from nothing holds. */
export function* allFiles(of: Package, mounted: Mounted): Iterable<SiteFile> {
  const { surface, site } = mounted;
  if (!isShown(of)) return;
  yield* surface.releasesShareFiles ? eachOnce(filesOfReleases(of, mounted)) : filesOfReleases(of, mounted);
  if (surface.filesForRef) for (const [name, ref] of of.refs) yield* surface.filesForRef(name, ref, of, site);
  yield* filesOfGroups(of, mounted, undefined);
  yield* surface.filesForPackage(of, site);
}

function* filesOfReleases(of: Package, { surface, site }: Mounted): Iterable<SiteFile> {
  for (const release of of.releases.values()) yield* surface.filesForRelease(release, of, site);
}

function* eachOnce(files: Iterable<SiteFile>): Iterable<SiteFile> {
  const seen = new Set<string>();
  for (const file of files) {
    if (seen.has(file.path)) continue;
    seen.add(file.path);
    yield file;
  }
}

/** Files of these groups, or of all. One pass over the releases, however many groups there are. */
function* filesOfGroups(
  of: Package,
  { surface, site }: Mounted,
  wanted: ReadonlySet<string> | undefined,
): Iterable<SiteFile> {
  if (!surface.groupOf || !surface.filesForGroup || wanted?.size === 0) return;
  const members = new Map<string, Release[]>();
  for (const release of of.releases.values()) {
    const group = surface.groupOf(release);
    if (group === undefined || (wanted && !wanted.has(group))) continue;
    const known = members.get(group);
    if (known) known.push(release);
    else members.set(group, [release]);
  }
  for (const [group, releases] of members) yield* surface.filesForGroup(group, releases, of, site);
}

/**
 * Only what changed is rendered, before and after: the site now is what the state before gives, so nothing is read
 * back and nothing is listed.
 */
export function planPackage(before: Package | undefined, after: Package, mounted: Mounted): Plan {
  const old = new Map<string, SiteFile>();
  const groups = changedGroups(before, after, mounted.surface);
  if (before && isShown(before))
    for (const file of changedFiles(before, after, mounted, groups)) old.set(file.path, file);
  const artifacts: SiteFile[] = [];
  const documents: SiteFile[] = [];
  if (isShown(after)) {
    for (const file of changedFiles(after, before, mounted, groups)) {
      const known = old.get(file.path);
      old.delete(file.path);
      if (known && sameBody(known.body, file.body)) continue;
      (file.cache === 'artifact' ? artifacts : documents).push(file);
    }
  }
  if (mounted.surface.releasesShareFiles && isShown(after)) keepShared(old, after, mounted);
  // Files that list the package were rendered last and name the others: they go first.
  const gone = byRank([...old.values()])
    .flat()
    .reverse();
  const counted = before && isShown(before) && !isShown(after) ? countedPaths(after, mounted) : [];
  const removals = [
    ...gone.filter((f) => f.cache !== 'artifact'),
    ...gone.filter((f) => f.cache === 'artifact'),
  ];
  return { artifacts, documents, removals: [...removals.map(({ path }) => path), ...counted] };
}

/** What a release has left behind may be another's as well. Only looked for when something is about to go. */
function keepShared(gone: Map<string, SiteFile>, after: Package, mounted: Mounted): void {
  if (![...gone.values()].some(({ cache }) => cache === 'artifact')) return;
  for (const { path } of filesOfReleases(after, mounted)) {
    gone.delete(path);
    if (gone.size === 0) return;
  }
}

function countedPaths(of: Package, { surface, site }: Mounted): Iterable<string> {
  return surface.countedPaths?.(of, site) ?? [];
}

export function isShown(of: Package): boolean {
  return of.visibility === 'public';
}

/** The files of `of` that may differ from those of `other`. */
function* changedFiles(
  of: Package,
  other: Package | undefined,
  mounted: Mounted,
  groups: ReadonlySet<string>,
): Iterable<SiteFile> {
  const { surface, site } = mounted;
  const everything = !other || !isShown(other) || !sameOwners(of, other);
  for (const [key, release] of of.releases)
    if (everything || !sameRelease(release, other.releases.get(key)))
      yield* surface.filesForRelease(release, of, site);
  if (surface.filesForRef)
    for (const [name, ref] of of.refs)
      if (everything || !sameRef(of, other, name, ref)) yield* surface.filesForRef(name, ref, of, site);
  yield* filesOfGroups(of, mounted, everything ? undefined : groups);
  yield* surface.filesForPackage(of, site);
}

/** Groups that a release has joined, left, or changed in. Where one of the two is not shown, all of the other's are rendered. */
function changedGroups(before: Package | undefined, after: Package, { groupOf }: Surface): Set<string> {
  const groups = new Set<string>();
  if (!groupOf || !before || !isShown(before) || !isShown(after)) return groups;
  const note = (of: Package, other: Package): void => {
    for (const [key, release] of of.releases) {
      const group = sameRelease(release, other.releases.get(key)) ? undefined : groupOf(release);
      if (group !== undefined) groups.add(group);
    }
  };
  note(before, after);
  note(after, before);
  return groups;
}

export function sameOwners(a: Package, b: Package): boolean {
  return a.owners.length === b.owners.length && a.owners.every((owner, i) => owner === b.owners[i]);
}

/** States that came from one another share the objects of what did not change. */
function sameRelease(a: Release, b: Release | undefined): boolean {
  return a === b;
}

/** What does not point at a version as it is spelled here (a digest) is rendered again; equal bytes are not written. */
function sameRef(of: Package, other: Package, name: string, ref: Ref): boolean {
  const release = of.releases.get(ref.target);
  return release !== undefined && release === other.releases.get(ref.target) && other.refs.get(name) === ref;
}

function sameBody(a: SiteBody, b: SiteBody): boolean {
  if ('blob' in a) return 'blob' in b && a.blob === b.blob;
  if (!('bytes' in a && 'bytes' in b)) return false;
  if (a.revision !== undefined && b.revision !== undefined) return a.revision === b.revision;
  return Buffer.compare(a.bytes, b.bytes) === 0;
}
