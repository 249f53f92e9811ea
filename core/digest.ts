import { createHash } from 'node:crypto';

declare const digestBrand: unique symbol;
/** `sha256:` or `sha512:` and lower-case hex; always computed or checked by this registry. */
export type Digest = string & { readonly [digestBrand]: true };
export type DigestAlgorithm = 'sha256' | 'sha512';

const grammar = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Whether `text` is a digest as this registry writes them. */
export function isDigest(text: string): text is Digest {
  return grammar.test(text);
}

/** @throws TypeError unless it is one. */
export function asDigest(text: string): Digest {
  if (!isDigest(text)) throw new TypeError(`not a digest: ${text.slice(0, 80)}`);
  return text;
}

export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

export function splitDigest(digest: Digest): { algorithm: DigestAlgorithm; hex: string } {
  const [algorithm, hex] = digest.split(':') as [DigestAlgorithm, string];
  return { algorithm, hex };
}
