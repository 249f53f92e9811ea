/** Tokens and the profile of an account (contract, section 7). */
import { RegistryError } from '../../core/errors.ts';
import { uuidFrom, type Token } from '../../core/accounts.ts';
import { requireScope, type Scope, type TokenLimit } from '../../core/permission.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import { answer, readObject, requireActor, wrongShape } from './answers.ts';
import { isNewName } from './names.ts';

const TOKEN_PREFIX = 'npm_';
const DAY_MS = 86_400_000;
/** A century: beyond it a token may as well have no end. */
const MAX_DAYS = 36_525;
const readScopes: readonly Scope[] = ['read'];
const writeScopes: readonly Scope[] = ['read', 'publish', 'yank', 'owner'];

/** `GET -/npm/v1/tokens`: one's own that are good; never the tokens themselves. */
export async function listTokens(call: Call): Promise<HttpAnswer> {
  const { handle } = requireActor(call);
  const now = call.now();
  const good = call.accounts
    .tokensOf(handle)
    .filter(({ revokedAt, expiresAt = now }) => revokedAt === undefined && expiresAt >= now);
  return answer(200, { objects: good.map(tokenObject), total: good.length, urls: {} });
}

function tokenObject(token: Token): object {
  const { tokenId, label, scopes, addresses, createdAt, expiresAt, bypassSecondFactor } = token;
  return {
    // The hash is all that is kept of the token: its id stands for its beginning.
    token: tokenId.slice(0, 6),
    // npm takes a UUID for a secret and prints asterisks.
    key: tokenId.replaceAll('-', ''),
    name: label,
    cidr_whitelist: addresses ?? null,
    readonly: !scopes.some((scope) => scope !== 'read'),
    automation: bypassSecondFactor,
    bypass_2fa: bypassSecondFactor,
    created: createdAt,
    updated: createdAt,
    expires: expiresAt ?? null,
  };
}

/** `POST -/npm/v1/tokens`: with the account's password, in the words of npm 10 and of 11 and later. */
export async function createToken(call: Call): Promise<HttpAnswer> {
  const { handle } = requireActor(call);
  const body = await readObject(call, '{"password":"…"}');
  const wanted = tokenIn(body, call);
  await requirePassword(call, handle, body['password']);
  const { token, record } = await call.accounts.createToken(TOKEN_PREFIX, { handle, ...wanted });
  return answer(201, { ...tokenObject(record), token });
}

type Body = Readonly<Record<string, unknown>>;

function tokenIn(body: Body, call: Call): Omit<Parameters<Call['accounts']['createToken']>[1], 'handle'> {
  const addresses = textsIn(body, 'cidr_whitelist');
  const places = [...textsIn(body, 'packages'), ...textsIn(body, 'scopes')];
  const permission = body['packages_and_scopes_permission'];
  if (!['no-access', 'read-only', 'read-write', undefined, null].includes(permission as string))
    throw wrongShape('with packages_and_scopes_permission no-access, read-only or read-write');
  if (
    textsIn(body, 'orgs').length > 0 ||
    ![undefined, null, 'no-access'].includes(body['orgs_permission'] as string)
  )
    throw new RegistryError(
      'bad-request',
      'there are no organizations here: name packages or scopes instead',
    );
  const isReadOnly = body['readonly'] === true || (permission !== undefined && permission !== 'read-write');
  const days = body['expires'];
  if (
    days !== undefined &&
    days !== null &&
    !(Number.isInteger(days) && Number(days) > 0 && Number(days) <= MAX_DAYS)
  )
    throw wrongShape(`with expires a number of days, at most ${MAX_DAYS}`);
  const name = body['name'] ?? body['description'] ?? '';
  if (typeof name !== 'string' || name.length > 256) throw wrongShape('with a name of 256 letters at most');
  return {
    label: name,
    scopes: isReadOnly ? readScopes : writeScopes,
    limits: limitsFor(places, body['packages_all'] === true),
    ...(addresses.length > 0 ? { addresses } : {}),
    ...(body['bypass_2fa'] === true ? { bypassSecondFactor: true } : {}),
    ...(typeof days === 'number'
      ? { expiresAt: new Date(Date.parse(call.now()) + days * DAY_MS).toISOString() }
      : {}),
  };
}

/** A token made here is good for npm and nothing else. */
function limitsFor(places: readonly string[], isForAll: boolean): readonly TokenLimit[] {
  if (places.length === 0 || isForAll) return [{ ecosystem: 'npm' }];
  return places.map((place) => {
    const isScope = /^@[a-z0-9~][a-z0-9._~-]*$/.test(place);
    if (!isScope && !isNewName(place))
      throw new RegistryError(
        'bad-request',
        `${JSON.stringify(place.slice(0, 80))} is no package and no scope`,
      );
    return { ecosystem: 'npm', namespace: place };
  });
}

