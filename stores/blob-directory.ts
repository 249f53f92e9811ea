/** Blobs in a directory: `sha256/ab/<hex>`. Received bytes wait in `incoming/` until they are committed. */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, linkSync, openSync, rmSync, write as writeCallback } from 'node:fs';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { asDigest, splitDigest, type Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import type { BlobStore, StagedBlob } from '../core/ports.ts';
import { DurableDirectories, ensureDirectory, isErrno, nextNumber, sync, syncPath } from './durable-files.ts';

const write = promisify(writeCallback);

export class BlobDirectory implements BlobStore {
  readonly #root: string;
  readonly directories: DurableDirectories;

  constructor(root: string) {
    this.#root = root;
    this.directories = new DurableDirectories(root);
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
      const { hex, size } = await this.#receive(path, source, limits.maxBytes);
      return new StagedFile(path, this, asDigest(`sha256:${hex}`), size);
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    }
  }

  async #receive(
    path: string,
    source: AsyncIterable<Uint8Array>,
    maxBytes: number,
  ): Promise<{ hex: string; size: number }> {
    const hash = createHash('sha256');
    let size = 0;
    const file = await openIncoming(path);
    try {
      for await (const chunk of source) {
        size += chunk.byteLength;
        if (size > maxBytes)
          throw new RegistryError('too-large', `the upload is over the limit of ${maxBytes} bytes`);
        hash.update(chunk);
        await writeChunk(file, chunk);
      }
      await sync(file);
    } finally {
      closeSync(file);
    }
    return { hex: hash.digest('hex'), size };
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
      if (isErrno(error, 'ENOENT'))
        throw new RegistryError('not-found', `blob ${digest} is missing`, { cause: error });
      throw error;
    }
  }
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

class StagedFile implements StagedBlob {
  readonly #path: string;
  readonly #store: BlobDirectory;
  readonly digest: Digest;
  readonly size: number;
  #committed: Promise<void> | undefined;

  constructor(path: string, store: BlobDirectory, digest: Digest, size: number) {
    this.#path = path;
    this.#store = store;
    this.digest = digest;
    this.size = size;
  }

  open(): AsyncIterable<Uint8Array> {
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
