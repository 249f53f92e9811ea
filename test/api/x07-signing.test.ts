/** Signed index lines (contract of X07, sections 11 and 14), checked as `x07 pkg verify` does. */
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { chmod, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { cairnOk } from '../support/command-line.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { changeSettings } from '../support/settings.ts';
import { openTestServer, type TestServer } from '../support/test-server.ts';
import { x07Api, type X07Api } from '../support/x07-api.ts';
import { vectorArchive, type X07Package } from '../support/x07-package.ts';
import { faultOf, signedText, type SignedLine, type Signing } from '../support/x07-signature.ts';

type Line = SignedLine & Parameters<typeof faultOf>[0];

async function configOf(api: X07Api): Promise<{ signing?: Signing }> {
  return JSON.parse((await api.ask({ path: 'index/config.json' })).text) as { signing?: Signing };
}
async function linesOf(api: X07Api, name: string): Promise<readonly string[]> {
  const { text } = await api.ask({ path: `index/${name.slice(0, 2)}/${name.slice(2, 4)}/${name}` });
  return text.trimEnd().split('\n');
}
async function faultsOf(api: X07Api, name: string): Promise<readonly (string | undefined)[]> {
  const config = await configOf(api);
  return (await linesOf(api, name)).map((line) => faultOf(JSON.parse(line) as Line, config));
}
function publish(api: X07Api, name: string, version: string, over: Partial<X07Package> = {}) {
  return api.publish({ name, version, ...over }, ADMIN_TOKEN);
}
function keyFiles(server: TestServer): Promise<string[]> {
  return readdir(join(server.data, 'keys'));
}

test('a new registry has one key that only its owner can read, and signs every version with it', async (t) => {
  const server = await openTestServer(t, { CAIRN_ECOSYSTEMS: 'x07' });
  const api = x07Api(server);
  const [file = '', ...others] = await keyFiles(server);
  assert.deepEqual(others, []);
  assert.equal((await stat(join(server.data, 'keys'))).mode & 0o777, 0o700);
  assert.equal((await stat(join(server.data, 'keys', file))).mode & 0o777, 0o600);
  const { signing } = await configOf(api);
  assert.deepEqual(
    signing?.public_keys.map(({ id }) => `${id}.pem`),
    [file],
  );
  await publish(api, 'signed', '1.0.0');
  await publish(api, 'signed', '1.1.0-rc.1+build.5');
  await publish(api, 'signed', '2.0.0', { manifest: { docs: 'x'.repeat(20_000) } });
  assert.deepEqual(await faultsOf(api, 'signed'), [undefined, undefined, undefined]);
  // The archive, its hash and its signature stay (contract, section 9.6).
  const signatureIn = async (): Promise<string | undefined> =>
    /"signature":\{[^}]*\}/.exec((await linesOf(api, 'signed'))[0] ?? '')?.[0];
  const before = await signatureIn();
  await api.ok({ path: 'v1/packages/signed/1.0.0/yank', token: ADMIN_TOKEN, json: { yanked: true } });
  assert.equal(await signatureIn(), before);
  const secret = /-----BEGIN PRIVATE KEY-----\n(.*)\n/.exec(
    await readFile(join(server.data, 'keys', file), 'utf8'),
  )?.[1];
  assert.ok(secret);
  const shown = [
    ...(await Promise.all(['index/config.json', '', 'v1/packages/signed'].map((path) => api.ask({ path })))),
  ];
  for (const { text } of shown) assert.ok(!text.includes(secret));
});

