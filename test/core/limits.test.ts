import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EnvironmentTokens } from '../../core/environment-tokens.ts';
import { limitHeaders, overLimit, quotaOf } from '../../core/limits.ts';
import { clientAddress, within } from '../../core/networks.ts';
import { anActor } from '../support/registry.ts';

const limits = { withToken: 1000, anonymous: 100 };

test('a good credential has the limit of tokens, nobody that of addresses', () => {
  assert.deepEqual(quotaOf(limits, { ...anActor('ann'), tokenId: 'id-1' }, '192.0.2.1'), {
    policy: 'token',
    limit: 1000,
    key: 'token:id-1',
  });
  assert.deepEqual(quotaOf(limits, undefined, '192.0.2.1'), {
    policy: 'anonymous',
    limit: 100,
    key: 'address:192.0.2.1',
  });
  assert.equal(quotaOf(limits, undefined, undefined).key, 'address:unknown');
});

test('tokens count apart, passwords of an account together, and no key holds a secret or a long name', () => {
  const key = (actor: Parameters<typeof quotaOf>[1]): string => quotaOf(limits, actor, undefined).key;
  assert.notEqual(key({ ...anActor('ann'), tokenId: '1' }), key({ ...anActor('ann'), tokenId: '2' }));
  assert.equal(key(anActor('ann')), key(anActor('ann', ['read'])));
  assert.notEqual(key(anActor('ann')), key(anActor('bob')));
  const place = { ecosystem: 'npm', namespace: `@${'a'.repeat(90)}` } as const;
  const tokens = new EnvironmentTokens([
    { ...place, token: 'the-first-of-them', said: '1' },
    { ...place, token: 'the-second-of-them', said: '2' },
  ]);
  const first = key(tokens.actorOf('the-first-of-them'));
  assert.equal(first, key(tokens.actorOf('the-second-of-them')));
  assert.ok(first.length < 50 && !first.includes('first'));
});

test('addresses of IPv6 count by their network', () => {
  const rows: readonly (readonly [address: string, key: string])[] = [
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::ffff:1', '2001:db8:0:0::/64'],
    ['2001:0db8:0:0:1:2:3:4', '2001:db8:0:0::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ];
  for (const [address, network] of rows)
    assert.equal(quotaOf(limits, undefined, address).key, `address:${network}`, address);
});

test('an answer tells of the window in both forms, and times are never too early', () => {
  const quota = quotaOf(limits, undefined, '192.0.2.1');
  const taken = { accepted: false, remaining: 0, endsInMs: 36_001 };
  const now = Date.parse('2026-01-02T03:04:23.500Z');
  assert.deepEqual(limitHeaders(quota, taken, now), {
    'x-ratelimit-limit': '100',
    'x-ratelimit-remaining': '0',
    'x-ratelimit-reset': '1767323100',
    'ratelimit-policy': '"anonymous";q=100;w=60',
    ratelimit: '"anonymous";r=0;t=37',
  });
  const refusal = overLimit(quota, taken);
  assert.equal(refusal.code, 'rate-limited');
  assert.equal(refusal.retryAfterSeconds, 37);
  assert.match(refusal.message, /100 a minute .* 37 seconds; a token allows more/);
  assert.equal(overLimit(quota, { ...taken, endsInMs: 0 }).retryAfterSeconds, 1);
});

test('a client is who the last proxy of ours says it is', () => {
  const isProxy = within(['10.0.0.0/8', '2001:db8:1::/48']);
  const rows: readonly (readonly [
    connection: string | undefined,
    header: string | undefined,
    client: string | undefined,
  ])[] = [
    ['198.51.100.7', undefined, '198.51.100.7'],
    // Who is no proxy is not believed.
    ['198.51.100.7', '192.0.2.1', '198.51.100.7'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '192.0.2.1', '192.0.2.1'],
    // What stands further left was made up by the client.
    ['10.0.0.1', '203.0.113.9, 192.0.2.1', '192.0.2.1'],
    ['10.0.0.1', '10.9.9.9, 192.0.2.1', '192.0.2.1'],
    ['10.0.0.1', '203.0.113.9,192.0.2.1 , 10.0.0.2', '192.0.2.1'],
    ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['10.0.0.1', '192.0.2.1, unknown', '10.0.0.1'],
    ['10.0.0.1', '192.0.2.1, unknown, 10.0.0.2', '10.0.0.2'],
    ['10.0.0.1', '192.0.2.1:443', '10.0.0.1'],
    ['10.0.0.1', '', '10.0.0.1'],
    ['10.0.0.1', ', ,', '10.0.0.1'],
    ['::ffff:10.0.0.1', '::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1::1', '2001:db8:2::1', '2001:db8:2::1'],
    [undefined, '192.0.2.1', undefined],
  ];
  for (const [connection, header, client] of rows)
    assert.equal(clientAddress(connection, header, isProxy), client, `${connection} ${header}`);
  assert.equal(clientAddress('10.0.0.1', '192.0.2.1', within([])), '10.0.0.1');
});
