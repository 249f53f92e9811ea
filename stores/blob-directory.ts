/** Blobs in a directory: `sha256/ab/<hex>`. Received bytes wait in `incoming/` until they are committed. */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, linkSync, openSync, rmSync, statSync, utimesSync } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { asDigest, splitDigest, type Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import type { BlobStore, ByteRange, StagedBlob, StageLimits } from '../core/ports.ts';
import { hashOfFile, writeChunk } from './byte-streams.ts';
import { lendFile } from './lent-pieces.ts';
import {
  DurableDirectories,
  ensureDirectory,
  isErrno,
  nextNumber,
  sync,
  syncPath,
  writeWhole,
} from './durable-files.ts';

/** Uploads up to here are read from memory until they are committed: most are, and files cost more trips to the thread pool. */
const KEPT_BYTES = 64 * 1024;
const READ_BYTES = 256 * 1024;

interface Received {
  readonly digest: Digest;
  readonly size: number;
  /** All of it, when it is short. */
  readonly kept: Buffer | undefined;
}

export class BlobDirectory implements BlobStore {
  readonly #root: string;
  readonly directories: DurableDirectories;
  readonly #watches = new Set<Set<Digest>>();

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
    await ensureDirectory(this.incoming);
    for (const name of await readdir(this.incoming)) await rm(join(this.incoming, name), { force: true });
  }

  /** Where a blob's bytes lie, for hard links and for serving. */
  pathOf(digest: Digest): string {
    const { algorithm, hex } = splitDigest(digest);
    return join(this.#root, algorithm, hex.slice(0, 2), hex);
  }

  async stage(source: AsyncIterable<Uint8Array>, limits: StageLimits): Promise<StagedBlob> {
    const path = join(this.incoming, `${process.pid}-${nextNumber()}`);
    try {
      return new StagedFile(path, this, await this.#receive(path, source, limits));
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
  }

  async #receive(
    path: string,
    source: AsyncIterable<Uint8Array>,
    { maxBytes, algorithm = 'sha256' }: StageLimits,
  ): Promise<Received> {
    const hash = createHash(algorithm);
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
    return { digest: asDigest(`${algorithm}:${hash.digest('hex')}`), size, kept };
  }

  /** Before `adopt`: where the blob will lie is there, durably. */
  async prepare(digest: Digest): Promise<void> {
    await this.directories.ensure(dirname(this.pathOf(digest)));
  }

  /**
   * Makes a file of this disk the blob of a digest. That it is whole, synced and what its digest says is the caller's to
   * know. Synchronous, for what has to be true in the same tick; durable once the directory of the blob is synced, also
   * when equal bytes were there: an earlier process may have been cut off right before that step.
   */
  adopt(path: string, digest: Digest): void {
    try {
      // A link and not a rename: equal bytes that are there already are never replaced.
      linkSync(path, this.pathOf(digest));
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    this.renew(digest);
  }

  /**
   * Somebody needs it from now on, however long it has been here: whoever removes old blobs that nobody names goes by
   * this time. @throws RegistryError `not-found`
   */
  renew(digest: Digest): void {
    const now = new Date();
    try {
      utimesSync(this.pathOf(digest), now, now);
    } catch (error) {
      throw missing(digest, error);
    }
    for (const watch of this.#watches) watch.add(digest);
  }

  /** Collects what is brought or renewed from now on, until it is stopped. Exact, where a disk keeps times by the second. */
  watch(): { readonly renewed: ReadonlySet<Digest>; stop(): void } {
    const renewed = new Set<Digest>();
    this.#watches.add(renewed);
    return { renewed, stop: () => void this.#watches.delete(renewed) };
  }

  sizeOf(digest: Digest): number | undefined {
    return statSync(this.pathOf(digest), { throwIfNoEntry: false })?.size;
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
    try {
      return (await hashOfFile(this.pathOf(digest), algorithm)) === hex;
    } catch {
      return false; // not there, or the disk cannot read it
    }
  }

  async read(digest: Digest): Promise<Uint8Array> {
    try {
      return await readFile(this.pathOf(digest));
    } catch (error) {
      throw missing(digest, error);
    }
  }

  async *open(digest: Digest, range?: ByteRange): AsyncIterable<Uint8Array> {
    const options = { ...range, highWaterMark: READ_BYTES };
    try {
      for await (const piece of createReadStream(this.pathOf(digest), options)) yield piece as Buffer;
    } catch (error) {
      throw missing(digest, error);
    }
  }

  async *lend(digest: Digest, range?: ByteRange): AsyncIterable<Uint8Array> {
    const whole = { start: 0, end: (this.sizeOf(digest) ?? 0) - 1 };
    try {
      yield* lendFile(this.pathOf(digest), range ?? whole);
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

  constructor(path: string, store: BlobDirectory, { digest, size, kept }: Received) {
    this.#path = path;
    this.#store = store;
    this.digest = digest;
    this.size = size;
    this.#kept = kept;
  }

  open(): AsyncIterable<Uint8Array> {
    if (this.#kept) return inOnePiece(this.#kept);
    return createReadStream(this.#path, { highWaterMark: READ_BYTES });
  }

  commit(): Promise<void> {
    // A failure is not kept: it may be tried again, and a discard has something to remove.
    return (this.#committed ??= this.#commit().catch((error: unknown) => {
      this.#committed = undefined;
      throw error;
    }));
  }

  async #commit(): Promise<void> {
    await this.#store.prepare(this.digest);
    this.#store.adopt(this.#path, this.digest);
    await syncPath(dirname(this.#store.pathOf(this.digest)));
    rmSync(this.#path, { force: true });
  }

  async discard(): Promise<void> {
    await this.#committed?.catch(() => undefined);
    rmSync(this.#path, { force: true });
  }
}
