import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { tokenDigest } from '../../core/account-book.ts';
import { cairnServe } from '../support/command-line.ts';
import { assertX07Error, bearer, send, type Answer } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { filesBelow, makeToken, storedState } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { packX07 } from '../support/x07-package.ts';

const server = await openTestServer(wholeFile);

function publish(token: string, name: string, version = '1.0.0', url = server.url): Promise<Answer> {
  return send(url, '/x07/v1/packages/publish', {
    method: 'POST',
    headers: bearer(token),
    body: packX07({ name, version }),
  });
}

test('the token of the environment needs no set-up and acts for an administrator', async () => {
  assert.equal((await publish(ADMIN_TOKEN, 'of-the-admin')).status, 200);
  const { text } = await send(server.url, '/x07/v1/packages/of-the-admin/owners');
  assert.match(text, /"owners":\["admin"\]/);
});

test('a token may do what its scopes say, and administrators are no exception', async () => {
  const alice = await makeToken(server.data);
  assert.equal((await publish(alice, 'of-alice')).status, 200);
  for (const scopes of [['read'], ['yank'], ['owner'], ['tokens'], ['admin'], []] as const) {
    const token = await makeToken(server.data, { scopes });
    const { message } = assertX07Error(await publish(token, 'of-alice', '2.0.0'), 403, 'FORBIDDEN');
    assert.equal(message, 'missing scope: publish');
  }
  const administrator = await makeToken(server.data, { handle: 'root', scopes: ['publish', 'admin'] });
  assert.equal((await publish(administrator, 'of-alice', '2.0.0')).status, 200);
});

test('a token that is limited to a place is good for nothing else', async () => {
  const limits = [{ ecosystem: 'x07', namespace: 'mine' }];
  const token = await makeToken(server.data, { handle: 'carol', limits });
  assert.equal((await publish(token, 'mine')).status, 200);
  const before = await storedState(server);
  for (const name of ['other', 'mine-too', 'min'])
    assertX07Error(await publish(token, name), 403, 'FORBIDDEN');
  assert.deepEqual(await storedState(server), before);
  const whole = await makeToken(server.data, { handle: 'carol', limits: [{ ecosystem: 'x07' }] });
  assert.equal((await publish(whole, 'mine', '1.1.0')).status, 200);
});

test('a token ends when it expires', async () => {
  const token = await makeToken(server.data, { expiresAt: new Date(Date.now() + 2_000).toISOString() });
  assert.equal((await publish(token, 'before-its-end')).status, 200);
  await new Promise((next) => setTimeout(next, 2_050));
  assertX07Error(await publish(token, 'after-its-end'), 401, 'AUTH_INVALID');
});

test('a revoked token ends at once, also in the middle of a conversation', async () => {
  const control = remoteControl(join(server.data, 'control.sock'));
  const { token, record } = await control.createToken({
    handle: 'dave',
    label: 'laptop',
    scopes: ['publish'],
  });
  const other = await makeToken(server.data, { handle: 'dave' });
  assert.equal((await publish(token, 'of-dave')).status, 200);
  await control.revokeToken(record.tokenId);
  assertX07Error(await publish(token, 'of-dave', '2.0.0'), 401, 'AUTH_INVALID');
  assert.equal(
    (await publish(other, 'of-dave', '2.0.0')).status,
    200,
    'the other token of the account stays',
  );
  await control.revokeToken(record.tokenId);
  // Reads never ask.
  assert.equal((await send(server.url, '/x07/v1/packages/of-dave', { headers: bearer(token) })).status, 200);
});

test('no token is written anywhere: not on the site, in a log, in an answer or on a stream', async (t) => {
  const data = await temporaryDirectory(t);
  const args = ['--data', data, '--listen', '127.0.0.1:0'];
  const environmentToken = 'a-token-that-only-the-environment-holds';
  const first = await cairnServe(t, args, { env: { CAIRN_LOG_LEVEL: 'trace' } });
  const [printed = ''] = /cairn_[0-9a-f]{64}/.exec(first.printed().stdout) ?? [];
  assert.notEqual(printed, '');
  const made = await makeToken(data, { label: 'ci' });
  const unknown = 'a-token-that-nobody-knows';
  const answers: Answer[] = [];
  for (const token of [printed, made, unknown]) {
    answers.push(await publish(token, 'acme-hello', '1.0.0', first.url));
    answers.push(await publish(token, 'acme-hello', 'not-a-version', first.url));
    answers.push(
      await send(first.url, `/x07/v1/packages/acme-hello?token=${token}`, { headers: bearer(token) }),
    );
    answers.push(await send(first.url, '/elsewhere', { headers: bearer(token) }));
  }
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 400, 200, 404, 403, 400, 200, 404, 401, 401, 200, 404],
  );
  assert.equal(await first.stop(), 0);
  const second = await cairnServe(t, args, {
    env: { CAIRN_LOG_LEVEL: 'trace', CAIRN_ADMIN_TOKEN: environmentToken },
  });
  assert.equal((await publish(environmentToken, 'acme-hello', '2.0.0', second.url)).status, 200);
  assert.equal(await second.stop(), 0);

  // Objects of git are compressed: they are looked at as git shows them.
  const texts = new Map<string, string>();
  for (const repository of ['log.git', 'private.git'])
    texts.set(
      repository,
      execFileSync('git', ['cat-file', '--batch-all-objects', '--batch'], {
        cwd: join(data, repository),
      }).toString('latin1'),
    );
  for (const file of await filesBelow(data)) texts.set(file, await readFile(file, 'latin1'));
  texts.set('first error stream', first.printed().stderr);
  texts.set('second error stream', second.printed().stderr);
  texts.set('second output', second.printed().stdout);
  for (const [i, answer] of answers.entries())
    texts.set(`answer ${i}`, JSON.stringify(answer.headers) + answer.text);
  assert.ok(texts.get('private.git')?.includes(tokenDigest(made)), 'the scan sees what is there');
  assert.match(first.printed().stderr, /"path":"\/x07\/v1\/packages\/publish"/);
  for (const [where, text] of texts)
    for (const token of [printed, made, unknown, environmentToken]) {
      assert.ok(!text.includes(token), `${token} is in ${where}`);
      assert.ok(!text.includes(token.replace('cairn_', '')), `${token} is in ${where}`);
      const isPrivate = where.includes('private.git');
      assert.ok(isPrivate || !text.includes(tokenDigest(token)), `the hash of ${token} is in ${where}`);
    }
});
