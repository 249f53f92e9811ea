/**
 * What npm itself says of our signatures and provenance: `npm publish --provenance-file` and `npm audit signatures`, of
 * three versions. The one thing in them that is replaced is the client that fetches Sigstore's trusted root from the
 * Internet: it is given the root of an instance of the test's own, and says that it knows no keys of this registry.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { mkdir, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { cairnOk, type Finished } from '../support/command-line.ts';
import { npmApi } from '../support/npm-api.ts';
import { integrityOf, packNpm } from '../support/npm-package.ts';
import { clientNamed } from '../support/npm-clients.ts';
import { runNpm } from '../support/npm-program.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { aSigstoreInstance } from '../support/sigstore-instance.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTestServer } from '../support/test-server.ts';

const preload = `
const Module = require('node:module');
const load = Module._load;
Module._load = function (request, parent, isMain) {
  const real = load.call(this, request, parent, isMain);
  if (request !== '@sigstore/tuf') return real;
  const { TrustedRoot } = load.call(this, '@sigstore/protobuf-specs', parent, false);
  const root = JSON.parse(require('node:fs').readFileSync(process.env.TEST_TRUSTED_ROOT, 'utf8'));
  const unknown = () => Promise.reject(Object.assign(new Error('no such target'), { code: 'TUF_FIND_TARGET_ERROR' }));
  return { ...real, getTrustedRoot: async () => TrustedRoot.fromJSON(root), initTUF: async () => ({ getTarget: unknown }) };
};
`;

/** Changes an answer on its way: the path and the parsed body. */
type Tamper = (path: string, body: never) => unknown;

