/** Signatures of index lines (contract, section 11): Ed25519 over name, version and hash of the archive. */
import type { Settings } from '../../schema/types.ts';

/** The bytes that are signed. Deterministic, so a line signed again gets the same signature. */
export function signedText(name: string, version: string, cksum: string): string {
  return `x07.pkg.sig.v1\nname=${name}\nversion=${version}\nsha256=${cksum}\n`;
}

/** What `config.json` says of the keys; retired ones too, because old lines keep their signatures. */
export function signingConfig({ keys = [] }: Settings): object {
  const own = keys.filter(({ ecosystem, kind }) => ecosystem === 'x07' && kind === 'ed25519');
  if (own.length === 0) return {};
  // The client cannot read a config where one of the two is missing (4.1).
  return {
    signing: {
      kind: 'ed25519',
      public_keys: own.map(({ id, publicKey }) => ({ id, ed25519_pub: publicKey })),
    },
  };
}
