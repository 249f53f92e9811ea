/**
 * Refusals as Run's client shows them: whatever the body is, people read it as it stands, so it is one line of text. What is not
 * there has none (contract, sections 1 and 3).
 */
import type { ErrorCode, RegistryError } from '../../core/errors.ts';
import type { HttpAnswer } from '../../core/route.ts';
import { openToAll } from '../open-to-all.ts';
import { missingPage } from './pages.ts';

const statuses = {
  'bad-request': 400,
  'malformed-body': 400,
  'unsupported-media-type': 400,
  'wrong-shape': 400,
  'body-too-large': 413,
  unauthenticated: 401,
  'token-invalid': 401,
  'token-expired': 401,
  'second-factor-required': 401,
  'scope-missing': 403,
  'not-owner': 403,
  'last-owner': 403,
  'registration-closed': 403,
  'bootstrap-disabled': 403,
  'too-many-attempts': 429,
  'rate-limited': 429,
  'no-route': 404,
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
  'method-not-allowed': 405,
  'version-exists': 409,
  conflict: 409,
  'transfer-pending': 409,
  // Of 409 the client says that the version exists, and nothing of what we say.
  'name-taken': 400,
  'too-large': 413,
  'upload-out-of-order': 400,
  'wrong-length': 400,
  'digest-mismatch': 400,
  'invalid-name': 400,
  'invalid-version': 400,
  'invalid-archive': 400,
  'invalid-manifest': 400,
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

/** Of a miss that people see in a browser. */
export const PAGE = 'PAGE';

export function renderError(error: RegistryError): HttpAnswer {
  const status = statuses[error.code];
  const isPage = error.surfaceCode === PAGE;
  const type = isPage ? 'text/html' : 'text/plain';
  const text = status === 404 ? '' : error.message || 'something is wrong with this request';
  return {
    status,
    headers: {
      // A kept 404 would hide what is published next.
      'cache-control': 'no-store',
      ...openToAll,
      ...(status === 404 && !isPage ? {} : { 'content-type': `${type}; charset=utf-8` }),
      ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
      ...(error.allow ? { allow: error.allow.join(', ') } : {}),
    },
    body: isPage ? missingPage() : text,
  };
}
