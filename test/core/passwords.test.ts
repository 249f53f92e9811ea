/** Accounts with passwords and second factors, as the private log has them. */
import assert from 'node:assert/strict';
import crypto, { scryptSync } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import { AccountBook, type Registration } from '../../core/account-book.ts';
import { PrivateJournal } from '../../core/private-journal.ts';
import { privateLines, type PrivateEvent } from '../../core/event.ts';
import { Passwords } from '../../core/passwords.ts';
import { MemoryLog, MemoryTokenUse } from '../../stores/memory.ts';
import { aClock, countedIds, type TestClock } from '../support/registry.ts';
import { codeAt } from '../support/totp.ts';

const PASSWORD = 'correct horse battery';

interface Bench {
  readonly log: MemoryLog<PrivateEvent>;
  readonly clock: TestClock;
  readonly book: AccountBook;
  /** The same log, read anew. */
  again(): AccountBook;
}

function openBench(registration: Registration = 'closed'): Bench {
  const log = new MemoryLog(privateLines);
  const clock = aClock(0);
  const isReserved = (handle: string): boolean => handle === 'admin';
  const ids = countedIds();
  const again = (): AccountBook =>
    new AccountBook({
      journal: new PrivateJournal({ log, clock, ids }),
      clock,
      ids,
      tokenUse: new MemoryTokenUse(),
      registration,
      isReserved,
    });
  return { log, clock, book: again(), again };
}

function linesIn(log: MemoryLog<PrivateEvent>): string[] {
  return Array.from({ length: log.length }, (_, seq) => privateLines.encode(log.read(seq)));
}

function kindsIn(log: MemoryLog<PrivateEvent>): string[] {
  return Array.from({ length: log.length }, (_, seq) => log.read(seq).kind);
}

/** With a device, and the codes for when it is lost. */
async function withDevice(bench: Bench): Promise<{ secret: string; recovery: readonly string[] }> {
  await bench.book.createAccount({ handle: 'ann', password: PASSWORD });
  const { secret } = bench.book.startSecondFactor('ann', 'auth-and-writes');
  const recovery = await bench.book.confirmSecondFactor('ann', codeAt(secret, bench.clock.time));
  return { secret, recovery };
}

test('a password is kept as its scrypt, with a salt of its own', async () => {
  const { book, log } = openBench();
  await book.createAccount({ handle: 'ann', password: PASSWORD });
  await book.createAccount({ handle: 'bob', password: PASSWORD });
  assert.deepEqual(kindsIn(log), ['account-created', 'password-set', 'account-created', 'password-set']);
  const [ann, bob] = [1, 3].map((seq) => log.read(seq) as Extract<PrivateEvent, { kind: 'password-set' }>);
  assert.ok(ann && bob);
  assert.notEqual(ann.salt, bob.salt);
  assert.notEqual(ann.hash, bob.hash);
  assert.deepEqual([ann.cost, ann.blockSize, ann.parallelization], [32768, 8, 1]);
  const wanted = scryptSync(PASSWORD, Buffer.from(ann.salt, 'hex'), 32, {
    N: 32768,
    r: 8,
    p: 1,
    maxmem: 2 ** 26,
  });
  assert.equal(ann.hash, wanted.toString('hex'));
});

test('a password is right for its account alone, before and after the log is read anew', async () => {
  const { book, again } = openBench();
  await book.createAccount({ handle: 'ann', password: PASSWORD });
  await book.createAccount({ handle: 'bob', password: 'something else' });
  await book.createAccount({ handle: 'tokens-only' });
  for (const one of [book, again()]) {
    assert.equal(await one.verifyPassword('ann', PASSWORD), true);
    for (const [handle, password] of [
      ['ann', `${PASSWORD} `],
      ['ann', ''],
      ['ann', `${PASSWORD}\0`],
      ['bob', PASSWORD],
      ['tokens-only', ''],
      ['tokens-only', PASSWORD],
      ['nobody', PASSWORD],
      ['toString', PASSWORD],
    ] as const)
      assert.equal(await one.verifyPassword(handle, password), false, `${handle} ${password}`);
    assert.deepEqual(
      one.accounts.map(({ handle, hasPassword }) => [handle, hasPassword]),
      [
        ['ann', true],
        ['bob', true],
        ['tokens-only', false],
      ],
    );
  }
});

