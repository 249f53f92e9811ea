/** Two logs as one: what is sealed, who can open it, and what is left of an append that stopped between the two. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { canonicalJson } from '../../core/canonical-json.ts';
import { LogDamage, RegistryError } from '../../core/errors.ts';
import { privateLines, registryLines, type EventDraft, type RegistryEvent } from '../../core/event.ts';
import { PrivateJournal } from '../../core/private-journal.ts';
import { MemoryLog } from '../../stores/memory.ts';
import { SealedLog } from '../../stores/sealed-log.ts';
import { eventsIn } from '../support/event-log-contract.ts';
import { aClock, countedIds, eventsFrom, fact, genesis } from '../support/registry.ts';

const salt = 'ab'.repeat(32);
const salted = (...seqs: number[]): Map<number, string> => new Map(seqs.map((seq) => [seq, salt]));

async function openLogs() {
  const [publicLog, privateLog] = [new MemoryLog(registryLines), new MemoryLog(privateLines)];
  const open = (): SealedLog =>
    new SealedLog(publicLog, new PrivateJournal({ log: privateLog, clock: aClock(), ids: countedIds() }));
  const log = open();
  await log.append([genesis()]);
  return { log, publicLog, privateLog, open };
}

/** As anyone would check it: SHA-256 over the salt's bytes and the event in canonical JSON. */
function commitmentTo(event: unknown): string {
  const hash = createHash('sha256').update(Buffer.from(salt, 'hex')).update(canonicalJson(event));
  return `sha256:${hash.digest('hex')}`;
}

function openingOf(event: object | undefined): {
  kind: 'package-event';
  sealedSeq: 1;
  salt: string;
  event: object;
} {
  return { kind: 'package-event', sealedSeq: 1, salt, event: { ...event } };
}

const hidden = eventsFrom([
  { kind: 'visibility-set', by: 'ann', ecosystem: 'x07', name: 'foo', visibility: 'private' },
  fact.claimed(),
  fact.published('1.0.0'),
]);

test('who may sees the events, anyone else that something happened and when', async () => {
  const { log, publicLog, open } = await openLogs();
  await log.append(hidden, salted(1, 2, 3));
  assert.deepEqual(eventsIn(log).slice(1), hidden);
  assert.deepEqual(eventsIn(open()).slice(1), hidden);
  for (const [i, line] of eventsIn(new SealedLog(publicLog)).slice(1).entries()) {
    const { seq, id, at } = hidden[i] as RegistryEvent;
    const commitment = commitmentTo(hidden[i]);
    assert.deepEqual(line, { v: 1, seq, id, at, by: 'sealed', kind: 'sealed', commitment });
  }
});

test('in one append some events are sealed and some are not', async () => {
  const { log, publicLog } = await openLogs();
  await log.append(hidden, salted(2));
  assert.deepEqual(eventsIn(log).slice(1), hidden);
  assert.deepEqual(
    eventsIn(publicLog).map(({ kind }) => kind),
    ['genesis', 'visibility-set', 'sealed', 'published'],
  );
  assert.deepEqual(
    [1, 2, 3, 99].map((seq) => log.openingOf(seq)),
    [undefined, { salt, event: hidden[1] }, undefined, undefined],
  );
});

test('openings are stored before the lines that they open', async () => {
  const { log, publicLog, privateLog } = await openLogs();
  let kept = 0;
  const append = publicLog.append.bind(publicLog);
  publicLog.append = async (events) => {
    kept = privateLog.length;
    await append(events);
  };
  await log.append(hidden, salted(1, 2, 3));
  assert.equal(kept, 3);
});

test('without a private log nothing is sealed, and nothing is written in the open instead', async () => {
  const { publicLog } = await openLogs();
  await assert.rejects(new SealedLog(publicLog).append(hidden, salted(1)), /no private log/);
  assert.equal(publicLog.length, 1);
});

test('when openings cannot be stored, nothing of the append is', async () => {
  for (const landed of [false, true]) {
    const { log, publicLog, privateLog } = await openLogs();
    privateLog.faults.failAt(1, landed);
    await assert.rejects(
      log.append(hidden, salted(1, 2, 3)),
      (error) =>
        error instanceof RegistryError && error.code === 'storage-failed' && !/foo/.test(error.message),
    );
    assert.equal(publicLog.length, 1);
    await log.append(hidden, salted(1, 2, 3));
    assert.deepEqual(eventsIn(log).slice(1), hidden);
  }
});

