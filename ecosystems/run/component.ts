/**
 * What a WebAssembly binary says of itself: whether it is a component, and which names it imports and exports. Only the sections
 * with those names are read; nothing is refused for what stands in them (contract, sections 3 and 9).
 * https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md
 */
import { PieceReader, UnexpectedBytes } from './piece-reader.ts';

export type Wasm =
  | { readonly kind: 'module' }
  | { readonly kind: 'component'; readonly imports: readonly string[]; readonly exports: readonly string[] };

const preambles = { '0061736d01000000': 'module', '0061736d0d000100': 'component' } as const;
const [IMPORTS, EXPORTS] = [10, 11];
/** Of one section with names. Real ones have some kilobytes; what is longer is not worth its memory. */
const MAX_SECTION_BYTES = 1024 * 1024;

/** Undefined for what begins neither as a module nor as a component. */
export async function readWasm(source: AsyncIterable<Uint8Array>): Promise<Wasm | undefined> {
  const pieces = new PieceReader(source);
  try {
    const kind = await readPreamble(pieces);
    return kind === 'component' ? { kind, ...(await readNames(pieces)) } : kind && { kind };
  } finally {
    await pieces.close();
  }
}

async function readPreamble(pieces: PieceReader): Promise<Wasm['kind'] | undefined> {
  const first = await pieces.take(8).catch((error: unknown) => {
    if (error instanceof UnexpectedBytes) return undefined;
    throw error;
  });
  const hex = first && Buffer.from(first).toString('hex');
  return Object.entries(preambles).find(([bytes]) => bytes === hex)?.[1];
}

interface Names {
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

async function readNames(pieces: PieceReader): Promise<Names> {
  const [imports, exports]: [string[], string[]] = [[], []];
  try {
    while (!(await pieces.isAtEnd())) {
      const id = await pieces.byte();
      const length = await pieces.number();
      if (id !== IMPORTS && id !== EXPORTS) {
        await pieces.skip(length);
        continue;
      }
      if (length > MAX_SECTION_BYTES) throw new UnexpectedBytes();
      const section = new Section(await pieces.take(length));
      if (id === IMPORTS) imports.push(...section.imports());
      else exports.push(...section.exports());
    }
  } catch (error) {
    // Half of the names would be worse than none. What is not understood may be of a newer kind.
    if (error instanceof UnexpectedBytes) return { imports: [], exports: [] };
    throw error;
  }
  return { imports, exports };
}

/** The body of one section. Throws `UnexpectedBytes`. */
class Section {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  imports(): readonly string[] {
    return this.#list(() => {
      const name = this.#name();
      this.#externType();
      return name;
    });
  }

  exports(): readonly string[] {
    return this.#list(() => {
      const name = this.#name();
      // Which thing of which sort it is; core ones have a sort of their own.
      if (this.#byte() === 0) this.#byte();
      this.#number();
      if (this.#byteOf(0, 1) === 1) this.#externType();
      return name;
    });
  }

  #list(readOne: () => string): readonly string[] {
    const names: string[] = [];
    for (let left = this.#number(); left > 0; left -= 1) names.push(readOne());
    if (this.#at !== this.#bytes.length) throw new UnexpectedBytes();
    return names;
  }

  #name(): string {
    const form = this.#byteOf(0, 2);
    const name = this.#text();
    if (form === 2)
      for (let left = this.#number(); left > 0; left -= 1) {
        this.#byte();
        this.#text();
      }
    return name;
  }

  #externType(): void {
    switch (this.#byteOf(0, 5)) {
      case 0:
        if (this.#byte() !== 0x11) throw new UnexpectedBytes();
        break;
      case 2:
        this.#byteOf(0, 1);
        break;
      case 3:
        // A resource that nothing more is known of.
        if (this.#byteOf(0, 1) === 1) return;
        break;
    }
    // Of a type, or one that is a single byte below 0x80.
    this.#number();
  }

  #text(): string {
    const length = this.#number();
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    if (bytes.length < length) throw new UnexpectedBytes();
    this.#at += length;
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (error) {
      throw new UnexpectedBytes({ cause: error });
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new UnexpectedBytes();
    this.#at += 1;
    return byte;
  }

  #byteOf(least: number, most: number): number {
    const byte = this.#byte();
    if (byte < least || byte > most) throw new UnexpectedBytes();
    return byte;
  }

  /** LEB128, of 32 bits. */
  #number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new UnexpectedBytes();
  }
}
