import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviceUri, recoveryCodeFrom, recoveryDigest, secretFrom, stepOf } from '../../core/second-factor.ts';
import { codeAt } from '../support/totp.ts';

/** `12345678901234567890` of RFC 6238, appendix B, as base32. */
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

test('codes are those of RFC 6238', () => {
  // Appendix B, with six digits instead of eight.
  const rows = [
    [59, '287082'],
    [1111111109, '081804'],
    [1111111111, '050471'],
    [1234567890, '005924'],
    [2000000000, '279037'],
    [20000000000, '353130'],
  ] as const;
  for (const [seconds, code] of rows) {
    assert.equal(stepOf(SECRET, code, seconds * 1000), Math.floor(seconds / 30));
    assert.equal(codeAt(SECRET, seconds * 1000), code, 'what the tests make themselves');
  }
});

test('a code is good one step early and one step late, and says which step it is of', () => {
  const now = 1234567890_000;
  const step = Math.floor(now / 30_000);
  for (const away of [-1, 0, 1])
    assert.equal(stepOf(SECRET, codeAt(SECRET, now + away * 30_000), now), step + away);
  for (const away of [-2, 2])
    assert.equal(stepOf(SECRET, codeAt(SECRET, now + away * 30_000), now), undefined);
});

test('what is no code of six digits is none', () => {
  const now = 59_000;
  assert.equal(stepOf(SECRET, '287 082', now), 1, 'as devices show it');
  for (const code of [
    '',
    '28708',
    '2870822',
    '28708x',
    '287082\n',
    '94287082',
    '٢٨٧٠٨٢',
    'x'.repeat(100_000),
  ])
    assert.equal(stepOf(SECRET, code, now), undefined, code.slice(0, 20));
});

test('a secret has 160 bits, and is told to a device with its issuer and handle', () => {
  const secret = secretFrom('chance');
  assert.match(secret, /^[A-Z2-7]{32}$/);
  assert.notEqual(secret, secretFrom('another'));
  const uri = new URL(deviceUri(secret, { issuer: 'registry.example', handle: 'ann' }));
  assert.equal(uri.protocol, 'otpauth:');
  assert.equal(uri.host, 'totp');
  assert.deepEqual(Object.fromEntries(uri.searchParams), {
    issuer: 'registry.example',
    secret,
    algorithm: 'SHA1',
    digits: '6',
    period: '30',
  });
});

test('a recovery code is known however it was typed', () => {
  const code = recoveryCodeFrom('chance');
  assert.match(code, /^[0-9a-f]{5}(-[0-9a-f]{5}){3}$/);
  for (const typed of [code.toUpperCase(), code.replaceAll('-', ''), ` ${code.replaceAll('-', ' ')}\n`])
    assert.equal(recoveryDigest(typed), recoveryDigest(code));
  assert.notEqual(recoveryDigest(code.slice(1)), recoveryDigest(code));
});
