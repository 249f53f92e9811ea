/** How requests to an object store are sent: how long they may stand still, and which are sent again. */
import { S3Client, type HeadObjectCommand, type S3ClientConfig } from '@aws-sdk/client-s3';

/** Who asks, and what proves it. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Where a bucket is. */
export interface BucketAddress {
  readonly bucket: string;
  /** Without slashes around it; empty for the whole bucket. */
  readonly prefix: string;
  /** Origin of the store; that of the region at AWS when undefined. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. */
  readonly pathStyle?: boolean | undefined;
  /** Those that every program of the SDK finds when undefined. */
  readonly credentials?: Credentials | undefined;
}

/** For tests, which cannot wait as long as it is right to. */
export interface BucketPatience {
  /** Of one request, the first try included. */
  readonly attempts: number;
  /** Of a connection on which nothing moves, in milliseconds. */
  readonly idleMs: number;
  /** What is longer is sent and copied in parts of that length; a store takes no less than 5 MiB. */
  readonly partBytes?: number;
  /** Of what is waited before a request is sent again; 1 unless told. */
  readonly delayFactor?: number;
}

export const DEFAULT_PATIENCE: BucketPatience = { attempts: 6, idleMs: 20_000 };
const CONNECT_MS = 5_000;
/** Requests under way at once; others wait for a connection. */
const CONNECTIONS = 64;
const DEFAULT_REGION = 'us-east-1';
/** Of the wait before the second attempt; it doubles from there, up to the longest. */
const DELAY_MS = 200;
const DELAY_WHEN_BUSY_MS = 1000;
const LONGEST_DELAY_MS = 10_000;

export function openClient(
  address: BucketAddress,
  { attempts, idleMs, delayFactor = 1 }: BucketPatience,
): S3Client {
  // The SDK says at each command that its next versions need a newer Node. Ours to silence: the version that is locked runs on
  // every Node that we say we support (a test holds that), and which comes next is for whoever updates it, not for operators.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  return new S3Client({
    region: address.region ?? process.env['AWS_REGION'] ?? DEFAULT_REGION,
    ...(address.endpoint === undefined ? {} : { endpoint: address.endpoint }),
    ...(address.credentials === undefined ? {} : { credentials: address.credentials }),
    forcePathStyle: address.pathStyle ?? false,
    maxAttempts: attempts,
    retryStrategy: repeated(attempts, delayFactor),
    // Stores other than AWS know fewer of these; every request carries the SHA-256 of what it sends.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      // Counts while nothing moves, in a body as well: a long one on a slow line is no fault, one that stands still is.
      socketTimeout: idleMs,
      socketAcquisitionWarningTimeout: 60_000,
      httpAgent: { maxSockets: CONNECTIONS, keepAlive: true },
      httpsAgent: { maxSockets: CONNECTIONS, keepAlive: true },
    },
  });
}

/**
 * What failed for a reason that passes is sent again, each with its attempts. The SDK's own way has a budget for the whole
 * client: the first moment of an outage, with all connections in use, takes it, and what fails next is not sent again.
 */
function repeated(attempts: number, factor: number): NonNullable<S3ClientConfig['retryStrategy']> {
  const token = (count: number, delayMs: number) => ({
    getRetryCount: () => count,
    getRetryDelay: () => delayMs,
  });
  return {
    acquireInitialRetryToken: () => Promise.resolve(token(0, 0)),
    refreshRetryTokenForRetry(last, { errorType }) {
      const count = last.getRetryCount() + 1;
      const passes = errorType === 'TRANSIENT' || errorType === 'THROTTLING';
      // The SDK then throws what the last attempt ended with.
      if (!passes || count >= attempts) return Promise.reject(new Error('not sent again'));
      const first = errorType === 'THROTTLING' ? DELAY_WHEN_BUSY_MS : DELAY_MS;
      const longest = Math.min(first * 2 ** (count - 1), LONGEST_DELAY_MS);
      return Promise.resolve(token(count, longest * factor * (0.5 + Math.random() / 2)));
    },
    recordSuccess: () => undefined,
  };
}

/** The same, but what it sends ends with the signal, and is not sent again after it. Nobody knows then whether it was done. */
export function endingWith(client: S3Client, signal: AbortSignal | undefined): S3Client {
  if (!signal) return client;
  const ending = Object.create(client) as { send(command: HeadObjectCommand): Promise<unknown> };
  ending.send = (command) => client.send(command, { abortSignal: signal });
  return ending as S3Client;
}
