/** Reads bytes that arrive in pieces of any size as a format's fields need them. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next `size` bytes, which stay where they are; fewer at the end. For small fields: they are joined in memory. */
  async peek(size: number): Promise<Uint8Array> {
    while (this.#piece.byteLength - this.#at < size) {
      const next = await this.#source.next();
      if (next.done === true) break;
      this.#piece = join(this.#piece.subarray(this.#at), next.value);
      this.#at = 0;
    }
    return this.#piece.subarray(this.#at, this.#at + size);
  }

  /** The next `size` bytes; fewer at the end. */
  async take(size: number): Promise<Uint8Array> {
    const bytes = await this.peek(size);
    this.#at += bytes.byteLength;
    return bytes;
  }

  /** At least one and at most `size` bytes, as they arrived; `undefined` at the end. */
  async takeSome(size: number): Promise<Uint8Array | undefined> {
    while (this.#at === this.#piece.byteLength) {
      const next = await this.#source.next();
      if (next.done === true) return undefined;
      this.#piece = next.value;
      this.#at = 0;
    }
    const bytes = this.#piece.subarray(this.#at, this.#at + size);
    this.#at += bytes.byteLength;
    return bytes;
  }

  /** All that is left. */
  async *rest(): AsyncGenerator<Uint8Array> {
    for (let bytes = await this.takeSome(Infinity); bytes; bytes = await this.takeSome(Infinity)) yield bytes;
  }

  /** Lets go of the source, wherever it is. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  return first.byteLength === 0 ? second : Buffer.concat([first, second]);
}
