/**
 * ZON, Zig's object notation: a small part of Zig's expressions (contract, section 8). What the manifest knows is kept,
 * what else ZON can say is checked and named. Zig's own tokenizer and its rules for literals are the model.
 */
import { quote } from '../quote.ts';
import { badManifest } from '../bad.ts';

/** Zig reads no longer ones. */
export const MAX_ZON_BYTES = 10 * 1024 ** 2;
/** Manifests nest four levels; each costs a reader some of its stack. */
const MAX_DEPTH = 128;
/** Manifests have a few hundred; every value costs memory. */
const MAX_VALUES = 200_000;
/** A u64 has 20 digits; turning many digits into a number takes the square of the time. */
const MAX_NUMBER_LENGTH = 200;

/** `at` is where the value begins, for `placeIn`. */
export type ZonValue = { readonly at: number } & (
  | { readonly kind: 'struct'; readonly fields: ReadonlyMap<string, ZonValue> }
  | { readonly kind: 'tuple'; readonly items: readonly ZonValue[] }
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly value: bigint }
  | { readonly kind: 'enum'; readonly name: string; readonly isQuoted: boolean }
  | { readonly kind: 'boolean'; readonly value: boolean }
  /** Nothing that a manifest's fields can be: `what` says it in words. */
  | { readonly kind: 'other'; readonly what: string }
);

/** @throws RegistryError `invalid-manifest`, with line and column */
export function parseZon(text: string): ZonValue {
  if (text.length > MAX_ZON_BYTES || Buffer.byteLength(text) > MAX_ZON_BYTES)
    throw badManifest(`build.zig.zon is longer than ${MAX_ZON_BYTES} bytes`);
  return new Parser(text).parse();
}

/** @throws RegistryError `invalid-manifest` when it is not UTF-8 */
export function decodeZon(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw badManifest('build.zig.zon is not UTF-8', error);
  }
}

/** `build.zig.zon:LINE:COLUMN`, both from 1. */
export function placeIn(text: string, at: number): string {
  let line = 1;
  let start = 0;
  for (let end = text.indexOf('\n'); end >= 0 && end < at; end = text.indexOf('\n', start)) {
    line += 1;
    start = end + 1;
  }
  return `build.zig.zon:${line}:${at - start + 1}`;
}

