/** Manifests: their bytes as they were pushed, by digest and by tag (contract, sections 3, 5 and 8). */
import { asDigest, digestOf, splitDigest } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Package, Release } from '../../core/package.ts';
import type { Actor } from '../../core/permission.ts';
import type { StagedBlob } from '../../core/ports.ts';
import type { Call, HttpAnswer, Intent } from '../../core/route.ts';
import type { RouteParams } from '../../core/site.ts';
import type { StateView } from '../../core/state.ts';
import { DIGEST_HEADER, isDigestLike } from '../oci-files.ts';
import {
  ANYBODY,
  grantedFor,
  mayDo,
  identify,
  requireAccess,
  requireRepository,
  type Wanted,
} from './access.ts';
import { bytesOf, empty, locationOf } from './answers.ts';
import { blobSizeIn } from './blobs.ts';
import { loadContents, noteContents } from './contents.ts';
import {
  manifestArtifact,
  metaOf,
  parseManifest,
  suffixOfManifest,
  type OciMeta,
  type ParsedManifest,
} from './manifest.ts';
import { checkDigest, isTag, quoted } from './names.ts';

/** That of the reference registry; clients read no longer ones. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** With one manifest, in one request. */
const MAX_TAGS = 32;

/** `{name}/manifests/{reference}`, of private repositories */
export async function readMissingManifest(call: Call, view: StateView): Promise<HttpAnswer> {
  const { name = '', reference = '' } = call.params;
  await requireAccess(call, view, { name, action: 'pull' });
  const of = requireRepository(view, name);
  const release = releaseAt(of, reference);
  if (!release) throw unknownManifest(name, reference);
  const { digest, size, mediaType } = manifestArtifact(release);
  const headers = {
    'content-type': mediaType,
    [DIGEST_HEADER]: release.version,
    etag: `"${release.version}"`,
  };
  if (call.header('if-none-match') === headers.etag) return empty(304, headers);
  return bytesOf({ blob: asDigest(digest), size }, headers);
}

/** `PUT {name}/manifests/{reference}` */
export async function putManifest(call: Call, view: StateView): Promise<Intent> {
  const { name = '', reference = '' } = call.params;
  const actor = (await requireAccess(call, view, { name, action: 'push' })) ?? ANYBODY;
  const wanted = isDigestLike(reference) ? checkDigest(reference) : undefined;
  const tags = wanted ? tagsToSet(call) : [checkTag(reference)];
  const blob = await stageManifest(call);
  const bytes = await readAll(blob.open());
  const { mediaType, meta, childSizes } = parseManifest(bytes, call.header('content-type'));
  const digest = digestOf(bytes, wanted && splitDigest(wanted).algorithm);
  if (wanted && wanted !== digest)
    throw new RegistryError('digest-mismatch', `these are the bytes of ${digest}, and not of ${wanted}`);
  await loadContents(call, view.package('oci', name));
  const kept = await call.keepMeta(meta);
  if ('metaDigest' in kept.fields) noteContents(digest, meta.blobs);
  const isPublic = actor.handle === ANYBODY.handle || view.settings.oci?.defaultVisibility === 'public';
  return {
    actor,
    blobs: [blob, ...kept.blobs],
    plan(now) {
      requireSameType(now.package('oci', name)?.releases.get(digest), mediaType);
      requireContents(call, now, name, { ...meta, childSizes });
      return [
        {
          kind: 'publish',
          ecosystem: 'oci',
          name,
          version: digest,
          artifacts: [{ role: 'manifest', digest: blob.digest, size: blob.size, mediaType }],
          ...kept.fields,
          ...(isPublic ? {} : { visibility: 'private' }),
        },
        ...tags.map((ref) => ({ kind: 'set-ref', ecosystem: 'oci', name, ref, target: digest }) as const),
      ];
    },
    answer: () =>
      empty(201, {
        ...locationOf(call.mount, name, `manifests/${digest}`),
        [DIGEST_HEADER]: digest,
        // Without it a client keeps lists of referrers by itself, under tags.
        ...(meta.subject === undefined ? {} : { 'oci-subject': meta.subject }),
        ...(wanted && tags.length > 0 ? { 'oci-tag': tags.join(', ') } : {}),
      }),
  };
}

/** `DELETE {name}/manifests/{reference}`: a tag alone, or a manifest with every tag that points at it */
export async function deleteManifest(call: Call, view: StateView): Promise<Intent> {
  const { name = '', reference = '' } = call.params;
  const isTagged = !isDigestLike(reference);
  // Whoever may move a tag may take it away.
  const wanted: Wanted = isTagged
    ? { name, action: mayPush(call, view, name) ? 'push' : 'delete', asks: ['push', 'delete'] }
    : { name, action: 'delete' };
  const caller = (await requireAccess(call, view, wanted)) ?? ANYBODY;
  // What deletes manifests may take away their tags, which is less.
  const actor: Actor = isTagged ? { ...caller, scopes: new Set([...caller.scopes, 'publish']) } : caller;
  const of = requireRepository(view, name);
  const release = releaseAt(of, reference);
  if (!release) throw unknownManifest(name, reference);
  if (!isTagged) await holdBlobs(call, of, release);
  return {
    actor,
    plan(now) {
      const known = now.package('oci', name);
      if (!known || !releaseAt(known, reference)) throw unknownManifest(name, reference);
      return [
        isTagged
          ? { kind: 'remove-ref', ecosystem: 'oci', name, ref: reference }
          : { kind: 'withdraw', ecosystem: 'oci', name, version: reference },
      ];
    },
    answer: () => empty(202),
  };
}

