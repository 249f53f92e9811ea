/**
 * Everything that can go wrong on purpose. Codes are a closed union and, once released, never change meaning;
 * a surface maps them to its own client's words, status and envelope.
 */
export type ErrorCode =
  | 'bad-request'
  | 'malformed-body'
  | 'unsupported-media-type'
  | 'wrong-shape'
  | 'body-too-large'
  | 'unauthenticated'
  | 'token-invalid'
  | 'token-expired'
  | 'scope-missing'
  | 'not-owner'
  | 'second-factor-required'
  | 'too-many-attempts'
  | 'rate-limited'
  | 'registration-closed'
  | 'bootstrap-disabled'
  | 'no-route'
  | 'not-found'
  | 'package-not-found'
  | 'version-not-found'
  | 'ref-not-found'
  | 'owner-not-found'
  | 'member-not-found'
  | 'account-not-found'
  | 'advisory-not-found'
  | 'transfer-not-found'
  | 'upload-not-found'
  | 'method-not-allowed'
  | 'version-exists'
  | 'name-taken'
  | 'last-owner'
  | 'transfer-pending'
  | 'conflict'
  | 'too-large'
  | 'upload-out-of-order'
  | 'wrong-length'
  | 'digest-mismatch'
  | 'invalid-name'
  | 'invalid-version'
  | 'invalid-archive'
  | 'invalid-manifest'
  | 'invalid-path'
  | 'invalid-scope'
  | 'invalid-advisory'
  | 'client-closed'
  | 'storage-failed'
  | 'storage-unavailable'
  | 'shutting-down'
  | 'clock-behind'
  | 'upstream-failed'
  | 'upstream-slow'
  | 'internal';

export interface RegistryErrorOptions {
  readonly cause?: unknown;
  /** The ecosystem's own, finer code for its client, such as `X07REG_PKG_DOCS_REQUIRED`. */
  readonly surfaceCode?: string;
  /** Headers that go with it, where the surface knows them: a challenge, where an upload stands. Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Methods that would have been allowed; sent as `Allow`. */
  readonly allow?: readonly string[];
  /** More that may be said of it, for envelopes that have room for that: the digest of what is there already. Public. */
  readonly facts?: Readonly<Record<string, unknown>>;
  /** When it makes sense to try again; sent as `Retry-After`, whatever the surface. */
  readonly retryAfterSeconds?: number;
}

/** An expected refusal. `message` is public: it names the thing and the way out, and never a secret. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError';
  readonly code: ErrorCode;
  readonly surfaceCode: string | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly allow: readonly string[] | undefined;
  readonly facts: Readonly<Record<string, unknown>> | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: RegistryErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.surfaceCode = options.surfaceCode;
    this.headers = options.headers;
    this.allow = options.allow;
    this.facts = options.facts;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/**
 * The log (or what stands beside it) is not what it must be. Nothing may be written or served from it until a
 * person has looked: it is never caught and mended on the way.
 */
export class LogDamage extends Error {
  override readonly name = 'LogDamage';
}

/** The log is held by a process that does not answer. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** Another process has taken over what this one was about to write: it looks at what is there and begins again. */
export class ClaimLost extends Error {
  override readonly name = 'ClaimLost';
}
