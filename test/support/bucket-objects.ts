/** What tests of buckets write, and how they look at what is there. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { open as openFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { Bucket, type BucketAddress, type BucketPatience, type WriteOptions } from '../../stores/bucket.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export const MIB = 1024 * 1024;

export function openAt(t: TestContext, address: BucketAddress, patience?: BucketPatience): Bucket {
  const bucket = new Bucket(address, patience);
  t.after(() => bucket.close());
  return bucket;
}

export function written(text: string, more: Partial<WriteOptions> = {}): [Buffer, WriteOptions] {
  const bytes = Buffer.from(text);
  return [bytes, { contentType: 'text/plain', digest: digestOf(bytes), ...more }];
}

export async function readText(bucket: Bucket, key: string): Promise<string | undefined> {
  const found = await bucket.get(key);
  assert.notEqual(found, 'unchanged');
  return typeof found === 'object' ? (await found.bytes()).toString() : undefined;
}

export async function keysOf(bucket: Bucket, below?: string, after?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of bucket.list(below, after)) keys.push(key);
  return keys;
}

export async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

/** A file with holes, and a few bytes that differ in every part of it. */
export async function aLargeFile(
  t: TestContext,
  size: number,
  salt = '',
): Promise<{ path: string; digest: string }> {
  const path = join(await temporaryDirectory(t), 'large');
  const file = await openFile(path, 'w');
  for (let at = 0; at < size; at += 5 * MIB) await file.write(`${salt}${at}`, at);
  await file.close();
  await truncate(path, size);
  return { path, digest: await digestOfFile(path) };
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await openFile(path);
  for await (const piece of file.createReadStream({ highWaterMark: MIB })) hash.update(piece as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

export async function digestOfPieces(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of pieces) hash.update(piece);
  return `sha256:${hash.digest('hex')}`;
}
