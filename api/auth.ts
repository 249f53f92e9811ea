import { createHash, timingSafeEqual } from 'node:crypto';
import type { AccountBook } from '../core/account-book.ts';
import { RegistryError } from '../core/errors.ts';
import { operator, type Actor } from '../core/permission.ts';

/** The account of the token that the environment gives. */
export const ADMINISTRATOR = 'admin';

export interface Authenticator {
  /**
   * The actor of an `Authorization` header; undefined when there is none, or none of the bearer kind.
   * @throws RegistryError `token-invalid` when the token is unknown, revoked or expired.
   */
  authenticate(header: string | undefined): Actor | undefined;
  /**
   * Passes only the secret that makes the first account of a registry.
   * @throws RegistryError `bootstrap-disabled`, `unauthenticated` or `token-invalid`.
   */
  requireBootstrapSecret(header: string | undefined): void;
}

export interface AuthDeps {
  readonly accounts: AccountBook;
  /** An administrator's token from the environment: good without set-up, never stored. */
  readonly administratorToken: string | undefined;
  /** From the environment as well; nobody can bootstrap without it. */
  readonly bootstrapSecret: string | undefined;
}

export function authenticator({ accounts, administratorToken, bootstrapSecret }: AuthDeps): Authenticator {
  const administrator = administratorToken === undefined ? undefined : sha256(administratorToken);
  return {
    authenticate(header) {
      const token = bearerOf(header);
      if (token === undefined) return undefined;
      if (administrator && isSame(token, administrator)) return operator(ADMINISTRATOR);
      const actor = accounts.actorOf(token);
      if (!actor) throw new RegistryError('token-invalid', 'this token is unknown, revoked or expired');
      return actor;
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

function bearerOf(header: string | undefined): string | undefined {
  return header?.startsWith('Bearer ') ? header.slice('Bearer '.length).trim() : undefined;
}

/** Hashes of equal length are compared in constant time; the book looks tokens up by their hash. */
function isSame(text: string, digest: Buffer): boolean {
  return timingSafeEqual(sha256(text), digest);
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
