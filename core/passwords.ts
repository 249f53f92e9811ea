/** Passwords: what may be one, and the slow hash (scrypt, RFC 7914) that is kept of it. */
import { scrypt, timingSafeEqual } from 'node:crypto';
import { RegistryError } from './errors.ts';

export interface PasswordHash {
  /** 16 bytes, hex. */
  readonly salt: string;
  /** 32 bytes, hex. */
  readonly hash: string;
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
}

const FEWEST_CHARACTERS = 10;
const MOST_BYTES = 1024;
const HASH_BYTES = 32;
/** About 80 ms and 32 MiB a hash. */
const parameters = { cost: 2 ** 15, blockSize: 8, parallelization: 1 } as const;

/** Hashes at a time: Node has four threads for all of them and for the disk. More in line than this are refused. */
const HASHES_AT_ONCE = 2;
const LONGEST_QUEUE = 64;

/** What an unknown handle is compared with, so that it takes as long as a known one. No password has this hash. */
const nobodys: PasswordHash = { salt: '00'.repeat(16), hash: '00'.repeat(HASH_BYTES), ...parameters };

/** @throws RegistryError `bad-request` unless the text can be a password. */
export function requirePassword(password: string): void {
  if (password.includes('\0'))
    throw new RegistryError('bad-request', 'a password cannot contain the character NUL');
  if (Buffer.byteLength(password) > MOST_BYTES)
    throw new RegistryError('bad-request', `a password has ${MOST_BYTES} bytes at most`);
  if ([...password].length < FEWEST_CHARACTERS)
    throw new RegistryError('bad-request', `a password has ${FEWEST_CHARACTERS} characters at least`);
}

/** Makes and checks hashes, a few at a time. */
export class Passwords {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** `salt`: 32 hex digits that were never used before. @throws RegistryError as `requirePassword` does. */
  async hash(password: string, salt: string): Promise<PasswordHash> {
    requirePassword(password);
    const hash = await this.#inTurn(() => derive(password, { ...parameters, salt }));
    return { salt, hash: hash.toString('hex'), ...parameters };
  }

  /** Takes the same time whether there is a hash to compare with or not. @throws RegistryError `too-many-attempts` */
  async matches(password: string, known: PasswordHash | undefined): Promise<boolean> {
    if (password.includes('\0') || Buffer.byteLength(password) > MOST_BYTES) return false;
    const wanted = known ?? nobodys;
    const made = await this.#inTurn(() => derive(password, wanted));
    const isSame = timingSafeEqual(made, Buffer.from(wanted.hash, 'hex'));
    return isSame && known !== undefined;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= HASHES_AT_ONCE) {
      if (this.#waiting.length >= LONGEST_QUEUE)
        throw new RegistryError('too-many-attempts', 'too many logins at once; try again shortly', {
          retryAfterSeconds: 1,
        });
      // Whoever is done hands over the place, so that nobody who comes meanwhile takes it.
      await new Promise<void>((ready) => this.#waiting.push(ready));
    } else this.#running += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}

type ScryptInput = Omit<PasswordHash, 'hash'>;

function derive(password: string, { salt, cost, blockSize, parallelization }: ScryptInput): Promise<Buffer> {
  // The same letters come in several encodings from different systems (RFC 8265, section 4.2.2).
  const bytes = Buffer.from(password.normalize('NFC'));
  const options = { cost, blockSize, parallelization, maxmem: 256 * cost * blockSize };
  return new Promise((resolve, reject) => {
    scrypt(bytes, Buffer.from(salt, 'hex'), HASH_BYTES, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}
