/** Refusals as problems (RFC 9457) with a stable `code` (contract, section 12), and what goes with 401 and 403 (section 8). */
import { STATUS_CODES } from 'node:http';
import type { ErrorCode, RegistryError } from '../../core/errors.ts';
import type { HttpAnswer, RequestHead } from '../../core/route.ts';

interface Problem {
  readonly status: number;
  readonly code: string;
}

const problem = (status: number, code: string): Problem => ({ status, code });
const badRequest = problem(400, 'bad_request');
const unauthenticated = problem(401, 'unauthenticated');
const forbidden = problem(403, 'forbidden');
const notFound = problem(404, 'not_found');
const conflict = problem(409, 'conflict');
const tooLarge = problem(413, 'too_large');
const failed = problem(500, 'internal');
const unavailable = problem(503, 'unavailable');

const problems = {
  'bad-request': badRequest,
  'malformed-body': badRequest,
  'unsupported-media-type': badRequest,
  'wrong-shape': badRequest,
  'body-too-large': tooLarge,
  unauthenticated,
  'token-invalid': unauthenticated,
  'token-expired': unauthenticated,
  'scope-missing': forbidden,
  'not-owner': forbidden,
  'second-factor-required': unauthenticated,
  'too-many-attempts': problem(429, 'rate_limited'),
  'rate-limited': problem(429, 'rate_limited'),
  'registration-closed': forbidden,
  'bootstrap-disabled': forbidden,
  'no-route': notFound,
  'not-found': notFound,
  'package-not-found': notFound,
  'version-not-found': notFound,
  'ref-not-found': notFound,
  'owner-not-found': notFound,
  'member-not-found': notFound,
  'account-not-found': notFound,
  'advisory-not-found': notFound,
  'transfer-not-found': notFound,
  'upload-not-found': notFound,
  'method-not-allowed': problem(405, 'method_not_allowed'),
  'version-exists': problem(409, 'version_exists'),
  'name-taken': conflict,
  'last-owner': forbidden,
  'transfer-pending': problem(409, 'transfer_pending'),
  conflict,
  'too-large': tooLarge,
  'upload-out-of-order': badRequest,
  'wrong-length': badRequest,
  'digest-mismatch': problem(422, 'checksum_mismatch'),
  'invalid-name': problem(422, 'invalid_name'),
  'invalid-version': problem(422, 'invalid_version'),
  'invalid-archive': problem(422, 'invalid_archive'),
  'invalid-manifest': problem(422, 'invalid_manifest'),
  'invalid-path': notFound,
  'invalid-scope': badRequest,
  'invalid-advisory': badRequest,
  'client-closed': badRequest,
  'storage-failed': failed,
  'storage-unavailable': unavailable,
  'shutting-down': unavailable,
  'clock-behind': unavailable,
  // No Ori request asks upstream.
  'upstream-failed': problem(502, 'unavailable'),
  'upstream-slow': problem(504, 'unavailable'),
  internal: failed,
} satisfies Record<ErrorCode, Problem>;

/** By a finer code of ours. */
const finer: Readonly<Record<string, Problem | undefined>> = {
  removed: problem(410, 'removed'),
  removed_by_law: problem(451, 'removed'),
};

const challenges: { readonly [Code in ErrorCode]?: string } = {
  unauthenticated: '',
  'token-invalid': ', error="invalid_token"',
  'token-expired': ', error="invalid_token"',
  'second-factor-required': ', error="invalid_token"',
  'scope-missing': ', error="insufficient_scope"',
};

export function renderError(error: RegistryError, head: RequestHead): HttpAnswer {
  const { status, code } = finer[error.surfaceCode ?? ''] ?? {
    status: problems[error.code].status,
    code: error.surfaceCode ?? problems[error.code].code,
  };
  const challenge = challenges[error.code];
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...(error.allow ? { allow: error.allow.join(', ') } : {}),
      ...(challenge === undefined ? {} : { 'www-authenticate': `Bearer realm="ori"${challenge}` }),
    },
    body: JSON.stringify({
      type: 'about:blank',
      title: STATUS_CODES[status] ?? 'Error',
      status,
      code,
      detail: error.message,
      ...error.facts,
      request_id: head.requestId,
    }),
  };
}
