/** What nobody needs is removed again and again, at once, while others publish and delete; and a kill in the middle of it. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { remoteControl, type Control } from '../../api/control.ts';
import { BlobDirectory } from '../../stores/blob-directory.ts';
import { digestOf } from '../../core/digest.ts';
import { cairn, cairnOk } from '../support/command-line.ts';
import { digestsIn } from '../support/garbage.ts';
import { npmApi } from '../support/npm-api.ts';
import { ociApi, type Credentials } from '../support/oci-api.ts';
import { pantryApi } from '../support/pantry-api.ts';
import { checkReleases, checkStores, leftoversIn } from '../support/registry-check.ts';
import { ReleaseLedger } from '../support/release-ledger.ts';
import { chooseSeed, seededRandom, type SeededRandom } from '../support/seeded-random.ts';
import { ADMIN_TOKEN, type ServerProcess } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startTraffic } from '../support/traffic.ts';
import { expectWorkingRegistry, startOwn } from '../support/working-registry.ts';

const ROUNDS = Number(process.env['CAIRN_GC_ROUNDS'] ?? 40);
const KILLS = 5;
const seed = chooseSeed();
const ann: Credentials = ['ann', 'correct horse battery'];

interface Scene {
  readonly server: ServerProcess & { readonly data: string };
  readonly control: Control;
}

async function open(t: TestContext): Promise<Scene> {
  const data = await temporaryDirectory(t);
  const server = await startOwn(t, { data });
  const control = remoteControl(join(data, 'control.sock'));
  await control.createAccount({ handle: ann[0], password: ann[1] });
  return { server: { ...server, data }, control };
}

async function inOrder(data: string): Promise<void> {
  const deep = await cairn(['doctor', '--deep', '--data', data]);
  assert.equal(deep.code, 0, deep.stdout + deep.stderr);
  await checkStores(data);
}

test('who publishes, pushes, withdraws and deletes notices nothing of what is removed meanwhile', async (t) => {
  t.diagnostic(`CAIRN_SEED=${seed}`);
  const { server, control } = await open(t);
  const ledger = new ReleaseLedger();
  const traffic = startTraffic(server.url, { ledger, random: seededRandom(seed), clients: 2 });
  const random = (lane: number): SeededRandom => seededRandom(seed + 1 + lane);
  const work = Promise.all([
    ...[0, 1].map((lane) => publishAndWithdraw({ server, control }, lane, random(lane))),
    ...[2, 3].map((lane) => pushAndDelete(server, lane, random(lane))),
    replaceCommits(server),
  ]);
  let [runs, removed, isOver] = [0, 0, false];
  const end = (): void => void (isOver = true);
  work.then(end, end);
  while (!isOver) {
    removed += (await control.collectGarbage({ graceMs: 0 })).removed.blobs;
    runs += 1;
  }
  await work;
  await traffic.stop();
  t.diagnostic(`${runs} runs removed ${removed} blobs beside ${ledger.acknowledged} writes of X07`);
  assert.ok(runs > 10 && removed > ROUNDS, `${runs} runs removed ${removed}`);
  removed = (await control.collectGarbage({ graceMs: 0 })).removed.blobs;
  await checkReleases(server.url, ledger.possible);
  assert.equal(await server.stop(), 0);
  await inOrder(server.data);
  const before = await digestsIn(server.data);
  assert.match(await cairnOk(['gc', '--grace', '0', '--data', server.data]), /^removed 0 blobs/);
  assert.deepEqual(await digestsIn(server.data), before);
  assert.deepEqual(await leftoversIn(server.data), []);
});

/** Few contents for many packages: what one has just taken back another is about to publish. */
async function publishAndWithdraw(
  { server, control }: Scene,
  lane: number,
  random: SeededRandom,
): Promise<void> {
  const api = npmApi(server);
  for (let round = 0; round < ROUNDS; round += 1) {
    const content = { name: 'shared', version: '1.0.0', files: { 'data.txt': `${random.below(3)}` } };
    const name = `lib-${lane}-${round}`;
    const answer = await api.publish({ ...content, name }, ADMIN_TOKEN);
    assert.ok(answer.status === 200 || answer.status === 201, answer.text);
    const { versions } = await api.packument(name);
    const tarball = await fetch(
      String(versions['1.0.0']?.dist['tarball']).replace(/^https?:\/\/[^/]+/, server.url),
    );
    assert.equal(tarball.status, 200);
    await tarball.arrayBuffer();
    if (random.chance(0.7)) await control.execute([{ kind: 'withdraw', ecosystem: 'npm', name }]);
  }
}

