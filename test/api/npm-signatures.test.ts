/** Registry signatures and their keys (contract of npm, section 11), through rotations and changes of settings. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { recordedSettings } from '../../bin/settings.ts';
import { assertRefused, cairn, cairnOk } from '../support/command-line.ts';
import { npmApi, type NpmApi } from '../support/npm-api.ts';
import { faultOf, keysOf } from '../support/npm-signature.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { changeSettings } from '../support/settings.ts';
import { openTestServer } from '../support/test-server.ts';

async function publish(npm: NpmApi, name: string, version: string): Promise<void> {
  const answer = await npm.publish({ name, version }, ADMIN_TOKEN);
  assert.equal(answer.status, 201, answer.text);
}

/** What a client finds wrong with each version of a package. */
async function faultsOf(npm: NpmApi, name: string): Promise<readonly (string | undefined)[]> {
  const [packument, keys] = [await npm.packument(name), await keysOf(npm)];
  return Object.keys(packument.versions).map((version) => faultOf(packument, version, keys));
}

async function keyIdsOf(npm: NpmApi, name: string): Promise<ReadonlySet<string>> {
  const { versions } = await npm.packument(name);
  const lists = Object.values(versions).map(({ dist }) => dist['signatures'] as { keyid: string }[]);
  return new Set(lists.flat().map(({ keyid }) => keyid));
}

test('the key is offered as clients want it, and signs scoped and plain names', async (t) => {
  const npm = npmApi(await openTestServer(t));
  const [key, ...others] = await keysOf(npm);
  assert.ok(key);
  assert.deepEqual(others, []);
  const id = createHash('sha256').update(Buffer.from(key.key, 'base64')).digest('base64').replace(/=+$/, '');
  assert.deepEqual(key, {
    expires: null,
    keyid: `SHA256:${id}`,
    keytype: 'ecdsa-sha2-nistp256',
    scheme: 'ecdsa-sha2-nistp256',
    key: key.key,
  });
  for (const name of ['lib', '@acme/lib']) {
    await publish(npm, name, '1.0.0');
    await publish(npm, name, '2.0.0-rc.1');
    assert.deepEqual(await faultsOf(npm, name), [undefined, undefined]);
  }
});

test('a signature is made once: what changes about a version later leaves it as it is', async (t) => {
  const server = await openTestServer(t);
  const npm = npmApi(server);
  await publish(npm, 'lib', '1.0.0');
  const signatures = async (): Promise<unknown> =>
    (await npm.packument('lib')).versions['1.0.0']?.dist['signatures'];
  const before = await signatures();
  const document = await npm.packument('lib');
  const version = { ...document.versions['1.0.0'], deprecated: 'old' };
  await npm.ok({
    method: 'PUT',
    path: 'lib',
    token: ADMIN_TOKEN,
    json: { ...document, versions: { '1.0.0': version } },
  });
  await cairnOk(['keys', 'rotate', 'npm', '--data', server.data]);
  assert.equal((await npm.packument('lib')).versions['1.0.0']?.['deprecated'], 'old');
  assert.deepEqual(await signatures(), before);
  assert.deepEqual(await faultsOf(npm, 'lib'), [undefined]);
});

test('while keys are rotated publishes go on, and every version verifies', async (t) => {
  const server = await openTestServer(t);
  const npm = npmApi(server);
  await publish(npm, 'busy-0', '1.0.0');
  let isOver = false;
  const lanes = [0, 1, 2, 3].map(async (lane) => {
    const name = `busy-${lane}`;
    let minor = 1;
    for (; !isOver; minor += 1) await publish(npm, name, `1.${minor}.0`);
    await publish(npm, name, `1.${minor}.0`);
    return name;
  });
  for (let rotation = 0; rotation < 2; rotation += 1)
    await cairnOk(['keys', 'rotate', 'npm', '--data', server.data]);
  isOver = true;
  const names = await Promise.all(lanes);
  const keys = await keysOf(npm);
  assert.deepEqual(
    keys.map(({ expires }) => expires === null),
    [false, false, true],
  );
  const used = new Set<string>();
  for (const name of names) {
    assert.deepEqual(
      (await faultsOf(npm, name)).filter((fault) => fault !== undefined),
      [],
      name,
    );
    for (const id of await keyIdsOf(npm, name)) used.add(id);
  }
  assert.ok(used.size >= 2, 'nothing was published on one side of a rotation');
  // The private half of a retired key is needed no more.
  const settings = await recordedSettings(server.data);
  for (const { id } of (settings.keys ?? []).filter(({ retired }) => retired))
    await rm(join(server.data, 'keys', `${id}.pem`));
  await publish(npm, 'busy-0', '2.0.0');
  assert.ok((await faultsOf(npm, 'busy-0')).every((fault) => fault === undefined));
});

test('the rules by which versions are judged here can fail', async (t) => {
  const server = await openTestServer(t);
  const npm = npmApi(server);
  await publish(npm, 'lib', '1.0.0');
  await cairnOk(['keys', 'rotate', 'npm', '--data', server.data]);
  const [packument, keys] = [await npm.packument('lib'), await keysOf(npm)];
  const version = packument.versions['1.0.0'];
  const time = packument.time['1.0.0'];
  const retired = keys.find(({ expires }) => expires !== null);
  assert.ok(version && retired && time);
  const distWith = (over: object): typeof packument => ({
    ...packument,
    versions: { '1.0.0': { ...version, dist: { ...version.dist, ...over } } },
  });
  assert.equal(faultOf(packument, '1.0.0', keys), undefined);
  assert.equal(faultOf(distWith({ signatures: undefined }), '1.0.0', keys), 'missing');
  assert.equal(faultOf(distWith({ integrity: 'sha512-AAAA' }), '1.0.0', keys), 'EINTEGRITYSIGNATURE');
  assert.equal(faultOf(packument, '1.0.0', keys.slice(1)), 'EMISSINGSIGNATUREKEY');
  assert.equal(faultOf(packument, '1.0.0', [{ ...retired, expires: time }]), 'EEXPIREDSIGNATUREKEY');
});

