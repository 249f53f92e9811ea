/**
 * `POST v1/packages/{scope}/{name}/transfer` (contract, section 7): the owner offers, the recipient accepts, either calls it
 * off. All by one path, told apart by the body. Each may be sent again, and is answered as the first time.
 */
import type { Command } from '../../core/decide.ts';
import { RegistryError } from '../../core/errors.ts';
import { transferId, type EndedTransfer, type TransferOffer } from '../../core/package.ts';
import type { Actor } from '../../core/permission.ts';
import type { Call, HttpAnswer, Intent } from '../../core/route.ts';
import { endOfOffer } from '../../core/transfers.ts';
import { quote } from '../quote.ts';
import { json, readObject, wrongShape, type Body } from './answers.ts';
import { isName, nameIn } from './names.ts';
import { requirePermission } from './permissions.ts';

const ID_PREFIX = 'tr_';
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

type Wish = { readonly to: string } | { readonly how: EndedTransfer['how']; readonly id: string };

/** Exactly one of the three. @throws RegistryError `wrong-shape` */
function wishIn({ to, accept, cancel, id }: Body): Wish {
  if (typeof to === 'string' && accept === undefined && cancel === undefined) return { to };
  const isOne = to === undefined && (accept === undefined) !== (cancel === undefined);
  if (!isOne || (accept ?? cancel) !== true || typeof id !== 'string' || !id.startsWith(ID_PREFIX))
    throw wrongShape(shape);
  return { how: accept === undefined ? 'cancelled' : 'accepted', id };
}

function offer({ actor, name }: Subject, to: string, now: string): Intent {
  const expiresAt = endOfOffer(now);
  let standing: TransferOffer | undefined;
  return {
    actor,
    plan(view): readonly Command[] {
      const of = view.package('ori', name);
      if (of?.owners.includes(actor.handle) && of.owners.includes(to))
        throw new RegistryError('bad-request', `${to} owns ${name} already`);
      // Where the same is on offer already, nothing is added: its answer was lost.
      standing = of?.transfer;
      return [{ kind: 'offer-transfer', ecosystem: 'ori', name, to, expiresAt }];
    },
    answer(events, visibility) {
      const offered = events.find(({ kind }) => kind === 'transfer-offered');
      const made = offered
        ? { id: transferId(offered.id), from: offered.by, to, offeredAt: offered.at, expiresAt }
        : standing;
      return json(202, { status: 'pending', transfer: transferObject(name, made) }, visibility);
    },
  };
}

function transferObject(name: string, made: TransferOffer | undefined): object {
  if (!made) throw new Error(`an offer of ${name} was neither made nor there`);
  const { id, from, to, offeredAt, expiresAt } = made;
  return { id, name, from, to, created_at: offeredAt, expires_at: expiresAt };
}

function settle({ actor, name }: Subject, how: EndedTransfer['how'], id: string): Intent {
  return {
    actor,
    plan: () => [
      { kind: how === 'accepted' ? 'accept-transfer' : 'cancel-transfer', ecosystem: 'ori', name, id },
    ],
    answer: (_events, visibility) => settledAnswer(how, name, actor, visibility),
  };
}

function settledAnswer(
  how: EndedTransfer['how'],
  name: string,
  { handle }: Actor,
  visibility: Parameters<Intent['answer']>[1],
): HttpAnswer {
  return how === 'accepted'
    ? json(200, { status: 'completed', name, owner: handle }, visibility)
    : json(200, { status: 'cancelled' }, visibility);
}
