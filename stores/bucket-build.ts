/**
 * A whole site made aside, in files of a local directory, and then brought into a bucket: what differs from the bucket's own
 * list is sent, what is too much is removed. Whoever was stopped begins again, and finds there what was sent before.
 */
import { createReadStream } from 'node:fs';
import { appendFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Digest } from '../core/digest.ts';
import type { SiteBuild, SiteRecords } from '../core/ports.ts';
import { blobNamedBy, checkedPointer, isAsLongAsPointer, type PointedBlobs } from './bucket-pointers.ts';
import { PROBE } from './bucket-probe.ts';
import type { Bucket, ListedObject } from './bucket.ts';
import { writeOptions, type BlobPlace, type BuildProgress } from './bucket-site.ts';
import { isErrno } from './durable-files.ts';
import { sideBySide } from './side-by-side.ts';
import { recordNames } from './site-files.ts';
import { SpooledSite, type SpooledFile } from './spooled-site.ts';

interface BuildOptions {
  readonly bucket: Bucket;
  readonly placeOf: (digest: Digest) => BlobPlace;
  readonly pointers: PointedBlobs | undefined;
  readonly isOutsideLog: (path: string) => boolean;
  readonly onProgress: (progress: BuildProgress) => void;
  /** An empty one; it is gone in the end. */
  readonly directory: string;
  /** Does one write, unless the site is another's by now. */
  readonly claimed: <T>(write: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  /** Before the first write. */
  readonly begin: () => Promise<void>;
  /** After the last one. */
  readonly done: (records: Pick<SiteRecords, 'progress' | 'roots'>) => Promise<void>;
}

/** How often somebody hears of it. */
const PROGRESS_FILES = 1_000;

export function startBucketBuild(options: BuildOptions): SiteBuild {
  const site = new SpooledSite(join(options.directory, 'site'), options.pointers ? 'pointers' : 'copies');
  const { onProgress } = options;
  let files = 0;
  const count = (): void => {
    files += 1;
    if (files % PROGRESS_FILES === 0) onProgress({ doing: 'rendering', done: files });
  };
  const remove = async (): Promise<void> => {
    await site.remove();
    await rm(options.directory, { recursive: true, force: true });
  };
  return {
    add(file) {
      site.add(file);
      count();
    },
    async addRoot(file) {
      if ('stream' in file.body) await site.addStream(file, file.body.stream);
      else site.add(file);
      count();
    },
    read: (path) => site.read(path),
    async finish(records) {
      await options.begin();
      await bringIn(site, files, options);
      await options.done(records);
      await remove();
    },
    abandon: remove,
  };
}

async function bringIn(site: SpooledSite, files: number, options: BuildOptions): Promise<void> {
  const { bucket, isOutsideLog, onProgress, directory } = options;
  const listed = new ListedParts(join(directory, 'listed'), site);
  let seen = 0;
  for await (const object of bucket.list()) {
    await listed.add(object);
    seen += 1;
    if (seen % PROGRESS_FILES === 0) onProgress({ doing: 'comparing', done: seen, of: files });
  }
  await listed.flush();
  const wishes = new Wishes(join(directory, 'wishes'));
  const extra: string[] = [];
  for (let part = 0; part < site.parts; part += 1) {
    const there = await listed.of(part);
    for await (const file of site.files(part)) {
      const object = there.get(file.path);
      there.delete(file.path);
      if (!object || !(await isSame(file, object, bucket))) await wishes.add(file, object);
    }
    for (const path of there.keys()) if (!isBeside(path) && !isOutsideLog(path)) extra.push(path);
  }
  await wishes.flush();
  let sent = 0;
  // Artifacts before documents, and each before what names it: at every moment what a document names is there.
  for (const stage of wishes.stages)
    for await (const batch of batchesOf(wishes.of(stage)))
      await sideBySide(batch, async (wish) => {
        await send(wish, site, options);
        sent += 1;
        if (sent % PROGRESS_FILES === 0) onProgress({ doing: 'sending', done: sent, of: wishes.count });
      });
  await removeExtra(extra, options);
}

/** Records say who may write: they are never part of it. Neither is what a doctor tries a store with. */
export const isBeside = (path: string): boolean =>
  Object.values(recordNames).includes(path) || path.startsWith(PROBE);

/** Whether an object is what a file is to be. What the list does not tell is asked for. */
async function isSame(file: SpooledFile, { etag, size }: Listed, bucket: Bucket): Promise<boolean> {
  if (size !== file.size) return false;
  if (file.md5 !== undefined && etag === `"${file.md5}"`) return true;
  // An artifact never changes: what is at its path, and as long, is it. `regen --check` looks closer.
  if (file.cache === 'artifact' && file.from === 'blob' && !isAsLongAsPointer(file)) return true;
  // Not every store makes ETags of the bytes, and none does of what came in parts.
  const facts = await bucket.head(file.path);
  return facts?.digest === file.digest && facts.blob === blobNamedBy(file);
}

interface Wish {
  readonly file: SpooledFile;
  /** Of what it replaces. */
  readonly etag: string | undefined;
}

async function send({ file, etag }: Wish, site: SpooledSite, options: BuildOptions): Promise<void> {
  const { bucket, placeOf, pointers, claimed } = options;
  const { path, size, from, digest } = file;
  const condition = etag === undefined ? ('absent' as const) : { etag };
  const pointer = from === 'pointer' && pointers && (await checkedPointer(digest, pointers));
  await claimed((signal) => {
    const write = { ...writeOptions(file, digest), condition, signal };
    if (pointer) return bucket.put(path, pointer.bytes, { ...write, blob: pointer.blob });
    if (typeof from === 'object')
      return 'file' in from
        ? bucket.putFile(path, from.file, size, write)
        : bucket.put(path, site.bytesOf(file), write);
    const place = placeOf(digest);
    if ('path' in place) return bucket.putFile(path, place.path, size, write);
    return bucket.copy(place.bucket, place.key, size, path, write);
  });
}

/** Each before what it names. Of what is too much nothing is known but what is recorded with it. */
async function removeExtra(
  paths: readonly string[],
  { bucket, claimed, onProgress }: BuildOptions,
): Promise<void> {
  const stages = new Map<number, string[]>();
  await sideBySide(paths, async (path) => {
    const facts = await bucket.head(path);
    if (!facts) return;
    const stage = stageOf({ cache: facts.isImmutable ? 'artifact' : 'document', rank: facts.rank });
    const together = stages.get(stage);
    if (together) together.push(path);
    else stages.set(stage, [path]);
  });
  let removed = 0;
  for (const [, together] of [...stages].sort(([a], [b]) => b - a))
    await sideBySide(together, async (path) => {
      await claimed((signal) => bucket.remove(path, signal));
      removed += 1;
      if (removed % PROGRESS_FILES === 0) onProgress({ doing: 'removing', done: removed, of: paths.length });
    });
}

const BATCH = 512;

async function* batchesOf<T>(items: AsyncIterable<T>): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

type Listed = Pick<ListedObject, 'etag' | 'size'>;

/** What is in the bucket, in the same parts as the site. */
class ListedParts {
  readonly #path: string;
  readonly #site: SpooledSite;
  readonly #lines: Lines;

