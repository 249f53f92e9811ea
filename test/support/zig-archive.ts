/**
 * Composes packages of Zig as archives of every type (contract of Zig, sections 3 and 7), and wrong ones. xz and zstd
 * are composed without a packer: both have blocks that hold their bytes as they are.
 */
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import type { ArchiveType, ZigArchive } from '../../ecosystems/zig/archive.ts';

export interface Packed {
  readonly path: string | Buffer;
  readonly content?: string | Buffer;
  /** tar's type flag; `0` is a regular file, `2` a symbolic link, `5` a folder. */
  readonly type?: string;
  readonly linkTarget?: string;
  readonly mode?: number;
  /** Records of a pax header before the entry. */
  readonly pax?: Readonly<Record<string, string | Buffer>>;
  /** What the header says; the content's length otherwise. */
  readonly size?: number;
  /** Changes the header's bytes, before their checksum. */
  readonly tamper?: (header: Buffer) => void;
}

/** The contract's template (section 7.1): `id` as eight hexadecimal digits. */
export function demoManifest(version: string, id: string, paths: readonly string[]): string {
  const listed = paths.map((path) => JSON.stringify(path)).join(', ');
  return `.{
    .name = .demo,
    .version = "${version}",
    .fingerprint = 0xd642dfa0${id},
    .paths = .{ ${listed} },
}
`;
}

export const file = (path: string | Buffer, content: string | Buffer = '', mode = 0o644): Packed => ({
  path,
  content,
  mode,
});
export const link = (path: string, linkTarget: string): Packed => ({ path, linkTarget, type: '2' });
export const folder = (path: string): Packed => ({ path: `${path}/`, type: '5', mode: 0o755 });

/** An archive to be read, in pieces of so many bytes. */
export function archiveOf(bytes: Buffer, pieceBytes = 64 * 1024): ZigArchive {
  return {
    size: bytes.byteLength,
    open: async function* () {
      for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
    },
  };
}

export const archiveTypes: readonly ArchiveType[] = ['tar', 'tar.gz', 'tar.xz', 'tar.zst', 'zip'];

export function packAs(type: ArchiveType, entries: readonly Packed[]): Buffer {
  switch (type) {
    case 'tar':
      return packTar(entries);
    case 'tar.gz':
      return gzipSync(packTar(entries));
    case 'tar.xz':
      return storeXz(packTar(entries));
    case 'tar.zst':
      return storeZstd(packTar(entries));
    case 'zip':
      return packZip(entries);
  }
}

/** Long names as GNU tar writes them, or in pax headers. */
export function packTar(entries: readonly Packed[], longNames: 'gnu' | 'pax' = 'gnu'): Buffer {
  return Buffer.concat([...entries.flatMap((entry) => tarEntry(entry, longNames)), Buffer.alloc(1024)]);
}

export function tarEntry(entry: Packed, longNames: 'gnu' | 'pax' = 'gnu'): Buffer[] {
  const path = Buffer.from(entry.path);
  const target = Buffer.from(entry.linkTarget ?? '');
  const before: Buffer[] = [];
  const pax: Record<string, string | Buffer> = { ...entry.pax };
  if (path.byteLength > 100 && longNames === 'gnu') before.push(...gnuExtension('L', path));
  else if (path.byteLength > 100) pax['path'] ??= path;
  if (target.byteLength > 100 && longNames === 'gnu') before.push(...gnuExtension('K', target));
  else if (target.byteLength > 100) pax['linkpath'] ??= target;
  if (Object.keys(pax).length > 0) before.push(...paxHeader('x', pax));
  const content = Buffer.from(entry.content ?? '');
  return [...before, tarHeader(entry, path, target, entry.size ?? content.byteLength), padded(content)];
}

export function paxHeader(type: 'x' | 'g', records: Readonly<Record<string, string | Buffer>>): Buffer[] {
  const content = Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value)));
  return [
    tarHeader({ path: '', type }, Buffer.from('pax_header'), Buffer.alloc(0), content.length),
    padded(content),
  ];
}

export function gnuExtension(type: 'L' | 'K', text: Buffer): Buffer[] {
  const content = Buffer.concat([text, Buffer.alloc(1)]);
  return [
    tarHeader({ path: '', type }, Buffer.from('././@LongLink'), Buffer.alloc(0), content.length),
    padded(content),
  ];
}

function paxRecord(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = rest.byteLength;
  while (length < rest.byteLength + String(length).length) length += 1;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function tarHeader(entry: Packed, path: Buffer, target: Buffer, size: number): Buffer {
  const header = Buffer.alloc(512);
  header.set(path.subarray(0, 100), 0);
  header.write(`${(entry.mode ?? 0o644).toString(8).padStart(7, '0')}\0`, 100);
  header.write(`0000000\0`.repeat(2), 108);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write(`00000000000\0`, 136);
  header.write(entry.type ?? '0', 156, 'latin1');
  header.set(target.subarray(0, 100), 157);
  header.write('ustar\x0000', 257, 'latin1');
  entry.tamper?.(header);
  return withChecksum(header);
}

export function withChecksum(header: Buffer): Buffer {
  header.write('        ', 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((512 - (content.byteLength % 512)) % 512)]);
}

