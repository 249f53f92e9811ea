import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { asDigest, splitDigest, type Digest } from '../core/digest.ts';
import type { UploadLimits } from '../core/ports.ts';
import { pour } from './byte-streams.ts';
import { sync } from './durable-files.ts';
import { refusalOf, roomFor } from './upload-rules.ts';

/** Writes all of it to a new file, synced, and says what it is, by the algorithm of the digest it should have. */
export async function receiveFile(
  path: string,
  source: AsyncIterable<Uint8Array>,
  wanted: Digest,
  limits: UploadLimits,
): Promise<Digest> {
  const maxBytes = roomFor(limits, 0);
  const { algorithm } = splitDigest(wanted);
  const hash = createHash(algorithm);
  const file = openSync(path, 'wx');
  try {
    const poured = await pour(source, { file, position: 0, maxBytes, hash });
    const refusal = refusalOf(poured, limits);
    if (refusal) throw refusal;
    if (poured.failure) throw poured.failure.cause;
    await sync(file);
  } finally {
    closeSync(file);
  }
  return asDigest(`${algorithm}:${hash.digest('hex')}`);
}
