/** Where upstream disagrees with itself (contract of X07, section 16): the side that is taken here, row by row. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { assertX07Error, bearer, send } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { x07Api } from '../support/x07-api.ts';
import { packX07 } from '../support/x07-package.ts';

const SECRET = 'the-secret-of-whoever-set-this-up';
const server = await openTestServer(wholeFile, { CAIRN_BOOTSTRAP_TOKEN: SECRET });
const api = x07Api(server);

interface Operation {
  readonly security: readonly object[];
  readonly responses: Readonly<Record<string, { content?: Record<string, { schema: object }> }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, { required: string[] } | undefined>> };
}
const document = JSON.parse((await api.ask({ path: 'openapi/openapi.json' })).text) as Document;

function operation(method: string, path: string): Operation {
  return document.paths[path]?.[method] ?? assert.fail(`${method} ${path} is not described`);
}

test('bootstrap: it is there, as in January, for whoever has the secret', async () => {
  const json = { handle: 'alice' };
  const { token } = await api.ok({ path: 'v1/admin/bootstrap', token: SECRET, json });
  assert.match(String(token), /^x07t_/);
  assert.ok(operation('post', '/v1/admin/bootstrap'));
});

test('entry content type: application/x-ndjson, and the document says so', async () => {
  await api.publish({ name: 'entry', version: '1.0.0' }, ADMIN_TOKEN);
  const { headers } = await api.ask({ path: 'index/en/tr/entry' });
  assert.equal(headers['content-type'], 'application/x-ndjson');
  const { content = {} } = operation('get', '/index/{a}/{b}/{name}').responses['200'] ?? {};
  assert.deepEqual(Object.keys(content), ['application/x-ndjson']);
});

test('publish errors: 403 is one of them, and the document says so', async () => {
  const reader = await makeToken(server.data, { scopes: ['read'] });
  const asked = { path: 'v1/packages/publish', method: 'POST', token: reader };
  assertX07Error(
    await api.ask({ ...asked, body: packX07({ name: 'a', version: '1.0.0' }) }),
    403,
    'FORBIDDEN',
  );
  const statuses = Object.keys(operation('post', '/v1/packages/publish').responses);
  for (const status of ['200', '400', '401', '403', '409']) assert.ok(statuses.includes(status), status);
});

test('add owner: with a token, because there are no sessions', async () => {
  const { security } = operation('post', '/v1/packages/{name}/owners');
  assert.deepEqual(security, [{ token: [] }]);
  await api.publish({ name: 'owned', version: '1.0.0' }, ADMIN_TOKEN);
  const path = 'v1/packages/owned/owners';
  const headers = { cookie: `x07_session=x07s_${'0'.repeat(64)}`, origin: 'https://ui.example' };
  await api.refuses([['a session', { path, json: { handle: 'alice' }, headers }, 401, 'AUTH_REQUIRED']]);
});

test('latest, description and docs in the catalog: left out, never null', async () => {
  await api.publish({ name: 'hidden', version: '1.0.0' }, ADMIN_TOKEN);
  await api.ok({ path: 'v1/packages/hidden/1.0.0/yank', token: ADMIN_TOKEN, json: { yanked: true } });
  await eventually(async () => {
    const { text } = await api.ask({ path: 'index/catalog.json' });
    assert.ok(text.includes('{"name":"hidden","is_official":false}'), 'the catalog follows');
    assert.ok(!text.includes('null'));
  });
  assert.deepEqual(document.components.schemas['X07CatalogItem']?.required, ['name', 'is_official']);
});

test('manifest in metadata answers: the fields of the contract and no other; old ones may lack some', async () => {
  await api.publish(
    { name: 'wide', version: '1.0.0', manifest: { homepage: 'https://a.example', authors: ['ann'] } },
    ADMIN_TOKEN,
  );
  const { package: manifest } = await api.ok<{ package: object }>({
    path: 'v1/packages/wide/1.0.0/metadata',
  });
  assert.deepEqual(
    new Set(Object.keys(manifest)),
    new Set([
      'schema_version',
      'name',
      'description',
      'license',
      'docs',
      'version',
      'module_root',
      'modules',
      'meta',
    ]),
  );
  assert.deepEqual(document.components.schemas['X07Manifest']?.required, [
    'schema_version',
    'name',
    'version',
    'module_root',
    'modules',
  ]);
});

test('archetypes: served, and in the document', async () => {
  assert.equal((await api.ok({ path: 'v1/archetypes' }))['total'], 0);
  assert.ok(operation('get', '/v1/archetypes'));
  assert.ok(operation('get', '/v1/archetypes/{name}'));
});

test('size error: 400, not 413', async () => {
  const answer = await send(server.url, '/x07/v1/packages/publish', {
    method: 'POST',
    headers: bearer(ADMIN_TOKEN),
    body: Buffer.alloc(67_108_865),
  });
  assertX07Error(answer, 400, 'BODY_TOO_LARGE');
});

test('name pattern: what can be published starts with a letter; any legal first byte may be asked for', async () => {
  for (const name of ['9lives', '-x', '_x', '0'])
    await api.refuses([
      [
        `${name} published`,
        {
          path: 'v1/packages/publish',
          method: 'POST',
          token: ADMIN_TOKEN,
          body: packX07({ name, version: '1.0.0', modules: { 'ext.a': '' } }),
        },
        400,
        'INVALID_NAME',
      ],
      [`${name} asked for`, { path: `v1/packages/${name}` }, 404, 'NOT_FOUND'],
    ]);
});

test('rdep_conflicts: known to the client only', async () => {
  const published = await api.publish({ name: 'plain', version: '1.0.0' }, ADMIN_TOKEN);
  assert.deepEqual(Object.keys(published), ['name', 'version', 'cksum', 'index_path']);
});
