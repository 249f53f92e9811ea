/** A release as answers and files speak of it. */
import { RegistryError } from '../../core/errors.ts';
import type { Artifact, Package, Release } from '../../core/package.ts';
import type { Manifest } from './manifest.ts';
import { compareVersions } from './names.ts';
import type { Lock } from './lock.ts';

/** What a `published` event keeps: what is shown of the manifest, and the lock. */
export interface OriMeta extends Manifest {
  readonly lock: Lock;
}

/** The `.oripk` as it was uploaded. */
export function archiveOf(release: Release): Artifact {
  const archive = release.artifacts.find(({ role }) => role === 'archive');
  if (!archive) throw new TypeError(`${release.version} has no archive`);
  return archive;
}

/**
 * What a client needs to know that publishes (section 5). The transparency log of section 11 will add where it stands there,
 * `log`; it names a release by this name, version and checksum.
 */
export function publishedObject(
  name: string,
  version: string,
  release: Omit<Artifact, 'role' | 'mediaType'>,
  at: string,
): object {
  return { name, version, checksum: release.digest, size: release.size, published_at: at };
}

/** Gone by the operator's word: what is said of it wherever it is asked for. */
export interface Removal {
  readonly reason: string | null;
  readonly at: string;
}

export function removalOf({ withdrawnAt, withdrawReason }: Release): Removal | undefined {
  return withdrawnAt === undefined ? undefined : { reason: withdrawReason ?? null, at: withdrawnAt };
}

/** 410, or 451 where the reason given begins with `legal`. */
export function removed(name: string, version: string, removal: Removal): RegistryError {
  const isByLaw = /^legal\b/i.test(removal.reason ?? '');
  return new RegistryError(
    'version-not-found',
    `${name} ${version} was removed from this registry; its number stays taken`,
    {
      surfaceCode: isByLaw ? 'removed_by_law' : 'removed',
      facts: { removed: removal },
    },
  );
}

/** Those that resolution may choose: neither yanked nor gone. */
export function isOffered(release: Release): boolean {
  return !release.yanked && release.withdrawnAt === undefined;
}

export function ascending(of: Package): readonly Release[] {
  return [...of.releases.values()].sort((a, b) => compareVersions(a.version, b.version));
}

/** What is said of the version itself, or of the package as a whole. */
export function deprecationOf(release: Release, of: Package): string | null {
  return release.deprecated?.message ?? of.deprecated?.message ?? null;
}
