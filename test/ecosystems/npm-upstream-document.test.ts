import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { editDocument, type DocumentEdits } from '../../ecosystems/npm/upstream-document.ts';
import { packumentText } from '../support/fake-upstream.ts';

const moved: DocumentEdits = { of: 'packument', tarball: (version, url) => `ours/${version}/${url}` };

async function edited(bytes: Buffer, size: number, edits = moved): Promise<string> {
  async function* pieces(): AsyncIterable<Uint8Array> {
    for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
  }
  const out: Uint8Array[] = [];
  for await (const piece of editDocument(pieces(), edits)) out.push(piece);
  return Buffer.concat(out).toString('utf8');
}

type Json = Record<string, unknown>;

/** The same by reading and writing the whole. */
function expected(text: string): unknown {
  const root = JSON.parse(text) as Json;
  delete root['_rev'];
  const versions = root['versions'];
  if (isObject(versions))
    for (const [version, object] of Object.entries(versions)) {
      const dist = isObject(object) ? object['dist'] : undefined;
      if (!isObject(dist)) continue;
      delete dist['signatures'];
      delete dist['attestations'];
      if (typeof dist['tarball'] === 'string') dist['tarball'] = `ours/${version}/${dist['tarball']}`;
    }
  return root;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

test('an edited packument differs in what is edited and in nothing else, however it is cut', async () => {
  const text = packumentText(
    '@acme/lib',
    ['1.0.0', '1.1.0-é.1'],
    (version) => `https://a.example/${version}`,
  );
  for (const indent of [0, 2])
    for (const size of [1, 2, 3, 7, 64, 100_000]) {
      const sent = JSON.stringify(JSON.parse(text), undefined, indent);
      assert.deepEqual(
        JSON.parse(await edited(Buffer.from(sent), size)),
        expected(sent),
        `${indent} ${size}`,
      );
    }
});

test('what looks like a packument is edited as reading and writing the whole would, for all that can be generated', async () => {
  const key = fc.constantFrom(
    'versions',
    'dist',
    'tarball',
    'signatures',
    'attestations',
    '_rev',
    'a',
    '1.0.0',
    '"\\',
  );
  const { tree } = fc.letrec<{ tree: unknown; object: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'medium' },
      fc.string(),
      fc.integer(),
      fc.constant(null),
      tie('object'),
      fc.array(tie('tree'), { maxLength: 3 }),
    ),
    object: fc.dictionary(key, tie('tree'), { maxKeys: 5 }),
  }));
  const dist = fc.dictionary(key, tree, { maxKeys: 5 });
  const version = fc.record({ dist, a: tree }, { requiredKeys: [] });
  const root = fc.record(
    {
      versions: fc.oneof(fc.dictionary(key, version, { maxKeys: 4 }), tree),
      _rev: tree,
      dist: tree,
      a: tree,
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(
      root,
      fc.constantFrom(0, 1),
      fc.integer({ min: 1, max: 40 }),
      async (value, indent, size) => {
        const text = JSON.stringify(value, undefined, indent);
        assert.deepEqual(JSON.parse(await edited(Buffer.from(text), size)), expected(text));
      },
    ),
    { numRuns: 500 },
  );
});

test('a key that is written with escapes is the key that it says', async () => {
  const text =
    '{"versions":{"1.0.0":{"d\\u0069st":{"\\u0074arball":"x","sign\\u0061tures":[1],"a":1}}},"\\u005frev":"1"}';
  for (const size of [1, 1000])
    assert.deepEqual(JSON.parse(await edited(Buffer.from(text), size)), {
      versions: { '1.0.0': { dist: { tarball: 'ours/1.0.0/x', a: 1 } } },
    });
});

test('a version by itself says its own number, once it has been read', async () => {
  const edits: DocumentEdits = { of: 'version', tarball: (version, url) => `${version}|${url}` };
  const of = async (text: string) =>
    (JSON.parse(await edited(Buffer.from(text), 5, edits)) as { dist: unknown }).dist;
  assert.deepEqual(await of('{"version":"2.0.0","dist":{"tarball":"x","signatures":1}}'), {
    tarball: '2.0.0|x',
  });
  assert.deepEqual(await of('{"a":{"version":"9"},"dist":{"tarball":"x"},"version":"2.0.0"}'), {
    tarball: 'undefined|x',
  });
});

test('what is no JSON object is refused', async () => {
  const deep = `{"a":${'['.repeat(2000)}${']'.repeat(2000)}}`;
  const rows = [
    '',
    ' ',
    '[]',
    '"a"',
    '1',
    'null',
    '<html>',
    '{',
    '{"a":1',
    '{"a":"',
    '{"a":[1}',
    '{"a":1]',
    '{}{}',
    '{} x',
    '{a:1}',
    '{,}',
    '{"a":1,,"b":2}',
    `{"${'k'.repeat(70_000)}":1}`,
    deep,
  ];
  for (const text of rows)
    for (const size of [1, 1000])
      await assert.rejects(edited(Buffer.from(text), size), { code: 'upstream-failed' }, text.slice(0, 40));
});
