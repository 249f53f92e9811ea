/** Uploads that go on after the server was stopped, or killed, and those with which nobody went on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { utimes } from 'node:fs/promises';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { remoteControl } from '../../api/control.ts';
import { digestOf } from '../../core/digest.ts';
import { eventually } from '../support/eventually.ts';
import type { Answer } from '../support/http.ts';
import { anImage, ociApi, type Credentials, type OciApi } from '../support/oci-api.ts';
import { checkOciFiles, checkOciStores } from '../support/oci-check.ts';
import { ociServerEnv } from '../support/oci-traffic.ts';
import { leftoversIn } from '../support/registry-check.ts';
import { seededRandom } from '../support/seeded-random.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { filesBelow } from '../support/stored-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startOwn } from '../support/working-registry.ts';

const acme: Credentials = ['acme', 'correct horse battery'];
const name = 'acme/app';
const MIB = 1024 * 1024;
/** What a request brings, and what of it has come when it breaks off: more than the server writes at once. */
const PIECE = 3 * MIB;
const PART = 2 * MIB;
const ALL = 4 * PIECE;

/** One registry, and whichever process serves it. */
interface Desk {
  readonly data: string;
  readonly server: ServerProcess;
  readonly api: OciApi;
}

async function open(t: TestContext, data: string): Promise<Desk> {
  const server = await startOwn(t, { data, env: ociServerEnv });
  return { data, server, api: ociApi({ url: server.url, data }) };
}

async function openNew(t: TestContext): Promise<Desk> {
  const desk = await open(t, await temporaryDirectory(t));
  const control = remoteControl(join(desk.data, 'control.sock'));
  await control.createAccount({ handle: acme[0], password: acme[1] });
  return desk;
}

function someBytes(size: number): Buffer {
  const random = seededRandom(size);
  return Buffer.from(
    Array.from({ length: size / 1024 }, () => `${random.below(2 ** 31)} `.padEnd(1024)).join(''),
  );
}

interface Conversation {
  readonly bytes: Buffer;
  readonly path: string;
  /** Made once, before any restart. */
  readonly token: string;
}

async function converse({ api }: Desk, bytes: Buffer): Promise<Conversation> {
  const token = await api.token([`repository:${name}:pull,push`], acme);
  const begun = await api.ask({ method: 'POST', path: `v2/${name}/blobs/uploads/`, token });
  assert.equal(begun.status, 202, begun.text);
  return { bytes, token, path: String(begun.headers.location).slice(1) };
}

/** Where the server says that it stands. */
async function standing({ api }: Desk, { path, token }: Conversation): Promise<number> {
  const { status, headers, text } = await api.ask({ path, token });
  assert.equal(status, 204, text);
  assert.equal(headers.location, `/${path}`);
  return sizeIn(headers['range']);
}

function sizeIn(range: unknown): number {
  return Number(/^0-(\d+)$/.exec(String(range))?.[1]) + 1;
}

function chunk(
  { bytes }: Conversation,
  from: number,
  to: number,
): { headers: Record<string, string>; body: Buffer } {
  return { headers: { 'content-range': `${from}-${to - 1}` }, body: bytes.subarray(from, to) };
}

async function add({ api }: Desk, conversation: Conversation, from: number, to: number): Promise<void> {
  const { path, token } = conversation;
  const answer = await api.ask({ method: 'PATCH', path, token, ...chunk(conversation, from, to) });
  assert.equal(answer.status, 202, answer.text);
  assert.equal(sizeIn(answer.headers['range']), to);
}

async function finish({ api }: Desk, { bytes, path, token }: Conversation): Promise<void> {
  const digest = digestOf(bytes);
  const finished = await api.ask({ method: 'PUT', path: `${path}?digest=${digest}`, token });
  assert.equal(finished.status, 201, finished.text);
  const blob = await api.ask({ path: `v2/${name}/blobs/${digest}`, token });
  assert.equal(blob.status, 200);
  assert.ok(blob.body.equals(bytes), 'other bytes than were sent');
  assert.equal((await api.ask({ path, token })).status, 404);
}

/** A request of which the server has got only the first part; the rest is sent, or never. */
async function beginAdding(
  { server }: Desk,
  { path, token }: Conversation,
  { headers, body }: { headers: Record<string, string>; body: Buffer },
): Promise<ClientRequest> {
  const { hostname, port } = new URL(server.url);
  const all = { ...headers, authorization: `Bearer ${token}` };
  const outgoing = request({ hostname, port, method: 'PATCH', path: `/${path}`, headers: all });
  outgoing.on('error', () => undefined);
  await new Promise((flushed) => outgoing.write(body, flushed));
  return outgoing;
}

