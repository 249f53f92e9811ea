/** Ori's files by nginx alone: what the embedded server answers, header by header, and all that an install reads. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { closing } from '../support/closing.ts';
import { eventually } from '../support/eventually.ts';
import { send } from '../support/http.ts';
import { freePort, noNginx } from '../support/nginx.ts';
import { serveRegistry, type Served } from '../support/npm-registries.ts';
import { oriApi, oriToken, pathOf } from '../support/ori-api.ts';
import { checksumOf, packOri } from '../support/ori-package.ts';
import { startStaticHost } from '../support/test-store.ts';

const name = '@acme/json';
const parser = '@orilib/parser';

describe('Ori by nginx', { skip: noNginx }, () => {
  let served: Served;
  let nginx: string;
  let lock: Record<string, string>;
  const opened = closing();
  before(async () => {
    const port = await freePort();
    served = await serveRegistry(opened, {
      ecosystems: ['ori', 'npm'],
      publicUrl: `http://127.0.0.1:${port}`,
    });
    const server = { url: served.server.url, data: served.data };
    const ori = oriApi(server);
    const alice = await oriToken(served.data, 'alice');
    const { checksum } = await ori.publish({ name: parser, version: '3.0.2' }, alice);
    lock = { [`${parser}:3.0.2`]: checksum };
    for (const version of ['1.0.0', '1.0.1', '1.1.0-rc.1'])
      await ori.publish({ name, version, rest: '[dependencies]\n@orilib/parser = "3.0.2"', lock }, alice);
    await ori.ok({ path: pathOf(name, '1.0.1/yank'), json: {}, token: alice });
    await ori.publish({ name: '@acme/clean' }, alice);
    const { events } = await remoteControl(join(served.data, 'control.sock')).execute([
      {
        kind: 'file-advisory',
        ecosystem: 'ori',
        name: parser,
        advisory: { id: 'ab12', kind: 'security', severity: 'high', summary: 'It leaks.', range: '<4.0.0' },
      },
    ]);
    assert.equal(events.length, 1);
    nginx = (await startStaticHost(opened, served.data, port)).url;
  });
  after(() => opened.close());

  const compared = [
    'content-type',
    'cache-control',
    'content-length',
    'content-encoding',
    'content-disposition',
  ];
  async function assertSame(path: string): Promise<void> {
    const [ours, theirs] = await Promise.all([send(served.server.url, path), send(nginx, path)]);
    assert.equal(ours.status, 200, ours.text);
    assert.equal(theirs.status, 200, theirs.text);
    assert.ok(ours.body.equals(theirs.body), path);
    for (const header of compared) assert.equal(theirs.headers[header], ours.headers[header], header);
    const again = await send(nginx, path, { headers: { 'if-none-match': String(theirs.headers.etag) } });
    assert.equal(again.status, 304);
    // Counts that nobody keeps are not told.
    for (const header of Object.keys(theirs.headers)) assert.doesNotMatch(header, /ratelimit/);
  }

  const paths = ['acme', '@acme', '%40acme'].flatMap((scope) => [
    `/ori/v1/packages/${scope}/json/versions`,
    ...['1.0.0', '1.0.1', '1.1.0-rc.1'].flatMap((version) => [
      `/ori/v1/packages/${scope}/json/${version}/metadata`,
      `/ori/v1/packages/${scope}/json/${version}/download`,
    ]),
  ]);
  for (const path of [
    ...paths,
    '/ori/v1/advisories/orilib/parser',
    '/ori/v1/advisories/%40orilib/parser',
    '/ori/v1/advisories/x_ORI-ab12',
  ])
    test(`${path} is the same file, with the same headers`, () => assertSame(path));

  test('so are the list of advisories, of all packages and of one, and the index for searches', async () => {
    await eventually(async () => assert.match((await send(nginx, '/ori/v1/advisories')).text, /x_ORI-ab12/));
    await assertSame('/ori/v1/advisories');
    await assertSame('/ori/v1/search.ndjson');
    for (const asked of [
      '%40orilib%2Fparser',
      '@orilib/parser',
      '%40orilib%2fparser',
      '@acme/clean',
      '@acme/none',
    ]) {
      const [ours, theirs] = await Promise.all(
        [served.server.url, nginx].map((origin) => send(origin, `/ori/v1/advisories?package=${asked}`)),
      );
      assert.equal(theirs?.status, 200);
      assert.equal(theirs.headers['content-type'], 'application/json');
      assert.equal(theirs.text, ours?.text, asked);
    }
  });

  test('what is not there, and what would write, is refused as a problem', async () => {
    for (const path of [
      'v1/packages/acme/none/versions',
      'v1/packages/acme/json/9.9.9/download',
      'v1/packages/acme/json',
      'v1/search?q=json',
      'v1/advisories/x',
      '',
      'v1/packages/@acme/json/=index',
    ]) {
      const answer = await send(nginx, `/ori/${path}`);
      assert.equal(answer.status, 404, path);
      assert.equal(answer.headers['content-type'], 'application/problem+json', path);
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.equal(answer.headers['content-disposition'], undefined);
      assert.equal((JSON.parse(answer.text) as { code: string }).code, 'not_found');
    }
    const answer = await send(nginx, '/ori/v1/packages/acme/json/publish', { method: 'POST', body: 'x' });
    assert.equal(answer.status, 405);
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    assert.equal(answer.headers['allow'], 'GET, HEAD');
    assert.equal((JSON.parse(answer.text) as { code: string }).code, 'method_not_allowed');
    // Others are refused as before.
    const elsewhere = await send(nginx, '/npm/none');
    assert.deepEqual(
      [elsewhere.status, elsewhere.headers['content-type'], elsewhere.text],
      [404, 'application/json', '{"error":"Not found"}'],
    );
    assert.equal(
      (await send(nginx, '/npm/none', { method: 'PUT' })).headers['content-type'],
      'application/json',
    );
  });

  test('with the registry stopped, all that an install and an audit ask for is there, and its checksums are right', async () => {
    await served.server.stop();
    const site = oriApi({ url: nginx, data: served.data });
    const read = async (path: string): Promise<Record<string, unknown>> => {
      const answer = await send(nginx, `/ori/${path}`);
      assert.equal(answer.status, 200, path);
      return JSON.parse(answer.text) as Record<string, unknown>;
    };
    assert.deepEqual((await read(pathOf(name, 'versions')))['versions'], ['1.0.0', '1.1.0-rc.1']);
    const metadata = await read(pathOf(name, '1.0.0/metadata'));
    const checksums = {
      [`${name}:1.0.0`]: metadata['checksum'],
      ...(metadata['checksums'] as { dependencies: object }).dependencies,
    };
    for (const [key, checksum] of Object.entries(checksums)) {
      const [of = '', version] = key.split(':');
      const { download_url: url } = await read(pathOf(of, `${version}/metadata`));
      assert.equal(new URL(String(url)).origin, nginx);
      const { body } = await send(nginx, new URL(String(url)).pathname);
      assert.equal(checksumOf(body), checksum, key);
    }
    const wanted = packOri({
      name,
      version: '1.0.0',
      rest: '[dependencies]\n@orilib/parser = "3.0.2"',
      lock,
    });
    assert.ok((await site.ask({ path: pathOf(name, '1.0.0/download') })).body.equals(wanted));
    const { advisories } = await read(`v1/advisories?package=${encodeURIComponent(parser)}`);
    assert.equal(
      (advisories as { affected: [{ versions: string[] }] }[])[0]?.affected[0].versions[0],
      '3.0.2',
    );
  });
});
