/** Private keys, one PEM file (PKCS #8) each, readable by their owner only. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RegistryError } from '../core/errors.ts';
import type { Keyring } from '../core/ports.ts';
import type { RegistryKey } from '../schema/types.ts';
import { ensureDirectory, syncPath, writeSynced } from './durable-files.ts';

const EXTENSION = '.pem';

export class KeyDirectory implements Keyring {
  readonly #directory: string;
  readonly #loaded = new Map<string, KeyObject>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  pathOf(keyId: string): string {
    return join(this.#directory, `${keyId}${EXTENSION}`);
  }

  /** Ids of the keys whose private halves are here. */
  ids(): readonly string[] {
    if (!existsSync(this.#directory)) return [];
    return readdirSync(this.#directory)
      .filter((name) => name.endsWith(EXTENSION))
      .map((name) => name.slice(0, -EXTENSION.length))
      .sort();
  }

  /** Makes an Ed25519 key; durable when it returns. Its id is the beginning of the hash of its public half. */
  async create(): Promise<{ readonly id: string; readonly publicKey: string }> {
    const { privateKey } = generateKeyPairSync('ed25519');
    const publicKey = rawPublicKey(privateKey);
    const id = createHash('sha256').update(publicKey).digest('hex').slice(0, 16);
    await ensureDirectory(this.#directory, 0o700);
    const pem = Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await writeSynced(this.pathOf(id), pem, 0o600);
    await syncPath(this.#directory);
    return { id, publicKey: publicKey.toString('base64') };
  }

  sign(key: RegistryKey, message: Uint8Array): Uint8Array {
    return sign(null, message, this.#loaded.get(key.id) ?? this.#load(key));
  }

  #load({ id, publicKey }: RegistryKey): KeyObject {
    try {
      const key = createPrivateKey(readFileSync(this.pathOf(id)));
      // Lines are signed for ever: one that never verifies could not be mended.
      if (rawPublicKey(key).toString('base64') !== publicKey) throw new Error('it is another key');
      this.#loaded.set(id, key);
      return key;
    } catch (error) {
      throw new RegistryError(
        'storage-failed',
        `the registry cannot sign with its key ${id}; nothing was accepted, tell its operator`,
        { cause: error },
      );
    }
  }
}

/** The 32 bytes at the end of the SubjectPublicKeyInfo (RFC 8410, section 4). */
function rawPublicKey(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32);
}
