/** What every `UploadStore` refuses, and in which words. */
import type { Digest } from '../core/digest.ts';
import { RegistryError } from '../core/errors.ts';
import type { UploadLimits } from '../core/ports.ts';
import { isSegment } from '../core/site.ts';

/** A place as one segment of a path. @throws TypeError where it cannot be one: a surface let a name in that it must not. */
export function placeSegment(place: string): string {
  const segment = place.replaceAll('/', '=');
  if (place.includes('=') || !isSegment(segment))
    throw new TypeError(`not a place: ${JSON.stringify(place.slice(0, 80))}`);
  return segment;
}

export function placeOfSegment(segment: string): string {
  return segment.replaceAll('=', '/');
}

const uploadId = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Anything may be asked for, such as `../../keys`. */
export function isUploadId(text: string): boolean {
  return uploadId.test(text);
}

export const refused = {
  unknown: (id: string, cause?: unknown) =>
    new RegistryError(
      'upload-not-found',
      `there is no upload ${id.slice(0, 80)}: it is finished, was cancelled or has expired; start another`,
      { cause },
    ),
  busy: (id: string) =>
    new RegistryError('conflict', `another request works on the upload ${id}; wait for its answer`),
  outOfOrder: (at: number, size: number) =>
    new RegistryError('upload-out-of-order', `the upload has ${size} bytes, and goes on there, not at ${at}`),
  tooLarge: (maxBytes: number) =>
    new RegistryError('too-large', `the blob is over the limit of ${maxBytes} bytes`),
  /** Nobody has counted on when more came than were promised. */
  wrongLength: (promised: number, came: number | undefined) =>
    new RegistryError(
      'wrong-length',
      `${promised} bytes were announced, and ${came ?? 'more'} came; send them again`,
    ),
  mismatch: (wanted: Digest, found: Digest) =>
    new RegistryError('digest-mismatch', `the bytes are ${found}, not ${wanted}; send them again`),
} as const;

/** How many bytes may come now. @throws RegistryError `too-large` when more were announced. */
export function roomFor({ maxBytes, length }: UploadLimits, size: number): number {
  const room = Math.max(0, maxBytes - size);
  if (length !== undefined && length > room) throw refused.tooLarge(maxBytes);
  return length ?? room;
}

/** What came, and is to be refused as a whole. A source that failed halfway is no such thing: what it gave is kept. */
export function refusalOf(
  {
    size,
    isTooLong,
    failure,
  }: { readonly size: number; readonly isTooLong: boolean; readonly failure: unknown },
  { length, maxBytes }: UploadLimits,
): RegistryError | undefined {
  if (isTooLong)
    return length === undefined ? refused.tooLarge(maxBytes) : refused.wrongLength(length, undefined);
  if (length !== undefined && size < length && !failure) return refused.wrongLength(length, size);
  return undefined;
}
