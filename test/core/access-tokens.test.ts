import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeJwt, decodeProtectedHeader, jwtVerify, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import type { Access, VerifiedToken, WantedAccess } from '../../core/access-tokens.ts';
import { operator, type Actor } from '../../core/permission.ts';
import { looksSigned } from '../../core/signed-claims.ts';
import { openTokenBench, type TokenBench } from '../support/access-tokens.ts';
import { codeAt } from '../support/totp.ts';

const AUDIENCE = 'registry.example';
const PASSWORD = 'correct horse battery';
const pull: readonly Access[] = [{ type: 'repository', name: 'acme/app', actions: ['pull'] }];

interface Issued extends TokenBench {
  issue(actor: Actor | undefined, wanted?: Partial<WantedAccess>): Promise<string>;
  verify(token: string): Promise<VerifiedToken | 'expired' | 'invalid'>;
}

function openBench(): Issued {
  const bench = openTokenBench();
  return {
    ...bench,
    async issue(actor, wanted) {
      const made = { actor, access: pull, carriesScopes: false, audience: AUDIENCE, ...wanted };
      return (await bench.tokens.issue(made)).token;
    },
    verify: (token) => bench.tokens.verify(token, AUDIENCE),
  };
}

const ofAnn = { handle: 'ann', label: '', scopes: ['read', 'publish'] } as const;

async function annByToken({ book }: TokenBench): Promise<Actor> {
  await book.addToken('a-token-of-ann', ofAnn);
  return book.actorOf('a-token-of-ann') ?? assert.fail();
}

async function annByPassword({ book }: TokenBench): Promise<Actor> {
  await book.createAccount({ handle: 'ann', password: PASSWORD });
  return book.actorByPassword('ann');
}

function assertGood(verified: VerifiedToken | 'expired' | 'invalid', message?: string): VerifiedToken {
  if (typeof verified === 'string') assert.fail(`${message ?? 'the token'} is ${verified}`);
  return verified;
}

test('a token says who signed it, for whom, for how long, and what it is good for', async () => {
  const bench = openBench();
  bench.clock.time = Date.parse('2026-02-01T09:00:00.999Z');
  const actor = await annByToken(bench);
  const issued = await bench.tokens.issue({ actor, audience: AUDIENCE, access: pull, carriesScopes: false });
  const { token, ...rest } = issued;
  assert.deepEqual(rest, { expiresInSeconds: 300, issuedAt: '2026-02-01T09:00:00.000Z' });
  const [key] = bench.keys.all;
  assert.deepEqual(decodeProtectedHeader(token), { alg: 'EdDSA', kid: key?.id, typ: 'JWT' });
  const { jti, ...claims } = decodeJwt(token);
  assert.match(String(jti), /^[0-9a-f]{32}$/);
  const at = Date.parse('2026-02-01T09:00:00Z') / 1000;
  assert.deepEqual(claims, {
    iss: 'https://registry.example',
    sub: 'ann',
    aud: AUDIENCE,
    iat: at,
    nbf: at,
    exp: at + 300,
    access: pull,
    tid: actor.tokenId,
  });
  assert.ok(looksSigned(token));
});

test('what it is good for comes back, without the scopes of the credential and within its limits', async () => {
  const bench = openBench();
  const limits = [{ ecosystem: 'npm' as const, namespace: '@acme' }];
  const { tokenId } = await bench.book.addToken('narrow', { ...ofAnn, limits });
  const token = await bench.issue(bench.book.actorOf('narrow'));
  assert.deepEqual(await bench.verify(token), {
    actor: {
      handle: 'ann',
      scopes: new Set(),
      limits,
      tokenId,
      byAccessToken: { scopes: new Set(ofAnn.scopes) },
    },
    access: pull,
  });
});

test('a token that carries the scopes is good for all that its credential is good for', async () => {
  const bench = openBench();
  const wanted = { access: [], carriesScopes: true };
  const byToken = await bench.verify(await bench.issue(await annByToken(bench), wanted));
  assert.deepEqual(assertGood(byToken).actor?.scopes, new Set(['read', 'publish']));
  assert.deepEqual(assertGood(byToken).access, []);
  await bench.book.setPassword('ann', PASSWORD);
  const byPassword = await bench.verify(await bench.issue(bench.book.actorByPassword('ann'), wanted));
  assert.deepEqual(
    assertGood(byPassword).actor?.scopes,
    new Set(['read', 'publish', 'yank', 'owner', 'tokens']),
  );
});

