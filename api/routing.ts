/** The route table of a running registry: every route of every surface that is on, below its mount. */
import type { Settings } from '../schema/types.ts';
import { RegistryError } from '../core/errors.ts';
import { RouteTable, type Route } from '../core/route.ts';
import type { Surface } from '../ecosystems/ecosystem.ts';
import { requireFree } from './own-surface.ts';

export interface MountedRoute {
  readonly surface: Surface;
  readonly mount: string;
  readonly route: Route;
}

export interface Routing {
  readonly table: RouteTable<MountedRoute>;
  /** The surface that owns a path which no route matches: the one with the longest mount before it. */
  surfaceOf(path: string): Surface | undefined;
  /** The path a request means: some have several spellings, and some surfaces answer at the root of a host of their own. */
  pathFor(host: string | undefined, path: string): string;
}

/** @throws RegistryError `conflict` when two surfaces claim one path, or one of them the server's own. */
export function buildRouting(surfaces: readonly Surface[], settings: Settings, own?: Surface): Routing {
  const table = new RouteTable<MountedRoute>();
  const hosts = new Map<string, string>();
  const mounted = surfaces.flatMap((surface) => {
    const mount = settings.mounts[surface.id];
    return mount === undefined ? [] : [{ surface, mount }];
  });
  for (const { surface, mount } of mounted) {
    requireFree(mount);
    const prefix = mount === '/' ? '' : mount;
    for (const route of surface.routes) addRoute(table, prefix, { surface, mount, route });
    for (const [host, path] of Object.entries(surface.hosts ?? {})) hosts.set(host, `${prefix}/${path}`);
  }
  const hasRoot = table.match('GET', '/').found !== 'nothing';
  for (const route of own?.routes ?? [])
    // Whoever is mounted at the root answers there.
    if (own && !(hasRoot && route.pattern === '')) addRoute(table, '', { surface: own, mount: '/', route });
  const rootOf = rememberingLast((host: string) => hosts.get(host.toLowerCase().replace(/:\d+$/, '')));
  const spellers = mounted.flatMap(({ surface, mount }) =>
    surface.canonicalPath
      ? [{ prefix: mount === '/' ? '' : mount, canonicalPath: surface.canonicalPath }]
      : [],
  );
  const byLength = mounted.toSorted((a, b) => b.mount.length - a.mount.length);
  return {
    table,
    surfaceOf: (path) =>
      byLength.find(({ mount }) => mount === '/' || path === mount || path.startsWith(`${mount}/`))?.surface,
    pathFor(host, path) {
      const root = host === undefined ? undefined : rootOf(host);
      const meant = root === undefined || hasRoute(table, path) ? path : root + path;
      for (const { prefix, canonicalPath } of spellers)
        if (meant.startsWith(`${prefix}/`)) return prefix + canonicalPath(meant.slice(prefix.length));
      return meant;
    },
  };
}

/** Nearly all requests name the same host. */
function rememberingLast<T>(compute: (key: string) => T): (key: string) => T {
  let last: { key: string; value: T } | undefined;
  return (key) => (last?.key === key ? last : (last = { key, value: compute(key) })).value;
}

function hasRoute(table: RouteTable<MountedRoute>, path: string): boolean {
  try {
    return table.match('GET', path).found !== 'nothing';
  } catch {
    return true; // not a path at all: it is refused as it came
  }
}

function addRoute(table: RouteTable<MountedRoute>, prefix: string, mounted: MountedRoute): void {
  const { route } = mounted;
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
