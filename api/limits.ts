/** Limits of the surfaces that have one: each request is counted before it is answered, and the answer says how many are left. */
import { RegistryError } from '../core/errors.ts';
import { limitHeaders, overLimit, quotaOf, type RateLimits } from '../core/limits.ts';
import type { Actor } from '../core/permission.ts';
import type { Clock, RequestLimiter } from '../core/ports.ts';
import type { RequestHead } from '../core/route.ts';
import { mountOf, type Surface } from '../ecosystems/ecosystem.ts';
import type { Settings } from '../schema/types.ts';
import type { Session } from './auth.ts';
import { isBelow, type Routing } from './routing.ts';

/** What the operator says, by surface; others have what they say themselves. */
export type SaidLimits = Readonly<Record<string, RateLimits | 'off'>>;

export interface LimitDeps {
  readonly limiter: RequestLimiter;
  readonly clock: Clock;
  readonly said: SaidLimits;
}

export interface Limited {
  /** Whose requests these are: what stands beside a surface, or below it, counts with that one. */
  readonly id: string;
  readonly limits: RateLimits;
  /** Who answers. */
  readonly surface: Surface;
}

export interface Counted {
  readonly headers: Readonly<Record<string, string>>;
  /** What to answer instead. */
  readonly refusal: RegistryError | undefined;
}

/** What a surface and the operator say together; undefined where requests are not counted. */
export function limitsOf(
  surface: Pick<Surface, 'id' | 'beside' | 'below' | 'limits'>,
  all: readonly Pick<Surface, 'id' | 'limits'>[],
  said: SaidLimits = {},
): RateLimits | undefined {
  const owner = ownerOf(surface);
  const own = owner === surface.id ? surface.limits : all.find(({ id }) => id === owner)?.limits;
  const wanted = said[owner] ?? own;
  return wanted === 'off' ? undefined : wanted;
}

/** What stands beside a surface, or below it, counts with that one. */
function ownerOf({ id, beside, below }: Pick<Surface, 'id' | 'beside' | 'below'>): string {
  return beside?.surface ?? below?.surface ?? id;
}

/** Who is limited under these settings. */
export class LimitedSurfaces {
  readonly #limited: ReadonlyMap<Surface, Limited>;
  readonly #mounts: readonly string[];
  readonly #routing: Routing;

  constructor(surfaces: readonly Surface[], settings: Settings, routing: Routing, said: SaidLimits) {
    const found = surfaces.flatMap((surface): (Limited & { mount: string })[] => {
      const mount = mountOf(surface, settings);
      const limits = limitsOf(surface, surfaces, said);
      return limits && mount !== undefined ? [{ id: ownerOf(surface), limits, surface, mount }] : [];
    });
    this.#limited = new Map(found.map((one) => [one.surface, one]));
    this.#mounts = found.map(({ mount }) => mount);
    this.#routing = routing;
  }

  /** Undefined for requests that are not counted. The server's own paths never are, whoever is mounted at the root. */
  limiting(head: RequestHead): Limited | undefined {
    // Most requests are for surfaces without limits, and few surfaces have them: the route table is asked for those alone.
    if (!this.#mounts.some((mount) => isBelow(head.path, mount))) return undefined;
    const owner = this.#ownerOf(head);
    return owner && this.#limited.get(owner);
  }

  #ownerOf({ method, path }: RequestHead): Surface | undefined {
    const { table, surfaceOf } = this.#routing;
    try {
      const match = table.match(method, path);
      if (match.found === 'route') return match.route.surface;
    } catch (error) {
      // What is no path is refused as it came, by whoever owns what it starts with.
      if (!(error instanceof RegistryError)) throw error;
    }
    return surfaceOf(path);
  }
}

export interface Sender {
  readonly session: Session;
  readonly address: string | undefined;
}

export async function countRequest(
  { id, limits }: Limited,
  { session, address }: Sender,
  { limiter, clock, registry }: LimitDeps & { readonly registry: string },
): Promise<Counted> {
  const quota = quotaOf(limits, actorOf(session), address);
  // Registries may share a store: each counts for itself.
  const taken = await limiter.take(`${registry}:${id}:${quota.key}`, quota.limit);
  return {
    headers: limitHeaders(quota, taken, clock.now()),
    refusal: taken.accepted ? undefined : overLimit(quota, taken),
  };
}

/** Credentials that are refused count against the address, which may be trying them out. */
function actorOf(session: Session): Actor | undefined {
  try {
    return session.authenticate();
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}
