/** Private blobs by way of the store: who is sent there, with what, and who is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSafeRedirectHost } from '../../api/redirects.ts';
import { bearer, send, type Answer } from '../support/http.ts';
import { escaped } from '../support/npm-api.ts';
import { packNpm } from '../support/npm-package.ts';
import { basic, type Credentials } from '../support/oci-api.ts';
import {
  EXPIRES_IN_SECONDS,
  openRedirecting,
  secret,
  SHA,
  type Redirecting,
} from '../support/redirecting-registry.ts';

interface Private {
  readonly what: string;
  readonly path: string;
  readonly auth: (who: Credentials) => Record<string, string>;
  readonly type: string;
  readonly disposition?: string;
  readonly bytes: Buffer;
}

function privateBlobs({ image }: Redirecting): readonly Private[] {
  const token = ([, one]: Credentials): Record<string, string> => bearer(one);
  const gzip = { auth: token, type: 'application/gzip', bytes: packNpm(secret) };
  return [
    {
      what: 'a layer',
      path: `/v2/ann/secret/blobs/${image.layer.digest}`,
      auth: basic,
      type: 'application/octet-stream',
      bytes: Buffer.from('layer of classified-words'),
    },
    {
      what: 'a tarball of npm',
      path: `/npm/${escaped(secret.name)}/-/secret-1.0.0.tgz`,
      auth: token,
      type: 'application/octet-stream',
      bytes: packNpm(secret),
    },
    {
      ...gzip,
      what: 'a tarball of Pantry',
      path: `/pantry/packages/${escaped(secret.name)}/1.0.0/tarball`,
      disposition: 'attachment; filename="acme-secret-1.0.0.tgz"',
    },
    {
      ...gzip,
      what: 'a tarball of a commit',
      path: `/pantry/commits/${SHA}/${escaped(secret.name)}/tarball`,
      disposition: 'attachment; filename="acme-secret-0123456.tgz"',
    },
    {
      ...gzip,
      what: 'the same by its short name',
      path: `/pantry/${escaped(secret.name)}@0123456`,
      disposition: 'attachment; filename="acme-secret-0123456.tgz"',
    },
  ];
}

/** As every client does: what it was sent with goes along, but no credential. */
async function follow(answer: Answer, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(String(answer.headers['location']), { headers });
}

test('who may read a private blob is sent to the store, which gives it as what it is', async (t) => {
  const prepared = await openRedirecting(t);
  const { app, ann } = prepared;
  for (const { what, path, auth, type, disposition, bytes } of privateBlobs(prepared)) {
    const answer = await send(app.url, path, { headers: auth(ann) });
    assert.equal(answer.status, 307, `${what}: ${answer.text}`);
    assert.equal(answer.headers['cache-control'], 'private, no-store');
    assert.deepEqual([answer.text, answer.headers['content-length']], ['', '0']);
    for (const header of ['etag', 'content-type', 'content-disposition', 'accept-ranges'])
      assert.equal(answer.headers[header], undefined, `${what}: ${header}`);
    const location = new URL(String(answer.headers['location']));
    assert.equal(location.searchParams.get('X-Amz-Expires'), String(EXPIRES_IN_SECONDS));
    assert.ok(isSafeRedirectHost(app.url, location.href));
    const whole = await follow(answer);
    assert.equal(whole.status, 200, what);
    assert.deepEqual(Buffer.from(await whole.arrayBuffer()), bytes);
    assert.equal(whole.headers.get('content-type'), type);
    assert.equal(whole.headers.get('content-disposition'), disposition ?? null, what);
  }
  const layer = await send(app.url, `/v2/ann/secret/blobs/${prepared.image.layer.digest}`, {
    headers: basic(ann),
  });
  assert.equal(layer.headers['docker-content-digest'], prepared.image.layer.digest);
  assert.equal(layer.headers['docker-distribution-api-version'], 'registry/2.0');
});

