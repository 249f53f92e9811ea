/** `registry/download`: many archives in one answer, as a tar (contract, section 9). Clients do without it where it fails. */
import { RegistryError } from '../../core/errors.ts';
import type { Upstream } from '../../core/ports.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { siteOf } from '../../ecosystems/ecosystem.ts';
import { hopsOf, upstreamFor } from '../../ecosystems/npm/fallback.ts';
import { isObject } from '../../ecosystems/npm/manifest.ts';
import { openToAll } from '../../ecosystems/open-to-all.ts';
import { packTar, type TarFile } from '../../ecosystems/tar-archive.ts';
import { ownArchive, type OwnArchive } from './reads.ts';

const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
const MAX_PACKAGES = 2_000;
/** Of one archive of the other registry; a longer one the client fetches by itself. */
const MAX_FOREIGN_BYTES = 256 * 1024 * 1024;
/** Of one whose length is not said before it comes: it is held in memory until it is known. */
const MAX_HELD_BYTES = 16 * 1024 * 1024;

interface Wanted {
  readonly name: string;
  readonly version: string;
  readonly tarball: string;
  readonly integrity?: string;
}

type Source = { readonly own: OwnArchive } | { readonly upstream: Upstream; readonly at: string };

export async function bulkDownload(call: Call, view: StateView): Promise<HttpAnswer> {
  const body = await call.readJson({ maxBytes: MAX_REQUEST_BYTES });
  const listed = isObject(body) && Array.isArray(body['packages']) ? (body['packages'] as unknown[]) : [];
  if (listed.length > MAX_PACKAGES)
    throw new RegistryError('body-too-large', `ask for at most ${MAX_PACKAGES} packages at once`);
  const wanted: { readonly item: Wanted; readonly source: Source }[] = [];
  for (const item of listed.flatMap(readWanted)) {
    const source = sourceOf(call, view, item);
    if (source) wanted.push({ item, source });
  }
  if (wanted.length === 0) throw new RegistryError('bad-request', 'No valid registry tarballs requested');
  return {
    status: 200,
    headers: {
      'content-type': 'application/x-tar',
      'x-pantry-bulk-download': '1',
      'cache-control': 'no-store',
      ...openToAll,
    },
    body: packTar(filesOf(call, wanted)),
  };
}

function readWanted(item: unknown): Wanted[] {
  if (!isObject(item)) return [];
  const { name, version, tarball, integrity } = item;
  if (typeof name !== 'string' || typeof version !== 'string' || typeof tarball !== 'string') return [];
  return [{ name, version, tarball, ...(typeof integrity === 'string' ? { integrity } : {}) }];
}

/**
 * Where an archive is: here, or below the other registry's own address. No other address is followed: anybody may ask,
 * and what they name could stand in our network.
 */
function sourceOf(call: Call, view: StateView, { name, tarball }: Wanted): Source | undefined {
  const url = URL.canParse(tarball) ? new URL(tarball) : undefined;
  if (!url || url.username || url.password) return undefined;
  const { baseUrl } = siteOf(call, view);
  if (tarball.startsWith(`${baseUrl}/`)) {
    const own = ownArchive(call, view, tarball.slice(baseUrl.length + 1));
    return own && { own };
  }
  const upstream = upstreamFor(call, view, name);
  if (!upstream) return undefined;
  const home = new URL(`${upstream.url}/`);
  const isTheirs = url.origin === home.origin && url.pathname.startsWith(home.pathname);
  return isTheirs ? { upstream, at: url.href } : undefined;
}

/** One at a time: memory holds none of them, unless its length is unknown. What fails is left out. */
async function* filesOf(
  call: Call,
  wanted: readonly { readonly item: Wanted; readonly source: Source }[],
): AsyncIterable<TarFile> {
  const manifest: object[] = [];
  for (const [i, { item, source }] of wanted.entries()) {
    const found =
      'own' in source ? ownFile(call, source.own) : await foreignFile(call, source.upstream, source.at);
    if (!found) continue;
    const file = `packages/${i}.tgz`;
    manifest.push({ ...item, file, size: found.size });
    yield { name: file, ...found };
  }
  const bytes = Buffer.from(JSON.stringify({ packages: manifest }));
  yield { name: 'manifest.json', size: bytes.byteLength, body: once(bytes) };
}

type Content = Pick<TarFile, 'size' | 'body'>;

function ownFile(call: Call, { blob, name, version, isPublic }: OwnArchive): Content {
  if (isPublic) call.counters.count({ category: 'download', name, version, ours: 'version' });
  return { size: blob.size, body: call.openBlob(blob.digest) };
}

async function foreignFile(call: Call, upstream: Upstream, at: string): Promise<Content | undefined> {
  try {
    const given = await upstream.get({ at, kind: 'archive', accept: '*/*', hops: hopsOf(call) });
    if (!given.found) return undefined;
    const { size, body } = given;
    if (size === undefined) return await held(body);
    if (size <= MAX_FOREIGN_BYTES) return { size, body };
    await body.return?.();
    return undefined;
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}

async function held(body: AsyncIterableIterator<Uint8Array>): Promise<Content | undefined> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.byteLength;
    if (size > MAX_HELD_BYTES) return undefined;
    pieces.push(piece);
  }
  return { size, body: once(Buffer.concat(pieces)) };
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
