/** Pulling (contract, section 3): the same answers from files and, where a repository is private, from the API. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { rangeCases } from '../support/byte-ranges.ts';
import type { Answer, Sent } from '../support/http.ts';
import { anImage, anIndex, assertOciError, IMAGE, INDEX } from '../support/oci-api.ts';
import { NOWHERE, openRepositories, type Image, type OciRepository } from '../support/oci-repository.ts';
import { wholeFile } from '../support/whole-file.ts';

const registry = await openRepositories(wholeFile);

interface Filled {
  readonly to: OciRepository;
  readonly image: Image;
  readonly signature: string;
  /** Manifests, lists and a blob, in every spelling of what is asked for. */
  readonly paths: readonly string[];
}

async function fill(name: string): Promise<Filled> {
  const to = await registry.repository(name);
  const image = await to.image('1.0', 'the same everywhere');
  const index = await to.manifest(anIndex([image.manifest]), { tag: 'all' });
  const signature = await to.manifest(anImage(image.config, [], { subject: image.manifest }));
  const sha512 = await to.manifest(anImage(image.config, []), { algorithm: 'sha512' });
  const paths = [
    'manifests/1.0',
    `manifests/${image.manifest.digest}`,
    'manifests/all',
    `manifests/${index.digest}`,
    `manifests/${sha512.digest}`,
    `blobs/${image.layer.digest}`,
    `blobs/${image.config.digest}`,
    'tags/list',
    `referrers/${image.manifest.digest}`,
  ];
  return { to, image, signature: signature.digest, paths };
}

const open = await fill('acme/open');
const hidden = await fill('acme/hidden');
await registry.hide(hidden.to);

/** Anybody's request: what is public needs nobody to say who they are. */
const asNobody = (method: string, path: string, headers: Sent['headers'] = {}): Promise<Answer> =>
  registry.ask({ method, path: `/v2/acme/open/${path}`, headers });

/** Without what is of one request alone. */
function comparable({ headers }: Answer): Record<string, unknown> {
  const { 'x-request-id': _id, date: _date, connection: _connection, ...rest } = headers;
  return rest;
}

test('a HEAD has the headers of a GET, and no body', async () => {
  for (const { to, paths } of [open, hidden])
    for (const path of paths) {
      const [get, head] = [await to.ask('GET', path), await to.ask('HEAD', path)];
      assert.equal(get.status, 200, path);
      assert.equal(head.status, 200, path);
      assert.deepEqual(comparable(head), comparable(get), path);
      assert.equal(get.headers['content-length'], String(get.body.length), path);
      assert.equal(head.body.length, 0);
    }
});

test('what the API says of a private repository is what files say of a public one', async () => {
  for (const path of open.paths) {
    const [file, api] = [await open.to.ask('GET', path), await hidden.to.ask('GET', path)];
    assert.equal(api.text.replaceAll('acme/hidden', 'acme/open'), file.text, path);
    for (const header of ['content-type', 'docker-content-digest', 'docker-distribution-api-version'])
      assert.equal(api.headers[header], file.headers[header], `${path} ${header}`);
    assert.equal(file.headers['docker-distribution-api-version'], 'registry/2.0');
    // A file is for all, and for as long as it stands; what the API says is for one alone.
    const isForEver = path.includes('sha') && !path.startsWith('referrers');
    const lasting = isForEver
      ? /^public, max-age=31536000, .*immutable/
      : /^public, max-age=0, must-revalidate/;
    assert.match(String(file.headers['cache-control']), lasting, path);
    assert.equal(api.headers['cache-control'], 'private, no-store');
    assert.equal(file.headers['vary'], undefined);
  }
});

test('types are exact: several clients read nothing else', async () => {
  for (const { to, image, paths } of [open, hidden])
    for (const path of paths) {
      const { headers } = await to.ask('GET', path);
      const reference = path.split('/').at(-1) ?? '';
      const isIndex = path.startsWith('referrers') || reference === 'all' || path === paths[3];
      const type = path.startsWith('blobs')
        ? 'application/octet-stream'
        : path === 'tags/list'
          ? 'application/json'
          : isIndex
            ? INDEX
            : IMAGE;
      assert.equal(headers['content-type'], type, path);
      const ofTag = { '1.0': image.manifest.digest, all: paths[3]?.split('/')[1] }[reference];
      const isList = path.startsWith('referrers') || path === 'tags/list';
      assert.equal(headers['docker-content-digest'], isList ? undefined : (ofTag ?? reference), path);
    }
});

