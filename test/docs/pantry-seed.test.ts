/**
 * Pantry's founding document: each of its curl commands, as it is written there, but for host and token, by the real curl; and
 * the install by npm. In the document the registry is at `http://localhost:3000`.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { packNpm } from '../support/npm-package.ts';
import { sha256 } from '../support/pantry-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTestServer } from '../support/test-server.ts';
import { file, folder, packAs } from '../support/zig-archive.ts';

const publishForm = `
curl -X POST http://localhost:3000/publish \\
  -H "Authorization: Bearer your-token" \\
  -F "metadata={\\"name\\":\\"my-package\\",\\"version\\":\\"1.0.0\\"}" \\
  -F "tarball=@my-package-1.0.0.tgz"
`;

const publishJson = `
curl -X POST http://localhost:3000/publish \\
  -H "Authorization: Bearer your-token" \\
  -H "Content-Type: application/json" \\
  -d '{"metadata":{"name":"my-package","version":"1.0.0"},"tarball":"<base64-encoded-tarball>"}'
`;

const publishZig = `
curl -X POST http://localhost:3000/zig/publish \\
  -H "Authorization: Bearer your-token" \\
  -F "tarball=@my-zig-lib-1.0.0.tar.gz" \\
  -F "manifest=$(cat build.zig.zon)" \\
  -F "description=My awesome Zig library"
`;

const publishCommitForm = `
curl -X POST http://localhost:3000/publish/commit \\
  -H "Authorization: Bearer your-token" \\
  -F "sha=abc1234def5678" \\
  -F "repository=https://github.com/org/repo" \\
  -F "package:my-package=@my-package.tgz" \\
  -F "package:@scope/other=@other-package.tgz"
`;

const publishCommitJson = `
curl -X POST http://localhost:3000/publish/commit \\
  -H "Authorization: Bearer your-token" \\
  -H "Content-Type: application/json" \\
  -d '{
    "sha": "abc1234def5678",
    "name": "my-package",
    "tarball": "<base64-encoded-tarball>",
    "repository": "https://github.com/org/repo"
  }'
`;

const listCommit = `
curl http://localhost:3000/commits/abc1234def5678
`;

const installCommit = `
npm install https://registry.example.com/commits/abc1234def5678/my-package/tarball
`;

const mine = packNpm({ name: 'my-package', version: '1.0.0' });
const other = packNpm({ name: '@scope/other', version: '0.1.0' });

interface Seed {
  readonly url: string;
  readonly directory: string;
  /** Runs a command of the document; its standard output. */
  run(command: string): Promise<string>;
  json(command: string): Promise<Record<string, unknown>>;
  get(path: string): Promise<{ status: number; body: Buffer; json(): Record<string, unknown> }>;
}

async function open(t: TestContext): Promise<Seed> {
  const directory = await temporaryDirectory(t);
  const { url } = await openTestServer(t, { CAIRN_MOUNTS: 'pantry=/' });
  for (const [name, bytes] of Object.entries({
    'my-package-1.0.0.tgz': mine,
    'my-package.tgz': mine,
    'other-package.tgz': other,
  }))
    writeFileSync(join(directory, name), bytes);
  const run = (command: string): Promise<string> => {
    const here = command
      .replaceAll(/http:\/\/localhost:3000|https:\/\/registry\.example\.com/g, url)
      .replaceAll('your-token', ADMIN_TOKEN)
      .replaceAll('<base64-encoded-tarball>', mine.toString('base64'));
    // Nothing of whoever runs the tests: their proxies, their configuration.
    const env = { PATH: process.env['PATH'], HOME: directory, CI: 'true' };
    return new Promise((resolve, reject) => {
      execFile('bash', ['-c', here], { cwd: directory, env, timeout: 120_000 }, (error, stdout, stderr) =>
        error ? reject(new Error(`${here}\n${stdout}${stderr}`, { cause: error })) : resolve(stdout),
      );
    });
  };
  return {
    url,
    directory,
    run,
    json: async (command) => JSON.parse(await run(command)) as Record<string, unknown>,
    async get(path) {
      const answer = await fetch(url + path);
      const body = Buffer.from(await answer.arrayBuffer());
      return {
        status: answer.status,
        body,
        json: () => JSON.parse(body.toString()) as Record<string, unknown>,
      };
    },
  };
}

