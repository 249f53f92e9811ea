/** How the files of a site in the making are written, whichever thread does it. */
import { closeSync, linkSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isErrno, writeWhole } from './durable-files.ts';
import { copySynced } from './site-files.ts';

/** Directories remembered as made; forgetting them only costs a system call each. */
const REMEMBERED_DIRECTORIES = 20_000;

/** Creates files below `root`, and the directories they need. Nothing may be there yet, and nothing is synced. */
// Synchronous on purpose: at a million small files the thread pool costs more than the writes themselves.
export class BuildFiles {
  readonly #root: string;
  readonly #made = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  write(path: string, bytes: Uint8Array): void {
    const file = this.open(path);
    try {
      writeWhole(file, bytes);
    } finally {
      closeSync(file);
    }
  }

  open(path: string): number {
    return openSync(this.#targetOf(path), 'wx');
  }

  /** False when it had to be copied. */
  link(source: string, path: string): boolean {
    const target = this.#targetOf(path);
    try {
      linkSync(source, target);
      return true;
    } catch (error) {
      if (!isErrno(error, 'EMLINK') && !isErrno(error, 'EXDEV') && !isErrno(error, 'EPERM')) throw error;
      copySynced(source, target);
      return false;
    }
  }

  #targetOf(path: string): string {
    const target = join(this.#root, path);
    const directory = dirname(target);
    if (this.#made.has(directory)) return target;
    if (this.#made.size >= REMEMBERED_DIRECTORIES) this.#made.clear();
    mkdirSync(directory, { recursive: true });
    this.#made.add(directory);
    return target;
  }
}
