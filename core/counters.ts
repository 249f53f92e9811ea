/**
 * The counts themselves, in memory. `stores/counter-file.ts` keeps them; alone, this is the version for tests.
 *
 * Anybody may report a count of anything. What this registry has is always counted, for it has bounds already. What it
 * does not have is counted as long as there is room: the first names to come stay, and the rest are dropped.
 */
import {
  dateOf,
  dayOf,
  isListedName,
  KEPT_DAYS,
  sumOf,
  type Category,
  type CategoryReport,
  type CountBatch,
  type CountEvent,
  type DownloadStats,
  type PastCount,
  type RequestedVersion,
  type TimelineDay,
} from './count.ts';
import { MissingVersions } from './missing-versions.ts';
import type { Clock, Counters } from './ports.ts';
import type { SavedCounts, SavedTally } from './saved-counts.ts';
import { cellOf, columns, firstKeptCell, Tally, type Column } from './tally.ts';

export interface CounterLimits {
  /** Names that are not ours. */
  readonly strangeNames: number;
  /** Versions of one name that nobody published; the rest is counted as `other`. */
  readonly strangeVersionsPerName: number;
  /** The same of all names together: a thousand versions of every name would take gigabytes. */
  readonly strangeVersions: number;
  /** Counts by day and category of names that are not ours; the oldest day makes room. */
  readonly strangeCells: number;
  readonly missingVersions: number;
}

export const usualLimits: CounterLimits = {
  strangeNames: 50_000,
  strangeVersionsPerName: 1_000,
  strangeVersions: 200_000,
  strangeCells: 2_000_000,
  missingVersions: 10_000,
};

const columnOf = {
  download: columns.downloads,
  install: columns.installs,
  install_on_request: columns.installs_on_request,
  build_error: columns.build_errors,
} as const satisfies Record<Category, Column>;

/** What of a name was not written down since it changed. */
interface Changed {
  readonly tally: Tally;
  readonly versions: Set<string>;
  readonly cells: Set<number>;
}

/** Names in one piece of a snapshot: few enough that nobody waits for it. */
const NAMES_PER_PIECE = 250;

export class CounterModel implements Counters {
  readonly #clock: Clock;
  readonly #limits: CounterLimits;
  /** Maps, not objects: a name can be `__proto__`. */
  readonly #tallies = new Map<string, Tally>();
  readonly #missing: MissingVersions;
  readonly #positions = new Map<string, number>();
  #dropped = 0;

  readonly #strange = { names: 0, versions: 0, cells: 0 };
  #foldedOn = 0;

  readonly #changed = new Map<string, Changed>();
  #somethingElseChanged = false;

  /** Told of every change; it may come within a request, and must be quick. */
  readonly #onChange: () => void;

  constructor(clock: Clock, limits: CounterLimits = usualLimits, onChange = (): void => undefined) {
    this.#clock = clock;
    this.#limits = limits;
    this.#onChange = onChange;
    this.#missing = new MissingVersions(limits.missingVersions);
  }

  get dropped(): number {
    return this.#dropped;
  }

  count(event: CountEvent): void {
    const now = this.#clock.now();
    this.#add(event, 1, now, dayOf(now));
    this.#onChange();
  }

