/** The blobs of a registry, wherever they are. What speaks with buckets is loaded where one is needed. */
import { BlobDirectory } from '../stores/blob-directory.ts';
import type { ShelvedBlobs } from '../stores/blob-shelf.ts';
import { layout } from './layout.ts';
import { addressOf, type Storage } from './storage.ts';

/** For the one process that writes. @throws RegistryError `storage-failed` */
export async function openBlobs(dataDirectory: string, storage: Storage): Promise<ShelvedBlobs> {
  const { blobs, blobsInBucket: ledger } = layout(dataDirectory);
  if (storage.blobs === undefined) return new BlobDirectory(blobs);
  const [{ BucketBlobs }, { Bucket }] = await loaded();
  return BucketBlobs.open({ bucket: new Bucket(addressOf(storage.blobs, storage)), ledger });
}

/** Beside whoever writes. */
export async function readBlobs(dataDirectory: string, storage: Storage): Promise<ShelvedBlobs> {
  const { blobs, blobsInBucket: ledger } = layout(dataDirectory);
  if (storage.blobs === undefined) return new BlobDirectory(blobs);
  const [{ BucketBlobs }, { Bucket }] = await loaded();
  return new BucketBlobs({ bucket: new Bucket(addressOf(storage.blobs, storage)), ledger });
}

function loaded(): Promise<
  [typeof import('../stores/bucket-blobs.ts'), typeof import('../stores/bucket.ts')]
> {
  return Promise.all([import('../stores/bucket-blobs.ts'), import('../stores/bucket.ts')]);
}
