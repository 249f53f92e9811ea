/** Accounts and tokens (contract, sections 8.1, 8.3, 8.4 and 15). */
import type { NewToken } from '../../core/account-book.ts';
import { RegistryError } from '../../core/errors.ts';
import { isAdministrator, requireScope, type Actor } from '../../core/permission.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import { ok, optionalText, readObject, requiredText, requireUuid, wrongShape, type Body } from './answers.ts';
import { isAskableName } from './names.ts';
import { quote } from '../quote.ts';
import { allWords, asScopeWord, requireWord, scopesOf, wordsOf, type ScopeWord } from './scopes.ts';

const TOKEN_PREFIX = 'x07t_';
/** What clients are told of an administrator's token that lives in the environment and in no log. */
const NO_ID = '00000000-0000-0000-0000-000000000000';
const MAX_LABEL_LENGTH = 256;

/** `POST v1/auth/token`: is this token good? */
export async function checkToken(call: Call): Promise<HttpAnswer> {
  requireActor(call);
  return ok({});
}

/** `GET v1/account` */
export async function showAccount(call: Call): Promise<HttpAnswer> {
  const { handle, tokenId, scopes } = requireActor(call);
  return ok({
    user_id: call.accounts.account(handle)?.id ?? NO_ID,
    handle,
    token_id: tokenId ?? NO_ID,
    scopes: wordsOf(scopes),
  });
}

/** `GET v1/tokens`: one's own, newest first, never the tokens themselves. */
export async function listTokens(call: Call): Promise<HttpAnswer> {
  const { handle } = requireWord(call, 'token.manage');
  const tokens = call.accounts.tokensOf(handle).map((token) => ({
    id: token.tokenId,
    label: token.label,
    scopes: wordsOf(token.scopes),
    created_at: token.createdAt,
    last_used_at: call.accounts.lastUsedAt(token.tokenId) ?? null,
    revoked_at: token.revokedAt ?? null,
  }));
  return ok({ tokens });
}

/** `POST v1/tokens` */
export async function createToken(call: Call): Promise<HttpAnswer> {
  const shape = '{"label":"ci","scopes":["publish"]}, both optional';
  const body = await readObject(call, shape);
  const label = labelIn(body, shape);
  const named = scopesIn(body, shape);
  const actor = requireWord(call, 'token.manage');
  const words = wordsIn(named, ['publish']);
  const lacking = words.find((word) => !wordsOf(actor.scopes).includes(word));
  if (lacking !== undefined && !isAdministrator(actor))
    throw new RegistryError('scope-missing', `cannot grant a scope that this token lacks: ${lacking}`);
  const made = await call.accounts.createToken(TOKEN_PREFIX, {
    handle: actor.handle,
    label,
    scopes: scopesOf(words),
    ...inherited(call, actor),
  });
  return ok({ token_id: made.record.tokenId, token: made.token, scopes: words });
}

/** A token can make no token that is good for more places, from more places, or for longer, than itself. */
function inherited(
  call: Call,
  { limits, tokenId }: Actor,
): Pick<NewToken, 'limits' | 'addresses' | 'expiresAt'> {
  const own = tokenId === undefined ? undefined : call.accounts.token(tokenId);
  return {
    ...(limits ? { limits } : {}),
    ...(own?.addresses ? { addresses: own.addresses } : {}),
    ...(own?.expiresAt === undefined ? {} : { expiresAt: own.expiresAt }),
  };
}

/** `POST v1/tokens/{token_id}/revoke` */
export async function revokeToken(call: Call): Promise<HttpAnswer> {
  const { token_id: id = '' } = call.params;
  requireUuid(id);
  const actor = requireWord(call, 'token.manage');
  const token = call.accounts.token(id.toLowerCase());
  const mayRevokeAny = isAdministrator(actor) && actor.limits === undefined;
  if (!token || (token.handle !== actor.handle && !mayRevokeAny))
    throw new RegistryError('not-found', 'token not found');
  await call.accounts.revokeToken(token.tokenId, actor.handle);
  return ok({});
}

/** `POST v1/admin/bootstrap` (15): the first account of a self-hosted registry, and a token for it. */
export async function bootstrap(call: Call): Promise<HttpAnswer> {
  const shape = '{"handle":"alice"}, with "label" and "scopes" if wanted';
  const body = await readObject(call, shape);
  const handle = requiredText(body, 'handle', shape).trim().toLowerCase();
  const label = labelIn(body, shape);
  const named = scopesIn(body, shape);
  call.requireBootstrapSecret();
  const words = wordsIn(named, allWords);
  if (!isHandle(handle)) throw new RegistryError('invalid-name', `${quote(handle)} is not a handle`);
  const { token, record } = await call.accounts.createToken(TOKEN_PREFIX, {
    handle,
    label,
    scopes: scopesOf(words),
  });
  const account = call.accounts.account(handle);
  return ok({ user_id: account?.id ?? NO_ID, handle, token_id: record.tokenId, token, scopes: words });
}

/** A package name's letters, and as long as an account's name may be. */
function isHandle(text: string): boolean {
  return isAskableName(text) && /^[a-z0-9]/.test(text) && text.length <= 64;
}

/** `GET v1/auth/session` (8.3): there is no browser sign-in, so nobody is signed in. */
export async function showSession(): Promise<HttpAnswer> {
  return ok({ authenticated: false });
}

/** `GET v1/auth/github/start` and `callback`, as upstream answers where GitHub is not configured. */
export async function refuseGitHub(): Promise<HttpAnswer> {
  throw new RegistryError('bad-request', 'sign-in with GitHub is not configured on this registry', {
    surfaceCode: 'GITHUB_OAUTH_DISABLED',
  });
}

/** `POST v1/auth/logout`: a session has to be there to end. */
export async function logout(): Promise<HttpAnswer> {
  throw new RegistryError('unauthenticated', 'there is no session to end');
}

function requireActor(call: Call): Actor {
  const actor = call.authenticate();
  if (actor) return actor;
  // Says what every other endpoint says of a missing token.
  return requireScope(undefined, 'read');
}

function labelIn(body: Body, shape: string): string {
  const label = optionalText(body, 'label', shape) ?? '';
  if (label.length > MAX_LABEL_LENGTH)
    throw wrongShape(`${shape}; a label has ${MAX_LABEL_LENGTH} letters at most`);
  return label;
}

function scopesIn(body: Body, shape: string): readonly string[] {
  const scopes = Object.hasOwn(body, 'scopes') ? (body['scopes'] ?? []) : [];
  if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === 'string')) throw wrongShape(shape);
  return scopes;
}

/** Sorted and unique; `standard` when none is named. */
function wordsIn(named: readonly string[], standard: readonly ScopeWord[]): readonly ScopeWord[] {
  return named.length === 0 ? standard : [...new Set(named.map((name) => asScopeWord(name.trim())))].sort();
}
