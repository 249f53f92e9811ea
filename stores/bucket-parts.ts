/** Long objects go to a store in parts, and are one object only once all are there. What is left of a failure is given up. */
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
import { endingWith } from './bucket-client.ts';
import { isUploadGone, statusOf } from './bucket-errors.ts';
import { rangeHeader } from './bucket-pieces.ts';

/** Of one object. */
export const MOST_PARTS = 10_000;
/** A store says nothing while it copies: more at once would look as if it stood still. */
export const COPY_PART_BYTES = 256 * 1024 * 1024;

/** Where, and with which headers and conditions. */
export type Target = Omit<PutObjectCommandInput, 'Body' | 'Bucket' | 'Key'> & {
  readonly Bucket: string;
  readonly Key: string;
};

/** What became of a write. */
export interface Written {
  readonly ETag?: string | undefined;
  readonly $metadata: { readonly attempts?: number | undefined };
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
