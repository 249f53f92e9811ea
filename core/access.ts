/**
 * Who may see a package, and who may add to it: one rule for those who decide, answer reads and give out tokens.
 * Owners may do everything. They let others in as members, to read, or to read and write: to one package, or to all that
 * is in a namespace.
 */
import type { Ownership, Package } from './package.ts';
import { isAdministrator, isGoodFor, type Actor, type Place } from './permission.ts';
import type { Rules } from './rules.ts';
import type { StateView } from './state.ts';

/** What has a say about a package: itself and its namespace, each where there is one. */
export interface Holders {
  readonly package?: Ownership | undefined;
  readonly namespace?: Ownership | undefined;
}

/**
 * Whose owners decide about a package: its own, or those of its namespace where these own what is in it. A package that is
 * not there yet is its namespace's affair. Undefined where nobody has claimed anything.
 */
export function holderOf(
  { package: ofPackage, namespace }: Holders,
  { ownedBy }: Pick<Rules, 'ownedBy'>,
): Ownership | undefined {
  return (ownedBy === 'package' ? ofPackage : undefined) ?? namespace ?? ofPackage;
}

/** By a credential that is good there: who asks has made sure of that. */
export function isOwner(actor: Actor, holders: Holders, rules: Pick<Rules, 'ownedBy'>): boolean {
  return isOwnerOf(holderOf(holders, rules), actor);
}

/** As `isOwner`, of one name. */
export function isOwnerOf(holder: Ownership | undefined, { handle, byEnvironment }: Actor): boolean {
  return byEnvironment !== undefined || (holder?.owners.includes(handle) ?? false);
}

/** Whether somebody is among `readers`, by a credential that is good there. */
export function isReader({ handle, byEnvironment }: Actor, readers: readonly string[]): boolean {
  return byEnvironment !== undefined || readers.includes(handle);
}

/** Whether somebody may publish there and move names: owners, members who write, and administrators. */
export function mayWrite(actor: Actor, holders: Holders, rules: Pick<Rules, 'ownedBy'>): boolean {
  const isWriter = (of: Ownership | undefined): boolean => of?.members.get(actor.handle) === 'write';
  return (
    isAdministrator(actor) ||
    isOwner(actor, holders, rules) ||
    isWriter(holders.package) ||
    isWriter(holders.namespace)
  );
}

/** Handles of those who may see what is private: owners and members, of the package and of its namespace. */
export function readersOf({ package: ofPackage, namespace }: Holders): readonly string[] {
  const readers = new Set<string>();
  for (const owned of [ofPackage, namespace]) {
    for (const owner of owned?.owners ?? []) readers.add(owner);
    for (const member of owned?.members.keys() ?? []) readers.add(member);
  }
  return [...readers];
}

/** Whether somebody may see a private package, by a credential that is good for reading there. */
function mayRead(actor: Actor, readers: readonly string[], place: Place): boolean {
  if (isAdministrator(actor)) return true;
  return isGoodFor(actor, 'read', place) && isReader(actor, readers);
}

/**
 * The package of exactly this name, as far as the actor may know of it. For all others a private one is looked up no further
 * than one that does not exist.
 */
export function visiblePackage(view: StateView, place: Place, actor: Actor | undefined): Package | undefined {
  const { ecosystem, name } = place;
  const readers = view.privateReaders(ecosystem, name);
  if (readers && !(actor && mayRead(actor, readers, place))) return undefined;
  const found = view.package(ecosystem, name);
  return found?.name === name ? found : undefined;
}
