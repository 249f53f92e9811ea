/** The route table of a running registry: every route of every surface that is on, below its mount. */
import type { Settings } from '../schema/types.ts';
import { RegistryError } from '../core/errors.ts';
import { RouteTable, type Route, type RouteMatch } from '../core/route.ts';
import { mountOf, type Surface } from '../ecosystems/ecosystem.ts';
import { requireFree } from './own-surface.ts';

export interface MountedRoute {
  readonly surface: Surface;
  readonly mount: string;
  readonly route: Route;
}

export interface Routing {
  readonly table: Pick<RouteTable<MountedRoute>, 'match'>;
  /** The surface that owns a path which no route matches: the one with the longest mount before it. */
  surfaceOf(path: string): Surface | undefined;
  /** The path a request means: some have several spellings, and some surfaces answer at the root of a host of their own. */
  pathFor(host: string | undefined, path: string): string;
}

/** @throws RegistryError `conflict` when two surfaces claim one path, or one of them the server's own. */
export function buildRouting(surfaces: readonly Surface[], settings: Settings, own?: Surface): Routing {
  const table = new MountTables();
  const hosts = new Map<string, string>();
  const mounted = surfaces.flatMap((surface) => {
    const mount = mountOf(surface, settings);
    return mount === undefined ? [] : [{ surface, mount }];
  });
  for (const { surface, mount } of mounted) {
    requireFree(mount);
    const prefix = prefixOf(mount);
    for (const route of surface.routes) table.add({ surface, mount, route });
    for (const [host, path] of Object.entries(surface.hosts ?? {})) hosts.set(host, `${prefix}/${path}`);
  }
  const hasRoot = table.match('GET', '/').found !== 'nothing';
  for (const route of own?.routes ?? [])
    // Whoever is mounted at the root answers there.
    if (own && !(hasRoot && route.pattern === '')) table.add({ surface: own, mount: '/', route });
  const rootOf = rememberingLast((host: string) => hosts.get(host.toLowerCase().replace(/:\d+$/, '')));
  const byLength = mounted.toSorted((a, b) => b.mount.length - a.mount.length);
  const spellers = byLength.flatMap(({ surface, mount }) =>
    surface.canonicalPath ? [{ prefix: prefixOf(mount), canonicalPath: surface.canonicalPath }] : [],
  );
  return {
    table,
    surfaceOf: (path) => byLength.find(({ mount }) => isBelow(path, mount))?.surface,
    pathFor(host, path) {
      const root = host === undefined ? undefined : rootOf(host);
      const meant = root === undefined || hasRoute(table, path) ? path : root + path;
      for (const { prefix, canonicalPath } of spellers)
        if (meant.startsWith(`${prefix}/`)) return prefix + canonicalPath(meant.slice(prefix.length));
      return meant;
    },
  };
}

function prefixOf(mount: string): string {
  return mount === '/' ? '' : mount;
}

export function isBelow(path: string, mount: string): boolean {
  return mount === '/' || path === mount || path.startsWith(`${mount}/`);
}

/** One table for each mount. Where mounts lie in one another, the longest that has an answer gives it. */
class MountTables {
  readonly #tables: { readonly mount: string; readonly table: RouteTable<MountedRoute> }[] = [];

  add(mounted: MountedRoute): void {
    const { mount } = mounted;
    let known = this.#tables.find((one) => one.mount === mount);
    if (!known) {
      known = { mount, table: new RouteTable() };
      this.#tables.push(known);
      this.#tables.sort((a, b) => b.mount.length - a.mount.length);
    }
    addRoute(known.table, mounted);
  }

  /** @throws RegistryError `bad-request` when a segment is not valid percent-encoding. */
  match(method: string, path: string): RouteMatch<MountedRoute> {
    let refused: RouteMatch<MountedRoute> = { found: 'nothing' };
    for (const { mount, table } of this.#tables) {
      if (!isBelow(path, mount)) continue;
      const match = table.match(method, path);
      if (match.found === 'route') return match;
      if (refused.found === 'nothing') refused = match;
    }
    return refused;
  }
}

/** Nearly all requests name the same host. */
function rememberingLast<T>(compute: (key: string) => T): (key: string) => T {
  let last: { key: string; value: T } | undefined;
  return (key) => (last?.key === key ? last : (last = { key, value: compute(key) })).value;
}

function hasRoute(table: Routing['table'], path: string): boolean {
  try {
    return table.match('GET', path).found !== 'nothing';
  } catch {
    return true; // not a path at all: it is refused as it came
  }
}

function addRoute(table: RouteTable<MountedRoute>, mounted: MountedRoute): void {
  const { route, mount } = mounted;
  const prefix = prefixOf(mount);
  const method = route.from === 'api' ? route.method : 'GET';
  // A mount is reachable with and without its final slash; everything below it has one spelling.
  const paths =
    route.pattern === '' ? (prefix === '' ? ['/'] : [prefix, `${prefix}/`]) : [`${prefix}/${route.pattern}`];
  try {
    for (const path of paths) table.add(method, path, mounted);
  } catch (error) {
    throw new RegistryError('conflict', `two surfaces cannot share a mount: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
