/**
 * Since when blobs have been needed by nobody: a file with a line for each, in ascending order of their digests, so that it is
 * read and written beside a list of the blobs and is never in memory as a whole. It can be lost: then they are kept longer.
 */
import { closeSync, createReadStream, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { isDigest, type Digest } from '../core/digest.ts';
import { isErrno, nextNumber, sync, syncPath, writeWhole } from './durable-files.ts';

export interface UnneededBlob {
  readonly digest: Digest;
  readonly size: number;
  /** When it was first found that nobody needs it; milliseconds since 1970. */
  readonly since: number;
  /** Of its file, then. Another time means that somebody has needed it again. */
  readonly touched: number;
}

/** In ascending order of digests; nothing where there is no file, and nothing more where it is damaged. */
export async function* readUnneeded(path: string): AsyncGenerator<UnneededBlob> {
  for await (const line of linesOf(path)) {
    const blob = parse(line);
    if (!blob) return;
    yield blob;
  }
}

async function* linesOf(path: string): AsyncGenerator<string> {
  const stream = createReadStream(path, { encoding: 'utf8' });
  try {
    yield* createInterface({ input: stream, crlfDelay: Infinity });
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  } finally {
    stream.destroy();
  }
}

function parse(line: string): UnneededBlob | undefined {
  try {
    const { digest, size, since, touched } = JSON.parse(line) as Record<keyof UnneededBlob, unknown>;
    if (typeof digest !== 'string' || !isDigest(digest)) return undefined;
    if (![size, since, touched].every((value) => typeof value === 'number')) return undefined;
    return { digest, size: Number(size), since: Number(since), touched: Number(touched) };
  } catch {
    return undefined;
  }
}

const BUFFER_BYTES = 64 * 1024;
/** How the name of a file in the making begins, which lies beside the one whose place it will take. */
export const UNFINISHED = '.unneeded.';

/** Makes such a file anew. Readers see the old one until `finish`. */
export class UnneededWriter {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: number;
  #text = '';
  #isOpen = true;

  constructor(path: string) {
    this.#path = path;
    this.#temporary = join(dirname(path), `${UNFINISHED}${process.pid}.${nextNumber()}`);
    this.#file = openSync(this.#temporary, 'wx');
  }

  /** In ascending order of digests. */
  add({ digest, size, since, touched }: UnneededBlob): void {
    this.#text += `${JSON.stringify({ digest, size, since, touched })}\n`;
    if (this.#text.length > BUFFER_BYTES) this.#flush();
  }

  #flush(): void {
    writeWhole(this.#file, Buffer.from(this.#text));
    this.#text = '';
  }

  /** Durable when it returns. */
  async finish(): Promise<void> {
    this.#flush();
    await sync(this.#file);
    this.#close();
    renameSync(this.#temporary, this.#path);
    await syncPath(dirname(this.#path));
  }

  #close(): void {
    if (this.#isOpen) closeSync(this.#file);
    this.#isOpen = false;
  }

  /** Instead of `finish`, also after that has failed. */
  abandon(): void {
    this.#close();
    rmSync(this.#temporary, { force: true });
  }
}
