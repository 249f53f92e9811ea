/** Who sends a request: tokens, passwords and second factors. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { AccountBook } from '../core/account-book.ts';
import { RegistryError } from '../core/errors.ts';
import { GuessLimits } from '../core/guess-limits.ts';
import { operator, requireScope, secondFactorRequired, type Actor } from '../core/permission.ts';
import type { Clock } from '../core/ports.ts';
import type { Call } from '../core/route.ts';
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
}

/** What one request may find out about who sends it; promises as in `Call`. */
export type Session = Pick<Call, 'authenticate' | 'requireSecondFactor' | 'logIn'>;

export interface AuthDeps {
  readonly accounts: AccountBook;
  readonly clock: Clock;
  /** An administrator's token from the environment: good without set-up, never stored. */
  readonly administratorToken: string | undefined;
  /** From the environment as well; nobody can bootstrap without it. */
  readonly bootstrapSecret: string | undefined;
}

export function authenticator(deps: AuthDeps): Authenticator {
  const { accounts, clock, administratorToken, bootstrapSecret } = deps;
  const administrator = administratorToken === undefined ? undefined : sha256(administratorToken);
  const limits = new GuessLimits(clock);
  const cache = new PasswordCache(clock);

  function byToken(token: string, from: { address: string | undefined; handle?: string }): Actor | undefined {
    const isForAdministrator = from.handle === undefined || from.handle === ADMINISTRATOR;
    if (administrator && isForAdministrator && isSame(token, administrator)) return operator(ADMINISTRATOR);
    return accounts.actorOf(token, from);
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

  /** How to tell the actor of a request, whenever a handler asks. */
  async function actorBy({
    authorization,
    address,
    takesBasic,
    takesBareTokens,
  }: Credentials): Promise<() => Actor | undefined> {
    const token = bearerOf(authorization) ?? (takesBareTokens ? bareToken(authorization) : undefined);
    if (token !== undefined)
      return () => {
        const actor = byToken(token, { address });
        if (actor) return actor;
        if (accounts.isExpired(token)) throw new RegistryError('token-expired', 'this token has expired');
        throw new RegistryError('token-invalid', 'this token is unknown or revoked');
      };
    if (!takesBasic || authorization === undefined || !basicScheme.test(authorization))
      return () => undefined;
    const basic = basicOf(authorization);
    if (!basic) return refuse(new RegistryError('token-invalid', 'these are no Basic credentials'));
    const { handle, secret } = basic;
    try {
      if (byToken(secret, { address, handle }))
        return () => byToken(secret, { address, handle }) ?? wrongPassword();
      const hash = accounts.passwordHash(handle);
      if (!(await cache.check(authorization, hash, () => isPassword(handle, secret, address))))
        wrongPassword();
    } catch (error) {
      if (error instanceof RegistryError) return refuse(error);
      throw error;
    }
    return () => accounts.actorByPassword(handle);
  }

  return {
    async open(request) {
      const actor = await actorBy(request);
      const { address } = request;
      let isGiven = false;
      const authenticate = (): Actor | undefined => {
        const found = actor();
        return found && isGiven ? { ...found, secondFactor: 'given' } : found;
      };
      return {
        authenticate,
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

function refuse(error: RegistryError): () => never {
  return () => {
    throw error;
  };
}

/** The same words whether there is such an account or not. */
function wrongPassword(): never {
  throw new RegistryError('token-invalid', 'the handle, or its password or token, is wrong');
}

function bearerOf(header: string | undefined): string | undefined {
  return header?.startsWith('Bearer ') ? header.slice('Bearer '.length).trim() : undefined;
}

function bareToken(header: string | undefined): string | undefined {
  const text = header?.trim();
  return text === undefined || text === '' || /\s/.test(text) ? undefined : text;
}

const basicScheme = /^basic +/i;

/** RFC 7617. */
function basicOf(header: string): { handle: string; secret: string } | undefined {
  const text = Buffer.from(header.replace(basicScheme, ''), 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon === -1 ? undefined : { handle: text.slice(0, colon), secret: text.slice(colon + 1) };
}

/** Hashes of equal length are compared in constant time; the book looks tokens up by their hash. */
function isSame(text: string, digest: Buffer): boolean {
  return timingSafeEqual(sha256(text), digest);
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
