/**
 * Serves the files of a site. Documents that are asked for again are answered from memory, after one look at the disk; where
 * the site is in a bucket, after one question to its store. Only there an answer is a promise.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { READ_AT_ONCE_BYTES, type FoundFile, type SiteReader } from '../core/ports.ts';
import { digestOf } from '../core/digest.ts';
import type { CachePolicy, FileType, SiteRoute } from '../core/site.ts';
import { answerFile, type ServedFile } from './file-answer.ts';

/** Up to this size a document is kept in memory, with the hash of its bytes as its ETag. */
const MAX_KEPT_BYTES = READ_AT_ONCE_BYTES;
/** Up to this size it is kept as a text, which leaves in one write with its header: Node joins texts, bytes follow. */
const MAX_TEXT_BYTES = 64 * 1024;
const MAX_KEPT_TOTAL_BYTES = 64 * 1024 * 1024;
/** What a document takes beside its bytes, about. */
const KEPT_OVERHEAD_BYTES = 512;

/** A request before anybody has looked at the route table. */
export interface Asked {
  /** As it was sent. */
  readonly urlPath: string;
  /** As it was sent, without the question mark. */
  readonly query: string;
  readonly requestId: string;
}

export interface StoredPath {
  readonly path: string;
  readonly type: FileType;
}

/** What the route table has made of a request. */
export interface SiteRead extends Asked {
  readonly route: SiteRoute;
  /** Below the root of the site, from `sitePath`, the likeliest first: none where no file can be. */
  readonly paths: readonly StoredPath[];
  readonly cache: CachePolicy;
  /** That of the route, where it has one. */
  readonly etag?: string | undefined;
  /** Of the route itself, beside type and policy. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

interface Kept extends ServedFile {
  readonly path: string;
  readonly type: FileType;
  /** What the route says, without what the bytes do. */
  readonly headersOfRoute: SiteRead['headers'];
}

type Found = Pick<SiteRead, 'route' | 'cache' | 'headers'> & {
  readonly type: FileType;
  readonly file: FoundFile;
};

/** A promise only where the reader of the site gives one. */
type SoonOrNow<T> = T | Promise<T>;

/** For one route table: with a document it keeps what the table has said of its URL. */
export class SiteServer {
  readonly #reader: SiteReader;
  readonly #onError: (error: unknown, requestId: string) => void;
  /** By the URL's path. A name can be percent-encoded in very many ways: all these go by the file's path. */
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;

  /** @param onError hears of bodies that broke off */
  constructor(reader: SiteReader, onError: (error: unknown, requestId: string) => void = () => undefined) {
    this.#reader = reader;
    this.#onError = onError;
  }

