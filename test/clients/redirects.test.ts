/**
 * Real clients fetch private blobs from a store on another host. It refuses whoever is signed twice, as AWS does: a client
 * that took its credential along would fail.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { join } from 'node:path';
import { clientNamed, clientNames } from '../support/npm-clients.ts';
import { openProject } from '../support/npm-project.ts';
import { noOciClients, ociPrograms, openOciDesk, type OciProgram } from '../support/oci-clients.ts';
import { assertLayout, smallImage, writeLayout } from '../support/oci-image.ts';
import { openRedirecting, secret, type Redirecting } from '../support/redirecting-registry.ts';

/** What the store gave, by operation. */
function given({ s3 }: Redirecting): readonly string[] {
  for (const { query, headers, operation } of s3.requests)
    if (operation === 'GetObject') {
      assert.ok(query.has('X-Amz-Signature'));
      assert.equal(headers['authorization'], undefined);
    }
  return s3.requests.flatMap(({ operation, key }) => (operation === 'GetObject' ? [key] : []));
}

for (const name of clientNames)
  test(`${name} installs a private package`, async (t) => {
    const opened = await openRedirecting(t);
    const { url } = opened.app;
    const dependencies = { [secret.name]: secret.version };
    const project = await openProject(
      t,
      await clientNamed(name),
      { registry: `${url}/npm`, token: opened.ann[1] },
      { name: 'application', version: '1.0.0', private: true, dependencies },
    );
    await project.ok('install');
    const installed = `require('${secret.name}/package.json').version`;
    assert.equal((await project.node('-p', installed)).trim(), secret.version);
    // It would take its token along: it has the bytes from the registry.
    assert.equal(given(opened).length, name === 'yarn 1' ? 0 : 1);
  });

const pulls: Readonly<Record<Exclude<OciProgram, 'docker' | 'ctr'>, (at: string) => readonly string[]>> = {
  skopeo: (at) => ['copy', '--src-tls-verify=false', `docker://${at}`, 'oci:back:one'],
  podman: (at) => ['pull', '--tls-verify=false', at],
  buildah: (at) => ['pull', '--tls-verify=false', at],
  crane: (at) => ['pull', '--format', 'oci', at, 'back'],
  oras: (at) => ['copy', '--from-plain-http', '--to-oci-layout', at, 'back:one'],
};

describe('clients of containers', { skip: noOciClients }, () => {
  for (const program of ociPrograms)
    test(`${program} pulls a private image`, async (t) => {
      const opened = await openRedirecting(t);
      const { host } = new URL(opened.app.url);
      const desk = await openOciDesk(t, [host]);
      const image = smallImage('classified');
      writeLayout(join(desk.folder, 'made'), { one: image });
      const [username, password] = opened.ann;
      for (const logsIn of new Set([program, 'skopeo'] as const))
        assert.equal((await desk.logIn(logsIn, host, { username, password })).code, 0);
      await desk.ok('skopeo', 'copy', 'oci:made:one', `docker://${host}/ann/app:1`);
      assert.deepEqual(given(opened), []);
      await desk.ok(program, ...pulls[program](`${host}/ann/app:1`));
      if (['skopeo', 'crane', 'oras'].includes(program)) assertLayout(join(desk.folder, 'back'), image);
      assert.ok(given(opened).length >= 2, 'config and layer');
    });
});
