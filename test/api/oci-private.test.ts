/** Private repositories: to strangers there are none, and nothing tells of them (contract, section 14). */
import assert from 'node:assert/strict';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import type { Asked } from '../support/asking.ts';
import { cairnOk, cairnServe } from '../support/command-line.ts';
import { git } from '../support/git.ts';
import { bearer, send, type Answer } from '../support/http.ts';
import { anImage, basic, IMAGE, ociApi, type Credentials, type PushedImage } from '../support/oci-api.ts';
import { accessIn, openOciRegistry, PASSWORD, type OciRegistry } from '../support/oci-registry.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { filesBelow } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

interface Prepared extends OciRegistry {
  readonly ann: Credentials;
  readonly bob: Credentials;
  readonly image: PushedImage;
  /** Of a conversation in `ann/secret` that is not over. */
  readonly upload: string;
  /** In `ann/secret`, and named by no manifest. */
  readonly held: string;
}

/** `ann/secret` and, in a namespace of which nobody knows, `eve/secret`; a public one of ann, and a private one of bob. */
async function prepare(t: TestContext, env: Record<string, string> = {}): Promise<Prepared> {
  const registry = await openOciRegistry(t, env);
  const { ask, someone, pushImage, pushBlob, pushManifest } = registry;
  const [ann, bob, eve] = [await someone('ann'), await someone('bob'), await someone('eve')];
  await pushImage('ann/open', '1', ann);
  assert.equal((await ask(visibilityOf('ann/open', 'public', ann))).status, 200);
  await pushImage('bob/app', '1', bob);
  const image = await pushImage('ann/secret', '1', ann, 'classified-words');
  await pushImage('eve/secret', '1', eve, 'classified-words');
  const { mediaType, digest, size } = image.manifest;
  await pushManifest(
    'ann/secret',
    undefined,
    anImage(image.config, [], { subject: { mediaType, digest, size }, annotations: { note: 'classified' } }),
    ann,
  );
  const started = await ask({
    method: 'POST',
    path: 'v2/ann/secret/blobs/uploads/',
    headers: basic(ann),
  });
  const held = await pushBlob('ann/secret', Buffer.from('not named yet'), ann);
  const upload = String(started.headers['docker-upload-uuid']);
  return { ...registry, ann, bob, image, upload, held: held.digest };
}

function visibilityOf(name: string, visibility: string, who?: Credentials): Asked {
  const path = `api/v1/${name}/visibility`;
  return { method: 'PUT', path, json: { visibility }, ...(who ? { headers: basic(who) } : {}) };
}

