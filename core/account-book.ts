/** Accounts and tokens, as the private log tells them, and the way to add to them. */
import { createHash } from 'node:crypto';
import { applyPrivate, noAccounts, uuidFrom, type Account, type Accounts, type Token } from './accounts.ts';
import { RegistryError } from './errors.ts';
import type { PrivateDraft } from './event.ts';
import type { Actor, Scope, TokenLimit } from './permission.ts';
import type { Clock, Ids } from './ports.ts';
import type { PrivateJournal } from './private-journal.ts';

export interface AccountBookDeps {
  readonly journal: PrivateJournal;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly tokenUse: TokenUse;
}

/** When tokens were last used. Kept beside the log and not in it: after a crash the last minutes may be missing. */
export interface TokenUse {
  record(tokenId: string, atMs: number): void;
  /** RFC 3339, UTC. */
  lastUsedAt(tokenId: string): string | undefined;
}

export interface CreatedToken {
  /** Shown to its holder now, and kept nowhere. */
  readonly token: string;
  readonly record: Token;
}

export interface NewToken {
  readonly handle: string;
  readonly label: string;
  readonly scopes: readonly Scope[];
  readonly limits?: readonly TokenLimit[];
  readonly expiresAt?: string;
}

const handleGrammar = /^[a-z0-9][a-z0-9_-]{0,63}$/;

export class AccountBook {
  readonly #deps: AccountBookDeps;
  readonly #state: Accounts = noAccounts();
  #length = 0;

  constructor(deps: AccountBookDeps) {
    this.#deps = deps;
    this.catchUp();
  }

  /** Takes in what the log has seen since. */
  catchUp(): void {
    const { journal } = this.#deps;
    for (; this.#length < journal.length; this.#length += 1)
      applyPrivate(this.#state, journal.read(this.#length));
  }

  get tokens(): readonly Token[] {
    return [...this.#state.tokens.values()];
  }

  account(handle: string): Account | undefined {
    return this.#state.accounts.get(handle);
  }

  /** Newest first, revoked ones included. */
  tokensOf(handle: string): readonly Token[] {
    return this.tokens.filter((token) => token.handle === handle).reverse();
  }

  token(tokenId: string): Token | undefined {
    return this.#state.tokens.get(tokenId);
  }

  lastUsedAt(tokenId: string): string | undefined {
    return this.#deps.tokenUse.lastUsedAt(tokenId);
  }

  /** The actor behind a token, or undefined when it is unknown, revoked or expired. */
  actorOf(token: string): Actor | undefined {
    const tokenId = this.#state.byDigest.get(tokenDigest(token));
    const known = tokenId === undefined ? undefined : this.#state.tokens.get(tokenId);
    if (!known || known.revokedAt !== undefined) return undefined;
    if (known.expiresAt !== undefined && Date.parse(known.expiresAt) <= this.#deps.clock.now())
      return undefined;
    this.#deps.tokenUse.record(known.tokenId, this.#deps.clock.now());
    return {
      handle: known.handle,
      scopes: new Set(known.scopes),
      limits: known.limits,
      tokenId: known.tokenId,
    };
  }

  /** A new token: `prefix` lets clients and secret scanners know it. @throws RegistryError as `addToken` does. */
  async createToken(prefix: string, wanted: NewToken): Promise<CreatedToken> {
    const token = prefix + this.#deps.ids.secret();
    return { token, record: await this.addToken(token, wanted) };
  }

  /**
   * Records a token by its hash; creates the account when it is new.
   * @throws RegistryError `bad-request` when the handle is not one, or the end is no time.
   */
  async addToken(token: string, wanted: NewToken): Promise<Token> {
    requireHandle(wanted.handle);
    if (wanted.expiresAt !== undefined && Number.isNaN(Date.parse(wanted.expiresAt)))
      throw new RegistryError(
        'bad-request',
        `${JSON.stringify(wanted.expiresAt)} is not a time: use RFC 3339`,
      );
    const tokenId = uuidFrom(this.#deps.ids.next());
    const { handle, label, scopes, limits, expiresAt } = wanted;
    await this.#append((state) => [
      ...(state.accounts.has(handle) ? [] : [{ kind: 'account-created' as const, by: handle, handle }]),
      {
        kind: 'token-created',
        by: handle,
        handle,
        tokenId,
        digest: tokenDigest(token),
        label,
        scopes: [...new Set(scopes)].sort(),
        ...(limits ? { limits: [...limits] } : {}),
        ...(expiresAt ? { expiresAt } : {}),
      },
    ]);
    const made = this.#state.tokens.get(tokenId);
    if (!made) throw new Error('the token that was just recorded is not there');
    return made;
  }

  /** Safe to repeat. @throws RegistryError `not-found` */
  async revokeToken(tokenId: string, by: string): Promise<void> {
    await this.#append((state) => {
      const token = state.tokens.get(tokenId);
      if (!token) throw new RegistryError('not-found', `no token ${tokenId}; see: cairn token list`);
      return token.revokedAt ? [] : [{ kind: 'token-revoked', by, tokenId }];
    });
  }

  /** Decided in its turn: what was appended before it has been taken in. */
  async #append(decide: (state: Accounts) => readonly PrivateDraft[]): Promise<void> {
    const drafts = (): readonly PrivateDraft[] => {
      this.catchUp();
      return decide(this.#state);
    };
    await this.#deps.journal.append(drafts).finally(() => this.catchUp());
  }
}

function requireHandle(handle: string): void {
  if (handleGrammar.test(handle)) return;
  throw new RegistryError(
    'bad-request',
    `${JSON.stringify(handle)} is not a handle: use a-z, 0-9, - and _, 64 at most`,
  );
}

/** Tokens are random, so a plain hash keeps them: there is nothing to guess. */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
