/** Every request of a bucket fails in every way, done by the store before or not: what is said of it afterwards is the truth. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { Bucket, ConditionFailed, isAbsent } from '../../stores/bucket.ts';
import { aLargeFile, keysOf, MIB, readAll, readText, written } from '../support/bucket-objects.ts';
import type { Fault, FaultKind } from '../support/s3-faults.ts';
import { etagOf, type StoredObject } from '../support/s3-objects.ts';
import type { Operation } from '../support/s3-requests.ts';
import { openS3Server, type S3Server } from '../support/s3-server.ts';

const patience = { attempts: 4, idleMs: 500, partBytes: 5 * MIB };
/** Two parts of it. */
const LONG_BYTES = 5 * MIB + 5;
const CELLS_AT_ONCE = 16;

interface Act {
  /** The requests that it is made of. */
  readonly operations: readonly Operation[];
  readonly isConditional?: boolean;
  run(bucket: Bucket, file: LongFile): Promise<unknown>;
  /** What a read finds out. */
  readonly answer?: unknown;
  /** What is there after a write, by key; `undefined` is removed. */
  readonly change?: Readonly<Record<string, string | undefined>>;
}

const before: Readonly<Record<string, string>> = { a: 'aa', b: 'bb', c: 'cc' };
const overA = { etag: etagOf(Buffer.from('aa')) };
const long = { contentType: 'application/gzip' };
const inParts = ['CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'] as const;
const copiedInParts = ['CreateMultipartUpload', 'UploadPartCopy', 'CompleteMultipartUpload'] as const;

const acts: Readonly<Record<string, Act>> = {
  get: { operations: ['GetObject'], run: (bucket) => readText(bucket, 'a'), answer: 'aa' },
  'get of what is not there': {
    operations: ['GetObject'],
    run: (bucket) => bucket.get('none'),
    answer: undefined,
  },
  head: { operations: ['HeadObject'], run: async (bucket) => (await bucket.head('a'))?.size, answer: 2 },
  'head of what is not there': {
    operations: ['HeadObject', 'GetObject'],
    run: (bucket) => bucket.head('none'),
    answer: undefined,
  },
  read: {
    operations: ['GetObject'],
    run: async (bucket) => (await readAll(bucket.read('a', { start: 0, end: 1 }))).toString(),
    answer: 'aa',
  },
  list: {
    operations: ['ListObjectsV2'],
    run: (bucket) => keysOf(bucket, '', 'LONG'),
    answer: ['a', 'b', 'c'],
  },
  put: {
    operations: ['PutObject'],
    run: (bucket) => bucket.put('a', ...written('new')),
    change: { a: 'new' },
  },
  'put where nothing is': {
    operations: ['PutObject'],
    isConditional: true,
    run: (bucket) => bucket.put('new', ...written('new', { condition: 'absent' })),
    change: { new: 'new' },
  },
  'put over what is known': {
    operations: ['PutObject'],
    isConditional: true,
    run: (bucket) => bucket.put('a', ...written('new', { condition: overA })),
    change: { a: 'new' },
  },
  'long file': {
    operations: inParts,
    run: (bucket, { path, digest }) => bucket.putFile('a', path, LONG_BYTES, { ...long, digest }),
    change: { a: 'LONG' },
  },
  'long file where nothing is': {
    operations: inParts,
    isConditional: true,
    run: (bucket, { path, digest }) =>
      bucket.putFile('new', path, LONG_BYTES, { ...long, digest, condition: 'absent' }),
    change: { new: 'LONG' },
  },
  'long file over what is known': {
    operations: inParts,
    isConditional: true,
    run: (bucket, { path, digest }) =>
      bucket.putFile('a', path, LONG_BYTES, { ...long, digest, condition: overA }),
    change: { a: 'LONG' },
  },
  copy: {
    operations: ['CopyObject'],
    run: (bucket) => bucket.copy(bucket, 'a', 2, 'b', written('aa')[1]),
    change: { b: 'aa' },
  },
  'long copy': {
    operations: copiedInParts,
    run: (bucket, { digest }) => bucket.copy(bucket, 'LONG', LONG_BYTES, 'b', { ...long, digest }),
    change: { b: 'LONG' },
  },
  remove: { operations: ['DeleteObject'], run: (bucket) => bucket.remove('a'), change: { a: undefined } },
  'remove of many': {
    operations: ['DeleteObjects'],
    run: (bucket) => bucket.removeAll(['a', 'b', 'none']),
    change: { a: undefined, b: undefined },
  },
};

/** They pass: what was asked for is asked for again. */
const passing: readonly FaultKind[] = [
  'internal',
  'slow-down',
  'error-in-200',
  'silent',
  'reset',
  'truncated',
  'stalled',
];
const lasting: readonly FaultKind[] = ['conflict', 'precondition', 'no-bucket'];
const answersWithin200: readonly Operation[] = ['CopyObject', 'UploadPartCopy', 'CompleteMultipartUpload'];
/** Those that change what readers see. */
const finishing: readonly Operation[] = ['PutObject', 'CompleteMultipartUpload', 'CopyObject'];

type Outcome = 'done' | 'condition failed' | 'another error';

interface LongFile {
  readonly path: string;
  readonly digest: string;
  readonly stored: StoredObject;
}

interface Cell {
  readonly name: string;
  readonly act: Act;
  readonly operation: Operation;
  readonly fault: Fault;
}

