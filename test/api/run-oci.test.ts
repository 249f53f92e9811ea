/** The same components as OCI artifacts (contract, section 9), with the OCI surface and without. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cairnOk } from '../support/command-line.ts';
import { bearer, send, type Answer } from '../support/http.ts';
import { runApi } from '../support/run-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { openTestServer } from '../support/test-server.ts';
import { sha256 } from '../support/traffic.ts';
import { componentWith, emptyComponent, emptyModule, exportsOf, importsOf } from '../support/wasm-binary.ts';
import { wholeFile } from '../support/whole-file.ts';

const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const exported = 'wasi:cli/run@0.2.0';
const imported = ['wasi:io/streams@0.2.3', 'wasi:cli/stdout@0.2.3'];
const component = Buffer.concat([emptyComponent, importsOf(...imported), exportsOf(exported)]);

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}
interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

for (const ecosystems of ['run', 'run,oci'])
  describe(`with ${ecosystems}`, async () => {
    const server = await openTestServer(wholeFile, {
      CAIRN_ECOSYSTEMS: ecosystems,
      CAIRN_LIMITS: 'run=off',
    });
    const run = runApi(server);
    const name = 'acme:tools/hello_world';
    const repository = '/v2/wasm/acme/tools/hello_world';
    for (const version of ['1.10.0', '1.9.0', '2.0.0-rc.1'])
      await run.publish({ name, version, component, more: { license: 'MIT' } }, ADMIN_TOKEN);

    const get = (path: string, method = 'GET'): Promise<Answer> => send(server.url, path, { method });
    async function ok(path: string): Promise<Answer> {
      const answer = await get(path);
      assert.equal(answer.status, 200, `${path}: ${answer.text}`);
      assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
      return answer;
    }
    async function refused(path: string, status: number, code: string, method = 'GET'): Promise<void> {
      const answer = await get(path, method);
      assert.equal(answer.status, status, `${path}: ${answer.text}`);
      assert.equal(answer.headers['content-type'], 'application/json');
      if (method === 'HEAD') return;
      const { errors } = JSON.parse(answer.text) as { errors: { code: string; message: string }[] };
      assert.deepEqual(
        errors.map((error) => error.code),
        [code],
        path,
      );
      assert.notEqual(errors[0]?.message, '');
    }

    test('tags are all versions, the lowest first, in one answer whatever is asked for', async () => {
      for (const query of ['', '?n=1', '?last=1.9.0']) {
        const answer = await ok(`${repository}/tags/list${query}`);
        assert.deepEqual(JSON.parse(answer.text), {
          name: 'wasm/acme/tools/hello_world',
          tags: ['1.9.0', '1.10.0', '2.0.0-rc.1'],
        });
      }
    });

    test('the manifest names one config and one layer, and is the same by tag and by digest', async () => {
      const byTag = await ok(`${repository}/manifests/1.10.0`);
      const digest = `sha256:${sha256(byTag.body)}`;
      assert.equal(byTag.headers['content-type'], manifestType);
      assert.equal(byTag.headers['docker-content-digest'], digest);
      assert.equal((await run.metadata(name, '1.10.0')).digest, digest);
      const byDigest = await ok(`${repository}/manifests/${digest}`);
      assert.equal(byDigest.text, byTag.text);
      assert.equal(byDigest.headers['docker-content-digest'], digest);
      assert.equal(byDigest.headers['content-type'], manifestType);
      const head = await get(`${repository}/manifests/1.10.0`, 'HEAD');
      assert.deepEqual(
        [
          head.status,
          head.headers['content-type'],
          head.headers['content-length'],
          head.headers['docker-content-digest'],
        ],
        [200, manifestType, String(byTag.body.length), digest],
      );
      const { config, layers } = JSON.parse(byTag.text) as Manifest;
      const layer = `sha256:${sha256(component)}`;
      assert.deepEqual(JSON.parse(byTag.text), {
        schemaVersion: 2,
        mediaType: manifestType,
        config: {
          mediaType: 'application/vnd.wasm.config.v0+json',
          digest: config.digest,
          size: config.size,
        },
        layers: [
          {
            mediaType: 'application/wasm',
            digest: layer,
            size: component.length,
            annotations: { 'org.opencontainers.image.title': 'hello_world.wasm' },
          },
        ],
        annotations: {
          'org.opencontainers.image.version': '1.10.0',
          'org.opencontainers.image.description': 'Hello world component',
          'org.opencontainers.image.licenses': 'MIT',
        },
      });
      assert.equal(layers.length, 1);
      const blob = await ok(`${repository}/blobs/${layer}`);
      assert.ok(blob.body.equals(component), 'other bytes');
      assert.equal(blob.headers['content-type'], 'application/octet-stream');
      assert.equal(blob.headers['docker-content-digest'], layer);
      const made = await ok(`${repository}/blobs/${config.digest}`);
      assert.equal(`sha256:${sha256(made.body)}`, config.digest);
      assert.equal(made.body.length, config.size);
      const { created, ...rest } = JSON.parse(made.text) as Record<string, unknown>;
      assert.match(String(created), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.deepEqual(rest, {
        author: null,
        architecture: 'wasm',
        os: 'wasip2',
        layerDigests: [layer],
        component: { exports: [exported], imports: imported, target: null },
      });
      // Clients send the types of manifests on blobs, too.
      const accept = { accept: manifestType };
      assert.equal((await send(server.url, `${repository}/blobs/${layer}`, { headers: accept })).status, 200);
    });

    test('a core module is one of another system', async () => {
      await run.publish({ name: 'acme:core', version: '1.0.0', component: emptyModule }, ADMIN_TOKEN);
      const { config } = JSON.parse((await ok('/v2/wasm/acme/core/manifests/1.0.0')).text) as Manifest;
      const made = JSON.parse((await ok(`/v2/wasm/acme/core/blobs/${config.digest}`)).text) as Record<
        string,
        unknown
      >;
      assert.equal(made['os'], 'wasip1');
      assert.equal('component' in made, false);
    });

    test('a yank takes the tag from the list, and nothing else', async () => {
      const before = await ok(`${repository}/manifests/1.9.0`);
      await cairnOk(['yank', `run/${name}@1.9.0`, '--data', server.data]);
      const { tags } = JSON.parse((await ok(`${repository}/tags/list`)).text) as { tags: string[] };
      assert.deepEqual(tags, ['1.10.0', '2.0.0-rc.1']);
      for (const reference of ['1.9.0', `sha256:${sha256(before.body)}`])
        assert.equal((await ok(`${repository}/manifests/${reference}`)).text, before.text);
      await cairnOk(['unyank', `run/${name}@1.9.0`, '--data', server.data]);
    });

    test('a name that is not there is NAME_UNKNOWN, and nothing else is', async () => {
      const none = `sha256:${'0'.repeat(64)}`;
      for (const method of ['GET', 'HEAD'])
        for (const [path, code] of [
          ['/v2/wasm/acme/nothing/tags/list', 'NAME_UNKNOWN'],
          ['/v2/wasm/acme/tools/tags/list', 'NAME_UNKNOWN'],
          ['/v2/wasm/acme/tags/list', 'NAME_UNKNOWN'],
          ['/v2/wasm/acme/nothing/manifests/1.0.0', 'NAME_UNKNOWN'],
          [`/v2/wasm/acme/nothing/blobs/${none}`, 'NAME_UNKNOWN'],
          [`/v2/wasm/acme/nothing/referrers/${none}`, 'NAME_UNKNOWN'],
          // Only as it is spelled: its twin is another's.
          ['/v2/wasm/acme/tools_hello_world/tags/list', 'NAME_UNKNOWN'],
          [`${repository}/manifests/9.9.9`, 'MANIFEST_UNKNOWN'],
          [`${repository}/manifests/${none}`, 'MANIFEST_UNKNOWN'],
          [`${repository}/manifests/1.9.0.oci-image`, 'MANIFEST_UNKNOWN'],
          [`${repository}/blobs/${none}`, 'BLOB_UNKNOWN'],
        ] as const)
          await refused(path, 404, code, method);
    });

    test('nothing refers to a component, as far as anybody can push here', async () => {
      const { digest } = await run.metadata(name, '1.10.0');
      const answer = await ok(`${repository}/referrers/${digest}`);
      assert.equal(answer.headers['content-type'], 'application/vnd.oci.image.index.v1+json');
      assert.deepEqual((JSON.parse(answer.text) as { manifests: unknown }).manifests, []);
    });

    test('nobody can push there, not even who may do everything', async () => {
      const body = Buffer.from('{}');
      const digest = `sha256:${sha256(body)}`;
      for (const place of [repository, '/v2/wasm/acme/new', '/v2/wasm/new'])
        for (const [method, path] of [
          ['POST', 'blobs/uploads/'],
          ['POST', `blobs/uploads/?digest=${digest}`],
          ['POST', 'blobs/uploads'],
          ['PATCH', 'blobs/uploads/00000000-0000-4000-8000-000000000000'],
          ['PUT', `blobs/uploads/00000000-0000-4000-8000-000000000000?digest=${digest}`],
          ['GET', 'blobs/uploads/00000000-0000-4000-8000-000000000000'],
          ['DELETE', 'blobs/uploads/00000000-0000-4000-8000-000000000000'],
          ['PUT', 'manifests/1.0.0'],
          ['DELETE', 'manifests/1.10.0'],
          ['DELETE', `blobs/sha256:${sha256(component)}`],
        ] as const) {
          const answer = await send(server.url, `${place}/${path}`, {
            method,
            headers: { ...bearer(ADMIN_TOKEN), 'content-type': manifestType },
            ...(method === 'GET' || method === 'DELETE' ? {} : { body }),
          });
          assert.equal(answer.status, 405, `${method} ${place}/${path}: ${answer.text}`);
          assert.match(answer.text, /UNSUPPORTED.*published through Run/);
        }
    });

    test('clients find out where components are', async () => {
      const found = await get('/.well-known/wasm-pkg/registry.json');
      assert.equal(found.status, 200);
      assert.equal(found.headers['content-type'], 'application/json');
      assert.deepEqual(JSON.parse(found.text), {
        preferredProtocol: 'oci',
        oci: { registry: new URL(server.url).host, namespacePrefix: 'wasm/' },
      });
      for (const path of ['/v2/', '/v2']) {
        const answer = await get(path);
        // Where accounts are, clients learn from this how to log in; a token of nobody is enough here.
        assert.equal(answer.status, ecosystems === 'run' ? 200 : 401, path);
        assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
        if (ecosystems === 'run') assert.equal(answer.text, '{}');
      }
      if (ecosystems === 'run') await refused('/v2/acme/app/tags/list', 404, 'UNSUPPORTED');
    });

    test('made again from the log, twice, every file is the same, and no digest has moved', async () => {
      const { digest } = await run.metadata(name, '1.10.0');
      for (let round = 0; round < 2; round += 1) {
        assert.match(await cairnOk(['regen', '--full', '--data', server.data]), /stands for/);
        assert.match(await cairnOk(['regen', '--check', '--data', server.data]), /^clean/);
        const byTag = await ok(`${repository}/manifests/1.10.0`);
        assert.equal(`sha256:${sha256(byTag.body)}`, digest);
        assert.equal((await run.metadata(name, '1.10.0')).digest, digest);
      }
    });

    test('two versions of the same bytes share a layer, and each keeps it', async () => {
      const same = componentWith('shared');
      for (const version of ['1.0.0', '1.1.0'])
        await run.publish({ name: 'acme:same', version, component: same }, ADMIN_TOKEN);
      for (const version of ['1.0.0', '1.1.0']) await ok(`/v2/wasm/acme/same/manifests/${version}`);
      await ok(`/v2/wasm/acme/same/blobs/sha256:${sha256(same)}`);
    });
  });
