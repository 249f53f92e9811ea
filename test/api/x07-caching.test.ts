import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { siteServers } from '../support/bucket-site.ts';
import { rangeCases } from '../support/byte-ranges.ts';
import { bearer, send } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import type { TestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { packX07 } from '../support/x07-package.ts';

const archive = packX07({ name: 'acme-hello', version: '0.1.0' });
const servers = new Map<string, TestServer>();
for (const [where, open] of siteServers) {
  const server = await open(wholeFile);
  assert.equal((await server.publish(archive)).status, 200);
  assert.equal((await server.publish({ name: 'other', version: '0.1.0' })).status, 200);
  servers.set(where, server);
}

for (const [where, server] of servers) {
  function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
    return send(server.url, `/x07/${path}`, { headers, method });
  }

  const documents = [
    'index/config.json',
    'index/catalog.json',
    'index/ac/me/acme-hello',
    'v1/packages/acme-hello',
    'v1/packages/acme-hello/owners',
    'v1/packages/acme-hello/0.1.0/metadata',
  ];
  const download = 'v1/packages/acme-hello/0.1.0/download';

  test(`${where}: the ETag of a document is the hash of its bytes, strong, and the same on every answer`, async () => {
    for (const path of documents) {
      const answer = await get(path);
      const hash = createHash('sha256').update(answer.body).digest('hex');
      assert.equal(answer.headers.etag, `"${hash}"`, path);
      assert.equal((await get(path)).headers.etag, answer.headers.etag);
      assert.equal((await get(path, {}, 'HEAD')).headers.etag, answer.headers.etag);
      assert.equal((await get(`${path}?x07_refresh=1764000000000`)).headers.etag, answer.headers.etag);
    }
  });

  test(`${where}: documents may be kept by anyone and have to be asked for again`, async () => {
    for (const path of documents) {
      const policy = String((await get(path)).headers['cache-control']).split(/,\s*/);
      assert.ok(policy.includes('public') && policy.includes('must-revalidate'), `${path}: ${policy.join()}`);
      // A client that keeps a stale entry fails to find what it has just published.
      assert.ok(policy.includes('max-age=0'));
      assert.ok(!policy.includes('no-store') && !policy.includes('private'));
    }
  });

  test(`${where}: an archive may be kept for ever and never be transformed`, async () => {
    const answer = await get(download);
    const policy = String(answer.headers['cache-control']).split(/,\s*/);
    for (const word of ['public', 'immutable', 'max-age=31536000', 'no-transform'])
      assert.ok(policy.includes(word), word);
    assert.match(String(answer.headers.etag), /^"[^"]+"$/);
    assert.equal((await get(download)).headers.etag, answer.headers.etag);
    assert.equal((await get(download, { 'accept-encoding': 'gzip' })).headers['content-encoding'], undefined);
  });

  test(`${where}: what a client has already is answered with 304, its ETag and policy, and no body`, async () => {
    for (const path of [...documents, download]) {
      const whole = await get(path);
      const etag = String(whole.headers.etag);
      for (const asked of [etag, '*', ` ${etag} `, `"a", ${etag}`, `${etag},"b"`, `"a",${etag},"b"`])
        for (const method of ['GET', 'HEAD']) {
          const answer = await get(path, { 'if-none-match': asked }, method);
          assert.equal(answer.status, 304, `${path} ${asked}`);
          assert.equal(answer.text, '');
          assert.equal(answer.headers.etag, etag);
          assert.equal(answer.headers['cache-control'], whole.headers['cache-control']);
          assert.match(String(answer.headers['x-request-id']), /^[0-9a-f]{32}$/);
          for (const header of ['content-type', 'content-length', 'transfer-encoding'])
            assert.equal(answer.headers[header], undefined, header);
        }
      for (const asked of ['"a"', '"a","b"', etag.slice(1, -1), etag.slice(0, -2) + '"', '', '"*"']) {
        const answer = await get(path, { 'if-none-match': asked });
        assert.equal(answer.status, 200, `${path} ${asked}`);
        assert.deepEqual(answer.body, whole.body);
      }
    }
  });

  test(`${where}: a refusal is never a 304 and carries neither ETag nor Cache-Control`, async () => {
    for (const path of [
      'index/no/bo/nobody',
      'index/ac/ma/acme-hello',
      'v1/packages/nobody',
      'v1/packages/acme-hello/9.9.9/download',
      'nothing',
    ]) {
      const answer = await get(path, { 'if-none-match': '*' });
      assert.ok(answer.status === 404 || answer.status === 400, path);
      assert.equal(answer.headers.etag, undefined);
      assert.equal(answer.headers['cache-control'], undefined);
    }
  });

  test(`${where}: a publish and a yank change the ETags of what they change, and of nothing else`, async () => {
    const changing = ['index/ac/me/acme-hello', 'v1/packages/acme-hello'];
    const steady = [
      'index/config.json',
      'index/ot/he/other',
      'v1/packages/other',
      'v1/packages/acme-hello/owners',
      'v1/packages/acme-hello/0.1.0/metadata',
      download,
    ];
    const tags = async (paths: readonly string[]) =>
      Promise.all(paths.map(async (path) => (await get(path)).headers.etag));
    const seen = [await tags(changing)];
    const before = await tags(steady);
    assert.equal((await server.publish({ name: 'acme-hello', version: '0.2.0' })).status, 200);
    seen.push(await tags(changing));
    for (const yanked of [true, false]) {
      const answer = await send(server.url, '/x07/v1/packages/acme-hello/0.2.0/yank', {
        method: 'POST',
        headers: { ...bearer(ADMIN_TOKEN), 'content-type': 'application/json' },
        body: JSON.stringify({ yanked }),
      });
      assert.equal(answer.status, 200);
      seen.push(await tags(changing));
    }
    assert.deepEqual(await tags(steady), before);
    const [first, published, yanked, unyanked] = seen;
    for (const i of changing.keys()) {
      assert.notEqual(first?.[i], published?.[i]);
      assert.notEqual(published?.[i], yanked?.[i]);
      // Yank and unyank together change nothing, not even bytes.
      assert.equal(unyanked?.[i], published?.[i]);
    }
  });

  const size = archive.length;
  test(`${where}: a download can be asked for in part`, async () => {
    assert.equal((await get(download)).headers['accept-ranges'], 'bytes');
    for (const [range, status, from = 0, to = size - 1] of rangeCases(size, 200)) {
      const answer = await get(download, { range });
      assert.equal(answer.status, status, range);
      if (status === 416) {
        assert.equal(answer.headers['content-range'], `bytes */${size}`);
        assert.equal(answer.text, '');
        continue;
      }
      assert.deepEqual(answer.body, archive.subarray(from, to + 1), range);
      assert.equal(answer.headers['content-length'], String(to - from + 1));
      assert.equal(answer.headers['content-type'], 'application/octet-stream');
      assert.equal(
        answer.headers['content-range'],
        status === 206 ? `bytes ${from}-${to}/${size}` : undefined,
      );
    }
    const document = await get('index/config.json', { range: 'bytes=1-4' });
    assert.deepEqual([document.status, document.text], [206, '"dl"']);
  });

  test(`${where}: a part is sent only of the very file that the client has begun with`, async () => {
    const etag = String((await get(download)).headers.etag);
    const part = { range: 'bytes=0-9' };
    assert.equal((await get(download, { ...part, 'if-range': etag })).status, 206);
    for (const other of ['"other"', `W/${etag}`, 'Wed, 21 Oct 2015 07:28:00 GMT', etag.slice(1, -1)]) {
      const answer = await get(download, { ...part, 'if-range': other });
      assert.equal(answer.status, 200, other);
      assert.deepEqual(answer.body, archive);
    }
    assert.equal((await get(download, { ...part, 'if-none-match': etag })).status, 304);
    // A range of a HEAD means nothing (RFC 9110, section 14.2).
    const head = await get(download, part, 'HEAD');
    assert.deepEqual([head.status, head.headers['content-length']], [200, String(size)]);
  });
}
