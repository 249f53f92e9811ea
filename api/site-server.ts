/** Serves the files of a site. Documents that are asked for again are answered from memory, after one look at the disk. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FoundFile, SiteReader } from '../core/ports.ts';
import type { SiteRoute } from '../core/site.ts';
import { answerFile, type ServedFile } from './file-answer.ts';

/** Up to this size a document is kept in memory, with the hash of its bytes as its ETag. */
const MAX_KEPT_BYTES = 1024 * 1024;
/** Up to this size it is kept as a text, which leaves in one write with its header: Node joins texts, bytes follow. */
const MAX_TEXT_BYTES = 64 * 1024;
const MAX_KEPT_TOTAL_BYTES = 64 * 1024 * 1024;
/** What a document takes beside its bytes, about. */
const KEPT_OVERHEAD_BYTES = 512;

/** What the route table has made of a request. */
export interface SiteRead {
  /** As it was sent. */
  readonly urlPath: string;
  readonly requestId: string;
  readonly route: SiteRoute;
  /** Below the root of the site, from `sitePath`: undefined where no file can be. */
  readonly path: string | undefined;
  /** Of the route itself, beside type and policy. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

interface Kept extends ServedFile {
  readonly path: string;
}

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
    urlPath: string,
    requestId: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): boolean {
    const kept = this.#standing(urlPath);
    if (!kept) return false;
    answerFile(kept, requestId, request, response);
    return true;
  }

  /** Answers a GET or HEAD; false, and nothing sent, when there is no such file. */
  serve(read: SiteRead, request: IncomingMessage, response: ServerResponse): boolean {
    const served = this.#find(read);
    if (!served) return false;
    answerFile(served, read.requestId, request, response);
    return true;
  }

  #find({ urlPath, route, path, headers }: SiteRead): ServedFile | undefined {
    if (path === undefined) return undefined;
    const key = urlPath.includes('%') ? path : urlPath;
    const kept = this.#standing(key);
    if (kept) return kept;
    const file = this.#reader.find(path);
    if (!file) return undefined;
    // What is answered from memory is not counted: the table says what a request downloads.
    if (route.cache === 'document' && !route.counts && file.size <= MAX_KEPT_BYTES)
      return this.#keep(key, path, route, file, headers);
    return { route, headers, file, etag: `"${file.version}"`, size: file.size, body: undefined };
  }

  /** What is kept under a key, unless the file is another by now: every read looks, since others write the site too. */
  #standing(key: string): Kept | undefined {
    const kept = this.#kept.get(key);
    if (!kept || this.#reader.find(kept.path, kept.file) === kept.file) return kept;
    this.#forget(key, kept);
    return undefined;
  }

  #keep(key: string, path: string, route: SiteRoute, file: FoundFile, headers: SiteRead['headers']): Kept {
    const bytes = Buffer.from(file.read());
    const etag = `"${createHash('sha256').update(bytes).digest('hex')}"`;
    const size = bytes.byteLength;
    const body = size <= MAX_TEXT_BYTES ? bytes.toString('latin1') : bytes;
    const kept = { path, route, headers, file, etag, size, body };
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
