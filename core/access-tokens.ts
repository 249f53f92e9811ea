/**
 * Short-lived tokens that say themselves what they are good for. They are kept nowhere: a signature proves them, and they
 * end with the credential that they were made with.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { AccountBook } from './account-book.ts';
import type { EnvironmentTokens } from './environment-tokens.ts';
import { RegistryError } from './errors.ts';
import { isAdministrator, operator, secondFactorRequired, type Actor, type Scope } from './permission.ts';
import type { AccessKey, Clock, Ids } from './ports.ts';
import type { RotatingKeys } from './rotating-keys.ts';
import { publicJwk, readClaims, signClaims } from './signed-claims.ts';

export const SHORTEST_LIFETIME_SECONDS = 60;

/** What a token was asked for and granted, in the words of Docker's token specification. */
export interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

export interface WantedAccess {
  /** Undefined: nobody, who may have a token as well. */
  readonly actor: Actor | undefined;
  readonly access: readonly Access[];
  /** Whether it is good for all that the credential is good for, beside `access`: for managing things. */
  readonly carriesScopes: boolean;
}

export interface IssuedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
  /** RFC 3339, UTC. */
  readonly issuedAt: string;
}

export interface VerifiedToken {
  /** Without scopes, unless the token carries them. Undefined: it was made for nobody. */
  readonly actor: Actor | undefined;
  /** Empty: a good token that opens nothing. */
  readonly access: readonly Access[];
}

/** RFC 7517, section 5. */
export interface JsonWebKeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[];
}

export interface AccessTokensDeps {
  readonly keys: RotatingKeys;
  readonly accounts: Pick<AccountBook, 'account' | 'passwordHash' | 'actorByPassword' | 'actorByTokenId'>;
  readonly clock: Clock;
  readonly ids: Ids;
  /** This registry, as long as it is called that. */
  readonly issuer: () => string;
  readonly lifetimeSeconds: number;
  /** Who acts by the token of the environment; undefined where that gives none. */
  readonly administrator: { readonly handle: string; readonly token: string } | undefined;
  /** Who else acts by tokens of the environment. */
  readonly environment?: Pick<EnvironmentTokens, 'actorsNamed'>;
}

/** What the token was made with, and what has to be so still. Nothing of it can be guessed at from the token. */
interface Credential {
  /** Id of a token that this registry keeps. */
  readonly tid?: string;
  /** A mark of the account's password. */
  readonly pwd?: string;
  /** A mark of a token of the environment. */
  readonly env?: string;
}

interface Claims extends Credential {
  readonly sub: string;
  readonly access: readonly Access[];
  readonly scopes?: readonly Scope[];
}

export class AccessTokens {
  readonly #deps: AccessTokensDeps;

  constructor(deps: AccessTokensDeps) {
    this.#deps = deps;
  }

