/** Disks that are full or broken, and what the processes of others leave lying: clear refusals, and no lost write. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { cairn } from '../support/command-line.ts';
import { eventually } from '../support/eventually.ts';
import { commitByHand, git } from '../support/git.ts';
import { openSmallDisk, powerCutUnavailable } from '../support/power-cut-disk.ts';
import { checkReady, checkReleases, checkStores } from '../support/registry-check.ts';
import { ReleaseLedger, type Release } from '../support/release-ledger.ts';
import { type ServerProcess } from '../support/server-process.ts';
import { oneFileThread, watchCalls, watchingUnavailable } from '../support/system-calls.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { publish, sha256 } from '../support/traffic.ts';
import { startOwn } from '../support/working-registry.ts';
import { packX07 } from '../support/x07-package.ts';

const noSmallDisk = (await powerCutUnavailable()) ?? false;
const noStrace = (await watchingUnavailable()) ?? false;

const BLOCK = 4096;
/** More blocks than one publish takes, so that the disk runs full at each of its steps. */
const MOST_FREE_BLOCKS = 48;

interface Answered {
  readonly release: Release;
  readonly archive: Buffer;
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** Publishes one release and enters in the ledger what its answer says. */
async function publishOne(
  server: ServerProcess,
  ledger: ReleaseLedger,
  { name, padding = 0 }: { readonly name: string; readonly padding?: number },
): Promise<Answered> {
  const notes = { path: 'notes.txt', content: 'x'.repeat(padding) };
  const archive = packX07({ name, version: '1.0.0', extra: [notes] });
  const release = { name, version: '1.0.0', digest: sha256(archive) };
  ledger.begin(release, 'listed');
  const response = await publish(server.url, archive);
  const answered = { release, archive, status: response.status, text: await response.text(), headers: response.headers };
  if (response.status === 200) ledger.acknowledge(release, 'listed');
  return answered;
}

/** A refusal that a client can show to a person, and an operator find in the log. */
function assertClearRefusal({ status, text, headers }: Answered): void {
  assert.ok(status >= 500 && status < 600, `${status} ${text}`);
  const { code, message, request_id: requestId } = JSON.parse(text) as Record<string, string>;
  assert.equal(code, 'X07REG_STORAGE');
  assert.match(message ?? '', /could not store/);
  assert.equal(requestId, headers.get('x-request-id'));
}

/** Appended and durable, but not on the site yet: said in words for people and in a header for programs. */
function assertSaidDegraded({ text, headers }: Answered): void {
  assert.match((JSON.parse(text) as { degraded: string }).degraded, /not yet visible/);
  assert.ok(headers.has('x-cairn-degraded'));
}

function isDegraded({ status, text }: Answered): boolean {
  return status === 200 && 'degraded' in (JSON.parse(text) as object);
}

async function assertNothingIncoming(data: string): Promise<void> {
  assert.deepEqual(await readdir(join(data, 'blobs/incoming')), []);
}

/** What the ledger knows is there, on the running server and after a restart; the disk is in order. */
async function assertNothingLost(t: TestContext, server: ServerProcess, ledger: ReleaseLedger): Promise<void> {
  const data = dataOf.get(server) ?? '';
  await eventually(() => checkReady(server.url));
  for (const [release, state] of await checkReleases(server.url, ledger.possible)) ledger.settle(release, state);
  assert.equal(await server.stop(), 0);
  await assertNothingIncoming(data);
  await checkStores(data);
  const next = await startOn(t, data);
  await checkReleases(next.url, ledger.possible);
  const { status, text } = await publishOne(next, ledger, { name: 'after-the-restart' });
  assert.equal(status, 200, text);
  assert.equal(await next.stop(), 0);
}

const dataOf = new WeakMap<ServerProcess, string>();

async function startOn(
  t: TestContext,
  data: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const server = await startOwn(t, { data, env });
  dataOf.set(server, data);
  return server;
}
