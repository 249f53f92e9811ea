/** Where a tar archive ends: the client reads no further than its first block of zeros, and so must we. */
import { RegistryError } from '../core/errors.ts';

const BLOCK_BYTES = 512;
const SIZE_FIELD = { start: 124, end: 136 };
const TYPE_FIELD = 156;
const GLOBAL = 'g'.charCodeAt(0);
/** git writes one line. */
const MAX_GLOBAL_BYTES = 64 * 1024;
/** Headers that say something of the member after them: pax of one and of all, GNU's long names. */
const aboutMembers = new Set([...'xgLKN'].map((type) => type.charCodeAt(0)));

/**
 * Passes an archive on as it is. `onMember` is told the size in the header of each member, before its bytes are passed on.
 * @throws RegistryError `invalid-archive` when bytes follow its end: members there would be seen by us and not by clients.
 */
export async function* untilEnd(
  archive: AsyncIterable<Uint8Array>,
  onMember: (size: number) => void = () => undefined,
): AsyncIterable<Uint8Array> {
  let header = Buffer.alloc(0);
  let skip = 0;
  let isOver = false;
  let global: Buffer | undefined;
  for await (const chunk of archive) {
    for (let at = 0; at < chunk.byteLength;) {
      if (isOver) {
        if (chunk.subarray(at).some((byte) => byte !== 0))
          throw new RegistryError(
            'invalid-archive',
            'the archive goes on after its end: clients would not see the rest',
          );
        break;
      }
      const step = Math.min(skip > 0 ? skip : BLOCK_BYTES - header.byteLength, chunk.byteLength - at);
      if (skip > 0) {
        skip -= step;
        global &&= forAllMembers(global, chunk.subarray(at, at + step));
      } else header = Buffer.concat([header, chunk.subarray(at, at + step)]);
      at += step;
      if (header.byteLength < BLOCK_BYTES) continue;
      isOver = header.every((byte) => byte === 0);
      const size = sizeIn(header);
      skip = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
      global = header[TYPE_FIELD] === GLOBAL ? Buffer.alloc(0) : undefined;
      if (!isOver && !aboutMembers.has(header[TYPE_FIELD] ?? 0)) onMember(size);
      header = Buffer.alloc(0);
    }
    yield chunk;
  }
}

/**
 * A pax header for all members, so far.
 * @throws RegistryError `invalid-archive` when it gives them a size: some readers go by that one, others do not look.
 */
function forAllMembers(known: Buffer, more: Uint8Array): Buffer {
  const text = Buffer.concat([known, more]);
  if (text.byteLength > MAX_GLOBAL_BYTES || text.includes(' size='))
    throw new RegistryError('invalid-archive', 'a pax header gives all members a size, or is too long');
  return text;
}

/** Bytes of the member's content. What is no number is left to the reader of the members to refuse. */
function sizeIn(header: Uint8Array): number {
  // GNU's binary form, for members over 8 GiB.
  if (((header[SIZE_FIELD.start] ?? 0) & 0x80) !== 0)
    throw new RegistryError('invalid-archive', 'a member has a size that no upload can have');
  const field = Buffer.from(header.subarray(SIZE_FIELD.start, SIZE_FIELD.end)).toString('latin1');
  const size = Number.parseInt(field.replaceAll('\0', ' ').trim(), 8);
  return Number.isSafeInteger(size) ? size : 0;
}
