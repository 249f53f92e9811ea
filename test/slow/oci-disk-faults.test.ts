/** Pushes to a disk that is full or broken: refused in the words of clients, nothing half there, and on it goes with room again. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { asker, type Ask, type Asked } from '../support/asking.ts';
import { eventually } from '../support/eventually.ts';
import { BLOCK, fillUpTo } from '../support/full-disk.ts';
import type { Answer } from '../support/http.ts';
import { anImage, assertOciError, IMAGE, type Descriptor } from '../support/oci-api.ts';
import { OciBook, thing, type OciState, type OciThing } from '../support/oci-book.ts';
import { checkOci, checkOciFiles, checkOciStores } from '../support/oci-check.ts';
import { ociServerEnv } from '../support/oci-traffic.ts';
import { openSmallDisk, powerCutUnavailable } from '../support/power-cut-disk.ts';
import { checkAtRest } from '../support/registry-check.ts';
import { chooseSeed, seededRandom } from '../support/seeded-random.ts';
import { ADMIN_TOKEN, type ServerProcess } from '../support/server-process.ts';
import { incomingOf } from '../support/stored-state.ts';
import { oneFileThread, watchCalls, watchingUnavailable } from '../support/system-calls.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startOwn } from '../support/working-registry.ts';

const noSmallDisk = (await powerCutUnavailable()) ?? false;
const noStrace = (await watchingUnavailable()) ?? false;

/** More than a push takes, so that the disk runs full at each of its steps. */
const MOST_FREE_BLOCKS = 24;
const MOST_CALLS = 120;
/** Every so many calls are tried, from another one on each time: there are many, and more of them like their neighbours. */
const STRIDE = Number(process.env['CAIRN_OCI_STRIDE'] ?? 3);

const seed = chooseSeed();
const random = seededRandom(seed);

interface Trial {
  readonly data: string;
  readonly server: ServerProcess;
  readonly ask: Ask;
  readonly book: OciBook;
}

async function startTrial(
  t: TestContext,
  data: string,
  { env = {}, book = new OciBook() }: { env?: Readonly<Record<string, string>>; book?: OciBook } = {},
): Promise<Trial> {
  const server = await startOwn(t, { data, env: { ...ociServerEnv, ...env } });
  return { data, server, ask: asker(server, ''), book };
}

/** One request, and what is true once it is answered with this status. */
interface Step {
  readonly asked: Asked;
  readonly status: number;
  readonly facts: readonly (readonly [OciThing, OciState])[];
}

type Outcome = 'refused' | 'degraded' | 'visible';

/** Enters in the book what the answer says; on the way, that it says so in every way it should. */
async function take(
  { ask, book }: Trial,
  { asked, status, facts }: Step,
): Promise<{ outcome: Outcome; answer: Answer }> {
  const before = facts.map(([about]) => [about, book.stateOf(about)] as const);
  for (const [about, to] of facts) book.ledger.begin(about, to);
  const answer = await ask({ token: ADMIN_TOKEN, ...asked });
  if (answer.status !== status) {
    assertOciError(answer, 500, 'UNKNOWN', /could not store/);
    // Whoever is told so sends it again. A blob that is to go is let go of before that is recorded: then it is missing.
    if (
      answer.text.includes('nothing was accepted') &&
      !(asked.method === 'DELETE' && asked.path.includes('/blobs/'))
    )
      for (const [about, state] of before) if (state !== undefined) book.ledger.settle(about, state);
    return { outcome: 'refused', answer };
  }
  for (const [about, to] of facts) book.ledger.acknowledge(about, to);
  return { outcome: answer.headers['x-cairn-degraded'] === undefined ? 'visible' : 'degraded', answer };
}

/** What an image is pushed by, in order: a blob at once, one piece by piece, one from elsewhere, and what names them. */
async function* stepsOf(name: string, what: string, padding = 0): AsyncGenerator<Step, void, Answer> {
  const config = Buffer.from(JSON.stringify({ os: 'linux', what }));
  const layer = Buffer.from(`layer of ${what} ${'x'.repeat(padding)}`);
  const uploads = `v2/${name}/blobs/uploads/`;
  const post = { method: 'POST' } as const;
  const there = (digest: string): Step['facts'] => [[thing.blob(name, digest), 'there']];
  const ofConfig = digestOf(config);
  yield {
    asked: { ...post, path: `${uploads}?digest=${ofConfig}`, body: config },
    status: 201,
    facts: there(ofConfig),
  };
  const begun = yield { asked: { ...post, path: uploads }, status: 202, facts: [] };
  const path = String(begun.headers.location).slice(1);
  yield { asked: { method: 'PATCH', path, body: layer }, status: 202, facts: [] };
  const ofLayer = digestOf(layer);
  yield { asked: { method: 'PUT', path: `${path}?digest=${ofLayer}` }, status: 201, facts: there(ofLayer) };
  const mount = `${uploads}?mount=${base.digest}&from=${BASE_NAME}`;
  yield { asked: { ...post, path: mount }, status: 201, facts: there(base.digest) };
  const body = manifestOf(described(config), [base, described(layer)]);
  yield {
    asked: { method: 'PUT', path: `v2/${name}/manifests/${what}`, body, headers: { 'content-type': IMAGE } },
    status: 201,
    facts: [
      [thing.manifest(name, digestOf(body)), 'there'],
      [thing.tag(name, what), digestOf(body)],
    ],
  };
}