test('a part is fetched from the store, and what there is no part of is for the store to say', async (t) => {
  const prepared = await openRedirecting(t);
  const { app, ann } = prepared;
  for (const { what, path, auth, bytes } of privateBlobs(prepared))
    for (const [range, status, part] of [
      ['bytes=2-5', 206, bytes.subarray(2, 6)],
      ['bytes=999999-', 416, undefined],
    ] as const) {
      const answer = await send(app.url, path, { headers: { ...auth(ann), range } });
      assert.equal(answer.status, 307, what);
      const given = await follow(answer, { range });
      assert.equal(given.status, status, what);
      if (part) assert.deepEqual(Buffer.from(await given.arrayBuffer()), part);
      else await given.body?.cancel();
    }
});

test('a HEAD is answered here, in full', async (t) => {
  const prepared = await openRedirecting(t);
  const { app, ann, s3 } = prepared;
  for (const { what, path, auth, bytes } of privateBlobs(prepared)) {
    const { status, headers } = await send(app.url, path, { method: 'HEAD', headers: auth(ann) });
    assert.deepEqual([status, headers['content-length']], [200, String(bytes.length)], what);
    assert.equal(headers['location'], undefined);
  }
  assert.deepEqual(s3.requests, []);
});

test('who may not read it is refused as before, and nothing is signed', async (t) => {
  let signed = 0;
  const prepared = await openRedirecting(t, {
    async signedUrl() {
      signed += 1;
      return 'http://localhost/';
    },
  });
  const { app, ann, bob } = prepared;
  const pullsNothing = ['ann', await app.tokenOf('ann', ['publish'])] as const;
  for (const { what, path, auth } of privateBlobs(prepared))
    for (const who of [undefined, bob, pullsNothing]) {
      const answer = await send(app.url, path, { headers: who ? auth(who) : {} });
      assert.ok([401, 403, 404].includes(answer.status), `${what}: ${answer.status}`);
      assert.equal(answer.headers['location'], undefined);
    }
  assert.equal(signed, 0);
  await send(app.url, privateBlobs(prepared)[0]?.path ?? '', { headers: basic(ann) });
  assert.equal(signed, 1);
});

test('manifests, documents and what is public stay here', async (t) => {
  const prepared = await openRedirecting(t);
  const { app, ann, oci, npm, pantry, image, s3 } = prepared;
  const open = await oci.pushImage('ann/open', '1', ann, 'for all');
  const json = { visibility: 'public' };
  const made = await oci.ask({
    method: 'PUT',
    path: 'api/v1/ann/open/visibility',
    json,
    headers: basic(ann),
  });
  assert.equal(made.status, 200);
  assert.equal((await npm.publish({ name: 'open', version: '1.0.0' }, ann[1])).status, 201);
  assert.equal((await pantry.publishCommit(SHA, [{ name: 'open', version: '1.0.0' }], ann[1])).status, 201);
  for (const [path, headers] of [
    ['/v2/ann/secret/manifests/1', basic(ann)],
    [`/v2/ann/secret/manifests/${image.manifest.digest}`, basic(ann)],
    ['/v2/ann/secret/tags/list', basic(ann)],
    [`/v2/ann/open/blobs/${open.layer.digest}`, {}],
    [`/v2/ann/open/blobs/${open.layer.digest}`, basic(ann)],
    [`/npm/${escaped(secret.name)}`, bearer(ann[1])],
    ['/npm/open/-/open-1.0.0.tgz', bearer(ann[1])],
    ['/pantry/packages/open/1.0.0/tarball', {}],
    // By the beginning of a hash, which no file has.
    [`/pantry/commits/${SHA.slice(0, 9)}/open/tarball`, {}],
  ] as const) {
    const answer = await send(app.url, path, { headers });
    assert.equal(answer.status, 200, `${path}: ${answer.text}`);
  }
  assert.deepEqual(s3.requests, []);
});

test('where it is off, or the store signs nothing, the bytes come from here', async (t) => {
  const prepared = await openRedirecting(t, {
    redirects: 'off',
    signedUrl: async () => assert.fail('not asked for'),
  });
  for (const { what, path, auth, bytes } of privateBlobs(prepared)) {
    const answer = await send(prepared.app.url, path, { headers: auth(prepared.ann) });
    assert.equal(answer.status, 200, what);
    assert.deepEqual(answer.body, bytes);
  }
});

