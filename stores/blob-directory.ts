/** Blobs in a directory: `sha256/ab/<hex>`. Received bytes wait in `incoming/` until they are committed. */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, linkSync, openSync, rmSync, write as writeCallback } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { asDigest, splitDigest, type Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import type { BlobStore, StagedBlob } from '../core/ports.ts';
import {
  DurableDirectories,
  ensureDirectory,
  isErrno,
  nextNumber,
  sync,
  syncPath,
  writeWhole,
} from './durable-files.ts';

const write = promisify(writeCallback);

/** Uploads up to here are read from memory until they are committed: most are, and files cost more trips to the thread pool. */
const KEPT_BYTES = 64 * 1024;

interface Received {
  readonly hex: string;
  readonly size: number;
  /** All of it, when it is short. */
  readonly kept: Buffer | undefined;
}

export class BlobDirectory implements BlobStore {
  readonly #root: string;
  readonly directories: DurableDirectories;

  constructor(root: string) {
    this.#root = root;
    this.directories = new DurableDirectories(root);
  }

  get root(): string {
    return this.#root;
  }

  /** Where received bytes wait, and where those go that nobody needs any more. */
  get incoming(): string {
    return join(this.#root, 'incoming');
  }

  /** The only process that receives uploads calls this: what an earlier one left half received is removed. */
  async clearIncoming(): Promise<void> {
    const incoming = join(this.#root, 'incoming');
    await ensureDirectory(incoming);
    for (const name of await readdir(incoming)) await rm(join(incoming, name), { force: true });
  }

  /** Where a blob's bytes lie, for hard links and for serving. */
  pathOf(digest: Digest): string {
    const { algorithm, hex } = splitDigest(digest);
    return join(this.#root, algorithm, hex.slice(0, 2), hex);
  }

  async stage(source: AsyncIterable<Uint8Array>, limits: { readonly maxBytes: number }): Promise<StagedBlob> {
    const path = join(this.#root, 'incoming', `${process.pid}-${nextNumber()}`);
    try {
      return new StagedFile(path, this, await this.#receive(path, source, limits.maxBytes));
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
  }

  async #receive(path: string, source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Received> {
    const hash = createHash('sha256');
    let size = 0;
    let first: Uint8Array[] | undefined = [];
    let kept: Buffer | undefined;
    const file = await openIncoming(path);
    try {
      for await (const chunk of source) {
        size += chunk.byteLength;
        if (size > maxBytes)
          throw new RegistryError('too-large', `the upload is over the limit of ${maxBytes} bytes`);
        hash.update(chunk);
        if (size > KEPT_BYTES) {
          for (const early of first ?? []) await writeChunk(file, early);
          first = undefined;
          await writeChunk(file, chunk);
        } else first?.push(chunk);
      }
      kept = first && Buffer.concat(first);
      if (kept) writeWhole(file, kept);
      await sync(file);
    } finally {
      closeSync(file);
    }
    return { hex: hash.digest('hex'), size, kept };
  }

  async has(digest: Digest): Promise<boolean> {
    return stat(this.pathOf(digest)).then(
      () => true,
      () => false,
    );
  }

  /** Reads all of it: whether its bytes are still those of its name. */
  async isIntact(digest: Digest): Promise<boolean> {
    const { algorithm, hex } = splitDigest(digest);
    const hash = createHash(algorithm);
    try {
      for await (const chunk of createReadStream(this.pathOf(digest))) hash.update(chunk as Buffer);
    } catch {
      return false; // not there, or the disk cannot read it
    }
    return hash.digest('hex') === hex;
  }

  async read(digest: Digest): Promise<Uint8Array> {
    try {
      return await readFile(this.pathOf(digest));
    } catch (error) {
      throw missing(digest, error);
    }
  }

  async *open(digest: Digest): AsyncIterable<Uint8Array> {
    try {
      for await (const piece of createReadStream(this.pathOf(digest))) yield piece as Buffer;
    } catch (error) {
      throw missing(digest, error);
    }
  }
}

function missing(digest: Digest, error: unknown): unknown {
  if (!isErrno(error, 'ENOENT')) return error;
  return new RegistryError('not-found', `blob ${digest} is missing`, { cause: error });
}

async function openIncoming(path: string): Promise<number> {
  try {
    return openSync(path, 'wx');
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    await ensureDirectory(dirname(path));
    return openSync(path, 'wx');
  }
}

/** Uploads may be large, and a disk that is behind makes writers wait: not this thread. */
async function writeChunk(file: number, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.byteLength;) {
    const { bytesWritten } = await write(file, chunk, done);
    done += bytesWritten;
  }
}

async function* inOnePiece(bytes: Buffer): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}

class StagedFile implements StagedBlob {
  readonly #path: string;
  readonly #store: BlobDirectory;
  readonly digest: Digest;
  readonly size: number;
  readonly #kept: Buffer | undefined;
  #committed: Promise<void> | undefined;

  constructor(path: string, store: BlobDirectory, { hex, size, kept }: Received) {
    this.#path = path;
    this.#store = store;
    this.digest = asDigest(`sha256:${hex}`);
    this.size = size;
    this.#kept = kept;
  }

  open(): AsyncIterable<Uint8Array> {
    if (this.#kept) return inOnePiece(this.#kept);
    return createReadStream(this.#path, { highWaterMark: 256 * 1024 });
  }

  commit(): Promise<void> {
    // A failure is not kept: it may be tried again, and a discard has something to remove.
    return (this.#committed ??= this.#commit().catch((error: unknown) => {
      this.#committed = undefined;
      throw error;
    }));
  }

  async #commit(): Promise<void> {
    const path = this.#store.pathOf(this.digest);
    await this.#store.directories.ensure(dirname(path));
    try {
      // A link and not a rename: equal bytes that are there already are never replaced.
      linkSync(this.#path, path);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    // Also when it was there: an earlier commit may have been cut off right before this step.
    await syncPath(dirname(path));
    rmSync(this.#path, { force: true });
  }

  async discard(): Promise<void> {
    await this.#committed?.catch(() => undefined);
    rmSync(this.#path, { force: true });
  }
}
