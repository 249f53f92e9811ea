/** Publishing as Run's contract has it (section 3), row by row. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bearer, send } from '../support/http.ts';
import { formOf, publishOf, runApi, type Part, type Refused, type RunRelease } from '../support/run-api.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { makeToken } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { sha256 } from '../support/traffic.ts';
import { componentWith, emptyComponent, emptyModule } from '../support/wasm-binary.ts';
import { wholeFile } from '../support/whole-file.ts';

const server = await openTestServer(wholeFile, {
  CAIRN_RUN_MAX_UPLOAD_MB: '1',
  REGISTRY_TOKENS: 'given:a-token-of-the-environment',
  CAIRN_MOUNTS: 'run=/run',
  CAIRN_LIMITS: 'run=off',
});
const run = runApi(server);
const admin = ADMIN_TOKEN;

const hello: RunRelease = { name: 'run:example/hello', version: '1.0.0' };

/** The form that the client sends, with other parts in place of its own; an empty list leaves one out. */
function changed(
  over: Readonly<Record<string, readonly Part[]>>,
  token: string | undefined = admin,
): ReturnType<typeof formOf> {
  const usual: readonly Part[] = [
    ['name', 'run:other'],
    ['version', '1.0.0'],
    ['description', 'Another'],
    ['sha256', sha256(emptyComponent)],
    ['component', emptyComponent, 'run:other.wasm'],
  ];
  const parts = usual.flatMap((part) => over[part[0]] ?? [part]);
  return formOf(parts, token);
}

test('what the client sends is published, and answered with 201 and nothing else', async () => {
  const answer = await run.ask(publishOf(hello, admin));
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.text, '');
  assert.equal(answer.headers['content-length'], '0');
  assert.equal(answer.headers['access-control-allow-origin'], '*');
  const { published_at, download_url, digest, ...shown } = await run.metadata(hello.name, '1.0.0');
  assert.ok(
    Number.isInteger(published_at) && Math.abs(published_at - Date.now() / 1000) < 600,
    `${published_at}`,
  );
  assert.equal(download_url, `${server.url}/run/packages/run%3Aexample%2Fhello/1.0.0/artifact.wasm`);
  assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual(shown, {
    name: 'run:example/hello',
    version: '1.0.0',
    description: 'Hello world component',
    license: null,
    size: 8,
    sha256: '24eaf3439a60c96764c4f2c92a0a81b52bd4fe5d5b91f090184a0f6486b1bf29',
    wit_url: null,
    dependencies: [],
    targets: ['wasm32-wasip2'],
    repository: null,
    yanked: false,
  });
  assert.deepEqual(await run.versions(hello.name), ['1.0.0']);
  const artifact = await send(server.url, new URL(download_url).pathname);
  assert.ok(artifact.body.equals(emptyComponent), 'other bytes');
});

test('what other uploaders send is kept, under the field that the README names', async () => {
  const dependencies =
    '[{"name":"wasi:io","version":"^0.2.0"},{"name":"a:b","version":"1","optional":true,"x":1}]';
  const answer = await run.ask(
    formOf(
      [
        ['artifact', componentWith('full'), 'x.wasm'],
        ['license', 'MIT'],
        ['repository', 'https://git.example/full'],
        ['wit_url', 'https://git.example/full.wit'],
        ['dependencies', dependencies],
        ['targets', '["wasm32-wasip1","wasm32-wasip2"]'],
        ['something', 'else'],
        ['another', Buffer.from('file'), 'of/nobody'],
        ['version', '0.1.0'],
        ['name', 'run:full'],
      ],
      admin,
    ),
  );
  assert.equal(answer.status, 201, answer.text);
  const {
    description,
    license,
    repository,
    wit_url,
    dependencies: shown,
    targets,
  } = (await run.metadata('run:full', '0.1.0')) as unknown as Record<string, unknown>;
  assert.deepEqual(
    { description, license, repository, wit_url, shown, targets },
    {
      description: '',
      license: 'MIT',
      repository: 'https://git.example/full',
      wit_url: 'https://git.example/full.wit',
      shown: [
        { name: 'wasi:io', version: '^0.2.0', optional: false },
        { name: 'a:b', version: '1', optional: true },
      ],
      targets: ['wasm32-wasip1', 'wasm32-wasip2'],
    },
  );
});

for (const [what, dependencies] of [
  ['no JSON', '{'],
  ['no list', '{"name":"a:b"}'],
  ['one without a version', '[{"name":"a:b","version":"1"},{"name":"c:d"}]'],
  ['one whose optional is none', '[{"name":"a:b","version":"1","optional":null}]'],
  ['nothing', ''],
] as const)
  test(`dependencies that are ${what} are dropped without a word, and targets as well`, async () => {
    const name = `run:dropping-${what.replaceAll(' ', '-').toLowerCase()}`;
    await run.publish({ name, version: '1.0.0', more: { dependencies, targets: dependencies } }, admin);
    const shown = await run.metadata(name, '1.0.0');
    assert.deepEqual([shown.dependencies, shown.targets], [[], ['wasm32-wasip2']]);
  });