test('an unknown handle, one without a password and a wrong password cost the same hash', async (t) => {
  const { book } = openBench();
  await book.createAccount({ handle: 'ann', password: PASSWORD });
  await book.createAccount({ handle: 'tokens-only' });
  const { mock } = t.mock.method(crypto, 'scrypt');
  syncBuiltinESMExports();
  t.after(() => {
    mock.restore();
    syncBuiltinESMExports();
  });
  for (const handle of ['ann', 'tokens-only', 'nobody'])
    assert.equal(await book.verifyPassword(handle, 'not the password'), false);
  const prices = mock.calls.map(({ arguments: [, salt, length, options] }) => [
    (salt as Buffer).length,
    length,
    options,
  ]);
  assert.equal(prices.length, 3);
  for (const price of prices) assert.deepEqual(price, prices[0]);
});

test('a new password ends the old one', async () => {
  const { book, again } = openBench();
  await book.createAccount({ handle: 'ann', password: PASSWORD });
  const before = book.passwordHash('ann');
  await book.setPassword('ann', 'another password', 'operator');
  assert.notEqual(book.passwordHash('ann'), before);
  for (const one of [book, again()]) {
    assert.equal(await one.verifyPassword('ann', PASSWORD), false);
    assert.equal(await one.verifyPassword('ann', 'another password'), true);
  }
  await assert.rejects(book.setPassword('nobody', PASSWORD), { code: 'account-not-found' });
});

test('the same letters in another encoding are the same password', async () => {
  const { book } = openBench();
  await book.createAccount({ handle: 'ann', password: 'Se\u00f1or Caf\u00e9 1' });
  assert.equal(await book.verifyPassword('ann', 'Sen\u0303or Cafe\u0301 1'), true);
});

test('what cannot be a password or a handle is refused, and nothing is stored', async () => {
  const { book, log } = openBench();
  for (const password of [
    '',
    'nine char',
    '😀'.repeat(9),
    'with a \0 in it',
    'x'.repeat(1025),
    '😀'.repeat(257),
  ])
    await assert.rejects(book.createAccount({ handle: 'ann', password }), (error: Error) => {
      assert.equal((error as Error & { code: string }).code, 'bad-request');
      assert.ok(password === '' || !error.message.includes(password));
      return true;
    });
  for (const handle of ['', 'Ann', 'a b', '../x', 'a'.repeat(65)])
    await assert.rejects(book.createAccount({ handle, password: PASSWORD }), { code: 'bad-request' });
  assert.equal(log.length, 0);
  for (const [i, password] of ['ten chars!', '😀'.repeat(10), 'x'.repeat(1024)].entries())
    await book.createAccount({ handle: `user-${i}`, password });
});

test('a handle is given once, however many ask for it at the same moment', async () => {
  const { book, log } = openBench();
  const asked = ['first password', 'second password', 'third password'].map((password) =>
    book.createAccount({ handle: 'ann', password }).then(
      () => 'made',
      (error: { code: string }) => error.code,
    ),
  );
  assert.deepEqual((await Promise.all(asked)).sort(), ['made', 'name-taken', 'name-taken']);
  assert.equal(kindsIn(log).filter((kind) => kind === 'account-created').length, 1);
});

test('more hashes than can be made in a while are refused, and those in line are made', async () => {
  const passwords = new Passwords();
  const asked = Array.from({ length: 70 }, () =>
    passwords.matches(PASSWORD, undefined).then(
      () => 'made',
      (error: { code: string; retryAfterSeconds: number }) => `${error.code} ${error.retryAfterSeconds}`,
    ),
  );
  const outcomes = await Promise.all(asked);
  assert.equal(outcomes.filter((outcome) => outcome === 'made').length, 66);
  assert.deepEqual(new Set(outcomes.slice(66)), new Set(['too-many-attempts 1']));
  assert.equal(await passwords.matches(PASSWORD, undefined), false, 'and there is room again');
});

