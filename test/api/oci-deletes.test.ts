/** Deleting tags, manifests and blobs (contract, section 8): what goes, what stays, and what may come back. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { anImage, anIndex, assertOciError, IMAGE } from '../support/oci-api.ts';
import { NOWHERE, openRepositories, type OciRepository } from '../support/oci-repository.ts';
import { filesBelow, storedState } from '../support/stored-state.ts';
import { wholeFile } from '../support/whole-file.ts';

const registry = await openRepositories(wholeFile);
const { server } = registry;

let count = 0;
/** One that no other test knows, as files and behind the API. */
async function each(check: (to: OciRepository, hide: () => Promise<void>) => Promise<void>): Promise<void> {
  for (const isHidden of [false, true]) {
    const to = await registry.repository(`acme/deletes-${(count += 1)}`);
    await check(to, async () => {
      if (isHidden) await registry.hide(to);
    });
  }
}

async function remove(to: OciRepository, path: string): Promise<void> {
  const answer = await to.ask('DELETE', path);
  assert.equal(answer.status, 202, `${path} ${answer.text}`);
  assert.deepEqual([answer.text, answer.headers['content-length']], ['', '0']);
  assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
}

async function assertGone(to: OciRepository, path: string): Promise<void> {
  const code = path.startsWith('blobs/') ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN';
  assertOciError(await to.ask('GET', path), 404, code);
  const head = await to.ask('HEAD', path);
  assert.deepEqual([head.status, head.text], [404, '']);
  assertOciError(await to.ask('DELETE', path), 404, code);
}

async function assertThere(to: OciRepository, ...paths: readonly string[]): Promise<void> {
  for (const path of paths) assert.equal((await to.ask('HEAD', path)).status, 200, path);
}

async function tagsOf(to: OciRepository): Promise<readonly string[]> {
  return (JSON.parse((await to.ask('GET', 'tags/list')).text) as { tags: string[] }).tags;
}

async function events(): Promise<number> {
  return (await storedState(server)).events;
}

test('a tag is deleted alone: the manifest stays, by its digest and its other tags', () =>
  each(async (to, hide) => {
    const { manifest, layer } = await to.image('1.0');
    await to.image('1.0.0', '1.0');
    await hide();
    const before = await events();
    await remove(to, 'manifests/1.0');
    assert.equal(await events(), before + 1);
    await assertGone(to, 'manifests/1.0');
    await assertThere(to, 'manifests/1.0.0', `manifests/${manifest.digest}`, `blobs/${layer.digest}`);
    assert.deepEqual(await tagsOf(to), ['1.0.0']);
    await remove(to, 'manifests/1.0.0');
    await assertThere(to, `manifests/${manifest.digest}`);
    assert.deepEqual(await tagsOf(to), []);
  }));

test('a manifest takes every tag with it that points at it, and no other', () =>
  each(async (to, hide) => {
    const { manifest } = await to.image('1');
    for (const tag of ['1.0', '1.0.0', 'latest']) await to.image(tag, '1');
    const other = await to.image('2');
    await to.image('latest', '2');
    await hide();
    await remove(to, `manifests/${manifest.digest}`);
    for (const reference of [manifest.digest, '1', '1.0', '1.0.0'])
      await assertGone(to, `manifests/${reference}`);
    await assertThere(to, 'manifests/2', 'manifests/latest', `manifests/${other.manifest.digest}`);
    assert.deepEqual(await tagsOf(to), ['2', 'latest']);
  }));

test('a blob that a manifest names cannot be deleted, and afterwards it can', () =>
  each(async (to, hide) => {
    const { manifest, layer, config } = await to.image('1');
    await hide();
    await registry.refuses(
      [layer, config].map(({ digest }) => [
        digest,
        to.to('DELETE', `blobs/${digest}`),
        405,
        'UNSUPPORTED',
        /names sha256:.*: delete that first/,
      ]),
    );
    // A tag alone keeps nothing from anybody.
    await remove(to, 'manifests/1');
    assertOciError(await to.ask('DELETE', `blobs/${layer.digest}`), 405, 'UNSUPPORTED');
    await remove(to, `manifests/${manifest.digest}`);
    for (const { digest } of [layer, config]) {
      await assertThere(to, `blobs/${digest}`);
      await remove(to, `blobs/${digest}`);
      await assertGone(to, `blobs/${digest}`);
    }
  }));

test('a blob that two manifests name goes with neither, and can go after both', () =>
  each(async (to, hide) => {
    const [config, shared] = [await to.blob('{}'), await to.blob('shared')];
    const first = await to.manifest(anImage(config, [shared]), { tag: '1' });
    const second = await to.manifest(anImage(shared, []), { tag: '2' });
    await hide();
    await remove(to, `manifests/${first.digest}`);
    assertOciError(await to.ask('DELETE', `blobs/${shared.digest}`), 405, 'UNSUPPORTED');
    await assertThere(to, `blobs/${shared.digest}`, 'manifests/2');
    await remove(to, `manifests/${second.digest}`);
    await remove(to, `blobs/${shared.digest}`);
    await remove(to, `blobs/${config.digest}`);
  }));