test('an upload goes on after a stop and after kills, between its pieces and in the middle of one, by the token it began with', async (t) => {
  let desk = await openNew(t);
  const conversation = await converse(desk, someBytes(ALL));
  await add(desk, conversation, 0, PIECE);

  assert.equal(await desk.server.stop(), 0);
  desk = await open(t, desk.data);
  assert.equal(await standing(desk, conversation), PIECE);
  await add(desk, conversation, PIECE, 2 * PIECE);

  await desk.server.kill();
  desk = await open(t, desk.data);
  assert.equal(await standing(desk, conversation), 2 * PIECE);
  const half = 2 * PIECE + PART;
  await beginAdding(desk, conversation, {
    headers: { ...chunk(conversation, 2 * PIECE, 3 * PIECE).headers, 'content-length': String(PIECE) },
    body: conversation.bytes.subarray(2 * PIECE, half),
  });
  await eventually(async () =>
    assert.ok((await standing(desk, conversation)) > 2 * PIECE, 'nothing has come'),
  );
  await desk.server.kill();

  desk = await open(t, desk.data);
  let stood = await standing(desk, conversation);
  assert.ok(stood > 2 * PIECE && stood <= half, `${stood} bytes`);
  // As docker sends: one stream without a length.
  await beginAdding(desk, conversation, {
    headers: { 'transfer-encoding': 'chunked' },
    body: conversation.bytes.subarray(stood, stood + PART),
  });
  const before = stood;
  await eventually(async () => assert.ok((await standing(desk, conversation)) > before, 'nothing has come'));
  await desk.server.kill();

  desk = await open(t, desk.data);
  stood = await standing(desk, conversation);
  assert.ok(stood > before && stood <= before + PART, `${stood} bytes`);
  const tooEarly = await desk.api.ask({
    method: 'PATCH',
    path: conversation.path,
    token: conversation.token,
    ...chunk(conversation, before, ALL),
  });
  assert.equal(tooEarly.status, 416, tooEarly.text);
  assert.equal(sizeIn(tooEarly.headers['range']), stood);
  await add(desk, conversation, stood, ALL);
  await desk.server.kill();

  desk = await open(t, desk.data);
  await finish(desk, conversation);
  const { bytes } = conversation;
  const layer = { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length };
  const config = await desk.api.pushBlob(name, Buffer.from('{}'), acme);
  await desk.server.kill();

  desk = await open(t, desk.data);
  const { digest } = await desk.api.pushManifest(name, 'latest', anImage(config, [layer]), acme);
  await desk.server.kill();
  desk = await open(t, desk.data);
  const pulled = await desk.api.ask({ path: `v2/${name}/manifests/latest` });
  assert.equal(pulled.headers['docker-content-digest'], digest);
  assert.ok((await desk.api.ask({ path: `v2/${name}/blobs/${layer.digest}` })).body.equals(bytes));
  assert.equal(await desk.server.stop(), 0);
  await checkOciFiles(desk.data, new Map());
  await checkOciStores(desk.data);
  assert.deepEqual(await leftoversIn(desk.data), []);
});

test('a stop waits for the piece that is being sent', async (t) => {
  const desk = await openNew(t);
  const conversation = await converse(desk, someBytes(2 * PART));
  const half = PART;
  const outgoing = await beginAdding(desk, conversation, {
    headers: { 'content-length': String(conversation.bytes.length) },
    body: conversation.bytes.subarray(0, half),
  });
  await eventually(async () => assert.ok((await standing(desk, conversation)) > 1, 'nothing has come'));
  const stopped = desk.server.stop();
  await eventually(async () => {
    const late = await desk.api.ask({
      method: 'POST',
      path: `v2/${name}/blobs/uploads/`,
      token: conversation.token,
    });
    assert.equal(late.status, 503, late.text);
  });
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  outgoing.end(conversation.bytes.subarray(half));
  const [answer] = await answered;
  assert.equal(answer.statusCode, 202);
  answer.resume();
  assert.equal(await stopped, 0);

  const next = await open(t, desk.data);
  assert.equal(await standing(next, conversation), conversation.bytes.length);
  await finish(next, conversation);
});

test('what came in one request and not whole is gone after a kill', async (t) => {
  const desk = await openNew(t);
  const bytes = someBytes(MIB);
  const conversation = await converse(desk, bytes);
  await desk.api.ask({ method: 'DELETE', path: conversation.path, token: conversation.token });
  const before = await filesBelow(join(desk.data, 'uploads'));
  const { hostname, port } = new URL(desk.server.url);
  const outgoing = request({
    hostname,
    port,
    method: 'POST',
    path: `/v2/${name}/blobs/uploads/?digest=${digestOf(bytes)}`,
    headers: { authorization: `Bearer ${conversation.token}`, 'content-length': bytes.length },
  });
  outgoing.on('error', () => undefined);
  outgoing.write(bytes.subarray(0, MIB / 2));
  await eventually(async () =>
    assert.equal(
      (await filesBelow(join(desk.data, 'uploads'))).length,
      before.length + 1,
      'nothing has come',
    ),
  );
  await desk.server.kill();
  const next = await open(t, desk.data);
  assert.deepEqual(await filesBelow(join(desk.data, 'uploads')), before);
  const missing: Answer = await next.api.ask({
    path: `v2/${name}/blobs/${digestOf(bytes)}`,
    token: conversation.token,
  });
  assert.equal(missing.status, 404);
});

test('a server ends uploads that were left a week ago, and no others; what came whole stays', async (t) => {
  const desk = await openNew(t);
  const [old, young] = [await converse(desk, someBytes(1024)), await converse(desk, someBytes(2048))];
  await add(desk, old, 0, 1024);
  await add(desk, young, 0, 1024);
  const held = await desk.api.pushBlob(name, Buffer.from('nobody names it'), acme);
  await desk.server.kill();
  const weekAgo = Date.now() / 1000 - 8 * 24 * 60 * 60;
  for (const path of await filesBelow(join(desk.data, 'uploads')))
    if (path.includes(String(old.path.split('/').at(-1))) || path.includes('/held/'))
      await utimes(path, weekAgo, weekAgo);
  const next = await open(t, desk.data);
  await eventually(async () => {
    const gone = await next.api.ask({ path: old.path, token: old.token });
    assert.equal(gone.status, 404, gone.text);
  });
  assert.equal(await standing(next, young), 1024);
  await add(next, young, 1024, 2048);
  await finish(next, young);
  const blob = await next.api.ask({ path: `v2/${name}/blobs/${held.digest}`, token: young.token });
  assert.equal(blob.text, 'nobody names it');
});
