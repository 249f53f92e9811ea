import type { Json } from '../core/canonical-json.ts';
import { asDigest } from '../core/digest.ts';
import type { Package, Release } from '../core/package.ts';
import type { BlobStore } from '../core/ports.ts';

function lacksMeta(release: Release): boolean {
  return release.meta === undefined && release.metaDigest !== undefined;
}

/** Whether every manifest is at hand. */
export function isHydrated(of: Package): boolean {
  for (const release of of.releases.values()) if (lacksMeta(release)) return false;
  return true;
}

/** The package with the manifests at hand that were too long for their events. Other releases keep their identity. */
export async function hydrate(of: Package, blobs: BlobStore): Promise<Package> {
  if (isHydrated(of)) return of;
  const releases = new Map(of.releases);
  for (const [key, release] of releases) {
    if (!lacksMeta(release) || release.metaDigest === undefined) continue;
    const bytes = await blobs.read(asDigest(release.metaDigest));
    releases.set(key, { ...release, meta: JSON.parse(Buffer.from(bytes).toString('utf8')) as Json });
  }
  return { ...of, releases };
}
