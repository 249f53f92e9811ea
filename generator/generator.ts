/**
 * Keeps a site what the log says: after every append, after a crash and from nothing by the same code. Several
 * processes may run it on one site; whoever holds the site reads how far it has come and carries on from there.
 */
import type { Digest } from '../core/digest.ts';
import { ClaimLost, LogDamage } from '../core/errors.ts';
import { subjectOf, type RegistryEvent } from '../core/event.ts';
import type { Package } from '../core/package.ts';
import { RecentPackages } from '../core/recent-packages.ts';
import type { BlobStore, Doubt, RegistryLog, SiteBuild, SiteProgress, SiteTarget } from '../core/ports.ts';
import { asRoot } from '../core/site.ts';
import type { RegistryState } from '../core/state.ts';
import { siteContext, type Surface } from '../ecosystems/ecosystem.ts';
import { namedBlobsOf } from '../ecosystems/index.ts';
import { hydrate, isHydrated } from '../core/hydrate.ts';
import { allFiles, isShown, planPackage, removalsInOrder, type Mounted, type Plan } from './plan.ts';
import { membersOf, planKeys, type Change } from './plan-keys.ts';
import { isOurs, rootsFollow, SITE_REVISION } from './records.ts';
import { isOpen, renderRoots, summariesSeqs, textFile, touchedOf } from './roots.ts';
import {
  summariesHeader,
  summariesIn,
  summariesPath,
  summaryLine,
  summaryOf,
} from '../ecosystems/summaries.ts';

export interface GeneratorDeps {
  readonly log: RegistryLog;
  readonly state: RegistryState;
  readonly target: SiteTarget;
  readonly blobs: BlobStore;
  readonly surfaces: readonly Surface[];
}

/** The log does not carry on from what this site was made of. An operator has to say which of the two is right. */
export class ForeignSite extends LogDamage {}

/** Packages kept as the site shows them, texts included that are too long for events: the next change finds them there. */
const REMEMBERED_RELEASES = 2_000;
/** Events per step: enough to share the cost of a step, few enough that one step stays short. */
const MAX_STEP_EVENTS = 2_048;

export class Generator {
  readonly #deps: GeneratorDeps;
  readonly #shown = new RecentPackages(REMEMBERED_RELEASES);
  #shownSeq = -1;
  /** A head of which this process knows that its log carries on from it: asking git again would cost two processes. */
  #knownHead: string | undefined;
  /** Something was hidden whose name the roots may still tell. */
  #isNamingHidden = false;
  /** Steps that this process was writing when another took over: what it wrote last may be older than what that has written. */
  #lost: Omit<Doubt, 'at'>[] = [];
  /** The same of roots: from here on they are made again, whatever their record says. */
  #lostRoots: number | undefined;

  constructor(deps: GeneratorDeps) {
    this.#deps = deps;
  }