test('of a field that comes twice, and of both names of the file, the last counts', async () => {
  const [first, last] = [componentWith('first'), componentWith('last')];
  const file = (field: string, bytes: Buffer): Part => [field, bytes, 'a.wasm'];
  for (const [i, files] of [
    [file('component', first), file('artifact', last)],
    [file('artifact', first), file('component', last)],
    [file('component', first), file('component', last)],
  ].entries()) {
    const form = changed({
      name: [
        ['name', 'run:no'],
        ['name', `run:last-${i}x`],
      ],
      sha256: [],
      component: files,
    });
    const answer = await run.ask(form);
    assert.equal(answer.status, 201, answer.text);
    assert.equal((await run.metadata(`run:last-${i}x`, '1.0.0')).sha256, sha256(last));
  }
});

test('a core module is published as well', async () => {
  await run.publish({ name: 'run:module', version: '1.0.0', component: emptyModule }, admin);
  assert.equal((await run.metadata('run:module', '1.0.0')).size, 8);
});

test('each thing that is wrong is refused in upstream’s order, in a line that people can read', async () => {
  const ann = await makeToken(server.data, { handle: 'ann', scopes: ['publish'] });
  await run.publish({ name: 'anns:thing', version: '1.0.0' }, ann);
  const reader = await makeToken(server.data, { handle: 'ann', scopes: ['read'] });
  const narrow = await makeToken(server.data, {
    handle: 'ann',
    scopes: ['publish'],
    limits: [{ ecosystem: 'run', namespace: 'anns' }],
  });
  const rows: Refused[] = [
    ['no name', changed({ name: [] }), 400, /no name$/],
    ['no version', changed({ version: [] }), 400, /no version$/],
    ['no file', changed({ component: [] }), 400, /no component$/],
    [
      'nothing at all',
      changed({ name: [], version: [], component: [] }),
      400,
      /no name, no version, no component/,
    ],
    ['nothing at all, by nobody', formOf([], 'nobody'), 400, /no name/],
    [
      'no form',
      {
        path: 'api/v1/packages',
        body: '{}',
        headers: { ...bearer(admin), 'content-type': 'application/json' },
      },
      400,
      /multipart/,
    ],
    [
      'a form that is cut off',
      { ...changed({}), body: Buffer.from('--b0undary-5e2f3d8c1a7b4960\r\nContent-Dispo') },
      400,
      /form/,
    ],
    ...[
      'a:b:c',
      ':b',
      'a:',
      'b',
      '',
      'A:b',
      'a:B',
      'a b:c',
      'a:b c',
      'a_b:c',
      '1a:b',
      'a:1b',
      'a:.',
      'a:..',
      'a:b//c',
      'a:b/',
      'a:/b',
      'a:b/c/d/e/f',
      'a:b__c',
      'a:b-',
      'a:versions',
      'a:b/manifests',
      'a:blobs/c',
      'a:tags',
      'a:referrers',
      'a:uploads',
      'tags:a',
      'a:artifact.wasm',
      'a:b/1.0.0',
      'a:b\\c',
      'a:bé',
      `a:${'b'.repeat(127)}`,
    ].map((name): Refused => [
      `the name ${name}`,
      changed({ name: [['name', name]] }, 'nobody'),
      400,
      /is not the name of a component/,
    ]),
    [
      'nobody',
      { ...changed({}), headers: { 'content-type': String(changed({}).headers?.['content-type']) } },
      401,
      /token/,
    ],
    ['a bad token', changed({}, 'nobody'), 401, /unknown or revoked/],
    ['an empty token', changed({}, ''), 401, /token/],
    [
      'another scheme',
      { ...changed({}), headers: { ...changed({}).headers, authorization: `bearer ${admin}` } },
      401,
      /token/,
    ],
    [
      'a bad token, with a bad version',
      changed({ version: [['version', 'latest']] }, 'nobody'),
      401,
      /unknown/,
    ],
    ['a token of another scope', changed({}, reader), 403, /publish/],
    ['a token of another namespace', changed({}, narrow), 403, /not valid for run\/run:other/],
    ['somebody else’s namespace', changed({}, ann), 403, /ann may not publish/],
    [
      'somebody else’s namespace, with a bad version',
      changed({ version: [['version', 'latest']] }, ann),
      403,
      /ann/,
    ],
    ...[
      'latest',
      'dev',
      'stable',
      '1.0',
      '1',
      '',
      'v1.0.0',
      '01.0.0',
      '1.0.0-01',
      '1.0.0-',
      '1.0.0+a',
      '1.0.0-rc.1+b',
      '=1.0.0',
      ' 1.0.0',
      '1.0.0/..',
      `1.0.0-${'a'.repeat(123)}`,
      '1.0.99999999999999999999',
    ].map((version): Refused => [
      `the version ${version}`,
      changed({ version: [['version', version]], sha256: [['sha256', 'x']] }),
      400,
      /cannot be a version/,
    ]),
    ...[sha256(emptyComponent).toUpperCase(), `sha256:${sha256(emptyComponent)}`, '', '0'.repeat(64)].map(
      (hash): Refused => [
        `the hash ${hash}`,
        changed({ sha256: [['sha256', hash]] }),
        400,
        /has the SHA-256 24eaf/,
      ],
    ),
    ...(
      [
        ['empty', ''],
        ['a text', 'hello world'],
        ['too short', '\0asm'],
        ['a newer binary', '\0asm\x0e\0\x01\0'],
        ['a zip', 'PK\x03\x04aaaaaaaa'],
      ] as const
    ).map(([what, text]): Refused => [
      what,
      changed({ sha256: [], component: [['component', Buffer.from(text, 'latin1'), 'a']] }),
      400,
      /no WebAssembly/,
    ]),
    ['an existing version', publishOf(hello, admin), 409, /already published/],
    [
      'an existing version, other bytes',
      publishOf({ ...hello, component: componentWith('x') }, admin),
      409,
      /already published/,
    ],
    [
      'a name that the client keeps in the same file',
      publishOf({ name: 'run:example_hello', version: '1.0.0' }, admin),
      400,
      /too close to run:example\/hello/,
    ],
    ['a long text', changed({ description: [['description', 'a'.repeat(300_000)]] }), 413, /text field/],
  ];
  await run.refuses(rows);
});

