/**
 * What it takes to serve one more kind of package. An *ecosystem* owns names, versions and rules; a *surface* is one
 * protocol over one or more ecosystems. Nothing outside an ecosystem's folder knows its paths or its words.
 */
import type { EcosystemId, Settings } from '../schema/types.ts';
import type { RegistryError } from '../core/errors.ts';
import type { Package, Ref, Release } from '../core/package.ts';
import type { HttpAnswer, RequestHead, Route } from '../core/route.ts';
import type { Rules } from '../core/rules.ts';
import type { SiteFile } from '../core/site.ts';

export interface Ecosystem<Id extends EcosystemId = EcosystemId> {
  readonly id: Id;
  readonly rules: Rules;
  readonly surfaces: readonly Surface[];
}

/** Where a surface stands, and the settings that shape its files. */
export interface SiteContext {
  readonly settings: Settings;
  /** The path the surface lives below; `/` is the root. */
  readonly mount: string;
  /** Public URL of the mount, without a final slash. */
  readonly baseUrl: string;
}

/** What one package contributes to the roots of a surface. */
export interface Summary {
  readonly name: string;
  /** One line of text, in whatever form the surface's roots are made of. */
  readonly text: string;
}

/**
 * One protocol. Projections are pure: the same state gives the same bytes. They are called for public packages only,
 * and by what changed, so that a publish costs the same in a package with many versions.
 */
export interface Surface {
  readonly id: string;
  readonly reads: readonly EcosystemId[];
  readonly defaultMount: string;
  readonly routes: readonly Route[];
  /** Other host names under which a part of the surface answers at the root: host to path below the mount. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Files of one release. May depend on the release, on ownership and on settings; never on other releases or refs. */
  filesForRelease(release: Release, of: Package, site: SiteContext): Iterable<SiteFile>;
  /** Files of one movable name. May depend on the ref and on the release it points at. */
  filesForRef?(name: string, ref: Ref, of: Package, site: SiteContext): Iterable<SiteFile>;
  /** Files that list the package: they are rendered whenever anything in it changed. */
  filesForPackage(of: Package, site: SiteContext): Iterable<SiteFile>;
  /** What the roots say of this package; undefined leaves it out. */
  summarize?(of: Package, site: SiteContext): Summary | undefined;
  /** Files about the whole registry, from the summaries in ascending order of name. */
  filesForRoot(summaries: AsyncIterable<Summary>, site: SiteContext): Iterable<SiteFile>;
  /** Status, headers and body of a refusal, in the words of this protocol's clients. */
  renderError(error: RegistryError, head: RequestHead): HttpAnswer;
}

export function siteContext(surface: Surface, settings: Settings): SiteContext | undefined {
  const mount = settings.mounts[surface.id];
  if (mount === undefined) return undefined;
  return { settings, mount, baseUrl: settings.publicUrl + (mount === '/' ? '' : mount) };
}
