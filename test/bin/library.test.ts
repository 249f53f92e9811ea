/** The programmatic entry point, as a program uses it: `cairn` from inside another one. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import * as library from '../../bin/library.ts';
import { publish } from '../support/x07-requests.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

process.env['CAIRN_LOG_LEVEL'] ??= 'silent';

const {
  checkSite,
  createToken,
  LockHeld,
  openReader,
  regenerate,
  RegistryError,
  SchemaViolation,
  startServer,
} = library;
const listen = '127.0.0.1:0';

test('a program starts a registry, publishes with a token it made, reads what happened, and stops', async (t) => {
  const dataDirectory = await temporaryDirectory(t);
  const said: string[] = [];
  const server = await startServer({
    dataDirectory,
    listen,
    publicUrl: 'https://registry.example',
    mounts: { x07: '/p' },
    x07: { verifiedNamespaces: ['acme'] },
    administratorToken: 'secret',
    say: (line) => said.push(line),
  });
  t.after(() => server.stop());
  assert.ok(said.includes(`listening on ${server.url}`), said.join('\n'));
  const { token, tokenId } = await createToken({ dataDirectory, handle: 'robot' });
  assert.match(tokenId, /^[0-9a-f-]{36}$/);
  assert.equal((await publish(server.url, token, 'acme-hello', '/p')).status, 200);

  const reader = await openReader(dataDirectory);
  t.after(() => reader.close());
  const { publicUrl, mounts, x07 } = reader.settings;
  assert.deepEqual(
    { publicUrl, mounts, x07 },
    {
      publicUrl: 'https://registry.example',
      mounts: {
        x07: '/p',
        npm: '/npm',
        zig: '/zig',
        oci: '/v2',
        run: '/run',
        ori: '/ori',
        pantry: '/pantry',
      },
      x07: { verifiedNamespaces: ['acme'] },
    },
  );
  assert.deepEqual(
    [...reader.events()].map(({ kind }) => kind),
    ['genesis', 'claimed', 'published'],
  );
  assert.deepEqual([...reader.events(1)], reader.eventsOf('x07', 'acme-hello'));
  assert.deepEqual(reader.package('x07', 'acme-hello')?.owners, ['robot']);
  assert.equal(reader.package('x07', 'acme-other'), undefined);

  const before = reader.head;
  assert.equal((await publish(server.url, token, 'acme-other', '/p')).status, 200);
  assert.equal(reader.length, 3);
  await reader.refresh();
  assert.equal(reader.length, 5);
  assert.notEqual(reader.head, before);
  assert.deepEqual(
    [...reader.packages('x07')].map(({ name }) => name),
    ['acme-hello', 'acme-other'],
  );
  await server.stop();
  await assert.rejects(fetch(server.url));
});

test('a program limits requests, believes its proxy, and gives tokens for a place', async (t) => {
  const dataDirectory = await temporaryDirectory(t);
  const server = await startServer({
    dataDirectory,
    listen,
    administratorToken: 'secret',
    limits: { x07: '100/1' },
    trustedProxies: ['127.0.0.1'],
    tokens: { 'x07/acme-hello': 'a-token-for-one-name' },
  });
  t.after(() => server.stop());
  assert.equal((await publish(server.url, 'a-token-for-one-name', 'acme-hello')).status, 200);
  assert.equal((await publish(server.url, 'a-token-for-one-name', 'acme-other')).status, 403);
  const status = async (client: string): Promise<number> =>
    (await fetch(`${server.url}/x07/index/config.json`, { headers: { 'x-forwarded-for': client } })).status;
  assert.deepEqual(
    [await status('192.0.2.1'), await status('192.0.2.1'), await status('192.0.2.2')],
    [200, 429, 200],
  );
  await assert.rejects(startServer({ dataDirectory, listen, limits: { x07: 'many' } }), {
    code: 'bad-request',
  });
});

test('a program regenerates a site, and is told what differs from the log', async (t) => {
  const dataDirectory = await temporaryDirectory(t);
  const server = await startServer({ dataDirectory, listen, administratorToken: 'secret' });
  t.after(() => server.stop());
  assert.equal((await publish(server.url, 'secret', 'acme-hello')).status, 200);
  await server.stop();

  const entry = 'x07/index/ac/me/acme-hello';
  const site = join(dataDirectory, 'site');
  await writeFile(join(site, entry), 'tampered');
  await writeFile(join(site, 'stray'), '');
  await rm(join(site, 'x07/v1/packages/acme-hello/owners'));
  assert.deepEqual(await checkSite({ dataDirectory }), {
    events: 3,
    clean: false,
    missing: ['x07/v1/packages/acme-hello/owners'],
    different: [entry],
    extra: ['stray'],
  });
  assert.deepEqual(await regenerate({ dataDirectory, full: true }), { root: site, events: 3 });
  assert.deepEqual(await checkSite({ dataDirectory }), {
    events: 3,
    clean: true,
    missing: [],
    different: [],
    extra: [],
  });
  const out = join(await temporaryDirectory(t), 'elsewhere');
  assert.deepEqual(await regenerate({ dataDirectory, out }), { root: out, events: 3 });
  assert.equal((await checkSite({ dataDirectory, out })).clean, true);
  assert.equal(process.exitCode, undefined, 'a library leaves how the process ends to its program');
});

test('what goes wrong on purpose has a class or a code that a program can tell', async (t) => {
  const dataDirectory = await temporaryDirectory(t);
  const isCode = (code: string) => (error: unknown) => error instanceof RegistryError && error.code === code;
  await assert.rejects(openReader(dataDirectory), isCode('not-found'));
  await assert.rejects(regenerate({ dataDirectory }), isCode('not-found'));
  await assert.rejects(checkSite({ dataDirectory }), isCode('not-found'));
  await assert.rejects(createToken({ dataDirectory, handle: 'robot' }), isCode('not-found'));
  await assert.rejects(startServer({ dataDirectory, listen: 'nowhere' }), isCode('bad-request'));
  await assert.rejects(startServer({ dataDirectory, publicUrl: 'a/b' }), isCode('bad-request'));
  await assert.rejects(startServer({ dataDirectory, mounts: { nothing: '/' } }), isCode('bad-request'));
  const x07 = { verifiedNamespaces: 'acme' } as unknown as { verifiedNamespaces: string[] };
  await assert.rejects(startServer({ dataDirectory, listen, x07 }), SchemaViolation);
  await assert.rejects(openReader(dataDirectory), isCode('not-found'), 'a refused start leaves nothing');

  const server = await startServer({ dataDirectory, listen, administratorToken: 'secret' });
  t.after(() => server.stop());
  await assert.rejects(startServer({ dataDirectory, listen }), LockHeld);
  await assert.rejects(createToken({ dataDirectory, handle: 'Not A Handle' }), isCode('bad-request'));
});

test('settings come from the program alone, never from the environment of its process', async (t) => {
  const dataDirectory = await temporaryDirectory(t);
  const strange = { CAIRN_ADMIN_TOKEN: 'of-the-environment', CAIRN_PUBLIC_URL: 'https://other.example' };
  Object.assign(process.env, strange);
  t.after(() => Object.keys(strange).forEach((name) => delete process.env[name]));
  const said: string[] = [];
  const server = await startServer({ dataDirectory, listen, say: (line) => said.push(line) });
  t.after(() => server.stop());
  assert.equal((await publish(server.url, 'of-the-environment', 'acme-hello')).status, 401);
  const [token = ''] = said.join('\n').match(/cairn_[0-9a-f]{64}/) ?? [];
  assert.equal((await publish(server.url, token, 'acme-hello')).status, 200);
  const reader = await openReader(dataDirectory);
  t.after(() => reader.close());
  assert.equal(reader.settings.publicUrl, server.url);
});

test('the names of the entry point are these', () => {
  assert.deepEqual(Object.keys(library).sort(), [
    'LockHeld',
    'LogDamage',
    'Registry',
    'RegistryError',
    'S3Storage',
    'SchemaViolation',
    'Unreachable',
    'checkSite',
    'createLocalRegistry',
    'createProductionRegistry',
    'createServer',
    'createToken',
    'openReader',
    'regenerate',
    'startServer',
  ]);
});

test('a program serves images, and says how long their tokens are good', async (t) => {
  const dataDirectory = await temporaryDirectory(t);
  const settings = { dataDirectory, listen, ecosystems: ['oci'], administratorToken: 'secret' } as const;
  for (const accessTokenSeconds of [59, 60.5, 3601])
    await assert.rejects(startServer({ ...settings, accessTokenSeconds }), /whole number from 60 to 3600/);
  const oci = { defaultVisibility: 'public', namespaces: 'first-push' } as const;
  const server = await startServer({ ...settings, accessTokenSeconds: 90, oci });
  t.after(() => server.stop());
  const { expires_in: seconds } = (await (await fetch(`${server.url}/auth/token`)).json()) as {
    expires_in: number;
  };
  assert.equal(seconds, 90);
  const reader = await openReader(dataDirectory);
  t.after(() => reader.close());
  assert.deepEqual(reader.settings.oci, oci);
  assert.deepEqual(reader.settings.mounts, { oci: '/v2' });
});
