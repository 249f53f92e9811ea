/** Long streams of bytes, from a client to a file and from a file to a hash: bounded in memory, and in few steps. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, write as writeCallback } from 'node:fs';
import { promisify } from 'node:util';
import type { DigestAlgorithm } from '../core/digest.ts';

const write = promisify(writeCallback);

/** Written at once: a client's pieces are small, and each write is a trip to the thread pool. */
const BATCH_BYTES = 1024 * 1024;
/** A client may send single bytes: then the pieces weigh more than what is in them. */
const BATCH_PIECES = 1024;

export interface Pour {
  readonly file: number;
  /** Where in the file the bytes begin. */
  readonly position: number;
  readonly maxBytes: number;
  /** Told of every byte that is written. */
  readonly hash: Hash | undefined;
}

export interface Poured {
  /** How many bytes are in the file now, not synced. */
  readonly size: number;
  /** The source had more than `maxBytes`. */
  readonly isTooLong: boolean;
  /** What the source failed with, before its end. */
  readonly failure: { readonly cause: unknown } | undefined;
}

/** Writes what a source gives. It throws what the disk does; what the source does is told. */
export async function pour(
  source: AsyncIterable<Uint8Array>,
  { file, position, maxBytes, hash }: Pour,
): Promise<Poured> {
  const batches = new Batches(file, position, hash);
  let size = 0;
  let isTooLong = false;
  let failure: Poured['failure'];
  for await (const piece of untilItFails(source, (cause) => (failure = { cause }))) {
    isTooLong = size + piece.byteLength > maxBytes;
    if (isTooLong) break;
    size += piece.byteLength;
    await batches.add(piece);
  }
  await batches.end();
  return { size, isTooLong, failure };
}

async function* untilItFails(
  source: AsyncIterable<Uint8Array>,
  onFailure: (cause: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    onFailure(error);
  }
}

class Batches {
  readonly #file: number;
  readonly #hash: Hash | undefined;
  #position: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(file: number, position: number, hash: Hash | undefined) {
    this.#file = file;
    this.#position = position;
    this.#hash = hash;
  }

  async add(piece: Uint8Array): Promise<void> {
    this.#pieces.push(piece);
    this.#bytes += piece.byteLength;
    if (this.#bytes >= BATCH_BYTES || this.#pieces.length >= BATCH_PIECES) await this.#flush();
  }

  async end(): Promise<void> {
    await this.#flush();
    await this.#writing;
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#bytes = 0;
    // One write at a time: where the disk is behind, the client waits.
    await this.#writing;
    this.#writing = writeChunk(this.#file, bytes, this.#position);
    // Whoever waits for it gets the error; it must not end the process before.
    this.#writing.catch(() => undefined);
    this.#position += bytes.byteLength;
    // Meanwhile the disk writes.
    this.#hash?.update(bytes);
  }
}

/** Uploads may be large, and a disk that is behind makes writers wait: not this thread. At the file's own position unless told. */
export async function writeChunk(file: number, chunk: Uint8Array, position?: number): Promise<void> {
  for (let done = 0; done < chunk.byteLength;) {
    const at = position === undefined ? null : position + done;
    const { bytesWritten } = await write(file, chunk, done, chunk.byteLength - done, at);
    done += bytesWritten;
  }
}

/** The hash of all that is in a file, in hex. */
export async function hashOfFile(path: string, algorithm: DigestAlgorithm): Promise<string> {
  const hash = createHash(algorithm);
  for await (const piece of createReadStream(path, { highWaterMark: BATCH_BYTES }))
    hash.update(piece as Buffer);
  return hash.digest('hex');
}
