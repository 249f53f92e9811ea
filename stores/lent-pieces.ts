/**
 * A file on its way to a client, in pieces whose memory is used again. New memory for each piece costs as much as copying
 * it to the client does: a quarter of the processor time of a download, half of it where several run at once.
 */
import { closeSync, openSync, read as readCallback } from 'node:fs';
import { promisify } from 'node:util';
import type { ByteRange } from '../core/ports.ts';

const read = promisify(readCallback);

/** Fewer trips to the thread pool. */
const LARGE_BYTES = 1024 * 1024;
const SMALL_BYTES = 256 * 1024;
/** Downloads that get large buffers; slow clients by the hundred get small ones, and memory stays what it is. */
const LARGE_PAIRS = 8;

/** One is read into while the other is on its way. */
type Pair = readonly [Buffer, Buffer];

const idle: Pair[] = [];
let made = 0;

/**
 * The bytes of a range, in pieces: each stands until the next is asked for, which is read meanwhile.
 * @throws Error of the disk, also when the file ends before the range does
 */
export async function* lendFile(path: string, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
  const file = openSync(path, 'r');
  const length = end - start + 1;
  const pair = length > SMALL_BYTES ? largePair() : undefined;
  let [next, other] = pair ?? newPair(Math.min(length, SMALL_BYTES));
  let position = start;
  const readNext = async (): Promise<Uint8Array> => {
    const wanted = Math.min(next.byteLength, end + 1 - position);
    const { bytesRead } = await read(file, next, 0, wanted, position);
    if (bytesRead === 0) throw new Error(`${path} ends at ${position}, and not after ${end}`);
    position += bytesRead;
    return next.subarray(0, bytesRead);
  };
  let reading: Promise<Uint8Array> | undefined;
  try {
    for (reading = length > 0 ? readNext() : undefined; reading;) {
      const piece: Uint8Array = await reading;
      [next, other] = [other, next];
      reading = position <= end ? readNext() : undefined;
      // Whoever asks for the next piece gets the error; it must not end the process before.
      reading?.catch(() => undefined);
      yield piece;
    }
  } finally {
    // The disk may still be writing to this memory.
    await reading?.catch(() => undefined);
    closeSync(file);
    if (pair) idle.push(pair);
  }
}

function largePair(): Pair | undefined {
  const pair = idle.pop();
  if (pair || made >= LARGE_PAIRS) return pair;
  made += 1;
  return newPair(LARGE_BYTES);
}

function newPair(bytes: number): Pair {
  return [Buffer.allocUnsafe(bytes), Buffer.allocUnsafe(bytes)];
}
