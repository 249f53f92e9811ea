/** A registry in memory whose site lies in the strict store of tests: several processes may write it, and slow ones. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Digest } from '../../core/digest.ts';
import { RegistryState } from '../../core/state.ts';
import { Generator } from '../../generator/generator.ts';
import { Bucket, type BucketPatience } from '../../stores/bucket.ts';
import type { ClaimTimes } from '../../stores/bucket-records.ts';
import { BucketSite, type BlobPlace } from '../../stores/bucket-site.ts';
import type { ArtifactLayout } from '../../stores/bucket-pointers.ts';
import type { MemorySite } from '../../stores/memory.ts';
import { recordNames } from '../../stores/site-files.ts';
import { shortTimes } from './bucket-site-harness.ts';
import { siteFromNothing } from './histories.ts';
import { openWorld, type World, type WorldOptions } from './registry.ts';
import { etagOf } from './s3-objects.ts';
import { openS3Server, type S3Server } from './s3-server.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface BucketWorld {
  readonly world: World;
  readonly s3: S3Server;
  /** Of a process of its own, which remembers nothing. */
  process(times?: ClaimTimes, patience?: BucketPatience): Generator;
  /** Ends the connections of all processes so far. */
  endProcesses(): void;
  /** What readers find, as `MemorySite` has it: blobs by their digests. */
  files(): MemorySite['files'];
  /** What the log gives, made from nothing. */
  expected(): Promise<MemorySite['files']>;
}

/** Long: a test says what is slow. */
const patience: BucketPatience = { attempts: 3, idleMs: 60_000 };

export async function openBucketWorld(
  t: Pick<TestContext, 'after'>,
  { artifacts, ...options }: WorldOptions & { readonly artifacts?: ArtifactLayout } = {},
): Promise<BucketWorld> {
  const [world, s3, directory] = [
    await openWorld(options),
    await openS3Server(t),
    await temporaryDirectory(t),
  ];
  const blobBucket = new Bucket(s3.address('blobs'), patience);
  t.after(() => blobBucket.close());
  const open: Bucket[] = [];
  const endProcesses = (): void => {
    for (const bucket of open.splice(0)) bucket.close();
  };
  t.after(endProcesses);
  const placeOf = (digest: Digest): BlobPlace => {
    const bytes = world.blobs.blobs.get(digest);
    if (!bytes) throw new Error(`blob ${digest} is missing`);
    const etag = etagOf(bytes);
    const stored = { bytes: Buffer.from(bytes), headers: {}, metadata: { digest }, etag, modifiedMs: 0 };
    s3.objects.set(`blobs/${digest}`, stored);
    return { bucket: blobBucket, key: digest };
  };
  return {
    world,
    s3,
    process(times = shortTimes, ofProcess = patience) {
      const bucket = new Bucket(s3.address('site'), ofProcess);
      open.push(bucket);
      const { log, blobs, surfaces, rulesOf } = world;
      const pointers = artifacts === 'pointers' ? blobs : undefined;
      const target = new BucketSite({
        bucket,
        placeOf,
        pointers,
        scratch: join(directory, 'scratch.'),
        times,
      });
      return new Generator({ log, state: new RegistryState(log, rulesOf), target, blobs, surfaces });
    },
    endProcesses,
    files: () => filesIn(s3, world),
    expected: async () => sorted((await siteFromNothing(world)).files),
  };
}

function filesIn(s3: S3Server, { blobs }: World): MemorySite['files'] {
  const records: readonly string[] = Object.values(recordNames);
  const files: MemorySite['files'] = new Map();
  for (const [key, { bytes, metadata }] of s3.objects) {
    const path = key.slice('site/'.length);
    if (!key.startsWith('site/') || records.includes(path)) continue;
    const digest = metadata['digest'] ?? '';
    files.set(path, blobs.blobs.has(digest) ? { blob: digest as Digest } : bytes);
  }
  return sorted(files);
}

function sorted(files: MemorySite['files']): MemorySite['files'] {
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** As texts, so that differences can be read. */
export function textsOf(files: MemorySite['files']): Record<string, string> {
  return Object.fromEntries(
    [...files].map(([path, body]) => [
      path,
      body instanceof Uint8Array ? Buffer.from(body).toString('utf8') : `-> ${body.blob}`,
    ]),
  );
}
