/** What every `EventLog` promises, whatever keeps it. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { LogDamage } from '../../core/errors.ts';
import type { RegistryEvent } from '../../core/event.ts';
import type { EventLog } from '../../core/ports.ts';
import { anArtifact, eventsFrom, genesis } from './registry.ts';

export interface LogHarness {
  /** The one writer. Opened again after a `close`, it finds what was appended. */
  openWriter(): Promise<EventLog<RegistryEvent>>;
  /** A handle beside the writer; absent where only one process can see the log. */
  openReader?(): Promise<EventLog<RegistryEvent>>;
}

/** `count` events from `first` on: genesis, and then one version after the other of one package. */
export function someEvents(first: number, count: number): RegistryEvent[] {
  const seqs = Array.from({ length: count }, (_, i) => first + i);
  return seqs.flatMap((seq) => (seq === 0 ? [genesis()] : eventsFrom([aVersion(seq)], seq)));
}

function aVersion(seq: number): Parameters<typeof eventsFrom>[0][number] {
  const version = `1.${seq}.0`;
  return {
    kind: 'published',
    by: 'ann',
    ecosystem: 'x07',
    name: 'foo',
    version,
    artifacts: [anArtifact('foo', version)],
    meta: { text: 'ünïcode \u{1f980} \u2028 "quoted"\n' },
  };
}

export function eventsIn(log: EventLog<RegistryEvent>): RegistryEvent[] {
  return Array.from({ length: log.length }, (_, seq) => log.read(seq));
}

export function eventLogContract(kind: string, open: (t: TestContext) => Promise<LogHarness>): void {
  test(`${kind}: a new log is empty`, async (t) => {
    const log = await (await open(t)).openWriter();
    assert.deepEqual([log.length, log.head], [0, '']);
    assert.equal(await log.carriesOn(''), true);
    assert.throws(() => log.read(0), RangeError);
    await log.close();
  });

  test(`${kind}: events come back as they were, in their order`, async (t) => {
    const log = await (await open(t)).openWriter();
    const events = someEvents(0, 12);
    await log.append(events.slice(0, 1));
    await log.append(events.slice(1, 2));
    await log.append(events.slice(2));
    assert.deepEqual(eventsIn(log), events);
    // In any order, and again.
    for (const seq of [11, 3, 0, 7, 7]) assert.deepEqual(log.read(seq), events[seq]);
    assert.throws(() => log.read(12), RangeError);
    assert.throws(() => log.read(-1), RangeError);
    await log.close();
  });

  test(`${kind}: events that do not carry on exactly at the end are refused, and nothing of them stays`, async (t) => {
    const log = await (await open(t)).openWriter();
    await log.append(someEvents(0, 3));
    const { head } = log;
    for (const wrong of [someEvents(2, 1), someEvents(4, 1), [...someEvents(3, 1), ...someEvents(5, 1)]])
      await assert.rejects(log.append(wrong), LogDamage);
    await log.refresh();
    assert.deepEqual([log.length, log.head], [3, head]);
    await log.append(someEvents(3, 1));
    assert.deepEqual(eventsIn(log), someEvents(0, 4));
    await log.close();
  });

  test(`${kind}: an event that is no event is refused with its whole batch`, async (t) => {
    const log = await (await open(t)).openWriter();
    await log.append(someEvents(0, 1));
    const wrong = { ...someEvents(2, 1)[0], kind: 'renamed' } as unknown as RegistryEvent;
    await assert.rejects(log.append([...someEvents(1, 1), wrong]), /unknown kind/);
    assert.equal(log.length, 1);
    await log.append(someEvents(1, 1));
    assert.deepEqual(eventsIn(log), someEvents(0, 2));
    await log.close();
  });

  test(`${kind}: a head names what there is, and carries on as long as that is unchanged`, async (t) => {
    const log = await (await open(t)).openWriter();
    const heads = [''];
    for (let seq = 0; seq < 3; seq += 1) {
      await log.append(someEvents(seq, 1));
      heads.push(log.head);
    }
    assert.equal(new Set(heads).size, 4);
    for (const head of heads) assert.equal(await log.carriesOn(head), true, `carries on ${head}`);
    assert.equal(await log.carriesOn('0'.repeat(40)), false);
    await log.refresh();
    assert.equal(log.head, heads[3]);
    await log.close();
  });

  test(`${kind}: equal contents have equal heads`, async (t) => {
    const [one, other] = await Promise.all([(await open(t)).openWriter(), (await open(t)).openWriter()]);
    for (const log of [one, other]) {
      await log.append(someEvents(0, 2));
      await log.append(someEvents(2, 300));
    }
    assert.equal(one.head, other.head);
    await Promise.all([one.close(), other.close()]);
  });

  test(`${kind}: more than three segments, in batches that span them, read the same at once and opened again`, async (t) => {
    const harness = await open(t);
    let log = await harness.openWriter();
    let length = 0;
    for (const count of [1, 200, 100, 255, 1, 256, 150]) {
      await log.append(someEvents(length, count));
      length += count;
    }
    assert.deepEqual(eventsIn(log), someEvents(0, length));
    const { head } = log;
    await log.close();
    log = await harness.openWriter();
    assert.deepEqual([log.length, log.head], [length, head]);
    await log.append(someEvents(length, 100));
    assert.deepEqual(eventsIn(log), someEvents(0, length + 100));
    await log.close();
  });

  test(`${kind}: another handle sees an append after it refreshes, whole batches only`, async (t) => {
    const harness = await open(t);
    const log = await harness.openWriter();
    if (!harness.openReader) return t.skip('only one process can see this log');
    await log.append(someEvents(0, 10));
    const reader = await harness.openReader();
    assert.deepEqual(eventsIn(reader), someEvents(0, 10));
    let length = 10;
    for (const count of [1, 300, 5]) {
      await log.append(someEvents(length, count));
      assert.equal(reader.length, length);
      await reader.refresh();
      length += count;
      assert.deepEqual(eventsIn(reader), someEvents(0, length));
      assert.equal(reader.head, log.head);
    }
    await reader.close();
    await log.close();
  });
}
