/** A site in a bucket, and what a reader of that bucket finds. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { blobKey } from '../../stores/blob-keys.ts';
import type { ArtifactLayout } from '../../stores/bucket-pointers.ts';
import { Bucket, type BucketAddress } from '../../stores/bucket.ts';
import type { ClaimTimes } from '../../stores/bucket-records.ts';
import { BucketSite, type BlobPlace, type BucketSiteOptions } from '../../stores/bucket-site.ts';
import { recordNames } from '../../stores/site-files.ts';
import type { SiteHarness } from './site-target-contract.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** Of tests that wait for the end of claims. */
export const shortTimes: ClaimTimes = { leaseMs: 600, pollMs: 20 };
const patience = { attempts: 4, idleMs: 2_000 };

export interface BucketSiteHarness extends SiteHarness {
  readonly target: BucketSite;
  /** Another process on the same site. */
  another(options?: Partial<BucketSiteOptions>): BucketSite;
  /** Where the site is. */
  readonly bucket: Bucket;
  /** Where blobs are, unless that is a directory. */
  readonly blobBucket: Bucket;
}

export interface Store {
  address(prefix?: string): BucketAddress;
}

/** Blobs are in the bucket as well, or in a directory. Readers follow pointers. */
export async function openBucketSite(
  t: TestContext,
  store: Store,
  {
    blobs = 'bucket',
    artifacts = 'copies',
  }: { readonly blobs?: 'bucket' | 'directory'; readonly artifacts?: ArtifactLayout } = {},
): Promise<BucketSiteHarness> {
  const directory = await temporaryDirectory(t);
  const bucketOf = (prefix: string): Bucket => {
    const bucket = new Bucket(store.address(prefix), patience);
    t.after(() => bucket.close());
    return bucket;
  };
  const prefix = `site-${Math.random().toString(36).slice(2)}`;
  const [bucket, blobBucket] = [bucketOf(prefix), bucketOf(`${prefix}-blobs`)];
  const places = new Map<string, BlobPlace>();
  const open = (options: Partial<BucketSiteOptions> = {}): BucketSite =>
    new BucketSite({
      bucket: bucketOf(prefix),
      placeOf(digest) {
        const place = places.get(digest);
        if (!place) throw new Error(`blob ${digest} is missing`);
        return place;
      },
      scratch: join(directory, 'scratch.'),
      times: shortTimes,
      ...(artifacts === 'pointers' ? { pointers: { has: async (digest) => places.has(digest) } } : {}),
      ...options,
    });
  return {
    target: open(),
    another: open,
    bucket,
    blobBucket,
    async keep(text) {
      const digest = digestOf(text);
      if (blobs === 'bucket') {
        const key = blobKey(digest);
        await blobBucket.put(key, Buffer.from(text), { contentType: 'application/octet-stream', digest });
        places.set(digest, { bucket: blobBucket, key });
      } else {
        const path = join(directory, 'blobs', digest.replace(':', '-'));
        await mkdir(join(directory, 'blobs'), { recursive: true });
        await writeFile(path, text);
        places.set(digest, { path });
      }
      return digest;
    },
    content: () => contentOf(bucket, blobBucket),
  };
}

/** Every path that a reader could ask for, and what is there. */
async function contentOf(bucket: Bucket, blobBucket: Bucket): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  const records: readonly string[] = Object.values(recordNames);
  for await (const { key } of bucket.list()) {
    if (records.includes(key)) continue;
    const text = await textAt(bucket, key);
    const pointed = text && (await bucket.head(key))?.blob;
    if (text !== undefined) content[key] = (pointed ? await textAt(blobBucket, pointed) : undefined) ?? text;
  }
  return content;
}

async function textAt(bucket: Bucket, key: string): Promise<string | undefined> {
  const found = await bucket.get(key);
  return found && found !== 'unchanged' ? (await found.bytes()).toString('utf8') : undefined;
}