  /**
   * Answers a GET or HEAD of a document that is kept and still stands, without the route table: this is what a
   * registry does most. False, and nothing sent, for all others.
   */
  serveAgain(asked: Asked, request: IncomingMessage, response: ServerResponse): SoonOrNow<boolean> {
    const { urlPath, query } = asked;
    const kept = this.#kept.get(urlPath);
    if (!kept || asksApi(kept.route, query)) return false;
    const standing = this.#standing(urlPath, kept);
    if (standing instanceof Promise)
      return standing.then((one) => this.#answer(one, asked, request, response));
    return this.#answer(standing, asked, request, response);
  }

  /** Answers a GET or HEAD; false, and nothing sent, when there is no such file, or the query asks for more. */
  serve(read: SiteRead, request: IncomingMessage, response: ServerResponse): SoonOrNow<boolean> {
    if (asksApi(read.route, read.query)) return false;
    const served = this.#find(read, 0);
    if (served instanceof Promise) return served.then((one) => this.#answer(one, read, request, response));
    return this.#answer(served, read, request, response);
  }

  #answer(
    served: ServedFile | undefined,
    { requestId }: Asked,
    request: IncomingMessage,
    response: ServerResponse,
  ): boolean {
    if (!served) return false;
    const sending = answerFile(served, requestId, request, response);
    sending?.catch((error: unknown) => this.#onError(error, requestId));
    return true;
  }

  /** One after another also where each is a question to a store: the likeliest comes first, and questions are paid for. */
  #find(read: SiteRead, from: number): SoonOrNow<ServedFile | undefined> {
    for (let i = from; i < read.paths.length; i += 1) {
      const stored = read.paths[i];
      const found = stored && this.#findAt(stored, read);
      if (found instanceof Promise) return found.then((one) => one ?? this.#find(read, i + 1));
      if (found) return found;
    }
    return undefined;
  }

  #findAt(stored: StoredPath, read: SiteRead): SoonOrNow<ServedFile | undefined> {
    const key = read.urlPath.includes('%') ? stored.path : read.urlPath;
    const kept = this.#kept.get(key);
    const standing = kept && this.#standing(key, kept);
    if (standing instanceof Promise) return standing.then((one) => one ?? this.#lookAt(key, stored, read));
    return standing ?? this.#lookAt(key, stored, read);
  }

  #lookAt(key: string, stored: StoredPath, read: SiteRead): SoonOrNow<ServedFile | undefined> {
    const file = this.#reader.find(stored.path);
    if (file instanceof Promise) return file.then((one) => one && this.#served(key, stored, read, one));
    return file && this.#served(key, stored, read, file);
  }

  #served(
    key: string,
    { path, type }: StoredPath,
    { route, cache, etag: ofRoute, headers }: SiteRead,
    file: FoundFile,
  ): ServedFile {
    const { contentType } = type;
    // What is answered from memory is not counted: the table says what a request downloads.
    if (cache === 'document' && !route.counts && file.size <= MAX_KEPT_BYTES)
      return this.#keep(key, path, { route, type, cache, file, headers });
    const ofDigest = digestHeaders(route, type, headers, file);
    const etag = `"${ofRoute ?? file.version}"`;
    return { route, contentType, cache, headers: ofDigest, file, etag, size: file.size, body: undefined };
  }

  /** What is kept under a key, unless the file is another by now: every read looks, since others write the site too. */
  #standing(key: string, kept: Kept): SoonOrNow<Kept | undefined> {
    const found = this.#reader.find(kept.path, kept.file);
    if (found === kept.file) return kept;
    if (found instanceof Promise) return found.then((file) => this.#asFound(key, kept, file));
    this.#forget(key, kept);
    return undefined;
  }

  /** What was kept when the store was asked, or what has come with its answer: nobody asks twice for one change. */
  #asFound(key: string, kept: Kept, file: FoundFile | undefined): Kept | undefined {
    if (file === kept.file) return kept;
    const now = this.#kept.get(key);
    // Another request, which waited for the same answer, was here before.
    if (now && now.file === file) return now;
    this.#forget(key, kept);
    if (!file || file.size > MAX_KEPT_BYTES) return undefined;
    return this.#keep(key, kept.path, { ...kept, headers: kept.headersOfRoute, file });
  }

  #keep(key: string, path: string, { route, type, cache, file, headers }: Found): Kept {
    const bytes = asBuffer(file.read());
    const etag = `"${createHash('sha256').update(bytes).digest('hex')}"`;
    const size = bytes.byteLength;
    // What is in memory already is not held a second time.
    const body = size <= MAX_TEXT_BYTES && file.inMemory !== true ? bytes.toString('latin1') : bytes;
    const kept = {
      path,
      route,
      type,
      contentType: type.contentType,
      cache,
      headersOfRoute: headers,
      headers: digestHeaders(route, type, headers, { read: () => bytes }),
      file,
      etag,
      size,
      body,
    };
    const before = this.#kept.get(key);
    if (before) this.#forget(key, before);
    this.#kept.set(key, kept);
    this.#keptBytes += size + KEPT_OVERHEAD_BYTES;
    for (const [oldest, entry] of this.#kept) {
      if (this.#keptBytes <= MAX_KEPT_TOTAL_BYTES || oldest === key) break;
      this.#forget(oldest, entry);
    }
    return kept;
  }

  #forget(key: string, kept: Kept): void {
    // Others may have done it while a store was asked.
    if (this.#kept.get(key) !== kept) return;
    this.#kept.delete(key);
    this.#keptBytes -= kept.size + KEPT_OVERHEAD_BYTES;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function asksApi({ asksApi }: SiteRoute, query: string): boolean {
  return asksApi?.(query) === true;
}

function digestHeaders(
  { digestHeader }: SiteRoute,
  { digest: algorithm = 'sha256' }: FileType,
  headers: SiteRead['headers'],
  file: Pick<FoundFile, 'digest' | 'read'>,
): SiteRead['headers'] {
  if (digestHeader === undefined || headers?.[digestHeader] !== undefined) return headers;
  const isSaid = file.digest?.startsWith(`${algorithm}:`) === true;
  return { ...headers, [digestHeader]: (isSaid && file.digest) || digestOf(file.read(), algorithm) };
}
