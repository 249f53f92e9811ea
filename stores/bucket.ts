/**
 * A bucket of an object store that speaks S3, or the part of one below a prefix. Requests are bounded in time and number, and
 * repeated where nobody knows what became of them; an outcome is never guessed: where the store says that a condition does
 * not hold, what is there is looked at, and is a success where it is what we wanted to write.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
  UploadPartCopyCommand,
  type CompletedPart,
  type MultipartUpload,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { ByteRange } from '../core/ports.ts';

/** Where a bucket is. Credentials come from where every program of the SDK finds them. */
export interface BucketAddress {
  readonly bucket: string;
  /** Without slashes around it; empty for the whole bucket. */
  readonly prefix: string;
  /** Origin of the store; that of the region at AWS when undefined. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly pathStyle?: boolean | undefined;
}

/** For tests, which cannot wait as long as it is right to. */
export interface BucketPatience {
  /** Of one request, the first try included. */
  readonly attempts: number;
  /** Of a connection on which nothing moves, in milliseconds. */
  readonly idleMs: number;
}

const DEFAULT_PATIENCE: BucketPatience = { attempts: 6, idleMs: 20_000 };
const CONNECT_MS = 5_000;
/** Requests under way at once; others wait for a connection. */
const CONNECTIONS = 64;
const DEFAULT_REGION = 'us-east-1';
/** The store itself was busy with that key; says nothing of the condition. */
const CONFLICTS_AT_MOST = 5;
const CONFLICT_DELAY_MS = 50;

/** From here on an object is sent in parts, and copied in parts beyond the most that one copy takes. */
const PART_BYTES = 16 * 1024 * 1024;
const PARTS_AT_ONCE = 3;
const MOST_PARTS = 10_000;
const COPY_AT_ONCE_BYTES = 1024 ** 3;
const COPY_PART_BYTES = 512 * 1024 * 1024;
/** What one request may remove. */
const REMOVED_AT_ONCE = 1000;

export interface ObjectFacts {
  /** As the store writes it, quotes included. Opaque: not every store makes it of the bytes. */
  readonly etag: string;
  readonly size: number;
  readonly contentType: string | undefined;
  /** `sha256:…` of the bytes, where whoever wrote it said so. */
  readonly digest: string | undefined;
}

export interface ListedObject {
  /** Below the prefix of the bucket. */
  readonly key: string;
  readonly etag: string;
  readonly size: number;
  readonly modifiedMs: number;
}

export interface FoundObject extends ObjectFacts {
  /** All of it; for what is known to be short. */
  bytes(): Promise<Buffer>;
  /** Ends the request, unless `bytes` is asked for. */
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
  readonly condition?: Condition | undefined;
}

/** The condition of a write does not hold: another wrote, or removed, what is there. Nothing of ours is there. */
export class ConditionFailed extends Error {}

export class Bucket {
  readonly address: BucketAddress;
  readonly #client: S3Client;
  readonly #prefix: string;
  readonly #bucket: string;

