/** `npm/resolve`: a tree of dependencies in one answer (contract, section 9). Clients do without it where it fails. */
import semver from 'semver';
import { RegistryError } from '../../core/errors.ts';
import type { Package } from '../../core/package.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { distTags, readMeta } from '../../ecosystems/npm/files.ts';
import { isObject, objectIn, type Manifest } from '../../ecosystems/npm/manifest.ts';
import { isAskableName } from '../../ecosystems/npm/names.ts';
import { knownPackage } from '../../ecosystems/npm/reads.ts';
import { answer } from '../../ecosystems/pantry-answers.ts';
import { siteOf } from '../../ecosystems/ecosystem.ts';
import { foreignPackument } from './fallback.ts';
import { listedOf } from './files.ts';
import { tarballUrl } from './paths.ts';
import { readerOf } from './reads.ts';

const MAX_REQUEST_BYTES = 1024 * 1024;
/** Names in one answer; what is left out the client asks for itself. */
const MAX_PACKAGES = 1_000;
/** Documents of one request that are asked for at once; installs need the others. */
const AT_ONCE = 4;
/** What is not found by then the client asks for itself, which it would do anyway after a while. */
const PATIENCE_MS = 20_000;
/** Requests under way: each may ask another registry a thousand times. */
const MAX_RUNNING = 4;

const meter = { running: 0 };

/** `POST npm/resolve` */
export async function postResolve(call: Call, view: StateView): Promise<HttpAnswer> {
  const body = await call.readJson({ maxBytes: MAX_REQUEST_BYTES });
  return resolve(call, view, isObject(body) ? objectIn(body, 'dependencies') : {});
}

/** `GET npm/resolve/react@^18,@scope/x@^1` */
export async function getResolve(call: Call, view: StateView): Promise<HttpAnswer> {
  const specs = (call.params['list'] ?? '').split(',').filter((spec) => spec !== '');
  const wanted = specs.map((spec): [string, string] => {
    const at = spec.lastIndexOf('@');
    return at <= 0 ? [spec, 'latest'] : [spec.slice(0, at), spec.slice(at + 1) || 'latest'];
  });
  return resolve(call, view, Object.fromEntries(wanted));
}

interface Resolved {
  readonly version: string;
  readonly tarball: string;
  readonly integrity?: string;
  readonly dependencies: Readonly<Record<string, unknown>>;
}

async function resolve(
  call: Call,
  view: StateView,
  wanted: Readonly<Record<string, unknown>>,
): Promise<HttpAnswer> {
  if (Object.keys(wanted).length === 0)
    throw new RegistryError('bad-request', 'Missing or empty "dependencies" object in request body');
  if (meter.running >= MAX_RUNNING)
    throw new RegistryError(
      'upstream-slow',
      'too many requests of this kind are under way; resolve the names one by one',
    );
  meter.running += 1;
  try {
    return answer(
      200,
      { resolved: Object.fromEntries(await walk(call, view, wanted)) },
      { 'x-cache': 'MISS' },
    );
  } finally {
    meter.running -= 1;
  }
}

/** Breadth first, one version for each name: the first that is asked for. */
async function walk(
  call: Call,
  view: StateView,
  wanted: Readonly<Record<string, unknown>>,
): Promise<ReadonlyMap<string, Resolved>> {
  const resolved = new Map<string, Resolved>();
  const seen = new Set<string>();
  const untilMs = Date.parse(call.now()) + PATIENCE_MS;
  let level = specsIn(wanted);
  while (level.length > 0 && seen.size < MAX_PACKAGES) {
    const fresh = level.filter(({ name }) => !seen.has(name) && seen.add(name)).slice(0, MAX_PACKAGES);
    const next: Spec[] = [];
    for (let at = 0; at < fresh.length && Date.parse(call.now()) < untilMs; at += AT_ONCE) {
      const some = fresh.slice(at, at + AT_ONCE);
      const found = await Promise.all(some.map((spec) => find(call, view, spec)));
      for (const [i, one] of found.entries()) {
        const spec = some[i];
        if (!one || !spec) continue;
        resolved.set(spec.name, one.resolved);
        next.push(...one.needs);
      }
    }
    level = next;
  }
  return resolved;
}

