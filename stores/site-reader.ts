import { createReadStream, readFileSync, statSync, type Stats } from 'node:fs';
import type { Readable } from 'node:stream';
import type { FoundFile, SiteReader } from '../core/ports.ts';
import { isErrno } from './durable-files.ts';

/** Reads a site directory for the embedded server. Paths come from `sitePath`, which lets nothing out of the root. */
export function siteReader(root: string): SiteReader {
  return {
    find(path, known): FoundFile | undefined {
      const full = `${root}/${path}`;
      const found = statOf(full);
      if (found === undefined) return undefined;
      if (known instanceof FileOnDisk && known.is(found)) return known;
      return found.isFile() ? new FileOnDisk(full, found) : undefined;
    },
  };
}

class FileOnDisk implements FoundFile {
  readonly #path: string;
  readonly #stats: Stats;

  constructor(path: string, stats: Stats) {
    this.#path = path;
    this.#stats = stats;
  }

  get size(): number {
    return this.#stats.size;
  }

  // Not the time of the last change of the inode: that moves whenever a blob gets one more link.
  get version(): string {
    const { ino, mtimeMs, size } = this.#stats;
    return `${ino.toString(36)}-${mtimeMs.toString(36)}-${size.toString(36)}`;
  }

  /** Whether a look at the path has found this very file, untouched. */
  is(found: Stats): boolean {
    const { ino, dev, size, mtimeMs, ctimeMs } = this.#stats;
    return (
      found.ino === ino &&
      found.mtimeMs === mtimeMs &&
      found.ctimeMs === ctimeMs &&
      found.size === size &&
      found.dev === dev
    );
  }

  read(): Uint8Array {
    return readFileSync(this.#path);
  }

  stream(start: number, end: number): Readable {
    return createReadStream(this.#path, { start, end, highWaterMark: 256 * 1024 });
  }
}

const withoutThrowing = { throwIfNoEntry: false } as const;

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, withoutThrowing);
  } catch (error) {
    // A file where a folder would have to be, or a name that no disk takes: there is no such path.
    if (isErrno(error, 'ENOTDIR') || isErrno(error, 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}
