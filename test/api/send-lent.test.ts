import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { sendLent } from '../../api/send-lent.ts';
import { noise } from '../support/oci-image.ts';

const PIECE = 500_000;

interface Served {
  readonly url: string;
  /** How sending ended, in order. */
  readonly ended: string[];
  /** How many sources are still open. */
  lent(): number;
}

async function serve(t: TestContext, failAt = Infinity): Promise<Served> {
  const ended: string[] = [];
  let lent = 0;
  /** One piece of memory for all of it. */
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const memory = Buffer.alloc(PIECE);
    lent += 1;
    try {
      for (let at = 0; at < noise.length; at += PIECE) {
        if (at >= failAt) throw new Error('the disk fails');
        noise.copy(memory, 0, at, at + PIECE);
        yield memory.subarray(0, Math.min(PIECE, noise.length - at));
      }
    } finally {
      lent -= 1;
      memory.fill(0);
    }
  }
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': noise.length });
    sendLent(response, pieces()).then(
      () => ended.push('well'),
      (error: unknown) => ended.push(String(error)),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ended, lent: () => lent };
}

test('what is sent is what was lent, also to whoever asks for the next before it has come', async (t) => {
  const { url, ended } = await serve(t);
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const request = (connection: string): string =>
    `GET / HTTP/1.1\r\nHost: ${hostname}\r\nConnection: ${connection}\r\n\r\n`;
  socket.write(request('keep-alive') + request('close'));
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  const all = Buffer.concat(pieces);
  const head = all.indexOf('\r\n\r\n') + 4;
  assert.ok(all.subarray(head, head + noise.length).equals(noise));
  assert.ok(all.subarray(-noise.length).equals(noise));
  assert.deepEqual(ended, ['well', 'well']);
});

test('a client who hangs up is no error, and nothing stays open', async (t) => {
  const { url, ended, lent } = await serve(t);
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  // The second never gets its turn.
  socket.write(`GET / HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`.repeat(2));
  await once(socket, 'data');
  socket.destroy();
  while (ended.length < 1) await new Promise((resume) => setTimeout(resume, 5));
  assert.deepEqual([ended, lent()], [['well'], 0]);
});

test('where the source fails, the client sees that something is missing', async (t) => {
  const { url, ended, lent } = await serve(t, 2 * PIECE);
  await assert.rejects(async () => (await fetch(url)).arrayBuffer());
  assert.deepEqual([ended, lent()], [['Error: the disk fails'], 0]);
});
