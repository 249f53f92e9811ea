/** skopeo copies images in, out and about, and every byte is the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import {
  assertLayout,
  dockerList,
  dockerManifest,
  layerType,
  platforms,
  runnableImage,
  writeLayout,
} from '../support/oci-image.ts';
import { assertMounted, noWorkshop, openWorkshop, type OciWorkshop } from '../support/oci-workshop.ts';
import { record } from '../support/recorder.ts';

describe('skopeo', { skip: noWorkshop }, () => {
  let shop: OciWorkshop;
  const opened = closing();
  before(async () => (shop = await openWorkshop(opened)));
  after(() => opened.close());

  test('copies an image in and out, and every byte is the same', async (t) => {
    const { ok, host, folder } = await shop.aDesk(t);
    const at = `docker://${host}/acme/skopeo`;
    await ok('skopeo', 'copy', '--preserve-digests', 'oci:made:one', `${at}:1`);
    const { digest } = shop.image.top.descriptor;
    assert.equal((await shop.stored('acme/skopeo', '1')).digest, digest);
    for (const [name, from] of Object.entries({ byTag: `${at}:1`, byDigest: `${at}@${digest}` })) {
      await ok('skopeo', 'copy', '--preserve-digests', from, `oci:${name}:one`);
      assertLayout(join(folder, name), shop.image);
    }
  });

  test('says what is there: digest, platform, layers, tags', async (t) => {
    const { ok, host } = await shop.aDesk(t);
    const at = `docker://${host}/acme/inspected`;
    for (const tag of ['b', 'a', 'C']) await ok('skopeo', 'copy', 'oci:made:one', `${at}:${tag}`);
    const said = JSON.parse(await ok('skopeo', 'inspect', `${at}:b`)) as Record<string, unknown>;
    const layers = shop.layers.map(({ digest }) => digest);
    assert.deepEqual(
      [said['Digest'], said['Architecture'], said['Layers']],
      [shop.image.top.descriptor.digest, 'amd64', layers],
    );
    const { Tags } = JSON.parse(await ok('skopeo', 'list-tags', at)) as { Tags: string[] };
    assert.deepEqual([...Tags].sort(), ['C', 'a', 'b']);
    assert.deepEqual(said['RepoTags'], Tags);
  });

  test('copies the images of every platform, as one', async (t) => {
    const { ok, host, folder } = await shop.aDesk(t);
    const at = `docker://${host}/acme/platforms:1`;
    await ok('skopeo', 'copy', '--all', '--preserve-digests', 'oci:made:all', at);
    await ok('skopeo', 'copy', '--all', '--preserve-digests', at, 'oci:back:all');
    assertLayout(join(folder, 'back'), shop.index);
    for (const { architecture, variant = '' } of platforms) {
      const choice = ['--override-arch', architecture, '--override-variant', variant];
      const said = JSON.parse(await ok('skopeo', ...choice, 'inspect', at)) as { Architecture: string };
      assert.equal(said.Architecture, architecture);
    }
  });

  test('copies between repositories without sending a layer again', async (t) => {
    const recorder = await record(t, shop.server);
    const { ok, host } = await shop.aDesk(t, recorder);
    const at = `docker://${host}/acme`;
    await ok('skopeo', 'copy', '--preserve-digests', 'oci:made:one', `${at}/mount-from:1`);
    const from = recorder.exchanges.length;
    await ok('skopeo', 'copy', '--preserve-digests', `${at}/mount-from:1`, `${at}/mounted:1`);
    assertMounted(recorder.exchanges.slice(from), shop.layers);
    assert.equal((await shop.stored('acme/mounted', '1')).digest, shop.image.top.descriptor.digest);
  });

  test('sends nothing again that is there already', async (t) => {
    const recorder = await record(t, shop.server);
    const { ok, host } = await shop.aDesk(t, recorder);
    await ok('skopeo', 'copy', 'oci:made:one', `docker://${host}/acme/again:1`);
    const from = recorder.exchanges.length;
    await ok('skopeo', 'copy', 'oci:made:one', `docker://${host}/acme/again:2`);
    const asked = recorder.exchanges.slice(from);
    assert.deepEqual(
      asked.filter(({ path }) => path.includes('/uploads/')),
      [],
    );
  });

  test("takes Docker's types as well as OCI's, for one image and for all platforms", async (t) => {
    const { ok, host } = await shop.aDesk(t);
    const at = `docker://${host}/acme/docker`;
    await ok('skopeo', 'copy', '--format', 'v2s2', 'oci:made:one', `${at}:one`);
    await ok('skopeo', 'copy', '--all', '--format', 'v2s2', 'oci:made:all', `${at}:all`);
    const [one, all] = [await shop.stored('acme/docker', 'one'), await shop.stored('acme/docker', 'all')];
    assert.equal(one.type, dockerManifest);
    assert.equal(all.type, dockerList);
    assert.deepEqual(
      all.manifest().manifests?.map(({ mediaType }) => mediaType),
      platforms.map(() => dockerManifest),
    );
    for (const [tag, { digest }] of Object.entries({ one, all })) {
      await ok('skopeo', 'copy', '--all', '--preserve-digests', `${at}:${tag}`, `dir:${tag}`);
      const kept = await ok('skopeo', 'manifest-digest', `${tag}/manifest.json`);
      assert.equal(kept, digest);
    }
  });

  test('packs layers as zstd, and unpacks them', async (t) => {
    const { ok, host, folder } = await shop.aDesk(t);
    const at = `docker://${host}/acme/zstd:1`;
    const bare = runnableImage('none');
    writeLayout(join(folder, 'bare'), { one: bare });
    await ok('skopeo', 'copy', '--dest-compress-format', 'zstd', 'oci:bare:one', at);
    const { layers = [] } = (await shop.stored('acme/zstd', '1')).manifest();
    assert.deepEqual(
      layers.map(({ mediaType }) => mediaType),
      shop.layers.map(() => `${layerType}+zstd`),
    );
    await ok('skopeo', 'copy', '--dest-decompress', at, 'dir:back');
    for (const { descriptor, bytes } of bare.below.slice(1))
      assert.ok(readFileSync(join(folder, 'back', descriptor.digest.slice('sha256:'.length))).equals(bytes));
  });

  test('deletes an image, under all its tags', async (t) => {
    const { ok, refused, host } = await shop.aDesk(t);
    const at = `docker://${host}/acme/deleted`;
    for (const tag of ['1', '2']) await ok('skopeo', 'copy', 'oci:made:one', `${at}:${tag}`);
    await ok('skopeo', 'delete', `${at}:1`);
    for (const gone of [`${at}:1`, `${at}:2`, `${at}@${shop.image.top.descriptor.digest}`])
      assert.match(await refused('skopeo', 'inspect', gone), /manifest unknown|not found/i);
  });
});
