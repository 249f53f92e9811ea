import type { Json } from './canonical-json.ts';
import { asDigest } from './digest.ts';
import type { FiledAdvisory, Package, Release } from './package.ts';
import type { BlobStore } from './ports.ts';

function lacksMeta(release: Release): boolean {
  return release.meta === undefined && release.metaDigest !== undefined;
}

function lacksDetails(advisory: FiledAdvisory): boolean {
  return advisory.details === undefined && advisory.detailsDigest !== undefined;
}

/** The readme that a package is shown with: an artifact of the release that its ref `latest` points at. */
function readmeDigestOf(of: Package): string | undefined {
  const target = of.refs.get('latest')?.target;
  if (target === undefined) return undefined;
  // A ref says the version as it was published: so does the release, whatever its key, which mostly is the same.
  const found = of.releases.get(target);
  if (found?.version === target) return readmeIn(found);
  for (const release of of.releases.values()) if (release.version === target) return readmeIn(release);
  return undefined;
}

/** Of one that was withdrawn nothing may be here any more. */
function readmeIn({ artifacts, withdrawnAt }: Release): string | undefined {
  if (withdrawnAt !== undefined) return undefined;
  return artifacts.find(({ role }) => role === 'readme')?.digest;
}

/** Whether every manifest and every advisory is at hand. */
export function isHydrated(of: Package): boolean {
  if (of.readme?.digest !== readmeDigestOf(of)) return false;
  for (const release of of.releases.values()) if (lacksMeta(release)) return false;
  for (const advisory of of.advisories.values()) if (lacksDetails(advisory)) return false;
  return true;
}

/** The package with the texts at hand that were too long for their events. Other releases keep their identity. */
export async function hydrate(of: Package, blobs: BlobStore): Promise<Package> {
  if (isHydrated(of)) return of;
  const releases = new Map(of.releases);
  for (const [key, release] of releases) {
    if (!lacksMeta(release) || release.metaDigest === undefined) continue;
    const bytes = await blobs.read(asDigest(release.metaDigest));
    releases.set(key, { ...release, meta: JSON.parse(Buffer.from(bytes).toString('utf8')) as Json });
  }
  const advisories = new Map(of.advisories);
  for (const [id, advisory] of advisories) {
    if (!lacksDetails(advisory) || advisory.detailsDigest === undefined) continue;
    const bytes = await blobs.read(asDigest(advisory.detailsDigest));
    advisories.set(id, { ...advisory, details: Buffer.from(bytes).toString('utf8') });
  }
  const digest = readmeDigestOf(of);
  const readme =
    digest === undefined || digest === of.readme?.digest
      ? of.readme
      : { digest, text: Buffer.from(await blobs.read(asDigest(digest))).toString('utf8') };
  return { ...of, releases, advisories, readme: digest === undefined ? undefined : readme };
}
