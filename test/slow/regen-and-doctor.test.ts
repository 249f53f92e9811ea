/** What an operator types when the site, or what lies under it, is not as it should be. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { test, type TestContext } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { createRegistry, openRegistry } from '../../bin/open-registry.ts';
import { assertRefused, cairn, cairnOk, cairnServe, type Finished } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { bearer, send } from '../support/http.ts';
import { someSettings } from '../support/registry.ts';
import { filesBelow } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { packX07 } from '../support/x07-package.ts';

const ADMIN = 'an-administrators-token-of-the-environment';
const env = { CAIRN_ADMIN_TOKEN: ADMIN };

async function publish(url: string, name: string, version: string, docs = 'Docs.'): Promise<void> {
  const answer = await send(url, '/x07/v1/packages/publish', {
    method: 'POST',
    headers: bearer(ADMIN),
    body: packX07({ name, version, manifest: { docs } }),
  });
  assert.equal(answer.status, 200, answer.text);
}

/** A registry with some history, stopped. */
async function stoppedRegistry(t: TestContext): Promise<string> {
  const data = await temporaryDirectory(t);
  const server = await cairnServe(
    t,
    ['--data', data, '--listen', '127.0.0.1:0', '--public-url', 'https://registry.example'],
    { env },
  );
  await publish(server.url, 'acme-hello', '1.0.0');
  await publish(server.url, 'acme-hello', '1.1.0', 'x'.repeat(20_000));
  await publish(server.url, 'b', '0.1.0');
  await remoteControl(join(data, 'control.sock')).execute([
    { kind: 'yank', ecosystem: 'x07', name: 'acme-hello', version: '1.0.0' },
  ]);
  assert.equal(await server.stop(), 0);
  return data;
}

/** Published files and the hash of each; the records of the generator and what is half written are not published. */
async function published(site: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const file of await filesBelow(site)) {
    const path = relative(site, file);
    if (path.startsWith('=')) continue;
    files[path] = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
  }
  return files;
}

test('a site is made again from nothing, byte for byte, here or elsewhere', async (t) => {
  const data = await stoppedRegistry(t);
  const site = join(data, 'site');
  const before = await published(site);
  assert.ok(Object.keys(before).length > 10);
  assert.match(await cairnOk(['regen', '--data', data, '--check']), /^clean: /);

  await rm(site, { recursive: true });
  assert.match(await cairnOk(['regen', '--data', data]), /stands for \d+ events/);
  assert.deepEqual(await published(site), before);

  const out = join(data, 'elsewhere');
  await cairnOk(['regen', '--data', data, '--out', out]);
  assert.deepEqual(await published(out), before);
  assert.match(await cairnOk(['regen', '--data', data, '--out', out, '--check']), /^clean: /);

  // Up to date as far as it knows, and all the same rendered again when that is asked for.
  const entry = join(site, 'x07/index/ac/me/acme-hello');
  await writeFile(entry, 'damaged\n');
  await cairnOk(['regen', '--data', data, '--full']);
  assert.deepEqual(await published(site), before);
  const said = JSON.parse(await cairnOk(['regen', '--data', data, '--json'])) as {
    events: number;
    root: string;
  };
  assert.equal(said.root, site);
  assert.ok(said.events > 5);
});

test('a check names what is damaged, missing or too much, and changes nothing', async (t) => {
  const data = await stoppedRegistry(t);
  const site = join(data, 'site');
  const check = () => cairn(['regen', '--data', data, '--check', '--json']);
  await writeFile(join(site, 'x07/index/ac/me/acme-hello'), 'damaged\n');
  await rm(join(site, 'x07/index/catalog.json'));
  await mkdir(join(site, 'x07/more'));
  await writeFile(join(site, 'x07/more/file'), 'x');
  // Another archive under the name of the published one: not a link to its blob any more.
  const archive = join(site, 'x07/v1/packages/b/0.1.0/download');
  const { size } = await stat(archive);
  await rm(archive);
  await writeFile(archive, Buffer.alloc(size, 'x'));
  const before = await published(site);
  const found = await check();
  assert.equal(found.code, 4);
  assert.deepEqual(JSON.parse(found.stdout), {
    events: 7,
    clean: false,
    missing: ['x07/index/catalog.json'],
    different: ['x07/index/ac/me/acme-hello', 'x07/v1/packages/b/0.1.0/download'],
    extra: ['x07/more/file'],
  });
  assert.deepEqual(await published(site), before);
  const told = await cairn(['regen', '--data', data, '--check']);
  assert.equal(told.code, 4);
  assert.deepEqual(told.stdout.trimEnd().split('\n').sort(), [
    'different\tx07/index/ac/me/acme-hello',
    'different\tx07/v1/packages/b/0.1.0/download',
    'extra\tx07/more/file',
    'missing\tx07/index/catalog.json',
  ]);
  assert.deepEqual(
    (await filesBelow(data)).filter((file) => file.includes('/.check-')),
    [],
  );
  await cairnOk(['regen', '--data', data, '--full']);
  assert.equal((await check()).code, 0);
});

