/**
 * A document of another registry, edited while it passes: where archives are, and without what only that registry can
 * stand by. It works on bytes, a piece at a time, and never holds more than a key or an address: documents of 60 MB exist.
 */
import { RegistryError } from '../../core/errors.ts';

export interface DocumentEdits {
  /** A packument, or one of its versions by itself. */
  readonly of: 'packument' | 'version';
  /** What to say instead of `dist.tarball`. The version is undefined where the document has not told it yet. */
  tarball(version: string | undefined, url: string): string;
}

/** More nesting than any document has. */
const MAX_DEPTH = 1_000;
/** Longer keys and addresses are never right. */
const MAX_HELD_BYTES = 64 * 1024;

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];

const [comma, quote] = [Buffer.from(','), Buffer.from('"')];

/** The objects that matter; everything else is `other`, and is only copied. */
type Role = 'root' | 'versions' | 'version' | 'dist' | 'other';

/** What a text is for us. */
type TextKind = 'key' | 'tarball' | 'version' | 'other';

interface Frame {
  readonly isObject: boolean;
  readonly role: Role;
  /** The key that an object is at. */
  key: string;
  /** Whether a member has been written: the next one needs a comma. Only where members may be left out. */
  hasMember: boolean;
}

/** Members that are left out, by the object they are in. */
const dropped: Readonly<Partial<Record<Role, ReadonlySet<string>>>> = {
  // Nobody can write the document here.
  root: new Set(['_rev']),
  // Clients hold signatures against our keys, and stop when none of them made it.
  dist: new Set(['signatures', 'attestations']),
};

/** The document with its edits. @throws RegistryError `upstream-failed` as soon as it is no JSON object. */
export async function* editDocument(
  source: AsyncIterable<Uint8Array>,
  edits: DocumentEdits,
): AsyncGenerator<Uint8Array, void, undefined> {
  const editor = new Editor(edits);
  for await (const piece of source) {
    const edited = editor.push(piece);
    if (edited.length > 0) yield edited.length === 1 && edited[0] ? edited[0] : Buffer.concat(edited);
  }
  editor.end();
}

class Editor {
  readonly #edits: DocumentEdits;
  readonly #stack: Frame[] = [];
  #isKeyNext = false;
  #isOver = false;
  /** Where the version says its own number; only in a document of one version. */
  #version: string | undefined;

  #text: TextKind | undefined;
  #isEscaped = false;
  /** What was read of the present text before this piece, when it matters. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  /** How deep the object is of which a member is being left out. */
  #droppedAt: number | undefined;
  #out: Uint8Array[] = [];
  /** From where on this piece is still to be copied; undefined while nothing is. */
  #from: number | undefined = 0;

  constructor(edits: DocumentEdits) {
    this.#edits = edits;
  }

