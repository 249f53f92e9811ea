/**
 * Blobs that are not for everybody, fetched from the store itself: whoever may have one is sent there with a URL that is
 * signed for a while, and the bytes do not pass through here. Off unless the operator has switched it on.
 */
import { RegistryError } from '../core/errors.ts';
import type { BlobStore } from '../core/ports.ts';
import type { BlobBody, HttpAnswer } from '../core/route.ts';

/** A URL need only outlive the start of a download: who goes on with one later asks us again. */
export type Redirects = 'off' | { readonly expiresInSeconds: number };

export interface RedirectDeps {
  readonly blobs: BlobStore;
  /** `off` unless told. */
  readonly redirects?: Redirects;
}

/** What names the bytes, or says what they are, is for the store to say. */
const ofTheBody = new Set(['content-type', 'content-disposition', 'etag', 'cache-control']);

/**
 * The same answer to a GET by way of the store; undefined where it goes without. 307: whatever part of it the client asks
 * for, it asks the store for. The URL opens the blob to anybody: no cache may keep it, and no log has it.
 * @throws RegistryError `storage-unavailable` when nothing can be signed
 */
export async function redirectToStore(
  { status, headers = {} }: HttpAnswer,
  { blob, mayRedirect }: BlobBody,
  { blobs, redirects = 'off' }: RedirectDeps,
): Promise<HttpAnswer | undefined> {
  if (redirects === 'off' || mayRedirect !== true || status !== 200 || !blobs.signedUrl) return undefined;
  const { 'content-type': contentType, 'content-disposition': contentDisposition } = headers;
  const said = {
    ...(contentType === undefined ? {} : { contentType }),
    ...(contentDisposition === undefined ? {} : { contentDisposition }),
  };
  try {
    const location = await blobs.signedUrl(blob, redirects.expiresInSeconds, said);
    const ours = Object.entries(headers).filter(([name]) => !ofTheBody.has(name));
    return {
      status: 307,
      headers: { ...Object.fromEntries(ours), 'cache-control': 'private, no-store', location },
    };
  } catch (error) {
    throw new RegistryError(
      'storage-unavailable',
      'the registry cannot say just now where this is; try again shortly',
      { cause: error, retryAfterSeconds: 5 },
    );
  }
}

/**
 * Whether clients can be sent to the store at `target` without harm. Go's clients, docker among them, send a credential on
 * to a subdomain of the registry's host and to its other ports: it would be told to the store, which refuses a request that
 * is signed twice. And what is private does not go over an open line because of us.
 */
export function isSafeRedirectHost(publicUrl: string, target: string): boolean {
  if (!URL.canParse(publicUrl) || !URL.canParse(target)) return false;
  const [own, other] = [new URL(publicUrl), new URL(target)];
  const [ownHost, host] = [hostOf(own), hostOf(other)];
  if (host === ownHost || host.endsWith(`.${ownHost}`)) return false;
  return other.protocol === 'https:' || (other.protocol === 'http:' && own.protocol === 'http:');
}

/** A dot at the end of a name changes nothing. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/\.$/, '');
}
