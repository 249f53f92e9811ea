import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { stat } from 'node:fs/promises';
import { eventually } from '../support/eventually.ts';
import { assertX07Error, bearer, send } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { incomingOf, storedState } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { packX07 } from '../support/x07-package.ts';

const server = await openTestServer(wholeFile);
const path = '/x07/v1/packages/publish';
const LIMIT = 67_108_864;

/** A connection on which a test writes what it likes. */
function open(t: { after(clear: () => void): void }): {
  socket: Socket;
  received: () => string;
  ended: () => boolean;
} {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  let received = '';
  let ended = false;
  socket.setEncoding('utf8').on('data', (text: string) => (received += text));
  socket.on('error', () => (ended = true)).on('close', () => (ended = true));
  t.after(() => socket.destroy());
  return { socket, received: () => received, ended: () => ended };
}

function head(...lines: string[]): string {
  return [
    `POST ${path} HTTP/1.1`,
    'host: registry',
    `authorization: Bearer ${ADMIN_TOKEN}`,
    ...lines,
    '',
    '',
  ].join('\r\n');
}

/** The one JSON error in what was received. */
function errorIn(received: string): Record<string, string> {
  const [headers = '', body = ''] = received.split('\r\n\r\n');
  assert.match(headers, /^HTTP\/1\.1 400 /);
  const error = JSON.parse(body) as Record<string, string>;
  assert.match(headers, new RegExp(`x-request-id: ${error['request_id']}`, 'i'));
  return error;
}

test('an upload of one byte more than 64 MiB is refused by its length, before it is sent', async (t) => {
  const before = await storedState(server);
  const { socket, received } = open(t);
  socket.write(head(`content-length: ${LIMIT + 1}`));
  await eventually(async () => assert.equal(errorIn(received())['code'], 'X07REG_BODY_TOO_LARGE'));
  assert.deepEqual(await storedState(server), before);
});

test('an upload of exactly 64 MiB is received whole', async () => {
  const before = await storedState(server);
  const body = Buffer.alloc(LIMIT, 'x');
  const answer = await send(server.url, path, { method: 'POST', headers: bearer(ADMIN_TOKEN), body });
  assertX07Error(answer, 400, 'BAD_ARCHIVE');
  assert.deepEqual(await storedState(server), before);
});

test('a chunked upload is refused when it passes 64 MiB, and no more than that was stored', async (t) => {
  const before = await storedState(server);
  const { socket, received, ended } = open(t);
  socket.write(head('transfer-encoding: chunked'));
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  let largest = 0;
  const measure = async (): Promise<void> => {
    for (const file of await incomingOf(server.data)) {
      const { size } = await stat(file).catch(() => ({ size: 0 }));
      largest = Math.max(largest, size);
    }
  };
  // Like a client that reads only once it has written everything: our answer must not wait for it, nor it for us.
  for (let sent = 0; sent < 96; sent += 1) {
    await new Promise<void>((done) => {
      socket.write(`${chunk.length.toString(16)}\r\n`);
      socket.write(chunk);
      socket.write('\r\n', () => done());
    });
    await measure();
  }
  assert.ok(!ended(), 'the connection is still there');
  await eventually(async () => assert.equal(errorIn(received())['code'], 'X07REG_BODY_TOO_LARGE'));
  assert.ok(largest > 0 && largest <= LIMIT, `${largest} bytes were stored`);
  assert.deepEqual(await storedState(server), before);
});

test('a client that sends on after a refusal can still read it', async () => {
  const parts = Array.from({ length: 70 }, () => Buffer.alloc(1024 * 1024, 'x'));
  const chunked = await send(server.url, path, { method: 'POST', headers: bearer(ADMIN_TOKEN), body: parts });
  assertX07Error(chunked, 400, 'BODY_TOO_LARGE');
  const whole = await send(server.url, path, {
    method: 'POST',
    headers: bearer(ADMIN_TOKEN),
    body: Buffer.concat(parts),
  });
  assertX07Error(whole, 400, 'BODY_TOO_LARGE');
  const anonymous = await send(server.url, path, { method: 'POST', body: parts });
  assertX07Error(anonymous, 401, 'AUTH_REQUIRED');
});

test('a chunked upload within the limit is published', async () => {
  const archive = packX07({ name: 'chunked', version: '1.0.0' });
  const body = [archive.subarray(0, 100), archive.subarray(100, 1000), archive.subarray(1000)];
  const answer = await send(server.url, path, { method: 'POST', headers: bearer(ADMIN_TOKEN), body });
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual((await send(server.url, '/x07/v1/packages/chunked/1.0.0/download')).body, archive);
});

test('a client that waits for leave to send gets it', async (t) => {
  const archive = packX07({ name: 'patient', version: '1.0.0' });
  const { socket, received } = open(t);
  socket.write(head(`content-length: ${archive.length}`, 'expect: 100-continue'));
  await eventually(async () => assert.match(received(), /^HTTP\/1\.1 100 Continue\r\n\r\n/));
  socket.write(archive);
  await eventually(async () => assert.match(received(), /HTTP\/1\.1 200 OK/));
});

test('a client that hangs up in its upload leaves nothing behind', async (t) => {
  const before = await storedState(server);
  const archive = packX07({ name: 'gone', version: '1.0.0' });
  const ways: readonly (readonly [framing: string, part: Buffer | string])[] = [
    [`content-length: ${archive.length}`, archive.subarray(0, 2000)],
    [`content-length: ${archive.length}`, ''],
    ['transfer-encoding: chunked', `7d0\r\n${archive.toString('latin1', 0, 2000)}\r\n`],
  ];
  for (const [framing, part] of ways) {
    const { socket } = open(t);
    socket.write(head(framing));
    socket.write(part);
    await eventually(async () => assert.equal((await incomingOf(server.data)).length, 1));
    socket.destroy();
    await eventually(async () => assert.deepEqual(await incomingOf(server.data), []));
  }
  assert.deepEqual(await storedState(server), before);
  assert.equal((await server.publish(archive)).status, 200);
});

test('a body that breaks the rules of chunks is refused and leaves nothing behind', async (t) => {
  const before = await storedState(server);
  const { socket, ended } = open(t);
  socket.write(head('transfer-encoding: chunked'));
  socket.write('5\r\nhello\r\nnonsense\r\n');
  await eventually(async () => assert.ok(ended(), 'still open'));
  await eventually(async () => assert.deepEqual(await storedState(server), before));
});
