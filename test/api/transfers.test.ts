/** Transfers by request, over ecosystems whose protocols have none: each step, each party, each refusal. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { expireTransfers } from '../../bin/chores.ts';
import { asker, type Ask, type Asked } from '../support/asking.ts';
import { assertRequestId } from '../support/http.ts';
import { npmApi, type NpmApi } from '../support/npm-api.ts';
import { ociApi } from '../support/oci-api.ts';
import { admin, anActor, openWorld, publishOf } from '../support/registry.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken, storedState } from '../support/stored-state.ts';
import { openTestServer, type TestServer } from '../support/test-server.ts';

const DAY_MS = 24 * 60 * 60_000;

interface Transfer {
  readonly id: string;
  readonly status: string;
  readonly to: string;
  readonly from: string;
  readonly expires_at: string;
}

interface Bench {
  readonly server: TestServer;
  readonly ask: Ask;
  readonly npm: NpmApi;
  /** Tokens of Ann, who owns @acme/lib and acme-hello; of Bob, whom she may give it to; and of Carl, who is neither. */
  readonly ann: string;
  readonly bob: string;
  readonly carl: string;
  ok<T = Transfer>(asked: Asked): Promise<T>;
  refused(asked: Asked, status: number, code: string): Promise<void>;
  offer(over?: object, token?: string): Promise<Transfer>;
}

async function openBench(t: TestContext): Promise<Bench> {
  const server = await openTestServer(t);
  const ask = asker(server, '/-/cairn/v1');
  const npm = npmApi(server);
  const scopes = ['read', 'publish', 'yank', 'owner'] as const;
  const [ann, bob, carl] = await Promise.all(
    ['ann', 'bob', 'carl'].map((handle) => makeToken(server.data, { handle, scopes })),
  );
  assert.ok(ann && bob && carl);
  assert.equal((await npm.publish({ name: '@acme/lib', version: '1.0.0' }, ann)).status, 201);
  assert.equal((await server.publish({ name: 'acme-hello', version: '1.0.0' }, ann)).status, 200);
  const ok: Bench['ok'] = async (asked) => {
    const answer = await ask(asked);
    assert.equal(answer.status, 200, `${asked.path}: ${answer.text}`);
    assertRequestId(answer);
    return JSON.parse(answer.text) as never;
  };
  return {
    server,
    ask,
    npm,
    ann,
    bob,
    carl,
    ok,
    async refused(asked, status, code) {
      const before = await storedState(server);
      const answer = await ask(asked);
      assert.equal(answer.status, status, `${asked.path}: ${answer.text}`);
      assert.equal((JSON.parse(answer.text) as { code: string }).code, code, answer.text);
      assert.deepEqual(await storedState(server), before);
    },
    offer: (over, token = ann) => ok({ path: 'transfers', token, json: { ...lib, to: 'bob', ...over } }),
  };
}

const lib = { ecosystem: 'npm', name: '@acme/lib' };
const post = (path: string, token: string): Asked => ({ method: 'POST', path, token });

test('an owner offers, the other accepts: then it is theirs alone', async (t) => {
  const { offer, ok, npm, refused, ann, bob } = await openBench(t);
  const made = await offer();
  assert.match(made.id, /^tr_[0-9a-f]{32}$/);
  assert.deepEqual([made.status, made.from, made.to], ['pending', 'ann', 'bob']);
  const days = (Date.parse(made.expires_at) - Date.now()) / DAY_MS;
  assert.ok(days > 29.9 && days < 30.1);
  // Until then nothing has changed.
  assert.equal((await npm.publish({ name: '@acme/lib', version: '1.1.0' }, bob)).status, 403);
  assert.equal((await npm.publish({ name: '@acme/lib', version: '1.1.0' }, ann)).status, 201);
  assert.equal((await ok(post(`transfers/${made.id}/accept`, bob))).status, 'accepted');
  assert.equal((await npm.publish({ name: '@acme/lib', version: '1.2.0' }, ann)).status, 403);
  assert.equal((await npm.publish({ name: '@acme/lib', version: '1.2.0' }, bob)).status, 201);
  assert.deepEqual(
    (await npm.packument('@acme/lib')).maintainers.map(({ name }) => name),
    ['bob'],
  );
  // The scope is hers still, and what else is in it.
  assert.equal((await npm.publish({ name: '@acme/other', version: '1.0.0' }, ann)).status, 201);
  await refused({ path: 'transfers', token: ann, json: { ...lib, to: 'bob' } }, 403, 'not_owner');
});

