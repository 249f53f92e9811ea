/** Yank, unyank, deprecate and removal (contract, section 7, test 6 of section 16). */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import type { Command } from '../../core/decide.ts';
import { cairn } from '../support/command-line.ts';
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
import { openTestServer } from '../support/test-server.ts';
import { storedState } from '../support/stored-state.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile, unlimited);
const ori = oriApi(server);
const alice = await oriToken(server.data, 'alice', 'publish');

/** A package with a name of its own, so that tests do not meet. */
async function aPackage(name: string, ...versions: readonly string[]): Promise<void> {
  for (const version of versions) await ori.publish({ name, version }, alice);
}
const act = (name: string, version: string, verb: string, json?: object): Promise<Record<string, unknown>> =>
  ori.ok({
    method: 'POST',
    path: pathOf(name, `${version}/${verb}`),
    token: alice,
    ...(json ? { json } : {}),
  });

const operate = (...commands: readonly Command[]): Promise<unknown> =>
  remoteControl(join(server.data, 'control.sock')).execute(commands);

test('a yanked version is hidden from resolution, stays downloadable, and comes back', async () => {
  const name = '@acme/yanked';
  await aPackage(name, '1.0.0', '1.0.1');
  const download = pathOf(name, '1.0.1/download');
  const { body } = await ori.ask({ path: download });
  assert.deepEqual(await act(name, '1.0.1', 'yank', { reason: 'It leaks.' }), {
    ok: true,
    name,
    version: '1.0.1',
    yanked: true,
  });
  const hidden = await ori.versions(name);
  assert.deepEqual(hidden.versions, ['1.0.0']);
  assert.deepEqual(
    hidden.releases.map(({ version, yanked }) => [version, yanked]),
    [
      ['1.0.0', false],
      ['1.0.1', true],
    ],
  );
  const { yanked, yanked_reason } = await ori.metadata(name, '1.0.1');
  assert.deepEqual([yanked, yanked_reason], [true, 'It leaks.']);
  assert.ok((await ori.ask({ path: download })).body.equals(body));
  assert.deepEqual(await act(name, '1.0.1', 'unyank'), { ok: true, name, version: '1.0.1', yanked: false });
  assert.deepEqual((await ori.versions(name)).versions, ['1.0.0', '1.0.1']);
  const back = await ori.metadata(name, '1.0.1');
  assert.deepEqual([back['yanked'], back['yanked_reason']], [false, null]);
});

test('all yanked: the list is there, and empty', async () => {
  const name = '@acme/all-yanked';
  await aPackage(name, '1.0.0');
  await act(name, '1.0.0', 'yank');
  assert.deepEqual((await ori.versions(name)).versions, []);
  const { total } = await ori.ok<{ total: number }>({ path: 'v1/search?q=all-yanked' });
  assert.equal(total, 0);
  // Its number is not free either.
  assertProblem(
    await ori.ask(await publishOf(name, packOri({ name, files: { 'src/x': 'y' } }), alice)),
    409,
    'version_exists',
  );
});

test('each may be sent again, and changes nothing then', async () => {
  const name = '@acme/again';
  await aPackage(name, '1.0.0');
  for (const [verb, json] of [
    ['yank', { reason: 'first' }],
    ['unyank', undefined],
    ['deprecate', { message: 'Use 2.x' }],
    ['deprecate', { message: '' }],
  ] as const) {
    const first = await act(name, '1.0.0', verb, json);
    const { events } = await storedState(server);
    assert.deepEqual(await act(name, '1.0.0', verb, json), first);
    assert.equal((await storedState(server)).events, events, verb);
  }
  assert.deepEqual(await act(name, '1.0.0', 'unyank'), { ok: true, name, version: '1.0.0', yanked: false });
});

