/** Counts as files, for those who read without the API (contract, sections 6 and 16). */
import type { Package } from '../../core/package.ts';
import type { Counters } from '../../core/ports.ts';
import { siteFile, sitePath, type SiteFile } from '../../core/site.ts';
import type { SiteContext } from '../../ecosystems/ecosystem.ts';
import { timelineOf, TIMELINE_DAYS, TOP_LIMIT, topOf } from './analytics.ts';
import { countedPaths } from './paths.ts';

/** The lists of all, and both files of each of these names that was ever downloaded. */
export function* countedFiles(
  counters: Counters,
  names: Iterable<string>,
  { mount }: SiteContext,
): Iterable<SiteFile> {
  const top = JSON.stringify(topOf(counters, TOP_LIMIT));
  yield siteFile(mount, countedPaths.all, {}, top);
  yield siteFile(mount, countedPaths.top, {}, top);
  for (const name of names) {
    const stats = counters.statsOf(name);
    if (!stats || isTaken(name)) continue;
    yield siteFile(mount, countedPaths.stats, { name }, JSON.stringify(stats));
    const timeline = timelineOf(counters, name, TIMELINE_DAYS);
    yield siteFile(mount, countedPaths.timeline, { name }, JSON.stringify(timeline));
  }
}

/** Where the files of one package lie, if there are any. */
export function* countedPathsOf({ name }: Package, { mount }: SiteContext): Iterable<string> {
  if (isTaken(name)) return;
  for (const route of [countedPaths.stats, countedPaths.timeline]) {
    const path = sitePath(mount, route, { name });
    if (path !== undefined) yield path;
  }
}

/** Names whose files would lie where something else does. */
function isTaken(name: string): boolean {
  return name === 'top' || /\/(?:timeline|requested-versions)$/.test(name);
}
