/**
 * xz as Zig reads it (the .xz file format, 1.2; std.compress.xz): one stream, of blocks of LZMA2 and nothing else. The
 * container is walked while its bytes go to the unpacker, which would go on to a second stream, and Zig would not.
 */
import { Readable } from 'node:stream';
import xz from 'xz-decompress';
import { RegistryError } from '../../core/errors.ts';
import { badArchive } from '../bad.ts';
import type { ByteReader } from '../byte-reader.ts';

const HEADER_BYTES = 12;
const FOOTER_BYTES = 12;
/** Check to its bytes. The unpacker knows no other, and xz writes CRC-64 unless told otherwise. */
const checkBytes: ReadonlyMap<number, number> = new Map([
  [0, 0],
  [1, 4],
  [4, 8],
]);
const LZMA2 = 0x21;
/** LZMA2's code for 64 MiB: what `xz -9` asks for, and all that the unpacker has room for. */
const MAX_DICTIONARY_CODE = 28;
const PIECE_BYTES = 64 * 1024;

/** @throws RegistryError `invalid-archive` */
export async function* readXz(reader: ByteReader): AsyncGenerator<Uint8Array> {
  // One at a time in this process: the unpacker's memory is shared. A reader who leaves gives it back.
  const unpacker = new xz.XzReadableStream(
    Readable.toWeb(Readable.from(gather(walk(reader)))) as ReadableStream<Uint8Array>,
  );
  try {
    for await (const piece of unpacker) if (piece.byteLength > 0) yield piece;
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    throw badArchive(`the xz file is damaged (${(error as Error).message})`, error);
  }
}

/** A chunk of LZMA2 may be as short as a byte, and each piece passes through two streams. */
async function* gather(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let gathered: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    gathered.push(piece);
    size += piece.byteLength;
    if (size < PIECE_BYTES) continue;
    yield Buffer.concat(gathered);
    gathered = [];
    size = 0;
  }
  yield Buffer.concat(gathered);
}

/** Passes the file on as it is. */
async function* walk(reader: ByteReader): AsyncGenerator<Uint8Array> {
  const header = await take(reader, HEADER_BYTES);
  const sizeOfCheck = checkBytes.get(header[7] ?? 0);
  if (sizeOfCheck === undefined)
    throw badArchive('the xz file has checks other than CRC-32 and CRC-64: pack it without --check');
  yield header;
  while ((await reader.peek(1))[0] !== 0) {
    const blockHeader = await take(reader, ((await reader.peek(1))[0] ?? 0) * 4 + 4);
    checkBlockHeader(blockHeader);
    yield blockHeader;
    const packedBytes = yield* walkChunks(reader);
    yield take(reader, ((4 - (packedBytes % 4)) % 4) + sizeOfCheck);
  }
  yield* walkIndex(reader);
  yield take(reader, FOOTER_BYTES);
  if ((await reader.peek(1)).byteLength > 0)
    throw badArchive('the xz file goes on after its first stream, and Zig reads no further: pack it as one');
}

/** Zig takes LZMA2 alone: no filters for machine code before it. */
function checkBlockHeader(header: Uint8Array): void {
  const flags = header[1] ?? 0;
  let at = 2;
  for (const isThere of [flags & 0x40, flags & 0x80]) if (isThere) at = afterNumber(header, at);
  if ((flags & 0x3f) !== 0 || header[at] !== LZMA2 || header[at + 1] !== 1)
    throw badArchive('the xz file uses filters other than LZMA2: Zig cannot unpack it');
  if ((header[at + 2] ?? Infinity) > MAX_DICTIONARY_CODE)
    throw badArchive('the xz file asks for a dictionary of more than 64 MiB: pack it with xz -9 or less');
}

/** Returns how many bytes the chunks of a block take. */
async function* walkChunks(reader: ByteReader): AsyncGenerator<Uint8Array, number> {
  let size = 0;
  for (;;) {
    const control = (await reader.peek(1))[0];
    const isPacked = (control ?? 0) >= 0x80;
    const headerBytes = control === 0 ? 1 : isPacked ? ((control ?? 0) >= 0xc0 ? 6 : 5) : 3;
    const header = await take(reader, headerBytes);
    yield header;
    size += headerBytes;
    if (control === 0) return size;
    const sizeAt = isPacked ? 3 : 1;
    let left = (header[sizeAt] ?? 0) * 256 + (header[sizeAt + 1] ?? 0) + 1;
    size += left;
    while (left > 0) {
      const piece = await reader.takeSome(Math.min(left, PIECE_BYTES));
      if (!piece) throw cutOff();
      left -= piece.byteLength;
      yield piece;
    }
  }
}

async function* walkIndex(reader: ByteReader): AsyncGenerator<Uint8Array> {
  const start = await take(reader, 1);
  yield start;
  let size = 1;
  let records = 1;
  for (let index = 0; index < records * 2 - 1; index += 1) {
    const bytes = await take(reader, afterNumber(await reader.peek(9), 0));
    size += bytes.byteLength;
    yield bytes;
    // The first says how many pairs follow.
    if (index === 0) records = valueOf(bytes) + 1;
  }
  yield take(reader, ((4 - (size % 4)) % 4) + 4);
}

/** Where the number that begins at `at` ends: seven bits a byte, the last has no eighth. */
function afterNumber(bytes: Uint8Array, at: number): number {
  for (let end = at; end < Math.min(bytes.byteLength, at + 9); end += 1)
    if ((bytes[end] ?? 0) < 0x80) return end + 1;
  throw badArchive('the xz file has a number that does not end');
}

function valueOf(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 128 + (byte & 0x7f), 0);
}

async function take(reader: ByteReader, size: number): Promise<Uint8Array> {
  const bytes = await reader.take(size);
  if (bytes.byteLength < size) throw cutOff();
  return bytes;
}

function cutOff(): Error {
  return badArchive('the xz file is cut off');
}
