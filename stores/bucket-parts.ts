/** Long objects go to a store in parts, and are one object only once all are there. What is left of a failure is given up. */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCopyCommand,
  type CompletedPart,
  type MultipartUpload,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { endingWith } from './bucket-client.ts';
import { isUploadGone, statusOf } from './bucket-errors.ts';
import { rangeHeader } from './bucket-pieces.ts';

/** From here on an object is sent in parts. */
const PART_BYTES = 16 * 1024 * 1024;
const PARTS_AT_ONCE = 3;
const MOST_PARTS = 10_000;
/** A store says nothing while it copies: more at once would look as if it stood still. */
export const COPY_PART_BYTES = 256 * 1024 * 1024;

/** Where, and with which headers and conditions. */
export type Target = Omit<PutObjectCommandInput, 'Body' | 'Bucket' | 'Key'> & {
  readonly Bucket: string;
  readonly Key: string;
};

export interface LocalFile {
  readonly path: string;
  readonly size: number;
  readonly partBytes?: number | undefined;
}

/** What became of a write. */
export interface Written {
  readonly ETag?: string | undefined;
  readonly $metadata: { readonly attempts?: number | undefined };
}

/** Memory is bounded. @throws unless the file is as long as it was said to be; then nothing is written */
export async function sendFile(
  client: S3Client,
  target: Target,
  { path, size, partBytes = PART_BYTES }: LocalFile,
  signal: AbortSignal | undefined,
): Promise<Written> {
  const upload = new Upload({
    client: exceptForGivingUp(client, endingWith(client, signal)),
    params: { ...target, Body: Readable.from(exactly(path, size), { objectMode: false }) },
    partSize: Math.max(partBytes, Math.ceil(size / MOST_PARTS)),
    queueSize: PARTS_AT_ONCE,
  });
  const end = (): void => void upload.abort();
  signal?.addEventListener('abort', end, { once: true });
  try {
    return await upload.done();
  } finally {
    signal?.removeEventListener('abort', end);
  }
}

/** Fails before the last piece is sent: no part of another length is ever completed to an object. */
async function* exactly(path: string, size: number): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    sent += (piece as Uint8Array).byteLength;
    if (sent <= size) yield piece as Uint8Array;
  }
  if (sent !== size) throw new Error(`${path} has ${sent} bytes, and not ${size}`);
}

/** What an upload has sent is given up even where its signal ended it. */
function exceptForGivingUp(client: S3Client, ending: S3Client): S3Client {
  const upload = Object.create(ending) as Pick<S3Client, 'send'>;
  upload.send = (command: AbortMultipartUploadCommand) =>
    (command instanceof AbortMultipartUploadCommand ? client : ending).send(command);
  return upload as S3Client;
}

export interface CopySource {
  /** `bucket/key`, percent-encoded. */
  readonly source: string;
  readonly size: number;
  readonly partBytes: number;
}

export async function copyInParts(
  client: S3Client,
  target: Target,
  { source: CopySource, size, partBytes: wanted }: CopySource,
  signal: AbortSignal | undefined,
): Promise<Written> {
  const { Bucket, Key } = target;
  const ending = endingWith(client, signal);
  const { UploadId } = await ending.send(new CreateMultipartUploadCommand(target));
  const upload = { Bucket, Key, UploadId };
  try {
    const parts: CompletedPart[] = [];
    const partBytes = Math.max(wanted, Math.ceil(size / MOST_PARTS));
    for (let start = 0, PartNumber = 1; start < size; start += partBytes, PartNumber += 1) {
      const CopySourceRange = rangeHeader({ start, end: Math.min(start + partBytes, size) - 1 });
      const part = new UploadPartCopyCommand({ ...upload, PartNumber, CopySource, CopySourceRange });
      parts.push({ PartNumber, ETag: (await ending.send(part)).CopyPartResult?.ETag });
    }
    const complete = new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } });
    return await ending.send(complete);
  } catch (error) {
    // What remains if this fails too costs space, until the store's own rule for uploads that nobody completes removes it.
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
    throw error;
  }
}

/** Those that were begun before that. One that is gone by then has become an object, or another has ended it. */
export async function endUploads(
  client: S3Client,
  place: { readonly Bucket: string; readonly Prefix: string },
  beforeMs: number,
): Promise<void> {
  for (const { Key, UploadId, Initiated } of await uploadsIn(client, place)) {
    if (Key === undefined || !Initiated || Initiated.getTime() >= beforeMs) continue;
    const request = new AbortMultipartUploadCommand({ Bucket: place.Bucket, Key, UploadId });
    await client.send(request).catch((error: unknown) => {
      if (!isUploadGone(error)) throw error;
    });
  }
}

async function uploadsIn(
  client: S3Client,
  place: { readonly Bucket: string; readonly Prefix: string },
): Promise<readonly MultipartUpload[]> {
  try {
    return (await client.send(new ListMultipartUploadsCommand(place))).Uploads ?? [];
  } catch (error) {
    if (statusOf(error) === 501) return [];
    throw error;
  }
}
