/** nginx in front of a bucket, for both layouts of artifacts: every file as `cairn serve` answers it, and nothing else. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { digestOf } from '../../core/digest.ts';
import { typesBySuffix } from '../../ecosystems/oci-media-types.ts';
import { isBeside } from '../../stores/bucket-build.ts';
import { blobKey } from '../../stores/blob-keys.ts';
import { closing } from '../support/closing.ts';
import { eventually } from '../support/eventually.ts';
import { openEdgeRegistry, type EdgeRegistry } from '../support/edge-registry.ts';
import { noGo } from '../support/go-programs.ts';
import { bearer, send, type Answer } from '../support/http.ts';
import { noNginx } from '../support/nginx.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';

const compared = [
  ...['content-type', 'cache-control', 'content-length', 'content-encoding', 'content-disposition'],
  ...['accept-ranges', 'content-range', 'content-security-policy', 'x-content-type-options'],
  ...['docker-content-digest', 'docker-distribution-api-version'],
  ...['origin', 'methods', 'headers'].map((what) => `access-control-allow-${what}`),
];

/** The registry answers these itself, by who asks and what was counted: only without it they are files. */
const ofTheApi = ['run/api/v1/stats', 'v2/_catalog'];

/** What a manifest is stored with. */
const suffix = new RegExp(`\\.(?:${Object.keys(typesBySuffix).join('|')})$`);

const tarball = '/npm/@acme/lib/-/lib-1.0.0-rc.1.tgz';

