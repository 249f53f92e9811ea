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
}

export const allScopes: readonly Scope[] = ['read', 'publish', 'yank', 'owner', 'tokens', 'admin'];

/** The person at the keyboard of the server itself, through the command line. */
export function operator(handle: string): Actor {
  return { handle, scopes: new Set(allScopes), limits: undefined, tokenId: undefined };
}

interface Place {
  readonly ecosystem: EcosystemId;
  readonly name: string;
  readonly namespace?: string | undefined;
}

/**
 * @throws RegistryError `unauthenticated` without an actor, `scope-missing` when the credential lacks the scope or
 * is not good for that place. `scopeWord` is the scope as the surface's own clients call it.
 */
export function requireScope(
  actor: Actor | undefined,
  scope: Scope,
  place?: Place,
  scopeWord: string = scope,
): Actor {
  if (!actor)
    throw new RegistryError('unauthenticated', 'a token is required: send Authorization: Bearer <token>');
  if (!actor.scopes.has(scope)) throw new RegistryError('scope-missing', `missing scope: ${scopeWord}`);
  if (place && actor.limits && !actor.limits.some((limit) => covers(limit, place)))
    throw new RegistryError('scope-missing', `this token is not valid for ${place.ecosystem}/${place.name}`);
  return actor;
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
