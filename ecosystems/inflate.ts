/** Undoes DEFLATE without a wrapper: gzip's and zip's are read by their own files, to know where it ends. */
import type { Readable } from 'node:stream';
import { createInflateRaw } from 'node:zlib';
import { RegistryError } from '../core/errors.ts';
import { badArchive } from './bad.ts';

/** Each piece is a turn of the thread pool. */
const PIECE_BYTES = 256 * 1024;

/**
 * `onEnd` is told how many bytes it took. What the source has more is left in it.
 * @throws RegistryError `invalid-archive`, and what the source throws
 */
export async function* inflate(
  source: Readable,
  onEnd: (packedBytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const unpacker = createInflateRaw({ chunkSize: PIECE_BYTES });
  source.on('error', (error) => unpacker.destroy(error));
  source.pipe(unpacker);
  try {
    for await (const piece of unpacker) yield piece as Uint8Array;
    onEnd(unpacker.bytesWritten);
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    throw badArchive(`the archive cannot be unpacked: ${(error as Error).message}`, error);
  } finally {
    source.unpipe(unpacker);
    unpacker.destroy();
  }
}
