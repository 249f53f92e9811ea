/** Deprecation and advisories through the registry's own API, and what each ecosystem's clients are told by them. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { asker, type Asked } from '../support/asking.ts';
import { bearer, send } from '../support/http.ts';
import { npmApi, type NpmApi } from '../support/npm-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken, storedState } from '../support/stored-state.ts';
import { openTestServer, type TestServer } from '../support/test-server.ts';
import { codeAt } from '../support/totp.ts';

interface Bench {
  readonly server: TestServer;
  readonly npm: NpmApi;
  /** Of Ann, who owns lib 1.0.0 and 1.1.0 of npm and acme-hello 1.0.0 of X07. */
  readonly ann: string;
  readonly bob: string;
  ok<T = Record<string, unknown>>(asked: Asked): Promise<T>;
  refused(asked: Asked, status: number, code: string): Promise<void>;
}

async function openBench(t: TestContext): Promise<Bench> {
  const server = await openTestServer(t);
  const ask = asker(server, '/-/cairn/v1');
  const npm = npmApi(server);
  const scopes = ['read', 'publish', 'yank', 'owner'] as const;
  const [ann, bob] = await Promise.all(
    ['ann', 'bob'].map((handle) => makeToken(server.data, { handle, scopes })),
  );
  assert.ok(ann && bob);
  for (const version of ['1.0.0', '1.1.0'])
    assert.equal((await npm.publish({ name: 'lib', version }, ann)).status, 201);
  assert.equal((await server.publish({ name: 'acme-hello', version: '1.0.0' }, ann)).status, 200);
  return {
    server,
    npm,
    ann,
    bob,
    async ok(asked) {
      const answer = await ask(asked);
      assert.equal(answer.status, 200, `${asked.path}: ${answer.text}`);
      return JSON.parse(answer.text) as never;
    },
    async refused(asked, status, code) {
      const before = await storedState(server);
      const answer = await ask(asked);
      assert.equal(answer.status, status, `${asked.path}: ${answer.text}`);
      assert.equal((JSON.parse(answer.text) as { code: string }).code, code, answer.text);
      assert.deepEqual(await storedState(server), before);
    },
  };
}

const lib = { ecosystem: 'npm', name: 'lib' };
const hello = { ecosystem: 'x07', name: 'acme-hello' };

async function jsonAt<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}

interface X07Advisory {
  readonly kind: string;
  readonly severity: string;
  readonly summary: string;
  readonly details?: string;
  readonly id: string;
}

/** In the list of its own, and in the line of the index. */
async function x07Advisories({ x07 }: TestServer): Promise<readonly X07Advisory[]> {
  const { advisories } = await jsonAt<{ advisories: readonly X07Advisory[] }>(
    `${x07}/v1/packages/acme-hello/1.0.0/advisories`,
  );
  const line = await jsonAt<{ advisories?: readonly X07Advisory[] }>(`${x07}/index/ac/me/acme-hello`);
  assert.deepEqual(line.advisories ?? [], advisories.toReversed());
  return advisories;
}

test('npm reads of a version that is deprecated, or of all of them, and no more when that ends', async (t) => {
  const { npm, ok, server, ann } = await openBench(t);
  const deprecated = async (): Promise<readonly unknown[]> =>
    Object.values((await npm.packument('lib')).versions).map((version) => version['deprecated']);
  const path = 'deprecations';
  const one = { ...lib, version: '1.0.0', message: 'Use 1.1.0.' };
  assert.deepEqual(await ok({ path, token: ann, json: one }), {
    ...lib,
    version: '1.0.0',
    deprecated: 'Use 1.1.0.',
  });
  assert.deepEqual(await deprecated(), ['Use 1.1.0.', undefined]);
  const before = await storedState(server);
  await ok({ path, token: ann, json: one });
  assert.deepEqual(await storedState(server), before);
  await ok({ path, token: ADMIN_TOKEN, json: { ...lib, message: 'Use other.' } });
  assert.deepEqual(await deprecated(), ['Use 1.1.0.', 'Use other.']);
  assert.deepEqual(await ok({ path, token: ann, json: { ...lib, message: null } }), {
    ...lib,
    deprecated: null,
  });
  await ok({ path, token: ann, json: { ...one, message: null } });
  assert.deepEqual(await deprecated(), [undefined, undefined]);
});

