/** When tokens were last used, in one small file that is written now and then. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { TokenUse } from '../core/account-book.ts';

/** What a crash may lose. Durability of this is worth no sync. */
const WRITE_EVERY_MS = 30_000;

export class TokenUseFile implements TokenUse {
  readonly #path: string;
  readonly #lastUsedMs: Map<string, number>;
  #timer: NodeJS.Timeout | undefined;

  constructor(path: string) {
    this.#path = path;
    this.#lastUsedMs = readUse(path);
  }

  record(tokenId: string, atMs: number): void {
    this.#lastUsedMs.set(tokenId, atMs);
    this.#timer ??= setTimeout(() => this.#write(), WRITE_EVERY_MS).unref();
  }

  lastUsedAt(tokenId: string): string | undefined {
    const ms = this.#lastUsedMs.get(tokenId);
    return ms === undefined ? undefined : new Date(ms).toISOString();
  }

  close(): void {
    if (this.#timer) this.#write();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      writeFileSync(`${this.#path}.tmp`, JSON.stringify(Object.fromEntries(this.#lastUsedMs)), {
        mode: 0o600,
      });
      renameSync(`${this.#path}.tmp`, this.#path);
    } catch {
      // A full disk: the next use tries again, and nothing depends on it.
    }
  }
}

function readUse(path: string): Map<string, number> {
  try {
    const stored = JSON.parse(readFileSync(path, 'utf8')) as Record<string, number>;
    return new Map(Object.entries(stored).filter(([, ms]) => Number.isFinite(ms)));
  } catch {
    return new Map(); // the first start, or half a file after a power cut
  }
}
