/** Writes to the private log: accounts and tokens. Rare, so one event at a time. */
import { createHash } from 'node:crypto';
import { applyPrivate, noAccounts, type Accounts, type Token } from './accounts.ts';
import { RegistryError } from './errors.ts';
import type { PrivateDraft, PrivateEvent } from './event.ts';
import type { Actor, Scope, TokenLimit } from './permission.ts';
import type { Clock, EventLog, Ids } from './ports.ts';
import { stamp, timeOfAppend } from './writer.ts';

export interface AccountBookDeps {
  readonly log: EventLog<PrivateEvent>;
  readonly clock: Clock;
  readonly ids: Ids;
}

export interface NewToken {
  readonly handle: string;
  readonly label: string;
  readonly scopes: readonly Scope[];
  readonly limits?: readonly TokenLimit[];
  readonly expiresAt?: string;
}

const handleGrammar = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** What the private log says, and the way to add to it. */
export class AccountBook {
  readonly #deps: AccountBookDeps;
  readonly #state: Accounts = noAccounts();
  #length = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(deps: AccountBookDeps) {
    this.#deps = deps;
    this.catchUp();
  }

  /** Takes in what the log has seen since. */
  catchUp(): void {
    const { log } = this.#deps;
    for (; this.#length < log.length; this.#length += 1) applyPrivate(this.#state, log.read(this.#length));
  }

  get tokens(): readonly Token[] {
    return [...this.#state.tokens.values()];
  }

  hasAccount(handle: string): boolean {
    return this.#state.accounts.has(handle);
  }

  /** The actor behind a token, or undefined when it is unknown, revoked or expired. */
  actorOf(token: string): Actor | undefined {
    const tokenId = this.#state.byDigest.get(tokenDigest(token));
    const known = tokenId === undefined ? undefined : this.#state.tokens.get(tokenId);
    if (!known || known.revokedAt !== undefined) return undefined;
    if (known.expiresAt !== undefined && Date.parse(known.expiresAt) <= this.#deps.clock.now())
      return undefined;
    return {
      handle: known.handle,
      scopes: new Set(known.scopes),
      limits: known.limits,
      tokenId: known.tokenId,
    };
  }

  /**
   * Records a token by its hash; creates the account when it is new.
   * @throws RegistryError `bad-request` when the handle is not one, or the end is no time.
   */
  async addToken(token: string, wanted: NewToken): Promise<Token> {
    if (!handleGrammar.test(wanted.handle))
      throw new RegistryError(
        'bad-request',
        `${JSON.stringify(wanted.handle)} is not a handle: use a-z, 0-9, - and _, 64 at most`,
      );
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

  #append(decide: (state: Accounts) => readonly PrivateDraft[]): Promise<void> {
    const turn = this.#turn.then(async () => {
      const { log, clock, ids } = this.#deps;
      const drafts = decide(this.#state);
      if (drafts.length === 0) return;
      const at = timeOfAppend(clock, log);
      const place = (i: number): { seq: number; id: string; at: string } => ({
        seq: log.length + i,
        id: ids.next(),
        at,
      });
      try {
        await log.append(drafts.map((draft, i) => stamp<PrivateEvent>(draft, place(i))));
      } catch (error) {
        await log.refresh().catch(() => undefined);
        throw new RegistryError(
          'storage-failed',
          'the private log could not be written; nothing was accepted',
          { cause: error },
        );
      } finally {
        this.catchUp();
      }
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** Tokens are random, so a plain hash keeps them: there is nothing to guess. */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function uuidFrom(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
