/** What nginx answers for the files of a site is what the embedded server answers, header by header. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { send } from '../support/http.ts';
import { freePort, noNginx } from '../support/nginx.ts';
import { serveRegistry, type Served } from '../support/npm-registries.ts';
import { packX07 } from '../support/x07-package.ts';
import { siteFolder, startStaticHost } from '../support/test-store.ts';

describe('the site by nginx', { skip: noNginx }, () => {
  let served: Served;
  let nginx: string;
  const opened = closing();
  before(async () => {
    const packages = ['chart.js', '@acme/lib'].map((name) => ({
      name,
      version: '1.0.0',
      files: { 'README.md': '# x' },
    }));
    served = await serveRegistry(opened, { ecosystems: ['npm', 'x07'], packages });
    const answer = await fetch(`${served.server.url}/x07/v1/packages/publish`, {
      method: 'POST',
      headers: { authorization: `Bearer ${served.token}` },
      body: packX07({ name: 'acme-hello', version: '1.0.0' }),
    });
    assert.equal(answer.status, 200, await answer.text());
    nginx = (await startStaticHost(opened, served.data, await freePort())).url;
  });
  after(() => opened.close());

  const paths = [
    '/npm/',
    '/npm/-/ping',
    '/npm/-/npm/v1/keys',
    '/npm/chart.js',
    '/npm/chart.js/1.0.0',
    '/npm/chart.js/latest',
    '/npm/chart.js/-/chart.js-1.0.0.tgz',
    '/npm/@acme/lib',
    '/npm/@acme%2flib',
    '/npm/@acme%2Flib',
    '/npm/%40acme%2flib',
    '/npm/@acme%2flib?write=true',
    '/npm/@acme%2flib/1.0.0',
    '/npm/@acme/lib/-/lib-1.0.0.tgz',
    '/npm/@acme%2flib/-/lib-1.0.0.tgz',
    '/npm/-/package/chart.js/dist-tags',
    '/npm/-/package/@acme%2flib/dist-tags',
    '/npm/-/package/@acme%2flib/collaborators',
    '/npm/-/package/@acme%2flib/visibility',
    '/x07/index/config.json',
    '/x07/index/ac/me/acme-hello',
    '/x07/v1/packages/acme-hello',
    '/x07/v1/packages/acme-hello/1.0.0/metadata',
    '/x07/v1/packages/acme-hello/1.0.0/download',
  ];
  for (const path of paths)
    test(`${path} is the same file, of the same type and as long to keep`, async () => {
      const [ours, theirs] = await Promise.all([send(served.server.url, path), send(nginx, path)]);
      assert.equal(ours.status, 200, ours.text);
      assert.equal(theirs.status, 200, theirs.text);
      assert.ok(ours.body.equals(theirs.body));
      for (const header of ['content-type', 'cache-control', 'content-length', 'content-encoding'])
        assert.equal(theirs.headers[header], ours.headers[header], header);
      assert.ok(theirs.headers.etag);
      const again = await send(nginx, path, { headers: { 'if-none-match': theirs.headers.etag } });
      assert.equal(again.status, 304);
      assert.equal(again.headers['cache-control'], ours.headers['cache-control']);
    });

  test('the generator keeps its own files to itself, and no folder is listed', async () => {
    const site = await siteFolder(served.data);
    assert.ok(readFileSync(join(site, '=progress.json')).length > 0);
    for (const path of [
      '/=progress.json',
      '/%3Dprogress.json',
      '/=roots.json',
      '/=summaries/',
      '/=tmp/',
      '/npm/chart.js/=index',
      '/npm/chart.js/%3dindex',
      '/npm/chart.js/-',
      '/npm/chart.js/-/',
      '/npm/@acme',
      '/npm/@acme/',
      '/npm/-/',
      '/',
      '/x07/index',
    ]) {
      const answer = await send(nginx, path);
      assert.equal(answer.status, 404, path);
      assert.equal(answer.text, '{"error":"Not found"}', path);
      assert.equal(answer.headers['content-type'], 'application/json');
      assert.equal(answer.headers['cache-control'], 'no-store');
    }
  });

  for (const method of ['PUT', 'POST', 'DELETE', 'PATCH'])
    test(`${method} is told that nothing can be written here`, async () => {
      for (const path of ['/npm/chart.js', '/npm/nothing', '/npm/-/npm/v1/security/advisories/bulk']) {
        const answer = await send(nginx, path, { method, body: '{}' });
        assert.equal(answer.status, 405, path);
        assert.equal(answer.headers['content-type'], 'application/json');
        assert.match(answer.text, /^\{"error":"[^"]+"\}$/);
      }
    });
});