test('what an account says of itself is there until it says something else', async () => {
  const { book, again } = openBench();
  await book.createAccount({ handle: 'ann' });
  await book.setProfile('ann', { email: 'ann@example.com', fullName: 'Ann Åberg' });
  for (const one of [book, again()]) {
    const account = one.account('ann');
    assert.deepEqual([account?.email, account?.fullName], ['ann@example.com', 'Ann Åberg']);
  }
  await book.setProfile('ann', { fullName: 'Ann' });
  assert.deepEqual([book.account('ann')?.email, book.account('ann')?.fullName], [undefined, 'Ann']);
  for (const wrong of [{ email: 'x'.repeat(257) }, { fullName: 'two\nlines' }, { fullName: '\ud800' }])
    await assert.rejects(book.setProfile('ann', wrong), { code: 'bad-request' });
  await assert.rejects(book.setProfile('nobody', {}), { code: 'account-not-found' });
});

test('a second factor counts once a code of its device was confirmed', async () => {
  const { book, clock, log } = openBench();
  await book.createAccount({ handle: 'ann', password: PASSWORD });
  const { length } = log;
  await assert.rejects(book.confirmSecondFactor('ann', '000000'), { code: 'not-found' });
  const first = book.startSecondFactor('ann', 'auth-only', 'registry.example');
  assert.match(first.uri, /^otpauth:\/\/totp\/registry\.example:ann\?/);
  const { secret } = book.startSecondFactor('ann', 'auth-only');
  await assert.rejects(book.confirmSecondFactor('ann', codeAt(first.secret, clock.time)), {
    code: 'second-factor-required',
  });
  assert.equal(book.account('ann')?.secondFactor, undefined);
  assert.equal(log.length, length);
  const recovery = await book.confirmSecondFactor('ann', codeAt(secret, clock.time));
  assert.equal(book.account('ann')?.secondFactor, 'auth-only');
  assert.equal(new Set(recovery).size, 10);
  assert.throws(() => book.startSecondFactor('ann', 'auth-only'), { code: 'conflict' });
  assert.throws(() => book.startSecondFactor('nobody', 'auth-only'), { code: 'account-not-found' });
});

test('a second factor that nobody confirms is forgotten after a quarter of an hour', async () => {
  const { book, clock } = openBench();
  await book.createAccount({ handle: 'ann' });
  const { secret } = book.startSecondFactor('ann', 'auth-only');
  clock.time += 15 * 60_000;
  await assert.rejects(book.confirmSecondFactor('ann', codeAt(secret, clock.time)), { code: 'not-found' });
});

test('a code is accepted once, and no older one after it', async () => {
  const bench = openBench();
  const { book, clock } = bench;
  const { secret } = await withDevice(bench);
  assert.equal(await book.checkSecondFactor('ann', codeAt(secret, clock.time)), false, 'it confirmed');
  clock.time += 30_000;
  const [older, newer] = [codeAt(secret, clock.time), codeAt(secret, clock.time + 30_000)];
  assert.equal(await book.checkSecondFactor('ann', newer), true);
  assert.equal(await book.checkSecondFactor('ann', newer), false);
  assert.equal(await book.checkSecondFactor('ann', older), false);
  clock.time += 90_000;
  assert.equal(await book.checkSecondFactor('ann', codeAt(secret, clock.time)), true);
  for (const handle of ['bob', 'toString']) assert.equal(await book.checkSecondFactor(handle, newer), false);
});

test('a recovery code is burnt by an event, and by one of two who use it at once', async () => {
  const bench = openBench();
  const { book, log, again } = bench;
  const { recovery } = await withDevice(bench);
  const [one = '', two = '', three = ''] = recovery;
  assert.deepEqual(
    (await Promise.all([book.checkSecondFactor('ann', one), book.checkSecondFactor('ann', one)])).sort(),
    [false, true],
  );
  assert.equal(kindsIn(log).filter((kind) => kind === 'recovery-code-used').length, 1);
  const other = again();
  assert.equal(await other.checkSecondFactor('ann', one), false);
  assert.equal(await other.checkSecondFactor('ann', two.toUpperCase()), true);
  log.faults.failAt(1);
  await assert.rejects(other.checkSecondFactor('ann', three), { code: 'storage-failed' });
  assert.equal(await other.checkSecondFactor('ann', three), true, 'it was not burnt');
});

