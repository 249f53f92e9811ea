/**
 * Which blobs a package names, as it is now: what must not be removed, and must not be missing. The one place that knows:
 * a new field with a digest is entered here.
 */
import type { Json } from './canonical-json.ts';
import { asDigest, type Digest } from './digest.ts';
import type { RegistryEvent } from './event.ts';
import type { Package } from './package.ts';

export interface NamedBlob {
  readonly digest: Digest;
  /** What of the package it is, such as a version. */
  readonly by: string;
}

export interface NamedBlobsDeps {
  /** What a manifest of this ecosystem names beyond the artifacts; undefined where that is nothing. */
  readonly namedByMeta?: (meta: Json) => Iterable<string>;
  /** Of a blob that a manifest lies in, which was named before. For who can do without what it names: undefined. */
  readonly read: (metaDigest: Digest) => Promise<Uint8Array | undefined>;
}

/**
 * One release at a time, so that memory stays flat however many there are. A blob that several of them name comes as often.
 * Throws what `read` does.
 */
export async function* namedBlobs(of: Package, deps: NamedBlobsDeps): AsyncGenerator<NamedBlob> {
  for (const release of of.releases.values()) {
    // Of a version that is gone only its number stays.
    if (release.withdrawnAt !== undefined) continue;
    const by = release.version;
    for (const { digest } of release.artifacts) yield { digest: asDigest(digest), by };
    for (const digest of [release.metaDigest, release.deprecated?.messageDigest])
      if (digest !== undefined) yield { digest: asDigest(digest), by };
    for (const digest of await inManifest(release, deps)) yield { digest: asDigest(digest), by };
  }
  for (const [by, { artifacts }] of of.refs)
    for (const { digest } of artifacts) yield { digest: asDigest(digest), by };
  // Also of those that were withdrawn: the record stays.
  for (const { id, detailsDigest } of of.advisories.values())
    if (detailsDigest !== undefined) yield { digest: asDigest(detailsDigest), by: `advisory ${id}` };
  const { messageDigest } = of.deprecated ?? {};
  if (messageDigest !== undefined) yield { digest: asDigest(messageDigest), by: 'deprecation' };
}

async function inManifest(
  { meta, metaDigest }: { readonly meta?: unknown; readonly metaDigest?: string | undefined },
  { namedByMeta, read }: NamedBlobsDeps,
): Promise<Iterable<string>> {
  if (!namedByMeta) return [];
  if (meta !== undefined) return namedByMeta(meta as Json);
  const bytes = metaDigest === undefined ? undefined : await read(asDigest(metaDigest));
  return bytes ? namedByMeta(JSON.parse(Buffer.from(bytes).toString('utf8')) as Json) : [];
}

/** What one event adds to the blobs that its package names. Throws what `read` does. */
export async function blobsNamedBy(event: RegistryEvent, deps: NamedBlobsDeps): Promise<readonly Digest[]> {
  const digests: string[] = [];
  if ('artifacts' in event) digests.push(...(event.artifacts ?? []).map(({ digest }) => digest));
  if ('metaDigest' in event && event.metaDigest !== undefined) digests.push(event.metaDigest);
  if ('messageDigest' in event && event.messageDigest !== undefined) digests.push(event.messageDigest);
  if ('advisory' in event && event.advisory.detailsDigest !== undefined)
    digests.push(event.advisory.detailsDigest);
  if (event.kind === 'published') digests.push(...(await inManifest(event, deps)));
  return digests.map(asDigest);
}
