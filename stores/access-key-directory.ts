/**
 * Keys of access tokens, one PEM file (PKCS #8) each, readable by their owner only. A file is written once, under the
 * name `<time of making>-<id>.pem`, and removed; one process works in the directory at a time.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { AccessKey, AccessKeys } from '../core/ports.ts';
import { moveOrRemove, nextNumber, syncDirectories, syncPath, writeSynced } from './durable-files.ts';

/** How names of half-written files begin. */
const TEMPORARY = '.new-';

interface StoredKey extends AccessKey {
  readonly path: string;
}

export interface FoundAccessKeys {
  readonly keys: readonly AccessKey[];
  /** Files that hold no key, or another than their names say. */
  readonly damaged: readonly string[];
  /** Files that a killed process has left. */
  readonly halfWritten: readonly string[];
}

export class AccessKeyDirectory implements AccessKeys {
  readonly #directory: string;
  #keys: readonly StoredKey[];

  /** Keys that cannot be read are passed over: clients whose tokens they signed ask for others. */
  constructor(directory: string) {
    this.#directory = directory;
    const { keys, halfWritten } = lookInto(directory);
    for (const path of halfWritten) rmSync(path, { force: true });
    this.#keys = keys;
  }

  get all(): readonly AccessKey[] {
    return this.#keys;
  }

  async create(madeAtMs: number): Promise<AccessKey> {
    const { privateKey } = generateKeyPairSync('ed25519');
    const key = keyOf(privateKey, madeAtMs);
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const temporary = join(this.#directory, `${TEMPORARY}${nextNumber()}`);
    const path = join(this.#directory, `${madeAtMs}-${key.id}.pem`);
    await writeSynced(temporary, Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })), 0o600);
    // Stopping before this leaves a half-written file, which the next start removes; after it, a key that may sign.
    moveOrRemove(temporary, path);
    // With what names it: a process that was killed may have made the directory a moment before the power went.
    const keys = dirname(this.#directory);
    await syncDirectories([this.#directory, keys, dirname(keys)]);
    this.#keys = inOrder([...this.#keys, { ...key, path }]);
    return key;
  }

  async remove(id: string): Promise<void> {
    const gone = this.#keys.filter((key) => key.id === id);
    for (const { path } of gone) rmSync(path, { force: true });
    // A power cut before this brings it back, and it is removed again.
    if (gone.length > 0) await syncPath(this.#directory);
    this.#keys = this.#keys.filter((key) => key.id !== id);
  }
}

/** What is in the directory, for whoever only looks. */
export function findAccessKeys(directory: string): FoundAccessKeys {
  return lookInto(directory);
}

function lookInto(directory: string): FoundAccessKeys & { readonly keys: readonly StoredKey[] } {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  const keys: StoredKey[] = [];
  const damaged: string[] = [];
  for (const name of names.filter((one) => one.endsWith('.pem'))) {
    const path = join(directory, name);
    const key = readKey(path, name);
    if (key) keys.push({ ...key, path });
    else damaged.push(path);
  }
  const halfWritten = names.filter((name) => name.startsWith(TEMPORARY)).map((name) => join(directory, name));
  return { keys: inOrder(keys), damaged, halfWritten };
}

function readKey(path: string, name: string): AccessKey | undefined {
  const [, madeAt, id] = /^(\d+)-([0-9a-f]{16})\.pem$/.exec(name) ?? [];
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(readFileSync(path));
  } catch {
    return undefined; // cut off, or not for us to read
  }
  if (privateKey.asymmetricKeyType !== 'ed25519') return undefined;
  const key = keyOf(privateKey, Number(madeAt));
  return key.id === id ? key : undefined;
}

function keyOf(privateKey: KeyObject, madeAtMs: number): AccessKey {
  const publicKey = createPublicKey(privateKey);
  const id = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .slice(0, 16);
  return { id, madeAtMs, privateKey, publicKey };
}

function inOrder(keys: readonly StoredKey[]): readonly StoredKey[] {
  return [...keys].sort((a, b) => a.madeAtMs - b.madeAtMs);
}