test('a token never has scopes that its credential has not', async () => {
  const bench = openBench();
  const token = await bench.issue(await annByToken(bench), { carriesScopes: true });
  const [key] = bench.keys.all;
  const more = await new SignJWT({ ...decodeJwt(token), scopes: ['admin', 'publish', 'yank'] })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid: String(key?.id) })
    .sign(key?.privateKey ?? assert.fail());
  assert.deepEqual(assertGood(await bench.verify(more)).actor?.scopes, new Set(['publish']));
});

test('nobody may have a token as well', async () => {
  const bench = openBench();
  const token = await bench.issue(undefined, { carriesScopes: true });
  assert.equal(decodeJwt(token).sub, '');
  assert.equal(decodeJwt(token)['scopes'], undefined);
  assert.deepEqual(await bench.verify(token), { actor: undefined, access: pull });
});

test('no token says anything of a secret', async () => {
  const bench = openBench();
  const administrator = { handle: 'admin', token: 'secret-of-the-environment' };
  const tokens = bench.again({ administrator });
  const wanted = { audience: AUDIENCE, access: pull, carriesScopes: true };
  const byPassword = await annByPassword(bench);
  const { salt, hash } = bench.book.passwordHash('ann') ?? assert.fail();
  for (const actor of [byPassword, operator('admin')]) {
    const { token } = await tokens.issue({ ...wanted, actor });
    const text = JSON.stringify([decodeJwt(token), decodeProtectedHeader(token)]);
    for (const secret of [PASSWORD, administrator.token, salt, hash]) assert.ok(!text.includes(secret), text);
  }
});

test('others can verify it with the public keys alone', async () => {
  const bench = openBench();
  assert.deepEqual(bench.tokens.publicKeys(), { keys: [] });
  const token = await bench.issue(undefined);
  const { keys } = bench.tokens.publicKeys();
  assert.deepEqual(
    keys.map((key) => Object.keys(key).sort()),
    [['alg', 'crv', 'kid', 'kty', 'use', 'x']],
  );
  const key = createPublicKey({ key: keys[0] as JsonWebKey, format: 'jwk' });
  const { payload } = await jwtVerify(token, key, { currentDate: new Date(bench.clock.time) });
  assert.deepEqual(payload['access'], pull);
});

test('every forged token is refused, and none is called expired', async (t) => {
  const bench = openBench();
  const token = await bench.issue(await annByToken(bench), { carriesScopes: true });
  const [key] = bench.keys.all;
  assert.ok(key);
  const claims = decodeJwt(token);
  const header = decodeProtectedHeader(token) as { alg: string; kid: string; typ: string };
  const [head = '', body = '', signature = ''] = token.split('.');
  const coded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const sign = (payload: JWTPayload, over: object = {}, by: KeyObject | Uint8Array = key.privateKey) =>
    new SignJWT(payload).setProtectedHeader({ ...header, ...over }).sign(by);
  const without = (claim: string): JWTPayload => {
    const { [claim]: _left, ...rest } = claims;
    return rest;
  };
  const stranger = generateKeyPairSync('ed25519');
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = key.publicKey.export({ type: 'spki', format: 'pem' });
  const raw = Buffer.from(String(key.publicKey.export({ format: 'jwk' }).x), 'base64url');
  const jwk = stranger.publicKey.export({ format: 'jwk' });
  const old = { ...claims, iat: 1, nbf: 1, exp: 2 };

  assertGood(await bench.verify(await sign(claims)), 'what these are made of');
  const forged: Record<string, string> = {
    'alg none': new UnsecuredJWT(claims).encode(),
    'alg none, with our kid': `${coded({ ...header, alg: 'none' })}.${body}.`,
    'alg none, with a signature': `${coded({ ...header, alg: 'none' })}.${body}.${signature}`,
    'HS256 with the public key as PEM': await sign(claims, { alg: 'HS256' }, Buffer.from(spki)),
    'HS256 with the bytes of the public key': await sign(claims, { alg: 'HS256' }, raw),
    'HS256 with the key id': await sign(claims, { alg: 'HS256' }, Buffer.from(key.id.padEnd(32))),
    ES256: await sign(claims, { alg: 'ES256' }, p256.privateKey),
    'another key under our kid': await sign(claims, {}, stranger.privateKey),
    'another key under its own kid': await sign(claims, { kid: 'f'.repeat(16) }, stranger.privateKey),
    'a key that the header brings': await sign(claims, { jwk, kid: undefined }, stranger.privateKey),
    'an expired one by another key': await sign(old, {}, stranger.privateKey),
    'an unknown kid': await sign(claims, { kid: '0'.repeat(16) }),
    'no kid': await sign(claims, { kid: undefined }),
    'a kid that is no text': `${coded({ ...header, kid: [key.id] })}.${body}.${signature}`,
    'a kid that is a path': await sign(claims, { kid: `../access/${key.id}` }),
    'another typ': await sign(claims, { typ: 'at+jwt' }),
    'no typ': await sign(claims, { typ: undefined }),
    'an extension that nobody knows': await sign(claims, { crit: ['x'], x: 1 }).catch(
      () => `${coded({ ...header, crit: ['x'], x: 1 })}.${body}.${signature}`,
    ),
    'another audience': await sign({ ...claims, aud: 'elsewhere.example' }),
    'another audience, expired': await sign({ ...old, aud: 'elsewhere.example' }),
    'no audience': await sign(without('aud')),
    'another issuer': await sign({ ...claims, iss: 'https://elsewhere.example' }),
    'no issuer': await sign(without('iss')),
    'no end': await sign(without('exp')),
    'no beginning': await sign(without('nbf')),
    'no time of making': await sign(without('iat')),
    'no subject': await sign(without('sub')),
    'an end that is a text': await sign({ ...claims, exp: '9999999999' as unknown as number }),
    'another subject': `${head}.${coded({ ...claims, sub: 'bob' })}.${signature}`,
    'more access': `${head}.${coded({ ...claims, access: [{ ...pull[0], actions: ['*'] }] })}.${signature}`,
    'a later end': `${head}.${coded({ ...claims, exp: 9_999_999_999 })}.${signature}`,
    'no signature': `${head}.${body}.`,
    'a signature cut short': token.slice(0, -2),
    'a letter too many': `${token}A`,
    'a part too many': `${token}.${signature}`,
    'a part too few': `${head}.${body}`,
    'five parts': `${head}.${body}.${signature}.${body}.${signature}`,
    'a list of claims': `${head}.${coded([claims])}.${signature}`,
    'two tokens': `${token},${token}`,
    'a space': `${token} `,
    nothing: '',
    dots: '..',
  };
  for (const [name, text] of Object.entries(forged))
    await t.test(name, async () => assert.equal(await bench.verify(text), 'invalid', text));
});

