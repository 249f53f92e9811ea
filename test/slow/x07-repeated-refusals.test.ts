import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { bearer, send } from '../support/http.ts';
import { ADMIN_TOKEN, startServer } from '../support/server-process.ts';
import { storedState, type StoredState } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { packX07 } from '../support/x07-package.ts';

const onLinux = { skip: process.platform !== 'linux' && 'reads /proc, which only Linux has' };
const path = '/x07/v1/packages/publish';
const MEGABYTE = 1024 * 1024;

test('refusals leave no file descriptor, no memory and no file behind', onLinux, async (t) => {
  const data = await temporaryDirectory(t);
  const server = await startServer({ data });
  t.after(() => server.kill());
  const there = { url: server.url, data };
  const archive = packX07({ name: 'there', version: '1.0.0' });
  const publish = (body: Buffer, headers: Record<string, string> = bearer(ADMIN_TOKEN)) =>
    send(server.url, path, { method: 'POST', headers, body });
  assert.equal((await publish(archive)).status, 200);

  const big = (head: Buffer): Buffer => Buffer.concat([head, Buffer.alloc(MEGABYTE, 'x')]);
  const refusals: readonly (readonly [status: number, refuse: () => Promise<number>])[] = [
    [400, async () => (await publish(big(Buffer.alloc(0)))).status],
    [400, async () => (await publish(archive.subarray(0, 1000))).status],
    [400, async () => (await publish(big(archive.subarray(0, 512)))).status],
    [409, async () => (await publish(archive)).status],
    [401, async () => (await publish(big(archive), {})).status],
    [0, () => hangUp(server.url, big(archive))],
  ];
  const repeat = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i += 1)
      for (const [status, refuse] of refusals) assert.equal(await refuse(), status);
  };
  await repeat(30);
  const before = await storedStateAtRest(there);
  const filesBefore = await descriptors(server.child.pid);
  const memoryBefore = await memory(server.child.pid);
  await repeat(200);
  await eventually(async () => {
    assert.deepEqual(await storedState(there), before);
    assert.ok((await descriptors(server.child.pid)) <= filesBefore + 2, 'file descriptors are left open');
  });
  // 800 uploads of a megabyte each: keeping one in ten would show.
  const grown = (await memory(server.child.pid)) - memoryBefore;
  assert.ok(grown < 64 * MEGABYTE, `${Math.round(grown / MEGABYTE)} MiB more`);
  assert.equal((await publish(packX07({ name: 'after', version: '1.0.0' }))).status, 200);
});

/** What was hung up on is thrown away a moment later. */
async function storedStateAtRest(there: { url: string; data: string }): Promise<StoredState> {
  let state: StoredState | undefined;
  await eventually(async () => {
    state = await storedState(there);
    assert.deepEqual(state.incoming, []);
  });
  assert.ok(state);
  return state;
}

/** Sends a part of an upload and goes away. */
async function hangUp(url: string, part: Buffer): Promise<number> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  const head = [`POST ${path} HTTP/1.1`, 'host: registry', `authorization: Bearer ${ADMIN_TOKEN}`];
  socket.write([...head, `content-length: ${part.length * 2}`, '', ''].join('\r\n'));
  await new Promise((sent) => socket.write(part, sent));
  socket.destroy();
  return 0;
}

async function descriptors(pid: number | undefined): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

async function memory(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
