/** Logins, tokens and second factors, by the clients themselves. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { TOTP } from 'otpauth';
import { remoteControl } from '../../api/control.ts';
import { closing } from '../support/closing.ts';
import { bearer } from '../support/http.ts';
import { clientNamed, type ClientName } from '../support/npm-clients.ts';
import { openProject, type Project } from '../support/npm-project.ts';
import { publish, serveRegistry, type Served } from '../support/npm-registries.ts';

const PASSWORD = 'correct horse battery';

let served: Served;
const opened = closing();
before(async () => {
  served = await serveRegistry(opened);
  const control = remoteControl(join(served.data, 'control.sock'));
  for (const handle of ['alice', 'bob', 'carol']) await control.createAccount({ handle, password: PASSWORD });
});
after(() => opened.close());

async function aClient(
  t: Parameters<typeof openProject>[0],
  client: ClientName,
  token: string,
  manifest: object = { name: 'desk', version: '1.0.0', private: true },
): Promise<Project> {
  const project = await openProject(t, await clientNamed(client), { ...served, token }, { ...manifest });
  // Settings of the project would come before those that a login writes.
  if (token === '') await project.write('.npmrc', `registry=${served.registry}/\nupdate-notifier=false\n`);
  return project;
}

/** The token that a client has written down. */
function tokenIn(project: Project): string {
  const files = [
    join(project.folder, '.npmrc'),
    join(project.folder, '../home/.npmrc'),
    join(project.folder, '../home/.config/pnpm/auth.ini'),
  ];
  for (const file of files) {
    const found = /_authToken="?(npm_[0-9a-f]{64})/.exec(textOf(file));
    if (found?.[1] !== undefined) return found[1];
  }
  throw new Error('no token was written down');
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

async function tokenOf(handle: string): Promise<string> {
  const answer = await fetch(`${served.registry}/-/user/org.couchdb.user:${handle}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: handle, password: PASSWORD }),
  });
  return ((await answer.json()) as { token: string }).token;
}

for (const client of ['npm 10', 'npm 11', 'npm 12', 'pnpm 12'] as const)
  test(`${client} logs in through the browser, says who it is, and logs out`, async (t) => {
    const project = await aClient(t, client, '');
    let isAnswered = false;
    const finished = await project.converse(
      client === 'pnpm 12' ? ['login'] : ['login', '--auth-type=web'],
      (printed) => {
        const [page] = /http:\/\/\S+\/-\/v1\/login\/cli\/[0-9a-f]+/.exec(printed) ?? [];
        if (page === undefined || isAnswered) return;
        isAnswered = true;
        void fetch(page, {
          method: 'POST',
          body: new URLSearchParams({ handle: 'alice', password: PASSWORD }),
        });
      },
    );
    assert.equal(finished.code, 0, finished.output);
    const token = tokenIn(project);
    assert.match(await project.ok('whoami'), /^alice$/m);
    await project.ok('logout');
    const answer = await fetch(`${served.registry}/-/whoami`, { headers: bearer(token) });
    assert.equal(answer.status, 401);
  });

for (const client of ['npm 10', 'npm 11', 'npm 12'] as const)
  test(`${client} logs in with a password`, async (t) => {
    const project = await aClient(t, client, '');
    const asked = ['Username', 'Password', 'Email'];
    const lines = ['bob', PASSWORD, 'bob@example.com'];
    const finished = await project.converse(['login', '--auth-type=legacy'], (printed, answer) => {
      if (asked[0] === undefined || !printed.includes(asked[0])) return;
      asked.shift();
      answer(lines.shift() ?? '');
    });
    assert.equal(finished.code, 0, finished.output);
    assert.match(await project.ok('whoami'), /^bob$/m);
    assert.match(tokenIn(project), /^npm_/);
  });

test('a revoked token says so to every client', async (t) => {
  for (const client of ['npm 11', 'npm 12', 'pnpm 12', 'yarn 4', 'bun'] as const) {
    const project = await aClient(t, client, `npm_${'0'.repeat(64)}`);
    const words = client === 'yarn 4' ? ['npm', 'whoami'] : client === 'bun' ? ['pm', 'whoami'] : ['whoami'];
    assert.match(await project.refused(...words), /401|nauthorized|auth|logged in/i, client);
  }
});

test('whoami is answered to every client', async (t) => {
  const token = await tokenOf('alice');
  for (const client of ['npm 10', 'npm 11', 'npm 12', 'pnpm 12', 'yarn 4', 'bun'] as const) {
    const project = await aClient(t, client, token);
    const words = client === 'yarn 4' ? ['npm', 'whoami'] : client === 'bun' ? ['pm', 'whoami'] : ['whoami'];
    assert.match(await project.ok(...words), /alice/, client);
  }
});

test('npm lists, makes and revokes tokens, and shows the profile', async (t) => {
  const project = await aClient(t, 'npm 11', await tokenOf('alice'));
  const profile = JSON.parse(await project.ok('profile', 'get', '--json')) as { name: string };
  assert.equal(profile.name, 'alice');
  await project.ok('profile', 'set', 'fullname', 'Alice');
  assert.match(await project.ok('profile', 'get', 'fullname'), /Alice/);
  const made = await project.converse(['token', 'create', '--name', 'ci', '--json'], (printed, answer) => {
    if (/password/i.test(printed)) answer(PASSWORD);
  });
  assert.equal(made.code, 0, made.output);
  const list = JSON.parse(await project.ok('token', 'list', '--json')) as { key: string; name: string }[];
  const ci = list.find(({ name }) => name === 'ci');
  assert.ok(ci, JSON.stringify(list));
  await project.ok('token', 'revoke', ci.key.slice(0, 8));
  const left = JSON.parse(await project.ok('token', 'list', '--json')) as { name: string }[];
  assert.ok(!left.some(({ name }) => name === 'ci'));
});

test('with a second factor npm asks for a code, and publishes with it', async (t) => {
  const token = await tokenOf('carol');
  const post = async (json: object): Promise<{ tfa: string & string[] }> => {
    const answer = await fetch(`${served.registry}/-/npm/v1/user`, {
      method: 'POST',
      headers: { ...bearer(token), 'content-type': 'application/json' },
      body: JSON.stringify(json),
    });
    return (await answer.json()) as { tfa: string & string[] };
  };
  const { tfa: uri } = await post({ tfa: { password: PASSWORD, mode: 'auth-and-writes' } });
  const device = new TOTP({ secret: new URL(uri).searchParams.get('secret') ?? '' });
  const { tfa: recovery } = await post({ tfa: [device.generate()] });
  for (const client of ['npm 10', 'npm 11', 'npm 12'] as const) {
    const manifest = { name: `otp-${client.replace(' ', '-')}`, version: '1.0.0' };
    const project = await aClient(t, client, token, manifest);
    assert.match(await project.refused('publish'), /EOTP/, client);
    await project.ok('publish', `--otp=${recovery.pop()}`);
  }
});

test('search and the lists of packages are printed', async (t) => {
  const name = '@findable/lib';
  await publish(
    { name, version: '1.0.0', manifest: { keywords: ['needle'] } },
    { ...served, token: await tokenOf('bob') },
  );
  for (const client of ['npm 11', 'npm 12', 'pnpm 12'] as const) {
    const project = await aClient(t, client, await tokenOf('bob'));
    assert.match(await project.ok('search', 'needle'), /@findable\/lib/, client);
  }
  const project = await aClient(t, 'npm 11', await tokenOf('bob'));
  assert.match(await project.ok('access', 'list', 'packages', 'bob'), /@findable\/lib: read-write/);
  assert.match(await project.ok('access', 'list', 'collaborators', name), /bob: read-write/);
});
