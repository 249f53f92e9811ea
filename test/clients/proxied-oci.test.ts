/** Images through a web server in front of the registry: pushed without being kept on the way, pulled from the site where they are public. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { freePort, noNginx, startNginxInFront } from '../support/nginx.ts';
import { anImage, basic, challengeOf, ociApi } from '../support/oci-api.ts';
import { openOciRegistry } from '../support/oci-registry.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { noArtifactFiles, siteFolder } from '../support/test-store.ts';

test(
  'nginx in front: pushes pass, public blobs come from the site, private ones and deletes from the registry',
  // It serves blobs as files of a site: of copies.
  { skip: noNginx ?? noArtifactFiles },
  async (t) => {
    const port = await freePort();
    const publicUrl = `http://127.0.0.1:${port}`;
    const registry = await openOciRegistry(t, { CAIRN_PUBLIC_URL: publicUrl });
    const site = await siteFolder(registry.data);
    const nginx = await startNginxInFront(t, { site, port, registry: registry.url });
    const { ask, as, pushBlob, pushManifest } = ociApi({ url: nginx.url, data: registry.data });
    const ann = await registry.someone('ann');

    // Clients find the token's endpoint by the name that they know the registry by.
    const challenge = challengeOf(await ask({ path: 'v2/ann/app/tags/list' }));
    assert.equal(challenge['realm'], `${publicUrl}/auth/token`);
    // Over the standard limit of nginx, in one piece and in chunks of unknown length.
    const layer = await pushBlob('ann/app', randomBytes(3 * 1024 * 1024), ann);
    const bytes = randomBytes(2 * 1024 * 1024);
    const file = join(await temporaryDirectory(t), 'layer');
    await writeFile(file, bytes);
    const begun = await as(ann, { method: 'POST', path: 'v2/ann/app/blobs/uploads/' });
    const location = String(begun.headers['location']);
    assert.match(location, /^\/v2\//, 'no address of its own: it would be that of the registry behind');
    const token = await registry.token(['repository:ann/app:pull,push'], ann);
    const patched = await fetch(nginx.url + location, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${token}` },
      body: createReadStream(file),
      duplex: 'half',
    });
    assert.equal(patched.status, 202);
    const digest = digestOf(bytes);
    const done = await as(ann, { method: 'PUT', path: `${location.slice(1)}?digest=${digest}` });
    assert.equal(done.status, 201);
    const config = await pushBlob('ann/app', Buffer.from('{}'), ann);
    const chunked = { ...layer, digest, size: bytes.length };
    await pushManifest('ann/app', '1', anImage(config, [layer, chunked]), ann);

    const blob = `v2/ann/app/blobs/${digest}`;
    assert.equal((await ask({ path: blob })).status, 401);
    assert.deepEqual((await as(ann, { path: blob })).body, bytes);
    const visibility = async (word: string): Promise<void> => {
      const path = 'api/v1/ann/app/visibility';
      const json = { visibility: word };
      assert.equal((await ask({ method: 'PUT', path, json, headers: basic(ann) })).status, 200);
    };
    await visibility('public');
    for (const path of [blob, blob.replace('sha256:', 'sha256%3A')]) {
      const pulled = await ask({ path });
      assert.equal(pulled.status, 200);
      assert.deepEqual(pulled.body, bytes);
      assert.equal(pulled.headers['docker-content-digest'], digest);
      assert.equal(pulled.headers['content-length'], String(bytes.length));
      // The registry says so of every answer, and nginx has said this one.
      assert.equal(pulled.headers['x-request-id'], undefined);
    }
    const part = await ask({ path: blob, headers: { range: 'bytes=5-9' } });
    assert.deepEqual([part.status, part.body], [206, bytes.subarray(5, 10)]);
    // Whoever has a token sends it along, and it makes no difference.
    assert.equal((await ask({ path: blob, headers: { authorization: 'Bearer nonsense' } })).status, 200);
    // What no manifest names yet has no file: the registry has it.
    const held = await pushBlob('ann/app', Buffer.from('not named yet'), ann);
    assert.equal((await ask({ path: `v2/ann/app/blobs/${held.digest}` })).status, 200);
    const refused = await as(ann, { method: 'DELETE', path: blob });
    assert.equal(refused.status, 405);
    assert.match(refused.text, /delete that first/);
    await visibility('private');
    assert.equal((await ask({ path: blob })).status, 401);
    assert.equal((await ask({ path: 'v2/' })).status, 401);
  },
);
