/** What an operation of S3 is given, and what it answers. */
import { checkSource, noSuchKey, S3Problem, type StoredBucket, type StoredObject } from './s3-objects.ts';
import type { S3Request } from './s3-requests.ts';
import { xmlOf, type Tag } from './s3-xml.ts';

export interface S3Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export interface Around {
  readonly buckets: ReadonlyMap<string, StoredBucket>;
  /** What a page of a list has at most. */
  readonly pageSize: number;
  readonly nowMs: number;
}

export interface Asked extends Around {
  readonly request: S3Request;
  readonly bucket: StoredBucket;
  readonly body: Buffer;
}

export function modified(ms: number): Tag {
  return ['LastModified', new Date(ms).toISOString()];
}

export function document(tag: Tag, status = 200): S3Answer {
  return { status, headers: { 'content-type': 'application/xml' }, body: Buffer.from(xmlOf(tag)) };
}

export function bucketNamed(name: string, { buckets }: Around): StoredBucket {
  const bucket = buckets.get(name);
  if (!bucket) throw new S3Problem(404, 'NoSuchBucket', `there is no bucket ${name}`);
  return bucket;
}

/** Of `bucket/key`, percent-encoded; a plus is a space there. @throws S3Problem */
export function sourceOf(asked: Asked): StoredObject {
  const { request } = asked;
  const source = (request.headers['x-amz-copy-source'] ?? '').replace(/^\//, '');
  if (source.includes('?')) throw new S3Problem(501, 'NotImplemented', 'copies of versions');
  const [, name = '', key = ''] =
    /^([^/]*)\/(.*)$/s.exec(decodeURIComponent(source.replaceAll('+', ' '))) ?? [];
  const object = bucketNamed(name, asked).objects.get(key);
  if (!object) throw noSuchKey();
  checkSource(request.headers, object);
  return object;
}
