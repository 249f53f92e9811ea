/** Uploads in parts, as a server in memory does them. The strictest there are: what is completed is no longer an upload. */
import { randomUUID } from 'node:crypto';
import { document, modified, sourceOf, type Asked, type S3Answer } from './s3-answers.ts';
import { isGuarded } from './s3-body.ts';
import {
  checkWrite,
  etagOf,
  etagOfParts,
  rangeWithin,
  sameTag,
  S3Problem,
  type StoredPart,
  type StoredUpload,
} from './s3-objects.ts';
import { descriptionOf } from './s3-requests.ts';
import { contentsOf, textOf, type Tag } from './s3-xml.ts';

const SMALLEST_PART = 5 * 1024 * 1024;
const MOST_PARTS = 10_000;

export function create({ request, bucket, nowMs }: Asked): S3Answer {
  const id = randomUUID();
  const { key } = request;
  bucket.uploads.set(id, { id, key, ...descriptionOf(request.headers), parts: new Map(), startedMs: nowMs });
  return document([
    'InitiateMultipartUploadResult',
    [
      ['Bucket', request.bucket],
      ['Key', key],
      ['UploadId', id],
    ],
  ]);
}

export function uploadPart(asked: Asked): S3Answer {
  if (!isGuarded(asked.request.headers))
    throw new S3Problem(400, 'InvalidRequest', 'nothing would tell if other bytes came than were sent');
  return { status: 200, headers: { etag: keepPart(asked, asked.body) } };
}

export function copyPart(asked: Asked): S3Answer {
  const { bytes } = sourceOf(asked);
  const range = asked.request.headers['x-amz-copy-source-range'];
  const { start, end } = rangeWithin(range ?? 'bytes=0-', bytes.length);
  if (range !== undefined && !range.endsWith(`-${end}`)) throw new S3Problem(400, 'InvalidArgument', range);
  const etag = keepPart(asked, bytes.subarray(start, end + 1));
  return document(['CopyPartResult', [['ETag', etag], modified(asked.nowMs)]]);
}

function keepPart(asked: Asked, bytes: Buffer): string {
  const upload = uploadOf(asked);
  const number = Number(asked.request.query.get('partNumber'));
  if (!(Number.isInteger(number) && number >= 1 && number <= MOST_PARTS))
    throw new S3Problem(400, 'InvalidArgument', 'partNumber');
  const part: StoredPart = { bytes, etag: etagOf(bytes) };
  upload.parts.set(number, part);
  return part.etag;
}

function uploadOf({ request, bucket }: Asked): StoredUpload {
  const upload = bucket.uploads.get(request.query.get('uploadId') ?? '');
  if (upload?.key !== request.key) throw new S3Problem(404, 'NoSuchUpload');
  return upload;
}

/** A condition that does not hold leaves the upload for whoever gives it up. */
export function complete(asked: Asked): S3Answer {
  const { request, bucket, body, nowMs } = asked;
  const { id, parts: kept, headers, metadata } = uploadOf(asked);
  const parts = namedParts(body.toString(), kept);
  checkWrite(request.headers, bucket.objects.get(request.key));
  const etag = etagOfParts(parts);
  const bytes = Buffer.concat(parts.map((part) => part.bytes));
  bucket.objects.set(request.key, { headers, metadata, bytes, etag, modifiedMs: nowMs });
  bucket.uploads.delete(id);
  return document([
    'CompleteMultipartUploadResult',
    [
      ['Bucket', request.bucket],
      ['Key', request.key],
      ['ETag', etag],
    ],
  ]);
}

function namedParts(xml: string, kept: ReadonlyMap<number, StoredPart>): StoredPart[] {
  const named = contentsOf('Part', xml);
  if (named.length === 0) throw new S3Problem(400, 'MalformedXML');
  const numbers = named.map((part) => Number(textOf('PartNumber', part)));
  if (numbers.some((number, index) => number <= (numbers[index - 1] ?? 0)))
    throw new S3Problem(400, 'InvalidPartOrder');
  return named.map((part, index) => {
    const found = kept.get(numbers[index] ?? 0);
    if (!found || !sameTag(found.etag, textOf('ETag', part) ?? '')) throw new S3Problem(400, 'InvalidPart');
    if (index < named.length - 1 && found.bytes.length < SMALLEST_PART)
      throw new S3Problem(400, 'EntityTooSmall');
    return found;
  });
}

export function abort(asked: Asked): S3Answer {
  asked.bucket.uploads.delete(uploadOf(asked).id);
  return { status: 204 };
}

export function list({ request, bucket }: Asked): S3Answer {
  const prefix = request.query.get('prefix') ?? '';
  const found = [...bucket.uploads.values()].filter(({ key }) => key.startsWith(prefix));
  const uploads = found.map(({ key, id, startedMs }): Tag => {
    return [
      'Upload',
      [
        ['Key', key],
        ['UploadId', id],
        ['Initiated', new Date(startedMs).toISOString()],
      ],
    ];
  });
  return document([
    'ListMultipartUploadsResult',
    [['Bucket', request.bucket], ['Prefix', prefix], ['IsTruncated', false], ...uploads],
  ]);
}
