/** Registry signatures, judged as npm's clients do (contract of npm, section 11). */
import { createPublicKey, verify } from 'node:crypto';
import type { NpmApi, Packument } from './npm-api.ts';

export interface NpmKey {
  readonly expires: string | null;
  readonly keyid: string;
  readonly keytype: string;
  readonly scheme: string;
  readonly key: string;
}

export async function keysOf(npm: NpmApi): Promise<readonly NpmKey[]> {
  return (await npm.ok<{ keys: readonly NpmKey[] }>({ path: '-/npm/v1/keys' })).keys;
}

/** In the words of npm's own error codes; undefined when all is well. */
export function faultOf(packument: Packument, version: string, keys: readonly NpmKey[]): string | undefined {
  const { dist } = packument.versions[version] ?? {};
  const signatures = (dist?.['signatures'] ?? []) as readonly { keyid: string; sig: string }[];
  if (signatures.length === 0) return 'missing';
  for (const { keyid, sig } of signatures) {
    const key = keys.find((known) => known.keyid === keyid);
    if (!key) return 'EMISSINGSIGNATUREKEY';
    if (key.expires !== null && Date.parse(packument.time[version] ?? '') >= Date.parse(key.expires))
      return 'EEXPIREDSIGNATUREKEY';
    const publicKey = createPublicKey(`-----BEGIN PUBLIC KEY-----\n${key.key}\n-----END PUBLIC KEY-----`);
    const signed = Buffer.from(`${packument['name'] as string}@${version}:${dist?.['integrity'] as string}`);
    if (!verify('sha256', signed, publicKey, Buffer.from(sig, 'base64'))) return 'EINTEGRITYSIGNATURE';
  }
  return undefined;
}
