/** Reads a tar archive member by member, as a stream: nothing is ever unpacked to disk. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { RegistryError } from '../core/errors.ts';
import { untilEnd } from './tar-end.ts';

export interface TarFile {
  readonly name: string;
  /** Of the content: what comes has to be as long. */
  readonly size: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** A tar archive of these files, in their order; nothing of when or by whom it was made. */
export async function* packTar(files: AsyncIterable<TarFile>): AsyncIterable<Uint8Array> {
  const pack = tar.pack();
  const written = writeInto(pack, files).catch((error: unknown) => pack.destroy(error as Error));
  try {
    for await (const piece of pack) yield piece as Uint8Array;
  } finally {
    pack.destroy();
    await written;
  }
}

const EPOCH = new Date(0);

async function writeInto(pack: tar.Pack, files: AsyncIterable<TarFile>): Promise<void> {
  for await (const { name, size, body } of files) {
    const entry = pack.entry({ name, size, mtime: EPOCH, mode: 0o644 });
    await pipeline(body, entry);
  }
  pack.finalize();
}

/** A member: its header, and its content as a stream. */
export type TarMember = tar.Extract extends AsyncIterable<infer E> ? E : never;

/**
 * Visits every member in order; what a visit leaves unread is skipped. Bytes after the end of the archive are refused.
 * `ownSize` is what the member's own header says, whatever a pax header before it says.
 * @throws RegistryError `invalid-archive` when it is no tar, and what `visit` or `archive` throws.
 */
export async function forEachMember(
  archive: AsyncIterable<Uint8Array>,
  visit: (member: TarMember, ownSize: number) => Promise<void>,
): Promise<void> {
  const members = tar.extract();
  const ownSizes: number[] = [];
  const source = Readable.from(untilEnd(archive, (size) => ownSizes.push(size)));
  source.on('error', (error) => members.destroy(error));
  source.pipe(members);
  try {
    for await (const member of members) {
      await visit(member, ownSizes.shift() ?? NaN);
      member.resume();
    }
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    throw new RegistryError('invalid-archive', `not a tar archive: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    source.destroy();
  }
}
