/** Runs the generator after every append and tells writers when what they wrote can be read. */
import type { Clock } from '../core/ports.ts';
import type { Visibility } from '../core/route.ts';
import type { Generator } from './generator.ts';

export interface PublisherDeps {
  readonly generator: Generator;
  readonly clock: Clock;
  /** How far the log is; the site is to follow it. */
  readonly logLength: () => number;
  readonly onError: (error: unknown) => void;
}

export interface PublisherStatus {
  /** The log up to here is on the site. */
  readonly seq: number;
  /** Why the site lags behind, while it does. */
  readonly failure: string | undefined;
}

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;
/** Under load the roots are at most this late, or this many times the time they take. */
const ROOTS_DELAY_MS = 1_000;
const ROOTS_DELAY_FACTOR = 20;
/** And never later, also when the clock is set meanwhile. */
const ROOTS_LONGEST_DELAY_MS = 600_000;

interface Waiter {
  readonly seq: number;
  readonly resolve: (visibility: Visibility) => void;
}

export class Publisher {
  readonly #deps: PublisherDeps;
  #waiters: Waiter[] = [];
  #running: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #failure: string | undefined;
  #seq = 0;
  #roots: Promise<void> | undefined;
  #rootsTimer: NodeJS.Timeout | undefined;
  #rootsNotBefore = 0;
  #closed = false;

  constructor(deps: PublisherDeps) {
    this.#deps = deps;
  }

  get status(): PublisherStatus {
    return { seq: this.#seq, failure: this.#failure };
  }

  /** Resolves when events below `seq` can be read from the site, or at once with the news that this takes longer. */
  visible(seq: number): Promise<Visibility> {
    if (this.#seq >= seq) return Promise.resolve('visible');
    if (this.#failure !== undefined || this.#closed) return Promise.resolve('degraded');
    return new Promise((resolve) => {
      this.#waiters.push({ seq, resolve });
      this.notify();
    });
  }

  /** The log has grown. */
  notify(): void {
    if (this.#closed || this.#running || this.#retry) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#failure === undefined && this.#seq < this.#deps.logLength()) this.notify();
    });
  }

  async #run(): Promise<void> {
    try {
      this.#seq = await this.#deps.generator.update();
      this.#failure = undefined;
      this.#retryMs = FIRST_RETRY_MS;
      this.#settle();
      this.#scheduleRoots();
    } catch (error) {
      this.#failed(error);
    }
  }

  #settle(): void {
    const ready = this.#waiters.filter(({ seq }) => seq <= this.#seq);
    this.#waiters = this.#waiters.filter(({ seq }) => seq > this.#seq);
    for (const { resolve } of ready) resolve('visible');
  }

  /** What was appended stands; the site follows as soon as it can. */
  #failed(error: unknown): void {
    this.#deps.onError(error);
    this.#failure = error instanceof Error ? error.message : String(error);
    for (const { resolve } of this.#waiters.splice(0)) resolve('degraded');
    if (this.#closed) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.notify();
    }, this.#retryMs);
    this.#retry.unref();
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }

  #scheduleRoots(): void {
    if (this.#closed || this.#roots || this.#rootsTimer) return;
    const due = this.#rootsNotBefore - this.#deps.clock.now();
    const wait = Math.min(Math.max(0, due), ROOTS_LONGEST_DELAY_MS);
    this.#rootsTimer = setTimeout(() => {
      this.#rootsTimer = undefined;
      this.#roots = this.#runRoots().finally(() => (this.#roots = undefined));
    }, wait);
    this.#rootsTimer.unref();
  }

  async #runRoots(): Promise<void> {
    const { generator, clock, onError } = this.#deps;
    const started = clock.now();
    const from = this.#seq;
    try {
      const changed = await generator.updateRoots();
      const took = clock.now() - started;
      this.#rootsNotBefore = clock.now() + Math.max(ROOTS_DELAY_MS, took * ROOTS_DELAY_FACTOR) - took;
      // What was published meanwhile gets its turn, also when this round looked before it was there and found
      // nothing; at rest this ends with nothing left to do.
      if (changed || this.#seq > from) setImmediate(() => this.#scheduleRoots());
    } catch (error) {
      onError(error);
      this.#rootsNotBefore = clock.now() + LAST_RETRY_MS;
      setImmediate(() => this.#scheduleRoots());
    }
  }

  /** Finishes what is under way, roots included. */
  async close(): Promise<void> {
    while (this.#running) await this.#running;
    this.#closed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#rootsTimer);
    await this.#roots;
    if (this.#failure === undefined) await this.#deps.generator.updateRoots().catch(this.#deps.onError);
  }
}
