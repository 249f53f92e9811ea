/** How clients of containers learn to say who they are, the tokens they get, and what those are good for (contract, section 10). */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createLocalJWKSet, decodeJwt, jwtVerify, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { TOTP } from 'otpauth';
import { signClaims } from '../../core/signed-claims.ts';
import { AccessKeyDirectory } from '../../stores/access-key-directory.ts';
import type { Asked } from '../support/asking.ts';
import { bearer, type Answer } from '../support/http.ts';
import { assertOciError, basic, challengeOf, type Credentials } from '../support/oci-api.ts';
import { accessIn, openOciRegistry, PASSWORD, type OciRegistry } from '../support/oci-registry.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';

const digest = `sha256:${'0'.repeat(64)}`;
const places = ['auth/token', 'token'] as const;

/** A private repository of ann and a public one, each with an image; and bob, who may nothing there. */
interface Prepared extends OciRegistry {
  readonly ann: Credentials;
  readonly bob: Credentials;
  readonly layer: string;
}

async function prepare(t: TestContext, env: Record<string, string> = {}): Promise<Prepared> {
  const registry = await openOciRegistry(t, env);
  const [ann, bob] = [await registry.someone('ann'), await registry.someone('bob')];
  const { layer } = await registry.pushImage('ann/secret', '1', ann);
  await registry.pushImage('ann/open', '1', ann);
  await publish(registry, 'ann/open', ann);
  return { ...registry, ann, bob, layer: layer.digest };
}

async function publish({ ask }: OciRegistry, name: string, owner: Credentials): Promise<void> {
  const path = `api/v1/${name}/visibility`;
  const json = { visibility: 'public' };
  assert.equal((await ask({ method: 'PUT', path, json, headers: basic(owner) })).status, 200);
}

/** One request for each action on a repository. */
const requests = {
  pull: (name: string): Asked => ({ path: `v2/${name}/manifests/1` }),
  push: (name: string): Asked => ({ method: 'POST', path: `v2/${name}/blobs/uploads/` }),
  delete: (name: string): Asked => ({ method: 'DELETE', path: `v2/${name}/manifests/${digest}` }),
} as const;
type Action = keyof typeof requests;

function withToken(asked: Asked, token: string): Asked {
  return { ...asked, headers: { ...asked.headers, ...bearer(token) } };
}

/** What a token lets through; the others ask for another token. */
async function opens({ ask }: OciRegistry, name: string, token: string): Promise<Action[]> {
  const good: Action[] = [];
  for (const action of ['pull', 'push', 'delete'] as const) {
    const answer = await ask(withToken(requests[action](name), token));
    if (answer.status !== 401) good.push(action);
    else assert.equal(challengeOf(answer)['error'], 'insufficient_scope');
  }
  return good;
}

function jsonOf(answer: Answer): Record<string, unknown> {
  return JSON.parse(answer.text) as Record<string, unknown>;
}

