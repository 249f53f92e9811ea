/** Transfers by request, for every ecosystem: `core/transfers.ts` says who may do what. */
import { isOwnerOf } from '../core/access.ts';
import { RegistryError } from '../core/errors.ts';
import { transferId, type Ownership } from '../core/package.ts';
import { isAdministrator, isGoodFor, requireScope, type Actor } from '../core/permission.ts';
import type { Call, DocumentedRoute, HttpAnswer, Intent } from '../core/route.ts';
import type { StateView } from '../core/state.ts';
import { endOfOffer, isPending, LONGEST_OFFER_DAYS, OFFER_DAYS } from '../core/transfers.ts';
import { rulesOf } from '../ecosystems/index.ts';
import { list, object, text, time } from '../ecosystems/schema-words.ts';
import {
  json,
  namedSchema,
  namespaceSchema,
  readObject,
  requireCaller,
  subjectIn,
  textIn,
  type Body,
  type SubjectNamed,
} from './lifecycle-bodies.ts';

const whole = object(
  {
    id: text,
    ...namedSchema,
    of: namespaceSchema,
    status: { enum: ['pending', 'expired', 'accepted', 'cancelled'] },
    to: text,
    from: text,
    offered_at: time,
    expires_at: time,
  },
  ['of', 'offered_at', 'expires_at'],
);

const refusals = {
  401: 'No token or password, a bad one, or a code is needed (header `npm-otp`).',
  403: 'The scope `owner` is missing, or this account has no part in it.',
  404: 'Nothing of this name, no such account, or no such offer.',
} as const;
const refusedBodies = { 413: 'Too long.', 415: 'No JSON.', 422: 'Not of this shape.' } as const;

export const transferRoutes: readonly DocumentedRoute[] = [
  {
    from: 'api',
    method: 'GET',
    pattern: '-/cairn/v1/transfers',
    handle: listTransfers,
    doc: {
      id: 'transfers',
      summary: 'What is offered to the account that asks, and by it; to an administrator everything',
      scope: 'owner',
      success: { description: 'The oldest first.', schema: object({ transfers: list(whole) }) },
      refusals: { 401: refusals[401], 403: refusals[403] },
    },
  },
  {
    from: 'api',
    method: 'POST',
    pattern: '-/cairn/v1/transfers',
    handle: offer,
    doc: {
      id: 'offer-transfer',
      summary: 'Offer a name to another account',
      description: `An owner does, of a package or a namespace. Nothing changes until that account accepts; then it is the only owner, and nobody is a member. Repeating it gives the same offer. \`expires_in_days\` is from 1 to ${LONGEST_OFFER_DAYS}, ${OFFER_DAYS} unless told.`,
      scope: 'owner',
      body: {
        contentType: 'application/json',
        schema: object(
          {
            ...namedSchema,
            of: namespaceSchema,
            to: { ...text, description: 'The handle of the account.' },
            expires_in_days: { type: 'integer', minimum: 1, maximum: LONGEST_OFFER_DAYS },
          },
          ['of', 'expires_in_days'],
        ),
      },
      success: { description: 'The offer.', schema: whole },
      refusals: {
        400: 'No such ecosystem, or no such name can be; names that belong to a namespace are not offered one by one.',
        ...refusals,
        409: 'On offer to another account, or that account has it already.',
        ...refusedBodies,
      },
    },
  },
  {
    from: 'api',
    method: 'GET',
    pattern: '-/cairn/v1/transfers/{id}',
    handle: show,
    doc: {
      id: 'transfer',
      summary: 'What has become of an offer, for those who have a part in it',
      scope: 'owner',
      success: { description: 'The offer.', schema: whole },
      refusals,
    },
  },
  ...(['accept', 'cancel'] as const).map((verb): DocumentedRoute => ({
    from: 'api',
    method: 'POST',
    pattern: `-/cairn/v1/transfers/{id}/${verb}`,
    handle: (call, view) => end(call, view, verb),
    doc: {
      id: `${verb}-transfer`,
      summary:
        verb === 'accept'
          ? 'Take what was offered to this account'
          : 'End an offer: its owners take it back, or the other account turns it down',
      description: 'Needs no body. Repeating it is answered as the first time.',
      scope: 'owner',
      success: { description: 'What has become of it.', schema: whole },
      refusals,
    },
  })),
];

/** Whatever is answered is as of the log: an offer, or how it ended. */
function transferObject(
  id: string,
  subject: SubjectNamed,
  holder: Ownership,
  now: string,
): object | undefined {
  const { ecosystem, name, of } = subject;
  const about = { id, ecosystem, name, ...(of ? { of } : {}) };
  const { transfer, ended } = holder;
  if (transfer?.id === id) {
    const { to, from, offeredAt, expiresAt } = transfer;
    const status = isPending(transfer, now) ? 'pending' : 'expired';
    return { ...about, status, to, from, offered_at: offeredAt, expires_at: expiresAt };
  }
  return ended?.id === id ? { ...about, status: ended.how, to: ended.to, from: ended.from } : undefined;
}

