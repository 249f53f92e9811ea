/**
 * A whole site in the making, in files of a local directory until it is compared with what is there, or sent. It lies in parts,
 * each with the files whose paths have one hash, so that whatever its size a small part of it is in memory at a time.
 */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, mkdirSync, openSync, readSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { asDigest, digestOf, type Digest } from '../core/digest.ts';
import type { SiteFile } from '../core/site.ts';
import { pointerTo, type ArtifactLayout } from './bucket-pointers.ts';
import { isErrno, writeWhole } from './durable-files.ts';
import { readText } from './site-files.ts';

/** Two files each are open. */
const PARTS = 64;
const BUFFER_BYTES = 64 * 1024;

/** What a file is to be, without its bytes. */
export interface SpooledFile extends Pick<SiteFile, 'path' | 'contentType' | 'cache' | 'rank' | 'headers'> {
  /** Of a pointer: that of its blob. */
  readonly digest: Digest;
  /** Of what is there to be: of a pointer, its own. */
  readonly size: number;
  /** Lower-case hex, where the bytes have passed through here: what most stores make ETags of. */
  readonly md5?: string;
  /** Its bytes are those of a blob, or of a pointer to it; where they lie otherwise. */
  readonly from: 'blob' | 'pointer' | { readonly at: number } | { readonly file: string };
}

export class SpooledSite {
  readonly #directory: string;
  readonly #parts: Part[];
  readonly #artifacts: ArtifactLayout;
  #streams = 0;

  /** Makes the directory; nothing may be there yet. */
  constructor(directory: string, artifacts: ArtifactLayout = 'copies') {
    this.#artifacts = artifacts;
    mkdirSync(directory, { recursive: true });
    this.#directory = directory;
    this.#parts = Array.from({ length: PARTS }, (_, number) => new Part(join(directory, String(number))));
  }

  /** How many parts there are to ask for. */
  get parts(): number {
    return PARTS;
  }

  /** The part that a path belongs to, whether it is there or not. */
  partOf(path: string): number {
    return (createHash('sha256').update(path).digest()[0] ?? 0) % PARTS;
  }