test('no text makes verifying fail in another way', async () => {
  const bench = openBench();
  const token = await bench.issue(undefined);
  const parts = token.split('.');
  const part = fc.oneof(
    fc.string(),
    fc.constantFrom('', ...parts),
    fc
      .dictionary(fc.constantFrom('alg', 'kid', 'typ', 'crit', 'b64', 'exp'), fc.jsonValue(), { minKeys: 1 })
      .map((value) => Buffer.from(JSON.stringify(value)).toString('base64url')),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 5 }), async (wanted) => {
      const text = wanted.join('.');
      assert.equal(typeof (await bench.verify(text)), text === token ? 'object' : 'string');
    }),
    { numRuns: 1000 },
  );
});

test('a token is good from a minute before its time to a minute after its end', async () => {
  const bench = openBench();
  bench.clock.time = Date.parse('2026-02-01T09:00:00.000Z');
  const made = bench.clock.time;
  const token = await bench.issue(await annByToken(bench));
  const rows = [
    [-61, 'invalid'],
    [-60, 'good'],
    [0, 'good'],
    [300, 'good'],
    [359, 'good'],
    [360, 'expired'],
    [86_400, 'expired'],
  ] as const;
  for (const [seconds, expected] of rows) {
    bench.clock.time = made + seconds * 1000;
    const verified = await bench.verify(token);
    assert.equal(typeof verified === 'string' ? verified : 'good', expected, `after ${seconds} seconds`);
  }
});

test('a token outlives a restart, and nothing that a restart brings with it', async () => {
  const bench = openBench();
  const token = await bench.issue(await annByToken(bench));
  assertGood(await bench.again().verify(token, AUDIENCE));
  assert.equal(await bench.again().verify(token, 'elsewhere.example'), 'invalid');
  const renamed = bench.again({ issuer: () => 'https://elsewhere.example' });
  assert.equal(await renamed.verify(token, AUDIENCE), 'invalid');
});

test('a token ends with the token that it was made with, at once', async () => {
  const bench = openBench();
  const expiresAt = new Date(bench.clock.time + 60_000).toISOString();
  await bench.book.addToken('short', { ...ofAnn, expiresAt });
  const actor = await annByToken(bench);
  const [token, short] = [await bench.issue(actor), await bench.issue(bench.book.actorOf('short'))];
  assertGood(await bench.verify(short));
  bench.clock.time += 60_000;
  assert.equal(await bench.verify(short), 'invalid', 'the other one has expired');
  assertGood(await bench.verify(token));
  await bench.book.revokeToken(actor.tokenId ?? '', 'ann');
  assert.equal(await bench.verify(token), 'invalid');
});