test('each request says in its challenge which token it needs, and where that is to be had', async (t) => {
  const { ask, url } = await prepare(t);
  const of = 'v2/ann/secret';
  const upload = `${of}/blobs/uploads/0b6c1c1e-54b7-4a53-9f0a-3a1a4b3fd2aa`;
  const rows: readonly (readonly [method: string, path: string, actions: string | undefined])[] = [
    ['GET', 'v2/', undefined],
    ['GET', 'v2', undefined],
    ['GET', `${of}/manifests/1`, 'pull'],
    ['HEAD', `${of}/manifests/1`, 'pull'],
    ['GET', `${of}/manifests/${digest}`, 'pull'],
    ['GET', `${of}/blobs/${digest}`, 'pull'],
    ['HEAD', `${of}/blobs/${digest}`, 'pull'],
    ['GET', `${of}/tags/list`, 'pull'],
    ['GET', `${of}/tags/list?n=1`, 'pull'],
    ['GET', `${of}/referrers/${digest}`, 'pull'],
    ['POST', `${of}/blobs/uploads/`, 'pull,push'],
    ['POST', `${of}/blobs/uploads/?mount=${digest}&from=ann/open`, 'pull,push'],
    ['GET', upload, 'pull,push'],
    ['PATCH', upload, 'pull,push'],
    ['PUT', `${upload}?digest=${digest}`, 'pull,push'],
    ['DELETE', upload, 'pull,push'],
    ['PUT', `${of}/manifests/2`, 'pull,push'],
    // Who may move a tag may take it away, and may not delete.
    ['DELETE', `${of}/manifests/1`, 'push,delete'],
    ['DELETE', `${of}/manifests/${digest}`, 'delete'],
    ['DELETE', `${of}/blobs/${digest}`, 'delete'],
    ['POST', 'v2/ann/open/blobs/uploads/', 'pull,push'],
    ['DELETE', `v2/ann/open/manifests/${digest}`, 'delete'],
    ['GET', 'api/v1/repo', undefined],
    ['PUT', 'api/v1/ann/secret/visibility', undefined],
    ['GET', 'api/v1/ann/-/members', undefined],
    ['PUT', 'api/v1/ann/-/members/bob', undefined],
    ['DELETE', 'api/v1/ann/-/members/bob', undefined],
  ];
  for (const [method, path, actions] of rows) {
    const answer = await ask({ method, path });
    assert.equal(answer.status, 401, `${method} ${path}`);
    const name = path.startsWith('v2/ann/open') ? 'ann/open' : 'ann/secret';
    assert.deepEqual(
      challengeOf(answer),
      {
        realm: `${url}/auth/token`,
        service: 'oci-registry',
        ...(actions === undefined ? {} : { scope: `repository:${name}:${actions}` }),
      },
      `${method} ${path}`,
    );
    if (method !== 'HEAD') assertOciError(answer, 401, 'UNAUTHORIZED', /^say who you are/);
  }
});

test('a broken token is told from one that is not good for this, on every path', async (t) => {
  const { ask, token, ann } = await prepare(t);
  const elsewhere = await token(['repository:ann/open:pull'], ann);
  const paths = ['v2/ann/secret/manifests/1', 'v2/ann/secret/tags/list', `v2/ann/secret/blobs/${digest}`];
  for (const path of paths) {
    const lacking = challengeOf(await ask(withToken({ path }, elsewhere)));
    assert.equal(lacking['error'], 'insufficient_scope');
    assert.equal(lacking['scope'], 'repository:ann/secret:pull');
  }
  for (const path of [...paths, 'v2/', 'v2/_catalog', 'api/v1/repo'])
    for (const broken of [`${elsewhere}x`, 'eyJ.eyJ.x', 'cairn_nothing', 'nonsense'])
      assert.equal(challengeOf(await ask(withToken({ path }, broken)))['error'], 'invalid_token', path);
});

test('/v2/ is for whoever has said who they are, and for nobody with a token', async (t) => {
  const { ask, token, ann, control } = await prepare(t);
  const good = [
    basic(ann),
    basic(['admin', ADMIN_TOKEN]),
    bearer(ann[1]),
    bearer(await token([], ann)),
    bearer(await token(['repository:ann/secret:pull'], ann)),
    bearer(await token(['repository:nobody/nothing:pull'], ann)),
    bearer(await token([])),
    bearer(await token(['repository:ann/secret:pull'])),
  ];
  for (const headers of good)
    for (const path of ['v2/', 'v2']) {
      const answer = await ask({ path, headers });
      assert.deepEqual([answer.status, answer.text], [200, '{}']);
      assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
      assert.match(String(answer.headers['cache-control']), /no-store/);
    }
  await control.createAccount({ handle: 'carl', password: PASSWORD });
  assert.equal((await ask({ path: 'v2/', headers: basic(['carl', PASSWORD]) })).status, 200);
  for (const headers of [
    basic(['carl', 'wrong']),
    basic(['nobody', PASSWORD]),
    basic(['bob', ann[1]]),
    basic(['ann', '']),
    { authorization: 'Basic nonsense' },
    bearer('nonsense'),
  ]) {
    const answer = await ask({ path: 'v2/', headers });
    assertOciError(answer, 401, 'UNAUTHORIZED');
    assert.equal(challengeOf(answer)['error'], 'invalid_token');
  }
  for (const headers of [{}, basic(['', '']), { authorization: 'Digest username="ann"' }])
    assert.equal(challengeOf(await ask({ path: 'v2/', headers }))['error'], undefined);
  assertOciError(await ask({ method: 'POST', path: 'v2/' }), 405, 'UNSUPPORTED');
});

