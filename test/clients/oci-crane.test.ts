/** crane pushes, pulls, and changes what is there. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { assertLayout, dockerList, writeLayout } from '../support/oci-image.ts';
import { assertMounted, noWorkshop, openWorkshop, type OciWorkshop } from '../support/oci-workshop.ts';
import { record } from '../support/recorder.ts';

describe('crane', { skip: noWorkshop }, () => {
  let shop: OciWorkshop;
  const opened = closing();
  before(async () => (shop = await openWorkshop(opened)));
  after(() => opened.close());

  test('pushes and pulls an image and the images of every platform, and finds both well-formed', async (t) => {
    const { ok, host, folder } = await shop.aDesk(t);
    for (const [tag, content] of Object.entries({ one: shop.image, all: shop.index })) {
      const at = `${host}/acme/crane:${tag}`;
      writeLayout(join(folder, tag), { [tag]: content });
      await ok('crane', 'push', ...(tag === 'all' ? ['--index'] : []), tag, at);
      await ok('crane', 'validate', '--remote', at);
    }
    assert.equal(await ok('crane', 'digest', `${host}/acme/crane:one`), shop.image.top.descriptor.digest);
    assert.deepEqual((await ok('crane', 'ls', `${host}/acme/crane`)).split('\n').sort(), ['all', 'one']);
    assert.ok((await ok('crane', 'catalog', host)).split('\n').includes('acme/crane'));
    await ok('crane', 'pull', '--format', 'oci', `${host}/acme/crane:one`, 'back');
    assertLayout(join(folder, 'back'), shop.image);
    assert.equal(await ok('crane', 'manifest', `${host}/acme/crane:one`), shop.image.top.bytes.toString());
  });

  test('copies between repositories without sending anything again', async (t) => {
    const recorder = await record(t, shop.server);
    const { ok, host, folder } = await shop.aDesk(t, recorder);
    writeLayout(join(folder, 'one'), { one: shop.image });
    await ok('crane', 'push', 'one', `${host}/acme/crane-from:1`);
    const from = recorder.exchanges.length;
    await ok('crane', 'copy', `${host}/acme/crane-from:1`, `${host}/acme/crane-to:1`);
    assertMounted(
      recorder.exchanges.slice(from),
      shop.image.below.map(({ descriptor }) => descriptor),
    );
    assert.equal((await shop.stored('acme/crane-to', '1')).digest, shop.image.top.descriptor.digest);
  });

  test('makes an index of what is there, tags, and changes an image where it is', async (t) => {
    const { ok, host, folder } = await shop.aDesk(t);
    const at = `${host}/acme/crane-index`;
    writeLayout(join(folder, 'one'), { one: shop.image });
    await ok('crane', 'push', 'one', `${at}:one`);
    for (const [type, empty] of [
      ['application/vnd.oci.image.index.v1+json', []],
      [dockerList, ['--docker-empty-base']],
    ] as const) {
      await ok('crane', 'index', 'append', ...empty, '-m', `${at}:one`, '-t', `${at}:index`);
      const { type: stands, manifest } = await shop.stored('acme/crane-index', 'index');
      assert.equal(stands, type);
      assert.deepEqual(
        manifest().manifests?.map(({ digest }) => digest),
        [shop.image.top.descriptor.digest],
      );
    }
    await ok('crane', 'tag', `${at}:one`, 'two');
    assert.equal(await ok('crane', 'digest', `${at}:two`), shop.image.top.descriptor.digest);
    await ok('crane', 'mutate', `${at}:one`, '--label', 'some=label', '-t', `${at}:labelled`);
    assert.match(await ok('crane', 'config', `${at}:labelled`), /"Labels":\{"some":"label"\}/);
    assert.deepEqual((await ok('crane', 'ls', at)).split('\n').sort(), ['index', 'labelled', 'one', 'two']);
  });

  test('deletes an image by its digest', async (t) => {
    const { ok, refused, host } = await shop.aDesk(t);
    const at = `${host}/acme/crane-deleted`;
    await ok('skopeo', 'copy', 'oci:made:one', `docker://${at}:1`);
    await ok('crane', 'delete', `${at}@${shop.image.top.descriptor.digest}`);
    assert.match(await refused('crane', 'manifest', `${at}:1`), /MANIFEST_UNKNOWN/);
  });

  test('deletes a tag, and the image stays', async (t) => {
    if (!shop.server.can('tag deletion')) return t.skip('it deletes no tags');
    const { ok, refused, host } = await shop.aDesk(t);
    const at = `${host}/acme/crane-untagged`;
    for (const tag of ['1', '2']) await ok('skopeo', 'copy', 'oci:made:one', `docker://${at}:${tag}`);
    await ok('crane', 'delete', `${at}:1`);
    assert.match(await refused('crane', 'manifest', `${at}:1`), /MANIFEST_UNKNOWN/);
    assert.equal(await ok('crane', 'ls', at), '2');
    await ok('crane', 'manifest', `${at}@${shop.image.top.descriptor.digest}`);
  });
});
