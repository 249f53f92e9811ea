/** gzip (RFC 1952) of one member. Some readers join what follows it, others see nothing of that: there must be nothing. */
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { badArchive } from './bad.ts';
import type { ByteReader } from './byte-reader.ts';
import { inflate } from './inflate.ts';

const TRAILER_BYTES = 8;
const flags = { checksum: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 };
/** Of a name or a comment. */
const MAX_TEXT_BYTES = 64 * 1024;

/** @throws RegistryError `invalid-archive` */
export async function* readGzip(reader: ByteReader): AsyncGenerator<Uint8Array> {
  await skipHeader(reader);
  let packedBytes = 0;
  let last = Buffer.alloc(0);
  const packed = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of reader.rest()) {
      packedBytes += piece.byteLength;
      last = Buffer.concat([last, piece.subarray(-TRAILER_BYTES)]).subarray(-TRAILER_BYTES);
      yield piece;
    }
  };
  const source = Readable.from(packed());
  let inflatedBytes = 0;
  let checksum = 0;
  let size = 0;
  try {
    for await (const piece of inflate(source, (taken) => (inflatedBytes = taken))) {
      checksum = crc32(piece, checksum);
      size += piece.byteLength;
      yield piece;
    }
    for await (const _rest of source) continue;
  } finally {
    source.destroy();
  }
  const trailerBytes = packedBytes - inflatedBytes;
  if (trailerBytes < TRAILER_BYTES) throw badArchive('the gzip file is cut off');
  if (trailerBytes > TRAILER_BYTES)
    throw badArchive(
      'the gzip file goes on after its first member, and not every reader reads further: pack it as one',
    );
  if (last.readUInt32LE(0) !== checksum || last.readUInt32LE(4) !== size % 2 ** 32)
    throw badArchive('the gzip file is damaged: its checksum is wrong');
}

async function skipHeader(reader: ByteReader): Promise<void> {
  const header = await reader.take(10);
  const set = header[3] ?? 0;
  if (header.byteLength < 10 || header[2] !== 8 || (set & flags.reserved) !== 0)
    throw badArchive('the gzip file begins with a header that is none');
  if ((set & flags.extra) !== 0) {
    const [low = 0, high = 0] = await reader.take(2);
    await reader.take(low + high * 256);
  }
  if ((set & flags.name) !== 0) await skipText(reader);
  if ((set & flags.comment) !== 0) await skipText(reader);
  if ((set & flags.checksum) !== 0) await reader.take(2);
}

async function skipText(reader: ByteReader): Promise<void> {
  const end = (await reader.peek(MAX_TEXT_BYTES)).indexOf(0);
  if (end < 0) throw badArchive('the gzip file has a name or a comment without end');
  await reader.take(end + 1);
}