test('nobody is asked what they accept, and nothing is packed on the way', async () => {
  for (const { to, paths } of [open, hidden])
    for (const path of paths) {
      const plain = await to.ask('GET', path);
      for (const accept of [
        'application/vnd.docker.distribution.manifest.v1+json',
        'text/html',
        '*/*',
        `${INDEX};q=0, ${IMAGE};q=0.1`,
      ]) {
        const answer = await to.ask('GET', path, { headers: { accept, 'accept-encoding': 'gzip, br' } });
        assert.deepEqual(comparable(answer), comparable(plain), `${path} ${accept}`);
        assert.deepEqual(answer.body, plain.body);
      }
      assert.equal(plain.headers['content-encoding'], undefined);
    }
});

test('whoever has it already is told so', async () => {
  for (const { to, paths } of [open, hidden])
    for (const path of paths) {
      const { headers } = await to.ask('GET', path);
      const isOfApi = headers['cache-control'] === 'private, no-store';
      if (isOfApi && !path.startsWith('manifests')) continue;
      const etag = String(headers.etag);
      if (isOfApi) assert.equal(etag, `"${String(headers['docker-content-digest'])}"`);
      for (const method of ['GET', 'HEAD']) {
        const same = await to.ask(method, path, { headers: { 'if-none-match': etag } });
        assert.deepEqual([same.status, same.text, same.headers.etag], [304, '', etag], `${method} ${path}`);
        assert.equal(same.headers['cache-control'], headers['cache-control']);
        const other = await to.ask(method, path, { headers: { 'if-none-match': `"${NOWHERE}"` } });
        assert.equal(other.status, 200);
      }
    }
});

test('what a tag meant before is no reason to send nothing now', async () => {
  for (const { to, image } of [open, hidden]) {
    await to.manifest(anImage(image.config, [], { moved: 1 }), { tag: 'moving' });
    const etag = String((await to.ask('GET', 'manifests/moving')).headers.etag);
    const second = await to.manifest(anImage(image.config, [], { moved: 2 }), { tag: 'moving' });
    const answer = await to.ask('GET', 'manifests/moving', { headers: { 'if-none-match': etag } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['docker-content-digest'], second.digest);
    assert.equal((await to.ask('DELETE', 'manifests/moving')).status, 202);
  }
});

test('a blob can be had in part, from a file and from the API', async () => {
  const bytes = Buffer.from(Array.from({ length: 2048 }, (_, i) => i % 251));
  for (const { to, image } of [open, hidden]) {
    const held = await to.blob(bytes);
    const named = await to.blob(Buffer.concat([bytes, Buffer.from(to.name)]));
    await to.manifest(anImage(image.config, [named]), { tag: 'ranges' });
    for (const { digest, size } of [held, named]) {
      const path = `blobs/${digest}`;
      for (const [range, status, from = 0, end = size - 1] of rangeCases(size, 416)) {
        const answer = await to.ask('GET', path, { headers: { range } });
        assert.equal(answer.status, status, `${range} of ${to.name}`);
        assert.equal(answer.headers['accept-ranges'], 'bytes');
        const named = { 200: undefined, 206: `bytes ${from}-${end}/${size}`, 416: `bytes */${size}` };
        assert.equal(answer.headers['content-range'], named[status], range);
        if (status === 416) continue;
        assert.equal(answer.headers['content-length'], String(end - from + 1));
        assert.equal(answer.headers['docker-content-digest'], digest);
        const whole = Buffer.concat([bytes, Buffer.from(to.name)]);
        assert.deepEqual(answer.body, whole.subarray(from, end + 1), range);
      }
      const { headers } = await to.ask('GET', path);
      const part = { range: 'bytes=0-3', 'if-range': String(headers.etag) };
      assert.equal((await to.ask('GET', path, { headers: part })).status, 206);
      assert.equal((await to.ask('GET', path, { headers: { ...part, 'if-range': '"x"' } })).status, 200);
    }
  }
});

test('blobs without bytes can be had as well', async () => {
  for (const { to, image } of [open, hidden]) {
    const empty = await to.blob('');
    for (const then of [() => to.manifest(anImage(image.config, [empty])), () => undefined]) {
      const answer = await to.ask('GET', `blobs/${empty.digest}`);
      assert.deepEqual([answer.status, answer.headers['content-length'], answer.text], [200, '0', '']);
      await then();
    }
  }
});

test('a path may be spelled as clients and proxies spell it', async () => {
  const { manifest, layer } = open.image;
  const escaped = (digest: string): string => digest.replace(':', '%3A');
  const rows: readonly (readonly [path: string, digest: string])[] = [
    [`acme/open/manifests/${escaped(manifest.digest)}`, manifest.digest],
    [`acme/open/manifests/${manifest.digest.replace(':', '%3a')}`, manifest.digest],
    [`acme%2Fopen/manifests/${manifest.digest}`, manifest.digest],
    [`acme%2fopen/manifests/1.0`, manifest.digest],
    [`acme/open/manifests/%31%2E0`, manifest.digest],
    [`%61cme/open/manifests/1.0`, manifest.digest],
    [`acme/open/manifests/1.0?ns=registry.example`, manifest.digest],
    [`acme/open/blobs/${escaped(layer.digest)}`, layer.digest],
    [`acme%2Fopen/blobs/${escaped(layer.digest)}`, layer.digest],
    [`acme/open/blobs/${layer.digest}?ns=registry.example&x=1`, layer.digest],
  ];
  for (const [path, digest] of rows)
    for (const [{ to }, spelled] of [
      [open, path],
      [hidden, path.replace('open', 'hidden')],
    ] as const) {
      const answer = await to.at('GET', `/v2/${spelled}`);
      assert.equal(answer.status, 200, spelled);
      assert.equal(answer.headers['docker-content-digest'], digest);
      assert.equal(digestOf(answer.body), digest);
    }
  for (const list of ['acme%2Fopen/tags/list', `acme%2Fopen/referrers/${escaped(manifest.digest)}`])
    assert.equal((await registry.ask({ path: `/v2/${list}` })).status, 200, list);
});

test('a query that a file cannot answer asks the API, and every other means nothing', async () => {
  const digest = open.image.manifest.digest;
  const rows: readonly (readonly [path: string, from: 'file' | 'api'])[] = [
    ['tags/list', 'file'],
    ['tags/list?', 'file'],
    ['tags/list?ns=x', 'file'],
    ['tags/list?number=1', 'file'],
    ['tags/list?n=100', 'api'],
    ['tags/list?last=0', 'api'],
    [`referrers/${digest}`, 'file'],
    [`referrers/${digest}?ns=x`, 'file'],
    [`referrers/${digest}?artifactType=x`, 'api'],
    [`referrers/${digest}?n=1`, 'api'],
    [`referrers/${digest}?last=x`, 'api'],
    [`referrers/${NOWHERE}`, 'api'],
    ['manifests/1.0?n=1', 'file'],
  ];
  for (const [path, from] of rows) {
    const { status, headers } = await asNobody('GET', path);
    assert.equal(status, 200, path);
    assert.match(String(headers['cache-control']), from === 'file' ? /^public/ : /^private, no-store$/, path);
  }
});

test('`/v2` is `/v2/`: whoever says who they are is let in, and everybody else is told how', async () => {
  for (const path of ['/v2', '/v2/']) {
    const [asOwner, asAnybody] = [await open.to.at('GET', path), await registry.ask({ path })];
    assert.deepEqual([asOwner.status, asOwner.text], [200, '{}']);
    assert.equal(asOwner.headers['content-type'], 'application/json');
    assert.equal(asOwner.headers['docker-distribution-api-version'], 'registry/2.0');
    assertOciError(asAnybody, 401, 'UNAUTHORIZED');
    assert.match(
      String(asAnybody.headers['www-authenticate']),
      /^Bearer realm="[^"]+\/auth\/token",service="oci-registry"$/,
    );
    const head = await open.to.at('HEAD', path);
    assert.deepEqual([head.status, head.text, head.headers['content-length']], [200, '', '2']);
  }
});

