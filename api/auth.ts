/** Who sends a request: tokens of both kinds, passwords and second factors. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Access, AccessTokens } from '../core/access-tokens.ts';
import type { AccountBook } from '../core/account-book.ts';
import type { EnvironmentTokens } from '../core/environment-tokens.ts';
import { RegistryError } from '../core/errors.ts';
import { GuessLimits } from '../core/guess-limits.ts';
import { operator, requireScope, secondFactorRequired, type Actor } from '../core/permission.ts';
import type { Clock } from '../core/ports.ts';
import type { Call } from '../core/route.ts';
import { looksSigned } from '../core/signed-claims.ts';
import { bareToken, basicOf, bearerOf, isBasic, type Pair } from './credentials.ts';
import { PasswordCache } from './password-cache.ts';

/** The account of the token that the environment gives. */
export const ADMINISTRATOR = 'admin';

export interface Authenticator {
  /** Finds out what takes time, passwords, before a handler asks. It refuses nothing: the session does, when asked. */
  open(request: Credentials): Promise<Session>;
  /**
   * Passes only the secret that makes the first account of a registry.
   * @throws RegistryError `bootstrap-disabled`, `unauthenticated` or `token-invalid`.
   */
  requireBootstrapSecret(header: string | undefined): void;
}

export interface Credentials {
  /** The header of that name. */
  readonly authorization: string | undefined;
  /** Where the request comes from. */
  readonly address: string | undefined;
  /** Whether the surface takes Basic credentials. */
  readonly takesBasic: boolean;
  /** Whether the surface takes a token without a scheme before it. */
  readonly takesBareTokens: boolean;
  /** Whom access tokens have to be made for; undefined where the surface takes none. */
  readonly audience: string | undefined;
}

/** What one request may find out about who sends it; promises as in `Call`. */
export type Session = Pick<
  Call,
  'authenticate' | 'access' | 'authenticateAs' | 'requireSecondFactor' | 'logIn'
>;

interface Sender {
  /** Whenever a handler asks; refuses what is bad. */
  actor(): Actor | undefined;
  /** Of an access token. */
  readonly access?: readonly Access[];
}

export interface AuthDeps {
  readonly accounts: AccountBook;
  readonly accessTokens: AccessTokens;
  readonly clock: Clock;
  /** An administrator's token from the environment: good without set-up, never stored. */
  readonly administratorToken: string | undefined;
  /** What else the environment gives, for some places each. */
  readonly environmentTokens?: Pick<EnvironmentTokens, 'actorOf'> | undefined;
  /** From the environment as well; nobody can bootstrap without it. */
  readonly bootstrapSecret: string | undefined;
}