/** Whatever can be asked of a repository, and about it. */
function requestsOf(name: string, { image, upload, held }: Prepared): Asked[] {
  const of = `v2/${name}`;
  const { manifest, layer } = image;
  const namespace = name.split('/')[0] ?? '';
  const body = JSON.stringify(anImage(image.config, [layer]));
  const typed = { 'content-type': IMAGE };
  const conversation = `${of}/blobs/uploads/${upload}`;
  const reads: Asked[] = [
    `${of}/manifests/1`,
    `${of}/manifests/2`,
    `${of}/manifests/${manifest.digest}`,
    `${of}/manifests/sha256:nonsense`,
    `${of}/blobs/${layer.digest}`,
    `${of}/blobs/${image.config.digest}`,
    `${of}/blobs/${held}`,
    `${of}/blobs/nonsense`,
    `${of}/tags/list`,
    `${of}/tags/list?n=1`,
    `${of}/tags/list?n=x`,
    `${of}/tags/list?last=0`,
    `${of}/referrers/${manifest.digest}`,
    `${of}/referrers/${manifest.digest}?artifactType=x`,
    `${of}/referrers/nonsense`,
    conversation,
    `auth/token?scope=repository:${name}:pull,push,delete`,
    `token?scope=repository:${name}:*&scope=repository:bob/app:pull`,
    `v2/${name}`,
    `v2/${name}/blobs/`,
    `api/v1/${name}`,
    `api/v1/${namespace}/-/members`,
  ].map((path) => ({ path }));
  return [
    ...reads,
    ...reads.map(({ path }) => ({ method: 'HEAD', path })),
    { path: `${of}/manifests/1`, headers: { 'if-none-match': `"${manifest.digest}"` } },
    { path: `${of}/blobs/${layer.digest}`, headers: { range: 'bytes=0-1' } },
    { path: `${of}/blobs/${layer.digest}`, headers: { 'if-none-match': `"${layer.digest}"` } },
    { method: 'POST', path: `${of}/blobs/uploads/` },
    { method: 'POST', path: `${of}/blobs/uploads/?digest=${layer.digest}`, body: 'bytes' },
    { method: 'POST', path: `${of}/blobs/uploads/?mount=${layer.digest}&from=ann/open` },
    { method: 'PATCH', path: conversation, body: 'more' },
    { method: 'PATCH', path: conversation, body: 'more', headers: { 'content-range': '7-10' } },
    { method: 'PUT', path: `${conversation}?digest=${layer.digest}`, body: '' },
    { method: 'DELETE', path: conversation },
    { method: 'PUT', path: `${of}/manifests/1`, headers: typed, body },
    { method: 'PUT', path: `${of}/manifests/new`, headers: typed, body: '{}' },
    { method: 'PUT', path: `${of}/manifests/${manifest.digest}?tag=2`, headers: typed, body },
    { method: 'DELETE', path: `${of}/manifests/1` },
    { method: 'DELETE', path: `${of}/manifests/2` },
    { method: 'DELETE', path: `${of}/manifests/${manifest.digest}` },
    { method: 'DELETE', path: `${of}/blobs/${layer.digest}` },
    { method: 'DELETE', path: `${of}/blobs/${held}` },
    visibilityOf(name, 'public'),
    visibilityOf(name, 'private'),
    visibilityOf(name, 'hidden'),
    { method: 'PUT', path: `api/v1/${namespace}/-/members/bob`, json: { access: 'write' } },
    { method: 'PUT', path: `api/v1/${namespace}/-/members/zed`, json: { access: 'read' } },
    { method: 'PUT', path: `api/v1/${namespace}/-/members/bob`, json: {} },
    { method: 'DELETE', path: `api/v1/${namespace}/-/members/bob` },
    // Into a repository of one's own, from this one.
    { method: 'POST', path: `v2/bob/app/blobs/uploads/?mount=${layer.digest}&from=${name}` },
    { method: 'POST', path: `v2/bob/app/blobs/uploads/?mount=${held}&from=${name}` },
  ];
}

/** What differs in any two answers, and what was asked for, made the same. */
function comparable({ status, headers, text }: Answer, name: string): unknown {
  const [namespace = ''] = name.split('/');
  const same = (said: string): string =>
    said
      .replaceAll(name, 'NAME')
      .replaceAll(`"${namespace}`, '"NAMESPACE')
      .replaceAll(`oci/${namespace}`, 'oci/NAMESPACE')
      .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{32}\b/g, 'ID')
      .replaceAll(/"issued_at":"[^"]*"/g, '"issued_at":"…"');
  const { date: _date, ...rest } = headers;
  return { status, headers: same(JSON.stringify(rest)), text: same(withoutSignature(text)) };
}

/** A token as what it says of access: all else differs from one second to the next. */
function withoutSignature(text: string): string {
  return text.replaceAll(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, (token) => JSON.stringify(accessIn(token)));
}

/** Everybody who may know nothing of `ann/secret` and `eve/secret`. */
async function strangers(prepared: Prepared): Promise<Record<string, Record<string, string>>> {
  const { bob, token, someone, withPassword } = prepared;
  const scopes = ['pull,push,delete', '*'].flatMap((actions) =>
    ['ann/secret', 'ann/absent', 'eve/secret', 'zed/absent'].map((name) => `repository:${name}:${actions}`),
  );
  const elsewhere = await someone('ann', { limits: [{ ecosystem: 'oci', namespace: 'ann/open' }] });
  const otherKind = await someone('ann', { limits: [{ ecosystem: 'npm' }] });
  const tokensOnly = await someone('ann', { scopes: ['tokens'] });
  return {
    nobody: {},
    'a token of nobody': bearer(await token(scopes)),
    bob: basic(bob),
    'bob by a bare token': bearer(bob[1]),
    'bob by an access token': bearer(await token(scopes, bob)),
    'bob by one for managing': bearer(await token([], bob)),
    'carl by a password': basic(await withPassword('carl')),
    'ann by a token for another repository': basic(elsewhere),
    'ann by a token for npm': basic(otherKind),
    'ann by a token that neither reads nor writes': basic(tokensOnly),
    'a wrong password': basic(['bob', 'wrong']),
  };
}

