/** Accounts, visibility and members below `/api/v1`, and who may push where (contract, section 15). */
import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Asked } from '../support/asking.ts';
import { bearer, type Answer } from '../support/http.ts';
import { assertOciError, basic, type Credentials, type Refusal } from '../support/oci-api.ts';
import { openOciRegistry, PASSWORD, type OciRegistry } from '../support/oci-registry.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';

const admin: Credentials = ['admin', ADMIN_TOKEN];

function register(username: unknown, password: unknown = PASSWORD, more: object = {}): Asked {
  return { path: 'api/v1/users', json: { username, password, ...more } };
}

function visibilityOf(name: string, visibility: unknown, who?: Credentials): Asked {
  return {
    method: 'PUT',
    path: `api/v1/${name}/visibility`,
    json: { visibility },
    ...(who ? { headers: basic(who) } : {}),
  };
}

function memberOf(namespace: string, handle: string, access: unknown, who?: Credentials): Asked {
  const path = `api/v1/${namespace}/-/members/${handle}`;
  return { method: 'PUT', path, json: { access }, ...(who ? { headers: basic(who) } : {}) };
}

function assertEmpty(answer: Answer, status: number): void {
  assert.deepEqual([answer.status, answer.text], [status, '']);
  assert.match(String(answer.headers['cache-control']), /no-store/);
}

/** Without a body, which Node's client would not tell of. */
function takingOut(namespace: string, handle: string, who: Credentials): Asked {
  const { json: _, ...asked } = memberOf(namespace, handle, 'read', who);
  return { ...asked, method: 'DELETE' };
}

/** Everything of a repository that anybody may ask for. */
async function isPublic({ ask }: OciRegistry, name: string): Promise<boolean> {
  const { status } = await ask({ path: `v2/${name}/tags/list` });
  assert.ok(status === 200 || status === 401, String(status));
  return status === 200;
}

test('an account that somebody makes for themselves can log in and push at once', async (t) => {
  const registry = await openOciRegistry(t, { CAIRN_REGISTRATION: 'open' });
  const { ask } = registry;
  assertEmpty(await ask(register('myuser')), 201);
  const who: Credentials = ['myuser', PASSWORD];
  assert.equal((await ask({ path: 'v2/', headers: basic(who) })).status, 200);
  await registry.pushImage('myuser/app', '1', who);
  // Another name does not matter: fields that are not known are let pass.
  assertEmpty(await ask(register('another', PASSWORD, { email: 'a@b.example' })), 201);
});

test('an account that cannot be made is refused in words that say why', async (t) => {
  const { ask, refuses } = await openOciRegistry(t, { CAIRN_REGISTRATION: 'open' });
  assertEmpty(await ask(register('ann')), 201);
  const bad = { status: 400, code: 'UNSUPPORTED' } as const;
  const rows: readonly Refusal[] = [
    { what: 'a taken name', asked: register('ann'), status: 409, code: 'DENIED', message: /ann/ },
    { what: 'nobody', asked: register('anonymous'), ...bad, message: /^anonymous is nobody/ },
    { what: 'a name that means something', asked: register('admin'), status: 409, code: 'DENIED' },
    { what: 'the operator', asked: register('operator'), status: 409, code: 'DENIED' },
    { what: 'a name that cannot be', asked: register('Ann Smith'), ...bad },
    { what: 'a path', asked: register('../ann'), ...bad },
    { what: 'no name', asked: register(''), ...bad },
    { what: 'a weak password', asked: register('bob', 'short'), ...bad, message: /10 characters/ },
    {
      what: 'no password',
      asked: { path: 'api/v1/users', json: { username: 'bob' } },
      ...bad,
      message: /^password must be a text$/,
    },
    { what: 'a number', asked: register(7), ...bad, message: /^username must be a text$/ },
    { what: 'a list', asked: { path: 'api/v1/users', json: [] }, ...bad, message: /JSON object/ },
    { what: 'null', asked: { path: 'api/v1/users', json: null }, ...bad },
    { what: 'an odd invitation', asked: register('bob', PASSWORD, { invitation: 7 }), ...bad },
    {
      what: 'broken JSON',
      asked: {
        method: 'POST',
        path: 'api/v1/users',
        headers: { 'content-type': 'application/json' },
        body: '{',
      },
      ...bad,
    },
    { what: 'a form', asked: { method: 'POST', path: 'api/v1/users', body: 'username=bob' }, ...bad },
    {
      what: 'a long body',
      asked: register('bob', 'x'.repeat(20_000)),
      status: 413,
      code: 'SIZE_INVALID',
    },
    {
      what: 'another method',
      asked: { path: 'api/v1/users' },
      status: 405,
      code: 'UNSUPPORTED',
    },
  ];
  await refuses(rows);
});

