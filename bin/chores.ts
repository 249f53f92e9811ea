/** What a running server does by the clock: files of counts, and the end of what is kept for a time. */
import type { Command } from '../core/decide.ts';
import type { RegistryEvent } from '../core/event.ts';
import { operator } from '../core/permission.ts';
import type { Clock, Pending } from '../core/ports.ts';
import { isPending } from '../core/transfers.ts';
import { updateCounted } from '../generator/counted-site.ts';
import { LATE_WRITES_MS } from '../generator/records.ts';
import { allSurfaces } from '../surfaces/index.ts';
import { COMMIT_DAYS, shaOfRef } from '../surfaces/pantry/names.ts';
import { isHidden, OPERATOR, systemClock, type Registry } from './open-registry.ts';

const COUNTS_EVERY_MS = 60_000;
const EXPIRE_EVERY_MS = 60 * 60_000;
const DAY_MS = 24 * 60 * 60_000;
/** As the reference registry of OCI keeps them. */
const UPLOAD_DAYS = 7;

/** Does each now and then. What fails is tried again at its next time. */
export function startChores(
  registry: Registry,
  onError: (error: unknown) => void,
): { stop(): Promise<void> } {
  const { state, site, counters, generator } = registry;
  const settings = (): typeof state.settings => state.settings;
  const chores = [
    every(
      COUNTS_EVERY_MS,
      (isStopping) =>
        updateCounted(
          {
            counters,
            target: site,
            surfaces: allSurfaces,
            settings,
            isHidden: (name) => isHidden(state, name),
            clock: systemClock,
          },
          { isStopping },
        ),
      onError,
    ),
    every(LATE_WRITES_MS, () => generator.settleDoubts(systemClock.now() - LATE_WRITES_MS), onError),
    every(EXPIRE_EVERY_MS, (isStopping) => expireCommits(registry, { isStopping }), onError),
    every(EXPIRE_EVERY_MS, (isStopping) => expireTransfers(registry, { isStopping }), onError),
    every(EXPIRE_EVERY_MS, () => expireUploads(registry), onError),
  ];
  return {
    async stop() {
      await Promise.all(chores.map(({ stop }) => stop()));
    },
  };
}

/** Runs it now, and again so long after each end. It is asked to stop by what it is given, and waited for. */
function every(
  ms: number,
  run: (isStopping: () => boolean) => Promise<unknown>,
  onError: (error: unknown) => void,
): { stop(): Promise<void> } {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  let running = Promise.resolve();
  const turn = (): void => {
    running = run(() => isStopped)
      .catch(onError)
      .then(() => {
        if (!isStopped) timer = setTimeout(turn, ms).unref();
      });
  };
  turn();
  return {
    stop() {
      isStopped = true;
      clearTimeout(timer);
      return running;
    },
  };
}

/** Commit packages end by an event, never by the clock alone: whoever has the log knows what is still there. */
export async function expireCommits(
  { state, writer }: Pick<Registry, 'state' | 'writer'>,
  { clock = systemClock, isStopping = () => false }: { clock?: Clock; isStopping?: () => boolean } = {},
): Promise<readonly RegistryEvent[]> {
  const limit = new Date(clock.now() - COMMIT_DAYS * DAY_MS).toISOString();
  const old = state.refsSetBefore(limit).filter(({ ref }) => shaOfRef(ref) !== undefined);
  const events: RegistryEvent[] = [];
  for (const { ecosystem, name, ref } of old) {
    if (isStopping()) break;
    const expired = await writer.execute({
      actor: operator(OPERATOR),
      plan(view) {
        // It may have been published again a moment ago.
        const known = view.package(ecosystem, name)?.refs.get(ref);
        return known && known.setAt < limit ? [{ kind: 'expire', ecosystem, name, ref }] : [];
      },
    });
    events.push(...expired);
  }
  return events;
}

/** An offer ends by its time, which the log says; that it did is recorded as well, for whoever reads on. */
export async function expireTransfers(
  { state, writer }: Pick<Registry, 'state' | 'writer'>,
  { clock = systemClock, isStopping = () => false }: { clock?: Clock; isStopping?: () => boolean } = {},
): Promise<readonly RegistryEvent[]> {
  const now = new Date(clock.now()).toISOString();
  const events: RegistryEvent[] = [];
  for (const { ecosystem, name, of } of state.offered()) {
    if (isStopping()) break;
    const holder = of === 'namespace' ? state.namespace(ecosystem, name) : state.package(ecosystem, name);
    if (!holder?.transfer || isPending(holder.transfer, now)) continue;
    const subject = { ecosystem, name, ...(of === 'namespace' ? { of } : {}) };
    // A new offer may have come a moment ago: then there is nothing to record.
    const plan = (): readonly Command[] => [{ kind: 'expire-transfer', ...subject }];
    events.push(...(await writer.execute({ actor: operator(OPERATOR), plan })));
  }
  return events;
}

/**
 * Ends uploads that nobody went on with. What came whole is held until `cairn gc`: whether anybody needs it cannot be told from
 * its age alone.
 */
export function expireUploads(
  { uploads }: Pick<Registry, 'uploads'>,
  clock: Clock = systemClock,
): Promise<readonly Pending[]> {
  return uploads.expire({ beforeMs: clock.now() - UPLOAD_DAYS * DAY_MS, only: 'upload' });
}
