/** Uploads below a directory, and the blobs that come of them: there as well, or in a bucket. As one process at a time has them. */
import { join } from 'node:path';
import { randomIds, systemClock } from '../../bin/open-registry.ts';
import { BlobDirectory } from '../../stores/blob-directory.ts';
import type { ShelvedBlobs } from '../../stores/blob-shelf.ts';
import { BucketBlobs } from '../../stores/bucket-blobs.ts';
import { Bucket, type BucketAddress } from '../../stores/bucket.ts';
import { UploadDirectory } from '../../stores/upload-directory.ts';

export interface UploadStores {
  readonly root: string;
  readonly blobs: ShelvedBlobs;
  readonly uploads: UploadDirectory;
}

export async function openUploadStores(directory: string, address?: BucketAddress): Promise<UploadStores> {
  const root = join(directory, 'uploads');
  const blobs = await openBlobs(directory, address);
  await blobs.clearIncoming();
  const uploads = new UploadDirectory({ root, blobs, clock: systemClock, ids: randomIds });
  await uploads.prepare();
  return { root, blobs, uploads };
}

function openBlobs(directory: string, address: BucketAddress | undefined): Promise<ShelvedBlobs> {
  if (!address) return Promise.resolve(new BlobDirectory(join(directory, 'blobs')));
  return BucketBlobs.open({ bucket: new Bucket(address), ledger: join(directory, 'blobs-in-bucket') });
}