test('nobody registers where that is closed, and with an invitation where it takes one', async (t) => {
  const closed = await openOciRegistry(t);
  await closed.refuses([
    { what: 'closed', asked: register('ann'), status: 403, code: 'DENIED', message: /ask the operator/ },
    { what: 'closed to nobody as well', asked: register('anonymous'), status: 400, code: 'UNSUPPORTED' },
  ]);
  const { ask, refuses, control } = await openOciRegistry(t, { CAIRN_REGISTRATION: 'invited' });
  const invitation = await control.createInvitation({});
  const other = await control.createInvitation({ handle: 'carl' });
  await refuses([
    { what: 'no invitation', asked: register('ann'), status: 403, code: 'DENIED' },
    {
      what: 'one that was made up',
      asked: register('ann', PASSWORD, { invitation: 'x' }),
      status: 403,
      code: 'DENIED',
    },
    {
      what: 'that of another',
      asked: register('ann', PASSWORD, { invitation: other }),
      status: 403,
      code: 'DENIED',
    },
  ]);
  assertEmpty(await ask(register('ann', PASSWORD, { invitation })), 201);
  assertOciError(await ask(register('bob', PASSWORD, { invitation })), 403, 'DENIED');
  assertEmpty(await ask(register('carl', PASSWORD, { invitation: other })), 201);
});

interface Prepared extends OciRegistry {
  readonly ann: Credentials;
  readonly bob: Credentials;
}

/** `ann/app` and `ann/team/deep/app`, private both; and bob. */
async function prepare(t: TestContext, env: Record<string, string> = {}): Promise<Prepared> {
  const registry = await openOciRegistry(t, env);
  const [ann, bob] = [await registry.someone('ann'), await registry.someone('bob')];
  await registry.pushImage('ann/app', '1', ann);
  await registry.pushImage('ann/team/deep/app', '1', ann);
  return { ...registry, ann, bob };
}

test('what is new is private; its owner makes it public, and private again, however deep it lies', async (t) => {
  const registry = await prepare(t);
  const { ask, ann } = registry;
  for (const name of ['ann/app', 'ann/team/deep/app'])
    for (const spelled of [name, name.replace('team/deep/', 'team%2Fdeep%2f')]) {
      assert.equal(await isPublic(registry, name), false);
      assertEmpty(await ask(visibilityOf(spelled, 'public', ann)), 200);
      assert.equal(await isPublic(registry, name), true);
      assertEmpty(await ask(visibilityOf(spelled, 'public', ann)), 200);
      assertEmpty(await ask(visibilityOf(spelled, 'private', ann)), 200);
      assert.equal(await isPublic(registry, name), false);
      assertEmpty(await ask(visibilityOf(spelled, 'private', ann)), 200);
    }
});

test('an administrator, a token of the account and one that was asked for without a scope change visibility', async (t) => {
  const { ask, token, ann, control } = await prepare(t);
  await control.setPassword({ handle: 'ann', password: PASSWORD });
  const asked = visibilityOf('ann/app', 'public');
  for (const headers of [
    basic(admin),
    basic(['ann', PASSWORD]),
    bearer(ann[1]),
    bearer(await token([], ann)),
    bearer(await token([], ['ann', PASSWORD])),
  ])
    assertEmpty(await ask({ ...asked, headers }), 200);
});