function cells(): Cell[] {
  const found: Cell[] = [];
  for (const [name, act] of Object.entries(acts))
    for (const operation of act.operations)
      for (const does of [...passing, ...lasting]) {
        if (does === 'error-in-200' && !answersWithin200.includes(operation)) continue;
        for (const persisted of act.change ? [false, true] : [false])
          found.push({
            name: `${name}: ${operation} ${does}${persisted ? ', done before' : ''}`,
            act,
            operation,
            fault: { does, persisted },
          });
      }
  return found;
}

/** Of one failure, where another attempt would succeed. */
function expected({ act, operation, fault: { does, persisted } }: Cell): Outcome {
  if (passing.includes(does)) return 'done';
  const isSent = [...inParts, ...copiedInParts, ...finishing].includes(operation);
  if (does === 'conflict') return isSent ? 'done' : 'another error';
  // A body would say that it is the bucket; without one the object is asked for again.
  if (does === 'no-bucket') return operation === 'HeadObject' ? 'done' : 'another error';
  if (act.isConditional !== true) return 'another error';
  return persisted === true && finishing.includes(operation) ? 'done' : 'condition failed';
}

async function suffer(
  t: TestContext,
  { name, act, operation, fault }: Cell,
  file: LongFile,
  isAlways: boolean,
): Promise<Outcome> {
  const server = await openS3Server(t);
  server.pageSize = 2;
  for (const [key, text] of Object.entries(before)) server.objects.set(key, stored(Buffer.from(text)));
  server.objects.set('LONG', file.stored);
  const bucket = new Bucket(server.address(), { ...patience, attempts: isAlways ? 2 : patience.attempts });
  const isIt = (request: { readonly operation: Operation }): boolean => request.operation === operation;
  if (isAlways) server.faults.failAlways(isIt, fault);
  else server.faults.failOnce(isIt, fault);
  const result = await act.run(bucket, file).then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error }),
  );
  bucket.close();
  await server.close();
  assert.equal(server.faults.pending, 0, `${name}: the request was never sent`);
  const now = contentOf(server, file);
  const whole = { ...before, LONG: 'LONG' };
  const done = Object.fromEntries(
    Object.entries({ ...whole, ...act.change }).filter(([, text]) => text !== undefined),
  );
  if ('answer' in result) {
    assert.deepEqual(now, done, `${name}: it is not so`);
    if (!act.change) assert.deepEqual(result.answer, act.answer, `${name}: it is not so`);
    // Nobody was told the name of an upload whose answer was lost.
    const isLost = operation === 'CreateMultipartUpload' && fault.persisted === true;
    if (!isLost) assert.equal(server.buckets.get(server.bucket)?.uploads.size, 0, `${name}: parts are left`);
    return 'done';
  }
  const { error } = result;
  assert.ok(!isAbsent(error), `${name}: it looks as if something were not there`);
  if (error instanceof ConditionFailed) {
    assert.deepEqual(now, whole, `${name}: what is ours is there`);
    return 'condition failed';
  }
  const isUnchanged = JSON.stringify(sorted(now)) === JSON.stringify(sorted(whole));
  if (!isUnchanged) assert.deepEqual(now, done, `${name}: it is neither as before nor as after`);
  return 'another error';
}

function stored(bytes: Buffer): StoredObject {
  const [headers, metadata] = [{ 'content-type': 'text/plain' }, { digest: digestOf(bytes) }];
  return { bytes, headers, metadata, etag: etagOf(bytes), modifiedMs: 0 };
}

function contentOf(server: S3Server, { digest, stored: { bytes: long } }: LongFile): Record<string, string> {
  const content: Record<string, string> = {};
  for (const [key, { bytes, metadata }] of server.objects) {
    const isLong = bytes.equals(long);
    const isTrue = metadata['digest'] === (isLong ? digest : digestOf(bytes));
    content[key] = !isTrue ? 'of another digest' : isLong ? 'LONG' : bytes.toString();
  }
  return content;
}

function sorted(content: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(content).toSorted(([one], [other]) => (one < other ? -1 : 1));
}

async function sufferAll(
  t: TestContext,
  all: readonly Cell[],
  wanted: (cell: Cell) => Outcome,
  isAlways: boolean,
): Promise<void> {
  const { path, digest } = await aLargeFile(t, LONG_BYTES);
  const file = { path, digest, stored: stored(await readFile(path)) };
  assert.ok(all.length > 150);
  const wrong: string[] = [];
  const queue = all[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const cell of queue) {
      const outcome = await suffer(t, cell, file, isAlways).catch((error: unknown) => String(error));
      if (outcome !== wanted(cell)) wrong.push(`${cell.name}: ${outcome}, and not ${wanted(cell)}`);
    }
  };
  await Promise.all(Array.from({ length: CELLS_AT_ONCE }, worker));
  assert.deepEqual(wrong, []);
}

test('one failure of any request: it is done, or the error says what is so', (t) =>
  sufferAll(t, cells(), expected, false));

test('a failure of every attempt: nothing is taken for done, and nothing for absent', (t) =>
  // What is sent in parts is refused by conditions as in the test before.
  sufferAll(
    t,
    cells().filter(({ act }) => !(act.isConditional === true && act.operations.length > 1)),
    always,
    true,
  ));

/** Where every attempt fails. That the second is refused tells of the first, however the answer ends. */
function always(cell: Cell): Outcome {
  const { act, operation, fault } = cell;
  if (fault.does === 'no-bucket' || fault.does === 'precondition') return expected(cell);
  const isCut = fault.does === 'truncated' || fault.does === 'stalled';
  const isTold = isCut && fault.persisted === true && act.isConditional === true;
  return isTold && operation === 'PutObject' ? 'done' : 'another error';
}
