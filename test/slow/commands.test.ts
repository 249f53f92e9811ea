/** The commands that read and write a registry: beside a running server, and where none runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, cairn, cairnOk, cairnServe } from '../support/command-line.ts';
import { bearer, send, type Answer } from '../support/http.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { packX07 } from '../support/x07-package.ts';

const ADMIN = 'an-administrators-token-of-the-environment';

function publish(url: string, token: string, name: string, version: string): Promise<Answer> {
  return send(url, '/x07/v1/packages/publish', {
    method: 'POST',
    headers: bearer(token),
    body: packX07({ name, version }),
  });
}
async function isYanked(url: string): Promise<boolean> {
  const { text } = await send(url, '/x07/index/ac/me/acme-hello');
  return (JSON.parse(text) as { yanked: boolean }).yanked;
}

test('log, yank, unyank and tokens work beside a running server and without one', async (t) => {
  const data = await temporaryDirectory(t);
  const at = ['--data', data];
  const serve = () =>
    cairnServe(t, [...at, '--listen', '127.0.0.1:0'], { env: { CAIRN_ADMIN_TOKEN: ADMIN } });
  let server = await serve();
  assert.equal((await publish(server.url, ADMIN, 'acme-hello', '1.0.0')).status, 200);

  // Beside the server: what a command did is there when it ends.
  assert.equal(await cairnOk(['yank', ...at, 'x07/acme-hello@1.0.0']), 'yanked x07/acme-hello@1.0.0\n');
  assert.equal(await isYanked(server.url), true);
  assert.equal(
    await cairnOk(['yank', ...at, 'x07/acme-hello@1.0.0']),
    'x07/acme-hello@1.0.0 is yanked already\n',
  );
  const [alice, bob] = await Promise.all([
    cairn(['token', 'create', ...at, 'alice', '--label', 'ci', '--json']),
    cairn(['token', 'create', ...at, 'bob', '--scopes', 'publish,yank']),
  ]);
  const made = JSON.parse(alice.stdout) as {
    token: string;
    tokenId: string;
    handle: string;
    scopes: string[];
  };
  assert.deepEqual([made.handle, made.scopes], ['alice', ['publish']]);
  assert.equal((await publish(server.url, made.token, 'of-alice', '1.0.0')).status, 200);
  // Plain output is the token alone, for a script to take; the rest is for a person.
  assert.match(bob.stdout, /^cairn_[0-9a-f]{64}\n$/);
  assert.match(bob.stderr, /bob \(publish, yank\)/);
  assert.equal((await publish(server.url, bob.stdout.trim(), 'of-bob', '1.0.0')).status, 200);
  const listed = await cairnOk(['token', 'list', ...at]);
  assert.match(listed, new RegExp(`${made.tokenId}  alice  publish  valid  ci`));
  assert.ok(!listed.includes(made.token) && !listed.includes(bob.stdout.trim()));
  await cairnOk(['token', 'revoke', ...at, made.tokenId]);
  assert.equal((await publish(server.url, made.token, 'of-alice', '1.1.0')).status, 401);
  assert.equal(await server.stop(), 0);

  // Without a server: by themselves.
  const events = await cairnOk(['unyank', ...at, 'x07/acme-hello@1.0.0', '--json']);
  const { kind, by, version } = JSON.parse(events) as Record<string, string>;
  assert.deepEqual({ kind, by, version }, { kind: 'unyanked', by: 'operator', version: '1.0.0' });
  const whole = await cairnOk(['log', ...at]);
  const kinds = whole
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/  /).at(-1));
  assert.deepEqual(kinds, [
    'genesis',
    'claimed x07/acme-hello admin',
    'published x07/acme-hello 1.0.0',
    'yanked x07/acme-hello 1.0.0',
    'claimed x07/of-alice alice',
    'published x07/of-alice 1.0.0',
    'claimed x07/of-bob bob',
    'published x07/of-bob 1.0.0',
    'unyanked x07/acme-hello 1.0.0',
  ]);
  const one = await cairnOk(['log', ...at, 'x07/acme-hello', '--json']);
  assert.deepEqual(
    one
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { kind: string }).kind),
    ['claimed', 'published', 'yanked', 'unyanked'],
  );
  const carol = (await cairnOk(['token', 'create', ...at, 'carol'])).trim();
  const { tokenId } = JSON.parse(
    (await cairnOk(['token', 'list', ...at, '--json'])).trimEnd().split('\n').at(-1) ?? '',
  ) as { tokenId: string };

  server = await serve();
  assert.equal(await isYanked(server.url), false);
  assert.equal((await publish(server.url, made.token, 'of-alice', '1.1.0')).status, 401, 'still revoked');
  assert.equal((await publish(server.url, carol, 'of-carol', '1.0.0')).status, 200);
  assert.equal(await server.stop(), 0);
  await cairnOk(['token', 'revoke', ...at, tokenId]);
  server = await serve();
  assert.equal((await publish(server.url, carol, 'of-carol', '1.1.0')).status, 401);
});

test('a mistake is answered by what would be right', async (t) => {
  const data = await temporaryDirectory(t);
  const at = ['--data', data];
  const server = await cairnServe(t, [...at, '--listen', '127.0.0.1:0'], {
    env: { CAIRN_ADMIN_TOKEN: ADMIN },
  });
  assert.equal((await publish(server.url, ADMIN, 'acme-hello', '1.0.0')).status, 200);
  const rows: readonly (readonly [args: string[], code: number, says: RegExp])[] = [
    [[], 2, /Usage: cairn/],
    [['frobnicate'], 2, /unknown command 'frobnicate'/],
    [['serve', '--frobnicate'], 2, /unknown option '--frobnicate'/],
    [['serve', 'extra'], 2, /too many arguments/],
    [['yank', ...at], 2, /missing required argument 'release'/],
    [['yank', ...at, 'acme-hello@1.0.0'], 2, /such as x07\/acme-hello/],
    [['yank', ...at, 'x07/acme-hello'], 2, /name the version too/],
    [['yank', ...at, 'cobol/acme-hello@1.0.0'], 2, /name the ecosystem/],
    [['yank', ...at, 'x07/nobody@1.0.0'], 3, /nobody/],
    [['unyank', ...at, 'x07/acme-hello@9.9.9'], 3, /9\.9\.9/],
    [['log', ...at, 'x07/nobody'], 3, /no package or namespace x07\/nobody/],
    [['token', 'create', ...at], 2, /missing required argument 'handle'/],
    [['token', 'create', ...at, 'Alice!'], 2, /not a handle/],
    [['token', 'create', ...at, 'alice', '--scopes', 'publish,fly'], 2, /no scope fly.*publish/],
    [['token', 'create', ...at, 'alice', '--only', 'cobol'], 2, /no ecosystem cobol.*x07/],
    [['token', 'create', ...at, 'alice', '--expires', 'soon'], 2, /number of days/],
    [['token', 'create', ...at, 'alice', '--expires', '-1'], 2, /number of days/],
    [['token', 'create', ...at, 'alice', '--expires', '1e300'], 2, /number of days/],
    [['token', 'revoke', ...at, 'nothing'], 3, /token list/],
    [['advisory', 'file', ...at, 'x07/acme-hello', '--versions', '1.0.0'], 2, /--severity/],
    [['advisory', 'file', ...at, 'x07/acme-hello', '--severity', 'awful'], 2, /low, medium, high, critical/],
    [['advisory', 'file', ...at, 'x07/acme-hello', '--severity', 'low'], 2, /--summary/],
    [['advisory', 'withdraw', ...at, 'x07/acme-hello'], 2, /missing required argument 'id'/],
    [['advisory', 'withdraw', ...at, 'x07/acme-hello', 'nothing'], 3, /advisory nothing not found/],
    [['settings', ...at, '--public-url', 'nowhere'], 2, /origin such as https:/],
    [['settings', ...at, '--mounts', 'x07=/../x'], 2, /SURFACE=\/PATH/],
    [['settings', ...at, '--x07', '{'], 2, /--x07/],
    [['settings', ...at, '--x07', '{"officialOwner":"A B"}'], 2, /officialOwner/],
    [['log', '--data', `${data}/nowhere`], 3, /cairn serve --data/],
    [['yank', '--data', `${data}/nowhere`, 'x07/a@1.0.0'], 3, /cairn serve --data/],
    [['regen', '--data', `${data}/nowhere`], 3, /cairn serve --data/],
    [['doctor', '--data', `${data}/nowhere`], 3, /cairn serve --data/],
  ];
  const before = await cairnOk(['log', ...at]);
  for (let i = 0; i < rows.length; i += 4)
    await Promise.all(
      rows.slice(i, i + 4).map(async ([args, code, says]) => {
        try {
          assertRefused(await cairn(args), code, says);
        } catch (error) {
          throw new Error(`cairn ${args.join(' ')}: ${(error as Error).message}`, { cause: error });
        }
      }),
    );
  assert.equal(await cairnOk(['log', ...at]), before);
  assert.equal(await cairnOk(['token', 'list', ...at]), '');
});
