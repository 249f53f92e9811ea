/** Images and artifacts from a web server that has the files and nothing behind it: every client pulls, and nobody is asked who he is. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { noDocker, startDockerDaemon } from '../support/docker-daemon.ts';
import { noNginx } from '../support/nginx.ts';
import { openOciDesk, type OciDesk } from '../support/oci-clients.ts';
import { judge, readingOnly } from '../support/oci-conformance.ts';
import { assertLayout, platforms, type Descriptor } from '../support/oci-image.ts';
import { greeting, noWorkshop, openWorkshop, runAlone, type OciWorkshop } from '../support/oci-workshop.ts';

const bom = 'application/spdx+json';
const plain = '--plain-http';

describe('containers from the site alone', { skip: noWorkshop ?? noNginx }, () => {
  let shop: OciWorkshop;
  let url: string;
  let host: string;
  /** As a client had them from the registry, when it still ran. */
  let asked: { docker: string; dockerList: string; artifact: string; referrers: readonly Descriptor[] };
  const opened = closing();
  before(async () => {
    shop = await openWorkshop(opened);
    const desk = await shop.aDesk(opened);
    const { ok } = desk;
    const at = `${desk.host}/acme/app`;
    await ok('skopeo', 'copy', '--preserve-digests', 'oci:made:one', `docker://${at}:one`);
    await ok('skopeo', 'copy', '--all', '--preserve-digests', 'oci:made:all', `docker://${at}:all`);
    await ok('skopeo', 'copy', '--format', 'v2s2', 'oci:made:one', `docker://${at}:docker`);
    await ok('skopeo', 'copy', '--all', '--format', 'v2s2', 'oci:made:all', `docker://${at}:docker-list`);
    for (const name of ['text', 'sbom']) await writeFile(join(desk.folder, name), `${name}\n`);
    await ok('oras', 'push', plain, '--artifact-type', 'application/vnd.example', `${at}:artifact`, 'text');
    for (const tag of ['artifact', 'one'])
      await ok('oras', 'attach', plain, '--artifact-type', bom, `${at}:${tag}`, `sbom:${bom}`);
    asked = {
      docker: await ok('crane', 'digest', `${at}:docker`),
      dockerList: await ok('crane', 'digest', `${at}:docker-list`),
      artifact: await ok('crane', 'digest', `${at}:artifact`),
      referrers: await referrersOf(desk, `${at}:one`),
    };
    url = await shop.server.siteAlone(opened);
    host = new URL(url).host;
  });
  after(() => opened.close());

  async function referrersOf({ ok }: OciDesk, at: string): Promise<readonly Descriptor[]> {
    const said = await ok('oras', 'discover', plain, '--format', 'json', at);
    const { referrers } = JSON.parse(said) as { referrers: Descriptor[] };
    return referrers.map(({ digest, mediaType, size }) => ({ digest, mediaType, size }));
  }

  test('skopeo copies an image, by its tag and by its digest, and the images of every platform', async (t) => {
    const { ok, folder } = await openOciDesk(t, [host]);
    const at = `docker://${host}/acme/app`;
    for (const [name, from, content] of [
      ['tag', ':one', shop.image],
      ['digest', `@${shop.image.top.descriptor.digest}`, shop.image],
      ['all', ':all', shop.index],
    ] as const) {
      await ok('skopeo', 'copy', '--all', '--preserve-digests', at + from, `oci:${name}:x`);
      assertLayout(join(folder, name), content);
    }
    const said = JSON.parse(await ok('skopeo', 'inspect', `${at}:one`)) as Record<string, unknown>;
    assert.equal(said['Digest'], shop.image.top.descriptor.digest);
  });

  test("Docker's types are those that were pushed", async (t) => {
    const { ok } = await openOciDesk(t, [host]);
    for (const [tag, digest] of Object.entries({ docker: asked.docker, 'docker-list': asked.dockerList })) {
      await ok(
        'skopeo',
        'copy',
        '--all',
        '--preserve-digests',
        `docker://${host}/acme/app:${tag}`,
        `dir:${tag}`,
      );
      assert.equal(await ok('skopeo', 'manifest-digest', `${tag}/manifest.json`), digest);
    }
  });

  test('podman runs it, and pulls for every platform', async (t) => {
    const { ok } = await openOciDesk(t, [host]);
    assert.equal(await ok('podman', ...runAlone, `${host}/acme/app:one`), greeting);
    for (const { architecture } of platforms) {
      await ok('podman', 'pull', '--quiet', '--platform', `linux/${architecture}`, `${host}/acme/app:all`);
      const pulled = await ok(
        'podman',
        'image',
        'inspect',
        '--format',
        '{{.Architecture}}',
        `${host}/acme/app:all`,
      );
      assert.equal(pulled, architecture);
    }
  });

  test('buildah builds on it', async (t) => {
    const { ok } = await openOciDesk(t, [host]);
    await ok('buildah', 'from', '--name', 'work', `${host}/acme/app:docker`);
    assert.equal(
      await ok('buildah', 'run', '--isolation', 'chroot', 'work', 'cat', '/etc/greeting'),
      greeting,
    );
  });

  test('docker runs it, and containerd pulls the images of every platform', { skip: noDocker }, async (t) => {
    const { ok } = await openOciDesk(t, [host], await startDockerDaemon(t));
    for (const tag of ['one', 'docker'])
      assert.equal(await ok('docker', ...runAlone, '--quiet', `${host}/acme/app:${tag}`), greeting);
    await ok('docker', 'pull', '--quiet', '--platform', 'linux/arm64', `${host}/acme/app:all`);
    const at = `${host}/acme/app:all`;
    await ok('ctr', 'images', 'pull', '--plain-http', '--all-platforms', at);
    assert.ok((await ok('ctr', 'images', 'list', `name==${at}`)).includes(shop.index.top.descriptor.digest));
  });

  test('crane pulls it, finds it well-formed, and lists tags and repositories', async (t) => {
    const { ok, folder } = await openOciDesk(t, [host]);
    const at = `${host}/acme/app`;
    assert.equal(await ok('crane', 'digest', `${at}:one`), shop.image.top.descriptor.digest);
    await ok('crane', 'pull', '--format', 'oci', `${at}:one`, 'back');
    assertLayout(join(folder, 'back'), shop.image);
    for (const tag of ['one', 'all', 'docker']) await ok('crane', 'validate', '--remote', `${at}:${tag}`);
    const tags = (await ok('crane', 'ls', at)).split('\n');
    for (const tag of ['all', 'artifact', 'docker', 'docker-list', 'one']) assert.ok(tags.includes(tag), tag);
    assert.ok((await ok('crane', 'catalog', host)).split('\n').includes('acme/app'));
  });

  test('oras pulls an artifact, and finds what is attached', async (t) => {
    const desk = await openOciDesk(t, [host]);
    const { ok, folder } = desk;
    // By digest: a file cannot say which one a tag stands for, and `oras resolve` takes it from a header alone.
    assert.equal(await ok('oras', 'resolve', plain, `${host}/acme/app@${asked.artifact}`), asked.artifact);
    await ok('oras', 'pull', plain, '--output', 'back', `${host}/acme/app:artifact`);
    assert.equal(readFileSync(join(folder, 'back/text'), 'utf8'), 'text\n');
    const subject = `${host}/acme/app@${shop.image.top.descriptor.digest}`;
    assert.deepEqual(await referrersOf(desk, subject), asked.referrers);
    assert.equal(asked.referrers.length, 1);
    await ok('oras', 'pull', plain, '--output', 'sbom', `${host}/acme/app@${asked.referrers[0]?.digest}`);
    assert.equal(readFileSync(join(folder, 'sbom/sbom'), 'utf8'), 'sbom\n');
  });

  test('what is not there, every client says so', async (t) => {
    const { refused } = await openOciDesk(t, [host]);
    const missing = /not found|MANIFEST_UNKNOWN|manifest unknown|404/i;
    for (const at of [`${host}/acme/app:nothing`, `${host}/acme/nothing:1`]) {
      assert.match(await refused('skopeo', 'inspect', `docker://${at}`), missing);
      assert.match(await refused('podman', 'pull', '--quiet', at), missing);
      assert.match(await refused('crane', 'manifest', at), missing);
      assert.match(await refused('oras', 'pull', plain, at), missing);
    }
  });

  test('the official suite, of what can be read: all but pages of tags, which need somebody who answers', async (t) => {
    const { image } = shop;
    const settings = readingOnly('acme/app', {
      tags: ['all', 'docker', 'one'],
      manifests: [image.top.descriptor.digest, asked.docker, asked.artifact],
      blobs: shop.layers.map(({ digest }) => digest),
      subjects: [image.top.descriptor.digest],
    });
    const { verdict, complaints } = await judge(t, '1.1', {
      url,
      settings: { ...settings, OCI_API_TAGS_LIST: 'false' },
    });
    const { passed, failed, skipped } = verdict;
    assert.deepEqual(
      { passed, failed, skipped },
      { passed: 26, failed: 0, skipped: 0 },
      complaints.join('\n'),
    );
  });
});