for (const artifacts of ['copies', 'pointers'] as const)
  describe(`an edge before a bucket of ${artifacts}`, { skip: noNginx ?? noGo }, () => {
    let registry: EdgeRegistry;
    const opened = closing();
    before(async () => {
      registry = await openEdgeRegistry(opened, artifacts);
      // Roots may be late; at rest they say all.
      await eventually(async () => assert.match((await ask('/v2/_catalog')).text, /acme\/app/));
    });
    after(() => opened.close());

    const ask = (path: string, more?: Parameters<typeof send>[2]): Promise<Answer> =>
      send(registry.edge, path, more);

    /** Every URL that a file of the site is for. */
    async function allUrls(): Promise<string[]> {
      const urls: string[] = [];
      for await (const { key } of registry.site.list()) {
        if (isBeside(key) || key.startsWith('=') || ofTheApi.includes(key)) continue;
        const path = key.replace(/\/=index$/, '');
        urls.push(`/${path.includes('/manifests/') ? path.replace(suffix, '') : path}`);
      }
      return urls;
    }

    function assertNothingOfTheStore({ headers }: Answer, path: string): void {
      for (const name of Object.keys(headers)) assert.doesNotMatch(name, /^(?:x-amz|last-modified)/, path);
      assert.doesNotMatch(String(headers['server']), /versity/i);
    }

    function assertSame(theirs: Answer, ours: Answer, what: string): void {
      assert.equal(theirs.status, ours.status, what);
      // A store does not say how long the file is that is too short.
      if (ours.status === 416) return;
      assert.equal(theirs.text, ours.text, what);
      assert.ok(theirs.body.equals(ours.body), what);
      for (const name of compared) assert.equal(theirs.headers[name], ours.headers[name], `${what}: ${name}`);
      assertNothingOfTheStore(theirs, what);
    }

    test('every file of the site is answered as the registry answers it: whole, by its head, in part, and unchanged', async () => {
      const urls = await allUrls();
      for (const part of [
        '/download',
        '.tgz',
        '/tarball',
        '/manifests/1',
        '/blobs/sha256:',
        '/index/config.json',
      ])
        assert.ok(
          urls.some((url) => url.includes(part)),
          part,
        );
      for (const path of urls) {
        const both = async (more: Parameters<typeof send>[2]): Promise<[Answer, Answer]> => {
          const answers = await Promise.all([ask(path, more), send(registry.server.url, path, more)]);
          assertSame(...answers, `${JSON.stringify(more)} ${path}`);
          return answers;
        };
        const [{ headers, status }, ours] = await both({});
        assert.equal(status, 200, path);
        await both({ method: 'HEAD' });
        await both({ headers: { range: 'bytes=1-4' } });
        const unchanged = [
          [ask, headers.etag],
          [(of: string, more: object) => send(registry.server.url, of, more), ours.headers.etag],
        ] as const;
        const [theirs304, ours304] = await Promise.all(
          unchanged.map(([of, etag]) => of(path, { headers: { 'if-none-match': String(etag) } })),
        );
        assert.equal(theirs304?.status, 304, path);
        // A 304 of this store says nothing of the object: what a tag stands for is known from a pointer alone.
        const isSaid = artifacts === 'pointers' || !path.endsWith('/manifests/1');
        for (const name of ['cache-control', 'content-type', ...(isSaid ? ['docker-content-digest'] : [])])
          assert.equal(theirs304?.headers[name], ours304?.headers[name], `304 ${path}: ${name}`);
        assert.equal(theirs304?.headers.etag, headers.etag);
      }
    });

    test('names are found however they are written, and queries and tokens reach no store', async () => {
      const whole = await ask('/npm/@acme/lib');
      for (const path of [
        '/npm/@acme%2flib',
        '/npm/%40acme%2Flib',
        '/npm/@acme%2flib?list-type=2&versionId=x',
      ])
        assert.equal((await ask(path)).text, whole.text, path);
      assert.equal((await ask('/npm/@acme/lib', { headers: bearer(ADMIN_TOKEN) })).text, whole.text);
      assert.equal((await ask(tarball, { headers: bearer(ADMIN_TOKEN) })).status, 200);
      for (const plus of ['+', '%2B', '%2b'])
        assert.equal((await ask(`/zig/packages/my_lib/1.0.0-a${plus}b/tarball`)).status, 200, plus);
    });

    test('what is private, the records, folders and lists are not found', async () => {
      const { secret } = registry;
      const missing = [
        ...[
          '/=progress.json',
          '/%3Dprogress.json',
          '/=roots.json',
          '/=summaries/npm',
          '/npm/lib/=index',
          '/',
        ],
        ...['/npm/lib/-/', '/npm/@acme', '/npm/lib/-/lib-1.0.0.tgz/', '/a/site/npm/lib', '/?list-type=2'],
        ...['/npm/@acme/secret', '/npm/@acme%2fsecret', '/npm/@acme/secret/-/secret-1.0.0.tgz'],
        ...['/v2/acme/secret/manifests/1', `/v2/acme/secret/blobs/${secret.layer.digest}`],
        ...[`/v2/acme/app/blobs/${secret.layer.digest}`, `/${blobKey(secret.layer.digest as never)}`],
        ...[`/v2/acme/app/manifests/${digestOf('no manifest')}`, '/v2/acme/app/manifests/none'],
        ...[`/v2/acme/app/manifests/sha512:${'a'.repeat(128)}`, '/npm/none/-/none-1.0.0.tgz'],
        ...[
          '/npm/lib%3flist-type=2',
          '/npm/lib%23',
          '/npm/a%20b',
          '/npm/lib%0d%0aHost:%20other',
          '/npm/l%C3%ADb',
        ],
        ...[`/npm/${'x'.repeat(300)}`, `/npm/${'x/'.repeat(500)}x`, '/npm/a+b+c+d+e+f', '/npm/a%252fb'],
        ...['/npm/%252e%252e/blobs', `/npm/../blobs/${blobKey(secret.layer.digest as never)}`],
      ];
      for (const path of missing) {
        const answer = await ask(path);
        assert.equal(answer.status, 404, path);
        assert.equal(answer.headers['cache-control'], 'no-store', path);
        assert.match(String(answer.headers['content-type']), /json/, path);
        assertNothingOfTheStore(answer, path);
      }
      assert.equal((await ask('/../npm/lib')).status, 400);
      for await (const { key } of registry.site.list()) assert.doesNotMatch(key, /secret/);
    });

    test('nothing can be written', async () => {
      for (const method of ['PUT', 'POST', 'DELETE'])
        for (const path of ['/npm/lib', tarball, '/v2/acme/app/manifests/1', '/npm/nothing']) {
          const answer = await ask(path, { method, body: '{}' });
          assert.equal(answer.status, 405, path);
          assert.equal(answer.headers.allow, 'GET, HEAD');
        }
      assert.equal((await ask(tarball)).status, 200);
    });

    test('an answer costs few questions: one, and one more for what may be a pointer or is no index', async () => {
      const { image } = registry;
      const follow = (key: string): string[] =>
        artifacts === 'copies' ? [`GetObject site/${key}`] : [`HeadObject site/${key}`];
      const blobOf = (digest: string): string[] =>
        artifacts === 'copies' ? [] : [`GetObject blobs/${blobKey(digest as never)}`];
      const layer = `v2/acme/app/blobs/${image.layer.digest}`;
      const zig = 'zig/packages/my-lib/1.0.0-a+b/tarball';
      const archive = (await registry.site.head(zig))?.digest ?? '';
      const asTyped = zig.replace('+', '%2B');
      const expected: Record<string, readonly string[]> = {
        'npm/lib': ['GetObject site/npm/lib/=index'],
        [layer]: [...follow(layer), ...blobOf(image.layer.digest)],
        [zig]: [...follow(asTyped), ...blobOf(archive)],
        'v2/acme/app/manifests/1': [
          ...follow('v2/acme/app/manifests/1.oci-image'),
          ...blobOf(image.manifest.digest),
        ],
        'npm/lib/1.0.0': [
          'GetObject site/npm/lib/1.0.0/=index',
          ...(artifacts === 'pointers' ? ['HeadObject site/npm/lib/1.0.0'] : []),
          'GetObject site/npm/lib/1.0.0',
        ],
        'npm/none/-/none-1.0.0.tgz': follow('npm/none/-/none-1.0.0.tgz'),
        'v2/acme/app/manifests/none': ['', '-sha512'].flatMap((algorithm) =>
          ['oci-image', 'oci-index', 'docker-image', 'docker-index'].flatMap((type) =>
            follow(`v2/acme/app/manifests/none.${type}${algorithm}`),
          ),
        ),
      };
      for (const [path, wanted] of Object.entries(expected)) {
        const before = registry.askedByEdge().length;
        await ask(`/${path}`);
        await eventually(async () => assert.deepEqual(registry.askedByEdge().slice(before), wanted, path));
      }
    });

    test('a range that is none is refused without the words of the store', async () => {
      const answer = await ask(tarball, { headers: { range: 'bytes=99999999-' } });
      assert.deepEqual([answer.status, answer.text], [416, '']);
      assertNothingOfTheStore(answer, tarball);
    });

    if (artifacts === 'pointers') {
      test('no artifact is in the bucket of the site, and a pointer for each', async () => {
        const { site, image } = registry;
        for (const key of [tarball.slice(1), `v2/acme/app/blobs/${image.layer.digest}`]) {
          const found = await site.get(key);
          assert.ok(typeof found === 'object');
          assert.equal(String(await found.bytes()), `${found.blob}\n`);
          assert.equal(found.digest && blobKey(found.digest as never), found.blob);
        }
      });

      test('a pointer to anything but a blob leads nowhere, and one without its blob is no 404', async () => {
        const { site, secret } = registry;
        const strange = {
          'up/-/a.tgz': `../blobs/${blobKey(secret.layer.digest as never)}`,
          'site/-/a.tgz': '../site/npm/lib/=index',
          'query/-/a.tgz': `${blobKey(secret.layer.digest as never)}?list-type=2`,
          'host/-/a.tgz': '@other.example/x',
          'gone/-/a.tgz': blobKey(digestOf('gone')),
        };
        for (const [path, blob] of Object.entries(strange)) {
          const text = `${blob}\n`;
          const options = { contentType: 'application/octet-stream', digest: digestOf(text), blob };
          await site.put(`npm/${path}`, Buffer.from(text), options);
          for (const method of ['GET', 'HEAD']) {
            const answer = await ask(`/npm/${path}`, { method });
            assert.equal(answer.status, 503, path);
            assert.equal(answer.headers['cache-control'], 'no-store');
          }
        }
        for (const path of Object.keys(strange)) await site.remove(`npm/${path}`);
      });
    } else
      test('the edge has no business among the blobs', async () => {
        const { gateway, image } = registry;
        const key = blobKey(image.layer.digest as never);
        assert.equal((await fetch(`${gateway.endpoint}/${gateway.bucket}/a/blobs/${key}`)).status, 403);
      });

    test('a store that refuses, or is away, is no missing file', async () => {
      const assertUnavailable = async (): Promise<void> => {
        for (const path of [
          '/npm/lib',
          '/npm/nothing',
          tarball,
          '/v2/acme/app/manifests/1',
          '/ori/v1/advisories',
        ]) {
          const answer = await ask(path);
          assert.equal(answer.status, 503, path);
          assert.equal(answer.headers['retry-after'], '5');
          assert.equal(answer.headers['cache-control'], 'no-store');
          assert.match(answer.text, /^\{"error/);
          assertNothingOfTheStore(answer, path);
        }
      };
      const { gateway } = registry;
      await gateway.readByEdge('elsewhere/*');
      await assertUnavailable();
      await gateway.readByEdge('a/site/*', 'a/blobs/*');
      assert.equal((await ask(tarball)).status, 200);
      await gateway.close();
      await assertUnavailable();
    });
  });

test('what both configurations of nginx say about answers, they say in the same words', () => {
  const blocks = (file: string): Map<string, string> => {
    const text = readFileSync(new URL(`../../deploy/${file}`, import.meta.url), 'utf8');
    const found: Iterable<RegExpMatchArray> = text.matchAll(
      /^(?: {4})?((?:map|location) [^\n]* )\{\n(.*?)^(?: {4})?\}/gms,
    );
    // They differ in what their policy is called, and in nothing else.
    return new Map(
      [...found].map(([, head = '', body = '']) => [head, body.replaceAll('$said_cache', '$cache')]),
    );
  };
  const [files, bucket] = [blocks('nginx.conf'), blocks('nginx-bucket.conf')];
  const same = [...files.keys()].filter(
    (head) => /^(?:map|location @(?:ori_)?(?:missing|read_only)) /.test(head) && bucket.has(head),
  );
  assert.ok(same.length >= 15, same.join());
  for (const head of same) assert.equal(bucket.get(head), files.get(head), head);
});
