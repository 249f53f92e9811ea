/** A registry with private packages, whose clients fetch those from a store that is another host to them. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { BlobStore } from '../../core/ports.ts';
import { Bucket } from '../../stores/bucket.ts';
import { npmApi, type NpmApi } from './npm-api.ts';
import { ociApi, type Credentials, type OciApi, type PushedImage } from './oci-api.ts';
import { pantryApi, type PantryApi } from './pantry-api.ts';
import { openRegistryApp, type RegistryApp } from './registry-app.ts';
import { openS3Server, type S3Server } from './s3-server.ts';

const scopes = ['read', 'publish', 'yank', 'owner'] as const;
export const SHA = '0123456789abcdef0123456789abcdef01234567';
export const secret = { name: '@acme/secret', version: '1.0.0' };
export const EXPIRES_IN_SECONDS = 120;

export interface Redirecting {
  readonly app: RegistryApp;
  readonly s3: S3Server;
  readonly oci: OciApi;
  readonly npm: NpmApi;
  readonly pantry: PantryApi;
  readonly image: PushedImage;
  readonly ann: Credentials;
  /** Owns nothing. */
  readonly bob: Credentials;
}

interface How {
  /** What clients know the store as; `localhost` unless told, and the registry is 127.0.0.1. */
  readonly storeHost?: string;
  readonly redirects?: 'off';
  readonly signedUrl?: NonNullable<BlobStore['signedUrl']>;
}

/** Private packages of ann, whose bytes are in a bucket as well once somebody is sent there. */
export async function openRedirecting(
  t: Pick<TestContext, 'after'>,
  { redirects, signedUrl, storeHost = 'localhost' }: How = {},
): Promise<Redirecting> {
  const s3 = await openS3Server(t);
  const bucket = new Bucket({
    ...s3.address('blobs'),
    endpoint: s3.endpoint.replace('127.0.0.1', storeHost),
  });
  t.after(() => bucket.close());
  const app = await openRegistryApp(t, ({ blobs }) => ({
    redirects: redirects ?? { expiresInSeconds: EXPIRES_IN_SECONDS },
    blobs: {
      stage: (source, limits) => blobs.stage(source, limits),
      has: (digest) => blobs.has(digest),
      sizeOf: (digest) => blobs.sizeOf(digest),
      read: (digest) => blobs.read(digest),
      open: (digest, range) => blobs.open(digest, range),
      lend: (digest, range) => blobs.lend(digest, range),
      signedUrl:
        signedUrl ??
        (async (digest, seconds, headers) => {
          const bytes = await blobs.read(digest);
          await bucket.put(digest, bytes, { contentType: 'application/octet-stream', digest });
          return bucket.signedUrl(digest, seconds, headers);
        }),
    },
  }));
  const [oci, npm, pantry] = [ociApi(app), npmApi(app), pantryApi(app)];
  const ann = ['ann', await app.tokenOf('ann', scopes)] as const;
  const bob = ['bob', await app.tokenOf('bob', scopes)] as const;
  const image = await oci.pushImage('ann/secret', '1', ann, 'classified-words');
  assert.equal((await npm.publish(secret, ann[1], { access: 'restricted' })).status, 201);
  const committed = await pantry.publishCommit(SHA, [secret], ann[1]);
  assert.equal(committed.status, 201, committed.text);
  return { app, s3, oci, npm, pantry, image, ann, bob };
}
