/** Dependency confusion: what is ours is never asked for elsewhere, whatever has become of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claim } from '../../bin/claim.ts';
import { exitCodeOf, explain } from '../../bin/exit-codes.ts';
import { cairn } from '../support/command-line.ts';
import { packumentText, says } from '../support/fake-upstream.ts';
import { bearer } from '../support/http.ts';
import { openWithFallback, type WithFallback } from '../support/npm-fallback.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';

/** The upstream has everything, newer. */
function hasEverything({ upstream }: WithFallback, names: readonly string[]): void {
  for (const name of names) {
    const path = `/${name.replace('/', '%2f')}`;
    const text = packumentText(name, ['99.0.0'], (version) => `${upstream.url}/${name}/-/a-${version}.tgz`);
    upstream.answers.set(path, says(text));
    upstream.answers.set(`${path}/99.0.0`, says('{"name":"a","version":"99.0.0","dist":{"tarball":"x"}}'));
    upstream.answers.set(`/-/package${path}/dist-tags`, says('{"latest":"99.0.0"}'));
    upstream.answers.set(`/${name}/-/a-99.0.0.tgz`, says('theirs'));
  }
}

/** All that the upstream could be asked about a package. */
const questions = (name: string): readonly string[] => {
  const escaped = name.replace('/', '%2f');
  return [
    `/${escaped}`,
    `/${name}`,
    `/${name.replace('@', '%40').replace('/', '%2F')}`,
    `/${escaped}/99.0.0`,
    `/${escaped}/latest`,
    `/-/package/${escaped}/dist-tags`,
    `/${name}/-/a-99.0.0.tgz`,
    `/${escaped}/-/a-99.0.0.tgz`,
    `/${escaped}/-/=99.0.0.tgz`,
  ];
};

test('nothing that is ours, was ours or is kept for somebody is asked for elsewhere', async (t) => {
  const open = await openWithFallback(t, { tarballs: 'stream' });
  const { api, get, upstream, server } = open;
  const publish = async (name: string, access: 'public' | 'restricted' = 'public'): Promise<void> => {
    const { status, text } = await api.publish({ name, version: '1.0.0' }, ADMIN_TOKEN, { access });
    assert.equal(status, 201, text);
  };
  await publish('isarray');
  await publish('gone');
  await publish('@acme/open');
  await publish('@acme/secret', 'restricted');
  const { _rev } = await api.packument('gone');
  const withdrawn = await api.ask({ method: 'DELETE', path: `gone/-rev/${_rev}`, token: ADMIN_TOKEN });
  assert.equal(withdrawn.status, 200, withdrawn.text);
  for (const reserved of ['npm/reserved', 'npm/@kept', 'npm/@free/reserved']) {
    const { code, stdout, stderr } = await cairn([
      'claim',
      reserved,
      '--owner',
      'admin',
      '--data',
      server.data,
    ]);
    assert.deepEqual([code, stdout], [0, `claimed ${reserved} for admin\n`], stderr);
  }
  const ours = [
    'isarray',
    'gone',
    '@acme/open',
    '@acme/secret',
    '@acme/never-published',
    // Scopes are one whatever their case: no registry has two that differ by it alone.
    '@ACME/secret',
    '@kept/anything',
    'reserved',
    '@free/reserved',
  ];
  const theirs = ['is-array', 'is.array', 'isArray', '@free/other', '@acme2/open', '@acm/open', 'open'];
  hasEverything(open, [...ours, ...theirs]);
  for (const name of ours)
    for (const path of questions(name))
      for (const headers of [{}, bearer(ADMIN_TOKEN)]) {
        const { status, text } = await get(path, headers);
        assert.ok(!text.includes('"99.0.0"') && !text.includes('theirs'), `${path}: ${status} ${text}`);
      }
  assert.deepEqual(upstream.asked, []);
  for (const name of theirs) {
    const answer = await get(`/${name.replace('/', '%2f')}`);
    assert.equal(answer.status, 200, name);
    assert.equal((await get(`/${name}/-/a-99.0.0.tgz`)).text, 'theirs');
  }
});

test('a private package, another one of its scope and a scope of nobody here cannot be told apart by what is asked', async (t) => {
  const open = await openWithFallback(t);
  const { api, get, upstream } = open;
  await api.publish({ name: '@acme/secret', version: '1.0.0' }, ADMIN_TOKEN, { access: 'restricted' });
  const answers = [];
  for (const name of ['@acme%2fsecret', '@acme%2fnothing', '@other%2fnothing']) {
    const { status, text, headers } = await get(`/${name}`);
    const { date: _date, 'x-request-id': id, ...rest } = headers;
    answers.push([status, text.replace(String(id), ''), rest]);
  }
  assert.deepEqual(answers[0], answers[1]);
  assert.deepEqual(answers[0], answers[2]);
  assert.deepEqual(
    upstream.asked.map(({ path }) => path),
    ['/@other%2fnothing'],
  );
});

test('a name is kept from the moment it is claimed, and its owner publishes there', async (t) => {
  const open = await openWithFallback(t);
  const { api, get, server } = open;
  hasEverything(open, ['tool', '@team/tool']);
  const reserve = (...args: string[]): ReturnType<typeof cairn> =>
    cairn(['claim', ...args, '--data', server.data]);
  for (const [claimed, name] of [
    ['npm/tool', 'tool'],
    ['npm/@team', '@team/tool'],
  ] as const) {
    assert.equal((await get(`/${name}`)).status, 200);
    const { code, stdout } = await reserve(claimed, '--owner', 'admin', '--json');
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as { kind: string }).kind, 'claimed');
    assert.equal((await get(`/${name}`)).status, 404);
    assert.equal((await api.publish({ name, version: '1.0.0' }, ADMIN_TOKEN)).status, 201);
    assert.equal((await get(`/${name}`)).status, 200);
    assert.equal((await reserve(claimed, '--owner', 'admin')).code, 3, 'once');
  }
});

test('only what can be published is claimed, for somebody who is known, where there is such a thing', async (t) => {
  const { server } = await openWithFallback(t);
  const rows: readonly (readonly [name: string, owner: string, code: number, says: RegExp])[] = [
    ['npm/tool', 'nobody', 3, /user nobody not found/],
    ['npm/@team', 'nobody', 3, /user nobody not found/],
    ['npm/Bad Name', 'admin', 2, /"Bad Name" cannot be the name of a package or a scope of npm/],
    ['npm/@', 'admin', 2, /cannot be the name/],
    ['npm/@Team', 'admin', 2, /cannot be the name/],
    ['npm/@team/', 'admin', 2, /cannot be the name/],
    ['npm/.hidden', 'admin', 2, /cannot be the name/],
    ['x07/@team', 'admin', 2, /cannot be the name of a package of x07/],
    ['cobol/tool', 'admin', 2, /name the ecosystem/],
    ['tool', 'admin', 2, /name the ecosystem/],
  ];
  for (const [name, owner, code, says] of rows)
    await assert.rejects(claim(server.data, name, { owner }), (error) => {
      assert.equal(exitCodeOf(error), code, name);
      assert.match(explain(error), says);
      return true;
    });
  assert.equal((await cairn(['claim', 'npm/tool', '--data', server.data])).code, 2, 'for whom?');
  assert.equal((await cairn(['claim', 'x07/tool', '--owner', 'admin', '--data', server.data])).code, 0);
});
