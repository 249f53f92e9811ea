import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertPlainError, assertX07Error, bearer, send, type Answer } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken, storedState } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile);
const alice = await makeToken(server.data, { scopes: ['publish', 'yank'] });
const publisher = await makeToken(server.data, { scopes: ['publish', 'read', 'owner', 'tokens'] });
const bob = await makeToken(server.data, { handle: 'bob', scopes: ['yank'] });
for (const version of ['1.0.0', '1.1.0', '2.0.0+b1'])
  assert.equal((await server.publish({ name: 'acme-hello', version }, alice)).status, 200);

interface Wanted {
  readonly path?: string;
  readonly token?: string | undefined;
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

function yank({
  path = 'acme-hello/1.0.0',
  token = alice,
  body = '{"yanked":true}',
  headers,
}: Wanted): Promise<Answer> {
  return send(server.url, `/x07/v1/packages/${path}/yank`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === '' ? {} : bearer(token)), ...headers },
    body,
  });
}

async function yankedInIndex(): Promise<Record<string, boolean>> {
  const { text } = await send(server.url, '/x07/index/ac/me/acme-hello');
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { version: string; yanked: boolean });
  return Object.fromEntries(lines.map(({ version, yanked }) => [version, yanked]));
}

test('one endpoint yanks and unyanks, may be asked again, and is seen at once', async () => {
  const archive = (await send(server.url, '/x07/v1/packages/acme-hello/1.0.0/download')).body;
  const before = await storedState(server);
  const steps = [
    [true, 1],
    [true, 1],
    [false, 2],
    [false, 2],
    [true, 3],
  ] as const;
  for (const [yanked, events] of steps) {
    const answer = await yank({ body: JSON.stringify({ yanked }) });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.equal(answer.text, `{"ok":true,"name":"acme-hello","version":"1.0.0","yanked":${yanked}}`);
    assert.deepEqual(await yankedInIndex(), { '1.0.0': yanked, '1.1.0': false, '2.0.0+b1': false });
    const detail = JSON.parse((await send(server.url, '/x07/v1/packages/acme-hello')).text) as {
      latest_version: string;
      versions: { version: string; yanked: boolean }[];
    };
    assert.equal(detail.versions.find(({ version }) => version === '1.0.0')?.yanked, yanked);
    assert.equal(detail.latest_version, '2.0.0+b1');
    // Asking for what is so already is no event.
    assert.equal((await storedState(server)).events, before.events + events);
  }
  assert.deepEqual((await send(server.url, '/x07/v1/packages/acme-hello/1.0.0/download')).body, archive);
});

test('a version with a plus is yanked however its path is written', async () => {
  for (const [path, yanked] of [
    ['acme-hello/2.0.0+b1', true],
    ['acme-hello/2.0.0%2Bb1', false],
  ] as const) {
    const answer = await yank({ path, body: JSON.stringify({ yanked }) });
    assert.equal(answer.text, `{"ok":true,"name":"acme-hello","version":"2.0.0+b1","yanked":${yanked}}`);
    assert.equal((await yankedInIndex())['2.0.0+b1'], yanked);
  }
});

test('an administrator yanks what others own', async () => {
  for (const yanked of [true, false])
    assert.equal(
      (await yank({ path: 'acme-hello/1.1.0', token: ADMIN_TOKEN, body: JSON.stringify({ yanked }) })).status,
      200,
    );
});

test('a body that is not what it should be is refused in plain text, before anybody is asked who they are', async () => {
  const json = 'application/json';
  const rows: readonly (readonly [what: string, type: string | undefined, body: string, status: number])[] = [
    ['no content type', undefined, '{"yanked":true}', 415],
    ['text', 'text/plain', '{"yanked":true}', 415],
    ['a form', 'application/x-www-form-urlencoded', 'yanked=true', 415],
    ['nothing', json, '', 400],
    ['half of it', json, '{"yanked":', 400],
    ['words', json, 'yes', 400],
    ['two values', json, '{"yanked":true}{}', 400],
    ['a byte order mark', json, '\ufeff{"yanked":true}', 400],
    ['an array', json, '[]', 422],
    ['null', json, 'null', 422],
    ['true', json, 'true', 422],
    ['no field', json, '{}', 422],
    ['a field in words', json, '{"yanked":"true"}', 422],
    ['a field that is null', json, '{"yanked":null}', 422],
    ['a field that is inherited', json, '{"__proto__":{"yanked":true}}', 422],
    ['nesting of 100,000', json, `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 422],
    ['more than 2 MiB', json, `{"yanked":true,"x":"${'x'.repeat(2 * 1024 * 1024)}"}`, 413],
  ];
  const before = await storedState(server);
  for (const [what, type, body, status] of rows)
    for (const token of [alice, '', 'nobody']) {
      const answer = await send(server.url, '/x07/v1/packages/acme-hello/1.0.0/yank', {
        method: 'POST',
        headers: {
          ...(type === undefined ? {} : { 'content-type': type }),
          ...(token === '' ? {} : bearer(token)),
        },
        body,
      });
      try {
        assertPlainError(answer, status);
      } catch (error) {
        throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
      }
    }
  assert.deepEqual(await storedState(server), before);
  for (const type of ['application/json; charset=utf-8', 'Application/JSON'])
    assert.equal((await yank({ headers: { 'content-type': type } })).status, 200, type);
});

test('a yank that is refused is answered with the first of its faults', async () => {
  const before = await storedState(server);
  const rows: readonly (readonly [
    what: string,
    wanted: Wanted,
    status: number,
    code: string,
    message?: string,
  ])[] = [
    ['no token', { token: '', path: 'A/1' }, 401, 'AUTH_REQUIRED'],
    ['an unknown token', { token: 'nobody', path: 'A/1' }, 401, 'AUTH_INVALID'],
    ['no scope', { token: publisher, path: 'A/1' }, 403, 'FORBIDDEN', 'missing scope: owner.manage'],
    ['a bad name', { token: bob, path: 'A/1' }, 400, 'INVALID_NAME'],
    ['a bad version', { token: bob, path: 'nobody/1' }, 400, 'INVALID_VERSION'],
    ['no package', { token: bob, path: 'nobody/1.0.0' }, 404, 'NOT_FOUND'],
    ['no version', { token: bob, path: 'acme-hello/9.9.9' }, 404, 'NOT_FOUND'],
    ['other build metadata', { path: 'acme-hello/1.0.0+b1' }, 404, 'NOT_FOUND'],
    ['not an owner', { token: bob }, 403, 'FORBIDDEN', 'not a package owner'],
    ['not an owner, and nothing to change', { token: bob, body: '{"yanked":false}' }, 403, 'FORBIDDEN'],
  ];
  for (const [what, wanted, status, code, message] of rows) {
    try {
      const answered = assertX07Error(await yank(wanted), status, code);
      if (message !== undefined) assert.equal(answered.message, message);
    } catch (error) {
      throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
    }
  }
  assert.deepEqual(await storedState(server), before);
});
