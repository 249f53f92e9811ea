/** Whether a site in a bucket is what it should be: by the bucket's own list, and by a look at some of the bytes. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { splitDigest, type Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import type { SiteBuild, SiteTarget } from '../core/ports.ts';
import { isBeside } from './bucket-build.ts';
import { blobNamedBy, pointerTo, type ArtifactLayout } from './bucket-pointers.ts';
import type { Bucket, ListedObject } from './bucket.ts';
import type { TreeDifferences } from './compare-trees.ts';
import { sideBySide } from './side-by-side.ts';
import { SpooledSite, type SpooledFile } from './spooled-site.ts';

/** A site that nobody reads: what a generator makes of the whole log, in files of a local directory. */
export class SiteOnPaper implements SiteTarget {
  readonly site: SpooledSite;

  constructor(directory: string, artifacts?: ArtifactLayout) {
    this.site = new SpooledSite(join(directory, 'site'), artifacts);
  }

  async hold(): Promise<() => Promise<void>> {
    return async () => undefined;
  }

  async claim(): Promise<void> {}
  async load(): Promise<undefined> {}
  async save(): Promise<void> {}
  forget(): void {}
  async *read(): AsyncGenerator<string> {}

  put(): Promise<void> {
    throw new TypeError('only whole sites are made on paper');
  }

  remove(): Promise<void> {
    throw new TypeError('only whole sites are made on paper');
  }

  async rebuild(): Promise<SiteBuild> {
    const { site } = this;
    return {
      add: (file) => site.add(file),
      async addRoot(file) {
        if ('stream' in file.body) await site.addStream(file, file.body.stream);
        else site.add(file);
      },
      read: (path) => site.read(path),
      finish: async () => undefined,
      abandon: async () => undefined,
    };
  }
}

/** Files whose bytes are read; all of them when it is `Infinity`. */
const SAMPLE = 200;

export interface BucketCheckOptions {
  readonly site: SpooledSite;
  readonly bucket: Bucket;
  /** Of what pointers stand for. */
  readonly openBlob: (digest: Digest) => AsyncIterable<Uint8Array>;
  /** How many files are read, chosen by chance. */
  readonly sample?: number;
}

/**
 * Every path, every length, and every ETag that stands for the bytes is compared; of all others the digest that is recorded
 * with the object; and the bytes themselves of some, which are those of the blob where a pointer stands for it. Paths in no order.
 */
export async function compareBucket({
  site,
  bucket,
  openBlob,
  sample = SAMPLE,
}: BucketCheckOptions): Promise<TreeDifferences> {
  const there = await listedByPart(site, bucket);
  const differences = { missing: [] as string[], different: [] as string[], extra: [] as string[] };
  const chosen = new Sample<SpooledFile>(sample);
  for (const [part, objects] of there.entries()) {
    const toAsk: SpooledFile[] = [];
    for await (const file of site.files(part)) {
      const object = objects.get(file.path);
      objects.delete(file.path);
      if (!object) differences.missing.push(file.path);
      else if (object.size !== file.size) differences.different.push(file.path);
      else {
        if (file.md5 === undefined || object.etag !== `"${file.md5}"`) toAsk.push(file);
        chosen.offer(file);
      }
    }
    await sideBySide(toAsk, async (file) => {
      const facts = await bucket.head(file.path);
      const isSame = facts?.digest === file.digest && facts.blob === blobNamedBy(file);
      if (!isSame) differences.different.push(file.path);
    });
    differences.extra.push(...objects.keys());
  }
  const known = new Set(differences.different);
  await sideBySide(chosen.items, async (file) => {
    if (known.has(file.path)) return;
    const isRight = file.from === 'pointer' ? pointsToItsBlob : hasItsBytes;
    if (!(await isRight(file, bucket, openBlob))) differences.different.push(file.path);
  });
  return differences;
}

async function listedByPart(site: SpooledSite, bucket: Bucket): Promise<Map<string, ListedObject>[]> {
  const parts = Array.from({ length: site.parts }, () => new Map<string, ListedObject>());
  for await (const object of bucket.list())
    if (!isBeside(object.key)) parts[site.partOf(object.key)]?.set(object.key, object);
  return parts;
}

function hasItsBytes({ path, size, digest }: SpooledFile, bucket: Bucket): Promise<boolean> {
  return hashesTo(digest, bucket.read(path, { start: 0, end: size - 1 }));
}

/** An edge goes by what is recorded with the object; by its text go those who look at it. */
async function pointsToItsBlob(
  { path, digest }: SpooledFile,
  bucket: Bucket,
  openBlob: BucketCheckOptions['openBlob'],
): Promise<boolean> {
  const found = await bucket.get(path);
  if (typeof found !== 'object') return false;
  const { bytes, blob } = pointerTo(digest);
  if (found.blob !== blob || !(await found.bytes()).equals(bytes)) return false;
  try {
    return await hashesTo(digest, openBlob(digest));
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'not-found') return false;
    throw error;
  }
}

async function hashesTo(digest: Digest, pieces: AsyncIterable<Uint8Array>): Promise<boolean> {
  const { algorithm, hex } = splitDigest(digest);
  const hash = createHash(algorithm);
  for await (const piece of pieces) hash.update(piece);
  return hash.digest('hex') === hex;
}

/** So many of all that is offered, each with the same chance (Vitter's algorithm R). */
class Sample<T> {
  readonly #most: number;
  readonly items: T[] = [];
  #offered = 0;

  constructor(most: number) {
    this.#most = most;
  }

  offer(item: T): void {
    this.#offered += 1;
    if (this.items.length < this.#most) this.items.push(item);
    else {
      const place = Math.floor(Math.random() * this.#offered);
      if (place < this.#most) this.items[place] = item;
    }
  }
}
