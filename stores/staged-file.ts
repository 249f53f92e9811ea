/** Received bytes that wait in a file until they are committed. */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { asDigest, type Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import type { StagedBlob, StageLimits } from '../core/ports.ts';
import type { ShelvedBlobs } from './blob-shelf.ts';
import { writeChunk } from './byte-streams.ts';
import { ensureDirectory, isErrno, nextNumber, sync, syncPath, writeWhole } from './durable-files.ts';

/** Uploads up to here are read from memory until they are committed: most are, and files cost more trips to the thread pool. */
const KEPT_BYTES = 64 * 1024;
const READ_BYTES = 256 * 1024;

interface Received {
  readonly digest: Digest;
  readonly size: number;
  /** All of it, when it is short. */
  readonly kept: Buffer | undefined;
}

/** See `BlobStore.stage`. */
export async function stageFile(
  blobs: ShelvedBlobs,
  source: AsyncIterable<Uint8Array>,
  limits: StageLimits,
): Promise<StagedBlob> {
  const path = join(blobs.shelf.incoming, `${process.pid}-${nextNumber()}`);
  try {
    return new StagedFile(path, blobs, await receive(path, source, limits));
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

async function receive(
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
  readonly #blobs: ShelvedBlobs;
  readonly digest: Digest;
  readonly size: number;
  readonly #kept: Buffer | undefined;
  #committed: Promise<void> | undefined;

  constructor(path: string, blobs: ShelvedBlobs, { digest, size, kept }: Received) {
    this.#path = path;
    this.#blobs = blobs;
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
    const { shelf } = this.#blobs;
    await this.#blobs.bring(this.#path, this.digest, async (adopt) => {
      await shelf.prepare(this.digest);
      adopt();
      await syncPath(dirname(shelf.pathOf(this.digest)));
    });
    rmSync(this.#path, { force: true });
  }

  async discard(): Promise<void> {
    await this.#committed?.catch(() => undefined);
    rmSync(this.#path, { force: true });
  }
}
