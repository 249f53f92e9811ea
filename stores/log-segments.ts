/**
 * The lines of a log for fast random access: a local copy of the segments that git holds, one after the other in
 * one file. Disposable: every segment is checked against its git object before it is believed.
 */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogDamage } from '../core/errors.ts';
import { gitObject } from './git-objects.ts';

export const EVENTS_PER_SEGMENT = 256;
const NEWLINE = 10;

interface Segment {
  readonly oid: string;
  readonly length: number;
  /** Offset of each line, and the end. */
  readonly starts: Uint32Array;
  /** Position in the copy. */
  readonly position: number;
  /** Kept while the copy does not hold it. */
  readonly bytes: Buffer | undefined;
}

export class LogSegments {
  readonly #copy: number;
  readonly #ownsCopy: boolean;
  readonly #segments: Segment[] = [];
  #recent: { index: number; bytes: Buffer } | undefined;

  private constructor(copy: number, ownsCopy: boolean) {
    this.#copy = copy;
    this.#ownsCopy = ownsCopy;
  }

  /** The writer's copy, kept between runs. */
  static openOwn(path: string): LogSegments {
    return new LogSegments(openSync(path, 'a+', 0o600), true);
  }

  /** Another process's copy to read from; where there is none, a nameless file of our own. */
  static openForeign(path: string): LogSegments {
    try {
      return new LogSegments(openSync(path, 'r'), false);
    } catch {
      const directory = mkdtempSync(join(tmpdir(), 'cairn-log-'));
      const copy = openSync(join(directory, 'copy'), 'a+', 0o600);
      rmSync(directory, { recursive: true });
      return new LogSegments(copy, true);
    }
  }

  get count(): number {
    return this.#segments.length;
  }

  get events(): number {
    const last = this.#segments.at(-1);
    if (!last) return 0;
    return (this.#segments.length - 1) * EVENTS_PER_SEGMENT + last.starts.length - 1;
  }

  oidOf(index: number): string | undefined {
    return this.#segments[index]?.oid;
  }

  /** The bytes of a segment from the copy, when they are there and are what git says. */
  fromCopy(index: number, oid: string, length: number): Buffer | undefined {
    const position = this.#positionOf(index);
    if (fstatSync(this.#copy).size < position + length) return undefined;
    const bytes = Buffer.allocUnsafe(length);
    if (readSync(this.#copy, bytes, 0, length, position) !== length) return undefined;
    return gitObject('blob', bytes).oid === oid ? bytes : undefined;
  }

  #positionOf(index: number): number {
    const before = this.#segments[index - 1];
    return before ? before.position + before.length : 0;
  }

  /**
   * Makes `bytes` the content of segment `index`, which is the last one known or the next.
   * @throws LogDamage unless it is whole lines that carry on what was there.
   */
  set(index: number, oid: string, bytes: Buffer): void {
    const known = this.#segments[index];
    const starts = startsOf(bytes, index);
    if (
      known &&
      (starts.length < known.starts.length ||
        !this.segmentBytes(index).equals(bytes.subarray(0, known.length)))
    )
      throw new LogDamage(`segment ${index}: lines that were there have changed or are gone`);
    const before = this.#segments[index - 1];
    if (before && before.starts.length - 1 !== EVENTS_PER_SEGMENT)
      throw new LogDamage(
        `segment ${index - 1} has ${before.starts.length - 1} lines, and ${index} follows it`,
      );
    const position = this.#positionOf(index);
    const kept = this.#keep(position, bytes, known && !known.bytes ? known.length : 0);
    this.#segments[index] = { oid, length: bytes.length, starts, position, bytes: kept ? undefined : bytes };
    // The next append extends these bytes, and the state is about to read their last lines.
    this.#recent = { index, bytes };
  }

  /** Brings the copy up to date; false when it could not be, and memory has to hold the bytes. */
  #keep(position: number, bytes: Buffer, already: number): boolean {
    const { size } = fstatSync(this.#copy);
    if (size >= position + bytes.length && this.#copyHolds(position, bytes)) return true;
    // Without what comes before, nothing can be added: an earlier write found the disk full.
    if (!this.#ownsCopy || size < position + already) return false;
    try {
      // What lies beyond is half a line of a killed writer, or damage: it is written again.
      if (size > position + already) ftruncateSync(this.#copy, position + already);
      return writeSync(this.#copy, bytes, already) === bytes.length - already;
    } catch {
      // A full disk must not stop a log that is safe in git.
      return false;
    }
  }

  #copyHolds(position: number, bytes: Buffer): boolean {
    const found = Buffer.allocUnsafe(bytes.length);
    return readSync(this.#copy, found, 0, bytes.length, position) === bytes.length && found.equals(bytes);
  }

  /** One line, without its newline. */
  line(seq: number): string {
    const index = Math.floor(seq / EVENTS_PER_SEGMENT);
    const segment = this.#segments[index];
    const start = segment?.starts[seq % EVENTS_PER_SEGMENT];
    const end = segment?.starts[(seq % EVENTS_PER_SEGMENT) + 1];
    if (!segment || start === undefined || end === undefined)
      throw new RangeError(`the log has no event ${seq} yet`);
    if (segment.bytes) return segment.bytes.toString('utf8', start, end - 1);
    if (this.#recent?.index === index) return this.#recent.bytes.toString('utf8', start, end - 1);
    // A scan from the start reads whole segments; a look-up reads its line only.
    if (seq % EVENTS_PER_SEGMENT === 0) return this.segmentBytes(index).toString('utf8', start, end - 1);
    const line = Buffer.allocUnsafe(end - 1 - start);
    this.#readExactly(line, segment.position + start);
    return line.toString('utf8');
  }

  segmentBytes(index: number): Buffer {
    const segment = this.#segments[index];
    if (!segment) return Buffer.alloc(0);
    if (segment.bytes) return segment.bytes;
    if (this.#recent?.index === index) return this.#recent.bytes;
    const bytes = Buffer.allocUnsafe(segment.length);
    this.#readExactly(bytes, segment.position);
    this.#recent = { index, bytes };
    return bytes;
  }

  /** The copy was checked when it was taken; another process may have cut it since. */
  #readExactly(bytes: Buffer, position: number): void {
    if (readSync(this.#copy, bytes, 0, bytes.length, position) !== bytes.length)
      throw new LogDamage('the local copy of the log has become shorter: start again, and it is made anew');
  }

  close(): void {
    closeSync(this.#copy);
  }
}

function startsOf(bytes: Buffer, index: number): Uint32Array {
  if (bytes.length === 0 || bytes[bytes.length - 1] !== NEWLINE)
    throw new LogDamage(`segment ${index} ends in the middle of a line`);
  const starts = [0];
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, end + 1))
    starts.push(end + 1);
  if (starts.length - 1 > EVENTS_PER_SEGMENT)
    throw new LogDamage(`segment ${index} has ${starts.length - 1} lines`);
  return Uint32Array.from(starts);
}
