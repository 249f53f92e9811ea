/** Refusals as the clients of the Distribution Specification print them (contract, section 9). */
import type { ErrorCode, RegistryError } from '../core/errors.ts';
import type { HttpAnswer, RequestHead } from '../core/route.ts';
import { versionHeader } from './oci-files.ts';

/** The specification's own words, with their status, and two for what it has none. */
const statuses = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 416,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 400,
  TOOMANYREQUESTS: 429,
  UNAVAILABLE: 503,
  UNKNOWN: 500,
} as const;

type OciCode = keyof typeof statuses;

interface Refusal {
  readonly code: OciCode;
  /** Where it is not that of the code. */
  readonly status?: number;
}

const refusals = {
  'bad-request': { code: 'UNSUPPORTED' },
  'malformed-body': { code: 'UNSUPPORTED' },
  'unsupported-media-type': { code: 'UNSUPPORTED' },
  'wrong-shape': { code: 'UNSUPPORTED' },
  'body-too-large': { code: 'SIZE_INVALID', status: 413 },
  unauthenticated: { code: 'UNAUTHORIZED' },
  'token-invalid': { code: 'UNAUTHORIZED' },
  'token-expired': { code: 'UNAUTHORIZED' },
  'second-factor-required': { code: 'UNAUTHORIZED' },
  'scope-missing': { code: 'DENIED' },
  'not-owner': { code: 'DENIED' },
  'too-many-attempts': { code: 'TOOMANYREQUESTS' },
  'rate-limited': { code: 'TOOMANYREQUESTS' },
  'registration-closed': { code: 'DENIED' },
  'bootstrap-disabled': { code: 'DENIED' },
  'no-route': { code: 'UNSUPPORTED', status: 404 },
  'not-found': { code: 'MANIFEST_UNKNOWN' },
  'package-not-found': { code: 'NAME_UNKNOWN' },
  'version-not-found': { code: 'MANIFEST_UNKNOWN' },
  'ref-not-found': { code: 'MANIFEST_UNKNOWN' },
  'owner-not-found': { code: 'NAME_UNKNOWN' },
  'member-not-found': { code: 'NAME_UNKNOWN' },
  'account-not-found': { code: 'NAME_UNKNOWN' },
  'advisory-not-found': { code: 'NAME_UNKNOWN' },
  'transfer-not-found': { code: 'NAME_UNKNOWN' },
  'upload-not-found': { code: 'BLOB_UPLOAD_UNKNOWN' },
  'upload-out-of-order': { code: 'BLOB_UPLOAD_INVALID' },
  'wrong-length': { code: 'SIZE_INVALID' },
  'digest-mismatch': { code: 'DIGEST_INVALID' },
  'method-not-allowed': { code: 'UNSUPPORTED', status: 405 },
  'version-exists': { code: 'DENIED', status: 409 },
  'name-taken': { code: 'DENIED', status: 409 },
  'last-owner': { code: 'DENIED' },
  'transfer-pending': { code: 'DENIED', status: 409 },
  conflict: { code: 'DENIED', status: 409 },
  'too-large': { code: 'SIZE_INVALID', status: 413 },
  'invalid-name': { code: 'NAME_INVALID' },
  'invalid-version': { code: 'MANIFEST_INVALID' },
  'invalid-archive': { code: 'MANIFEST_INVALID' },
  'invalid-manifest': { code: 'MANIFEST_INVALID' },
  'invalid-path': { code: 'NAME_INVALID' },
  'invalid-scope': { code: 'DENIED', status: 400 },
  'invalid-advisory': { code: 'UNSUPPORTED' },
  'client-closed': { code: 'BLOB_UPLOAD_INVALID', status: 400 },
  'storage-failed': { code: 'UNKNOWN' },
  'storage-unavailable': { code: 'UNAVAILABLE' },
  'shutting-down': { code: 'UNAVAILABLE' },
  'clock-behind': { code: 'UNAVAILABLE' },
  'upstream-failed': { code: 'UNAVAILABLE', status: 502 },
  'upstream-slow': { code: 'UNAVAILABLE', status: 504 },
  internal: { code: 'UNKNOWN' },
} satisfies Record<ErrorCode, Refusal>;

/** Where the finer word means another status than it has elsewhere. */
const finer: Readonly<Record<string, Refusal>> = {
  // Of a blob that a manifest still names: the one status for this that the suites take.
  'conflict UNSUPPORTED': { code: 'UNSUPPORTED', status: 405 },
  'bad-request BLOB_UPLOAD_INVALID': { code: 'BLOB_UPLOAD_INVALID', status: 400 },
  'bad-request TAGS_TOO_MANY': { code: 'UNSUPPORTED', status: 414 },
};

export function renderError(error: RegistryError, head: RequestHead): HttpAnswer {
  const { code, status = statuses[code] } = refusalOf(error);
  return {
    status,
    headers: {
      ...versionHeader,
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...error.headers,
      ...(error.allow ? { allow: error.allow.join(', ') } : {}),
    },
    body: JSON.stringify({
      errors: [{ code, message: error.message || 'not found', detail: { request_id: head.requestId } }],
    }),
  };
}

function refusalOf({ code, surfaceCode }: RegistryError): Refusal {
  if (surfaceCode === undefined) return refusals[code];
  const known = finer[`${code} ${surfaceCode}`];
  if (known) return known;
  return Object.hasOwn(statuses, surfaceCode) ? { code: surfaceCode as OciCode } : refusals[code];
}