test('a watcher keeps a site elsewhere up to a running server', async (t) => {
  const data = await temporaryDirectory(t);
  const server = await cairnServe(t, ['--data', data, '--listen', '127.0.0.1:0'], { env });
  await publish(server.url, 'acme-hello', '1.0.0');
  const out = join(data, 'elsewhere');
  const root = new URL('../..', import.meta.url).pathname;
  const watcher = spawn(
    process.execPath,
    ['--import', 'tsx', 'bin/cairn.ts', 'regen', '--data', data, '--out', out, '--watch'],
    { cwd: root, stdio: 'ignore' },
  );
  t.after(() => watcher.kill('SIGKILL'));
  const entry = join(out, 'x07/index/ac/me/acme-hello');
  await eventually(async () => assert.match(await readFile(entry, 'utf8'), /"1\.0\.0"/));
  await publish(server.url, 'acme-hello', '2.0.0');
  await eventually(async () => assert.match(await readFile(entry, 'utf8'), /"2\.0\.0"/));
  await eventually(async () =>
    assert.match(await readFile(join(out, 'x07/index/catalog.json'), 'utf8'), /"latest":"2\.0\.0"/),
  );
  // And the server's own site can be made again under it, at any time.
  const before = await published(join(data, 'site'));
  await cairnOk(['regen', '--data', data, '--full']);
  await eventually(async () => assert.deepEqual(await published(join(data, 'site')), await published(out)));
  assert.deepEqual(Object.keys(before), Object.keys(await published(join(data, 'site'))));
  await publish(server.url, 'acme-hello', '3.0.0');
  assert.match((await send(server.url, '/x07/index/ac/me/acme-hello')).text, /"3\.0\.0"/);
});

test('a doctor finds what is wrong, says what to do, and changes nothing', async (t) => {
  const healthy = await stoppedRegistry(t);
  const examine = (data: string): Promise<Finished> => cairn(['doctor', '--data', data, '--json']);
  const said = (finished: Finished) =>
    finished.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { severity: string; about: string; message: string });
  const well = await examine(healthy);
  assert.equal(well.code, 0, well.stdout + well.stderr);
  assert.deepEqual(
    said(well).map(({ severity, about }) => `${severity} ${about}`),
    [
      'ok disk',
      'ok private log',
      'ok keys',
      'ok uploads',
      'ok private log',
      'ok log',
      'ok private packages',
      'ok clock',
      'ok keys',
      'ok blobs',
      'ok site',
    ],
  );
  assert.match((await cairn(['doctor', '--data', healthy])).stdout, /^ok {7}disk: /);

  const [aBlob = ''] = await filesBelow(join(healthy, 'blobs/sha256'));
  const harms: readonly (readonly [about: string, says: RegExp, harm: (data: string) => Promise<unknown>])[] =
    [
      ['blobs', /1 of 4 are missing; restore/, (data) => rm(join(data, relative(healthy, aBlob)))],
      ['keys', /missing in .*cairn keys rotate x07/, (data) => rm(join(data, 'keys'), { recursive: true })],
      [
        'keys',
        /others may read .*: chmod go= /,
        async (data) => {
          const [key = ''] = await filesBelow(join(data, 'keys'));
          await chmod(key, 0o644);
        },
      ],
      ['private log', /chmod go=/, (data) => chmod(join(data, 'private.git'), 0o755)],
      ['uploads', /chmod go=/, (data) => chmod(join(data, 'uploads'), 0o755)],
      ['site', /cairn regen/, (data) => rm(join(data, 'site'), { recursive: true })],
      [
        'site',
        /stands for 3 of 7 events: run cairn regen/,
        async (data) => {
          const path = join(data, 'site/=progress.json');
          await writeFile(path, (await readFile(path, 'utf8')).replace('"seq":7', '"seq":3'));
        },
      ],
      ['log', /Restore/, (data) => rm(join(data, 'log.git/refs/heads/main'))],
    ];
  const results = await Promise.all(
    harms.map(async ([, , harm], i) => {
      const data = `${healthy}-harmed-${i}`;
      t.after(() => rm(data, { recursive: true, force: true }));
      await cp(healthy, data, { recursive: true, preserveTimestamps: true });
      for (const secret of ['private.git', 'uploads']) await chmod(join(data, secret), 0o700);
      await harm(data);
      const before = (await filesBelow(data)).length;
      const finished = await examine(data);
      assert.equal((await filesBelow(data)).length, before);
      return finished;
    }),
  );
  for (const [i, [about, says]] of harms.entries()) {
    const finished = results[i] ?? assert.fail();
    try {
      assert.equal(finished.code, 4, finished.stderr);
      const problems = said(finished).filter(({ severity }) => severity === 'problem');
      assert.deepEqual(
        problems.map((problem) => problem.about),
        [about],
      );
      assert.match(problems[0]?.message ?? '', says);
    } catch (error) {
      throw new Error(`${about} ${String(says)}: ${(error as Error).message}\n${finished.stdout}`, {
        cause: error,
      });
    }
  }
});

