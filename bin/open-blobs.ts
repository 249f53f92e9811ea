/** The blobs of a registry, wherever they are. What speaks with buckets is loaded where one is needed. */
import { BlobDirectory } from '../stores/blob-directory.ts';
import type { ShelvedBlobs } from '../stores/blob-shelf.ts';
import type { BucketBlobsOptions } from '../stores/bucket-blobs.ts';
import { layout } from './layout.ts';
import { addressOf, type Storage } from './storage.ts';

/** For the one process that writes. `shelf` is that of another bucket than the recorded one. @throws RegistryError `storage-failed` */
export async function openBlobs(
  dataDirectory: string,
  storage: Storage,
  shelf?: string,
): Promise<ShelvedBlobs> {
  if (storage.blobs === undefined) return new BlobDirectory(layout(dataDirectory).blobs);
  const { BucketBlobs } = await import('../stores/bucket-blobs.ts');
  const options = await bucketOf(storage.blobs, dataDirectory, storage);
  return BucketBlobs.open(shelf === undefined ? options : { ...options, ledger: shelf });
}

/** Beside whoever writes. */
export async function readBlobs(dataDirectory: string, storage: Storage): Promise<ShelvedBlobs> {
  if (storage.blobs === undefined) return new BlobDirectory(layout(dataDirectory).blobs);
  const { BucketBlobs } = await import('../stores/bucket-blobs.ts');
  return new BucketBlobs(await bucketOf(storage.blobs, dataDirectory, storage));
}

async function bucketOf(place: string, dataDirectory: string, storage: Storage): Promise<BucketBlobsOptions> {
  const { Bucket } = await import('../stores/bucket.ts');
  const { publicEndpoint: endpoint } = storage;
  return {
    bucket: new Bucket(addressOf(place, storage)),
    ledger: layout(dataDirectory).blobsInBucket,
    ...(endpoint === undefined ? {} : { signing: new Bucket(addressOf(place, { ...storage, endpoint })) }),
  };
}