for (const [hidden, missing] of [
  ['ann/secret', 'ann/absent'],
  ['eve/secret', 'zed/absent'],
] as const)
  test(`to strangers ${hidden} is as if there were none, in every answer`, async (t) => {
    const prepared = await prepare(t);
    const { ask } = prepared;
    const [ofHidden, ofMissing] = [requestsOf(hidden, prepared), requestsOf(missing, prepared)];
    for (const [who, headers] of Object.entries(await strangers(prepared)))
      for (const [i, asked] of ofHidden.entries()) {
        // A guess that is wrong costs a while before the next one.
        if (who === 'a wrong password' && i > 1) break;
        const [one, other] = [
          await ask({ ...asked, headers: { ...asked.headers, ...headers } }),
          await ask({
            ...ofMissing[i],
            path: ofMissing[i]?.path ?? '',
            headers: { ...asked.headers, ...headers },
          }),
        ];
        const what = `${who}: ${asked.method ?? 'GET'} ${asked.path}`;
        assert.deepEqual(comparable(one, hidden), comparable(other, missing), what);
        assert.ok(!one.text.includes('classified'), what);
      }
    // None of all that has changed anything.
    const owner = await prepared.someone(hidden.split('/')[0] ?? '');
    const tags = await ask({ path: `v2/${hidden}/tags/list`, headers: basic(owner) });
    assert.deepEqual(JSON.parse(tags.text), { name: hidden, tags: ['1'] });
    assert.equal((await ask({ path: `v2/${hidden}/tags/list` })).status, 401);
  });

test('bytes that lie in a private repository are of no use without being sent again', async (t) => {
  const prepared = await prepare(t);
  const { ask, bob, image, held, pushBlob } = prepared;
  const unknown = `sha256:${'0'.repeat(64)}`;
  const mount = (digest: string): Asked => ({
    method: 'POST',
    path: `v2/bob/app/blobs/uploads/?mount=${digest}`,
    headers: basic(bob),
  });
  const naming = (digest: string): Asked => ({
    method: 'PUT',
    path: 'v2/bob/app/manifests/2',
    headers: { ...basic(bob), 'content-type': IMAGE },
    body: JSON.stringify(anImage({ ...image.config, digest }, [])),
  });
  const read = (digest: string): Asked => ({ path: `v2/bob/app/blobs/${digest}`, headers: basic(bob) });
  const { digest: mine } = await pushBlob('bob/app', Buffer.from('mine'), bob);
  for (const request of [mount, naming, read]) {
    const none = comparable(await ask(request(unknown)), 'no/name');
    for (const digest of [image.layer.digest, image.config.digest, image.manifest.digest, held]) {
      const { status, ...rest } = comparable(await ask(request(digest)), 'no/name') as { status: number };
      const said = JSON.parse(JSON.stringify(rest).replaceAll(digest, unknown)) as object;
      assert.deepEqual({ status, ...said }, none);
    }
  }
  // What is one's own is found.
  assert.equal((await ask(mount(mine))).status, 201);
  assert.equal((await ask(read(mine))).status, 200);
  // And so is what is public, by those who may pull it.
  const { text } = await ask({ path: 'v2/ann/open/manifests/1' });
  const [open] = (JSON.parse(text) as { layers: { digest: string }[] }).layers;
  const from = await ask({
    ...mount(open?.digest ?? ''),
    path: `${mount(open?.digest ?? '').path}&from=ann/open`,
  });
  assert.equal(from.status, 201);
});

