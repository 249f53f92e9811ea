/**
 * Packages that are not ours, from another registry (README, "Fallback"). What is ours is never asked for there: neither
 * a name that was ever claimed here, nor anything in a scope that was.
 */
import { createHash } from 'node:crypto';
import { RegistryError } from '../../core/errors.ts';
import type { Upstream, UpstreamAnswer } from '../../core/ports.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { answer } from './answers.ts';
import { isObject } from './manifest.ts';
import { isAskableName, scopeOf } from './names.ts';
import { takesTokenAlong } from './sent-elsewhere.ts';
import { editDocument, type DocumentEdits } from './upstream-document.ts';

const ABBREVIATED = 'application/vnd.npm.install-v1+json';
const JSON_TYPE = 'application/json';
/** Changes with what is edited: what clients have kept is then asked for again. */
const EDITION = 1;
/** This much of a document is looked at before the answer begins: until then what is wrong can still be said. */
const LOOK_AHEAD_BYTES = 64 * 1024;
const MAX_TAGS_BYTES = 1024 * 1024;
/** As many registries as may stand in a row. More are a circle. */
const MAX_HOPS = 3;

/**
 * Clients ask again each time, and no shared cache may keep it: it would go on answering for the other registry after
 * the name was published or reserved here.
 */
const keepAndAsk = { 'cache-control': 'private, max-age=0, must-revalidate' };

/** `{name}`; undefined where there is nobody to ask, or nothing there. */
export async function foreignPackument(call: Call, view: StateView): Promise<HttpAnswer | undefined> {
  // Who reads in order to write gets to know what is here.
  if (call.query.has('write')) return undefined;
  const { name = '' } = call.params;
  const isAbbreviated = call.header('accept')?.includes(ABBREVIATED) === true;
  const accept = isAbbreviated ? `${ABBREVIATED}; q=1.0, ${JSON_TYPE}; q=0.8, */*` : JSON_TYPE;
  return document({ call, view, at: pathOf(name), accept, of: 'packument' });
}

/** `{name}/{version or tag}` */
export async function foreignVersion(call: Call, view: StateView): Promise<HttpAnswer | undefined> {
  const { name = '', version = '' } = call.params;
  if (!isAskableVersion(version)) return undefined;
  const at = `${pathOf(name)}/${encodeURIComponent(version)}`;
  return document({ call, view, at, accept: JSON_TYPE, of: 'version' });
}

/** `-/package/{name}/dist-tags` */
export async function foreignDistTags(call: Call, view: StateView): Promise<HttpAnswer | undefined> {
  const { name = '' } = call.params;
  const upstream = upstreamFor(call, view);
  const at = `-/package/${pathOf(name)}/dist-tags`;
  const given = await upstream?.get({ at, kind: 'document', accept: JSON_TYPE, hops: hopsOf(call) });
  if (!given?.found) return undefined;
  const tags = await readDocument(given.body, MAX_TAGS_BYTES);
  return answer(200, Object.fromEntries(Object.entries(tags).filter(([, target]) => isText(target))));
}

/** `{name}/-/{file}` */
export async function foreignArchive(call: Call, view: StateView): Promise<HttpAnswer | undefined> {
  const { name = '', file = '' } = call.params;
  const upstream = upstreamFor(call, view);
  if (!upstream) return undefined;
  const at = await archiveAt(call, upstream, name, file);
  if (at === undefined) return undefined;
  if (upstream.archives === 'redirect' && !takesTokenAlong(call))
    return { status: 302, headers: { location: upstream.locate(at) } };
  const etags = new Etags(`archive ${at}`);
  const ifNoneMatch = etags.knownTo(call);
  const given = await upstream.get({ at, kind: 'archive', accept: '*/*', ifNoneMatch, hops: hopsOf(call) });
  const headers = { 'cache-control': `${keepAndAsk['cache-control']}, no-transform` };
  if (!given.found) return unchanged(given, ifNoneMatch, etags, headers);
  return {
    status: 200,
    headers: { 'content-type': 'application/octet-stream', ...headers, ...etags.header(given.etag) },
    body: await begun(given.body, 1),
  };
}

