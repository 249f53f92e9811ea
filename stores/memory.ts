/**
 * The stores in memory: for tests, and stricter than any disk. A site refuses to change an artifact, and each can be
 * told to fail at its nth write, both ways: lost, or landed and reported lost.
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { uuidFrom } from '../core/accounts.ts';
import { digestOf, splitDigest, type Digest } from '../core/digest.ts';
import { LogDamage, RegistryError } from '../core/errors.ts';
import type { TokenUse } from '../core/account-book.ts';
import type { LineCodec, LogLine } from '../core/event.ts';
import type {
  AccessKey,
  AccessKeys,
  BlobStore,
  ByteRange,
  Clock,
  EventLog,
  Expiry,
  HeldBlob,
  Ids,
  Pending,
  SiteBuild,
  SiteRecords,
  SiteTarget,
  StagedBlob,
  StageLimits,
  Upload,
  UploadLimits,
  UploadStore,
  Upstream,
  UpstreamAnswer,
  UpstreamAsk,
} from '../core/ports.ts';
import { byRank, type SiteBody, type SiteFile } from '../core/site.ts';
import { placeSegment, refusalOf, refused, roomFor } from './upload-rules.ts';

export class Fault extends Error {
  override readonly name = 'Fault';
}

/** Decides which write fails. */
class Faults {
  #countdown = Infinity;
  #landed = false;

  /** The `nth` write from now (1 is the next) fails; `landed`: it happens all the same. */
  failAt(nth: number, landed = false): void {
    this.#countdown = nth;
    this.#landed = landed;
  }

