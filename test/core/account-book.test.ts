import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AccountBook, tokenDigest } from '../../core/account-book.ts';
import { RegistryError } from '../../core/errors.ts';
import { privateLines, type PrivateEvent } from '../../core/event.ts';
import { PrivateJournal } from '../../core/private-journal.ts';
import { MemoryLog, MemoryTokenUse } from '../../stores/memory.ts';
import { aClock, countedIds, type TestClock } from '../support/registry.ts';

interface Bench {
  readonly log: MemoryLog<PrivateEvent>;
  readonly clock: TestClock;
  readonly book: AccountBook;
}

function openBench(): Bench {
  const log = new MemoryLog(privateLines);
  const clock = aClock();
  return {
    log,
    clock,
    book: bookOf(log, clock),
  };
}

function bookOf(log: MemoryLog<PrivateEvent>, clock: TestClock): AccountBook {
  const ids = countedIds();
  const journal = new PrivateJournal({ log, clock, ids });
  return new AccountBook({ journal, clock, ids, tokenUse: new MemoryTokenUse() });
}

const ofAnn = { handle: 'ann', label: 'laptop', scopes: ['publish', 'yank'] } as const;

function linesIn(log: MemoryLog<PrivateEvent>): string[] {
  return Array.from({ length: log.length }, (_, seq) => privateLines.encode(log.read(seq)));
}

test('a token acts for its account, with its scopes and nowhere beyond its limits', async () => {
  const { book } = openBench();
  const limits = [{ ecosystem: 'x07', namespace: 'foo' }];
  const made = await book.addToken('secret-token', { ...ofAnn, limits });
  const actor = book.actorOf('secret-token');
  assert.deepEqual(actor, {
    handle: 'ann',
    scopes: new Set(['publish', 'yank']),
    limits,
    tokenId: made.tokenId,
  });
  assert.equal(book.account('ann')?.handle, 'ann');
  assert.equal(book.account('bob'), undefined);
  assert.match(made.tokenId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});

test('a token is found by what it is, and by nothing that stands in the log', async () => {
  const { book } = openBench();
  const { tokenId, digest } = await book.addToken('secret-token', ofAnn);
  for (const wrong of [
    'secret-toke',
    'SECRET-TOKEN',
    ' secret-token',
    '',
    tokenId,
    digest,
    tokenDigest('secret-token'),
  ])
    assert.equal(book.actorOf(wrong), undefined, wrong);
});

test('no line of the log holds a token', async () => {
  const { book, log } = openBench();
  const { tokenId } = await book.addToken('secret-token', ofAnn);
  await book.addToken('another-secret', { ...ofAnn, handle: 'bob' });
  await book.revokeToken(tokenId, 'ann');
  for (const line of linesIn(log)) assert.doesNotMatch(line, /secret/);
  assert.doesNotMatch(JSON.stringify(book.tokens), /secret/);
});

test('an account is created once, by its first token', async () => {
  const { book, log } = openBench();
  await Promise.all(['one', 'two', 'three'].map((token) => book.addToken(token, ofAnn)));
  assert.deepEqual(
    linesIn(log).map((line) => (JSON.parse(line) as PrivateEvent).kind),
    ['account-created', 'token-created', 'token-created', 'token-created'],
  );
  for (const token of ['one', 'two', 'three']) assert.equal(book.actorOf(token)?.handle, 'ann');
  assert.equal(book.tokens.length, 3);
});

test('a revoked token is nobody, and revoking it again changes nothing', async () => {
  const { book, log } = openBench();
  const { tokenId } = await book.addToken('secret-token', ofAnn);
  await book.addToken('another', ofAnn);
  await book.revokeToken(tokenId, 'root');
  assert.equal(book.actorOf('secret-token'), undefined);
  assert.equal(book.actorOf('another')?.handle, 'ann');
  const { length } = log;
  await book.revokeToken(tokenId, 'root');
  assert.equal(log.length, length);
  await assert.rejects(book.revokeToken('none', 'root'), { code: 'not-found' });
});

test('a token ends at its moment', async () => {
  const { book, clock } = openBench();
  const expiresAt = new Date(clock.time + 60_000).toISOString();
  await book.addToken('secret-token', { ...ofAnn, expiresAt });
  clock.time = Date.parse(expiresAt) - 2_000;
  assert.equal(book.actorOf('secret-token')?.handle, 'ann');
  clock.time = Date.parse(expiresAt) - 1_000;
  assert.equal(book.actorOf('secret-token'), undefined, 'the clock moves a second at each look');
});

test('an end that is no time is refused: the token would never end', async () => {
  const { book, log } = openBench();
  await assert.rejects(book.addToken('secret-token', { ...ofAnn, expiresAt: 'tomorrow' }), {
    code: 'bad-request',
  });
  assert.equal(log.length, 0);
});

test('what is no handle is refused', async () => {
  const { book, log } = openBench();
  for (const handle of ['', 'Ann', 'a b', '-a', 'a'.repeat(65), 'ann\n', '../x'])
    await assert.rejects(
      book.addToken('secret-token', { ...ofAnn, handle }),
      (error) => error instanceof RegistryError && error.code === 'bad-request',
      handle,
    );
  assert.equal(log.length, 0);
});

test('a book that is opened again, and one beside it, know the same', async () => {
  const { book, log, clock } = openBench();
  const beside = bookOf(log, clock);
  const { tokenId } = await book.addToken('one', ofAnn);
  await book.addToken('two', ofAnn);
  await book.revokeToken(tokenId, 'ann');
  assert.equal(beside.actorOf('two'), undefined);
  beside.catchUp();
  for (const other of [beside, bookOf(log, clock)]) {
    assert.equal(other.actorOf('one'), undefined);
    assert.deepEqual(other.actorOf('two'), book.actorOf('two'));
    assert.deepEqual(other.tokens, book.tokens);
  }
});

for (const landed of [false, true])
  test(`a token whose append failed (${landed ? 'landed' : 'lost'}) was not promised, and the next one is right`, async () => {
    const { book, log } = openBench();
    log.faults.failAt(1, landed);
    await assert.rejects(book.addToken('one', ofAnn), { code: 'storage-failed' });
    assert.equal(book.actorOf('one')?.handle, landed ? 'ann' : undefined);
    await book.addToken('two', ofAnn);
    assert.equal(book.actorOf('two')?.handle, 'ann');
    const created = linesIn(log).filter((line) => line.includes('account-created'));
    assert.equal(created.length, 1);
  });

test('a clock that is far behind refuses, and the book goes on when it is right again', async () => {
  const { book, clock } = openBench();
  await book.addToken('one', ofAnn);
  clock.time -= 6 * 60_000;
  await assert.rejects(book.addToken('two', ofAnn), { code: 'clock-behind' });
  clock.time += 10 * 60_000;
  await book.addToken('two', ofAnn);
  assert.equal(book.actorOf('two')?.handle, 'ann');
});
