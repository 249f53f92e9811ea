import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { SiteServer } from '../../api/site-server.ts';
import type { FoundFile, SiteReader } from '../../core/ports.ts';
import type { SiteRoute } from '../../core/site.ts';
import { eventually } from '../support/eventually.ts';
import { send } from '../support/http.ts';

const document: SiteRoute = {
  from: 'site',
  pattern: '{name}',
  contentType: 'text/plain',
  cache: 'document',
  stored: 'file',
};

type CountingReader = SiteReader & { looks: number; reads: number };

/** Files that never change, and how often each was looked for and read. */
function countingReader(files: Record<string, string>): CountingReader {
  const found = new Map<string, FoundFile>();
  for (const [path, text] of Object.entries(files)) {
    const read = (): Uint8Array => {
      reader.reads += 1;
      return Buffer.from(text);
    };
    found.set(path, {
      size: text.length,
      version: path,
      read,
      lend: () => Readable.from([Buffer.from(text)]),
    });
  }
  const reader = {
    looks: 0,
    reads: 0,
    find(path: string): FoundFile | undefined {
      reader.looks += 1;
      return found.get(path);
    },
  };
  return reader;
}

/** The same over a network: the answer comes later. */
function later(reader: CountingReader): CountingReader {
  const find: SiteReader['find'] = async (path, known) => reader.find(path, known);
  return new Proxy(reader, {
    get: (of, key) => (key === 'find' ? find : (Reflect.get(of, key) as unknown)),
  });
}

/** @returns the URL of a server that has nothing but these documents. */
async function serving(t: TestContext, site: SiteServer): Promise<string> {
  const server = createServer((request, response) => {
    void (async () => {
      const urlPath = request.url ?? '';
      const path = decodeURIComponent(urlPath.slice(1));
      const asked = { urlPath, query: '', requestId: 'id' };
      const paths = [{ path, type: document }];
      if (await site.serveAgain(asked, request, response)) return;
      const read = { ...asked, route: document, paths, cache: document.cache };
      if (!(await site.serve(read, request, response))) response.writeHead(404).end();
    })();
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

for (const [how, answering] of [
  ['at once', (reader: CountingReader) => reader],
  ['later', later],
] as const)
  test(`a document is read once, and looked at with every request, however its path is spelled: ${how}`, async (t) => {
    const reader = answering(countingReader({ some: 'text', other: 'word' }));
    const url = await serving(t, new SiteServer(reader));
    for (const [paths, looks, reads] of [
      [['/some', '/some', '/some', '/other'], 4, 2],
      // Nobody can make us read and hash a long document anew with each of its thousands of spellings.
      [['/%73ome', '/s%6fme', '/so%6de', '/som%65', '/%73%6f%6d%65', '/%73ome'], 6, 1],
      [['/some', '/none', '/none'], 3, 0],
    ] as const) {
      Object.assign(reader, { looks: 0, reads: 0 });
      for (const path of paths) {
        const { text } = await send(url, path);
        assert.equal(text, path === '/none' ? '' : path === '/other' ? 'word' : 'text');
      }
      assert.deepEqual([reader.looks, reader.reads], [looks, reads], paths.join());
    }
  });

function fileOf(text: string): FoundFile {
  return {
    size: text.length,
    version: text,
    inMemory: true,
    read: () => Buffer.from(text),
    lend: () => assert.fail('not asked for'),
  };
}

test('a document that is another by now comes with the one question that tells so', async (t) => {
  const looks: (FoundFile | undefined)[] = [];
  let file: FoundFile | undefined = fileOf('one');
  const reader: SiteReader = {
    async find(_path, known) {
      looks.push(known);
      return file;
    },
  };
  const url = await serving(t, new SiteServer(reader));
  const one = file;
  for (const [next, status, text, asked] of [
    [one, 200, 'one', [undefined]],
    [(file = fileOf('two')), 200, 'two', [one]],
    [file, 200, 'two', [file]],
    [undefined, 404, '', [file, undefined]],
    [undefined, 404, '', [undefined]],
    [one, 200, 'one', [undefined]],
  ] as const) {
    file = next;
    const answer = await send(url, '/a');
    assert.deepEqual([answer.status, answer.text], [status, text]);
    assert.deepEqual(looks.splice(0), asked);
  }
});

test('those who share an answer share what is made of it', async (t) => {
  const answers: ((file: FoundFile) => void)[] = [];
  const reader: SiteReader = { find: () => new Promise((resolve) => answers.push(resolve)) };
  const url = await serving(t, new SiteServer(reader));
  const first = send(url, '/a');
  await eventually(async () => assert.equal(answers.length, 1));
  answers[0]?.(fileOf('one'));
  await first;
  const both = [send(url, '/a'), send(url, '/a')];
  await eventually(async () => assert.equal(answers.length, 3));
  let reads = 0;
  const two: FoundFile = { ...fileOf('two'), read: () => ((reads += 1), Buffer.from('two')) };
  for (const answer of answers.slice(1)) answer(two);
  assert.deepEqual(
    (await Promise.all(both)).map(({ text }) => text),
    ['two', 'two'],
  );
  assert.equal(reads, 1);
});

test('answers that overtake one another leave what the last look finds', async (t) => {
  const answers: ((file: FoundFile | undefined) => void)[] = [];
  const knowns: (FoundFile | undefined)[] = [];
  const reader: SiteReader = {
    find(_path, known) {
      knowns.push(known);
      return new Promise((resolve) => answers.push(resolve));
    },
  };
  const url = await serving(t, new SiteServer(reader));
  const [one, two] = [fileOf('one'), fileOf('two')];
  const asked = async (count: number): Promise<void> =>
    eventually(async () => assert.equal(answers.length, count));
  const first = send(url, '/a');
  await asked(1);
  answers[0]?.(one);
  assert.equal((await first).text, 'one');
  const slow = send(url, '/a');
  await asked(2);
  const quick = send(url, '/a');
  await asked(3);
  answers[2]?.(two);
  assert.equal((await quick).text, 'two');
  // It left the store before the other, and is right for whoever asked then.
  answers[1]?.(one);
  assert.equal((await slow).text, 'one');
  const last = send(url, '/a');
  await asked(4);
  assert.equal(knowns[3], two);
  answers[3]?.(two);
  assert.equal((await last).text, 'two');
});