const other = eventsFrom([{ ...fact.claimed('bob'), name: 'bar' } as EventDraft]);

test('openings of lines that never came open nothing, whatever is given their number', async () => {
  const reuses: [string, readonly RegistryEvent[], Map<number, string>][] = [
    ['a public event', other, new Map<number, string>()],
    ['another sealed event', other, new Map([[1, 'cd'.repeat(32)]])],
    ['the same event under another salt', hidden.slice(0, 1), new Map([[1, 'cd'.repeat(32)]])],
  ];
  for (const [what, events, salts] of reuses) {
    const { log, publicLog, privateLog, open } = await openLogs();
    publicLog.faults.failAt(1);
    await assert.rejects(log.append(hidden, salted(1, 2, 3)));
    await log.refresh();
    assert.deepEqual([log.length, privateLog.length], [1, 3], what);
    await log.append(events, salts);
    for (const reader of [log, open()]) {
      assert.deepEqual(eventsIn(reader).slice(1), events, what);
      assert.equal(reader.openingOf(1)?.salt, salts.get(1), what);
    }
  }
});

test('a sealed line whose opening was lost stays sealed, though another opening names its number', async () => {
  const { log, publicLog, privateLog, open } = await openLogs();
  await log.append(other, new Map([[1, 'cd'.repeat(32)]]));
  // As if a private log of another time had been put in place of this one.
  const replaced = new MemoryLog(privateLines);
  await replaced.append([{ ...privateLog.read(0), ...openingOf(hidden[0]) }]);
  const reader = new SealedLog(
    publicLog,
    new PrivateJournal({ log: replaced, clock: aClock(), ids: countedIds() }),
  );
  assert.equal(reader.read(1).kind, 'sealed');
  assert.deepEqual(open().read(1), other[0]);
});

test('an append that landed in both logs and was reported lost is there after a refresh', async () => {
  const { log, publicLog, open } = await openLogs();
  publicLog.faults.failAt(1, true);
  await assert.rejects(log.append(hidden, salted(1, 2, 3)));
  await log.refresh();
  assert.deepEqual(eventsIn(log).slice(1), hidden);
  assert.deepEqual(eventsIn(open()).slice(1), hidden);
});

const reveal = (over: object = {}): RegistryEvent => ({
  ...(eventsFrom(
    [{ kind: 'revealed', by: 'ann', sealedSeq: 1, salt, event: { ...hidden[0] } }],
    4,
  )[0] as RegistryEvent),
  ...(over as RegistryEvent),
});

test('who has only the public log opens what it reveals', async () => {
  const { log, publicLog } = await openLogs();
  await log.append(hidden, salted(1, 2, 3));
  await log.append([reveal()]);
  const reader = new SealedLog(publicLog);
  assert.equal(reader.read(1).kind, 'sealed', 'it has not read that far');
  assert.equal(reader.read(4).kind, 'revealed');
  assert.deepEqual([reader.read(1), reader.openingOf(1)], [hidden[0], { salt, event: hidden[0] }]);
  assert.equal(reader.read(2).kind, 'sealed');
});

for (const [what, over] of Object.entries({
  'another event': { event: { ...hidden[0], visibility: 'public' } },
  'the wrong salt': { salt: 'cd'.repeat(32) },
  'a line that is not sealed': { sealedSeq: 0 },
  'another sealed line': { sealedSeq: 2 },
  'a line to come': { sealedSeq: 9 },
}))
  test(`revealing ${what} is damage`, async () => {
    const { log, publicLog } = await openLogs();
    await log.append(hidden, salted(1, 2, 3));
    await publicLog.append([reveal(over)]);
    for (const reader of [log, new SealedLog(publicLog)]) assert.throws(() => reader.read(4), LogDamage);
  });

test('what was sealed by a later release, and means nothing to this one, is damage and not a package less', async () => {
  const { publicLog, privateLog, open } = await openLogs();
  const event = { ...hidden[0], kind: 'sung' } as unknown as RegistryEvent;
  const { seq, id, at } = event;
  await privateLog.append([{ v: 1, seq: 0, id, at, by: 'ann', ...openingOf(event) }]);
  await publicLog.append([
    { v: 1, seq, id, at, by: 'sealed', kind: 'sealed', commitment: commitmentTo(event) },
  ]);
  assert.throws(() => open().read(1), LogDamage);
});
