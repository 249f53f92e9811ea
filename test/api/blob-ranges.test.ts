import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { FILE_TEXT, openBlobApp } from '../support/blob-app.ts';
import { rangeCases } from '../support/byte-ranges.ts';
import { wholeFile } from '../support/whole-file.ts';

const app = await openBlobApp(wholeFile);
const text = 'abcdefghijklmnopqrstuvwxyz';
const size = text.length;
const digest = await app.keep(text);
const blob = `blobs/${digest}`;

test('a blob that can be had in part is answered in part', async () => {
  for (const [range, status, from = 0, to = size - 1] of rangeCases(size, 416)) {
    const { headers, ...answer } = await app.ask(blob, { headers: { range } });
    assert.equal(answer.status, status, range);
    assert.equal(headers['accept-ranges'], 'bytes');
    assert.equal(headers['x-own'], 'yes');
    const part = status === 416 ? '' : text.slice(from, to + 1);
    assert.equal(answer.text, part, range);
    assert.equal(headers['content-length'], String(part.length));
    const named = { 200: undefined, 206: `bytes ${from}-${to}/${size}`, 416: `bytes */${size}` };
    assert.equal(headers['content-range'], named[status], range);
  }
});

test('a part is sent only of the very blob that the client has begun with', async () => {
  const range = 'bytes=0-3';
  const same = await app.ask(blob, { headers: { range, 'if-range': `"${digest}"` } });
  assert.deepEqual([same.status, same.text], [206, 'abcd']);
  for (const other of [`"${digestOf('other')}"`, `W/"${digest}"`, digest, 'Wed, 21 Oct 2015 07:28:00 GMT']) {
    const answer = await app.ask(blob, { headers: { range, 'if-range': other } });
    assert.deepEqual([answer.status, answer.text], [200, text], other);
  }
});

test('a HEAD says what a GET of all of it would, whatever range it asks for', async () => {
  for (const headers of [{}, { range: 'bytes=0-3' }, { range: 'bytes=9-1' }]) {
    const answer = await app.ask(blob, { method: 'HEAD', headers });
    assert.deepEqual([answer.status, answer.text], [200, '']);
    assert.equal(answer.headers['content-length'], String(size));
    assert.equal(answer.headers['accept-ranges'], 'bytes');
    assert.equal(answer.headers['content-range'], undefined);
  }
});

test('an answer that does not say so, or is no plain success, is whole', async () => {
  for (const [path, status] of [
    [`whole/${digest}`, 200],
    [`accepted/${digest}`, 202],
  ] as const) {
    const answer = await app.ask(path, { headers: { range: 'bytes=0-3' } });
    assert.deepEqual([answer.status, answer.text], [status, text]);
    assert.equal(answer.headers['accept-ranges'], undefined);
  }
});

test('of a blob without bytes there is no part', async () => {
  const empty = await app.keep('');
  const whole = await app.ask(`blobs/${empty}`);
  assert.deepEqual([whole.status, whole.headers['content-length'], whole.text], [200, '0', '']);
  for (const range of ['bytes=0-', 'bytes=0-0', 'bytes=-5']) {
    const answer = await app.ask(`blobs/${empty}`, { headers: { range } });
    assert.deepEqual([answer.status, answer.headers['content-range']], [416, 'bytes */0'], range);
  }
});

test('a handler can look at the size of a blob, and open a part of it', async () => {
  assert.equal((await app.ask(`part/${digest}/3/5`)).text, 'def');
  assert.equal((await app.ask(`blobs/${digestOf('missing')}`)).status, 404);
  assert.deepEqual(app.errors, []);
});

test('a file refuses a range that ends before it begins where its route says so, and ignores it elsewhere', async () => {
  for (const [path, backward] of [
    ['files/a', 200],
    ['strict/a', 416],
  ] as const)
    for (const [range, status, from = 0, to = FILE_TEXT.length] of rangeCases(FILE_TEXT.length, backward)) {
      const answer = await app.ask(path, { headers: { range } });
      assert.equal(answer.status, status, `${path} ${range}`);
      assert.equal(answer.text, status === 416 ? '' : FILE_TEXT.slice(from, to + 1));
      if (status === 416) assert.equal(answer.headers['content-range'], `bytes */${FILE_TEXT.length}`);
    }
});
