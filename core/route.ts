/** One table of routes decides what a request means: to the embedded server, to the API, to a generated edge configuration. */
import type { Access, IssuedToken, JsonWebKeySet, WantedAccess } from './access-tokens.ts';
import type { AccountBook } from './account-book.ts';
import type { Command } from './decide.ts';
import type { Digest } from './digest.ts';
import { RegistryError } from './errors.ts';
import type { RegistryEvent } from './event.ts';
import type { Actor } from './permission.ts';
import type { LogInSessions } from './log-in-sessions.ts';
import type { Package } from './package.ts';
import type { ByteRange, Counters, StagedBlob, StageLimits, UploadStore, Upstream } from './ports.ts';
import type { EcosystemId, Signature } from '../schema/types.ts';
import type { RouteDoc } from './route-doc.ts';
import { parameterName, type RouteParams, type SiteRoute, type Summary } from './site.ts';
import type { StateView } from './state.ts';

export interface RequestHead {
  readonly method: string;
  /** As sent, without the query. */
  readonly path: string;
  readonly requestId: string;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A text, a blob, or bytes as they come: those have no length. */
  readonly body?: string | BlobBody | AsyncIterable<Uint8Array>;
}

export interface BlobBody {
  readonly blob: Digest;
  readonly size: number;
  /**
   * A client that asks for a part of it gets that, with status 206, or 416 where there is no such part. `If-Range` is
   * compared with the answer's own `etag`.
   */
  readonly ranges?: true;
  /**
   * It is not for everybody, and the caller may have it: where the operator wants that, a GET is sent on to the store. Never
   * for what has to say more of itself than its type and the name to save it under.
   */
  readonly mayRedirect?: true;
}

/** One API request as its handler sees it. */
export interface Call {
  readonly head: RequestHead;
  /** The path the surface lives below; `/` is the root. */
  readonly mount: string;
  readonly params: RouteParams;
  readonly query: URLSearchParams;
  /**
   * By a token, or by Basic credentials where the surface takes those. Undefined without credentials, and for an access
   * token that was made for nobody. A bad credential is refused only where one is asked for.
   * @throws RegistryError `token-invalid`, `token-expired`, `too-many-attempts`
   */
  authenticate(): Actor | undefined;
  /**
   * What the access token of the request is good for, where the surface takes those. Undefined without one, whatever else
   * was sent; empty for a good one that opens nothing.
   * @throws RegistryError as `authenticate` does.
   */
  access(): readonly Access[] | undefined;
  /**
   * Who has this password, or this token of that account, as a body says. The credentials of the request itself play no
   * part.
   * @throws RegistryError `token-invalid` for a wrong secret and an unknown handle alike, `too-many-attempts`
   */
  authenticateAs(wanted: { readonly handle: string; readonly secret: string }): Promise<Actor>;
  /**
   * An access token for this surface, which has to take them. What the actor may do is for the handler to find out.
   * @throws RegistryError `second-factor-required` for a password of an account that has a second factor, `token-invalid`
   * for an actor who came by an access token.
   */
  issueToken(wanted: WantedAccess): Promise<IssuedToken>;
  /** What access tokens are verified with; empty before the first. */
  accessKeys(): JsonWebKeySet;
  /**
   * Passes when the account of `authenticate` has no second factor, when it is not asked for this, or when this is a
   * good code of it: then `authenticate` says `given` from here on. `account` is what changes the account itself: there
   * no token stands in for a code.
   * @throws RegistryError `second-factor-required` when the code is missing or wrong, `too-many-attempts`,
   * `unauthenticated`, `token-invalid`
   */
  requireSecondFactor(code: string | undefined, purpose?: 'writes' | 'account'): Promise<void>;
  /**
   * Who logs in by what a body says. The credentials of the request itself play no part.
   * @throws RegistryError `token-invalid` for a wrong password and an unknown handle alike, `second-factor-required`,
   * `too-many-attempts`
   */
  logIn(wanted: LogIn): Promise<Actor>;
  /** A header of the request, by its name in lower case. */
  header(name: string): string | undefined;
  /** When this is, RFC 3339 in UTC: for policies, and never for what an event says itself. */
  now(): string;
  /** What the operator lets one upload of this surface have; undefined leaves it to the surface. */
  readonly maxUploadBytes: number | undefined;
  /** The whole body into a staged blob; the caller's Intent or the API itself ends it. */
  stageBody(limits: StageLimits): Promise<StagedBlob>;
  /**
   * The body in pieces, unpacked where its `Content-Encoding` is gzip. Reading may stop early.
   * @throws RegistryError `body-too-large` as soon as more than `maxBytes` have come out; `unsupported-media-type`.
   */
  body(limits: { readonly maxBytes: number }): AsyncIterable<Uint8Array>;
  /** Bytes that the handler makes itself, as `stageBody` stages those of the client. */
  stage(source: AsyncIterable<Uint8Array>, limits: StageLimits): Promise<StagedBlob>;
  /**
   * A body of `multipart/form-data`, its files staged as they come.
   * @throws RegistryError `unsupported-media-type`, `malformed-body`, `too-large` for a file, `body-too-large` for the rest.
   */
  readForm(limits: FormLimits): Promise<Form>;
  /** @throws RegistryError `malformed-body`, `unsupported-media-type` or `body-too-large`. */
  readJson(limits: { readonly maxBytes: number }): Promise<unknown>;
  /** What a `published` event keeps of the manifest: inline, or as a blob of its own when it is long. */
  keepMeta(meta: object): Promise<KeptMeta>;
  /** A text that is too long for its event. */
  stageText(text: string): Promise<StagedBlob>;
  /** The content of a blob, or a part of it that lies within, in pieces. */
  openBlob(digest: Digest, range?: ByteRange): AsyncIterable<Uint8Array>;
  /** In bytes; undefined when there is no such blob. */
  blobSize(digest: Digest): number | undefined;
  /** A text that an event names. */
  readText(digest: Digest): Promise<string>;
  /** Blobs that come in several requests, and those that are here and in no release yet. */
  readonly uploads: UploadStore;
  readonly accounts: CallAccounts;
  /** Logins that end in a browser. */
  readonly logIns: LogInSessions;
  /** Downloads and installs, outside the log. */
  readonly counters: Counters;
  /** Who is asked for npm packages that are not ours; undefined when nobody is. */
  readonly upstream: Upstream | undefined;
  /** @throws RegistryError `bootstrap-disabled`, `unauthenticated` or `token-invalid` unless the request has the secret. */
  requireBootstrapSecret(): void;
  /**
   * Signatures by the keys of an ecosystem that are in use; none where it has none. Called while a write is planned:
   * a key that is retired at that moment signs no more.
   */
  signaturesOf(view: StateView, ecosystem: EcosystemId, message: string): readonly Signature[];
  /** What Sigstore bundles are verified against, JSON as Sigstore writes it; undefined for the public instance's. */
  readonly sigstoreRoot: string | undefined;
  /** The package with the texts at hand that were too long for its events. */
  hydrate(of: Package): Promise<Package>;
  /** What every package of the surface says of itself, in ascending order of name, as of now. */
  summaries(): Promise<readonly Summary[]>;
  /** A new UUID. */
  newId(): string;
}

