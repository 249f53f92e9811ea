/**
 * The records of a site in a bucket, and who may write it. Each record is an object that changes by compare-and-swap. Who is
 * about to write puts its id into it, and again and again while it writes; it stops by itself as soon as it could not do so in
 * time. Others take over what has not changed for that long by their own clock: clocks of two machines are never compared.
 */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { performance } from 'node:perf_hooks';
import { digestOf } from '../core/digest.ts';
import { ClaimLost } from '../core/errors.ts';
import type { SiteProgress, SiteRecords } from '../core/ports.ts';
import { ConditionFailed, type Bucket } from './bucket.ts';
import { recordNames } from './site-files.ts';

/** For tests, which cannot wait as long as it is right to. */
export interface ClaimTimes {
  /** Who is not heard of for so long has lost its claim. Longer than any request may take, its repetitions included. */
  readonly leaseMs: number;
  readonly pollMs: number;
}

const DEFAULT_TIMES: ClaimTimes = { leaseMs: 180_000, pollMs: 500 };
/** Renewed so many times before it is over, and given up as long before. */
const BEATS = 4;

interface Holder {
  readonly id: string;
  readonly beat: number;
  /** Of `BucketRecordsOptions`. */
  readonly soleWriter?: string | undefined;
}

interface Stored {
  readonly value: SiteRecords[keyof SiteRecords] | null;
  readonly holder?: Holder;
}

interface Part {
  turn: Promise<void>;
  writing: Promise<void>;
  /** What this process knows to be there, unless another has written since; undefined when it has to look. */
  known: { readonly stored: Stored; readonly etag: string | undefined } | undefined;
  claimedUntil: number | undefined;
  timers: readonly NodeJS.Timeout[];
  isLost: boolean;
}

type ValueOf = (part: Part) => Stored['value'];
/** Only who has the record changes. */
const asItIs: ValueOf = ({ known }) => known?.stored.value ?? null;

export interface BucketRecordsOptions {
  readonly bucket: Bucket;
  readonly times?: ClaimTimes | undefined;
  /** A name that a lock gives to one living process at a time: whoever else claimed under it is dead. */
  readonly soleWriter?: string | undefined;
  /** Another process has written: what was known of the site may be so no longer. */
  readonly onForeign: () => void;
}

export class BucketRecords {
  readonly #bucket: Bucket;
  readonly #times: ClaimTimes;
  readonly #soleWriter: string | undefined;
  readonly #onForeign: () => void;
  readonly #id = randomBytes(8).toString('hex');
  readonly #parts = new Map<keyof SiteRecords, Part>();
  #beat = 0;
  #writes = newController();

  constructor({ bucket, times = DEFAULT_TIMES, soleWriter, onForeign }: BucketRecordsOptions) {
    this.#bucket = bucket;
    this.#times = times;
    this.#soleWriter = soleWriter;
    this.#onForeign = onForeign;
  }

  /** Waits for others of this process, and for the living claims of others. */
  async hold(name: keyof SiteRecords): Promise<() => Promise<void>> {
    const part = this.#part(name);
    const before = part.turn;
    let free = (): void => undefined;
    part.turn = new Promise((resolve) => (free = resolve));
    await before;
    try {
      part.isLost = false;
      await this.#waitForOthers(name, part);
    } catch (error) {
      free();
      throw error;
    }
    return async () => {
      try {
        // A step that failed: whoever comes next need not wait for us. Should this fail, it has to.
        if (part.claimedUntil !== undefined) await this.#write(name, part, asItIs, false);
      } catch {
        part.known = undefined;
      } finally {
        this.#stopBeating(part);
        part.isLost = false;
        free();
      }
    };
  }

  /** Ends the writes that are under way when a claim is lost, or could not be renewed in time. */
  get signal(): AbortSignal {
    return this.#writes.signal;
  }

