/** Accounts, passwords, second factors and tokens, as the private log tells them, and the way to add to them. */
import { createHash } from 'node:crypto';
import { applyPrivate, noAccounts, uuidFrom, type Account, type Accounts, type Token } from './accounts.ts';
import { DeviceCodes } from './device-codes.ts';
import { RegistryError } from './errors.ts';
import type { PrivateDraft } from './event.ts';
import { isWithin, requireNetworks } from './networks.ts';
import { Passwords, type PasswordHash } from './passwords.ts';
import { passwordScopes, type Actor, type Scope, type TokenLimit } from './permission.ts';
import type { Clock, Ids } from './ports.ts';
import type { PrivateJournal } from './private-journal.ts';
import {
  recoveryCodeFrom,
  recoveryDigest,
  secretFrom,
  type SecondFactor,
  type SecondFactorMode,
} from './second-factor.ts';

/** Who may make an account without the operator: nobody, everybody, or whoever has an invitation. */
export type Registration = 'closed' | 'open' | 'invited';

export interface AccountBookDeps {
  readonly journal: PrivateJournal;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly tokenUse: TokenUse;
  /** Default `closed`. */
  readonly registration?: Registration;
  /** Handles that nobody takes by registering: they mean something already. */
  readonly isReserved?: (handle: string) => boolean;
}

/** When tokens were last used. Kept beside the log and not in it: after a crash the last minutes may be missing. */
export interface TokenUse {
  record(tokenId: string, atMs: number): void;
  /** RFC 3339, UTC. */
  lastUsedAt(tokenId: string): string | undefined;
}

/** Where a request comes from, and whose token it has to be. */
export interface TokenSource {
  readonly address?: string | undefined;
  readonly handle?: string;
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
  /** Networks in CIDR notation that it is good from; absent: all. */
  readonly addresses?: readonly string[];
  /** For machines, where the account has a second factor. */
  readonly bypassSecondFactor?: boolean;
  readonly expiresAt?: string;
}

export interface NewAccount {
  readonly handle: string;
  /** Without one it acts by tokens only. */
  readonly password?: string;
}

export interface Registering extends Required<NewAccount>, Profile {
  readonly invitation?: string;
}

/** What an account says of itself. */
export interface Profile {
  readonly email?: string;
  readonly fullName?: string;
}

export interface NewInvitation {
  /** The only account it makes; absent: any that is free. */
  readonly handle?: string;
  readonly expiresAt?: string;
}

/** What a device needs to know. */
export interface StartedSecondFactor {
  /** Base32, to be typed. */
  readonly secret: string;
  /** `otpauth://…`, to be scanned. */
  readonly uri: string;
}

const RECOVERY_CODES = 10;
const MOST_PROFILE_LETTERS = 256;

const handleGrammar = /^[a-z0-9][a-z0-9_-]{0,63}$/;

export class AccountBook {
  readonly #deps: AccountBookDeps;
  readonly #state: Accounts = noAccounts();
  readonly #passwords = new Passwords();
  readonly #codes = new DeviceCodes();
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