test('a token ends with the password that it was made with, at once', async () => {
  const bench = openBench();
  const token = await bench.issue(await annByPassword(bench));
  assertGood(await bench.verify(token));
  await bench.book.setPassword('ann', 'another password');
  assert.equal(await bench.verify(token), 'invalid');
  // Never the same salt: the mark of a password does not come back with it.
  await bench.book.setPassword('ann', PASSWORD);
  assert.equal(await bench.verify(token), 'invalid');
});

test('a token that was made with a token does not mind another password', async () => {
  const bench = openBench();
  const token = await bench.issue(await annByToken(bench));
  await bench.book.setPassword('ann', PASSWORD);
  assertGood(await bench.verify(token));
});

test('a token ends with its account', async () => {
  const bench = openBench();
  const byToken = await bench.issue(await annByToken(bench));
  await bench.book.setPassword('ann', PASSWORD);
  const byPassword = await bench.issue(bench.book.actorByPassword('ann'));
  const { book } = bench;
  const isGone = { ...bound(book), account: () => undefined };
  for (const token of [byToken, byPassword])
    assert.equal(await bench.again({ accounts: isGone }).verify(token, AUDIENCE), 'invalid');
});

/** Methods that can be spread. */
function bound(book: TokenBench['book']) {
  return {
    account: (handle: string) => book.account(handle),
    passwordHash: (handle: string) => book.passwordHash(handle),
    actorByPassword: (handle: string) => book.actorByPassword(handle),
    actorByTokenId: (...args: Parameters<typeof book.actorByTokenId>) => book.actorByTokenId(...args),
  };
}

test('a token of the environment makes tokens without an account, and they end when it is another one', async () => {
  const bench = openBench();
  const environment = (token: string) => bench.again({ administrator: { handle: 'admin', token } });
  const wanted = { actor: operator('admin'), audience: AUDIENCE, access: pull, carriesScopes: true };
  // A key that the restarts after it find as well.
  await bench.issue(undefined);
  const { token } = await environment('first').issue(wanted);
  const { actor } = assertGood(await environment('first').verify(token, AUDIENCE));
  assert.deepEqual([actor?.handle, actor?.scopes.has('admin')], ['admin', true]);
  assert.equal(await environment('second').verify(token, AUDIENCE), 'invalid');
  assert.equal(await bench.tokens.verify(token, AUDIENCE), 'invalid', 'there is none');
  const renamed = bench.again({ administrator: { handle: 'root', token: 'first' } });
  assert.equal(await renamed.verify(token, AUDIENCE), 'invalid');
});

test('a token is good from where its credential is good', async () => {
  const bench = openBench();
  await bench.book.addToken('from-here', { ...ofAnn, addresses: ['192.0.2.0/24'] });
  const token = await bench.issue(bench.book.actorOf('from-here', { address: '192.0.2.7' }));
  assertGood(await bench.tokens.verify(token, AUDIENCE, { address: '192.0.2.8' }));
  await assert.rejects(bench.tokens.verify(token, AUDIENCE, { address: '198.51.100.1' }), {
    code: 'token-invalid',
    message: /from where the request comes/,
  });
  await assert.rejects(bench.verify(token), { code: 'token-invalid' });
});

test('a token makes no other one, or it would never end', async () => {
  const bench = openBench();
  const token = await bench.issue(await annByToken(bench), { carriesScopes: true });
  const { actor } = assertGood(await bench.verify(token));
  await assert.rejects(bench.issue(actor && { ...actor }), {
    code: 'token-invalid',
    message: /makes no other one/,
  });
});

test('with a second factor tokens make tokens and passwords make none', async () => {
  const bench = openBench();
  const early = await bench.issue(await annByPassword(bench));
  const actor = await annByToken(bench);
  for (const mode of ['auth-only', 'auth-and-writes'] as const) {
    const { secret } = bench.book.startSecondFactor('ann', mode);
    await bench.book.confirmSecondFactor('ann', codeAt(secret, bench.clock.time));
    const byPassword = bench.book.actorByPassword('ann');
    for (const known of [byPassword, { ...byPassword, secondFactor: 'given' as const }])
      await assert.rejects(bench.issue(known), { code: 'second-factor-required', message: /use a token/ });
    assert.equal(await bench.verify(early), 'invalid', 'a password alone would no longer do');
    const token = await bench.issue(bench.book.actorOf('a-token-of-ann'));
    assert.equal(assertGood(await bench.verify(token)).actor?.tokenId, actor.tokenId);
    await bench.book.removeSecondFactor('ann');
    bench.clock.time += 120_000;
  }
});
