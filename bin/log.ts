import { describeEvent, type RegistryEvent } from '../core/event.ts';
import { RegistryError } from '../core/errors.ts';
import { requireRegistry } from './control.ts';
import { readRegistry } from './open-registry.ts';
import { parsePackage } from './package-argument.ts';

/** Prints the history, of all or of a package or namespace, oldest first. */
export async function printLog(
  dataDirectory: string,
  text: string | undefined,
  flags: { readonly json?: boolean },
): Promise<void> {
  requireRegistry(dataDirectory);
  const wanted = text === undefined ? undefined : parsePackage(text);
  const registry = await readRegistry(dataDirectory);
  try {
    const print = (event: RegistryEvent): void =>
      console.log(
        flags.json
          ? JSON.stringify(event)
          : `${String(event.seq).padStart(7)}  ${event.at}  ${event.by}  ${describeEvent(event)}`,
      );
    if (wanted) {
      const events = (['package', 'namespace'] as const)
        .flatMap((of) => registry.state.eventsOf({ ...wanted, of }))
        .sort((a, b) => a.seq - b.seq);
      if (events.length === 0)
        throw new RegistryError('package-not-found', `no package or namespace ${text} in this registry`);
      events.forEach(print);
    } else for (let seq = 0; seq < registry.log.length; seq += 1) print(registry.log.read(seq));
  } finally {
    await registry.close();
  }
}
