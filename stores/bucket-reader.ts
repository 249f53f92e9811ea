/**
 * Reads a site that lies in a bucket, for the embedded server. Every look asks the store, as every look at a directory asks
 * the disk: what was acknowledged a moment ago, by this process or another, is what is found.
 */
import { RegistryError } from '../core/errors.ts';
import { READ_AT_ONCE_BYTES, type ByteRange, type FoundFile, type SiteReader } from '../core/ports.ts';
import { blobBehind } from './bucket-pointers.ts';
import {
  ConditionFailed,
  isAbsent,
  type Bucket,
  type BucketPatience,
  type FoundObject,
  type ObjectFacts,
} from './bucket.ts';

/** A client waits for the answer: what takes longer is better told to come back. */
export const READER_PATIENCE: BucketPatience = { attempts: 3, idleMs: 5_000 };

const RETRY_AFTER_SECONDS = 5;
/** What a store takes; a path may be longer, and is then that of no file. */
const MAX_KEY_BYTES = 1024;
/** An object that is replaced while it is read is looked at again. */
const LOOKS_AT_MOST = 5;
/** How many paths of long objects are remembered. */
const LONG_PATHS_AT_MOST = 10_000;

/**
 * Paths come from `sitePath`. Keys below the prefix of the bucket are those paths. `blobs` is where pointers lead, where the site
 * may have some.
 */
export function bucketReader(bucket: Bucket, blobs?: Bucket): SiteReader {
  const { prefix } = bucket.address;
  const maxPathBytes = MAX_KEY_BYTES - (prefix === '' ? 0 : Buffer.byteLength(prefix) + 1);
  const looks = new SharedTurns<FoundFile | undefined>();
  const longPaths = new LongPaths();
  return {
    find(path, known): FoundFile | undefined | Promise<FoundFile | undefined> {
      if (Buffer.byteLength(path) > maxPathBytes) return undefined;
      const seen = known instanceof FoundInBucket ? known : undefined;
      return looks.join(`${seen?.etag ?? ''} ${path}`, () => look({ bucket, blobs, longPaths, path, seen }));
    },
  };
}

interface Look {
  readonly bucket: Bucket;
  readonly blobs: Bucket | undefined;
  readonly longPaths: LongPaths;
  readonly path: string;
  readonly seen: FoundInBucket | undefined;
}

/** @throws RegistryError `storage-unavailable` */
async function look(of: Look): Promise<FoundFile | undefined> {
  for (let looks = 1; ; looks += 1)
    try {
      return await lookOnce(of);
    } catch (error) {
      // Replaced, or removed, between its head and its bytes.
      if ((error instanceof ConditionFailed || isAbsent(error)) && looks < LOOKS_AT_MOST) continue;
      throw unavailable(error);
    }
}

