/** A manifest as it was pushed: what it names, and nothing changed (contract, sections 1 and 5). */
import { asDigest, type Digest } from '../../core/digest.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Artifact, Release } from '../../core/package.ts';
import {
  allManifestTypes,
  isForeign,
  isManifestType,
  kindOf,
  suffixOf,
  type ManifestType,
} from '../oci-media-types.ts';
import { digestIn, quoted } from './names.ts';

/** What a `published` event keeps. */
export interface OciMeta {
  /** Config and layers that must be in the repository: digest and size of each, once. */
  readonly blobs: readonly (readonly [digest: string, size: number])[];
  /** What an index lists. */
  readonly manifests?: readonly string[];
  readonly subject?: string;
  /** What a list of referrers says of it. */
  readonly artifactType?: string;
  /** Only of those that refer to a subject: nobody asks for others'. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ParsedManifest {
  readonly mediaType: ManifestType;
  readonly meta: OciMeta;
  /** What an index says of the sizes of what it lists. */
  readonly childSizes: ReadonlyMap<string, number>;
}

export function metaOf({ meta }: Pick<Release, 'meta'>): OciMeta {
  return meta as unknown as OciMeta;
}

/** Its bytes; by SHA-256, also where it is known by another digest. */
export function manifestArtifact({ artifacts }: Pick<Release, 'artifacts'>): Artifact {
  const manifest = artifacts.find(({ role }) => role === 'manifest');
  if (!manifest) throw new TypeError('a manifest without its bytes');
  return manifest;
}

/** What the files of it are stored with: that tells type and digest, also by a tag. */
export function suffixOfManifest(release: Pick<Release, 'artifacts' | 'version'>): string {
  return suffixOf(manifestArtifact(release).mediaType as ManifestType, asDigest(release.version));
}

/**
 * @param contentType of the request
 * @throws RegistryError `invalid-manifest`
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ParsedManifest {
  const manifest = parseJson(bytes);
  if (manifest['schemaVersion'] !== 2) throw invalid('its schemaVersion must be the number 2');
  const mediaType = mediaTypeOf(manifest, contentType);
  const subject =
    manifest['subject'] === undefined ? undefined : descriptorIn(manifest['subject'], 'subject');
  const named = kindOf(mediaType) === 'index' ? namedByIndex(manifest) : namedByImage(manifest);
  const { artifactType, childSizes = new Map<string, number>(), ...rest } = named;
  return {
    mediaType,
    childSizes,
    meta: {
      ...rest,
      ...(subject
        ? {
            subject: subject.digest,
            ...(artifactType === undefined ? {} : { artifactType }),
            ...annotationsIn(manifest),
          }
        : {}),
    },
  };
}

type Json = Readonly<Record<string, unknown>>;

function parseJson(bytes: Uint8Array): Json {
  let manifest: unknown;
  try {
    // With a byte order mark it is no JSON to most clients, who get these very bytes.
    manifest = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw invalid(`it is not JSON: ${(error as Error).message}`, error);
  }
  if (!isObject(manifest)) throw invalid('it must be a JSON object');
  return manifest;
}

function mediaTypeOf(manifest: Json, contentType: string | undefined): ManifestType {
  const ofHeader = contentType?.split(';')[0]?.trim().toLowerCase() || undefined;
  const ofBody = manifest['mediaType'];
  if (ofBody !== undefined && typeof ofBody !== 'string') throw invalid('its mediaType is not a text');
  if (ofHeader !== undefined && ofBody !== undefined && ofHeader !== ofBody.toLowerCase())
    throw invalid(`it was sent as ${quoted(ofHeader)}, and says that it is ${quoted(ofBody)}`);
  const type = ofHeader ?? ofBody?.toLowerCase();
  if (type === undefined) throw invalid('neither Content-Type nor its mediaType says what it is');
  if (isManifestType(type)) return type;
  throw invalid(
    `${quoted(type)} is no manifest that this registry can read; it can read ${allManifestTypes.join(', ')}`,
  );
}

type Named = OciMeta & Partial<Pick<ParsedManifest, 'childSizes'>>;

function namedByImage(manifest: Json): Named {
  const config = descriptorIn(manifest['config'], 'config');
  const layers = listIn(manifest['layers'] ?? [], 'layers');
  const here = layers.filter(({ mediaType, isElsewhere }) => !isElsewhere && !isForeign(mediaType));
  const blobs = sizesOf([config, ...here]);
  const artifactType = artifactTypeIn(manifest) ?? config.mediaType;
  return { blobs: [...blobs], ...(artifactType === '' ? {} : { artifactType }) };
}

function namedByIndex(manifest: Json): Named {
  if (manifest['manifests'] === undefined) throw invalid('an index needs a list of manifests, empty or not');
  const childSizes = sizesOf(listIn(manifest['manifests'], 'manifests'));
  const artifactType = artifactTypeIn(manifest);
  return {
    blobs: [],
    childSizes,
    ...(childSizes.size > 0 ? { manifests: [...childSizes.keys()] } : {}),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
}

/** Of each digest, once. */
function sizesOf(descriptors: readonly Descriptor[]): ReadonlyMap<string, number> {
  const sizes = new Map<string, number>();
  for (const { digest, size } of descriptors) {
    const before = sizes.get(digest) ?? size;
    if (before !== size) throw invalid(`it says that ${digest} has ${before} bytes, and that it has ${size}`);
    sizes.set(digest, size);
  }
  return sizes;
}

function artifactTypeIn({ artifactType }: Json): string | undefined {
  if (artifactType === undefined || artifactType === '') return undefined;
  if (typeof artifactType !== 'string') throw invalid('its artifactType is not a text');
  return artifactType;
}

function annotationsIn({ annotations }: Json): Pick<OciMeta, 'annotations'> {
  if (annotations === undefined || annotations === null) return {};
  if (!isObject(annotations) || !Object.values(annotations).every((value) => typeof value === 'string'))
    throw invalid('its annotations must be texts by name');
  return { annotations: annotations as Readonly<Record<string, string>> };
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  /** It names places to get it from. */
  readonly isElsewhere: boolean;
}

function listIn(list: unknown, field: string): readonly Descriptor[] {
  // Go writes an empty list as null.
  if (list === null) return [];
  if (!Array.isArray(list)) throw invalid(`its ${field} are not a list`);
  return list.map((one: unknown, i) => descriptorIn(one, `${field}[${i}]`));
}

function descriptorIn(value: unknown, field: string): Descriptor {
  if (!isObject(value)) throw invalid(`its ${field} is missing, or no descriptor`);
  const { mediaType = '', digest, size, urls } = value;
  if (typeof mediaType !== 'string') throw invalid(`the mediaType of its ${field} is not a text`);
  const known = typeof digest === 'string' ? digestIn(digest) : undefined;
  if (!known) throw invalid(`its ${field} has no digest that this registry knows: use sha256 or sha512`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(`the size of its ${field} is not a number of bytes`);
  return { mediaType, digest: known, size, isElsewhere: Array.isArray(urls) && urls.length > 0 };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(fault: string, cause?: unknown): RegistryError {
  return new RegistryError('invalid-manifest', `this manifest cannot be taken: ${fault}`, { cause });
}
