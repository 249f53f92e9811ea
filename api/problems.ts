/** What each code means to someone who speaks none of the protocols: its title and default status. */
import type { ErrorCode, RegistryError } from '../core/errors.ts';
import type { HttpAnswer, RequestHead } from '../core/route.ts';

interface Problem {
  readonly status: number;
  readonly title: string;
}

export const problems = {
  'bad-request': { status: 400, title: 'Bad request' },
  'malformed-body': { status: 400, title: 'Malformed body' },
  'unsupported-media-type': { status: 415, title: 'Unsupported media type' },
  'wrong-shape': { status: 422, title: 'Body of the wrong shape' },
  'body-too-large': { status: 413, title: 'Body too large' },
  unauthenticated: { status: 401, title: 'Authentication required' },
  'token-invalid': { status: 401, title: 'Invalid token' },
  'token-expired': { status: 401, title: 'Expired token' },
  'scope-missing': { status: 403, title: 'Scope missing' },
  'not-owner': { status: 403, title: 'Not an owner' },
  'second-factor-required': { status: 401, title: 'Second factor required' },
  'too-many-attempts': { status: 429, title: 'Too many attempts' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'registration-closed': { status: 403, title: 'Registration closed' },
  'bootstrap-disabled': { status: 403, title: 'Bootstrap disabled' },
  'no-route': { status: 404, title: 'Not found' },
  'not-found': { status: 404, title: 'Not found' },
  'package-not-found': { status: 404, title: 'Package not found' },
  'version-not-found': { status: 404, title: 'Version not found' },
  'ref-not-found': { status: 404, title: 'Tag not found' },
  'owner-not-found': { status: 404, title: 'Owner not found' },
  'member-not-found': { status: 404, title: 'Member not found' },
  'account-not-found': { status: 404, title: 'Account not found' },
  'advisory-not-found': { status: 404, title: 'Advisory not found' },
  'transfer-not-found': { status: 404, title: 'Transfer not found' },
  'upload-not-found': { status: 404, title: 'Upload not found' },
  'method-not-allowed': { status: 405, title: 'Method not allowed' },
  'version-exists': { status: 409, title: 'Version exists' },
  'name-taken': { status: 409, title: 'Name taken' },
  'last-owner': { status: 403, title: 'Last owner' },
  'transfer-pending': { status: 409, title: 'Transfer pending' },
  conflict: { status: 409, title: 'Conflict' },
  'too-large': { status: 413, title: 'Too large' },
  'upload-out-of-order': { status: 416, title: 'Upload out of order' },
  'wrong-length': { status: 400, title: 'Wrong length' },
  'digest-mismatch': { status: 400, title: 'Digest mismatch' },
  'invalid-name': { status: 400, title: 'Invalid name' },
  'invalid-version': { status: 400, title: 'Invalid version' },
  'invalid-archive': { status: 400, title: 'Invalid archive' },
  'invalid-manifest': { status: 400, title: 'Invalid manifest' },
  'invalid-path': { status: 400, title: 'Invalid path' },
  'invalid-scope': { status: 400, title: 'Invalid scope' },
  'invalid-advisory': { status: 400, title: 'Invalid advisory' },
  'client-closed': { status: 400, title: 'Client hung up' },
  'storage-failed': { status: 500, title: 'Storage failed' },
  'storage-unavailable': { status: 503, title: 'Storage unavailable' },
  'shutting-down': { status: 503, title: 'Shutting down' },
  'clock-behind': { status: 503, title: 'Clock behind the log' },
  'upstream-failed': { status: 502, title: 'Upstream registry failed' },
  'upstream-slow': { status: 504, title: 'Upstream registry too slow' },
  internal: { status: 500, title: 'Internal error' },
} satisfies Record<ErrorCode, Problem>;

/** For paths below no mount: one body that every client can print, in each one's own field. */
export function renderProblem(error: RegistryError, head: RequestHead): HttpAnswer {
  const { status, title } = problems[error.code];
  const message = error.message || title;
  const code = error.code === 'no-route' ? 'not_found' : error.code.replaceAll('-', '_');
  return {
    status,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...(error.allow ? { allow: error.allow.join(', ') } : {}),
    },
    body: JSON.stringify({
      error: message,
      errors: [{ code: status === 404 ? 'NAME_UNKNOWN' : code.toUpperCase(), detail: message, message }],
      code,
      message,
      request_id: head.requestId,
    }),
  };
}