/** What its file is stored with; undefined where there is no such manifest. */
export function suffixAt({ name = '', reference = '' }: RouteParams, view: StateView): string | undefined {
  const of = view.package('oci', name);
  const release = of && releaseAt(of, reference);
  return release && suffixOfManifest(release);
}

function releaseAt(of: Package, reference: string): Release | undefined {
  const version = isDigestLike(reference) ? reference : of.refs.get(reference)?.target;
  return version === undefined ? undefined : of.releases.get(version);
}

function mayPush(call: Call, view: StateView, name: string): boolean {
  const caller = identify(call, view, { name, action: 'delete' });
  const granted = grantedFor(call, name);
  if (granted) return granted.includes('push');
  return mayDo(caller, view, { name, action: 'push' });
}

/** What the manifest named stays in the repository for a while: somebody may be about to push another that names it as well. */
async function holdBlobs(call: Call, { name }: Package, release: Release): Promise<void> {
  const { meta, metaDigest } = release;
  const long = meta === undefined && metaDigest !== undefined;
  const { blobs } = long
    ? (JSON.parse(await call.readText(asDigest(metaDigest))) as OciMeta)
    : metaOf(release);
  for (const [digest] of blobs) await call.uploads.hold(name, asDigest(digest));
}

/**
 * Bytes that do not say what they are may pass for two things: what one client has checked, another must not read otherwise.
 * @throws RegistryError `invalid-manifest`
 */
function requireSameType(known: Release | undefined, mediaType: string): void {
  if (!known) return;
  const before = manifestArtifact(known).mediaType;
  if (before === mediaType) return;
  throw new RegistryError(
    'invalid-manifest',
    `${known.version} was pushed as ${quoted(before)}, and cannot be ${quoted(mediaType)} as well; delete it first`,
  );
}

type Named = Pick<OciMeta, 'blobs'> & Pick<ParsedManifest, 'childSizes'>;

/** @throws RegistryError `invalid-manifest` as `MANIFEST_BLOB_UNKNOWN`, or `wrong-length` */
function requireContents(call: Call, now: StateView, name: string, { blobs, childSizes }: Named): void {
  const of = now.package('oci', name);
  const children = [...childSizes].map(([digest, size]) => ({
    digest,
    size,
    child: of?.releases.get(digest),
  }));
  const missing = [
    ...blobs.map(([digest]) => digest).filter((digest) => !isHere(call, now, name, digest)),
    ...children.filter(({ child }) => !child).map(({ digest }) => digest),
  ];
  if (missing.length > 0)
    throw new RegistryError(
      'invalid-manifest',
      `this manifest names what is not in ${name}: push that first: ${missing.slice(0, 10).join(', ')}`,
      { surfaceCode: 'MANIFEST_BLOB_UNKNOWN' },
    );
  for (const [digest, size] of blobs) requireSize(digest, size, call.blobSize(asDigest(digest)));
  for (const { digest, size, child } of children)
    requireSize(digest, size, child && manifestArtifact(child).size);
}

function requireSize(digest: string, size: number, real: number | undefined): void {
  if (real === undefined || real === size) return;
  throw new RegistryError(
    'wrong-length',
    `this manifest says that ${digest} has ${size} bytes; it has ${real}`,
  );
}

function isHere(call: Call, now: StateView, name: string, digest: string): boolean {
  return blobSizeIn(call, now, name, asDigest(digest)) !== undefined;
}

/** Of a push by digest: `?tag=a&tag=b`. */
function tagsToSet(call: Call): readonly string[] {
  const tags = [...new Set(call.query.getAll('tag'))];
  if (tags.length > MAX_TAGS)
    throw new RegistryError('bad-request', `${tags.length} tags at once: use ${MAX_TAGS} at most`, {
      surfaceCode: 'TAGS_TOO_MANY',
    });
  return tags.map(checkTag);
}

function checkTag(text: string): string {
  if (isTag(text)) return text;
  throw new RegistryError(
    'invalid-manifest',
    `${quoted(text)} is not a tag: use letters, digits, - . and _, not first - or ., 128 at most`,
  );
}

async function stageManifest(call: Call): Promise<StagedBlob> {
  try {
    return await call.stageBody({ maxBytes: MAX_MANIFEST_BYTES });
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== 'too-large') throw error;
    throw new RegistryError('too-large', `a manifest has ${MAX_MANIFEST_BYTES} bytes at most`, {
      cause: error,
    });
  }
}

async function readAll(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

function unknownManifest(name: string, reference: string): RegistryError {
  const what = isDigestLike(reference) ? 'manifest' : 'tag';
  return new RegistryError('ref-not-found', `there is no ${what} ${quoted(reference)} in ${name}`);
}
