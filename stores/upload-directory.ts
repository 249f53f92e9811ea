/**
 * Uploads in a directory, on the same disk as the shelf of the blobs: `open/<id>`, the bytes so far, and `open/<id>.json`, what they
 * are for. One is nothing without the other. What is held lies beside them, in `held/`.
 */
import {
  closeSync,
  existsSync,
  ftruncate as ftruncateCallback,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { uuidFrom } from '../core/accounts.ts';
import { asDigest, splitDigest, type Digest } from '../core/digest.ts';
import type {
  Clock,
  Expiry,
  HeldBlob,
  Ids,
  Pending,
  Upload,
  UploadLimits,
  UploadStore,
} from '../core/ports.ts';
import type { ShelvedBlobs } from './blob-shelf.ts';
import { hashOfFile, pour } from './byte-streams.ts';
import {
  DurableDirectories,
  ensureDirectory,
  isErrno,
  sync,
  syncDirectories,
  syncPath,
  writeSynced,
} from './durable-files.ts';
import { HeldMarks, namesIn, setTime, timeOf } from './held-marks.ts';
import { receiveFile } from './received-file.ts';
import { UploadHashes } from './upload-hashes.ts';
import { isUploadId, placeSegment, refusalOf, refused, roomFor } from './upload-rules.ts';

const ftruncate = promisify(ftruncateCallback);

const RECORD = '.json';
const NEW_RECORD = '.new';

interface UploadRecord {
  readonly place: string;
  readonly by: string;
}

export interface UploadDirectoryOptions {
  readonly root: string;
  readonly blobs: ShelvedBlobs;
  readonly clock: Clock;
  readonly ids: Ids;
}

interface Ending {
  /** Throws when it has been cancelled meanwhile. */
  readonly requireWanted?: () => void;
  /** Takes its file away, which is the blob's now. */
  readonly remove: () => void;
}

export class UploadDirectory implements UploadStore {
  readonly #root: string;
  readonly #open: string;
  readonly #blobs: ShelvedBlobs;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #directories: DurableDirectories;
  readonly #marks: HeldMarks;
  /** Uploads that a request works on. */
  readonly #busy = new Set<string>();
  readonly #hashes = new UploadHashes();

  constructor({ root, blobs, clock, ids }: UploadDirectoryOptions) {
    this.#root = root;
    this.#open = openIn(root);
    this.#blobs = blobs;
    this.#clock = clock;
    this.#ids = ids;
    this.#directories = new DurableDirectories(root);
    this.#marks = new HeldMarks(join(root, 'held'), blobs.shelf, clock);
  }

  /**
   * The only process that receives uploads calls this: what an earlier one left that belongs to no upload is removed.
   * Nobody else may look in, since places have the names of private packages.
   */
  async prepare(): Promise<void> {
    await ensureDirectory(this.#root, 0o700);
    for (const path of strayFiles(this.#root)) rmSync(path, { force: true });
  }

  async start(place: string, by: string): Promise<Upload> {
    placeSegment(place);
    const id = uuidFrom(this.#ids.next());
    const path = this.#pathOf(id);
    const record: UploadRecord = { place, by };
    await this.#directories.ensure(this.#open);
    try {
      await Promise.all([
        writeSynced(path, Buffer.alloc(0)),
        writeSynced(path + NEW_RECORD, Buffer.from(`${JSON.stringify(record)}\n`)),
      ]);
      setTime(path, this.#clock.now());
      // Stopping before this leaves files that belong to no upload: the next start removes them.
      renameSync(path + NEW_RECORD, path + RECORD);
      await syncPath(this.#open);
    } catch (error) {
      rmSync(path + NEW_RECORD, { force: true });
      this.#forget(id);
      throw error;
    }
    return this.#require(id);
  }

  find(id: string): Upload | undefined {
    if (!isUploadId(id)) return undefined;
    const path = this.#pathOf(id);
    const found = statSync(path, { throwIfNoEntry: false });
    // Two names: it has become a blob, and whoever did that was stopped. No byte of it may change any more.
    if (!found || found.nlink > 1) return undefined;
    const record = readRecord(path + RECORD);
    return record && { id, ...record, size: found.size, at: timeOf(found) };
  }

  append(
    id: string,
    source: AsyncIterable<Uint8Array>,
    { at, ...limits }: UploadLimits & { readonly at?: number | undefined },
  ): Promise<Upload> {
    return this.#alone(id, async (upload) => {
      if (at !== undefined && at !== upload.size) throw refused.outOfOrder(at, upload.size);
      const maxBytes = roomFor(limits, upload.size);
      const hash = this.#hashes.soFar(upload);
      const file = openSync(this.#pathOf(id), 'r+');
      const { poured, refusal } = await this.#orOver(id, async () => {
        try {
          const poured = await pour(source, { file, position: upload.size, maxBytes, hash });
          const refusal = refusalOf(poured, limits);
          if (refusal) await ftruncate(file, upload.size);
          // Killed before this, some of the bytes are there, from the first on, and gone on from. After a power cut they may
          // be no more than a length: then the digest will not be right, and the client begins again.
          await sync(file);
          return { poured, refusal };
        } finally {
          closeSync(file);
        }
      });
      // It may have been cancelled meanwhile.
      const { size } = this.#require(id);
      setTime(this.#pathOf(id), refusal ? upload.at : this.#clock.now());
      if (refusal) throw refusal;
      if (hash) this.#hashes.remember({ id, size }, hash);
      if (poured.failure) throw poured.failure.cause;
      return this.#require(id);
    });
  }

  finish(id: string, digest: Digest): Promise<HeldBlob> {
    return this.#alone(id, async (upload) => {
      const path = this.#pathOf(id);
      const found = await this.#orOver(id, async () => {
        // Also when all was hashed: what a process wrote that was killed may not be on the disk yet.
        await syncPath(path);
        return this.#digestOf(upload, digest);
      });
      this.#require(id);
      if (found !== digest) {
        this.#forget(id);
        await syncPath(this.#open);
        throw refused.mismatch(digest, found);
      }
      return this.#keep(path, upload.place, digest, {
        requireWanted: () => void this.#require(id),
        remove: () => this.#forget(id),
      });
    });
  }

  async receive(
    place: string,
    digest: Digest,
    source: AsyncIterable<Uint8Array>,
    limits: UploadLimits,
  ): Promise<HeldBlob> {
    placeSegment(place);
    await this.#directories.ensure(this.#open);
    // Bytes without a record: wherever we stop, nobody comes back to them, and the next start removes them.
    const path = this.#pathOf(uuidFrom(this.#ids.next()));
    const remove = (): void => rmSync(path, { force: true });
    try {
      const found = await receiveFile(path, source, digest, limits);
      if (found !== digest) throw refused.mismatch(digest, found);
      return await this.#keep(path, place, digest, { remove });
    } catch (error) {
      remove();
      throw error;
    }
  }

  async cancel(id: string): Promise<void> {
    this.#require(id);
    this.#forget(id);
    await syncPath(this.#open);
  }

  async hold(place: string, digest: Digest): Promise<HeldBlob> {
    // What is not there leaves no trace.
    const { shelf } = this.#blobs;
    shelf.renew(digest);
    await this.#marks.prepare(place, digest);
    return this.#marks.keep(place, digest, () => shelf.renew(digest));
  }

  held(place: string, digest: Digest): HeldBlob | undefined {
    return this.#marks.held(place, digest);
  }

  placesOf(digest: Digest): Promise<readonly string[]> {
    return this.#marks.placesOf(digest);
  }

  release(place: string, digest: Digest): Promise<boolean> {
    return this.#marks.release(place, digest);
  }

  async *all(): AsyncGenerator<Pending> {
    yield* this.#uploads();
    for await (const held of this.#marks.all()) yield { kind: 'held', ...held };
  }

  async *#uploads(): AsyncGenerator<Pending> {
    for await (const name of namesIn(this.#open)) {
      const upload = name.endsWith(RECORD) && this.find(name.slice(0, -RECORD.length));
      if (upload) yield { kind: 'upload', ...upload };
    }
  }

  async expire({ beforeMs, only, dryRun = false }: Expiry): Promise<readonly Pending[]> {
    const ended: Pending[] = [];
    const changed = new Set<string>();
    for await (const listed of only === 'upload' ? this.#uploads() : this.all()) {
      const pending = this.#again(listed);
      if (!pending || pending.at >= beforeMs || (only && pending.kind !== only)) continue;
      if (pending.kind === 'upload' && this.#busy.has(pending.id)) continue;
      ended.push(pending);
      if (dryRun) continue;
      if (pending.kind === 'upload') this.#forget(pending.id);
      const ofMark = pending.kind === 'held' && this.#marks.remove(pending.place, pending.digest);
      changed.add(ofMark || this.#open);
    }
    await syncDirectories(changed);
    return ended;
  }

  /** As it is now: it may have been touched since it was listed. */
  #again(listed: Pending): Pending | undefined {
    if (listed.kind === 'upload') {
      const upload = this.find(listed.id);
      return upload && { kind: 'upload', ...upload };
    }
    const held = this.#marks.marked(listed.place, listed.digest);
    return held && { kind: 'held', ...held };
  }

  /** Only of an id that is one. */
  #pathOf(id: string): string {
    return join(this.#open, id);
  }

  #require(id: string): Upload {
    const upload = this.find(id);
    if (!upload) throw refused.unknown(id);
    return upload;
  }

  /** Two at once would write over one another. @throws RegistryError `upload-not-found`, `conflict` */
  async #alone<T>(id: string, work: (upload: Upload) => Promise<T>): Promise<T> {
    const upload = this.#require(id);
    if (this.#busy.has(id)) throw refused.busy(id);
    this.#busy.add(id);
    try {
      return await work(upload);
    } finally {
      this.#busy.delete(id);
    }
  }

  /** What a failing disk has taken is not trusted again, also not when a later sync says that all is well. */
  async #orOver<T>(id: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // Cancelled while its file was about to be opened.
      if (!this.find(id)) throw refused.unknown(id, error);
      this.#forget(id);
      throw error;
    }
  }

  /** It is over. Stopping in between leaves bytes without a record, which are nothing. */
  #forget(id: string): void {
    this.#hashes.forget(id);
    rmSync(this.#pathOf(id) + RECORD, { force: true });
    rmSync(this.#pathOf(id), { force: true });
  }

  async #digestOf(upload: Upload, wanted: Digest): Promise<Digest> {
    const { algorithm } = splitDigest(wanted);
    const hash = algorithm === 'sha256' ? this.#hashes.soFar(upload) : undefined;
    const hex = hash ? hash.digest('hex') : await hashOfFile(this.#pathOf(upload.id), algorithm);
    return asDigest(`${algorithm}:${hex}`);
  }

  /**
   * A whole, synced file becomes a blob that is held. Stopping halfway leaves the upload to be finished again, unless its
   * file is the blob by now: then it is over.
   */
  async #keep(
    path: string,
    place: string,
    digest: Digest,
    { requireWanted, remove }: Ending,
  ): Promise<HeldBlob> {
    const become = (adopt: () => void) => (): void => {
      adopt();
      remove();
    };
    try {
      return await this.#blobs.bring(path, digest, async (adopt) => {
        await this.#marks.prepare(place, digest);
        requireWanted?.();
        return this.#marks.keep(place, digest, become(adopt), [dirname(path)]);
      });
    } catch (error) {
      // Its file went while its bytes were about to be sent.
      if (isErrno(error, 'ENOENT')) requireWanted?.();
      throw error;
    }
  }
}

/** Files that belong to no upload: of what came in one go and not whole, was just begun, or was just over. */
export function strayFiles(root: string): string[] {
  const directory = openIn(root);
  if (!existsSync(directory)) return [];
  const names = new Set(readdirSync(directory));
  const isUpload = (id: string): boolean =>
    names.has(id) &&
    names.has(id + RECORD) &&
    statSync(join(directory, id), { throwIfNoEntry: false })?.nlink === 1;
  return [...names]
    .filter((name) => !isUpload(name.endsWith(RECORD) ? name.slice(0, -RECORD.length) : name))
    .map((name) => join(directory, name));
}

function openIn(root: string): string {
  return join(root, 'open');
}

/** A record that cannot be read is one that is not there. */
function readRecord(path: string): UploadRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as UploadRecord;
  } catch (error) {
    if (isErrno(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
