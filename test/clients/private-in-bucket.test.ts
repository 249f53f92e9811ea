/**
 * A whole server whose blobs are in a bucket sends real clients to the store for what is private: by signed URLs, on the host
 * that clients know the store by. `redirects.test.ts` has every client, and a store that refuses whoever is signed twice.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { closing } from '../support/closing.ts';
import { noGo } from '../support/go-programs.ts';
import { send } from '../support/http.ts';
import { npmApi } from '../support/npm-api.ts';
import { clientNamed } from '../support/npm-clients.ts';
import { openProject } from '../support/npm-project.ts';
import { noOciClients, openOciDesk } from '../support/oci-clients.ts';
import { assertLayout, smallImage, writeLayout } from '../support/oci-image.ts';
import { startServer, type ServerProcess } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openVersitygw } from '../support/versitygw.ts';

const secret = { name: '@acme/secret', version: '1.0.0' };

describe('a server with private blobs in a bucket', { skip: noGo }, () => {
  let server: ServerProcess;
  let token: string;
  let accessLog: string;
  const opened = closing();
  before(async () => {
    accessLog = join(await temporaryDirectory(opened), 'access.log');
    const store = await openVersitygw(opened, { accessLog });
    const data = await temporaryDirectory(opened);
    server = await startServer({
      data,
      env: {
        CAIRN_ECOSYSTEMS: 'npm,oci',
        CAIRN_BUCKET: `s3://${store.bucket}/registry`,
        CAIRN_S3_ENDPOINT: store.endpoint,
        CAIRN_S3_PATH_STYLE: 'true',
        CAIRN_S3_PUBLIC_ENDPOINT: store.endpoint.replace('127.0.0.1', 'localhost'),
        CAIRN_PRIVATE_REDIRECTS: '60',
      },
    });
    opened.after(() => server.kill());
    token = await makeToken(data, { handle: 'ann', scopes: ['read', 'publish', 'yank', 'owner'] });
    const npm = npmApi({ url: server.url, data });
    const { status, text } = await npm.publish(secret, token, { access: 'restricted' });
    assert.equal(status, 201, text);
  });
  after(() => opened.close());

  /** Objects that were read by a signed URL so far. */
  function readSigned(): number {
    const lines = readFileSync(accessLog, 'utf8').split('\n');
    return lines.filter((line) => / s3_GetObject \S*\/blobs\/\S* \S*X-Amz-Signature=\S* 200 /.test(line))
      .length;
  }

  for (const [name, fromStore] of [
    ['npm 11', 1],
    ['yarn 1', 0],
  ] as const)
    test(`${name} installs a private package, ${fromStore ? 'from the store' : 'from the registry'}`, async (t) => {
      const before = readSigned();
      const project = await openProject(
        t,
        await clientNamed(name),
        { registry: `${server.url}/npm`, token },
        {
          name: 'application',
          version: '1.0.0',
          private: true,
          dependencies: { [secret.name]: secret.version },
        },
      );
      await project.ok('install');
      const installed = `require('${secret.name}/package.json').version`;
      assert.equal((await project.node('-p', installed)).trim(), secret.version);
      assert.equal(readSigned() - before, fromStore);
    });

  test('skopeo copies a private image out, its blobs from the store', { skip: noOciClients }, async (t) => {
    const { host } = new URL(server.url);
    const desk = await openOciDesk(t, [host]);
    const image = smallImage('classified');
    writeLayout(join(desk.folder, 'made'), { one: image });
    assert.equal((await desk.logIn('skopeo', host, { username: 'ann', password: token })).code, 0);
    await desk.ok('skopeo', 'copy', 'oci:made:one', `docker://${host}/ann/app:1`);
    const before = readSigned();
    await desk.ok('skopeo', 'copy', '--src-tls-verify=false', `docker://${host}/ann/app:1`, 'oci:back:one');
    assertLayout(join(desk.folder, 'back'), image);
    assert.ok(readSigned() - before >= 2, 'config and layer');
  });

  test('nobody is sent there who may not read', async () => {
    const path = '/npm/@acme/secret/-/secret-1.0.0.tgz';
    const { status, headers } = await send(server.url, path);
    assert.equal(status, 404);
    assert.equal(headers['location'], undefined);
  });
});
