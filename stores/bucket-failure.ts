import { RegistryError } from '../core/errors.ts';
import type { Bucket, ListedObject } from './bucket.ts';

const RETRY_SECONDS = 5;

/**
 * What a client is told of a store that fails. Only the kind of the fault: what the store writes may name accounts, and is
 * in the cause.
 */
export function bucketFailure(bucket: Bucket, cause: unknown): RegistryError {
  return new RegistryError(
    'storage-failed',
    `${bucket.name} did not do what it was asked to (${kindOf(cause)}): nothing counts as done, try again`,
    { cause, retryAfterSeconds: RETRY_SECONDS },
  );
}

/** @throws RegistryError `storage-failed` */
export async function asking<T>(bucket: Bucket, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw bucketFailure(bucket, error);
  }
}

/** All objects, in ascending order. @throws RegistryError `storage-failed` */
export async function* listing(bucket: Bucket): AsyncGenerator<ListedObject> {
  try {
    yield* bucket.list();
  } catch (error) {
    throw bucketFailure(bucket, error);
  }
}

function kindOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'unknown';
  const { code, $metadata } = cause as { code?: unknown; $metadata?: { httpStatusCode?: number } };
  const kind = typeof code === 'string' ? code : cause.name;
  const status = $metadata?.httpStatusCode;
  return /^\w+$/.test(kind) ? `${kind}${status === undefined ? '' : `, ${status}`}` : 'unknown';
}

/**
 * What an operator can do about an error of a store, or of the way to it; undefined where that is not known, or it is no such
 * error.
 */
export function adviceOn(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, $metadata } = error as { code?: unknown; $metadata?: { httpStatusCode?: number } };
  const kind = typeof code === 'string' ? code : error.name;
  const known = Object.entries(advice).find(([kinds]) => kinds.split(' ').includes(kind))?.[1];
  // Other errors of the system have such codes too: those of the SDK say how often it has tried.
  if (!$metadata) return kind === 'CredentialsProviderError' ? known : undefined;
  if (known !== undefined) return known;
  const status = $metadata.httpStatusCode;
  if (status === 401 || status === 403) return denied;
  if (status === 301 || status === 307 || status === 400) return wrongAddress;
  return status !== undefined && status >= 500 ? 'the store fails just now: try again' : undefined;
}

const denied =
  'the store does not let these credentials do that: look at the policy of the bucket and of whoever they belong to (docs/buckets.md says what they need)';
const noCredentials =
  'the store does not know these credentials: say CAIRN_S3_ACCESS_KEY_ID and CAIRN_S3_SECRET_ACCESS_KEY, or what the AWS SDK finds by itself (environment, profile, role of the machine)';
const wrongAddress =
  'that is no such store, or the bucket is in another region: look at CAIRN_S3_ENDPOINT, CAIRN_S3_REGION and CAIRN_S3_PATH_STYLE';
const away = 'nothing answers there: look at CAIRN_S3_ENDPOINT, at the network, and whether the store is up';

/** By the codes of stores, of the SDK and of the system. */
const advice: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket: create it first, or correct its name',
  InvalidBucketName: 'no bucket can have that name: correct it',
  AccessDenied: denied,
  'CredentialsProviderError InvalidAccessKeyId SignatureDoesNotMatch InvalidToken ExpiredToken XAdminUserNotFound':
    noCredentials,
  'PermanentRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException': wrongAddress,
  RequestTimeTooSkewed: 'set the clock of this machine: it is too far from that of the store',
  'ECONNREFUSED ENOTFOUND EAI_AGAIN EHOSTUNREACH ENETUNREACH ETIMEDOUT ECONNRESET TimeoutError': away,
};