for (const [title, command] of [
  ['a form', publishForm],
  ['JSON with the tarball in base64', publishJson],
] as const)
  test(`publishing a package by ${title}`, async (t) => {
    const seed = await open(t);
    assert.deepEqual(await seed.json(command), { success: true, message: 'Published my-package@1.0.0' });
    const latest = (await seed.get('/packages/my-package')).json();
    assert.deepEqual(
      [latest['version'], latest['tarballUrl'], latest['checksum']],
      ['1.0.0', `${seed.url}/packages/my-package/1.0.0/tarball`, sha256(mine)],
    );
    assert.deepEqual((await seed.get('/packages/my-package/1.0.0')).json(), latest);
    assert.deepEqual((await seed.get('/packages/my-package/1.0.0/tarball')).body, mine);
    assert.deepEqual((await seed.get('/packages/my-package/versions')).json(), { versions: ['1.0.0'] });
    const { results } = (await seed.get('/search?q=my-package')).json();
    assert.equal((results as object[]).length, 1);
    assert.deepEqual((await seed.get('/analytics/top')).json(), {
      packages: [{ name: 'my-package', downloads: 1 }],
    });
    assert.equal((await seed.get('/analytics/my-package')).json()['totalDownloads'], 1);
    assert.equal(
      ((await seed.get('/analytics/my-package/timeline')).json()['timeline'] as object[]).length,
      30,
    );
    assert.deepEqual(await seed.json(command), { error: 'Version already exists' });
  });

test('publishing a Zig package', async (t) => {
  const seed = await open(t);
  const manifest = `.{
    .name = .my_zig_lib,
    .version = "1.0.0",
    .fingerprint = 0x9e44f4d200000001,
    .paths = .{""},
}
`;
  writeFileSync(join(seed.directory, 'build.zig.zon'), manifest);
  const archive = packAs('tar.gz', [
    folder('my-zig-lib'),
    file('my-zig-lib/build.zig.zon', manifest),
    file('my-zig-lib/root.zig', 'pub const answer = 42;\n'),
  ]);
  writeFileSync(join(seed.directory, 'my-zig-lib-1.0.0.tar.gz'), archive);
  const said = await seed.json(publishZig);
  const { success, hash, legacyHash, tarballUrl, fetchCommand, dependency, message } = said;
  assert.equal(success, true);
  assert.equal(message, 'Published my-zig-lib@1.0.0');
  // Its place, its shape and its use are the document's; its text is what Zig itself computes.
  assert.match(String(hash), /^my_zig_lib-1\.0\.0-[A-Za-z0-9_-]{44}$/);
  assert.match(String(legacyHash), /^1220[0-9a-f]{64}$/);
  assert.equal(tarballUrl, `${seed.url}/zig/packages/my-zig-lib/1.0.0/tarball`);
  assert.equal(fetchCommand, `zig fetch --save '${tarballUrl}'`);
  assert.equal(
    dependency,
    `.my_zig_lib = .{\n    .url = "${tarballUrl}",\n    .hash = "${String(hash)}",\n},`,
  );
  const latest = (await seed.get('/zig/packages/my-zig-lib')).json();
  assert.equal(latest['description'], 'My awesome Zig library');
  assert.equal(latest['hash'], hash);
  assert.deepEqual((await seed.get('/zig/packages/my-zig-lib/1.0.0')).json(), latest);
  assert.deepEqual((await seed.get('/zig/packages/my-zig-lib/1.0.0/tarball')).body, archive);
  assert.deepEqual((await seed.get('/zig/packages/my-zig-lib/versions')).json(), {
    name: 'my-zig-lib',
    versions: ['1.0.0'],
  });
  for (const one of [hash, legacyHash])
    assert.equal((await seed.get(`/zig/hash/${String(one)}`)).json()['name'], 'my-zig-lib');
  assert.equal(((await seed.get('/zig/search?q=awesome')).json()['results'] as object[]).length, 1);
});

for (const [title, command, names] of [
  ['a form', publishCommitForm, ['@scope/other', 'my-package']],
  ['JSON with the tarball in base64', publishCommitJson, ['my-package']],
] as const)
  test(`publishing a commit by ${title}, listing it, and installing from it`, async (t) => {
    const seed = await open(t);
    const said = await seed.json(command);
    assert.equal(said['success'], true);
    assert.equal(said['message'], `Published ${names.length} package(s) from commit abc1234`);
    const commit = await seed.json(listCommit);
    assert.equal(commit['sha'], 'abc1234def5678');
    assert.equal(commit['repository'], 'https://github.com/org/repo');
    const packages = commit['packages'] as { name: string; checksum: string; tarballUrl: string }[];
    assert.deepEqual(
      packages.map(({ name }) => name),
      names,
    );
    for (const { name, checksum, tarballUrl } of packages) {
      assert.equal(checksum, sha256(name === 'my-package' ? mine : other));
      assert.equal((await seed.get(tarballUrl.slice(seed.url.length))).status, 200);
      assert.equal((await seed.get(`/commits/abc1234def5678/${name}`)).json()['name'], name);
    }
    writeFileSync(join(seed.directory, 'package.json'), '{"name":"application","version":"1.0.0"}');
    // What is not asked of the registry is left out: nobody answers for it here. npm 12 asks to be allowed addresses.
    await seed.run(`export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
export npm_config_allow_remote=all npm_config_registry=http://localhost:3000/npm
${installCommit}`);
    const installed = join(seed.directory, 'node_modules/my-package');
    assert.ok(existsSync(join(installed, 'index.js')));
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { version: string };
    assert.equal(manifest.version, '1.0.0');
  });
