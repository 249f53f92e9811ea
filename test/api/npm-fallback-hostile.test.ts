/** An upstream that is slow, down or hostile harms nothing else. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { eventually } from '../support/eventually.ts';
import { openFakeUpstream, packumentText, says, type Answering } from '../support/fake-upstream.ts';
import { send, type Answer } from '../support/http.ts';
import { assertNpmError } from '../support/npm-api.ts';
import { impatient, openWithFallback } from '../support/npm-fallback.ts';
import { startServer } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const never: Answering = () => undefined;
const good = packumentText('p', ['1.0.0'], () => 'x');

/** A document that begins well and goes on for as long as anybody reads. */
const endless: Answering = (_request, response) => {
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .write('{"name":"p","versions":{},"readme":"');
  const block = Buffer.alloc(64 * 1024, 'x');
  const more = (): void => {
    while (!response.destroyed && response.write(block));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
};

const trickle: Answering = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).write('{"name":"p"');
  const drip = setInterval(() => response.write(' '), 50);
  response.once('close', () => clearInterval(drip));
};

const redirectTo =
  (location: string, status = 302): Answering =>
  (_request, response) =>
    void response.writeHead(status, { location }).end();

const brokenOff: Answering = (_request, response) => {
  response.writeHead(200, { 'content-length': '1000' }).write('{"name":');
  setTimeout(() => response.destroy(), 20);
};

