/** The requests that client 0.2.17 was seen to make (contract, sections 7 and 12), headers and order included. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { send, type Answer } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { packX07 } from '../support/x07-package.ts';
import { faultOf, type Signing } from '../support/x07-signature.ts';

const server = await openTestServer(wholeFile);

/** What the client sends on every request; a token only where one is stored for that index. */
const common = { 'accept-encoding': 'gzip', 'user-agent': 'ureq/3.1.4', accept: '*/*' };
const stored = { ...common, authorization: `Bearer ${ADMIN_TOKEN}` };

async function get(url: string, headers: Record<string, string> = stored): Promise<Answer> {
  const { origin, pathname, search } = new URL(url);
  const answer = await send(origin, pathname + search, { headers });
  // It takes gzip when it is offered, and hashes what comes out; we offer none.
  assert.equal(answer.headers['content-encoding'], undefined);
  return answer;
}

interface Config {
  readonly dl: string;
  readonly api: string;
}
/** `sparse+http://…/index/`, as a person writes it. */
const index = `${server.x07}/index/`;
async function config(headers = stored as Record<string, string>): Promise<Config> {
  const answer = await get(new URL('config.json', index).href, headers);
  assert.equal(answer.status, 200);
  return JSON.parse(answer.text) as Config;
}

interface Line {
  readonly schema_version: string;
  readonly name: string;
  readonly version: string;
  readonly cksum: string;
  readonly yanked: boolean;
  readonly advisories?: readonly Record<string, unknown>[];
}
async function entry(path: string, headers = stored as Record<string, string>): Promise<Line[]> {
  const answer = await get(new URL(path, index).href, headers);
  assert.equal(answer.status, 200);
  return answer.text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const read = JSON.parse(line) as Line;
      assert.equal(read.schema_version, 'x07.index-entry@0.1.0');
      assert.equal(typeof read.yanked, 'boolean');
      return read;
    });
}

async function publish(name: string, version: string, requires: string[] = []): Promise<string> {
  const meta = { x07c_compat: '>=0.2.0 <0.3.0', worlds_allowed: ['solve-pure'], requires_packages: requires };
  const archive = packX07({ name, version, manifest: { meta } });
  const { api } = await config();
  const url = new URL('packages/publish', api);
  const answer = await send(url.origin, url.pathname, {
    method: 'POST',
    headers: {
      ...stored,
      'content-type': 'application/octet-stream',
      'content-length': String(archive.length),
    },
    body: archive,
  });
  assert.equal(answer.status, 200, answer.text);
  const cksum = createHash('sha256').update(archive).digest('hex');
  const said = JSON.parse(answer.text) as Record<string, unknown>;
  assert.deepEqual([said['cksum'], said['name'], said['version']], [cksum, name, version]);
  // At once, with the token: the version has to be there.
  const detail = await get(new URL(`packages/${name}`, api).href);
  assert.equal(detail.status, 200);
  const { versions } = JSON.parse(detail.text) as { versions: Line[] };
  assert.equal(versions.find((one) => one.version === version)?.cksum, cksum);
  return cksum;
}

test('pkg publish: config, publish, and the package with its new version', async () => {
  // The bulk publisher asks before, and takes nothing but 404 for an unknown package.
  const { api } = await config();
  assert.equal((await get(new URL('packages/vec-demo', api).href)).status, 404);
  const cksum = await publish('vec-demo', '1.0.0');
  await publish('vec-demo', '1.1.0');
  await publish('vec-demo', '2.0.0-rc.1');
  assert.equal((await entry('ve/c-/vec-demo'))[0]?.cksum, cksum);
});

test('pkg versions: config and entry, also past every cache', async () => {
  await config();
  for (const path of ['ve/c-/vec-demo', `ve/c-/vec-demo?x07_refresh=${1_764_000_000_000}`])
    assert.deepEqual(
      (await entry(path)).map(({ version }) => version),
      ['1.0.0', '1.1.0', '2.0.0-rc.1'],
    );
});

test('pkg info and pkg verify: config, entry and metadata', async () => {
  const { api } = await config();
  await entry('ve/c-/vec-demo');
  const metadata = await get(new URL('packages/vec-demo/1.0.0/metadata', api).href);
  const { package: manifest } = JSON.parse(metadata.text) as { package: { name: string } };
  assert.equal(manifest.name, 'vec-demo');
  const { text } = await get(new URL('config.json', index).href);
  for (const line of await entry('ve/c-/vec-demo'))
    assert.equal(faultOf(line, JSON.parse(text) as { signing: Signing }), undefined);
});

test('pkg add and pkg lock without a token: entries and archives, breadth first', async () => {
  await publish('vec-user', '0.1.0', ['vec-demo@>=1.0.0 <2.0.0']);
  const anonymous: Record<string, string> = common;
  const { dl } = await config(anonymous);
  const [user] = await entry('ve/c-/vec-user', anonymous);
  const fetchArchive = async (line: Line | undefined): Promise<Buffer> => {
    const answer = await get(new URL(`${line?.name}/${line?.version}/download`, dl).href, anonymous);
    assert.equal(answer.status, 200);
    assert.equal(createHash('sha256').update(answer.body).digest('hex'), line?.cksum);
    return answer.body;
  };
  assert.ok((await fetchArchive(user)).includes('vec-demo@>=1.0.0 <2.0.0'));
  const demo = (await entry('ve/c-/vec-demo', anonymous)).findLast(({ version }) => !version.includes('-'));
  assert.equal(demo?.version, '1.1.0');
  await fetchArchive(demo);
  for (const path of ['ve/c-/vec-user', 've/c-/vec-demo']) await entry(path, anonymous);
});

