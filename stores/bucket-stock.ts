/** Whether the shelf of blobs in a bucket says what is there. */
import { dirname } from 'node:path';
import { linkSync, rmSync } from 'node:fs';
import type { Digest } from '../core/digest.ts';
import { blobFolders } from './blob-folders.ts';
import { blobKey, blobOfKey } from './blob-keys.ts';
import type { BlobShelf, BlobStock, StockDifference } from './blob-shelf.ts';
import type { Bucket } from './bucket.ts';
import type { BucketCrossings } from './bucket-crossings.ts';
import { asking, listing } from './bucket-failure.ts';
import { holeIn } from './bucket-ledger.ts';
import { syncPath } from './durable-files.ts';

/** What is sent in parts and not whole after that long never will be. */
const UPLOAD_MS = 24 * 60 * 60_000;

export class BucketStock implements BlobStock {
  readonly #bucket: Bucket;
  readonly #shelf: BlobShelf;
  readonly #crossings: BucketCrossings;

  constructor(bucket: Bucket, shelf: BlobShelf, crossings: BucketCrossings) {
    this.#bucket = bucket;
    this.#shelf = shelf;
    this.#crossings = crossings;
  }

  /** Both in ascending order, read along: a request for each thousand, and no more than a folder of blobs in memory. */
  async *differences(): AsyncGenerator<StockDifference> {
    const shelved = digestsOn(this.#shelf);
    try {
      let next = await shelved.next();
      for await (const { key, size, modifiedMs } of listing(this.#bucket)) {
        const digest = blobOfKey(key);
        if (digest === undefined) {
          yield { kind: 'stranger', path: `${this.#bucket.name}/${key}` };
          continue;
        }
        for (; !next.done && next.value < digest; next = await shelved.next())
          yield* this.#ifMissing(next.value);
        const onShelf = this.#shelf.sizeOf(digest);
        if (onShelf === undefined) yield* this.#ifUnshelved(digest, size, modifiedMs);
        else if (onShelf !== size) yield* this.#ifMissing(digest);
        if (!next.done && next.value === digest) next = await shelved.next();
      }
      for (; !next.done; next = await shelved.next()) yield* this.#ifMissing(next.value);
    } finally {
      await shelved.return(undefined);
    }
  }

  *#ifUnshelved(digest: Digest, size: number, modifiedMs: number): Generator<StockDifference> {
    if (!this.#crossings.isUnderWay(digest)) yield { kind: 'unshelved', digest, size, modifiedMs };
  }

  /** The list may be older than what has been brought meanwhile: the object itself says it. */
  async *#ifMissing(digest: Digest): AsyncGenerator<StockDifference> {
    const found = await asking(this.#bucket, () => this.#bucket.head(blobKey(digest)));
    const onShelf = this.#shelf.sizeOf(digest);
    if (onShelf !== undefined && found?.size !== onShelf) yield { kind: 'missing', digest };
  }

  async update(): Promise<number> {
    await this.#crossings.resume();
    await asking(this.#bucket, () => this.#bucket.abortUploads(Date.now() - UPLOAD_MS));
    let strangers = 0;
    for await (const difference of this.differences()) {
      if (difference.kind === 'stranger') strangers += 1;
      if (difference.kind === 'unshelved') await this.#shelve(difference);
    }
    return strangers;
  }

  /** Nobody is told that it is there: it was never acknowledged. So nothing is renewed. */
  async #shelve({ digest, size, modifiedMs }: StockDifference & { kind: 'unshelved' }): Promise<void> {
    await this.#shelf.prepare(digest);
    const hole = await holeIn(this.#shelf, size, modifiedMs);
    try {
      // In one tick with the look: it may have been brought, or be on its way, by now.
      if (this.#shelf.sizeOf(digest) !== undefined || this.#crossings.isUnderWay(digest)) return;
      linkSync(hole, this.#shelf.pathOf(digest));
    } finally {
      rmSync(hole, { force: true });
    }
    await syncPath(dirname(this.#shelf.pathOf(digest)));
  }
}

async function* digestsOn(shelf: BlobShelf): AsyncGenerator<Digest> {
  for await (const { digests } of blobFolders(shelf)) yield* digests;
}
