/** Packages of another registry, as clients get them here. */
import assert from 'node:assert/strict';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { test } from 'node:test';
import { packumentText, says, versionObject } from '../support/fake-upstream.ts';
import { bearer } from '../support/http.ts';
import { openWithFallback } from '../support/npm-fallback.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';

const ABBREVIATED = 'application/vnd.npm.install-v1+json';
const kept = 'private, max-age=0, must-revalidate';

interface Document {
  readonly _rev?: string;
  readonly versions: Record<string, { dist: Record<string, unknown>; dependencies: object }>;
}

for (const mount of ['/', '/npm'] as const)
  for (const prefix of ['', '/api/npm/all'])
    test(`mounted at ${mount}, below ${prefix || 'the root'} of the upstream: a packument names archives here, and no foreign signature`, async (t) => {
      const { upstream, base, get } = await openWithFallback(t, { mount, prefix });
      for (const name of ['is-odd', '@acme/lib']) {
        const unscoped = name.replace(/.*\//, '');
        const archive = (version: string): string =>
          `${upstream.url}${prefix}/${name}/-/${unscoped}-${version}.tgz`;
        upstream.answers.set(
          `${prefix}/${name.replace('/', '%2f')}`,
          says(packumentText(name, ['1.0.0', '2.0.0'], archive), { etag: '"v1"' }),
        );
        for (const path of [`/${name}`, `/${name.replace('/', '%2f')}`, `/${name.replace('@', '%40')}`]) {
          const answer = await get(path);
          assert.equal(answer.status, 200, answer.text);
          assert.equal(answer.headers['content-type'], 'application/json');
          assert.equal(answer.headers['cache-control'], kept);
          assert.equal(answer.headers['vary'], 'accept');
          const { _rev, versions } = JSON.parse(answer.text) as Document;
          assert.equal(_rev, undefined);
          assert.deepEqual(Object.keys(versions), ['1.0.0', '2.0.0']);
          for (const [version, { dist, dependencies }] of Object.entries(versions)) {
            assert.equal(dist['tarball'], `${base}/${name}/-/${unscoped}-${version}.tgz`);
            assert.deepEqual(Object.keys(dist), ['shasum', 'tarball', 'integrity']);
            assert.deepEqual(dependencies, { tarball: '^1.0.0', dist: '^2.0.0' });
          }
        }
        const redirected = await get(`/${name}/-/${unscoped}-1.0.0.tgz`);
        assert.equal(redirected.status, 302);
        assert.equal(redirected.headers['location'], archive('1.0.0'));
      }
    });

test('a streamed tarball has the bytes of the upstream, also where a redirect leads to them', async (t) => {
  const { upstream, get } = await openWithFallback(t, { tarballs: 'stream' });
  const bytes = Buffer.alloc(300_000, 'archive ');
  upstream.answers.set('/is-odd/-/is-odd-1.0.0.tgz', (_request, response) =>
    response.writeHead(302, { location: '/elsewhere' }).end(),
  );
  upstream.answers.set('/elsewhere', says(bytes, { etag: '"bytes"', 'content-type': 'text/html' }));
  const answer = await get('/is-odd/-/is-odd-1.0.0.tgz');
  assert.equal(answer.status, 200);
  assert.ok(answer.body.equals(bytes), 'other bytes');
  assert.equal(answer.headers['content-type'], 'application/octet-stream');
  assert.equal(answer.headers['cache-control'], `${kept}, no-transform`);
  assert.equal(answer.headers['content-encoding'], undefined);
  assert.equal(upstream.asked[0]?.headers['accept-encoding'], 'identity');
  assert.equal((await get('/is-odd/-/is-odd-9.0.0.tgz')).status, 404);

  upstream.answers.set('/elsewhere', (request, response) => {
    assert.equal(request.headers['if-none-match'], '"bytes"');
    response.writeHead(304).end();
  });
  const again = await get('/is-odd/-/is-odd-1.0.0.tgz', { 'if-none-match': String(answer.headers['etag']) });
  assert.equal(again.status, 304);
  assert.equal(again.headers['etag'], answer.headers['etag']);
  assert.equal(again.headers['content-length'], undefined);
});

test('the form that is asked for is the form that comes, and each has its own ETag', async (t) => {
  const { upstream, get } = await openWithFallback(t);
  const text = packumentText('is-odd', ['1.0.0'], () => `${upstream.url}/is-odd/-/is-odd-1.0.0.tgz`);
  upstream.answers.set('/is-odd', (request, response) => {
    const type = request.headers.accept?.includes(ABBREVIATED) ? ABBREVIATED : 'application/json';
    if (request.headers['if-none-match'] === '"same"') return void response.writeHead(304).end();
    says(text, { 'content-type': `${type}; charset=utf-8`, etag: '"same"' })(request, response);
  });
  const abbreviated = { accept: `${ABBREVIATED}; q=1.0, application/json; q=0.8, */*` };
  const [full, short] = [await get('/is-odd'), await get('/is-odd', abbreviated)];
  assert.equal(full.headers['content-type'], 'application/json');
  assert.equal(short.headers['content-type'], ABBREVIATED);
  const [fullTag, shortTag] = [String(full.headers['etag']), String(short.headers['etag'])];
  assert.match(fullTag, /^W\/"[\w.-]+"$/);
  assert.notEqual(fullTag, shortTag);
  const statuses = async (tag: string): Promise<number[]> => [
    (await get('/is-odd', { 'if-none-match': tag })).status,
    (await get('/is-odd', { 'if-none-match': tag, ...abbreviated })).status,
  ];
  assert.deepEqual(await statuses(fullTag), [304, 200]);
  assert.deepEqual(await statuses(`"other", ${shortTag}`), [200, 304]);
  // Neither what the upstream itself would take, nor everything.
  assert.deepEqual(await statuses('"same"'), [200, 200]);
  assert.deepEqual(await statuses('*'), [200, 200]);
  const unchanged = await get('/is-odd', { 'if-none-match': fullTag });
  assert.deepEqual(
    [
      unchanged.headers['etag'],
      unchanged.headers['cache-control'],
      unchanged.headers['vary'],
      unchanged.text,
    ],
    [fullTag, kept, 'accept', ''],
  );
});

test('one version, a tag and all tags come through as well', async (t) => {
  const { upstream, base, get } = await openWithFallback(t);
  const archive = `${upstream.url}/@acme/lib/-/lib-1.0.0.tgz`;
  const text = JSON.stringify(versionObject('@acme/lib', '1.0.0', archive));
  for (const word of ['1.0.0', 'latest']) {
    upstream.answers.set(`/@acme%2flib/${word}`, says(text));
    const answer = await get(`/@acme%2flib/${word}`);
    assert.equal(answer.status, 200, answer.text);
    const { dist } = JSON.parse(answer.text) as { dist: object };
    assert.deepEqual(Object.keys(dist), ['shasum', 'tarball', 'integrity']);
    assert.equal((dist as { tarball: string }).tarball, `${base}/@acme/lib/-/lib-1.0.0.tgz`);
  }
  upstream.answers.set('/-/package/@acme%2flib/dist-tags', says('{"latest":"1.0.0","odd":[1]}'));
  const tags = await get('/-/package/@acme%2flib/dist-tags');
  assert.deepEqual([tags.status, tags.text], [200, '{"latest":"1.0.0"}']);
  for (const path of ['/@acme%2flib/9.9.9', '/@acme%2fnone', '/-/package/none/dist-tags'])
    assert.equal((await get(path)).status, 404, path);
});

test('nothing of the client is sent on, and nothing that is not about reading a package', async (t) => {
  const { upstream, get, server } = await openWithFallback(t);
  upstream.answers.set('/is-odd', says(packumentText('is-odd', ['1.0.0'], () => 'x')));
  await get('/is-odd?token=secret', {
    ...bearer(ADMIN_TOKEN),
    cookie: 'a=b',
    'npm-otp': '123456',
    'user-agent': 'npm/11',
    'x-forwarded-for': '10.0.0.1',
  });
  assert.equal(upstream.asked.length, 1);
  const [asked] = upstream.asked;
  assert.equal(asked?.path, '/is-odd');
  assert.deepEqual(Object.keys(asked.headers).sort(), [
    'accept',
    'accept-encoding',
    'connection',
    'host',
    'user-agent',
    'via',
  ]);
  assert.match(String(asked.headers['user-agent']), /^cairn\//);
  for (const path of [
    '/-/package/is-odd/visibility',
    '/-/package/is-odd/collaborators',
    '/-/npm/v1/attestations/is-odd@1.0.0',
    '/-/whoami',
    '/-/anything',
    '/-/npm/v1/user',
    '/-',
    // Whoever reads in order to write gets to know what is here.
    '/is-odd?write=true',
  ])
    assert.ok((await get(path)).status >= 400, path);
  await fetch(`${server.url}/npm/-/npm/v1/security/advisories/bulk`, { method: 'POST', body: '{}' });
  await fetch(`${server.url}/npm/is-odd`, { method: 'PUT', body: '{}', headers: bearer(ADMIN_TOKEN) });
  assert.equal(upstream.asked.length, 1);
});

test('names, versions and files that nothing can be called are not asked for', async (t) => {
  const { upstream, get } = await openWithFallback(t, { tarballs: 'stream' });
  const rows = [
    '/..%2f..%2fsecret',
    '/%2e%2e',
    '/.hidden',
    '/_private',
    '/a%2fb',
    '/@a%2f..',
    '/@..%2fa',
    '/@a%2fb%2fc',
    '/a%00b',
    '/a%20b',
    '/a%3fb',
    '/a%23b',
    '/a%5cb',
    `/${'a'.repeat(215)}`,
    '/is-odd/..',
    '/is-odd/%2e%2e',
    '/is-odd/..%2fother',
    '/is-odd/-',
    '/is-odd/1%3f',
    '/is-odd/-/..%2f..%2fother',
    '/is-odd/-/%2e%2e',
    '/is-odd/-/a%2fb.tgz',
    '/is-odd/-/http:%2f%2fevil.example%2fa.tgz',
    '/is-odd/-/=..tgz',
    '/is-odd/-/=%2e%2e.tgz',
    '/is-odd/-/=..%2fother.tgz',
    '/-/package/..%2fx/dist-tags',
  ];
  for (const path of rows) assert.equal((await get(path)).status, 404, path);
  assert.deepEqual(upstream.asked, []);
});

test('an archive in an unusual place gets a name here by which it is found there again', async (t) => {
  for (const tarballs of ['redirect', 'stream'] as const) {
    const { upstream, base, get } = await openWithFallback(t, { tarballs });
    const unusual = (version: string): string => `${upstream.url}/download/${version}/sha?x=1`;
    upstream.answers.set('/odd', says(packumentText('odd', ['1.0.0', '1.0.0-a+b'], unusual)));
    upstream.answers.set(
      '/odd/latest',
      says(JSON.stringify(versionObject('odd', '1.0.0', unusual('1.0.0')))),
    );
    upstream.answers.set('/download/1.0.0/sha?x=1', says('the bytes'));
    const { versions } = JSON.parse((await get('/odd')).text) as Document;
    assert.deepEqual(
      Object.values(versions).map(({ dist }) => dist['tarball']),
      [`${base}/odd/-/=1.0.0.tgz`, `${base}/odd/-/=1.0.0-a%2Bb.tgz`],
    );
    const one = JSON.parse((await get('/odd/latest')).text) as { dist: { tarball: string } };
    assert.equal(one.dist.tarball, `${base}/odd/-/=1.0.0.tgz`);
    const answer = await get('/odd/-/=1.0.0.tgz');
    if (tarballs === 'stream') assert.deepEqual([answer.status, answer.text], [200, 'the bytes']);
    else assert.deepEqual([answer.status, answer.headers['location']], [302, unusual('1.0.0')]);
    assert.equal((await get('/odd/-/=3.0.0.tgz')).status, 404);
  }
});

test('whoever would take a token of ours along to the upstream has the bytes from here', async (t) => {
  const { upstream, get } = await openWithFallback(t, {});
  upstream.answers.set('/is-odd/-/is-odd-1.0.0.tgz', says('the bytes'));
  const yarn = { 'user-agent': 'yarn/1.22.22 npm/? node/v20.20.2 linux x64' };
  const path = '/is-odd/-/is-odd-1.0.0.tgz';
  const answer = await get(path, { ...yarn, ...bearer(ADMIN_TOKEN) });
  assert.deepEqual([answer.status, answer.text], [200, 'the bytes']);
  assert.equal((await get(path, yarn)).status, 302, 'it has none');
  assert.equal((await get(path, bearer(ADMIN_TOKEN))).status, 302, 'others leave it behind');
});

test('what the upstream packs arrives unpacked', async (t) => {
  const { upstream, get } = await openWithFallback(t);
  const text = packumentText('p', ['1.0.0'], () => 'x');
  for (const [encoding, pack] of [
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ] as const) {
    upstream.answers.set('/p', says(pack(text), { 'content-encoding': encoding }));
    const answer = await get('/p');
    assert.equal(answer.headers['content-encoding'], undefined);
    assert.deepEqual(Object.keys((JSON.parse(answer.text) as Document).versions), ['1.0.0']);
  }
});

test('a HEAD says what a GET would, and lets the upstream go', async (t) => {
  const { upstream, server } = await openWithFallback(t, { tarballs: 'stream' });
  upstream.answers.set(
    '/p',
    says(
      packumentText('p', ['1.0.0'], () => 'x'),
      { etag: '"1"' },
    ),
  );
  upstream.answers.set('/p/-/p-1.0.0.tgz', (_request, response) => void response.write('for ever'));
  for (const path of ['/npm/p', '/npm/p/-/p-1.0.0.tgz']) {
    const answer = await fetch(server.url + path, { method: 'HEAD' });
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), '');
  }
});

