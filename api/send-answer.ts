/** What a handler answers, over HTTP: texts, blobs or parts of them, and bytes as they come. */
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { HttpAnswer } from '../core/route.ts';
import { partOf } from './byte-range.ts';
import { redirectToStore, type RedirectDeps } from './redirects.ts';
import { sendLent } from './send-lent.ts';

export function send(response: ServerResponse, { status, headers, body = '' }: HttpAnswer): void {
  if (response.headersSent) return;
  if (typeof body !== 'string') throw new TypeError('a refusal is a text');
  const bytes = Buffer.from(body);
  // The length of a 304 would be that of what has not changed (RFC 9110, section 8.6), which is not known here; a 204 has none.
  const length = status === 304 || status === 204 ? {} : { 'content-length': bytes.byteLength };
  response.writeHead(status, { ...headers, ...length });
  response.end(bytes);
}

interface StreamDeps extends RedirectDeps {
  readonly onError: (error: unknown, requestId: string) => void;
}

export async function sendStreamed(
  response: ServerResponse,
  answer: HttpAnswer,
  deps: StreamDeps,
  requestId: string,
): Promise<void> {
  const { status, headers, body = '' } = answer;
  const { method } = response.req;
  if (typeof body === 'string') return send(response, answer);
  if ('blob' in body && method === 'GET') {
    const redirect = await redirectToStore(answer, body, deps);
    if (redirect) return send(response, redirect);
  }
  const part = 'blob' in body ? partOf(response.req, { ...answer, body }) : undefined;
  response.writeHead(part?.status ?? status, { ...headers, ...part?.headers });
  if (method === 'HEAD' || part?.status === 416) {
    if (!('blob' in body)) await close(body);
    return void response.end();
  }
  try {
    if ('blob' in body) await sendLent(response, deps.blobs.lend(body.blob, part?.range));
    else await pipeline(body, response);
  } catch (error) {
    if (!('blob' in body)) await close(body);
    // The connection is closed by now, which tells the client that something is missing; who hung up knows it.
    const hasHungUp = (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
    if (!hasHungUp) deps.onError(error, requestId);
  }
}

/** Whoever stops early says so, also before the first piece: the source may hold a connection. */
async function close(source: AsyncIterable<Uint8Array>): Promise<void> {
  await source[Symbol.asyncIterator]().return?.();
}