  /** In the order of their making. */
  get accounts(): readonly Account[] {
    return [...this.#state.accounts.values()];
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

  /** By the token itself, which is hashed before it is looked for; revoked and expired ones too. */
  tokenBySecret(secret: string): Token | undefined {
    const tokenId = this.#state.byDigest.get(tokenDigest(secret));
    return tokenId === undefined ? undefined : this.#state.tokens.get(tokenId);
  }

  lastUsedAt(tokenId: string): string | undefined {
    return this.#deps.tokenUse.lastUsedAt(tokenId);
  }

  /**
   * The actor behind a token, or undefined when it is unknown, revoked or expired.
   * @throws RegistryError `token-invalid` when it is good, and not from that address.
   */
  actorOf(token: string, from: TokenSource = {}): Actor | undefined {
    const tokenId = this.#state.byDigest.get(tokenDigest(token));
    return tokenId === undefined ? undefined : this.actorByTokenId(tokenId, from);
  }

  /** As `actorOf`, by the token's id: nobody has checked here that the token itself was sent. */
  actorByTokenId(tokenId: string, from: TokenSource = {}): Actor | undefined {
    const known = this.#state.tokens.get(tokenId);
    if (!known || known.revokedAt !== undefined) return undefined;
    if (from.handle !== undefined && from.handle !== known.handle) return undefined;
    if (known.expiresAt !== undefined && Date.parse(known.expiresAt) <= this.#deps.clock.now())
      return undefined;
    if (known.addresses && !isWithin(from.address, known.addresses))
      throw new RegistryError('token-invalid', 'this token is not good from where the request comes');
    this.#deps.tokenUse.record(known.tokenId, this.#deps.clock.now());
    const mode = this.account(known.handle)?.secondFactor;
    const isCovered = mode === 'auth-and-writes' && !known.bypassSecondFactor;
    return {
      handle: known.handle,
      scopes: new Set(known.scopes),
      limits: known.limits,
      tokenId: known.tokenId,
      ...(mode === undefined ? {} : { secondFactor: isCovered ? 'required' : 'given' }),
    };
  }

  /** Whether this was a good token until its time was over; said only to who holds it. */
  isExpired(token: string): boolean {
    const tokenId = this.#state.byDigest.get(tokenDigest(token));
    const known = tokenId === undefined ? undefined : this.#state.tokens.get(tokenId);
    if (!known || known.revokedAt !== undefined || known.expiresAt === undefined) return false;
    return Date.parse(known.expiresAt) <= this.#deps.clock.now();
  }

  /** The actor that a password makes of an account: nobody has checked it here. */
  actorByPassword(handle: string): Actor {
    const mode = this.account(handle)?.secondFactor;
    return {
      handle,
      scopes: new Set(passwordScopes),
      limits: undefined,
      tokenId: undefined,
      ...(mode === undefined ? {} : { secondFactor: 'required' }),
    };
  }

  /**
   * An account, with its password when one is given.
   * @throws RegistryError `bad-request` when handle or password cannot be, `name-taken`.
   */
  async createAccount({ handle, password }: NewAccount, by: string = handle): Promise<Account> {
    requireHandle(handle);
    const hash = password === undefined ? undefined : await this.#hash(password);
    return this.#makeAccount(handle, (state) => {
      requireFree(state, handle);
      return [
        { kind: 'account-created', by, handle },
        ...(hash ? [{ kind: 'password-set' as const, by, handle, ...hash }] : []),
      ];
    });
  }

  /**
   * An account that somebody makes for themselves.
   * @throws RegistryError `registration-closed` where that is not possible, or not with this invitation;
   * `bad-request`, `name-taken`.
   */
  async register(wanted: Registering): Promise<Account> {
    const { handle, password, invitation, ...profile } = wanted;
    const { registration = 'closed', isReserved } = this.#deps;
    if (registration === 'closed')
      throw new RegistryError(
        'registration-closed',
        'nobody can register here by themselves; ask the operator of this registry for an account',
      );
    requireHandle(handle);
    requireProfile(profile);
    const digest =
      registration === 'open' ? undefined : this.#requireInvitation(this.#state, handle, invitation);
    // An invitation for just this handle is the operator's word.
    const isMeant = digest !== undefined && this.#state.invitations.get(digest)?.handle === handle;
    if (!isMeant && isReserved?.(handle)) throw taken(handle);
    // Before the hash, which is dear, and again when it is this one's turn.
    requireFree(this.#state, handle);
    const hash = await this.#hash(password);
    return this.#makeAccount(handle, (state) => {
      requireFree(state, handle);
      if (digest !== undefined) this.#requireInvitation(state, handle, invitation);
      return [
        { kind: 'account-created', by: handle, handle },
        { kind: 'password-set', by: handle, handle, ...hash },
        ...(isEmpty(profile) ? [] : [{ kind: 'profile-set' as const, by: handle, handle, ...profile }]),
        ...(digest === undefined ? [] : [{ kind: 'invitation-used' as const, by: handle, digest, handle }]),
      ];
    });
  }

