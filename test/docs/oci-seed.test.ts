/**
 * The README of the server whose place the OCI surface takes: its requests, as they are written there but for the port, by the real
 * curl; and every row of its table. In the document the registry is at `http://127.0.0.1:8968`.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { anImage, IMAGE } from '../support/oci-api.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTestServer } from '../support/test-server.ts';

const registration = `
curl -X POST http://127.0.0.1:8968/api/v1/users \\
  -H "Content-Type: application/json" \\
  -d '{
        "username": "myuser",
        "password": "mypassword"
    }'
`;

const authentication = `
curl -u "myuser:mypassword" "http://127.0.0.1:8968/auth/token"
`;

const visibility = `
curl -X PUT http://127.0.0.1:8968/api/v1/myuser/myrepo/visibility \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
        "visibility": "public"
    }'
`;

interface Seed {
  readonly url: string;
  readonly directory: string;
  /** Runs a command of the document: status and body. */
  run(
    command: string,
    variables?: Readonly<Record<string, string>>,
  ): Promise<{ status: number; body: string }>;
  /** The status and a header of a request with the password, as in the table. */
  asked(words: string, header?: string): Promise<readonly [status: number, header: string | undefined]>;
}

async function open(t: TestContext): Promise<Seed> {
  const directory = await temporaryDirectory(t);
  const { url } = await openTestServer(t, {
    // What its configuration says, but for the address, which is any that is free.
    OCI_REGISTRY_STORAGE: 'FILESYSTEM',
    DATABASE_URL: 'postgres://postgres:password@localhost:5432/postgres',
    PASSWORD_SALT: 'AAAAAAAAAAAAAAAA',
    JWT_SECRET: 'secret',
    JWT_LIFETIME_SECONDS: '3600',
    CAIRN_REGISTRATION: 'open',
  });
  const shell = (command: string, variables: Readonly<Record<string, string>>): Promise<string> =>
    new Promise((resolve, reject) => {
      // Nothing of whoever runs the tests: their proxies, their configuration.
      const env = { PATH: process.env['PATH'], HOME: directory, ...variables };
      const here = command.replaceAll('http://127.0.0.1:8968', url);
      execFile('bash', ['-c', here], { cwd: directory, env }, (error, stdout, stderr) =>
        error ? reject(new Error(`${here}\n${stdout}${stderr}`, { cause: error })) : resolve(stdout),
      );
    });
  return {
    url,
    directory,
    async run(command, variables = {}) {
      const printed = await shell(command.replace(/\bcurl /, "curl -s -w '\\n%{http_code}' "), variables);
      const end = printed.lastIndexOf('\n');
      return { status: Number(printed.slice(end + 1)), body: printed.slice(0, end) };
    },
    async asked(words, header = 'location') {
      const [method = '', path = '', ...rest] = words.split(' ');
      const how = method === 'HEAD' ? '--head' : `-X ${method}`;
      const headers = await shell(
        `curl -s -u myuser:mypassword -D - -o body ${how} ${rest.join(' ')} 'http://127.0.0.1:8968${path}'`,
        {},
      );
      const [, status] = /^HTTP\/1\.1 (\d+)/.exec(headers) ?? [];
      const [, value] = new RegExp(`^${header}: (.*)\\r$`, 'im').exec(headers) ?? [];
      return [Number(status), value];
    },
  };
}

/** A repository with an image, as a client pushes it. */
async function push({ asked, directory }: Seed, name: string): Promise<{ blob: string; manifest: string }> {
  const blob = Buffer.from('{}');
  writeFileSync(join(directory, 'blob'), blob);
  const config = {
    mediaType: 'application/vnd.oci.empty.v1+json',
    digest: digestOf(blob),
    size: blob.length,
  };
  const manifest = JSON.stringify(anImage(config, [config]));
  writeFileSync(join(directory, 'manifest'), manifest);
  const upload = `POST /v2/${name}/blobs/uploads/?digest=${config.digest} --data-binary @blob`;
  assert.equal((await asked(upload))[0], 201);
  const put = `PUT /v2/${name}/manifests/latest -H 'content-type: ${IMAGE}' --data-binary @manifest`;
  assert.equal((await asked(put))[0], 201);
  return { blob: config.digest, manifest: digestOf(manifest) };
}

