/** Who asks: signatures in a header or in a URL are worked out again (AWS Signature Version 4), as a store does. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { S3Problem, Unexpected } from './s3-objects.ts';

/** What every server of our tests takes. Nothing but loopback ever hears of it. */
export const s3Credentials = {
  AWS_ACCESS_KEY_ID: 'AKIDCAIRNTESTS000000',
  AWS_SECRET_ACCESS_KEY: 'the-tests-of-cairn-tell-this-to-everybody',
} as const;

/** A request as it came, before anything in it was understood. */
export interface RawRequest {
  readonly method: string;
  /** As it was sent, percent-encoded. */
  readonly path: string;
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly headers: Readonly<Record<string, string | undefined>>;
}

const LONGEST_SECONDS = 7 * 24 * 3600;
const SKEW_MS = 15 * 60 * 1000;

interface Claim {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
  readonly date: string;
  readonly payload: string;
}

/** @throws S3Problem unless it is signed by us. @returns false when it is not signed at all. */
export function isSigned(request: RawRequest, nowMs: number): boolean {
  const header = request.headers['authorization'];
  const inQuery = new Map(request.query).has('X-Amz-Algorithm');
  if (header !== undefined && inQuery)
    throw new S3Problem(400, 'InvalidArgument', 'Only one auth mechanism allowed');
  if (header === undefined && !inQuery) return false;
  const claim = header === undefined ? claimOfUrl(request, nowMs) : claimOfHeader(header, request, nowMs);
  const [accessKey, ...scope] = claim.credential.split('/');
  if (accessKey !== s3Credentials.AWS_ACCESS_KEY_ID) throw new S3Problem(403, 'InvalidAccessKeyId');
  const expected = signatureOf(request, claim, scope);
  const given = Buffer.from(claim.signature);
  if (given.length !== expected.length || !timingSafeEqual(given, Buffer.from(expected)))
    throw new S3Problem(403, 'SignatureDoesNotMatch');
  return true;
}

function claimOfHeader(header: string, { headers }: RawRequest, nowMs: number): Claim {
  const [, credential = '', signedHeaders = '', signature = ''] =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(header) ??
    [];
  const { 'x-amz-date': date = '', 'x-amz-content-sha256': payload } = headers;
  if (Math.abs(msOf(date) - nowMs) > SKEW_MS) throw new S3Problem(403, 'RequestTimeTooSkewed');
  if (payload === undefined) throw new S3Problem(400, 'InvalidRequest', 'x-amz-content-sha256 is missing');
  const unsigned = Object.keys(headers).find(
    (name) => name.startsWith('x-amz-') && !signedHeaders.split(';').includes(name),
  );
  if (unsigned !== undefined) throw new S3Problem(403, 'AccessDenied', `${unsigned} is not signed`);
  return { credential, signedHeaders, signature, date, payload };
}

function claimOfUrl({ query }: RawRequest, nowMs: number): Claim {
  const given = new Map(query);
  const of = (name: string): string => given.get(`X-Amz-${name}`) ?? '';
  if (of('Algorithm') !== 'AWS4-HMAC-SHA256') throw new Unexpected(`the algorithm ${of('Algorithm')}`);
  const seconds = Number(of('Expires'));
  if (!(seconds > 0 && seconds <= LONGEST_SECONDS))
    throw new S3Problem(400, 'AuthorizationQueryParametersError', `X-Amz-Expires: ${of('Expires')}`);
  if (nowMs >= msOf(of('Date')) + seconds * 1000)
    throw new S3Problem(403, 'AccessDenied', 'Request has expired');
  return {
    credential: of('Credential'),
    signedHeaders: of('SignedHeaders'),
    signature: of('Signature'),
    date: of('Date'),
    payload: 'UNSIGNED-PAYLOAD',
  };
}

/** `20260101T000000Z`. */
function msOf(date: string): number {
  const ms = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (Number.isNaN(ms)) throw new S3Problem(403, 'AccessDenied', 'a date is missing');
  return ms;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
function signatureOf(request: RawRequest, claim: Claim, scope: readonly string[]): string {
  const query = request.query
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort();
  const headers = claim.signedHeaders
    .split(';')
    .map((name) => `${name}:${(request.headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}\n`);
  const path = request.path.split('/').map((segment) => encoded(decodeURIComponent(segment)));
  const canonical = [
    request.method,
    path.join('/'),
    query.join('&'),
    headers.join(''),
    claim.signedHeaders,
    claim.payload,
  ].join('\n');
  const digest = createHash('sha256').update(canonical).digest('hex');
  const text = ['AWS4-HMAC-SHA256', claim.date, scope.join('/'), digest].join('\n');
  let key: string | Buffer = `AWS4${s3Credentials.AWS_SECRET_ACCESS_KEY}`;
  for (const part of scope) key = createHmac('sha256', key).update(part).digest();
  return createHmac('sha256', key).update(text).digest('hex');
}

function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