test('a doctor warns of what killed processes left, and reads every byte when asked to', async (t) => {
  const data = await stoppedRegistry(t);
  const hoursAgo = Date.now() / 1000 - 7200;
  for (const left of ['blobs/incoming/half', 'uploads/open/half']) {
    await mkdir(dirname(join(data, left)), { recursive: true });
    await writeFile(join(data, left), 'half of it');
    await utimes(join(data, left), hoursAgo, hoursAgo);
  }
  const warned = await cairn(['doctor', '--data', data]);
  assert.equal(warned.code, 0, 'a warning is no problem');
  assert.match(warned.stdout, /^warning {2}blobs: 1 half-received uploads .*incoming\/half/m);
  assert.match(warned.stdout, /^warning {2}uploads: 1 files that belong to no upload .*open\/half/m);

  const [blob = ''] = await filesBelow(join(data, 'blobs/sha256'));
  const bytes = await readFile(blob);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  await writeFile(blob, bytes);
  assert.equal((await cairn(['doctor', '--data', data])).code, 0, 'it is there');
  const deep = await cairn(['doctor', '--data', data, '--deep']);
  assert.equal(deep.code, 4);
  assert.match(deep.stdout, new RegExp(`problem {2}blobs: 1 of 4 are missing or damaged.*${basename(blob)}`));
});

test('a doctor sees a clock that is behind the log', async (t) => {
  const data = await temporaryDirectory(t);
  const aheadMs = 600_000;
  const registry = await openRegistry({ dataDirectory: data });
  await createRegistry(registry, someSettings({ mounts: { x07: '/x07' } }), {
    now: () => Date.now() + aheadMs,
  });
  await registry.generator.update();
  await registry.generator.updateRoots();
  await registry.close();
  const finished = await cairn(['doctor', '--data', data]);
  assert.equal(finished.code, 4);
  assert.match(finished.stdout, /^problem {2}clock: (59\d|600) seconds behind the last event/m);
});

test('a log that is not whole stops everything with its own exit code', async (t) => {
  const data = await stoppedRegistry(t);
  await rm(join(data, 'log.git/refs/heads/main'));
  for (const args of [['log'], ['regen'], ['yank', 'x07/b@0.1.0'], ['serve', '--listen', '127.0.0.1:0']]) {
    const finished = await cairn([...args, '--data', data]);
    assertRefused(finished, 5, /./);
  }
});

test('a process that holds the log and does not answer is told from one that is not there', async (t) => {
  const data = await temporaryDirectory(t);
  const server = await cairnServe(t, ['--data', data, '--listen', '127.0.0.1:0'], { env });
  await publish(server.url, 'b', '0.1.0');
  await rm(join(data, 'control.sock'));
  assertRefused(
    await cairn(['yank', '--data', data, 'x07/b@0.1.0']),
    6,
    new RegExp(`process ${server.child.pid} .*does not answer`),
  );
  // Killed, it is not there: its lock is no obstacle.
  server.child.kill('SIGKILL');
  await eventually(async () => assert.equal((await cairn(['yank', '--data', data, 'x07/b@0.1.0'])).code, 0));
});
