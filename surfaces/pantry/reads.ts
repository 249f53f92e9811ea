/** What the API answers where the site has no file: short hashes, packages of another registry, private ones, 404. */
import type { Digest } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Package, Ref } from '../../core/package.ts';
import type { BlobBody, Call, HttpAnswer } from '../../core/route.ts';
import type { Actor } from '../../core/permission.ts';
import type { StateView } from '../../core/state.ts';
import { siteOf } from '../../ecosystems/ecosystem.ts';
import { rules } from '../../ecosystems/npm/names.ts';
import { isListed } from '../../ecosystems/npm/files.ts';
import { fromStore } from '../../ecosystems/npm/sent-elsewhere.ts';
import { knownPackage, packageFor } from '../../ecosystems/npm/reads.ts';
import { answer, attachment } from '../../ecosystems/pantry-answers.ts';
import { isCountableName, isCountableVersion } from '../../core/count.ts';
import { foreignMetadata, foreignTarball, foreignVersions } from './fallback.ts';
import { blobOf, commitBlobOf, commitRecord, listedOf, metadataOf } from './files.ts';
import {
  COMMIT_VERSION_LENGTH,
  commitRef,
  isAskableSha,
  isAskableVersion,
  safeName,
  shaOfRef,
} from './names.ts';
import { commitFile, shortParts } from './paths.ts';

/** `packages/{name}` */
export async function readMissingPackage(call: Call, view: StateView): Promise<HttpAnswer> {
  const name = nameOf(call);
  const of = await privatePackage(call, view, name);
  const latest = of && listedOf(of)[0];
  if (of && latest) return answer(200, metadataOf(latest, of, siteOf(call, view).baseUrl));
  const foreign = of ? undefined : await foreignMetadata(call, view, name);
  if (foreign) return answer(200, foreign);
  throw notFound('Package not found');
}

/** `packages/{name}/{version}` */
export async function readMissingVersion(call: Call, view: StateView): Promise<HttpAnswer> {
  const name = nameOf(call);
  const { version = '' } = call.params;
  if (!isAskableVersion(version)) throw noVersion();
  const of = await privatePackage(call, view, name);
  const release = of?.releases.get(rules.versionKey(version));
  if (of && release && isListed(release))
    return answer(200, metadataOf(release, of, siteOf(call, view).baseUrl));
  const foreign = of ? undefined : await foreignMetadata(call, view, name, version);
  if (foreign) return answer(200, foreign);
  // Counts are for everybody. Of what few may know of, nobody gets to hear that it was asked for.
  if (!of && isCountableName(name) && isCountableVersion(version)) call.counters.countMissing(name, version);
  throw noVersion();
}

function noVersion(): RegistryError {
  return new RegistryError('version-not-found', 'Package version not found');
}

/** `packages/{name}/versions`: never 404. */
export async function readMissingVersions(call: Call, view: StateView): Promise<HttpAnswer> {
  const name = nameOf(call);
  const of = await privatePackage(call, view, name);
  const versions = of ? listedOf(of).map(({ version }) => version) : await foreignVersions(call, view, name);
  return answer(200, { versions });
}

/** `packages/{name}/{version}/tarball` */
export async function readMissingTarball(call: Call, view: StateView): Promise<HttpAnswer> {
  const name = nameOf(call);
  const version = versionOf(call);
  const of = await privatePackage(call, view, name);
  const release = of?.releases.get(rules.versionKey(version));
  const blob = release && blobOf(release);
  // Not counted: it is private, and counts are for everybody.
  if (blob) return tarballAnswer(fromStore(call, blob), `${safeName(name)}-${version}.tgz`);
  const foreign = of ? undefined : await foreignTarball(call, view, name, version);
  if (foreign) return foreign;
  throw notFound('Package not found');
}

/** `commits/{sha}/{name}`, for the beginning of a hash. */
export async function readMissingCommitPackage(call: Call, view: StateView): Promise<HttpAnswer> {
  const name = nameOf(call);
  const found = findCommit(anyPackage(call, view, name), call.params['sha'] ?? '');
  if (found) return answer(200, commitRecord(found.sha, found.ref, name, siteOf(call, view).baseUrl));
  throw notFound('Commit package not found');
}

/** `commits/{sha}/{name}/tarball`, the same. */
export async function readMissingCommitTarball(call: Call, view: StateView): Promise<HttpAnswer> {
  const name = nameOf(call);
  return commitTarball(call, anyPackage(call, view, name), call.params['sha'] ?? '');
}

/** `{name}@{sha}`; a name may be the last part of the one that was published. */
export async function readMissingShort(call: Call, view: StateView): Promise<HttpAnswer> {
  const { spec = '' } = call.params;
  const [name, sha] = shortParts(spec);
  if (sha === '') throw new RegistryError('no-route', `nothing is at ${call.head.path}`);
  refuseOddName(name);
  const of = anyPackage(call, view, name);
  return commitTarball(call, findCommit(of, sha) ? of : aliased(view, name, sha), sha);
}

