/**
 * The requests that Run's client was recorded with (contract, sections 3 and 5), byte for byte over a bare socket: where nobody can
 * compile it, these stand for it. What it makes of the answers is checked as its code does: the sources are named in the contract.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { test } from 'node:test';
import { assertRefusal, runApi } from '../support/run-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { openTestServer } from '../support/test-server.ts';
import { sha256 } from '../support/traffic.ts';
import { componentWith } from '../support/wasm-binary.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile);
const { host, hostname, port } = new URL(server.url);

interface Told {
  readonly status: number;
  readonly head: string;
  readonly body: Buffer;
}

/** One request on a connection of its own, which the client keeps open; every answer says its length. */
async function tell(request: Buffer | string): Promise<Told> {
  const socket = createConnection(Number(port), hostname);
  let told: Told | undefined;
  let whole = Buffer.alloc(0);
  socket.on('data', (piece: Buffer) => {
    whole = Buffer.concat([whole, piece]);
    told = toldIn(whole);
    if (told) socket.destroy();
  });
  socket.write(request);
  await once(socket, 'close');
  return told ?? assert.fail(`no whole answer: ${whole.toString('latin1')}`);
}

/** Undefined until all of it is here. */
function toldIn(whole: Buffer): Told | undefined {
  const end = whole.indexOf('\r\n\r\n');
  const head = whole.subarray(0, end).toString('latin1');
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
  const body = whole.subarray(end + 4);
  if (end === -1 || body.length < length) return undefined;
  assert.doesNotMatch(head, /transfer-encoding|content-encoding/i);
  return { status: Number(head.split(' ')[1]), head, body };
}

function get(path: string): Promise<Told> {
  return tell(`GET ${path} HTTP/1.1\r\naccept: */*\r\nuser-agent: run/0.7.1\r\nhost: ${host}\r\n\r\n`);
}

const boundary = '8721656041911415653955004498-1-2-3';

function publish(name: string, version: string, component: Buffer): Promise<Told> {
  const text = (field: string, value: string): string =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${field}"\r\n\r\n${value}\r\n`;
  const body = Buffer.concat([
    Buffer.from(
      text('name', name) +
        text('version', version) +
        text('description', 'Hello world component') +
        text('sha256', sha256(component)) +
        `--${boundary}\r\nContent-Disposition: form-data; name="component"; filename="${name}.wasm"\r\n` +
        'Content-Type: application/wasm\r\n\r\n',
    ),
    component,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  const head =
    'POST /run/api/v1/packages HTTP/1.1\r\n' +
    `content-type: multipart/form-data; boundary=${boundary}\r\ncontent-length: ${body.length}\r\n` +
    `authorization: Bearer ${ADMIN_TOKEN}\r\naccept: */*\r\nuser-agent: run/0.7.1\r\nhost: ${host}\r\n\r\n`;
  return tell(Buffer.concat([Buffer.from(head), body]));
}

test('a publish, and an install with what it depends on', async () => {
  const [hello, io] = [componentWith('hello'), componentWith('io')];
  assert.equal((await publish('wasi:io', '0.2.3', io)).status, 201);
  assert.equal((await publish('run:example/hello', '1.2.0', hello)).status, 201);
  assert.equal((await publish('run:example/hello', '1.2.0', hello)).status, 409);
  for (const [name, encoded, version, component] of [
    ['run:example/hello', 'run%3Aexample%2Fhello', '1.2.0', hello],
    ['wasi:io', 'wasi%3Aio', '0.2.3', io],
  ] as const) {
    const list = JSON.parse(String((await get(`/run/api/v1/packages/${encoded}/versions`)).body)) as object;
    assert.deepEqual(list, { name, versions: [version] });
    const metadata = JSON.parse(String((await get(`/run/api/v1/packages/${encoded}/${version}`)).body)) as {
      sha256: string;
      download_url: string;
      dependencies: unknown;
      targets: unknown;
    };
    assert.ok(Array.isArray(metadata.dependencies) && Array.isArray(metadata.targets), 'null is no list');
    // On loopback it puts its own registry before the first `/packages/`.
    const { download_url: url } = metadata;
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/run\/packages\//);
    const artifact = await get(`/run${url.slice(url.indexOf('/packages/'))}`);
    assert.equal(artifact.status, 200);
    assert.equal(sha256(artifact.body), metadata.sha256);
    assert.ok(artifact.body.equals(component), 'other bytes');
  }
});

test('what it asks for in vain, it asks for three times', async () => {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const { status, body } = await get('/run/api/v1/packages/run%3Anothing/versions');
    assert.deepEqual([status, body.length], [404, 0]);
  }
});

test('one request too many in a minute is refused in a line of text; 120 are allowed where nobody says otherwise', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.parse('2026-03-01T12:00:00.000Z') });
  const { url, data } = await openTestServer(t, {
    REGISTRY_RATE_LIMIT_PER_MIN: '3',
    CAIRN_MOUNTS: 'run=/run',
  });
  const { ask } = runApi({ url, data });
  for (let left = 2; left >= 0; left -= 1)
    assert.equal((await ask({ path: 'health' })).headers['x-ratelimit-remaining'], String(left));
  const refused = await ask({ path: 'api/v1/packages/run%3Anothing/versions' });
  assertRefusal(refused, 429, /3 a minute/);
  assert.equal(refused.headers['retry-after'], '60');
  const usual = await openTestServer(t);
  const first = await runApi(usual).ask({ path: 'health', token: ADMIN_TOKEN });
  assert.deepEqual(
    [first.headers['x-ratelimit-limit'], first.headers['x-ratelimit-remaining']],
    ['120', '119'],
  );
});
