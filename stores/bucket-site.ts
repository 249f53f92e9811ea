/**
 * A site in a bucket, for any CDN to serve. Each file is one object, with its type and its cache policy; artifacts are copied
 * from the bucket of the blobs, without passing through here, or sent from their directory; or there is a pointer in their
 * place, for an edge that follows it (docs/decisions/0024-artifacts-in-a-bucket.md). What is replaced is replaced under the
 * condition that it is still what we know (docs/decisions/0021-buckets.md).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, type Digest } from '../core/digest.ts';
import { ClaimLost, RegistryError } from '../core/errors.ts';
import type { Doubt, SiteBuild, SiteProgress, SiteRecords, SiteTarget } from '../core/ports.ts';
import { byRank, cacheControl, type SiteFile } from '../core/site.ts';
import { startBucketBuild } from './bucket-build.ts';
import { checkedPointer, type PointedBlobs } from './bucket-pointers.ts';
import {
  ConditionFailed,
  type Bucket,
  type Condition,
  type ObjectFacts,
  type WriteOptions,
} from './bucket.ts';
import { PROBE } from './bucket-probe.ts';
import { BucketRecords, type ClaimTimes } from './bucket-records.ts';
import { sideBySide } from './side-by-side.ts';
import { recordNames } from './site-files.ts';
import { writeStream } from './spooled-site.ts';

/** Where the bytes of a blob are. */
export type BlobPlace = { readonly path: string } | { readonly bucket: Bucket; readonly key: string };

/** How far a rebuild is. */
export interface BuildProgress {
  readonly doing: 'rendering' | 'comparing' | 'sending' | 'removing';
  readonly done: number;
  readonly of?: number;
}

export interface BucketSiteOptions {
  readonly bucket: Bucket;
  readonly placeOf: (digest: Digest) => BlobPlace;
  /** Where artifacts are pointers, and not copies: the blobs that they point to. */
  readonly pointers?: PointedBlobs | undefined;
  /** A local directory for what is too long for memory; made when it is needed. */
  readonly scratch: string;
  /** Whether a path is no function of the log, and so not for a rebuild to remove; none unless told. */
  readonly isOutsideLog?: ((path: string) => boolean) | undefined;
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
  readonly times?: ClaimTimes | undefined;
  /** Of `BucketRecordsOptions`. */
  readonly soleWriter?: string | undefined;
}

/** Paths whose ETags are remembered: to change one of them costs one request, and two otherwise. */
const KNOWN_PATHS = 50_000;
/** Somebody else writes: whoever holds the claim wins in the end. */
const MOST_TRIES = 5;

interface Known {
  readonly etag: string;
  readonly digest: string | undefined;
}

export class BucketSite implements SiteTarget {
  readonly bucket: Bucket;
  readonly #options: BucketSiteOptions;
  readonly #records: BucketRecords;
  readonly #known = new Map<string, Known>();
  #claimed: { readonly from: number; readonly repeated: number } | undefined;