test('where everybody may push, nobody is asked who they are', async (t) => {
  const { ask, token } = await openOciRegistry(t, { CAIRN_OCI_ANONYMOUS: 'push' });
  assert.equal((await ask({ path: 'v2/' })).status, 200);
  assert.equal((await ask({ method: 'POST', path: 'v2/any/thing/blobs/uploads/' })).status, 202);
  const made = await token(['repository:any/thing:pull,push']);
  assert.deepEqual(scopesIn(made), ['repository:any/thing:pull,push']);
  assert.equal((await ask(withToken(requests.push('any/thing'), made))).status, 202);
  assert.equal((await ask(withToken(requests.push('any/other'), made))).status, 401);
  // Whoever says who they are is taken at their word.
  assert.equal((await ask({ path: 'v2/', headers: basic(['ann', 'wrong']) })).status, 401);
  for (const path of ['api/v1/repo', 'api/v1/any/-/members'])
    assertOciError(await ask({ path }), 401, 'UNAUTHORIZED');
});

test('a token is for what was asked for and is allowed, at both places and in both forms', async (t) => {
  const registry = await prepare(t);
  const { ask, ann, bob } = registry;
  const many = Array.from({ length: 64 }, (_, i) => `repository:ann/a${i}:pull`);
  type Row = readonly [who: Credentials | undefined, asked: readonly string[], granted: readonly string[]];
  const rows: readonly Row[] = [
    [ann, [], []],
    [ann, ['repository:ann/secret:pull'], ['repository:ann/secret:pull']],
    [ann, ['repository:ann/secret:push,pull'], ['repository:ann/secret:pull,push']],
    [ann, ['repository:ann/secret:*'], ['repository:ann/secret:pull,push,delete']],
    [ann, ['repository:ann/secret:delete'], ['repository:ann/secret:delete']],
    [ann, ['repository:ann/new:pull,push'], ['repository:ann/new:pull,push']],
    [ann, ['repository:ann/secret:pull,fly,'], ['repository:ann/secret:pull']],
    [
      ann,
      ['repository:ann/secret:pull,push', 'repository:bob/private:pull', 'repository:ann/open:pull'],
      ['repository:ann/secret:pull,push', 'repository:ann/open:pull'],
    ],
    [
      ann,
      ['repository:ann/secret:pull repository:ann/open:pull'],
      ['repository:ann/secret:pull', 'repository:ann/open:pull'],
    ],
    [ann, ['registry:catalog:*'], ['registry:catalog:*']],
    [ann, ['registry:catalog:pull', 'registry:other:*', 'widget:ann/secret:pull'], []],
    [ann, ['', 'repository', 'repository:pull', 'repository:ann/secret', ':::', ': '], []],
    // A name that holds a port, as a mirror's does: split at the first colon and the last.
    [ann, ['repository:registry.example:5000/ann/secret:pull'], []],
    [ann, ['repository:Ann/Secret:pull', 'repository:ann//secret:pull', 'repository:ann/blobs:pull'], []],
    [bob, ['repository:ann/secret:pull,push,delete'], []],
    [bob, ['repository:ann/open:pull,push,delete'], ['repository:ann/open:pull']],
    [bob, ['repository:ann/new:*'], []],
    [undefined, ['repository:ann/secret:pull'], []],
    [undefined, ['repository:ann/open:pull,push'], ['repository:ann/open:pull']],
    [undefined, ['repository:nobody/nothing:*', 'registry:catalog:*'], ['registry:catalog:*']],
    [['admin', ADMIN_TOKEN], ['repository:ann/secret:*'], ['repository:ann/secret:pull,push,delete']],
    [ann, many, many],
  ];
  for (const place of places)
    for (const [who, asked, granted] of rows) {
      const message = `${place} ${who?.[0]} ${asked.join(' | ')}`;
      const query = new URLSearchParams(asked.map((scope): [string, string] => ['scope', scope]));
      const got = await ask({
        path: `${place}?${query.toString()}`,
        ...(who ? { headers: basic(who) } : {}),
      });
      assert.equal(got.status, 200, message);
      assert.match(String(got.headers['cache-control']), /no-store/);
      const { token, access_token, expires_in, issued_at, ...rest } = jsonOf(got);
      assert.equal(token, access_token);
      assert.equal(expires_in, 300);
      assert.match(String(issued_at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/);
      assert.deepEqual(rest, {});
      assert.deepEqual(scopesIn(String(token)), granted, message);
      assert.equal(decodeJwt(String(token)).sub, who?.[0] ?? '');
      if (!who) continue;
      const form = new URLSearchParams({ grant_type: 'password', username: who[0], password: who[1] });
      form.set('scope', asked.join(' '));
      const posted = await postForm(registry, place, form);
      assert.equal(posted.status, 200, message);
      const answer = jsonOf(posted);
      assert.deepEqual(Object.keys(answer).sort(), [
        'access_token',
        'expires_in',
        'issued_at',
        'scope',
        'token',
      ]);
      assert.equal(answer['scope'], granted.join(' '), message);
      assert.deepEqual(scopesIn(String(answer['access_token'])), granted, message);
    }
});

function scopesIn(token: string): readonly string[] {
  return accessIn(token).map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`);
}

function postForm({ ask }: OciRegistry, place: string, form: URLSearchParams | string): Promise<Answer> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
  return ask({ method: 'POST', path: place, headers, body: form.toString() });
}

test('parameters that mean nothing here change nothing, and nobody gets a token that lasts', async (t) => {
  const registry = await prepare(t);
  const { ask, ann } = registry;
  const more =
    'account=somebody&client_id=docker&offline_token=true&access_type=offline&service=elsewhere&x=y';
  for (const place of places) {
    const got = await ask({
      path: `${place}?${more}&scope=repository:ann/secret:pull`,
      headers: basic(ann),
    });
    const form = `${more}&grant_type=password&username=ann&password=${ann[1]}&scope=repository:ann/secret:pull`;
    for (const answer of [got, await postForm(registry, place, form)]) {
      assert.equal(answer.status, 200, answer.text);
      const { token, refresh_token: refresh } = jsonOf(answer);
      assert.equal(refresh, undefined);
      assert.deepEqual(scopesIn(String(token)), ['repository:ann/secret:pull']);
      assert.equal(decodeJwt(String(token)).sub, 'ann');
    }
  }
});

test('wrong credentials are 401 in the same words, whoever they are said to be of', async (t) => {
  const registry = await prepare(t);
  const { ask, ann } = registry;
  await registry.withPassword('carl');
  for (const place of places) {
    const texts = new Set<string>();
    for (const wrong of [
      ['carl', 'wrong'],
      ['nobody', PASSWORD],
      ['bob', ann[1]],
    ] as const) {
      const form = new URLSearchParams({ grant_type: 'password', username: wrong[0], password: wrong[1] });
      const path = `${place}?scope=repository:ann/open:pull`;
      for (const answer of [
        await ask({ path, headers: basic(wrong) }),
        await postForm(registry, place, form),
      ]) {
        assertOciError(answer, 401, 'UNAUTHORIZED', /^the handle, or its password or token, is wrong$/);
        assert.equal(answer.headers['www-authenticate'], 'Basic realm="the accounts of this registry"');
        texts.add(answer.text.replaceAll(/[0-9a-f]{32}/g, ''));
      }
    }
    assert.equal(texts.size, 1);
    for (const authorization of ['Basic nonsense', 'Bearer nonsense', 'Bearer eyJ.eyJ.x']) {
      const answer = await ask({ path: place, headers: { authorization } });
      assertOciError(answer, 401, 'UNAUTHORIZED');
    }
    // A token makes no other one: it would never end.
    const access = await registry.token([], ann);
    assertOciError(
      await ask({ path: place, headers: bearer(access) }),
      401,
      'UNAUTHORIZED',
      /makes no other/,
    );
    const form = new URLSearchParams({ grant_type: 'password', username: 'ann', password: access });
    assertOciError(await postForm(registry, place, form), 401, 'UNAUTHORIZED');
  }
});

test('a form that cannot be meant is refused, and nothing is stored of it', async (t) => {
  const registry = await prepare(t);
  const { refuses } = registry;
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  for (const path of places) {
    const post = (body: string, headers: Record<string, string> = type): Asked => ({
      method: 'POST',
      path,
      headers,
      body,
    });
    const scopes = Array.from({ length: 65 }, (_, i) => `scope=repository:ann/a${i}:pull`).join('&');
    await refuses([
      {
        what: 'a refresh token',
        asked: post('grant_type=refresh_token&refresh_token=x'),
        status: 400,
        code: 'UNSUPPORTED',
        message: /^grant_type=refresh_token: use password/,
      },
      { what: 'no grant', asked: post(''), status: 400, code: 'UNSUPPORTED' },
      {
        what: 'JSON',
        asked: post('{}', { 'content-type': 'application/json' }),
        status: 400,
        code: 'UNSUPPORTED',
      },
      { what: 'no type', asked: post('grant_type=password', {}), status: 400, code: 'UNSUPPORTED' },
      { what: 'nobody', asked: post('grant_type=password'), status: 401, code: 'UNAUTHORIZED' },
      {
        what: 'a long one',
        asked: post(`grant_type=password&x=${'x'.repeat(70_000)}`),
        status: 413,
        code: 'SIZE_INVALID',
      },
      {
        what: 'too many scopes',
        asked: { path: `${path}?${scopes}` },
        status: 400,
        code: 'UNSUPPORTED',
        message: /^65 scopes at once: ask for 64 at most$/,
      },
      { what: 'another method', asked: { method: 'PUT', path }, status: 405, code: 'UNSUPPORTED' },
    ]);
  }
});

test('guessing at passwords is slowed down, wherever it is tried', async (t) => {
  const registry = await openOciRegistry(t);
  await registry.withPassword('carl');
  const statuses = [];
  for (const place of ['auth/token', 'token', 'v2/', 'auth/token', 'token', 'v2/', 'api/v1/repo'])
    statuses.push((await registry.ask({ path: place, headers: basic(['carl', 'wrong']) })).status);
  assert.deepEqual(statuses.slice(-2), [429, 429]);
  const answer = await registry.ask({ path: 'auth/token', headers: basic(['carl', PASSWORD]) });
  assertOciError(answer, 429, 'TOOMANYREQUESTS');
  assert.match(String(answer.headers['retry-after']), /^\d+$/);
});

test('a token opens what it says and nothing else', async (t) => {
  const registry = await prepare(t);
  const { ask, token, ann } = registry;
  const rows: readonly (readonly [scope: string, name: string, opens: readonly Action[]])[] = [
    ['repository:ann/secret:pull', 'ann/secret', ['pull']],
    ['repository:ann/secret:push', 'ann/secret', ['push']],
    ['repository:ann/secret:delete', 'ann/secret', ['delete']],
    ['repository:ann/secret:pull,push', 'ann/secret', ['pull', 'push']],
    ['repository:ann/secret:*', 'ann/secret', ['pull', 'push', 'delete']],
    ['repository:ann/secret:*', 'ann/secret2', []],
    ['repository:ann/secret:*', 'ann/secret/deeper', []],
    ['repository:ann/open:*', 'ann/secret', []],
    ['registry:catalog:*', 'ann/secret', []],
    ['repository:ann/new:pull,push', 'ann/new', ['pull', 'push']],
  ];
  for (const [scope, name, good] of rows)
    assert.deepEqual(await opens(registry, name, await token([scope], ann)), good, `${scope} at ${name}`);
  // Asked for without a scope it manages, and neither pulls what is private nor pushes.
  assert.deepEqual(await opens(registry, 'ann/secret', await token([], ann)), []);
  const push = await token(['repository:ann/secret:*'], ann);
  const manage = await token([], ann);
  const path = 'api/v1/ann/secret/visibility';
  const change: Asked = { method: 'PUT', path, json: { visibility: 'private' } };
  const refused = await ask(withToken(change, push));
  assertOciError(refused, 401, 'UNAUTHORIZED', /ask for one without a scope/);
  assert.equal(challengeOf(refused)['error'], 'insufficient_scope');
  assert.equal((await ask(withToken(change, manage))).status, 200);
  // What is public needs no right of a token.
  assert.equal((await ask(withToken({ path: 'v2/ann/open/manifests/1' }, push))).status, 200);
});

test('what is private is in the catalog for a token that is for the catalog', async (t) => {
  const { ask, token, ann, bob } = await prepare(t);
  const listed = async (who: Credentials | undefined, scopes: readonly string[]): Promise<unknown> =>
    jsonOf(await ask(withToken({ path: 'v2/_catalog' }, await token(scopes, who))))['repositories'];
  assert.deepEqual(await listed(ann, ['registry:catalog:*']), ['ann/open', 'ann/secret']);
  assert.deepEqual(await listed(ann, ['repository:ann/secret:pull']), ['ann/open']);
  assert.deepEqual(await listed(ann, []), ['ann/open']);
  assert.deepEqual(await listed(bob, ['registry:catalog:*']), ['ann/open']);
  assert.deepEqual(await listed(undefined, ['registry:catalog:*']), ['ann/open']);
  for (const headers of [basic(ann), bearer(ann[1])])
    assert.deepEqual(jsonOf(await ask({ path: 'v2/_catalog', headers }))['repositories'], [
      'ann/open',
      'ann/secret',
    ]);
});

test('a token is over after its time, and says so', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
  const { ask, token, ann } = await prepare(t, { CAIRN_ACCESS_TOKEN_SECONDS: '60' });
  const made = await token(['repository:ann/secret:pull'], ann);
  const asked = withToken(requests.pull('ann/secret'), made);
  // A minute, and a minute for clocks that differ.
  t.mock.timers.tick(119_000);
  assert.equal((await ask(asked)).status, 200);
  t.mock.timers.tick(2_000);
  for (const path of ['v2/ann/secret/manifests/1', 'v2/', 'v2/_catalog', 'api/v1/repo']) {
    const answer = await ask(withToken({ path }, made));
    assertOciError(answer, 401, 'UNAUTHORIZED', /expired; ask for another/);
    assert.equal(challengeOf(answer)['error'], 'invalid_token');
  }
  assert.equal(
    (await ask(withToken(requests.pull('ann/secret'), await token(['repository:ann/secret:pull'], ann))))
      .status,
    200,
  );
});

test('no token is good that this registry has not made, for this', async (t) => {
  const { ask, token, ann, data } = await prepare(t);
  const made = await token(['repository:ann/secret:pull'], ann);
  const claims = decodeJwt(made);
  const [key] = new AccessKeyDirectory(join(data, 'keys/access')).all;
  assert.ok(key);
  const header = { alg: 'EdDSA', kid: key.id, typ: 'JWT' };
  const other = generateKeyPairSync('ed25519').privateKey;
  const signed = (over: JWTPayload): Promise<string> => signClaims({ ...claims, ...over }, key);
  const rows: Readonly<Record<string, string>> = {
    'no signature': new UnsecuredJWT(claims).encode(),
    'a signature that is cut off': `${made.split('.').slice(0, 2).join('.')}.`,
    'a public key as a shared secret': await new SignJWT(claims)
      .setProtectedHeader({ ...header, alg: 'HS256' })
      .sign(key.publicKey.export({ type: 'spki', format: 'der' })),
    'another key under our name': await new SignJWT(claims).setProtectedHeader(header).sign(other),
    'another audience': await signed({ aud: 'elsewhere' }),
    'another registry': await signed({ iss: 'https://elsewhere.example' }),
    'another account': await signed({ sub: 'bob' }),
    'an administrator': await signed({ sub: 'admin' }),
    'a time to come': await signed({ nbf: Number(claims.iat) + 3_600, iat: Number(claims.iat) + 3_600 }),
  };
  for (const [what, forged] of Object.entries(rows)) {
    const answer = await ask(withToken(requests.pull('ann/secret'), forged));
    assert.equal(answer.status, 401, what);
    assert.equal(challengeOf(answer)['error'], 'invalid_token', what);
    assert.equal((await ask(withToken({ path: 'v2/' }, forged))).status, 401, what);
  }
  // The same claims, signed as they are: what was forged above was not refused for another reason.
  const again = withToken(requests.pull('ann/secret'), await signed({}));
  assert.equal((await ask(again)).status, 200);
});

test('a token ends with the credential that it was made with, at once', async (t) => {
  const registry = await prepare(t);
  const { ask, token, ann, bob, control } = registry;
  const scope = ['repository:ann/secret:pull'];
  const isGood = async (made: string): Promise<boolean> =>
    (await ask(withToken(requests.pull('ann/secret'), made))).status === 200;
  await control.setPassword({ handle: 'ann', password: PASSWORD });
  const [byToken, byPassword] = [await token(scope, ann), await token(scope, ['ann', PASSWORD])];
  assert.ok((await isGood(byToken)) && (await isGood(byPassword)));
  await control.setPassword({ handle: 'ann', password: 'another good password' });
  assert.deepEqual([await isGood(byToken), await isGood(byPassword)], [true, false]);
  const mine = (await control.listTokens()).find(({ handle }) => handle === 'ann');
  await control.revokeToken(mine?.tokenId ?? '');
  assert.equal(await isGood(byToken), false);
  assert.equal((await ask({ path: 'v2/', headers: basic(bob) })).status, 200);
});

test('a right that is taken back is gone at once, whatever a token says', async (t) => {
  const registry = await prepare(t);
  const { ask, token, ann, bob } = registry;
  const path = 'api/v1/ann/-/members/bob';
  const headers = basic(ann);
  assert.equal((await ask({ method: 'PUT', path, headers, json: { access: 'write' } })).status, 200);
  const made = await token(['repository:ann/secret:pull,push,delete'], bob);
  assert.deepEqual(scopesIn(made), ['repository:ann/secret:pull,push']);
  assert.equal((await ask(withToken(requests.pull('ann/secret'), made))).status, 200);
  assert.equal((await ask(withToken(requests.push('ann/secret'), made))).status, 202);
  assert.equal((await ask({ method: 'PUT', path, headers, json: { access: 'read' } })).status, 200);
  assert.equal((await ask(withToken(requests.pull('ann/secret'), made))).status, 200);
  assertOciError(await ask(withToken(requests.push('ann/secret'), made)), 403, 'DENIED');
  assert.equal((await ask({ method: 'DELETE', path, headers })).status, 200);
  assertOciError(await ask(withToken(requests.pull('ann/secret'), made)), 403, 'DENIED');
});

test('a narrow token of the registry makes tokens that are no wider', async (t) => {
  const registry = await prepare(t);
  const { ask, token, someone } = registry;
  const all = ['repository:ann/secret:*', 'repository:ann/open:*', 'registry:catalog:*'];
  const reads = await someone('ann', { scopes: ['read'] });
  const publishes = await someone('ann', { scopes: ['publish'] });
  const elsewhere = await someone('ann', { limits: [{ ecosystem: 'npm' }] });
  const one = await someone('ann', { limits: [{ ecosystem: 'oci', namespace: 'ann/secret' }] });
  const space = await someone('ann', { limits: [{ ecosystem: 'oci', namespace: 'ann' }] });
  const rows: readonly (readonly [Credentials, readonly string[]])[] = [
    [reads, ['repository:ann/secret:pull', 'repository:ann/open:pull', 'registry:catalog:*']],
    [publishes, ['repository:ann/secret:push', 'repository:ann/open:pull,push', 'registry:catalog:*']],
    [elsewhere, ['repository:ann/open:pull', 'registry:catalog:*']],
    [one, ['repository:ann/secret:pull,push,delete', 'repository:ann/open:pull', 'registry:catalog:*']],
    [space, all.map((scope) => (scope.startsWith('repo') ? scope.replace('*', 'pull,push,delete') : scope))],
  ];
  for (const [who, granted] of rows) {
    assert.deepEqual(scopesIn(await token(all, who)), granted);
    // The same by the token itself.
    const pull = await ask({ ...requests.pull('ann/secret'), headers: basic(who) });
    assert.equal(
      pull.status === 200,
      granted.some((scope) => /^repository:ann\/secret:pull/.test(scope)),
    );
    const push = await ask({ ...requests.push('ann/secret'), headers: bearer(who[1]) });
    assert.equal(
      push.status === 202,
      granted.some((scope) => /ann\/secret:.*push/.test(scope)),
    );
  }
  const manage = withToken(
    { method: 'PUT', path: 'api/v1/ann/secret/visibility', json: { visibility: 'private' } },
    await token([], reads),
  );
  assert.equal((await ask(manage)).status, 401);
  assert.equal((await ask({ ...manage, headers: basic(reads) })).status, 403);
});

test('with a second factor a password opens nothing, and a token of the registry does', async (t) => {
  const registry = await prepare(t);
  const { ask, token, ann, control } = registry;
  await control.setPassword({ handle: 'ann', password: PASSWORD });
  const before = await token(['repository:ann/secret:pull'], ['ann', PASSWORD]);
  await turnOnSecondFactor(registry, ann);
  const password = basic(['ann', PASSWORD]);
  for (const asked of [{ path: 'v2/' }, requests.pull('ann/secret'), { path: 'api/v1/repo' }]) {
    const answer = await ask({ ...asked, headers: password });
    assertOciError(answer, 401, 'UNAUTHORIZED', /second factor.*use a token/);
    assert.equal(challengeOf(answer)['error'], 'invalid_token');
  }
  for (const place of places) {
    assertOciError(await ask({ path: place, headers: password }), 401, 'UNAUTHORIZED', /second factor/);
    const form = new URLSearchParams({ grant_type: 'password', username: 'ann', password: PASSWORD });
    const posted = await postForm(registry, place, form);
    assertOciError(posted, 401, 'UNAUTHORIZED', /second factor/);
  }
  assert.equal((await ask(withToken(requests.pull('ann/secret'), before))).status, 401);
  const made = await token(['repository:ann/secret:*'], ann);
  assert.deepEqual(await opens(registry, 'ann/secret', made), ['pull', 'push', 'delete']);
});

/** As npm's clients do it: it is an account's, and not a protocol's. */
async function turnOnSecondFactor({ ask }: OciRegistry, [handle, token]: Credentials): Promise<void> {
  assert.equal(handle, 'ann');
  const set = { path: 'npm/-/npm/v1/user', token };
  const started = await ask({ ...set, json: { tfa: { password: PASSWORD, mode: 'auth-and-writes' } } });
  const { tfa: uri } = jsonOf(started) as { tfa: string };
  const secret = new URL(uri).searchParams.get('secret') ?? '';
  const code = new TOTP({ secret }).generate();
  assert.equal((await ask({ ...set, json: { tfa: [code] } })).status, 200);
}

test('others can check a token with the keys that are told', async (t) => {
  const { ask, token, ann, url } = await prepare(t);
  const made = await token(['repository:ann/secret:pull,push'], ann);
  const answer = await ask({ path: 'auth/keys' });
  assert.equal(answer.status, 200);
  const keys = JSON.parse(answer.text) as { keys: { kty: string; d?: string; alg: string; kid: string }[] };
  assert.deepEqual(
    keys.keys.map(({ kty, alg, d }) => [kty, alg, d]),
    [['OKP', 'EdDSA', undefined]],
  );
  const expected = { issuer: url, audience: 'oci-registry', typ: 'JWT' };
  const { payload } = await jwtVerify(made, createLocalJWKSet(keys), expected);
  assert.equal(payload.sub, 'ann');
  assert.deepEqual(payload['access'], [
    { type: 'repository', name: 'ann/secret', actions: ['pull', 'push'] },
  ]);
  assert.equal(payload['scopes'], undefined);
});

test('a client that follows the challenges gets where it may, and no further', async (t) => {
  const { as, ask, ann, bob, layer } = await prepare(t);
  assert.equal((await as(ann, requests.pull('ann/secret'))).status, 200);
  assert.equal((await as(ann, requests.push('ann/secret'))).status, 202);
  assert.equal((await as(ann, requests.delete('ann/secret'))).status, 404);
  assert.equal((await as(ann, { path: `v2/ann/secret/blobs/${layer}` })).status, 200);
  const last = await as(bob, requests.pull('ann/secret'));
  assert.deepEqual([last.status, challengeOf(last)['error']], [401, 'insufficient_scope']);
  // A member who writes takes tags away, by the very token that was asked for.
  const path = 'api/v1/ann/-/members/bob';
  const json = { access: 'write' };
  assert.equal((await ask({ method: 'PUT', path, headers: basic(ann), json })).status, 200);
  const tag: Asked = { method: 'DELETE', path: 'v2/ann/secret/manifests/1' };
  assert.equal((await as(bob, requests.delete('ann/secret'))).status, 401);
  assert.equal((await as(bob, tag)).status, 202);
  assert.equal((await as(ann, tag)).status, 404);
});
