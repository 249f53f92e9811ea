/**
 * What a surface says of all its packages: the summaries, and the roots that are made of them. A surface that nothing happened to
 * is left alone, so that a publish never costs more because other ecosystems are served beside its own.
 */
import { subjectOf, type RegistryEvent } from '../core/event.ts';
import type { Package } from '../core/package.ts';
import type { RegistryLog, SiteTarget } from '../core/ports.ts';
import { asRoot, type SiteFile } from '../core/site.ts';
import type { Summary } from '../ecosystems/ecosystem.ts';
import { mergeSummaries, summariesIn, summariesPath, summaryOf } from '../ecosystems/summaries.ts';
import type { Mounted } from './plan.ts';

/**
 * Whether everybody can read what happened here. What cannot be read happened to a package that was private, and still is unless
 * there is something later that can.
 */
export function isOpen(log: RegistryLog, seq: number): boolean {
  return log.openingOf(seq) === undefined;
}

/**
 * How far in the log the summaries of each surface say they are: the same whoever makes them, and whatever he can open. Reads the log
 * backwards until all are found: for a whole site only.
 */
export function summariesSeqs(
  log: RegistryLog,
  mounted: readonly Mounted[],
  length: number,
): ReadonlyMap<Mounted, number> {
  const seqs = new Map<Mounted, number>();
  for (let seq = length - 1; seq >= 0 && seqs.size < mounted.length; seq -= 1) {
    const event = log.read(seq);
    const isOfAll = event.kind === 'settings-changed';
    if (!isOfAll && (subjectOf(event)?.of !== 'package' || !isOpen(log, seq))) continue;
    for (const one of mounted)
      if (!seqs.has(one) && (isOfAll || isShownBy(one, event))) seqs.set(one, seq + 1);
  }
  return seqs;
}

function isShownBy({ surface }: Mounted, event: RegistryEvent | undefined): boolean {
  const subject = event && subjectOf(event);
  return subject !== undefined && surface.reads.includes(subject.ecosystem);
}

/** Packages by their keys, with what everybody can read that happened to them, in order. */
export type Touched = ReadonlyMap<string, readonly RegistryEvent[]>;

/** Those that this surface shows. */
export function touchedOf(touched: Touched, mounted: Mounted): Touched {
  return new Map([...touched].filter(([, [first]]) => isShownBy(mounted, first)));
}

/** Brings a surface's roots up to what happened. Safe to repeat: merging the same once more changes nothing. */
export async function renderRoots(
  { surface, site }: Mounted,
  touched: Touched,
  target: Pick<SiteTarget, 'put' | 'read'>,
  packageAt: (key: string, events: readonly RegistryEvent[]) => Promise<Package | undefined>,
): Promise<void> {
  const path = summariesPath(surface.id);
  const changed = new Map<string, Summary | undefined>();
  let last = -1;
  for (const [key, events] of touched) {
    last = Math.max(last, events.at(-1)?.seq ?? last);
    const found = await packageAt(key, events);
    if (found) changed.set(key, summaryOf(found, surface, site));
  }
  await target.put([textFile(path, () => mergeSummaries(target.read(path), changed, last + 1))]);
  const summaries = summariesIn(() => target.read(path));
  await target.put(Array.from(surface.filesForRoot(summaries, site), asRoot));
}

export function textFile(path: string, stream: () => AsyncIterable<string>): SiteFile {
  return { path, body: { stream }, contentType: 'text/plain', cache: 'document' };
}