test('a message warns of a version, another replaces it, and an empty one takes it back', async () => {
  const name = '@acme/deprecated';
  await aPackage(name, '1.0.0', '2.0.0');
  const messages = ['Use 2.x', 'x'.repeat(1024), 'Ünïcödé 🦀', ' '];
  for (const message of messages) {
    const answer = await act(name, '1.0.0', 'deprecate', { message });
    assert.deepEqual(answer, { ok: true, name, version: '1.0.0', deprecated: message });
    const { versions, releases } = await ori.versions(name);
    assert.deepEqual(versions, ['1.0.0', '2.0.0'], 'it stays on offer');
    assert.deepEqual(
      releases.map(({ deprecated }) => deprecated),
      [message, null],
    );
    assert.equal((await ori.metadata(name, '1.0.0'))['deprecated'], message);
  }
  const cleared = await act(name, '1.0.0', 'deprecate', { message: '' });
  assert.deepEqual(cleared, { ok: true, name, version: '1.0.0', deprecated: null });
  assert.equal((await ori.metadata(name, '1.0.0'))['deprecated'], null);
});

test('what the operator says of a package as a whole is said of each of its versions', async () => {
  const name = '@acme/whole';
  await aPackage(name, '1.0.0', '1.1.0');
  await act(name, '1.1.0', 'deprecate', { message: 'Of this one.' });
  await operate({ kind: 'deprecate', ecosystem: 'ori', name, message: 'Of all.' });
  const { releases } = await ori.versions(name);
  assert.deepEqual(
    releases.map(({ deprecated }) => deprecated),
    ['Of all.', 'Of this one.'],
  );
  for (const { version, deprecated } of releases)
    assert.equal((await ori.metadata(name, String(version)))['deprecated'], deprecated);
});

test('bodies of another shape, names and versions that are none, and what is not there are refused', async () => {
  const name = '@acme/rows';
  await aPackage(name, '1.0.0');
  const at = (rest: string, json: unknown): Refusal[1] => ({ path: pathOf(name, rest), json, token: alice });
  const bad = 'bad_request';
  const rows: Refusal[] = [
    ['no body', { method: 'POST', path: pathOf(name, '1.0.0/deprecate'), token: alice }, 400, bad],
    ['no message', at('1.0.0/deprecate', {}), 400, bad],
    ['a message that is null', at('1.0.0/deprecate', { message: null }), 400, bad],
    ['a message that is a number', at('1.0.0/deprecate', { message: 1 }), 400, bad],
    ['a list', at('1.0.0/deprecate', ['x']), 400, bad],
    ['1,025 characters', at('1.0.0/deprecate', { message: 'x'.repeat(1025) }), 400, bad, /1024 characters/],
    ['a line break', at('1.0.0/deprecate', { message: 'a\nb' }), 400, bad, /control character/],
    ['an escape', at('1.0.0/deprecate', { message: 'a\u001b[2Jb' }), 400, bad, /control character/],
    ['half a letter', at('1.0.0/deprecate', { message: '\ud800' }), 400, bad],
    [
      'half a body',
      {
        path: pathOf(name, '1.0.0/deprecate'),
        body: '{"message":',
        headers: { 'content-type': 'application/json' },
        token: alice,
      },
      400,
      bad,
    ],
    ['no JSON', { path: pathOf(name, '1.0.0/deprecate'), body: 'message=x', token: alice }, 400, bad],
    ...['yank', 'unyank'].flatMap((verb): Refusal[] => [
      [`${verb} for a number`, at(`1.0.0/${verb}`, { reason: 1 }), 400, bad],
      [`${verb} for too much`, at(`1.0.0/${verb}`, { reason: 'x'.repeat(1025) }), 400, bad],
      [`${verb} with a list`, at(`1.0.0/${verb}`, []), 400, bad],
    ]),
    ...['yank', 'unyank', 'deprecate'].flatMap((verb): Refusal[] => [
      [`${verb} without a version`, at(`9.9.9/${verb}`, { message: 'x' }), 404, 'not_found'],
      [
        `${verb} without a package`,
        { ...at('', { message: 'x' }), path: pathOf('@acme/none', `1.0.0/${verb}`) },
        404,
        'not_found',
      ],
      [
        `${verb} with more than anybody writes`,
        at(`1.0.0/${verb}`, { more: 'x'.repeat(70_000) }),
        413,
        'too_large',
      ],
      [`${verb} of a wrong version`, at(`1.0/${verb}`, { message: 'x' }), 422, 'invalid_version'],
      [
        `${verb} of a wrong name`,
        { ...at('', { message: 'x' }), path: `v1/packages/Acme/x/1.0.0/${verb}` },
        422,
        'invalid_name',
      ],
    ]),
  ];
  await ori.refuses(rows);
});