  /** An invitation, shown now and kept nowhere. @throws RegistryError `bad-request`, `name-taken` */
  async createInvitation({ handle, expiresAt }: NewInvitation, by: string): Promise<string> {
    if (handle !== undefined) requireHandle(handle);
    requireTime(expiresAt);
    const invitation = this.#deps.ids.secret();
    await this.#append((state) => {
      if (handle !== undefined) requireFree(state, handle);
      const digest = tokenDigest(invitation);
      return [
        {
          kind: 'invitation-created',
          by,
          digest,
          ...(handle === undefined ? {} : { handle }),
          ...(expiresAt === undefined ? {} : { expiresAt }),
        },
      ];
    });
    return invitation;
  }

  /** @throws RegistryError `bad-request`, `account-not-found` */
  async setPassword(handle: string, password: string, by: string = handle): Promise<void> {
    requireAccount(this.#state, handle);
    const hash = await this.#hash(password);
    await this.#append((state) => {
      requireAccount(state, handle);
      return [{ kind: 'password-set', by, handle, ...hash }];
    });
  }

  /**
   * Takes the same time for an unknown handle. How often it may be asked is for `GuessLimits` to say.
   * @throws RegistryError `too-many-attempts` when too many are asked at once.
   */
  verifyPassword(handle: string, password: string): Promise<boolean> {
    return this.#passwords.matches(password, this.#state.passwords.get(handle));
  }

  /** The same object for as long as the password is the same: what was found out by it holds until then. */
  passwordHash(handle: string): PasswordHash | undefined {
    return this.#state.passwords.get(handle);
  }

  /** Replaces what was there. @throws RegistryError `bad-request`, `account-not-found` */
  async setProfile(handle: string, { email, fullName }: Profile, by: string = handle): Promise<void> {
    const profile = {
      ...(email === undefined ? {} : { email }),
      ...(fullName === undefined ? {} : { fullName }),
    };
    requireProfile(profile);
    await this.#append((state) => {
      requireAccount(state, handle);
      return [{ kind: 'profile-set', by, handle, ...profile }];
    });
  }

  /**
   * A second factor in the making, kept in memory for a while; it counts once a code of it was confirmed.
   * @throws RegistryError `account-not-found`, or `conflict` where there is one.
   */
  startSecondFactor(handle: string, mode: SecondFactorMode, issuer = 'Cairn'): StartedSecondFactor {
    requireNoSecondFactor(this.#state, handle);
    const secret = secretFrom(this.#deps.ids.secret());
    return this.#codes.start({ handle, mode, secret, issuer, nowMs: this.#deps.clock.now() });
  }

  /**
   * The second factor that was started counts from now on.
   * @returns recovery codes, shown now and kept nowhere.
   * @throws RegistryError `second-factor-required` when the code is none of the device's; `not-found` when none was
   * started; `conflict`
   */
  async confirmSecondFactor(handle: string, code: string): Promise<readonly string[]> {
    const { mode, secret } = this.#codes.confirm(handle, code, this.#deps.clock.now());
    const codes = Array.from({ length: RECOVERY_CODES }, () => recoveryCodeFrom(this.#deps.ids.secret()));
    await this.#append((state) => {
      requireNoSecondFactor(state, handle);
      return [
        { kind: 'second-factor-set', by: handle, handle, mode, secret, recovery: codes.map(recoveryDigest) },
      ];
    });
    return codes;
  }

  /** Secret and recovery codes stay. @throws RegistryError `not-found` where there is none. */
  async changeSecondFactorMode(handle: string, mode: SecondFactorMode, by: string = handle): Promise<void> {
    await this.#append((state) => {
      const { secret, recovery, mode: before } = requireSecondFactor(state, handle);
      if (mode === before) return [];
      return [{ kind: 'second-factor-set', by, handle, mode, secret, recovery: [...recovery] }];
    });
  }

  /** @throws RegistryError `not-found` where there is none. */
  async removeSecondFactor(handle: string, by: string = handle): Promise<void> {
    await this.#append((state) => {
      requireSecondFactor(state, handle);
      return [{ kind: 'second-factor-removed', by, handle }];
    });
  }

  /**
   * Whether this is a code of the account's device, or a recovery code; either is good once. False where there is no
   * second factor. How often it may be asked is for `GuessLimits` to say.
   */
  async checkSecondFactor(handle: string, code: string): Promise<boolean> {
    const factor = this.#state.secondFactors.get(handle);
    if (!factor) return false;
    if (this.#codes.use({ handle, secret: factor.secret, code, nowMs: this.#deps.clock.now() })) return true;
    const digest = recoveryDigest(code);
    let isBurnt = false;
    if (factor.recovery.has(digest))
      await this.#append((state) => {
        // Whoever came a moment earlier with the same code has it.
        if (!state.secondFactors.get(handle)?.recovery.has(digest)) return [];
        isBurnt = true;
        return [{ kind: 'recovery-code-used', by: handle, handle, digest }];
      });
    return isBurnt;
  }

  /** A new token: `prefix` lets clients and secret scanners know it. @throws RegistryError as `addToken` does. */
  async createToken(prefix: string, wanted: NewToken): Promise<CreatedToken> {
    const token = prefix + this.#deps.ids.secret();
    return { token, record: await this.addToken(token, wanted) };
  }

  /**
   * Records a token by its hash; creates the account when it is new.
   * @throws RegistryError `bad-request` when the handle is not one, the end is no time, or an address is no network.
   */
  async addToken(token: string, wanted: NewToken): Promise<Token> {
    requireHandle(wanted.handle);
    requireTime(wanted.expiresAt);
    if (wanted.addresses) requireNetworks(wanted.addresses);
    const tokenId = uuidFrom(this.#deps.ids.next());
    const { handle, label, scopes, limits, addresses, bypassSecondFactor, expiresAt } = wanted;
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
        ...(addresses ? { addresses: [...addresses] } : {}),
        ...(bypassSecondFactor ? { bypassSecondFactor } : {}),
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

  #hash(password: string): Promise<PasswordHash> {
    return this.#passwords.hash(password, this.#deps.ids.next());
  }

  async #makeAccount(handle: string, decide: (state: Accounts) => readonly PrivateDraft[]): Promise<Account> {
    await this.#append(decide);
    const made = this.account(handle);
    if (!made) throw new Error('the account that was just recorded is not there');
    return made;
  }

  /** Its digest. @throws RegistryError `registration-closed` */
  #requireInvitation(state: Accounts, handle: string, invitation: string | undefined): string {
    if (invitation === undefined)
      throw new RegistryError('registration-closed', 'an account needs an invitation of the operator here');
    const digest = tokenDigest(invitation);
    const known = state.invitations.get(digest);
    const isOver = known?.expiresAt !== undefined && Date.parse(known.expiresAt) <= this.#deps.clock.now();
    if (!known || known.isUsed || isOver)
      throw new RegistryError('registration-closed', 'this invitation is unknown, used or expired');
    if (known.handle !== undefined && known.handle !== handle)
      throw new RegistryError('registration-closed', 'this invitation is for another handle');
    return digest;
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

