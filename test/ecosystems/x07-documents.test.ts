import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { bearer, send } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer, type TestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { packX07, type X07Package } from '../support/x07-package.ts';
import { signatureOf, signingOf } from '../support/x07-signature.ts';

const shared = await openTestServer(wholeFile);
const compat = '>=0.2.0 <0.3.0';

async function publish(server: TestServer, wanted: X07Package, token?: string): Promise<string> {
  const archive = packX07(wanted);
  const answer = await send(server.url, '/x07/v1/packages/publish', {
    method: 'POST',
    headers: bearer(token ?? ADMIN_TOKEN),
    body: archive,
  });
  assert.equal(answer.status, 200, answer.text);
  return createHash('sha256').update(archive).digest('hex');
}

async function read(server: TestServer, path: string): Promise<string> {
  const answer = await send(server.url, `/x07/${path}`);
  assert.equal(answer.status, 200, `${path}: ${answer.text}`);
  return answer.text;
}

async function yank(server: TestServer, name: string, version: string, yanked = true): Promise<void> {
  const answer = await send(server.url, `/x07/v1/packages/${name}/${version}/yank`, {
    method: 'POST',
    headers: { ...bearer(ADMIN_TOKEN), 'content-type': 'application/json' },
    body: JSON.stringify({ yanked }),
  });
  assert.equal(answer.status, 200, answer.text);
}

interface Detail {
  readonly latest_version: string | null;
  readonly versions: readonly { version: string; yanked: boolean; published_at: string }[];
  readonly facets?: readonly string[];
}
async function detailOf(server: TestServer, name: string): Promise<Detail> {
  return JSON.parse(await read(server, `v1/packages/${name}`)) as Detail;
}

/** The package's item of the catalog, as text, once the catalog is `wanted`. */
async function catalogItem(server: TestServer, name: string, wanted: RegExp): Promise<string> {
  return eventually(async () => {
    const text = await read(server, 'index/catalog.json');
    const { packages } = JSON.parse(text) as { packages: { name: string }[] };
    const item = JSON.stringify(packages.find((one) => one.name === name) ?? null);
    assert.match(item, wanted);
    assert.ok(text.includes(item), `${name} is not in the catalog`);
    return item;
  });
}

test('every document has its fields in the order of the contract, and no space', async () => {
  const alice = await makeToken(shared.data);
  const meta = {
    x07c_compat: compat,
    worlds_allowed: ['run-os'],
    facets: ['Greeting'],
    scale_classes_supported: ['edge-2', 'Edge-1'],
    scale_tested: true,
    scale_test_evidence_ref: 'https://x07.io/evidence/1.json',
  };
  const first = await publish(shared, { name: 'ordered', version: '0.1.0' }, alice);
  const cksum = await publish(
    shared,
    { name: 'ordered', version: '0.2.0', manifest: { homepage: 'https://x.example', meta } },
    alice,
  );
  await yank(shared, 'ordered', '0.1.0');
  const line = (version: string, hash: string, yanked: boolean): string =>
    `{"schema_version":"x07.index-entry@0.1.0","name":"ordered","version":"${version}","cksum":"${hash}","yanked":${yanked},"description":"About ordered.","docs":"How to use ordered.","signature":${JSON.stringify(signatureOf(shared.data, { name: 'ordered', version, cksum: hash }))}}\n`;
  assert.equal(
    await read(shared, 'index/or/de/ordered'),
    line('0.1.0', first, true) + line('0.2.0', cksum, false),
  );
  const detail = await read(shared, 'v1/packages/ordered');
  const [at2 = '', at1 = ''] = [...detail.matchAll(/"published_at":"([^"]+)"/g)].map(([, at]) => at);
  for (const at of [at1, at2]) assert.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/);
  assert.equal(
    detail,
    `{"ok":true,"name":"ordered","latest_version":"0.2.0","is_official":false,"owners":["alice"],"versions":[{"version":"0.2.0","cksum":"${cksum}","yanked":false,"published_at":"${at2}"},{"version":"0.1.0","cksum":"${first}","yanked":true,"published_at":"${at1}"}],"facets":["greeting"]}`,
  );
  assert.equal(
    await read(shared, 'v1/packages/ordered/owners'),
    '{"ok":true,"name":"ordered","is_official":false,"owners":["alice"]}',
  );
  assert.equal(
    await read(shared, 'v1/packages/ordered/0.2.0/metadata'),
    `{"ok":true,"package":{"schema_version":"x07.package@0.1.0","name":"ordered","description":"About ordered.","license":"MIT","docs":"How to use ordered.","version":"0.2.0","module_root":"modules","modules":["ext.ordered"],"meta":${JSON.stringify(meta)}},"cksum":"${cksum}","is_official":false,"facets":["greeting"],"scale_classes_supported":["edge-1","edge-2"],"scale_tested":true,"scale_test_evidence_ref":"https://x07.io/evidence/1.json"}`,
  );
  // The last four are left out when empty or false.
  assert.match(
    await read(shared, 'v1/packages/ordered/0.1.0/metadata'),
    new RegExp(`"cksum":"${first}","is_official":false}$`),
  );
  assert.equal(
    await catalogItem(shared, 'ordered', /0\.2\.0/),
    '{"name":"ordered","is_official":false,"latest":"0.2.0","description":"About ordered.","docs":"How to use ordered.","facets":["greeting"]}',
  );
  assert.match(
    await read(shared, 'index/catalog.json'),
    /^\{"schema_version":"x07\.index-catalog@0\.1\.0","packages":\[\{.*\}\]\}\n$/,
  );
});