/** Who may be asked for this name; undefined for names that are ours, or could be. */
export function upstreamFor(
  call: Call,
  view: StateView,
  name = call.params['name'] ?? '',
): Upstream | undefined {
  const { upstream } = call;
  if (!upstream || !isAskableName(name) || hopsOf(call) >= MAX_HOPS) return undefined;
  const scope = scopeOf(name);
  // The scope decides first, without a look at the package: how long the answer takes tells nothing of private ones.
  if (scope !== undefined && [scope, scope.toLowerCase()].some((word) => view.namespace('npm', word)))
    return undefined;
  // Also one that was withdrawn, or is only reserved. Another name that is merely close to ours is another package.
  return view.package('npm', name)?.name === name ? undefined : upstream;
}

/** Registries that this request has passed through. */
export function hopsOf(call: Call): number {
  return call.header('via')?.match(/\bcairn\b/g)?.length ?? 0;
}

/** Of a name, as the other registry takes it. */
export function pathOf(name: string): string {
  return name.replace('/', '%2f');
}

function isAskableVersion(version: string): boolean {
  return /^[A-Za-z0-9][\w.+~!'()*-]{0,255}$/.test(version);
}

interface Wanted {
  readonly call: Call;
  readonly view: StateView;
  readonly at: string;
  readonly accept: string;
  readonly of: DocumentEdits['of'];
}

async function document({ call, view, at, accept, of }: Wanted): Promise<HttpAnswer | undefined> {
  const upstream = upstreamFor(call, view);
  if (!upstream) return undefined;
  const { name = '', version: asked } = call.params;
  const baseUrl = view.settings.publicUrl + (call.mount === '/' ? '' : call.mount);
  const etags = new Etags(`${EDITION} ${baseUrl} ${upstream.url} ${accept} ${at}`);
  const ifNoneMatch = etags.knownTo(call);
  const given = await upstream.get({ at, kind: 'document', accept, ifNoneMatch, hops: hopsOf(call) });
  const headers = { ...keepAndAsk, ...(of === 'packument' ? { vary: 'accept' } : {}) };
  if (!given.found) return unchanged(given, ifNoneMatch, etags, headers);
  const edits: DocumentEdits = {
    of,
    tarball: (version, url) => `${baseUrl}/${name}/-/${fileFor(version ?? asked, url, name, upstream)}`,
  };
  // Never a type of the upstream's own choice: a browser might show it.
  const isAbbreviated = accept !== JSON_TYPE && given.contentType?.startsWith(ABBREVIATED) === true;
  return {
    status: 200,
    headers: {
      'content-type': isAbbreviated ? ABBREVIATED : JSON_TYPE,
      ...headers,
      ...etags.header(given.etag),
    },
    body: await begun(editDocument(given.body, edits), LOOK_AHEAD_BYTES),
  };
}

function unchanged(
  given: UpstreamAnswer & { found: false },
  ifNoneMatch: string | undefined,
  etags: Etags,
  headers: Readonly<Record<string, string>>,
): HttpAnswer | undefined {
  if (given.because === 'missing' || ifNoneMatch === undefined) return undefined;
  return { status: 304, headers: { ...headers, ...etags.header(ifNoneMatch) } };
}

/**
 * What an archive is called here. Where the upstream keeps it in the usual place it is found there again; otherwise the
 * name says the version (no stored file may begin so), and the address is looked up in the upstream's own document.
 */
function fileFor(version: string | undefined, url: string, name: string, upstream: Upstream): string {
  const usual = URL.canParse(url) ? usualFile(new URL(url), name, new URL(upstream.url)) : undefined;
  if (usual !== undefined) return encodeURIComponent(usual);
  return `=${encodeURIComponent(version !== undefined && isAskableVersion(version) ? version : 'unknown')}.tgz`;
}

function usualFile(url: URL, name: string, upstream: URL): string | undefined {
  if (url.host !== upstream.host || url.search !== '' || !/^https?:$/.test(url.protocol)) return undefined;
  const folder = `${upstream.pathname.replace(/\/$/, '')}/${name}/-/`;
  const path = decoded(url.pathname);
  const file = path?.startsWith(folder) ? path.slice(folder.length) : undefined;
  return file !== undefined && isArchiveFile(file) ? file : undefined;
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined; // not a path that anybody could ask us for
  }
}

