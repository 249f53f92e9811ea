/** `POST publish`: a version of an npm package, as a form or as JSON (contract, section 4). */
import semver from 'semver';
import { RegistryError } from '../../core/errors.ts';
import type { Package } from '../../core/package.ts';
import type { StagedBlob } from '../../core/ports.ts';
import type { Call, Intent } from '../../core/route.ts';
import type { StateView } from '../../core/state.ts';
import { cutJson, type Cuts } from '../../ecosystems/cut-json.ts';
import { distTags } from '../../ecosystems/npm/files.ts';
import { isObject, manifestOf, type Manifest } from '../../ecosystems/npm/manifest.ts';
import { rules } from '../../ecosystems/npm/names.ts';
import { knownPackage } from '../../ecosystems/npm/reads.ts';
import { prepareRelease } from '../../ecosystems/npm/release.ts';
import { readTarball, type TarballContent } from '../../ecosystems/npm/tarball.ts';
import { done, refuseExisting, requireWriter } from '../../ecosystems/pantry-answers.ts';
import { quote } from '../../ecosystems/quote.ts';
import { checkName, checkPantryVersion } from './names.ts';
import { listedOf } from './files.ts';

export const MAX_TARBALL_BYTES = 50 * 1024 * 1024;
export const MAX_METADATA_BYTES = 4 * 1024 * 1024;
/** With the archive in base64, which may still be too long by as much. */
const MAX_BODY_BYTES = MAX_METADATA_BYTES + 2 * MAX_TARBALL_BYTES;
/** Stands for `package.json` where a package has none. */
export const PANTRY_MANIFEST = 'pantry.json';

const MAX_DESCRIPTION_LENGTH = 2000;
const MAX_KEYWORDS = 50;
const MAX_KEYWORD_LENGTH = 50;
const MAX_HOMEPAGE_LENGTH = 512;

export async function publish(call: Call, view: StateView): Promise<Intent> {
  const actor = requireWriter(call);
  const { metadata, tarball } = await readUpload(call);
  const name = checkName(metadata['name']);
  const version = checkPantryVersion(metadata['version']);
  checkTexts(metadata);
  if (tarball === tooLarge) throw tooLarge();
  refuseExisting(knownPackage(view, name, actor)?.releases.get(rules.versionKey(version)));
  if (typeof tarball === 'function') throw tarball();
  const content = await readTarball(tarball, PANTRY_MANIFEST);
  requireNamed(content, name, version);
  const manifest = manifestOf({ ...content, manifest: described(content.manifest, metadata) }, metadata);
  const release = await prepareRelease(call, { name, manifest, content, tarball });
  return {
    actor,
    blobs: release.blobs,
    plan(current) {
      const existing = knownPackage(current, name, actor);
      refuseExisting(existing?.releases.get(rules.versionKey(version)));
      return release.commands(current, { access: undefined, tags: tagsFor(existing, version) });
    },
    answer: (_events, visibility) => done(201, { message: `Published ${name}@${version}` }, visibility),
  };
}

interface Upload {
  readonly metadata: Manifest;
  /** Or what is wrong with it, which is said in its turn. */
  readonly tarball: Archive;
}

type Archive = StagedBlob | typeof tooLarge | typeof notBase64;

async function readUpload(call: Call): Promise<Upload> {
  const type = call.header('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type === 'multipart/form-data') return readFormUpload(call);
  if (type === 'application/json') return readJsonUpload(call);
  throw new RegistryError('unsupported-media-type', 'Unsupported content type');
}

async function readFormUpload(call: Call): Promise<Upload> {
  const { texts, files } = await call.readForm({
    maxFileBytes: MAX_TARBALL_BYTES,
    maxFiles: 8,
    maxTextBytes: MAX_METADATA_BYTES,
    tooLarge: () => tooLarge(),
  });
  const metadata = texts.get('metadata');
  if (metadata === undefined) throw missing('Missing metadata');
  const tarball = files.get('tarball');
  if (!tarball) throw missing('Missing tarball');
  return { metadata: parseMetadata(metadata), tarball: tarball.blob };
}

async function readJsonUpload(call: Call): Promise<Upload> {
  let tarball: Archive | undefined;
  const body = await readJsonBody(call, MAX_BODY_BYTES, {
    isArchive: (path) => path.length === 1 && path[0] === 'tarball',
    async take(bytes) {
      tarball = await takeArchive(call, bytes);
    },
  });
  const metadata = isObject(body) ? body['metadata'] : undefined;
  const isEmpty = typeof tarball === 'object' && tarball.size === 0;
  if (!isObject(metadata) || !tarball || isEmpty) throw missing('Missing metadata or tarball');
  return { metadata, tarball };
}

export function parseMetadata(text: string): Manifest {
  try {
    const metadata: unknown = JSON.parse(text);
    if (isObject(metadata)) return metadata;
  } catch {
    // Said below, as of what is no object.
  }
  throw missing('Invalid metadata JSON');
}

/** @param of which package; of the only one unless told. */
export function tooLarge(of?: string): RegistryError {
  return new RegistryError(
    'too-large',
    `Tarball${of === undefined ? '' : ` for ${of}`} exceeds maximum size of 50MB`,
  );
}

function notBase64(of?: string): RegistryError {
  return new RegistryError(
    'malformed-body',
    `Invalid base64 tarball data${of === undefined ? '' : ` for ${of}`}`,
  );
}

/**
 * One archive of a JSON body into a blob. What is wrong with it is said once the rest of the body is there, which may name it.
 */
export async function takeArchive(call: Call, bytes: AsyncIterable<Uint8Array>): Promise<Archive> {
  try {
    return await call.stage(bytes, { maxBytes: MAX_TARBALL_BYTES });
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'too-large') return tooLarge;
    if (error instanceof RegistryError && error.code === 'malformed-body') return notBase64;
    throw error;
  }
}

