import { closeSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { sync, syncDirectories } from './durable-files.ts';

/** A file of lines. What was written survives the process; what was synced, the machine. */
export class CounterJournal {
  readonly #path: string;
  readonly #file: number;
  #length = 0;
  #synced = 0;
  #syncing = Promise.resolve();

  /** @throws Error when there is such a file: journals are never carried on, for their ends may be cut off. */
  constructor(path: string) {
    this.#path = path;
    // Packages can be private, and their names are in it.
    this.#file = openSync(path, 'wx', 0o600);
  }

  /**
   * When it throws, some of the bytes may be there. The same bytes have to be next: they are written to the same
   * place, over what is there of them.
   */
  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.byteLength;)
      done += writeSync(this.#file, bytes, done, bytes.byteLength - done, this.#length + done);
    this.#length += bytes.byteLength;
  }

  /** All that was appended is durable when it returns. */
  sync(): Promise<void> {
    const after = this.#syncing.catch(() => undefined);
    return (this.#syncing = after.then(async () => {
      const length = this.#length;
      if (length === this.#synced) return;
      await sync(this.#file);
      // The file needs its name, and the directory may be new.
      if (this.#synced === 0) await syncDirectories([dirname(this.#path), dirname(dirname(this.#path))]);
      this.#synced = length;
    }));
  }

  async close(): Promise<void> {
    try {
      await this.sync();
    } finally {
      closeSync(this.#file);
    }
  }
}