test('a user registers, gets a token, and makes a repository public and private with it', async (t) => {
  const seed = await open(t);
  const { run } = seed;
  assert.deepEqual(await run(registration), { status: 201, body: '' });
  const { status, body } = await run(authentication);
  assert.equal(status, 200);
  const { token, access_token, expires_in, issued_at } = JSON.parse(body) as Record<string, string>;
  assert.match(String(token), /^ey/);
  assert.equal(access_token, token);
  assert.equal(expires_in, 3600);
  assert.match(String(issued_at), /^\d{4}-\d\d-\d\dT/);
  await push(seed, 'myuser/myrepo');
  const isPublic = async (): Promise<boolean> =>
    (await run('curl http://127.0.0.1:8968/v2/myuser/myrepo/tags/list')).status === 200;
  assert.equal(await isPublic(), false);
  for (const word of ['public', 'private']) {
    const changed = await run(visibility.replace('public', word), { TOKEN: String(token) });
    assert.deepEqual(changed, { status: 200, body: '' });
    assert.equal(await isPublic(), word === 'public');
  }
  const ping = 'curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8968/v2/';
  assert.equal((await run(ping, { TOKEN: String(token) })).status, 200);
  const again = await run(registration);
  assert.equal(again.status, 409);
  assert.match(again.body, /"code":"DENIED"/);
  assert.equal((await run(authentication.replace('mypassword', 'not-mine'))).status, 401);
});

test('every row of the table of endpoints is there', async (t) => {
  const seed = await open(t);
  const { run, asked } = seed;
  assert.equal((await run(registration)).status, 201);
  const { blob, manifest } = await push(seed, 'myuser/app');
  const of = '/v2/myuser/app';
  const start = async (): Promise<string> => {
    const [status, location] = await asked(`POST ${of}/blobs/uploads/ -d ''`);
    assert.equal(status, 202);
    return location ?? assert.fail('no location');
  };
  const [, digest] = await asked(`HEAD ${of}/manifests/latest`, 'docker-content-digest');
  assert.equal(digest, manifest);
  const upload = await start();
  type Row = readonly [id: string, words: string, status: number];
  const rows: readonly Row[] = [
    ['end-1', 'GET /v2/', 200],
    ['end-2', `GET ${of}/blobs/${blob}`, 200],
    ['end-2', `HEAD ${of}/blobs/${blob}`, 200],
    ['end-3', `GET ${of}/manifests/latest`, 200],
    ['end-3', `HEAD ${of}/manifests/${manifest}`, 200],
    ['end-4b', `POST ${of}/blobs/uploads/?digest=${blob} --data-binary @blob`, 201],
    ['end-13', `GET ${upload}`, 204],
    ['end-5', `PATCH ${upload} --data-binary @blob`, 202],
    ['end-6', `PUT ${upload}?digest=${blob} -d ''`, 201],
    ['end-7', `PUT ${of}/manifests/2 -H 'content-type: ${IMAGE}' --data-binary @manifest`, 201],
    ['end-8a', `GET ${of}/tags/list`, 200],
    ['end-8b', `GET ${of}/tags/list?n=1&last=2`, 200],
    // These two its table lists as under construction.
    ['end-11', `POST /v2/myuser/other/blobs/uploads/?mount=${blob}&from=myuser/app -d ''`, 201],
    ['end-12a', `GET ${of}/referrers/${manifest}`, 200],
    ['end-12b', `GET ${of}/referrers/${manifest}?artifactType=text/plain`, 200],
    ['end-9', `DELETE ${of}/manifests/2`, 202],
    ['end-9', `DELETE ${of}/manifests/${manifest}`, 202],
    ['end-10', `DELETE ${of}/blobs/${blob}`, 202],
    ['end-2', `GET ${of}/blobs/${blob}`, 404],
    ['end-3', `GET ${of}/manifests/latest`, 404],
  ];
  for (const [id, words, status] of rows) assert.equal((await asked(words))[0], status, `${id}: ${words}`);
});