  push(piece: Uint8Array): readonly Uint8Array[] {
    this.#out = [];
    if (this.#from !== undefined) this.#from = 0;
    /** Where a text begins that is to be known; before this piece: 0. */
    let start = 0;
    for (let at = 0; at < piece.byteLength; at += 1) {
      if (this.#text !== undefined) {
        at = this.#endOfText(piece, at);
        if (at < piece.byteLength) this.#endText(piece, start, at);
        continue;
      }
      const byte = piece[at] ?? 0;
      if (byte === QUOTE) {
        this.#startText(piece, at);
        start = at + 1;
      } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) this.#open(byte === OPEN_OBJECT);
      else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) this.#close(byte === CLOSE_OBJECT, at);
      else if (byte === COMMA) this.#comma(piece, at);
      else if (this.#stack.length === 0 && !isSpace(byte)) throw notJson();
      else if (this.#isKeyNext && !isSpace(byte)) throw notJson();
    }
    if (this.#text !== undefined && this.#text !== 'other') this.#hold(piece.subarray(start));
    this.#pause(piece, piece.byteLength);
    return this.#out;
  }

  /** @throws RegistryError `upstream-failed` unless the document is whole. */
  end(): void {
    if (!this.#isOver) throw notJson();
  }

  /** What comes before is copied; `#copyFrom` says where copying goes on. */
  #pause(piece: Uint8Array, at: number): void {
    if (this.#from === undefined) return;
    if (at > this.#from) this.#out.push(piece.subarray(this.#from, at));
    this.#from = at < piece.byteLength ? undefined : 0;
  }

  #copyFrom(at: number): void {
    this.#from = at;
  }

  #open(isObject: boolean): void {
    const top = this.#stack.at(-1);
    if (this.#isOver || (!top && !isObject) || this.#isKeyNext) throw notJson();
    if (this.#stack.length >= MAX_DEPTH)
      throw failed(`the upstream's document is nested deeper than ${MAX_DEPTH}`);
    this.#stack.push({ isObject, role: this.#roleBelow(top, isObject), key: '', hasMember: false });
    this.#isKeyNext = isObject;
  }

  #roleBelow(top: Frame | undefined, isObject: boolean): Role {
    if (!isObject || this.#droppedAt !== undefined) return 'other';
    if (!top) return this.#edits.of === 'packument' ? 'root' : 'version';
    if (top.role === 'root' && top.key === 'versions') return 'versions';
    if (top.role === 'versions') return 'version';
    return top.role === 'version' && top.key === 'dist' ? 'dist' : 'other';
  }

  #close(isObject: boolean, at: number): void {
    this.#endDropped(at);
    if (this.#stack.pop()?.isObject !== isObject) throw notJson();
    this.#isKeyNext = false;
    this.#isOver = this.#stack.length === 0;
  }

  #comma(piece: Uint8Array, at: number): void {
    const top = this.#stack.at(-1);
    if (!top || this.#isKeyNext) throw notJson();
    this.#isKeyNext = top.isObject;
    if (this.#endDropped(at + 1) || this.#droppedAt !== undefined || !dropped[top.role]) return;
    // It is written before the next member that stays.
    this.#pause(piece, at);
    this.#copyFrom(at + 1);
  }

  /** Whether the member that was left out ends here. */
  #endDropped(copyFrom: number): boolean {
    if (this.#droppedAt === undefined || this.#stack.length > this.#droppedAt) return false;
    this.#droppedAt = undefined;
    this.#copyFrom(copyFrom);
    return true;
  }

  #startText(piece: Uint8Array, at: number): void {
    const top = this.#stack.at(-1);
    if (!top) throw notJson();
    this.#text = this.#kindOfText(top);
    const isHeldBack = this.#text === 'tarball' || (this.#text === 'key' && dropped[top.role] !== undefined);
    if (isHeldBack) this.#pause(piece, at);
    if (isHeldBack) this.#from = undefined;
  }

  #kindOfText({ role, key }: Frame): TextKind {
    if (this.#droppedAt !== undefined || role === 'other') return 'other';
    if (this.#isKeyNext) return 'key';
    if (role === 'dist' && key === 'tarball') return 'tarball';
    const tellsVersion = role === 'version' && key === 'version' && this.#stack.length === 1;
    return tellsVersion ? 'version' : 'other';
  }

  /** Where the text ends, or the end of the piece: nearly all bytes of a document are passed over here. */
  #endOfText(piece: Uint8Array, from: number): number {
    const { byteLength } = piece;
    let at = this.#isEscaped ? from + 1 : from;
    for (; at < byteLength; at += 1) {
      const byte = piece[at];
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) at += 1;
    }
    this.#isEscaped = at > byteLength;
    return at;
  }

  #hold(bytes: Uint8Array): void {
    this.#heldBytes += bytes.byteLength;
    if (this.#heldBytes > MAX_HELD_BYTES) throw failed("the upstream's document has a key that is too long");
    if (bytes.byteLength > 0) this.#held.push(Buffer.from(bytes));
  }

  #endText(piece: Uint8Array, start: number, at: number): void {
    const kind = this.#text;
    this.#text = undefined;
    const wasKey = this.#isKeyNext;
    this.#isKeyNext = false;
    const top = this.#stack.at(-1);
    if (kind === 'other' || kind === undefined || !top) return;
    // Where it began in another piece, `start` is the beginning of this one.
    const isWhole = start > 0;
    if (!isWhole) this.#hold(piece.subarray(start, at));
    const raw = isWhole ? Buffer.from(piece.buffer, piece.byteOffset + start, at - start) : this.#heldText();
    const text = unescaped(raw);
    if (kind === 'version') this.#version ??= text;
    if (kind === 'tarball') {
      const version = this.#edits.of === 'version' ? this.#version : this.#stack.at(-3)?.key;
      this.#out.push(Buffer.from(JSON.stringify(this.#edits.tarball(version, text))));
      this.#copyFrom(at + 1);
    }
    if (wasKey) this.#startMember(top, text, { raw, at, begin: isWhole ? start - 1 : undefined });
  }

  #heldText(): Buffer {
    const text = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return text;
  }

  /** `begin` is where the key begins in this piece, unless that was in another one. */
  #startMember(
    top: Frame,
    key: string,
    { raw, at, begin }: { readonly raw: Buffer; readonly at: number; readonly begin: number | undefined },
  ): void {
    top.key = key;
    const leftOut = dropped[top.role];
    if (!leftOut) return;
    if (leftOut.has(key)) {
      this.#droppedAt = this.#stack.length;
      return;
    }
    if (top.hasMember) this.#out.push(comma);
    top.hasMember = true;
    if (begin !== undefined) return this.#copyFrom(begin);
    this.#out.push(quote, raw, quote);
    this.#copyFrom(at + 1);
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** A key may be written with escapes, and must not pass us by for that. */
function unescaped(raw: Buffer): string {
  const text = raw.toString('utf8');
  if (!text.includes('\\')) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch (error) {
    throw notJson(error);
  }
}

function notJson(cause?: unknown): RegistryError {
  return failed('what the upstream registry sends is no JSON object', cause);
}

function failed(message: string, cause?: unknown): RegistryError {
  return new RegistryError('upstream-failed', message, { cause });
}
