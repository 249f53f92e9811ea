/**
 * Zstandard (RFC 8878) as Zig reads it: any number of frames, no dictionaries, a window of 8 MiB. Frames and blocks are
 * walked here, so that the unpacker gets a block at a time and no frame may ask it for more memory than Zig has.
 */
import { Decompress } from 'fzstd';
import xxhash, { type XXHash } from 'xxhash-wasm';
import { badArchive } from '../bad.ts';
import type { ByteReader } from '../byte-reader.ts';

const MAGIC = Buffer.from('28b52ffd', 'hex');
/** After a first byte of 50 to 5f. */
const SKIPPABLE = Buffer.from('2a4d18', 'hex');
const CHECKSUM_FLAG = 4;
const MAX_WINDOW_BYTES = 8 * 1024 ** 2;
const MAX_BLOCK_BYTES = 128 * 1024;
/**
 * The unpacker moves its window once a block. Without the bounds, a file of blocks of one byte holds a processor for
 * hours. The second lets blocks be as short as 8 KiB with the largest window; packers make them of 128.
 */
const FREE_MOVED_BYTES = 4 * 1024 ** 3;
const MOVED_BYTES_PER_BYTE = 1024;
const MAX_MOVED_BYTES = 256 * 1024 ** 3;
const SKIPPED_AT_ONCE = 64 * 1024;

/** @throws RegistryError `invalid-archive` */
export async function* readZstd(reader: ByteReader): AsyncGenerator<Uint8Array> {
  const { create64 } = await xxhash();
  const effort: Effort = { movedBytes: 0, unpackedBytes: 0 };
  for (;;) {
    const magic = await reader.take(4);
    if (magic.byteLength === 0) return;
    if (isSkippable(magic)) await skipFrame(reader);
    else if (isZstdFrame(magic)) yield* readFrame(reader, create64(), effort);
    else throw badArchive('the zstd file goes on after its end');
  }
}

export function isZstdFrame(magic: Uint8Array): boolean {
  return MAGIC.equals(magic.subarray(0, 4));
}

export function isSkippable(magic: Uint8Array): boolean {
  return ((magic[0] ?? 0) & 0xf0) === 0x50 && SKIPPABLE.equals(magic.subarray(1, 4));
}

async function skipFrame(reader: ByteReader): Promise<void> {
  let left = Buffer.from(await take(reader, 4)).readUInt32LE();
  while (left > 0) {
    const skipped = await reader.takeSome(Math.min(left, SKIPPED_AT_ONCE));
    if (!skipped) throw cutOff();
    left -= skipped.byteLength;
  }
}

async function* readFrame(
  reader: ByteReader,
  checksum: XXHash<bigint>,
  effort: Effort,
): AsyncGenerator<Uint8Array> {
  const { header, windowBytes, contentBytes, hasChecksum } = await readFrameHeader(reader);
  // The unpacker makes itself a new window for each.
  effort.movedBytes += windowBytes;
  refuseTooMuch(effort);
  const unpacked: Uint8Array[] = [];
  const unpacker = new Decompress((piece) => unpacked.push(piece));
  unpacker.push(Buffer.concat([MAGIC, withoutChecksum(header)]));
  let size = 0;
  for (let isLast = false; !isLast;) {
    const block = await readBlock(reader, Math.min(windowBytes, MAX_BLOCK_BYTES));
    isLast = ((block[0] ?? 0) & 1) === 1;
    effort.movedBytes += windowBytes;
    refuseTooMuch(effort);
    push(unpacker, block, isLast);
    for (const piece of unpacked.splice(0)) {
      size += piece.byteLength;
      effort.unpackedBytes += piece.byteLength;
      if (piece.byteLength > MAX_BLOCK_BYTES) throw damaged();
      checksum.update(piece);
      yield piece;
    }
  }
  if (contentBytes !== undefined && size !== contentBytes) throw damaged();
  if (hasChecksum) {
    const stored = Buffer.from(await take(reader, 4)).readUInt32LE();
    if (stored !== Number(checksum.digest() & 0xffffffffn)) throw damaged();
  }
}

interface Effort {
  movedBytes: number;
  unpackedBytes: number;
}

function refuseTooMuch({ movedBytes, unpackedBytes }: Effort): void {
  const allowed = Math.min(FREE_MOVED_BYTES + unpackedBytes * MOVED_BYTES_PER_BYTE, MAX_MOVED_BYTES);
  if (movedBytes > allowed) throw badArchive('the zstd file is in too many small blocks: pack it anew');
}

/** We check it, the unpacker would wait for it. */
function withoutChecksum(header: Uint8Array): Uint8Array {
  return Uint8Array.from(header, (byte, index) => (index === 0 ? byte & ~CHECKSUM_FLAG : byte));
}

interface FrameHeader {
  /** Without the magic number. */
  readonly header: Uint8Array;
  readonly windowBytes: number;
  readonly contentBytes: number | undefined;
  readonly hasChecksum: boolean;
}

async function readFrameHeader(reader: ByteReader): Promise<FrameHeader> {
  const descriptor = (await reader.peek(1))[0] ?? 0;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  if ((descriptor & 3) !== 0) throw badArchive('the zstd file needs a dictionary: Zig cannot unpack it');
  const sizeCode = descriptor >> 6;
  const sizeBytes = sizeCode === 0 ? (isSingleSegment ? 1 : 0) : 2 ** sizeCode;
  const sizeAt = isSingleSegment ? 1 : 2;
  const header = Buffer.from(await take(reader, sizeAt + sizeBytes));
  const contentBytes = sizeBytes === 0 ? undefined : contentSize(header.subarray(sizeAt));
  const windowBytes = isSingleSegment ? (contentBytes ?? 0) : windowOf(header[1] ?? 0);
  if (windowBytes > MAX_WINDOW_BYTES)
    throw badArchive(
      'the zstd file has a window of more than 8 MiB, as Zig has: pack it with zstd -19 or less',
    );
  return { header, windowBytes, contentBytes, hasChecksum: (descriptor & CHECKSUM_FLAG) !== 0 };
}

function contentSize(field: Buffer): number {
  if (field.byteLength === 8) return Number(field.readBigUInt64LE());
  // Two bytes begin where one ends.
  return field.readUIntLE(0, field.byteLength) + (field.byteLength === 2 ? 256 : 0);
}

function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** A block with its header. */
async function readBlock(reader: ByteReader, maxBytes: number): Promise<Uint8Array> {
  const [first = 0, second = 0, third = 0] = await reader.peek(3);
  const size = (first >> 3) | (second << 5) | (third << 13);
  if (size > maxBytes) throw damaged();
  // A block of one byte over and over has that byte alone.
  const isRepeated = ((first >> 1) & 3) === 1;
  return take(reader, 3 + (isRepeated ? 1 : size));
}

function push(unpacker: Decompress, block: Uint8Array, isLast: boolean): void {
  try {
    unpacker.push(block, isLast);
  } catch (error) {
    throw badArchive(`the zstd file is damaged (${(error as Error).message})`, error);
  }
}

async function take(reader: ByteReader, size: number): Promise<Uint8Array> {
  const bytes = await reader.take(size);
  if (bytes.byteLength < size) throw cutOff();
  return bytes;
}

function damaged(): Error {
  return badArchive('the zstd file is damaged');
}

function cutOff(): Error {
  return badArchive('the zstd file is cut off');
}