export interface FormLimits {
  readonly maxFileBytes: number;
  readonly maxFiles: number;
  /** Of the whole body, where that has a limit of its own. */
  readonly maxBodyBytes?: number;
  /** Of one field that is a text. */
  readonly maxTextBytes: number;
  /** What is said of a file that is longer; by the name of its field. */
  readonly tooLarge: (field: string) => RegistryError;
  /** What a name means that comes twice; refused unless told. */
  readonly repeats?: 'last-wins';
}

/** Fields by name, in the order of their last. */
export interface Form {
  readonly texts: ReadonlyMap<string, string>;
  readonly files: ReadonlyMap<string, FormFile>;
}

export interface FormFile {
  /** As the client calls it; without its folders. */
  readonly filename: string;
  readonly blob: StagedBlob;
}

export interface LogIn {
  readonly handle: string;
  readonly password: string;
  /** Of the device, or a recovery code; needed where the account has a second factor. */
  readonly code?: string | undefined;
}

/**
 * Accounts and their tokens, which live in the private log. Passwords and codes are checked by the call itself, where
 * guessing is slowed down.
 */
export type CallAccounts = Pick<
  AccountBook,
  | 'account'
  | 'token'
  | 'tokenBySecret'
  | 'tokensOf'
  | 'lastUsedAt'
  | 'createToken'
  | 'revokeToken'
  | 'register'
  | 'setPassword'
  | 'setProfile'
  | 'startSecondFactor'
  | 'confirmSecondFactor'
  | 'changeSecondFactorMode'
  | 'removeSecondFactor'
>;

export interface KeptMeta {
  readonly fields: { readonly meta: object } | { readonly metaDigest: string };
  readonly blobs: readonly StagedBlob[];
}