const BASE = Buffer.from('the base of all images');
const BASE_NAME = 'acme/base';
const base = described(BASE);

function described(bytes: Buffer): Descriptor {
  return { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: bytes.length };
}

function manifestOf(config: Descriptor, layers: readonly Descriptor[]): Buffer {
  return Buffer.from(JSON.stringify(anImage(config, layers)));
}

/** Pushes until something is refused. */
async function push(trial: Trial, { name = 'acme/app', what, padding = 0 }: Wanted): Promise<Outcome> {
  const steps = stepsOf(name, what, padding);
  let last: Outcome = 'visible';
  for (let next = await steps.next(); !next.done;) {
    const { outcome, answer } = await take(trial, next.value);
    if (outcome === 'refused') return outcome;
    last = outcome;
    next = await steps.next(answer);
  }
  return last;
}

interface Wanted {
  readonly name?: string;
  readonly what: string;
  readonly padding?: number;
}

async function pushBase(trial: Trial): Promise<void> {
  const path = `v2/${BASE_NAME}/blobs/uploads/?digest=${base.digest}`;
  const { outcome } = await take(trial, {
    asked: { method: 'POST', path, body: BASE },
    status: 201,
    facts: [[thing.blob(BASE_NAME, base.digest), 'there']],
  });
  assert.equal(outcome, 'visible');
}

/** What was acknowledged is there, and what is there is whole. */
async function assertWhole({ data, server, book }: Trial): Promise<void> {
  await eventually(() => checkAtRest(server.url));
  const touched = book.ledger.takeTouched();
  for (const [about, state] of await checkOci(server.url, book.ledger.possible, touched))
    book.ledger.settle(about, state);
  await checkOciFiles(data, book.states);
}

/** On the running server and after a restart, and the disk is in order. */
async function assertNothingLost(t: TestContext, trial: Trial): Promise<void> {
  const { data, server, book } = trial;
  await assertWhole(trial);
  assert.equal(await server.stop(), 0);
  assert.deepEqual(await incomingOf(data), []);
  await checkOciStores(data);
  const next = await startTrial(t, data, { book });
  await checkOci(next.server.url, book.ledger.possible);
  assert.equal(await push(next, { what: 'after-the-restart' }), 'visible');
  assert.equal(await next.server.stop(), 0);
}

test(
  'a full disk refuses pushes clearly and serves pulls; with space again it works on',
  { skip: noSmallDisk },
  async (t) => {
    const disk = await openSmallDisk({ sizeMiB: 24 });
    t.after(() => disk.close());
    const reserve = join(disk.directory, 'reserve');
    await writeFile(reserve, Buffer.alloc(8 * 1024 * 1024));
    const trial = await startTrial(t, join(disk.directory, 'data'));
    await pushBase(trial);
    let outcome = await push(trial, { what: 'first' });
    for (let number = 1; outcome === 'visible'; number += 1)
      outcome = await push(trial, { what: `filling-${number}`, padding: 300_000 });
    assert.equal(await push(trial, { what: 'one-more', padding: 300_000 }), 'refused');
    assert.ok(trial.book.ledger.acknowledged > 50, `${trial.book.ledger.acknowledged} facts fitted`);
    await checkOci(trial.server.url, trial.book.ledger.possible);
    assert.deepEqual(await incomingOf(trial.data), []);

    await rm(reserve);
    await eventually(() => checkAtRest(trial.server.url));
    assert.equal(await push(trial, { what: 'one-more', padding: 300_000 }), 'visible');
    await assertNothingLost(t, trial);
  },
);

test(
  'a disk that runs full at any step of a push leaves it whole or missing',
  { skip: noSmallDisk },
  async (t) => {
    const disk = await openSmallDisk({ sizeMiB: 16 });
    t.after(() => disk.close());
    const trial = await startTrial(t, join(disk.directory, 'data'));
    await pushBase(trial);
    assert.equal(await push(trial, { what: 'first' }), 'visible');
    const filler = join(disk.directory, 'filler');
    const outcomes: string[] = [];
    for (let blocks = 0; blocks <= MOST_FREE_BLOCKS; blocks += 1) {
      await fillUpTo(filler, blocks);
      outcomes.push(await push(trial, filling(blocks)));
      // It shows what it cannot go on writing: what is there leads somewhere all the same.
      await checkOciFiles(trial.data, trial.book.states);
    }
    t.diagnostic(outcomes.join(' '));
    assert.ok(outcomes.includes('refused'), 'the disk was never full');
    await rm(filler);
    for (let blocks = 0; blocks <= MOST_FREE_BLOCKS; blocks += 1)
      assert.equal(await eventually(() => pushAgain(trial, filling(blocks))), 'visible');
    await assertNothingLost(t, trial);
  },
);

