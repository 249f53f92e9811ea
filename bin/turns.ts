import { RegistryError } from '../core/errors.ts';

const TURN_MS = 10;

/**
 * For work that goes over everything beside a server that answers: called between its small steps, it lets others have their turn
 * whenever this one has been long. @throws RegistryError `shutting-down` once it is time to stop.
 */
export function takingTurns(isStopping: () => boolean): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (isStopping())
      throw new RegistryError('shutting-down', 'the registry is stopping: what is left is for the next time');
    if (performance.now() - since < TURN_MS) return;
    await new Promise((resume) => setImmediate(resume));
    since = performance.now();
  };
}
