/**
 * Counts requests in a Redis, or a Valkey, that several processes share. It holds nothing that has to last: while it does not
 * answer, each process counts by itself, and no request waits for it or fails by it.
 */
import { createClient, type RedisClientType } from '@redis/client';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { WINDOW_SECONDS } from '../core/limits.ts';
import type { Clock, RequestLimiter, TakenRequest } from '../core/ports.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import { MemoryLimiter, takeFrom } from './request-limiter.ts';

export interface RedisLimiterOptions {
  /** May hold a password: it is in no message. */
  readonly url: string;
  readonly clock: Clock;
  /** It does not answer; said once, until it does again. */
  readonly onTrouble: (error: unknown) => void;
  readonly onRecovery: () => void;
}

/** A request waits this long for it and no longer. */
const PATIENCE_MS = 250;
/** After a failure nobody waits for this long; then one request tries again. */
const PAUSE_MS = 1_000;
const START_PATIENCE_MS = 2_000;
const LONGEST_RECONNECT_MS = 2_000;
/** A connection on which it does not even answer a ping is dead. */
const PING_MS = 4_000;
const DEAD_AFTER_MS = 10_000;

export class RedisLimiter implements RequestLimiter {
  readonly #options: RedisLimiterOptions;
  readonly #client: RedisClientType;
  readonly #counters = new Map<number, RateLimiterRedis>();
  readonly #alone = new MemoryLimiter();
  readonly #breaker = new CircuitBreaker({ maxFailures: 1, pauseMs: PAUSE_MS });
  #isAlone = false;

  /** Waits a moment for the first connection, so that the first requests are counted where the others are. */
  static async open(options: RedisLimiterOptions): Promise<RedisLimiter> {
    const limiter = new RedisLimiter(options);
    await withinTime(limiter.#connect(), START_PATIENCE_MS).catch((error: unknown) => limiter.#failed(error));
    return limiter;
  }

  private constructor(options: RedisLimiterOptions) {
    this.#options = options;
    this.#client = createClient({
      url: options.url,
      // What cannot be sent now is not wanted later.
      disableOfflineQueue: true,
      pingInterval: PING_MS,
      socket: {
        connectTimeout: START_PATIENCE_MS,
        socketTimeout: DEAD_AFTER_MS,
        reconnectStrategy: (retries) => Math.min(50 * 2 ** Math.min(retries, 10), LONGEST_RECONNECT_MS),
      },
    });
    this.#client.on('error', (error) => this.#failed(error));
  }

  async take(key: string, limit: number): Promise<TakenRequest> {
    if (this.#breaker.mayTry(this.#options.clock.now()))
      try {
        const taken = await withinTime(takeFrom(this.#counterOf(limit), key), PATIENCE_MS);
        this.#answered();
        return taken;
      } catch (error) {
        this.#failed(error);
      }
    return this.#alone.take(key, limit);
  }

  close(): void {
    this.#client.destroy();
    this.#alone.close();
  }

  /** Goes on trying for ever, by itself. */
  async #connect(): Promise<void> {
    await this.#client.connect();
  }

  #counterOf(limit: number): RateLimiterRedis {
    let counter = this.#counters.get(limit);
    if (!counter) {
      counter = new RateLimiterRedis({
        storeClient: this.#client,
        useRedisPackage: true,
        rejectIfRedisNotReady: true,
        keyPrefix: 'cairn',
        points: limit,
        duration: WINDOW_SECONDS,
      });
      this.#counters.set(limit, counter);
    }
    return counter;
  }

  #answered(): void {
    this.#breaker.succeeded();
    if (!this.#isAlone) return;
    this.#isAlone = false;
    this.#options.onRecovery();
  }

  #failed(error: unknown): void {
    this.#breaker.failed(this.#options.clock.now());
    if (this.#isAlone) return;
    this.#isAlone = true;
    this.#options.onTrouble(error);
  }
}

/** @throws Error after that time; what comes later is nobody's any more. */
async function withinTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
