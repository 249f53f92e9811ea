/** Pairs of handle and password that were good a moment ago: a client sends them with every request, and the hash is slow on purpose. */
import { createHmac, randomBytes } from 'node:crypto';
import type { PasswordHash } from '../core/passwords.ts';
import type { Clock } from '../core/ports.ts';

interface Known {
  readonly hash: PasswordHash;
  readonly untilMs: number;
}

const KEPT_MS = 60_000;
const MOST_KEPT = 10_000;

export class PasswordCache {
  readonly #clock: Clock;
  /** Of this process alone: what lies in memory is no hash that could be guessed at elsewhere. */
  readonly #secret = randomBytes(32);
  readonly #known = new Map<string, Known>();
  readonly #underWay = new Map<string, Promise<boolean>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Whether the password is right: known, or as `verify` says. Requests that come together are one question.
   * @param hash of the account's password as it is now; another one forgets what was known.
   */
  async check(
    pair: readonly [handle: string, password: string],
    hash: PasswordHash | undefined,
    verify: () => Promise<boolean>,
  ): Promise<boolean> {
    const key = createHmac('sha256', this.#secret).update(JSON.stringify(pair)).digest('base64');
    const known = this.#known.get(key);
    if (known && known.hash === hash && known.untilMs > this.#clock.now()) return true;
    this.#known.delete(key);
    const underWay = this.#underWay.get(key);
    if (underWay) return underWay;
    const asked = verify();
    this.#underWay.set(key, asked);
    try {
      const isRight = await asked;
      if (isRight && hash) this.#keep(key, { hash, untilMs: this.#clock.now() + KEPT_MS });
      return isRight;
    } finally {
      this.#underWay.delete(key);
    }
  }

  #keep(key: string, known: Known): void {
    this.#known.set(key, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MOST_KEPT && oldest !== undefined) this.#known.delete(oldest);
  }
}
