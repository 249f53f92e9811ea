import type { PrivateEvent, Scope, TokenLimit } from '../schema/types.ts';
import type { PasswordHash } from './passwords.ts';
import type { SecondFactor, SecondFactorMode } from './second-factor.ts';

export interface Account {
  /** A UUID, for protocols that know accounts by one. */
  readonly id: string;
  readonly handle: string;
  readonly createdAt: string;
  /** Nobody has checked it. */
  readonly email: string | undefined;
  readonly fullName: string | undefined;
  readonly hasPassword: boolean;
  /** Undefined where it has none. */
  readonly secondFactor: SecondFactorMode | undefined;
}

export interface Token {
  readonly tokenId: string;
  readonly handle: string;
  /** SHA-256 of the token, hex. */
  readonly digest: string;
  readonly label: string;
  readonly scopes: readonly Scope[];
  readonly limits: readonly TokenLimit[] | undefined;
  /** Networks in CIDR notation; when present, the token is good only from there. */
  readonly addresses: readonly string[] | undefined;
  /** It needs no code where its account has a second factor. */
  readonly bypassSecondFactor: boolean;
  readonly createdAt: string;
  readonly expiresAt: string | undefined;
  readonly revokedAt: string | undefined;
}

export interface Invitation {
  /** The only account it makes. */
  readonly handle: string | undefined;
  readonly expiresAt: string | undefined;
  readonly isUsed: boolean;
}

/** Everything the private log says of accounts, small enough to be held whole. Changed in place by `applyPrivate`. */
export interface Accounts {
  readonly accounts: Map<string, Account>;
  readonly tokens: Map<string, Token>;
  /** Token id by digest: looking a token up compares hashes, never the token. */
  readonly byDigest: Map<string, string>;
  /** By handle, and apart from the accounts: what an account says of itself may be shown. */
  readonly passwords: Map<string, PasswordHash>;
  readonly secondFactors: Map<string, SecondFactor>;
  /** By the SHA-256 of the invitation, hex. */
  readonly invitations: Map<string, Invitation>;
}

/** 32 hex digits in the form of a UUID. */
export function uuidFrom(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export function noAccounts(): Accounts {
  return {
    accounts: new Map(),
    tokens: new Map(),
    byDigest: new Map(),
    passwords: new Map(),
    secondFactors: new Map(),
    invitations: new Map(),
  };
}

export function applyPrivate(state: Accounts, event: PrivateEvent): void {
  switch (event.kind) {
    case 'account-created':
      state.accounts.set(event.handle, {
        id: uuidFrom(event.id),
        handle: event.handle,
        createdAt: event.at,
        email: undefined,
        fullName: undefined,
        hasPassword: false,
        secondFactor: undefined,
      });
      return;
    case 'profile-set':
      return changeAccount(state, event.handle, { email: event.email, fullName: event.fullName });
    case 'password-set': {
      const { salt, hash, cost, blockSize, parallelization } = event;
      state.passwords.set(event.handle, { salt, hash, cost, blockSize, parallelization });
      return changeAccount(state, event.handle, { hasPassword: true });
    }
    case 'second-factor-set': {
      const { mode, secret, recovery } = event;
      state.secondFactors.set(event.handle, { mode, secret, recovery: new Set(recovery) });
      return changeAccount(state, event.handle, { secondFactor: mode });
    }
    case 'second-factor-removed':
      state.secondFactors.delete(event.handle);
      return changeAccount(state, event.handle, { secondFactor: undefined });
    case 'recovery-code-used': {
      const factor = state.secondFactors.get(event.handle);
      if (!factor) return;
      const recovery = new Set([...factor.recovery].filter((digest) => digest !== event.digest));
      state.secondFactors.set(event.handle, { ...factor, recovery });
      return;
    }
    case 'invitation-created':
      state.invitations.set(event.digest, {
        handle: event.handle,
        expiresAt: event.expiresAt,
        isUsed: false,
      });
      return;
    case 'invitation-used': {
      const invitation = state.invitations.get(event.digest);
      if (invitation) state.invitations.set(event.digest, { ...invitation, isUsed: true });
      return;
    }
    case 'token-created':
      state.tokens.set(event.tokenId, {
        tokenId: event.tokenId,
        handle: event.handle,
        digest: event.digest,
        label: event.label,
        scopes: event.scopes,
        limits: event.limits,
        addresses: event.addresses,
        bypassSecondFactor: event.bypassSecondFactor ?? false,
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

function changeAccount(state: Accounts, handle: string, change: Partial<Account>): void {
  const account = state.accounts.get(handle);
  if (account) state.accounts.set(handle, { ...account, ...change });
}
