/**
 * What Pantry's own clients send, byte for byte (contract, section 13; the command line's source says the rest: boundaries,
 * the order of parts, headers as its HTTP library writes them). Pantry is mounted where upstream's server is: at the root.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { packNpm, packageJson } from '../support/npm-package.ts';
import { sha256 } from '../support/pantry-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { openTestServer } from '../support/test-server.ts';
import { file, packAs } from '../support/zig-archive.ts';

interface Raw {
  readonly status: number;
  readonly body: Buffer;
  readonly json: Record<string, unknown>;
}

/** A request exactly as it is written, over a connection of its own. */
async function replay(
  origin: string,
  lines: readonly string[],
  body: Buffer = Buffer.alloc(0),
): Promise<Raw> {
  const { hostname, port } = new URL(origin);
  const socket = connect(Number(port), hostname);
  const [first = '', ...headers] = lines;
  const length = first.startsWith('POST') ? [`content-length: ${body.byteLength}`] : [];
  const head = [`${first} HTTP/1.1`, `host: ${hostname}:${port}`, ...headers, ...length, 'connection: close'];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  socket.write(body);
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  const whole = Buffer.concat(pieces);
  const end = whole.indexOf('\r\n\r\n');
  const answered = whole.subarray(0, end).toString('latin1');
  const raw = whole.subarray(end + 4);
  const plain = /transfer-encoding: chunked/i.test(answered) ? unchunked(raw) : raw;
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(answered)?.[1]),
    body: plain,
    json: answered.includes('application/json')
      ? (JSON.parse(plain.toString('utf8')) as Record<string, unknown>)
      : {},
  };
}

