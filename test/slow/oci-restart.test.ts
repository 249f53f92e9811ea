/** A registry of images that is killed in the middle of pushes: what was acknowledged stands, and what was not can go on. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { cairn } from '../support/command-line.ts';
import type { Asked } from '../support/asking.ts';
import { anImage, basic, IMAGE, ociApi, type Credentials, type OciApi } from '../support/oci-api.ts';
import { eventually } from '../support/eventually.ts';
import { ADMIN_TOKEN, startServer } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const admin: Credentials = ['admin', ADMIN_TOKEN];
const env = { CAIRN_ECOSYSTEMS: 'oci', CAIRN_OCI_VISIBILITY: 'public' };

test('killed between the blobs and the manifest, and in the middle of an upload: a client goes on where it was', async (t) => {
  const data = await temporaryDirectory(t);
  let server = await startServer({ data, env });
  let api = ociApi({ url: server.url, data });
  t.after(() => server.kill());
  const token = await api.token(['repository:acme/app:pull,push'], admin);
  const restart = async (): Promise<void> => {
    const { port } = new URL(server.url);
    await server.kill();
    server = await startServer({ data, env, listen: `127.0.0.1:${port}` });
    api = ociApi({ url: server.url, data });
  };
  const asked = (asked: Asked): Asked => ({ ...asked, headers: { ...asked.headers, ...basic(admin) } });

  const config = await api.pushBlob('acme/app', Buffer.from('{"os":"linux"}'), admin);
  const bytes = Buffer.from('0123456789'.repeat(1000));
  const started = await api.ask(asked({ method: 'POST', path: 'v2/acme/app/blobs/uploads/' }));
  assert.equal(started.status, 202);
  const path = String(started.headers.location).slice(1);
  const first = await api.ask(asked({ method: 'PATCH', path, body: bytes.subarray(0, 4000) }));
  assert.equal(first.headers.range, '0-3999');

  await restart();
  const stands = await api.ask(asked({ path }));
  assert.deepEqual([stands.status, stands.headers.range], [204, '0-3999']);
  const headers = { 'content-range': '4000-9999' };
  const second = await api.ask(asked({ method: 'PATCH', path, body: bytes.subarray(4000), headers }));
  assert.equal(second.headers.range, '0-9999');

  await restart();
  const layer = digestOf(bytes);
  const finished = await api.ask(asked({ method: 'PUT', path: `${path}?digest=${layer}` }));
  assert.equal(finished.status, 201, finished.text);

  await restart();
  // Also the token that was made three starts ago.
  const manifest = Buffer.from(
    JSON.stringify(
      anImage(config, [{ mediaType: 'application/octet-stream', digest: layer, size: bytes.length }]),
    ),
  );
  const pushed = await api.ask({
    method: 'PUT',
    path: 'v2/acme/app/manifests/1.0',
    body: manifest,
    headers: { 'content-type': IMAGE, authorization: `Bearer ${token}` },
  });
  assert.equal(pushed.status, 201, pushed.text);

  await restart();
  const pulled = await api.ask({ path: 'v2/acme/app/manifests/1.0' });
  assert.ok(pulled.body.equals(manifest));
  assert.equal(pulled.headers['docker-content-digest'], digestOf(manifest));
  const blob = await api.ask({ path: `v2/acme/app/blobs/${layer}` });
  assert.ok(blob.body.equals(bytes));
});

test('killed at any moment of many pushes and deletes, nothing that was acknowledged is lost, and no manifest is without its blobs', async (t) => {
  const data = await temporaryDirectory(t);
  const there = new Map<string, string>();
  const gone = new Set<string>();
  for (const [round, acknowledged] of [1, 3, 5, 8].entries()) {
    const server = await startServer({ data, env });
    const api = ociApi({ url: server.url, data });
    const pushing = [0, 1, 2].map((lane) => push(api, `${round}-${lane}`, { there, gone }));
    const before = there.size;
    await eventually(async () => assert.ok(there.size >= before + acknowledged, 'pushes go on'));
    await server.kill();
    await Promise.all(pushing);
  }
  const server = await startServer({ data, env });
  t.after(() => server.kill());
  const api = ociApi({ url: server.url, data });
  assert.ok(there.size > 0, 'something was acknowledged');
  for (const [tag, digest] of there) {
    const { status, headers } = await api.ask({ path: `v2/acme/app/manifests/${tag}` });
    assert.deepEqual([tag, status, headers['docker-content-digest']], [tag, 200, digest]);
  }
  for (const tag of gone) assert.equal((await api.ask({ path: `v2/acme/app/manifests/${tag}` })).status, 404);
  assertNothingDangles(join(data, 'site'));
  await server.stop();
  for (const command of [
    ['doctor', '--deep'],
    ['regen', '--check'],
  ]) {
    const { code, stdout, stderr } = await cairn([...command, '--data', data]);
    assert.equal(code, 0, stdout + stderr);
  }
});

/** Pushes, and takes every third tag away again, until nobody answers any more. */
async function push(
  api: OciApi,
  lane: string,
  { there, gone }: { readonly there: Map<string, string>; readonly gone: Set<string> },
): Promise<void> {
  for (let i = 0; ; i += 1) {
    const tag = `${lane}-${i}`;
    try {
      const { manifest } = await api.pushImage('acme/app', tag, admin);
      there.set(tag, manifest.digest);
      if (i % 3 !== 2) continue;
      // Whether it is gone is not known before the answer.
      there.delete(tag);
      const path = `v2/acme/app/manifests/${manifest.digest}`;
      const { status } = await api.as(admin, { method: 'DELETE', path });
      assert.equal(status, 202);
      gone.add(tag);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return;
    }
  }
}

/** As somebody sees it who has these files and nothing else. */
function assertNothingDangles(site: string): void {
  const repository = join(site, 'v2/acme/app');
  const blobs = new Set(readdirSync(join(repository, 'blobs')));
  const names = readdirSync(join(repository, 'manifests'));
  assert.ok(names.length > 0);
  for (const name of names) {
    const manifest = JSON.parse(readFileSync(join(repository, 'manifests', name), 'utf8')) as {
      config: { digest: string };
      layers: readonly { digest: string }[];
    };
    for (const { digest } of [manifest.config, ...manifest.layers])
      assert.ok(blobs.has(digest), `${name} names ${digest}, and there is no such file`);
  }
}