export interface XzOptions {
  /** 1 is CRC-32, which is computed; of others the bytes are zeros. */
  readonly check?: { readonly id: number; readonly bytes: number };
  readonly filter?: number;
  readonly dictionaryCode?: number;
  readonly blockBytes?: number;
}

/** The .xz file format, with LZMA2's chunks of bytes as they are. */
export function storeXz(content: Buffer, options: XzOptions = {}): Buffer {
  const check = options.check ?? { id: 1, bytes: 4 };
  const flags = Buffer.of(0, check.id);
  const blocks: Buffer[] = [];
  const records: number[] = [];
  for (const piece of pieces(content, options.blockBytes ?? Infinity)) {
    const header = Buffer.of(2, 0, options.filter ?? 0x21, 1, options.dictionaryCode ?? 28, 0, 0, 0);
    const chunks = pieces(piece, 65536).map((chunk) =>
      Buffer.concat([Buffer.of(1, (chunk.length - 1) >> 8, (chunk.length - 1) & 255), chunk]),
    );
    const packed = Buffer.concat([...chunks, Buffer.of(0)]);
    const sum = check.id === 1 ? crcOf(piece) : Buffer.alloc(check.bytes);
    blocks.push(header, crcOf(header), padTo4(packed), sum);
    records.push(header.length + 4 + packed.length + check.bytes, piece.length);
  }
  const index = padTo4(Buffer.concat([Buffer.of(0), number(records.length / 2), ...records.map(number)]));
  const backward = Buffer.alloc(4);
  backward.writeUInt32LE((index.length + 4) / 4 - 1);
  const footer = Buffer.concat([backward, flags]);
  return Buffer.concat([
    ...[Buffer.from('fd377a585a00', 'hex'), flags, crcOf(flags), ...blocks, index, crcOf(index)],
    ...[crcOf(footer), footer, Buffer.from('YZ')],
  ]);
}

function number(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return Buffer.of(...bytes, value);
}

function crcOf(bytes: Buffer): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32LE(crc32(bytes));
  return sum;
}

function padTo4(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

export interface ZstdOptions {
  /** 10 is 8 MiB: the exponent less 10, times 8. */
  readonly windowDescriptor?: number;
  readonly blockBytes?: number;
}

/** A frame of RFC 8878 with blocks of bytes as they are, without a checksum. */
export function storeZstd(content: Buffer, options: ZstdOptions = {}): Buffer {
  const blocks = content.length === 0 ? [content] : pieces(content, options.blockBytes ?? 128 * 1024);
  return Buffer.concat([
    Buffer.from('28b52ffd00', 'hex'),
    Buffer.of(options.windowDescriptor ?? 13 << 3),
    ...blocks.flatMap((block, index) => {
      const header = Buffer.alloc(3);
      header.writeUIntLE((block.length << 3) | (index === blocks.length - 1 ? 1 : 0), 0, 3);
      return [header, block];
    }),
  ]);
}

function pieces(bytes: Buffer, size: number): Buffer[] {
  const all: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) all.push(bytes.subarray(at, at + size));
  return all;
}

export interface ZipOptions {
  readonly method?: number;
  readonly flags?: number;
  /** Changes the header where the entry lies, and leaves the directory. */
  readonly tamperLocal?: (header: Buffer) => void;
}

/** Links as Info-ZIP writes them: the target is the content. */
export function packZip(entries: readonly Packed[], options: ZipOptions = {}): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.path);
    const content = Buffer.from(entry.linkTarget ?? entry.content ?? '');
    const method = options.method ?? (content.length > 8 ? 8 : 0);
    const packed = method === 8 ? deflateRawSync(content) : content;
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(options.flags ?? 0x800, 2);
    fields.writeUInt16LE(method, 4);
    fields.writeUInt32LE(0x5a21_0000, 6);
    fields.writeUInt32LE(crc32(content), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(entry.size ?? content.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), fields, name]);
    options.tamperLocal?.(local);
    const central = Buffer.alloc(16);
    const kind = entry.type === '2' ? 0o120777 : entry.type === '5' ? 0o40755 : 0o100644;
    central.writeUInt32LE((kind << 16) >>> 0, 8);
    central.writeUInt32LE(offset, 12);
    const madeBy = Buffer.of(30, 3);
    directory.push(Buffer.from('PK\x01\x02', 'latin1'), madeBy, fields, central.subarray(2), name);
    locals.push(local, packed);
    offset += local.length + packed.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, listing, end]);
}
