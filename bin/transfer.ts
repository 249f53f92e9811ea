/** Transfers as the operator makes them, who may stand for either party. */
import { RegistryError } from '../core/errors.ts';
import type { Subject } from '../core/event.ts';
import { isPending, LONGEST_OFFER_DAYS, OFFER_DAYS } from '../core/transfers.ts';
import { requireRegistry, withControl } from './control.ts';
import { inDays } from './days.ts';
import { readRegistry, systemClock } from './open-registry.ts';
import { parseSubject } from './package-argument.ts';

interface Output {
  readonly json?: boolean;
}

export async function offerTransfer(
  dataDirectory: string,
  text: string,
  { to, expires = String(OFFER_DAYS), json }: Output & { readonly to: string; readonly expires?: string },
): Promise<void> {
  const subject = parseSubject(text);
  if (!/^\d+$/.test(expires) || Number(expires) < 1 || Number(expires) > LONGEST_OFFER_DAYS)
    throw new RegistryError(
      'bad-request',
      `--expires ${expires}: use a whole number of days from 1 to ${LONGEST_OFFER_DAYS}`,
    );
  const { events } = await withControl(dataDirectory, (control) =>
    control.execute([{ kind: 'offer-transfer', ...subject, to, expiresAt: inDays(expires) }]),
  );
  print(
    events,
    json,
    events.length === 0 ? `${text} is on offer to ${to} already` : `offered ${text} to ${to}`,
  );
}

export async function endTransfer(
  dataDirectory: string,
  verb: 'accept' | 'cancel',
  text: string,
  { json }: Output,
): Promise<void> {
  const subject = parseSubject(text);
  const { events } = await withControl(dataDirectory, (control) =>
    control.execute([{ kind: `${verb}-transfer`, ...subject }]),
  );
  print(events, json, verb === 'accept' ? `accepted ${text}` : `cancelled the offer of ${text}`);
}

/** What is on offer, and to whom. */
export async function listTransfers(dataDirectory: string, { json }: Output): Promise<void> {
  requireRegistry(dataDirectory);
  const registry = await readRegistry(dataDirectory);
  const now = new Date(systemClock.now()).toISOString();
  try {
    for (const { ecosystem, name, of } of registry.state.offered()) {
      const transfer = holderIn(registry.state, { ecosystem, name, of })?.transfer;
      if (!transfer || !isPending(transfer, now)) continue;
      const { id, from, to, expiresAt } = transfer;
      console.log(
        json
          ? JSON.stringify({ ecosystem, name, of, ...transfer })
          : [id, `${ecosystem}/${name}`, `${from} -> ${to}`, `until ${expiresAt}`].join('  '),
      );
    }
  } finally {
    await registry.close();
  }
}

type State = Awaited<ReturnType<typeof readRegistry>>['state'];

function holderIn(
  state: State,
  { ecosystem, name, of }: Subject,
): ReturnType<State['namespace' | 'package']> {
  return of === 'namespace' ? state.namespace(ecosystem, name) : state.package(ecosystem, name);
}

function print(events: readonly object[], json: boolean | undefined, sentence: string): void {
  if (json) for (const event of events) console.log(JSON.stringify(event));
  else console.log(sentence);
}
