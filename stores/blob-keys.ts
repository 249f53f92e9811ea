/** Where blobs lie in a bucket: `sha256/ab/<hex>`, in the order of their digests. */
import { isDigest, splitDigest, type Digest } from '../core/digest.ts';

export function blobKey(digest: Digest): string {
  const { algorithm, hex } = splitDigest(digest);
  return `${algorithm}/${hex.slice(0, 2)}/${hex}`;
}

/** Undefined where no blob store puts anything. */
export function blobOfKey(key: string): Digest | undefined {
  const [algorithm, , hex] = key.split('/');
  const digest = `${algorithm}:${hex}`;
  return isDigest(digest) && blobKey(digest) === key ? digest : undefined;
}
