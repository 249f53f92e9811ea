/** Audits in both dialects (contract of npm, section 10). */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { remoteControl } from '../../api/control.ts';
import type { Advisory } from '../../core/package.ts';
import { assertNpmError, escaped, npmApi } from '../support/npm-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile);
const npm = npmApi(server);
const scopes = ['read', 'publish', 'yank', 'owner'] as const;
const alice = await makeToken(server.data, { handle: 'alice', scopes });
const bob = await makeToken(server.data, { handle: 'bob', scopes });
const control = remoteControl(join(server.data, 'control.sock'));

async function publish(name: string, ...versions: readonly string[]): Promise<void> {
  for (const version of versions) assert.equal((await npm.publish({ name, version }, alice)).status, 201);
}
/** As the operator files it. */
async function file(name: string, id: string, over: Partial<Advisory>): Promise<void> {
  const advisory: Advisory = { id, kind: 'security', severity: 'high', summary: `About ${id}.`, ...over };
  await control.execute([{ kind: 'file-advisory', ecosystem: 'npm', name, advisory }]);
}
async function withdraw(name: string, advisoryId: string): Promise<void> {
  await control.execute([{ kind: 'withdraw-advisory', ecosystem: 'npm', name, advisoryId }]);
}

interface Listed {
  readonly id: number;
  readonly url: string;
  readonly title: string;
  readonly severity: string;
  readonly vulnerable_versions: string;
  readonly cwe: readonly string[];
  readonly cvss: { readonly score: number; readonly vectorString: string | null };
}
type Bulk = Readonly<Record<string, readonly Listed[]>>;
const bulkPath = '-/npm/v1/security/advisories/bulk';
const treePaths = ['-/npm/v1/security/audits', '-/npm/v1/security/audits/quick'];

function bulk(json: unknown, token?: string): Promise<Bulk> {
  return npm.ok<Bulk>({ path: bulkPath, json, ...(token === undefined ? {} : { token }) });
}
async function titlesOf(
  name: string,
  versions: readonly string[],
  token?: string,
): Promise<readonly string[]> {
  return (await bulk({ [name]: versions }, token))[name]?.map(({ title }) => title) ?? [];
}

interface Tree {
  readonly actions: readonly unknown[];
  readonly muted: readonly unknown[];
  readonly advisories: Readonly<
    Record<string, Listed & { module_name: string; patched_versions: string; findings: readonly unknown[] }>
  >;
  readonly metadata: Readonly<Record<string, unknown>>;
}

await publish('@acme/lib', '1.0.0', '1.1.0', '2.0.0-rc.1');
await publish('plain', '1.0.0');
const vector = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N';
await file('@acme/lib', 'leak', {
  range: '<1.1.0',
  cvss: vector,
  cwe: ['CWE-79'],
  url: 'https://acme.example/leak',
});
await file('@acme/lib', 'crash', { kind: 'broken', severity: 'medium', versions: ['1.1.0', '2.0.0-rc.1'] });
await file('@acme/lib', 'old', { kind: 'deprecated', severity: 'low', range: '*' });

test('an advisory is answered in the shape that every client reads', async () => {
  const answer = await bulk({ '@acme/lib': ['1.0.0'], plain: ['1.0.0'], semver: ['7.6.0'] });
  const [listed] = answer['@acme/lib'] ?? [];
  assert.ok(listed);
  assert.deepEqual(answer, {
    '@acme/lib': [
      {
        id: listed.id,
        url: 'https://acme.example/leak',
        title: 'About leak.',
        severity: 'high',
        vulnerable_versions: '<1.1.0',
        cwe: ['CWE-79'],
        cvss: { score: 7.5, vectorString: vector },
      },
    ],
  });
  assert.ok(Number.isInteger(listed.id) && listed.id > 0 && listed.id < 2 ** 31);
  assert.equal(
    (await bulk({ '@acme/lib': ['0.1.0'] }))['@acme/lib']?.[0]?.id,
    listed.id,
    'the same every time',
  );
});

test('only what is known against the versions that were sent is answered', async () => {
  assert.deepEqual(await titlesOf('@acme/lib', ['1.1.0']), ['About crash.']);
  assert.deepEqual(await titlesOf('@acme/lib', ['1.0.0', '1.1.0']), ['About leak.', 'About crash.']);
  assert.deepEqual(await titlesOf('@acme/lib', ['2.0.0']), []);
  assert.deepEqual(await titlesOf('@acme/lib', ['1.1.0+build']), ['About crash.']);
  assert.deepEqual(
    await titlesOf('@acme/lib', ['1.1.0-rc.1']),
    ['About leak.'],
    'a pre-release is in a range',
  );
  assert.deepEqual(await titlesOf('@acme/lib', []), []);
  assert.deepEqual(await titlesOf('@acme/lib', ['not a version', '', 'x'.repeat(10_000)]), []);
  assert.deepEqual(await titlesOf('@ACME/LIB', ['1.0.0']), [], 'another name');
  const [crash] = (await bulk({ '@acme/lib': ['1.1.0'] }))['@acme/lib'] ?? [];
  assert.deepEqual([crash?.severity, crash?.vulnerable_versions], ['moderate', '1.1.0 || 2.0.0-rc.1']);
  assert.deepEqual(crash?.cvss, { score: 0, vectorString: null });
});

