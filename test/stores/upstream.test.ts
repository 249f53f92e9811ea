/** What every `Upstream` promises, and which hosts the real one may be sent to. What it endures: `api/npm-fallback-hostile`. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Upstream, UpstreamAsk } from '../../core/ports.ts';
import { isGlobalAddress } from '../../stores/global-addresses.ts';
import { MemoryUpstream } from '../../stores/memory.ts';
import { HttpUpstream } from '../../stores/upstream-http.ts';
import { eventually } from '../support/eventually.ts';
import { openFakeUpstream, says } from '../support/fake-upstream.ts';

interface Harness {
  readonly upstream: Upstream;
  put(at: string, text: string, etag: string): void;
  /** Requests whose answers are held. */
  active(): number;
}

async function overHttp(t: TestContext): Promise<Harness> {
  const fake = await openFakeUpstream(t);
  const upstream = new HttpUpstream({ url: fake.url, archives: 'stream', userAgent: 'test' });
  t.after(() => upstream.close());
  return {
    upstream,
    active: () => upstream.active,
    put(at, text, etag) {
      fake.answers.set(`/${at}`, (request, response) => {
        if (request.headers['if-none-match'] === etag) return void response.writeHead(304).end();
        says(text, { etag })(request, response);
      });
    },
  };
}

async function inMemory(): Promise<Harness> {
  const upstream = new MemoryUpstream();
  return {
    upstream,
    active: () => upstream.open,
    put: (at, text, etag) => void upstream.contents.set(at, { text, etag }),
  };
}

const ask = (at: string, over: Partial<UpstreamAsk> = {}): UpstreamAsk => ({
  at,
  kind: 'document',
  accept: 'application/json',
  hops: 0,
  ...over,
});

for (const [kind, open] of [
  ['over HTTP', overHttp],
  ['in memory', inMemory],
] as const)
  test(`an upstream ${kind}: what is there, what is not, what has not changed; and all is let go`, async (t) => {
    const { upstream, put, active } = await open(t);
    put('@a%2fb', 'a text of some length', '"1"');
    for (const kind of ['document', 'archive'] as const) {
      const found = await upstream.get(ask('@a%2fb', { kind }));
      assert.ok(found.found, 'it is there');
      assert.equal(found.etag, '"1"');
      assert.equal(active(), 1);
      const pieces: Uint8Array[] = [];
      for await (const piece of found.body) pieces.push(piece);
      assert.equal(Buffer.concat(pieces).toString(), 'a text of some length');
      assert.deepEqual(await found.body.next(), { done: true, value: undefined }, 'once');
      const left = await upstream.get(ask('@a%2fb', { kind, ifNoneMatch: '"0"' }));
      assert.ok(left.found, 'it has changed');
      // Before the first piece, and twice.
      await left.body.return?.();
      await left.body.return?.();
      const same = await upstream.get(ask('@a%2fb', { kind, ifNoneMatch: '"1"' }));
      assert.deepEqual(same, { found: false, because: 'unchanged' });
      assert.deepEqual(await upstream.get(ask('none', { kind })), { found: false, because: 'missing' });
      await eventually(async () => assert.equal(active(), 0));
    }
    assert.equal(upstream.locate('a/-/b.tgz'), `${upstream.url}/a/-/b.tgz`);
  });

test('addresses of this machine, of its network and of nobody are told from those of the world', () => {
  const rows = {
    global: ['1.1.1.1', '172.15.0.1', '172.32.0.1', '192.167.1.1', '2606:4700::1111', '2a00::1'],
    local: [
      ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.0.1', '169.254.169.254', '172.16.0.1'],
      ...['172.31.255.255', '192.168.0.1', '198.18.0.1', '224.0.0.1', '255.255.255.255', '::', '::1'],
      ...[
        '::ffff:127.0.0.1',
        '::ffff:8.8.8.8',
        '64:ff9b::7f00:1',
        'fc00::1',
        'fd12::1',
        'fe80::1',
        'ff02::1',
      ],
      ...['2001:db8::1', '2002:7f00:1::', '2001::1', 'no address'],
    ],
  };
  for (const address of rows.global) assert.equal(isGlobalAddress(address), true, address);
  for (const address of rows.local) assert.equal(isGlobalAddress(address), false, address);
});