test('settings that were read before somebody else changed them are refused: no key that has signed is lost', async (t) => {
  const server = await openTestServer(t);
  const npm = npmApi(server);
  const before = await recordedSettings(server.data);
  await cairnOk(['keys', 'rotate', 'npm', '--data', server.data]);
  await publish(npm, 'lib', '1.0.0');
  const settings = { ...before, publicUrl: 'https://other.example' };
  const control = remoteControl(join(server.data, 'control.sock'));
  await assert.rejects(control.execute([{ kind: 'change-settings', settings, before }]), {
    code: 'conflict',
    message: 'the settings have changed meanwhile; nothing was changed, try again',
  });
  assert.deepEqual(await faultsOf(npm, 'lib'), [undefined]);
  const both = await Promise.all([1, 2].map(() => cairn(['keys', 'rotate', 'npm', '--data', server.data])));
  const made = both.filter(({ code }) => code === 0);
  for (const refused of both.filter(({ code }) => code !== 0)) assertRefused(refused, 3, /try again/);
  assert.ok(made.length > 0);
  assert.equal((await keysOf(npm)).length, 2 + made.length);
  assert.deepEqual(await faultsOf(npm, 'lib'), [undefined]);
});

test('where npm is turned on later, it is with a key, so that the first version is signed', async (t) => {
  // The document says where npm is at the end, and not where it was before it moved.
  const settings = { CAIRN_MOUNTS: 'x07=/x07', CAIRN_ECOSYSTEMS: 'x07' };
  const server = await openTestServer(t, settings, { isDescribed: false });
  const kinds = async (): Promise<readonly string[]> =>
    ((await recordedSettings(server.data)).keys ?? []).map(({ ecosystem, kind }) => `${ecosystem} ${kind}`);
  const x07 = 'x07 ed25519';
  const both = [x07, 'npm ecdsa-sha2-nistp256'];
  assert.deepEqual(await kinds(), [x07]);
  await cairnOk(['settings', '--public-url', server.url, '--data', server.data]);
  assert.deepEqual(await kinds(), [x07]);
  await cairnOk(['settings', '--mounts', 'npm=/npm', '--data', server.data]);
  assert.deepEqual(await kinds(), both);
  const npm = npmApi(server);
  await publish(npm, 'lib', '1.0.0');
  assert.deepEqual(await faultsOf(npm, 'lib'), [undefined]);
  // Moved, it keeps its key.
  await cairnOk(['settings', '--mounts', 'npm=/moved', '--data', server.data]);
  assert.deepEqual(await kinds(), both);
  assert.deepEqual(await faultsOf(npmApi(server, '/moved'), 'lib'), [undefined]);
});

test('a registry without keys signs nothing, and offers none', async (t) => {
  const server = await openTestServer(t);
  const npm = npmApi(server);
  await publish(npm, 'earlier', '1.0.0');
  await changeSettings(server.data, { keys: [] });
  await publish(npm, 'later', '1.0.0');
  // A client that is offered keys would find both unsigned; one that is offered none has nothing to check.
  for (const name of ['earlier', 'later'])
    assert.ok(!('signatures' in ((await npm.packument(name)).versions['1.0.0']?.dist ?? {})));
  await npm.refuses([['keys', { path: '-/npm/v1/keys' }, 404]]);
  await cairnOk(['settings', '--public-url', 'https://other.example', '--data', server.data]);
  assert.deepEqual((await recordedSettings(server.data)).keys, [], 'whoever dropped them meant it');
});

test('doctor looks for the private half of every key, whatever its kind, and says who is not signed for', async (t) => {
  const server = await openTestServer(t);
  const said = async (): Promise<string> => {
    const { stdout } = await cairn(['doctor', '--data', server.data]);
    return (
      stdout
        .split('\n')
        .filter((line) => /^\w+ +keys: (?!.*chmod)/.test(line))
        .at(-1) ?? ''
    );
  };
  const signing = (await recordedSettings(server.data)).keys ?? [];
  assert.deepEqual(signing.map(({ ecosystem }) => ecosystem).sort(), ['npm', 'x07']);
  assert.match(await said(), /^ok {7}keys: all 2 that sign are there$/);
  for (const { id, ecosystem, kind } of signing) {
    const path = join(server.data, 'keys', `${id}.pem`);
    await rename(path, `${path}.away`);
    assert.match(
      await said(),
      new RegExp(`^problem  keys: missing in .*: ${id} .*cairn keys rotate ${ecosystem}$`),
    );
    const other =
      kind === 'ed25519'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFile(path, other.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    assert.match(await said(), new RegExp(`^problem  keys: not the key that is listed in .*: ${id} `));
    await rename(`${path}.away`, path);
  }
  assert.match(await said(), /^ok /);
  await changeSettings(server.data, { keys: signing.filter(({ ecosystem }) => ecosystem !== 'npm') });
  assert.match(await said(), /^warning {2}keys: none that signs for npm: .*cairn keys rotate npm$/);
  assert.equal((await readdir(join(server.data, 'keys'))).length, 2);
});