  add({ source, upTo, counts }: CountBatch): boolean {
    // What is not exact could not be read again.
    const numbers = [upTo, ...counts.flatMap(({ count, atMs }) => [count, atMs])];
    if (!numbers.every((number) => Number.isSafeInteger(number) && number >= 0))
      throw new RangeError(`a count, a time or a position of ${source} is no whole number`);
    if (upTo <= (this.#positions.get(source) ?? -1)) return false;
    const today = this.#today();
    for (const past of counts) this.#add(past, past.count, past.atMs, today);
    this.#positions.set(source, upTo);
    this.#somethingElseChanged = true;
    this.#onChange();
    return true;
  }

  takenUpTo(source: string): number | undefined {
    return this.#positions.get(source);
  }

  countMissing(name: string, version: string): void {
    const count = this.#missing.get(name, version)?.[2] ?? 0;
    this.#missing.change([ownText(name), ownText(version), sumOf(count, 1), this.#clock.now()]);
    this.#onChange();
  }

  top(limit: number): { name: string; downloads: number }[] {
    const best: { name: string; downloads: number }[] = [];
    for (const [name, { downloads }] of this.#tallies) {
      const last = best[limit - 1];
      if (downloads === 0 || !isListedName(name)) continue;
      if (last && byCount(last.downloads, last.name, downloads, name) < 0) continue;
      const at = best.findIndex((other) => byCount(other.downloads, other.name, downloads, name) > 0);
      best.splice(at === -1 ? best.length : at, 0, { name, downloads });
      best.length = Math.min(best.length, limit);
    }
    return best;
  }

  *downloadedSince(ms: number): Iterable<string> {
    for (const [name, { isOurs, lastMs }] of this.#tallies)
      if (isOurs && lastMs > 0 && lastMs >= ms && isListedName(name)) yield name;
  }

  statsOf(name: string): DownloadStats | undefined {
    const tally = this.#tallies.get(name);
    if (!tally || tally.downloads === 0) return undefined;
    const today = this.#today();
    return {
      packageName: name,
      totalDownloads: tally.downloads,
      weeklyDownloads: tally.sum([columns.downloads], today - 6, today),
      monthlyDownloads: tally.sum([columns.downloads], today - 29, today),
      versionDownloads: Object.fromEntries(tally.versions),
      lastDownload: new Date(tally.lastMs).toISOString(),
    };
  }

  timeline(name: string, days: number): TimelineDay[] {
    const first = this.#firstOf(days);
    const tally = this.#tallies.get(name);
    return Array.from({ length: days }, (_, i) => ({
      date: dateOf(first + i),
      count: tally?.cell(cellOf(first + i, columns.downloads)) ?? 0,
    }));
  }

  requestedVersions(
    name: string,
    limit: number,
    isKnown: (version: string) => boolean = () => false,
  ): RequestedVersion[] {
    return this.#missing.of(name, limit, isKnown);
  }

  categoryReport(category: CategoryReport['category'], days: number): CategoryReport {
    const first = this.#firstOf(days);
    const today = this.#today();
    const of = category === 'install' ? [columns.downloads, columns.installs] : [columnOf[category]];
    const found: { name: string; count: number }[] = [];
    for (const [name, tally] of this.#tallies) {
      const count = isListedName(name) ? tally.sum(of, first, today) : 0;
      if (count > 0) found.push({ name, count });
    }
    found.sort((a, b) => byCount(a.count, a.name, b.count, b.name));
    const total = found.reduce((sum, { count }) => sumOf(sum, count), 0);
    return {
      category,
      total_items: found.length,
      start_date: dateOf(first),
      end_date: dateOf(today),
      total_count: total,
      items: found.map(({ name, count }, i) => ({
        number: i + 1,
        formula: name,
        count: count.toLocaleString('en-US'),
        percent: ((count / total) * 100).toFixed(2),
      })),
    };
  }

  /** What changed since this was asked last; undefined when nothing did. */
  changes(): SavedCounts | undefined {
    if (!this.#somethingElseChanged && this.#changed.size === 0 && !this.#missing.hasChanged)
      return undefined;
    const changes = {
      ...this.#rest(),
      names: [...this.#changed].map(([name, { tally, versions, cells }]) =>
        savedTally(name, tally, versions, tally.daysOf(cells)),
      ),
      missing: this.#missing.takeChanged(),
    };
    this.#changed.clear();
    this.#somethingElseChanged = false;
    return changes;
  }

  /** All there is, in pieces. It may be counted in between: each name is as it is when its piece is made. */
  *everything(): Generator<SavedCounts, void> {
    let names: SavedTally[] = [];
    for (const [name, tally] of this.#tallies) {
      names.push(savedTally(name, tally, tally.versions.keys(), tally.keptDays(this.#today())));
      if (names.length < NAMES_PER_PIECE) continue;
      yield { ...this.#rest(), names, missing: [] };
      names = [];
    }
    yield { ...this.#rest(), names, missing: this.#missing.all() };
  }

  /** What `changes` or `everything` gave. Reading it again, in the order in which it was written, changes nothing. */
  apply({ names, missing, positions, dropped }: SavedCounts): void {
    for (const saved of names) this.#applyTally(saved);
    for (const one of missing) this.#missing.set(one);
    for (const [source, upTo] of positions) this.#positions.set(source, upTo);
    this.#dropped = dropped;
  }

  #applyTally([name, isOurs, downloads, lastMs, versions, days]: SavedTally): void {
    const tally = this.#tallies.get(name) ?? this.#newTally(name);
    if (isOurs === 1) this.#makeOurs(tally);
    tally.downloads = downloads;
    tally.lastMs = lastMs;
    for (let i = 0; i < versions.length; i += 2)
      this.#setVersion(tally, String(versions[i]), Number(versions[i + 1]));
    const before = tally.cells;
    tally.setCells(days);
    if (!tally.isOurs) this.#strange.cells += tally.cells - before;
  }

  #add(event: CountEvent | PastCount, count: number, atMs: number, today: number): void {
    const { name, category, version, ours } = event;
    if (today !== this.#foldedOn) this.#foldStrangers(today);
    const tally = this.#tallies.get(name) ?? this.#admit(name, ours);
    if (!tally) return this.#drop(count);
    if (ours !== 'nothing') this.#makeOurs(tally);
    const changed = this.#changedOf(name, tally);
    if (category === 'download') {
      tally.downloads = sumOf(tally.downloads, count);
      tally.lastMs = Math.max(tally.lastMs, atMs);
      const line = this.#lineOf(tally, version ?? 'unknown', ours);
      this.#setVersion(tally, line, sumOf(tally.versions.get(line) ?? 0, count));
      changed.versions.add(line);
    }
    const cell = cellOf(dayOf(atMs), columnOf[category]);
    if (cell < firstKeptCell(today)) return;
    const before = tally.cell(cell);
    if (before === undefined) {
      if (!tally.isOurs && this.#strange.cells >= this.#limits.strangeCells) return this.#drop(count);
      if (tally.isOurs) tally.fold(today);
      else this.#strange.cells += 1;
    }
    tally.setCell(cell, sumOf(before ?? 0, count));
    changed.cells.add(cell);
  }

  #admit(name: string, ours: CountEvent['ours']): Tally | undefined {
    if (ours === 'nothing' && this.#strange.names >= this.#limits.strangeNames) return undefined;
    return this.#newTally(ownText(name));
  }

  /** Nobody's until somebody says that it is ours. */
  #newTally(name: string): Tally {
    const tally = new Tally();
    this.#tallies.set(name, tally);
    this.#strange.names += 1;
    return tally;
  }

  #makeOurs(tally: Tally): void {
    if (tally.isOurs) return;
    tally.isOurs = true;
    this.#strange.names -= 1;
    this.#strange.versions -= tally.versions.size;
    this.#strange.cells -= tally.cells;
  }

  /** Under which version a download is counted. One that is ours has a line of its own, however many there are. */
  #lineOf(tally: Tally, version: string, ours: CountEvent['ours']): string {
    if (tally.versions.has(version)) return version;
    const isFull =
      tally.versions.size >= this.#limits.strangeVersionsPerName ||
      this.#strange.versions >= this.#limits.strangeVersions;
    // Who reports a version of our package that we do not have gets no line for it.
    if (ours === 'version' || (!tally.isOurs && !isFull)) return ownText(version);
    return 'other';
  }

  #setVersion(tally: Tally, version: string, count: number): void {
    const before = tally.versions.size;
    tally.versions.set(version, count);
    if (!tally.isOurs) this.#strange.versions += tally.versions.size - before;
  }

  /** Once a day: names that are ours fold when they are counted, and the room of these is shared. */
  #foldStrangers(today: number): void {
    this.#foldedOn = today;
    for (const tally of this.#tallies.values()) if (!tally.isOurs) this.#strange.cells -= tally.fold(today);
  }

  #drop(count: number): void {
    this.#dropped = sumOf(this.#dropped, count);
    this.#somethingElseChanged = true;
  }

  #changedOf(name: string, tally: Tally): Changed {
    let changed = this.#changed.get(name);
    if (!changed) this.#changed.set(name, (changed = { tally, versions: new Set(), cells: new Set() }));
    return changed;
  }

  #rest(): Pick<SavedCounts, 'positions' | 'dropped'> {
    return { positions: [...this.#positions], dropped: this.#dropped };
  }

  #today(): number {
    return dayOf(this.#clock.now());
  }

  #firstOf(days: number): number {
    if (!Number.isInteger(days) || days < 1 || days > KEPT_DAYS)
      throw new RangeError(`between 1 and ${KEPT_DAYS} days are kept, not ${days}`);
    return this.#today() - days + 1;
  }
}

function savedTally(name: string, tally: Tally, versions: Iterable<string>, days: number[]): SavedTally {
  const counts: (string | number)[] = [];
  for (const version of versions) counts.push(version, tally.versions.get(version) ?? 0);
  return [name, tally.isOurs ? 1 : 0, tally.downloads, tally.lastMs, counts, days];
}

/** A piece of a string keeps all of it in memory; a name may be a piece of a long request. */
function ownText(text: string): string {
  return Buffer.from(text).toString();
}

/** The larger first, then by name, in the order of its code units. */
function byCount(countA: number, a: string, countB: number, b: string): number {
  return countB - countA || (a < b ? -1 : 1);
}
