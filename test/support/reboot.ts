import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The writer of a disk outlives its power cut here. Its locks would name a living process, which no lock does after
 * a real cut: the machine has booted since.
 */
export function endTheBoot(data: string): void {
  for (const path of [
    'log.git/cairn-writer.lock',
    'private.git/cairn-writer.lock',
    '.site.progress.lock',
    '.site.roots.lock',
  ]) {
    const lock = join(data, path);
    if (!existsSync(lock)) continue;
    const text = readFileSync(lock, 'utf8');
    writeFileSync(lock, text.replace(/"started":"[^"]*"/, '"started":"an-earlier-boot:1"'));
  }
}
