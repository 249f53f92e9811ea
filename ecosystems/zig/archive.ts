/**
 * Archives that Zig unpacks, as a stream of entries as Zig sees them (contract, section 3). What they are is told by
 * their first bytes, not by who sent them. Nothing is ever unpacked to disk.
 */
import type { ArchiveEntry } from './archive-entry.ts';
import { badArchive } from '../bad.ts';
import { ByteReader } from '../byte-reader.ts';
import { readGzip } from '../gzip.ts';
import { isTarHeader, readTar } from './tar.ts';
import { readXz } from './xz.ts';
import { readZip } from './zip.ts';
import { isSkippable, isZstdFrame, readZstd } from './zstd.ts';

const MAX_ENTRIES = 100_000;
/** Of all names together, which are kept in memory. */
const MAX_NAME_BYTES = 32 * 1024 ** 2;
const MAX_UNPACKED_BYTES = 4 * 1024 ** 3;
/** Text packs to a tenth and zeros to a thousandth: from here on an archive has to have something in it. */
const RATIO_COUNTS_FROM_BYTES = 64 * 1024 ** 2;
const MAX_RATIO = 200;
/** A zip is read from memory. */
const MAX_ZIP_BYTES = 64 * 1024 ** 2;

/** An upload as it is stored; each `open()` begins anew. */
export interface ZigArchive {
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

export type ArchiveType = 'tar' | 'tar.gz' | 'tar.xz' | 'tar.zst' | 'zip';

/** @throws RegistryError `invalid-archive` when Zig could not unpack the archive, or it unpacks to too much */
export async function* readEntries(archive: ZigArchive, type: ArchiveType): AsyncGenerator<ArchiveEntry> {
  const reader = new ByteReader(archive.open());
  const limits = new Limits(archive.size);
  try {
    let count = 0;
    let nameBytes = 0;
    for await (const entry of entriesOf(reader, type, limits)) {
      count += 1;
      nameBytes += Buffer.byteLength(entry.path) + Buffer.byteLength(entry.linkTarget);
      if (count > MAX_ENTRIES) throw badArchive(`the archive has more than ${MAX_ENTRIES} entries`);
      if (nameBytes > MAX_NAME_BYTES)
        throw badArchive(`the names in the archive have more than ${MAX_NAME_BYTES} bytes together`);
      yield entry;
    }
  } finally {
    await reader.close();
  }
}

/** @throws RegistryError `invalid-archive` when it is none that Zig can unpack */
export async function typeOfArchive(archive: ZigArchive): Promise<ArchiveType> {
  const reader = new ByteReader(archive.open());
  try {
    const start = await reader.peek(512);
    const hex = Buffer.from(start.subarray(0, 6)).toString('hex');
    if (hex.startsWith('1f8b')) return 'tar.gz';
    if (hex === 'fd377a585a00') return 'tar.xz';
    if (isZstdFrame(start) || isSkippable(start)) return 'tar.zst';
    if (hex.startsWith('504b0304') || hex.startsWith('504b0506')) return 'zip';
    if (isTarHeader(start)) return 'tar';
    throw badArchive('not an archive that Zig can unpack: send a .tar.gz (or .tar, .tar.xz, .tar.zst, .zip)');
  } finally {
    await reader.close();
  }
}

function entriesOf(reader: ByteReader, type: ArchiveType, limits: Limits): AsyncIterable<ArchiveEntry> {
  switch (type) {
    case 'tar':
      return readWholeTar(limits.pass(reader.rest()));
    case 'tar.gz':
      return readWholeTar(limits.pass(readGzip(reader)));
    case 'tar.xz':
      return readWholeTar(limits.pass(readXz(reader)));
    case 'tar.zst':
      return readWholeTar(limits.pass(readZstd(reader)));
    case 'zip':
      return readWholeZip(reader, limits);
  }
}

/** To the end of what it is packed in, where damage shows. */
async function* readWholeTar(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ArchiveEntry> {
  const reader = new ByteReader(bytes);
  try {
    yield* readTar(reader);
    for await (const _rest of reader.rest()) continue;
  } finally {
    await reader.close();
  }
}

async function* readWholeZip(reader: ByteReader, limits: Limits): AsyncGenerator<ArchiveEntry> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of reader.rest()) {
    size += piece.byteLength;
    if (size > MAX_ZIP_BYTES)
      throw badArchive(`the zip archive has more than ${MAX_ZIP_BYTES} bytes: send a .tar.gz`);
    pieces.push(piece);
  }
  for await (const entry of readZip(Buffer.concat(pieces, size))) {
    limits.count(entry.size);
    yield entry;
  }
}

/** What an archive may unpack to. */
class Limits {
  readonly #packedBytes: number;
  #unpackedBytes = 0;

  constructor(packedBytes: number) {
    this.#packedBytes = packedBytes;
  }

  async *pass(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      this.count(piece.byteLength);
      yield piece;
    }
  }

  count(bytes: number): void {
    this.#unpackedBytes += bytes;
    const size = this.#unpackedBytes;
    if (size > MAX_UNPACKED_BYTES)
      throw badArchive(`the archive unpacks to more than ${MAX_UNPACKED_BYTES} bytes`);
    if (size > RATIO_COUNTS_FROM_BYTES && size > this.#packedBytes * MAX_RATIO)
      throw badArchive(`the archive unpacks to more than ${MAX_RATIO} times its size`);
  }
}
