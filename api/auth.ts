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
}

export interface AuthDeps {
  readonly accounts: AccountBook;
  /** An administrator's token from the environment: good without set-up, never stored. */
  readonly administratorToken: string | undefined;
}

export function authenticator({ accounts, administratorToken }: AuthDeps): Authenticator {
  const administrator = administratorToken === undefined ? undefined : sha256(administratorToken);
  return {
    authenticate(header) {
      if (!header?.startsWith('Bearer ')) return undefined;
      const token = header.slice('Bearer '.length).trim();
      // Hashes of equal length are compared in constant time; the book looks tokens up by their hash.
      if (administrator && timingSafeEqual(sha256(token), administrator)) return operator(ADMINISTRATOR);
      const actor = accounts.actorOf(token);
      if (!actor) throw new RegistryError('token-invalid', 'this token is unknown, revoked or expired');
      return actor;
    },
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