test('an empty registry has an empty catalog', async (t) => {
  const server = await openTestServer(t);
  assert.equal(
    await read(server, 'index/catalog.json'),
    '{"schema_version":"x07.index-catalog@0.1.0","packages":[]}\n',
  );
});

test('versions are ordered as SemVer says, build metadata last: ascending in the index, descending in the detail', async () => {
  const ascending = [
    '0.9.0',
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0',
    '1.0.0+a',
    '1.0.0+b',
    '1.2.0',
    '1.10.0',
    '2.0.0-0',
  ];
  // Published in another order than any they are listed in.
  const shuffled = ascending.toSorted((a, b) => a.length - b.length || (a < b ? 1 : -1));
  for (const version of shuffled) await publish(shared, { name: 'sorted', version });
  const entry = await read(shared, 'index/so/rt/sorted');
  const lines = entry
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { version: string });
  assert.deepEqual(
    lines.map(({ version }) => version),
    ascending,
  );
  const detail = await detailOf(shared, 'sorted');
  assert.deepEqual(
    detail.versions.map(({ version }) => version),
    ascending.toReversed(),
  );
  assert.equal(detail.latest_version, '2.0.0-0');
});

test('latest is the highest version that is not yanked, pre-releases on equal terms', async () => {
  const name = 'latest';
  const expectLatest = async (version: string | null): Promise<void> =>
    assert.equal((await detailOf(shared, name)).latest_version, version);
  await publish(shared, { name, version: '1.0.0' });
  await expectLatest('1.0.0');
  await publish(shared, { name, version: '0.5.0' });
  await expectLatest('1.0.0');
  await publish(shared, { name, version: '2.0.0-rc.1' });
  await expectLatest('2.0.0-rc.1');
  await yank(shared, name, '0.5.0');
  await expectLatest('2.0.0-rc.1');
  await yank(shared, name, '2.0.0-rc.1');
  await expectLatest('1.0.0');
  await yank(shared, name, '1.0.0');
  await expectLatest(null);
  await yank(shared, name, '0.5.0', false);
  await expectLatest('0.5.0');
  await yank(shared, name, '2.0.0-rc.1', false);
  await expectLatest('2.0.0-rc.1');
});

test('a package whose versions are all yanked stays listed everywhere, without a latest', async () => {
  const name = 'all-yanked';
  await publish(shared, {
    name,
    version: '1.0.0',
    manifest: { meta: { x07c_compat: compat, facets: ['f'] } },
  });
  await yank(shared, name, '1.0.0');
  const detail = await read(shared, `v1/packages/${name}`);
  assert.match(detail, /"latest_version":null,/);
  assert.match(detail, /"yanked":true/);
  assert.doesNotMatch(detail, /facets/);
  assert.match(await read(shared, `index/al/l-/${name}`), /"yanked":true/);
  // Never `"latest":null`: the user interface refuses the whole catalog for it.
  assert.equal(await catalogItem(shared, name, /^(?!.*latest)/), '{"name":"all-yanked","is_official":false}');
  for (const file of ['metadata', 'download'])
    assert.notEqual(await read(shared, `v1/packages/${name}/1.0.0/${file}`), '');
});

test('description, docs and facets of the catalog are those of the latest version', async () => {
  const name = 'described';
  const of = (description: string, facet: string) => ({
    description,
    meta: { x07c_compat: compat, facets: [facet] },
  });
  await publish(shared, { name, version: '2.0.0', manifest: of('Second.', 'two') });
  await publish(shared, { name, version: '1.0.0', manifest: of('First.', 'one') });
  assert.match(
    await catalogItem(shared, name, /latest/),
    /"latest":"2.0.0","description":"Second\.".*"facets":\["two"\]/,
  );
  await yank(shared, name, '2.0.0');
  assert.match(await catalogItem(shared, name, /"1\.0\.0"/), /"description":"First\.".*"facets":\["one"\]/);
  assert.deepEqual((await detailOf(shared, name)).facets, ['one']);
});

