/** The bytes of a request to an S3 server, and what the request says of them. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { IncomingMessage } from 'node:http';
import { S3Problem, Unexpected } from './s3-objects.ts';

type Headers = Readonly<Record<string, string | undefined>>;

/** Undefined when the connection ended before they did. */
export async function receivedBytes(request: IncomingMessage): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of request) pieces.push(piece as Buffer);
  } catch {
    // Whoever sent it is gone, and the store has nothing whole.
    return undefined;
  }
  return request.complete ? Buffer.concat(pieces) : undefined;
}

/** What was meant by them, once everything said of them is seen to hold. @throws S3Problem */
export function checkedBody(received: Buffer, headers: Headers): Buffer {
  const payload = headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD';
  const isChunked = payload.startsWith('STREAMING-');
  const length = headers[isChunked ? 'x-amz-decoded-content-length' : 'content-length'];
  if (length === undefined && (received.length > 0 || headers['transfer-encoding'] !== undefined))
    throw new S3Problem(411, 'MissingContentLength');
  const { bytes, trailers } = isChunked ? dechunked(received) : { bytes: received, trailers: {} };
  if (isChunked && Number(length) !== bytes.length)
    throw new S3Problem(400, 'IncompleteBody', 'x-amz-decoded-content-length is not what came');
  if (/^[0-9a-f]{64}$/.test(payload) && payload !== hashed('sha256', bytes, 'hex'))
    throw new S3Problem(400, 'XAmzContentSHA256Mismatch');
  const md5 = headers['content-md5'];
  if (md5 !== undefined && md5 !== hashed('md5', bytes, 'base64')) throw new S3Problem(400, 'BadDigest');
  for (const [name, value] of Object.entries({ ...headers, ...trailers }))
    if (name.startsWith('x-amz-checksum-') && value !== checksum(name, bytes))
      throw new S3Problem(400, 'BadDigest', `${name} is not that of what came`);
  return bytes;
}

/** Whether something in the request would have told that the bytes are not those that were sent. */
export function isGuarded(headers: Headers): boolean {
  return (
    headers['content-md5'] !== undefined ||
    /^[0-9a-f]{64}$/.test(headers['x-amz-content-sha256'] ?? '') ||
    headers['x-amz-trailer'] !== undefined ||
    Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-'))
  );
}

function hashed(algorithm: string, bytes: Buffer, encoding: 'hex' | 'base64'): string {
  return createHash(algorithm).update(bytes).digest(encoding);
}

function checksum(name: string, bytes: Buffer): string {
  const algorithm = name.slice('x-amz-checksum-'.length);
  if (algorithm === 'sha1' || algorithm === 'sha256') return hashed(algorithm, bytes, 'base64');
  if (algorithm !== 'crc32') throw new Unexpected(name);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(bytes));
  return sum.toString('base64');
}

/** `length[;chunk-signature=…]`, a line's end, bytes, a line's end, and so on to a chunk of nothing and the trailers. */
function dechunked(received: Buffer): { bytes: Buffer; trailers: Headers } {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = received.indexOf('\r\n', at);
    const length = Number.parseInt(received.toString('latin1', at, lineEnd), 16);
    if (lineEnd === -1 || Number.isNaN(length)) throw new S3Problem(400, 'IncompleteBody');
    const start = lineEnd + 2;
    if (length === 0) {
      const lines = received.toString('latin1', start).split('\r\n').filter(Boolean);
      const trailers = lines.map((line) => line.split(/: ?/, 2) as [string, string]);
      return { bytes: Buffer.concat(chunks), trailers: Object.fromEntries(trailers) };
    }
    const chunk = received.subarray(start, start + length);
    if (chunk.length < length) throw new S3Problem(400, 'IncompleteBody');
    chunks.push(chunk);
    at = start + length + 2;
  }
}