  constructor(address: BucketAddress, { attempts, idleMs }: BucketPatience = DEFAULT_PATIENCE) {
    this.address = address;
    this.#bucket = address.bucket;
    this.#prefix = address.prefix === '' ? '' : `${address.prefix}/`;
    this.#client = new S3Client({
      region: address.region ?? process.env['AWS_REGION'] ?? DEFAULT_REGION,
      ...(address.endpoint === undefined ? {} : { endpoint: address.endpoint }),
      forcePathStyle: address.pathStyle ?? false,
      maxAttempts: attempts,
      // Stores other than AWS know fewer of these; what we write has a Content-MD5 or goes in parts.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: CONNECT_MS,
        requestTimeout: idleMs,
        throwOnRequestTimeout: true,
        socketAcquisitionWarningTimeout: 60_000,
        httpAgent: { maxSockets: CONNECTIONS, keepAlive: true },
        httpsAgent: { maxSockets: CONNECTIONS, keepAlive: true },
      },
    });
  }

  /** `s3://bucket/prefix`, for people to read. */
  get name(): string {
    return `s3://${this.#bucket}${this.#prefix === '' ? '' : `/${this.#prefix.slice(0, -1)}`}`;
  }

  close(): void {
    this.#client.destroy();
  }

  /** Undefined when it is not there; `unchanged` when it still has the ETag `unless`. Only what is short is read whole. */
  async get(
    key: string,
    { unless, range }: { readonly unless?: string | undefined; readonly range?: ByteRange | undefined } = {},
  ): Promise<FoundObject | 'unchanged' | undefined> {
    return absentAs(undefined, async () => {
      try {
        const answer = await this.#client.send(
          new GetObjectCommand({ ...this.#at(key), IfNoneMatch: unless, Range: range && rangeHeader(range) }),
        );
        const body = answer.Body as Readable;
        return {
          ...factsOf(answer),
          bytes: () => this.#wholeOf(key, body, { ...factsOf(answer), range }),
          discard: () => void body.destroy(),
        };
      } catch (error) {
        if (statusOf(error) === 304) return 'unchanged';
        throw error;
      }
    });
  }

  /** What came was cut off: then the rest is asked for, of the same object. */
  async #wholeOf(
    key: string,
    body: Readable,
    { etag, size, range }: ObjectFacts & { readonly range: ByteRange | undefined },
  ): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    const { start, end } = range ?? { start: 0, end: size - 1 };
    for await (const piece of this.#pieces(key, { start, end }, etag, body)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /** The bytes of a range of the object that has this ETag, in pieces. @throws ConditionFailed when it has another by now. */
  async *read(key: string, range: ByteRange, etag?: string): AsyncGenerator<Uint8Array> {
    if (range.end >= range.start) yield* this.#pieces(key, range, etag);
  }

  async *#pieces(
    key: string,
    { start, end }: ByteRange,
    etag: string | undefined,
    first?: Readable,
  ): AsyncGenerator<Uint8Array> {
    let body = first;
    let at = start;
    for (let failures = 0; at <= end;) {
      try {
        body ??= await this.#openAt(key, { start: at, end }, etag);
        for await (const piece of body as AsyncIterable<Uint8Array>) {
          at += piece.byteLength;
          yield piece;
        }
        if (at <= end) throw new Error(`${this.name}/${key} ended after ${at} of ${end + 1} bytes`);
      } catch (error) {
        if (error instanceof ConditionFailed || isAbsent(error)) throw error;
        failures += 1;
        if (failures >= CONFLICTS_AT_MOST) throw error;
      } finally {
        body?.destroy();
        body = undefined;
      }
    }
  }

  async #openAt(key: string, range: ByteRange, etag: string | undefined): Promise<Readable> {
    try {
      const request = { ...this.#at(key), IfMatch: etag, Range: rangeHeader(range) };
      return (await this.#client.send(new GetObjectCommand(request))).Body as Readable;
    } catch (error) {
      throw statusOf(error) === 412 ? failed(key, error) : error;
    }
  }

  /** Undefined when it is not there. */
  async head(key: string): Promise<ObjectFacts | undefined> {
    return absentAs(undefined, async () =>
      factsOf(await this.#client.send(new HeadObjectCommand(this.#at(key)))),
    );
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
    return this.#write(key, options, bytes.byteLength, async () => {
      const { ETag } = await this.#client.send(new PutObjectCommand(request));
      return ETag;
    });
  }

  /** The same for a file, in parts where it is long: memory is bounded. */
  async putFile(key: string, path: string, size: number, options: WriteOptions): Promise<string> {
    return this.#write(key, options, size, async () => {
      const upload = new Upload({
        client: this.#client,
        params: {
          ...this.#at(key),
          ...headersOf(options),
          Body: createReadStream(path, { highWaterMark: 1024 * 1024 }),
        },
        partSize: Math.max(PART_BYTES, Math.ceil(size / MOST_PARTS)),
        queueSize: PARTS_AT_ONCE,
      });
      return (await upload.done()).ETag;
    });
  }

  /** From a bucket of the same store, without the bytes passing through here. `size` is that of the source. */
  async copy(
    source: Bucket,
    sourceKey: string,
    size: number,
    key: string,
    options: WriteOptions,
  ): Promise<string> {
    const CopySource = encodeURI(`${source.#bucket}/${source.#prefix}${sourceKey}`).replaceAll('+', '%2B');
    const { condition: _, ...unconditional } = options;
    if (size > COPY_AT_ONCE_BYTES) return this.#copyInParts(CopySource, size, key, unconditional);
    // Not every store honours conditions on copies; what is copied is named by its digest, so that doing it twice is no harm.
    return this.#write(key, unconditional, size, async () => {
      const request = {
        ...this.#at(key),
        ...headersOf(unconditional),
        CopySource,
        MetadataDirective: 'REPLACE' as const,
      };
      const { CopyObjectResult } = await this.#client.send(new CopyObjectCommand(request));
      return CopyObjectResult?.ETag;
    });
  }

  async #copyInParts(CopySource: string, size: number, key: string, options: WriteOptions): Promise<string> {
    const at = this.#at(key);
    const { UploadId } = await this.#client.send(
      new CreateMultipartUploadCommand({ ...at, ...headersOf(options) }),
    );
    try {
      const parts: CompletedPart[] = [];
      const partBytes = Math.max(COPY_PART_BYTES, Math.ceil(size / MOST_PARTS));
      for (let start = 0, PartNumber = 1; start < size; start += partBytes, PartNumber += 1) {
        const CopySourceRange = rangeHeader({ start, end: Math.min(start + partBytes, size) - 1 });
        const { CopyPartResult } = await this.#client.send(
          new UploadPartCopyCommand({ ...at, UploadId, PartNumber, CopySource, CopySourceRange }),
        );
        parts.push({ PartNumber, ETag: CopyPartResult?.ETag });
      }
      const MultipartUpload = { Parts: parts };
      const { ETag } = await this.#client.send(
        new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload }),
      );
      return ETag ?? '';
    } catch (error) {
      await this.#client.send(new AbortMultipartUploadCommand({ ...at, UploadId })).catch(() => undefined);
      throw error;
    }
  }

  /** Safe to repeat; a missing one is fine. */
  async remove(key: string): Promise<void> {
    await absentAs(undefined, () => this.#client.send(new DeleteObjectCommand(this.#at(key))));
  }

  /** Many at once, in no order. @returns how often a request was made at most: of more than one, the first may be done later. */
  async removeAll(keys: readonly string[]): Promise<{ readonly attempts: number }> {
    let attempts = 1;
    for (let start = 0; start < keys.length; start += REMOVED_AT_ONCE) {
      const Objects = keys.slice(start, start + REMOVED_AT_ONCE).map((key) => ({ Key: this.#prefix + key }));
      const { Errors = [], $metadata } = await this.#client.send(
        new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects, Quiet: true } }),
      );
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
    for (const { Key, UploadId, Initiated } of await this.#uploadsInParts()) {
      if (Key === undefined || !Initiated || Initiated.getTime() >= beforeMs) continue;
      const request = new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId });
      await absentAs(undefined, () => this.#client.send(request));
    }
  }

  async #uploadsInParts(): Promise<readonly MultipartUpload[]> {
    try {
      const request = new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: this.#prefix });
      return (await this.#client.send(request)).Uploads ?? [];
    } catch (error) {
      if (statusOf(error) === 501) return [];
      throw error;
    }
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
    for await (const { Contents = [] } of pages)
      for (const { Key = '', ETag = '', Size = 0, LastModified } of Contents)
        yield {
          key: Key.slice(this.#prefix.length),
          etag: ETag,
          size: Size,
          modifiedMs: LastModified?.getTime() ?? 0,
        };
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

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  async #write(
    key: string,
    { digest, condition }: WriteOptions,
    size: number,
    send: () => Promise<string | undefined>,
  ): Promise<string> {
    for (let conflicts = 0; ; conflicts += 1) {
      try {
        const etag = await send();
        if (etag === undefined) throw new Error(`${this.name}: the store names no ETag for ${key}`);
        return etag;
      } catch (error) {
        const status = statusOf(error);
        if (status === 412 || (condition !== undefined && isAbsent(error))) {
          // It may be an earlier attempt of ours that the store did and then did not say so.
          const found = await this.head(key);
          if (found?.digest === digest && found.size === size) return found.etag;
          throw failed(key, error);
        }
        if (status !== 409 || conflicts >= CONFLICTS_AT_MOST) throw error;
        await new Promise((next) =>
          setTimeout(next, CONFLICT_DELAY_MS * 2 ** conflicts * (0.5 + Math.random())),
        );
      }
    }
  }
}

function headersOf({
  contentType,
  cacheControl,
  contentDisposition,
  digest,
  condition,
}: WriteOptions): object {
  return {
    ContentType: contentType,
    CacheControl: cacheControl,
    ContentDisposition: contentDisposition,
    Metadata: { digest },
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
  readonly ContentType?: string | undefined;
  readonly Metadata?: Record<string, string> | undefined;
}): ObjectFacts {
  return {
    etag: answer.ETag ?? '',
    size: answer.ContentLength ?? 0,
    contentType: answer.ContentType,
    digest: answer.Metadata?.['digest'],
  };
}

function rangeHeader({ start, end }: ByteRange): string {
  return `bytes=${start}-${end}`;
}

function failed(key: string, cause: unknown): ConditionFailed {
  return new ConditionFailed(`${key} is not what it was`, { cause });
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

/** Whether there is no such object. A missing bucket is another matter. */
export function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket';
}

async function absentAs<T, A>(absent: A, ask: () => Promise<T>): Promise<T | A> {
  try {
    return await ask();
  } catch (error) {
    if (isAbsent(error)) return absent;
    throw error;
  }
}