function isArchiveFile(file: string): boolean {
  return /^[\w~-][\w.~+!'()*-]{0,500}$/.test(file);
}

/** Where the upstream has the file that we gave this name; never taken from the request. */
async function archiveAt(
  call: Call,
  upstream: Upstream,
  name: string,
  file: string,
): Promise<string | undefined> {
  if (isArchiveFile(file)) return `${name}/-/${encodeURIComponent(file)}`;
  const wanted = /^=(.+)\.tgz$/.exec(file)?.[1];
  if (wanted === undefined || !isAskableVersion(wanted)) return undefined;
  const accept = `${ABBREVIATED}; q=1.0, ${JSON_TYPE}; q=0.8, */*`;
  const given = await upstream.get({ at: pathOf(name), kind: 'document', accept, hops: hopsOf(call) });
  return given.found ? addressIn(given.body, wanted) : undefined;
}

async function addressIn(body: AsyncIterable<Uint8Array>, wanted: string): Promise<string | undefined> {
  let found: string | undefined;
  const edits: DocumentEdits = {
    of: 'packument',
    tarball(version, url) {
      if (version === wanted) found ??= url;
      return '';
    },
  };
  for await (const _piece of editDocument(body, edits)) if (found !== undefined) break;
  // Whole, or the upstream's `..` and names of its own would be ours to make sense of.
  if (found === undefined || /^https?:\/\//i.test(found)) return found;
  throw new RegistryError('upstream-failed', 'the upstream registry names no address of this archive');
}

/** A whole document of the upstream's. @throws RegistryError `upstream-failed` when it is too long, or no object. */
export async function readDocument(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<Readonly<Record<string, unknown>>> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.byteLength;
    if (size > maxBytes) throw noDocument();
    pieces.push(piece);
  }
  try {
    const document: unknown = JSON.parse(Buffer.concat(pieces).toString('utf8'));
    if (isObject(document)) return document;
  } catch (error) {
    throw noDocument(error);
  }
  throw noDocument();
}

function noDocument(cause?: unknown): RegistryError {
  return new RegistryError('upstream-failed', 'what the upstream registry sends cannot be understood', {
    cause,
  });
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** Our names of the upstream's contents. They hold the upstream's own, so that nothing has to be remembered. */
class Etags {
  readonly #prefix: string;

  /** @param edition what our bytes depend on beside the upstream's. */
  constructor(edition: string) {
    this.#prefix = createHash('sha256').update(edition).digest('hex').slice(0, 16);
  }

  header(upstreamEtag: string | undefined): { readonly etag?: string } {
    if (upstreamEtag === undefined || !isEtag(upstreamEtag)) return {};
    return { etag: `W/"${this.#prefix}.${Buffer.from(upstreamEtag).toString('base64url')}"` };
  }

  /** What the upstream said of the content that the client has. */
  knownTo(call: Call): string | undefined {
    const tags = call.header('if-none-match')?.matchAll(/"([0-9a-f]{16})\.([\w-]+)"/g) ?? [];
    for (const [, prefix, encoded = ''] of tags) {
      const known = Buffer.from(encoded, 'base64url').toString('latin1');
      if (prefix === this.#prefix && isEtag(known)) return known;
    }
    return undefined;
  }
}

/** RFC 9110, section 8.8.3, and of a reasonable length. */
function isEtag(text: string): boolean {
  return /^(?:W\/)?"[\x21\x23-\x7e]{1,200}"$/.test(text);
}

/** The same bytes, of which the first `bytes` have arrived: what is wrong with them is thrown here, and not by the body. */
async function begun(
  source: AsyncIterableIterator<Uint8Array>,
  bytes: number,
): Promise<AsyncIterable<Uint8Array>> {
  const held: Uint8Array[] = [];
  let isOver = false;
  for (let size = 0; size < bytes && !isOver;) {
    const next = await source.next();
    if (next.done === true) isOver = true;
    else {
      held.push(next.value);
      size += next.value.byteLength;
    }
  }
  const rest: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const value = held.shift();
      if (value) return { done: false, value };
      return isOver ? { done: true, value: undefined } : source.next();
    },
    async return() {
      held.length = 0;
      isOver = true;
      await source.return?.();
      return { done: true, value: undefined };
    },
  };
  return rest;
}
