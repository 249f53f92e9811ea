/** Blobs in a directory: `sha256/ab/<hex>`. Received bytes wait in `incoming/` until they are committed. */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { splitDigest, type Digest } from '../core/digest.ts';
import type { ByteRange, StagedBlob, StageLimits } from '../core/ports.ts';
import { DirectoryRemover } from './blob-folders.ts';
import { BlobShelf, missingBlob, type BlobRemover, type BlobStock, type ShelvedBlobs } from './blob-shelf.ts';
import { hashOfFile } from './byte-streams.ts';
import { isErrno } from './durable-files.ts';
import { lendFile } from './lent-pieces.ts';
import { stageFile } from './staged-file.ts';

const READ_BYTES = 256 * 1024;

/** A shelf whose files are the blobs: for hard links, and for serving. */
export class BlobDirectory extends BlobShelf implements ShelvedBlobs {
  readonly stock = undefined as BlobStock | undefined;

  get shelf(): BlobShelf {
    return this;
  }

  stage(source: AsyncIterable<Uint8Array>, limits: StageLimits): Promise<StagedBlob> {
    return stageFile(this, source, limits);
  }

  /** The bytes are on this disk: nothing is left to be done. */
  bring<T>(path: string, digest: Digest, keep: (adopt: () => void) => Promise<T>): Promise<T> {
    return keep(() => this.adopt(path, digest));
  }

  openRemover(): Promise<BlobRemover> {
    return DirectoryRemover.open(this);
  }

  async has(digest: Digest): Promise<boolean> {
    return stat(this.pathOf(digest)).then(
      () => true,
      () => false,
    );
  }

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
      throw orMissing(digest, error);
    }
  }

  async *open(digest: Digest, range?: ByteRange): AsyncIterable<Uint8Array> {
    const options = { ...range, highWaterMark: READ_BYTES };
    try {
      for await (const piece of createReadStream(this.pathOf(digest), options)) yield piece as Buffer;
    } catch (error) {
      throw orMissing(digest, error);
    }
  }

  async *lend(digest: Digest, range?: ByteRange): AsyncIterable<Uint8Array> {
    const whole = { start: 0, end: (this.sizeOf(digest) ?? 0) - 1 };
    try {
      yield* lendFile(this.pathOf(digest), range ?? whole);
    } catch (error) {
      throw orMissing(digest, error);
    }
  }
}

function orMissing(digest: Digest, error: unknown): unknown {
  return isErrno(error, 'ENOENT') ? missingBlob(digest, error) : error;
}
