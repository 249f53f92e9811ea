/** What has to change on the site when a package went from one state to the next. Pure. */
import { mapDifference, type MapDifference } from '../core/map-difference.ts';
import type { Package, Release } from '../core/package.ts';
import type { CachePolicy, SiteBody, SiteFile } from '../core/site.ts';
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
  /** What is gone; removed last, in the order of `removalsInOrder`. */
  readonly removals: readonly Removal[];
}

export interface Removal {
  readonly path: string;
  readonly cache: CachePolicy;
  readonly rank?: number | undefined;
}

/** Documents before the artifacts they named, and each before what it names itself; those together that may go together. */
export function removalsInOrder(plans: readonly Plan[]): readonly (readonly string[])[] {
  const groups = new Map<number, string[]>();
  for (const { removals } of plans)
    for (const { path, cache, rank = 0 } of removals) {
      const place = cache === 'artifact' ? rank : rank + ABOVE_ARTIFACTS;
      const group = groups.get(place);
      if (group) group.push(path);
      else groups.set(place, [path]);
    }
  return [...groups].sort(([a], [b]) => b - a).map(([, paths]) => paths);
}

/** More than any rank. */
const ABOVE_ARTIFACTS = 1_000;

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
  const changed = changesBetween(before, after, mounted.surface);
  if (before && isShown(before))
    for (const file of changedFiles(before, changed?.before, mounted)) old.set(file.path, file);
  const artifacts: SiteFile[] = [];
  const documents: SiteFile[] = [];
  if (isShown(after)) {
    for (const file of changedFiles(after, changed?.after, mounted)) {
      const known = old.get(file.path);
      old.delete(file.path);
      if (known && sameBody(known.body, file.body)) continue;
      if (file.cache === 'artifact') artifacts.push(file);
      else documents.push(known ? file : { ...file, isNew: true });
    }
  }
  if (mounted.surface.releasesShareFiles && isShown(after)) keepShared(old, after, mounted);
  const counted = before && isShown(before) && !isShown(after) ? countedPaths(after, mounted) : [];
  const removals: Removal[] = [...old.values()].reverse();
  for (const path of counted) removals.push({ path, cache: 'document' });
  return { artifacts, documents, removals };
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

/** What has to be rendered again of one of two states. */
interface Changed {
  readonly releases: readonly string[];
  readonly refs: readonly string[];
  /** Groups that a release has joined, left, or changed in. */
  readonly groups: ReadonlySet<string>;
}

/** Undefined where everything may be another. */
function changesBetween(
  before: Package | undefined,
  after: Package,
  { groupOf, filesForRef }: Surface,
): { readonly before: Changed; readonly after: Changed } | undefined {
  if (!before || !isShown(before) || !isShown(after)) return undefined;
  if (!sameOwners(before, after) || !sameDeprecation(before.deprecated, after.deprecated)) return undefined;
  const releases = mapDifference(before.releases, after.releases);
  const groups = new Set<string>();
  const note = (of: Package, keys: readonly string[]): void => {
    for (const key of keys) {
      const release = of.releases.get(key);
      const group = release && groupOf?.(release);
      if (group !== undefined) groups.add(group);
    }
  };
  note(before, releases.before);
  note(after, releases.after);
  const refs = filesForRef ? changedRefs(before, after, releases) : { before: [], after: [] };
  return {
    before: { releases: releases.before, refs: refs.before, groups },
    after: { releases: releases.after, refs: refs.after, groups },
  };
}

/**
 * Names that were moved, or whose release has changed. What does not point at a version as it is spelled here (a digest) is
 * rendered again; equal bytes are not written.
 */
function changedRefs(before: Package, after: Package, releases: MapDifference): MapDifference {
  const moved = mapDifference(before.refs, after.refs);
  const [known, changed] = [new Set(moved.after), new Set([...releases.before, ...releases.after])];
  const others: string[] = [];
  for (const [name, { target }] of after.refs)
    if ((changed.has(target) || !after.releases.has(target)) && !known.has(name)) others.push(name);
  return { before: [...moved.before, ...others], after: [...moved.after, ...others] };
}

/** All files of a state that may differ from those of the other; of everything when it is not told what. */
function* changedFiles(of: Package, changed: Changed | undefined, mounted: Mounted): Iterable<SiteFile> {
  const { surface, site } = mounted;
  for (const key of changed?.releases ?? of.releases.keys()) {
    const release = of.releases.get(key);
    if (release) yield* surface.filesForRelease(release, of, site);
  }
  if (surface.filesForRef)
    for (const name of changed?.refs ?? of.refs.keys()) {
      const ref = of.refs.get(name);
      if (ref) yield* surface.filesForRef(name, ref, of, site);
    }
  yield* filesOfGroups(of, mounted, changed?.groups);
  yield* surface.filesForPackage(of, site);
}

export function sameOwners(a: Package, b: Package): boolean {
  return a.owners.length === b.owners.length && a.owners.every((owner, i) => owner === b.owners[i]);
}

/** Of the whole package: each of its versions may say so. */
function sameDeprecation(a: Package['deprecated'], b: Package['deprecated']): boolean {
  if (!a || !b) return a === b;
  return a.message === b.message && a.messageDigest === b.messageDigest;
}

function sameBody(a: SiteBody, b: SiteBody): boolean {
  if ('blob' in a) return 'blob' in b && a.blob === b.blob;
  if (!('bytes' in a && 'bytes' in b)) return false;
  if (a.revision !== undefined && b.revision !== undefined) return a.revision === b.revision;
  return Buffer.compare(a.bytes, b.bytes) === 0;
}