  async #waitForOthers(name: keyof SiteRecords, part: Part): Promise<void> {
    let seen: string | undefined;
    let since = 0;
    for (;;) {
      const { stored, etag } = part.known ?? (await this.#look(name, part));
      if (!stored.holder || stored.holder.id === this.#id) return;
      const now = performance.now();
      if (seen !== etag) [seen, since] = [etag, now];
      if (this.#isSurelyDead(stored.holder) || now - since >= this.#times.leaseMs) {
        // Taken over before anything is derived: of several who wait one succeeds.
        if (await this.#tryToClaim(name, part)) return;
        continue;
      }
      part.known = undefined;
      await new Promise((next) => setTimeout(next, this.#times.pollMs * (0.5 + Math.random())));
    }
  }

  #isSurelyDead({ soleWriter }: Holder): boolean {
    return soleWriter !== undefined && soleWriter === this.#soleWriter;
  }

  async #tryToClaim(name: keyof SiteRecords, part: Part): Promise<boolean> {
    try {
      await this.#write(name, part, asItIs, true);
      return true;
    } catch (error) {
      if (!(error instanceof ClaimLost)) throw error;
      part.isLost = false;
      return false;
    }
  }

  async #look(name: keyof SiteRecords, part: Part): Promise<NonNullable<Part['known']>> {
    const found = await readRecord(this.#bucket, name);
    part.known = found;
    this.#onForeign();
    return found;
  }

  async load<K extends keyof SiteRecords>(name: K): Promise<SiteRecords[K] | undefined> {
    const part = this.#part(name);
    const { stored } = part.known ?? (await this.#look(name, part));
    if (name === 'progress')
      return inherited(stored.value as SiteProgress | null) as SiteRecords[K] | undefined;
    return (stored.value ?? undefined) as SiteRecords[K] | undefined;
  }

  /** @throws ClaimLost */
  async claim(name: keyof SiteRecords, value?: SiteRecords[keyof SiteRecords] | null): Promise<void> {
    const part = this.#part(name);
    if (part.claimedUntil !== undefined && value === undefined) return;
    await this.#write(name, part, value === undefined ? asItIs : () => value, true);
  }

  /** Durable when it returns; without a claim in it, others may go on. @throws ClaimLost */
  async save<K extends keyof SiteRecords>(name: K, value: SiteRecords[K]): Promise<void> {
    const part = this.#part(name);
    this.requireClaims();
    // What became of our last write is not known: then whoever it names has the part.
    if (!part.known) {
      const { holder } = (await this.#look(name, part)).stored;
      if (holder?.id !== this.#id && (holder || part.claimedUntil !== undefined))
        throw this.#lose(name, part);
    }
    await this.#write(name, part, () => value, 'claim' in value && value.claim !== undefined);
  }

  /** Before each write to the site. @throws ClaimLost as soon as another may have taken over what this process has claimed */
  requireClaims(): void {
    const now = performance.now();
    for (const [name, part] of this.#parts)
      if (part.isLost || (part.claimedUntil !== undefined && now > part.claimedUntil))
        throw this.#lose(name, part);
  }

  #lose(name: keyof SiteRecords, part: Part, cause?: unknown): ClaimLost {
    part.isLost = true;
    part.known = undefined;
    this.#stopBeating(part);
    this.#writes.abort();
    this.#writes = newController();
    this.#onForeign();
    return new ClaimLost(`another process writes the ${name} of ${this.#bucket.name}`, { cause });
  }

  /** One write after another: each is made of what the one before has left. */
  async #inTurn(part: Part, write: () => Promise<void>): Promise<void> {
    const before = part.writing;
    let done = (): void => undefined;
    part.writing = new Promise((resolve) => (done = resolve));
    await before;
    try {
      await write();
    } finally {
      done();
    }
  }

  #write(name: keyof SiteRecords, part: Part, valueOf: ValueOf, isClaimed: boolean): Promise<void> {
    return this.#inTurn(part, () => this.#swap(name, part, valueOf(part), isClaimed));
  }

  #renew(name: keyof SiteRecords, part: Part): Promise<void> {
    return this.#inTurn(part, async () => {
      // What the claim was for may have been done meanwhile.
      if (part.claimedUntil !== undefined) await this.#swap(name, part, asItIs(part), true);
    });
  }

