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

  /** Makes a key; durable when it returns. Its id is the beginning of the hash of its public half. */
  async create(kind: RegistryKey['kind']): Promise<Pick<RegistryKey, 'id' | 'kind' | 'publicKey'>> {
    const privateKey = kinds[kind].generate();
    const publicKey = kinds[kind].publicHalf(createPublicKey(privateKey));
    const id = createHash('sha256').update(publicKey).digest('hex').slice(0, 16);
    await ensureDirectory(this.#directory, 0o700);
    const pem = Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await writeSynced(this.pathOf(id), pem, 0o600);
    await syncPath(this.#directory);
    return { id, kind, publicKey: publicKey.toString('base64') };
  }

  /** Whether the private half of this very key is here. */
  holds(key: RegistryKey): boolean {
    try {
      this.#load(key);
      return true;
    } catch (error) {
      if (error instanceof RegistryError) return false;
      throw error;
    }
  }

  sign(key: RegistryKey, message: Uint8Array): Uint8Array {
    return sign(kinds[key.kind].hash, message, this.#loaded.get(key.id) ?? this.#load(key));
  }

  #load({ id, kind, publicKey }: RegistryKey): KeyObject {
    try {
      const key = createPrivateKey(readFileSync(this.pathOf(id)));
      // Lines are signed for ever: one that never verifies could not be mended.
      if (kinds[kind].publicHalf(createPublicKey(key)).toString('base64') !== publicKey)
        throw new Error('it is another key');
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

interface KeyKind {
  /** Null where the algorithm has its own. */
  readonly hash: 'sha256' | null;
  generate(): KeyObject;
  publicHalf(key: KeyObject): Buffer;
}

const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });

const kinds: Readonly<Record<RegistryKey['kind'], KeyKind>> = {
  ed25519: {
    hash: null,
    generate: () => generateKeyPairSync('ed25519').privateKey,
    // The 32 bytes at the end of the SubjectPublicKeyInfo (RFC 8410, section 4).
    publicHalf: (key) => spki(key).subarray(-32),
  },
  'ecdsa-sha2-nistp256': {
    hash: 'sha256',
    generate: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    publicHalf: spki,
  },
};