export function authenticator(deps: AuthDeps): Authenticator {
  const { accounts, accessTokens, clock, administratorToken, environmentTokens, bootstrapSecret } = deps;
  const administrator = administratorToken === undefined ? undefined : sha256(administratorToken);
  const limits = new GuessLimits(clock);
  const cache = new PasswordCache(clock);

  function byToken(token: string, from: { address: string | undefined; handle?: string }): Actor | undefined {
    const isForAdministrator = from.handle === undefined || from.handle === ADMINISTRATOR;
    if (administrator && isForAdministrator && isSame(token, administrator)) return operator(ADMINISTRATOR);
    return environmentTokens?.actorOf(token, from.handle) ?? accounts.actorOf(token, from);
  }

  function isPassword(handle: string, password: string, address: string | undefined): Promise<boolean> {
    return limits.attempt({ handle, address, what: 'password' }, () =>
      accounts.verifyPassword(handle, password),
    );
  }

  /** @throws RegistryError `second-factor-required`, `too-many-attempts` */
  async function requireCode(
    handle: string,
    code: string | undefined,
    address: string | undefined,
  ): Promise<void> {
    if (code === undefined || code === '') throw secondFactorRequired();
    const isRight = await limits.attempt({ handle, address, what: 'code' }, () =>
      accounts.checkSecondFactor(handle, code),
    );
    if (!isRight)
      throw new RegistryError('second-factor-required', 'this code is wrong, too old, or was used already');
  }

  /**
   * How to tell who has this pair: a password is checked now, a token whenever it is asked for.
   * @throws RegistryError `token-invalid`, `too-many-attempts`
   */
  async function actorByPair({ handle, secret }: Pair, address: string | undefined): Promise<() => Actor> {
    if (byToken(secret, { address, handle }))
      return () => byToken(secret, { address, handle }) ?? wrongPassword();
    const hash = accounts.passwordHash(handle);
    const isRight = await cache.check([handle, secret], hash, () => isPassword(handle, secret, address));
    return isRight ? () => accounts.actorByPassword(handle) : wrongPassword();
  }

  function senderByToken(token: string, address: string | undefined): Sender {
    return {
      actor() {
        const actor = byToken(token, { address });
        if (actor) return actor;
        if (accounts.isExpired(token)) throw new RegistryError('token-expired', 'this token has expired');
        throw new RegistryError('token-invalid', 'this token is unknown or revoked');
      },
    };
  }

  async function senderByAccessToken(
    token: string,
    audience: string,
    address: string | undefined,
  ): Promise<Sender> {
    const verified = await accessTokens.verify(token, audience, { address });
    if (typeof verified === 'string') return refuseAccessToken(verified);
    return { actor: () => verified.actor, access: verified.access };
  }

  async function senderOf(request: Credentials): Promise<Sender> {
    const { authorization, address, takesBasic, takesBareTokens, audience } = request;
    const token = bearerOf(authorization) ?? (takesBareTokens ? bareToken(authorization) : undefined);
    if (token !== undefined && audience !== undefined && looksSigned(token))
      return senderByAccessToken(token, audience, address);
    if (token !== undefined) return senderByToken(token, address);
    if (!takesBasic || !isBasic(authorization)) return { actor: () => undefined };
    const pair = basicOf(authorization);
    if (!pair) throw new RegistryError('token-invalid', 'these are no Basic credentials');
    // A client that was given neither, and sends the header all the same.
    if (pair.handle === '' && pair.secret === '') return { actor: () => undefined };
    return { actor: await actorByPair(pair, address) };
  }

  /** What is wrong with credentials is said to a handler that asks for them, and to no other. */
  async function senderOrRefusal(request: Credentials): Promise<Sender> {
    try {
      return await senderOf(request);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      return {
        actor() {
          throw error;
        },
      };
    }
  }

  return {
    async open(request) {
      const sender = await senderOrRefusal(request);
      const { address } = request;
      let isGiven = false;
      const authenticate = (): Actor | undefined => {
        const found = sender.actor();
        return found && isGiven ? { ...found, secondFactor: 'given' } : found;
      };
      return {
        authenticate,
        access() {
          sender.actor();
          return sender.access;
        },
        authenticateAs: async (pair) => (await actorByPair(pair, address))(),
        async requireSecondFactor(code, purpose = 'writes') {
          const { handle, secondFactor } = authenticate() ?? requireScope(undefined, 'read');
          if (isGiven || secondFactor === undefined) return;
          if (purpose === 'writes' && secondFactor === 'given') return;
          await requireCode(handle, code, address);
          isGiven = true;
        },
        async logIn({ handle, password, code }) {
          if (!(await isPassword(handle, password, address))) wrongPassword();
          const found = accounts.actorByPassword(handle);
          if (found.secondFactor === undefined) return found;
          await requireCode(handle, code, address);
          return { ...found, secondFactor: 'given' };
        },
      };
    },
    requireBootstrapSecret(header) {
      if (bootstrapSecret === undefined)
        throw new RegistryError('bootstrap-disabled', 'bootstrap is not enabled on this registry');
      const secret = bearerOf(header);
      if (secret === undefined)
        throw new RegistryError(
          'unauthenticated',
          'send the bootstrap secret as Authorization: Bearer <secret>',
        );
      if (!isSame(secret, sha256(bootstrapSecret)))
        throw new RegistryError('token-invalid', 'this is not the bootstrap secret');
    },
  };
}

function refuseAccessToken(fault: 'expired' | 'invalid'): never {
  if (fault === 'expired')
    throw new RegistryError('token-expired', 'this access token has expired; ask for another one');
  throw new RegistryError(
    'token-invalid',
    'this access token is not, or no longer, good here; ask for another one',
  );
}

/** The same words whether there is such an account or not. */
function wrongPassword(): never {
  throw new RegistryError('token-invalid', 'the handle, or its password or token, is wrong');
}

/** Hashes of equal length are compared in constant time; the book looks tokens up by their hash. */
function isSame(text: string, digest: Buffer): boolean {
  return timingSafeEqual(sha256(text), digest);
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
