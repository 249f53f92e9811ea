/** Blobs from one store to another, of whatever kind: to move a registry. Nobody may write to either meanwhile. */
import type { Digest } from '../core/digest.ts';
import { splitDigest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import { blobFolders } from './blob-folders.ts';
import type { ShelvedBlobs } from './blob-shelf.ts';
import { sideBySide } from './side-by-side.ts';

export interface CopyProgress {
  readonly copied: number;
  readonly bytes: number;
  /** Were there. */
  readonly skipped: number;
}

export interface CopyOptions {
  readonly onProgress?: (progress: CopyProgress) => void;
}

/** Looked at together; those that are short go side by side. */
const BATCH_BLOBS = 1000;
/** Longer ones go one after another: each is sent in parts that go side by side. */
const SHORT_BYTES = 1024 * 1024;

/**
 * Safe to repeat: what is there, in the same length, is left alone, and was whole when it got there. Every blob is hashed on its
 * way, and durable, and on the shelf of `to`, when the promise resolves. Stopping in between leaves some of them there.
 * @throws RegistryError `storage-failed` when blobs are not what their names say, or are missing: all others are there then.
 */
export async function copyBlobs(
  from: ShelvedBlobs,
  to: ShelvedBlobs,
  { onProgress = () => undefined }: CopyOptions = {},
): Promise<CopyProgress> {
  const progress = { copied: 0, bytes: 0, skipped: 0 };
  const damaged: Digest[] = [];
  const copyOne = async ({ digest, size }: SizedBlob): Promise<void> => {
    if (to.sizeOf(digest) === size) progress.skipped += 1;
    else if (await copyBlob(from, to, { digest, size })) {
      progress.copied += 1;
      progress.bytes += size;
    } else damaged.push(digest);
    onProgress({ ...progress });
  };
  for await (const batch of batchesOf(from)) {
    await sideBySide(
      batch.filter(({ size }) => size <= SHORT_BYTES),
      copyOne,
    );
    for (const blob of batch) if (blob.size > SHORT_BYTES) await copyOne(blob);
  }
  if (damaged.length > 0)
    throw new RegistryError(
      'storage-failed',
      `${damaged.length} blobs are missing or have other bytes than their names say, and were not copied; restore them from a copy and begin again: ${damaged.slice(0, 5).join(', ')}`,
    );
  return progress;
}

interface SizedBlob {
  readonly digest: Digest;
  readonly size: number;
}

/** Whether it is there now as it should be. */
async function copyBlob(from: ShelvedBlobs, to: ShelvedBlobs, { digest, size }: SizedBlob): Promise<boolean> {
  const { algorithm } = splitDigest(digest);
  try {
    const staged = await to.stage(from.open(digest), { maxBytes: size, algorithm });
    try {
      if (staged.digest !== digest) return false;
      await staged.commit();
      // A damaged one that was there is never replaced in a directory.
      return to.sizeOf(digest) === size;
    } finally {
      await staged.discard();
    }
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    // Where a store does not answer, this throws as well.
    if (error.code !== 'not-found' && error.code !== 'too-large' && (await from.isIntact(digest)))
      throw error;
    return false;
  }
}

async function* batchesOf({ shelf }: ShelvedBlobs): AsyncGenerator<readonly SizedBlob[]> {
  let batch: SizedBlob[] = [];
  for await (const { digests } of blobFolders(shelf)) {
    for (const digest of digests) {
      const size = shelf.sizeOf(digest);
      if (size !== undefined) batch.push({ digest, size });
    }
    if (batch.length < BATCH_BLOBS) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}