  /**
   * @throws RegistryError `second-factor-required` for a password of an account that has a second factor; `token-invalid`
   * for an actor who comes by such a token: they would never end.
   */
  async issue({
    actor,
    audience,
    access,
    carriesScopes,
  }: WantedAccess & { audience: string }): Promise<IssuedToken> {
    if (actor) refuseUnfit(actor);
    const { keys, clock, ids, issuer, lifetimeSeconds } = this.#deps;
    const key = await keys.signing();
    const issuedAt = Math.floor(clock.now() / 1000);
    const token = await signClaims(
      {
        iss: issuer(),
        sub: actor?.handle ?? '',
        aud: audience,
        exp: issuedAt + lifetimeSeconds,
        nbf: issuedAt,
        iat: issuedAt,
        jti: ids.next(),
        access,
        ...(actor && carriesScopes ? { scopes: [...actor.scopes].sort() } : {}),
        ...(actor ? this.#credentialOf(actor, key) : {}),
      },
      key,
    );
    return { token, expiresInSeconds: lifetimeSeconds, issuedAt: new Date(issuedAt * 1000).toISOString() };
  }

  /**
   * @param from where the request comes from.
   * @throws RegistryError `token-invalid` when what it was made with is good, and not from that address.
   */
  async verify(
    token: string,
    audience: string,
    from: { readonly address?: string | undefined } = {},
  ): Promise<VerifiedToken | 'expired' | 'invalid'> {
    const { keys, clock, issuer } = this.#deps;
    const read = await readClaims(token, {
      issuer: issuer(),
      audience,
      nowMs: clock.now(),
      keys: keys.verifying(),
    });
    if (typeof read === 'string') return read;
    // We have signed it, so it is what `issue` says.
    const claims = read.claims as unknown as Claims;
    if (claims.sub === '') return { actor: undefined, access: claims.access };
    const actor = this.#actorOf(claims, read.key, from);
    if (!actor) return 'invalid';
    const scopes = new Set(claims.scopes?.filter((scope) => actor.scopes.has(scope)));
    return { actor: { ...actor, scopes, byAccessToken: { scopes: actor.scopes } }, access: claims.access };
  }

  /** Of keys by which a token may be good now. */
  publicKeys(): JsonWebKeySet {
    return { keys: this.#deps.keys.verifying().map(publicJwk) };
  }

  #credentialOf(actor: Actor, key: AccessKey): Credential {
    if (actor.tokenId !== undefined) return { tid: actor.tokenId };
    // No password administers.
    const isByEnvironment = isAdministrator(actor) || actor.byEnvironment !== undefined;
    const mark = isByEnvironment ? this.#environmentMark(actor, key) : this.#passwordMark(actor.handle);
    if (mark === undefined) throw new Error(`${actor.handle} came without a credential`);
    return isByEnvironment ? { env: mark } : { pwd: mark };
  }

  /** Who that is today; undefined when the credential has ended since. */
  #actorOf(
    { sub: handle, tid, pwd, env }: Claims,
    key: AccessKey,
    { address }: { readonly address?: string | undefined },
  ): Actor | undefined {
    const { accounts, administrator, environment } = this.#deps;
    if (env !== undefined) {
      const named = environment?.actorsNamed(handle) ?? [];
      const all = handle === administrator?.handle ? [operator(handle), ...named] : named;
      return all.find((actor) => isSame(env, this.#environmentMark(actor, key)));
    }
    const account = accounts.account(handle);
    if (!account) return undefined;
    if (tid !== undefined) return accounts.actorByTokenId(tid, { address, handle });
    // A second factor that came later: a password alone would no longer give a token.
    if (pwd === undefined || account.secondFactor !== undefined) return undefined;
    return isSame(pwd, this.#passwordMark(handle)) ? accounts.actorByPassword(handle) : undefined;
  }

  /** Each password has a salt of its own, which says nothing about it. */
  #passwordMark(handle: string): string | undefined {
    const salt = this.#deps.accounts.passwordHash(handle)?.salt;
    return salt === undefined ? undefined : createHash('sha256').update(salt).digest('hex').slice(0, 16);
  }

  /** By a secret of ours: whoever finds a token could try words of a dictionary against a plain hash. */
  #environmentMark({ byEnvironment }: Actor, { privateKey }: AccessKey): string | undefined {
    const of = byEnvironment?.digest ?? this.#deps.administrator?.token;
    if (of === undefined) return undefined;
    const secret = privateKey.export({ type: 'pkcs8', format: 'der' });
    return createHmac('sha256', secret).update(`environment:${of}`).digest('hex').slice(0, 32);
  }
}

function refuseUnfit({ byAccessToken, secondFactor, tokenId }: Actor): void {
  if (byAccessToken)
    throw new RegistryError(
      'token-invalid',
      'an access token makes no other one: send a password, or a token of the account',
    );
  // Clients that use these tokens cannot be asked for a code. A token was made by somebody who gave one.
  if (secondFactor !== undefined && tokenId === undefined) throw secondFactorRequired();
}

function isSame(claimed: string, mark: string | undefined): boolean {
  if (mark === undefined || claimed.length !== mark.length) return false;
  return timingSafeEqual(Buffer.from(claimed), Buffer.from(mark));
}
