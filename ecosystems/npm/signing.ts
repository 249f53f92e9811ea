/** Registry signatures (contract, section 11): ECDSA P-256 over name, version and integrity, made once at publish. */
import { createHash } from 'node:crypto';
import type { Release } from '../../core/package.ts';
import type { RegistryKey, Settings } from '../../schema/types.ts';

const KIND = 'ecdsa-sha2-nistp256';

/** The text that is signed. */
export function signedText(name: string, version: string, integrity: string): string {
  return `${name}@${version}:${integrity}`;
}

/** What clients call a key: the hash of its SubjectPublicKeyInfo. */
function keyIdOf({ publicKey }: RegistryKey): string {
  const hash = createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('base64');
  return `SHA256:${hash.replace(/=+$/, '')}`;
}

/** A release's signatures in the client's words; one by a key that nobody lists would stop its audit. */
export function signatureList(release: Release, keys: readonly RegistryKey[]): object[] {
  return release.signatures.flatMap(({ keyId, kind, value }) => {
    const key = keys.find(({ id }) => id === keyId);
    return kind === KIND && key ? [{ keyid: keyIdOf(key), sig: value }] : [];
  });
}

/** `/-/npm/v1/keys`; nothing where nothing is signed. Retired keys stay: what they signed before they ended is good. */
export function keysDocument({ keys = [] }: Settings): object | undefined {
  const own = keys.filter(({ ecosystem, kind }) => ecosystem === 'npm' && kind === KIND);
  if (own.length === 0) return undefined;
  return {
    keys: own.map((key) => ({
      expires: key.retiredAt ?? null,
      keyid: keyIdOf(key),
      keytype: KIND,
      scheme: KIND,
      key: key.publicKey,
    })),
  };
}
