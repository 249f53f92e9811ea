/**
 * Blobs in a bucket, below a prefix that is never public; and a shelf on this disk that says what is there (`bucket-ledger.ts`).
 * An object comes before its file on the shelf, and goes after it: what is on the shelf is in the bucket.
 */
import { createHash } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { digestOf, splitDigest, type Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import type { ByteRange, StagedBlob, StageLimits } from '../core/ports.ts';
import { blobKey } from './blob-keys.ts';
import { BlobShelf, missingBlob, type BlobRemover, type BlobStock, type ShelvedBlobs } from './blob-shelf.ts';
import { BucketCrossings } from './bucket-crossings.ts';
import { asking, bucketFailure } from './bucket-failure.ts';
import { ensureLedger, holeIn } from './bucket-ledger.ts';
import { BucketStock } from './bucket-stock.ts';
import { ConditionFailed, isAbsent, type Bucket } from './bucket.ts';
import { isErrno } from './durable-files.ts';
import { ShortBlobs } from './short-blobs.ts';
import { AtMost } from './side-by-side.ts';
import { stageFile } from './staged-file.ts';

/** From here on a blob is sent from its file, and few at once: each takes the memory of some parts. */
const LONG_BYTES = 1024 * 1024;
const LONG_AT_ONCE = 3;
/** From here on it is looked for first: to send it for nothing would take long. */
const LOOKED_FOR_BYTES = 16 * 1024 * 1024;
const CONTENT_TYPE = 'application/octet-stream';

export interface BucketBlobsOptions {
  readonly bucket: Bucket;
  /** The folder of the shelf. Where there is none, the bucket is asked instead. */
  readonly ledger: string;
  /** The same bucket as clients reach it who are sent there; the one above unless told. */
  readonly signing?: Bucket | undefined;
}

export interface SignedUrlOptions {
  readonly contentType?: string;
  readonly contentDisposition?: string;
}

export class BucketBlobs implements ShelvedBlobs {
  readonly bucket: Bucket;
  readonly shelf: BlobShelf;
  readonly stock: BlobStock;
  readonly #signing: Bucket;
  readonly #crossings: BucketCrossings;
  readonly #short = new ShortBlobs();
  readonly #long = new AtMost(LONG_AT_ONCE);
  /** Nobody else brings or removes: what is not on the shelf is not there, whatever lies in the bucket. */
  #isWriter = false;

  /** To read, beside whoever writes, here or elsewhere. */
  constructor({ bucket, ledger, signing = bucket }: BucketBlobsOptions) {
    this.bucket = bucket;
    this.shelf = new BlobShelf(ledger);
    this.#signing = signing;
    this.#crossings = new BucketCrossings(bucket, this.shelf);
    this.stock = new BucketStock(bucket, this.shelf, this.#crossings);
  }

  /** For the one process that writes: makes the shelf where there is none. @throws RegistryError `storage-failed` */
  static async open(options: BucketBlobsOptions): Promise<BucketBlobs> {
    const blobs = new BucketBlobs(options);
    await ensureLedger(options.ledger, options.bucket);
    blobs.#isWriter = true;
    return blobs;
  }

  clearIncoming(): Promise<void> {
    return this.shelf.clearIncoming();
  }

  stage(source: AsyncIterable<Uint8Array>, limits: StageLimits): Promise<StagedBlob> {
    return stageFile(this, source, limits);
  }

  /**
   * Stopping before `adopt` leaves an object that is not on the shelf: the next `stock.update` finds it, and then it is garbage
   * as any other.
   */
  async bring<T>(path: string, digest: Digest, keep: (adopt: () => void) => Promise<T>): Promise<T> {
    return this.#crossings.arriving(digest, async () => {
      const { size } = statSync(path);
      const short = await this.#put(path, digest, size);
      const hole = await holeIn(this.shelf, size);
      try {
        return await keep(() => {
          // A wrong length is that of an object that was damaged, and has been replaced by now.
          const known = this.shelf.sizeOf(digest);
          if (known !== undefined && known !== size) rmSync(this.shelf.pathOf(digest));
          this.shelf.adopt(hole, digest);
          if (short) this.#short.add(digest, short);
        });
      } finally {
        rmSync(hole, { force: true });
      }
    });
  }

  /** @returns the bytes, where they are short and were at hand. */
  async #put(path: string, digest: Digest, size: number): Promise<Uint8Array | undefined> {
    // What the shelf has is sent again all the same where the bucket has lost it.
    const isLikely = size > LOOKED_FOR_BYTES || this.shelf.sizeOf(digest) !== undefined;
    if (isLikely && (await this.#isThere(digest, size))) return undefined;
    const options = { contentType: CONTENT_TYPE, digest, condition: 'absent' } as const;
    const key = blobKey(digest);
    const bytes = size > LONG_BYTES ? undefined : await readFile(path);
    try {
      if (bytes) await this.bucket.put(key, bytes, options);
      else await this.#long.run(() => this.bucket.putFile(key, path, size, options));
    } catch (error) {
      // Of the file: whoever brings it knows why it is gone.
      if (isErrno(error, 'ENOENT')) throw error;
      if (!(error instanceof ConditionFailed) || !(await this.#isThere(digest, size)))
        throw bucketFailure(this.bucket, error);
    }
    return bytes;
  }

  /** @throws RegistryError `storage-failed` when other bytes are there. */
  async #isThere(digest: Digest, size: number): Promise<boolean> {
    const found = await asking(this.bucket, () => this.bucket.head(blobKey(digest)));
    if (!found) return false;
    if (found.digest === digest && found.size === size) return true;
    // Programs that copy buckets may leave out what we have noted beside the bytes.
    if (found.size === size && (await this.isIntact(digest))) return true;
    throw this.#damaged(digest);
  }

  #damaged(digest: Digest): RegistryError {
    return new RegistryError(
      'storage-failed',
      `${this.bucket.name}/${blobKey(digest)} has other bytes than its name says: remove it there and send the blob again, or restore it from a copy`,
    );
  }

  openRemover(): Promise<BlobRemover> {
    return this.#crossings.openRemover((digest) => this.#short.remove(digest));
  }

  sizeOf(digest: Digest): number | undefined {
    return this.shelf.sizeOf(digest);
  }

  async has(digest: Digest): Promise<boolean> {
    if (this.shelf.sizeOf(digest) !== undefined) return true;
    if (this.#isWriter) return false;
    return (await asking(this.bucket, () => this.bucket.head(blobKey(digest)))) !== undefined;
  }

  async isIntact(digest: Digest): Promise<boolean> {
    const { algorithm, hex } = splitDigest(digest);
    const hash = createHash(algorithm);
    const found = await asking(this.bucket, () => this.bucket.head(blobKey(digest)));
    if (!found) return false;
    try {
      for await (const piece of this.#pieces(digest, { start: 0, end: found.size - 1 })) hash.update(piece);
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'not-found') return false;
      throw error;
    }
    return hash.digest('hex') === hex;
  }

  async read(digest: Digest): Promise<Uint8Array> {
    const short = this.#short.get(digest);
    if (short) return short;
    this.#requireKnown(digest);
    const bytes = await asking(this.bucket, async () => {
      const found = await this.bucket.get(blobKey(digest));
      return found && found !== 'unchanged' ? found.bytes() : undefined;
    });
    if (!bytes) throw missingBlob(digest);
    if (digestOf(bytes, splitDigest(digest).algorithm) !== digest) throw this.#damaged(digest);
    // It may have been taken out meanwhile.
    if (!this.#isWriter || this.shelf.sizeOf(digest) !== undefined) this.#short.add(digest, bytes);
    return bytes;
  }

  async *open(digest: Digest, range?: ByteRange): AsyncGenerator<Uint8Array> {
    const short = this.#short.get(digest);
    if (short) {
      const { start, end } = range ?? { start: 0, end: short.byteLength - 1 };
      if (end >= start) yield short.subarray(start, end + 1);
      return;
    }
    this.#requireKnown(digest);
    yield* this.#pieces(digest, range ?? { start: 0, end: (await this.#requireSize(digest)) - 1 });
  }

  lend(digest: Digest, range?: ByteRange): AsyncIterable<Uint8Array> {
    return this.open(digest, range);
  }

  /** A URL that lets anybody read it for so long; what it answers has that type. */
  signedUrl(digest: Digest, expiresInSeconds: number, options: SignedUrlOptions = {}): Promise<string> {
    return this.#signing.signedUrl(blobKey(digest), expiresInSeconds, options);
  }

  #requireKnown(digest: Digest): void {
    if (this.#isWriter && this.shelf.sizeOf(digest) === undefined) throw missingBlob(digest);
  }

  async #requireSize(digest: Digest): Promise<number> {
    const known = this.shelf.sizeOf(digest);
    if (known !== undefined) return known;
    const found = await asking(this.bucket, () => this.bucket.head(blobKey(digest)));
    if (!found) throw missingBlob(digest);
    return found.size;
  }

  async *#pieces(digest: Digest, range: ByteRange): AsyncGenerator<Uint8Array> {
    try {
      yield* this.bucket.read(blobKey(digest), range);
    } catch (error) {
      throw isAbsent(error) ? missingBlob(digest, error) : bucketFailure(this.bucket, error);
    }
  }
}