function unchunked(raw: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; ;) {
    const end = raw.indexOf('\r\n', at);
    const size = parseInt(raw.subarray(at, end).toString('latin1'), 16);
    if (!(size > 0)) return Buffer.concat(pieces);
    pieces.push(raw.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

/** Headers of the language's own HTTP library. */
const zigHeaders = ['user-agent: zig/0.16.0 (std.http)', 'accept-encoding: gzip, deflate'];
const authorization = `authorization: Bearer ${ADMIN_TOKEN}`;
const identity = ['accept-encoding: identity', 'accept: application/json'];

const lib = {
  name: '@acme/lib',
  version: '1.4.0',
  manifest: {
    description: 'Small library',
    repository: { type: 'git', url: 'https://github.com/acme/lib' },
    author: { name: 'Ann' },
    scripts: { build: 'tsc', postinstall: 'echo' },
    dependencies: { left: '^1.0.0' },
    bin: { lib: './cli.js' },
    files: ['dist'],
  },
};

async function open(t: TestContext): Promise<string> {
  return (await openTestServer(t, { CAIRN_MOUNTS: 'pantry=/' })).url;
}

function publishBody(tarball: Buffer, metadata: string): Buffer {
  const boundary = '----PantryUploadBoundary7MA4YWxkTrZu0gW';
  return Buffer.concat([
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="tarball"; filename="package.tgz"\r\n` +
        'Content-Type: application/octet-stream\r\n\r\n',
    ),
    tarball,
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Disposition: form-data; name="metadata"\r\nContent-Type: text/plain\r\n\r\n` +
        `${metadata}\r\n--${boundary}--\r\n`,
    ),
  ]);
}

const publishLines = [
  'POST /publish',
  authorization,
  ...zigHeaders,
  'content-type: multipart/form-data; boundary=----PantryUploadBoundary7MA4YWxkTrZu0gW',
];
/** The whole text of package.json, as it lies there. */
const packageText = (of: typeof lib): string => `${JSON.stringify(packageJson(of), null, '\t')}\n`;

test('pantry publish: the check before it, the upload, and the same once more', async (t) => {
  const url = await open(t);
  const tarball = packNpm({ ...lib, manifestText: packageText(lib) });
  // The name is put into the path as it is. Anything but 200 is a first publish.
  const check = ['GET /zig/packages/@acme/lib', ...identity];
  const before = await replay(url, check);
  assert.equal(before.status, 404);
  assert.equal(typeof before.json['error'], 'string');
  const published = await replay(url, publishLines, publishBody(tarball, packageText(lib)));
  assert.equal(published.status, 201, published.body.toString());
  assert.deepEqual(published.json, { success: true, message: 'Published @acme/lib@1.4.0' });
  // A package of npm is none of Zig: the check says again that it is new, and the upload is refused in its turn.
  assert.equal((await replay(url, check)).status, 404);
  const again = await replay(url, publishLines, publishBody(tarball, packageText(lib)));
  assert.deepEqual([again.status, again.json], [409, { error: 'Version already exists' }]);

  const info = await replay(url, ['GET /packages/@acme/lib', ...identity]);
  const { name, version, description, author, tarballUrl, checksum, error } = info.json;
  assert.deepEqual(
    { name, version, description, author, error },
    { name: '@acme/lib', version: '1.4.0', description: 'Small library', author: 'Ann', error: undefined },
  );
  // It is downloaded as it is.
  const at = String(tarballUrl).slice(url.length);
  const downloaded = await replay(url, [`GET ${at}`, 'accept-encoding: identity', zigHeaders[0] ?? '']);
  assert.equal(downloaded.status, 200);
  assert.equal(sha256(downloaded.body), checksum);
  assert.deepEqual(downloaded.body, tarball);
});

test("the library's client: metadata first, as JSON, and a file name with a slash", async (t) => {
  const url = await open(t);
  const boundary = '----PantryFormBoundary';
  const tarball = packNpm(lib);
  const metadata =
    '{"name":"@acme/lib","version":"1.4.0","description":"Small library","license":"MIT","repository":"https://github.com/acme/lib"}';
  const body = Buffer.concat([
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="metadata"\r\nContent-Type: application/json\r\n\r\n` +
        `${metadata}\r\n--${boundary}\r\n` +
        'Content-Disposition: form-data; name="tarball"; filename="@acme/lib-1.4.0.tgz"\r\n' +
        'Content-Type: application/gzip\r\n\r\n',
    ),
    tarball,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  const lines = [
    'POST /publish',
    ...zigHeaders,
    `Content-Type: multipart/form-data; boundary=${boundary}`,
    `Authorization: Bearer ${ADMIN_TOKEN}`,
  ];
  const published = await replay(url, lines, body);
  assert.equal(published.status, 201, published.body.toString());
  assert.deepEqual((await replay(url, ['GET /packages/@acme/lib/versions', ...zigHeaders])).json, {
    versions: ['1.4.0'],
  });
});

const SHA = '0123456789abcdef0123456789abcdef01234567';

test('pantry publish:commit, one request per package, and the install of what it prints', async (t) => {
  const url = await open(t);
  const boundary = '----PantryCommitUpload7MA4YWxkTrZu0gW';
  for (const [name, repository, version] of [
    ['@acme/lib', 'https://github.com/acme/lib', '1.4.0'],
    // What it does not know it sends empty.
    ['plain', '', ''],
  ] as const) {
    const tarball = packNpm({ name, version: '1.4.0' });
    const metadata = `{"sha":"${SHA}","repository":"${repository}","packages":[{"name":"${name}","version":"${version}"}]}`;
    const body = Buffer.concat([
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="metadata"\r\nContent-Type: text/plain\r\n\r\n${metadata}` +
          `\r\n--${boundary}\r\nContent-Disposition: form-data; name="package:${name}"; filename="package.tgz"\r\n` +
          'Content-Type: application/octet-stream\r\n\r\n',
      ),
      tarball,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]);
    const lines = [
      'POST /publish/commit',
      authorization,
      ...zigHeaders,
      `content-type: multipart/form-data; boundary=${boundary}`,
    ];
    const published = await replay(url, lines, body);
    assert.equal(published.status, 201, published.body.toString());
    for (const sha of [SHA, SHA.slice(0, 7), SHA.slice(0, 12)]) {
      const installed = await replay(url, [`GET /${name}@${sha}`, 'accept-encoding: identity']);
      assert.equal(installed.status, 200, sha);
      assert.deepEqual(installed.body, tarball);
    }
    const record = (await replay(url, [`GET /commits/${SHA}/${name}`, ...identity])).json;
    assert.deepEqual(
      [record['repository'], record['version']],
      repository === '' ? [undefined, undefined] : [repository, version],
    );
  }
});

test('pantry search asks without encoding anything', async (t) => {
  const url = await open(t);
  const tarball = packNpm({ ...lib, manifestText: packageText(lib) });
  assert.equal((await replay(url, publishLines, publishBody(tarball, packageText(lib)))).status, 201);
  for (const text of ['lib', '@acme/lib', 'Small', "it's", '(a|b)', 'x']) {
    const { status, json } = await replay(url, [`GET /search?q=${text}&format=json&limit=20`, ...identity]);
    assert.equal(status, 200, text);
    const results = json['results'] as { name: string; version: string }[];
    assert.equal(results.length, ['lib', '@acme/lib', 'Small'].includes(text) ? 1 : 0, text);
    for (const { name, version } of results) assert.deepEqual([name, version], ['@acme/lib', '1.4.0']);
  }
});

