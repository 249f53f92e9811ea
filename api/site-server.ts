/** Serves files of the site as a static host would: HEAD, conditional requests, ranges (RFC 9110). */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import type { FoundFile, SiteReader } from '../core/ports.ts';
import { cacheControl, type SiteRoute } from '../core/site.ts';

/** Up to this size a document is kept in memory, with the hash of its bytes as its ETag. */
const MAX_KEPT_BYTES = 1024 * 1024;
/** Up to this size a body leaves in one write with its header: Node joins texts, and sends bytes after it. */
const MAX_TEXT_BYTES = 64 * 1024;
const MAX_KEPT_TOTAL_BYTES = 64 * 1024 * 1024;

interface Kept {
  readonly file: FoundFile;
  readonly etag: string;
  readonly bytes: Uint8Array;
  /** The same bytes, one to a character, where they are few. */
  readonly text: string | undefined;
}

export interface SiteRead {
  /** Below the root of the site, from `sitePath`. */
  readonly path: string;
  readonly route: SiteRoute;
  readonly requestId: string;
}

export class SiteServer {
  readonly #reader: SiteReader;
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;

  constructor(reader: SiteReader) {
    this.#reader = reader;
  }

  /** Answers a GET or HEAD; false, and nothing sent, when there is no such file. */
  serve({ path, route, requestId }: SiteRead, request: IncomingMessage, response: ServerResponse): boolean {
    const before = this.#kept.get(path);
    const file = this.#reader.find(path, before?.file);
    if (before && file !== before.file) this.#forget(path, before);
    if (!file) return false;
    const kept = file === before?.file ? before : this.#keep(path, route, file);
    const etag = kept?.etag ?? `"${file.version}"`;
    const size = kept?.bytes.byteLength ?? file.size;
    // Names and values in turn, in one go: Node copies anything else, and `setHeader` makes it work twice.
    const headers: (string | number)[] = [
      'x-request-id',
      requestId,
      'etag',
      etag,
      'cache-control',
      cacheControl[route.cache],
      'accept-ranges',
      'bytes',
    ];
    if (noneMatches(request.headers['if-none-match'], etag)) {
      response.writeHead(304, headers).end();
      return true;
    }
    headers.push('content-type', route.contentType);
    const range = rangeOf(request, etag, size);
    if (range === 'unsatisfiable') {
      headers.push('content-range', `bytes */${size}`);
      response.writeHead(416, headers).end();
      return true;
    }
    const start = range ? range.start : 0;
    const end = range ? range.end : size - 1;
    headers.push('content-length', end - start + 1);
    if (range) headers.push('content-range', `bytes ${start}-${end}/${size}`);
    response.writeHead(range ? 206 : 200, headers);
    if (request.method === 'HEAD' || end < start) response.end();
    else if (kept?.text !== undefined && !range) endInOneWrite(response, kept.text);
    else if (kept) response.end(kept.bytes.subarray(start, end + 1));
    // A reader who hangs up, or a disk that fails halfway, ends the connection: the length was promised already.
    else pipeline(file.stream(start, end), response, () => undefined);
    return true;
  }

  #keep(path: string, route: SiteRoute, file: FoundFile): Kept | undefined {
    if (route.cache !== 'document' || file.size > MAX_KEPT_BYTES) return undefined;
    const bytes = Buffer.from(file.read());
    const etag = `"${createHash('sha256').update(bytes).digest('hex')}"`;
    const text = bytes.byteLength <= MAX_TEXT_BYTES ? bytes.toString('latin1') : undefined;
    const kept = { file, etag, bytes, text };
    this.#kept.set(path, kept);
    this.#keptBytes += bytes.byteLength;
    for (const [oldest, entry] of this.#kept) {
      if (this.#keptBytes <= MAX_KEPT_TOTAL_BYTES || oldest === path) break;
      this.#forget(oldest, entry);
    }
    return kept;
  }

  #forget(path: string, kept: Kept): void {
    this.#kept.delete(path);
    this.#keptBytes -= kept.bytes.byteLength;
  }
}

/** `end(text)` would write the text and then an empty one, and for two Node gathers all bytes once more. */
function endInOneWrite(response: ServerResponse, text: string): void {
  response.cork();
  response.write(text, 'latin1');
  response.uncork();
  response.end();
}

/** RFC 9110, section 13.1.2; all our ETags are strong, and a weak one of a proxy compares by its text. */
function noneMatches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  return header.split(',').some((candidate) => candidate.trim().replace(/^W\//, '') === etag);
}

/** One range, as RFC 9110 section 14.1.2 has it; several at once may be ignored, and are. */
function rangeOf(
  request: IncomingMessage,
  etag: string,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const { range, 'if-range': ifRange } = request.headers;
  if (range === undefined) return undefined;
  const asked = /^bytes=(\d*)-(\d*)$/.exec(range);
  if (!asked || request.method === 'HEAD' || (ifRange !== undefined && ifRange !== etag)) return undefined;
  const [, first = '', last = ''] = asked;
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) return undefined;
  return start >= size ? 'unsatisfiable' : { start, end };
}