test('the other order is none: what was not offered cannot be accepted, and nobody can ask for it that way', async (t) => {
  const { refused, offer, ok, ann, bob } = await openBench(t);
  await refused(post('transfers/tr_none/accept', bob), 404, 'transfer_not_found');
  await refused({ path: 'transfers', token: bob, json: { ...lib, to: 'bob' } }, 403, 'not_owner');
  const { id } = await offer();
  // Who offers cannot accept in the other's place.
  await refused(post(`transfers/${id}/accept`, ann), 403, 'not_owner');
  assert.equal((await ok(post(`transfers/${id}/accept`, bob))).status, 'accepted');
});

test('each request may be sent twice: the same answer, and nothing more in the log', async (t) => {
  const { server, offer, ok, refused, ann, bob } = await openBench(t);
  const made = await offer();
  const before = await storedState(server);
  assert.deepEqual(await offer(), made);
  assert.deepEqual(await storedState(server), before);
  const accept = post(`transfers/${made.id}/accept`, bob);
  const accepted = await ok(accept);
  const after = await storedState(server);
  assert.deepEqual(await ok(accept), accepted);
  assert.deepEqual(await storedState(server), after);
  await refused(post(`transfers/${made.id}/cancel`, bob), 404, 'transfer_not_found');
  const back = await offer({ to: 'ann' }, bob);
  const cancel = post(`transfers/${back.id}/cancel`, bob);
  assert.equal((await ok(cancel)).status, 'cancelled');
  assert.equal((await ok(cancel)).status, 'cancelled');
  await refused(post(`transfers/${back.id}/accept`, ann), 404, 'transfer_not_found');
  assert.equal((await ok({ path: `transfers/${back.id}`, token: ann })).status, 'cancelled');
});

test('either party ends an offer, an administrator too, and a third account neither', async (t) => {
  const { offer, ok, refused, ann, bob, carl } = await openBench(t);
  for (const token of [ann, bob, ADMIN_TOKEN]) {
    const { id } = await offer();
    for (const verb of ['accept', 'cancel'])
      await refused(post(`transfers/${id}/${verb}`, carl), 403, 'not_owner');
    await refused({ path: `transfers/${id}`, token: carl }, 404, 'transfer_not_found');
    assert.equal((await ok(post(`transfers/${id}/cancel`, token))).status, 'cancelled');
    await refused(post(`transfers/${id}/accept`, bob), 404, 'transfer_not_found');
  }
  const { id } = await offer();
  assert.equal((await ok(post(`transfers/${id}/accept`, ADMIN_TOKEN))).status, 'accepted');
});

test('one offer at a time: another account has to wait, and may be next', async (t) => {
  const { offer, ok, refused, ann, bob } = await openBench(t);
  const first = await offer();
  await refused({ path: 'transfers', token: ann, json: { ...lib, to: 'carl' } }, 409, 'transfer_pending');
  await ok(post(`transfers/${first.id}/cancel`, ann));
  const second = await offer({ to: 'carl' });
  assert.notEqual(second.id, first.id);
  // Ending the first once more leaves the second alone.
  assert.equal((await ok(post(`transfers/${first.id}/cancel`, ann))).status, 'cancelled');
  await refused(post(`transfers/${first.id}/accept`, bob), 404, 'transfer_not_found');
  assert.equal((await ok({ path: `transfers/${second.id}`, token: ann })).status, 'pending');
});

test('what is on offer is listed for those who have a part in it', async (t) => {
  const { offer, ok, ann, bob, carl } = await openBench(t);
  await offer();
  await offer({ ecosystem: 'x07', name: 'acme-hello', to: 'carl' });
  await offer({ name: '@acme', of: 'namespace' });
  const names = async (token: string): Promise<readonly string[]> => {
    const { transfers } = await ok<{ transfers: readonly { name: string }[] }>({ path: 'transfers', token });
    return transfers.map(({ name }) => name);
  };
  const all = ['@acme/lib', 'acme-hello', '@acme'];
  assert.deepEqual(await names(ann), all);
  assert.deepEqual(await names(bob), ['@acme/lib', '@acme']);
  assert.deepEqual(await names(carl), ['acme-hello']);
  assert.deepEqual(await names(ADMIN_TOKEN), all);
});