/** A registry between us and the client, with whatever it is told to do to the answers. */
async function aProxy(t: TestContext, origin: string): Promise<{ url: string; tamper: Tamper | undefined }> {
  const proxy = { url: '', tamper: undefined as Tamper | undefined };
  const server = createServer((request, response) => {
    void fetch(`${origin}${request.url}`).then(async (answer) => {
      const text = await answer.text();
      const isTampered = answer.ok && proxy.tamper;
      const body = isTampered
        ? JSON.stringify(proxy.tamper?.(request.url ?? '', JSON.parse(text) as never))
        : text;
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close().closeAllConnections());
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}

interface Document {
  versions: Record<string, { dist: Record<string, unknown> }>;
}

for (const version of ['npm 10', 'npm 11', 'npm 12'] as const)
  test(`${version} publishes provenance, and verifies signatures and attestations`, async (t) => {
    const program = await clientNamed(version);
    const sigstore = await aSigstoreInstance();
    const directory = await temporaryDirectory(t);
    const root = join(directory, 'root.json');
    await writeFile(root, sigstore.trustedRoot);
    await writeFile(join(directory, 'preload.cjs'), preload);
    const server = await openTestServer(t, { CAIRN_SIGSTORE_TRUSTED_ROOT: root });
    const npm = npmApi(server);
    const proxy = await aProxy(t, server.url);
    const project = join(directory, 'project');
    await mkdir(project);
    await writeFile(join(project, 'package.json'), '{"name":"project","version":"1.0.0"}');
    const run = (args: readonly string[], registry = server.url): Promise<Finished> =>
      runNpm(program, args, {
        cwd: project,
        home: directory,
        registry: `${registry}/npm/`,
        token: ADMIN_TOKEN,
        env: { NODE_OPTIONS: `--require ${join(directory, 'preload.cjs')}`, TEST_TRUSTED_ROOT: root },
      });
    const well = async (args: readonly string[]): Promise<void> => {
      const { code, stdout, stderr } = await run(args);
      assert.equal(code, 0, `npm ${args.join(' ')}\n${stdout}${stderr}`);
    };

    const lib = { name: '@acme/lib', version: '1.0.0' };
    const tarball = packNpm(lib);
    const sha512 = Buffer.from(integrityOf(tarball).slice('sha512-'.length), 'base64').toString('hex');
    const bundle = await sigstore.sign({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'pkg:npm/%40acme/lib@1.0.0', digest: { sha512 } }],
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: {},
    });
    await writeFile(join(directory, 'lib.tgz'), tarball);
    await writeFile(join(directory, 'bundle.json'), JSON.stringify(bundle));
    await well(['publish', '../lib.tgz', '--access=public', '--provenance-file=../bundle.json']);
    const served = await npm.ok({ path: '-/npm/v1/attestations/@acme%2flib@1.0.0' });
    assert.deepEqual(served, {
      attestations: [{ predicateType: 'https://slsa.dev/provenance/v1', bundle }],
    });
    assert.equal((await npm.publish({ name: 'early', version: '1.0.0' }, ADMIN_TOKEN)).status, 201);
    await cairnOk(['keys', 'rotate', 'npm', '--data', server.data]);
    assert.equal((await npm.publish({ name: 'plain', version: '1.0.0' }, ADMIN_TOKEN)).status, 201);
    await well(['install', 'plain']);
    const isOld = version === 'npm 10';
    // A second one by the old key, for the version of npm that cannot have the one with provenance.
    await well(['install', isOld ? 'early' : '@acme/lib']);

    const audit = async (tamper?: Tamper): Promise<Finished & { said: string }> => {
      proxy.tamper = tamper;
      const finished = await run(['audit', 'signatures', '--prefer-online'], proxy.url);
      return { ...finished, said: finished.stdout + finished.stderr };
    };
    // One version by the key that was retired, the other by the one that followed.
    const good = await audit();
    assert.equal(good.code, 0, good.said);
    assert.match(good.said, /2 packages have verified registry signatures/);
    if (!isOld) assert.match(good.said, /1 package has a verified attestation/);

    const inDist =
      (name: string, change: (dist: Record<string, unknown>) => void): Tamper =>
      (path, body) => {
        if (decodeURIComponent(path) === `/npm/${name}`)
          for (const { dist } of Object.values((body as Document).versions)) change(dist);
        return body;
      };
    const inKeys =
      (change: (keys: { expires: string | null }[]) => unknown): Tamper =>
      (path, body) =>
        path.endsWith('/keys') ? { keys: change((body as { keys: never }).keys) } : body;
    const other = await sigstore.sign({ ...bundle, predicate: { other: true } });
    const bad: [string, Tamper, RegExp][] = [
      [
        'another integrity',
        inDist('plain', (dist) => (dist['integrity'] = integrityOf(tarball))),
        /1 package has an invalid registry signature/,
      ],
      [
        'no signature',
        inDist('plain', (dist) => delete dist['signatures']),
        /1 package has a missing registry signature/,
      ],
      ['no key that fits', inKeys((keys) => keys.slice(0, 1)), /no corresponding public key can be found/],
      [
        'a key that ended before',
        inKeys((keys) => keys.map((key) => ({ ...key, expires: '2020-01-01T00:00:00Z' }))),
        /public key has expired/,
      ],
    ];
    if (!isOld)
      bad.push([
        'another attestation',
        (path, body) =>
          path.includes('/attestations/')
            ? {
                attestations: [
                  {
                    predicateType: 'x',
                    bundle: {
                      ...bundle,
                      dsseEnvelope: { ...bundle.dsseEnvelope, signatures: other.dsseEnvelope.signatures },
                    },
                  },
                ],
              }
            : body,
        /1 package has an invalid attestation/,
      ]);
    for (const [what, tamper, says] of bad) {
      const finished = await audit(tamper);
      assert.equal(finished.code, 1, `${what}: ${finished.said}`);
      assert.match(finished.said, says, what);
    }
    if (!isOld) return;
    // It wants a second attestation, which the registry makes in a transparency log, and stops where there is none;
    // below a path it does not find any (it puts the path of the registry before that of the URL).
    await well(['install', '@acme/lib']);
    const stopped = await audit();
    assert.equal(stopped.code, 1);
    assert.match(stopped.said, /E404[^]*\/npm\/npm\/-\/npm\/v1\/attestations/);
  });