  constructor(path: string, site: SpooledSite) {
    this.#path = path;
    this.#site = site;
    this.#lines = new Lines();
  }

  async add({ key, etag, size }: ListedObject): Promise<void> {
    await this.#lines.add(`${this.#path}.${this.#site.partOf(key)}`, [key, etag, size]);
  }

  flush(): Promise<void> {
    return this.#lines.flush();
  }

  async of(part: number): Promise<Map<string, Listed>> {
    const objects = new Map<string, Listed>();
    for await (const line of linesOf<[string, string, number]>(`${this.#path}.${part}`)) {
      const [key, etag, size] = line;
      objects.set(key, { etag, size });
    }
    return objects;
  }
}

/** What is to be sent, by the order in which it may appear. */
class Wishes {
  readonly #path: string;
  readonly #lines = new Lines();
  readonly #stages = new Set<number>();
  count = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async add(file: SpooledFile, object: Listed | undefined): Promise<void> {
    const stage = stageOf(file);
    this.#stages.add(stage);
    this.count += 1;
    await this.#lines.add(`${this.#path}.${stage}`, { file, etag: object?.etag } satisfies Wish);
  }

  flush(): Promise<void> {
    return this.#lines.flush();
  }

  get stages(): readonly number[] {
    return [...this.#stages].sort((a, b) => a - b);
  }

  of(stage: number): AsyncIterable<Wish> {
    return linesOf<Wish>(`${this.#path}.${stage}`);
  }
}

/** More than any rank. */
const ABOVE_RANKS = 10_000;

function stageOf({ cache, rank = 0 }: Pick<SpooledFile, 'cache' | 'rank'>): number {
  return cache === 'artifact' ? rank : ABOVE_RANKS + rank;
}

const LINES_AT_ONCE = 500;

/** Lines for several files, each written some hundred at a time. */
class Lines {
  readonly #waiting = new Map<string, string[]>();

  async add(path: string, value: unknown): Promise<void> {
    const lines = this.#waiting.get(path) ?? [];
    this.#waiting.set(path, lines);
    lines.push(`${JSON.stringify(value)}\n`);
    if (lines.length < LINES_AT_ONCE) return;
    this.#waiting.delete(path);
    await appendFile(path, lines.join(''));
  }

  async flush(): Promise<void> {
    for (const [path, lines] of this.#waiting) await appendFile(path, lines.join(''));
    this.#waiting.clear();
  }
}

async function* linesOf<T>(path: string): AsyncGenerator<T> {
  const stream = createReadStream(path, { encoding: 'utf8' });
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity }))
      yield JSON.parse(line) as T;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  } finally {
    stream.destroy();
  }
}
