import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWithin, plainAddress, requireNetworks } from '../../core/networks.ts';

test('an address is within a network by its bits, whatever its family and spelling', () => {
  const rows: readonly (readonly [address: string | undefined, networks: string[], isIn: boolean])[] = [
    ['192.0.2.7', ['192.0.2.0/24'], true],
    ['192.0.3.7', ['192.0.2.0/24'], false],
    ['::ffff:192.0.2.7', ['192.0.2.0/24'], true],
    ['::FFFF:192.0.2.7', ['192.0.2.0/24'], true],
    ['::ffff:c000:207', ['192.0.2.0/24'], true],
    ['::ffff:192.0.3.7', ['192.0.2.0/24'], false],
    ['2001:db8::1', ['2001:db8::/32'], true],
    ['2001:0DB8:0:0:0:0:0:1', ['2001:db8::1'], true],
    ['2001:db9::1', ['2001:db8::/32'], false],
    ['fe80::1%eth0', ['fe80::/10'], true],
    ['192.0.2.7', ['2001:db8::/32', '192.0.2.7'], true],
    ['192.0.2.8', ['2001:db8::/32', '192.0.2.7'], false],
    ['192.0.2.7', ['0.0.0.0/0'], true],
    ['2001:db8::1', ['0.0.0.0/0'], false],
    [undefined, ['0.0.0.0/0', '::/0'], false],
    ['', ['0.0.0.0/0', '::/0'], false],
    ['nowhere', ['0.0.0.0/0', '::/0'], false],
  ];
  for (const [address, networks, isIn] of rows) {
    requireNetworks(networks);
    assert.equal(isWithin(address, networks), isIn, `${address} in ${networks.join(', ')}`);
  }
});

test('what is no network is refused by name', () => {
  for (const text of [
    '',
    'localhost',
    '192.0.2.0/33',
    '192.0.2.0/-1',
    '192.0.2.0/',
    '192.0.2.0/24/1',
    '192.0.2/24',
    '2001:db8::/129',
    '::ffff:192.0.2.0/120',
    ' 192.0.2.0/24',
    'fe80::1%eth0',
  ])
    assert.throws(() => requireNetworks(['192.0.2.1', text]), {
      code: 'bad-request',
      message: new RegExp(`^${JSON.stringify(text).replaceAll(/[/.]/g, '\\$&')} is no network`),
    });
  assert.throws(() => requireNetworks([]), { code: 'bad-request' });
  assert.throws(() => requireNetworks(Array(65).fill('192.0.2.1')), { code: 'bad-request' });
});

test('an IPv4 address is one address, whichever socket saw it', () => {
  assert.equal(plainAddress('::ffff:192.0.2.7'), '192.0.2.7');
  assert.equal(plainAddress('192.0.2.7'), '192.0.2.7');
  assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
});