test('lists are the same bytes before a private repository is there and after', async (t) => {
  const registry = await openOciRegistry(t);
  const { ask, someone, pushImage, token } = registry;
  const [ann, bob] = [await someone('ann'), await someone('bob')];
  await pushImage('ann/open', '1', ann);
  assert.equal((await ask(visibilityOf('ann/open', 'public', ann))).status, 200);
  const catalog = bearer(await token(['registry:catalog:*'], bob));
  const lists = async (): Promise<string[]> => {
    const answers = await Promise.all([
      ask({ path: 'v2/_catalog' }),
      ask({ path: 'v2/_catalog?n=1' }),
      ask({ path: 'v2/_catalog?last=ann/o' }),
      ask({ path: 'v2/_catalog', headers: basic(bob) }),
      ask({ path: 'v2/_catalog', headers: catalog }),
      ask({ path: 'api/v1/repo', headers: basic(bob) }),
    ]);
    return answers.map(({ status, text, headers }) => `${status} ${text} ${String(headers['link'])}`);
  };
  const before = await lists();
  await pushImage('ann/secret', '1', ann);
  assert.deepEqual(await lists(), before);
  const seen = await ask({ path: 'v2/_catalog', headers: basic(ann) });
  assert.deepEqual(JSON.parse(seen.text), { repositories: ['ann/open', 'ann/secret'] });
});

/** Every file of the site that a repository has, and its bytes. */
async function filesOf(data: string, name: string): Promise<ReadonlyMap<string, string>> {
  const root = join(data, 'site');
  const paths = (await filesBelow(join(root, 'v2', name))).sort();
  return new Map(
    await Promise.all(
      paths.map(async (path): Promise<[string, string]> => [
        path.slice(root.length + 1),
        (await readFile(path)).toString('base64'),
      ]),
    ),
  );
}

/** What on the site has this word in its path or, where it is a file, in its text. */
async function tracesOf(data: string, word: string): Promise<string[]> {
  const root = join(data, 'site');
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const traces: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const isNamed = path.slice(root.length).includes(word);
    // Lists that follow later are being written: what was on its way a moment ago has its place by now.
    const text = entry.isFile() && (await readFile(path).catch(() => ''));
    if (isNamed || (text && text.includes(word))) traces.push(path.slice(root.length));
  }
  return traces;
}

test('what goes private is off the site before that is said, and what goes public is on it as before', async (t) => {
  const prepared = await prepare(t);
  const { ask, data, ann, image } = prepared;
  assert.deepEqual(await tracesOf(data, 'ann/secret'), []);
  // A public repository that has the same layer.
  await prepared.pushImage('ann/shared', '1', ann, 'classified-words');
  assert.equal((await ask(visibilityOf('ann/shared', 'public', ann))).status, 200);
  const shared = await filesOf(data, 'ann/shared');
  assert.equal((await filesOf(data, 'ann/secret')).size, 0);
  assert.equal((await ask(visibilityOf('ann/secret', 'public', ann))).status, 200);
  const shown = await filesOf(data, 'ann/secret');
  const layer = `blobs/${image.layer.digest}`;
  assert.deepEqual(
    [...shown.keys()].map((path) => path.replace('v2/ann/secret/', '').replace(/sha256:[0-9a-f]{64}/, 'D')),
    [
      'blobs/D',
      'blobs/D',
      'manifests/1.oci-image',
      'manifests/D.oci-image',
      'manifests/D.oci-image',
      'referrers/D',
      'tags/list',
    ],
  );
  const links = async (name: string): Promise<{ ino: number; nlink: number }> => {
    const { ino, nlink } = await stat(join(data, 'site/v2', name, layer));
    return { ino, nlink };
  };
  const both = await links('ann/shared');
  assert.equal((await links('ann/secret')).ino, both.ino);
  for (let round = 0; round < 2; round += 1) {
    assert.equal((await ask(visibilityOf('ann/secret', 'private', ann))).status, 200);
    // At this very moment: nothing has been waited for.
    assert.deepEqual(await tracesOf(data, 'ann/secret'), []);
    assert.deepEqual(await filesOf(data, 'ann/shared'), shared);
    assert.deepEqual(await links('ann/shared'), { ino: both.ino, nlink: both.nlink - 1 });
    assert.equal((await ask({ path: `v2/ann/shared/${layer}` })).status, 200);
    for (const path of ['manifests/1', 'tags/list', layer, `manifests/${image.manifest.digest}`]) {
      assert.equal((await ask({ path: `v2/ann/secret/${path}` })).status, 401);
      assert.equal((await ask({ path: `v2/ann/secret/${path}`, headers: basic(ann) })).status, 200);
    }
    assert.equal((await ask(visibilityOf('ann/secret', 'public', ann))).status, 200);
    assert.deepEqual(await filesOf(data, 'ann/secret'), shown);
  }
});

