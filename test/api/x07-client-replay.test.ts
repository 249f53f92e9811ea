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

test('a package that is not there is a failure that quotes us', async () => {
  await config();
  const answer = await get(new URL('no/bo/nobody', index).href);
  assert.equal(answer.status, 404);
  assert.match(answer.text, /X07REG_INDEX_NOT_FOUND/);
});
