/** What was asked for before is answered from memory: nobody may be able to tell, whoever changes the site meanwhile. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Bucket } from '../../stores/bucket.ts';
import { openBucketServer, putText } from '../support/bucket-site.ts';
import { eventually } from '../support/eventually.ts';
import { send, type Answer } from '../support/http.ts';
import { startServer, ADMIN_TOKEN } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTestServer, type TestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { packX07 } from '../support/x07-package.ts';

const entry = '/x07/index/ac/me/acme-hello';
const owners = '/x07/v1/packages/acme-hello/owners';
const summary = '/x07/v1/packages/acme-hello';

/** A site as another process changes it, `cairn regen` for one. */
interface Files {
  read(path: string): Promise<string>;
  replace(path: string, text: string): Promise<void>;
  /** @returns what brings it back. */
  takeAway(path: string): Promise<() => Promise<void>>;
}

function filesOn(data: string): Files {
  const stored = (path: string): string => join(data, 'site', path);
  return {
    read: (path) => readFile(stored(path), 'utf8'),
    /** A new file takes the old one's place. */
    async replace(path, text) {
      const { atime, mtime } = await stat(stored(path));
      await writeFile(`${stored(path)}.new`, text);
      // Not even time and length tell the two apart.
      await utimes(`${stored(path)}.new`, atime, mtime);
      await rename(`${stored(path)}.new`, stored(path));
    },
    async takeAway(path) {
      await rename(stored(path), `${stored(path)}.away`);
      await mkdir(stored(path));
      return async () => {
        await rm(stored(path), { recursive: true });
        await rename(`${stored(path)}.away`, stored(path));
      };
    },
  };
}

function filesIn(bucket: Bucket): Files {
  const key = (path: string): string => path.slice(1);
  const read: Files['read'] = async (path) => {
    const found = await bucket.get(key(path));
    assert.ok(found && found !== 'unchanged', path);
    return String(await found.bytes());
  };
  return {
    read,
    replace: (path, text) => putText(bucket, key(path), text),
    async takeAway(path) {
      const text = await read(path);
      await bucket.remove(key(path));
      return () => putText(bucket, key(path), text);
    },
  };
}

const described = { isDescribed: false };
const onDisk = await openTestServer(wholeFile, {}, described);
const inBucket = await openBucketServer(wholeFile, described);
const sites: readonly (readonly [where: string, server: TestServer, files: Files])[] = [
  ['in a directory', onDisk, filesOn(onDisk.data)],
  ['in a bucket', inBucket, filesIn(inBucket.bucket)],
];
for (const [, server] of sites)
  for (const name of ['acme-hello', 'other'])
    assert.equal((await server.publish({ name, version: '0.1.0' })).status, 200);

/** Sends all at once on one connection, and reads until the server closes it. */
async function onOneConnection(url: string, ...requests: readonly string[]): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(requests.join(''));
  let answers = '';
  for await (const chunk of socket) answers += String(chunk);
  return answers;
}