test('X07 reads of what is deprecated as an advisory of that kind', async (t) => {
  const { ok, server, ann } = await openBench(t);
  const path = 'deprecations';
  await ok({ path, token: ann, json: { ...hello, version: '1.0.0', message: 'Use acme-hi.' } });
  const [first] = await x07Advisories(server);
  assert.deepEqual(
    [first?.kind, first?.severity, first?.summary, first?.details],
    ['deprecated', 'low', 'Use acme-hi.', undefined],
  );
  assert.match(String(first?.id), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  const long = 'Use acme-hi. '.repeat(60).trim();
  await ok({ path, token: ann, json: { ...hello, version: '1.0.0', message: long } });
  const [second] = await x07Advisories(server);
  assert.deepEqual([[...String(second?.summary)].length, second?.details], [512, long]);
  assert.notEqual(second?.id, first?.id);
  await ok({ path, token: ann, json: { ...hello, version: '1.0.0', message: null } });
  await ok({ path, token: ann, json: { ...hello, message: 'All of it.' } });
  assert.deepEqual(
    (await x07Advisories(server)).map(({ summary }) => summary),
    ['All of it.'],
  );
  await ok({ path, token: ann, json: { ...hello, message: null } });
  assert.deepEqual(await x07Advisories(server), []);
});

test('an advisory shows in npm audit by its range, and no more once it is withdrawn', async (t) => {
  const { npm, ok, ann } = await openBench(t);
  const audit = async (): Promise<readonly unknown[]> => {
    const json = { lib: ['1.0.0', '1.1.0'] };
    const found = await npm.ok<Record<string, readonly Record<string, unknown>[]>>({
      path: '-/npm/v1/security/advisories/bulk',
      json,
    });
    return (found['lib'] ?? []).map((one) => [
      one['title'],
      one['severity'],
      one['vulnerable_versions'],
      one['cwe'],
    ]);
  };
  const said = { severity: 'high', summary: 'It leaks.', range: '<1.1.0', cwe: ['CWE-79'], details: 'More.' };
  const filed = await ok({ path: 'advisories', token: ann, json: { ...lib, ...said } });
  assert.deepEqual(await audit(), [['It leaks.', 'high', '<1.1.0', ['CWE-79']]]);
  const { advisories } = await ok<{ advisories: readonly unknown[] }>({
    path: 'advisories?ecosystem=npm&name=lib',
  });
  assert.deepEqual(advisories, [filed]);
  const withdraw = { path: `advisories/${String(filed['id'])}/withdraw`, token: ann, json: lib };
  const ended = await ok(withdraw);
  assert.equal(typeof ended['withdrawn_at'], 'string');
  assert.deepEqual(await ok(withdraw), ended);
  assert.deepEqual(await audit(), []);
});

test('an advisory shows in X07’s lines and lists; with an id of its own it is filed once', async (t) => {
  const { server, ok, refused, ann } = await openBench(t);
  const json = {
    ...hello,
    id: '01234567-89ab-cdef-0123-456789abcdef',
    kind: 'broken',
    severity: 'low',
    summary: 'It breaks.',
    versions: ['1.0.0'],
    url: 'https://acme.example/broken',
  };
  const filed = await ok({ path: 'advisories', token: ann, json });
  assert.deepEqual(await ok({ path: 'advisories', token: ann, json }), filed);
  assert.deepEqual(
    (await x07Advisories(server)).map(({ id, kind, summary }) => [id, kind, summary]),
    [[json.id, 'broken', 'It breaks.']],
  );
  const other = { ...json, summary: 'It breaks more.' };
  await refused({ path: 'advisories', token: ann, json: other }, 409, 'conflict');
  await refused(
    { path: 'advisories', token: ann, json: { ...json, id: undefined, versions: undefined, range: '<2' } },
    400,
    'invalid_advisory',
  );
});

test('who asks has to own it, and what is asked has to make sense', async (t) => {
  const { server, npm, ok, refused, ann, bob } = await openBench(t);
  assert.equal(
    (await npm.publish({ name: '@ann/hidden', version: '1.0.0' }, ann, { access: 'restricted' })).status,
    201,
  );
  const weak = await makeToken(server.data, { handle: 'ann', scopes: ['read', 'publish'] });
  const deprecation = { path: 'deprecations', json: { ...lib, message: 'No.' } };
  const advisory = {
    path: 'advisories',
    json: { ...lib, severity: 'low', summary: 'No.', versions: ['1.0.0'] },
  };
  const withdrawal = { path: 'advisories/none/withdraw', json: lib };
  for (const asked of [deprecation, advisory, withdrawal]) {
    await refused(asked, 401, 'unauthenticated');
    await refused({ ...asked, token: 'made-up' }, 401, 'token_invalid');
    await refused({ ...asked, token: weak }, 403, 'scope_missing');
    await refused({ ...asked, token: bob }, 403, 'not_owner');
    for (const name of ['none', '@ann/hidden'])
      await refused({ ...asked, token: bob, json: { ...asked.json, name } }, 404, 'package_not_found');
    await refused({ ...asked, token: ann, json: { ...asked.json, ecosystem: 'cobol' } }, 400, 'bad_request');
    await refused({ ...asked, token: ann, json: 'text' }, 422, 'wrong_shape');
    const plain = {
      method: 'POST',
      path: asked.path,
      token: ann,
      body: 'x',
      headers: { 'content-type': 'text/plain' },
    };
    await refused(plain, 415, 'unsupported_media_type');
    await refused({ ...asked, token: ann, json: { note: 'x'.repeat(70_000) } }, 413, 'body_too_large');
  }
  await refused({ ...withdrawal, token: ann }, 404, 'advisory_not_found');
  const rows: readonly (readonly [
    asked: typeof deprecation | typeof advisory,
    over: object,
    status: number,
    code: string,
  ])[] = [
    [deprecation, { version: '9.9.9' }, 404, 'version_not_found'],
    [deprecation, { message: '' }, 400, 'bad_request'],
    [deprecation, { message: ' ' }, 400, 'bad_request'],
    [deprecation, { message: 'x'.repeat(1025) }, 400, 'bad_request'],
    [deprecation, { message: 'a\nb' }, 400, 'bad_request'],
    [deprecation, { message: undefined }, 422, 'wrong_shape'],
    [deprecation, { message: 7 }, 422, 'wrong_shape'],
    [advisory, { versions: undefined }, 400, 'invalid_advisory'],
    [advisory, { range: '<2' }, 400, 'invalid_advisory'],
    [advisory, { versions: undefined, range: 'soon' }, 400, 'invalid_advisory'],
    [advisory, { versions: undefined, range: `<2${' || <2'.repeat(90)}` }, 400, 'invalid_advisory'],
    [advisory, { versions: ['9.9.9'] }, 404, 'version_not_found'],
    [advisory, { summary: 'x'.repeat(513) }, 400, 'invalid_advisory'],
    [advisory, { url: 'javascript:alert(1)' }, 400, 'invalid_advisory'],
    [advisory, { cwe: ['79'] }, 400, 'invalid_advisory'],
    [advisory, { cvss: 'AV:N' }, 400, 'invalid_advisory'],
    [advisory, { details: 'x'.repeat(4097) }, 400, 'invalid_advisory'],
    [advisory, { severity: 'bad' }, 422, 'wrong_shape'],
    [advisory, { kind: 'bad' }, 422, 'wrong_shape'],
    [advisory, { versions: '1.0.0' }, 422, 'wrong_shape'],
    [advisory, { id: 'A-1' }, 422, 'wrong_shape'],
  ];
  for (const [asked, over, status, code] of rows)
    await refused({ ...asked, token: ann, json: { ...asked.json, ...over } }, status, code);
  const list = (name: string): string => `advisories?ecosystem=npm&name=${encodeURIComponent(name)}`;
  for (const name of ['none', '@ann/hidden']) {
    await refused({ path: list(name) }, 404, 'package_not_found');
    await refused({ path: list(name), token: bob }, 404, 'package_not_found');
  }
  assert.deepEqual((await ok({ path: list('@ann/hidden'), token: ann }))['advisories'], []);
  await refused({ path: list('lib'), token: 'made-up' }, 401, 'token_invalid');
  await refused({ path: 'advisories' }, 400, 'bad_request');
  await refused({ path: 'advisories?ecosystem=npm' }, 400, 'invalid_name');
});

test('an account whose device is asked for writes is asked here as well', async (t) => {
  const { server, npm, ok, refused } = await openBench(t);
  const password = 'a password of eve';
  const token = await makeToken(server.data, {
    handle: 'eve',
    scopes: ['read', 'publish', 'yank', 'owner', 'tokens'],
  });
  assert.equal((await npm.publish({ name: 'of-eve', version: '1.0.0' }, token)).status, 201);
  const json = { ecosystem: 'npm', name: 'of-eve', message: 'No.' };
  await remoteControl(join(server.data, 'control.sock')).setPassword({ handle: 'eve', password });
  const started = await npm.ok<{ tfa: string }>({
    path: '-/npm/v1/user',
    token,
    json: { tfa: { password, mode: 'auth-and-writes' } },
  });
  const secret = String(new URL(started.tfa).searchParams.get('secret'));
  await npm.ok({ path: '-/npm/v1/user', token, json: { tfa: [codeAt(secret, Date.now())] } });
  await refused({ path: 'deprecations', token, json }, 401, 'second_factor_required');
  await ok({
    path: 'deprecations',
    token,
    json,
    headers: { 'npm-otp': codeAt(secret, Date.now() + 30_000) },
  });
  const basic = `Basic ${Buffer.from(`eve:${password}`).toString('base64')}`;
  const byPassword = await send(server.url, '/-/cairn/v1/transfers', { headers: { authorization: basic } });
  assert.equal(byPassword.status, 401);
  const known = await send(server.url, '/-/cairn/v1/transfers', { headers: bearer(token) });
  assert.equal(known.status, 200);
});