test('nobody else changes it, and nothing else can be said', async (t) => {
  const { refuses, token, ann, bob, someone } = await prepare(t);
  const narrow = await someone('ann', { limits: [{ ecosystem: 'oci', namespace: 'ann/other' }] });
  const reads = await someone('ann', { scopes: ['read', 'publish', 'yank'] });
  const push = await token(['repository:ann/app:*', 'registry:catalog:*'], ann);
  const unknown = { status: 404, code: 'NAME_UNKNOWN' } as const;
  const bad = { status: 400, code: 'UNSUPPORTED' } as const;
  const asked = visibilityOf('ann/app', 'public');
  await refuses([
    { what: 'nobody', asked, status: 401, code: 'UNAUTHORIZED' },
    {
      what: 'a token of nobody',
      asked: { ...asked, headers: bearer(await token([])) },
      status: 401,
      code: 'UNAUTHORIZED',
    },
    {
      what: 'a token for pushing',
      asked: { ...asked, headers: bearer(push) },
      status: 401,
      code: 'UNAUTHORIZED',
      message: /without a scope/,
    },
    // To bob it is as if there were none.
    { what: 'a stranger', asked: visibilityOf('ann/app', 'public', bob), ...unknown },
    {
      what: 'a token for elsewhere',
      asked: visibilityOf('ann/app', 'public', narrow),
      status: 403,
      code: 'DENIED',
    },
    {
      what: 'a token without the scope',
      asked: visibilityOf('ann/app', 'public', reads),
      status: 403,
      code: 'DENIED',
    },
    { what: 'no repository', asked: visibilityOf('ann/none', 'public', ann), ...unknown },
    {
      what: 'another word',
      asked: visibilityOf('ann/app', 'secret', ann),
      ...bad,
      message: /use public or private/,
    },
    { what: 'capitals', asked: visibilityOf('ann/app', 'Public', ann), ...bad },
    { what: 'no word', asked: { ...visibilityOf('ann/app', 'public', ann), json: {} }, ...bad },
    { what: 'a flag', asked: visibilityOf('ann/app', true, ann), ...bad },
    {
      what: 'a long body',
      asked: visibilityOf('ann/app', 'x'.repeat(20_000), ann),
      status: 413,
      code: 'SIZE_INVALID',
    },
    {
      what: 'a name that is none',
      asked: visibilityOf('ann/App', 'public', ann),
      status: 400,
      code: 'NAME_INVALID',
    },
    {
      what: 'a word of the protocol',
      asked: visibilityOf('ann/blobs', 'public', ann),
      status: 400,
      code: 'NAME_INVALID',
    },
    {
      what: 'another method',
      asked: { method: 'DELETE', path: 'api/v1/ann/app/visibility' },
      status: 405,
      code: 'UNSUPPORTED',
    },
    { what: 'no such path', asked: { path: 'api/v1/ann/app/colour' }, status: 404, code: 'UNSUPPORTED' },
  ]);
});

test('of what everybody sees, a stranger is told that it is not theirs', async (t) => {
  const { ask, refuses, ann, bob } = await prepare(t);
  assertEmpty(await ask(visibilityOf('ann/app', 'public', ann)), 200);
  const asked = visibilityOf('ann/app', 'private', bob);
  await refuses([{ what: 'a stranger', asked, status: 403, code: 'DENIED' }]);
});

test('where new repositories are public unless their owner says so, they are', async (t) => {
  const registry = await prepare(t, { CAIRN_OCI_VISIBILITY: 'public' });
  assert.equal(await isPublic(registry, 'ann/app'), true);
  assertEmpty(await registry.ask(visibilityOf('ann/app', 'private', registry.ann)), 200);
  // A later push does not make it public again.
  await registry.pushImage('ann/app', '2', registry.ann);
  assert.equal(await isPublic(registry, 'ann/app'), false);
});

test('where the site cannot follow, a change of visibility is recorded and not said to be done', async (t) => {
  const { ask, data, ann } = await prepare(t);
  const site = join(data, 'site');
  await rename(site, `${site}.aside`);
  await writeFile(site, 'not a directory');
  for (const visibility of ['public', 'private']) {
    const answer = await ask(visibilityOf('ann/app', visibility, ann));
    assertOciError(
      answer,
      500,
      'UNKNOWN',
      new RegExp(`^recorded: ann/app is ${visibility} .* not followed yet`),
    );
  }
  await rename(site, `${site}.broken`);
  await rename(`${site}.aside`, site);
});

interface Listed {
  readonly namespace: string;
  readonly name: string;
  readonly is_public: boolean;
  readonly tags: readonly string[];
  readonly size_tag?: string;
  readonly size_bytes?: number;
  readonly last_pushed_at: string;
}

