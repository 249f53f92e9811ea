import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { openTestServer } from '../support/test-server.ts';
import { packX07 } from '../support/x07-package.ts';
import { signatureOf } from '../support/x07-signature.ts';

test('a published package can be read the moment the publish is answered', async (t) => {
  const server = await openTestServer(t);
  const archive = packX07({ name: 'acme-hello', version: '0.2.0' });
  const cksum = createHash('sha256').update(archive).digest('hex');
  const published = await server.publish(archive);
  assert.equal(published.status, 200);
  assert.deepEqual(await published.json(), {
    ok: true,
    name: 'acme-hello',
    version: '0.2.0',
    cksum,
    index_path: '/x07/index/ac/me/acme-hello',
  });
  const signature = signatureOf(server.data, { name: 'acme-hello', version: '0.2.0', cksum });
  const entry = await fetch(`${server.x07}/index/ac/me/acme-hello`);
  assert.equal(entry.headers.get('content-type'), 'application/x-ndjson');
  assert.equal(
    await entry.text(),
    `{"schema_version":"x07.index-entry@0.1.0","name":"acme-hello","version":"0.2.0","cksum":"${cksum}","yanked":false,"description":"About acme-hello.","docs":"How to use acme-hello.","signature":${JSON.stringify(signature)}}\n`,
  );
  const download = await fetch(`${server.x07}/v1/packages/acme-hello/0.2.0/download`);
  assert.equal(download.headers.get('content-type'), 'application/octet-stream');
  assert.deepEqual(Buffer.from(await download.arrayBuffer()), archive);
});