/** The registry finds out by itself that there is room. */
async function pushAgain(trial: Trial, wanted: Wanted): Promise<Outcome> {
  await checkAtRest(trial.server.url);
  return push(trial, wanted);
}

function filling(blocks: number): Wanted {
  return { what: `with-${blocks}-blocks`, padding: 6 * BLOCK };
}

interface Faulty {
  readonly call: string;
  readonly error: string;
  readonly stride: number;
  /** Before the disk fails. */
  readonly prepare?: (what: string) => Promise<Outcome>;
  readonly work: (what: string) => Promise<Outcome>;
  readonly isSentAgain: boolean;
}

test('an answer is true whichever call of a push or of deletes fails', { skip: noStrace }, async (t) => {
  const trial = await startTrial(t, await temporaryDirectory(t), { env: oneFileThread });
  await pushBase(trial);
  // A new process makes directories and remembers them; the calls of later pushes are always the same.
  for (const what of ['first', 'another']) assert.equal(await push(trial, { what }), 'visible');
  const pushing = { work: (what: string) => push(trial, { what }), isSentAgain: true };
  const rows: readonly Faulty[] = [
    { call: 'fsync', error: 'EIO', stride: STRIDE, ...pushing },
    { call: 'rename', error: 'ENOSPC', stride: 1, ...pushing },
    { call: 'link', error: 'ENOSPC', stride: 1, ...pushing },
    { call: 'pwrite', error: 'ENOSPC', stride: 1, ...pushing },
    // Directories are made for what is new.
    {
      call: 'mkdir',
      error: 'ENOSPC',
      stride: STRIDE,
      work: (what) => push(trial, { what, name: `acme/${what}` }),
      isSentAgain: true,
    },
    {
      call: 'fsync',
      error: 'EIO',
      stride: 2 * STRIDE,
      prepare: pushing.work,
      work: (what) => deleteAll(trial, what),
      isSentAgain: false,
    },
  ];
  for (const [row, { call, error, stride, prepare, work, isSentAgain }] of rows.entries()) {
    const outcomes: string[] = [];
    for (let number = 1 + random.below(stride); number <= MOST_CALLS; number += stride) {
      const what = `${row}-${call}-${number}`;
      if (prepare) assert.equal(await prepare(what), 'visible');
      const outcome = await withFault(t, trial, { call, error, number }, () => work(what));
      if (outcome === undefined) break;
      outcomes.push(outcome);
      if (isSentAgain) assert.equal(await work(what), 'visible', 'it is sent again');
    }
    t.diagnostic(`CAIRN_SEED=${seed} ${call} ${error}: ${outcomes.join(' ')}`);
    assert.ok(outcomes.includes('refused') && outcomes.length < MOST_CALLS, outcomes.join(' '));
  }
  await assertNothingLost(t, trial);
});

/** The tag, the manifest, and a blob that it named; until one is refused. */
async function deleteAll(trial: Trial, what: string): Promise<Outcome> {
  const name = 'acme/app';
  const digest = trial.book.stateOf(thing.tag(name, what)) ?? '';
  const layer = digestOf(`layer of ${what} `);
  for (const step of [
    deleting(`v2/${name}/manifests/${what}`, thing.tag(name, what)),
    deleting(`v2/${name}/manifests/${digest}`, thing.manifest(name, digest)),
    deleting(`v2/${name}/blobs/${layer}`, thing.blob(name, layer)),
  ])
    if ((await take(trial, step)).outcome === 'refused') return 'refused';
  return 'visible';
}

function deleting(path: string, about: OciThing): Step {
  return { asked: { method: 'DELETE', path }, status: 202, facts: [[about, 'missing']] };
}

interface Fault {
  readonly call: string;
  readonly error: string;
  /** The first of the calls that fails; all later ones fail too, until the disk is mended. */
  readonly number: number;
}

/** Undefined when fewer calls than that were made. */
async function withFault(
  t: TestContext,
  trial: Trial,
  { call, error, number }: Fault,
  work: () => Promise<Outcome>,
): Promise<Outcome | undefined> {
  const watched = await watchCalls(trial.server.child.pid ?? 0, {
    calls: [`/^${call}`],
    output: join(await temporaryDirectory(t), 'calls'),
    inject: `/^${call}:error=${error}:when=${number}+`,
  });
  const outcome = await work();
  const calls = await watched.stop();
  await assertWhole(trial);
  return calls.some((line) => line.includes('(INJECTED)')) ? outcome : undefined;
}