test('an upload over the limit is refused with 413, whether it says its length or not', async () => {
  const large = publishOf(
    { name: 'run:large', version: '1.0.0', component: componentWith('a'.repeat(1024 * 1024)) },
    admin,
  );
  const body = large.body as Buffer;
  const chunks = [body.subarray(0, 600_000), body.subarray(600_000)];
  const noLength = await send(server.url, '/run/api/v1/packages', {
    method: 'POST',
    headers: large.headers ?? {},
    body: chunks,
  });
  for (const answer of [await run.ask(large), noLength]) {
    assert.equal(answer.status, 413);
    assert.match(answer.text, /limit|may have/);
  }
  // Many parts, none of which is over it.
  const half = Buffer.alloc(600_000);
  const parts = ['a', 'b'].map((field): Part => [field, half, 'x']);
  assert.equal((await run.ask(formOf(parts, admin))).status, 413);
  const below = componentWith('a'.repeat(1024 * 1024 - 2048));
  await run.publish({ name: 'run:large', version: '1.0.0', component: below }, admin);
});

test('of two that publish one version at once, one has published it', async () => {
  for (let round = 0; round < 5; round += 1) {
    const racing = Array.from({ length: 8 }, (_, i) =>
      run.ask(
        publishOf({ name: 'run:racing', version: `1.0.${round}`, component: componentWith(`${i}`) }, admin),
      ),
    );
    const statuses = (await Promise.all(racing)).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [201, ...Array<number>(7).fill(409)]);
    const { sha256: said, download_url } = await run.metadata('run:racing', `1.0.${round}`);
    const { body } = await send(server.url, new URL(download_url).pathname);
    assert.equal(sha256(body), said);
  }
});

test('of two names that are too close, published at once, one is there', async () => {
  const racing = ['race:a/b', 'race:a_b'].map((name) =>
    run.ask(publishOf({ name, version: '1.0.0' }, admin)),
  );
  const statuses = (await Promise.all(racing)).map(({ status }) => status);
  assert.deepEqual(statuses.sort(), [201, 400]);
});

test('whoever comes first owns the namespace, and all that is ever in it', async () => {
  const [bob, eve] = await Promise.all([
    makeToken(server.data, { handle: 'bob', scopes: ['publish'] }),
    makeToken(server.data, { handle: 'eve', scopes: ['publish'] }),
  ]);
  await run.publish({ name: 'bobs:one', version: '1.0.0' }, bob);
  await run.refuses([['another’s', publishOf({ name: 'bobs:two', version: '1.0.0' }, eve), 403, /eve/]]);
  await run.publish({ name: 'bobs:two/deep', version: '1.0.0' }, bob);
});

test('a token of the environment publishes in its namespace, whoever owns it, and nowhere else', async () => {
  const given = 'a-token-of-the-environment';
  await run.publish({ name: 'given:one', version: '1.0.0' }, given);
  await run.refuses([['another', publishOf({ name: 'run:two', version: '1.0.0' }, given), 403, /not valid/]]);
  await run.publish({ name: 'given:two', version: '1.0.0' }, admin);
  await run.publish({ name: 'given:two', version: '1.1.0' }, given);
});

test('a description as long as texts may be is shown whole', async () => {
  const description = 'é"<&\n'.repeat(40_000);
  await run.publish({ name: 'run:wordy', version: '1.0.0', description }, admin);
  assert.equal((await run.metadata('run:wordy', '1.0.0')).description, description);
});

test('no publish is answered with a redirect', async () => {
  for (const path of ['/run/api/v1/packages', '/run//api/v1/packages', '/run/api/v1/packages/']) {
    const { headers = {}, body } = publishOf({ name: 'run:straight', version: '1.0.0' }, 'nobody');
    const { status } = await send(server.url, path, { method: 'POST', headers, body: body as Buffer });
    assert.ok(status < 300 || status >= 400, `${path}: ${status}`);
  }
});
