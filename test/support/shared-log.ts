/** A log that several handles look at, each as far as it has read: what two processes on one repository see. */
import { createHash } from 'node:crypto';
import { LogDamage } from '../../core/errors.ts';
import type { LineCodec, LogLine } from '../../core/event.ts';
import type { EventLog } from '../../core/ports.ts';

export class SharedLog<E extends LogLine> {
  readonly #lines: LineCodec<E>;
  #stored: readonly string[] = [];

  constructor(lines: LineCodec<E>) {
    this.#lines = lines;
  }

  /** Replaces history, as a restored backup would. */
  rewrite(events: readonly E[]): void {
    this.#stored = events.map((event) => this.#lines.encode(event));
  }

  /** A handle that sees what is there now. */
  open(): EventLog<E> {
    const codec = this.#lines;
    const stored = (): readonly string[] => this.#stored;
    const store = (lines: readonly string[]): void => void (this.#stored = [...this.#stored, ...lines]);
    let seen = stored().length;
    return {
      get length() {
        return seen;
      },
      get head() {
        return headOf(stored().slice(0, seen));
      },
      read(seq) {
        const line = seq < seen ? stored()[seq] : undefined;
        if (line === undefined) throw new RangeError(`the log has no event ${seq} yet`);
        return codec.decode(line, seq);
      },
      async append(events) {
        const lines = events.map((event, i) => {
          if (event.seq !== seen + i)
            throw new LogDamage(`event ${event.seq} cannot be appended at ${seen + i}`);
          return codec.encode(event);
        });
        if (stored().length !== seen) throw new LogDamage('somebody else wrote to the log');
        store(lines);
        seen = stored().length;
      },
      async refresh() {
        seen = stored().length;
      },
      async carriesOn(head) {
        for (let length = 0; length <= seen; length += 1)
          if (headOf(stored().slice(0, length)) === head) return true;
        return false;
      },
      async close() {},
    };
  }
}

function headOf(lines: readonly string[]): string {
  return lines.length === 0 ? '' : createHash('sha256').update(lines.join('\n')).digest('hex');
}
