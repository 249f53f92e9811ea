/** What the API answers where the site has no file: packages that are not for everybody, and 404. */
import { visiblePackage } from '../../core/access.ts';
import { asDigest } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Package } from '../../core/package.ts';
import type { Actor } from '../../core/permission.ts';
import type { Call, HttpAnswer } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { siteOf } from '../ecosystem.ts';
import { answer } from './answers.ts';
import { foreignArchive, foreignDistTags, foreignPackument, foreignVersion } from './fallback.ts';
import { archiveOf, collaborators, distTags, isListed, packument, versionBytes } from './files.ts';
import { fromStore } from './sent-elsewhere.ts';
import { rules, scopeOf } from './names.ts';
import { tarballName } from './paths.ts';

/** `{name}` */
export async function readMissing(call: Call, view: StateView): Promise<HttpAnswer> {
  const of = await privatePackage(call, view);
  if (of) return json(packument(of, siteOf(call, view)).toString());
  return (await foreignPackument(call, view)) ?? nothing();
}

/** `-/package/{name}/dist-tags` */
export async function readMissingDistTags(call: Call, view: StateView): Promise<HttpAnswer> {
  const of = await privatePackage(call, view);
  if (of) return answer(200, distTags(of));
  return (await foreignDistTags(call, view)) ?? nothing();
}

/** `-/package/{name}/visibility` */
export async function readMissingVisibility(call: Call, view: StateView): Promise<HttpAnswer> {
  return (await privatePackage(call, view)) ? answer(200, { public: false }) : nothing();
}

/** `-/package/{name}/collaborators` */
export async function readMissingCollaborators(call: Call, view: StateView): Promise<HttpAnswer> {
  const of = await privatePackage(call, view);
  return of ? answer(200, collaborators(of)) : nothing();
}

/** `{name}/{version or tag}` */
export async function readMissingVersion(call: Call, view: StateView): Promise<HttpAnswer> {
  const of = await privatePackage(call, view);
  const { version = '' } = call.params;
  const wanted = of?.refs.get(version)?.target ?? version;
  const release = of?.releases.get(rules.versionKey(wanted));
  if (of && release && isListed(release))
    return json(versionBytes(release, of, siteOf(call, view)).toString());
  const foreign = of ? undefined : await foreignVersion(call, view);
  if (foreign) return foreign;
  throw new RegistryError('version-not-found', `version not found: ${version}`);
}

/** `{name}/-/{file}` */
export async function readMissingArchive(call: Call, view: StateView): Promise<HttpAnswer> {
  const of = await privatePackage(call, view);
  const { file } = call.params;
  const foreign = of ? undefined : await foreignArchive(call, view);
  if (foreign) return foreign;
  for (const release of of?.releases.values() ?? []) {
    const archive = archiveOf(release);
    if (archive && of && tarballName(of.name, release.version) === file)
      return {
        status: 200,
        headers: { 'content-type': 'application/octet-stream', 'cache-control': 'private, no-transform' },
        body: fromStore(call, { blob: asDigest(archive.digest), size: archive.size }),
      };
  }
  return nothing();
}

/** A private package that the caller may read. Whoever may not is answered as if there were none. */
async function privatePackage(call: Call, view: StateView): Promise<Package | undefined> {
  const { name = '' } = call.params;
  // The token is looked at first: without a good one nothing is looked up, and nothing can be told from the time it took.
  const actor = call.authenticate();
  if (!actor) return undefined;
  const of = knownPackage(view, name, actor);
  return of?.visibility === 'private' ? call.hydrate(of) : undefined;
}

/**
 * The package of exactly this name, as far as the actor may know of it: owners and members of a private package and of its
 * scope, with a token that is good for reading here. For all others it is looked up no further than one that does not exist.
 */
export function knownPackage(view: StateView, name: string, actor: Actor | undefined): Package | undefined {
  const of = packageFor(view, name, actor);
  return of && of.releases.size > 0 ? of : undefined;
}

/** The same, also while it has no versions: reserved, or of commits alone. */
export function packageFor(view: StateView, name: string, actor: Actor | undefined): Package | undefined {
  return visiblePackage(view, { ecosystem: 'npm', name, namespace: scopeOf(name) }, actor);
}

function json(body: string): HttpAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json', 'cache-control': 'private, no-store' },
    body,
  };
}

function nothing(): never {
  throw new RegistryError('package-not-found', 'Not found');
}
