import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from '../../core/canonical-json.ts';
import { LogDamage, RegistryError } from '../../core/errors.ts';
import {
  describeEvent,
  MAX_LINE_BYTES,
  privateLines,
  registryLines,
  subjectOf,
  type LineCodec,
  type LogLine,
  type PrivateEvent,
  type RegistryEvent,
} from '../../core/event.ts';
import { eventsFrom, fact, genesis } from '../support/registry.ts';
import { eventsByKind } from '../support/schema-arbitrary.ts';

function roundTrips<E extends LogLine>(
  lines: LineCodec<E>,
  kinds: ReadonlyMap<string, fc.Arbitrary<E>>,
): void {
  for (const [kind, events] of kinds)
    test(`a line of ${kind} comes back as the event it was, whatever its fields`, () => {
      fc.assert(
        fc.property(events, (event) => {
          const line = lines.encode(event);
          assert.doesNotMatch(line, /\n/);
          const decoded = lines.decode(line, event.seq);
          assert.deepEqual(decoded, event);
          assert.equal(lines.encode(decoded), line);
          assert.ok(describeEvent(event).startsWith(kind));
        }),
        { numRuns: 40 },
      );
    });
}

describe('the public log', () => roundTrips(registryLines, eventsByKind<RegistryEvent>('event.schema.json')));
describe('the private log', () =>
  roundTrips(privateLines, eventsByKind<PrivateEvent>('private-event.schema.json')));

const [published] = eventsFrom([fact.published('1.0.0')]);
assert.ok(published);

function lineOf(over: object): string {
  return canonicalJson({ ...published, ...over });
}

test('fields that this release does not know are kept', () => {
  const line = lineOf({ flavour: 'sweet', nested: { of: [1, 2] } });
  const event = registryLines.decode(line, 1);
  assert.deepEqual((event as unknown as { flavour: string }).flavour, 'sweet');
  assert.equal(registryLines.encode(event), line);
});

test('what is no event of this release stops the reader, who says which line it is', () => {
  const wrong: [string, RegExp][] = [
    ['', /line 1: not JSON/],
    ['{"v":1', /line 1: not JSON/],
    ['null', /line 1: format missing/],
    ['[]', /line 1: format missing/],
    [lineOf({ v: 2 }), /line 1: format 2 is not known/],
    [lineOf({ v: '1' }), /line 1: format "1" is not known/],
    [lineOf({ v: 0 }), /line 1: format 0 is not known/],
    [lineOf({ kind: 'renamed' }), /line 1: unknown kind "renamed"/],
    [lineOf({ kind: undefined }), /line 1: unknown kind undefined/],
    [lineOf({ kind: 'toString' }), /line 1: unknown kind/],
    [lineOf({ seq: 2 }), /line 1: it says it is line 2/],
    [lineOf({ seq: -1 }), /line 1: .*seq/],
    [lineOf({ at: '2026-01-02' }), /line 1: .*at/],
    [lineOf({ at: '2026-01-02T03:04:05.678+01:00' }), /line 1: .*at/],
    [lineOf({ id: 'short' }), /line 1: .*id/],
    [lineOf({ by: '' }), /line 1: .*by/],
    [lineOf({ ecosystem: 'cpan' }), /line 1: .*ecosystem/],
    [lineOf({ artifacts: [] }), /line 1: .*artifacts/],
    [
      lineOf({ artifacts: [{ role: 'archive', digest: 'sha256:AB', size: 1, mediaType: 'x' }] }),
      /line 1: .*digest/,
    ],
    [lineOf({ version: undefined }), /line 1: .*version/],
  ];
  for (const [line, message] of wrong)
    assert.throws(
      () => registryLines.decode(line, 1),
      (error) => error instanceof LogDamage && message.test(error.message),
      line,
    );
  assert.throws(() => privateLines.decode(lineOf({}), 1), LogDamage);
});

test('a line has a longest length, counted in bytes', () => {
  const withMeta = (text: string): RegistryEvent =>
    ({ ...published, meta: { text } }) as unknown as RegistryEvent;
  const room = MAX_LINE_BYTES - Buffer.byteLength(registryLines.encode(withMeta('')));
  assert.equal(Buffer.byteLength(registryLines.encode(withMeta('x'.repeat(room)))), MAX_LINE_BYTES);
  const tooLong = (error: unknown): boolean => error instanceof RegistryError && error.code === 'too-large';
  assert.throws(() => registryLines.encode(withMeta('x'.repeat(room + 1))), tooLong);
  assert.throws(() => registryLines.encode(withMeta('é'.repeat(room - 10))), tooLong);
});

test('what no line may say is not written either', () => {
  assert.throws(() => registryLines.encode({ ...published, kind: 'renamed' } as unknown as RegistryEvent));
  assert.throws(
    () => registryLines.encode({ ...published, meta: { ratio: 0.5 } } as unknown as RegistryEvent),
    TypeError,
  );
  assert.throws(
    () => registryLines.encode({ ...published, meta: { text: '\ud800' } } as unknown as RegistryEvent),
    TypeError,
  );
});

test('an event is about its package, its namespace or the registry', () => {
  assert.deepEqual(subjectOf(published), { ecosystem: 'x07', name: 'foo', of: 'package' });
  assert.deepEqual(subjectOf({ ...fact.claimed(), of: 'namespace' } as ReturnType<typeof fact.claimed>), {
    ecosystem: 'x07',
    name: 'foo',
    of: 'namespace',
  });
  assert.equal(subjectOf(genesis()), undefined);
});

test('an event is described in a line that a person can read', () => {
  const said = eventsFrom([
    fact.published('1.0.0'),
    fact.refSet('latest', '1.0.0'),
    fact.ownerAdded('bob'),
    fact.memberSet('carl', 'write'),
    fact.withdrawn(),
  ]).map(describeEvent);
  assert.deepEqual(said, [
    'published x07/foo 1.0.0',
    'ref-set x07/foo latest -> 1.0.0',
    'owner-added x07/foo bob',
    'member-set x07/foo carl write',
    'withdrawn x07/foo',
  ]);
});