  async #swap(
    name: keyof SiteRecords,
    part: Part,
    value: Stored['value'],
    isClaimed: boolean,
  ): Promise<void> {
    if (part.isLost) throw this.#lose(name, part);
    const stored: Stored = isClaimed
      ? { value, holder: { id: this.#id, beat: (this.#beat += 1), soleWriter: this.#soleWriter } }
      : { value };
    const etag = part.known?.etag;
    const startedAt = performance.now();
    const bytes = Buffer.from(`${JSON.stringify(stored)}\n`);
    try {
      // Stopping before this leaves the record as it was; what another holds is never written over.
      const now = await this.#bucket.put(recordNames[name], bytes, {
        contentType: 'application/json',
        cacheControl: 'no-store',
        digest: digestOf(bytes),
        condition: etag === undefined ? 'absent' : { etag },
      });
      part.known = { stored, etag: now };
      if (isClaimed) this.#beatFrom(name, part, startedAt);
      else this.#stopBeating(part);
    } catch (error) {
      if (error instanceof ConditionFailed) throw this.#lose(name, part, error);
      // Nobody knows what became of it.
      part.known = undefined;
      throw error;
    }
  }

  #beatFrom(name: keyof SiteRecords, part: Part, startedAt: number): void {
    const { leaseMs } = this.#times;
    part.claimedUntil = startedAt + (leaseMs * (BEATS - 1)) / BEATS;
    this.#stopTimers(part);
    part.timers = [
      setTimeout(() => {
        // Should it fail, the claim runs out.
        this.#renew(name, part).catch(() => undefined);
      }, leaseMs / BEATS),
      setTimeout(() => void this.#lose(name, part), part.claimedUntil - performance.now()),
    ];
    for (const timer of part.timers) timer.unref();
  }

  #stopBeating(part: Part): void {
    this.#stopTimers(part);
    part.claimedUntil = undefined;
  }

  #stopTimers(part: Part): void {
    for (const timer of part.timers) clearTimeout(timer);
    part.timers = [];
  }

  #part(name: keyof SiteRecords): Part {
    let part = this.#parts.get(name);
    if (!part) {
      part = {
        turn: Promise.resolve(),
        writing: Promise.resolve(),
        known: undefined,
        claimedUntil: undefined,
        timers: [],
        isLost: false,
      };
      this.#parts.set(name, part);
    }
    return part;
  }
}

/** For many writes at a time, each of which listens. */
function newController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/** A claim that was there before we came is another's, or ours of before a failure: its writes may be under way still. */
function inherited(progress: SiteProgress | null): SiteProgress | undefined {
  if (!progress?.claim) return progress ?? undefined;
  return { ...progress, claim: { ...progress.claim, inheritedAt: Date.now() } };
}

async function readRecord(bucket: Bucket, name: keyof SiteRecords): Promise<NonNullable<Part['known']>> {
  const found = await bucket.get(recordNames[name]);
  if (found === undefined || found === 'unchanged') return { stored: { value: null }, etag: undefined };
  const bytes = await found.bytes();
  return { stored: parse(bytes), etag: found.etag };
}

/** A record that cannot be read is one that is not there: the site is then made again from the log. */
function parse(bytes: Buffer): Stored {
  try {
    const stored = JSON.parse(bytes.toString('utf8')) as Stored;
    return typeof stored === 'object' && stored !== null && 'value' in stored ? stored : { value: null };
  } catch {
    return { value: null };
  }
}

/** For those who only look. */
export async function loadBucketRecord<K extends keyof SiteRecords>(
  bucket: Bucket,
  name: K,
): Promise<SiteRecords[K] | undefined> {
  const { stored } = await readRecord(bucket, name);
  return (stored.value ?? undefined) as SiteRecords[K] | undefined;
}
