/** What a reader of a site finds, and its bytes. */
import assert from 'node:assert/strict';
import type { FoundFile, SiteReader } from '../../core/ports.ts';

export async function found(reader: SiteReader, path: string, known?: FoundFile): Promise<FoundFile> {
  const file = await reader.find(path, known);
  assert.ok(file, path);
  return file;
}

export async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}
