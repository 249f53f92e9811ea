/** What Pantry's clients send and get, of whatever kind of package (contract, sections 1 and 2). */
import { RegistryError, type ErrorCode } from '../core/errors.ts';
import type { Release } from '../core/package.ts';
import { requireScope, type Actor } from '../core/permission.ts';
import type { Call, HttpAnswer, Visibility } from '../core/route.ts';
import { openToAll } from './open-to-all.ts';

const JSON_TYPE = 'application/json;charset=utf-8';

/** What routes of documents have in common. */
export const jsonFile = {
  from: 'site',
  contentType: JSON_TYPE,
  cache: 'document',
  headers: () => openToAll,
} as const;

export function answer(
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  return {
    status,
    headers: { 'content-type': JSON_TYPE, ...openToAll, ...headers },
    body: JSON.stringify(body),
  };
}

/** What a write is answered with. */
export function done(status: number, fields: object, visibility: Visibility): HttpAnswer {
  const late =
    visibility === 'degraded'
      ? { degraded: 'accepted, and not yet visible to readers; it will be without help' }
      : {};
  return answer(status, { success: true, ...fields, ...late });
}

/** Who writes. Looked at before the body. */
export function requireWriter(call: Call): Actor {
  return requireScope(call.authenticate(), 'publish');
}

/** @throws RegistryError `version-exists` when there is such a version (publishers look for "already exists"), or was. */
export function refuseExisting(release: Pick<Release, 'withdrawnAt'> | undefined): void {
  if (!release) return;
  const isGone = release.withdrawnAt !== undefined;
  throw new RegistryError(
    'version-exists',
    isGone
      ? 'Version was deleted, and its number is not used again: publish a new one'
      : 'Version already exists',
  );
}

/** Where the protocol has words of its own. */
const words: Partial<Record<ErrorCode, string>> = {
  unauthenticated: 'Authorization required',
  'token-invalid': 'Invalid token',
  'token-expired': 'Token has expired',
  'scope-missing': 'Token does not have publish permission',
  'no-route': 'Not found',
};

const statuses = {
  'bad-request': 400,
  'malformed-body': 400,
  'unsupported-media-type': 415,
  'wrong-shape': 400,
  'body-too-large': 413,
  // Whoever may not write is told so with 401, whatever the reason (section 2).
  unauthenticated: 401,
  'token-invalid': 401,
  'token-expired': 401,
  'scope-missing': 401,
  'not-owner': 401,
  'second-factor-required': 401,
  'last-owner': 403,
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
  'version-exists': 409,
  'name-taken': 409,
  'transfer-pending': 409,
  conflict: 409,
  'too-large': 413,
  'upload-out-of-order': 416,
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

/** `{"error": "a sentence"}`; the request's id is in its header. */
export function renderError(error: RegistryError): HttpAnswer {
  return answer(
    statuses[error.code],
    { error: (words[error.code] ?? error.message) || 'Not found' },
    // A kept 404 would hide what is published next.
    { 'cache-control': 'no-store', ...(error.allow ? { allow: error.allow.join(', ') } : {}) },
  );
}

/** A file name of a header (RFC 6266) without anything that would have to be quoted. */
export function attachment(filename: string): Readonly<Record<string, string>> {
  return {
    'content-disposition': `attachment; filename="${filename.replace(/[^\w.+-]/g, '-')}"`,
    ...openToAll,
  };
}