test('whatever is wrong with the upstream is said in the envelope of npm, and in time', async (t) => {
  const limits = { ...impatient, breaker: { maxFailures: 1_000, pauseMs: 1 } };
  const { upstream, get } = await openWithFallback(t, { limits, tarballs: 'stream' });
  const truncated = gzipSync(good).subarray(0, 60);
  const gzip = { 'content-encoding': 'gzip' };
  const rows: readonly (readonly [what: string, answering: Answering, status: number])[] = [
    ['never an answer', never, 504],
    ['headers, and then nothing', (_q, response) => response.writeHead(200).flushHeaders(), 504],
    ['a trickle', trickle, 504],
    ['broken off', brokenOff, 502],
    ['500', says('{}', {}, 500), 502],
    ['503', says('{}', {}, 503), 502],
    ['429', says('{}', {}, 429), 502],
    ['201', says('{}', {}, 201), 502],
    ['204', (_q, response) => response.writeHead(204).end(), 502],
    ['a status that nobody knows', says('{}', {}, 399), 502],
    ['403', says('{}', {}, 403), 404],
    ['404', says('{}', {}, 404), 404],
    ['an unasked 304', (_q, response) => response.writeHead(304).end(), 404],
    ['a closed connection', (request) => request.socket.destroy(), 502],
    ['no HTTP', (request) => request.socket.end('hello\r\n\r\n'), 502],
    [
      'headers without end',
      (request) => request.socket.write(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`),
      502,
    ],
    ['a circle of redirects', redirectTo('/p'), 502],
    ['a redirect to a file', redirectTo('file:///etc/passwd'), 502],
    ['a redirect to data', redirectTo('data:application/json,{}'), 502],
    ['a redirect to nowhere', (_q, response) => response.writeHead(302).end(), 502],
    ['a redirect into our network', redirectTo('http://169.254.169.254/latest/meta-data'), 502],
    ['a redirect to this machine', redirectTo('http://[::1]:1/'), 502],
    ['the same, wrapped', redirectTo('http://[::ffff:127.0.0.1]:1/'), 502],
    ['the same, in octal', redirectTo('http://0177.0.0.1:1/'), 502],
    ['the same, by a name', redirectTo('http://localhost:1/'), 502],
    ['another port of its own machine', redirectTo(`http://127.0.0.1:1/`), 502],
    ['truncated gzip', says(truncated, gzip), 502],
    ['no gzip', says(good, gzip), 502],
    ['an encoding nobody asked for', says(good, { 'content-encoding': 'zstd' }), 502],
    [
      'a length over the limit',
      (_q, r) => void r.writeHead(200, { 'content-length': '99999999999' }).write('{'),
      502,
    ],
    ['nothing', says(''), 502],
    ['HTML', says('<html>', { 'content-type': 'text/html' }), 502],
    ['a list', says('[]'), 502],
    ['half a document', says(good.slice(0, -10)), 502],
    ['two documents', says(good + good), 502],
    ['nested without end', says(`{"a":${'['.repeat(100_000)}`), 502],
    ['a key without end', says(`{"${'k'.repeat(100_000)}`), 502],
  ];
  for (const [what, answering, status] of rows) {
    upstream.answers.set('/p', answering);
    const answer = await get('/p');
    assert.equal(answer.status, status, `${what}: ${answer.status} ${answer.text}`);
    assertNpmError(answer, status);
    assert.doesNotMatch(answer.text, /127\.0\.0\.1|169\.254|passwd/, what);
  }
  // The other things that are asked for go the same way.
  for (const [answering, status] of [
    [says('{}', {}, 500), 502],
    [never, 504],
  ] as const)
    for (const [path, asked] of [
      ['/p/1.0.0', '/p/1.0.0'],
      ['/-/package/p/dist-tags', '/-/package/p/dist-tags'],
      ['/p/-/p-1.0.0.tgz', '/p/-/p-1.0.0.tgz'],
    ] as const) {
      upstream.answers.set(asked, answering);
      assertNpmError(await get(path), status);
    }
  for (const tags of ['[]', 'x', `{"a":"${'x'.repeat(2_000_000)}"}`]) {
    upstream.answers.set('/-/package/p/dist-tags', says(tags));
    assertNpmError(await get('/-/package/p/dist-tags'), 502);
  }
  upstream.answers.set('/p', says(good));
  assert.equal((await get('/p')).status, 200, 'and is forgotten when it is over');
});

test('what is too large, or breaks off later, ends the connection: no client takes a part for the whole', async (t) => {
  const limits = { ...impatient, document: { ...impatient.document, maxBytes: 1_000_000 } };
  const { upstream, get } = await openWithFallback(t, { limits });
  const bomb = gzipSync(
    Buffer.concat([Buffer.from('{"a":"'), Buffer.alloc(20_000_000, 'x'), Buffer.from('"}')]),
  );
  const nearlyAll = packumentText(
    'p',
    Array.from({ length: 2_000 }, (_, i) => `1.0.${i}`),
    () => 'x',
  ).slice(0, 500_000);
  for (const [what, answering] of [
    ['endless', endless],
    ['a bomb', says(bomb, { 'content-encoding': 'gzip' })],
    ['a good beginning', says(nearlyAll)],
  ] as const) {
    upstream.answers.set('/p', answering);
    await assert.rejects(get('/p'), { code: 'ECONNRESET' }, what);
  }
});

test('archives that a document names elsewhere: nobody is sent into our network, and nothing is fetched from there', async (t) => {
  const { port, hits } = await openTrap(t);
  for (const tarballs of ['redirect', 'stream'] as const) {
    const { upstream, get } = await openWithFallback(t, { tarballs, limits: impatient });
    const rows: readonly string[] = [
      `http://127.0.0.1:${port}/a.tgz`,
      `http://[::1]:${port}/a.tgz`,
      `http://2130706433:${port}/a.tgz`,
      'http://169.254.169.254/a.tgz',
      'http://10.0.0.1/a.tgz',
      'https://192.168.1.1/a.tgz',
      'http://[fd00::1]/a.tgz',
      'http://[::ffff:a00:1]/a.tgz',
      'file:///etc/passwd',
      'javascript:alert(1)',
      '//127.0.0.1/a.tgz',
      '../../a.tgz',
      '',
    ];
    for (const url of rows) {
      upstream.answers.set('/p', says(packumentText('p', ['1.0.0'], () => url)));
      const document = JSON.parse((await get('/p')).text) as {
        versions: Record<string, { dist: { tarball: string } }>;
      };
      const path = new URL(document.versions['1.0.0']?.dist.tarball ?? '').pathname;
      assert.equal(path, '/npm/p/-/=1.0.0.tgz', url);
      assertNpmError(await get('/p/-/=1.0.0.tgz'), 502);
    }
    if (tarballs === 'redirect') continue;
    // A name is only known once it is looked up, and then the address counts.
    upstream.answers.set('/p', says(packumentText('p', ['1.0.0'], () => `http://localhost:${port}/a.tgz`)));
    assertNpmError(await get('/p/-/=1.0.0.tgz'), 502);
    upstream.answers.set('/p/-/p-1.0.0.tgz', redirectTo(`http://localhost:${port}/a.tgz`));
    assertNpmError(await get('/p/-/p-1.0.0.tgz'), 502);
  }
  assert.equal(hits(), 0);
});

test('a redirect of an archive leads where the document says, also to another host, and keeps no password', async (t) => {
  const { upstream, get } = await openWithFallback(t);
  upstream.answers.set(
    '/p',
    says(packumentText('p', ['1.0.0'], () => 'https://u:p@files.example/a.tgz?b=c')),
  );
  const answer = await get('/p/-/=1.0.0.tgz?url=https://evil.example', {
    'x-forwarded-host': 'evil.example',
  });
  assert.deepEqual([answer.status, answer.headers['location']], [302, 'https://files.example/a.tgz?b=c']);
});

test('after failures in a row nobody waits for the next one; then one request finds out', async (t) => {
  const limits = { ...impatient, breaker: { maxFailures: 3, pauseMs: 1_000 } };
  const { upstream, get } = await openWithFallback(t, { limits });
  upstream.answers.set('/p', says('', {}, 500));
  for (let i = 0; i < 3; i += 1) assertNpmError(await get('/p'), 502, 'status 500');
  assertNpmError(await get('/p'), 502, 'several times');
  assertNpmError(await get('/other'), 502, 'several times');
  assert.equal(upstream.asked.length, 3);
  upstream.answers.set('/p', says(good));
  await eventually(async () => assert.equal((await get('/p')).status, 200));
  assert.equal((await get('/other')).status, 404);
});

test('one bad document, asked for by whoever, closes the door to no other', async (t) => {
  const limits = { ...impatient, breaker: { maxFailures: 2, pauseMs: 600_000 } };
  const { upstream, get } = await openWithFallback(t, { limits });
  upstream.answers.set('/good', says(good));
  for (const answering of [
    says('[]'),
    redirectTo('/bad'),
    redirectTo('file:///x'),
    says('{}', { 'content-encoding': 'x' }),
  ]) {
    upstream.answers.set('/bad', answering);
    for (let i = 0; i < 3; i += 1) assertNpmError(await get('/bad'), 502);
  }
  assert.equal((await get('/good')).status, 200);
});

test('a crowd that waits for a silent upstream: everything else is answered meanwhile, and all of it is given back', async (t) => {
  const limits = {
    ...impatient,
    firstByteMs: 3_000,
    queue: { waiting: 50, patienceMs: 500 },
    breaker: { maxFailures: 1_000, pauseMs: 1 },
  };
  const { upstream, get, server } = await openWithFallback(t, { limits, tarballs: 'stream' });
  await get('/-/ping');
  const descriptors = openDescriptors();
  let [most, waiting] = [0, 0];
  const count: Answering = (_request, response) => {
    waiting += 1;
    most = Math.max(most, waiting);
    response.once('close', () => (waiting -= 1));
  };
  for (let i = 0; i < 200; i += 1) {
    upstream.answers.set(`/slow-${i}`, count);
    upstream.answers.set(`/slow-${i}/-/a.tgz`, count);
  }
  const crowd: Promise<Answer>[] = [];
  for (let i = 0; i < 200; i += 1) crowd.push(get(`/slow-${i}`), get(`/slow-${i}/-/a.tgz`));
  await eventually(async () => assert.equal(waiting, 32));
  for (const path of ['/npm/', '/npm/-/ping', '/healthz', '/x07/config.json', '/npm/-/v1/unknown'])
    assert.ok((await send(server.url, path)).status < 500, path);
  const statuses = new Set((await Promise.all(crowd)).map(({ status }) => status));
  assert.deepEqual([...statuses], [504]);
  assert.equal(most, 32, 'never more at once');
  await eventually(async () => assert.equal(waiting, 0));
  await eventually(async () => assert.ok(openDescriptors() <= descriptors + 5, 'descriptors come back'));
});

test('who hangs up in the middle takes nothing along', async (t) => {
  const { upstream, base } = await openWithFallback(t, { tarballs: 'stream' });
  upstream.answers.set('/p', endless);
  upstream.answers.set('/p/-/p-1.0.0.tgz', endless);
  for (let i = 0; i < 40; i += 1) {
    const gone = new AbortController();
    const answer = await fetch(`${base}${i % 2 ? '/p' : '/p/-/p-1.0.0.tgz'}`, { signal: gone.signal });
    assert.equal(answer.status, 200);
    gone.abort();
  }
  // All places would be taken by now.
  await eventually(async () => assert.equal(await upstream.connections(), 0));
  upstream.answers.set('/q', says(good));
  assert.equal((await fetch(`${base}/q`)).status, 200);
});

test('long documents pass without being held', async (t) => {
  const upstream = await openFakeUpstream(t);
  const server = await startServer({
    data: await temporaryDirectory(t),
    env: { CAIRN_NPM_FALLBACK: upstream.url },
  });
  t.after(() => server.stop());
  const block = `"${'x'.repeat(1000)}",`.repeat(1000);
  for (let i = 0; i < 4; i += 1)
    upstream.answers.set(`/p${i}`, (_request, response) => {
      response.writeHead(200).write('{"name":"p","a":[');
      let blocks = 0;
      const more = (): void => {
        while (blocks < 60) {
          blocks += 1;
          if (!response.write(block)) return void response.once('drain', more);
        }
        response.end('0]}');
      };
      more();
    });
  const pass = async (i: number): Promise<number> => {
    const answer = await fetch(`${server.url}/npm/p${i}`);
    let size = 0;
    for await (const piece of answer.body ?? []) size += (piece as Uint8Array).byteLength;
    return size;
  };
  await pass(0);
  const before = peakMemory(server.child.pid);
  const sizes = await Promise.all(Array.from({ length: 4 }, (_, i) => pass(i)));
  assert.ok(
    sizes.every((size) => size > 60_000_000),
    'all of it',
  );
  const grown = peakMemory(server.child.pid) - before;
  assert.ok(grown < 100_000_000, `four documents of 60 MB took ${grown} bytes`);
});

test('who answers slowly, but answers, is waited for', async (t) => {
  const { upstream, get } = await openWithFallback(t, { limits: impatient });
  upstream.answers.set('/p', (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).write('{');
    const drip = setInterval(() => response.write(' '), 100);
    setTimeout(() => {
      clearInterval(drip);
      response.end(good.slice(1));
    }, 1_000);
  });
  assert.equal((await get('/p')).status, 200);
});

/** Of a process, since it began; in bytes. */
function peakMemory(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** A service of our own network that nobody may be led to. */
async function openTrap(t: { after(fn: () => void): void }): Promise<{ port: number; hits(): number }> {
  let hits = 0;
  const server = createServer((socket) => {
    hits += 1;
    socket.destroy();
  });
  await new Promise<void>((ready) => server.listen(0, ready));
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port, hits: () => hits };
}
