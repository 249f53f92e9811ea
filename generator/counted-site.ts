/**
 * Brings what is counted to those who read without the API. Counts are no part of the log: a site made anew from the log lacks
 * these files until the next turn.
 */
import { dayOf } from '../core/count.ts';
import type { Clock, Counters, SiteTarget } from '../core/ports.ts';
import type { SiteFile } from '../core/site.ts';
import { siteContext, type Surface } from '../ecosystems/ecosystem.ts';
import type { Settings } from '../schema/types.ts';

export interface CountedSiteDeps {
  readonly counters: Counters;
  readonly target: SiteTarget;
  readonly surfaces: readonly Surface[];
  readonly settings: () => Settings;
  /** Packages that are not for everybody, as long as they are not: what was counted before stays, and is in no file. */
  readonly isHidden: (name: string) => boolean;
  readonly clock: Clock;
}

/** Counts are on disk, for other processes to read, this long after they were made at the latest. */
const MAX_LATE_MS = 5_000;
/** Files in one step: others write the site meanwhile. */
const FILES_AT_ONCE = 128;

/**
 * Writes the files of names that were downloaded since they were last written, and those of all names when a new day has
 * begun, or with `all`. Safe to repeat; where `isStopping` ends it, the next time begins where this one did.
 */
export async function updateCounted(
  { counters, target, surfaces, settings, isHidden, clock }: CountedSiteDeps,
  { all = false, isStopping = () => false }: { all?: boolean; isStopping?: () => boolean } = {},
): Promise<void> {
  const release = await target.hold('counted');
  try {
    const untilMs = clock.now();
    const known = all ? undefined : await target.load('counted');
    const isNewDay = !known || dayOf(known.untilMs) !== dayOf(untilMs);
    const since = counters.downloadedSince(isNewDay ? 0 : known.untilMs - MAX_LATE_MS);
    const names = [...since].filter((name) => !isHidden(name));
    // Where nothing was ever counted there is nothing to say.
    if (names.length === 0 && (!known || !isNewDay)) return;
    await target.claim('counted');
    let files: SiteFile[] = [];
    for (const surface of surfaces) {
      const site = siteContext(surface, settings());
      if (!site || !surface.countedFiles) continue;
      for (const file of surface.countedFiles(counters, names, site)) {
        files.push(file);
        if (files.length < FILES_AT_ONCE) continue;
        // There may be hundreds of thousands, and nobody should wait for them.
        if (isStopping()) return;
        await target.put(files);
        files = [];
      }
    }
    await target.put(files);
    await target.save('counted', { untilMs });
  } finally {
    await release();
  }
}

/** Whether a path of the site is no function of the log. */
export function isOutsideLog(path: string, surfaces: readonly Surface[], settings: Settings): boolean {
  return surfaces.some((surface) => {
    const site = surface.outsideLog && siteContext(surface, settings);
    return surface.outsideLog?.some((below) => {
      if (!site) return false;
      const prefix = site.mount === '/' ? below : `${site.mount.slice(1)}/${below}`;
      return path.startsWith(`${prefix}/`);
    });
  });
}
