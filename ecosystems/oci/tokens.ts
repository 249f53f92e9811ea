/** `/auth/token`: short-lived tokens that say what they are good for (contract, sections 10.2 and 10.3). */
import { RegistryError } from '../../core/errors.ts';
import type { Access } from '../../core/access-tokens.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { Actor } from '../../core/permission.ts';
import type { StateView } from '../../core/state.ts';
import { identify, mayDo, type Action } from './access.ts';
import { json } from './answers.ts';
import { rules } from './names.ts';

const MAX_FORM_BYTES = 64 * 1024;
/** Clients ask for a repository and those that it is copied from; each is looked up. */
const MAX_SCOPES = 64;

/** `GET /auth/token`, with Basic credentials or as nobody */
export function getToken(call: Call, view: StateView): Promise<HttpAnswer> {
  return refusingPlainly(() => answer(call, view, identify(call, view), call.query.getAll('scope')));
}

/** `POST /auth/token`, in the form of OAuth 2 */
export async function postToken(call: Call, view: StateView): Promise<HttpAnswer> {
  const form = await readForm(call);
  const grant = form.get('grant_type');
  if (grant !== 'password')
    // Nobody has a refresh token of ours: none is ever given.
    throw new RegistryError(
      'bad-request',
      `grant_type=${grant ?? ''}: use password, or GET with Basic credentials`,
      { surfaceCode: 'UNSUPPORTED' },
    );
  const credentials = { handle: form.get('username') ?? '', secret: form.get('password') ?? '' };
  return refusingPlainly(async () =>
    answer(call, view, await call.authenticateAs(credentials), form.getAll('scope')),
  );
}

/** `GET /auth/keys`: for those who check tokens themselves, such as an edge */
export async function getKeys(call: Call): Promise<HttpAnswer> {
  return json(200, call.accessKeys());
}

async function answer(
  call: Call,
  view: StateView,
  actor: Actor | undefined,
  scopes: readonly string[],
): Promise<HttpAnswer> {
  const asked = scopes.flatMap((text) => text.split(' ')).filter((text) => text !== '');
  if (asked.length > MAX_SCOPES)
    throw new RegistryError('bad-request', `${asked.length} scopes at once: ask for ${MAX_SCOPES} at most`);
  const access = asked.flatMap((scope) => granted(scope, actor, view));
  const { token, expiresInSeconds, issuedAt } = await call.issueToken({
    actor: actor?.handle === 'anonymous' ? undefined : actor,
    access,
    // Asked for without a scope it is for managing things, and for nothing below `/v2/`.
    carriesScopes: asked.length === 0,
  });
  const scope = access.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' ');
  return json(200, {
    token,
    access_token: token,
    expires_in: expiresInSeconds,
    issued_at: issuedAt,
    ...(call.head.method === 'POST' ? { scope } : {}),
  });
}

const allActions: readonly Action[] = ['pull', 'push', 'delete'];

/** What is allowed of what was asked for. Less than that is no error: clients ask for more than they need. */
function granted(scope: string, actor: Actor | undefined, view: StateView): readonly Access[] {
  // A name may hold a colon, of a host's port.
  const [first, last] = [scope.indexOf(':'), scope.lastIndexOf(':')];
  if (first === -1 || first === last) return [];
  const type = scope.slice(0, first);
  const name = scope.slice(first + 1, last);
  const asked = scope.slice(last + 1).split(',');
  if (type === 'registry' && name === 'catalog')
    return asked.includes('*') ? [{ type, name, actions: ['*'] }] : [];
  if (type !== 'repository' || rules.isName?.(name) === false) return [];
  const actions = allActions.filter(
    (action) => (asked.includes(action) || asked.includes('*')) && mayDo(actor, view, { name, action }),
  );
  return actions.length > 0 ? [{ type, name, actions }] : [];
}

/** Here no token helps: what is refused is the password, or a token that makes no other one. */
async function refusingPlainly<T>(give: () => Promise<T>): Promise<T> {
  try {
    return await give();
  } catch (error) {
    if (!(error instanceof RegistryError) || !unhelped.has(error.code)) throw error;
    throw new RegistryError('unauthenticated', error.message, {
      cause: error,
      headers: { 'www-authenticate': 'Basic realm="the accounts of this registry"' },
    });
  }
}

const unhelped: ReadonlySet<string> = new Set([
  'unauthenticated',
  'token-invalid',
  'token-expired',
  'second-factor-required',
]);

async function readForm(call: Call): Promise<URLSearchParams> {
  const type = call.header('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded')
    throw new RegistryError('unsupported-media-type', 'send a form: application/x-www-form-urlencoded');
  const pieces: Uint8Array[] = [];
  for await (const piece of call.body({ maxBytes: MAX_FORM_BYTES })) pieces.push(piece);
  return new URLSearchParams(Buffer.concat(pieces).toString('utf8'));
}
