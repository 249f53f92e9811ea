/**
 * How an event of a private package stands in the public log: as a line that says when something happened, and is
 * bound to what it was by a salted hash. Whoever has salt and event can show that they are what was meant; whoever
 * has the line alone cannot even try names out, because the salt is random.
 */
import { canonicalJson } from './canonical-json.ts';
import { digestOf } from './digest.ts';
import { EVENT_FORMAT, privateLines, registryLines, type EventDraft, type RegistryEvent } from './event.ts';

export type SealedEvent = Extract<RegistryEvent, { kind: 'sealed' }>;

/** What opens a sealed line. */
export interface Opening {
  /** 64 lower-case hex digits. */
  readonly salt: string;
  readonly event: RegistryEvent;
}

/** The line that stands for an event in the public log. Nothing of it tells two packages apart, or two people. */
export function sealedLine({ event, salt }: Opening): SealedEvent {
  const { seq, id, at } = event;
  return {
    v: EVENT_FORMAT,
    seq,
    id,
    at,
    by: 'sealed',
    kind: 'sealed',
    commitment: commitmentTo(salt, registryLines.encode(event)),
  };
}

function commitmentTo(salt: string, line: string): string {
  return digestOf(Buffer.concat([Buffer.from(salt, 'hex'), Buffer.from(line)]));
}

/**
 * Whether this is what the line was made of. Only what is about a package or a namespace can have been sealed.
 * @throws LogDamage when it is, and is no event that this release knows.
 */
export function opens(line: RegistryEvent, { event, salt }: Opening): boolean {
  if (line.kind !== 'sealed' || !('ecosystem' in event)) return false;
  if (event.seq !== line.seq || event.id !== line.id || event.at !== line.at) return false;
  const text = canonicalJson(event);
  if (commitmentTo(salt, text) !== line.commitment) return false;
  registryLines.decode(text, line.seq);
  return true;
}

export function revealedDraft(
  { event, salt }: Opening,
  by: string,
): Extract<EventDraft, { kind: 'revealed' }> {
  return { kind: 'revealed', by, sealedSeq: event.seq, salt, event: { ...event } };
}

/** Longer than any: 128 characters of which each takes six bytes in JSON. */
const LONGEST_HANDLE = '\u0001'.repeat(128);
const anyPlace = { v: EVENT_FORMAT, seq: Number.MAX_SAFE_INTEGER, id: '0'.repeat(32) } as const;

/**
 * Going public repeats the event within a line: there has to be room for that now, whoever will do it. Later would be
 * too late to refuse. @throws RegistryError `too-large`
 */
export function requireRoomToOpen(opening: Opening): void {
  const { at } = opening.event;
  const revealed = revealedDraft(opening, LONGEST_HANDLE);
  registryLines.encode({ ...revealed, ...anyPlace, at });
  privateLines.encode({ ...revealed, kind: 'package-event', ...anyPlace, at });
}