test('a client that would take its token along to the store has the bytes from here', async (t) => {
  const prepared = await openRedirecting(t);
  for (const { what, path, auth, bytes } of privateBlobs(prepared))
    for (const [agent, isSent] of [
      ['yarn/1.22.22 npm/? node/v20.20.2 linux x64', what === 'a layer'],
      ['yarn/4.18.1 npm/? node/v20.20.2 linux x64', true],
      ['npm/11.21.2 node/v24.21.0 linux x64 workspaces/false', true],
    ] as const) {
      const headers = { ...auth(prepared.ann), 'user-agent': agent };
      const answer = await send(prepared.app.url, path, { headers });
      assert.equal(answer.status, isSent ? 307 : 200, `${what} ${agent}`);
      if (!isSent) assert.deepEqual(answer.body, bytes);
    }
});

test('a signed URL stands in no log, whatever becomes of the request', async (t) => {
  const prepared = await openRedirecting(t);
  const { app, ann, s3 } = prepared;
  const urls: string[] = [];
  for (const { path, auth } of privateBlobs(prepared)) {
    const answer = await send(app.url, path, { headers: auth(ann) });
    urls.push(String(answer.headers['location']));
  }
  const logged = JSON.stringify([app.records, app.errors]);
  assert.equal(app.records.filter(({ status }) => status === 307).length, urls.length);
  for (const word of [
    'X-Amz-',
    'Signature',
    new URL(s3.endpoint).port,
    ...urls.map((url) => new URL(url).search),
  ])
    assert.ok(!logged.includes(word), word);
});

test('a store that cannot sign is 503, and tells nobody why but the operator', async (t) => {
  const cause = new Error('no credentials in /root/.secret');
  const prepared = await openRedirecting(t, {
    async signedUrl() {
      throw cause;
    },
  });
  for (const { what, path, auth } of privateBlobs(prepared)) {
    const answer = await send(prepared.app.url, path, { headers: auth(prepared.ann) });
    assert.equal(answer.status, 503, what);
    assert.equal(answer.headers['retry-after'], '5');
    assert.doesNotMatch(answer.text, /secret\/?\.|credentials/);
    assert.equal((prepared.app.errors.at(-1) as Error).cause, cause);
  }
});

test('a host that clients would tell their credential is no host to send them to', () => {
  for (const [own, target, isSafe] of [
    ['https://reg.example.org', 'https://blobs.example.org/bucket', true],
    ['https://reg.example.org', 'https://example.org', true],
    ['https://reg.example.org', 'https://other-reg.example.org', true],
    ['https://reg.example.org', 'https://reg.example.org.evil.net', true],
    ['https://reg.example.org', 'https://reg.example.org', false],
    ['https://reg.example.org', 'https://reg.example.org:9000', false],
    ['https://reg.example.org/npm', 'https://REG.example.org./x', false],
    ['https://reg.example.org', 'https://blobs.reg.example.org', false],
    ['https://reg.example.org.', 'https://a.b.reg.example.org', false],
    ['https://reg.example.org', 'https://BLOBS.Reg.Example.org.', false],
    // What is private would go over an open line.
    ['https://reg.example.org', 'http://blobs.example.org', false],
    ['http://reg.example.org', 'http://blobs.example.org', true],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:9000', false],
    ['http://127.0.0.1:8080', 'http://2130706433:9000', false],
    ['http://127.0.0.1:8080', 'http://localhost:9000', true],
    ['http://[::1]:8080', 'http://[0:0::1]:9000', false],
    ['https://reg.example.org', 's3://bucket', false],
    ['https://reg.example.org', 'blobs.example.org', false],
    ['nothing', 'https://blobs.example.org', false],
  ] as const)
    assert.equal(isSafeRedirectHost(own, target), isSafe, `${own} → ${target}`);
});
