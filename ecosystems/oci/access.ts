/** Who may do what to a repository, and how a client is told to ask for it (contract, sections 10 and 14). */
import { RegistryError } from '../../core/errors.ts';
import { isOwner, isReader, mayWrite, readersOf, visiblePackage } from '../../core/access.ts';
import { isAdministrator, isGoodFor, type Actor, type Scope } from '../../core/permission.ts';
import type { Package } from '../../core/package.ts';
import type { Call } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { checkName, namespaceOf, rules } from './names.ts';

/** In the words of Docker's token specification. */
export type Action = 'pull' | 'push' | 'delete';

export interface Wanted {
  readonly name: string;
  readonly action: Action;
  /** What a token is to be asked for, where more than one would do. */
  readonly asks?: readonly Action[];
}

/** What tokens are for; clients hand it from the challenge to the token's endpoint. */
export const SERVICE = 'oci-registry';

const scopeOf: Record<Action, Scope> = { pull: 'read', push: 'publish', delete: 'yank' };

/** Who pushes where nobody has to say who they are. */
export const ANYBODY: Actor = {
  handle: 'anonymous',
  scopes: new Set(['read', 'publish', 'yank']),
  limits: undefined,
  tokenId: undefined,
};

/**
 * Who the caller is, once it is sure that they may.
 * @returns undefined for nobody, who may pull what is public.
 * @throws RegistryError with a challenge where other credentials would help; `not-owner` where none would.
 */
export async function requireAccess(call: Call, view: StateView, wanted: Wanted): Promise<Actor | undefined> {
  checkName(wanted.name);
  const caller = identify(call, view, wanted);
  const granted = grantedFor(call, wanted.name);
  if (granted && !granted.some((one) => one === wanted.action || one === '*'))
    throw challenge(view, 'this token is not good for that; ask for one that is', {
      wanted,
      error: 'insufficient_scope',
    });
  // A token tells of rights as they were: they may have been taken back since.
  const actor = caller && granted ? withGranted(caller, granted) : caller;
  if (mayDo(actor, view, wanted)) return actor;
  if (!caller || caller === ANYBODY)
    throw challenge(view, `say who you are to ${wanted.action} ${wanted.name}`, { wanted });
  // The same words whether there is such a repository or not.
  throw new RegistryError('not-owner', `${caller.handle} may not ${wanted.action} ${wanted.name}`);
}

/** Who says they are the caller. @throws RegistryError with a challenge when they cannot be. */
export function identify(call: Call, view: StateView, wanted?: Wanted): Actor | undefined {
  try {
    const actor = call.authenticate() ?? (view.settings.oci?.anonymous === 'push' ? ANYBODY : undefined);
    if (actor?.secondFactor === 'required' && actor.tokenId === undefined)
      throw new RegistryError(
        'second-factor-required',
        'this account has a second factor, which no client can be asked for here: use a token in place of the password',
      );
    return actor;
  } catch (error) {
    if (!(error instanceof RegistryError) || !isOfCredentials(error)) throw error;
    throw challenge(view, error.message, {
      ...(wanted ? { wanted } : {}),
      error: 'invalid_token',
      cause: error,
    });
  }
}

function isOfCredentials({ code }: RegistryError): boolean {
  return code === 'token-invalid' || code === 'token-expired' || code === 'second-factor-required';
}

/** What the token of a request is good for in one repository; undefined where it came without a token of that kind. */
export function grantedFor(call: Call, repository: string): readonly string[] | undefined {
  return call
    .access()
    ?.filter(({ type, name }) => type === 'repository' && name === repository)
    .flatMap(({ actions }) => actions);
}

/** The actor as far as such a token goes: what it grants, of what the credential is good for today. */
export function withGranted(actor: Actor, actions: readonly string[]): Actor {
  const { scopes } = actor.byAccessToken ?? actor;
  const granted = (['pull', 'push', 'delete'] as const)
    .filter((action) => actions.includes(action) || actions.includes('*'))
    .map((action) => scopeOf[action])
    .filter((scope) => scopes.has(scope));
  return { ...actor, scopes: new Set([...granted, ...(scopes.has('admin') ? (['admin'] as const) : [])]) };
}

interface Challenge {
  readonly wanted?: Wanted;
  readonly error?: 'invalid_token' | 'insufficient_scope';
  readonly cause?: unknown;
}

/** One challenge, of one scheme, with values that no parser takes for the name of another (contract, section 10.1). */
export function challenge(
  { settings }: StateView,
  message: string,
  { wanted, error, cause }: Challenge = {},
): RegistryError {
  const parts = [
    `realm="${settings.publicUrl}/auth/token"`,
    `service="${SERVICE}"`,
    ...(wanted ? [`scope="repository:${wanted.name}:${asksOf(wanted).join(',')}"`] : []),
    ...(error === undefined ? [] : [`error="${error}"`]),
  ];
  return new RegistryError('unauthenticated', message, {
    headers: { 'www-authenticate': `Bearer ${parts.join(',')}` },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Clients ask for exactly what a challenge names, and who pushes looks first whether it is there. */
function asksOf({ action, asks }: Wanted): readonly Action[] {
  return asks ?? (action === 'push' ? ['pull', 'push'] : [action]);
}

/**
 * By the rights of now, and as far as the credential goes. A private repository is looked up no further for strangers than one
 * that does not exist: neither the answer nor its time tells them apart.
 */
export function mayDo(actor: Actor | undefined, view: StateView, { name, action }: Wanted): boolean {
  const namespace = namespaceOf(name);
  const place = { ecosystem: 'oci', name, namespace } as const;
  const ofPackage = visiblePackage(
    view,
    place,
    actor && { ...actor, scopes: new Set([...actor.scopes, 'read']) },
  );
  if (action === 'pull' && ofPackage?.visibility === 'public') return true;
  if (!actor || !isGoodFor(actor, scopeOf[action], place)) return false;
  if (isAdministrator(actor)) return true;
  const holders = { package: ofPackage, namespace: view.namespace('oci', namespace) };
  // A repository that nobody has pushed to yet is there for those who may push to it.
  if (!holders.namespace) return mayTake(actor, view, namespace);
  switch (action) {
    case 'pull':
      return isReader(actor, readersOf(holders));
    case 'push':
      return mayWrite(actor, holders, rules);
    case 'delete':
      return isOwner(actor, holders, rules);
  }
}

/** Whether a push would take this namespace, which nobody has. */
function mayTake({ handle, byEnvironment }: Actor, { settings }: StateView, namespace: string): boolean {
  return byEnvironment !== undefined || rules.freeNamespaces?.(settings) !== 'own' || namespace === handle;
}

/** @throws RegistryError `package-not-found`; who calls has made sure that the caller may know. */
export function requireRepository(view: StateView, name: string): Package {
  const of = view.package('oci', name);
  if (of) return of;
  throw new RegistryError('package-not-found', `there is no repository ${name}`);
}