/** Without the store's own words: they are for the operator, and go to the log with the cause. */
function unavailable(cause: unknown): RegistryError {
  const message = 'the registry cannot read its files just now; try again shortly';
  return new RegistryError('storage-unavailable', message, {
    cause,
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

async function lookOnce(of: Look): Promise<FoundInBucket | undefined> {
  const { bucket, longPaths, path, seen } = of;
  if (longPaths.has(path)) {
    const facts = await bucket.head(path);
    if (facts && facts.etag === seen?.etag) return seen;
    if (facts && facts.size > READ_AT_ONCE_BYTES) return new FoundInBucket(bucket, path, facts);
    // Short by now, or not there; or there is no bucket, which the answer to a HEAD has no room to say.
  }
  const found = await bucket.get(path, { unless: seen?.etag });
  if (found === 'unchanged') return seen;
  if (!found) return undefined;
  const key = blobBehind(path, found);
  if (key !== undefined) return lookBehind(of, found, key);
  if (found.size <= READ_AT_ONCE_BYTES) return new FoundInBucket(bucket, path, found, await found.bytes());
  // That costs a connection, which is closed with bytes on their way: the next look asks for the head.
  found.discard();
  longPaths.add(path);
  return new FoundInBucket(bucket, path, found);
}

/** The blob that a pointer names. While the pointer stands nobody asks for the blob again: it never changes. */
async function lookBehind(
  { blobs, longPaths, path }: Look,
  pointer: FoundObject,
  key: string,
): Promise<FoundInBucket> {
  // Read, though nothing in it is new: a connection that is given up would cost more.
  await pointer.bytes();
  if (!blobs) throw new Error(`${path} points to ${key}, and this registry has no blobs in a bucket`);
  const blob = await lookOnce({ bucket: blobs, blobs: undefined, longPaths, path: key, seen: undefined });
  // Its pointer went first, and is looked at again; or the blob is lost, and that is no 404.
  if (!blob) throw new ConditionFailed(`${path} points to ${key}, which is not there`);
  return blob.behind(pointer);
}

class FoundInBucket implements FoundFile {
  readonly size: number;
  readonly digest: string | undefined;
  readonly inMemory: boolean;
  /** Of the object at the path, by which it is known to stand. */
  readonly etag: string;
  /** Of that which has the bytes. */
  readonly #facts: ObjectFacts;
  readonly #bucket: Bucket;
  readonly #path: string;
  readonly #bytes: Uint8Array | undefined;

  constructor(
    bucket: Bucket,
    path: string,
    facts: ObjectFacts,
    bytes?: Uint8Array,
    { digest, etag }: Pick<ObjectFacts, 'digest' | 'etag'> = facts,
  ) {
    this.size = facts.size;
    this.digest = digest;
    this.etag = etag;
    this.#facts = facts;
    this.inMemory = bytes !== undefined;
    this.#bucket = bucket;
    this.#path = path;
    this.#bytes = bytes;
  }

  get version(): string {
    return this.#facts.etag.replaceAll('"', '');
  }

  /** The same bytes, found by a pointer. */
  behind(pointer: ObjectFacts): FoundInBucket {
    return new FoundInBucket(this.#bucket, this.#path, this.#facts, this.#bytes, pointer);
  }

  read(): Uint8Array {
    if (!this.#bytes) throw new TypeError(`${this.#path} has ${this.size} bytes, and is read in pieces`);
    return this.#bytes;
  }

  /** Of this very object: where it was replaced meanwhile it breaks off, and never goes on with another's bytes. */
  async *lend(range: ByteRange): AsyncIterable<Uint8Array> {
    try {
      if (this.#bytes) yield this.#bytes.subarray(range.start, range.end + 1);
      else yield* this.#bucket.read(this.#path, range, this.#facts.etag);
    } catch (error) {
      throw unavailable(error);
    }
  }
}

/**
 * Those who ask the same at once share an answer. Never one that is on its way already: it may have left the store before
 * something was acknowledged that they have to see. So one is on its way, and all who ask meanwhile share the next.
 */
class SharedTurns<T> {
  readonly #turns = new Map<string, { readonly ended: Promise<void>; next: Promise<T> | undefined }>();

  join(key: string, ask: () => Promise<T>): Promise<T> {
    const turn = this.#turns.get(key);
    if (!turn) return this.#begin(key, ask);
    return (turn.next ??= turn.ended.then(() => this.#begin(key, ask)));
  }

  #begin(key: string, ask: () => Promise<T>): Promise<T> {
    const answer = ask();
    const end = (): void => {
      if (!turn.next) this.#turns.delete(key);
    };
    const turn = { ended: answer.then(end, end), next: undefined };
    this.#turns.set(key, turn);
    return answer;
  }
}

/** Of objects that are read in pieces; the oldest are forgotten. */
class LongPaths {
  readonly #paths = new Set<string>();

  has(path: string): boolean {
    return this.#paths.has(path);
  }

  add(path: string): void {
    this.#paths.add(path);
    for (const oldest of this.#paths) {
      if (this.#paths.size <= LONG_PATHS_AT_MOST) return;
      this.#paths.delete(oldest);
    }
  }
}