/** Whether Zig takes the name without `@"..."`. */
export function isBareIdentifier(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !keywords.has(name);
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #values = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): ZonValue {
    if (this.#text.startsWith('\uFEFF')) this.#at = 1;
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#fail(`expected the end, found ${this.#found()}`);
    return value;
  }

  #value(): ZonValue {
    this.#skipSpace();
    const at = this.#at;
    this.#values += 1;
    if (this.#values > MAX_VALUES) throw this.#fail(`more than ${MAX_VALUES} values`);
    const first = this.#text[at] ?? '';
    if (first === '.') return this.#afterDot(at);
    if (first === '"') return { at, ...stringOf(this.#quoted('"')) };
    if (first === "'") return { at, ...this.#character() };
    if (first === '\\') return { at, ...this.#multilineString() };
    if (first === '-') return this.#negative(at);
    if (isDigit(first)) return { at, ...this.#number() };
    if (isLetter(first)) return { at, ...this.#word() };
    throw this.#fail(`expected a value, found ${this.#found()}`);
  }

  /** A struct, a tuple or an enum literal. */
  #afterDot(at: number): ZonValue {
    this.#at += 1;
    this.#skipSpace();
    if (this.#text[this.#at] !== '{') return { at, kind: 'enum', ...this.#identifier() };
    this.#at += 1;
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw this.#fail(`nested deeper than ${MAX_DEPTH} levels`);
    const value: ZonValue = this.#isField()
      ? { at, kind: 'struct', fields: this.#fields() }
      : this.#tupleOrNothing(at);
    this.#depth -= 1;
    return value;
  }

  /** Whether `.name =` follows; where it is, we stay. */
  #isField(): boolean {
    this.#skipSpace();
    const before = this.#at;
    if (this.#text[before] !== '.') return false;
    this.#at += 1;
    this.#skipSpace();
    let is = false;
    if (this.#text[this.#at] !== '{') {
      this.#identifier();
      this.#skipSpace();
      is = this.#text[this.#at] === '=';
    }
    this.#at = before;
    return is;
  }

  #fields(): ReadonlyMap<string, ZonValue> {
    const fields = new Map<string, ZonValue>();
    while (!this.#closes()) {
      const at = this.#at;
      this.#expect('.');
      this.#skipSpace();
      const { name } = this.#identifier();
      // Which of two counts is a matter of the reader.
      if (fields.has(name)) throw this.#fail(`the field ${quote(name)} is there twice`, at);
      this.#expect('=');
      fields.set(name, this.#value());
      this.#comma();
    }
    return fields;
  }

  #tupleOrNothing(at: number): ZonValue {
    const items: ZonValue[] = [];
    while (!this.#closes()) {
      items.push(this.#value());
      this.#comma();
    }
    // `.{}` is the empty struct.
    return items.length === 0 ? { at, kind: 'struct', fields: new Map() } : { at, kind: 'tuple', items };
  }

  #closes(): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== '}') return false;
    this.#at += 1;
    return true;
  }

  #comma(): void {
    this.#skipSpace();
    const next = this.#text[this.#at];
    if (next === ',') this.#at += 1;
    else if (next !== '}') throw this.#fail(`expected ',' or '}', found ${this.#found()}`);
  }

  #expect(mark: string): void {
    this.#skipSpace();
    if (this.#text[this.#at] !== mark) throw this.#fail(`expected '${mark}', found ${this.#found()}`);
    this.#at += 1;
  }

  #identifier(): { name: string; isQuoted: boolean } {
    const at = this.#at;
    if (this.#text[at] === '@' && this.#text[at + 1] === '"') {
      this.#at += 1;
      const name = utf8Of(this.#quoted('"'));
      if (name === undefined || name === '' || name.includes('\0'))
        throw this.#fail('a name must be UTF-8, not empty and without NUL', at);
      return { name, isQuoted: true };
    }
    if (!isLetter(this.#text[at] ?? '')) throw this.#fail(`expected a name, found ${this.#found()}`);
    const name = this.#takeWord();
    if (keywords.has(name))
      throw this.#fail(`'${name}' is a word of Zig's: as a name it is written @"${name}"`, at);
    return { name, isQuoted: false };
  }

  #takeWord(): string {
    const at = this.#at;
    while (isLetter(this.#text[this.#at] ?? '') || isDigit(this.#text[this.#at] ?? '')) this.#at += 1;
    return this.#text.slice(at, this.#at);
  }

  #word(): { kind: 'boolean'; value: boolean } | { kind: 'other'; what: string } {
    const at = this.#at;
    const word = this.#takeWord();
    if (word === 'true' || word === 'false') return { kind: 'boolean', value: word === 'true' };
    if (word === 'null' || word === 'nan' || word === 'inf') return { kind: 'other', what: word };
    throw this.#fail(
      `expected a value, found ${quote(word)}: texts are quoted, and names begin with a dot`,
      at,
    );
  }

  #negative(at: number): ZonValue {
    this.#at += 1;
    this.#skipSpace();
    if (this.#text.startsWith('inf', this.#at) && this.#takeWord() === 'inf')
      return { at, kind: 'other', what: '-inf' };
    if (!isDigit(this.#text[this.#at] ?? '')) throw this.#fail(`expected a number, found ${this.#found()}`);
    const number = this.#number();
    return number.kind === 'number' ? { at, kind: 'number', value: -number.value } : { at, ...number };
  }

  #number(): { kind: 'number'; value: bigint } | { kind: 'other'; what: string } {
    const at = this.#at;
    for (let before = ''; ; this.#at += 1) {
      const next = this.#text[this.#at] ?? '';
      const isSign = (next === '+' || next === '-') && /[eEpP]/.test(before);
      if (!isSign && next !== '.' && !isLetter(next) && !isDigit(next)) break;
      before = next;
      if (this.#at - at > MAX_NUMBER_LENGTH)
        throw this.#fail(`a number of more than ${MAX_NUMBER_LENGTH} characters`, at);
    }
    const digits = this.#text.slice(at, this.#at);
    if (integers.test(digits)) return { kind: 'number', value: BigInt(digits.replaceAll('_', '')) };
    if (floats.test(digits)) return { kind: 'other', what: 'a number with a fraction' };
    throw this.#fail(`${quote(digits)} is not a number`, at);
  }

  #character(): { kind: 'other'; what: string } {
    const at = this.#at;
    const text = utf8Of(this.#quoted("'"));
    // One code point, however it is written; only a string may have bytes that are no UTF-8.
    if (text !== undefined && [...text].length !== 1)
      throw this.#fail('a character between single quotes must be one', at);
    return { kind: 'other', what: 'a character' };
  }

  #multilineString(): { kind: 'other'; what: string } {
    do {
      if (this.#text[this.#at + 1] !== '\\') throw this.#fail(`expected a value, found ${this.#found()}`);
      this.#toEndOfLine();
      this.#skipSpace();
    } while (this.#text[this.#at] === '\\');
    return { kind: 'other', what: 'a multiline string' };
  }

  /** What stands between two quotation marks, as bytes: an escape may make one that is no letter. */
  #quoted(mark: string): (string | number)[] {
    const start = this.#at;
    const parts: (string | number)[] = [];
    let from = (this.#at += 1);
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      // Not a number at the end of the text.
      if (Number.isNaN(code) || code === 10) throw this.#fail('a text without its closing mark', start);
      if (isControl(code)) throw this.#fail(`a control character in a text: write ${escapeOf(code)}`);
      const character = this.#text[this.#at];
      if (character !== mark && character !== '\\') {
        this.#at += 1;
        continue;
      }
      if (from < this.#at) parts.push(this.#text.slice(from, this.#at));
      if (character === mark) break;
      parts.push(this.#escape());
      from = this.#at;
    }
    this.#at += 1;
    return parts;
  }

  /** A letter, or the number of a byte. */
  #escape(): string | number {
    const at = this.#at;
    const letter = this.#text[at + 1] ?? '';
    const plain = plainEscapes.get(letter);
    if (plain !== undefined) {
      this.#at += 2;
      return plain;
    }
    if (letter === 'x') {
      const digits = this.#text.slice(at + 2, at + 4);
      if (!/^[0-9a-fA-F]{2}$/.test(digits)) throw this.#fail('\\x is followed by two hexadecimal digits', at);
      this.#at += 4;
      return Number.parseInt(digits, 16);
    }
    if (letter !== 'u') throw this.#fail(`${quote(`\\${letter}`)} is not an escape of Zig's`, at);
    // Zeros may lead; 32 of them are no honest text.
    const digits = /^\{([0-9a-fA-F]{1,32})\}/.exec(this.#text.slice(at + 2, at + 40))?.[1];
    const codePoint = Number.parseInt(digits ?? '', 16);
    const isScalar = codePoint <= 0x10ffff && !(codePoint >= 0xd800 && codePoint <= 0xdfff);
    if (digits === undefined || !isScalar)
      throw this.#fail('\\u is followed by a Unicode code point in braces', at);
    this.#at += 4 + digits.length;
    return String.fromCodePoint(codePoint);
  }

  #skipSpace(): void {
    for (;;) {
      const next = this.#text[this.#at];
      if (next === ' ' || next === '\n' || next === '\t' || next === '\r') this.#at += 1;
      else if (next === '/' && this.#text[this.#at + 1] === '/') this.#comment();
      else return;
    }
  }

  #comment(): void {
    const isDocumentation =
      this.#text[this.#at + 2] === '!' ||
      (this.#text[this.#at + 2] === '/' && this.#text[this.#at + 3] !== '/');
    if (isDocumentation) throw this.#fail('Zig takes no documentation comments here: write //');
    this.#toEndOfLine();
  }

  #toEndOfLine(): void {
    const end = this.#text.indexOf('\n', this.#at);
    const stop = end < 0 ? this.#text.length : end;
    for (; this.#at < stop; this.#at += 1) {
      const code = this.#text.charCodeAt(this.#at);
      const endsLine = code === 13 && this.#at + 1 === end;
      if (isControl(code) && !endsLine)
        throw this.#fail('a control character in a comment or a multiline string');
    }
  }

  #found(): string {
    const character = this.#text.codePointAt(this.#at);
    return character === undefined ? 'the end' : quote(String.fromCodePoint(character));
  }

  #fail(message: string, at = this.#at): Error {
    return badManifest(`${placeIn(this.#text, at)}: ${message}`);
  }
}

/** `undefined` when the bytes are not UTF-8. */
function utf8Of(parts: readonly (string | number)[]): string | undefined {
  if (parts.every((part) => typeof part === 'string')) return parts.join('');
  const bytes = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.of(part))),
  );
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function stringOf(
  parts: readonly (string | number)[],
): { kind: 'string'; text: string } | { kind: 'other'; what: string } {
  const text = utf8Of(parts);
  return text === undefined
    ? { kind: 'other', what: 'a string that is not UTF-8' }
    : { kind: 'string', text };
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9' && character.length === 1;
}

/** An underscore is one. */
function isLetter(character: string): boolean {
  return (
    (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') || character === '_'
  );
}

/** Zig takes none in a line: not even a tab. */
function isControl(code: number): boolean {
  return code < 0x20 || code === 0x7f;
}

function escapeOf(code: number): string {
  return code === 9 ? '\\t' : `\\x${code.toString(16).padStart(2, '0')}`;
}

const plainEscapes = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['\\', '\\'],
  ["'", "'"],
  ['"', '"'],
]);

const integers =
  /^(?:0|[1-9](?:_?[0-9])*|0x[0-9a-fA-F](?:_?[0-9a-fA-F])*|0o[0-7](?:_?[0-7])*|0b[01](?:_?[01])*)$/;
const floats =
  /^(?:(?:0|[1-9](?:_?\d)*)(?:\.\d(?:_?\d)*)?(?:[eE][+-]?\d(?:_?\d)*)?|0x[\da-fA-F](?:_?[\da-fA-F])*(?:\.[\da-fA-F](?:_?[\da-fA-F])*)?(?:[pP][+-]?\d(?:_?\d)*)?)$/;

/** Of every Zig since 0.11: `async`, `await` and `usingnamespace` are free by now, but older readers stumble. */
const keywords = new Set(
  `addrspace align allowzero and anyframe anytype asm async await break callconv catch comptime const continue defer
  else enum errdefer error export extern fn for if inline linksection noalias noinline nosuspend opaque or orelse packed
  pub resume return struct suspend switch test threadlocal try union unreachable usingnamespace var volatile while`.split(
    /\s+/,
  ),
);
