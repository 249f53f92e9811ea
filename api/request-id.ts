import { randomFillSync } from 'node:crypto';

const ID_BYTES = 16;

const pool = Buffer.alloc(256 * ID_BYTES);
let used = pool.byteLength;

/** 32 lower-case hex digits, never the same twice. Chance is fetched for many ids at once: it costs more than they do. */
export function nextRequestId(): string {
  if (used === pool.byteLength) {
    randomFillSync(pool);
    used = 0;
  }
  return pool.toString('hex', used, (used += ID_BYTES));
}
