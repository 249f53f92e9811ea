/** Login, logout, whoami and users (contract, section 7). */
import { RegistryError } from '../../core/errors.ts';
import { passwordScopes } from '../../core/permission.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { answer, readObject, requireActor, wrongShape } from './answers.ts';
import { logInPage, page } from './log-in-page.ts';
import { siteOf } from '../ecosystem.ts';

const TOKEN_PREFIX = 'npm_';
const POLL_SECONDS = '2';
const MAX_FORM_BYTES = 16 * 1024;

/** `PUT -/user/org.couchdb.user:{user}`: a password becomes a token; with an e-mail address also a new account. */
export async function putUser(call: Call): Promise<HttpAnswer> {
  const body = await readObject(call, '{"name":"alice","password":"…"}');
  const handle = userIn(call);
  const { name = handle, password, email } = body;
  if (typeof password !== 'string' || name !== handle)
    throw wrongShape('{"name":"alice","password":"…"}, of the user in the URL');
  const wanted = { handle, password, code: call.header('npm-otp') };
  const token =
    typeof email === 'string' && email !== ''
      ? await logInOrRegister(call, wanted, email)
      : await logIn(call, wanted);
  return answer(201, { ok: true, id: `org.couchdb.user:${handle}`, rev: '1-0', token });
}

/** `GET -/user/org.couchdb.user:{user}`: whether there is such an account, for `npm owner add`. */
export async function getUser(call: Call): Promise<HttpAnswer> {
  const actor = requireActor(call);
  const handle = userIn(call);
  // Whoever asks is somebody, also with the environment's token, which has no account.
  if (handle !== actor.handle && !call.accounts.account(handle))
    throw new RegistryError('account-not-found', `there is no user ${handle}`);
  return answer(200, { _id: `org.couchdb.user:${handle}`, name: handle, email: '' });
}

const userPrefix = 'org.couchdb.user:';

function userIn(call: Call): string {
  const { user = '' } = call.params;
  if (user.startsWith(userPrefix)) return user.slice(userPrefix.length);
  throw new RegistryError('not-found', 'Not found');
}

/** `POST -/v1/login`: the browser's way, for npm and pnpm. */
export async function startLogIn(call: Call, view: StateView): Promise<HttpAnswer> {
  const { create } = await readObject(call, 'an object');
  const started = call.logIns.start({ isNewAccount: create === true });
  const { baseUrl } = siteOf(call, view);
  return answer(200, {
    loginUrl: `${baseUrl}/-/v1/login/cli/${started.page}`,
    doneUrl: `${baseUrl}/-/v1/done?authId=${started.poll}`,
  });
}

/** `GET -/v1/done`: what the command line polls. */
export async function pollLogIn(call: Call): Promise<HttpAnswer> {
  const token = call.logIns.take(call.query.get('authId') ?? '');
  if (token !== undefined) return answer(200, { token });
  const pending = answer(202, {});
  return { ...pending, headers: { ...pending.headers, 'retry-after': POLL_SECONDS } };
}

/** `GET -/v1/login/cli/{id}` */
export async function showLogIn(call: Call): Promise<HttpAnswer> {
  return logInPage(200, call.logIns.open(call.params['id'] ?? ''));
}

/** `POST -/v1/login/cli/{id}`: the form of that page. What is wrong is said on the page. */
export async function finishLogIn(call: Call): Promise<HttpAnswer> {
  const { id = '' } = call.params;
  const session = call.logIns.open(id);
  const form = await readForm(call);
  const field = (name: string): string => form.get(name) ?? '';
  const handle = field('handle').trim().toLowerCase();
  const password = field('password');
  try {
    const token = session.isNewAccount
      ? await register(call, { handle, password, email: field('email'), invitation: field('invitation') })
      : await logIn(call, { handle, password, code: field('code') });
    call.logIns.finish(id, token);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    const again = logInPage(error.code === 'too-many-attempts' ? 429 : 403, session, error.message);
    const { retryAfterSeconds: seconds } = error;
    return seconds === undefined
      ? again
      : { ...again, headers: { ...again.headers, 'retry-after': String(seconds) } };
  }
  return page(200, 'Logged in', '<p>Your command line goes on by itself. You can close this page.</p>');
}

async function readForm(call: Call): Promise<URLSearchParams> {
  const type = call.header('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded')
    throw new RegistryError('unsupported-media-type', 'send the form of the page');
  const pieces: Uint8Array[] = [];
  for await (const piece of call.body({ maxBytes: MAX_FORM_BYTES })) pieces.push(piece);
  return new URLSearchParams(Buffer.concat(pieces).toString('utf8'));
}

interface NewUser {
  readonly handle: string;
  readonly password: string;
  readonly email: string;
  readonly invitation?: string;
}

async function register(call: Call, { handle, password, email, invitation = '' }: NewUser): Promise<string> {
  await call.accounts.register({
    handle,
    password,
    ...(email === '' ? {} : { email }),
    ...(invitation === '' ? {} : { invitation }),
  });
  return newToken(call, handle);
}

interface WantedLogIn {
  readonly handle: string;
  readonly password: string;
  readonly code: string | undefined;
}

async function logIn(call: Call, wanted: WantedLogIn): Promise<string> {
  const { handle } = await call.logIn(wanted);
  return newToken(call, handle);
}

/** `npm adduser`. Where nobody can register, a wrong password and an unknown name are refused alike. */
async function logInOrRegister(call: Call, wanted: WantedLogIn, email: string): Promise<string> {
  try {
    return await logIn(call, wanted);
  } catch (error) {
    if (!(error instanceof RegistryError && error.code === 'token-invalid')) throw error;
    return register(call, { ...wanted, email });
  }
}

async function newToken(call: Call, handle: string): Promise<string> {
  const label = `login ${(call.header('user-agent') ?? '').slice(0, 100)}`.trim();
  const { token } = await call.accounts.createToken(TOKEN_PREFIX, { handle, label, scopes: passwordScopes });
  return token;
}

/** `DELETE -/user/token/{secret}`: the token in the URL ends. Nothing tells a stranger's token from one that never was. */
export async function logOut(call: Call): Promise<HttpAnswer> {
  const { handle } = requireActor(call);
  const token = call.accounts.tokenBySecret(call.params['secret'] ?? '');
  if (token?.handle === handle) await call.accounts.revokeToken(token.tokenId, handle);
  return answer(200, { ok: true });
}

/** `GET -/whoami` */
export async function whoAmI(call: Call): Promise<HttpAnswer> {
  return answer(200, { username: requireActor(call).handle });
}