function holderIn(view: StateView, { ecosystem, name, of }: SubjectNamed): Ownership | undefined {
  return of === 'namespace' ? view.namespace(ecosystem, name) : view.package(ecosystem, name);
}

function hasPart(actor: Actor, subject: SubjectNamed, holder: Ownership): boolean {
  const { ecosystem, name, of } = subject;
  const namespace = of === 'namespace' ? name : rulesOf(ecosystem).namespaceOf?.(name);
  if (!isGoodFor(actor, 'owner', { ecosystem, name, namespace })) return false;
  if (isAdministrator(actor) || isOwnerOf(holder, actor)) return true;
  const { transfer, ended } = holder;
  return [transfer?.to, transfer?.from, ended?.to, ended?.from].includes(actor.handle);
}

async function listTransfers(call: Call, view: StateView): Promise<HttpAnswer> {
  const actor = requireScope(call.authenticate(), 'owner');
  const transfers = view.offered().flatMap((subject) => {
    const named = asNamed(subject);
    const holder = holderIn(view, named);
    if (!holder?.transfer || !hasPart(actor, named, holder)) return [];
    return transferObject(holder.transfer.id, named, holder, call.now()) ?? [];
  });
  return json(200, { transfers });
}

async function show(call: Call, view: StateView): Promise<HttpAnswer> {
  const actor = requireScope(call.authenticate(), 'owner');
  const { id, subject } = transferIn(call, view);
  const holder = holderIn(view, subject);
  const found = holder && hasPart(actor, subject, holder) && transferObject(id, subject, holder, call.now());
  if (!found) throw noTransfer();
  return json(200, found);
}

async function offer(call: Call, view: StateView): Promise<Intent> {
  const actor = await requireCaller(call, 'owner');
  const body = await readObject(call);
  const subject = subjectIn(body);
  const to = textIn(body, 'to');
  const expiresAt = endOfOffer(call.now(), daysIn(body));
  return {
    actor,
    plan: () => [{ kind: 'offer-transfer', ...subject, to, expiresAt }],
    answer(events) {
      const made = events.find(({ kind }) => kind === 'transfer-offered');
      const id = made ? transferId(made.id) : holderIn(view, subject)?.transfer?.id;
      return answerWith(call, view, id ?? '', subject);
    },
  };
}

async function end(call: Call, view: StateView, verb: 'accept' | 'cancel'): Promise<Intent> {
  const actor = await requireCaller(call, 'owner');
  const { id, subject } = transferIn(call, view);
  const before = holderIn(view, subject);
  // To a stranger it makes no difference whether there is such an offer of something private.
  if (!before || !hasPart(actor, subject, before)) refuseStranger(view, subject);
  return {
    actor,
    plan: () => [{ kind: `${verb}-transfer`, ...subject, id }],
    answer: () => answerWith(call, view, id, subject),
  };
}

function answerWith(call: Call, view: StateView, id: string, subject: SubjectNamed): HttpAnswer {
  const holder = holderIn(view, subject);
  const found = holder && transferObject(id, subject, holder, call.now());
  // A later offer of the same name has come between: this one is over.
  if (!found) throw noTransfer();
  return json(200, found);
}

function refuseStranger(view: StateView, { ecosystem, name, of }: SubjectNamed): never {
  if (of !== 'namespace' && view.privateReaders(ecosystem, name)) throw noTransfer();
  throw new RegistryError('not-owner', 'this was not offered to this account, nor by it');
}

function transferIn({ params }: Call, view: StateView): { id: string; subject: SubjectNamed } {
  const { id = '' } = params;
  const subject = view.subjectOfTransfer(id);
  if (!subject) throw noTransfer();
  return { id, subject: asNamed(subject) };
}

function asNamed({ ecosystem, name, of }: ReturnType<StateView['offered']>[number]): SubjectNamed {
  return { ecosystem, name, ...(of === 'namespace' ? { of } : {}) };
}

function daysIn(body: Body): number {
  const days = body['expires_in_days'] ?? OFFER_DAYS;
  if (typeof days === 'number' && Number.isInteger(days) && days >= 1 && days <= LONGEST_OFFER_DAYS)
    return days;
  throw new RegistryError(
    'wrong-shape',
    `expires_in_days must be a whole number from 1 to ${LONGEST_OFFER_DAYS}`,
  );
}

function noTransfer(): RegistryError {
  return new RegistryError('transfer-not-found', 'there is no such offer');
}
