/**
 * A bucket of an object store that speaks S3, or the part of one below a prefix. Requests are bounded in time and number, and
 * repeated where nobody knows what became of them; an outcome is never guessed: where the store says that a condition does
 * not hold, what is there is looked at, and is a success where it is what we wanted to write.
 */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { ByteRange } from '../core/ports.ts';
import {
  DEFAULT_PATIENCE,
  endingWith,
  openClient,
  type BucketAddress,
  type BucketPatience,
} from './bucket-client.ts';
import { absentAs, failed, isAbsent, isUploadGone, statusOf } from './bucket-errors.ts';
import { COPY_PART_BYTES, copyInParts, endUploads, type Written } from './bucket-parts.ts';
import { piecesOf, rangeHeader } from './bucket-pieces.ts';
import { sendFile } from './bucket-send.ts';

export type { BucketAddress, BucketPatience } from './bucket-client.ts';
export { ConditionFailed, isAbsent } from './bucket-errors.ts';

/** The store itself was busy with that key; says nothing of the condition. */
const CONFLICTS_AT_MOST = 5;
const CONFLICT_DELAY_MS = 50;
/** What one request may remove. */
const REMOVED_AT_ONCE = 1000;

export interface ObjectFacts {
  /** As the store writes it, quotes included. Opaque: not every store makes it of the bytes. */
  readonly etag: string;
  /** Of all of it, also where a part was asked for. */
  readonly size: number;
  readonly contentType: string | undefined;
  /** `sha256:…` of the bytes, where whoever wrote it said so. */
  readonly digest: string | undefined;
  /** Its cache policy says that it never changes. */
  readonly isImmutable: boolean;
  /** 0 where nothing was said. */
  readonly rank: number;
  /** The key of the blob that it stands for, where it has not its bytes itself (`bucket-pointers.ts`). */
  readonly blob: string | undefined;
}

export interface ListedObject {
  /** Below the prefix of the bucket. */
  readonly key: string;
  readonly etag: string;
  readonly size: number;
  readonly modifiedMs: number;
}

export interface FoundObject extends ObjectFacts {
  /** All that was asked for; for what is known to be short. */
  bytes(): Promise<Buffer>;
  /** The same in pieces. */
  pieces(): AsyncIterable<Uint8Array>;
  /** Ends the request, unless one of these is asked for. */
  discard(): void;
}

/** What a write depends on: nothing being there, or that which has this ETag. */
export type Condition = 'absent' | { readonly etag: string };

export interface WriteOptions {
  readonly contentType: string;
  readonly cacheControl?: string | undefined;
  readonly contentDisposition?: string | undefined;
  /** Of the bytes, recorded with the object. */
  readonly digest: string;
  /** As that of a `SiteFile`; recorded, so that whoever removes it knows what goes before. */
  readonly rank?: number | undefined;
  /** The key of the blob that it stands for. */
  readonly blob?: string | undefined;
  readonly condition?: Condition | undefined;
  /** Ends it where it stands: nobody knows then whether it was done. */
  readonly signal?: AbortSignal | undefined;
}

export class Bucket {
  /** Without credentials: it may be looked at, and printed. */
  readonly address: Omit<BucketAddress, 'credentials'>;
  readonly #client: S3Client;
  readonly #prefix: string;
  readonly #bucket: string;
  #repeatedWrites = 0;
  readonly #partBytes: number | undefined;
  /** Whether the bucket has been seen. Answers to HEAD do not say what is missing, it or an object. */
  #isThere = false;

  constructor(address: BucketAddress, patience: BucketPatience = DEFAULT_PATIENCE) {
    const { credentials: _, ...place } = address;
    this.address = place;
    this.#bucket = address.bucket;
    this.#prefix = address.prefix === '' ? '' : `${address.prefix}/`;
    this.#client = openClient(address, patience);
    this.#partBytes = patience.partBytes;
  }

