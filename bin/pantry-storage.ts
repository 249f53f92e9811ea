/** The class by which programs written for Pantry's own server keep archives in a bucket (contract, section 15). */
import { createHash } from 'node:crypto';
import { RegistryError } from '../core/errors.ts';
import { asking } from '../stores/bucket-failure.ts';
import type { Bucket, BucketAddress } from '../stores/bucket.ts';
import { safeName } from '../surfaces/pantry/names.ts';
import { providerEndpoint, type StorageProvider } from '../surfaces/pantry/storage-providers.ts';
import { addressOf } from './storage.ts';

/** Where a bucket is, for whoever says more than its region. */
export interface S3StoragePlace {
  /** Default `aws`. The endpoint of the others follows from it and the region. */
  readonly provider?: StorageProvider | undefined;
  /** Default `us-east-1`. */
  readonly region?: string | undefined;
  /** Origin of a store of one's own. */
  readonly endpoint?: string | undefined;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly forcePathStyle?: boolean | undefined;
  /** Default those that the AWS SDK finds. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

const SECONDS = 3600;
const DEFAULT_REGION = 'us-east-1';

/**
 * Archives in a bucket, by keys or as packages: `packages/pantry/{name}/{version}/{name}-{version}.tgz`, where a name has no `@`,
 * and `-` for `/`. It is a store of files, and knows of no registry: what is written here is published nowhere. Nothing is asked
 * of the store before the first call; a store that fails throws a `RegistryError` `storage-failed`.
 */
export class S3Storage {
  readonly #address: BucketAddress;
  #opened: Promise<Bucket> | undefined;

  /** @throws RegistryError `bad-request` for a name that no bucket can have, or a place that is none. */
  constructor(bucket: string, place: string | S3StoragePlace = {}) {
    const { provider, region, endpoint, forcePathStyle, credentials } =
      typeof place === 'string' ? { region: place } : place;
    this.#address = addressOf(`s3://${bucket}`, {
      endpoint: endpoint?.replace(/\/+$/, '') ?? providerEndpoint(provider, region),
      region,
      pathStyle: forcePathStyle,
      credentials,
    });
  }

  /** In the place of what was there; durable when it resolves. @returns where it is, for whoever may read it. */
  async upload(key: string, bytes: ArrayBuffer | Uint8Array): Promise<string> {
    const body = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
    const contentType = /\.t?gz$/.test(key) ? 'application/gzip' : 'application/octet-stream';
    const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
    await this.#ask(key, (bucket) => bucket.put(key, body, { contentType, digest }));
    return this.getUrl(key);
  }

  /** @throws RegistryError `not-found` */
  async download(key: string): Promise<ArrayBuffer> {
    const bytes = await this.#ask(key, async (bucket) => {
      const found = await bucket.get(key);
      return typeof found === 'object' ? found.bytes() : undefined;
    });
    if (!bytes) throw new RegistryError('not-found', `there is no ${key} in ${this.#address.bucket}`);
    return new Uint8Array(bytes).buffer;
  }

  async exists(key: string): Promise<boolean> {
    return (await this.#ask(key, (bucket) => bucket.head(key))) !== undefined;
  }

  /** Safe to repeat; a missing one is fine. */
  async delete(key: string): Promise<void> {
    await this.#ask(key, (bucket) => bucket.remove(key));
  }

  /** Where it is, whether or not it is there. Who may read it is for the bucket to say. */
  getUrl(key: string): string {
    checkKey(key);
    const { bucket, endpoint, region = DEFAULT_REGION, pathStyle = false } = this.#address;
    const { protocol, host } = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
    const origin = pathStyle ? `${protocol}//${host}/${bucket}` : `${protocol}//${bucket}.${host}`;
    return `${origin}/${key.split('/').map(encodeURIComponent).join('/')}`;
  }

  /** All keys that begin with it, in ascending order. */
  async list(prefix = ''): Promise<string[]> {
    const bucket = await this.#bucket();
    return asking(bucket, async () => {
      const keys: string[] = [];
      for await (const { key } of bucket.list(prefix)) keys.push(key);
      return keys;
    });
  }

  async uploadPackage(name: string, version: string, bytes: ArrayBuffer | Uint8Array): Promise<string> {
    return this.upload(keyOf(name, version), bytes);
  }

  /** @throws RegistryError `not-found` */
  async downloadPackage(name: string, version: string): Promise<ArrayBuffer> {
    return this.download(keyOf(name, version));
  }

  async packageExists(name: string, version: string): Promise<boolean> {
    return this.exists(keyOf(name, version));
  }

  getPackageUrl(name: string, version: string): string {
    return this.getUrl(keyOf(name, version));
  }

  /** In the order of their letters. */
  async listPackageVersions(name: string): Promise<string[]> {
    const below = `${folderOf(name)}/`;
    const keys = await this.list(below);
    return [...new Set(keys.map((key) => key.slice(below.length).split('/')[0] ?? ''))];
  }

  /** Lets anybody read it for some time. */
  async getPresignedDownloadUrl(name: string, version: string, expiresIn = SECONDS): Promise<string> {
    const key = keyOf(name, version);
    return this.#ask(key, (bucket) => bucket.signedUrl(key, expiresIn));
  }

  /** Lets anybody write it for some time, with PUT. */
  async getPresignedUploadUrl(name: string, version: string, expiresIn = SECONDS): Promise<string> {
    const key = keyOf(name, version);
    return this.#ask(key, (bucket) => bucket.signedUploadUrl(key, expiresIn));
  }

  /** Ends its connections. The next call opens new ones. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    (await opened)?.close();
  }

  async #ask<T>(key: string, ask: (bucket: Bucket) => Promise<T>): Promise<T> {
    checkKey(key);
    const bucket = await this.#bucket();
    return asking(bucket, () => ask(bucket));
  }

  /** What speaks with buckets is loaded here and not before: most programs have none. */
  #bucket(): Promise<Bucket> {
    return (this.#opened ??= import('../stores/bucket.ts').then(({ Bucket }) => new Bucket(this.#address)));
  }
}

function folderOf(name: string): string {
  return `packages/pantry/${safeName(name)}`;
}

/** One segment each: a version with a slash would lie in another's folder. */
function keyOf(name: string, version: string): string {
  if (safeName(name) === '' || version === '' || version.includes('/'))
    throw new RegistryError('bad-request', `${name}@${version} is no name and version of a package`);
  return `${folderOf(name)}/${version}/${safeName(name)}-${version}.tgz`;
}

/** A URL with such a segment is another's before it reaches the store. */
function checkKey(key: string): void {
  if (key === '' || key.split('/').some((part) => part === '.' || part === '..'))
    throw new RegistryError('bad-request', `${JSON.stringify(key)} cannot be the key of an object`);
}
