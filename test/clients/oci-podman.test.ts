/** podman and buildah: what they push is pulled and run elsewhere. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import {
  digestOf,
  dockerLayer,
  dockerManifest,
  layerType,
  manifestType,
  noise,
  platforms,
  smallImage,
  writeLayout,
} from '../support/oci-image.ts';
import {
  assertMounted,
  greeting,
  noWorkshop,
  openWorkshop,
  runAlone,
  type OciWorkshop,
} from '../support/oci-workshop.ts';
import { record } from '../support/recorder.ts';

describe('podman', { skip: noWorkshop }, () => {
  let shop: OciWorkshop;
  const opened = closing();
  before(async () => (shop = await openWorkshop(opened)));
  after(() => opened.close());

  test('pushes an image, and another machine pulls and runs it', async (t) => {
    const { ok, host, folder } = await shop.aDesk(t);
    const at = `${host}/acme/podman:1`;
    await ok('podman', 'tag', await ok('podman', 'pull', '--quiet', 'oci:made:one'), at);
    await ok('podman', 'push', '--digestfile', 'digest', at);
    const digest = readFileSync(join(folder, 'digest'), 'utf8');
    assert.equal((await shop.stored('acme/podman', '1')).digest, digest);

    const other = await shop.aDesk(t);
    assert.equal(await other.ok('podman', ...runAlone, at), greeting);
    const kept = await other.ok('podman', 'image', 'inspect', '--format', '{{.Digest}}', at);
    assert.equal(kept, digest);
    // The whiteout of the last layer, and the bytes of the largest.
    const files = (await other.ok('podman', ...runAlone, at, 'ls', '/etc')).split('\n');
    assert.ok(files.includes('greeting') && !files.includes('secret'), files.join(' '));
    const [sum] = (await other.ok('podman', ...runAlone, at, 'sha256sum', '/srv/noise')).split(' ');
    assert.equal(`sha256:${sum}`, digestOf(noise));
    await other.ok('podman', 'pull', '--quiet', `${host}/acme/podman@${digest}`);
  });

  test('pushes a list of images for all platforms, and pulls the one that is asked for', async (t) => {
    const { ok, host } = await shop.aDesk(t);
    const at = `${host}/acme/podman-list:1`;
    await ok('podman', 'manifest', 'create', 'list');
    await ok('podman', 'manifest', 'add', '--all', 'list', 'oci:made:all');
    await ok('podman', 'manifest', 'push', '--all', 'list', `docker://${at}`);
    const { manifests = [] } = (await shop.stored('acme/podman-list', '1')).manifest();
    const wanted = shop.index.below.filter(({ descriptor }) => descriptor.platform);
    assert.deepEqual(
      manifests.map(({ digest }) => digest),
      wanted.map(({ descriptor }) => descriptor.digest),
    );
    for (const { architecture, variant } of platforms) {
      const platform = ['linux', architecture, ...(variant === undefined ? [] : [variant])].join('/');
      await ok('podman', 'pull', '--quiet', '--platform', platform, at);
      assert.equal(await ok('podman', 'image', 'inspect', '--format', '{{.Architecture}}', at), architecture);
    }
  });

  test("pushes Docker's types, and layers in zstd, and pulls them", async (t) => {
    for (const { form, flags, type, layer } of [
      { form: 'docker', flags: ['--format', 'v2s2'], type: dockerManifest, layer: dockerLayer },
      {
        form: 'zstd',
        flags: ['--compression-format', 'zstd'],
        type: manifestType,
        layer: `${layerType}+zstd`,
      },
    ]) {
      const { ok, host, folder } = await shop.aDesk(t);
      const at = `${host}/acme/podman-form:${form}`;
      // Podman remembers of layers that it has seen how they were packed: nobody has seen this one.
      writeLayout(join(folder, 'bare'), { one: smallImage(`podman, ${form}`, { packing: 'none' }) });
      await ok('podman', 'tag', await ok('podman', 'pull', '--quiet', 'oci:bare:one'), 'local');
      await ok('podman', 'push', ...flags, 'local', at);
      const { type: stands, manifest } = await shop.stored('acme/podman-form', form);
      assert.equal(stands, type);
      assert.deepEqual(
        manifest().layers?.map(({ mediaType }) => mediaType),
        [layer],
      );
      const other = await shop.aDesk(t);
      await other.ok('podman', 'pull', '--quiet', at);
      const mounted = await other.ok('podman', 'image', 'mount', at);
      assert.equal(readFileSync(join(mounted, 'etc/says'), 'utf8'), `podman, ${form}\n`);
    }
  });

  test('finds repositories and tags', async (t) => {
    const { ok, host } = await shop.aDesk(t);
    for (const tag of ['1', '2'])
      await ok('skopeo', 'copy', 'oci:made:one', `docker://${host}/acme/found:${tag}`);
    const found = JSON.parse(
      await ok('podman', 'search', '--format', 'json', `${host}/acme/found`),
    ) as object[];
    assert.ok(JSON.stringify(found).includes(`"${host}/acme/found"`), JSON.stringify(found));
    const listed = await ok('podman', 'search', '--list-tags', '--format', 'json', `${host}/acme/found`);
    const [{ Tags = [] } = {}] = JSON.parse(listed) as { Tags?: string[] }[];
    assert.deepEqual([...Tags].sort(), ['1', '2']);
  });
});

describe('buildah', { skip: noWorkshop }, () => {
  let shop: OciWorkshop;
  const opened = closing();
  before(async () => (shop = await openWorkshop(opened)));
  after(() => opened.close());

  test('builds on an image that it pulls, pushes the result, and sends the layers below it no second time', async (t) => {
    const recorder = await record(t, shop.server);
    const { ok, host, folder } = await shop.aDesk(t, recorder);
    await ok('skopeo', 'copy', '--preserve-digests', 'oci:made:one', `docker://${host}/acme/base:1`);
    const from = recorder.exchanges.length;
    await ok('buildah', 'from', '--name', 'work', `${host}/acme/base:1`);
    assert.equal(
      await ok('buildah', 'run', '--isolation', 'chroot', 'work', 'cat', '/etc/greeting'),
      greeting,
    );
    await writeFile(join(folder, 'more'), 'and more\n');
    await ok('buildah', 'copy', '--quiet', 'work', 'more', '/etc/more');
    await ok('buildah', 'config', '--cmd', 'cat /etc/greeting /etc/more', 'work');
    await ok('buildah', 'commit', '--quiet', 'work', 'built');
    const to = `docker://${host}/acme/built:1`;
    await ok('buildah', 'push', '--quiet', '--digestfile', 'digest', 'built', to);

    const { digest, manifest } = await shop.stored('acme/built', '1');
    assert.equal(digest, readFileSync(join(folder, 'digest'), 'utf8'));
    const digests = manifest().layers?.map((layer) => layer.digest);
    assert.deepEqual(
      digests?.slice(0, -1),
      shop.layers.map((layer) => layer.digest),
    );
    assertMounted(recorder.exchanges.slice(from), shop.layers);
    const other = await shop.aDesk(t);
    const ran = await other.ok('podman', ...runAlone, `${other.host}/acme/built:1`);
    assert.equal(ran, `${greeting}\nand more`);
  });
});