test('with the key of the vector, a publish of its archive gives its signature', async (t) => {
  const server = await openTestServer(t);
  const api = x07Api(server);
  const seed = Buffer.from(Array.from({ length: 32 }, (_, i) => i + 1));
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  const key = createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' });
  await writeFile(join(server.data, 'keys/k1.pem'), key.export({ type: 'pkcs8', format: 'pem' }));
  const publicKey = 'ebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ=';
  await changeSettings(server.data, { keys: [{ id: 'k1', ecosystem: 'x07', kind: 'ed25519', publicKey }] });
  assert.equal(
    (await api.ask({ path: 'index/config.json' })).text,
    `{"dl":"${server.x07}/v1/packages/","api":"${server.x07}/v1/","auth-required":false,"sparse":true,"signing":{"kind":"ed25519","public_keys":[{"id":"k1","ed25519_pub":"${publicKey}"}]}}`,
  );
  assert.equal((await server.publish(vectorArchive())).status, 200);
  assert.deepEqual(await linesOf(api, 'vec-demo'), [
    '{"schema_version":"x07.index-entry@0.1.0","name":"vec-demo","version":"1.0.0","cksum":"4906a6935a9a1728475b2bc3d2f8b84f1d213c83c4305068fced5aca43e355c5","yanked":false,"description":"vector","docs":"vector docs","signature":{"kind":"ed25519","key_id":"k1","ed25519_sig":"2isygus9k2nXL4EQ9B1IK7oMBc5CjYVI08aSJcPfoAd4Cuk62q4CCkop13+boXBGcLlG8U8hEJ7V1ptqIHwwDw=="}}',
  ]);
});

test('after a rotation old signatures are still good, and new ones are by the new key', async (t) => {
  const server = await openTestServer(t);
  const api = x07Api(server);
  await publish(api, 'rotated', '1.0.0');
  const [old] = await linesOf(api, 'rotated');
  await cairnOk(['keys', 'rotate', 'x07', '--data', server.data]);
  await publish(api, 'rotated', '2.0.0');
  const lines = await linesOf(api, 'rotated');
  assert.equal(lines[0], old, 'not one byte of an old line changes');
  assert.deepEqual(await faultsOf(api, 'rotated'), [undefined, undefined]);
  const keyIds = lines.map(
    (line) => (JSON.parse(line) as { signature: { key_id: string } }).signature.key_id,
  );
  assert.equal(new Set(keyIds).size, 2);
  const { signing } = await configOf(api);
  assert.deepEqual(
    signing?.public_keys.map(({ id }) => id),
    keyIds,
  );
  // The private half of a retired key is needed no more.
  await rm(join(server.data, 'keys', `${keyIds[0]}.pem`));
  await publish(api, 'rotated', '3.0.0');
  assert.deepEqual(await faultsOf(api, 'rotated'), [undefined, undefined, undefined]);
});

test('without its private key a registry takes no version, says why, and goes on once the key is back', async (t) => {
  const server = await openTestServer(t, { CAIRN_ECOSYSTEMS: 'x07' });
  const api = x07Api(server);
  const [file = ''] = await keyFiles(server);
  const path = join(server.data, 'keys', file);
  const asked = {
    path: 'v1/packages/publish',
    method: 'POST',
    token: ADMIN_TOKEN,
    body: vectorArchive(),
  };
  const message = `the registry cannot sign with its key ${file.replace('.pem', '')}; nothing was accepted, tell its operator`;
  await rename(path, `${path}.away`);
  await api.refuses([['no key', asked, 500, 'STORAGE', message]]);
  await writeFile(path, 'not a key');
  await api.refuses([['a key that is none', asked, 500, 'STORAGE', message]]);
  const other = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
  await writeFile(path, other);
  await api.refuses([['a key that is another one', asked, 500, 'STORAGE', message]]);
  await rename(`${path}.away`, path);
  await chmod(path, 0o600);
  await publish(api, 'back-again', '1.0.0');
  assert.deepEqual(await faultsOf(api, 'back-again'), [undefined]);
});

test('a registry without keys signs nothing, and its config says nothing of signing', async (t) => {
  const server = await openTestServer(t);
  const api = x07Api(server);
  await publish(api, 'earlier', '1.0.0');
  await changeSettings(server.data, { keys: [] });
  await publish(api, 'unsigned', '1.0.0');
  assert.ok(!('signing' in (await configOf(api))), 'left out, never null');
  assert.deepEqual(await faultsOf(api, 'unsigned'), ['X07PKG_UNSIGNED']);
  assert.doesNotMatch(String(await linesOf(api, 'unsigned')), /signature/);
  // What was signed before stays signed, and nobody can check it any more: the operator has dropped the key.
  assert.match(String(await linesOf(api, 'earlier')), /"signature":/);
  assert.equal(signedText({ name: 'a', version: 'b', cksum: 'c' }).at(-1), 10, 'a final newline');
});
