import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { readEntries } from '../../ecosystems/zig/archive.ts';
import { writeTar, type WrittenEntry } from '../../ecosystems/zig/tar-writer.ts';
import { archiveOf } from '../support/zig-archive.ts';

const part = (letter: string, length: number) => letter.repeat(length);

/** Around every limit of a header's two fields. */
const paths = [
  'f/a',
  'f/grüße.zig',
  `f/${part('n', 98)}`,
  `f/${part('ü', 49)}/n`,
  `f/${part('n', 99)}`,
  `${part('p', 155)}/${part('n', 100)}`,
  `${part('p', 155)}/${part('n', 101)}`,
  `${part('p', 156)}/${part('n', 100)}`,
  `f/${part('é', 50)}/${part('é', 20)}/${part('n', 40)}`,
  `f/${'x/'.repeat(120)}y`,
  `f/${'xx/'.repeat(86)}y`,
];
const isLong = (path: string) => [6, 7, 10].includes(paths.indexOf(path));

function entryOf(
  path: string,
  text: string,
  kind: WrittenEntry['kind'] = 'file',
  linkTarget = '',
): WrittenEntry {
  const content = async function* () {
    yield Buffer.from(text);
  };
  return { path, kind, linkTarget, size: Buffer.byteLength(text), content };
}

async function written(entries: readonly WrittenEntry[]): Promise<Buffer> {
  const source = async function* () {
    yield* entries;
  };
  const pieces: Uint8Array[] = [];
  for await (const piece of writeTar(source())) pieces.push(piece);
  return Buffer.concat(pieces);
}

const entries = [
  entryOf('f', '', 'directory'),
  ...paths.map((path) => entryOf(path, path.slice(0, 3))),
  entryOf('f/empty', ''),
  entryOf('f/whole-block', part('b', 512)),
  entryOf('f/link', '', 'symlink', part('t', 100)),
  entryOf('f/far', '', 'symlink', part('t', 101)),
];

test('what was written is what our reader finds', async () => {
  const found: unknown[] = [];
  for await (const { path, kind, linkTarget, content } of readEntries(
    archiveOf(await written(entries)),
    'tar',
  )) {
    const pieces: Uint8Array[] = [];
    for await (const piece of content()) pieces.push(Buffer.from(piece));
    found.push([path, kind, linkTarget, Buffer.concat(pieces).toString()]);
  }
  const expected = entries.map(async ({ path, kind, linkTarget, content }) => {
    let text = '';
    for await (const piece of content()) text += Buffer.from(piece).toString();
    return [path, kind, linkTarget, text];
  });
  assert.deepEqual(found, await Promise.all(expected));
});

test('and what tar finds', async () => {
  const listed = execFileSync('tar', ['--quoting-style=literal', '-tf', '-'], {
    input: await written(entries),
  });
  const expected = entries.map(({ path, kind }) => (kind === 'directory' ? `${path}/` : path));
  assert.deepEqual(listed.toString().trimEnd().split('\n'), expected);
});

test('a name that fits has no header before its own: Zig 0.11 would take that for a file', async () => {
  for (const path of paths) {
    const archive = await written([entryOf(path, 'x')]);
    assert.equal(String.fromCharCode(archive[156] ?? 0), isLong(path) ? 'x' : '0', path);
  }
});
