/** Counts requests in this process: what is counted is gone with it. */
import { RateLimiterMemory, RateLimiterRes, type RateLimiterAbstract } from 'rate-limiter-flexible';
import { WINDOW_SECONDS } from '../core/limits.ts';
import type { RequestLimiter, TakenRequest } from '../core/ports.ts';

export class MemoryLimiter implements RequestLimiter {
  /** By the limit: each window belongs to a key, and a key has one limit. */
  readonly #counters = new Map<number, RateLimiterMemory>();

  take(key: string, limit: number): Promise<TakenRequest> {
    let counter = this.#counters.get(limit);
    if (!counter) {
      counter = new RateLimiterMemory({ points: limit, duration: WINDOW_SECONDS });
      this.#counters.set(limit, counter);
    }
    return takeFrom(counter, key);
  }

  close(): void {
    // Windows end by timers that keep no process alive.
  }
}

/** @throws Error of the store; a refusal is an answer. */
export async function takeFrom(counter: RateLimiterAbstract, key: string): Promise<TakenRequest> {
  try {
    const { remainingPoints, msBeforeNext } = await counter.consume(key);
    return { accepted: true, remaining: remainingPoints, endsInMs: Math.max(0, msBeforeNext) };
  } catch (refused) {
    if (!(refused instanceof RateLimiterRes)) throw refused;
    return { accepted: false, remaining: 0, endsInMs: Math.max(0, refused.msBeforeNext) };
  }
}
