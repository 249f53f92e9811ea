/** Run's files by nginx alone: what the embedded server answers, header by header. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { cairnOk } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { send } from '../support/http.ts';
import { freePort, noNginx } from '../support/nginx.ts';
import { runApi } from '../support/run-api.ts';
import { ADMIN_TOKEN, startServer, type ServerProcess } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { componentWith } from '../support/wasm-binary.ts';
import { startStaticHost } from '../support/test-store.ts';

describe('Run by nginx', { skip: noNginx }, () => {
  let server: ServerProcess;
  let nginx: string;
  let digest: string;
  const opened = closing();
  before(async () => {
    const data = await temporaryDirectory(opened);
    const port = await freePort();
    server = await startServer({
      data,
      flags: ['--public-url', `http://127.0.0.1:${port}`],
      env: { CAIRN_ECOSYSTEMS: 'run', CAIRN_LIMITS: 'run=off' },
    });
    opened.after(() => server.kill());
    const run = runApi({ url: server.url, data });
    for (const version of ['1.0.0', '1.1.0', '1.2.0-rc.1'])
      await run.publish(
        { name: 'run:example/hello', version, component: componentWith(version) },
        ADMIN_TOKEN,
      );
    await run.publish({ name: 'run:example', version: '1.0.0' }, ADMIN_TOKEN);
    await cairnOk(['yank', 'run/run:example/hello@1.1.0', '--data', data]);
    ({ digest } = await run.metadata('run:example/hello', '1.1.0'));
    nginx = (await startStaticHost(opened, data, port)).url;
    // The roots may be late; at rest they say all.
    await eventually(async () =>
      assert.match((await send(nginx, '/run/api/v1/stats')).text, /"package_count":2,"version_count":3/),
    );
  });
  after(() => opened.close());

  const compared = [
    ...['content-type', 'cache-control', 'content-length', 'content-encoding', 'content-security-policy'],
    ...['x-content-type-options', 'docker-distribution-api-version'],
    ...['origin', 'methods', 'headers'].map((what) => `access-control-allow-${what}`),
  ];

  async function assertSame(path: string): Promise<void> {
    const [ours, theirs] = await Promise.all([send(server.url, path), send(nginx, path)]);
    assert.equal(ours.status, 200, ours.text);
    assert.equal(theirs.status, 200, theirs.text);
    assert.ok(ours.body.equals(theirs.body), path);
    for (const header of compared) assert.equal(theirs.headers[header], ours.headers[header], header);
    const again = await send(nginx, path, { headers: { 'if-none-match': theirs.headers.etag ?? '' } });
    assert.equal(again.status, 304);
  }

  const names = [
    'run%3Aexample%2Fhello',
    'run%3aexample%2fhello',
    'run:example%2Fhello',
    'run:example',
    'run%3Aexample',
  ];
  for (const name of names)
    for (const path of [
      `/run/api/v1/packages/${name}/versions`,
      `/run//api/v1/packages/${name}/versions`,
      `/run/api/v1/packages/${name}/1.0.0`,
      `/run/packages/${name}/1.0.0/artifact.wasm`,
      `/run/browse/${name}`,
    ])
      test(`${path} is the same file, with the same headers`, () => assertSame(path));

  for (const path of [
    '/run',
    '/run/',
    '/run/browse',
    '/run/packages',
    '/run/health',
    '/run/api/v1/packages/run%3Aexample%2Fhello/1.1.0',
    '/run/packages/run%3Aexample%2Fhello/1.1.0/artifact.wasm',
    '/.well-known/wasm-pkg/registry.json',
    '/v2/wasm/run/example/hello/tags/list',
    '/v2/wasm/run/example/tags/list',
    '/v2/wasm/run/example/hello/manifests/1.1.0',
    '/v2/wasm/run/example/manifests/1.0.0',
  ])
    test(`${path} is the same file, with the same headers`, () => assertSame(path));

  test('and so are manifests and blobs by their digests, which are said', async () => {
    const at = '/v2/wasm/run/example/hello';
    await assertSame(`${at}/manifests/${digest}`);
    const manifest = await send(nginx, `${at}/manifests/${digest}`);
    assert.equal(manifest.headers['docker-content-digest'], digest);
    const { config, layers } = JSON.parse(manifest.text) as Record<
      string,
      { digest: string } & { digest: string }[]
    >;
    for (const { digest: blob } of [config, layers?.[0]].flatMap((one) => one ?? [])) {
      await assertSame(`${at}/blobs/${blob}`);
      assert.equal((await send(nginx, `${at}/blobs/${blob}`)).headers['docker-content-digest'], blob);
    }
  });

  test('stats are a file that knows of no downloads', async () => {
    const { text, headers } = await send(nginx, '/run/api/v1/stats');
    assert.equal(text, '{"package_count":2,"version_count":3,"download_count":0,"uptime_percent":100.0}');
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['access-control-allow-origin'], '*');
  });

  test('what is not there is 404 with an empty body, for pages of every origin', async () => {
    for (const path of [
      '/run/api/v1/packages/run%3Anothing/versions',
      '/run/api/v1/packages/run%3Aexample%2Fhello/9.9.9',
      '/run/packages/run%3Aexample%2Fhello/9.9.9/artifact.wasm',
      '/run/packages/run%3Aexample%2Fhello/1.0.0',
      '/run/packages/=index',
      '/run/api/v1/search?q=run',
      '/run/nothing',
    ]) {
      const answer = await send(nginx, path);
      assert.equal(answer.status, 404, path);
      assert.equal(answer.text, '', path);
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.equal(answer.headers['access-control-allow-origin'], '*');
    }
  });

  test('a component that is not there is NAME_UNKNOWN to OCI clients, in one error', async () => {
    const { status, text } = await send(nginx, '/v2/wasm/run/nothing/tags/list');
    assert.equal(status, 404);
    const { errors } = JSON.parse(text) as { errors: { code: string }[] };
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['NAME_UNKNOWN'],
    );
    assert.equal((await send(nginx, '/v2/')).text, '{}');
  });

  test('a page of another origin is told that it may ask', async () => {
    for (const url of [nginx, server.url]) {
      const asked = await send(url, '/run/api/v1/packages', { method: 'OPTIONS' });
      assert.equal(asked.status, 200, url);
      assert.equal(asked.headers['access-control-allow-headers'], 'Content-Type, Authorization');
    }
  });
});
