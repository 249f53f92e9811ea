/** Refusals in X07's own codes (contract, section 17), and its error envelope (section 3). */
import { RegistryError, type ErrorCode } from '../../core/errors.ts';
import type { HttpAnswer, RequestHead } from '../../core/route.ts';

interface X07Status {
  readonly status: number;
  readonly code: string;
}

/** Errors that upstream's HTTP framework makes are plain text, unless they name a code; a bare status has no body at all. */
const statuses = {
  'bad-request': 400,
  'malformed-body': 400,
  'unsupported-media-type': 415,
  'wrong-shape': 422,
  'body-too-large': 413,
  unauthenticated: { status: 401, code: 'AUTH_REQUIRED' },
  'token-invalid': { status: 401, code: 'AUTH_INVALID' },
  'token-expired': { status: 401, code: 'AUTH_INVALID' },
  'scope-missing': { status: 403, code: 'FORBIDDEN' },
  'not-owner': { status: 403, code: 'FORBIDDEN' },
  'last-owner': { status: 403, code: 'FORBIDDEN' },
  'second-factor-required': { status: 401, code: 'AUTH_INVALID' },
  'too-many-attempts': { status: 429, code: 'AUTH_INVALID' },
  // Upstream has no limit, and no code for one: where the operator sets one, its client prints the sentence.
  'rate-limited': 429,
  'registration-closed': { status: 403, code: 'FORBIDDEN' },
  'bootstrap-disabled': { status: 403, code: 'BOOTSTRAP_DISABLED' },
  'no-route': 'bare',
  'method-not-allowed': 'bare',
  'not-found': { status: 404, code: 'NOT_FOUND' },
  'package-not-found': { status: 404, code: 'NOT_FOUND' },
  'version-not-found': { status: 404, code: 'NOT_FOUND' },
  'ref-not-found': { status: 404, code: 'NOT_FOUND' },
  'owner-not-found': { status: 404, code: 'NOT_FOUND' },
  'member-not-found': { status: 404, code: 'NOT_FOUND' },
  'account-not-found': { status: 404, code: 'NOT_FOUND' },
  'advisory-not-found': { status: 404, code: 'NOT_FOUND' },
  'transfer-not-found': { status: 404, code: 'NOT_FOUND' },
  'version-exists': { status: 409, code: 'ALREADY_PUBLISHED' },
  'name-taken': { status: 409, code: 'CONFLICT' },
  'transfer-pending': { status: 409, code: 'CONFLICT' },
  conflict: { status: 409, code: 'CONFLICT' },
  // 400 and not 413: the contract's section 16.
  'too-large': { status: 400, code: 'BODY_TOO_LARGE' },
  'invalid-name': { status: 400, code: 'INVALID_NAME' },
  'invalid-version': { status: 400, code: 'INVALID_VERSION' },
  'invalid-archive': { status: 400, code: 'BAD_ARCHIVE' },
  'invalid-manifest': { status: 400, code: 'BAD_MANIFEST' },
  'invalid-path': { status: 400, code: 'INDEX_PATH_INVALID' },
  'invalid-scope': { status: 400, code: 'SCOPE_INVALID' },
  'invalid-advisory': { status: 400, code: 'ADVISORY_INVALID' },
  'client-closed': 400,
  'storage-failed': { status: 500, code: 'STORAGE' },
  'storage-unavailable': { status: 503, code: 'STORAGE' },
  'shutting-down': { status: 503, code: 'STORAGE' },
  'clock-behind': { status: 503, code: 'STORAGE' },
  // No X07 request comes in parts.
  'upload-not-found': 404,
  'upload-out-of-order': 416,
  'wrong-length': 400,
  'digest-mismatch': 400,
  // No X07 request asks upstream.
  'upstream-failed': 502,
  'upstream-slow': 504,
  internal: { status: 500, code: 'INTERNAL' },
} satisfies Record<ErrorCode, X07Status | number | 'bare'>;

export function renderError(error: RegistryError, head: RequestHead): HttpAnswer {
  const known: X07Status | number | 'bare' = statuses[error.code];
  if (known === 'bare') {
    const status = error.code === 'no-route' && (head.method === 'GET' || head.method === 'HEAD') ? 404 : 405;
    return { status, headers: error.allow ? { allow: error.allow.join(',') } : {} };
  }
  const [status, code] =
    typeof known === 'number' ? [known, error.surfaceCode] : [known.status, error.surfaceCode ?? known.code];
  if (code === undefined)
    return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: error.message };
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      code: `X07REG_${code}`,
      message: error.message,
      request_id: head.requestId,
    }),
  };
}

export function badArchive(message: string, cause?: unknown): RegistryError {
  return new RegistryError('invalid-archive', message, { cause });
}

/** A fault of the manifest; `code` is the finer one of section 7, without its prefix. */
export function badManifest(message: string, code?: string): RegistryError {
  return new RegistryError('invalid-manifest', message, code === undefined ? {} : { surfaceCode: code });
}
