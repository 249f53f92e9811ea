/**
 * Objects of a site that stand for artifacts without having their bytes: each says which blob it is, and whoever serves the
 * site gives that. What is no pointer has no `blob` recorded with it, so that a reader follows each object by itself, also of
 * a site that is on its way from one layout to the other.
 */
import type { Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import type { BlobStore } from '../core/ports.ts';
import { blobKey, blobOfKey } from './blob-keys.ts';
import type { SpooledFile } from './spooled-site.ts';

/** What is at the path of an artifact: its bytes once more, or a pointer to the blob. */
export type ArtifactLayout = 'copies' | 'pointers';

export interface Pointer {
  /** The key of the blob, below the place of all blobs, and a newline. */
  readonly bytes: Uint8Array;
  /** The same key, recorded with the object: for an edge that reads headers and no bodies. */
  readonly blob: string;
}

export function pointerTo(digest: Digest): Pointer {
  const blob = blobKey(digest);
  return { bytes: Buffer.from(`${blob}\n`), blob };
}

export type PointedBlobs = Pick<BlobStore, 'has'>;

/**
 * The same, of a blob that is there: a copy could not be made of one that is missing, and a pointer could.
 * @throws RegistryError `not-found`
 */
export async function checkedPointer(digest: Digest, blobs: PointedBlobs): Promise<Pointer> {
  if (await blobs.has(digest)) return pointerTo(digest);
  throw new RegistryError('not-found', `blob ${digest} is missing, and the site would point to nothing`);
}

/** What is recorded of a file of a whole site; undefined where it is no pointer. */
export function blobNamedBy({ from, digest }: Pick<SpooledFile, 'from' | 'digest'>): string | undefined {
  return from === 'pointer' ? blobKey(digest) : undefined;
}

/** Whether an artifact is as long as the pointer to it would be: then its length does not tell them apart. */
export function isAsLongAsPointer({ digest, size }: Pick<SpooledFile, 'digest' | 'size'>): boolean {
  return size === pointerTo(digest).bytes.byteLength;
}

/**
 * Where the bytes of an object are that is a pointer; undefined when it is none.
 * @throws Error when it names what cannot be a blob: nobody may be led anywhere else by it
 */
export function blobBehind(
  path: string,
  { blob }: { readonly blob: string | undefined },
): string | undefined {
  if (blob !== undefined && blobOfKey(blob) === undefined)
    throw new Error(`${path} points to ${JSON.stringify(blob.slice(0, 200))}, which is the key of no blob`);
  return blob;
}
