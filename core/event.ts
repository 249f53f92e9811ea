/**
 * Lines of a log: how an event becomes bytes and back. The vocabulary itself is `schema/event.schema.json`.
 */
import type { EcosystemId, PrivateEvent, RegistryEvent } from '../schema/types.ts';
import { asPrivateEvent, asRegistryEvent, SchemaViolation } from '../schema/validate.ts';
import { canonicalJson } from './canonical-json.ts';
import { LogDamage, RegistryError } from './errors.ts';

export type { EcosystemId, PrivateEvent, RegistryEvent };

/** The format this release writes. A release reads a new format before the next one writes it. */
export const EVENT_FORMAT = 1;

/** Longer lines would make a segment slow to rewrite; what does not fit becomes a blob named by its digest. */
export const MAX_LINE_BYTES = 16 * 1024;

/** What every line of any log has. */
export interface LogLine {
  readonly v: number;
  readonly seq: number;
  readonly id: string;
  readonly at: string;
  readonly by: string;
  readonly kind: string;
}

/** An event before the log has given it its place. */
export type Draft<E extends LogLine> = E extends LogLine
  ? Omit<E, 'v' | 'seq' | 'id' | 'at' | 'prev'>
  : never;
export type EventDraft = Draft<RegistryEvent>;
export type PrivateDraft = Draft<PrivateEvent>;

/** How one log turns its events into lines and back. */
export interface LineCodec<E extends LogLine> {
  encode(event: E): string;
  /** @throws LogDamage naming the line and what is wrong with it. */
  decode(line: string, expectedSeq: number): E;
}

/** Brings a line of an older format to today's, field by field. There is only one format so far. */
function upcast(raw: unknown, seq: number): unknown {
  const format = typeof raw === 'object' && raw !== null ? (raw as { v?: unknown }).v : undefined;
  if (format === EVENT_FORMAT) return raw;
  throw new LogDamage(
    `line ${seq}: format ${JSON.stringify(format) ?? 'missing'} is not known to this release (it reads up to ${EVENT_FORMAT})`,
  );
}

function codec<E extends LogLine>(check: (value: unknown) => E): LineCodec<E> {
  // The writer encodes an event to refuse it early, the log to store it: the same object has the same line.
  const encoded = new WeakMap<E, string>();
  return {
    encode(event) {
      const known = encoded.get(event);
      if (known !== undefined) return known;
      const line = canonicalJson(check(event));
      if (Buffer.byteLength(line) > MAX_LINE_BYTES)
        throw new RegistryError(
          'too-large',
          `an event of ${event.kind} would be longer than ${MAX_LINE_BYTES} bytes`,
        );
      encoded.set(event, line);
      return line;
    },
    decode(line, expectedSeq) {
      let raw: unknown;
      try {
        raw = JSON.parse(line);
      } catch (error) {
        throw new LogDamage(`line ${expectedSeq}: not JSON`, { cause: error });
      }
      try {
        const event = check(upcast(raw, expectedSeq));
        if (event.seq !== expectedSeq)
          throw new LogDamage(`line ${expectedSeq}: it says it is line ${event.seq}`);
        return event;
      } catch (error) {
        if (error instanceof SchemaViolation) throw new LogDamage(`line ${expectedSeq}: ${error.message}`);
        throw error;
      }
    },
  };
}

export const registryLines: LineCodec<RegistryEvent> = codec(asRegistryEvent);
export const privateLines: LineCodec<PrivateEvent> = codec(asPrivateEvent);

/** The package or namespace an event is about; undefined for events about the registry itself. */
export interface Subject {
  readonly ecosystem: EcosystemId;
  readonly name: string;
  readonly of: 'package' | 'namespace';
}

export function subjectOf(event: RegistryEvent | EventDraft): Subject | undefined {
  if (!('ecosystem' in event)) return undefined;
  const isNamespace = 'of' in event && event.of === 'namespace';
  return { ecosystem: event.ecosystem, name: event.name, of: isNamespace ? 'namespace' : 'package' };
}

/** A sentence per event, for commit messages and `cairn log`. */
export function describeEvent(event: LogLine): string {
  const e = event as LogLine &
    Partial<
      Record<
        | 'ecosystem'
        | 'name'
        | 'version'
        | 'ref'
        | 'owner'
        | 'member'
        | 'access'
        | 'visibility'
        | 'artifact'
        | 'to'
        | 'handle'
        | 'tokenId'
        | 'target',
        string
      >
    >;
  const thing = e.ecosystem && e.name ? `${e.ecosystem}/${e.name}` : (e.handle ?? e.tokenId ?? '');
  const detail = [
    e.version ?? e.artifact ?? e.visibility,
    e.ref && `${e.ref}${e.target ? ` -> ${e.target}` : ''}`,
    e.owner ?? e.member ?? e.to,
    e.access,
  ];
  return [event.kind, thing, ...detail].filter(Boolean).join(' ');
}