test('a body may be packed', async () => {
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
  const body = gzipSync(JSON.stringify({ '@acme/lib': ['1.0.0'] }));
  const answer = await npm.ok<Bulk>({ method: 'POST', path: bulkPath, headers, body });
  assert.equal(answer['@acme/lib']?.length, 1);
});

test('an advisory that is withdrawn warns no more; its number and the page of the package stay', async () => {
  await publish('healed', '1.0.0');
  await file('healed', 'first', { range: '*' });
  await file('healed', 'second', { range: '*' });
  const before = (await bulk({ healed: ['1.0.0'] }))['healed'] ?? [];
  const [first, second] = before;
  assert.ok(first && second && before.length === 2);
  assert.equal(first.url, `${server.url}/npm/-/npm/v1/advisories/healed`);
  await withdraw('healed', 'first');
  assert.deepEqual((await bulk({ healed: ['1.0.0'] }))['healed'], [second]);
  await withdraw('healed', 'second');
  assert.deepEqual(await bulk({ healed: ['1.0.0'] }), {});
  const page = await npm.ok<{ advisories: (Listed & { withdrawn?: string })[] }>({
    path: '-/npm/v1/advisories/healed',
  });
  assert.deepEqual(
    page.advisories.map(({ id, withdrawn }) => [id, withdrawn !== undefined]),
    [
      [first.id, true],
      [second.id, true],
    ],
  );
  assertNpmError(await npm.ask({ path: '-/npm/v1/advisories/plain' }), 404);
});

test('a private package is answered to those who may read it, and is unknown to all others', async () => {
  const name = '@acme/secret';
  await publish(name, '1.0.0');
  await file(name, 'quiet', { range: '*' });
  assert.equal((await titlesOf(name, ['1.0.0'])).length, 1);
  const access = { path: `-/package/${escaped(name)}/access`, token: alice };
  await npm.ok({ ...access, method: 'POST', json: { access: 'restricted' } });
  for (const token of [alice, ADMIN_TOKEN])
    assert.deepEqual(await titlesOf(name, ['1.0.0'], token), ['About quiet.']);
  for (const token of [undefined, bob]) assert.deepEqual(await titlesOf(name, ['1.0.0'], token), []);
  assertNpmError(await npm.ask({ path: `-/npm/v1/advisories/${escaped(name)}` }), 404);
  for (const path of treePaths) {
    const json = { dependencies: { [name]: { version: '1.0.0' } } };
    assert.deepEqual((await npm.ok<Tree>({ path, json })).advisories, {});
    assert.equal(Object.keys((await npm.ok<Tree>({ path, json, token: alice })).advisories).length, 1);
  }
});

test('the older dialect says where in the tree each advisory applies', async () => {
  const leaf = (version: string, more: object = {}): object => ({
    version,
    integrity: 'x',
    requires: {},
    ...more,
  });
  const json = {
    name: 'project',
    version: '1.0.0',
    requires: { plain: '^1.0.0' },
    dependencies: {
      plain: leaf('1.0.0', { dependencies: { '@acme/lib': leaf('1.0.0') } }),
      tool: leaf('3.0.0', { dev: true, dependencies: { '@acme/lib': leaf('1.0.0', { dev: true }) } }),
      maybe: leaf('3.0.0', { optional: true }),
      '@acme/lib': leaf('2.0.0-rc.1', { dev: true }),
    },
  };
  for (const path of treePaths) {
    const { actions, muted, advisories, metadata } = await npm.ok<Tree>({ path, json });
    assert.deepEqual([actions, muted], [[], []]);
    assert.deepEqual(metadata, {
      vulnerabilities: { info: 0, low: 0, moderate: 1, high: 1, critical: 0 },
      dependencies: 2,
      devDependencies: 3,
      optionalDependencies: 1,
      totalDependencies: 6,
    });
    const byTitle = new Map(Object.values(advisories).map((advisory) => [advisory.title, advisory]));
    const [leak, crash] = [byTitle.get('About leak.'), byTitle.get('About crash.')];
    assert.ok(leak && crash && byTitle.size === 2);
    assert.deepEqual(Object.keys(advisories).sort(), [String(leak.id), String(crash.id)].sort());
    assert.deepEqual([leak.module_name, leak.patched_versions], ['@acme/lib', '>=1.1.0']);
    assert.equal(crash.patched_versions, '<0.0.0');
    const places = (leak.findings[0] as { paths: string[] }).paths.toSorted();
    assert.deepEqual(places, ['plain>@acme/lib', 'tool>@acme/lib']);
    assert.deepEqual(leak.findings, [
      {
        version: '1.0.0',
        paths: (leak.findings[0] as { paths: string[] }).paths,
        dev: false,
        optional: false,
        bundled: false,
      },
    ]);
    assert.deepEqual(crash.findings, [
      { version: '2.0.0-rc.1', paths: ['@acme/lib'], dev: true, optional: false, bundled: false },
    ]);
  }
});

