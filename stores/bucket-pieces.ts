/** The bytes of an object, however often the connection that they come on ends. */
import type { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput, type S3Client } from '@aws-sdk/client-s3';
import type { ByteRange } from '../core/ports.ts';
import { failed, statusOf } from './bucket-errors.ts';

/** Bodies that end too early without a byte more than before. */
const CUTS_AT_MOST = 5;

interface ObjectAt {
  readonly Bucket: string;
  readonly Key: string;
}

/**
 * Where what came was cut off, the rest is asked for, of the same object: that which has this ETag, or else that which is there
 * at the first. `first` has begun already. @throws ConditionFailed when another is there by now
 */
export async function* piecesOf(
  client: S3Client,
  object: ObjectAt,
  { start, end }: ByteRange,
  etag: string | undefined,
  first?: Readable,
): AsyncGenerator<Uint8Array> {
  let [body, tag, at] = [first, etag, start];
  // Of what is empty nothing is read, and its connection would never be free.
  if (at > end) first?.resume();
  for (let cuts = 0; at <= end;) {
    if (!body) {
      const answer = await openAt(client, object, { start: at, end }, tag);
      [body, tag] = [answer.Body as Readable, answer.ETag];
    }
    try {
      for await (const piece of body as AsyncIterable<Uint8Array>) {
        if (piece.byteLength > 0) cuts = 0;
        at += piece.byteLength;
        yield piece;
      }
      if (at <= end) throw new Error(`${nameOf(object)} ended after ${at} of ${end + 1} bytes`);
    } catch (error) {
      cuts += 1;
      if (cuts >= CUTS_AT_MOST) throw error;
    } finally {
      body.destroy();
      body = undefined;
    }
  }
}

async function openAt(
  client: S3Client,
  object: ObjectAt,
  range: ByteRange,
  etag: string | undefined,
): Promise<GetObjectCommandOutput> {
  const request = { ...object, IfMatch: etag, Range: rangeHeader(range) };
  const answer = await client.send(new GetObjectCommand(request)).catch((error: unknown) => {
    throw statusOf(error) === 412 && etag !== undefined ? failed(object.Key, error) : error;
  });
  const isWhole = range.start === 0 && answer.ContentLength === range.end + 1;
  if (isWhole || answer.ContentRange?.startsWith(`bytes ${range.start}-`)) return answer;
  (answer.Body as Readable).destroy();
  throw new Error(`${nameOf(object)}: the store answers another part than that from ${range.start}`);
}

function nameOf({ Bucket, Key }: ObjectAt): string {
  return `s3://${Bucket}/${Key}`;
}

export function rangeHeader({ start, end }: ByteRange): string {
  return `bytes=${start}-${end}`;
}
