/** Docker itself, and containerd: the engine rewrites what it loads and keeps what it pulls, containerd keeps every byte. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { noDocker, startDockerDaemon, type DockerDaemon } from '../support/docker-daemon.ts';
import { openOciDesk } from '../support/oci-clients.ts';
import { assertLayout, dockerList, dockerManifest } from '../support/oci-image.ts';
import {
  assertMounted,
  greeting,
  noWorkshop,
  openWorkshop,
  runAlone,
  type OciWorkshop,
} from '../support/oci-workshop.ts';
import { record } from '../support/recorder.ts';

describe("Docker's engine", { skip: noWorkshop ?? noDocker }, () => {
  let shop: OciWorkshop;
  let daemon: DockerDaemon;
  const opened = closing();
  before(async () => {
    shop = await openWorkshop(opened);
    daemon = await startDockerDaemon(opened);
  });
  after(() => opened.close());

  describe('docker', () => {
    test('logs in with the right password alone', async (t) => {
      const { host, login } = shop.server;
      const desk = await openOciDesk(t, [host], daemon);
      const wrong = await desk.logIn('docker', host, { ...login, password: 'wrong' });
      assert.notEqual(wrong.code, 0, wrong.output);
      assert.match(wrong.output, /unauthorized|401/i);
      const right = await desk.logIn('docker', host, login);
      assert.equal(right.code, 0, right.output);
    });

    test('pushes an image, mounts its layers into another repository, and runs what it pulls', async (t) => {
      const recorder = await record(t, shop.server);
      const { ok, host } = await shop.aDesk(t, { url: recorder.url, daemon });
      const at = `${host}/acme/docker-one:1`;
      await ok('skopeo', 'copy', 'oci:made:one', `docker-archive:archive:${at}`);
      await ok('docker', 'load', '--input', 'archive');
      const pushed = await ok('docker', 'push', at);
      const [, digest = ''] = /digest: (sha256:[0-9a-f]{64})/.exec(pushed) ?? [];
      const { type, digest: stands, manifest } = await shop.stored('acme/docker-one', '1');
      assert.equal(type, dockerManifest);
      assert.equal(stands, digest);

      const from = recorder.exchanges.length;
      await ok('docker', 'tag', at, `${host}/acme/docker-two:1`);
      await ok('docker', 'push', `${host}/acme/docker-two:1`);
      assertMounted(recorder.exchanges.slice(from), manifest().layers ?? []);
      assert.equal((await shop.stored('acme/docker-two', '1')).digest, digest);

      for (const reference of [at, `${host}/acme/docker-two@${digest}`]) {
        await ok('docker', 'image', 'rm', '--force', await ok('docker', 'images', '--quiet', at));
        assert.equal(await ok('docker', ...runAlone, '--pull', 'always', '--quiet', reference), greeting);
      }
    });

    test('pulls the image of the platform that is asked for', async (t) => {
      const { ok, host } = await shop.aDesk(t, { daemon });
      const at = `${host}/acme/docker-platforms:1`;
      await ok('skopeo', 'copy', '--all', 'oci:made:all', `docker://${at}`);
      for (const [platform, architecture] of [
        ['linux/arm64', 'arm64'],
        ['linux/arm/v7', 'arm'],
        ['linux/amd64', 'amd64'],
      ] as const) {
        await ok('docker', 'pull', '--quiet', '--platform', platform, at);
        assert.equal(
          await ok('docker', 'image', 'inspect', '--format', '{{.Architecture}}', at),
          architecture,
        );
      }
    });

    test('makes a list of images', async (t) => {
      const { ok, host } = await shop.aDesk(t, { daemon });
      const at = `${host}/acme/docker-list`;
      await ok('skopeo', 'copy', '--format', 'v2s2', 'oci:made:one', `docker://${at}:one`);
      await ok('docker', 'manifest', 'create', '--insecure', `${at}:list`, `${at}:one`);
      await ok('docker', 'manifest', 'push', '--insecure', `${at}:list`);
      const { type, manifest } = await shop.stored('acme/docker-list', 'list');
      assert.equal(type, dockerList);
      assert.deepEqual(
        manifest().manifests?.map(({ digest }) => digest),
        [(await shop.stored('acme/docker-list', 'one')).digest],
      );
    });
  });

  describe('containerd', () => {
    test('pulls the images of every platform and pushes them elsewhere, and every byte is the same', async (t) => {
      const { ok, host, folder } = await shop.aDesk(t, { daemon });
      const { username, password } = shop.server.login;
      const talk = ['--plain-http', '--user', `${username}:${password}`];
      const [from, to] = [`${host}/acme/containerd:1`, `${host}/acme/containerd-copy:1`];
      await ok('skopeo', 'copy', '--all', '--preserve-digests', 'oci:made:all', `docker://${from}`);
      await ok('ctr', 'images', 'pull', ...talk, '--all-platforms', from);
      await ok('ctr', 'images', 'tag', from, to);
      await ok('ctr', 'images', 'push', ...talk, to);
      await ok('skopeo', 'copy', '--all', '--preserve-digests', `docker://${to}`, 'oci:back:all');
      assertLayout(join(folder, 'back'), shop.index);
      // Once more: everything is there, and it says so by itself.
      await ok('ctr', 'images', 'push', ...talk, to);
    });

    test('pushes nothing with a wrong password', async (t) => {
      const recorder = await record(t, shop.server);
      const { refused, host, ok } = await shop.aDesk(t, { url: recorder.url, daemon });
      const repository = `${host}/acme/containerd-refused`;
      await ok('skopeo', 'copy', 'oci:made:one', `docker://${repository}:1`);
      // What is public it may pull as nobody.
      await ok('ctr', 'images', 'pull', '--plain-http', `${repository}:1`);
      await ok('ctr', 'images', 'tag', `${repository}:1`, `${repository}:2`);
      const from = recorder.exchanges.length;
      // What it prints is at times only that its pipe was closed, by the answer that came before the end of the manifest.
      await refused('ctr', 'images', 'push', '--plain-http', '--user', 'acme:wrong', `${repository}:2`);
      const exchanges = recorder.exchanges.slice(from);
      const told = exchanges.find(({ path }) => path.startsWith('/auth/token'));
      assert.equal(told?.status, 401, JSON.stringify(exchanges));
      assert.deepEqual(
        exchanges.filter(({ method, status }) => method !== 'HEAD' && status < 400),
        [],
      );
    });
  });
});