test('the mode of a second factor changes without another device', async () => {
  const bench = openBench();
  const { book, clock, log } = bench;
  const { secret, recovery } = await withDevice(bench);
  const [used = '', left = ''] = recovery;
  await book.checkSecondFactor('ann', used);
  await book.changeSecondFactorMode('ann', 'auth-only');
  assert.equal(book.account('ann')?.secondFactor, 'auth-only');
  clock.time += 60_000;
  assert.equal(await book.checkSecondFactor('ann', codeAt(secret, clock.time)), true);
  assert.equal(await book.checkSecondFactor('ann', used), false, 'still burnt');
  assert.equal(await book.checkSecondFactor('ann', left), true);
  const { length } = log;
  await book.changeSecondFactorMode('ann', 'auth-only');
  assert.equal(log.length, length);
});

test('a second factor that is removed asks for nothing, and another can take its place', async () => {
  const bench = openBench();
  const { book, clock } = bench;
  const { secret, recovery } = await withDevice(bench);
  await book.removeSecondFactor('ann', 'operator');
  assert.equal(book.account('ann')?.secondFactor, undefined);
  clock.time += 60_000;
  for (const code of [codeAt(secret, clock.time), recovery[0] ?? ''])
    assert.equal(await book.checkSecondFactor('ann', code), false);
  await assert.rejects(book.removeSecondFactor('ann'), { code: 'not-found' });
  await assert.rejects(book.changeSecondFactorMode('ann', 'auth-only'), { code: 'not-found' });
  const next = book.startSecondFactor('ann', 'auth-only');
  assert.equal((await book.confirmSecondFactor('ann', codeAt(next.secret, clock.time))).length, 10);
});

test('tokens say whether a code is asked of them', async () => {
  const bench = openBench();
  const { book } = bench;
  await book.addToken('plain', { handle: 'ann', label: '', scopes: ['publish'] });
  await book.addToken('machine', { handle: 'ann', label: '', scopes: ['publish'], bypassSecondFactor: true });
  assert.equal(book.actorOf('plain')?.secondFactor, undefined);
  const { secret } = book.startSecondFactor('ann', 'auth-and-writes');
  await book.confirmSecondFactor('ann', codeAt(secret, bench.clock.time));
  assert.equal(book.actorOf('plain')?.secondFactor, 'required');
  assert.equal(book.actorOf('machine')?.secondFactor, 'given');
  await book.changeSecondFactorMode('ann', 'auth-only');
  assert.equal(book.actorOf('plain')?.secondFactor, 'given');
  assert.equal(book.actorByPassword('ann').secondFactor, 'required');
});

test('a token with networks is good from there only, and an address that is no network makes no token', async () => {
  const { book, log } = openBench();
  const wanted = { handle: 'ann', label: '', scopes: ['publish'] } as const;
  for (const addresses of [[], ['here'], ['192.0.2.0/99']])
    await assert.rejects(book.addToken('x', { ...wanted, addresses }), { code: 'bad-request' });
  assert.equal(log.length, 0);
  await book.addToken('secret-token', { ...wanted, addresses: ['192.0.2.0/24'] });
  assert.equal(book.actorOf('secret-token', { address: '192.0.2.9' })?.handle, 'ann');
  for (const address of ['192.0.3.9', undefined])
    assert.throws(() => book.actorOf('secret-token', { address }), { code: 'token-invalid' });
  assert.equal(book.lastUsedAt(book.tokens[0]?.tokenId ?? ''), new Date(aClock(0).time).toISOString());
});

