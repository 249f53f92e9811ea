import type { EcosystemId, Settings } from '../schema/types.ts';

/** What an ecosystem says about its own names and versions; everything in `core/` compares through it. */
export interface Rules {
  /** Whether a package may get this name; any, where it is not said. */
  isName?(name: string): boolean;
  /** Two names with one key cannot both exist. */
  nameKey(name: string): string;
  /** Two versions with one key cannot both be published. */
  versionKey(version: string): string;
  /** Negative when `a` is lower; total, so that every list has one order. */
  compareVersions(a: string, b: string): number;
  /**
   * A version is the digest of what it is. Publishing it again is the same version once more; one that was withdrawn is
   * forgotten, with the refs that pointed at it, and may come back: no other bytes can ever have its name.
   */
  readonly versionIsDigest?: true;
  /** Whether an owner owns one package or all of a namespace. */
  readonly ownedBy: 'package' | 'namespace';
  /**
   * The namespace of a name, where it has one. Where owners own packages it has owners as well: they, and its members who
   * write, alone may add packages to it, and whoever publishes the first one becomes its owner.
   */
  namespaceOf?(name: string): string | undefined;
  /** Which namespaces that nobody has a first publish may take: that of the account's own handle, or any. Any, where it is not said. */
  freeNamespaces?(settings: Settings): 'own' | 'any';
  /** Whether a text says which versions in the ecosystem's own words; missing where its clients know no ranges. */
  isRange?(text: string): boolean;
  /** Whether a text can be a namespace; there only where there are namespaces. */
  isNamespace?(text: string): boolean;
}

/** What the state of a package depends on. */
export type VersionRules = Pick<Rules, 'versionKey' | 'versionIsDigest'>;

export type RulesOf = (ecosystem: EcosystemId) => Rules;
