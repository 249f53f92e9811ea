/** The files of a shelf from outside: all that lies there, and how those of a directory of blobs go. */
import { renameSync, statSync, type Dirent } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDigest, type Digest, type DigestAlgorithm } from '../core/digest.ts';
import { leavingIn, type BlobRemover, type BlobShelf } from './blob-shelf.ts';
import { ensureDirectory, isErrno, nextNumber, syncDirectories } from './durable-files.ts';

export interface BlobFolder {
  /** In ascending order. */
  readonly digests: readonly Digest[];
  /** Paths of what is no blob: a store makes none of them. */
  readonly strangers: readonly string[];
}

/** In ascending order. */
const algorithms: readonly DigestAlgorithm[] = ['sha256', 'sha512'];

/** All blobs, a folder at a time, in ascending order of their digests. What comes and goes meanwhile may be among them or not. */
export async function* blobFolders(shelf: BlobShelf): AsyncGenerator<BlobFolder> {
  const { root, incoming } = shelf;
  const known = new Set([
    incoming,
    leavingIn(shelf),
    ...algorithms.map((algorithm) => join(root, algorithm)),
  ]);
  const beside = (await entriesOf(root)).map(({ name }) => join(root, name));
  yield { digests: [], strangers: beside.filter((path) => !known.has(path)) };
  for (const algorithm of algorithms)
    for (const entry of await entriesOf(join(root, algorithm))) yield folderOf(root, algorithm, entry);
}

async function folderOf(root: string, algorithm: DigestAlgorithm, entry: Dirent): Promise<BlobFolder> {
  const path = join(root, algorithm, entry.name);
  if (!entry.isDirectory() || !/^[0-9a-f]{2}$/.test(entry.name)) return { digests: [], strangers: [path] };
  const digests: Digest[] = [];
  const strangers: string[] = [];
  for (const file of await entriesOf(path)) {
    const digest = `${algorithm}:${file.name}`;
    if (file.isFile() && isDigest(digest) && file.name.startsWith(entry.name)) digests.push(digest);
    else strangers.push(join(path, file.name));
  }
  return { digests, strangers };
}

/** Ordered by name; none where there is no such directory. */
async function entriesOf(directory: string): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

export interface BlobFile {
  readonly size: number;
  /** When somebody last needed it: see `BlobShelf.renew`. Milliseconds since 1970. */
  readonly touched: number;
}

/** Undefined when it is not there. */
export async function lookAtBlob(shelf: BlobShelf, digest: Digest): Promise<BlobFile | undefined> {
  try {
    const { size, mtimeMs } = await stat(shelf.pathOf(digest));
    return { size, touched: Math.round(mtimeMs) };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Stopping between its two steps leaves blobs in `incoming/`, which the next writer clears. */
export class DirectoryRemover implements BlobRemover {
  readonly #shelf: BlobShelf;
  readonly #changed = new Set<string>();
  #out: string[] = [];

  private constructor(shelf: BlobShelf) {
    this.#shelf = shelf;
  }

  static async open(shelf: BlobShelf): Promise<BlobRemover> {
    await ensureDirectory(shelf.incoming);
    return new DirectoryRemover(shelf);
  }

  takeOut(digest: Digest): number | undefined {
    const path = this.#shelf.pathOf(digest);
    const file = statSync(path, { throwIfNoEntry: false });
    if (!file) return undefined;
    const out = join(this.#shelf.incoming, `${process.pid}-${nextNumber()}`);
    renameSync(path, out);
    this.#out.push(out);
    this.#changed.add(dirname(path));
    return file.nlink > 1 ? 0 : file.size;
  }

  async free(): Promise<void> {
    const out = this.#out;
    this.#out = [];
    await Promise.all(out.map((path) => rm(path, { force: true })));
  }

  async finish(): Promise<void> {
    await this.free();
    await syncDirectories(this.#changed);
  }
}
