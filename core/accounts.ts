import type { PrivateEvent, Scope, TokenLimit } from '../schema/types.ts';

export interface Account {
  /** A UUID, for protocols that know accounts by one. */
  readonly id: string;
  readonly handle: string;
  readonly createdAt: string;
}

export interface Token {
  readonly tokenId: string;
  readonly handle: string;
  /** SHA-256 of the token, hex. */
  readonly digest: string;
  readonly label: string;
  readonly scopes: readonly Scope[];
  readonly limits: readonly TokenLimit[] | undefined;
  readonly createdAt: string;
  readonly expiresAt: string | undefined;
  readonly revokedAt: string | undefined;
}

/** Everything the private log says of accounts, small enough to be held whole. Changed in place by `applyPrivate`. */
export interface Accounts {
  readonly accounts: Map<string, Account>;
  readonly tokens: Map<string, Token>;
  /** Token id by digest: looking a token up compares hashes, never the token. */
  readonly byDigest: Map<string, string>;
}

/** 32 hex digits in the form of a UUID. */
export function uuidFrom(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export function noAccounts(): Accounts {
  return { accounts: new Map(), tokens: new Map(), byDigest: new Map() };
}

export function applyPrivate(state: Accounts, event: PrivateEvent): void {
  switch (event.kind) {
    case 'account-created':
      state.accounts.set(event.handle, {
        id: uuidFrom(event.id),
        handle: event.handle,
        createdAt: event.at,
      });
      return;
    case 'token-created':
      state.tokens.set(event.tokenId, {
        tokenId: event.tokenId,
        handle: event.handle,
        digest: event.digest,
        label: event.label,
        scopes: event.scopes,
        limits: event.limits,
        createdAt: event.at,
        expiresAt: event.expiresAt,
        revokedAt: undefined,
      });
      state.byDigest.set(event.digest, event.tokenId);
      return;
    case 'token-revoked': {
      const token = state.tokens.get(event.tokenId);
      if (token) state.tokens.set(event.tokenId, { ...token, revokedAt: token.revokedAt ?? event.at });
      return;
    }
    case 'package-event':
      return;
  }
}
