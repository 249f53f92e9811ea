/** Slows guessing down: the more tries have failed in a row, the longer the next one has to wait. In memory only. */
import { createHash } from 'node:crypto';
import { RegistryError } from './errors.ts';
import type { Clock } from './ports.ts';

/** Who tries; a handle needs not exist. */
export interface Guesser {
  readonly handle: string;
  /** Where from; undefined when that is not known. */
  readonly address: string | undefined;
  /** What is guessed: who knows the password starts again at no other count than that of codes. */
  readonly what: 'password' | 'code';
}

interface Count {
  failures: number;
  /** Milliseconds; before it nothing is tried. */
  nextAt: number;
  lastAt: number;
}

const FREE_PER_HANDLE = 5;
const FREE_PER_ADDRESS = 20;
const LONGEST_WAIT_SECONDS = 15 * 60;
/** After this long without a failure a count starts at nothing. */
const FORGOTTEN_AFTER_MS = 60 * 60_000;
/** Counts that are kept, of handles and of addresses; the oldest go first. */
const MOST_COUNTS = 10_000;

export class GuessLimits {
  readonly #clock: Clock;
  readonly #handles = new Map<string, Count>();
  readonly #addresses = new Map<string, Count>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Lets a try happen, and counts it. What throws counts as no try.
   * @throws RegistryError `too-many-attempts`, without trying.
   */
  async attempt({ handle, address, what }: Guesser, isRight: () => Promise<boolean>): Promise<boolean> {
    const now = this.#clock.now();
    // Of its own length whatever was sent, so that memory is bounded.
    const name = createHash('sha256').update(`${what}:${handle}`).digest('base64');
    const counts = [{ count: countOf(this.#handles, name, now), free: FREE_PER_HANDLE }];
    if (address !== undefined)
      counts.push({ count: countOf(this.#addresses, address, now), free: FREE_PER_ADDRESS });
    const waitMs = Math.max(...counts.map(({ count }) => count.nextAt - now));
    if (waitMs > 0) throw refusal(Math.ceil(waitMs / 1000));
    // Before the outcome is known: a thousand tries at the same moment are a thousand tries.
    for (const { count, free } of counts) add(count, free, now);
    let right: boolean;
    try {
      right = await isRight();
    } catch (error) {
      for (const { count } of counts) take(count);
      throw error;
    }
    if (!right) return false;
    this.#handles.delete(name);
    // Not to nothing: an account of one's own would be a way to go on guessing at others.
    for (const { count } of counts) take(count);
    return true;
  }
}

/** The count of a key, as the one that was looked at last. */
function countOf(counts: Map<string, Count>, key: string, now: number): Count {
  const known = counts.get(key);
  counts.delete(key);
  const isKept = known !== undefined && now - known.lastAt < FORGOTTEN_AFTER_MS;
  const count = isKept ? known : { failures: 0, nextAt: 0, lastAt: now };
  counts.set(key, count);
  const [oldest] = counts.keys();
  if (counts.size > MOST_COUNTS && oldest !== undefined) counts.delete(oldest);
  return count;
}

function add(count: Count, free: number, now: number): void {
  count.failures += 1;
  count.lastAt = now;
  const beyond = count.failures - free;
  if (beyond >= 0) count.nextAt = now + Math.min(2 ** beyond, LONGEST_WAIT_SECONDS) * 1000;
}

function take(count: Count): void {
  count.failures -= 1;
  count.nextAt = 0;
}

function refusal(retryAfterSeconds: number): RegistryError {
  return new RegistryError(
    'too-many-attempts',
    `too many failed attempts; try again in ${retryAfterSeconds} seconds`,
    { retryAfterSeconds },
  );
}
