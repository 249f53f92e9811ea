/** Owners of a package (contract of X07, sections 9.3 to 9.5 and 10.2). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { assertX07Error } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { changeSettings } from '../support/settings.ts';
import { makeToken, storedState } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { framedRefusals, x07Api } from '../support/x07-api.ts';

const server = await openTestServer(wholeFile);
const api = x07Api(server);
const scopes = ['publish', 'yank', 'owner'] as const;
const ann = await makeToken(server.data, { handle: 'ann', scopes });
const bob = await makeToken(server.data, { handle: 'bob', scopes });
const cat = await makeToken(server.data, { handle: 'cat', scopes });
const publisher = await makeToken(server.data, { handle: 'ann', scopes: ['publish', 'admin', 'yank'] });
const root = await makeToken(server.data, { handle: 'root', scopes: ['owner', 'admin'] });

function add(name: string, handle: string, token = ann): Promise<unknown> {
  return api.ok({ path: `v1/packages/${name}/owners`, token, json: { handle } });
}
function remove(name: string, handle: string, token = ann): Promise<unknown> {
  return api.ok({ method: 'DELETE', path: `v1/packages/${name}/owners/${handle}`, token });
}
async function ownersOf(name: string): Promise<unknown> {
  const { text } = await api.ask({ path: `v1/packages/${name}/owners` });
  const detail = await api.ok({ path: `v1/packages/${name}` });
  const owners: unknown = (JSON.parse(text) as { owners: unknown }).owners;
  assert.deepEqual(detail['owners'], owners, 'the detail says the same');
  return owners;
}

test('an owner adds another, who may publish from then on; a removed one may not any more', async () => {
  await api.publish({ name: 'shared', version: '1.0.0' }, ann);
  const refused = async (token: string, version: string): Promise<void> => {
    const answer = await server.publish({ name: 'shared', version }, token);
    assert.equal(answer.status, 403);
    assert.equal(((await answer.json()) as { message: string }).message, 'not a package owner');
  };
  await refused(bob, '1.1.0');
  assert.deepEqual(await add('shared', 'bob'), {});
  assert.equal(
    (await api.ask({ path: 'v1/packages/shared/owners' })).text,
    '{"ok":true,"name":"shared","is_official":false,"owners":["ann","bob"]}',
  );
  await api.publish({ name: 'shared', version: '1.1.0' }, bob);
  // A new owner has every right of an old one.
  assert.deepEqual(await remove('shared', 'ann', bob), {});
  assert.deepEqual(await ownersOf('shared'), ['bob']);
  await refused(ann, '1.2.0');
  await add('shared', 'ann', bob);
  assert.deepEqual(await remove('shared', 'ann', bob), {}, 'added again, and removed again');
});

test('owners are listed in order, not in that of their coming', async () => {
  await api.publish({ name: 'many', version: '1.0.0' }, cat);
  for (const handle of ['bob', 'ann']) await add('many', handle, cat);
  assert.deepEqual(await ownersOf('many'), ['ann', 'bob', 'cat']);
});

test('adding an owner may be repeated, and a handle is trimmed and put into small letters', async () => {
  await api.publish({ name: 'repeated', version: '1.0.0' }, ann);
  for (const handle of ['bob', 'bob', ' BOB\n', 'ann', '\tAnn '])
    assert.deepEqual(await add('repeated', handle), {});
  assert.deepEqual(await ownersOf('repeated'), ['ann', 'bob']);
  const before = await storedState(server);
  await add('repeated', 'bob');
  assert.deepEqual(await storedState(server), before, 'what is so already is no event');
  await remove('repeated', 'BOB');
  assert.deepEqual(await ownersOf('repeated'), ['ann']);
});

test('an administrator manages what others own, but takes no last owner away', async () => {
  await api.publish({ name: 'managed', version: '1.0.0' }, ann);
  const lastOf = (token: string) =>
    api.refuses([
      [
        'the last owner',
        { method: 'DELETE', path: 'v1/packages/managed/owners/ann', token },
        403,
        'FORBIDDEN',
        'cannot remove last owner',
      ],
    ]);
  await lastOf(ann);
  await lastOf(root);
  await add('managed', 'bob', root);
  await remove('managed', 'ann', root);
  assert.deepEqual(await ownersOf('managed'), ['bob']);
  // The account of the environment's token is one as well.
  await add('managed', 'admin', ADMIN_TOKEN);
  assert.deepEqual(await ownersOf('managed'), ['admin', 'bob']);
});

test('what cannot be is answered with the first of its faults', async () => {
  await api.publish({ name: 'guarded', version: '1.0.0' }, ann);
  const path = 'v1/packages/guarded/owners';
  const json = { handle: 'bob' };
  const of = (name: string): string => `v1/packages/${name}/owners`;
  const nobody = { json: { handle: 'nobody' } };
  await api.refuses([
    ...framedRefusals(path, ann),
    ['no handle', { path, token: ann, json: {} }, 422, undefined],
    ['a handle that is null', { path, token: ann, json: { handle: null } }, 422, undefined],
    ['a handle that is a list', { path, token: ann, json: { handle: ['bob'] } }, 422, undefined],
    ['no token', { path: of('A'), json }, 401, 'AUTH_REQUIRED'],
    ['an unknown token', { path: of('A'), json, token: 'nobody' }, 401, 'AUTH_INVALID'],
    ['no scope', { path: of('A'), json, token: publisher }, 403, 'FORBIDDEN', 'missing scope: owner.manage'],
    ['a bad name', { path: of('A'), json: { handle: '!' }, token: cat }, 400, 'INVALID_NAME'],
    ...['', ' ', 'b.ob', 'b ob', 'b/ob', 'ö'].map(
      (handle) =>
        [`the handle ${handle}`, { path, token: cat, json: { handle } }, 400, 'INVALID_NAME'] as const,
    ),
    ['no package', { path: of('nobody'), token: cat, ...nobody }, 404, 'NOT_FOUND'],
    ['not an owner', { path, token: cat, ...nobody }, 403, 'FORBIDDEN', 'not a package owner'],
    ['not an owner, and nothing to change', { path, token: cat, json: { handle: 'ann' } }, 403, 'FORBIDDEN'],
    ['an unknown user', { path, token: ann, ...nobody }, 404, 'NOT_FOUND'],
    ['an unknown user, for an administrator', { path, token: root, ...nobody }, 404, 'NOT_FOUND'],
  ]);
});

test('a removal that cannot be is answered with the first of its faults', async () => {
  await api.publish({ name: 'kept', version: '1.0.0' }, ann);
  const of = (name: string, handle = 'ann') => ({
    method: 'DELETE',
    path: `v1/packages/${name}/owners/${handle}`,
  });
  await api.refuses([
    ['no token', of('A', '!'), 401, 'AUTH_REQUIRED'],
    ['an unknown token', { ...of('A', '!'), token: 'nobody' }, 401, 'AUTH_INVALID'],
    ['no scope', { ...of('A', '!'), token: publisher }, 403, 'FORBIDDEN', 'missing scope: owner.manage'],
    ['a bad name', { ...of('A'), token: cat }, 400, 'INVALID_NAME'],
    ['a bad handle', { ...of('kept', '%20'), token: cat }, 400, 'INVALID_NAME'],
    ['no package', { ...of('nobody', 'nobody'), token: cat }, 404, 'NOT_FOUND'],
    ['not an owner', { ...of('kept', 'nobody'), token: cat }, 403, 'FORBIDDEN', 'not a package owner'],
    ['an unknown user', { ...of('kept', 'nobody'), token: ann }, 404, 'NOT_FOUND'],
    ['a user who is no owner', { ...of('kept', 'bob'), token: ann }, 404, 'NOT_FOUND'],
    ['the last owner', { ...of('kept'), token: ann }, 403, 'FORBIDDEN', 'cannot remove last owner'],
  ]);
  assert.deepEqual(await ownersOf('kept'), ['ann']);
  for (const path of ['v1/packages/Kept/owners', 'v1/packages/nobody/owners']) {
    const code = path.includes('K') ? 'INVALID_NAME' : 'NOT_FOUND';
    assertX07Error(await api.ask({ path }), code === 'NOT_FOUND' ? 404 : 400, code);
  }
});

test('a package is official while the official account is among its owners, and everywhere at once', async () => {
  await changeSettings(server.data, { x07: { officialOwner: 'cat' } });
  await api.publish({ name: 'marked', version: '1.0.0' }, ann);
  await api.publish({ name: 'marked', version: '1.1.0' }, ann);
  const expectOfficial = async (is: boolean): Promise<void> => {
    for (const path of ['', '/owners', '/1.0.0/metadata', '/1.1.0/metadata'])
      assert.equal((await api.ok({ path: `v1/packages/marked${path}` }))['is_official'], is, path);
    const { packages } = await api.ok<{ packages: { is_official: boolean }[] }>({
      path: 'v1/search?q=marked',
    });
    assert.deepEqual(
      packages.map(({ is_official }) => is_official),
      [is],
    );
    await eventually(async () =>
      assert.ok(
        (await api.ask({ path: 'index/catalog.json' })).text.includes(
          `{"name":"marked","is_official":${is},`,
        ),
        'the catalog follows',
      ),
    );
  };
  await expectOfficial(false);
  await add('marked', 'cat');
  await expectOfficial(true);
  await remove('marked', 'cat', cat);
  await expectOfficial(false);
  // Another official account, and other packages are.
  await changeSettings(server.data, { x07: { officialOwner: 'ann' } });
  await expectOfficial(true);
  await changeSettings(server.data, { x07: {} });
  await expectOfficial(false);
});
