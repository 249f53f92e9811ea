/** Transfer between two parties (contract, section 7, test 7 of section 16). */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import {
  assertProblem,
  oriApi,
  oriToken,
  pathOf,
  publishOf,
  type Refusal,
  unlimited,
} from '../support/ori-api.ts';
import { packOri } from '../support/ori-package.ts';
import { storedState } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import type { Asked } from '../support/asking.ts';

const server = await openTestServer(wholeFile, unlimited);
const ori = oriApi(server);
const [alice, bob, carl] = await Promise.all(
  ['alice', 'bob', 'carl'].map((handle) => oriToken(server.data, handle)),
);
const publisher = await oriToken(server.data, 'bob', 'publish');
const DAY_MS = 24 * 60 * 60_000;

interface Offer {
  readonly id: string;
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly created_at: string;
  readonly expires_at: string;
}

const asked = (name: string, token: string | undefined, json: unknown): Asked => ({
  path: pathOf(name, 'transfer'),
  json,
  ...(token === undefined ? {} : { token }),
});

async function offered(name: string, to = 'bob', token = alice): Promise<Offer> {
  const { status, transfer } = await ori.ok<{ status: string; transfer: Offer }>(
    asked(name, token, { to }),
    202,
  );
  assert.equal(status, 'pending');
  return transfer;
}

async function aPackage(name: string): Promise<void> {
  await ori.publish({ name }, alice ?? '');
}

const publishing = async (name: string, version: string, token: string | undefined): Promise<number> =>
  (await ori.ask(await publishOf(name, packOri({ name, version }), token))).status;

test('an offer is accepted: the package is the recipient’s, and the scope stays where it was', async () => {
  const name = '@acme/json';
  await aPackage(name);
  await aPackage('@acme/other');
  const { id, created_at, expires_at, ...offer } = await offered(name);
  assert.deepEqual(offer, { name, from: 'alice', to: 'bob' });
  assert.match(id, /^tr_[0-9a-f]{32}$/);
  const lasts = Date.parse(expires_at) - Date.parse(created_at);
  assert.ok(Math.abs(lasts - 30 * DAY_MS) < 60_000, `${lasts} ms`);
  // While it waits the package is still the old owner's.
  assert.equal(await publishing(name, '1.1.0', alice), 201);
  assert.equal(await publishing(name, '1.2.0', bob), 403);
  assert.deepEqual((await ori.metadata(name, '1.0.0'))['owners'], ['alice']);

  const accepted = await ori.ok(asked(name, bob, { accept: true, id }));
  assert.deepEqual(accepted, { status: 'completed', name, owner: 'bob' });
  for (const version of ['1.0.0', '1.1.0'])
    assert.deepEqual((await ori.metadata(name, version))['owners'], ['bob']);
  assert.equal(await publishing(name, '1.2.0', bob), 201);
  assert.equal(await publishing(name, '1.3.0', alice), 403);
  assertProblem(
    await ori.ask({ path: pathOf(name, '1.0.0/yank'), json: {}, token: alice ?? '' }),
    403,
    'forbidden',
  );
  assertProblem(await ori.ask(asked(name, alice, { to: 'carl' })), 403, 'forbidden');
  await ori.ok({ path: pathOf(name, '1.0.0/yank'), json: {}, token: bob ?? '' });
  // The scope and what else is in it.
  assert.equal(await publishing('@acme/other', '1.1.0', alice), 201);
  assert.equal(await publishing('@acme/new', '1.0.0', alice), 201);
  assert.equal(await publishing('@acme/other', '1.2.0', bob), 403);
  assert.equal(await publishing('@acme/newer', '1.0.0', bob), 403);
});

test('it goes on from there, to a third and back', async () => {
  const name = '@acme/wandering';
  await aPackage(name);
  for (const [from, to, token, other] of [
    ['alice', 'carl', alice, carl],
    ['carl', 'bob', carl, bob],
    ['bob', 'alice', bob, alice],
  ] as const) {
    const { id, from: said } = await offered(name, to, token);
    assert.equal(said, from);
    await ori.ok(asked(name, other, { accept: true, id }));
    assert.deepEqual((await ori.metadata(name, '1.0.0'))['owners'], [to]);
  }
});

for (const [who, token] of [
  ['the owner', alice],
  ['the recipient', bob],
] as const)
  test(`${who} calls it off`, async () => {
    const name = `@acme/cancelled-by-${who.replace('the ', '')}`;
    await aPackage(name);
    const { id } = await offered(name);
    assert.deepEqual(await ori.ok(asked(name, token, { cancel: true, id })), { status: 'cancelled' });
    assertProblem(await ori.ask(asked(name, bob, { accept: true, id })), 404, 'not_found');
    assert.deepEqual((await ori.metadata(name, '1.0.0'))['owners'], ['alice']);
    const again = await offered(name);
    assert.notEqual(again.id, id, 'another offer has another id');
    await ori.ok(asked(name, bob, { accept: true, id: again.id }));
  });

