/** What is said about removing blobs that nobody needs, and by which times it goes. */

export interface GarbageWish {
  /** How long a blob has to have been needed by nobody. */
  readonly graceMs: number;
}

export interface Amount {
  readonly blobs: number;
  readonly bytes: number;
}

export interface GarbageReport {
  /** What went; of bytes that the site links to as well, none are freed. */
  readonly removed: Amount;
  /** What nobody needs either, and stays until the grace period is over. */
  readonly waiting: Amount;
  /** Uploads, and blobs held for a push, that nobody came back to. */
  readonly expired: number;
  /** How many blobs are needed. */
  readonly needed: number;
  /** Files among the blobs that are none. They are left alone. */
  readonly strangers: number;
}

export interface GarbageProgress {
  readonly doing: 'looking at packages' | 'looking at blobs' | 'removing';
  readonly done: number;
  readonly of?: number;
}

/** A push may take long. What it has brought so far stays this long at least, whatever the grace period is. */
const PUSH_MS = 24 * 60 * 60_000;

/** What nobody came back to since then is over. */
export function endOfPushes(now: number, { graceMs }: GarbageWish): number {
  return now - Math.max(graceMs, PUSH_MS);
}

export function isDue({ since }: { readonly since: number }, now: number, { graceMs }: GarbageWish): boolean {
  return now - since >= graceMs;
}

/** Counts as it goes. */
export class Sum {
  blobs = 0;
  bytes = 0;

  add(bytes: number): void {
    this.blobs += 1;
    this.bytes += bytes;
  }

  get amount(): Amount {
    return { blobs: this.blobs, bytes: this.bytes };
  }
}
