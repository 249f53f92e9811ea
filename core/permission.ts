import type { EcosystemId, Scope, TokenLimit } from '../schema/types.ts';
import { RegistryError } from './errors.ts';

export type { Scope, TokenLimit };

/** Who is acting, as far as a credential proved it. */
export interface Actor {
  readonly handle: string;
  readonly scopes: ReadonlySet<Scope>;
  /** When present, the credential is good only for these places. */
  readonly limits: readonly TokenLimit[] | undefined;
  readonly tokenId: string | undefined;
  /**
   * Whether writes need a code from this actor's device, or a code was given (or need not be). Absent: the account has
   * no second factor. A surface asks for it by `Call.requireSecondFactor`.
   */
  readonly secondFactor?: 'required' | 'given';
  /**
   * An access token said so (`core/access-tokens.ts`), and not the credential itself that it was made with: what that one is
   * good for today.
   */
  readonly byAccessToken?: { readonly scopes: ReadonlySet<Scope> };
  /**
   * The operator gave the credential by the environment, for what `limits` says: there it counts as one of the owners, whoever
   * they are. `digest` tells it from another one for the same place, and is no secret.
   */
  readonly byEnvironment?: { readonly digest: string };
}

export const allScopes: readonly Scope[] = ['read', 'publish', 'yank', 'owner', 'tokens', 'admin'];

/** What a password is good for. Whoever administers does it by a token, or at the server's own keyboard. */
export const passwordScopes: readonly Scope[] = ['read', 'publish', 'yank', 'owner', 'tokens'];

/** The person at the keyboard of the server itself, through the command line. */
export function operator(handle: string): Actor {
  return { handle, scopes: new Set(allScopes), limits: undefined, tokenId: undefined };
}

/** What is asked for: a name, and the namespace that it is in. */
export interface Place {
  readonly ecosystem: EcosystemId;
  readonly name: string;
  readonly namespace?: string | undefined;
}

/**
 * @throws RegistryError `unauthenticated` without an actor, `scope-missing` when the credential lacks the scope or
 * is not good for that place, `second-factor-required` when a password is not enough. `scopeWord` is the scope as the surface's own clients call it.
 */
export function requireScope(
  actor: Actor | undefined,
  scope: Scope,
  place?: Place,
  scopeWord: string = scope,
): Actor {
  if (!actor)
    throw new RegistryError('unauthenticated', 'a token is required: send Authorization: Bearer <token>');
  // A surface whose clients cannot be asked for a code takes tokens, which somebody made who gave one.
  if (scope !== 'read' && actor.secondFactor === 'required' && actor.tokenId === undefined)
    throw secondFactorRequired();
  if (!actor.scopes.has(scope)) throw new RegistryError('scope-missing', `missing scope: ${scopeWord}`);
  if (place && !isGoodFor(actor, scope, place))
    throw new RegistryError('scope-missing', `this token is not valid for ${place.ecosystem}/${place.name}`);
  return actor;
}

/** Whether a credential has the scope, and is good for that place. */
export function isGoodFor({ scopes, limits }: Actor, scope: Scope, place: Place): boolean {
  return scopes.has(scope) && (limits?.some((limit) => covers(limit, place)) ?? true);
}

export function secondFactorRequired(): RegistryError {
  return new RegistryError(
    'second-factor-required',
    'this account has a second factor: send a code of its device as well, or use a token',
  );
}

function covers(limit: TokenLimit, place: Place): boolean {
  if (limit.ecosystem !== place.ecosystem) return false;
  return (
    limit.namespace === undefined || limit.namespace === place.namespace || limit.namespace === place.name
  );
}

export function isAdministrator(actor: Actor): boolean {
  return actor.scopes.has('admin');
}
