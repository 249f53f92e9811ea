/** Disks that are full or broken: clear refusals, truthful answers, no lost write, and no help needed afterwards. */
import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { fillUpTo } from '../support/full-disk.ts';
import { openSmallDisk, powerCutUnavailable } from '../support/power-cut-disk.ts';
import { checkAtRest, checkReleases, checkStores } from '../support/registry-check.ts';
import { ReleaseLedger, type Release } from '../support/release-ledger.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { oneFileThread, watchCalls, watchingUnavailable } from '../support/system-calls.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { publish, sha256 } from '../support/traffic.ts';
import { startOwn } from '../support/working-registry.ts';
import { packX07 } from '../support/x07-package.ts';

const noSmallDisk = (await powerCutUnavailable()) ?? false;
const noStrace = (await watchingUnavailable()) ?? false;

/** More than one publish takes, so that the disk runs full at each of its steps. */
const MOST_FREE_BLOCKS = 24;
const MOST_CALLS = 80;

interface Trial {
  readonly data: string;
  readonly server: ServerProcess;
  readonly ledger: ReleaseLedger;
}

interface Answered {
  readonly release: Release;
  readonly archive: Buffer;
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

test(
  'a full disk refuses publishes clearly and serves reads; with space again it works on',
  { skip: noSmallDisk },
  async (t) => {
    const disk = await openSmallDisk({ sizeMiB: 24 });
    t.after(() => disk.close());
    const reserve = join(disk.directory, 'reserve');
    await writeFile(reserve, Buffer.alloc(8 * 1024 * 1024));
    const trial = await startTrial(t, join(disk.directory, 'data'));
    let answered = await publishOne(trial, 'first-one');
    for (let number = 1; answered.status === 200; number += 1)
      answered = await publishOne(trial, `filling-${number}`, 200_000);
    assertClearRefusal(answered);
    assertClearRefusal(await publishOne(trial, 'one-more', 200_000));
    assert.ok(trial.ledger.acknowledged > 20, `${trial.ledger.acknowledged} publishes fitted`);
    await checkReleases(trial.server.url, trial.ledger.possible);
    await assertNothingIncoming(trial.data);

    await rm(reserve);
    await eventually(() => checkAtRest(trial.server.url));
    const { status, text } = await publishOne(trial, 'with-space-again', 200_000);
    assert.equal(status, 200, text);
    await assertNothingLost(t, trial);
  },
);

test(
  'a disk that runs full at any step of a publish leaves the release whole or missing',
  { skip: noSmallDisk },
  async (t) => {
    const disk = await openSmallDisk({ sizeMiB: 16 });
    t.after(() => disk.close());
    const trial = await startTrial(t, join(disk.directory, 'data'));
    await publishOne(trial, 'first-one');
    const filler = join(disk.directory, 'filler');
    const outcomes: string[] = [];
    for (let blocks = 0; blocks <= MOST_FREE_BLOCKS; blocks += 1) {
      await fillUpTo(filler, blocks);
      const answered = await publishOne(trial, `with-${blocks}-blocks`);
      outcomes.push(outcomeOf(answered));
      if (await isReady(trial.server)) await checkReleases(trial.server.url, trial.ledger.possible);
    }
    t.diagnostic(outcomes.join(' '));
    assert.ok(outcomes.includes('refused'), 'the disk was never full');
    await rm(filler);
    await assertNothingLost(t, trial);
  },
);

for (const [call, error] of [
  ['fsync', 'EIO'],
  ['rename', 'ENOSPC'],
  ['link', 'ENOSPC'],
  ['mkdir', 'ENOSPC'],
] as const)
  test(
    `an answer is true when ${call} fails with ${error}, whichever of a publish's calls it is`,
    { skip: noStrace },
    async (t) => {
      const trial = await startTrial(t, await temporaryDirectory(t), oneFileThread);
      // A new process makes directories and remembers them; the calls of later publishes are always the same.
      for (const name of ['first-one', 'another-one']) await publishOne(trial, name);
      const outcomes: string[] = [];
      for (let number = 1; number <= MOST_CALLS; number += 1) {
        const outcome = await publishWithFault(t, trial, { call, error, number });
        if (outcome === undefined) break;
        outcomes.push(outcome);
      }
      t.diagnostic(outcomes.join(' '));
      assert.ok(outcomes.includes('refused') && outcomes.length < MOST_CALLS, outcomes.join(' '));
      if (call !== 'mkdir') assert.ok(outcomes.includes('degraded'), outcomes.join(' '));
      await assertNothingLost(t, trial);
    },
  );

interface Fault {
  readonly call: string;
  readonly error: string;
  /** The first of the publish's calls that fails; all later ones fail too, until the disk is mended. */
  readonly number: number;
}

/** Undefined when the publish made fewer calls than that. */
async function publishWithFault(
  t: TestContext,
  trial: Trial,
  { call, error, number }: Fault,
): Promise<'refused' | 'degraded' | 'visible' | undefined> {
  const { server, ledger } = trial;
  const watched = await watchCalls(server.child.pid ?? 0, {
    calls: [`/^${call}`],
    output: join(await temporaryDirectory(t), 'calls'),
    inject: `/^${call}:error=${error}:when=${number}+`,
  });
  const answered = await publishOne(trial, `${call}-${number}`);
  const outcome = outcomeOf(answered);
  if (outcome === 'degraded') assert.equal(await isReady(server), false);
  const calls = await watched.stop();
  await eventually(() => checkAtRest(server.url));
  await checkReleases(server.url, ledger.possible, [answered.release]);
  if (outcome === 'refused') await assertTruthfulRefusal(trial, answered);
  return calls.some((line) => line.includes('(INJECTED)')) ? outcome : undefined;
}

/** Whoever is told that nothing was accepted can send it again; for others it may be there. */
async function assertTruthfulRefusal({ server, ledger }: Trial, refused: Answered): Promise<void> {
  const again = await publish(server.url, refused.archive);
  const text = await again.text();
  const isSaidToBeNothing = refused.text.includes('nothing was accepted');
  assert.ok(again.status === 200 || (again.status === 409 && !isSaidToBeNothing), refused.text + text);
  ledger.acknowledge(refused.release, 'listed');
  await checkReleases(server.url, ledger.possible, [refused.release]);
}

async function isReady(server: ServerProcess): Promise<boolean> {
  const response = await fetch(`${server.url}/readyz`);
  await response.text();
  return response.status === 200;
}

async function startTrial(
  t: TestContext,
  data: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Trial> {
  return { data, server: await startOwn(t, { data, env }), ledger: new ReleaseLedger() };
}

/** Publishes one release and enters in the ledger what the answer says. */
async function publishOne({ server, ledger }: Trial, name: string, padding = 0): Promise<Answered> {
  const notes = { path: 'notes.txt', content: 'x'.repeat(padding) };
  const archive = packX07({ name, version: '1.0.0', extra: [notes] });
  const release: Release = { name, version: '1.0.0', digest: sha256(archive) };
  ledger.begin(release, 'listed');
  const response = await publish(server.url, archive);
  const { status, headers } = response;
  if (status === 200) ledger.acknowledge(release, 'listed');
  return { release, archive, status, headers, text: await response.text() };
}

/** What an answer says; on the way, that it says so in every way it should. */
function outcomeOf(answered: Answered): 'refused' | 'degraded' | 'visible' {
  if (answered.status !== 200) {
    assertClearRefusal(answered);
    return 'refused';
  }
  const { degraded } = JSON.parse(answered.text) as { degraded?: string };
  assert.equal(answered.headers.has('x-cairn-degraded'), degraded !== undefined, answered.text);
  return degraded === undefined ? 'visible' : 'degraded';
}

/** A refusal that a client can show to a person, and an operator find in the log. */
function assertClearRefusal({ status, text, headers }: Answered): void {
  assert.ok(status >= 500 && status < 600, `${status} ${text}`);
  const { code, message, request_id: requestId } = JSON.parse(text) as Record<string, string>;
  assert.equal(code, 'X07REG_STORAGE');
  assert.match(message ?? '', /could not store/);
  assert.equal(requestId, headers.get('x-request-id'));
}

/** What was acknowledged is there, on the running server and after a restart, and the disk is in order. */
async function assertNothingLost(t: TestContext, { data, server, ledger }: Trial): Promise<void> {
  await eventually(() => checkAtRest(server.url));
  for (const [release, state] of await checkReleases(server.url, ledger.possible))
    ledger.settle(release, state);
  assert.equal(await server.stop(), 0);
  await assertNothingIncoming(data);
  await checkStores(data);
  const next = await startTrial(t, data);
  await checkReleases(next.server.url, ledger.possible);
  const { status, text } = await publishOne(next, 'after-the-restart');
  assert.equal(status, 200, text);
  assert.equal(await next.server.stop(), 0);
}

async function assertNothingIncoming(data: string): Promise<void> {
  assert.deepEqual(await readdir(join(data, 'blobs/incoming')), []);
}
