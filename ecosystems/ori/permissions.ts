/**
 * What an Ori token may do (contract, section 8), and the registry's words for it. `admin` here is who owns packages, and
 * never the operator. Each permission implies those before it.
 */
import type { EcosystemId } from '../../schema/types.ts';
import { RegistryError } from '../../core/errors.ts';
import { requireScope, type Actor, type Place, type Scope } from '../../core/permission.ts';
import type { Call } from '../../core/route.ts';
import { quote } from '../quote.ts';
import { nameIn, scopeOf } from './names.ts';

export const TOKEN_PREFIX = 'ori_';

const ecosystem: EcosystemId = 'ori';
/** What each adds to the one before it, the first scope being the one that stands for it. */
const added = {
  read: ['read'],
  publish: ['publish', 'yank'],
  admin: ['owner'],
} as const satisfies Record<string, readonly Scope[]>;

export type Permission = keyof typeof added;

const inOrder = Object.keys(added) as readonly Permission[];

/** The scopes of a token with this permission, and those that it implies. @throws RegistryError `invalid-scope` */
export function scopesOf(permission: string): readonly Scope[] {
  const place = inOrder.findIndex((known) => known === permission);
  if (place === -1)
    throw new RegistryError(
      'invalid-scope',
      `${quote(permission)} is not a permission; there are: ${inOrder.join(', ')}`,
    );
  return inOrder.slice(0, place + 1).flatMap((one) => added[one]);
}

/**
 * Who asks for something about the package of the path, and may by their token: of what the permission means, only the part
 * that this request needs. Whether it is their package is not asked here.
 * @throws RegistryError `unauthenticated`, `token-invalid`, `token-expired`, `scope-missing`
 */
export function requirePermission(
  call: Call,
  permission: Permission,
  scope: Scope = added[permission][0],
): Actor {
  return requireScope(call.authenticate(), scope, placeOf(nameIn(call.params)), permission);
}

function placeOf(name: string): Place {
  return { ecosystem, name, namespace: scopeOf(name) };
}
