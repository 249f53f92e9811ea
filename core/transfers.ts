/**
 * A name goes to another account in two steps, and takes both of them: its owners offer it, and the account that it is offered to
 * accepts. Until then nothing has changed; either party may end it, and so does time.
 */
import type { EcosystemId } from '../schema/types.ts';
import { isOwnerOf } from './access.ts';
import { RegistryError } from './errors.ts';
import type { EventDraft } from './event.ts';
import type { Ownership, TransferOffer } from './package.ts';
import { isAdministrator, type Actor } from './permission.ts';
import type { Rules } from './rules.ts';

interface OfSubject {
  readonly ecosystem: EcosystemId;
  readonly name: string;
  readonly of?: 'namespace';
}

/** `id`: only that offer, and no other one that may have come since; saying it makes a request safe to repeat. */
export type TransferCommand =
  | (OfSubject & { readonly kind: 'offer-transfer'; readonly to: string; readonly expiresAt: string })
  | (OfSubject & { readonly kind: 'accept-transfer'; readonly id?: string })
  | (OfSubject & { readonly kind: 'cancel-transfer'; readonly id?: string })
  /** What time has ended already; for the record. */
  | (OfSubject & { readonly kind: 'expire-transfer' });

interface Circumstances {
  readonly actor: Actor;
  readonly now: string;
  readonly rules: Pick<Rules, 'ownedBy'>;
  readonly isAccount: (handle: string) => boolean;
}

/** @throws RegistryError `not-owner`, `account-not-found`, `transfer-pending`, `transfer-not-found`, `conflict`, `bad-request` */
export function changeTransfer(
  command: TransferCommand,
  holder: Ownership,
  at: Circumstances,
): readonly EventDraft[] {
  const { ecosystem, name, of } = command;
  const draft = { by: at.actor.handle, ecosystem, name, ...(of ? { of } : {}) };
  switch (command.kind) {
    case 'offer-transfer':
      return offer(command, holder, at)
        ? [{ kind: 'transfer-offered', ...draft, to: command.to, expiresAt: command.expiresAt }]
        : [];
    case 'accept-transfer':
      return accept(command, holder, at) ? [{ kind: 'transfer-accepted', ...draft }] : [];
    case 'cancel-transfer':
      return cancel(command, holder, at) ? [{ kind: 'transfer-cancelled', ...draft }] : [];
    case 'expire-transfer':
      return holder.transfer && !isPending(holder.transfer, at.now)
        ? [{ kind: 'transfer-cancelled', ...draft }]
        : [];
  }
}

type Of<Kind extends TransferCommand['kind']> = Extract<TransferCommand, { kind: Kind }>;

function offer(command: Of<'offer-transfer'>, holder: Ownership, at: Circumstances): boolean {
  const { ecosystem, name, of, to } = command;
  requireOwnerOf(holder, at);
  if (of !== 'namespace' && at.rules.ownedBy === 'namespace')
    throw new RegistryError(
      'bad-request',
      `names of ${ecosystem} belong to those who own their namespace: offer that one`,
    );
  if (!at.isAccount(to)) throw new RegistryError('account-not-found', `user ${to} not found`);
  if (holder.owners.length === 1 && holder.owners[0] === to)
    throw new RegistryError('conflict', `${name} belongs to ${to} already`);
  const before = holder.transfer;
  if (!before || !isPending(before, at.now)) return true;
  // The same once more, as of a client that has not seen its answer.
  if (before.to === to) return false;
  throw new RegistryError(
    'transfer-pending',
    `${name} is already offered to ${before.to}; cancel that first`,
  );
}

function accept(command: Of<'accept-transfer'>, holder: Ownership, at: Circumstances): boolean {
  const { name, id } = command;
  if (isRepeated(holder, id, 'accepted', at.actor)) return false;
  const { to } = pendingOffer(holder, id, at.now);
  if (to === at.actor.handle || isAdministrator(at.actor)) return true;
  throw new RegistryError('not-owner', `${name} was not offered to this account`);
}

function cancel(command: Of<'cancel-transfer'>, holder: Ownership, at: Circumstances): boolean {
  if (isRepeated(holder, command.id, 'cancelled', at.actor)) return false;
  // Who has no part in it learns no more than that: whether something is on offer is between two.
  if (!isParty(holder, command.id, at.actor)) requireOwnerOf(holder, at);
  pendingOffer(holder, command.id, at.now);
  return true;
}

/** Of the offer that stands, or of the one that was ended and is meant. */
function isParty({ transfer, ended }: Ownership, id: string | undefined, { handle }: Actor): boolean {
  if (transfer?.to === handle) return true;
  return ended !== undefined && ended.id === id && (ended.from === handle || ended.to === handle);
}

/** Whether this has been done already, and this account had a part in it. */
function isRepeated(
  { ended, owners }: Ownership,
  id: string | undefined,
  how: 'accepted' | 'cancelled',
  actor: Actor,
): boolean {
  if (!ended || ended.id !== id || ended.how !== how) return false;
  return ended.to === actor.handle || owners.includes(actor.handle) || isAdministrator(actor);
}

function requireOwnerOf(holder: Ownership, { actor }: Circumstances): void {
  if (isAdministrator(actor) || isOwnerOf(holder, actor)) return;
  throw new RegistryError('not-owner', 'not a package owner');
}

/** Where nobody says another time (as Cargo's registry has it). */
export const OFFER_DAYS = 30;
export const LONGEST_OFFER_DAYS = 365;
const DAY_MS = 24 * 60 * 60_000;

/** When an offer that is made now ends, RFC 3339 in UTC. */
export function endOfOffer(now: string, days = OFFER_DAYS): string {
  return new Date(Date.parse(now) + days * DAY_MS).toISOString();
}

/** After its end it is none, whether the log says so already or not. */
export function isPending({ expiresAt }: TransferOffer, now: string): boolean {
  return expiresAt > now;
}

function pendingOffer({ transfer }: Ownership, id: string | undefined, now: string): TransferOffer {
  if (transfer && isPending(transfer, now) && (id === undefined || id === transfer.id)) return transfer;
  throw new RegistryError(
    'transfer-not-found',
    'no such transfer is on offer: it was never made, or was ended, or has expired',
  );
}