test('a namespace goes with what is published in it from then on', async (t) => {
  const { offer, ok, npm, ann, bob } = await openBench(t);
  const { id } = await offer({ name: '@acme', of: 'namespace' });
  await ok(post(`transfers/${id}/accept`, bob));
  assert.equal((await npm.publish({ name: '@acme/new', version: '1.0.0' }, bob)).status, 201);
  assert.equal((await npm.publish({ name: '@acme/next', version: '1.0.0' }, ann)).status, 403);
  assert.equal((await npm.publish({ name: '@acme/lib', version: '1.1.0' }, ann)).status, 201);
});

test('X07 and images: the new owner shows in their own forms', async (t) => {
  const { server, offer, ok, refused, ann, bob } = await openBench(t);
  const { id } = await offer({ ecosystem: 'x07', name: 'acme-hello' });
  await ok(post(`transfers/${id}/accept`, bob));
  const owners = await fetch(`${server.x07}/v1/packages/acme-hello/owners`);
  assert.deepEqual(((await owners.json()) as { owners: unknown }).owners, ['bob']);
  const oci = ociApi(server);
  await oci.pushImage('ann/app', '1', ['ann', ann]);
  const image = { ecosystem: 'oci', name: 'ann/app', to: 'bob' };
  await refused({ path: 'transfers', token: ADMIN_TOKEN, json: image }, 400, 'bad_request');
  const all = await offer({ ecosystem: 'oci', name: 'ann', of: 'namespace' });
  await ok(post(`transfers/${all.id}/accept`, bob));
  await oci.pushImage('ann/app', '2', ['bob', bob]);
});

test('a private package is nothing to strangers, and something to whom it is offered', async (t) => {
  const { npm, offer, ok, refused, ann, bob, carl } = await openBench(t);
  const wanted = { name: '@acme/hidden', version: '1.0.0' };
  assert.equal((await npm.publish(wanted, ann, { access: 'restricted' })).status, 201);
  const hidden = { ...lib, name: '@acme/hidden', to: 'bob' };
  for (const name of ['@acme/hidden', '@acme/none'])
    await refused({ path: 'transfers', token: carl, json: { ...hidden, name } }, 404, 'package_not_found');
  const { id } = await offer(hidden);
  for (const verb of ['accept', 'cancel'])
    await refused(post(`transfers/${id}/${verb}`, carl), 404, 'transfer_not_found');
  assert.deepEqual(await ok({ path: 'transfers', token: carl }), { transfers: [] });
  assert.equal((await ok({ path: `transfers/${id}`, token: bob })).status, 'pending');
  await ok(post(`transfers/${id}/accept`, bob));
  assert.equal((await npm.ask({ path: '@acme%2fhidden', token: bob })).status, 200);
});

