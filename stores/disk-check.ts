import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RegistryError } from '../core/errors.ts';
import { ensureDirectory, nextNumber } from './durable-files.ts';
import { clearLeftovers } from './leftovers.ts';

const PROBE = '.probe.';

/** What is wrong with the disk under a directory; undefined when nothing is. */
export function unfitDisk(directory: string): string | undefined {
  const probe = join(directory, `${PROBE}${process.pid}.${nextNumber()}`);
  mkdirSync(probe);
  try {
    writeFileSync(join(probe, 'name'), '');
    if (existsSync(join(probe, 'NAME')))
      return 'it takes names that differ only in case for one: two packages could be one file';
    writeFileSync(join(probe, 'with:colon'), '');
    return undefined;
  } catch (error) {
    return `it refuses file names that packages need (with a colon): ${(error as Error).message}`;
  } finally {
    rmSync(probe, { recursive: true });
  }
}

/** @throws RegistryError when packages could overwrite one another on this disk. */
export async function refuseUnfitDisk(directory: string): Promise<void> {
  await ensureDirectory(directory);
  await clearLeftovers(directory, PROBE);
  const fault = unfitDisk(directory);
  if (fault !== undefined)
    throw new RegistryError('bad-request', `the disk under ${directory} cannot hold a registry: ${fault}`);
}
