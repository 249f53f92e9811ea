/**
 * What it takes to serve one more kind of package. An *ecosystem* owns names, versions and rules; a *surface* is one
 * protocol over one or more ecosystems. Nothing outside an ecosystem's folder knows its paths or its words.
 */
import type { EcosystemId, RegistryKey, Settings } from '../schema/types.ts';
import type { Json } from '../core/canonical-json.ts';
import type { GivenToken } from '../core/environment-tokens.ts';
import type { RegistryError } from '../core/errors.ts';
import type { Package, Ref, Release } from '../core/package.ts';
import type { RateLimits } from '../core/limits.ts';
import type { Counters } from '../core/ports.ts';
import type { Call, DocumentedRoute, HttpAnswer, RequestHead } from '../core/route.ts';
import type { StateView } from '../core/state.ts';
import type { Rules } from '../core/rules.ts';
import type { JsonSchema } from '../core/route-doc.ts';
import type { SiteFile, Summary } from '../core/site.ts';

export type { Summary };

export interface Ecosystem<Id extends EcosystemId = EcosystemId> {
  readonly id: Id;
  readonly rules: Rules;
  readonly surfaces: readonly Surface[];
  /**
   * Blobs that a manifest names beyond the artifacts of its release, where there are such: they are kept as long as it is there.
   * @param meta what its events say, as `Release.meta`
   */
  namedByMeta?(meta: Json): Iterable<string>;
  /** What its releases are signed with, where its clients know signatures; the registry makes such a key. */
  readonly signsWith?: RegistryKey['kind'];
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables of another server, in Cairn's own names; a variable that is set already wins. */
export interface Aliases {
  readonly variables: Environment;
  /** What that server does where nobody says anything, neither in its words nor in ours. */
  readonly standards?: Environment;
  /** Tokens that the operator gives there, in the words of that server (`given-tokens.ts` reads lists of them). */
  readonly tokens?: readonly GivenToken[];
  /** What is accepted and does nothing, and why: said at start. */
  readonly notes: readonly string[];
}

/** Where a surface stands, and the settings that shape its files. */
export interface SiteContext {
  readonly settings: Settings;
  /** The path the surface lives below; `/` is the root. */
  readonly mount: string;
  /** Public URL of the mount, without a final slash. */
  readonly baseUrl: string;
}

/**
 * One protocol. Projections are pure: the same state gives the same bytes. They are called for public packages only,
 * and by what changed, so that a publish costs the same in a package with many versions.
 */
export interface Surface {
  readonly id: string;
  readonly reads: readonly EcosystemId[];
  readonly defaultMount: string;
  /**
   * Set for a surface that stands a second time, below another: it has no mount of its own, and is on where `surface` and
   * `twin` are. Not where `twin` stands at the very same place: then that one answers.
   */
  readonly below?: { readonly surface: string; readonly path: string; readonly twin: string };
  /** Its clients have fixed where it stands: it cannot be moved. */
  readonly isFixed?: true;
  /**
   * Set for a surface whose clients have fixed where it stands, and that belongs to another: it has no mount of its own, and is on
   * where that one is; but for where `unless` is on, which answers there then.
   */
  readonly beside?: { readonly surface: string; readonly mount: string; readonly unless?: string };
  /** Why it cannot stand at a mount that would otherwise do; undefined where it can. */
  faultOfMount?(mount: string): string | undefined;
  readonly routes: readonly DocumentedRoute[];
  readonly doc: SurfaceDoc;
  /** Other host names under which a part of the surface answers at the root: host to path below the mount. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** The one spelling of a path that its clients spell in several ways; below the mount, as it was sent. */
  canonicalPath?(path: string): string;
  /** Files of one release. May depend on the release, on ownership and deprecation of its package and on settings; never on other releases or refs. */
  filesForRelease(release: Release, of: Package, site: SiteContext): Iterable<SiteFile>;
  /** Releases of one package may say the same file, with the same bytes: it is there as long as one of them says it. */
  readonly releasesShareFiles?: true;
  /** What this release has in common with others of its package, which then have files together; undefined: nothing. */
  groupOf?(release: Release): string | undefined;
  /** Files that the releases of one group have a part in, in the order of publication. Rendered whenever one of them changed. */
  filesForGroup?(
    group: string,
    releases: readonly Release[],
    of: Package,
    site: SiteContext,
  ): Iterable<SiteFile>;
  /** Files of one movable name. May depend on the ref and on the release it points at. */
  filesForRef?(name: string, ref: Ref, of: Package, site: SiteContext): Iterable<SiteFile>;
  /** Files that list the package: they are rendered whenever anything in it changed. */
  filesForPackage(of: Package, site: SiteContext): Iterable<SiteFile>;
  /**
   * Files that several packages have a part in: all that are found by one key (`Release.keys`, or a ref with files of its own), in the order in which
   * they were first. Rendered whenever what one of them says under this key changed; of `members`, none is private, some may not
   * be found by it any more, and texts too long for their events are not at hand.
   */
  filesForKey?(key: string, members: readonly Package[], site: SiteContext): Iterable<SiteFile>;
  /** What the roots say of this package; undefined leaves it out. */
  summarize?(of: Package, site: SiteContext): Summary | undefined;
  /** Files about the whole registry, from the summaries in ascending order of name. */
  filesForRoot(summaries: AsyncIterable<Summary>, site: SiteContext): Iterable<SiteFile>;
  /**
   * Its clients may send a handle with its password or a token, as Basic credentials (RFC 7617). Elsewhere those are no
   * credentials at all.
   */
  readonly takesBasic?: boolean;
  /** Its clients may send a token alone, without the word Bearer before it. */
  readonly takesBareTokens?: boolean;
  /** Its clients may send access tokens, as they send other ones: those that were made for this audience. */
  readonly takesAccessTokens?: { audience(site: SiteContext): string };
  /** A bad token is refused also where none is needed, files included. Elsewhere nobody looks at it there. */
  readonly refusesBadTokens?: true;
  /**
   * How many requests a client may send in a minute, answers from files included; the operator can say otherwise. Absent: as many as
   * they like. What stands `beside` this surface, or `below` it, counts with it and has none of its own.
   */
  readonly limits?: RateLimits;
  /** What OPTIONS is answered with on each of its paths, where its protocol is for the pages of every origin. */
  readonly preflight?: HttpAnswer;
  /**
   * Files of what is counted, for static hosts: where the API runs it answers these paths itself. They follow the counters
   * and not the log; all of them lie below one of `outsideLog`.
   */
  countedFiles?(counters: Counters, names: Iterable<string>, site: SiteContext): Iterable<SiteFile>;
  /** Paths of `countedFiles` of one package: they go when it is no longer for everybody. */
  countedPaths?(of: Package, site: SiteContext): Iterable<string>;
  /** Paths below the mount under which nothing is a function of the log. */
  readonly outsideLog?: readonly string[];
  /** What settings of the server it takes the place of are called here. */
  readonly environment?: (environment: Environment) => Aliases;
  /** Status, headers and body of a refusal, in the words of this protocol's clients. */
  renderError(error: RegistryError, head: RequestHead): HttpAnswer;
}

/** What the API's document says of a surface as a whole. */
export interface SurfaceDoc {
  readonly title: string;
  /** Named schemas that its routes refer to as `#/components/schemas/NAME`. */
  readonly schemas: Readonly<Record<string, JsonSchema>>;
  /** Bodies of refusals, by content type. */
  readonly refusals: Readonly<Record<string, JsonSchema>>;
}

/** Where a surface stands; undefined while it is off. */
export function mountOf(
  { id, below, beside }: Pick<Surface, 'id' | 'below' | 'beside'>,
  { mounts }: Settings,
): string | undefined {
  if (beside) {
    const isOff = mounts[beside.surface] === undefined;
    const isAnothers = beside.unless !== undefined && mounts[beside.unless] !== undefined;
    return isOff || isAnothers ? undefined : beside.mount;
  }
  if (!below) return mounts[id];
  const parent = mounts[below.surface];
  if (parent === undefined || mounts[below.twin] === undefined) return undefined;
  const mount = `${parent === '/' ? '' : parent}/${below.path}`;
  return mounts[below.twin] === mount ? undefined : mount;
}

/** Where a call came in. */
export function siteOf({ mount }: Pick<Call, 'mount'>, { settings }: StateView): SiteContext {
  return { settings, mount, baseUrl: settings.publicUrl + (mount === '/' ? '' : mount) };
}

export function siteContext(surface: Surface, settings: Settings): SiteContext | undefined {
  const mount = mountOf(surface, settings);
  if (mount === undefined) return undefined;
  return { settings, mount, baseUrl: settings.publicUrl + (mount === '/' ? '' : mount) };
}
