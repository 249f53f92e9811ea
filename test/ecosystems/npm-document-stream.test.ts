import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { RegistryError } from '../../core/errors.ts';
import { cutDocument } from '../../ecosystems/npm/document-stream.ts';

async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncIterable<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

interface Cut {
  readonly document: unknown;
  readonly archive: string | undefined;
  readonly bytes: Buffer;
}

async function cut(text: string | Buffer, sizes: readonly number[] = [64], maxRestBytes = 1e6): Promise<Cut> {
  const taken: Uint8Array[] = [];
  const source = inPieces(Buffer.from(text as string), sizes);
  const found = await cutDocument(source, maxRestBytes, async (archive) => {
    for await (const piece of archive) taken.push(Buffer.from(piece));
  });
  return { ...found, bytes: Buffer.concat(taken) };
}

function documentWith(data: string, over: object = {}): string {
  return JSON.stringify({ name: 'a', _attachments: { 'a-1.0.0.tgz': { data, length: 3 } }, ...over });
}

test('whatever a document holds and however it is cut into pieces, the rest is what a parser would say', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.jsonValue(),
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 5 }),
      fc.nat({ max: 3 }),
      async (value, bytes, sizes, indent) => {
        const data = Buffer.from(bytes).toString('base64');
        const whole = {
          before: value,
          _attachments: { 'x.tgz': { a: value, data, b: [value] } },
          after: value,
        };
        const text = JSON.stringify(whole, null, indent);
        const found = await cut(text, sizes);
        const expected = JSON.parse(text) as typeof whole;
        expected._attachments['x.tgz'].data = '';
        assert.deepEqual(found.document, expected);
        assert.equal(found.archive, 'x.tgz');
        assert.deepEqual(found.bytes, Buffer.from(bytes));
      },
    ),
    { numRuns: 300 },
  );
});

test('a document without an archive is left as it is', async () => {
  for (const value of [
    {},
    [],
    'x',
    1,
    null,
    { data: 'AAAA' },
    { _attachments: { 'a.sigstore': { data: '{}' } } },
  ]) {
    const found = await cut(JSON.stringify(value));
    assert.deepEqual([found.document, found.archive, found.bytes.length], [value, undefined, 0]);
  }
});

test('only the data of an attached tarball is cut out', async () => {
  const elsewhere = {
    data: 'AAAA',
    'a.tgz': { data: 'AAAA' },
    deep: { _attachments: { 'a.tgz': { data: 'AAAA' } } },
  };
  const found = await cut(documentWith('YWJj', elsewhere));
  assert.deepEqual(found.bytes.toString(), 'abc');
  assert.deepEqual((found.document as typeof elsewhere).deep, elsewhere.deep);
});

test('a key that is written with escapes does not pass by', async () => {
  const found = await cut(documentWith('YWJj').replace('"_attachments"', '"\\u005fattachments"'));
  assert.equal(found.bytes.toString(), 'abc');
});

test('a key called __proto__ is a key', async () => {
  const { document } = await cut('{"__proto__":{"polluted":true},"a":1}');
  assert.ok(Object.hasOwn(document as object, '__proto__'));
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

describe('is refused', () => {
  const refusals: Record<string, string> = {
    'half a document': documentWith('YWJj').slice(0, -1),
    'a document that ends in its archive': documentWith('YWJj').split('YWJj')[0] + 'YW',
    'no JSON': 'x',
    nothing: '',
    'two documents': '{}{}',
    'base64 with a letter that is none': documentWith('YW*j'),
    'base64 of the kind for URLs': documentWith('-_-_'),
    'base64 with a space': documentWith('YW Jj'),
    'base64 with a line break': documentWith('YWJj\nYWJj'),
    'base64 without its padding': documentWith('YWJjYQ'),
    'base64 with too much padding': documentWith('YWJj===='),
    'base64 that goes on after its padding': documentWith('YQ==YQ=='),
    'base64 with an escape': documentWith('YWJj').replace('YWJj', 'YW\\u004aj'),
    'base64 that ends with half an escape': documentWith('YWJj').replace('YWJj"', 'YWJj\\'),
    'two tarballs': JSON.stringify({ _attachments: { 'a.tgz': { data: '' }, 'b.tgz': { data: '' } } }),
    'a tarball twice': '{"_attachments":{"a.tgz":{"data":"YWJj","data":"YWJj"}}}',
    'nesting without end': '['.repeat(100_000),
    'closing what was not opened': ']]]]',
  };
  for (const [what, text] of Object.entries(refusals))
    test(what, async () => {
      for (const sizes of [[1], [7], [65_536]])
        await assert.rejects(
          cut(text, sizes),
          (error) => error instanceof RegistryError && error.code === 'malformed-body',
        );
    });

  test('a rest that is longer than it may be, while it arrives', async () => {
    let read = 0;
    const endless = async function* (): AsyncIterable<Uint8Array> {
      yield Buffer.from('{"a":"');
      for (; ; read += 1) yield Buffer.alloc(1024, 0x61);
    };
    await assert.rejects(
      cutDocument(endless(), 10_240, async () => undefined),
      (error) => error instanceof RegistryError && error.code === 'body-too-large',
    );
    assert.ok(read < 12);
  });
});