test('a blob that nothing names yet can be taken back', () =>
  each(async (to, hide) => {
    const early = await to.blob('before there is a repository');
    const before = await events();
    await remove(to, `blobs/${early.digest}`);
    assert.equal(await events(), before, 'of a repository that is none, nothing is said');
    await assertGone(to, `blobs/${early.digest}`);
    await to.image('1');
    await hide();
    const { digest } = await to.blob('pushed by mistake');
    const then = await events();
    await remove(to, `blobs/${digest}`);
    assert.equal(await events(), then + 1, 'for the record');
    await assertGone(to, `blobs/${digest}`);
    // And a manifest that names it now is one that names what is not here.
    const named = JSON.stringify(anImage({ mediaType: 'x/y', digest, size: 17 }, []));
    const sent = { body: named, headers: { 'content-type': IMAGE } };
    assertOciError(await to.ask('PUT', 'manifests/x', sent), 400, 'MANIFEST_BLOB_UNKNOWN');
  }));

test('what is deleted in one repository stays in the others', () =>
  each(async (to, hide) => {
    const other = await registry.repository(`${to.name}-other`);
    const { manifest, layer, config } = await to.image('1');
    await other.image('1');
    const held = await to.blob('held in both');
    await other.blob('held in both');
    await hide();
    await remove(to, `manifests/${manifest.digest}`);
    for (const { digest } of [layer, config, held]) await remove(to, `blobs/${digest}`);
    await assertThere(other, 'manifests/1', `manifests/${manifest.digest}`);
    for (const { digest } of [layer, config, held]) await assertThere(other, `blobs/${digest}`);
  }));

test('what was deleted can be pushed again, as if it had never been there', () =>
  each(async (to, hide) => {
    const { manifest, layer, config } = await to.image('1');
    await hide();
    await remove(to, `manifests/${manifest.digest}`);
    // What it named is there for a while, for whoever is about to push it.
    await to.manifest(anImage(config, [layer]), { tag: '1' });
    await assertThere(to, 'manifests/1', `manifests/${manifest.digest}`, `blobs/${layer.digest}`);
    assertOciError(await to.ask('DELETE', `blobs/${layer.digest}`), 405, 'UNSUPPORTED');
    await remove(to, `manifests/${manifest.digest}`);
    await remove(to, `blobs/${layer.digest}`);
    const sent = { body: JSON.stringify(anImage(config, [layer])), headers: { 'content-type': IMAGE } };
    const refused = await to.ask('PUT', 'manifests/1', sent);
    assertOciError(refused, 400, 'MANIFEST_BLOB_UNKNOWN', new RegExp(layer.digest));
    assert.doesNotMatch(refused.text, new RegExp(config.digest));
    await to.image('1');
    await assertThere(to, 'manifests/1', `manifests/${manifest.digest}`);
    assert.deepEqual(await tagsOf(to), ['1']);
  }));

test('an index stays when what it lists goes, and the other way round', () =>
  each(async (to, hide) => {
    const { manifest } = await to.image('child');
    const index = await to.manifest(anIndex([manifest]), { tag: 'all' });
    await hide();
    await remove(to, `manifests/${manifest.digest}`);
    await assertThere(to, 'manifests/all');
    await to.image('child');
    await remove(to, `manifests/${index.digest}`);
    await assertGone(to, 'manifests/all');
    await assertThere(to, 'manifests/child');
  }));

test('manifests and blobs by SHA-512 are deleted by it', () =>
  each(async (to, hide) => {
    const config = await to.blob('{}', 'sha512');
    const content = JSON.stringify(anImage(config, []));
    const manifest = await to.manifest(content, { algorithm: 'sha512' });
    const both = await to.manifest(content, { tag: 'both' });
    await hide();
    await remove(to, `manifests/${manifest.digest}`);
    await assertGone(to, `manifests/${manifest.digest}`);
    await assertThere(to, 'manifests/both', `manifests/${both.digest}`);
    assertOciError(await to.ask('DELETE', `blobs/${config.digest}`), 405, 'UNSUPPORTED');
    await remove(to, `manifests/${both.digest}`);
    await remove(to, `blobs/${config.digest}`);
    await assertGone(to, `blobs/${config.digest}`);
  }));

test('a manifest that names more than its event can hold gives its blobs back as well', () =>
  each(async (to, hide) => {
    const layers = await Promise.all(Array.from({ length: 110 }, (_, i) => to.blob(`layer ${i}`)));
    const [config, last] = [await to.blob('{}'), layers[109]];
    assert.ok(last);
    const long = await to.manifest(anImage(config, layers), { tag: 'long' });
    const short = await to.manifest(anImage(config, layers.slice(0, 1)));
    await hide();
    assertOciError(await to.ask('DELETE', `blobs/${last.digest}`), 405, 'UNSUPPORTED');
    await remove(to, `manifests/${long.digest}`);
    await assertGone(to, 'manifests/long');
    for (const { digest } of layers.slice(0, 1))
      assertOciError(await to.ask('DELETE', `blobs/${digest}`), 405, 'UNSUPPORTED');
    // Held for whoever comes back to it.
    await assertThere(to, `blobs/${last.digest}`);
    await to.manifest(anImage(config, layers), { tag: 'again' });
    await remove(to, `manifests/${long.digest}`);
    for (const { digest } of layers.slice(107)) await remove(to, `blobs/${digest}`);
    await assertGone(to, `blobs/${last.digest}`);
    await remove(to, `manifests/${short.digest}`);
    await remove(to, `blobs/${config.digest}`);
  }));

