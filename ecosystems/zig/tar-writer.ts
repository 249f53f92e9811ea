/**
 * Writes tar as every Zig since 0.11 reads it: names stand in the header itself wherever they fit, as bytes. What other writers
 * put before an entry for a name that is not ASCII, Zig 0.11 takes for a file outside of the root folder.
 */
import type { ArchiveEntry } from './archive-entry.ts';

const BLOCK_BYTES = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const types = { file: '0', symlink: '2', directory: '5' } as const;

export interface WrittenEntry extends Pick<ArchiveEntry, 'path' | 'linkTarget' | 'size' | 'content'> {
  readonly kind: keyof typeof types;
}

/** The entries in their order; nothing of when or by whom it was made. */
export async function* writeTar(entries: AsyncIterable<WrittenEntry>): AsyncGenerator<Uint8Array> {
  for await (const entry of entries) {
    yield* headersOf(entry);
    if (entry.kind === 'file') yield* entry.content();
    yield Buffer.alloc((BLOCK_BYTES - (entry.size % BLOCK_BYTES)) % BLOCK_BYTES);
  }
  yield Buffer.alloc(2 * BLOCK_BYTES);
}

function* headersOf({ path, linkTarget, size, kind }: WrittenEntry): Generator<Uint8Array> {
  const name = Buffer.from(kind === 'directory' ? `${path}/` : path);
  const target = Buffer.from(linkTarget);
  const prefixEnd = prefixEndOf(name);
  if (prefixEnd === undefined || target.byteLength > NAME_BYTES) {
    const records = Buffer.concat([
      record('path', name),
      ...(target.length > 0 ? [record('linkpath', target)] : []),
    ]);
    yield headerBlock({
      type: 'x',
      name: Buffer.from('pax'),
      prefix: noBytes,
      target: noBytes,
      size: records.length,
    });
    yield records;
    yield Buffer.alloc((BLOCK_BYTES - (records.length % BLOCK_BYTES)) % BLOCK_BYTES);
  }
  yield headerBlock({
    type: types[kind],
    name: prefixEnd === undefined ? name.subarray(0, NAME_BYTES) : name.subarray(prefixEnd && prefixEnd + 1),
    prefix: name.subarray(0, prefixEnd ?? 0),
    target: target.subarray(0, NAME_BYTES),
    size,
  });
}

const noBytes = Buffer.alloc(0);
const SLASH = 0x2f;

/** Where a name is divided between its two fields, at the first slash that will do; 0 where it fits in one. */
function prefixEndOf(name: Buffer): number | undefined {
  if (name.length <= NAME_BYTES) return 0;
  const at = name.indexOf(SLASH, name.length - NAME_BYTES - 1);
  return at > 0 && at <= PREFIX_BYTES && at < name.length - 1 ? at : undefined;
}

/** `LENGTH KEY=VALUE` and a newline; the length counts its own digits. */
function record(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length;
  while (length < rest.length + String(length).length) length += 1;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

interface HeaderFields {
  readonly type: string;
  readonly name: Buffer;
  readonly prefix: Buffer;
  readonly target: Buffer;
  readonly size: number;
}

/** The format of POSIX.1-1988, called ustar. */
function headerBlock({ type, name, prefix, target, size }: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  block.set(name, 0);
  octal(type === '5' ? 0o755 : 0o644, 100, 8);
  for (const at of [108, 116]) octal(0, at, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write(type, 156, 'latin1');
  block.set(target, 157);
  block.write('ustar\x0000', 257, 'latin1');
  block.set(prefix, 345);
  // Its own field counts as blanks.
  block.fill(' ', 148, 156);
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}
