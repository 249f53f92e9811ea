/** The same components as OCI artifacts: files made of what was kept at publish, for pulling only (contract, section 9). */
import { asDigest } from '../../core/digest.ts';
import type { Artifact, Package, Release } from '../../core/package.ts';
import { siteFile, type SiteBody, type SiteFile } from '../../core/site.ts';
import type { SiteContext } from '../ecosystem.ts';
import { suffixOf } from '../oci-media-types.ts';
import { artifactOf, listedOf } from './metadata.ts';
import { repositoryOf } from './names.ts';
import { MANIFEST_TYPE } from './oci-artifact.ts';
import { discovery, ociPaths, PREFIX } from './oci-paths.ts';

/** By digest and by tag, whether it is yanked or not: only lists forget a version. */
export function* filesForRelease(release: Release, of: Package, { mount }: SiteContext): Iterable<SiteFile> {
  const [component, config, manifest] = (['component', 'config', 'manifest'] as const).map((role) =>
    artifactOf(release, role),
  );
  if (!component || !config || !manifest) return;
  const name = repositoryOf(of.name);
  for (const blob of [component, config])
    yield siteFile(mount, ociPaths.blob, { name, digest: blob.digest }, bodyOf(blob));
  const type = suffixOf(MANIFEST_TYPE, asDigest(manifest.digest));
  for (const reference of [manifest.digest, release.version])
    yield siteFile(mount, ociPaths.manifest, { name, reference }, bodyOf(manifest), type);
}

function bodyOf({ digest, size }: Artifact): SiteBody {
  return { blob: asDigest(digest), size };
}

export function* filesForPackage(of: Package, { mount }: SiteContext): Iterable<SiteFile> {
  const isHere = [...of.releases.values()].some((release) => artifactOf(release, 'manifest'));
  if (!isHere) return;
  const name = repositoryOf(of.name);
  const tags = listedOf(of).map(({ version }) => version);
  yield siteFile(mount, ociPaths.tags, { name }, JSON.stringify({ name: PREFIX + name, tags }));
}

/** Which registry has them, and what stands before their names. */
export function* filesForDiscovery(
  _summaries: unknown,
  { mount, settings }: SiteContext,
): Iterable<SiteFile> {
  const registry = new URL(settings.publicUrl).host;
  const document = { preferredProtocol: 'oci', oci: { registry, namespacePrefix: PREFIX } };
  yield siteFile(mount, discovery, {}, JSON.stringify(document));
}
