import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { BuildWriter } from '../../stores/build-writer.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

// The loader that lets Node read TypeScript reaches only the thread that it is registered in.
const thread = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))};
    register();
    await import(${JSON.stringify(new URL('../../stores/build-thread.ts', import.meta.url))});
  `)}`,
);

async function open(t: TestContext, module = thread): Promise<{ root: string; writer: BuildWriter }> {
  const root = join(await temporaryDirectory(t), 'site');
  await mkdir(root);
  const writer = new BuildWriter(root, module);
  t.after(() => writer.end());
  return { root, writer };
}

/** Adds files until the other thread has got some. @returns how many there are. */
async function addUntilShared(writer: BuildWriter): Promise<number> {
  let count = 0;
  for (; writer.given < 700; count += 1) {
    writer.write(`d${count % 50}/f${count}`, Buffer.from(`text ${count}`));
    // It takes a while to start, and nobody wants a million files.
    if (count > 2_500 && writer.given === 0) await setTimeout(2);
  }
  return count;
}

test('two threads write every file once, with its own bytes', async (t) => {
  const { root, writer } = await open(t);
  const count = await addUntilShared(writer);
  await writer.finish();
  for (let i = 0; i < count; i += 1)
    assert.equal(await readFile(join(root, `d${i % 50}/f${i}`), 'utf8'), `text ${i}`);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  assert.equal(entries.filter((entry) => entry.isFile()).length, count);
});

test('a file that is longer than a buffer, an empty one and a link are what they should be', async (t) => {
  const { root, writer } = await open(t);
  await addUntilShared(writer);
  await writeFile(`${root}.blob`, 'blob');
  const long = Buffer.alloc(1_000_000, 'long ');
  writer.write('empty', Buffer.alloc(0));
  writer.link(`${root}.blob`, 'links/one');
  writer.write('long', long);
  writer.write('after', Buffer.from('after'));
  await writer.finish();
  assert.deepEqual(await readFile(join(root, 'long')), long);
  assert.equal(await readFile(join(root, 'empty'), 'utf8'), '');
  assert.equal(await readFile(join(root, 'after'), 'utf8'), 'after');
  assert.equal((await stat(join(root, 'links/one'))).ino, (await stat(`${root}.blob`)).ino);
  assert.equal(writer.copied.size, 0);
});

test('what goes wrong in the other thread reaches the caller with its code', async (t) => {
  const { writer } = await open(t);
  await addUntilShared(writer);
  writer.write('d0/f0', Buffer.from('again'));
  await assert.rejects(writer.finish(), { code: 'EEXIST' });
});

test('where no thread can start, everything is written all the same', async (t) => {
  const { root, writer } = await open(t, new URL('there-is-none.mjs', import.meta.url));
  for (let i = 0; i < 3_000; i += 1) {
    writer.write(`f${i}`, Buffer.from('text'));
    if (i === 2_100) await setTimeout(200);
  }
  await writer.finish();
  assert.equal(writer.given, 0);
  assert.equal((await readdir(root)).length, 3_000);
});

test('nothing is written after the end', async (t) => {
  const { root, writer } = await open(t);
  await addUntilShared(writer);
  await writer.end();
  const names = await readdir(root, { recursive: true });
  await setTimeout(50);
  assert.deepEqual(await readdir(root, { recursive: true }), names);
});
