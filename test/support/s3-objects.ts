/** What an S3 server in memory keeps, and the rules of objects: entity tags, conditions, ranges. */
import { createHash } from 'node:crypto';

export interface StoredObject {
  bytes: Buffer;
  /** What is answered with it: `content-type`, `cache-control` and the like, in lower case. */
  headers: Readonly<Record<string, string>>;
  /** Without `x-amz-meta-`. */
  metadata: Readonly<Record<string, string>>;
  /** Quotes included. */
  etag: string;
  /** Whole seconds count: a header says no more. */
  modifiedMs: number;
}

export interface StoredPart {
  readonly bytes: Buffer;
  readonly etag: string;
}

export interface StoredUpload extends Pick<StoredObject, 'headers' | 'metadata'> {
  readonly id: string;
  readonly key: string;
  readonly parts: Map<number, StoredPart>;
  readonly startedMs: number;
}

export interface StoredBucket {
  readonly objects: Map<string, StoredObject>;
  /** Uploads in parts that nobody has completed or given up, by their id. */
  readonly uploads: Map<string, StoredUpload>;
  /** Prefixes of keys that anybody may read. */
  readonly publicPrefixes: Set<string>;
}

export function emptyBucket(): StoredBucket {
  return { objects: new Map(), uploads: new Map(), publicPrefixes: new Set() };
}

/** An answer that says what was wrong, by the code that clients know it by. */
export class S3Problem extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message = code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** What no client of ours should send: answered like this, and the test fails whatever becomes of it. */
export class Unexpected extends S3Problem {
  constructor(message: string) {
    super(501, 'NotImplemented', message);
  }
}

export function etagOf(bytes: Uint8Array): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

/** Of an object made of parts: that of their MD5s, and their number. */
export function etagOfParts(parts: readonly StoredPart[]): string {
  const md5s = parts.map(({ etag }) => Buffer.from(unquoted(etag), 'hex'));
  return `"${unquoted(etagOf(Buffer.concat(md5s)))}-${parts.length}"`;
}

export function sameTag(one: string, other: string): boolean {
  return unquoted(one) === unquoted(other);
}

function unquoted(etag: string): string {
  return etag.replace(/^"(.*)"$/, '$1');
}

type Headers = Readonly<Record<string, string | undefined>>;

/** The conditions of a write, held against what is there at that instant. @throws S3Problem */
export function checkWrite(headers: Headers, existing: StoredObject | undefined): void {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match !== undefined && noneMatch !== undefined) throw new Unexpected('If-Match and If-None-Match');
  if (noneMatch !== undefined && noneMatch !== '*')
    throw new Unexpected(`If-None-Match: ${noneMatch} on a write`);
  if (noneMatch === '*' && existing) throw failedCondition('If-None-Match');
  if (match === undefined) return;
  if (!existing) throw noSuchKey();
  if (!sameTag(match, existing.etag)) throw failedCondition('If-Match');
}

/** The conditions of a read. @returns whether the reader has it already. @throws S3Problem */
export function isUnchanged(headers: Headers, { etag }: StoredObject): boolean {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match !== undefined && !sameTag(match, etag)) throw failedCondition('If-Match');
  return noneMatch !== undefined && (noneMatch === '*' || sameTag(noneMatch, etag));
}

/** The same of a source of a copy. @throws S3Problem */
export function checkSource(headers: Headers, { etag }: StoredObject): void {
  const { 'x-amz-copy-source-if-match': match, 'x-amz-copy-source-if-none-match': noneMatch } = headers;
  if (match !== undefined && !sameTag(match, etag)) throw failedCondition('x-amz-copy-source-If-Match');
  if (noneMatch !== undefined && sameTag(noneMatch, etag))
    throw failedCondition('x-amz-copy-source-If-None-Match');
}

function failedCondition(condition: string): S3Problem {
  return new S3Problem(412, 'PreconditionFailed', `${condition} does not hold`);
}

export function noSuchKey(): S3Problem {
  return new S3Problem(404, 'NoSuchKey', 'The specified key does not exist.');
}

/** Both included. @throws S3Problem when it begins after the end. */
export function rangeWithin(header: string, size: number): { readonly start: number; readonly end: number } {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header) ?? [];
  if (first === '' && last === '') throw new Unexpected(`the range ${header}`);
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (start >= size || end < start) throw new S3Problem(416, 'InvalidRange', `${header} of ${size} bytes`);
  return { start, end };
}
