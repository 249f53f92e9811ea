/**
 * Run's real client, release 0.7.1 with its feature v2: publishes, installs, verifies and locks, from a registry and from its files
 * alone; and skopeo, which pulls the same components. Where there is no cargo, `test/api/run-client-replay.test.ts` sends what the
 * client was seen to send. `wkg` is not here: it did not compile within twenty minutes on the machine that this was written on.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { cairnOk } from '../support/command-line.ts';
import { bearer, send } from '../support/http.ts';
import { freePort, noNginx } from '../support/nginx.ts';
import { openOciDesk } from '../support/oci-clients.ts';
import { record } from '../support/recorder.ts';
import { publishOf, runApi, type RunRelease } from '../support/run-api.ts';
import { noRunProgram, openRunProject, type RunProject } from '../support/run-program.ts';
import { ADMIN_TOKEN, startServer, type ServerProcess } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { sha256 } from '../support/traffic.ts';
import { componentWith } from '../support/wasm-binary.ts';
import { realComponent, realModules, type RealComponent } from '../support/wasm-component.ts';
import { startStaticHost } from '../support/test-store.ts';

const token = { RUN_AUTH_TOKEN: ADMIN_TOKEN };

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

describe('Run’s client', { skip: noRunProgram ?? noNginx }, () => {
  let server: ServerProcess;
  let data: string;
  let port: number;
  let real: RealComponent;
  const opened = closing();
  before(async () => {
    data = await temporaryDirectory(opened);
    // nginx takes its place in the end: clients have stored this address.
    port = await freePort();
    server = await startServer({
      data,
      listen: `127.0.0.1:${port}`,
      env: { CAIRN_ECOSYSTEMS: 'run,oci', CAIRN_LIMITS: 'run=off' },
    });
    opened.after(() => server.kill());
    real = await realComponent(opened);
  });
  after(() => opened.close());

  function publish(release: RunRelease): Promise<void> {
    return runApi({ url: server.url, data }).publish(release, ADMIN_TOKEN);
  }

  /** A project of one component, with its registry. */
  function project(
    t: Parameters<typeof openRunProject>[0],
    {
      registry = `${server.url}/run`,
      name = 'project',
      version = '1.0.0',
      component = componentWith('x'),
    } = {},
  ): Promise<RunProject> {
    return openRunProject(t, {
      'components/hello.wasm': component,
      'run.toml':
        `[project]\nname = "${name}"\nversion = "${version}"\ndescription = "Hello world component"\n\n` +
        `[components.hello]\npath = "components/hello.wasm"\n\n[registry]\nurl = "${registry}"\n`,
    });
  }

  function installed({ folder }: RunProject, name: string, version: string, where = 'components'): Buffer {
    const safe = name.replace(':', '__').replaceAll('/', '_');
    return readFileSync(join(folder, '.run', where, `${safe}@${version}.wasm`));
  }

  for (const slash of ['', '/'])
    test(`publishes, installs, verifies and locks, its registry written with ${slash || 'no slash'} at its end`, async (t) => {
      const [component, name] = [componentWith(`a ${slash}`), slash ? 'slash' : 'plain'];
      const at = await project(t, { registry: `${server.url}/run${slash}`, name, component });
      assert.match(await at.ok(['publish'], token), new RegExp(`Published ${name}:hello@1\\.0\\.0`));
      assert.match(await at.ok(['install', `${name}:hello@1.0.0`]), /Installed/);
      assert.ok(installed(at, `${name}:hello`, '1.0.0').equals(component), 'other bytes');
      assert.match(await at.ok(['verify']), /All 1 components verified/);
      const lock = readFileSync(join(at.folder, 'run.lock'), 'utf8');
      assert.match(
        lock,
        new RegExp(`name = "${name}:hello"\nversion = "1\\.0\\.0"\nsha256 = "${sha256(component)}"`),
      );
    });

  test('installs a component with what it depends on, by the requests that the contract has', async (t) => {
    await publish({ name: 'deps:io', version: '0.2.3', component: componentWith('io') });
    await publish({ name: 'deps:io', version: '0.3.0', component: componentWith('newer') });
    const dependencies = JSON.stringify([{ name: 'deps:io', version: '^0.2.0' }]);
    await publish({ name: 'deps:example/hello', version: '1.0.0', component: componentWith('old') });
    await publish({
      name: 'deps:example/hello',
      version: '1.2.0',
      component: componentWith('new'),
      more: { dependencies },
    });
    const recorder = await record(t, server);
    const at = await project(t, { registry: `${recorder.url}/run` });
    await at.ok(['install', 'deps:example/hello@1.0.0']);
    const [hello, io] = ['deps%3Aexample%2Fhello', 'deps%3Aio'];
    assert.deepEqual(
      recorder.exchanges.map(({ method, path, status }) => `${method} ${path} ${status}`),
      [
        `api/v1/packages/${hello}/versions`,
        `api/v1/packages/${hello}/1.2.0`,
        `api/v1/packages/${io}/versions`,
        `api/v1/packages/${io}/0.2.3`,
        `api/v1/packages/${io}/0.2.3`,
        `packages/${io}/0.2.3/artifact.wasm`,
        `api/v1/packages/${hello}/1.2.0`,
        `packages/${hello}/1.2.0/artifact.wasm`,
      ].map((path) => `GET /run/${path} 200`),
    );
    assert.ok(installed(at, 'deps:example/hello', '1.2.0').equals(componentWith('new')), 'other bytes');
    assert.ok(installed(at, 'deps:io', '0.2.3', 'cache').equals(componentWith('io')), 'other bytes');
    assert.match(await at.ok(['verify']), /All 2 components verified/);
    assert.match(readFileSync(join(at.folder, 'run.lock'), 'utf8'), /dependencies = \["deps:io"\]/);
    const before = recorder.exchanges.length;
    await at.ok(['install']);
    assert.equal(recorder.exchanges.length, before, 'with lock and cache it asks nobody');
  });

  test('takes the version that is pinned, and no pre-release unless it is asked for', async (t) => {
    for (const version of ['1.0.0', '1.1.0', '2.0.0-rc.1'])
      await publish({ name: 'pin:it', version, component: componentWith(version) });
    for (const [wanted, found] of [
      ['pin:it@=1.0.0', '1.0.0'],
      ['pin:it', '1.1.0'],
      ['pin:it@2.0.0-rc.1', '2.0.0-rc.1'],
    ] as const) {
      const at = await project(t);
      await at.ok(['install', wanted]);
      assert.ok(installed(at, 'pin:it', found).equals(componentWith(found)), wanted);
    }
  });

  test('resolves to no yanked version, and goes on with one that is locked', async (t) => {
    for (const version of ['1.0.0', '1.1.0'])
      await publish({ name: 'yank:it', version, component: componentWith(version) });
    const before = await project(t);
    await before.ok(['install', 'yank:it']);
    await cairnOk(['yank', 'run/yank:it@1.1.0', '--data', data]);
    await before.ok(['install']);
    await before.ok(['verify']);
    const now = await project(t);
    await now.ok(['install', 'yank:it']);
    assert.ok(existsSync(join(now.folder, '.run/components/yank__it@1.0.0.wasm')), 'another version');
  });

  test('shows people what is wrong with a publish', async (t) => {
    const at = await project(t, { name: 'wrong' });
    await at.ok(['publish'], token);
    for (const [over, env, says] of [
      [{ name: 'wrong' }, token, /already exists/],
      [{ name: 'wrong', version: '1.0.1' }, { RUN_AUTH_TOKEN: 'nobody' }, /Invalid authentication token/],
      [
        { name: 'wrong', version: '1.0.1', component: Buffer.from('no wasm') },
        token,
        /Publish failed: the file is no WebAssembly/,
      ],
      [{ name: 'Wrong', version: '1.0.1' }, token, /Publish failed: .*is not the name of a component/],
      [{ name: 'wrong', version: '1.0.1+build' }, token, /Publish failed: .*leave out what follows the \+/],
    ] as const) {
      const { code, output } = await (await project(t, over)).run(['publish'], env);
      assert.notEqual(code, 0);
      assert.match(output, says);
    }
  });

  test('says in its words that something is not there', async (t) => {
    const at = await project(t);
    assert.match((await at.run(['install', 'no:such'])).output, /Registry unavailable/);
    await publish({ name: 'there:is', version: '1.0.0' });
    assert.match((await at.run(['install', 'there:is@=9.9.9'])).output, /No version satisfies/);
  });

  test('publishes a real component, whose names are those that jco reads; and real modules', async (t) => {
    const at = await project(t, { name: 'real', component: real.bytes });
    await at.ok(['publish'], token);
    const { config } = JSON.parse(
      (await send(server.url, '/v2/wasm/real/hello/manifests/1.0.0')).text,
    ) as Manifest;
    const made = JSON.parse((await send(server.url, `/v2/wasm/real/hello/blobs/${config.digest}`)).text) as {
      component: { imports: string[]; exports: string[] };
    };
    assert.ok(real.imports.length > 10 && real.exports.length > 0, real.imports.join());
    assert.deepEqual([...made.component.imports].sort(), [...real.imports].sort());
    assert.deepEqual(made.component.exports, real.exports);
    for (const [file, component] of await realModules()) {
      const name = `real:${file.replace('.wasm', '').replaceAll('.', '-')}`;
      await publish({ name, version: '1.0.0', component });
      await at.ok(['install', name]);
      assert.ok(installed(at, name, '1.0.0').equals(component), file);
    }
  });

  /** Last: the registry ends. */
  test('installs again from the files alone, by nginx; skopeo pulls what they are', async (t) => {
    const pulled = async (host: string): Promise<{ folder: string; digest: string }> => {
      const { ok, folder } = await openOciDesk(t, [host]);
      const at = `docker://${host}/wasm/real/hello:1.0.0`;
      await ok('skopeo', 'copy', '--preserve-digests', at, 'dir:pulled');
      const tags = JSON.parse(await ok('skopeo', 'list-tags', `docker://${host}/wasm/real/hello`)) as {
        Tags: string[];
      };
      assert.deepEqual(tags.Tags, ['1.0.0']);
      return {
        folder: join(folder, 'pulled'),
        digest: await ok('skopeo', 'manifest-digest', 'pulled/manifest.json'),
      };
    };
    const { digest } = await runApi({ url: server.url, data }).metadata('real:hello', '1.0.0');
    const fromServer = await pulled(new URL(server.url).host);
    await server.stop();
    const nginx = await startStaticHost(t, data, port);
    const fromFiles = await pulled(new URL(nginx.url).host);
    for (const one of [fromServer, fromFiles]) {
      assert.equal(one.digest, digest);
      assert.ok(readFileSync(join(one.folder, sha256(real.bytes))).equals(real.bytes), 'other bytes');
    }
    const at = await project(t, { registry: `${nginx.url}/run` });
    await at.ok(['install', 'real:hello@1.0.0']);
    assert.ok(installed(at, 'real:hello', '1.0.0').equals(real.bytes), 'other bytes');
    await at.ok(['install', 'deps:example/hello']);
    assert.ok(installed(at, 'deps:io', '0.2.3', 'cache').equals(componentWith('io')), 'other bytes');
    assert.match(await at.ok(['verify']), /All 3 components verified/);
    assert.match((await at.run(['install', 'no:such'])).output, /Registry unavailable/);
    // A copy for reading says that it is one.
    const { headers = {}, body } = publishOf({ name: 'real:late', version: '1.0.0' });
    const refused = await send(nginx.url, '/run/api/v1/packages', {
      method: 'POST',
      headers: { ...headers, ...bearer(ADMIN_TOKEN) },
      body: body as Buffer,
    });
    assert.equal(refused.status, 405);
    assert.match(refused.text, /copy for reading/);
  });
});
