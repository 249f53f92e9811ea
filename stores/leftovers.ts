import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startOf } from './writer-lock.ts';

/**
 * Removes what killed processes have left in a directory under names of this beginning, followed by the number of
 * the process. Call it before making one: in a container every process has the same number, and that is not enough
 * to keep what has it.
 */
export async function clearLeftovers(directory: string, beginning: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(beginning)) continue;
    const maker = Number.parseInt(name.slice(beginning.length), 10);
    if (maker !== process.pid && startOf(maker) !== undefined) continue;
    // A child of the killed process, such as `git init`, may outlive it by a moment.
    await rm(join(directory, name), { recursive: true, force: true, maxRetries: 5 });
  }
}
