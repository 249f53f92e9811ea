/** Pantry's and Zig's files by nginx: what the embedded server answers, header by header; and clients with no registry behind it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { cairn } from '../support/command-line.ts';
import { bearer, send } from '../support/http.ts';
import { freePort, noNginx } from '../support/nginx.ts';
import { clientNamed } from '../support/npm-clients.ts';
import { packNpm, type NpmPackage } from '../support/npm-package.ts';
import { openProject } from '../support/npm-project.ts';
import { serveRegistry, type Served } from '../support/npm-registries.ts';
import { zigApi, type Published } from '../support/zig-api.ts';
import { packAs } from '../support/zig-archive.ts';
import { inFolder, libraryFiles } from '../support/zig-library.ts';
import { startStaticHost } from '../support/test-store.ts';

const sha = '0123456789abcdef0123456789abcdef01234567';
const short = sha.slice(0, 7);

describe('Pantry and Zig by nginx', { skip: noNginx }, () => {
  let served: Served;
  let nginx: string;
  let zig: Published;
  const opened = closing();
  before(async () => {
    const port = await freePort();
    const packages = ['lib', '@acme/lib'].map((name) => ({ name, version: '1.0.0-rc.5' }));
    const publicUrl = `http://127.0.0.1:${port}`;
    served = await serveRegistry(opened, { ecosystems: ['npm', 'zig'], packages, publicUrl });
    await publishCommit(['lib', '@acme/lib']);
    const library = { name: 'my_zig_lib', version: '1.0.0-a+b' };
    const tarball = packAs('tar.gz', inFolder(libraryFiles(library), 'x'));
    zig = await zigApi({ url: served.server.url, data: served.data }).publish({ tarball }, served.token);
    nginx = (await startStaticHost(opened, served.data, port)).url;
  });
  after(() => opened.close());

  async function publishCommit(names: readonly string[]): Promise<void> {
    const packages = names.map((name) => {
      const wanted: NpmPackage = {
        name,
        version: '1.0.0',
        files: { 'index.js': `module.exports = 'of ${short}';` },
      };
      return { name, tarball: packNpm(wanted).toString('base64') };
    });
    const answer = await fetch(`${served.server.url}/pantry/publish/commit`, {
      method: 'POST',
      headers: { ...bearer(served.token), 'content-type': 'application/json' },
      body: JSON.stringify({ sha, packages }),
    });
    assert.equal(answer.status, 201, await answer.text());
  }

  const scoped = ['@acme/lib', '@acme%2Flib', '@acme%2flib', '%40acme%2Flib', '%40acme/lib'];
  const ofPantry = ['lib', ...scoped].flatMap((name) => [
    `/pantry/packages/${name}`,
    `/pantry/packages/${name}/versions`,
    `/pantry/packages/${name}/1.0.0-rc.5`,
    `/pantry/packages/${name}/1.0.0-rc.5/tarball`,
    `/pantry/commits/${sha}/${name}`,
    `/pantry/commits/${sha}/${name}/tarball`,
    `/pantry/${name}@${sha}`,
    `/pantry/${name}@${short}`,
  ]);
  const ofZig = ['/zig', '/pantry/zig'].flatMap((mount) => [
    `${mount}/packages/my-zig-lib`,
    `${mount}/packages/my_zig_lib`,
    `${mount}/packages/my_zig-lib/versions`,
    `${mount}/packages/my-zig-lib/1.0.0-a+b`,
    `${mount}/packages/my-zig-lib/1.0.0-a%2Bb/tarball`,
    `${mount}/packages/my_zig_lib/1.0.0-a%2Bb/tarball`,
  ]);
  const compared = [
    ...['content-type', 'cache-control', 'content-length', 'content-encoding', 'content-disposition'],
    ...['origin', 'methods', 'headers'].map((what) => `access-control-allow-${what}`),
  ];

  async function assertSame(path: string): Promise<void> {
    const [ours, theirs] = await Promise.all([send(served.server.url, path), send(nginx, path)]);
    assert.equal(ours.status, 200, ours.text);
    assert.equal(theirs.status, 200, theirs.text);
    assert.ok(ours.body.equals(theirs.body));
    for (const header of compared) assert.equal(theirs.headers[header], ours.headers[header], header);
    const again = await send(nginx, path, { headers: { 'if-none-match': theirs.headers.etag ?? '' } });
    assert.equal(again.status, 304);
  }
  for (const path of [...ofPantry, `/pantry/commits/${sha}`, ...ofZig])
    test(`${path} is the same file, with the same headers`, () => assertSame(path));

  test('and so is what is found by a hash', async () => {
    for (const hash of [zig.hash, zig.legacyHash])
      for (const mount of ['/zig', '/pantry/zig']) {
        await assertSame(`${mount}/hash/${hash.replaceAll('+', '%2B')}`);
        await assertSame(`${mount}/p/${hash}.tar.gz`);
      }
  });

  test('what is not there is refused in JSON that pages of every origin can read', async () => {
    for (const path of [
      '/pantry/packages/nothing',
      '/pantry/packages/nothing/1.0.0/tarball',
      '/pantry/packages/lib/9.9.9',
      '/pantry/packages/lib/=index',
      `/pantry/commits/${short}`,
      `/pantry/nothing@${short}`,
      '/pantry/search?q=lib',
      '/pantry/',
      '/pantry/packages',
      '/zig/hash/N-V-nothing',
      '/zig/p/nothing.tar.gz',
      '/zig/packages/a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q_r_s_t_u_v_w_x_y_z_a_b_c_d_e_f_g',
      '/zig',
    ]) {
      const answer = await send(nginx, path);
      assert.equal(answer.status, 404, path);
      assert.equal(answer.text, '{"error":"Not found"}', path);
      assert.equal(answer.headers['content-type'], 'application/json');
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.equal(answer.headers['access-control-allow-origin'], '*');
      assert.equal(answer.headers['content-disposition'], undefined);
    }
  });

  test('a page of another origin is told that it may ask, here and nowhere else', async () => {
    for (const url of [nginx, served.server.url]) {
      const asked = await send(url, '/zig/packages/my-zig-lib', { method: 'OPTIONS' });
      assert.equal(asked.status, 200, url);
      assert.equal(asked.text, '');
      assert.equal(asked.headers['access-control-allow-headers'], 'Content-Type, Authorization');
    }
    const elsewhere = await send(nginx, '/npm/lib', { method: 'OPTIONS' });
    assert.equal(elsewhere.status, 405);
    assert.equal(elsewhere.headers['access-control-allow-origin'], undefined);
  });

  for (const client of ['npm 10', 'npm 11', 'npm 12', 'pnpm 9', 'yarn 1', 'bun'] as const)
    test(`${client} installs a commit by its address, from nginx`, async (t) => {
      const dependencies = {
        lib: `${nginx}/pantry/lib@${short}`,
        '@acme/lib': `${nginx}/pantry/commits/${sha}/%40acme%2Flib/tarball`,
      };
      const manifest = { name: 'application', version: '1.0.0', private: true, dependencies };
      const registry = { registry: `${nginx}/npm`, token: served.token };
      const project = await openProject(t, await clientNamed(client), registry, manifest);
      // npm 12 takes addresses for packages only where it is told to.
      await project.ok('install', ...(client === 'npm 12' ? ['--allow-remote=all'] : []));
      const program = `console.log(require('lib'), require('@acme/lib'))`;
      assert.equal((await project.node('-e', program)).trim(), `of ${short} of ${short}`);
    });

  test('counts lie there as files, once they are brought there', async () => {
    const paths = [
      '/pantry/analytics',
      '/pantry/analytics/top',
      '/pantry/analytics/lib',
      '/pantry/analytics/@acme%2Flib',
      '/pantry/analytics/my-zig-lib/timeline',
      '/pantry/analytics/%40acme%2Flib/timeline',
    ];
    const { url } = served.server;
    for (const path of [
      '/pantry/packages/lib/1.0.0-rc.5/tarball',
      `/pantry/commits/${sha}/@acme/lib/tarball`,
      '/zig/packages/my-zig-lib/1.0.0-a+b/tarball',
    ])
      assert.equal((await send(url, path)).status, 200, path);
    const counted = await Promise.all(paths.map((path) => send(url, path)));
    await served.server.stop();
    const { code, stderr } = await cairn(['regen', '--data', served.data]);
    assert.equal(code, 0, stderr);
    for (const [i, path] of paths.entries()) {
      const answer = await send(nginx, path);
      assert.equal(answer.status, 200, path);
      assert.deepEqual(JSON.parse(answer.text), JSON.parse(counted[i]?.text ?? ''), path);
      for (const header of ['content-type', 'access-control-allow-origin'])
        assert.equal(answer.headers[header], counted[i]?.headers[header], header);
    }
  });
});