test('what was pushed can be pulled before any manifest names it, by who may pull the repository', async () => {
  const { digest } = await open.to.blob('held for now');
  // The repository is public, and there is no file yet.
  const answer = await asNobody('GET', `blobs/${digest}`);
  assert.deepEqual([answer.status, answer.text], [200, 'held for now']);
  assert.equal(answer.headers['cache-control'], 'private, no-store');
  await open.to.manifest(anImage(open.image.config, [{ mediaType: 'x/y', digest, size: 12 }]));
  const named = await asNobody('GET', `blobs/${digest}`);
  assert.deepEqual([named.status, named.text], [200, 'held for now']);
  assert.match(String(named.headers['cache-control']), /^public/);
});

test('a manifest is no blob, a blob is no manifest, and neither is in a repository that has not got it', async () => {
  const near = await registry.repository('acme/near');
  await near.image('1.0', 'another');
  for (const { to, image, signature } of [open, hidden]) {
    for (const digest of [image.manifest.digest, signature]) {
      assertOciError(await to.ask('GET', `blobs/${digest}`), 404, 'BLOB_UNKNOWN');
      assertOciError(await near.ask('GET', `manifests/${digest}`), 404, 'MANIFEST_UNKNOWN');
    }
    for (const digest of [image.layer.digest, image.config.digest]) {
      assertOciError(await to.ask('GET', `manifests/${digest}`), 404, 'MANIFEST_UNKNOWN');
      assertOciError(await near.ask('GET', `blobs/${digest}`), 404, 'BLOB_UNKNOWN');
    }
  }
});