test('a version that the operator withdrew is gone, says so, and is never free again', async () => {
  const name = '@acme/removed';
  await aPackage(name, '1.0.0', '1.1.0', '1.2.0');
  const archive = packOri({ name, version: '1.1.0' });
  const release = `ori/${name}@1.1.0`;
  const done = await cairn(['withdraw', release, '--reason', 'security', '--data', server.data]);
  assert.deepEqual([done.code, done.stdout.trim()], [0, `withdrew ${release}`], done.stderr);
  const again = await cairn(['withdraw', release, '--reason', 'security', '--data', server.data]);
  assert.equal(again.stdout.trim(), `${release} is withdrawn already`);
  await operate({
    kind: 'withdraw',
    ecosystem: 'ori',
    name,
    version: '1.2.0',
    reason: 'legal: court of Nowhere',
  });

  for (const [version, status, reason] of [
    ['1.1.0', 410, 'security'],
    ['1.2.0', 451, 'legal: court of Nowhere'],
  ] as const)
    for (const rest of ['metadata', 'download']) {
      const { removed } = assertProblem(
        await ori.ask({ path: pathOf(name, `${version}/${rest}`) }),
        status,
        'removed',
      );
      assert.ok(removed && 'at' in removed && 'reason' in removed);
      assert.equal(removed.reason, reason);
      assert.match(String(removed.at), /^\d{4}-\d\d-\d\dT/);
      assert.ok(!existsSync(join(server.data, 'site/ori/v1/packages/acme/removed', version, rest)));
    }
  const { versions, releases } = await ori.versions(name);
  assert.deepEqual(versions, ['1.0.0']);
  assert.deepEqual(
    releases.map(({ version, yanked, removed }) => [version, yanked, removed !== undefined]),
    [
      ['1.0.0', false, false],
      ['1.1.0', true, true],
      ['1.2.0', true, true],
    ],
  );
  const published = assertProblem(
    await ori.ask(await publishOf(name, packOri({ name, version: '1.1.0', files: { 'src/x': 'y' } }), alice)),
    409,
    'version_exists',
  );
  assert.match(String(published.checksum), /^sha256:/);
  // Its own bytes once more are a replay: the answer is the first one, and nothing comes back.
  assert.equal((await ori.ask(await publishOf(name, archive, alice))).status, 200);
  assertProblem(await ori.ask({ path: pathOf(name, '1.1.0/download') }), 410, 'removed');
  for (const verb of ['yank', 'unyank', 'deprecate'])
    for (const [version, status] of [
      ['1.1.0', 410],
      ['1.2.0', 451],
    ] as const)
      assertProblem(
        await ori.ask({ path: pathOf(name, `${version}/${verb}`), json: { message: 'x' }, token: alice }),
        status,
        'removed',
      );
});

test('a package that was withdrawn as a whole has a list without versions, and is found no more', async () => {
  const name = '@acme/gone';
  await aPackage(name, '1.0.0');
  await operate({ kind: 'withdraw', ecosystem: 'ori', name });
  const { versions, releases } = await ori.versions(name);
  assert.deepEqual(versions, []);
  assert.deepEqual(
    releases.map(({ removed }) => (removed as { reason: unknown }).reason),
    [null],
  );
  const { total } = await ori.ok<{ total: number }>({ path: 'v1/search?q=gone' });
  assert.equal(total, 0);
});
