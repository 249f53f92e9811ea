import { LogDamage, RegistryError } from './errors.ts';
import type { PrivateDraft, PrivateEvent } from './event.ts';
import type { Clock, EventLog, Ids } from './ports.ts';
import { stamp, timeOfAppend } from './writer.ts';

export interface PrivateJournalDeps {
  readonly log: EventLog<PrivateEvent>;
  readonly clock: Clock;
  readonly ids: Ids;
}

/**
 * The only one who appends to the private log. Accounts and private packages both write there, and a log takes one
 * append at a time: here each waits for its turn.
 */
export class PrivateJournal {
  readonly #deps: PrivateJournalDeps;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(deps: PrivateJournalDeps) {
    this.#deps = deps;
  }

  get length(): number {
    return this.#deps.log.length;
  }

  /** @throws LogDamage that says which of the two logs it is. */
  read(seq: number): PrivateEvent {
    try {
      return this.#deps.log.read(seq);
    } catch (error) {
      if (error instanceof LogDamage) throw new LogDamage(`private log: ${error.message}`, { cause: error });
      throw error;
    }
  }

  /**
   * Durable when it returns. `decide` is called when everything before it has been appended; it may want nothing.
   * @throws RegistryError `storage-failed`; then nothing counts as written, and what landed all the same can be read.
   */
  append(decide: () => readonly PrivateDraft[]): Promise<void> {
    return this.#inTurn(async () => {
      const { log, clock, ids } = this.#deps;
      const drafts = decide();
      if (drafts.length === 0) return;
      const at = timeOfAppend(clock, log);
      const events = drafts.map((draft, i) =>
        stamp<PrivateEvent>(draft, { seq: log.length + i, id: ids.next(), at }),
      );
      try {
        await log.append(events);
      } catch (error) {
        await log.refresh().catch(() => undefined);
        throw new RegistryError(
          'storage-failed',
          'the private log could not be written; nothing was accepted',
          { cause: error },
        );
      }
    });
  }

  /** Sees what was appended since. @throws LogDamage */
  refresh(): Promise<void> {
    return this.#inTurn(() => this.#deps.log.refresh());
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