test('of what is deleted no file is left', async () => {
  const to = await registry.repository('acme/files');
  const { manifest, layer, config } = await to.image('1');
  await to.manifest(anImage(config, [], { subject: manifest }), { tag: 'sig' });
  const folder = join(server.data, 'site/v2/acme/files');
  const names = async (): Promise<readonly string[]> =>
    (await filesBelow(folder)).map((path) => path.slice(folder.length + 1));
  assert.ok((await names()).includes(`blobs/${layer.digest}`));
  const signature = (await to.ask('HEAD', 'manifests/sig')).headers['docker-content-digest'];
  for (const digest of [manifest.digest, String(signature)]) await remove(to, `manifests/${digest}`);
  assert.deepEqual(await names(), ['tags/list']);
  assert.ok(existsSync(folder));
});

test('many who delete one thing at once: one does, and all know that it is gone', () =>
  each(async (to, hide) => {
    const { manifest } = await to.image('1');
    await to.image('2', '1');
    const held = await to.blob('held');
    await hide();
    for (const path of ['manifests/1', `manifests/${manifest.digest}`, `blobs/${held.digest}`]) {
      const answers = await Promise.all(Array.from({ length: 6 }, () => to.ask('DELETE', path)));
      const statuses = answers.map(({ status }) => status);
      assert.equal(statuses.filter((status) => status === 202).length, 1, statuses.join());
      assert.equal(statuses.filter((status) => status === 404).length, 5, statuses.join());
      await assertGone(to, path);
    }
  }));

test('a manifest and the delete of a blob that it names: whichever is first, none is without its blob', async () => {
  const seen = new Set<string>();
  for (let round = 0; round < 30; round += 1) {
    const to = await registry.repository(`acme/contest-${round % 3}`);
    const config = await to.blob('{}');
    const layer = await to.blob(`layer of round ${round}`);
    const body = JSON.stringify(anImage(config, [layer], { round }));
    const push = (): Promise<number> =>
      to
        .ask('PUT', `manifests/round-${round}`, { body, headers: { 'content-type': IMAGE } })
        .then(({ status }) => status);
    const drop = (): Promise<number> =>
      to.ask('DELETE', `blobs/${layer.digest}`).then(({ status }) => status);
    const [first, second] = round % 2 === 0 ? [push, drop] : [drop, push];
    const outcome = await Promise.all([first(), second()]);
    const [pushed, dropped] = round % 2 === 0 ? outcome : [...outcome].reverse();
    seen.add(`${pushed} ${dropped}`);
    const isThere = (await to.ask('HEAD', `blobs/${layer.digest}`)).status === 200;
    if (pushed === 201) assert.ok(isThere, `round ${round}: ${pushed} ${dropped}`);
    else assert.deepEqual([pushed, dropped, isThere], [400, 202, false], `round ${round}`);
  }
  for (const outcome of seen) assert.match(outcome, /^(201 405|400 202)$/);
});

test('to delete what is not there is refused, and changes nothing', async () => {
  const to = await registry.repository('acme/deletes');
  await to.image('1');
  const nowhere = await registry.repository('acme/nowhere');
  await registry.refuses([
    ['a tag', to.to('DELETE', 'manifests/2'), 404, 'MANIFEST_UNKNOWN', /no tag "2" in acme\/deletes/],
    ['a manifest', to.to('DELETE', `manifests/${NOWHERE}`), 404, 'MANIFEST_UNKNOWN', /no manifest/],
    ['what is no digest', to.to('DELETE', 'manifests/sha256:x'), 404, 'MANIFEST_UNKNOWN'],
    ['what is no tag', to.to('DELETE', 'manifests/.INVALID_MANIFEST_NAME'), 404, 'MANIFEST_UNKNOWN'],
    ['a blob', to.to('DELETE', `blobs/${NOWHERE}`), 404, 'BLOB_UNKNOWN'],
    ['no digest of a blob', to.to('DELETE', 'blobs/sha256:x'), 400, 'DIGEST_INVALID'],
    ['a tag of no repository', nowhere.to('DELETE', 'manifests/1'), 404, 'NAME_UNKNOWN'],
    ['a manifest of no repository', nowhere.to('DELETE', `manifests/${NOWHERE}`), 404, 'NAME_UNKNOWN'],
    ['a blob of no repository', nowhere.to('DELETE', `blobs/${NOWHERE}`), 404, 'BLOB_UNKNOWN'],
  ]);
});