test('nothing of it is in the public log, and no name is in the figures', async (t) => {
  const { data, url, ask, image, held } = await prepare(t);
  const path = 'v2/eve/secret/manifests/hidden-tag';
  await ask({ path });
  const log = git(join(data, 'log.git'), ['log', '-p', '--all']);
  const metrics = (await send(url, '/metrics')).text;
  const digests = [image.manifest, image.config, image.layer].map(({ digest }) => digest);
  for (const digest of [...digests, held])
    for (const word of [digest, digest.slice('sha256:'.length)]) assert.ok(!log.includes(word), word);
  for (const word of ['secret', 'classified', '"eve"', digestOf(Buffer.from('classified-words'))])
    assert.ok(!log.includes(word), word);
  for (const word of ['secret', 'eve/', 'ann', 'hidden-tag', 'sha256'])
    assert.ok(!metrics.includes(word), word);
});

test('no password and no token is in the log of requests, whatever is asked', async (t) => {
  const data = await temporaryDirectory(t);
  const server = await cairnServe(t, ['--data', data, '--listen', '127.0.0.1:0'], {
    env: { CAIRN_LOG_LEVEL: 'debug', CAIRN_REGISTRATION: 'open', CAIRN_ADMIN_TOKEN: ADMIN_TOKEN },
  });
  const { ask, token, pushImage } = ociApi({ url: server.url, data });
  const made = await ask({ path: 'api/v1/users', json: { username: 'ann', password: PASSWORD } });
  assert.equal(made.status, 201);
  const ann = ['ann', PASSWORD] as const;
  const kept = (await cairnOk(['token', 'create', 'ann', '--data', data])).trim();
  await pushImage('ann/secret', '1', ann, 'classified-words');
  const access = await token(['repository:ann/secret:*'], ann);
  const form = `grant_type=password&username=ann&password=${encodeURIComponent(PASSWORD)}`;
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  assert.equal((await ask({ method: 'POST', path: 'token', headers: type, body: form })).status, 200);
  for (const secret of [access, kept, ADMIN_TOKEN, PASSWORD])
    for (const asked of [
      { path: 'v2/ann/secret/manifests/1', headers: bearer(secret) },
      { path: 'v2/', headers: basic(['ann', secret]) },
      { path: `auth/token?scope=repository:ann/secret:pull&password=${encodeURIComponent(secret)}` },
      { path: `v2/ann/secret/manifests/${access}` },
      { path: `v2/ann/secret/manifests/${kept}` },
      { method: 'PUT', path: 'v2/ann/secret/manifests/2', body: secret, headers: bearer(access) },
    ])
      await ask(asked);
  assert.equal(await server.stop(), 0);
  const { stdout, stderr } = server.printed();
  assert.match(stderr, /"path":"\/v2\/ann%2Fsecret\/manifests\/1"/);
  for (const secret of [access, access.split('.')[2] ?? '', kept, ADMIN_TOKEN, PASSWORD])
    for (const spelled of [
      secret,
      encodeURIComponent(secret),
      Buffer.from(`ann:${secret}`).toString('base64'),
    ])
      assert.ok(!`${stdout}${stderr}`.includes(spelled), spelled);
  // What it holds is not there either, nor what was asked for by whom in a query.
  for (const word of ['classified-words', 'scope=', 'repository:']) assert.ok(!stderr.includes(word), word);
});