  constructor(options: BucketSiteOptions) {
    this.bucket = options.bucket;
    this.#options = options;
    this.#records = new BucketRecords({
      bucket: options.bucket,
      times: options.times,
      soleWriter: options.soleWriter,
      onForeign: () => this.forget(),
    });
  }

  hold(part: keyof SiteRecords): Promise<() => Promise<void>> {
    return this.#records.hold(part);
  }

  claim(part: keyof SiteRecords): Promise<void> {
    return this.#records.claim(part);
  }

  load<K extends keyof SiteRecords>(record: K): Promise<SiteRecords[K] | undefined> {
    return this.#records.load(record);
  }

  async save<K extends keyof SiteRecords>(record: K, value: SiteRecords[K]): Promise<void> {
    await this.#records.save(
      record,
      record === 'progress' ? (this.#doubted(value as SiteProgress) as SiteRecords[K]) : value,
    );
  }

  /** What was asked for twice, since no answer came, may be done a second time, late. */
  #doubted(progress: SiteProgress): SiteProgress {
    const repeated = this.bucket.repeatedWrites;
    if (progress.claim) {
      this.#claimed = { from: progress.seq, repeated };
      return progress;
    }
    const { from, repeated: before } = this.#claimed ?? { from: progress.seq, repeated };
    this.#claimed = undefined;
    if (repeated === before || from >= progress.seq) return progress;
    const doubt: Doubt = { from, to: progress.seq, at: Date.now() };
    return { ...progress, doubts: [...(progress.doubts ?? []), doubt] };
  }

  async put(files: readonly SiteFile[]): Promise<void> {
    for (const together of byRank(files)) await sideBySide(together, (file) => this.#putOne(file));
  }

  async #putOne(file: SiteFile): Promise<void> {
    const { path, body } = file;
    if ('blob' in body) return this.#putBlob(file, body.blob, body.size);
    if ('bytes' in body) {
      const { bytes } = body;
      return this.#replace(file, digestOf(bytes), (options) => this.bucket.put(path, bytes, options));
    }
    const directory = await this.#scratchDirectory();
    try {
      const spooled = join(directory, 'stream');
      const { digest, size } = await writeStream(spooled, body.stream);
      await this.#replace(file, digest, (options) => this.bucket.putFile(path, spooled, size, options));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** What is there already is copied again: that costs what a look at it would. */
  async #putBlob(file: SiteFile, blob: Digest, size: number): Promise<void> {
    const { path } = file;
    if (this.#options.pointers) {
      const { bytes, ...named } = await checkedPointer(blob, this.#options.pointers);
      return this.#replace(file, blob, (options) => this.bucket.put(path, bytes, { ...options, ...named }));
    }
    const place = this.#options.placeOf(blob);
    if ('path' in place)
      return this.#replace(file, blob, (options) => this.bucket.putFile(path, place.path, size, options));
    if (this.#known.get(path)?.digest === blob) return;
    const etag = await this.#write((signal) =>
      this.bucket.copy(place.bucket, place.key, size, path, { ...writeOptions(file, blob), signal }),
    );
    this.#remember(path, { etag, digest: blob });
  }

  /** Equal bytes are left alone; others are replaced while they are what we know them to be. */
  async #replace(
    file: SiteFile,
    digest: Digest,
    write: (options: WriteOptions) => Promise<string>,
  ): Promise<void> {
    const { path } = file;
    // Mostly nothing is there, or it is this very artifact: no look is needed before.
    const isSurelyNew = file.cache === 'artifact' || file.isNew;
    const remembered = this.#known.get(path);
    let known = remembered ?? (isSurelyNew ? undefined : this.#seen(file, await this.bucket.head(path)));
    for (let tries = 1; known?.digest !== digest; tries += 1) {
      const condition: Condition = known ? { etag: known.etag } : 'absent';
      try {
        const etag = await this.#write((signal) =>
          write({ ...writeOptions(file, digest), condition, signal }),
        );
        known = { etag, digest };
      } catch (error) {
        if (!(error instanceof ConditionFailed) || tries === MOST_TRIES) throw error;
        // A late write of whoever had the claim before; or ours is lost, which shows in the next turn.
        known = this.#seen(file, (error as ConditionFailed<ObjectFacts>).found);
      }
    }
    this.#remember(path, known);
  }

  /** One write. @throws ClaimLost before it, or when it was cut short because the claim ran out */
  async #write<T>(write: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#records.requireClaims();
    const { signal } = this.#records;
    try {
      return await write(signal);
    } catch (error) {
      if (signal.aborted)
        throw new ClaimLost(`another process may write ${this.bucket.name}`, { cause: error });
      throw error;
    }
  }

  #seen({ body }: SiteFile, facts: ObjectFacts | undefined): Known | undefined {
    const isPointer = 'blob' in body && this.#options.pointers !== undefined;
    // Of the other layout: these are other bytes, though they stand for the same.
    return facts && (facts.blob !== undefined) !== isPointer ? { ...facts, digest: undefined } : facts;
  }

  #remember(path: string, { etag, digest }: Known): void {
    this.#known.delete(path);
    this.#known.set(path, { etag, digest });
    const [oldest] = this.#known.keys();
    if (this.#known.size > KNOWN_PATHS && oldest !== undefined) this.#known.delete(oldest);
  }

  async remove(paths: readonly string[]): Promise<void> {
    await sideBySide(paths, async (path) => {
      this.#known.delete(path);
      await this.#write((signal) => this.bucket.remove(path, signal));
    });
  }

  forget(): void {
    this.#known.clear();
  }

  async *read(path: string): AsyncGenerator<string> {
    const found = await this.bucket.get(path);
    if (typeof found !== 'object') return;
    // What is read is often replaced next.
    this.#remember(path, found);
    const decoder = new TextDecoder();
    for await (const piece of found.pieces()) yield decoder.decode(piece, { stream: true });
    yield decoder.decode();
  }

  async rebuild(): Promise<SiteBuild> {
    if (!(await this.load('progress'))) await refuseOthers(this.bucket);
    for (const part of ['progress', 'roots'] as const) await this.#records.claim(part);
    const {
      bucket,
      placeOf,
      pointers,
      isOutsideLog = () => false,
      onProgress = () => undefined,
    } = this.#options;
    return startBucketBuild({
      bucket,
      placeOf,
      pointers,
      isOutsideLog,
      onProgress,
      directory: await this.#scratchDirectory(),
      claimed: (write) => this.#write(write),
      // Nobody may carry on from a site that is half another one: should we stop, it is made anew.
      begin: async () => {
        for (const part of ['progress', 'roots'] as const) await this.#records.claim(part, null);
      },
      done: async ({ progress, roots }) => {
        this.#known.clear();
        await this.#records.save('roots', roots);
        await this.#records.save('progress', progress);
      },
    });
  }

  async #scratchDirectory(): Promise<string> {
    return mkdtemp(this.#options.scratch);
  }
}

export function writeOptions(
  { contentType, cache, headers, rank }: Pick<SiteFile, 'contentType' | 'cache' | 'headers' | 'rank'>,
  digest: Digest,
): WriteOptions {
  return {
    contentType,
    cacheControl: cacheControl[cache],
    contentDisposition: headers?.['content-disposition'],
    digest,
    rank,
  };
}

/**
 * A site removes what does not belong to it: where none was before, nothing else may be. What a doctor tries a store with is
 * nothing. @throws RegistryError `conflict`
 */
export async function refuseOthers(bucket: Bucket): Promise<void> {
  for await (const { key } of bucket.list()) {
    if (key.startsWith(PROBE)) continue;
    // Looked for after the list: another process may have begun one meanwhile.
    if (await bucket.head(recordNames.progress)) return;
    throw new RegistryError(
      'conflict',
      `${bucket.name} holds ${key}, and no site of a registry: choose an empty bucket or another prefix, since a site removes what is not its own`,
    );
  }
}
