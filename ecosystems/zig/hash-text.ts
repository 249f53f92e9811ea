/** The texts that name a package's content (contract, section 6). */
const LEGACY = /^1220[0-9a-f]{64}$/;
const PAYLOAD_LENGTH = 44;

/** What a hash says beside the digest's first 25 bytes, which are in it too. */
export interface ModernHash {
  readonly digest: Uint8Array;
  readonly name: string;
  readonly version: string;
  /** The low half of the fingerprint. */
  readonly id: number;
  readonly totalSize: number;
}

/** As Zig 0.14 and later write it: `name-version-…`. */
export function modernHash({ digest, name, version, id, totalSize }: ModernHash): string {
  const payload = Buffer.alloc(33);
  payload.writeUInt32LE(id, 0);
  payload.writeUInt32LE(Math.min(totalSize, 0xffffffff), 4);
  payload.set(digest.subarray(0, 25), 8);
  return `${name}-${version}-${payload.toString('base64url')}`;
}

/** As Zig 0.11 to 0.13 write it: a SHA-256 multihash. */
export function legacyHash(digest: Uint8Array): string {
  return `1220${Buffer.from(digest).toString('hex')}`;
}

/** Whether some Zig since 0.11 takes the text for a package's hash. */
export function isZigHash(text: string): boolean {
  if (LEGACY.test(text)) return true;
  if (text.length < PAYLOAD_LENGTH || text.length > 110 || !/^[A-Za-z0-9_.+-]+$/.test(text)) return false;
  return text.slice(0, -PAYLOAD_LENGTH).split('-').length > 2;
}
