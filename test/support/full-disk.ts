/** A disk that runs out of space. */
import { open } from 'node:fs/promises';
import { isErrno } from '../../stores/durable-files.ts';

/** Bytes. */
export const BLOCK = 4096;

/** Takes all the space of the disk that `filler` lies on, but for some blocks. */
export async function fillUpTo(filler: string, freeBlocks: number): Promise<void> {
  const file = await open(filler, 'a');
  try {
    for (;;) await file.appendFile(Buffer.alloc(BLOCK));
  } catch (error) {
    if (!isErrno(error, 'ENOSPC')) throw error;
    const { size } = await file.stat();
    await file.truncate(Math.max(0, size - freeBlocks * BLOCK));
    // The file system gives freed blocks back only with its next transaction.
    await file.sync();
  } finally {
    await file.close();
  }
}
