/** Bodies of `multipart/form-data`, whole and broken. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readForm } from '../../api/form.ts';
import { RegistryError } from '../../core/errors.ts';
import type { Form } from '../../core/route.ts';
import { MemoryBlobs } from '../../stores/memory.ts';

const BOUNDARY = 'a-boundary';
const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
const limits = {
  maxFileBytes: 1000,
  maxFiles: 2,
  maxTextBytes: 100,
  tooLarge: (field: string) => new RegistryError('too-large', `${field} is too large`),
};

function part(headers: string, content: string | Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; ${headers}\r\n\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]);
}

const end = Buffer.from(`--${BOUNDARY}--\r\n`);

async function* inPieces(bytes: Buffer, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

async function read(parts: readonly Buffer[], { size = 7, type = TYPE } = {}): Promise<Form> {
  const blobs = new MemoryBlobs();
  return readForm(inPieces(Buffer.concat([...parts]), size), type, limits, (file, maxBytes) =>
    blobs.stage(file, { maxBytes }),
  );
}

async function bytesOf(form: Form, field: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of form.files.get(field)?.blob.open() ?? []) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function refusal(parts: readonly Buffer[], type: string | undefined = TYPE): Promise<string> {
  try {
    await read(parts, { type });
    return 'taken';
  } catch (error) {
    assert.ok(error instanceof RegistryError, String(error));
    return error.code;
  }
}

test('texts and files come out as they were sent, in whatever order and pieces', async () => {
  const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const parts = [
    part('name="tarball"; filename="package.tgz"\r\nContent-Type: application/octet-stream', binary),
    part('name="metadata"', '{"name":"ü"}'),
    part('name="package:@s/x"; filename="C:/a/b.tgz"', ''),
  ];
  for (const order of [parts, parts.toReversed()])
    for (const size of [1, 3, 10_000]) {
      const form = await read([...order, end], { size });
      assert.deepEqual([...form.texts], [['metadata', '{"name":"ü"}']]);
      assert.deepEqual(await bytesOf(form, 'tarball'), binary);
      assert.equal(form.files.get('package:@s/x')?.filename, 'b.tgz');
      assert.equal(form.files.get('package:@s/x')?.blob.size, 0);
    }
});

test('what is no form, or only a part of one, is refused', async () => {
  const file = part('name="tarball"; filename="a"', 'content');
  assert.equal(await refusal([file, end], 'application/json'), 'unsupported-media-type');
  assert.equal(await refusal([file, end], 'multipart/form-data'), 'malformed-body');
  assert.equal(await refusal([file]), 'malformed-body');
  assert.equal(await refusal([file.subarray(0, -3)]), 'malformed-body');
  assert.equal(await refusal([Buffer.from('no form at all')]), 'malformed-body');
  assert.equal(await refusal([]), 'malformed-body');
});

test('every limit refuses what is over it, and nothing that is at it', async () => {
  const file = (name: string, size: number): Buffer =>
    part(`name="${name}"; filename="f"`, Buffer.alloc(size, 'x'));
  assert.equal(await refusal([file('a', 1000), file('b', 1000), end]), 'taken');
  assert.equal(await refusal([file('a', 1001), end]), 'too-large');
  assert.equal(await refusal([file('a', 1), file('b', 1), file('c', 1), end]), 'body-too-large');
  assert.equal(await refusal([part('name="t"', 'x'.repeat(100)), end]), 'taken');
  assert.equal(await refusal([part('name="t"', 'x'.repeat(101)), end]), 'body-too-large');
  const many = Array.from({ length: 1001 }, (_, i) => part(`name="t${i}"`, ''));
  assert.equal(await refusal([...many, end]), 'body-too-large');
});

test('a field that comes twice is refused: which of them counts would be a matter of luck', async () => {
  assert.equal(await refusal([part('name="t"', '1'), part('name="t"', '2'), end]), 'bad-request');
  const file = part('name="f"; filename="f"', 'x');
  assert.equal(await refusal([file, file, end]), 'bad-request');
});

test('names that mean something to JavaScript are names', async () => {
  const form = await read([part('name="__proto__"', 'x'), part('name="constructor"', 'y'), end]);
  assert.deepEqual([...form.texts.keys()], ['__proto__', 'constructor']);
});
