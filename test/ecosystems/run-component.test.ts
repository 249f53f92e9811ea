/** What is read of a WebAssembly binary (contract, sections 3 and 9): names of imports and exports, and nothing refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readWasm } from '../../ecosystems/run/component.ts';
import {
  componentWith,
  emptyComponent,
  emptyModule,
  exportsOf,
  importsOf,
  leb,
  nameOf,
  section,
} from '../support/wasm-binary.ts';

/** In pieces of that many bytes. */
async function* pieces(bytes: Buffer, length: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

function read(bytes: Buffer, length = 7): ReturnType<typeof readWasm> {
  return readWasm(pieces(bytes, length));
}

const none = { kind: 'component', imports: [], exports: [] };

test('a component and a core module are told apart by their first eight bytes', async () => {
  assert.deepEqual(await read(emptyComponent), none);
  assert.deepEqual(await read(emptyModule), { kind: 'module' });
  assert.deepEqual(await read(Buffer.concat([emptyModule, Buffer.from('anything')])), { kind: 'module' });
  for (const hex of [
    '',
    '00',
    '0061736d',
    '0061736d0d0001',
    '0061736d0e000100',
    '0061736d0d000000',
    '7f454c4601010100',
  ])
    assert.equal(await read(Buffer.from(hex, 'hex')), undefined, hex);
});

test('names come in the order of their sections, of which there may be several, between others', async () => {
  const bytes = Buffer.concat([
    componentWith('producers'),
    importsOf('wasi:io/error@0.2.3', 'wasi:io/streams@0.2.3'),
    section(1, Array<number>(100_000).fill(0)),
    importsOf('a:b/c'),
    exportsOf('wasi:cli/run@0.2.0'),
    section(7, []),
    exportsOf('greet', 'é'),
  ]);
  for (const length of [1, 3, 8, 4096, bytes.length])
    assert.deepEqual(await read(bytes, length), {
      kind: 'component',
      imports: ['wasi:io/error@0.2.3', 'wasi:io/streams@0.2.3', 'a:b/c'],
      exports: ['wasi:cli/run@0.2.0', 'greet', 'é'],
    });
});

test('every form of a name and of a type is understood', async () => {
  const types: readonly (readonly number[])[] = [
    [0x00, 0x11, 0],
    [0x01, ...leb(300)],
    [0x02, 0x00, 5],
    [0x02, 0x01, 0x7f],
    [0x02, 0x01, ...leb(1000)],
    [0x03, 0x00, 2],
    [0x03, 0x01],
    [0x04, 1],
    [0x05, ...leb(70_000)],
  ];
  const [name, versioned, attributed] = [
    nameOf('a'),
    [1, ...nameOf('b').slice(1)],
    [2, ...nameOf('c').slice(1), 1, 0, ...nameOf('x').slice(1)],
  ] as const;
  for (const type of types) {
    const entries = [name, versioned, attributed].flatMap((one) => [...one, ...type]);
    const imports = section(10, [3, ...entries]);
    assert.deepEqual(await read(Buffer.concat([emptyComponent, imports])), {
      ...none,
      imports: ['a', 'b', 'c'],
    });
    const exported = [0x01, ...leb(200), 1, ...type];
    const exports = section(11, [2, ...name, ...exported, ...versioned, 0x00, 0x11, 4, 0]);
    assert.deepEqual(await read(Buffer.concat([emptyComponent, exports])), { ...none, exports: ['a', 'b'] });
  }
});

test('on anything unexpected both lists are empty', async () => {
  const good = importsOf('a:b/c');
  const broken: Readonly<Record<string, Buffer>> = {
    'a section that is cut off': good.subarray(0, -1),
    'a section without a length': Buffer.from([11]),
    'a length that never ends': Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    'a skipped section that is cut off': section(1, [1, 2, 3]).subarray(0, -1),
    'fewer entries than said': section(10, [2, ...nameOf('a'), 5, 0]),
    'more than the entries': section(10, [1, ...nameOf('a'), 5, 0, 0]),
    'an unknown form of a name': section(10, [1, 3, 1, 97, 5, 0]),
    'an unknown type': section(10, [1, ...nameOf('a'), 6, 0]),
    'an unknown core type': section(10, [1, ...nameOf('a'), 0, 0x12, 0]),
    'a name longer than the section': section(10, [1, 0, 100, 97]),
    'a name that is no UTF-8': section(10, [1, 0, 1, 0xff, 5, 0]),
    'an export with neither 00 nor 01': section(11, [1, ...nameOf('a'), 5, 0, 2]),
    'a section too long to look at': section(10, [...leb(1), ...nameOf('a'.repeat(1024 * 1024)), 5, 0]),
  };
  for (const [what, bytes] of Object.entries(broken))
    assert.deepEqual(
      await read(Buffer.concat([emptyComponent, good, exportsOf('x'), bytes]), 65_536),
      none,
      what,
    );
});

test('whatever the bytes are, reading them ends and throws nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 1, max: 20 }),
      async (bytes, length) => {
        const read = await readWasm(pieces(Buffer.concat([emptyComponent, bytes]), length));
        assert.equal(read?.kind, 'component');
      },
    ),
    { numRuns: 2000 },
  );
});

test('a source that fails is no binary that ends early', async () => {
  async function* failing(): AsyncIterable<Uint8Array> {
    yield emptyComponent;
    throw new Error('the disk');
  }
  await assert.rejects(readWasm(failing()), /the disk/);
});
