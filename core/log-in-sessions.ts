/**
 * Logins that start in a command line and end in a browser. They live in memory: whoever is in the middle of one when
 * the server restarts starts again.
 */
import { createHash } from 'node:crypto';
import { RegistryError } from './errors.ts';
import type { Clock, Ids } from './ports.ts';

const WITHIN_MS = 10 * 60_000;
/** The oldest gives way to another one. */
const MOST_SESSIONS = 10_000;

interface Session {
  readonly isNewAccount: boolean;
  readonly untilMs: number;
  token: string | undefined;
}

export interface StartedLogIn {
  /** For the browser: whoever has it can say who they are, and cannot take the token. */
  readonly page: string;
  /** For the command line that started it: whoever has it gets the token, once. */
  readonly poll: string;
}

export class LogInSessions {
  readonly #clock: Clock;
  readonly #ids: Ids;
  /** By the hash of the poll secret, which is what the page is called. */
  readonly #byPage = new Map<string, Session>();

  constructor(deps: { readonly clock: Clock; readonly ids: Ids }) {
    this.#clock = deps.clock;
    this.#ids = deps.ids;
  }

  start(options: { readonly isNewAccount: boolean }): StartedLogIn {
    const poll = this.#ids.secret();
    const page = pageOf(poll);
    this.#byPage.set(page, { ...options, untilMs: this.#clock.now() + WITHIN_MS, token: undefined });
    const [oldest] = this.#byPage.keys();
    if (this.#byPage.size > MOST_SESSIONS && oldest !== undefined) this.#byPage.delete(oldest);
    return { page, poll };
  }

  /** @throws RegistryError `not-found` when there is none, it is over, or somebody has finished it. */
  open(page: string): { readonly isNewAccount: boolean } {
    return this.#waiting(page);
  }

  /** Gives the command line its token. @throws RegistryError `not-found` as `open` does. */
  finish(page: string, token: string): void {
    this.#waiting(page).token = token;
  }

  /** The token, which is forgotten here; undefined while nobody has finished. @throws RegistryError `not-found` */
  take(poll: string): string | undefined {
    const page = pageOf(poll);
    const session = this.#living(page);
    if (session.token !== undefined) this.#byPage.delete(page);
    return session.token;
  }

  #waiting(page: string): Session {
    const session = this.#living(page);
    if (session.token !== undefined) throw over();
    return session;
  }

  #living(page: string): Session {
    const session = this.#byPage.get(page);
    if (session && session.untilMs > this.#clock.now()) return session;
    this.#byPage.delete(page);
    throw over();
  }
}

function pageOf(poll: string): string {
  return createHash('sha256').update(poll).digest('hex');
}

function over(): RegistryError {
  return new RegistryError('not-found', 'this login is over or was never started; start it again');
}
