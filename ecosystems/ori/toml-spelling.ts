/**
 * Ori's manifests as the plan spells them are no TOML (contract, section 3): `@acme/json = "1.0.0"` is a bare key that TOML
 * does not know, and `std.json` alone has no value. This writes them as TOML has them, on a copy, outside of strings and
 * comments; what is TOML already comes out as it is. On the way it counts: what is deep or long without end is refused
 * before anything is made of it.
 */
import { badManifest } from '../bad.ts';

/** What `std.json` alone is given for a value: no version, and no text that a manifest would have. */
export const BUNDLED = '*bundled*';

/** Of tables in tables, of lists in lists and of names with dots, each. */
const MAX_DEPTH = 32;
/** Of keys and of values, together. */
const MAX_PARTS = 50_000;

const blanks = /[ \t]*/y;
const bareKey = /[A-Za-z0-9_-]+/y;
const scopedKey = /@[a-z0-9-]+\/[a-z0-9-]+(?![A-Za-z0-9_/-])/y;
const endOfStatement = /[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/y;

/** @throws RegistryError `invalid-manifest` for what is nested too deeply, or has too many parts. */
export function asToml(text: string): string {
  return new Speller(text).spell();
}

class Speller {
  readonly #text: string;
  #at = 0;
  /** What is copied from here on has not been written yet. */
  #from = 0;
  #out = '';
  #parts = 0;

  constructor(text: string) {
    this.#text = text;
  }

  spell(): string {
    while (this.#at < this.#text.length) {
      this.#takeLines();
      if (this.#at >= this.#text.length) break;
      if (this.#peek('[')) this.#header();
      else this.#statement();
    }
    return this.#out + this.#text.slice(this.#from);
  }

  /** `[dependencies.@acme/json]` */
  #header(): void {
    this.#at += this.#peek('[[') ? 2 : 1;
    this.#key();
    this.#line();
  }

  /** `key = value`, or `std.json` and nothing. */
  #statement(): void {
    const key = this.#key();
    if (key.isStd && this.#matches(endOfStatement)) return this.#write(` = "${BUNDLED}"`);
    this.#take(blanks);
    if (this.#peek('=')) {
      this.#at += 1;
      this.#value();
    }
    this.#line();
  }

  /** What stands where a key is expected. Anything else is left for the parser to refuse. */
  #key(): { readonly isStd: boolean } {
    let depth = 0;
    let isStd = false;
    for (;;) {
      this.#take(blanks);
      depth += 1;
      this.#count(depth);
      const start = this.#at;
      if (this.#peek('"') || this.#peek("'")) this.#string();
      else if (this.#matches(scopedKey)) this.#quoteKey();
      else this.#take(bareKey);
      if (depth === 1) isStd = this.#text.slice(start, this.#at) === 'std';
      this.#takeIf(blanks, '.');
      if (!this.#peek('.')) return { isStd: isStd && depth > 1 };
      this.#at += 1;
    }
  }

  #quoteKey(): void {
    this.#write('"');
    this.#take(scopedKey);
    this.#write('"');
  }

  /** One value, with all that is in it: no call for each level, an attacker would choose how many. */
  #value(): void {
    const open: ('list' | 'table')[] = [];
    const step = (): void => {
      if (open.length === 0) this.#take(blanks);
      else this.#takeLines();
    };
    step();
    while (this.#at < this.#text.length) {
      const sign = this.#text[this.#at] ?? '';
      if (sign === '"' || sign === "'") this.#string();
      else if (sign === '[' || sign === '{') {
        open.push(sign === '[' ? 'list' : 'table');
        this.#count(open.length);
        this.#at += 1;
        if (sign === '{') this.#keyInside();
      } else if (sign === ']' || sign === '}') {
        this.#at += 1;
        open.pop();
      } else if (sign === ',') {
        this.#at += 1;
        this.#count(open.length);
        if (open.at(-1) === 'table') this.#keyInside();
      } else this.#at += 1;
      if (open.length === 0 && (sign === '"' || sign === "'" || sign === ']' || sign === '}')) return;
      step();
      if (open.length === 0 && this.#isAtEndOfLine()) return;
    }
  }

  /** Of an inline table; its value follows. */
  #keyInside(): void {
    this.#takeLines();
    if (this.#peek('}') || this.#at >= this.#text.length) return;
    this.#key();
  }

  #string(): void {
    const sign = this.#text[this.#at] ?? '';
    const isLong = this.#peek(sign.repeat(3));
    const end = isLong ? sign.repeat(3) : sign;
    this.#at += end.length;
    while (this.#at < this.#text.length && !this.#peek(end)) {
      if (!isLong && this.#peek('\n')) return;
      this.#at += sign === '"' && this.#peek('\\') ? 2 : 1;
    }
    this.#at += end.length;
    // Up to two more belong to the text: `"""a""""`.
    if (isLong) for (let i = 0; i < 2 && this.#peek(sign); i += 1) this.#at += 1;
  }

  /** Whatever is left of the line. */
  #line(): void {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end === -1 ? this.#text.length : end;
  }

  #isAtEndOfLine(): boolean {
    return this.#peek('\n') || this.#peek('\r') || this.#peek('#');
  }

  #count(depth: number): void {
    this.#parts += 1;
    if (depth > MAX_DEPTH) throw badManifest(`the file is nested more than ${MAX_DEPTH} levels deep`);
    if (this.#parts > MAX_PARTS) throw badManifest(`the file has more than ${MAX_PARTS} keys and values`);
  }

  /** Puts a text in, where we are. */
  #write(text: string): void {
    this.#out += this.#text.slice(this.#from, this.#at) + text;
    this.#from = this.#at;
  }

  #peek(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  #matches(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text);
  }

  #take(pattern: RegExp): void {
    if (this.#matches(pattern)) this.#at = pattern.lastIndex;
  }

  /** Blanks, comments and ends of lines. */
  #takeLines(): void {
    for (;;) {
      const sign = this.#text[this.#at];
      if (sign === '#') this.#line();
      else if (sign === ' ' || sign === '\t' || sign === '\n' || sign === '\r') this.#at += 1;
      else return;
    }
  }

  /** Blanks before a dot belong to the key; before anything else they stay where they are. */
  #takeIf(pattern: RegExp, next: string): void {
    const before = this.#at;
    this.#take(pattern);
    if (!this.#peek(next)) this.#at = before;
  }
}
