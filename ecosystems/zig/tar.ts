/**
 * Reads tar as Zig does (std.tar of 0.16, contract, section 3), and refuses what Zig and other readers, or one Zig and
 * the next, would read differently. A reader of our own: the hash has to be of what Zig sees, and every reader of tar
 * sees something else where headers contradict each other.
 */
import { quote } from '../quote.ts';
import type { ArchiveEntry } from './archive-entry.ts';
import { badArchive } from '../bad.ts';
import type { ByteReader } from '../byte-reader.ts';
import { cleanName, decodeName } from './entry-names.ts';

const BLOCK_BYTES = 512;
/** Zig has room for a path of so many bytes. */
const MAX_LONG_NAME_BYTES = 4096;
/** Attributes of other systems lie there too. */
const MAX_PAX_BYTES = 1024 ** 2;

/** Ends where the archive does. @throws RegistryError `invalid-archive` */
export async function* readTar(reader: ByteReader): AsyncGenerator<ArchiveEntry> {
  let extension = noExtension;
  for (;;) {
    const block = await reader.take(BLOCK_BYTES);
    // The archives of Zig's own cache have no mark at their end.
    if (block.byteLength === 0) break;
    if (block.byteLength < BLOCK_BYTES) throw badArchive('the tar archive ends within a header');
    if (isZero(block)) {
      await refuseRest(reader);
      break;
    }
    const header = readHeader(block);
    if (header.type === 'x') {
      if (extension !== noExtension) throw twoExtensions();
      extension = paxExtension(await readExtension(reader, header.size, MAX_PAX_BYTES));
    } else if (header.type === 'L' || header.type === 'K') {
      const isTaken = header.type === 'L' ? extension.name : extension.linkTarget;
      if (extension.isPax || isTaken !== undefined) throw twoExtensions();
      const text = decodeName(upToNul(await readExtension(reader, header.size, MAX_LONG_NAME_BYTES)));
      extension = { ...extension, [header.type === 'L' ? 'name' : 'linkTarget']: text };
    } else if (header.type === 'g')
      refuseGlobal(paxRecords(await readExtension(reader, header.size, MAX_PAX_BYTES)));
    else {
      yield* readMember(reader, header, extension);
      extension = noExtension;
    }
  }
  if (extension !== noExtension) throw badArchive('the tar archive ends after a header about a next entry');
}

/** Says more of the entry after it. */
interface Extension {
  readonly isPax: boolean;
  readonly name: string | undefined;
  readonly linkTarget: string | undefined;
  readonly size: number | undefined;
}

const noExtension: Extension = { isPax: false, name: undefined, linkTarget: undefined, size: undefined };

async function* readMember(
  reader: ByteReader,
  header: Header,
  extension: Extension,
): AsyncGenerator<ArchiveEntry> {
  const kind = kinds.get(header.type) ?? 'other';
  const name = extension.name ?? header.name;
  checkMember(header, extension, kind, name);
  const path = cleanName(name);
  let left = header.size;
  async function* content(): AsyncGenerator<Uint8Array> {
    while (left > 0) {
      const bytes = await reader.takeSome(left);
      if (!bytes) throw badArchive(`the tar archive ends within ${quote(name)}`);
      left -= bytes.byteLength;
      yield bytes;
    }
  }
  if (path !== '')
    yield {
      path,
      kind,
      linkTarget: kind === 'symlink' ? (extension.linkTarget ?? header.linkTarget) : '',
      size: header.size,
      typeName: typeNames.get(header.type) ?? `special entry of type ${quote(header.type)}`,
      content,
    };
  if (left > 0) for await (const _bytes of content()) continue;
  await skipPadding(reader, header.size);
}

/** Where readers disagree about an entry. */
function checkMember(header: Header, extension: Extension, kind: ArchiveEntry['kind'], name: string): void {
  if (extension.size !== undefined && extension.size !== header.size)
    throw badArchive(
      `${quote(name)} has ${extension.size} bytes by its pax header, and ${header.size} by its own`,
    );
  // Zig skips as many bytes, others none.
  const hasContent = kind === 'file' || header.type === '7';
  if (!hasContent && header.size > 0)
    throw badArchive(
      `${quote(name)} is a ${typeNames.get(header.type) ?? 'special entry'} with bytes of its own`,
    );
  // Zig does not forget the headers before what it skips, and gives its name to the next entry.
  if (kind === 'other' && (extension.name ?? extension.linkTarget) !== undefined)
    throw badArchive(
      `${quote(name)} is a ${typeNames.get(header.type) ?? 'special entry'} with a long name: leave it out`,
    );
  if (kind !== 'directory' && cleanName(name) === '')
    throw badArchive(`an entry has no name but ${quote(name)}`);
  // Old readers make folders of these.
  if (kind !== 'directory' && name.endsWith('/'))
    throw badArchive(`${quote(name)} is called a folder, and is none`);
}

const kinds: ReadonlyMap<string, ArchiveEntry['kind']> = new Map([
  ['0', 'file'],
  ['\0', 'file'],
  ['2', 'symlink'],
  ['5', 'directory'],
]);

const typeNames: ReadonlyMap<string, string> = new Map([
  ['0', 'file'],
  ['\0', 'file'],
  ['1', 'hard link'],
  ['2', 'symbolic link'],
  ['3', 'character device'],
  ['4', 'block device'],
  ['5', 'folder'],
  ['6', 'fifo'],
  ['7', 'contiguous file'],
  ['S', 'sparse file'],
]);

interface Header {
  readonly type: string;
  readonly name: string;
  readonly linkTarget: string;
  readonly size: number;
}

