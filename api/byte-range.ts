/** The one range that a request asks for (RFC 9110, section 14), and what of a blob is answered to it. */
import type { IncomingMessage } from 'node:http';
import type { ByteRange } from '../core/ports.ts';
import type { BlobBody, HttpAnswer } from '../core/route.ts';

export interface Ranged {
  readonly etag: string | undefined;
  readonly size: number;
  /** A range that ends before it begins is refused, as nginx and OCI's conformance suite have it, and not ignored. */
  readonly refusesBackward: boolean;
}

/** Several ranges at once may be ignored, and are; so is one of a HEAD, and of a file that is another by now. */
export function rangeOf(
  { method, headers }: IncomingMessage,
  { etag, size, refusesBackward }: Ranged,
): ByteRange | 'unsatisfiable' | undefined {
  const { range, 'if-range': ifRange } = headers;
  if (range === undefined) return undefined;
  const asked = /^bytes=(\d*)-(\d*)$/.exec(range);
  if (!asked || method === 'HEAD' || (ifRange !== undefined && ifRange !== etag)) return undefined;
  const [, first = '', last = ''] = asked;
  if (first === '' && last === '') return undefined;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) return refusesBackward ? 'unsatisfiable' : undefined;
  return start >= size ? 'unsatisfiable' : { start, end };
}

interface BlobPart {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  /** All of it where undefined. */
  readonly range?: ByteRange;
}

/** How much of a blob is answered. */
export function partOf(
  request: IncomingMessage,
  { status, headers, body: { size, ranges } }: HttpAnswer & { readonly body: BlobBody },
): BlobPart {
  if (!ranges || status !== 200) return { status, headers: { 'content-length': size } };
  const taken = { 'accept-ranges': 'bytes' };
  const range = rangeOf(request, { etag: headers?.['etag'], size, refusesBackward: true });
  if (range === undefined) return { status, headers: { ...taken, 'content-length': size } };
  if (range === 'unsatisfiable')
    return { status: 416, headers: { ...taken, 'content-range': `bytes */${size}`, 'content-length': 0 } };
  const { start, end } = range;
  const part = { 'content-range': `bytes ${start}-${end}/${size}`, 'content-length': end - start + 1 };
  return { status: 206, headers: { ...taken, ...part }, range };
}
