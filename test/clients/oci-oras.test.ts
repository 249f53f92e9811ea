/** oras: artifacts that are no images, and what is attached to them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import type { OciDesk } from '../support/oci-clients.ts';
import { assertLayout, digestOf, type Descriptor } from '../support/oci-image.ts';
import { noWorkshop, openWorkshop, type OciWorkshop } from '../support/oci-workshop.ts';

describe('oras', { skip: noWorkshop }, () => {
  let shop: OciWorkshop;
  const opened = closing();
  before(async () => (shop = await openWorkshop(opened)));
  after(() => opened.close());

  const plain = '--plain-http';
  const bom = 'application/spdx+json';
  const signature = 'application/vnd.example.signature';

  /** The referrers of an artifact as `oras discover` finds them. */
  async function referrers(ok: OciDesk['ok'], at: string, ...flags: readonly string[]) {
    const said = await ok('oras', 'discover', plain, '--format', 'json', ...flags, at);
    const { referrers = [] } = JSON.parse(said) as {
      referrers?: (Descriptor & { artifactType: string })[];
    };
    return referrers.map(({ digest, artifactType }) => ({ digest, artifactType }));
  }

  test('pushes files as an artifact, and pulls them', async (t) => {
    const { ok, host, folder } = await shop.aDesk(t);
    const at = `${host}/acme/artifact`;
    await mkdir(join(folder, 'tree'));
    await writeFile(join(folder, 'text'), 'some text\n');
    await writeFile(join(folder, 'tree/leaf'), 'a leaf\n');
    await writeFile(join(folder, 'empty'), '');
    const files = ['text:text/plain', 'tree', 'empty:application/octet-stream'];
    await ok('oras', 'push', plain, '--artifact-type', 'application/vnd.example', `${at}:1`, ...files);
    await ok('oras', 'pull', plain, '--output', 'back', `${at}:1`);
    for (const [name, text] of [
      ['text', 'some text\n'],
      ['tree/leaf', 'a leaf\n'],
      ['empty', ''],
    ] as const)
      assert.equal(readFileSync(join(folder, 'back', name), 'utf8'), text);
    await ok('oras', 'tag', plain, `${at}:1`, '2', '3');
    const tags = await ok('oras', 'repo', 'tags', plain, at);
    assert.deepEqual(tags.split('\n').sort(), ['1', '2', '3']);
    assert.match(await ok('oras', 'resolve', plain, `${at}:3`), /^sha256:[0-9a-f]{64}$/);
  });

  test('attaches artifacts to another, finds them, and copies them with it', async (t) => {
    const { ok, host, folder } = await shop.aDesk(t);
    const at = `${host}/acme/referred:1`;
    for (const name of ['text', 'sbom', 'signature']) await writeFile(join(folder, name), `${name}\n`);
    await ok('oras', 'push', plain, '--artifact-type', 'application/vnd.example', at, 'text:text/plain');
    await ok('oras', 'attach', plain, '--artifact-type', bom, at, `sbom:${bom}`);
    await ok('oras', 'attach', plain, '--artifact-type', signature, at, `signature:${signature}`);
    const found = await referrers(ok, at);
    assert.deepEqual(found.map(({ artifactType }) => artifactType).sort(), [bom, signature].sort());
    assert.deepEqual(
      await referrers(ok, at, '--artifact-type', bom),
      found.filter(({ artifactType }) => artifactType === bom),
    );
    const to = `${host}/acme/referred-copy:1`;
    await ok('oras', 'cp', '--recursive', '--from-plain-http', '--to-plain-http', at, to);
    assert.deepEqual(new Set(await referrers(ok, to)), new Set(found));
    const tags = await ok('oras', 'repo', 'tags', plain, `${host}/acme/referred`);
    // Without the API oras keeps its own list, under a tag.
    if (shop.server.can('referrers')) assert.equal(tags, '1');

    const [first, second] = found;
    assert.ok(first && second);
    await ok('oras', 'manifest', 'delete', plain, '--force', `${host}/acme/referred@${first.digest}`);
    if (shop.server.can('referrers')) assert.deepEqual(await referrers(ok, at), [second]);
  });

  test('copies the images of every platform from a folder, and back', async (t) => {
    const { ok, host, folder } = await shop.aDesk(t);
    const at = `${host}/acme/oras-platforms:1`;
    await ok('oras', 'cp', '--from-oci-layout', '--to-plain-http', 'made:all', at);
    assert.equal((await shop.stored('acme/oras-platforms', '1')).digest, shop.index.top.descriptor.digest);
    await ok('oras', 'cp', '--from-plain-http', '--to-oci-layout', at, 'back:all');
    assertLayout(join(folder, 'back'), shop.index);
  });

  test('pushes and deletes a blob and a manifest', async (t) => {
    const { ok, refused, host, folder } = await shop.aDesk(t);
    const at = `${host}/acme/oras-deleted`;
    await writeFile(join(folder, 'blob'), 'a blob\n');
    const digest = digestOf(Buffer.from('a blob\n'));
    await ok('oras', 'blob', 'push', plain, at, 'blob');
    assert.equal(await ok('oras', 'blob', 'fetch', plain, '--output', '-', `${at}@${digest}`), 'a blob');
    await ok('oras', 'blob', 'delete', plain, '--force', `${at}@${digest}`);
    assert.match(
      await refused('oras', 'blob', 'fetch', plain, '--output', '-', `${at}@${digest}`),
      /not found/,
    );
    await ok('oras', 'push', plain, `${at}:1`, 'blob:text/plain');
    await ok('oras', 'manifest', 'delete', plain, '--force', `${at}:1`);
    assert.match(await refused('oras', 'pull', plain, `${at}:1`), /not found/);
  });
});