  run(write: () => void): void {
    this.#countdown -= 1;
    if (this.#countdown !== 0) return write();
    if (this.#landed) write();
    throw new Fault(this.#landed ? 'landed, and reported lost' : 'lost');
  }
}

export class MemoryLog<E extends LogLine> implements EventLog<E> {
  readonly faults = new Faults();
  readonly #lines: LineCodec<E>;
  #stored: string[] = [];
  #seen: string[] = [];

  constructor(lines: LineCodec<E>) {
    this.#lines = lines;
  }

  get length(): number {
    return this.#seen.length;
  }

  get head(): string {
    return headOf(this.#seen);
  }

  read(seq: number): E {
    const line = this.#seen[seq];
    if (line === undefined) throw new RangeError(`the log has no event ${seq} yet`);
    return this.#lines.decode(line, seq);
  }

  async append(events: readonly E[]): Promise<void> {
    const lines = events.map((event, i) => {
      if (event.seq !== this.length + i)
        throw new LogDamage(`event ${event.seq} cannot be appended at ${this.length + i}`);
      return this.#lines.encode(event);
    });
    await Promise.resolve();
    if (this.#stored.length !== this.#seen.length) throw new LogDamage('somebody else wrote to the log');
    this.faults.run(() => (this.#stored = [...this.#stored, ...lines]));
    this.#seen = this.#stored;
  }

  async refresh(): Promise<void> {
    this.#seen = this.#stored;
  }

  async carriesOn(head: string): Promise<boolean> {
    for (let length = 0; length <= this.#seen.length; length += 1)
      if (headOf(this.#seen.slice(0, length)) === head) return true;
    return false;
  }

  async close(): Promise<void> {}
}

function headOf(lines: readonly string[]): string {
  return lines.length === 0 ? '' : createHash('sha256').update(lines.join('\n')).digest('hex');
}

export class MemoryAccessKeys implements AccessKeys {
  readonly faults = new Faults();
  #stored: readonly AccessKey[];
  #seen: readonly AccessKey[];

  /** Holds what another one holds, as after a restart. */
  constructor(like?: MemoryAccessKeys) {
    this.#seen = this.#stored = like ? like.#stored : [];
  }

  get all(): readonly AccessKey[] {
    return this.#seen;
  }

  async create(madeAtMs: number): Promise<AccessKey> {
    const pair = generateKeyPairSync('ed25519');
    const spki = pair.publicKey.export({ type: 'spki', format: 'der' });
    const key = { ...pair, madeAtMs, id: createHash('sha256').update(spki).digest('hex').slice(0, 16) };
    await Promise.resolve();
    this.faults.run(() => {
      this.#stored = [...this.#stored, key].sort((a, b) => a.madeAtMs - b.madeAtMs);
    });
    this.#seen = this.#stored;
    return key;
  }

  async remove(id: string): Promise<void> {
    this.faults.run(() => {
      this.#stored = this.#stored.filter((key) => key.id !== id);
    });
    this.#seen = this.#stored;
  }
}

export class MemoryBlobs implements BlobStore {
  readonly faults = new Faults();
  readonly blobs = new Map<string, Uint8Array>();
  /** How many staged blobs are neither committed nor discarded. */
  staged = 0;

  async stage(source: AsyncIterable<Uint8Array>, { maxBytes, algorithm }: StageLimits): Promise<StagedBlob> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of source) {
      size += chunk.byteLength;
      if (size > maxBytes)
        throw new RegistryError('too-large', `the upload is over the limit of ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks);
    const digest = digestOf(bytes, algorithm);
    let open = true;
    this.staged += 1;
    const end = (): void => {
      if (open) this.staged -= 1;
      open = false;
    };
    return {
      digest,
      size,
      async *open() {
        yield bytes;
      },
      commit: async () => {
        this.faults.run(() => this.blobs.set(digest, bytes));
        end();
      },
      discard: async () => end(),
    };
  }

  async *open(digest: Digest, range?: ByteRange): AsyncIterable<Uint8Array> {
    const bytes = await this.read(digest);
    yield range ? bytes.subarray(range.start, range.end + 1) : bytes;
  }

  /** Strict: what was lent is no more once the next piece is asked for. */
  async *lend(digest: Digest, range?: ByteRange): AsyncIterable<Uint8Array> {
    for await (const bytes of this.open(digest, range))
      for (const half of [bytes.subarray(0, bytes.length >> 1), bytes.subarray(bytes.length >> 1)]) {
        const lent = Uint8Array.from(half);
        yield lent;
        lent.fill(0);
      }
  }

  sizeOf(digest: Digest): number | undefined {
    return this.blobs.get(digest)?.byteLength;
  }

  async has(digest: Digest): Promise<boolean> {
    return this.blobs.has(digest);
  }

  async read(digest: Digest): Promise<Uint8Array> {
    const bytes = this.blobs.get(digest);
    if (!bytes) throw new RegistryError('not-found', `blob ${digest} is missing`);
    return bytes;
  }
}

interface MemoryUpload extends Upload {
  readonly bytes: Uint8Array;
}

export class MemoryUploads implements UploadStore {
  readonly faults = new Faults();
  readonly #blobs: MemoryBlobs;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #uploads = new Map<string, MemoryUpload>();
  readonly #busy = new Set<string>();
  readonly #held = new Map<string, Omit<HeldBlob, 'size'>>();

  constructor({ blobs, clock, ids }: { blobs: MemoryBlobs; clock: Clock; ids: Ids }) {
    this.#blobs = blobs;
    this.#clock = clock;
    this.#ids = ids;
  }

  async start(place: string, by: string): Promise<Upload> {
    placeSegment(place);
    const id = uuidFrom(this.#ids.next());
    return this.#set({ id, place, by, at: this.#clock.now(), bytes: Buffer.alloc(0), size: 0 });
  }

  #set(upload: MemoryUpload): Upload {
    this.faults.run(() => this.#uploads.set(upload.id, upload));
    return shown(upload);
  }

  find(id: string): Upload | undefined {
    const upload = this.#uploads.get(id);
    return upload && shown(upload);
  }

  #require(id: string): MemoryUpload {
    const upload = this.#uploads.get(id);
    if (!upload) throw refused.unknown(id);
    return upload;
  }

  append(
    id: string,
    source: AsyncIterable<Uint8Array>,
    { at, ...limits }: UploadLimits & { readonly at?: number | undefined },
  ): Promise<Upload> {
    return this.#alone(id, async (upload) => {
      if (at !== undefined && at !== upload.size) throw refused.outOfOrder(at, upload.size);
      const { bytes: more, failure } = await gather(source, limits, upload.size);
      this.#require(id);
      const bytes = Buffer.concat([upload.bytes, more]);
      const longer = this.#set({ ...upload, bytes, size: bytes.byteLength, at: this.#clock.now() });
      if (failure) throw failure.cause;
      return longer;
    });
  }

  finish(id: string, digest: Digest): Promise<HeldBlob> {
    return this.#alone(id, async ({ place, bytes }) => {
      await Promise.resolve();
      this.#require(id);
      this.#uploads.delete(id);
      return this.#keep(place, digest, bytes);
    });
  }

  async #alone<T>(id: string, work: (upload: MemoryUpload) => Promise<T>): Promise<T> {
    const upload = this.#require(id);
    if (this.#busy.has(id)) throw refused.busy(id);
    this.#busy.add(id);
    try {
      return await work(upload);
    } finally {
      this.#busy.delete(id);
    }
  }

  async receive(
    place: string,
    digest: Digest,
    source: AsyncIterable<Uint8Array>,
    limits: UploadLimits,
  ): Promise<HeldBlob> {
    placeSegment(place);
    const { bytes, failure } = await gather(source, limits, 0);
    if (failure) throw failure.cause;
    return this.#keep(place, digest, bytes);
  }

  #keep(place: string, digest: Digest, bytes: Uint8Array): Promise<HeldBlob> {
    const found = digestOf(bytes, splitDigest(digest).algorithm);
    if (found !== digest) throw refused.mismatch(digest, found);
    this.faults.run(() => this.#blobs.blobs.set(digest, bytes));
    return this.hold(place, digest);
  }

  async cancel(id: string): Promise<void> {
    this.#require(id);
    this.faults.run(() => this.#uploads.delete(id));
  }

  async hold(place: string, digest: Digest): Promise<HeldBlob> {
    const size = this.#blobs.sizeOf(digest);
    if (size === undefined) throw new RegistryError('not-found', `blob ${digest} is missing`);
    const mark = { place, digest, at: this.#clock.now() };
    this.faults.run(() => this.#held.set(markOf(place, digest), mark));
    return { ...mark, size };
  }

  async placesOf(digest: Digest): Promise<readonly string[]> {
    const marks = [...this.#held.values()].filter((mark) => mark.digest === digest);
    return marks.map(({ place }) => place).filter((place) => this.held(place, digest));
  }

  held(place: string, digest: Digest): HeldBlob | undefined {
    const mark = this.#held.get(markOf(place, digest));
    const size = this.#blobs.sizeOf(digest);
    return mark && size !== undefined ? { ...mark, size } : undefined;
  }

  async release(place: string, digest: Digest): Promise<boolean> {
    const wasHeld = this.held(place, digest) !== undefined;
    this.faults.run(() => this.#held.delete(markOf(place, digest)));
    return wasHeld;
  }

  async *all(): AsyncGenerator<Pending> {
    for (const upload of this.#uploads.values()) yield { kind: 'upload', ...shown(upload) };
    for (const mark of this.#held.values())
      yield { kind: 'held', ...mark, size: this.#blobs.sizeOf(mark.digest) ?? 0 };
  }

  async expire({ beforeMs, only, dryRun = false }: Expiry): Promise<readonly Pending[]> {
    const ended: Pending[] = [];
    for await (const pending of this.all()) {
      const isBusy = pending.kind === 'upload' && this.#busy.has(pending.id);
      if (pending.at >= beforeMs || isBusy || (only && pending.kind !== only)) continue;
      ended.push(pending);
      if (dryRun) continue;
      if (pending.kind === 'upload') this.#uploads.delete(pending.id);
      else this.#held.delete(markOf(pending.place, pending.digest));
    }
    return ended;
  }
}

function shown({ id, place, by, size, at }: Upload): Upload {
  return { id, place, by, size, at };
}

function markOf(place: string, digest: Digest): string {
  return `${placeSegment(place)}=${digest}`;
}

async function gather(
  source: AsyncIterable<Uint8Array>,
  limits: UploadLimits,
  before: number,
): Promise<{ bytes: Uint8Array; failure: { readonly cause: unknown } | undefined }> {
  const maxBytes = roomFor(limits, before);
  const pieces: Uint8Array[] = [];
  let failure: { readonly cause: unknown } | undefined;
  let size = 0;
  try {
    for await (const piece of source) {
      size += piece.byteLength;
      if (size > maxBytes) break;
      pieces.push(piece);
    }
  } catch (cause) {
    failure = { cause };
  }
  const refusal = refusalOf({ size, isTooLong: size > maxBytes, failure }, limits);
  if (refusal) throw refusal;
  return { bytes: Buffer.concat(pieces), failure };
}

type StoredBody = Uint8Array | { readonly blob: Digest };

export class MemorySite implements SiteTarget {
  readonly faults = new Faults();
  /** Every path with its bytes, or the blob it links to. */
  files = new Map<string, StoredBody>();
  records: Partial<SiteRecords> = {};
  readonly #artifacts = new Set<string>();
  readonly #held = new Map<keyof SiteRecords, Promise<void>>();
  readonly #isBackwards: boolean;

  /** @param isBackwards what may be written in any order is written from the last to the first */
  constructor({ isBackwards = false } = {}) {
    this.#isBackwards = isBackwards;
  }

  async hold(part: keyof SiteRecords): Promise<() => Promise<void>> {
    for (let held = this.#held.get(part); held; held = this.#held.get(part)) await held;
    let free = (): void => undefined;
    this.#held.set(part, new Promise((resolve) => (free = resolve)));
    return async () => {
      this.#held.delete(part);
      free();
    };
  }

  async claim(): Promise<void> {}

  async load<K extends keyof SiteRecords>(record: K): Promise<SiteRecords[K] | undefined> {
    return this.records[record];
  }

  async save<K extends keyof SiteRecords>(record: K, value: SiteRecords[K]): Promise<void> {
    this.faults.run(() => (this.records = { ...this.records, [record]: value }));
  }

  async put(files: readonly SiteFile[]): Promise<void> {
    for (const together of byRank(files))
      for (const file of this.#isBackwards ? [...together].reverse() : together) {
        const body = await bodyOf(file.body);
        this.faults.run(() => this.#store(file, body));
      }
  }

  #store(file: SiteFile, body: StoredBody): void {
    const known = this.files.get(file.path);
    if (known && this.#artifacts.has(file.path) && !sameBody(known, body))
      throw new Error(`${file.path} is immutable and would change`);
    if (file.cache === 'artifact') this.#artifacts.add(file.path);
    this.files.set(file.path, body);
  }

  async remove(paths: readonly string[]): Promise<void> {
    for (const path of paths) this.faults.run(() => this.files.delete(path));
  }

  forget(): void {}

  async *read(path: string): AsyncIterable<string> {
    const body = this.files.get(path);
    if (body instanceof Uint8Array) yield Buffer.from(body).toString('utf8');
  }

  async rebuild(): Promise<SiteBuild> {
    const files = new Map<string, StoredBody>();
    const once = (path: string, body: StoredBody): void => {
      if (files.has(path)) throw new Error(`${path} is written twice`);
      files.set(path, body);
    };
    return {
      add: ({ path, body }) => once(path, syncBody(body)),
      addRoot: async ({ path, body }) => once(path, await bodyOf(body)),
      async *read(path) {
        const body = files.get(path);
        if (body instanceof Uint8Array) yield Buffer.from(body).toString('utf8');
      },
      finish: async (records) =>
        this.faults.run(() => {
          this.files = files;
          this.records = records;
        }),
      abandon: async () => undefined,
    };
  }
}

function syncBody(body: SiteBody): StoredBody {
  if ('bytes' in body) return body.bytes;
  if ('blob' in body) return { blob: body.blob };
  throw new TypeError('a stream is not a document');
}

async function bodyOf(body: SiteBody): Promise<StoredBody> {
  if (!('stream' in body)) return syncBody(body);
  let text = '';
  for await (const piece of body.stream()) text += piece;
  return Buffer.from(text);
}

function sameBody(a: StoredBody, b: StoredBody): boolean {
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  return !(b instanceof Uint8Array) && a.blob === b.blob;
}

export class MemoryTokenUse implements TokenUse {
  readonly #lastUsedMs = new Map<string, number>();

  record(tokenId: string, atMs: number): void {
    this.#lastUsedMs.set(tokenId, atMs);
  }

  lastUsedAt(tokenId: string): string | undefined {
    const ms = this.#lastUsedMs.get(tokenId);
    return ms === undefined ? undefined : new Date(ms).toISOString();
  }
}

/** Another registry that has what a test gives it, by what is asked for. */
export class MemoryUpstream implements Upstream {
  readonly url = 'https://upstream.example';
  readonly archives = 'stream';
  readonly contents = new Map<string, { readonly text: string; readonly etag: string }>();
  /** Answers whose bodies were neither read to the end nor closed. */
  open = 0;

  locate(at: string): string {
    return `${this.url}/${at}`;
  }

  async get({ at, ifNoneMatch }: UpstreamAsk): Promise<UpstreamAnswer> {
    const content = this.contents.get(at);
    if (!content) return { found: false, because: 'missing' };
    if (ifNoneMatch === content.etag) return { found: false, because: 'unchanged' };
    this.open += 1;
    return {
      found: true,
      contentType: undefined,
      size: undefined,
      etag: content.etag,
      body: this.#body(content.text),
    };
  }

  #body(text: string): AsyncIterableIterator<Uint8Array> {
    const pieces = text.match(/[^]{1,7}/g) ?? [];
    let isOpen = true;
    const end = (): void => {
      if (isOpen) this.open -= 1;
      isOpen = false;
    };
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      async next() {
        const piece = isOpen ? pieces.shift() : undefined;
        if (piece !== undefined) return { done: false, value: Buffer.from(piece) };
        end();
        return { done: true, value: undefined };
      },
      async return() {
        end();
        return { done: true, value: undefined };
      },
    };
  }
}