test('each may be sent again, and is answered as the first time', async () => {
  const name = '@acme/repeated';
  await aPackage(name);
  const offer = await offered(name);
  const { events } = await storedState(server);
  assert.deepEqual(await offered(name), offer);
  assert.equal((await storedState(server)).events, events);
  await ori.ok(asked(name, bob, { cancel: true, id: offer.id }));
  for (const token of [alice, bob])
    assert.deepEqual(await ori.ok(asked(name, token, { cancel: true, id: offer.id })), {
      status: 'cancelled',
    });
  const { id } = await offered(name);
  const accept = asked(name, bob, { accept: true, id });
  const accepted = await ori.ok(accept);
  const before = await storedState(server);
  assert.deepEqual(await ori.ok(accept), accepted);
  assert.equal((await storedState(server)).events, before.events);
  // To others it is over.
  assertProblem(await ori.ask(asked(name, alice, { accept: true, id })), 404, 'not_found');
  assertProblem(await ori.ask(asked(name, bob, { cancel: true, id })), 404, 'not_found');
});

test('who has no part in it, and what is none of the three, is refused', async () => {
  const name = '@acme/rows';
  await aPackage(name);
  const { id } = await offered(name);
  const wrong = `tr_${'0'.repeat(32)}`;
  const bad = (what: string, json: unknown): Refusal => [what, asked(name, alice, json), 400, 'bad_request'];
  await ori.refuses([
    ['a third account accepts', asked(name, carl, { accept: true, id }), 403, 'forbidden'],
    ['the owner accepts', asked(name, alice, { accept: true, id }), 403, 'forbidden'],
    ['a third account calls it off', asked(name, carl, { cancel: true, id }), 403, 'forbidden'],
    ['a third account offers', asked(name, carl, { to: 'bob' }), 403, 'forbidden'],
    ['the recipient offers', asked(name, bob, { to: 'carl' }), 403, 'forbidden'],
    ['a second offer', asked(name, alice, { to: 'carl' }), 409, 'transfer_pending', /already offered to bob/],
    ['an unknown recipient', asked('@acme/json', bob, { to: 'nobody' }), 404, 'not_found', /nobody/],
    [
      'the owner as recipient',
      asked(name, alice, { to: 'alice' }),
      400,
      'bad_request',
      /owns @acme\/rows already/,
    ],
    ['a token to publish', asked(name, publisher, { accept: true, id }), 403, 'forbidden', /admin/],
    ['no token', asked(name, undefined, { accept: true, id }), 401, 'unauthenticated'],
    ['another id', asked(name, bob, { accept: true, id: wrong }), 404, 'not_found'],
    ['another id to call off', asked(name, alice, { cancel: true, id: wrong }), 404, 'not_found'],
    ['the id of another package', asked('@acme/json', bob, { accept: true, id }), 404, 'not_found'],
    ['a package that is not there', asked('@acme/none', alice, { to: 'bob' }), 404, 'not_found'],
    [
      'a name that is none',
      { ...asked('@x/y', alice, { to: 'bob' }), path: 'v1/packages/A/b/transfer' },
      422,
      'invalid_name',
    ],
    bad('nothing', {}),
    bad('a list', []),
    bad('a recipient that is a number', { to: 1 }),
    bad('an id alone', { id }),
    bad('no id', { accept: true }),
    bad('an id of another kind', { accept: true, id: id.slice(3) }),
    bad('false', { accept: false, id }),
    bad('both', { accept: true, cancel: true, id }),
    bad('a recipient as well', { to: 'bob', accept: true, id }),
    ['more than anybody writes', asked(name, alice, { to: 'x'.repeat(70_000) }), 413, 'too_large'],
    ['no JSON', { path: pathOf(name, 'transfer'), body: 'to=bob', token: alice ?? '' }, 400, 'bad_request'],
  ]);
});

test('an offer that has expired is none, and makes room for another', async () => {
  const name = '@acme/expired';
  await aPackage(name);
  const expiresAt = new Date(Date.now() - 1000).toISOString();
  const { events } = await remoteControl(join(server.data, 'control.sock')).execute([
    { kind: 'offer-transfer', ecosystem: 'ori', name, to: 'bob', expiresAt },
  ]);
  const id = `tr_${events[0]?.id}`;
  await ori.refuses([
    ['too late', asked(name, bob, { accept: true, id }), 404, 'not_found', /expired/],
    ['too late to call it off', asked(name, alice, { cancel: true, id }), 404, 'not_found', /expired/],
  ]);
  const fresh = await offered(name, 'carl');
  assert.notEqual(fresh.id, id);
  await ori.ok(asked(name, carl, { accept: true, id: fresh.id }));
});

test('of two who accept and call it off at once one is heard', async () => {
  const name = '@acme/raced';
  await aPackage(name);
  const { id } = await offered(name);
  const answers = await Promise.all([
    ori.ask(asked(name, bob, { accept: true, id })),
    ori.ask(asked(name, alice, { cancel: true, id })),
  ]);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 404]);
  const { owners } = await ori.metadata(name, '1.0.0');
  assert.deepEqual(owners, [answers[0]?.status === 200 ? 'bob' : 'alice']);
});
