/** Packages that are not ours, in Pantry's shapes (contract, section 9). Who is asked, and for what: npm's fallback decides. */
import semver from 'semver';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { hopsOf, pathOf, readDocument, upstreamFor } from '../../ecosystems/npm/fallback.ts';
import { isObject, objectIn } from '../../ecosystems/npm/manifest.ts';
import { openToAll } from '../../ecosystems/open-to-all.ts';
import { attachment } from '../../ecosystems/pantry-answers.ts';
import { describing, type PantrySummary } from './files.ts';
import { safeName } from './names.ts';

const JSON_TYPE = 'application/json';
const ABBREVIATED = 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*';
const MAX_VERSION_BYTES = 4 * 1024 * 1024;
/** As much of a whole package as is held in memory: more than any has in the short form. */
const MAX_PACKUMENT_BYTES = 32 * 1024 * 1024;

/** What the other registry says of a version, the latest unless told; undefined where there is nobody to ask, or nothing there. */
export async function foreignMetadata(
  call: Call,
  view: StateView,
  name: string,
  version = 'latest',
): Promise<object | undefined> {
  const document = await foreignVersion(call, view, name, version);
  if (!document) return undefined;
  const dist = objectIn(document, 'dist');
  const { shasum, tarball } = dist;
  return {
    name,
    version: document['version'],
    ...describing(document),
    tarballUrl: tarball,
    ...(typeof shasum === 'string' ? { checksum: `sha1:${shasum}` } : {}),
    publishedAt: call.now(),
  };
}

async function foreignVersion(
  call: Call,
  view: StateView,
  name: string,
  version: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const upstream = upstreamFor(call, view, name);
  const at = `${pathOf(name)}/${encodeURIComponent(version)}`;
  const given = await upstream?.get({ at, kind: 'document', accept: JSON_TYPE, hops: hopsOf(call) });
  return given?.found ? readDocument(given.body, MAX_VERSION_BYTES) : undefined;
}

/** The highest first; none where there is nobody to ask. */
export async function foreignVersions(call: Call, view: StateView, name: string): Promise<readonly string[]> {
  const document = await foreignPackument(call, view, name);
  const versions = Object.keys(objectIn(document ?? {}, 'versions')).filter((text) => semver.valid(text));
  return semver.rsort(versions);
}

/** All versions in the short form. */
export async function foreignPackument(
  call: Call,
  view: StateView,
  name: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const upstream = upstreamFor(call, view, name);
  const given = await upstream?.get({
    at: pathOf(name),
    kind: 'document',
    accept: ABBREVIATED,
    hops: hopsOf(call),
  });
  return given?.found ? readDocument(given.body, MAX_PACKUMENT_BYTES) : undefined;
}

/** The other registry's archive, or where it is. */
export async function foreignTarball(
  call: Call,
  view: StateView,
  name: string,
  version: string,
): Promise<HttpAnswer | undefined> {
  const upstream = upstreamFor(call, view, name);
  const document = await foreignVersion(call, view, name, version);
  const at = document && objectIn(document, 'dist')['tarball'];
  if (!upstream || typeof at !== 'string') return undefined;
  const noStore = { 'cache-control': 'private, no-store', ...openToAll };
  if (upstream.archives === 'redirect')
    return { status: 302, headers: { location: upstream.locate(at), ...noStore } };
  const given = await upstream.get({ at, kind: 'archive', accept: '*/*', hops: hopsOf(call) });
  if (!given.found) return undefined;
  const headers = {
    'content-type': 'application/gzip',
    ...attachment(`${safeName(name)}-${version}.tgz`),
    ...noStore,
  };
  return { status: 200, headers, body: given.body };
}

const MAX_SEARCH_BYTES = 4 * 1024 * 1024;

/** Hits of the other registry's search; none where it cannot be asked now: ours are an answer of their own. */
export async function foreignHits(call: Call, text: string, size: number): Promise<readonly PantrySummary[]> {
  const { upstream } = call;
  if (!upstream || text.trim() === '' || size <= 0) return [];
  const at = `-/v1/search?text=${encodeURIComponent(text)}&size=${size}`;
  try {
    const given = await upstream.get({ at, kind: 'document', accept: JSON_TYPE, hops: hopsOf(call) });
    if (!given.found) return [];
    const { objects } = await readDocument(given.body, MAX_SEARCH_BYTES);
    return (Array.isArray(objects) ? objects : []).flatMap(hitOf);
  } catch {
    return []; // it is slow, down, or no registry with a search
  }
}

function hitOf(object: unknown): PantrySummary[] {
  const found = isObject(object) ? objectIn(object, 'package') : {};
  const { name, version } = found;
  if (typeof name !== 'string' || typeof version !== 'string') return [];
  const { description, keywords, author } = describing(found) as Partial<PantrySummary>;
  return [
    {
      name,
      version,
      ...(description === undefined ? {} : { description }),
      ...(keywords === undefined ? {} : { keywords }),
      ...(author === undefined ? {} : { author }),
    },
  ];
}
