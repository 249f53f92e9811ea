import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { SiteServer } from '../../api/site-server.ts';
import type { FoundFile, SiteReader } from '../../core/ports.ts';
import type { SiteRoute } from '../../core/site.ts';
import { send } from '../support/http.ts';

const document: SiteRoute = {
  from: 'site',
  pattern: '{name}',
  contentType: 'text/plain',
  cache: 'document',
  stored: 'file',
};

/** Files that never change, and how often each was looked for and read. */
function countingReader(files: Record<string, string>): SiteReader & { looks: number; reads: number } {
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

test('a document is read once, and looked at with every request, however its path is spelled', async (t) => {
  const reader = countingReader({ some: 'text', other: 'word' });
  const site = new SiteServer(reader);
  const server = createServer((request, response) => {
    const urlPath = request.url ?? '';
    const path = decodeURIComponent(urlPath.slice(1));
    const asked = { urlPath, query: '', requestId: 'id' };
    const paths = [{ path, type: document }];
    if (site.serveAgain(asked, request, response)) return;
    const read = { ...asked, route: document, paths, cache: document.cache };
    if (!site.serve(read, request, response)) response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

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