test('facets come from the name and from the fields of meta', async () => {
  const rows: readonly (readonly [name: string, meta: Record<string, unknown>, facets?: string[]])[] = [
    ['plain', {}],
    ['ext-db-thing', {}, ['capability:database']],
    ['x07-ext-db-thing', {}, ['capability:database']],
    ['ext-msg-amqp', {}, ['binding:amqp', 'capability:messaging']],
    ['x07-ext-msg-x', {}, ['capability:messaging']],
    ['ext-obj-s3', {}, ['binding:s3', 'capability:object-store']],
    ['my-ext-db-thing', {}],
    ['with-postgres-inside', {}, ['binding:postgres']],
    ['redis-and-sqlite', {}, ['binding:redis', 'binding:sqlite']],
    ['facets-as-they-are', { facets: [' B ', 'a', 'A', 'c:d'] }, ['a', 'b', 'c:d']],
    ['facet-in-a-string', { facets: 'One' }, ['one']],
    [
      'every-field',
      {
        archetype: 'Web',
        archetypes: ['cli', 'web'],
        binding: 'x',
        bindings: ['y'],
        runtime: 'Native-HTTP',
        runtimes: ['wasm'],
        trust_profile: 'low',
        trust_profiles: ['high'],
        capability: 'p',
        capabilities: ['q'],
      },
      [
        'archetype:cli',
        'archetype:web',
        'binding:x',
        'binding:y',
        'capability:p',
        'capability:q',
        'runtime:native-http',
        'runtime:wasm',
        'trust:high',
        'trust:low',
      ],
    ],
    [
      'of-other-types',
      { facets: [1, null, '', '  ', ['x'], { a: 1 }, true], archetype: 5, bindings: { a: 'b' } },
    ],
  ];
  for (const [name, meta, facets] of rows) {
    await publish(shared, { name, version: '1.0.0', manifest: { meta: { x07c_compat: compat, ...meta } } });
    assert.deepEqual((await detailOf(shared, name)).facets, facets, name);
  }
});

test('an official owner marks a package everywhere, and verified namespaces are listed', async (t) => {
  const server = await openTestServer(t);
  const { settings } = await settingsOf(server, t);
  await settings({ officialOwner: 'alice', verifiedNamespaces: ['acme', 'x07'] });
  const alice = await makeToken(server.data);
  await publish(server, { name: 'by-alice', version: '1.0.0' }, alice);
  await publish(server, { name: 'by-admin', version: '1.0.0' });
  for (const path of ['', '/owners', '/1.0.0/metadata']) {
    assert.match(await read(server, `v1/packages/by-alice${path}`), /"is_official":true/);
    assert.match(await read(server, `v1/packages/by-admin${path}`), /"is_official":false/);
  }
  assert.match(await catalogItem(server, 'by-alice', /latest/), /"is_official":true/);
  assert.match(await catalogItem(server, 'by-admin', /latest/), /"is_official":false/);
  assert.equal(
    await read(server, 'index/config.json'),
    `{"dl":"${server.url}/x07/v1/packages/","api":"${server.url}/x07/v1/","auth-required":false,"sparse":true,"verified-namespaces":["acme","x07"]}`,
  );
});

async function settingsOf(server: TestServer, _t: TestContext) {
  const { remoteControl } = await import('../../api/control.ts');
  const control = remoteControl(`${server.data}/control.sock`);
  return {
    settings: (x07: { officialOwner: string; verifiedNamespaces: string[] }) =>
      control.execute([
        {
          kind: 'change-settings',
          settings: { publicUrl: server.url, mounts: { x07: '/x07' }, x07 },
        },
      ]),
  };
}

test('at another mount the surface is the same, and its URLs say so', async (t) => {
  for (const [mounts, prefix] of [
    ['x07=/', ''],
    ['x07=/deep/er', '/deep/er'],
  ] as const) {
    const server = await openTestServer(t, {
      CAIRN_MOUNTS: mounts,
      CAIRN_PUBLIC_URL: 'https://registry.example',
    });
    const at = (path: string, method = 'GET') => send(server.url, `${prefix}${path}`, { method });
    const archive = packX07({ name: 'acme-hello', version: '1.0.0' });
    const published = await send(server.url, `${prefix}/v1/packages/publish`, {
      method: 'POST',
      headers: bearer(ADMIN_TOKEN),
      body: archive,
    });
    assert.equal(published.status, 200, published.text);
    assert.equal(
      (JSON.parse(published.text) as { index_path: string }).index_path,
      `${prefix}/index/ac/me/acme-hello`,
    );
    const base = `https://registry.example${prefix}`;
    assert.equal(
      (await at('/index/config.json')).text,
      `{"dl":"${base}/v1/packages/","api":"${base}/v1/","auth-required":false,"sparse":true,"signing":${JSON.stringify(signingOf(server.data))}}`,
    );
    assert.deepEqual((await at('/v1/packages/acme-hello/1.0.0/download')).body, archive);
    assert.match((await at('/index/ac/me/acme-hello')).text, /^\{"schema_version"/);
    assert.equal((await at('/index')).headers.location, `${prefix}/index/`);
    assert.equal((await at('/index/')).headers.location, `${prefix}/index/catalog.json`);
    assert.match((await at('/')).text, /"service":"x07-registry"/);
    const missing = await at('/nothing');
    assert.deepEqual([missing.status, missing.text], [404, '']);
    assert.equal((await at('/nothing', 'POST')).status, 405);
    assert.equal((await send(server.url, '/healthz')).text, 'ok');
    const vhost = await send(server.url, '/ac/me/acme-hello', { headers: { host: 'index.x07.io' } });
    assert.equal(vhost.text, (await at('/index/ac/me/acme-hello')).text);
  }
});
