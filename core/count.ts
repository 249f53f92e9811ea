/** What is counted of packages, and how it is answered. Counts are no part of the log: a site made again lacks them. */

export const categories = ['download', 'install', 'install_on_request', 'build_error'] as const;
export type Category = (typeof categories)[number];

export interface CountEvent {
  /** Such as `@acme/lib` or `curl.se`: one that passes `isCountableName`, or is in no list (`isListedName`). */
  readonly name: string;
  /**
   * A download is an install as well and counts as both, once each, however it was heard of. (Pantry's own server in
   * memory takes a posted `download` for two installs, and one that it serves for one.)
   */
  readonly category: Category;
  /** Of a download: one that passes `isCountableVersion`; `unknown` when there is none. Others have no versions. */
  readonly version?: string | undefined;
  /**
   * What of it this registry has: this very version (a commit package is one, too), only the name, or nothing. Anybody
   * may report counts: what is not ours is counted within bounds.
   */
  readonly ours: 'version' | 'name' | 'nothing';
}

/** Counts of the same kind in one, of a day that may be over. */
export interface PastCount extends CountEvent {
  readonly count: number;
  /** When the last of them was; all of them are counted on its day. */
  readonly atMs: number;
}

/** What was found in one piece of another log, such as a CDN's. */
export interface CountBatch {
  /** Which log: its positions only grow. */
  readonly source: string;
  /** Where in it this piece ends: a byte, a line, or the time of a file's name. */
  readonly upTo: number;
  readonly counts: readonly PastCount[];
}

/** Days that are kept one by one; of older ones the all-time counts remain. */
export const KEPT_DAYS = 400;

export interface DownloadStats {
  readonly packageName: string;
  readonly totalDownloads: number;
  /** Of the last 7 days, today included. Days are UTC's. */
  readonly weeklyDownloads: number;
  readonly monthlyDownloads: number;
  readonly versionDownloads: Readonly<Record<string, number>>;
  readonly lastDownload: string;
}

export interface TimelineDay {
  readonly date: string;
  readonly count: number;
}

export interface RequestedVersion {
  readonly packageName: string;
  readonly version: string;
  readonly requestCount: number;
  readonly lastRequestedAt: string;
  readonly isKnownVersion: boolean;
}

export interface CategoryReport {
  readonly category: Exclude<Category, 'download'>;
  readonly total_items: number;
  readonly start_date: string;
  readonly end_date: string;
  readonly total_count: number;
  readonly items: readonly {
    readonly number: number;
    readonly formula: string;
    /** With thousands separators, as `1,100`. */
    readonly count: string;
    /** Two decimals, as `91.67`. */
    readonly percent: string;
  }[];
}

/** Scopes, the domains of projects and paths below them: `@acme/lib`, `gnu.org/gcc/libstdcxx`. */
export function isCountableName(name: string): boolean {
  return (
    name.length <= 214 && /^@?[\w.+~-]+(?:\/[\w.+~-]+)*$/.test(name) && !/(?:^@?|\/)\.+(?:\/|$)/.test(name)
  );
}

/** Whether lists and reports, which are Pantry's, tell of a name. Those with a colon, such as Run's, are of other protocols. */
export function isListedName(name: string): boolean {
  return !name.includes(':');
}

export function isCountableVersion(version: string): boolean {
  return version.length <= 64 && /^[\w.+-]+$/.test(version);
}

/** Counts never get so large that they are no longer exact. */
export function sumOf(a: number, b: number): number {
  return Math.min(a + b, Number.MAX_SAFE_INTEGER);
}

/** Days since 1970, UTC. */
export function dayOf(ms: number): number {
  return Math.floor(ms / 86_400_000);
}

export function dateOf(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10);
}