  /** @throws Error when it was added before */
  add({ body, ...file }: SiteFile): void {
    const part = this.#partFor(file.path);
    if ('blob' in body && this.#artifacts === 'pointers') part.addPointer(file, body.blob);
    else if ('blob' in body) part.add({ ...file, digest: body.blob, size: body.size, from: 'blob' });
    else if ('bytes' in body) part.addBytes(file, body.bytes);
    else throw new TypeError(`${file.path} is a stream: add it as a root`);
  }

  /** Its text can be read at once. */
  async addStream({ body: _, ...file }: SiteFile, stream: () => AsyncIterable<string>): Promise<void> {
    const path = join(this.#directory, `stream.${(this.#streams += 1)}`);
    const written = await writeStream(path, stream);
    this.#partFor(file.path).add({ ...file, ...written, from: { file: path } });
  }

  #partFor(path: string): Part {
    const part = this.#parts[this.partOf(path)];
    if (!part) throw new RangeError('there is no such part');
    return part;
  }

  /** The text of a root that was added as a stream; nothing when there is none. */
  async *read(path: string): AsyncGenerator<string> {
    const found = await this.#partFor(path).find(path);
    if (found && typeof found.from === 'object' && 'file' in found.from) yield* readText(found.from.file);
  }

  /** In the order in which they were added. */
  files(part: number): AsyncIterable<SpooledFile> {
    return this.#parts[part]?.all() ?? nothing();
  }

  /** Of a file that is no blob and no stream. */
  bytesOf({ path, size, from }: SpooledFile): Uint8Array {
    if (typeof from !== 'object' || !('at' in from)) throw new TypeError(`${path} is elsewhere`);
    return this.#partFor(path).bytes(from.at, size);
  }

  /** Nothing of it is left. */
  async remove(): Promise<void> {
    for (const part of this.#parts) part.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function* nothing(): AsyncGenerator<never> {}

/** The files of one part: a line for each, and the bytes of those that have some. */
class Part {
  readonly #lines: Spool;
  readonly #bodies: Spool;
  readonly #paths = new Set<string>();

  constructor(path: string) {
    this.#lines = new Spool(`${path}.ndjson`);
    this.#bodies = new Spool(`${path}.bodies`);
  }

  add(file: SpooledFile): void {
    // Short, since all of them are in memory: two of a million agree once in ten billion times.
    const short = createHash('sha256').update(file.path).digest('base64').slice(0, 12);
    if (this.#paths.has(short)) throw new Error(`${file.path} is written twice`);
    this.#paths.add(short);
    this.#lines.append(Buffer.from(`${JSON.stringify(file)}\n`));
  }

  addBytes(file: Omit<SpooledFile, 'digest' | 'size' | 'from'>, bytes: Uint8Array): void {
    const md5 = createHash('md5').update(bytes).digest('hex');
    const at = this.#bodies.length;
    this.add({ ...file, digest: digestOf(bytes), md5, size: bytes.byteLength, from: { at } });
    this.#bodies.append(bytes);
  }

  /** Its bytes are made of its digest once more when they are sent. */
  addPointer(file: Omit<SpooledFile, 'digest' | 'size' | 'from'>, digest: Digest): void {
    const { bytes } = pointerTo(digest);
    const md5 = createHash('md5').update(bytes).digest('hex');
    this.add({ ...file, digest, md5, size: bytes.byteLength, from: 'pointer' });
  }

  async find(path: string): Promise<SpooledFile | undefined> {
    for await (const file of this.all()) if (file.path === path) return file;
    return undefined;
  }

  async *all(): AsyncGenerator<SpooledFile> {
    this.#lines.flush();
    const stream = createReadStream(this.#lines.path, { encoding: 'utf8' });
    try {
      for await (const line of createInterface({ input: stream, crlfDelay: Infinity }))
        yield JSON.parse(line) as SpooledFile;
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    } finally {
      stream.destroy();
    }
  }

  bytes(at: number, size: number): Uint8Array {
    this.#bodies.flush();
    return this.#bodies.read(at, size);
  }

  close(): void {
    this.#lines.close();
    this.#bodies.close();
  }
}

/** A file that is added to, with a buffer before it. Most parts of small sites have none. */
class Spool {
  readonly path: string;
  #file: number | undefined;
  #pieces: Uint8Array[] = [];
  #waiting = 0;
  #length = 0;

  constructor(path: string) {
    this.path = path;
  }

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    // Whoever gave it may use its memory again.
    this.#pieces.push(Buffer.from(bytes));
    this.#waiting += bytes.byteLength;
    this.#length += bytes.byteLength;
    if (this.#waiting > BUFFER_BYTES) this.flush();
  }

  flush(): void {
    if (this.#waiting === 0) return;
    this.#file ??= openSync(this.path, 'wx+');
    writeWhole(this.#file, Buffer.concat(this.#pieces));
    this.#pieces = [];
    this.#waiting = 0;
  }

  read(at: number, size: number): Uint8Array {
    const bytes = Buffer.allocUnsafe(size);
    for (let read = 0; read < size;) {
      const count = readSync(this.#file ?? -1, bytes, read, size - read, at + read);
      if (count === 0) throw new Error(`${this.path} was cut off`);
      read += count;
    }
    return bytes;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** A stream in a file, and what it is. */
export async function writeStream(
  path: string,
  stream: () => AsyncIterable<string>,
): Promise<{ readonly digest: Digest; readonly md5: string; readonly size: number }> {
  const [sha256, md5] = [createHash('sha256'), createHash('md5')];
  let size = 0;
  const file = openSync(path, 'wx');
  try {
    for await (const text of stream()) {
      const bytes = Buffer.from(text);
      sha256.update(bytes);
      md5.update(bytes);
      size += bytes.byteLength;
      writeWhole(file, bytes);
    }
  } finally {
    closeSync(file);
  }
  return { digest: asDigest(`sha256:${sha256.digest('hex')}`), md5: md5.digest('hex'), size };
}
