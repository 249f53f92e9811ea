/** Bytes that come in pieces, read in the order in which they stand. */

/** The bytes end too early, or mean nothing that is known here. */
export class UnexpectedBytes extends Error {
  override readonly name = 'UnexpectedBytes';

  constructor(options?: ErrorOptions) {
    super('unexpected bytes', options);
  }
}

export class PieceReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#pieces = source[Symbol.asyncIterator]();
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const next = await this.#pieces.next();
      if (next.done === true) return true;
      this.#piece = next.value;
    }
    return false;
  }

  /** A copy. @throws UnexpectedBytes where fewer are left. */
  async take(length: number): Promise<Uint8Array> {
    const taken = new Uint8Array(length);
    await this.#walk(length, (part, at) => taken.set(part, at));
    return taken;
  }

  /** @throws UnexpectedBytes where fewer are left. */
  skip(length: number): Promise<void> {
    return this.#walk(length, () => undefined);
  }

  async byte(): Promise<number> {
    const [byte = 0] = await this.take(1);
    return byte;
  }

  /** LEB128, of 32 bits. @throws UnexpectedBytes */
  async number(): Promise<number> {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = await this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new UnexpectedBytes();
  }

  /** Whoever reads no further says so: the source may hold a file open. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #walk(length: number, visit: (part: Uint8Array, at: number) => void): Promise<void> {
    for (let at = 0; at < length;) {
      if (await this.isAtEnd()) throw new UnexpectedBytes();
      const part = this.#piece.subarray(0, length - at);
      visit(part, at);
      at += part.length;
      this.#piece = this.#piece.subarray(part.length);
    }
  }
}