/** One request of a recorded command: what is asked for, of which version. */
interface Recorded {
  readonly what: 'config' | 'entry' | 'archive' | 'metadata';
  readonly name?: string;
  readonly version?: string;
  readonly query?: string;
}
const C: Recorded = { what: 'config' };
const E = (name: string, query = ''): Recorded => ({ what: 'entry', name, query });
const D = (name: string, version: string): Recorded => ({ what: 'archive', name, version });
const M = (name: string, version: string): Recorded => ({ what: 'metadata', name, version });
const missing = [C, E('vec-user'), D('vec-user', '0.1.0'), E('vec-demo'), D('vec-demo', '1.1.0')];
const perName = [E('vec-demo'), E('vec-user')];

/** The table of section 12.1; commands without requests are not in it. */
const commands: readonly (readonly [command: string, requests: readonly Recorded[]])[] = [
  ['pkg versions vec-demo', [C, E('vec-demo')]],
  ['pkg versions vec-demo --refresh', [C, E('vec-demo', '?x07_refresh=1764000000000')]],
  ['pkg info vec-demo', [C, E('vec-demo'), M('vec-demo', '2.0.0-rc.1')]],
  ['pkg info vec-demo@1.0.0', [C, E('vec-demo'), M('vec-demo', '1.0.0')]],
  ['pkg info vec-demo, vendored', [C, E('vec-demo')]],
  ['pkg verify vec-demo@1.1.0', [C, E('vec-demo')]],
  ['pkg add vec-demo', [C, E('vec-demo')]],
  ['pkg add vec-user --sync', [C, E('vec-user'), ...missing, ...perName]],
  ['pkg add vec-user@0.1.0 --sync', [...missing, ...perName]],
  ['pkg lock', [...missing, ...perName]],
  ['pkg lock --check, all vendored', [C, ...perName]],
  ['pkg repair', [C, E('vec-demo'), D('vec-demo', '1.1.0')]],
];

test('every command gets what it asks for, with a token or without, in one answer each', async () => {
  for (const [command, requests] of commands)
    for (const headers of [stored, common] as Record<string, string>[]) {
      let at: Config | undefined;
      const lines = new Map<string, Line[]>();
      for (const request of requests) {
        if (request.what === 'config') at = await config(headers);
        assert.ok(at, `${command} begins with the config`);
        await replay(request, at, lines, headers);
      }
    }
});

async function replay(
  { what, name = '', version = '', query = '' }: Recorded,
  { api, dl }: Config,
  lines: Map<string, Line[]>,
  headers: Record<string, string>,
): Promise<void> {
  switch (what) {
    case 'config':
      return;
    case 'entry':
      lines.set(name, await entry(`${name.slice(0, 2)}/${name.slice(2, 4)}/${name}${query}`, headers));
      return;
    case 'archive': {
      const answer = await get(new URL(`${name}/${version}/download`, dl).href, headers);
      assert.equal(answer.status, 200);
      const line = lines.get(name)?.find((one) => one.version === version);
      assert.equal(createHash('sha256').update(answer.body).digest('hex'), line?.cksum);
      return;
    }
    case 'metadata': {
      const answer = await get(new URL(`packages/${name}/${version}/metadata`, api).href, headers);
      assert.equal(answer.status, 200);
      const { package: manifest } = JSON.parse(answer.text) as { package: Record<string, unknown> };
      assert.deepEqual([manifest['name'], manifest['version']], [name, version]);
    }
  }
}

test('pkg add takes the highest version that is not yanked, and pkg lock --check learns of yanks and warnings', async () => {
  const post = async (path: string, body: object): Promise<void> => {
    const { api } = await config();
    const url = new URL(`packages/vec-demo/${path}`, api);
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' };
    const answer = await send(url.origin, url.pathname, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, 200, answer.text);
  };
  const added = async (): Promise<string | undefined> =>
    (await entry('ve/c-/vec-demo')).findLast(({ yanked }) => !yanked)?.version;
  assert.equal(await added(), '2.0.0-rc.1', 'pre-releases on equal terms');
  await post('2.0.0-rc.1/yank', { yanked: true });
  assert.equal(await added(), '1.1.0');
  await post('1.1.0/advisories', { kind: 'security', severity: 'high', summary: 'Overflow.' });
  const [, warned, yanked] = await entry('ve/c-/vec-demo');
  assert.deepEqual([warned?.yanked, yanked?.yanked], [false, true]);
  for (const advisory of warned?.advisories ?? assert.fail('no advisory')) {
    assert.equal(advisory['schema_version'], 'x07.pkg.advisory@0.1.0');
    assert.deepEqual([advisory['package'], advisory['version']], ['vec-demo', '1.1.0']);
    for (const field of ['id', 'kind', 'severity', 'summary', 'created_at_utc'])
      assert.equal(typeof advisory[field], 'string');
  }
  // A yanked version still resolves where a lock file names it.
  const { dl } = await config();
  await replay(
    D('vec-demo', '2.0.0-rc.1'),
    { dl, api: '' },
    new Map([['vec-demo', await entry('ve/c-/vec-demo')]]),
    stored,
  );
});

test('a package that is not there is a failure that quotes us', async () => {
  await config();
  const answer = await get(new URL('no/bo/nobody', index).href);
  assert.equal(answer.status, 404);
  assert.match(answer.text, /X07REG_INDEX_NOT_FOUND/);
});