test('an install of a name that is not here is told so in JSON at each step, and goes on', async (t) => {
  const url = await open(t);
  for (const path of [
    '/packages/curl.se',
    '/binaries/curl.se/metadata.json',
    '/binaries/curl.se/8.12.0/linux-x86-64/curl.se-8.12.0.tar.gz',
    '/packages/curl.se/8.12.0/tarball',
    '/curl.se@0123456',
  ]) {
    const { status, json } = await replay(url, [`GET ${path}`, ...identity]);
    assert.equal(status, 404, path);
    assert.equal(typeof json['error'], 'string', path);
  }
});

test('an install resolves at once, downloads at once, and reports what it downloaded', async (t) => {
  const url = await open(t);
  const tarball = packNpm({ ...lib, manifestText: packageText(lib) });
  assert.equal((await replay(url, publishLines, publishBody(tarball, packageText(lib)))).status, 201);
  const post = (path: string, body: string): Promise<Raw> =>
    replay(url, [`POST ${path}`, ...zigHeaders, 'content-type: application/json'], Buffer.from(body));
  const resolved = await post('/npm/resolve', '{"dependencies":{"@acme/lib":"^1.0.0","not-here":"latest"}}');
  assert.equal(resolved.status, 200, resolved.body.toString());
  const found = resolved.json['resolved'] as Record<
    string,
    { version: string; tarball: string; integrity: string }
  >;
  assert.deepEqual(Object.keys(found), ['@acme/lib']);
  const { version, tarball: at, integrity } = found['@acme/lib'] ?? {};
  assert.equal(version, '1.4.0');
  const wanted = `{"packages":[{"name":"@acme/lib","version":"1.4.0","tarball":"${at}","integrity":"${integrity}"}]}`;
  for (const path of ['/registry/download', '/npm/download']) {
    const archive = await post(path, wanted);
    assert.equal(archive.status, 200, path);
    assert.equal(archive.body.subarray(0, 14).toString(), 'packages/0.tgz');
    assert.deepEqual(archive.body.subarray(512, 512 + tarball.length), tarball);
  }
  const events =
    '[{"packageName":"@acme/lib","category":"download","version":"1.4.0"},{"packageName":"curl.se","category":"download","version":"8.12.0"}]';
  const reported = await post('/analytics/events', events);
  assert.deepEqual([reported.status, reported.json], [200, { success: true }]);
  const top = (await replay(url, ['GET /analytics/top', ...identity])).json['packages'];
  assert.deepEqual(top, [
    { name: '@acme/lib', downloads: 3 },
    { name: 'curl.se', downloads: 1 },
  ]);
});

test('the action that publishes Zig packages sends an archive without a root folder, and a manifest spelled as URLs are', async (t) => {
  const url = await open(t);
  const manifest = `.{
    .name = .my_zig_lib,
    .version = "1.0.0",
    .fingerprint = 0x9e44f4d200000001,
    .paths = .{ "build.zig", "build.zig.zon", "src" },
}
`;
  const archive = packAs('tar.gz', [
    file('build.zig', '// build'),
    file('build.zig.zon', manifest),
    file('src/root.zig', '// root'),
  ]);
  // As curl writes a form.
  const boundary = '------------------------1aDfPq7sPLxMGqCkM0ZkYb';
  const body = Buffer.concat([
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="tarball"; filename="my-zig-lib-1.0.0.tar.gz"\r\n` +
        'Content-Type: application/octet-stream\r\n\r\n',
    ),
    archive,
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Disposition: form-data; name="manifest"\r\n\r\n` +
        `${manifest.replace('.my_zig_lib', '.@"my-zig-lib"')}\r\n--${boundary}--\r\n`,
    ),
  ]);
  const lines = [
    'POST /zig/publish',
    'User-Agent: curl/8.5.0',
    'Accept: */*',
    authorization,
    `Content-Type: multipart/form-data; boundary=${boundary}`,
  ];
  const published = await replay(url, lines, body);
  assert.equal(published.status, 201, published.body.toString());
  const { success, hash, tarballUrl } = published.json;
  assert.equal(success, true);
  assert.match(String(hash), /^my_zig_lib-1\.0\.0-/);
  assert.equal(tarballUrl, `${url}/zig/packages/my-zig-lib/1.0.0/tarball`);
  // An answer of 409, or one that says "already exists", is a success to it.
  const again = await replay(url, lines, body);
  assert.equal(again.status, 409);
  assert.match(String(again.json['error']), /already exists/);
  // The command line's check finds the version of a Zig package, and stops there.
  const check = await replay(url, ['GET /zig/packages/my-zig-lib', ...identity]);
  assert.deepEqual([check.status, check.json['version']], [200, '1.0.0']);
});
