/**
 * A document that is mostly one text, or some: archives in base64. They are cut out while the document arrives, decoded on the way
 * and handed on, so that memory holds the rest of the document and never an archive.
 */
import { RegistryError } from '../core/errors.ts';

/** More nesting than any document has; a reader of the rest would run out of stack. */
const MAX_DEPTH = 1_000;
/** Keys longer than this are never ours. */
const MAX_KEY_BYTES = 1_024;

const BLOCK_BYTES = 64 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Keys of objects and indexes of arrays, from the root to a value. */
export type JsonPath = readonly (string | number)[];

export interface Cuts {
  /** Of the document without what is cut out. */
  readonly maxRestBytes: number;
  /** Whether the text at this place is an archive. */
  isArchive(path: JsonPath): boolean;
  /** Gets the decoded bytes. What it leaves unread is skipped: the document goes on after it. */
  take(archive: AsyncIterable<Uint8Array>, path: JsonPath): Promise<void>;
}

/**
 * The document, with an empty text in place of each archive.
 * @throws RegistryError `malformed-body`, also for an archive that is not base64; `body-too-large` when the rest is too long.
 */
export async function cutJson(source: AsyncIterable<Uint8Array>, cuts: Cuts): Promise<unknown> {
  const cursor = new Cursor(source);
  try {
    return await cutFrom(cursor, new Rest(cuts.maxRestBytes), cuts);
  } finally {
    await cursor.close();
  }
}

async function cutFrom(cursor: Cursor, rest: Rest, cuts: Cuts): Promise<unknown> {
  /** Where in each open object or array we are, outermost first. */
  const path: (string | number)[] = [];
  let isKeyNext = false;
  for (;;) {
    const piece = await cursor.piece();
    if (!piece) break;
    const byte = piece[0];
    if (byte === QUOTE) {
      if (isKeyNext) {
        path[path.length - 1] = await copyKey(cursor, rest);
        isKeyNext = false;
      } else if (cuts.isArchive(path)) {
        cursor.skip(1);
        rest.add(Buffer.from('""'));
        const text = plainText(cursor);
        await cuts.take(decodeBase64(text), [...path]);
        if (!text.isOver) await skipText(cursor);
      } else await copyText(cursor, rest);
      continue;
    }
    const length = structureLength(piece);
    if (length > 0) {
      rest.add(piece.subarray(0, length));
      cursor.skip(length);
      continue;
    }
    rest.add(piece.subarray(0, 1));
    cursor.skip(1);
    if (byte === 0x7b || byte === 0x5b) {
      if (path.length >= MAX_DEPTH) throw malformed(`the document is nested deeper than ${MAX_DEPTH}`);
      path.push(byte === 0x7b ? '' : 0);
      isKeyNext = byte === 0x7b;
    } else if (byte === 0x7d || byte === 0x5d) {
      path.pop();
      isKeyNext = false;
    } else {
      const at = path.at(-1);
      isKeyNext = typeof at === 'string';
      if (typeof at === 'number') path[path.length - 1] = at + 1;
    }
  }
  return rest.parse();
}

/** How many bytes from the start are neither a quote nor a bracket, brace or comma. */
function structureLength(piece: Uint8Array): number {
  let at = 0;
  for (; at < piece.byteLength; at += 1) {
    const byte = piece[at];
    if (byte === QUOTE || byte === 0x2c || byte === 0x7b || byte === 0x7d || byte === 0x5b || byte === 0x5d)
      break;
  }
  return at;
}

/** Reads a text that starts here, as it is written, its quotes included, into the rest. */
async function copyText(cursor: Cursor, rest: Rest): Promise<void> {
  rest.add(Buffer.from('"'));
  cursor.skip(1);
  for await (const piece of rawText(cursor)) rest.add(piece);
  rest.add(Buffer.from('"'));
}

async function copyKey(cursor: Cursor, rest: Rest): Promise<string> {
  rest.add(Buffer.from('"'));
  cursor.skip(1);
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of rawText(cursor)) {
    rest.add(piece);
    size += piece.byteLength;
    if (size <= MAX_KEY_BYTES) pieces.push(Buffer.from(piece));
  }
  rest.add(Buffer.from('"'));
  if (size > MAX_KEY_BYTES) return '';
  const text = Buffer.concat(pieces).toString('utf8');
  // A key may be written with escapes, and must not pass us by for that.
  return text.includes('\\') ? unescaped(text) : text;
}

function unescaped(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch (error) {
    throw malformed('the document is not JSON', error);
  }
}

