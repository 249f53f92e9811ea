/** What each operation of S3 does to what a server in memory keeps: whole, at one instant, or not at all. */
import {
  bucketNamed,
  document,
  modified,
  sourceOf,
  type Around,
  type Asked,
  type S3Answer,
} from './s3-answers.ts';
import { isGuarded } from './s3-body.ts';
import * as multipart from './s3-multipart.ts';
import {
  checkWrite,
  etagOf,
  isUnchanged,
  noSuchKey,
  rangeWithin,
  S3Problem,
  type StoredObject,
} from './s3-objects.ts';
import { descriptionOf, type S3Request } from './s3-requests.ts';
import { contentsOf, textOf, type Tag } from './s3-xml.ts';

const MOST_AT_ONCE = 1000;

/** @throws S3Problem, and then nothing has changed. */
export function perform(request: S3Request, body: Buffer, around: Around): S3Answer {
  const asked: Asked = { ...around, request, body, bucket: bucketNamed(request.bucket, around) };
  switch (request.operation) {
    case 'GetObject':
    case 'HeadObject':
      return readObject(asked);
    case 'PutObject':
      return putObject(asked);
    case 'CopyObject':
      return copyObject(asked);
    case 'DeleteObject':
      asked.bucket.objects.delete(request.key);
      return { status: 204 };
    case 'DeleteObjects':
      return deleteObjects(asked);
    case 'ListObjectsV2':
      return listObjects(asked);
    case 'HeadBucket':
      return { status: 200 };
    case 'CreateMultipartUpload':
      return multipart.create(asked);
    case 'UploadPart':
      return multipart.uploadPart(asked);
    case 'UploadPartCopy':
      return multipart.copyPart(asked);
    case 'CompleteMultipartUpload':
      return multipart.complete(asked);
    case 'AbortMultipartUpload':
      return multipart.abort(asked);
    case 'ListMultipartUploads':
      return multipart.list(asked);
  }
}

function readObject({ request, bucket }: Asked): S3Answer {
  const { headers, query, key } = request;
  const object = bucket.objects.get(key);
  if (!object) throw noSuchKey();
  const facts = { etag: object.etag, 'last-modified': new Date(object.modifiedMs).toUTCString() };
  if (isUnchanged(headers, object)) return { status: 304, headers: facts };
  const described: Record<string, string> = { ...object.headers, ...facts, 'accept-ranges': 'bytes' };
  for (const [name, value] of Object.entries(object.metadata)) described[`x-amz-meta-${name}`] = value;
  for (const [name, value] of query)
    if (name.startsWith('response-')) described[name.slice('response-'.length)] = value;
  const { bytes } = object;
  const { range } = headers;
  if (range === undefined) return { status: 200, headers: described, body: bytes };
  const { start, end } = rangeWithin(range, bytes.length);
  described['content-range'] = `bytes ${start}-${end}/${bytes.length}`;
  return { status: 206, headers: described, body: bytes.subarray(start, end + 1) };
}

function putObject({ request, bucket, body, nowMs }: Asked): S3Answer {
  if (!isGuarded(request.headers))
    throw new S3Problem(400, 'InvalidRequest', 'nothing would tell if other bytes came than were sent');
  checkWrite(request.headers, bucket.objects.get(request.key));
  const object: StoredObject = {
    ...descriptionOf(request.headers),
    bytes: body,
    etag: etagOf(body),
    modifiedMs: nowMs,
  };
  bucket.objects.set(request.key, object);
  return { status: 200, headers: { etag: object.etag } };
}

const COPY_AT_MOST_BYTES = 5 * 1024 ** 3;

function copyObject(asked: Asked): S3Answer {
  const { request, bucket, nowMs } = asked;
  const source = sourceOf(asked);
  if (source.bytes.length > COPY_AT_MOST_BYTES) throw new S3Problem(400, 'InvalidRequest', 'too large');
  const isReplaced = request.headers['x-amz-metadata-directive'] === 'REPLACE';
  const { headers, metadata } = isReplaced ? descriptionOf(request.headers) : source;
  const object = { headers, metadata, bytes: source.bytes, etag: etagOf(source.bytes), modifiedMs: nowMs };
  bucket.objects.set(request.key, object);
  return document(['CopyObjectResult', [['ETag', object.etag], modified(nowMs)]]);
}

function deleteObjects({ request, bucket, body }: Asked): S3Answer {
  const { headers } = request;
  if (headers['content-md5'] === undefined && headers['x-amz-sdk-checksum-algorithm'] === undefined)
    throw new S3Problem(400, 'InvalidRequest', 'Missing required header: Content-MD5');
  const xml = body.toString();
  const keys = contentsOf('Object', xml).map((object) => textOf('Key', object) ?? '');
  if (keys.length === 0 || keys.length > MOST_AT_ONCE) throw new S3Problem(400, 'MalformedXML');
  for (const key of keys) bucket.objects.delete(key);
  const deleted = keys.map((key): Tag => ['Deleted', [['Key', key]]]);
  return document(['DeleteResult', textOf('Quiet', xml) === 'true' ? [] : deleted]);
}

function listObjects({ request, bucket, pageSize }: Asked): S3Answer {
  const { query } = request;
  const prefix = query.get('prefix') ?? '';
  const token = query.get('continuation-token');
  const after = token === undefined ? query.get('start-after') : Buffer.from(token, 'base64url').toString();
  const keys = [...bucket.objects.keys()]
    .filter((key) => key.startsWith(prefix) && (after === undefined || byBytes(key, after) > 0))
    .sort(byBytes);
  const page = keys.slice(0, Math.min(pageSize, Number(query.get('max-keys') ?? MOST_AT_ONCE)));
  const isTruncated = page.length < keys.length;
  const next = Buffer.from(page.at(-1) ?? '').toString('base64url');
  const contents = page.flatMap((key): Tag[] => {
    const object = bucket.objects.get(key);
    if (!object) return [];
    const { etag, bytes, modifiedMs } = object;
    return [['Contents', [['Key', key], modified(modifiedMs), ['ETag', etag], ['Size', bytes.length]]]];
  });
  return document([
    'ListBucketResult',
    [
      ['Name', request.bucket],
      ['Prefix', prefix],
      ['KeyCount', page.length],
      ['IsTruncated', isTruncated],
      ...(isTruncated ? ([['NextContinuationToken', next]] as const) : []),
      ...contents,
    ],
  ]);
}

function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