test('registries that ask each other in a circle come to an end', async (t) => {
  const { upstream, get, server } = await openWithFallback(t);
  upstream.answers.set('/lost', (request, response) => {
    void fetch(`${server.url}/npm/lost`, { headers: { via: String(request.headers['via']) } }).then(
      ({ status }) => response.writeHead(status).end(),
    );
  });
  assert.equal((await get('/lost')).status, 404);
  assert.deepEqual(
    upstream.asked.map(({ headers }) => headers['via']),
    ['1.1 cairn', '1.1 cairn, 1.1 cairn', '1.1 cairn, 1.1 cairn, 1.1 cairn'],
  );
});

test('NPM_FALLBACK=false asks nobody, also where another setting would', async (t) => {
  const { upstream, get } = await openWithFallback(t, {
    env: { CAIRN_NPM_FALLBACK: '', NPM_FALLBACK: 'false' },
  });
  upstream.answers.set('/is-odd', says(packumentText('is-odd', ['1.0.0'], () => 'x')));
  for (const path of [
    '/is-odd',
    '/is-odd/latest',
    '/is-odd/-/is-odd-1.0.0.tgz',
    '/-/package/is-odd/dist-tags',
  ])
    assert.equal((await get(path)).status, 404, path);
  assert.deepEqual(upstream.asked, []);
});

test('what is published here comes from here from then on, and nothing of the upstream is ever stored', async (t) => {
  const { upstream, api, get } = await openWithFallback(t);
  upstream.answers.set(
    '/is-odd',
    says(
      packumentText('is-odd', ['9.0.0'], () => 'x'),
      { etag: '"theirs"' },
    ),
  );
  const theirs = await get('/is-odd');
  assert.equal(theirs.status, 200);
  assert.equal((await api.publish({ name: 'is-odd', version: '1.0.0' }, ADMIN_TOKEN)).status, 201);
  const asked = upstream.asked.length;
  const ours = await get('/is-odd', { 'if-none-match': String(theirs.headers['etag']) });
  assert.equal(ours.status, 200);
  assert.deepEqual(Object.keys((JSON.parse(ours.text) as Document).versions), ['1.0.0']);
  for (const path of ['/is-odd/9.0.0', '/is-odd/-/is-odd-9.0.0.tgz', '/is-odd/-/=9.0.0.tgz'])
    assert.equal((await get(path)).status, 404, path);
  assert.equal(upstream.asked.length, asked);
});