test('who asks needs the scope for that place, and what is asked has to make sense', async (t) => {
  const { server, offer, refused, ok, ann } = await openBench(t);
  const { id } = await offer({ ecosystem: 'x07', name: 'acme-hello' });
  const weak = await makeToken(server.data, { handle: 'ann', scopes: ['read', 'publish', 'yank'] });
  const elsewhere = await makeToken(server.data, {
    handle: 'ann',
    scopes: ['owner'],
    limits: [{ ecosystem: 'npm', namespace: '@other' }],
  });
  const json = { ...lib, to: 'bob' };
  const routes: readonly Asked[] = [
    { path: 'transfers' },
    { path: 'transfers', json },
    { path: `transfers/${id}` },
    { method: 'POST', path: `transfers/${id}/accept` },
    { method: 'POST', path: `transfers/${id}/cancel` },
  ];
  for (const route of routes) {
    await refused(route, 401, 'unauthenticated');
    await refused({ ...route, token: 'made-up' }, 401, 'token_invalid');
    await refused({ ...route, token: weak }, 403, 'scope_missing');
  }
  await refused({ path: 'transfers', json, token: elsewhere }, 403, 'scope_missing');
  assert.deepEqual(await ok({ path: 'transfers', token: elsewhere }), { transfers: [] });
  const path = 'transfers';
  const rows: readonly (readonly [asked: Omit<Asked, 'path'>, status: number, code: string])[] = [
    [{ json: { ...json, to: 'nobody-here' } }, 404, 'account_not_found'],
    [{ json: { ...json, name: '@acme/none' } }, 404, 'package_not_found'],
    [{ json: { ...json, to: 'ann' } }, 409, 'conflict'],
    [{ json: { ...json, ecosystem: 'cobol' } }, 400, 'bad_request'],
    [{ json: { ...json, name: '' } }, 400, 'invalid_name'],
    [{ json: { ...json, of: 'namespace' } }, 400, 'invalid_name'],
    [{ json: { ...json, ecosystem: 'x07', name: 'acme', of: 'namespace' } }, 400, 'invalid_name'],
    [{ json: { ...json, of: 'scope' } }, 422, 'wrong_shape'],
    [{ json: lib }, 422, 'wrong_shape'],
    [{ json: { ...json, to: 7 } }, 422, 'wrong_shape'],
    [{ json: { ...json, expires_in_days: 0 } }, 422, 'wrong_shape'],
    [{ json: { ...json, expires_in_days: 366 } }, 422, 'wrong_shape'],
    [{ json: { ...json, expires_in_days: '7' } }, 422, 'wrong_shape'],
    [{ json: [] }, 422, 'wrong_shape'],
    [{ body: '{', headers: { 'content-type': 'application/json' } }, 400, 'malformed_body'],
    [{ body: 'to=bob', headers: { 'content-type': 'text/plain' } }, 415, 'unsupported_media_type'],
    [{ json: { ...json, note: 'x'.repeat(70_000) } }, 413, 'body_too_large'],
  ];
  for (const [asked, status, code] of rows) await refused({ path, token: ann, ...asked }, status, code);
  for (const verb of ['', '/accept', '/cancel'])
    await refused(
      { method: verb === '' ? 'GET' : 'POST', path: `transfers/tr_none${verb}`, token: ann },
      404,
      'transfer_not_found',
    );
  for (const verb of ['accept', 'cancel'])
    await refused({ method: 'POST', path: `transfers/${id}/${verb}`, token: elsewhere }, 403, 'not_owner');
});

test('an offer ends by its time, and the log says that it did', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.parse('2026-03-01T12:00:00Z') });
  const { offer, ok, refused, bob } = await openBench(t);
  const { id, expires_at } = await offer({ expires_in_days: 1 });
  assert.equal(expires_at.slice(0, 10), '2026-03-02');
  t.mock.timers.setTime(Date.parse(expires_at));
  await refused(post(`transfers/${id}/accept`, bob), 404, 'transfer_not_found');
  assert.equal((await ok({ path: `transfers/${id}`, token: bob })).status, 'expired');
  // It is in nobody's way.
  assert.notEqual((await offer({ to: 'carl' })).id, id);
});

test('what time has ended is recorded, once, and nothing that is on offer', async () => {
  const world = await openWorld();
  const ann = anActor('ann');
  await world.execute([publishOf('foo', '1.0.0'), publishOf('bar', '1.0.0')], ann);
  const expiresAt = new Date(world.clock.time + DAY_MS).toISOString();
  const foo = { kind: 'offer-transfer', ecosystem: 'x07', name: 'foo', to: 'bob', expiresAt } as const;
  const later = new Date(world.clock.time + 9 * DAY_MS).toISOString();
  await world.execute([foo, { ...foo, name: 'bar', expiresAt: later }], ann);
  assert.deepEqual(await expireTransfers(world, { clock: world.clock }), []);
  world.clock.time += 2 * DAY_MS;
  const events = await expireTransfers(world, { clock: world.clock });
  assert.deepEqual(
    events.map((event) => [event.kind, event.by, 'name' in event && event.name]),
    [['transfer-cancelled', 'operator', 'foo']],
  );
  assert.deepEqual(await expireTransfers(world, { clock: world.clock }), []);
  await world.execute({ kind: 'cancel-transfer', ecosystem: 'x07', name: 'bar' }, admin);
});