interface Spec {
  readonly name: string;
  readonly range: string;
}

/** Of names that a registry can answer for; addresses, repositories and folders are passed over. */
function specsIn(dependencies: Readonly<Record<string, unknown>>): Spec[] {
  return Object.entries(dependencies).flatMap(([key, value]): Spec[] => {
    const text = typeof value === 'string' ? value.trim() : '';
    const alias = /^npm:((?:@[^/@]+\/)?[^/@]+)(?:@(.*))?$/.exec(text);
    const [name, range] = alias ? [alias[1] ?? '', alias[2] ?? ''] : [key, text];
    return isAskableName(name) && !/[:/]/.test(range) ? [{ name, range: range || '*' }] : [];
  });
}

interface Found {
  readonly resolved: Resolved;
  readonly needs: readonly Spec[];
}

/** Undefined for what cannot be found, whatever the reason: the client asks again by itself. */
async function find(call: Call, view: StateView, { name, range }: Spec): Promise<Found | undefined> {
  try {
    const own = knownPackage(view, name, readerOf(call));
    return own ? await findOwn(call, view, own, range) : await findForeign(call, view, name, range);
  } catch (error) {
    if (error instanceof RegistryError && error.code.startsWith('upstream-')) return undefined;
    throw error;
  }
}

async function findOwn(call: Call, view: StateView, of: Package, range: string): Promise<Found | undefined> {
  const versions = listedOf(of).map(({ version }) => version);
  const version = pick(versions, distTags(of), range);
  const release = (await call.hydrate(of)).releases.get(version ?? '');
  if (!release) return undefined;
  const { manifest, integrity } = readMeta(release);
  const tarball = tarballUrl(siteOf(call, view).baseUrl, of.name, release.version);
  return foundIn(manifest, { version: release.version, tarball, integrity });
}

async function findForeign(
  call: Call,
  view: StateView,
  name: string,
  range: string,
): Promise<Found | undefined> {
  const document = await foreignPackument(call, view, name);
  if (!document) return undefined;
  const versions = objectIn(document, 'versions');
  const version = pick(Object.keys(versions), objectIn(document, 'dist-tags'), range);
  const manifest = version === undefined ? undefined : versions[version];
  if (version === undefined || !isObject(manifest)) return undefined;
  const { tarball, integrity } = objectIn(manifest, 'dist');
  if (typeof tarball !== 'string') return undefined;
  return foundIn(manifest, { version, tarball, ...(typeof integrity === 'string' ? { integrity } : {}) });
}

/** As npm picks: what a tag says, `latest` where it fits, else the highest that does. */
function pick(
  versions: readonly string[],
  tags: Readonly<Record<string, unknown>>,
  range: string,
): string | undefined {
  const tagged = Object.hasOwn(tags, range) ? tags[range] : undefined;
  if (typeof tagged === 'string') return tagged;
  const { latest } = tags;
  if (typeof latest === 'string' && semver.satisfies(latest, range, { loose: true })) return latest;
  return semver.maxSatisfying(versions, range, { loose: true }) ?? undefined;
}

function foundIn(manifest: Manifest, resolved: Omit<Resolved, 'dependencies'>): Found {
  const dependencies = objectIn(manifest, 'dependencies');
  const peersMeta = objectIn(manifest, 'peerDependenciesMeta');
  const peers = Object.entries(objectIn(manifest, 'peerDependencies')).filter(([name]) => {
    const meta = peersMeta[name];
    return !(isObject(meta) && meta['optional'] === true);
  });
  return {
    resolved: { ...resolved, dependencies },
    needs: [...specsIn(dependencies), ...specsIn(Object.fromEntries(peers))],
  };
}