function commitTarball(call: Call, of: Package | undefined, asked: string): HttpAnswer {
  const found = findCommit(of, asked);
  const blob = found && commitBlobOf(found.ref);
  if (!of || !blob) throw notFound('Commit package not found');
  const version = found.sha.slice(0, COMMIT_VERSION_LENGTH);
  if (of.visibility === 'public' && call.head.method === 'GET')
    call.counters.count({ category: 'download', name: of.name, version, ours: 'version' });
  const body = of.visibility === 'private' ? fromStore(call, blob) : blob;
  return tarballAnswer(body, commitFile(of.name, found.sha));
}

interface FoundCommit {
  readonly sha: string;
  readonly ref: Ref;
}

/** By its hash, or by the beginning of one: then the last that was published. */
function findCommit(of: Package | undefined, asked: string): FoundCommit | undefined {
  if (!of || !isAskableSha(asked)) return undefined;
  let found: FoundCommit | undefined;
  for (const [refName, ref] of of.refs) {
    const sha = shaOfRef(refName);
    if (sha === asked) return { sha, ref };
    if (sha?.startsWith(asked) && (!found || found.ref.setAt <= ref.setAt)) found = { sha, ref };
  }
  return found;
}

/** The one package of that commit whose name ends so: `craft` is `@craft-native/craft`. */
function aliased(view: StateView, alias: string, asked: string): Package | undefined {
  if (!isAskableSha(asked) || alias.includes('/')) return undefined;
  return view
    .keysFrom('npm', commitRef(asked))
    .flatMap((key) => view.packagesBy('npm', key))
    .filter((of) => of.visibility === 'public' && `-${safeName(of.name)}`.endsWith(`-${alias}`))
    .filter((of) => findCommit(of, asked))
    .sort((a, b) => (a.name < b.name ? -1 : 1))[0];
}

/** An archive that is stored here. */
export interface OwnArchive {
  readonly name: string;
  /** As it is counted. */
  readonly version: string;
  /** Counts are for everybody: what is private has none. */
  readonly isPublic: boolean;
  readonly blob: { readonly digest: Digest; readonly size: number };
}

/** What one of our own addresses stands for, below the mount; undefined for all that the caller may not have. */
export function ownArchive(call: Call, view: StateView, path: string): OwnArchive | undefined {
  const parts = /^(packages|commits)\/([^?#]+)\/tarball$/.exec(path);
  const segments = decoded(parts?.[2] ?? '').split('/');
  if (!parts || segments.length < 2) return undefined;
  const isCommit = parts[1] === 'commits';
  const key = (isCommit ? segments.shift() : segments.pop()) ?? '';
  const name = segments.join('/');
  const of = anyPackage(call, view, name);
  const commit = isCommit ? findCommit(of, key) : undefined;
  const release = isCommit ? undefined : of?.releases.get(rules.versionKey(key));
  const body = commit ? commitBlobOf(commit.ref) : release && blobOf(release);
  if (!of || !body) return undefined;
  const version = commit ? commit.sha.slice(0, COMMIT_VERSION_LENGTH) : key;
  const isPublic = of.visibility === 'public';
  return { name, version, isPublic, blob: { digest: body.blob, size: body.size } };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return ''; // no address of ours
  }
}

function tarballAnswer(blob: BlobBody, filename: string): HttpAnswer {
  return {
    status: 200,
    headers: {
      'content-type': 'application/gzip',
      'cache-control': 'private, no-transform',
      ...attachment(filename),
    },
    body: blob,
  };
}

/** A private package that the caller may read. Whoever may not is answered as if there were none. */
async function privatePackage(call: Call, view: StateView, name: string): Promise<Package | undefined> {
  // The token is looked at first: without a good one nothing is looked up, and nothing can be told from the time it took.
  const actor = readerOf(call);
  if (!actor) return undefined;
  const of = knownPackage(view, name, actor);
  return of?.visibility === 'private' ? call.hydrate(of) : undefined;
}

/** Reads are for everybody (section 2): a token that means nothing here is no reason to refuse one. */
export function readerOf(call: Call): Actor | undefined {
  try {
    return call.authenticate();
  } catch (error) {
    if (error instanceof RegistryError && /^token-/.test(error.code)) return undefined;
    throw error;
  }
}

/** A public package, or a private one that the caller may read. It may have commits and no versions. */
function anyPackage(call: Call, view: StateView, name: string): Package | undefined {
  if (view.privateReaders('npm', name)) {
    const actor = readerOf(call);
    return actor && packageFor(view, name, actor);
  }
  const found = view.package('npm', name);
  return found?.name === name && found.visibility === 'public' ? found : undefined;
}

function nameOf({ params }: Call): string {
  const { name = '' } = params;
  refuseOddName(name);
  return name;
}

/** @throws RegistryError `invalid-name` for what must not reach a path (section 1). */
function refuseOddName(name: string): void {
  if (name.includes('..') || /[\u0000-\u001f\u007f]/.test(name))
    throw new RegistryError('invalid-name', 'Invalid package name');
}

function versionOf({ params }: Call): string {
  const { version = '' } = params;
  if (!isAskableVersion(version)) throw new RegistryError('invalid-version', 'Invalid version');
  return version;
}

function notFound(message: string): RegistryError {
  return new RegistryError('package-not-found', message);
}
