/** Which key signs access tokens now, which still verify, and when each goes. */
import type { AccessKey, AccessKeys, Clock } from './ports.ts';

const DAY_MS = 24 * 60 * 60_000;
/** No token is good for longer. */
export const LONGEST_LIFETIME_SECONDS = 60 * 60;
/** How far clocks may be apart: a token counts so long before its time, and after its end. */
export const CLOCK_SKEW_SECONDS = 60;

/** After its successor was made. Twice the skew: whoever took a key a moment before that signs with it a moment after. */
const KEPT_MS = (LONGEST_LIFETIME_SECONDS + 2 * CLOCK_SKEW_SECONDS) * 1000;
/** A disk that has failed is left alone for so long. */
const RETRY_AFTER_MS = 60_000;

export interface RotatingKeysDeps {
  readonly keys: AccessKeys;
  readonly clock: Clock;
  /** For how long a key signs; default a day. */
  readonly rotateAfterMs?: number;
  /** The disk refused a change of keys. Nothing else is the matter: the last key goes on signing. */
  readonly onTrouble?: (error: unknown) => void;
}

export class RotatingKeys {
  readonly #deps: Required<RotatingKeysDeps>;
  #changing: Promise<void> | undefined;
  #retryAtMs = -Infinity;

  constructor(deps: RotatingKeysDeps) {
    this.#deps = { rotateAfterMs: DAY_MS, onTrouble: () => undefined, ...deps };
  }

  /**
   * The key that signs now; durable: what it signs is good after a crash.
   * @throws what the disk says, where there is no key at all and none can be made.
   */
  async signing(): Promise<AccessKey> {
    if (this.#isChangeDue())
      await (this.#changing ??= this.#change().finally(() => (this.#changing = undefined)));
    const newest = this.verifying().at(-1);
    if (!newest) throw new Error('the key that was just made is not there');
    return newest;
  }

  /** Keys of which something may still be good, the oldest first. */
  verifying(): readonly AccessKey[] {
    const now = this.#deps.clock.now();
    // What was made by a clock that was wrong has signed nothing that is good yet.
    const made = this.#deps.keys.all.filter(({ madeAtMs }) => madeAtMs <= now + CLOCK_SKEW_SECONDS * 1000);
    return made.filter((_key, i) => {
      const successor = made[i + 1];
      return !successor || now < successor.madeAtMs + KEPT_MS;
    });
  }

  #isChangeDue(): boolean {
    return this.#deps.clock.now() >= this.#retryAtMs && (this.#needsSuccessor() || this.#over().length > 0);
  }

  #needsSuccessor(): boolean {
    const newest = this.verifying().at(-1);
    return !newest || this.#deps.clock.now() - newest.madeAtMs >= this.#deps.rotateAfterMs;
  }

  #over(): readonly AccessKey[] {
    const living = new Set(this.verifying());
    return this.#deps.keys.all.filter((key) => !living.has(key));
  }

  /** Stopping anywhere in it leaves a key too many, or too few: the next token makes up for it. */
  async #change(): Promise<void> {
    const { keys, clock, onTrouble } = this.#deps;
    try {
      if (this.#needsSuccessor()) await keys.create(clock.now());
      for (const { id } of this.#over()) await keys.remove(id);
    } catch (error) {
      if (this.verifying().length === 0) throw error;
      // A full disk must not keep anybody from reading.
      this.#retryAtMs = clock.now() + RETRY_AFTER_MS;
      onTrouble(error);
    }
  }
}