/** Whether an archive that begins so may be a tar. */
export function isTarHeader(block: Uint8Array): boolean {
  return block.byteLength === BLOCK_BYTES && (isZero(block) || hasRightChecksum(block));
}

function readHeader(block: Uint8Array): Header {
  if (!hasRightChecksum(block)) throw badArchive('a header of the tar archive has a wrong checksum');
  // Zig reads the mode, though it does nothing with it.
  octal(block, 100, 8, 'mode');
  return {
    type: String.fromCharCode(block[156] ?? 0),
    name: nameIn(block),
    linkTarget: decodeName(upToNul(block.subarray(157, 257)), 'a link'),
    size: octal(block, 124, 12, 'size'),
  };
}

function nameIn(block: Uint8Array): string {
  const name = decodeName(upToNul(block.subarray(0, 100)));
  const magic = Buffer.from(block.subarray(257, 263)).toString('latin1');
  const prefix = upToNul(block.subarray(345, 500));
  if (!magic.startsWith('ustar') || prefix.byteLength === 0) return name;
  // Old GNU archives may have times there, which Zig takes for a part of the name.
  if (magic !== 'ustar\0') throw badArchive(`${quote(name)} has a GNU header that Zig would misread`);
  return `${decodeName(prefix)}/${name}`;
}

function hasRightChecksum(block: Uint8Array): boolean {
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < BLOCK_BYTES; at += 1) {
    const byte = at >= 148 && at < 156 ? 32 : (block[at] ?? 0);
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  const field = parseOctal(block.subarray(148, 156));
  return field !== undefined && field > 0 && (field === unsigned || field === signed);
}

function octal(block: Uint8Array, start: number, length: number, what: string): number {
  const value = parseOctal(block.subarray(start, start + length));
  // GNU's binary form is for members over 8 GiB.
  if (value === undefined)
    throw badArchive(`a header of the tar archive has a ${what} that is no octal number`);
  return value;
}

function parseOctal(field: Uint8Array): number | undefined {
  const digits = /^[ 0]*([0-7]*)[ \0]*$/.exec(Buffer.from(field).toString('latin1'))?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits || '0', 8);
}

async function readExtension(reader: ByteReader, size: number, maxBytes: number): Promise<Uint8Array> {
  if (size > maxBytes) throw badArchive(`a header of the tar archive has more than ${maxBytes} bytes`);
  const bytes = Buffer.from(await reader.take(size));
  if (bytes.byteLength < size) throw badArchive('the tar archive ends within a header');
  await skipPadding(reader, size);
  return bytes;
}

async function skipPadding(reader: ByteReader, size: number): Promise<void> {
  const padding = (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
  if (padding > 0 && (await reader.take(padding)).byteLength < padding)
    throw badArchive('the tar archive ends within its last block');
}

/** Zig reads no further than the first block of zeros, other readers do. */
async function refuseRest(reader: ByteReader): Promise<void> {
  for await (const bytes of reader.rest())
    if (!isZero(bytes)) throw badArchive('the tar archive goes on after its end: Zig would not see the rest');
}

function twoExtensions(): Error {
  return badArchive('an entry of the tar archive is named by two headers: readers disagree which one counts');
}

function paxExtension(bytes: Uint8Array): Extension {
  const records = paxRecords(bytes);
  const text = (key: string) => {
    const value = records.get(key);
    if (value?.includes(0)) throw badArchive('a pax header has a NUL in a name');
    // An empty value takes nothing away.
    return value === undefined || value.byteLength === 0 ? undefined : decodeName(value);
  };
  const size = text('size');
  if (size !== undefined && !/^\d{1,15}$/.test(size))
    throw badArchive(`${quote(size)} is no size of a pax header`);
  // Others put the holes back in.
  if ([...records.keys()].some((key) => key.startsWith('GNU.sparse')))
    throw badArchive('the tar archive has a sparse file: pack it whole (tar without --sparse)');
  return {
    isPax: true,
    name: text('path'),
    linkTarget: text('linkpath'),
    size: size === undefined ? undefined : Number(size),
  };
}

/** A header for all entries: Zig passes over it. git writes a comment there. */
function refuseGlobal(records: ReadonlyMap<string, Uint8Array>): void {
  for (const key of ['path', 'linkpath', 'size'])
    if (records.has(key)) throw badArchive(`a pax header gives all entries a ${key}: Zig would not see it`);
}

/** Records are `LENGTH KEY=VALUE` and a newline, their own length counted; the last of one key counts. */
function paxRecords(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records = new Map<string, Uint8Array>();
  for (let at = 0; at < buffer.byteLength;) {
    const space = buffer.indexOf(' ', at);
    const length = buffer.toString('latin1', at, Math.min(space, at + 10));
    const end = at + Number(length);
    const equals = buffer.indexOf('=', space);
    const isRecord =
      /^[1-9]\d*$/.test(length) &&
      end <= buffer.byteLength &&
      space > at &&
      equals > space &&
      equals < end - 1 &&
      buffer[end - 1] === 10;
    if (!isRecord) throw badArchive('a pax header of the tar archive is broken');
    records.set(buffer.toString('latin1', space + 1, equals), buffer.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

function upToNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** There may be gibibytes of them. */
function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.byteLength; at += ZEROS.byteLength) {
    const piece = bytes.subarray(at, at + ZEROS.byteLength);
    if (!ZEROS.subarray(0, piece.byteLength).equals(piece)) return false;
  }
  return true;
}

const ZEROS = Buffer.alloc(64 * 1024);