for (const [where, server, files] of sites) {
  test(`${where}: a file that another process replaces is seen by the very next read`, async () => {
    for (const [path, file] of [
      [entry, entry],
      [owners, owners],
      [summary, `${summary}/=index`],
    ] as const) {
      const before = await files.read(file);
      const seen: Answer[] = [await send(server.url, path), await send(server.url, path)];
      const texts = [before.replaceAll('a', 'b'), before.replaceAll('a', 'c'), before];
      for (const text of texts) {
        await files.replace(file, text);
        for (const method of ['HEAD', 'GET', 'GET']) seen.push(await send(server.url, path, { method }));
        assert.equal(seen.at(-1)?.text, text);
        assert.equal(seen.at(-2)?.text, text);
      }
      const tags = seen.map(({ headers }) => headers.etag);
      assert.equal(new Set(tags).size, 3, path);
      // Equal bytes have equal tags, also when they come back.
      for (const i of [0, 1]) assert.equal(tags[i], tags.at(-1));
    }
  });

  test(`${where}: a file that is removed is gone at once, and there again once it is back`, async () => {
    const whole = await send(server.url, entry);
    const bringBack = await files.takeAway(entry);
    assert.equal((await send(server.url, entry)).status, 404);
    assert.equal((await send(server.url, entry, { method: 'HEAD' })).status, 404);
    await bringBack();
    assert.equal((await send(server.url, entry)).text, whole.text);
  });

  test(`${where}: a path has many spellings, and all give what is there now`, async () => {
    const spellings = [
      entry,
      '/x07/index/ac/me/%61cme-hello',
      '/x07/index/a%63/me/acme%2dhello',
      `${entry}?q`,
    ];
    const before = await files.read(entry);
    for (const text of [before, before.replaceAll('a', 'b'), before]) {
      await files.replace(entry, text);
      for (const spelling of [...spellings, ...spellings])
        assert.equal((await send(server.url, spelling)).text, text, spelling);
    }
  });

  test(`${where}: only reads are answered with a file, however often it was read`, async () => {
    for (const method of ['GET', 'POST', 'DELETE', 'GET', 'PUT', 'HEAD'])
      assert.equal(
        (await send(server.url, entry, { method })).status,
        method === 'GET' || method === 'HEAD' ? 200 : 405,
        method,
      );
  });

  test(`${where}: requests that come at once are answered in order, each with an id of its own`, async () => {
    const paths = [entry, '/x07/index/no/bo/nobody', owners, entry, '/healthz', summary];
    const answers = await onOneConnection(
      server.url,
      ...paths.map((path) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`),
      'GET /x07 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    );
    const ids = [...answers.matchAll(/x-request-id: ([0-9a-f]{32})\r\n/g)].map(([, id]) => id);
    assert.equal(new Set(ids).size, paths.length + 1);
    const bodies = await Promise.all([...paths, '/x07'].map((path) => send(server.url, path)));
    let at = 0;
    for (const { text } of bodies.filter(({ status }) => status === 200)) {
      const found = answers.indexOf(`\r\n\r\n${text}`, at);
      assert.ok(found >= at, text);
      at = found + text.length;
    }
  });

  test(`${where}: a read may bring a body, which nobody wants, and the connection goes on`, async () => {
    const body = 'x'.repeat(200_000);
    const answers = await onOneConnection(
      server.url,
      `GET ${entry} HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      `GET ${entry} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
      `GET ${entry} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    );
    assert.equal(answers.match(/HTTP\/1\.1 200 OK/g)?.length, 3);
  });
}

test('every request is recorded once, with the status and the id that the client got', async (t) => {
  const data = await temporaryDirectory(t);
  const { url, errors, stop } = await startServer({ data, env: { CAIRN_LOG_LEVEL: 'debug' } });
  t.after(() => stop());
  const path = '/x07/v1/packages/publish';
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const archive = packX07({ name: 'acme-hello', version: '0.1.0' });
  await send(url, path, { method: 'POST', headers, body: archive });
  const download = '/x07/v1/packages/acme-hello/0.1.0/download';
  const rows: readonly (readonly [string, string, Record<string, string>, number, string?])[] = [
    ['GET', entry, {}, 200],
    ['GET', entry, {}, 200],
    ['HEAD', entry, {}, 200],
    ['GET', entry, { 'if-none-match': '*' }, 304],
    ['GET', entry, { range: 'bytes=0-3' }, 206],
    ['GET', entry, { range: 'bytes=9999999-' }, 416],
    ['GET', entry, { 'content-length': '0' }, 200],
    ['GET', download, {}, 200],
    ['GET', '/x07/index', {}, 308],
    ['GET', '/x07/index/no/bo/nobody', {}, 404, 'not-found'],
    ['POST', entry, {}, 405, 'method-not-allowed'],
    ['GET', '/healthz', {}, 200],
  ];
  const wanted: unknown[] = [];
  for (const [method, asked, sent, status, code] of rows) {
    const answer = await send(url, asked, { method, headers: sent });
    wanted.push([method, asked, status, code, answer.headers['x-request-id']]);
  }
  const recorded = (): Record<string, unknown>[] =>
    errors()
      .split('\n')
      .filter((line) => line.includes('"msg":"request"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter((record) => record['path'] !== path);
  await eventually(async () => assert.equal(recorded().length, wanted.length));
  assert.deepEqual(
    recorded().map((record) => [
      record['method'],
      record['path'],
      record['status'],
      record['code'],
      record['requestId'],
    ]),
    wanted,
  );
  for (const { milliseconds } of recorded()) assert.ok(Number(milliseconds) >= 0);
});