/** From behind the opening quote to the closing one, which is consumed; escapes as they are written. */
async function* rawText(cursor: Cursor, onEnd: () => void = () => undefined): AsyncIterable<Uint8Array> {
  let isEscaped = false;
  for (;;) {
    const piece = await cursor.piece();
    if (!piece) throw malformed('the document ends within a text');
    let at = 0;
    if (isEscaped) {
      at = 1;
      isEscaped = false;
    }
    for (;;) {
      const quote = piece.indexOf(QUOTE, at);
      const backslash = piece.subarray(0, quote === -1 ? piece.byteLength : quote).indexOf(BACKSLASH, at);
      if (backslash !== -1) {
        at = backslash + 2;
        if (at <= piece.byteLength) continue;
        isEscaped = true;
        break;
      }
      if (quote === -1) break;
      // Taken before it is handed on: whoever stops here is behind it.
      cursor.skip(quote + 1);
      onEnd();
      if (quote > 0) yield piece.subarray(0, quote);
      return;
    }
    cursor.skip(piece.byteLength);
    yield piece;
  }
}

/** To behind the closing quote. */
async function skipText(cursor: Cursor): Promise<void> {
  for await (const _piece of rawText(cursor)) continue;
}

/** A text that is being read; `isOver` behind its closing quote. */
function plainText(cursor: Cursor): AsyncIterable<string> & { readonly isOver: boolean } {
  let isOver = false;
  return {
    get isOver() {
      return isOver;
    },
    async *[Symbol.asyncIterator]() {
      yield* plainPieces(cursor, () => (isOver = true));
    },
  };
}

/** A text without escapes other than `\/`, which some writers of JSON put for every slash. */
async function* plainPieces(cursor: Cursor, onEnd: () => void): AsyncIterable<string> {
  let held = '';
  for await (const piece of rawText(cursor, onEnd)) {
    let text = held + Buffer.from(piece).toString('latin1');
    held = '';
    if (text.includes('\\')) {
      if (text.endsWith('\\')) {
        held = '\\';
        text = text.slice(0, -1);
      }
      text = text.replaceAll('\\/', '/');
      if (text.includes('\\')) throw notBase64();
    }
    yield text;
  }
  if (held !== '') throw notBase64();
}

async function* decodeBase64(pieces: AsyncIterable<string>): AsyncIterable<Uint8Array> {
  let carry = '';
  let isOver = false;
  for await (const piece of pieces) {
    const text = carry + piece;
    const usable = text.length - (text.length % 4);
    carry = text.slice(usable);
    if (usable === 0) continue;
    if (isOver) throw notBase64();
    const whole = text.slice(0, usable);
    const padding = whole.endsWith('==') ? 2 : whole.endsWith('=') ? 1 : 0;
    isOver = padding > 0;
    const bytes = Buffer.from(whole, 'base64');
    // What is not in the alphabet is left out by the decoder, and so the length tells; it takes two more letters.
    if (bytes.byteLength !== (usable / 4) * 3 - padding || /[-_]/.test(whole)) throw notBase64();
    yield bytes;
  }
  if (carry !== '') throw notBase64();
}

/** The bytes that are still to be read, a piece at a time. */
class Cursor {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** At least one byte, or undefined at the end. */
  async piece(): Promise<Buffer | undefined> {
    while (this.#piece.byteLength === 0) {
      const next = await this.#source.next();
      if (next.done === true) return undefined;
      this.#piece = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    }
    return this.#piece;
  }

  /** Whoever stops early says so: the source may have something to let go. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  skip(bytes: number): void {
    this.#piece = this.#piece.subarray(bytes);
  }
}

/** What is left of the document. */
class Rest {
  readonly #maxBytes: number;
  readonly #blocks: Buffer[] = [];
  // Pieces are copied: one kept by reference would hold all of what it arrived in.
  #block: Buffer = Buffer.alloc(0);
  #used = 0;
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(piece: Uint8Array): void {
    this.#size += piece.byteLength;
    if (this.#size > this.#maxBytes)
      throw new RegistryError(
        'body-too-large',
        `the document, its tarball aside, is over the limit of ${this.#maxBytes} bytes`,
      );
    for (let at = 0; at < piece.byteLength;) {
      if (this.#used === this.#block.byteLength) this.#startBlock();
      const copied = Math.min(piece.byteLength - at, this.#block.byteLength - this.#used);
      this.#block.set(piece.subarray(at, at + copied), this.#used);
      this.#used += copied;
      at += copied;
    }
  }

  #startBlock(): void {
    this.#blocks.push(this.#block.subarray(0, this.#used));
    this.#block = Buffer.alloc(BLOCK_BYTES);
    this.#used = 0;
  }

  parse(): unknown {
    try {
      const whole = Buffer.concat([...this.#blocks, this.#block.subarray(0, this.#used)]);
      return JSON.parse(whole.toString('utf8'));
    } catch (error) {
      throw malformed('the document is not JSON', error);
    }
  }
}

function malformed(message: string, cause?: unknown): RegistryError {
  return new RegistryError('malformed-body', message, { cause });
}

function notBase64(): RegistryError {
  return malformed('the attached tarball is not base64');
}