function textsIn(body: Body, field: string): readonly string[] {
  const value = body[field] ?? [];
  if (Array.isArray(value) && value.length <= 100 && value.every((text) => typeof text === 'string'))
    return value;
  throw wrongShape(`with ${field} a list of texts`);
}

/** `DELETE -/npm/v1/tokens/token/{key}` */
export async function revokeToken(call: Call): Promise<HttpAnswer> {
  const actor = requireActor(call);
  const key = (call.params['key'] ?? '').toLowerCase().replaceAll('-', '');
  const token = call.accounts.token(uuidFrom(key));
  if (token?.handle !== actor.handle) throw new RegistryError('not-found', 'you have no such token');
  // Every token may end itself.
  if (token.tokenId !== actor.tokenId) requireScope(actor, 'tokens');
  await call.accounts.revokeToken(token.tokenId, actor.handle);
  return { status: 204 };
}

/** `GET -/npm/v1/user` */
export async function showProfile(call: Call): Promise<HttpAnswer> {
  return answer(200, profileOf(call, requireActor(call).handle));
}

function profileOf(call: Call, handle: string): object {
  const account = call.accounts.account(handle);
  return {
    tfa: account?.secondFactor === undefined ? null : { pending: false, mode: account.secondFactor },
    name: handle,
    email: account?.email ?? '',
    // Nobody has checked it.
    email_verified: false,
    fullname: account?.fullName ?? '',
    created: account?.createdAt ?? null,
    updated: account?.createdAt ?? null,
    cidr_whitelist: null,
  };
}

/** `POST -/npm/v1/user`: name and address, password, and the steps of a second factor. */
export async function changeProfile(call: Call): Promise<HttpAnswer> {
  const actor = requireActor(call);
  const { handle } = actor;
  const body = await readObject(call, 'an object with fullname, email, password or tfa');
  if ('tfa' in body) return changeSecondFactor(call, handle, body['tfa']);
  requireScope(actor, 'tokens');
  if ('password' in body) return changePassword(call, handle, body['password']);
  const account = call.accounts.account(handle);
  if (!account) throw noAccount(handle);
  const said = (field: string, before: string | undefined): string | undefined => {
    const value = field in body ? (body[field] ?? '') : before;
    if (value !== undefined && typeof value !== 'string') throw wrongShape(`with ${field} a text`);
    return value === '' ? undefined : value;
  };
  const email = said('email', account.email);
  const fullName = said('fullname', account.fullName);
  await call.requireSecondFactor(call.header('npm-otp'), 'account');
  await call.accounts.setProfile(handle, {
    ...(email === undefined ? {} : { email }),
    ...(fullName === undefined ? {} : { fullName }),
  });
  return answer(200, profileOf(call, handle));
}

async function changePassword(call: Call, handle: string, wanted: unknown): Promise<HttpAnswer> {
  const { old, new: next } = objectOf(wanted);
  if (typeof next !== 'string') throw wrongShape('with password {"old":"…","new":"…"}');
  await requirePassword(call, handle, old);
  await call.accounts.setPassword(handle, next);
  return answer(200, profileOf(call, handle));
}

/** Start with a password and a mode, end with a code: what npm's command line does in two requests. */
async function changeSecondFactor(call: Call, handle: string, wanted: unknown): Promise<HttpAnswer> {
  if (Array.isArray(wanted)) {
    const [code] = wanted as unknown[];
    if (typeof code !== 'string') throw wrongShape('with tfa a list of one code');
    return answer(200, { tfa: await call.accounts.confirmSecondFactor(handle, code) });
  }
  const { password, mode } = objectOf(wanted);
  if (mode !== 'disable' && mode !== 'auth-only' && mode !== 'auth-and-writes')
    throw wrongShape('with tfa.mode auth-only, auth-and-writes or disable');
  await requirePassword(call, handle, password);
  const before = call.accounts.account(handle)?.secondFactor;
  if (mode === 'disable') {
    if (before !== undefined) await call.accounts.removeSecondFactor(handle);
    return answer(200, { tfa: null });
  }
  if (before !== undefined) {
    await call.accounts.changeSecondFactorMode(handle, mode);
    return answer(200, { tfa: null });
  }
  return answer(200, { tfa: call.accounts.startSecondFactor(handle, mode).uri });
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** The password of the account that asks, and its code where it has a second factor. */
async function requirePassword(call: Call, handle: string, password: unknown): Promise<void> {
  const account = call.accounts.account(handle);
  if (account && !account.hasPassword)
    throw new RegistryError(
      'bad-request',
      `${handle} has no password here: ask the operator for one (cairn user password ${handle}), or for a token`,
    );
  if (typeof password !== 'string') throw wrongShape('with the password of the account');
  await call.logIn({ handle, password, code: call.header('npm-otp') });
}

function noAccount(handle: string): RegistryError {
  return new RegistryError(
    'account-not-found',
    `${handle} has no account here: its token is of the environment`,
  );
}
