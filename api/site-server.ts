/** Serves the files of a site. Documents that are asked for again are answered from memory, after one look at the disk. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FoundFile, SiteReader } from '../core/ports.ts';
import { digestOf } from '../core/digest.ts';
import type { CachePolicy, FileType, SiteRoute } from '../core/site.ts';
import { answerFile, type ServedFile } from './file-answer.ts';

/** Up to this size a document is kept in memory, with the hash of its bytes as its ETag. */
const MAX_KEPT_BYTES = 1024 * 1024;
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
}

type Found = Pick<SiteRead, 'route' | 'cache' | 'headers'> & {
  readonly type: FileType;
  readonly file: FoundFile;
};

/** For one route table: with a document it keeps what the table has said of its URL. */
export class SiteServer {
  readonly #reader: SiteReader;
  /** By the URL's path. A name can be percent-encoded in very many ways: all these go by the file's path. */
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;

  constructor(reader: SiteReader) {
    this.#reader = reader;
  }

  /**
   * Answers a GET or HEAD of a document that is kept and still stands, without the route table: this is what a
   * registry does most. False, and nothing sent, for all others.
   */
  serveAgain(
    { urlPath, query, requestId }: Asked,
    request: IncomingMessage,
    response: ServerResponse,
  ): boolean {
    const kept = this.#standing(urlPath);
    if (!kept || asksApi(kept.route, query)) return false;
    answerFile(kept, requestId, request, response);
    return true;
  }

  /** Answers a GET or HEAD; false, and nothing sent, when there is no such file, or the query asks for more. */
  serve(read: SiteRead, request: IncomingMessage, response: ServerResponse): boolean {
    const served = asksApi(read.route, read.query) ? undefined : this.#find(read);
    if (!served) return false;
    answerFile(served, read.requestId, request, response);
    return true;
  }

  #find(read: SiteRead): ServedFile | undefined {
    for (const stored of read.paths) {
      const found = this.#findAt(stored, read);
      if (found) return found;
    }
    return undefined;
  }

  #findAt(
    { path, type }: StoredPath,
    { urlPath, route, cache, etag: ofRoute, headers }: SiteRead,
  ): ServedFile | undefined {
    const key = urlPath.includes('%') ? path : urlPath;
    const kept = this.#standing(key);
    if (kept) return kept;
    const file = this.#reader.find(path);
    if (!file) return undefined;
    const { contentType } = type;
    // What is answered from memory is not counted: the table says what a request downloads.
    if (cache === 'document' && !route.counts && file.size <= MAX_KEPT_BYTES)
      return this.#keep(key, path, { route, type, cache, file, headers });
    const ofDigest = digestHeaders(route, type, headers, () => file.read());
    const etag = `"${ofRoute ?? file.version}"`;
    return { route, contentType, cache, headers: ofDigest, file, etag, size: file.size, body: undefined };
  }

  /** What is kept under a key, unless the file is another by now: every read looks, since others write the site too. */
  #standing(key: string): Kept | undefined {
    const kept = this.#kept.get(key);
    if (!kept || this.#reader.find(kept.path, kept.file) === kept.file) return kept;
    this.#forget(key, kept);
    return undefined;
  }

  #keep(key: string, path: string, { route, type, cache, file, headers }: Found): Kept {
    const bytes = Buffer.from(file.read());
    const etag = `"${createHash('sha256').update(bytes).digest('hex')}"`;
    const size = bytes.byteLength;
    const body = size <= MAX_TEXT_BYTES ? bytes.toString('latin1') : bytes;
    const kept = {
      path,
      route,
      contentType: type.contentType,
      cache,
      headers: digestHeaders(route, type, headers, () => bytes),
      file,
      etag,
      size,
      body,
    };
    this.#kept.set(key, kept);
    this.#keptBytes += size + KEPT_OVERHEAD_BYTES;
    for (const [oldest, entry] of this.#kept) {
      if (this.#keptBytes <= MAX_KEPT_TOTAL_BYTES || oldest === key) break;
      this.#forget(oldest, entry);
    }
    return kept;
  }

  #forget(key: string, kept: Kept): void {
    this.#kept.delete(key);
    this.#keptBytes -= kept.size + KEPT_OVERHEAD_BYTES;
  }
}

function asksApi({ asksApi }: SiteRoute, query: string): boolean {
  return asksApi?.(query) === true;
}

function digestHeaders(
  { digestHeader }: SiteRoute,
  { digest }: FileType,
  headers: SiteRead['headers'],
  read: () => Uint8Array,
): SiteRead['headers'] {
  if (digestHeader === undefined || headers?.[digestHeader] !== undefined) return headers;
  return { ...headers, [digestHeader]: digestOf(read(), digest) };
}
