/** Files go to a store whole, or in parts where they are long: then they are one object only once all are there. */
import { open, type FileHandle } from 'node:fs/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
  type S3Client,
} from '@aws-sdk/client-s3';
import { endingWith } from './bucket-client.ts';
import { MOST_PARTS, type Target, type Written } from './bucket-parts.ts';

/** From here on an object is sent in parts. Each is signed in one go, in which nothing else happens. */
const PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 3;

export interface LocalFile {
  readonly path: string;
  readonly size: number;
  readonly partBytes?: number | undefined;
}

/**
 * In the memory of as many parts as are sent at once, whatever its length. What is left of a failure is given up, also of one
 * that a signal made. @throws unless the file is as long as it was said to be; then nothing is written
 */
export async function sendFile(
  client: S3Client,
  target: Target,
  { path, size, partBytes: wanted = PART_BYTES }: LocalFile,
  signal: AbortSignal | undefined,
): Promise<Written> {
  const partBytes = Math.max(wanted, Math.ceil(size / MOST_PARTS));
  const file = await open(path, 'r');
  try {
    const found = (await file.stat()).size;
    if (found !== size) throw new Error(`${path} has ${found} bytes, and not ${size}`);
    if (size > partBytes) return await sendParts(client, target, { file, size, partBytes }, signal);
    const Body = await readAt(file, Buffer.allocUnsafe(size), 0);
    return await endingWith(client, signal).send(new PutObjectCommand({ ...target, Body }));
  } finally {
    await file.close();
  }
}

interface Parts {
  readonly file: FileHandle;
  readonly size: number;
  readonly partBytes: number;
}

async function sendParts(
  client: S3Client,
  target: Target,
  { file, size, partBytes }: Parts,
  signal: AbortSignal | undefined,
): Promise<Written> {
  const { Bucket, Key, IfMatch, IfNoneMatch, ...described } = target;
  const ending = endingWith(client, signal);
  const { UploadId } = await ending.send(new CreateMultipartUploadCommand({ Bucket, Key, ...described }));
  const upload = { Bucket, Key, UploadId };
  const parts: CompletedPart[] = [];
  const count = Math.ceil(size / partBytes);
  let begun = 0;
  let hasFailed = false;
  const lane = async (): Promise<void> => {
    // Used again for each: new memory for every part is given back late.
    const buffer = Buffer.allocUnsafe(partBytes);
    while (begun < count && !hasFailed) {
      const start = begun * partBytes;
      const PartNumber = (begun += 1);
      const Body = await readAt(file, buffer.subarray(0, Math.min(partBytes, size - start)), start);
      const { ETag } = await ending.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
      parts[PartNumber - 1] = { PartNumber, ETag };
    }
  };
  try {
    const lanes = Array.from({ length: PARTS_AT_ONCE }, () =>
      lane().catch((error: unknown) => {
        hasFailed = true;
        throw error;
      }),
    );
    // All have ended: no part comes after the upload was given up.
    for (const ended of await Promise.allSettled(lanes)) if (ended.status === 'rejected') throw ended.reason;
    const MultipartUpload = { Parts: parts };
    return await ending.send(
      new CompleteMultipartUploadCommand({ ...upload, IfMatch, IfNoneMatch, MultipartUpload }),
    );
  } catch (error) {
    // What remains if this fails too costs space, until `Bucket.abortUploads` removes it.
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
    throw error;
  }
}

/** Fills the buffer. @throws when the file ends before */
async function readAt(file: FileHandle, buffer: Buffer, start: number): Promise<Buffer> {
  for (let done = 0; done < buffer.byteLength;) {
    const { bytesRead } = await file.read(buffer, done, buffer.byteLength - done, start + done);
    if (bytesRead === 0)
      throw new Error(`a file that is sent has become shorter: it ends at ${start + done}`);
    done += bytesRead;
  }
  return buffer;
}