/** A write: what it asks for given the state, and the answer once that is durable and visible. */
export interface Intent {
  readonly actor: Actor;
  /** Run again whenever the state may have changed since. */
  plan(view: StateView): readonly Command[];
  /** Made durable before any event that names them; discarded when the plan is refused. */
  readonly blobs?: readonly StagedBlob[];
  /** `visibility` says whether readers see it already; when they do not, the answer has to say so. */
  answer(events: readonly RegistryEvent[], visibility: Visibility): HttpAnswer;
}

/** `degraded`: appended and durable, not yet on the site. */
export type Visibility = 'visible' | 'degraded';

export interface ApiRoute {
  readonly from: 'api';
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly pattern: string;
  handle(call: Call, view: StateView): Promise<HttpAnswer | Intent>;
}

export interface RedirectRoute {
  readonly from: 'redirect';
  readonly pattern: string;
  readonly status: 301 | 302 | 303 | 307 | 308;
  /** Below the mount. */
  readonly to: string;
}

export type ReadRoute = SiteRoute &
  (
    | {
        /** What a miss of exactly this path means; the surface renders it. */
        readonly miss: (params: RouteParams) => RegistryError;
      }
    | {
        /** Answers where there is no file. A static host has nothing to say there but 404. */
        missFromApi(call: Call, view: StateView): Promise<HttpAnswer>;
      }
  );

export type Route = ReadRoute | ApiRoute | RedirectRoute;

/** `doc` is undefined for what nobody should ask for: such a path only answers with a refusal. */
export type DocumentedRoute = Route & { readonly doc: RouteDoc | undefined };

export function isIntent(result: HttpAnswer | Intent): result is Intent {
  return 'plan' in result;
}

interface CompiledPattern<T> {
  readonly segments: readonly string[];
  readonly byMethod: Map<string, T>;
}

export type RouteMatch<T> =
  | { readonly found: 'route'; readonly route: T; readonly params: RouteParams }
  | { readonly found: 'path'; readonly allow: readonly string[] }
  | { readonly found: 'nothing' };

/** Finds the route of a request. Where patterns differ first, the one with a literal segment wins, whatever the method. */
export class RouteTable<T> {
  readonly #byLength = new Map<number, CompiledPattern<T>[]>();

  /** `GET` also answers `HEAD`. @throws TypeError when the same method and pattern are added twice. */
  add(method: string, path: string, route: T): void {
    const segments = path.slice(1).split('/');
    const bucket = this.#byLength.get(segments.length) ?? [];
    this.#byLength.set(segments.length, bucket);
    const shape = shapeOf(segments);
    let pattern = bucket.find((other) => shapeOf(other.segments) === shape);
    if (!pattern) {
      pattern = { segments, byMethod: new Map() };
      bucket.push(pattern);
      bucket.sort((a, b) => rank(a.segments).localeCompare(rank(b.segments)));
    }
    if (pattern.byMethod.has(method)) throw new TypeError(`two routes for ${method} ${path}`);
    pattern.byMethod.set(method, route);
    if (method === 'GET') pattern.byMethod.set('HEAD', route);
  }

  /** @throws RegistryError `bad-request` when a segment is not valid percent-encoding. */
  match(method: string, rawPath: string): RouteMatch<T> {
    const segments = rawPath.slice(1).split('/');
    for (const pattern of this.#byLength.get(segments.length) ?? []) {
      const params = bind(pattern.segments, segments);
      if (!params) continue;
      const route = pattern.byMethod.get(method);
      return route
        ? { found: 'route', route, params }
        : { found: 'path', allow: [...pattern.byMethod.keys()] };
    }
    return { found: 'nothing' };
  }
}

function shapeOf(segments: readonly string[]): string {
  return segments.map((segment) => (segment.startsWith('{') ? '{}' : segment)).join('/');
}

/** Literal segments first, from the left. */
function rank(segments: readonly string[]): string {
  return segments.map((segment) => (segment.startsWith('{') ? '1' : '0')).join('');
}

function bind(pattern: readonly string[], segments: readonly string[]): RouteParams | undefined {
  const params: Record<string, string> = {};
  for (const [i, part] of pattern.entries()) {
    const segment = segments[i] ?? '';
    if (!part.startsWith('{')) {
      if (part !== segment) return undefined;
    } else {
      if (segment === '') return undefined;
      params[parameterName(part)] = decodeSegment(segment);
    }
  }
  return params;
}

function decodeSegment(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    throw new RegistryError('bad-request', 'the path is not valid percent-encoding', { cause: error });
  }
}
