/** Names and versions of X07 (contract, section 1). */
import semver from 'semver';
import type { Rules } from '../../core/rules.ts';

/** What can be published: the client's own schema. Upstream's server lets more in, which no client can then name. */
const publishable = /^[a-z][a-z0-9_-]{0,127}$/;
/** What a path may ask for: upstream's server rule. */
const askable = /^[a-z0-9_-]+$/;

// https://semver.org/#is-there-a-suggested-regular-expression-regex-to-check-a-semver-string
const semanticVersion =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$/;

export function isPublishableName(name: string): boolean {
  return publishable.test(name);
}

export function isAskableName(name: string): boolean {
  return askable.test(name);
}

export function isVersion(version: string): boolean {
  return version.length <= 256 && semanticVersion.test(version) && semver.parse(version) !== null;
}

/** Ascending; build metadata takes part as a last tie-break, as in upstream's `semver` crate. */
export function compareVersions(a: string, b: string): number {
  return semver.compareBuild(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/** `-` and `_` are different names, and `1.0.0+a` and `1.0.0+b` different versions. */
export const rules: Rules = {
  isName: isPublishableName,
  nameKey: (name) => name,
  versionKey: (version) => version,
  compareVersions,
  ownedBy: 'package',
};

/** The folders of a name in the sparse index (1.3). */
export function shardOf(name: string): readonly string[] {
  if (name.length <= 2) return [String(name.length)];
  if (name.length === 3) return ['3', name.slice(0, 1)];
  return [name.slice(0, 2), name.slice(2, 4)];
}
