/** The site of a registry, wherever it is. What speaks with buckets is loaded where one is needed: it weighs more than all the rest. */
import { join } from 'node:path';
import type { Digest } from '../core/digest.ts';
import type { SiteReader, SiteRecords, SiteTarget } from '../core/ports.ts';
import type { BlobPlace, BuildProgress } from '../stores/bucket-site.ts';
import { SiteDirectory } from '../stores/site-directory.ts';
import { loadRecord } from '../stores/site-files.ts';
import { siteReader } from '../stores/site-reader.ts';
import { layout } from './layout.ts';
import { addressOf, isBucket, type Storage } from './storage.ts';

/** How the names of directories for what is too long for memory begin; the number of the process follows. */
export const SCRATCH = '.scratch.';

export interface SiteOptions {
  readonly dataDirectory: string;
  readonly storage: Storage;
  /** A directory, or `s3://bucket/prefix`. */
  readonly place: string;
  readonly placeOf: (digest: Digest) => BlobPlace | undefined;
  readonly isOutsideLog: (path: string) => boolean;
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
}

/** The registry's own, unless another place is given. */
export function sitePlace(dataDirectory: string, { site }: Storage): string {
  return site ?? layout(dataDirectory).site;
}

export async function openSite(options: SiteOptions): Promise<SiteTarget> {
  const { dataDirectory, storage, place, placeOf, isOutsideLog, onProgress } = options;
  if (isBucket(place)) {
    const [{ Bucket }, { BucketSite }] = await Promise.all([
      import('../stores/bucket.ts'),
      import('../stores/bucket-site.ts'),
    ]);
    const bucket = new Bucket(addressOf(place, storage));
    const scratch = join(dataDirectory, `${SCRATCH}${process.pid}.`);
    return new BucketSite({ bucket, placeOf, scratch, isOutsideLog, onProgress });
  }
  return new SiteDirectory({
    root: place,
    blobPath(digest) {
      const found = placeOf(digest);
      if (found && 'path' in found) return found.path;
      throw new Error(`blob ${digest} is not in a directory`);
    },
    isOutsideLog,
  });
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

/** For whoever answers requests. */
export async function openSiteReader(place: string): Promise<SiteReader> {
  return siteReader(place);
}
