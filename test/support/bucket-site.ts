/** A server in this process whose site lies in a bucket. */
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import type { TestContext } from 'node:test';
import { layout } from '../../bin/layout.ts';
import type { Registry } from '../../bin/open-registry.ts';
import { digestOf } from '../../core/digest.ts';
import { Bucket } from '../../stores/bucket.ts';
import { bucketReader } from '../../stores/bucket-reader.ts';
import { openRegistryApp, type Over, type RegistryApp } from './registry-app.ts';
import { openS3Server, type S3Server } from './s3-server.ts';
import { filesBelow } from './stored-state.ts';
import { openTestServer, type TestServer } from './test-server.ts';

export interface BucketSite {
  readonly s3: S3Server;
  readonly bucket: Bucket;
}

/** For tests, which cannot wait as long as clients can. */
const patience = { attempts: 2, idleMs: 500 };

/** An empty one, below a prefix. */
export async function openBucketSite(t: Pick<TestContext, 'after'>): Promise<BucketSite> {
  const s3 = await openS3Server(t);
  const bucket = new Bucket(s3.address('a site'), patience);
  t.after(() => bucket.close());
  return { s3, bucket };
}

export async function putText(bucket: Bucket, path: string, text: string | Buffer): Promise<void> {
  const bytes = Buffer.from(text);
  await bucket.put(path, bytes, { contentType: 'application/octet-stream', digest: digestOf(bytes) });
}

/** Readers cannot tell where a site is. */
export const siteServers: readonly (readonly [
  where: string,
  open: (t: Pick<TestContext, 'after'>) => Promise<TestServer>,
])[] = [
  ['in a directory', (t) => openTestServer(t)],
  ['in a bucket', (t) => openBucketServer(t)],
];

/** What its generator writes to a directory is in the bucket whenever a write is answered. */
export async function openBucketServer(
  t: Pick<TestContext, 'after'>,
  described: { readonly isDescribed?: boolean } = {},
): Promise<RegistryApp & BucketSite> {
  const { s3, bucket } = await openBucketSite(t);
  const over = ({ publisher }: Registry, data: string): Over => ({
    site: bucketReader(bucket),
    async visible(seq) {
      const visibility = await publisher.visible(seq);
      const { site } = layout(data);
      for (const file of await filesBelow(site)) {
        // Roots are replaced, and temporary files come and go, at any time.
        const bytes = await readFile(file).catch(() => undefined);
        if (bytes) await putText(bucket, relative(site, file), bytes);
      }
      return visibility;
    },
  });
  const app = await openRegistryApp(t, over, described);
  return { ...app, s3, bucket };
}
