/** What stands in the way of a start: a living writer, what a dead one left, and a log that somebody changed. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { assertRefused, cairn } from '../support/command-line.ts';
import { commitByHand, git } from '../support/git.ts';
import { checkReady, checkReleases, checkStores } from '../support/registry-check.ts';
import { ReleaseLedger } from '../support/release-ledger.ts';
import { ADMIN_TOKEN, type ServerProcess } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { publish, sha256, yank } from '../support/traffic.ts';
import { startOwn } from '../support/working-registry.ts';
import { packX07 } from '../support/x07-package.ts';

const env = { CAIRN_ADMIN_TOKEN: ADMIN_TOKEN };
const serve = (data: string) => cairn(['serve', '--data', data, '--listen', '127.0.0.1:0'], { env });

async function publishInto(server: ServerProcess, ledger: ReleaseLedger, version: string): Promise<void> {
  const archive = packX07({ name: 'acme-hello', version });
  const release = { name: 'acme-hello', version, digest: sha256(archive) };
  const response = await publish(server.url, archive);
  assert.equal(response.status, 200, await response.text());
  ledger.acknowledge(release, 'listed');
}

/** A data directory with three releases, one of them yanked, and the ledger of its client. */
async function usedRegistry(
  t: TestContext,
): Promise<{ data: string; server: ServerProcess; ledger: ReleaseLedger }> {
  const data = await temporaryDirectory(t);
  const server = await startOwn(t, { data });
  const ledger = new ReleaseLedger();
  for (const version of ['1.0.0', '1.1.0', '2.0.0']) await publishInto(server, ledger, version);
  const [first] = ledger.releases;
  assert.ok(first);
  assert.equal((await yank(server.url, first, true)).status, 200);
  ledger.acknowledge(first, 'yanked');
  return { data, server, ledger };
}

test('a second server on the same data is refused while the first lives, and starts when it was killed', async (t) => {
  const { data, server, ledger } = await usedRegistry(t);
  assertRefused(await serve(data), 6, new RegExp(`process ${server.child.pid}`));
  await checkReady(server.url);
  await publishInto(server, ledger, '3.0.0');
  await server.kill();
  const second = await startOwn(t, { data });
  await checkReleases(second.url, ledger.possible);
  assert.equal(await second.stop(), 0);
});

test('locks of git and half-written files that a killed server left stop nobody', async (t) => {
  const { data, server, ledger } = await usedRegistry(t);
  await server.kill();
  const leftovers = [
    'log.git/refs/heads/main.lock',
    'log.git/packed-refs.lock',
    'log.git/HEAD.lock',
    'log.git/objects/ab/tmp_obj_123_4',
    'private.git/refs/heads/main.lock',
    'blobs/incoming/123-4',
    'site/=tmp/123.4',
  ];
  for (const path of leftovers) {
    await mkdir(dirname(join(data, path)), { recursive: true });
    await writeFile(join(data, path), 'half');
  }
  // As old as after a night; the others are as young as after a quick restart.
  await utimes(join(data, 'log.git/refs/heads/main.lock'), 1e9, 1e9);
  const next = await startOwn(t, { data });
  assert.deepEqual(
    leftovers.filter((path) => existsSync(join(data, path))),
    [],
  );
  await publishInto(next, ledger, '3.0.0');
  await checkReleases(next.url, ledger.possible);
  assert.equal(await next.stop(), 0);
  await checkStores(data);
});

const firstSegment = 'log/0000/000000.ndjson';

const damages: Readonly<Record<string, (lines: string[]) => string>> = {
  'with an old line altered': (lines) =>
    textOf(lines.with(2, (lines[2] ?? '').replace('About acme', 'Above acme'))),
  'with its last line gone': (lines) => textOf(lines.slice(0, -1)),
  'that ends in the middle of a line': (lines) => textOf(lines).slice(0, -20),
  'with two lines exchanged': (lines) => textOf(lines.with(1, lines[2] ?? '').with(2, lines[1] ?? '')),
  'with a line twice': (lines) => textOf([...lines, lines.at(-1) ?? '']),
  'with a line that is not JSON': (lines) => textOf([...lines, 'not an event']),
  'with an event of an unknown kind': (lines) =>
    textOf([
      ...lines,
      (lines.at(-1) ?? '').replace('"kind":"yanked"', '"kind":"invented"').replace('"seq":4', '"seq":5'),
    ]),
};

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

test('a log that somebody changed is refused by serve and regen, loudly', async (t) => {
  const { data, server } = await usedRegistry(t);
  await server.stop();
  for (const [damage, harm] of Object.entries(damages))
    await t.test(`a log ${damage}`, async (t) => {
      const damaged = join(await temporaryDirectory(t), 'data');
      await cp(data, damaged, { recursive: true });
      commitByHand(join(damaged, 'log.git'), (files) => {
        const before = files.get(firstSegment) ?? '';
        const after = harm(before.split('\n').slice(0, -1));
        assert.notEqual(after, before);
        files.set(firstSegment, after);
      });
      assertRefused(await serve(damaged), 5, /line|segment|log/);
      assertRefused(await cairn(['regen', '--data', damaged]), 5, /line|segment|log/);
    });
});

test('a log that was put back to an earlier commit is refused until an operator accepts it', async (t) => {
  const { data, server } = await usedRegistry(t);
  await server.stop();
  git(join(data, 'log.git'), ['update-ref', 'refs/heads/main', 'main~1']);
  assertRefused(await serve(data), 5, /regen --accept-log/);
  assert.equal((await cairn(['regen', '--accept-log', '--data', data])).code, 0);
  const next = await startOwn(t, { data });
  assert.equal(await next.stop(), 0);
  await checkStores(data);
});

test('a log that was made anew with the same lines is refused: it does not carry on from the published one', async (t) => {
  const { data, server } = await usedRegistry(t);
  await server.stop();
  const log = join(data, 'log.git');
  const commit = git(log, ['commit-tree', 'main^{tree}', '-m', 'made anew']).trim();
  git(log, ['update-ref', 'refs/heads/main', commit]);
  assertRefused(await serve(data), 5, /regen --accept-log/);
});