  get #mounted(): readonly Mounted[] {
    const { surfaces, state } = this.#deps;
    return surfaces.flatMap((surface) => {
      const site = siteContext(surface, state.settings);
      return site ? [{ surface, site }] : [];
    });
  }

  /**
   * Brings the documents of packages up to the log this process has seen, or everything when there is nothing to
   * carry on from; and the roots as well where they may name what is for everybody no longer. Returns how far the site is.
   * Durable; safe to repeat.
   * @throws ForeignSite
   */
  async update(): Promise<number> {
    const seq = await this.#updateDocuments();
    // Stopping before this leaves roots that are behind, which every start brings up before it answers anybody.
    if (this.#isNamingHidden) await this.updateRoots();
    this.#isNamingHidden = false;
    return seq;
  }

  async #updateDocuments(): Promise<number> {
    for (;;) {
      const seq = await untilClaimed(async () => {
        const release = await this.#deps.target.hold('progress');
        try {
          return await this.#turn();
        } finally {
          await release();
        }
      });
      if (seq !== undefined) return seq;
    }
  }

  /** One step, or a whole site, further. Returns how far it is when nothing is left to do. */
  async #turn(): Promise<number | undefined> {
    const { state } = this.#deps;
    const progress = await this.#usableProgress();
    if (!progress) {
      await this.#rebuildHeld();
      return undefined;
    }
    if (!progress.claim && this.#lost.length > 0) {
      const [lost] = this.#lost;
      if (lost) await this.#mend(progress, [lost]);
      this.#lost.shift();
      return undefined;
    }
    if (progress.seq >= state.length && !progress.claim) return progress.seq;
    if (!(await this.#carryOn(progress))) await this.#rebuildHeld();
    return undefined;
  }

  /**
   * Looks once more at what two may have written, where that has been so since before `beforeMs`: by then every late write has
   * come. Safe to repeat.
   */
  async settleDoubts(beforeMs: number): Promise<void> {
    await untilClaimed(async () => {
      const release = await this.#deps.target.hold('progress');
      try {
        const progress = await this.#usableProgress();
        const due = progress?.doubts?.filter(({ at }) => at < beforeMs) ?? [];
        if (progress && !progress.claim && due.length > 0) await this.#mend(progress, due);
      } finally {
        await release();
      }
    });
  }

  /**
   * Writes what the packages of these steps are by now, wherever it differs from what they were at the end of the step: that is what
   * a late write has put back. Stopping before the end leaves a claim on nothing, and the doubts.
   */
  async #mend(progress: SiteProgress, steps: readonly Omit<Doubt, 'at'>[]): Promise<void> {
    const { state, target } = this.#deps;
    const { claim: _, ...rest } = progress;
    await target.save('progress', { ...rest, claim: { toSeq: progress.seq } });
    target.forget();
    for (const { from, to } of steps) {
      const changes: Change[] = [];
      for (const key of this.#touched(from, Math.min(to, progress.seq)).keys()) {
        const [wrong, right] = [state.packageAt(key, to), state.packageAt(key, progress.seq)];
        if (wrong && right)
          changes.push({ before: await this.#toShow(wrong), after: await this.#toShow(right) });
      }
      await this.#publish(await this.#plansOf(changes, (key) => this.#memberAt(key, progress.seq)));
    }
    const left = progress.doubts?.filter(
      ({ from, to }) => !steps.some((step) => step.from === from && step.to === to),
    );
    const { doubts: __, ...settled } = rest;
    await target.save('progress', { ...settled, ...(left && left.length > 0 ? { doubts: left } : {}) });
  }

  /**
   * Renders everything again, also what is up to date. With `acceptLog` also where the log does not carry on from
   * what the site was made of. @throws ForeignSite
   */
  async rebuild(options: { readonly acceptLog?: boolean } = {}): Promise<void> {
    const { target } = this.#deps;
    await untilClaimed(async () => {
      const release = await target.hold('progress');
      try {
        if (!options.acceptLog) await this.#refuseForeign(await target.load('progress'));
        await this.#rebuildHeld();
      } finally {
        await release();
      }
    });
  }

  /** Undefined when the site has to be made from nothing. */
  async #usableProgress(): Promise<SiteProgress | undefined> {
    const { target } = this.#deps;
    const progress = await target.load('progress');
    await this.#refuseForeign(progress);
    if (!isOurs(progress)) return undefined;
    return this.#settingsChangeAfter(progress.seq) ? undefined : progress;
  }

  #settingsChangeAfter(from: number): boolean {
    const { state, log } = this.#deps;
    for (let seq = from; seq < state.length; seq += 1)
      if (log.read(seq).kind === 'settings-changed') return true;
    return false;
  }

  async #refuseForeign(progress: SiteProgress | undefined): Promise<void> {
    const { state, log } = this.#deps;
    if (!progress) return;
    if (progress.registry !== state.registry)
      throw new ForeignSite(
        `the site belongs to registry ${progress.registry}, the log to ${state.registry}`,
      );
    // Another process may be ahead of what this one has read of the log; that is no fault.
    const seen = progress.claim?.toSeq ?? progress.seq;
    if (seen > log.length) await log.refresh();
    const isKnown = progress.head === this.#knownHead;
    if (seen > log.length || !(isKnown || (await log.carriesOn(progress.head))))
      throw new ForeignSite(
        `the log does not carry on from what the site was made of (commit ${progress.head}, ${progress.seq} events): ` +
          'history was rewritten or restored. If that is right, run: cairn regen --accept-log',
      );
    this.#knownHead = progress.head;
    state.catchUp();
  }

  /** One step further. False when no step can be made from here, and the site has to be made from nothing. */
  async #carryOn(progress: SiteProgress): Promise<boolean> {
    const toSeq = progress.claim?.toSeq ?? Math.min(this.#deps.state.length, progress.seq + MAX_STEP_EVENTS);
    try {
      await this.#step(progress, toSeq);
      return true;
    } catch (error) {
      if (await this.#isCutOff(progress.seq, toSeq)) return false;
      throw error;
    }
  }

  /**
   * Whether what a step needs is gone because no package names it any more (`cairn gc`): a site that has not been looked
   * after for so long, at another place or from a copy. What is missing although it is named is damage, and stays an error.
   */
  async #isCutOff(from: number, to: number): Promise<boolean> {
    const { state } = this.#deps;
    let isCutOff = false;
    for (const key of this.#touched(from, to).keys()) {
      const gone = await this.#missingOf(state.packageAt(key, from), state.packageAt(key, to));
      const damage = await this.#missingOf(state.packageByKey(key));
      if (damage.size > 0) return false;
      isCutOff ||= gone.size > 0;
    }
    return isCutOff;
  }

  async #missingOf(...states: readonly (Package | undefined)[]): Promise<ReadonlySet<Digest>> {
    const { blobs } = this.#deps;
    const missing = new Set<Digest>();
    const read = async (digest: Digest): Promise<Uint8Array | undefined> =>
      (await blobs.has(digest)) ? blobs.read(digest) : undefined;
    for (const of of states)
      if (of && isShown(of))
        for await (const { digest } of namedBlobsOf(of, read))
          if (!(await blobs.has(digest))) missing.add(digest);
    return missing;
  }

  async #step(progress: SiteProgress, toSeq: number): Promise<void> {
    const { state, target, log } = this.#deps;
    // Taken once: settings that change meanwhile are for the rebuild that follows this step.
    const surfaces = this.#mounted;
    if (this.#shownSeq !== progress.seq) this.#shown.clear();
    // Written before the first file: should we stop below, the next run derives exactly this step again and so
    // writes, and removes, the same paths.
    // One that was inherited is claimed anew: it is ours from here on.
    if (!progress.claim || progress.claim.inheritedAt !== undefined)
      await target.save('progress', { ...progress, claim: { toSeq } });
    const shown = new Map<string, Package>();
    const changes: Change[] = [];
    for (const [key, events] of this.#touched(progress.seq, toSeq)) {
      const before = await this.#before(key, events);
      const reduced = state.reduce(before, events);
      if (!reduced) continue;
      const after = await this.#toShow(reduced);
      shown.set(key, after);
      changes.push({ before, after });
      if (before?.visibility === 'public' && after.visibility === 'private') this.#isNamingHidden = true;
    }
    const { claim, ...rest } = progress;
    const { head, headSeq } = toSeq === log.length ? { head: log.head, headSeq: toSeq } : progress;
    const doubt =
      claim?.inheritedAt === undefined ? [] : [{ from: progress.seq, to: toSeq, at: claim.inheritedAt }];
    const doubts = [...(progress.doubts ?? []), ...doubt];
    try {
      await this.#publish(await this.#plansOf(changes, (key) => this.#memberAt(key, toSeq, shown), surfaces));
      await target.save('progress', {
        ...rest,
        revision: SITE_REVISION,
        seq: toSeq,
        head,
        headSeq,
        ...(doubts.length > 0 ? { doubts } : {}),
      });
    } catch (error) {
      if (error instanceof ClaimLost) this.#lost.push({ from: progress.seq, to: toSeq });
      throw error;
    }
    this.#knownHead = head;
    this.#remember(shown, toSeq);
  }

  async #plansOf(
    changes: readonly Change[],
    memberOf: (key: string) => Promise<Package | undefined>,
    surfaces = this.#mounted,
  ): Promise<readonly Plan[]> {
    const plans: Plan[] = [];
    for (const { before, after } of changes)
      for (const mounted of surfaces)
        if (mounted.surface.reads.includes(after.ecosystem)) plans.push(planPackage(before, after, mounted));
    for (const mounted of surfaces) plans.push(await planKeys(changes, mounted, this.#deps.state, memberOf));
    return plans;
  }

  async #publish(plans: readonly Plan[]): Promise<void> {
    const { target } = this.#deps;
    await target.put(plans.flatMap(({ artifacts }) => artifacts));
    await target.put(plans.flatMap(({ documents }) => documents));
    for (const together of removalsInOrder(plans)) await target.remove(together);
  }

  /** The events of [from, to), by the key of the package they are about. */
  #touched(from: number, to: number, concerns = (_seq: number) => true): Map<string, RegistryEvent[]> {
    const { log, state } = this.#deps;
    const touched = new Map<string, RegistryEvent[]>();
    for (let seq = from; seq < to; seq += 1) {
      const event = log.read(seq);
      const subject = subjectOf(event);
      if (subject?.of !== 'package' || !concerns(seq)) continue;
      const key = state.keyOf(subject);
      const events = touched.get(key);
      if (events) events.push(event);
      else touched.set(key, [event]);
    }
    return touched;
  }

  async #before(key: string, [first]: readonly RegistryEvent[]): Promise<Package | undefined> {
    const { state } = this.#deps;
    // What was revealed since may lie between what was shown and this event.
    const shown = this.#shown.get(key);
    if (shown && first && 'prev' in first && first.prev === shown.lastSeq) return shown;
    const found = first && state.packageBefore(key, first);
    return found && this.#toShow(found);
  }

  /**
   * With the texts at hand that its files are made of. Nothing is made of a private package; and who cannot open what
   * happened to it may think that blobs are needed which are gone.
   */
  async #toShow(of: Package): Promise<Package> {
    return isShown(of) ? hydrate(of, this.#deps.blobs) : of;
  }

  /** The package as its last of these events left it, which is what is shown unless something has happened since. */
  async #packageAt(
    key: string,
    events: readonly RegistryEvent[],
    length: number,
  ): Promise<Package | undefined> {
    const { state } = this.#deps;
    const shown = this.#shown.get(key);
    if (shown && shown.lastSeq === events.at(-1)?.seq) return shown;
    const now = state.packageByKey(key);
    const found = now && now.lastSeq < length ? now : state.packageAt(key, length);
    return found && this.#toShow(found);
  }

  async #memberAt(
    key: string,
    length: number,
    shown: ReadonlyMap<string, Package> = new Map(),
  ): Promise<Package | undefined> {
    const known = shown.get(key);
    if (known) return known;
    // Mostly nothing has happened to it since, and then it need not be put together again.
    const now = this.#deps.state.packageByKey(key);
    return now && now.lastSeq < length ? now : this.#deps.state.packageAt(key, length);
  }

  #remember(shown: ReadonlyMap<string, Package>, seq: number): void {
    for (const [key, state] of shown) this.#shown.set(key, state);
    this.#shownSeq = seq;
  }

  /**
   * Brings the roots up to the documents. Apart from them, because it reads one line of every package.
   * Returns false when there was nothing to do.
   */
  updateRoots(): Promise<boolean> {
    return untilClaimed(() => this.#updateRoots());
  }

  async #updateRoots(): Promise<boolean> {
    const { target, log } = this.#deps;
    const release = await target.hold('roots');
    try {
      const [progress, roots] = [await target.load('progress'), await target.load('roots')];
      if (!isOurs(progress) || !isOurs(roots)) return false;
      const lost = this.#lostRoots;
      if (lost === undefined && rootsFollow(roots, progress)) return false;
      if (progress.seq > this.#deps.state.length) return false;
      // New settings mean a rebuild, which brings the roots along: until then they would name a site that is not there.
      if (this.#settingsChangeAfter(progress.seq)) return false;
      const from = Math.min(roots.seq, lost ?? roots.seq);
      const touched = this.#touched(from, progress.seq, (seq) => isOpen(log, seq));
      const due = this.#mounted
        .map((mounted) => ({ mounted, ofSurface: touchedOf(touched, mounted) }))
        .filter(({ ofSurface }) => ofSurface.size > 0);
      if (due.length > 0) await target.claim('roots');
      this.#lostRoots = from;
      // Stopping between these leaves summaries that are newer than the record: merging them again changes nothing.
      for (const { mounted, ofSurface } of due)
        await renderRoots(mounted, ofSurface, target, (key, events) =>
          this.#packageAt(key, events, progress.seq),
        );
      await target.save('roots', { revision: SITE_REVISION, seq: progress.seq });
      this.#lostRoots = undefined;
      return true;
    } finally {
      await release();
    }
  }

  async #rebuildHeld(): Promise<void> {
    const { target } = this.#deps;
    const release = await target.hold('roots');
    try {
      const build = await target.rebuild();
      await this.#renderInto(build).catch(async (error: unknown) => {
        await build.abandon();
        throw error;
      });
    } finally {
      await release();
    }
  }

  async #renderInto(build: SiteBuild): Promise<void> {
    const { state, log } = this.#deps;
    // The log may grow meanwhile. What is rendered ends here, so that the next step knows what is on the site.
    const seq = state.length;
    const { head, length: headSeq } = log;
    const all = this.#mounted;
    const seqs = summariesSeqs(log, all, seq);
    for (const mounted of all) {
      const { surface, site } = mounted;
      const path = summariesPath(surface.id);
      const header = summariesHeader(seqs.get(mounted) ?? 0);
      await build.addRoot(textFile(path, () => this.#renderAll(mounted, header, seq, build)));
      await this.#renderKeys(mounted, seq, build);
      const summaries = summariesIn(() => build.read(path));
      for (const file of surface.filesForRoot(summaries, site)) await build.addRoot(asRoot(file));
    }
    await build.finish({
      progress: { registry: state.registry, revision: SITE_REVISION, seq, head, headSeq },
      roots: { revision: SITE_REVISION, seq },
    });
    // What was shown before the rebuild knows nothing of the events that it took in.
    this.#shown.clear();
    this.#shownSeq = seq;
  }

  /** Adds the files that several packages have a part in. */
  async #renderKeys({ surface, site }: Mounted, seq: number, build: SiteBuild): Promise<void> {
    const { state } = this.#deps;
    if (!surface.filesForKey) return;
    for (const { ecosystem, found } of state.foundBy(surface.reads)) {
      const members = await membersOf(state.packageKeysBy(ecosystem, found), (key) =>
        this.#memberAt(key, seq),
      );
      for (const file of surface.filesForKey(found, members, site)) build.add(file);
    }
  }

  /** Adds every file of every package to a build and, on the way, yields their summaries: one pass over the log. */
  async *#renderAll(mounted: Mounted, header: string, seq: number, build: SiteBuild): AsyncGenerator<string> {
    const { state } = this.#deps;
    let lines = header;
    for (const key of state.packageKeys(mounted.surface.reads)) {
      const found = state.packageAt(key, seq);
      if (!found) continue;
      const shown = isAtHand(found) ? found : await this.#toShow(found);
      for (const file of allFiles(shown, mounted)) build.add(file);
      const summary = summaryOf(shown, mounted.surface, mounted.site);
      if (summary) lines += summaryLine(key, summary);
      if (lines.length < 64 * 1024) continue;
      yield lines;
      lines = '';
    }
    yield lines;
  }
}

/** Whoever has taken over derives from what it finds there; we look at that, wait for it, and carry on from it. */
async function untilClaimed<T>(work: () => Promise<T>): Promise<T> {
  for (;;)
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ClaimLost)) throw error;
    }
}

function isAtHand(of: Package): boolean {
  return !isShown(of) || isHydrated(of);
}