test('who registers needs an open door, and takes no handle that means something', async () => {
  const wanted = { handle: 'ann', password: PASSWORD };
  const closed = openBench();
  const invitation = await closed.book.createInvitation({}, 'operator');
  await assert.rejects(closed.book.register({ ...wanted, invitation }), { code: 'registration-closed' });
  const { book, log } = openBench('open');
  await book.createAccount({ handle: 'tokens-only' });
  const { length } = log;
  for (const handle of ['admin', 'tokens-only'])
    await assert.rejects(book.register({ ...wanted, handle }), { code: 'name-taken' });
  for (const wrong of [{ handle: 'Ann' }, { password: 'short' }, { email: 'a\nb' }])
    await assert.rejects(book.register({ ...wanted, ...wrong }), { code: 'bad-request' });
  assert.equal(log.length, length);
  const made = await book.register({ ...wanted, email: 'ann@example.com' });
  assert.deepEqual([made.handle, made.email, made.hasPassword], ['ann', 'ann@example.com', true]);
  assert.equal(await book.verifyPassword('ann', PASSWORD), true);
});

test('an invitation makes one account, in its time, and only the one it names', async () => {
  const { book, clock, again } = openBench('invited');
  const wanted = { handle: 'ann', password: PASSWORD };
  const closed = { code: 'registration-closed' };
  const once = await book.createInvitation({}, 'operator');
  const raced = await Promise.all(
    ['ann', 'bob', 'carol'].map((handle) =>
      book.register({ ...wanted, handle, invitation: once }).then(
        () => 'made',
        (error: { code: string }) => error.code,
      ),
    ),
  );
  assert.deepEqual(raced.sort(), ['made', 'registration-closed', 'registration-closed']);
  await assert.rejects(again().register({ ...wanted, handle: 'dave', invitation: once }), closed);
  const expiresAt = new Date(clock.time + 60_000).toISOString();
  const short = await book.createInvitation({ expiresAt }, 'operator');
  clock.time += 60_000;
  await assert.rejects(book.register({ ...wanted, handle: 'dave', invitation: short }), closed);
  const named = await book.createInvitation({ handle: 'admin' }, 'operator');
  await assert.rejects(book.register({ ...wanted, handle: 'dave', invitation: named }), closed);
  assert.equal((await book.register({ ...wanted, handle: 'admin', invitation: named })).handle, 'admin');
  await assert.rejects(book.register({ ...wanted, handle: 'dave' }), closed);
  await assert.rejects(book.register({ ...wanted, handle: 'dave', invitation: '' }), closed);
  await assert.rejects(book.createInvitation({ handle: 'admin' }, 'operator'), { code: 'name-taken' });
  await assert.rejects(book.createInvitation({ expiresAt: 'soon' }, 'operator'), { code: 'bad-request' });
});

test('no line of the log holds a password, a code or an invitation', async () => {
  const bench = openBench('invited');
  const { book, log } = bench;
  const invitation = await book.createInvitation({}, 'operator');
  await book.register({ handle: 'bob', password: 'the password of bob', invitation });
  const { recovery } = await withDevice(bench);
  await book.checkSecondFactor('ann', recovery[0] ?? '');
  await book.setPassword('ann', 'another password');
  assert.equal(new Set(kindsIn(log)).size, 6);
  const text = linesIn(log).join('\n');
  for (const secret of [PASSWORD, 'the password of bob', 'another password', invitation, ...recovery])
    for (const spelled of [secret, secret.replaceAll('-', ''), Buffer.from(secret).toString('base64')])
      assert.ok(!text.includes(spelled), spelled);
  assert.doesNotMatch(JSON.stringify(book.accounts), /hash|salt|secret"|digest/);
});

for (const landed of [false, true])
  test(`an account whose append failed (${landed ? 'landed' : 'lost'}) was not promised`, async () => {
    const { book, log } = openBench();
    log.faults.failAt(1, landed);
    await assert.rejects(book.createAccount({ handle: 'ann', password: PASSWORD }), {
      code: 'storage-failed',
    });
    assert.equal(await book.verifyPassword('ann', PASSWORD), landed);
    assert.equal(book.account('ann')?.hasPassword, landed ? true : undefined);
  });
