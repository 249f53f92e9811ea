import { existsSync, readdirSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { simpleGit } from 'simple-git';
import { isErrno, syncTree } from './durable-files.ts';

/** Loose objects written between two rounds. A round of this size takes a few seconds beside the running writer. */
const OBJECTS_PER_ROUND = 10_000;

/** A stop does not wait longer for a round: it can be made again. */
const STOP_PATIENCE_MS = 10_000;

export interface Tidying {
  wrote(objects: number): void;
  /** Gives a round that is under way a moment to finish. */
  stop(): Promise<void>;
}

/**
 * Repacks in the background. Both tasks are two-phase: a round packs, and only the next one deletes what was packed
 * before; what a round wrote is synced in between, so that a power cut never finds an object neither loose nor packed.
 */
export function keepRepositoryTidy(repository: string): Tidying {
  const stopping = new AbortController();
  const git = simpleGit(repository, { abort: stopping.signal });
  let pending = looseObjectsIn(repository);
  let running: Promise<void> | undefined;
  let stopped = false;

  async function round(): Promise<void> {
    // Only this process maintains this repository: a lock that is there now was left by a killed round.
    await rm(join(repository, 'objects/maintenance.lock'), { force: true });
    await git.raw(['maintenance', 'run', '--quiet', '--task=loose-objects', '--task=incremental-repack']);
    await syncTree(join(repository, 'objects/pack'));
    await removeHalfPacks(join(repository, 'objects/pack'));
  }

  return {
    wrote(objects) {
      pending += objects;
      if (pending < OBJECTS_PER_ROUND || running || stopped) return;
      pending = 0;
      // A failed round loses nothing: the objects stay loose, and the next round packs them.
      running = round()
        .catch(() => undefined)
        .finally(() => (running = undefined));
    },
    async stop() {
      stopped = true;
      // What git has then half written is removed by the next round.
      const patience = setTimeout(() => stopping.abort(), STOP_PATIENCE_MS);
      await running;
      clearTimeout(patience);
    },
  };
}

/** About how many there are: one of 256 directories is looked into, as git does it. */
function looseObjectsIn(repository: string): number {
  const sample = join(repository, 'objects/17');
  return existsSync(sample) ? readdirSync(sample).length * 256 : 0;
}

async function removeHalfPacks(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith('tmp_')) continue;
    await rm(join(directory, name), { force: true }).catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT')) throw error;
    });
  }
}