/** A repository for each, with layers that others have as well. */
async function pushAndDelete(server: Scene['server'], lane: number, random: SeededRandom): Promise<void> {
  const api = ociApi(server);
  const name = `ann/app-${lane}`;
  for (let round = 0; round < ROUNDS; round += 1) {
    const { manifest, config, layer } = await api.pushImage(name, `${round}`, ann, `${random.below(3)}`);
    for (const path of [`manifests/${round}`, `blobs/${config.digest}`, `blobs/${layer.digest}`]) {
      const pulled = await api.as(ann, { path: `v2/${name}/${path}` });
      assert.equal(pulled.status, 200, `${path}: ${pulled.text}`);
    }
    if (random.chance(0.3)) continue;
    const remove = (path: string) => api.as(ann, { method: 'DELETE', path: `v2/${name}/${path}` });
    assert.equal((await remove(`manifests/${manifest.digest}`)).status, 202);
    for (const { digest } of [config, layer]) assert.equal((await remove(`blobs/${digest}`)).status, 202);
  }
}

async function replaceCommits(server: Scene['server']): Promise<void> {
  const pantry = pantryApi(server);
  for (let round = 0; round < ROUNDS; round += 1) {
    const files = { 'data.txt': `${round % 4}` };
    const sha = `${round % 2}`.repeat(40);
    const answer = await pantry.publishCommit(sha, [{ name: 'of-commits', version: '1.0.0', files }]);
    assert.equal(answer.status, 201, answer.text);
    const tarball = await fetch(`${server.url}/pantry/commits/${sha}/of-commits/tarball`);
    assert.equal(tarball.status, 200);
    await tarball.arrayBuffer();
  }
}

test(`a registry that is killed ${KILLS} times while blobs are removed is whole, and the next run removes the rest`, async (t) => {
  t.diagnostic(`CAIRN_SEED=${seed}`);
  const random = seededRandom(seed);
  const data = await temporaryDirectory(t);
  const store = new BlobDirectory(join(data, 'blobs'));
  let removed = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const server = await startOwn(t, { data });
    const control = remoteControl(join(data, 'control.sock'));
    const answer = await npmApi({ url: server.url, data }).publish(
      { name: `lib-${kill}`, version: '1.0.0' },
      ADMIN_TOKEN,
    );
    assert.equal(answer.status, 201, answer.text);
    dropMany(store, 3_000, random);
    const before = (await digestsIn(data)).length;
    const killed = control.collectGarbage({ graceMs: 0 }).then(
      () => assert.fail('it was over'),
      () => undefined,
    );
    while ((await control.garbageProgress())?.doing !== 'removing') await pause(1);
    await pause(random.below(100));
    await server.kill();
    await killed;
    removed += before - (await digestsIn(data)).length;
    const deep = await cairn(['doctor', '--deep', '--data', data]);
    assert.equal(deep.code, 0, deep.stdout + deep.stderr);
  }
  t.diagnostic(`${removed} blobs were gone by the time of the kills`);
  assert.ok(removed > 0);
  await cairnOk(['gc', '--grace', '0', '--data', data]);
  assert.equal((await digestsIn(data)).length, KILLS);
  assert.deepEqual(await leftoversIn(data), []);
  await inOrder(data);
  await expectWorkingRegistry(t, data, random);
});

/** As pushes leave them that came to nothing. */
function dropMany(store: BlobDirectory, count: number, random: SeededRandom): void {
  for (let i = 0; i < count; i += 1) {
    const content = `${random.below(2 ** 31)} ${i}`;
    const path = store.pathOf(digestOf(content));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
}
