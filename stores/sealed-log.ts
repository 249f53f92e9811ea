/**
 * One log made of two. Events of private packages live in the private log; in their places the public log has sealed
 * lines. An opening is in the private log, or in a later `revealed` line when the package has gone public since: who has
 * only the public log opens those.
 */
import { LogDamage } from '../core/errors.ts';
import type { RegistryEvent } from '../core/event.ts';
import type { EventLog, RegistryLog } from '../core/ports.ts';
import type { PrivateJournal } from '../core/private-journal.ts';
import { opens, sealedLine, type Opening } from '../core/sealing.ts';

type RevealedEvent = Extract<RegistryEvent, { kind: 'revealed' }>;

export class SealedLog implements RegistryLog {
  readonly #public: EventLog<RegistryEvent>;
  readonly #private: PrivateJournal | undefined;
  #privateLength = 0;
  /** Sealed line → lines of the private log that say they open it, not looked at yet. */
  readonly #candidates = new Map<number, number[]>();
  /** Sealed line → the line of the private log that opens it. */
  readonly #opened = new Map<number, number>();
  /** Sealed line → the later line of the public log that opens it. */
  readonly #revealed = new Map<number, number>();

  /** Without a private log only what was revealed can be read, and nothing can be sealed. */
  constructor(publicLog: EventLog<RegistryEvent>, privateLog?: PrivateJournal) {
    this.#public = publicLog;
    this.#private = privateLog;
    this.#noteOpenings();
  }

  get length(): number {
    return this.#public.length;
  }

  get head(): string {
    return this.#public.head;
  }

  read(seq: number): RegistryEvent {
    const line = this.#public.read(seq);
    if (line.kind === 'revealed') this.#noteRevealed(line);
    return line.kind === 'sealed' ? (this.openingOf(seq)?.event ?? line) : line;
  }

  openingOf(seq: number): Opening | undefined {
    const inPrivate = this.#opened.get(seq) ?? this.#match(seq);
    if (inPrivate !== undefined) return this.#openingIn(inPrivate);
    const revealed = this.#revealed.get(seq);
    return revealed === undefined ? undefined : openingIn(this.#public.read(revealed) as RevealedEvent);
  }

  async append(
    events: readonly RegistryEvent[],
    salts: ReadonlyMap<number, string> = new Map(),
  ): Promise<void> {
    const openings = events.flatMap((event) => {
      const salt = salts.get(event.seq);
      return salt === undefined ? [] : [{ event, salt }];
    });
    // Stopping after this leaves openings of lines that are not there. They open nothing, also when those numbers are
    // given to other events: a line is bound to what it was made of.
    if (openings.length > 0) await this.#keep(openings);
    const sealed = new Map(openings.map((opening) => [opening.event, sealedLine(opening)]));
    await this.#public.append(events.map((event) => sealed.get(event) ?? event));
  }

  async #keep(openings: readonly Opening[]): Promise<void> {
    if (!this.#private) throw new Error('there is no private log to keep what is sealed');
    try {
      await this.#private.append(() =>
        openings.map(({ event, salt }) => ({
          kind: 'package-event',
          by: event.by,
          sealedSeq: event.seq,
          salt,
          event: { ...event },
        })),
      );
    } finally {
      this.#noteOpenings();
    }
  }

  /** The public log first: the openings of what it says by then are in the private log already. */
  async refresh(): Promise<void> {
    await this.#public.refresh();
    await this.#private?.refresh();
    this.#noteOpenings();
  }

  carriesOn(head: string): Promise<boolean> {
    return this.#public.carriesOn(head);
  }

  async close(): Promise<void> {
    await this.#public.close();
  }

  #noteOpenings(): void {
    if (!this.#private) return;
    for (; this.#privateLength < this.#private.length; this.#privateLength += 1) {
      const event = this.#private.read(this.#privateLength);
      if (event.kind !== 'package-event') continue;
      const rivals = this.#candidates.get(event.sealedSeq);
      if (rivals) rivals.push(this.#privateLength);
      else this.#candidates.set(event.sealedSeq, [this.#privateLength]);
    }
  }

  /** Looks once, when the line is there. The others were written for an append that failed, or for a log that was lost. */
  #match(seq: number): number | undefined {
    const candidates = this.#candidates.get(seq);
    if (!candidates || seq >= this.length) return undefined;
    const line = this.#public.read(seq);
    const found = candidates.findLast((at) => {
      const opening = this.#openingIn(at);
      return opening !== undefined && opens(line, opening);
    });
    this.#candidates.delete(seq);
    if (found !== undefined) this.#opened.set(seq, found);
    return found;
  }

  #openingIn(privateSeq: number): Opening | undefined {
    const kept = this.#private?.read(privateSeq);
    return kept?.kind === 'package-event' ? openingIn(kept) : undefined;
  }

  #noteRevealed(line: RevealedEvent): void {
    if (this.#revealed.has(line.sealedSeq)) return;
    if (line.sealedSeq >= line.seq || !opens(this.#public.read(line.sealedSeq), openingIn(line)))
      throw new LogDamage(`line ${line.seq}: it does not open line ${line.sealedSeq}`);
    this.#revealed.set(line.sealedSeq, line.seq);
  }
}

/** Whoever calls this has checked it, or does before believing it. */
function openingIn({ salt, event }: { readonly salt: string; readonly event: object }): Opening {
  return { salt, event: event as RegistryEvent };
}
