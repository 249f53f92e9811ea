/**
 * Tokens that the operator gives by the environment, for a namespace or for all of an ecosystem. They are kept nowhere: here
 * by their hashes, in the log by whose name stands on what they did.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { RegistryError } from './errors.ts';
import type { Actor, Scope, TokenLimit } from './permission.ts';

/** Without a namespace it is for all of the ecosystem. */
export interface GivenToken extends TokenLimit {
  readonly token: string;
  /** What it is good for there; default to read and to publish. */
  readonly scopes?: readonly Exclude<Scope, 'tokens' | 'admin'>[];
  /** Where it was said, for messages: `REGISTRY_TOKENS, entry 2`. Never the token. */
  readonly said: string;
}

const SHORTEST = 16;
const LONGEST = 512;
const usual: NonNullable<GivenToken['scopes']> = ['read', 'publish'];

/** Whose name stands on what such a token does. No account can have it: handles of accounts have no dot. */
export function handleOf({ ecosystem, namespace = '*' }: TokenLimit): string {
  return `${ecosystem}.${namespace}`;
}

export class EnvironmentTokens {
  readonly #tokens: readonly { readonly digest: Buffer; readonly actor: Actor }[];

  /**
   * @param taken secrets that mean something else already.
   * @throws RegistryError `bad-request` naming where the wrong one was said.
   */
  constructor(given: readonly GivenToken[] = [], taken: readonly (string | undefined)[] = []) {
    requireGood(given, taken);
    this.#tokens = given.map((one) => ({ digest: digestOf(one.token), actor: actorBy(one) }));
  }

  /** Undefined for a token that is none of these, or not of that handle. */
  actorOf(token: string, handle?: string): Actor | undefined {
    const wanted = digestOf(token);
    // All of them each time: how long it takes says nothing about which one was close.
    const same = this.#tokens.filter(({ digest }) => timingSafeEqual(digest, wanted));
    const actor = same[0]?.actor;
    return handle === undefined || handle === actor?.handle ? actor : undefined;
  }

  /** Two tokens may be good for one place, while one of them takes the other's place. */
  actorsNamed(handle: string): readonly Actor[] {
    return this.#tokens.flatMap(({ actor }) => (actor.handle === handle ? [actor] : []));
  }
}

function actorBy(given: GivenToken): Actor {
  const { ecosystem, namespace, token, scopes = usual } = given;
  return {
    handle: handleOf(given),
    scopes: new Set(scopes),
    limits: [{ ecosystem, ...(namespace === undefined ? {} : { namespace }) }],
    tokenId: undefined,
    byEnvironment: { digest: digestOf(token).toString('hex') },
  };
}

/** What is wrong with a token is said by where it stands, and never by what it is. */
function requireGood(given: readonly GivenToken[], taken: readonly (string | undefined)[]): void {
  const saidBy = new Map<string, string>();
  for (const { token, said } of given) {
    if (token.length < SHORTEST || token.length > LONGEST || !/^[\x21-\x7e]+$/.test(token))
      throw wrong(
        `${said}: a token has ${SHORTEST} to ${LONGEST} characters, of those that can be printed, and no spaces`,
      );
    if (taken.includes(token))
      throw wrong(`${said}: this is another secret of this registry as well; each needs one of its own`);
    const before = saidBy.get(token);
    if (before !== undefined)
      throw wrong(`${said}: the same token as ${before}; each place needs one of its own`);
    saidBy.set(token, said);
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function wrong(message: string): RegistryError {
  return new RegistryError('bad-request', message);
}
