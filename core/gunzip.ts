import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { RegistryError } from './errors.ts';

/**
 * Unpacks gzip piece by piece (RFC 1952). `source` is left where the archive ended: who wants the rest reads on.
 * @throws RegistryError what the source throws; `notGzip` says what else goes wrong.
 */
export async function* gunzip(
  source: Readable,
  notGzip: (error: Error) => RegistryError,
): AsyncIterable<Uint8Array> {
  const unpacker = createGunzip();
  source.on('error', (error) => unpacker.destroy(error));
  source.pipe(unpacker);
  try {
    for await (const piece of unpacker) yield piece as Uint8Array;
  } catch (error) {
    throw error instanceof RegistryError ? error : notGzip(error as Error);
  } finally {
    unpacker.destroy();
  }
}
