/** The published files: what they are, where they go, and how long anyone may keep them. */
import type { EcosystemId } from '../schema/types.ts';
import type { Digest, DigestAlgorithm } from './digest.ts';
import type { StateView } from './state.ts';

/** Why these values: `max-age=0` because npm takes `max-age` literally, `public` because clients send tokens on reads. */
export const cacheControl = {
  /** Never changes. Shared caches ask again daily, so that a takedown ends there. */
  artifact: 'public, max-age=31536000, s-maxage=86400, immutable, no-transform',
  /** Changes with its package. */
  document: 'public, max-age=0, must-revalidate, s-maxage=30',
} as const;
export type CachePolicy = keyof typeof cacheControl;

export type SiteBody =
  /** What is costly to make has a revision: two bodies of one path are the same when their revisions are, and only then. */
  | { readonly bytes: Uint8Array; readonly revision?: string }
  | { readonly blob: Digest; readonly size: number }
  /** For documents that grow with the registry; may be opened more than once and yields the same bytes. */
  | { readonly stream: () => AsyncIterable<string> };

/** What one package contributes to the roots of a surface, and to its search. */
export interface Summary {
  readonly name: string;
  /** One line of text, in whatever form the surface's roots are made of. */
  readonly text: string;
}

export interface SiteFile {
  /** Below the root of the site, without a leading slash; made by `sitePath` only. */
  readonly path: string;
  readonly body: SiteBody;
  readonly contentType: string;
  readonly cache: CachePolicy;
  /** What names others ranks above them: it comes after them and goes before them. 0 where nothing else is said. */
  readonly rank?: number;
  /** Nothing is known to be there: to be written without a look first, which costs a request where a site is elsewhere. */
  readonly isNew?: boolean;
  /** Of its own beside type and policy, for hosts that keep them with the file. Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** More than any rank that a route has. */
const ROOT_RANK = 1_000;

/** Roots name packages: they come after all others, and go before them. */
export function asRoot(file: SiteFile): SiteFile {
  return { ...file, rank: ROOT_RANK + (file.rank ?? 0) };
}

/** In the order in which they may appear; those that may appear together, together. */
export function byRank(files: readonly SiteFile[]): readonly (readonly SiteFile[])[] {
  const ranks = new Map<number, SiteFile[]>();
  for (const file of files) {
    const known = ranks.get(file.rank ?? 0);
    if (known) known.push(file);
    else ranks.set(file.rank ?? 0, [file]);
  }
  return [...ranks].sort(([a], [b]) => a - b).map(([, together]) => together);
}

/**
 * Segments that start with `=` are ours: no ecosystem's grammar may let one in, so a document that is also a folder
 * can be stored inside it, by its route and never by its neighbours.
 */
export const indexName = '=index';
const reservedPrefix = '=';

export type RouteParams = Readonly<Record<string, string>>;

/** A family of files: one pattern, one type, one cache policy. Declared once, used to write and to read. */
export interface SiteRoute {
  readonly from: 'site';
  /**
   * Below the mount, such as `v1/packages/{name}`. A parameter is one segment of a URL; where it stands as `{+name}`
   * its decoded value may hold slashes, and is stored as that many segments.
   */
  readonly pattern: string;
  readonly contentType: string;
  readonly cache: CachePolicy;
  /** Where not all files of the route may be kept alike: `cache` is then that of none. */
  readonly cacheOf?: (params: RouteParams) => CachePolicy;
  /** Of its files, among those that are kept alike. Whoever reads without the API never finds a file before what it names. */
  readonly rank?: number;
  /**
   * For files whose types differ: what they may be, by the suffix that such a file is stored with, since a directory keeps no
   * types. Nobody asks for a suffix, and `contentType` is that of none of them.
   */
  readonly types?: Readonly<Record<string, FileType>>;
  /** A header that says the digest of what is answered. */
  readonly digestHeader?: string;
  /** Whether a query, as it was sent, asks for more than the file can say: then the API answers. Without it no query matters. */
  readonly asksApi?: (query: string) => boolean;
  /**
   * Whether such a file may be there, by what is known without a look: where the site is in a bucket, each look is a question
   * to its store. Yes unless told. `type` is one of `types`, where the route has them.
   */
  readonly mayBeThere?: (params: RouteParams, view: StateView, type: string | undefined) => boolean;
  /** `index` when other routes lie below this path: it is stored as `<path>/=index`. */
  readonly stored: 'file' | 'index';
  /** Headers of its own beside type and policy, such as the name to save it under. Names in lower case. */
  readonly headers?: (params: RouteParams) => Readonly<Record<string, string>>;
  /** A range that ends before it begins is refused with 416; ignored unless told. */
  readonly refusesBackwardRanges?: true;
  /** Of what never changes: the same whenever and wherever the file was made. Without the quotes. */
  readonly etag?: (params: RouteParams, view: StateView) => string | undefined;
  /** What was downloaded whenever this is answered whole. */
  readonly counts?: (params: RouteParams) => Download;
}

export interface FileType {
  readonly contentType: string;
  /** By what `digestHeader` names such a file; SHA-256 unless told. */
  readonly digest?: DigestAlgorithm;
  /** Where it is not that of the route. */
  readonly rank?: number;
}

/** Of which package, and which version of it: counted outside the log. */
export interface Download {
  readonly name: string;
  readonly version: string;
}

/** Whether a text can be one segment of a path on every disk and object store. */
export function isSegment(text: string): boolean {
  // Control characters and backslashes mean different things to different disks; 255 bytes is the shortest limit.

  if (text === '' || text === '.' || text === '..' || /[/\\\u0000-\u001f\u007f]/.test(text)) return false;
  return !text.startsWith(reservedPrefix) && Buffer.byteLength(text) <= 255;
}

/**
 * The stored path of one file of a route, below the root of the site.
 * @param type one of `types`, where the route has them
 * @returns undefined when a parameter cannot be a path segment: no such file can exist.
 */
export function sitePath(
  mount: string,
  route: SiteRoute,
  params: RouteParams,
  type?: string,
): string | undefined {
  const parts: string[] = mount === '/' ? [] : mount.slice(1).split('/');
  for (const part of route.pattern === '' ? [] : route.pattern.split('/')) {
    const values = part.startsWith('{') ? segmentsOf(part, params) : [part];
    if (!values?.every(isSegment)) return undefined;
    parts.push(...values);
  }
  if (route.stored === 'index') parts.push(indexName);
  return type === undefined ? parts.join('/') : `${parts.join('/')}.${type}`;
}

/** What stands for `{name}` or `{+name}`. */
function segmentsOf(part: string, params: RouteParams): readonly string[] | undefined {
  const value = params[parameterName(part)];
  if (value === undefined) return undefined;
  return part.startsWith('{+') ? value.split('/') : [value];
}

/** Of a part of a pattern that is a parameter. */
export function parameterName(part: string): string {
  return part.slice(part.startsWith('{+') ? 2 : 1, -1);
}

/** A body whose bytes are made once, when they are asked for: to see that it differs from another, nobody has to. */
export function madeLater(revision: string, make: () => Uint8Array): SiteBody {
  let made: Uint8Array | undefined;
  return {
    revision,
    get bytes() {
      return (made ??= make());
    },
  };
}

/** @throws TypeError when a parameter cannot be a path segment: the ecosystem let a name in that it must not. */
export function siteFile(
  mount: string,
  route: SiteRoute,
  params: RouteParams,
  body: SiteBody | string,
  type?: string,
): SiteFile {
  const path = sitePath(mount, route, params, type);
  if (path === undefined) throw new TypeError(`${route.pattern} has no path for ${JSON.stringify(params)}`);
  const ofType = type === undefined ? undefined : route.types?.[type];
  const rank = ofType?.rank ?? route.rank;
  return {
    path,
    body: typeof body === 'string' ? { bytes: Buffer.from(body) } : body,
    contentType: ofType?.contentType ?? route.contentType,
    cache: cacheOf(route, params),
    ...(rank === undefined ? {} : { rank }),
    ...(route.headers ? { headers: route.headers(params) } : {}),
  };
}

export function cacheOf({ cacheOf: ofParams, cache }: SiteRoute, params: RouteParams): CachePolicy {
  return ofParams?.(params) ?? cache;
}

/** For `mayBeThere`: there is no file of a private package, and clients ask for many names that nobody has here. */
export function ofPublicPackages(ecosystem: EcosystemId): (params: RouteParams, view: StateView) => boolean {
  return ({ name = '' }, view) => view.package(ecosystem, name)?.visibility === 'public';
}
