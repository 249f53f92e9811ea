/**
 * What the records beside a site say about it. The generator goes by these rules, and so does a `regen` that finds
 * nothing to do: it reads no more than the records, and loads no more than this.
 */
import type { RootsProgress, SiteProgress, SiteRecords } from '../core/ports.ts';

/**
 * Raise it with every change of the bytes that any projection makes: the next start then renders the whole site
 * again. A golden test fails when bytes change and this does not.
 */
export const SITE_REVISION = 5;

/** By then whatever a process sent that others have taken for dead has come, or never will. */
export const LATE_WRITES_MS = 10 * 60_000;

/** Whether a generator like this one wrote it; any other record is as good as none. */
export function isOurs<R extends SiteProgress | RootsProgress>(record: R | undefined): record is R {
  return record?.revision === SITE_REVISION;
}

/** Whether the roots have caught up with the documents. */
export function rootsFollow(roots: RootsProgress | undefined, progress: SiteProgress): boolean {
  return isOurs(roots) && roots.seq >= progress.seq;
}

/**
 * Whether these records leave nothing to do for a log whose branch is at `head`. A commit stands for all that led to
 * it: the registry, its settings and every event.
 */
export function isCurrent({ progress, roots }: Partial<SiteRecords>, head: string): boolean {
  if (!isOurs(progress) || progress.claim || progress.doubts) return false;
  return progress.head === head && progress.headSeq === progress.seq && rootsFollow(roots, progress);
}
