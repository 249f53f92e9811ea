/** One file over HTTP, as a static host would send it: HEAD, conditional requests, ranges (RFC 9110). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FoundFile } from '../core/ports.ts';
import { cacheControl, type CachePolicy, type SiteRoute } from '../core/site.ts';
import { rangeOf } from './byte-range.ts';
import { sendLent } from './send-lent.ts';

export interface ServedFile {
  readonly route: SiteRoute;
  readonly contentType: string;
  readonly cache: CachePolicy;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly file: FoundFile;
  readonly etag: string;
  readonly size: number;
  /** All of it, where it is kept in memory: as a text, one byte to a character, or as it is. */
  readonly body: string | Uint8Array | undefined;
}

/**
 * Answers a GET or HEAD.
 * @returns a body that is on its way, where it is not in memory. A disk that fails halfway ends the connection, since the
 * length was promised already, and rejects; a reader who hangs up does not.
 */
export function answerFile(
  { route, contentType, cache, headers: ofRoute, file, etag, size, body }: ServedFile,
  requestId: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> | undefined {
  // Names and values in turn, all at once: Node goes over them as they are, and after a `setHeader` it copies them.
  const headers: (string | number)[] = [
    'x-request-id',
    requestId,
    'etag',
    etag,
    'cache-control',
    cacheControl[cache],
    'accept-ranges',
    'bytes',
  ];
  for (const name in ofRoute) headers.push(name, ofRoute[name] ?? '');
  if (noneMatches(request.headers['if-none-match'], etag)) {
    response.writeHead(304, headers).end();
    return undefined;
  }
  headers.push('content-type', contentType);
  const refusesBackward = route.refusesBackwardRanges === true;
  const range = rangeOf(request, { etag, size, refusesBackward });
  if (range === 'unsatisfiable') {
    headers.push('content-range', `bytes */${size}`);
    response.writeHead(416, headers).end();
    return undefined;
  }
  const start = range ? range.start : 0;
  const end = range ? range.end : size - 1;
  headers.push('content-length', end - start + 1);
  if (range) headers.push('content-range', `bytes ${start}-${end}/${size}`);
  response.writeHead(range ? 206 : 200, headers);
  if (request.method === 'HEAD' || end < start) response.end();
  else if (typeof body === 'string') endInOneWrite(response, range ? body.slice(start, end + 1) : body);
  else if (body) response.end(body.subarray(start, end + 1));
  else return sendLent(response, file.lend({ start, end }));
  return undefined;
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