test('the list of repositories holds what is public and what the caller may pull', async (t) => {
  const registry = await prepare(t);
  const { ask, token, ann, bob, someone } = registry;
  const list = async (who: Credentials | { readonly authorization: string }): Promise<readonly Listed[]> => {
    const headers = 'authorization' in who ? who : basic(who);
    const answer = await ask({ path: 'api/v1/repo', headers });
    assert.equal(answer.status, 200, answer.text);
    return (JSON.parse(answer.text) as { data: readonly Listed[] }).data;
  };
  const named = async (who: Parameters<typeof list>[0]): Promise<readonly string[]> =>
    (await list(who)).map(({ namespace, name, is_public }) => `${namespace}/${name} ${is_public}`);
  assert.deepEqual(await list(bob), []);
  assertEmpty(await ask(visibilityOf('ann/team/deep/app', 'public', ann)), 200);
  const both = ['ann/app false', 'ann/team/deep/app true'];
  assert.deepEqual(await named(bob), ['ann/team/deep/app true']);
  assert.deepEqual(await named(ann), both);
  assert.deepEqual(await named(admin), both);
  assert.deepEqual(await named(bearer(await token([], ann))), both);
  assert.deepEqual(await named(await someone('ann', { limits: [{ ecosystem: 'npm' }] })), [both[1]]);
  assert.equal((await ask(memberOf('ann', 'bob', 'read', ann))).status, 200);
  assert.deepEqual(await named(bob), both);
  for (const asked of [
    { path: 'api/v1/repo' },
    { path: 'api/v1/repo', headers: bearer(await token([])) },
    { path: 'api/v1/repo', headers: bearer(await token(['repository:ann/app:*'], ann)) },
  ])
    assertOciError(await ask(asked), 401, 'UNAUTHORIZED');
  const publishes = await someone('ann', { scopes: ['publish'] });
  assertOciError(await ask({ path: 'api/v1/repo', headers: basic(publishes) }), 403, 'DENIED');
  // Its tags: latest before all others, then the newest; and how large the first of them is.
  const { manifest, config, layer } = await registry.pushImage('ann/app', 'latest', ann);
  await registry.pushImage('ann/app', '2', ann);
  const [app] = await list(ann);
  assert.deepEqual(app?.tags, ['latest', '2', '1']);
  assert.equal(app.size_tag, 'latest');
  assert.equal(app.size_bytes, manifest.size + config.size + layer.size);
  assert.match(app.last_pushed_at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  // A repository without a tag has no size of one.
  const untagged = await registry.pushManifest(
    'bob/base',
    undefined,
    { schemaVersion: 2, mediaType: INDEX, manifests: [] },
    bob,
  );
  assert.ok(untagged.digest);
  const base = (await list(bob)).find(({ namespace }) => namespace === 'bob');
  assert.deepEqual(
    [base?.name, base?.tags, base?.size_tag, base?.size_bytes],
    ['base', [], undefined, undefined],
  );
});

const INDEX = 'application/vnd.oci.image.index.v1+json';

test('owners say who is in: to pull, or to push as well', async (t) => {
  const registry = await prepare(t);
  const { ask, ann, bob } = registry;
  const members = async (who: Credentials): Promise<unknown> =>
    JSON.parse((await ask({ path: 'api/v1/ann/-/members', headers: basic(who) })).text);
  assert.deepEqual(await members(ann), { owners: ['ann'], members: [] });
  const pull: Asked = { path: 'v2/ann/app/manifests/1', headers: basic(bob) };
  const push: Asked = { method: 'POST', path: 'v2/ann/app/blobs/uploads/', headers: basic(bob) };
  const fresh: Asked = { method: 'POST', path: 'v2/ann/new/blobs/uploads/', headers: basic(bob) };
  const statuses = async (): Promise<number[]> =>
    Promise.all([pull, push, fresh].map(async (asked) => (await ask(asked)).status));
  assert.deepEqual(await statuses(), [403, 403, 403]);
  assertEmpty(await ask(memberOf('ann', 'bob', 'read', ann)), 200);
  assert.deepEqual(await statuses(), [200, 403, 403]);
  assert.deepEqual(await members(ann), { owners: ['ann'], members: [{ username: 'bob', access: 'read' }] });
  assertEmpty(await ask(memberOf('ann', 'bob', 'write', admin)), 200);
  assertEmpty(await ask(memberOf('ann', 'bob', 'write', ann)), 200);
  assert.deepEqual(await statuses(), [200, 202, 202]);
  assert.deepEqual(await members(admin), {
    owners: ['ann'],
    members: [{ username: 'bob', access: 'write' }],
  });
  // What a member pushes is the owners', and moving a tag is no deleting.
  await registry.pushImage('ann/new', '1', bob);
  assert.equal((await ask({ path: 'v2/ann/new/manifests/1', headers: basic(ann) })).status, 200);
  const { manifest } = await registry.pushImage('ann/app', '1', bob, 'another content');
  const gone = { method: 'DELETE', headers: basic(bob) } as const;
  assertOciError(await ask({ ...gone, path: `v2/ann/app/manifests/${manifest.digest}` }), 403, 'DENIED');
  assertOciError(await ask({ ...gone, path: `v2/ann/app/blobs/${manifest.digest}` }), 403, 'DENIED');
  assert.equal((await ask({ ...gone, path: 'v2/ann/app/manifests/1' })).status, 202);
  for (const asked of [
    visibilityOf('ann/app', 'public', bob),
    memberOf('ann', 'admin', 'read', bob),
    takingOut('ann', 'bob', bob),
    { path: 'api/v1/ann/-/members', headers: basic(bob) },
  ])
    assertOciError(await ask(asked), 403, 'DENIED');
  assertEmpty(await ask(takingOut('ann', 'bob', ann)), 200);
  assert.deepEqual(await statuses(), [403, 403, 403]);
  assert.deepEqual(await members(ann), { owners: ['ann'], members: [] });
});

test('members that cannot be are refused, and strangers learn nothing', async (t) => {
  const { refuses, token, ann, bob, someone } = await prepare(t);
  const narrow = await someone('ann', { limits: [{ ecosystem: 'npm' }] });
  const push = await token(['repository:ann/app:*'], ann);
  const list = (namespace: string, who?: Credentials): Asked => ({
    path: `api/v1/${namespace}/-/members`,
    ...(who ? { headers: basic(who) } : {}),
  });
  const denied = { status: 403, code: 'DENIED' } as const;
  const unknown = { status: 404, code: 'NAME_UNKNOWN' } as const;
  await refuses([
    {
      what: 'another word',
      asked: memberOf('ann', 'bob', 'admin', ann),
      status: 400,
      code: 'UNSUPPORTED',
      message: /use read or write/,
    },
    {
      what: 'no word',
      asked: { ...memberOf('ann', 'bob', 'read', ann), json: {} },
      status: 400,
      code: 'UNSUPPORTED',
    },
    {
      what: 'a long body',
      asked: memberOf('ann', 'bob', 'x'.repeat(20_000), ann),
      status: 413,
      code: 'SIZE_INVALID',
    },
    { what: 'no account', asked: memberOf('ann', 'zoe', 'read', ann), ...unknown },
    { what: 'no member', asked: takingOut('ann', 'bob', ann), ...unknown },
    {
      what: 'nothing pushed yet',
      asked: memberOf('bob', 'ann', 'read', bob),
      ...unknown,
      message: /nothing has been pushed below "bob" yet/,
    },
    { what: 'to list', asked: list('bob', bob), ...unknown },
    { what: 'to remove', asked: takingOut('bob', 'ann', bob), ...unknown },
    { what: 'an administrator', asked: list('nobody', admin), ...unknown },
    ...['ann', 'nobody', 'Not-A-Namespace'].flatMap((namespace): Refusal[] => [
      {
        what: `a stranger lists ${namespace}`,
        asked: list(namespace, bob),
        ...denied,
        message: /^bob does not own/,
      },
      { what: `a stranger adds to ${namespace}`, asked: memberOf(namespace, 'bob', 'write', bob), ...denied },
      {
        what: `a stranger removes from ${namespace}`,
        asked: takingOut(namespace, 'ann', bob),
        ...denied,
      },
      { what: `nobody lists ${namespace}`, asked: list(namespace), status: 401, code: 'UNAUTHORIZED' },
    ]),
    ...[list('ann', narrow), memberOf('ann', 'bob', 'read', narrow)].map((asked): Refusal => ({
      what: 'a token for elsewhere',
      asked,
      ...denied,
    })),
    {
      what: 'a token for pushing',
      asked: { ...list('ann'), headers: bearer(push) },
      status: 401,
      code: 'UNAUTHORIZED',
    },
  ]);
});

test('an account pushes below its own name and nowhere else, unless the first push takes what is free', async (t) => {
  const own = await prepare(t);
  const begin = (name: string, who?: Credentials): Asked => ({
    method: 'POST',
    path: `v2/${name}/blobs/uploads/`,
    ...(who ? { headers: basic(who) } : {}),
  });
  const rows: readonly (readonly [name: string, who: Credentials | undefined, status: number])[] = [
    ['bob/app', own.bob, 202],
    ['bob', own.bob, 202],
    ['bob/very/deep/app', own.bob, 202],
    ['bobby/app', own.bob, 403],
    ['ann/app', own.bob, 403],
    ['ann/new', own.bob, 403],
    ['free/app', own.bob, 403],
    ['free/app', admin, 202],
    ['ann/app', admin, 202],
    ['bob/app', undefined, 401],
    ['free/app', undefined, 401],
  ];
  for (const [name, who, status] of rows)
    assert.equal((await own.ask(begin(name, who))).status, status, `${name} ${who?.[0]}`);
  const first = await prepare(t, { CAIRN_OCI_NAMESPACES: 'first-push' });
  assert.equal((await first.ask(begin('free/app', first.bob))).status, 202);
  assert.equal((await first.ask(begin('free/app'))).status, 401);
  await first.pushImage('free/app', '1', first.bob);
  assert.equal((await first.ask(begin('free/other', first.ann))).status, 403);
  assert.equal((await first.ask(begin('free/other', first.bob))).status, 202);
  assert.equal((await first.ask(begin('ann/app', first.bob))).status, 403);
  // It is bob's from here on: ann, who came second, sees nothing of it.
  assert.equal((await first.ask({ path: 'v2/free/app/manifests/1', headers: basic(first.ann) })).status, 403);
});

test('a namespace that was reserved is its owner’s, also where the first push takes what is free', async (t) => {
  const { ask, control, someone } = await openOciRegistry(t, { CAIRN_OCI_NAMESPACES: 'first-push' });
  const [carl, dora] = [await someone('carl'), await someone('dora')];
  await control.execute([{ kind: 'claim', ecosystem: 'oci', name: 'acme', of: 'namespace', owner: 'carl' }]);
  const begin = { method: 'POST', path: 'v2/acme/app/blobs/uploads/' } as const;
  assert.equal((await ask({ ...begin, headers: basic(dora) })).status, 403);
  assert.equal((await ask({ ...begin, headers: basic(carl) })).status, 202);
  // Its owner may let others in before anything is there.
  assertEmpty(await ask(memberOf('acme', 'dora', 'write', carl)), 200);
  assert.equal((await ask({ ...begin, headers: basic(dora) })).status, 202);
});

test('upstream’s own acceptance script, row by row', async (t) => {
  const registry = await openOciRegistry(t, { CAIRN_REGISTRATION: 'open' });
  const { ask, as, pushImage, token } = registry;
  const [a, b] = [
    ['alice-a', 'password-of-a'],
    ['bobby-b', 'password-of-b'],
  ] as const;
  // Anonymous push is refused: there is nobody to get a token for.
  const begin = (name: string): Asked => ({ method: 'POST', path: `v2/${name}/blobs/uploads/` });
  assert.equal((await as(undefined, begin('alice-a/test-image'))).status, 401);
  // User A registers, logs in, and pushes below its own name.
  for (const [username, password] of [a, b]) {
    assertEmpty(await ask(register(username, password)), 201);
    assert.equal((await as([username, password], { path: 'v2/' })).status, 200);
  }
  await pushImage(`${a[0]}/test-image`, 'latest', a);
  // A's push to B's namespace is refused.
  const illegal = await as(a, begin(`${b[0]}/illegal-push`));
  assert.ok(illegal.status === 401 || illegal.status === 403, String(illegal.status));
  // B pushes two, and makes the second public with a token.
  for (const name of ['private-repo', 'public-repo']) await pushImage(`${b[0]}/${name}`, 'latest', b);
  const asked = visibilityOf(`${b[0]}/public-repo`, 'public');
  assertEmpty(await ask({ ...asked, headers: bearer(await token([], b)) }), 200);
  // A's pull of the private one is refused, of the public one fine, and nobody's as well.
  const pull = (name: string): Asked => ({ path: `v2/${b[0]}/${name}/manifests/latest` });
  const refused = await as(a, pull('private-repo'));
  assert.ok(refused.status === 401 || refused.status === 403, String(refused.status));
  assert.equal((await as(a, pull('public-repo'))).status, 200);
  assert.equal((await as(undefined, pull('public-repo'))).status, 200);
  assert.equal((await as(undefined, pull('private-repo'))).status, 401);
  assert.equal((await as(b, pull('private-repo'))).status, 200);
});