test('a tree of any depth is walked, and its paths are kept short', async () => {
  const depth = 40_000;
  const json = `${'{"dependencies":{"a":'.repeat(depth)}{"dependencies":{"@acme/lib":{"version":"1.0.0"}}}${'}}'.repeat(depth)}`;
  const headers = { 'content-type': 'application/json' };
  const answer = await npm.ok<Tree>({ method: 'POST', path: treePaths[0] ?? '', headers, body: json });
  const [found] = Object.values(answer.advisories);
  const [finding] = (found?.findings ?? []) as { paths: string[] }[];
  assert.match(finding?.paths[0] ?? '', /^(a>){63}@acme\/lib$/);
  assert.equal(answer.metadata['totalDependencies'], depth + 1);
});

test('names that mean something to a program mean nothing here', async () => {
  const headers = { 'content-type': 'application/json' };
  const names = ['__proto__', 'constructor', 'toString', '../../etc', '', '@', '\u0000'];
  const body = `{${names.map((name) => `${JSON.stringify(name)}:["1.0.0"]`).join(',')}}`;
  assert.deepEqual(await npm.ok({ method: 'POST', path: bulkPath, headers, body }), {});
  const tree = `{"__proto__":{"dependencies":{}},"dependencies":{"__proto__":{"version":"1.0.0","dependencies":{"@acme/lib":{"version":"1.0.0"}}}}}`;
  const { advisories } = await npm.ok<Tree>({
    method: 'POST',
    path: treePaths[1] ?? '',
    headers,
    body: tree,
  });
  assert.deepEqual((Object.values(advisories)[0]?.findings[0] as { paths: string[] }).paths, [
    '__proto__>@acme/lib',
  ]);
});

test('what is no audit is refused', async () => {
  const json = { 'content-type': 'application/json' };
  const many = Array.from({ length: 50_001 }, (_, i) => `1.0.${i}`);
  const wide = Object.fromEntries(many.map((version) => [version, { version }]));
  for (const path of [bulkPath, ...treePaths])
    await npm.refuses([
      ['nothing', { path, method: 'POST', headers: json }, 400],
      ['half of it', { path, body: '{"a":', headers: json }, 400],
      ['a list', { path, json: [] }, 400, 'the body must be'],
      ['null', { path, json: null }, 400, 'the body must be'],
      ['another type', { path, body: '{}', headers: { 'content-type': 'text/plain' } }, 415],
      ['another packing', { path, body: '{}', headers: { ...json, 'content-encoding': 'br' } }, 415],
      ['what is not packed', { path, body: '{}', headers: { ...json, 'content-encoding': 'gzip' } }, 400],
      [
        'a bomb',
        {
          path,
          body: gzipSync(Buffer.alloc(17 * 1024 ** 2, 32)),
          headers: { ...json, 'content-encoding': 'gzip' },
        },
        413,
      ],
      ['a bad token', { path, json: {}, token: 'nonsense' }, 401],
    ]);
  await npm.refuses([
    ['a version without a list', { path: bulkPath, json: { plain: '1.0.0' } }, 400, 'list of versions'],
    ['a number as a version', { path: bulkPath, json: { plain: [1] } }, 400, 'list of versions'],
    ['a list of lists', { path: bulkPath, json: { plain: [['1.0.0']] } }, 400, 'list of versions'],
    ['too many versions', { path: bulkPath, json: { plain: many } }, 400, '50000'],
    ...treePaths.flatMap((path) => [
      ['dependencies in a list', { path, json: { dependencies: [] } }, 400, 'a tree of'] as const,
      ['a text as a package', { path, json: { dependencies: { a: '1.0.0' } } }, 400, 'a tree of'] as const,
      ['null as a package', { path, json: { dependencies: { a: null } } }, 400, 'a tree of'] as const,
      [
        'a number as a version',
        { path, json: { dependencies: { a: { version: 1 } } } },
        400,
        'a tree of',
      ] as const,
      ['too many packages', { path, json: { dependencies: wide } }, 400, '50000'] as const,
    ]),
  ]);
});

test('what is warned of can be searched for', async () => {
  const found = async (text: string): Promise<string[]> => {
    const path = `-/v1/search?text=${encodeURIComponent(text)}`;
    const { objects } = await npm.ok<{ objects: { package: { name: string } }[] }>({ path });
    return objects.map((object) => object.package.name);
  };
  assert.deepEqual(await found('is:insecure'), ['@acme/lib']);
  assert.ok(!(await found('not:insecure')).includes('@acme/lib'));
});
