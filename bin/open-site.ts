/** The site of a registry, wherever it is. What speaks with buckets is loaded where one is needed: it weighs more than all the rest. */
import { join } from 'node:path';
import type { Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import type { SiteReader, SiteRecords, SiteTarget } from '../core/ports.ts';
import { BlobDirectory } from '../stores/blob-directory.ts';
import type { ShelvedBlobs } from '../stores/blob-shelf.ts';
import type { BlobPlace, BuildProgress } from '../stores/bucket-site.ts';
import type { Bucket } from '../stores/bucket.ts';
import { SiteDirectory } from '../stores/site-directory.ts';
import { loadRecord } from '../stores/site-files.ts';
import { siteReader } from '../stores/site-reader.ts';
import { layout } from './layout.ts';
import { addressOf, isBucket, layoutOf, type Storage } from './storage.ts';

/** How the names of directories for what is too long for memory begin; the number of the process follows. */
export const SCRATCH = '.scratch.';

export interface SiteOptions {
  readonly dataDirectory: string;
  readonly storage: Storage;
  /** A directory, or `s3://bucket/prefix`. */
  readonly place: string;
  readonly blobs: ShelvedBlobs;
  readonly isOutsideLog: (path: string) => boolean;
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
  /** Of whoever holds the writer's lock of the data directory. */
  readonly soleWriter?: string | undefined;
}

/** The registry's own, unless another place is given. */
export function sitePlace(dataDirectory: string, { site }: Storage): string {
  return site ?? layout(dataDirectory).site;
}

export async function openSite(options: SiteOptions): Promise<SiteTarget> {
  const { dataDirectory, storage, place, blobs, isOutsideLog, onProgress, soleWriter } = options;
  if (isBucket(place)) {
    const [{ Bucket }, { BucketSite }, placeOf] = await Promise.all([
      import('../stores/bucket.ts'),
      import('../stores/bucket-site.ts'),
      placesOf(blobs),
    ]);
    const bucket = new Bucket(addressOf(place, storage));
    const scratch = join(dataDirectory, `${SCRATCH}${process.pid}.`);
    const pointers = layoutOf(storage) === 'pointers' ? blobs : undefined;
    return new BucketSite({ bucket, placeOf, pointers, scratch, isOutsideLog, onProgress, soleWriter });
  }
  return new SiteDirectory({
    root: place,
    blobPath(digest) {
      if (blobs instanceof BlobDirectory) return blobs.pathOf(digest);
      throw new RegistryError(
        'conflict',
        'the blobs of this registry are in a bucket, and files of a directory would be links to them: move them back first, with cairn storage move --blobs directory',
      );
    },
    isOutsideLog,
  });
}

async function placesOf(blobs: ShelvedBlobs): Promise<(digest: Digest) => BlobPlace> {
  if (blobs instanceof BlobDirectory) return (digest) => ({ path: blobs.pathOf(digest) });
  const [{ BucketBlobs }, { blobKey }] = await Promise.all([
    import('../stores/bucket-blobs.ts'),
    import('../stores/blob-keys.ts'),
  ]);
  if (!(blobs instanceof BucketBlobs)) throw new TypeError('blobs of no kind that a site can be made of');
  const { bucket } = blobs;
  return (digest) => ({ bucket, key: blobKey(digest) });
}

/** For whoever answers requests. */
export async function openSiteReader(place: string, storage: Storage): Promise<SiteReader> {
  if (!isBucket(place)) return siteReader(place);
  const [store, { bucketReader, READER_PATIENCE }] = await Promise.all([
    import('../stores/bucket.ts'),
    import('../stores/bucket-reader.ts'),
  ]);
  const open = (of: string): Bucket => new store.Bucket(addressOf(of, storage), READER_PATIENCE);
  // Whatever layout is recorded: a site that is on its way to the other one has some of both.
  return bucketReader(open(place), storage.blobs === undefined ? undefined : open(storage.blobs));
}

/** A record of a site, without opening it. */
export async function loadSiteRecord<K extends keyof SiteRecords>(
  place: string,
  storage: Storage,
  record: K,
): Promise<SiteRecords[K] | undefined> {
  if (!isBucket(place)) return loadRecord(place, record);
  const [{ Bucket }, { loadBucketRecord }] = await Promise.all([
    import('../stores/bucket.ts'),
    import('../stores/bucket-records.ts'),
  ]);
  return loadBucketRecord(new Bucket(addressOf(place, storage)), record);
}
