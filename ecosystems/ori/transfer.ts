/**
 * `POST v1/packages/{scope}/{name}/transfer` (contract, section 7): the owner offers, the recipient accepts, either calls it
 * off. All by one path, told apart by the body. Each may be sent again, and is answered as the first time.
 */
import type { Command } from '../../core/decide.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Package, SettledTransfer, Transfer } from '../../core/package.ts';
import { isAdministrator, type Actor } from '../../core/permission.ts';
import type { Call, HttpAnswer, Intent } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { quote } from '../quote.ts';
import { json, readObject, wrongShape, type Body } from './answers.ts';
import { isName, nameIn } from './names.ts';
import { requirePermission } from './permissions.ts';

const ID_PREFIX = 'tr_';
const EXPIRY_MS = 30 * 24 * 60 * 60_000;
const shape = '{"to":"bob"}, {"accept":true,"id":"tr_…"} or {"cancel":true,"id":"tr_…"}';

interface Subject {
  readonly actor: Actor;
  readonly name: string;
}

export async function transfer(call: Call): Promise<Intent> {
  const actor = requirePermission(call, 'admin');
  const wish = wishIn(await readObject(call, shape));
  const name = nameIn(call.params);
  if (!isName(name)) throw new RegistryError('invalid-name', `${quote(name)} is not a package name`);
  const subject = { actor, name };
  if ('to' in wish) return offer(subject, wish.to, call.now());
  return settle(subject, wish.how, wish.id);
}

type Wish = { readonly to: string } | { readonly how: SettledTransfer['how']; readonly id: string };

/** Exactly one of the three. @throws RegistryError `wrong-shape` */
function wishIn({ to, accept, cancel, id }: Body): Wish {
  if (typeof to === 'string' && accept === undefined && cancel === undefined) return { to };
  const isOne = to === undefined && (accept === undefined) !== (cancel === undefined);
  if (!isOne || (accept ?? cancel) !== true || typeof id !== 'string' || !id.startsWith(ID_PREFIX))
    throw wrongShape(shape);
  return { how: accept === undefined ? 'cancelled' : 'accepted', id: id.slice(ID_PREFIX.length) };
}

function offer({ actor, name }: Subject, to: string, now: string): Intent {
  const expiresAt = new Date(Date.parse(now) + EXPIRY_MS).toISOString();
  let standing: Transfer | undefined;
  return {
    actor,
    plan(view): readonly Command[] {
      const of = view.package('ori', name);
      const mayOffer = of !== undefined && isOwner(of, actor);
      if (mayOffer && of.owners.includes(to))
        throw new RegistryError('bad-request', `${to} owns ${name} already`);
      standing = of?.transfer;
      // The same offer once more: its answer was lost.
      const isSame = mayOffer && standing?.to === to && standing.expiresAt > now;
      return isSame ? [] : [{ kind: 'offer-transfer', ecosystem: 'ori', name, to, expiresAt }];
    },
    answer(events, visibility) {
      const offered = events.find(({ kind }) => kind === 'transfer-offered');
      const made = offered
        ? { id: offered.id, from: offered.by, to, offeredAt: offered.at, expiresAt }
        : standing;
      return json(202, { status: 'pending', transfer: transferObject(name, made) }, visibility);
    },
  };
}

function transferObject(name: string, made: Transfer | undefined): object {
  if (!made) throw new Error(`an offer of ${name} was neither made nor there`);
  const { id, from, to, offeredAt, expiresAt } = made;
  return { id: ID_PREFIX + id, name, from, to, created_at: offeredAt, expires_at: expiresAt };
}

function settle({ actor, name }: Subject, how: SettledTransfer['how'], id: string): Intent {
  return {
    actor,
    plan(view): readonly Command[] {
      if (isSettled(view, { actor, name }, how, id)) return [];
      if (view.package('ori', name)?.transfer?.id !== id)
        throw new RegistryError(
          'transfer-not-found',
          `no transfer ${quote(ID_PREFIX + id)} of ${name} is on offer, or it was answered already`,
        );
      return [{ kind: how === 'accepted' ? 'accept-transfer' : 'cancel-transfer', ecosystem: 'ori', name }];
    },
    answer: (_events, visibility) => settledAnswer(how, name, actor, visibility),
  };
}

function settledAnswer(
  how: SettledTransfer['how'],
  name: string,
  { handle }: Actor,
  visibility: Parameters<Intent['answer']>[1],
): HttpAnswer {
  return how === 'accepted'
    ? json(200, { status: 'completed', name, owner: handle }, visibility)
    : json(200, { status: 'cancelled' }, visibility);
}

/** Whether this very transfer was answered so before, and whoever asks is one who may know. */
function isSettled(
  view: StateView,
  { actor, name }: Subject,
  how: SettledTransfer['how'],
  id: string,
): boolean {
  const of = view.package('ori', name);
  const last = of?.settledTransfer;
  if (!of || last?.id !== id || last.how !== how) return false;
  return last.to === actor.handle || (how === 'cancelled' && isOwner(of, actor));
}

function isOwner(of: Package, actor: Actor): boolean {
  return isAdministrator(actor) || of.owners.includes(actor.handle);
}