/** @throws RegistryError `malformed-body` in the protocol's own words. */
export async function readJsonBody(
  call: Call,
  maxBytes: number,
  cuts: Pick<Cuts, 'isArchive' | 'take'>,
): Promise<unknown> {
  try {
    return await cutJson(call.body({ maxBytes }), { maxRestBytes: MAX_METADATA_BYTES, ...cuts });
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== 'malformed-body') throw error;
    throw new RegistryError('malformed-body', 'Invalid JSON body', { cause: error });
  }
}

function missing(message: string): RegistryError {
  return new RegistryError('malformed-body', message);
}

function checkTexts({ description, keywords, homepage }: Manifest): void {
  const tooLong = (value: unknown, most: number): boolean => typeof value === 'string' && value.length > most;
  if (tooLong(description, MAX_DESCRIPTION_LENGTH))
    throw badMetadata(`description exceeds ${MAX_DESCRIPTION_LENGTH} characters`);
  if (tooLong(homepage, MAX_HOMEPAGE_LENGTH))
    throw badMetadata(`homepage exceeds ${MAX_HOMEPAGE_LENGTH} characters`);
  if (keywords === undefined || keywords === null) return;
  if (!Array.isArray(keywords)) throw badMetadata('keywords must be an array');
  if (keywords.length > MAX_KEYWORDS) throw badMetadata(`keywords has more than ${MAX_KEYWORDS} items`);
  for (const keyword of keywords)
    if (typeof keyword !== 'string' || tooLong(keyword, MAX_KEYWORD_LENGTH))
      throw badMetadata(`each keyword must be a string of at most ${MAX_KEYWORD_LENGTH} characters`);
}

function badMetadata(message: string): RegistryError {
  return new RegistryError('invalid-manifest', message);
}

/** @throws RegistryError `invalid-manifest`: what is installed under a name has to say that it is it. */
export function requireNamed({ manifest }: TarballContent, name: string, version?: string): void {
  const says = `${String(manifest['name'])}@${String(manifest['version'])}`;
  const isVersion = version === undefined || semver.parse(String(manifest['version']))?.version === version;
  if (manifest['name'] === name && isVersion) return;
  const sent = version === undefined ? name : `${name}@${version}`;
  throw badMetadata(
    `the metadata is of ${quote(sent)}, the tarball of ${quote(says)}: publish what was packed`,
  );
}

const shown = ['description', 'repository', 'homepage', 'license', 'author', 'keywords'];

/**
 * The tarball's own manifest; what is only shown may come from beside it where it says nothing. Nothing else is looked at: what the
 * command line sends may be a `pantry.json`, whose dependencies are other programs.
 */
function described(own: Manifest, metadata: Manifest): Manifest {
  const added = shown.filter((field) => own[field] === undefined && Object.hasOwn(metadata, field));
  return { ...own, ...Object.fromEntries(added.map((field) => [field, metadata[field]])) };
}

/** Pantry knows no tags; for npm's clients the highest version without a suffix is the latest, as long as nobody says otherwise. */
function tagsFor(existing: Package | undefined, version: string): readonly string[] {
  if (!existing || listedOf(existing).length === 0) return ['latest'];
  const latest = distTags(existing)['latest'];
  const isHigher = latest === undefined || semver.gt(version, latest);
  return isHigher && semver.prerelease(version) === null ? ['latest'] : [];
}
