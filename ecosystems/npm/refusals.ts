/** Refusals as npm's clients print them (contract, section 13): `{"error": "a sentence"}`. */
import type { ErrorCode, RegistryError } from '../../core/errors.ts';
import type { HttpAnswer, RequestHead } from '../../core/route.ts';

const statuses = {
  'bad-request': 400,
  'malformed-body': 400,
  'unsupported-media-type': 415,
  'wrong-shape': 400,
  'body-too-large': 413,
  unauthenticated: 401,
  'token-invalid': 401,
  'token-expired': 401,
  'scope-missing': 403,
  'not-owner': 403,
  'last-owner': 403,
  'second-factor-required': 401,
  'too-many-attempts': 429,
  'rate-limited': 429,
  'registration-closed': 403,
  'bootstrap-disabled': 403,
  'no-route': 404,
  'method-not-allowed': 405,
  'not-found': 404,
  'package-not-found': 404,
  'version-not-found': 404,
  'ref-not-found': 404,
  'owner-not-found': 404,
  'member-not-found': 404,
  'account-not-found': 404,
  'advisory-not-found': 404,
  'transfer-not-found': 404,
  'upload-not-found': 404,
  // npm's registry says 403, and npm prints what it says.
  'version-exists': 403,
  'name-taken': 403,
  'transfer-pending': 409,
  conflict: 409,
  'too-large': 413,
  'upload-out-of-order': 416,
  'wrong-length': 400,
  'digest-mismatch': 400,
  'invalid-name': 400,
  'invalid-version': 400,
  'invalid-archive': 422,
  'invalid-manifest': 422,
  'invalid-path': 400,
  'invalid-scope': 400,
  'invalid-advisory': 400,
  'client-closed': 400,
  'storage-failed': 500,
  'storage-unavailable': 503,
  'shutting-down': 503,
  'clock-behind': 503,
  'upstream-failed': 502,
  'upstream-slow': 504,
  internal: 500,
} satisfies Record<ErrorCode, number>;

export function renderError(error: RegistryError, head: RequestHead): HttpAnswer {
  return {
    status: statuses[error.code],
    headers: {
      'content-type': 'application/json',
      // A cached 404 would hide the package that is published next (section 15).
      'cache-control': 'no-store',
      // npm then asks for a code and sends the request again with it (section 7).
      ...(error.code === 'second-factor-required' ? { 'www-authenticate': 'OTP' } : {}),
      ...(error.allow ? { allow: error.allow.join(', ') } : {}),
    },
    body: JSON.stringify({
      error: error.message === '' ? 'Not found' : error.message,
      request_id: head.requestId,
    }),
  };
}