  /** `s3://bucket/prefix`, for people to read. */
  get name(): string {
    return `s3://${this.#bucket}${this.#prefix === '' ? '' : `/${this.#prefix.slice(0, -1)}`}`;
  }

  /** How often a write had no answer, or none that says what became of it: the store may do it late, and once more. */
  get repeatedWrites(): number {
    return this.#repeatedWrites;
  }

  close(): void {
    this.#client.destroy();
  }

  /** Undefined when it is not there; `unchanged` when it still has the ETag `unless`. */
  async get(
    key: string,
    { unless, range }: { readonly unless?: string | undefined; readonly range?: ByteRange | undefined } = {},
  ): Promise<FoundObject | 'unchanged' | undefined> {
    try {
      const request = { ...this.#at(key), IfNoneMatch: unless, Range: range && rangeHeader(range) };
      const answer = await this.#client.send(new GetObjectCommand(request));
      this.#isThere = true;
      const [facts, body] = [factsOf(answer), answer.Body as Readable];
      const asked = range ?? { start: 0, end: facts.size - 1 };
      const whole = { ...asked, end: Math.min(asked.end, facts.size - 1) };
      const pieces = (): AsyncGenerator<Uint8Array> =>
        piecesOf(this.#client, this.#at(key), whole, facts.etag, body);
      return {
        ...facts,
        bytes: () => collect(pieces()),
        pieces,
        discard: () => void body.destroy(),
      };
    } catch (error) {
      if (statusOf(error) === 304) return 'unchanged';
      if (!isAbsent(error)) throw error;
      this.#isThere = true;
      return undefined;
    }
  }

  /**
   * The bytes of a range of one object, in pieces: of that which has this ETag, or else of that which is there at the first.
   * @throws ConditionFailed when another is there by now
   */
  async *read(key: string, range: ByteRange, etag?: string): AsyncGenerator<Uint8Array> {
    if (range.end >= range.start) yield* piecesOf(this.#client, this.#at(key), range, etag);
  }

  /** Undefined when it is not there. */
  async head(key: string): Promise<ObjectFacts | undefined> {
    try {
      const facts = factsOf(await this.#client.send(new HeadObjectCommand(this.#at(key))));
      this.#isThere = true;
      return facts;
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
      if (this.#isThere) return undefined;
      const found = await this.get(key);
      if (typeof found !== 'object') return undefined;
      found.discard();
      const { bytes: _, pieces: __, discard: ___, ...facts } = found;
      return facts;
    }
  }

  /**
   * Writes it whole or not at all; durable when it returns. @returns its ETag.
   * @throws ConditionFailed unless what is there, written by whomever, is the same.
   */
  async put(key: string, bytes: Uint8Array, options: WriteOptions): Promise<string> {
    const request = {
      ...this.#at(key),
      ...headersOf(options),
      Body: bytes,
      ContentLength: bytes.byteLength,
      ContentMD5: createHash('md5').update(bytes).digest('base64'),
    };
    return this.#write(key, options, bytes.byteLength, () =>
      endingWith(this.#client, options.signal).send(new PutObjectCommand(request)),
    );
  }

  /** The same for a file, in parts where it is long: memory is bounded. @throws when it is not as long as `size` says */
  async putFile(key: string, path: string, size: number, options: WriteOptions): Promise<string> {
    const target = { ...this.#at(key), ...headersOf(options) };
    return this.#write(key, options, size, () =>
      sendFile(this.#client, target, { path, size, partBytes: this.#partBytes }, options.signal),
    );
  }

  /** From a bucket of the same store, without the bytes passing through here. `size` is that of the source. */
  async copy(
    source: Bucket,
    sourceKey: string,
    size: number,
    key: string,
    options: WriteOptions,
  ): Promise<string> {
    const path = `${source.#bucket}/${source.#prefix}${sourceKey}`;
    const from = { source: path.split('/').map(encodeURIComponent).join('/'), size };
    // Not every store honours conditions on copies; what is copied is named by its digest, so that doing it twice is no harm.
    const unconditional = { ...options, condition: undefined };
    const target = { ...this.#at(key), ...headersOf(unconditional) };
    const [{ signal }, partBytes] = [options, this.#partBytes ?? COPY_PART_BYTES];
    return this.#write(key, unconditional, size, async () => {
      if (size > partBytes) return copyInParts(this.#client, target, { ...from, partBytes }, signal);
      const command = new CopyObjectCommand({
        ...target,
        CopySource: from.source,
        MetadataDirective: 'REPLACE',
      });
      const { CopyObjectResult, $metadata } = await endingWith(this.#client, signal).send(command);
      return { ETag: CopyObjectResult?.ETag, $metadata };
    });
  }

  /** Safe to repeat; a missing one is fine. */
  async remove(key: string, signal?: AbortSignal): Promise<void> {
    const request = new DeleteObjectCommand(this.#at(key));
    await absentAs(undefined, async () =>
      this.#noteRepeated(await endingWith(this.#client, signal).send(request)),
    );
  }

  /** Many at once, in no order. @returns how often a request was made at most: of more than one, the first may be done later. */
  async removeAll(keys: readonly string[]): Promise<{ readonly attempts: number }> {
    let attempts = 1;
    for (let start = 0; start < keys.length; start += REMOVED_AT_ONCE) {
      const Objects = keys.slice(start, start + REMOVED_AT_ONCE).map((key) => ({ Key: this.#prefix + key }));
      const {
        Deleted = [],
        Errors = [],
        $metadata,
      } = await this.#client.send(new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects } }));
      if (Deleted.length + Errors.length === 0)
        throw new Error(`${this.name}: the store's answer names nothing that was removed`);
      const [first] = Errors.filter(({ Code }) => Code !== 'NoSuchKey');
      if (first)
        throw new Error(`${this.name}: ${first.Key} was not removed: ${first.Code} ${first.Message}`);
      attempts = Math.max(attempts, $metadata.attempts ?? 1);
    }
    return { attempts };
  }

  /**
   * Ends uploads in parts that were begun before that and are not whole: nobody sees them, and they are paid for. At most 1,000
   * of them; nothing where the store knows no such list.
   */
  async abortUploads(beforeMs: number): Promise<void> {
    await endUploads(this.#client, { Bucket: this.#bucket, Prefix: this.#prefix }, beforeMs);
  }

  /** In ascending order of the bytes of their keys. A request for each thousand: nothing that a publish waits for asks for it. */
  async *list(below = '', after?: string): AsyncGenerator<ListedObject> {
    const pages = paginateListObjectsV2(
      { client: this.#client },
      {
        Bucket: this.#bucket,
        Prefix: this.#prefix + below,
        ...(after === undefined ? {} : { StartAfter: this.#prefix + after }),
      },
    );
    for await (const { Name, Contents = [] } of pages) {
      // Whatever this is, it does not say that there is nothing.
      if (Name === undefined) throw new Error(`${this.name}: the store's answer is no list`);
      for (const { Key = '', ETag = '', Size = 0, LastModified } of Contents)
        yield {
          key: Key.slice(this.#prefix.length),
          etag: ETag,
          size: Size,
          modifiedMs: LastModified?.getTime() ?? 0,
        };
    }
  }

  /** A URL that lets anybody read this object for some time, as that type. */
  async signedUrl(
    key: string,
    expiresInSeconds: number,
    {
      contentType,
      contentDisposition,
    }: { readonly contentType?: string; readonly contentDisposition?: string } = {},
  ): Promise<string> {
    const request = new GetObjectCommand({
      ...this.#at(key),
      ResponseContentType: contentType,
      ResponseContentDisposition: contentDisposition,
    });
    return getSignedUrl(this.#client, request, { expiresIn: expiresInSeconds });
  }

  /** A URL that lets anybody write this object for some time, with the type that they send. */
  async signedUploadUrl(key: string, expiresInSeconds: number): Promise<string> {
    return getSignedUrl(this.#client, new PutObjectCommand(this.#at(key)), { expiresIn: expiresInSeconds });
  }

  /** Of an answer or an error. */
  #noteRepeated(told: unknown): void {
    const { $metadata } = told as Partial<Pick<Written, '$metadata'>>;
    this.#repeatedWrites += ($metadata?.attempts ?? 1) - 1;
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  async #write(
    key: string,
    { digest, blob, condition }: WriteOptions,
    size: number,
    send: () => Promise<Written>,
  ): Promise<string> {
    for (let conflicts = 0; ; conflicts += 1) {
      try {
        const answer = await send();
        this.#noteRepeated(answer);
        const { ETag: etag } = answer;
        if (etag === undefined) throw new Error(`${this.name}: the store names no ETag for ${key}`);
        this.#isThere = true;
        return etag;
      } catch (error) {
        this.#noteRepeated(error);
        const isRefused = condition !== undefined && (statusOf(error) === 412 || isAbsent(error));
        if (isRefused || isUploadGone(error)) {
          // It may be an earlier attempt of ours that the store did and then did not say so.
          const found = await this.head(key);
          if (found?.digest === digest && found.size === size && found.blob === blob) return found.etag;
          throw isRefused ? failed(key, error, found) : error;
        }
        if (statusOf(error) !== 409 || conflicts >= CONFLICTS_AT_MOST) {
          this.#repeatedWrites += 1;
          throw error;
        }
        await new Promise((next) =>
          setTimeout(next, CONFLICT_DELAY_MS * 2 ** conflicts * (0.5 + Math.random())),
        );
      }
    }
  }
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

function headersOf({
  contentType,
  cacheControl,
  contentDisposition,
  digest,
  rank,
  blob,
  condition,
}: WriteOptions): object {
  return {
    ContentType: contentType,
    CacheControl: cacheControl,
    ContentDisposition: contentDisposition,
    Metadata: { digest, ...(rank ? { rank: String(rank) } : {}), ...(blob === undefined ? {} : { blob }) },
    ...(condition === undefined
      ? {}
      : condition === 'absent'
        ? { IfNoneMatch: '*' }
        : { IfMatch: condition.etag }),
  };
}

function factsOf(answer: {
  readonly ETag?: string | undefined;
  readonly ContentLength?: number | undefined;
  /** `bytes 0-9/100`, where a part was asked for. */
  readonly ContentRange?: string | undefined;
  readonly ContentType?: string | undefined;
  readonly CacheControl?: string | undefined;
  readonly Metadata?: Record<string, string> | undefined;
}): ObjectFacts {
  const [, whole] = /\/(\d+)$/.exec(answer.ContentRange ?? '') ?? [];
  return {
    etag: answer.ETag ?? '',
    size: whole === undefined ? (answer.ContentLength ?? 0) : Number(whole),
    contentType: answer.ContentType,
    digest: answer.Metadata?.['digest'],
    isImmutable: answer.CacheControl?.includes('immutable') === true,
    rank: Number(answer.Metadata?.['rank'] ?? 0) || 0,
    blob: answer.Metadata?.['blob'],
  };
}
