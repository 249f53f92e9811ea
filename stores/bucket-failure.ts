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