function requireTime(text: string | undefined): void {
  if (text === undefined || !Number.isNaN(Date.parse(text))) return;
  throw new RegistryError('bad-request', `${JSON.stringify(text)} is not a time: use RFC 3339`);
}

function requireProfile({ email, fullName }: Profile): void {
  for (const text of [email, fullName])
    if (text !== undefined && ([...text].length > MOST_PROFILE_LETTERS || hasControls(text)))
      throw new RegistryError(
        'bad-request',
        `an e-mail address and a name have ${MOST_PROFILE_LETTERS} letters at most, in one line`,
      );
}

function hasControls(text: string): boolean {
  return /\p{Cc}|\p{Cs}/u.test(text);
}

function isEmpty({ email, fullName }: Profile): boolean {
  return email === undefined && fullName === undefined;
}

function requireFree(state: Accounts, handle: string): void {
  if (state.accounts.has(handle)) throw taken(handle);
}

function taken(handle: string): RegistryError {
  return new RegistryError('name-taken', `the handle ${handle} is taken; choose another`);
}

function requireAccount(state: Accounts, handle: string): void {
  if (state.accounts.has(handle)) return;
  throw new RegistryError('account-not-found', `there is no account ${JSON.stringify(handle)}`);
}

function requireSecondFactor(state: Accounts, handle: string): SecondFactor {
  requireAccount(state, handle);
  const factor = state.secondFactors.get(handle);
  if (!factor) throw new RegistryError('not-found', `${handle} has no second factor`);
  return factor;
}

/** To replace one is to remove it first, which takes a code of it. */
function requireNoSecondFactor(state: Accounts, handle: string): void {
  requireAccount(state, handle);
  if (state.secondFactors.has(handle))
    throw new RegistryError('conflict', `${handle} has a second factor; remove it first`);
}

/** Tokens are random, so a plain hash keeps them: there is nothing to guess. */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
