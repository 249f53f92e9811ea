import assert from 'node:assert/strict';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { test } from 'node:test';
import { lendFile } from '../../stores/lent-pieces.ts';
import { noise } from '../support/oci-image.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const whole = { start: 0, end: noise.length - 1 };

/** Copies each piece as late as it may. */
async function taken(source: AsyncIterable<Uint8Array>, wait: () => Promise<unknown>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of source) {
    await wait();
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

test('many files are lent at once, to the quick and to the slow, and nobody sees the bytes of another', async (t) => {
  const directory = await temporaryDirectory(t);
  const [path, other] = [join(directory, 'noise'), join(directory, 'reversed')];
  const reversed = Buffer.from(noise).reverse();
  await Promise.all([writeFile(path, noise), writeFile(other, reversed)]);
  for (let round = 0; round < 2; round += 1)
    await Promise.all(
      Array.from({ length: 24 }, async (_, i) => {
        const wait = i % 3 === 0 ? () => setTimeout(5) : () => setImmediate();
        const [file, bytes] = i % 2 === 0 ? [path, noise] : [other, reversed];
        // Some lose interest, with the next piece on its way.
        if (i % 5 === 4) for await (const piece of lendFile(file, whole)) if (piece.length > 0) return;
        assert.ok((await taken(lendFile(file, whole), wait)).equals(bytes));
      }),
    );
});

test('any part of a file is lent', async (t) => {
  const path = join(await temporaryDirectory(t), 'noise');
  await writeFile(path, noise);
  for (const [start, end] of [
    [0, 0],
    [noise.length - 1, noise.length - 1],
    [5, 262_148],
    [1, 262_145],
    [1_048_576, 4_194_304],
  ] as const) {
    const part = await taken(lendFile(path, { start, end }), () => setImmediate());
    assert.ok(part.equals(noise.subarray(start, end + 1)), `${start} to ${end}`);
  }
  assert.equal((await taken(lendFile(path, { start: 0, end: -1 }), () => setImmediate())).length, 0);
});

test('a file that ends before it was promised to is an error', async (t) => {
  const path = join(await temporaryDirectory(t), 'noise');
  await writeFile(path, noise);
  await truncate(path, 3_000_000);
  await assert.rejects(
    taken(lendFile(path, whole), () => setImmediate()),
    /ends at 3000000, and not after 4999999/,
  );
  await assert.rejects(
    taken(lendFile(`${path}.none`, whole), () => setImmediate()),
    { code: 'ENOENT' },
  );
});
