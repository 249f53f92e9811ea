/** Which operation of S3 a request asks for. What none of ours should send is not guessed at. */
import { S3Problem, Unexpected } from './s3-objects.ts';
import type { RawRequest } from './s3-signature.ts';

const conditions = ['if-match', 'if-none-match'];
const answered = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
];
const described = [...answered, 'x-amz-meta-'];
const source = ['x-amz-copy-source', 'x-amz-copy-source-if-match', 'x-amz-copy-source-if-none-match'];
const upload = ['uploadId', 'partNumber'];

/** What each understands, in its query and its headers; a name that ends in a hyphen is the beginning of one. */
const operations = {
  GetObject: {
    query: ['response-content-type', 'response-content-disposition', 'response-cache-control'],
    headers: [...conditions, 'range'],
  },
  HeadObject: { query: [], headers: conditions },
  PutObject: { query: [], headers: [...conditions, ...described] },
  CopyObject: { query: [], headers: [...source, ...described, 'x-amz-metadata-directive'] },
  DeleteObject: { query: [], headers: [] },
  DeleteObjects: { query: ['delete'], headers: [] },
  ListObjectsV2: {
    query: ['list-type', 'prefix', 'start-after', 'continuation-token', 'max-keys'],
    headers: [],
  },
  HeadBucket: { query: [], headers: [] },
  CreateMultipartUpload: { query: ['uploads'], headers: described },
  UploadPart: { query: upload, headers: [] },
  UploadPartCopy: { query: upload, headers: [...source, 'x-amz-copy-source-range'] },
  CompleteMultipartUpload: { query: ['uploadId'], headers: conditions },
  AbortMultipartUpload: { query: ['uploadId'], headers: [] },
  ListMultipartUploads: { query: ['uploads', 'prefix'], headers: [] },
} satisfies Record<string, { readonly query: readonly string[]; readonly headers: readonly string[] }>;

export type Operation = keyof typeof operations;

/** Headers that would change what an operation does; others are about the connection or the bytes. */
const meaningful = /^(?:if-|range$|x-amz-)/;
const aboutTheBytes =
  /^x-amz-(?:date|content-sha256|user-agent|checksum-|sdk-checksum-algorithm|trailer|decoded-content-length)/;
const everywhere = /^(?:x-id$|X-Amz-|x-amz-checksum-mode$)/;
const KEY_BYTES = 1024;
const METADATA_BYTES = 2048;

export interface S3Request {
  readonly method: string;
  readonly operation: Operation;
  readonly bucket: string;
  /** Empty where the bucket itself is meant. */
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** @throws S3Problem */
export function requestOf({ method, path, query, headers }: RawRequest): S3Request {
  const [, bucket = '', rest = ''] = /^\/([^/]*)\/?(.*)$/s.exec(path) ?? [];
  const key = decoded(rest);
  const asked = new Map(query);
  const operation = operationOf(method, key, asked, headers);
  const known: { readonly query: readonly string[]; readonly headers: readonly string[] } =
    operations[operation];
  for (const name of asked.keys())
    if (!everywhere.test(name) && !known.query.includes(name))
      throw new Unexpected(`${operation} with the parameter ${name}`);
  const id = asked.get('x-id');
  if (id !== undefined && id !== operation) throw new Unexpected(`${operation} that calls itself ${id}`);
  for (const name of Object.keys(headers))
    if (meaningful.test(name) && !aboutTheBytes.test(name) && !isKnown(name, known.headers))
      throw new Unexpected(`${operation} with the header ${name}`);
  if (Buffer.byteLength(key) > KEY_BYTES) throw new S3Problem(400, 'KeyTooLongError');
  return { method, operation, bucket, key, query: asked, headers };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Problem(400, 'InvalidURI', `${text} is not percent-encoded UTF-8`);
  }
}

function isKnown(name: string, names: readonly string[]): boolean {
  return names.some((known) => name === known || (known.endsWith('-') && name.startsWith(known)));
}

function operationOf(
  method: string,
  key: string,
  query: ReadonlyMap<string, string>,
  headers: Readonly<Record<string, string | undefined>>,
): Operation {
  const isCopy = headers['x-amz-copy-source'] !== undefined;
  const has = (name: string): boolean => query.has(name);
  const named: Readonly<Record<string, Operation | undefined>> =
    key === ''
      ? {
          GET: has('uploads')
            ? 'ListMultipartUploads'
            : query.get('list-type') === '2'
              ? 'ListObjectsV2'
              : undefined,
          HEAD: 'HeadBucket',
          POST: has('delete') ? 'DeleteObjects' : undefined,
        }
      : {
          GET: 'GetObject',
          HEAD: 'HeadObject',
          PUT: has('uploadId')
            ? isCopy
              ? 'UploadPartCopy'
              : 'UploadPart'
            : isCopy
              ? 'CopyObject'
              : 'PutObject',
          DELETE: has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject',
          POST: has('uploads')
            ? 'CreateMultipartUpload'
            : has('uploadId')
              ? 'CompleteMultipartUpload'
              : undefined,
        };
  const operation = named[method];
  if (!operation) throw new Unexpected(`${method} ${key} ${[...query.keys()].join(' ')}`);
  return operation;
}

/** What is kept with an object, and answered with it. @throws S3Problem */
export function descriptionOf(headers: S3Request['headers']): {
  readonly headers: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
} {
  const kept: Record<string, string> = { 'content-type': 'binary/octet-stream' };
  const metadata: Record<string, string> = {};
  for (const [name, value = ''] of Object.entries(headers)) {
    if (answered.includes(name)) kept[name] = value;
    if (name.startsWith('x-amz-meta-')) metadata[name.slice('x-amz-meta-'.length)] = value;
  }
  // `aws-chunked` is about the request alone.
  if (kept['content-encoding'] === 'aws-chunked') delete kept['content-encoding'];
  const size = Object.entries(metadata).reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0);
  if (size > METADATA_BYTES) throw new S3Problem(400, 'MetadataTooLarge');
  return { headers: kept, metadata };
}
