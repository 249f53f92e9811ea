/**
 * Reads zip as Zig does (std.zip of 0.16, contract, section 3): entries of the central directory, stored or deflated, and
 * nothing but files and folders. What Zig takes on trust, such as checksums, is checked: others would refuse the archive.
 */
import { Readable } from 'node:stream';
import { crc32, inflateRawSync } from 'node:zlib';
import { fromBufferPromise, type Entry, type LocalFileHeader } from 'yauzl';
import { RegistryError } from '../../core/errors.ts';
import { quote } from '../quote.ts';
import type { ArchiveEntry } from './archive-entry.ts';
import { badArchive } from '../bad.ts';
import { cleanName, decodeName } from './entry-names.ts';
import { inflate } from '../inflate.ts';

const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 1;
const ZIP64 = 1;
const IN_ZIP64 = 0xffffffff;
const MADE_ON_UNIX = 3;
/** Up to here a stream would cost more than the memory it saves. */
const MAX_AT_ONCE_BYTES = 256 * 1024;

/** The archive is held in memory: its directory is at its end. @throws RegistryError `invalid-archive` */
export async function* readZip(archive: Buffer): AsyncGenerator<ArchiveEntry> {
  try {
    const zip = await fromBufferPromise(archive, { lazyEntries: true, decodeStrings: false });
    for await (const entry of zip.eachEntry())
      yield readEntry(archive, entry, await zip.readLocalFileHeaderPromise(entry));
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    throw badArchive(`not a zip archive that can be read: ${(error as Error).message}`, error);
  }
}

function readEntry(archive: Buffer, entry: Entry, header: LocalFileHeader): ArchiveEntry {
  const name = decodeName(entry.fileNameRaw);
  const path = cleanName(name);
  const isDirectory = name.endsWith('/');
  checkEntry(name, path, entry, header);
  if (isDirectory && entry.uncompressedSize > 0)
    throw badArchive(`${quote(name)} is a folder with bytes of its own`);
  const packed = archive.subarray(header.fileDataStart, header.fileDataStart + entry.compressedSize);
  return {
    path,
    kind: isDirectory ? 'directory' : 'file',
    linkTarget: '',
    size: entry.uncompressedSize,
    typeName: isLink(entry) ? 'symbolic link' : isDirectory ? 'folder' : 'file',
    content: () => checked(name, entry, unpack(name, entry, packed)),
  };
}

function checkEntry(name: string, path: string, entry: Entry, header: LocalFileHeader): void {
  // Zig takes them as they are and finds no root folder then.
  if (path !== name.replace(/\/$/, '')) throw badArchive(`${quote(name)} is not a clean relative path`);
  if ((entry.generalPurposeBitFlag & ENCRYPTED) !== 0) throw badArchive(`${quote(name)} is encrypted`);
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED)
    throw badArchive(
      `${quote(name)} is packed by method ${entry.compressionMethod}: Zig knows deflate alone`,
    );
  const sizes = sizesOf(header);
  // Zig refuses these. A size or checksum of 0 is written by who did not know it yet.
  const agrees =
    header.fileName.equals(entry.fileNameRaw) &&
    header.versionNeededToExtract === entry.versionNeededToExtract &&
    header.generalPurposeBitFlag === entry.generalPurposeBitFlag &&
    header.compressionMethod === entry.compressionMethod &&
    header.lastModFileTime === entry.lastModFileTime &&
    header.lastModFileDate === entry.lastModFileDate &&
    (header.crc32 === 0 || header.crc32 === entry.crc32) &&
    (sizes.packed === 0 || sizes.packed === entry.compressedSize) &&
    (sizes.unpacked === 0 || sizes.unpacked === entry.uncompressedSize);
  if (!agrees)
    throw badArchive(`${quote(name)} is one thing in the zip's directory, and another where it lies`);
}

function sizesOf(header: LocalFileHeader): { packed: number; unpacked: number } {
  const wide = wideSizes(header.extraField);
  const unpacked = header.uncompressedSize === IN_ZIP64 ? wide.shift() : header.uncompressedSize;
  const packed = header.compressedSize === IN_ZIP64 ? wide.shift() : header.compressedSize;
  return { packed: packed ?? NaN, unpacked: unpacked ?? NaN };
}

/** The numbers of the field that zip has for large files, and writers to pipes use for all. */
function wideSizes(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== ZIP64) continue;
    const field = extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2));
    const count = Math.min(2, Math.floor(field.byteLength / 8));
    return Array.from({ length: count }, (_, index) => Number(field.readBigUInt64LE(index * 8)));
  }
  return [];
}

/** Zig makes a file of it, whose content is the target. */
function isLink(entry: Entry): boolean {
  return (
    entry.versionMadeBy >> 8 === MADE_ON_UNIX && ((entry.externalFileAttributes >>> 16) & 0xf000) === 0xa000
  );
}

async function* unpack(name: string, entry: Entry, packed: Buffer): AsyncGenerator<Uint8Array> {
  let taken = 0;
  if (entry.compressionMethod === STORED) {
    taken = packed.byteLength;
    yield packed;
  } else if (entry.uncompressedSize <= MAX_AT_ONCE_BYTES) {
    const { buffer, engine } = inflateAtOnce(name, packed, entry.uncompressedSize);
    taken = engine.bytesWritten;
    yield buffer;
  } else {
    const source = Readable.from([packed]);
    yield* inflate(source, (bytes) => (taken = bytes));
  }
  if (taken !== entry.compressedSize)
    throw badArchive(`${quote(name)} is packed in fewer bytes than the zip says`);
}

interface Inflated {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

function inflateAtOnce(name: string, packed: Buffer, size: number): Inflated {
  try {
    // With `info` the answer has the engine too, which the types do not know.
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, size), info: true }) as unknown as Inflated;
  } catch (error) {
    throw badArchive(`${quote(name)} cannot be unpacked: ${(error as Error).message}`, error);
  }
}

async function* checked(
  name: string,
  entry: Entry,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let checksum = 0;
  let size = 0;
  for await (const piece of content) {
    size += piece.byteLength;
    if (size > entry.uncompressedSize) break;
    checksum = crc32(piece, checksum);
    yield piece;
  }
  if (size !== entry.uncompressedSize)
    throw badArchive(`${quote(name)} unpacks to more or fewer bytes than the zip says`);
  if (checksum !== entry.crc32) throw badArchive(`${quote(name)} is damaged: its checksum is wrong`);
}
