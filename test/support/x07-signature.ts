/** Signatures of X07's index lines, made and checked here as the contract has it (section 11), without the code under test. */
import assert from 'node:assert/strict';
import { createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface SignedLine {
  readonly name: string;
  readonly version: string;
  readonly cksum: string;
}

export interface Signing {
  readonly kind: string;
  readonly public_keys: readonly { readonly id: string; readonly ed25519_pub: string }[];
}

interface Signature {
  readonly kind: string;
  readonly key_id: string;
  readonly ed25519_sig: string;
}

export function signedText({ name, version, cksum }: SignedLine): Buffer {
  return Buffer.from(`x07.pkg.sig.v1\nname=${name}\nversion=${version}\nsha256=${cksum}\n`);
}

/** An Ed25519 key of 32 bytes: what RFC 8410 puts before them is the same for all. */
export function publicKeyFrom(raw: Buffer): KeyObject {
  const prefix = Buffer.from('302a300506032b6570032100', 'hex');
  return createPublicKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'spki' });
}

/** The private keys below a data directory, by id. */
function keysBelow(data: string): { id: string; key: KeyObject; publicKey: Buffer }[] {
  const keys = readdirSync(join(data, 'keys')).map((file) =>
    createPrivateKey(readFileSync(join(data, 'keys', file))),
  );
  // Other ecosystems have keys of other kinds.
  return keys
    .filter(({ asymmetricKeyType }) => asymmetricKeyType === 'ed25519')
    .map((key) => {
      const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32);
      return { id: createHash('sha256').update(publicKey).digest('hex').slice(0, 16), key, publicKey };
    });
}

/** What `config.json` says of the keys of a registry that never changed them. */
export function signingOf(data: string): Signing {
  const keys = keysBelow(data).map(({ id, publicKey }) => ({
    id,
    ed25519_pub: publicKey.toString('base64'),
  }));
  return { kind: 'ed25519', public_keys: keys };
}

/** The field of an index line that a registry with one key writes. */
export function signatureOf(data: string, line: SignedLine): Signature {
  const [only] = keysBelow(data);
  assert.ok(only);
  const signature = sign(null, signedText(line), only.key);
  return { kind: 'ed25519', key_id: only.id, ed25519_sig: signature.toString('base64') };
}

/** What `x07 pkg verify` says: undefined when all is well, otherwise the code of what is not. */
export function faultOf(
  line: SignedLine & { readonly signature?: Signature },
  { signing }: { readonly signing?: Signing },
): string | undefined {
  const { signature } = line;
  if (!signing || !signature) return 'X07PKG_UNSIGNED';
  if (signing.kind !== 'ed25519' || signature.kind !== 'ed25519') return 'X07PKG_SIGNATURE_UNSUPPORTED';
  const key = signing.public_keys.find(({ id }) => id === signature.key_id);
  if (!key) return 'X07PKG_SIGNATURE_KEY_MISSING';
  const [raw, bytes] = [Buffer.from(key.ed25519_pub, 'base64'), Buffer.from(signature.ed25519_sig, 'base64')];
  const isRight =
    raw.length === 32 &&
    bytes.length === 64 &&
    raw.toString('base64') === key.ed25519_pub &&
    bytes.toString('base64') === signature.ed25519_sig &&
    verify(null, signedText(line), publicKeyFrom(raw), bytes);
  return isRight ? undefined : 'X07PKG_SIGNATURE_INVALID';
}
