import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertX07Error, bearer, send } from '../support/http.ts';
import { makeToken, storedState } from '../support/stored-state.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { moduleId, moduleSource, packX07, type Member, type X07Package } from '../support/x07-package.ts';

const server = await openTestServer(wholeFile);
const alice = await makeToken(server.data);
const bob = await makeToken(server.data, { handle: 'bob' });
const yanker = await makeToken(server.data, { scopes: ['yank', 'owner', 'tokens', 'read'] });

assert.equal((await server.publish({ name: 'taken', version: '1.0.0' }, alice)).status, 200);

const compat = { x07c_compat: '>=0.2.0 <0.3.0' };
const good: X07Package = { name: 'acme-hello', version: '1.0.0' };
const id = moduleId(good.name);

function meta(fields: Record<string, unknown>): X07Package {
  return { ...good, manifest: { meta: { ...compat, ...fields } } };
}
function manifest(fields: Record<string, unknown>): X07Package {
  return { ...good, manifest: fields };
}
function member(extra: Member): X07Package {
  return { ...good, extra: [extra] };
}

function publish(archive: Buffer, headers: Record<string, string> = bearer(alice)) {
  return send(server.url, '/x07/v1/packages/publish', { method: 'POST', headers, body: archive });
}

/** What is wrong, the package that has it, status and code, and what the message has to name. */
type Row = readonly [fault: string, wanted: X07Package, status: number, code: string, names?: RegExp];

const rows: readonly Row[] = [
  // 4: the manifest has its five fields, of the right types
  ['a manifest that is not JSON', { ...good, manifestText: 'hello' }, 400, 'BAD_MANIFEST', /JSON/],
  ['an empty manifest', { ...good, manifestText: '' }, 400, 'BAD_MANIFEST'],
  ['a manifest that is an array', { ...good, manifestText: '[]' }, 400, 'BAD_MANIFEST', /object/],
  ['a manifest that is null', { ...good, manifestText: 'null' }, 400, 'BAD_MANIFEST', /object/],
  ['a manifest that is a string', { ...good, manifestText: '"x"' }, 400, 'BAD_MANIFEST', /object/],
  ['no schema_version', manifest({ schema_version: undefined }), 400, 'BAD_MANIFEST', /schema_version/],
  ['a schema_version that is a number', manifest({ schema_version: 1 }), 400, 'BAD_MANIFEST'],
  ['no name', manifest({ name: undefined }), 400, 'BAD_MANIFEST', /name/],
  ['a name that is null', manifest({ name: null }), 400, 'BAD_MANIFEST', /name/],
  ['no version', manifest({ version: undefined }), 400, 'BAD_MANIFEST', /version/],
  ['a version that is a number', manifest({ version: 1 }), 400, 'BAD_MANIFEST', /version/],
  ['no module_root', manifest({ module_root: undefined }), 400, 'BAD_MANIFEST', /module_root/],
  ['a module_root that is an array', manifest({ module_root: [] }), 400, 'BAD_MANIFEST', /module_root/],
  ['no modules', manifest({ modules: undefined }), 400, 'BAD_MANIFEST', /modules/],
  ['modules that are an object', manifest({ modules: {} }), 400, 'BAD_MANIFEST', /modules/],
  ['a module that is a number', manifest({ modules: [id, 7] }), 400, 'BAD_MANIFEST', /modules/],
  // 5: paths, and the files that the manifest promises
  ['an empty module_root', manifest({ module_root: '' }), 400, 'BAD_MANIFEST', /module_root/],
  ['an absolute module_root', manifest({ module_root: '/modules' }), 400, 'BAD_MANIFEST', /module_root/],
  ['a module_root that climbs', manifest({ module_root: '../modules' }), 400, 'BAD_MANIFEST', /module_root/],
  ['a module_root that climbs inside', manifest({ module_root: 'modules/../modules' }), 400, 'BAD_MANIFEST'],
  ['a module_root with a backslash', manifest({ module_root: 'a\\b' }), 400, 'BAD_MANIFEST', /module_root/],
  ['modules that are empty', manifest({ modules: [] }), 400, 'BAD_MANIFEST', /modules/],
  ['a module that climbs', manifest({ modules: ['../x'] }), 400, 'BAD_MANIFEST', /\.\.\/x/],
  ['a module that is missing', manifest({ modules: [id, 'ext.gone'] }), 400, 'BAD_ARCHIVE', /ext\.gone/],
  ['ffi without files', meta({ import_mode: 'ffi' }), 400, 'BAD_ARCHIVE', /ffi/],
  // 6 and 7
  ['another schema', manifest({ schema_version: 'x07.package@0.2.0' }), 400, 'PKG_SCHEMA_VERSION', /0\.1\.0/],
  ['an empty name', manifest({ name: '' }), 400, 'INVALID_NAME'],
  ['a name in upper case', manifest({ name: 'Acme' }), 400, 'INVALID_NAME', /Acme/],
  ['a name with a dot', manifest({ name: 'a.b' }), 400, 'INVALID_NAME'],
  ['a name with a slash', manifest({ name: 'a/b' }), 400, 'INVALID_NAME'],
  ['a name that climbs', manifest({ name: '..' }), 400, 'INVALID_NAME'],
  ['a name with a space at its end', manifest({ name: 'acme ' }), 400, 'INVALID_NAME'],
  ['a name with a line break at its end', manifest({ name: 'acme\n' }), 400, 'INVALID_NAME'],
  ['a name that no client can name', manifest({ name: '9lives' }), 400, 'INVALID_NAME'],
  ['a name that looks like an option', manifest({ name: '-x' }), 400, 'INVALID_NAME'],
  ['a name of 129 characters', manifest({ name: 'a'.repeat(129) }), 400, 'INVALID_NAME'],
  ['a name outside ASCII', manifest({ name: 'caf\u00e9' }), 400, 'INVALID_NAME'],
  ['an empty version', manifest({ version: '' }), 400, 'INVALID_VERSION'],
  ['a version of two numbers', manifest({ version: '1.0' }), 400, 'INVALID_VERSION', /1\.0/],
  ['a version with a v', manifest({ version: 'v1.0.0' }), 400, 'INVALID_VERSION'],
  ['a version with a leading zero', manifest({ version: '1.02.0' }), 400, 'INVALID_VERSION'],
  ['a numeric pre-release with a leading zero', manifest({ version: '1.0.0-01' }), 400, 'INVALID_VERSION'],
  ['a version with an empty pre-release', manifest({ version: '1.0.0-' }), 400, 'INVALID_VERSION'],
  ['a version with a space', manifest({ version: ' 1.0.0' }), 400, 'INVALID_VERSION'],
  ['a version with a line break', manifest({ version: '1.0.0\n' }), 400, 'INVALID_VERSION'],
  ['a version with a slash', manifest({ version: '1.0.0-a/b' }), 400, 'INVALID_VERSION'],
  [
    'a version that is too long to be a file',
    manifest({ version: `1.0.0-${'a'.repeat(300)}` }),
    400,
    'INVALID_VERSION',
  ],
  // 8
  ['no description', manifest({ description: undefined }), 400, 'PKG_DESCRIPTION_REQUIRED', /description/],
  ['a blank description', manifest({ description: ' \n' }), 400, 'PKG_DESCRIPTION_REQUIRED'],
  ['no docs', manifest({ docs: undefined }), 400, 'PKG_DOCS_REQUIRED', /docs/],
  ['blank docs', manifest({ docs: '\t' }), 400, 'PKG_DOCS_REQUIRED'],
  ['no license', manifest({ license: undefined }), 400, 'PKG_LICENSE_REQUIRED', /license/],
  ['a blank license', manifest({ license: '' }), 400, 'PKG_LICENSE_REQUIRED'],
  // 9
  ['no meta', manifest({ meta: undefined }), 400, 'PKG_X07C_COMPAT_REQUIRED', /x07c_compat/],
  ['no x07c_compat', manifest({ meta: {} }), 400, 'PKG_X07C_COMPAT_REQUIRED'],
  ['a blank x07c_compat', manifest({ meta: { x07c_compat: ' ' } }), 400, 'PKG_X07C_COMPAT_REQUIRED'],
  ['an x07c_compat that is a number', manifest({ meta: { x07c_compat: 1 } }), 400, 'PKG_X07C_COMPAT_INVALID'],
  [
    'an x07c_compat in words',
    manifest({ meta: { x07c_compat: 'any' } }),
    400,
    'PKG_X07C_COMPAT_INVALID',
    /any/,
  ],
  ['an x07c_compat with two bars', meta({ x07c_compat: '>=0.2.0 || 1' }), 400, 'PKG_X07C_COMPAT_INVALID'],
  ['an x07c_compat with a hole', meta({ x07c_compat: '>=0.2.0,,<1.0.0' }), 400, 'PKG_X07C_COMPAT_INVALID'],
  // 10
  ['no world', meta({ worlds_allowed: [] }), 400, 'BAD_MANIFEST', /worlds_allowed/],
  [
    'a world that is not there',
    meta({ worlds_allowed: ['solve-pure', 'mars'] }),
    400,
    'BAD_MANIFEST',
    /mars/,
  ],
  ['worlds that are a string', meta({ worlds_allowed: 'run-os' }), 400, 'BAD_MANIFEST'],
  // 13
  ['a scale class in a string', meta({ scale_classes_supported: 'edge' }), 400, 'INVALID_SCALE_META'],
  ['a scale class that is not a name', meta({ scale_classes_supported: ['1'] }), 400, 'INVALID_SCALE_META'],
  ['scale_tested that is text', meta({ scale_tested: 'yes' }), 400, 'INVALID_SCALE_META'],
  [
    'evidence elsewhere',
    meta({ scale_test_evidence_ref: 'https://evil.example/1' }),
    400,
    'INVALID_SCALE_EVIDENCE',
  ],
  ['evidence by http', meta({ scale_test_evidence_ref: 'http://x07.io/1' }), 400, 'INVALID_SCALE_EVIDENCE'],
  [
    'evidence with a query',
    meta({ scale_test_evidence_ref: 'https://x07.io/1?a' }),
    400,
    'INVALID_SCALE_EVIDENCE',
  ],
  [
    'evidence on another port',
    meta({ scale_test_evidence_ref: 'https://x07.io:444/1' }),
    400,
    'INVALID_SCALE_EVIDENCE',
  ],
  [
    'evidence of a look-alike',
    meta({ scale_test_evidence_ref: 'https://notx07.io/1' }),
    400,
    'INVALID_SCALE_EVIDENCE',
  ],
];

test('every fault of a manifest is answered with its own code, and nothing is kept', async () => {
  const before = await storedState(server);
  for (const [fault, wanted, status, code, names] of rows) {
    const answer = await publish(packX07(wanted));
    try {
      const { message } = assertX07Error(answer, status, code);
      if (names) assert.match(message, names);
    } catch (error) {
      throw new Error(`${fault}: ${(error as Error).message}`, { cause: error });
    }
  }
  assert.deepEqual(await storedState(server), before);
});

/** A module that is right but for these fields. */
function tree(fields: Record<string, unknown>): string {
  return JSON.stringify({ ...(JSON.parse(moduleSource(id)) as object), ...fields });
}
const defn = { kind: 'defn', name: `${id}.answer`, params: [], result: 'i32', body: 7 };
const exported = { kind: 'export', names: [`${id}.answer`] };

const lintRows: readonly (readonly [fault: string, source: string, names: RegExp])[] = [
  ['not JSON', 'nonsense', /invalid JSON/],
  ['empty', '', /invalid JSON/],
  ['an array', '[]', /object/],
  ['no schema', tree({ schema_version: undefined }), /schema_version/],
  ['a schema that is too old', tree({ schema_version: 'x07.x07ast@0.2.0' }), /0\.2\.0/],
  ['a schema that is too new', tree({ schema_version: 'x07.x07ast@1.0.0' }), /1\.0\.0/],
  ['an entry', tree({ kind: 'entry' }), /kind/],
  ['another module', tree({ module_id: 'ext.other' }), /ext\.other/],
  ['no imports', tree({ imports: undefined }), /imports/],
  ['an import that is no id', tree({ imports: ['a b'] }), /imports/],
  ['no declarations', tree({ decls: undefined }), /decls/],
  ['declarations in an object', tree({ decls: {} }), /decls/],
  ['a declaration that is a string', tree({ decls: ['defn'] }), /decls\[0\]/],
  ['a declaration of an unknown kind', tree({ decls: [{ kind: 'class' }] }), /decls\[0\]/],
  ['a record before 0.9.0', tree({ decls: [{ kind: 'defrecord', name: `${id}.r` }] }), /decls\[0\]/],
  ['two exports', tree({ decls: [exported, exported, defn] }), /second export/],
  ['an export without names', tree({ decls: [{ kind: 'export' }] }), /names/],
  ['a function without a name', tree({ decls: [{ ...defn, name: undefined }] }), /name/],
  ['a function of another module', tree({ decls: [{ ...defn, name: 'ext.other.f' }] }), /ext\.other\.f/],
  ['a function declared twice', tree({ decls: [defn, defn] }), /twice/],
  ['a function without parameters', tree({ decls: [{ ...defn, params: undefined }] }), /params/],
  ['a function without a result', tree({ decls: [{ ...defn, result: undefined }] }), /result/],
  ['a function without a body', tree({ decls: [{ ...defn, kind: 'defasync', body: undefined }] }), /body/],
];

test('a module that does not lint is refused by name', async () => {
  const before = await storedState(server);
  for (const [fault, source, names] of lintRows) {
    const answer = await publish(packX07({ ...good, modules: { [id]: source } }));
    try {
      const { message } = assertX07Error(answer, 400, 'PUBLISH_LINT_FAILED');
      assert.match(message, names);
      assert.ok(message.includes(id), message);
    } catch (error) {
      throw new Error(`${fault}: ${(error as Error).message}`, { cause: error });
    }
  }
  assert.deepEqual(await storedState(server), before);
});

test('at most twenty findings are listed, one per line', async () => {
  const decls = Array.from({ length: 50 }, () => ({ kind: 'class' }));
  const answer = await publish(packX07({ ...good, modules: { [id]: tree({ decls }) } }));
  const { message } = assertX07Error(answer, 400, 'PUBLISH_LINT_FAILED');
  assert.equal(message.split('\n').length, 20);
});

test('what the rules allow is published', async () => {
  const wide: readonly (readonly [string, X07Package])[] = [
    ['a compiler range without a comma', meta({ x07c_compat: '>=0.2.2 <0.3.0' })],
    ['a compiler range with a comma', meta({ x07c_compat: '>=0.2.2, <0.3.0' })],
    ['a caret range', meta({ x07c_compat: '^0.2' })],
    ['a bare version', meta({ x07c_compat: '0.2.17' })],
    ['a wildcard', meta({ x07c_compat: '0.2.*' })],
    ['a schema version with spaces around it', manifest({ schema_version: ' x07.package@0.1.0\n' })],
    ['unknown fields', manifest({ homepage: 'https://acme.example', meta: { ...compat, colour: 'red' } })],
    ['no worlds', manifest({ meta: compat })],
    ['a module_root that ends in a slash', manifest({ module_root: 'modules/' })],
    [
      'a record in a module of 0.9.0',
      {
        ...good,
        modules: {
          [id]: tree({ schema_version: 'x07.x07ast@0.9.0', decls: [{ kind: 'defrecord', name: `${id}.r` }] }),
        },
      },
    ],
    [
      'an empty second export',
      { ...good, modules: { [id]: tree({ decls: [exported, { kind: 'export', names: [] }, defn] }) } },
    ],
    [
      'ffi with a file',
      { ...meta({ import_mode: 'ffi' }), extra: [{ path: 'ffi/lib.c', content: 'int x;' }] },
    ],
    ['a directory member', member({ path: 'modules/', type: '5' })],
    ['a file nobody asked for', member({ path: 'README.md', content: 'hello' })],
    ['a name of one character', { name: 'q', version: '1.0.0' }],
    ['a name of 128 characters', { name: 'n'.repeat(128), version: '1.0.0' }],
    ['a version with everything', manifest({ version: '1.0.0-rc.1+build.5-x' })],
  ];
  for (const [i, [what, wanted]] of wide.entries()) {
    const own = wanted.manifest?.['version'];
    const version = typeof own === 'string' ? own : `2.0.${i}`;
    const { version: _own, ...fields } = wanted.manifest ?? {};
    const answer = await publish(packX07({ ...wanted, version, manifest: fields }));
    assert.equal(answer.status, 200, `${what}: ${answer.text}`);
  }
});

interface Faulty {
  readonly headers: Record<string, string>;
  readonly wanted: X07Package;
}

/** Section 7's table in upstream's order. Each fault is laid over all those below it, and is the one that answers. */
const ladder: readonly (readonly [
  fault: string,
  status: number,
  code: string,
  add: (to: Faulty) => Faulty,
])[] = [
  ['no token', 401, 'AUTH_REQUIRED', (to) => ({ ...to, headers: {} })],
  ['an unknown token', 401, 'AUTH_INVALID', (to) => ({ ...to, headers: bearer('nobody') })],
  ['a token without the scope', 403, 'FORBIDDEN', (to) => ({ ...to, headers: bearer(yanker) })],
  ['two members of one path', 400, 'BAD_ARCHIVE', (to) => withMember(to, 'x07-package.json')],
  ['a module_root of the wrong type', 400, 'BAD_MANIFEST', (to) => withManifest(to, { module_root: 7 })],
  ['a module_root that climbs', 400, 'BAD_MANIFEST', (to) => withManifest(to, { module_root: '../x' })],
  ['a member path that climbs', 400, 'BAD_ARCHIVE', (to) => withMember(to, '../evil')],
  ['no modules', 400, 'BAD_MANIFEST', (to) => withManifest(to, { modules: [] })],
  ['a missing module', 400, 'BAD_ARCHIVE', (to) => withManifest(to, { modules: ['ext.gone'] })],
  ['another schema', 400, 'PKG_SCHEMA_VERSION', (to) => withManifest(to, { schema_version: 'x' })],
  ['a bad name', 400, 'INVALID_NAME', (to) => withManifest(to, { name: 'A' })],
  ['a bad version', 400, 'INVALID_VERSION', (to) => withManifest(to, { version: '1' })],
  ['no description', 400, 'PKG_DESCRIPTION_REQUIRED', (to) => withManifest(to, { description: '' })],
  ['no docs', 400, 'PKG_DOCS_REQUIRED', (to) => withManifest(to, { docs: '' })],
  ['no license', 400, 'PKG_LICENSE_REQUIRED', (to) => withManifest(to, { license: '' })],
  ['no compiler range', 400, 'PKG_X07C_COMPAT_REQUIRED', (to) => withMeta(to, { x07c_compat: '' })],
  ['a bad compiler range', 400, 'PKG_X07C_COMPAT_INVALID', (to) => withMeta(to, { x07c_compat: 'any' })],
  ['a bad world', 400, 'BAD_MANIFEST', (to) => withMeta(to, { worlds_allowed: ['mars'] })],
  [
    'a bad module',
    400,
    'PUBLISH_LINT_FAILED',
    (to) => ({ ...to, wanted: { ...to.wanted, modules: { 'ext.taken': '{}' } } }),
  ],
  ['an owner who is not one', 403, 'FORBIDDEN', (to) => ({ ...to, headers: bearer(bob) })],
  ['a version that is there', 409, 'ALREADY_PUBLISHED', (to) => to],
];

function withManifest(to: Faulty, fields: Record<string, unknown>): Faulty {
  return { ...to, wanted: { ...to.wanted, manifest: { ...to.wanted.manifest, ...fields } } };
}
function withMeta(to: Faulty, fields: Record<string, unknown>): Faulty {
  const before = to.wanted.manifest?.['meta'] as object | undefined;
  return withManifest(to, { meta: { ...compat, ...before, ...fields } });
}
function withMember(to: Faulty, path: string): Faulty {
  return { ...to, wanted: { ...to.wanted, extra: [...(to.wanted.extra ?? []), { path, content: 'x' }] } };
}

test('an archive with several faults is answered with the first of them', async () => {
  const before = await storedState(server);
  for (let first = 0; first < ladder.length; first += 1) {
    const [fault = '', status = 0, code = ''] = ladder[first] ?? [];
    const { headers, wanted } = ladder.slice(first).reduceRight<Faulty>((to, [, , , add]) => add(to), {
      headers: bearer(alice),
      wanted: { name: 'taken', version: '1.0.0' },
    });
    try {
      assertX07Error(await publish(packX07(wanted), headers), status, code);
    } catch (error) {
      throw new Error(`${fault}: ${(error as Error).message}`, { cause: error });
    }
  }
  assert.deepEqual(await storedState(server), before);
});

test('credentials decide before a byte of the body is read', async () => {
  const before = await storedState(server);
  const archive = packX07(good);
  const answers = [
    [{}, 401, 'AUTH_REQUIRED'],
    [{ authorization: `bearer ${alice}` }, 401, 'AUTH_REQUIRED'],
    [{ authorization: alice }, 401, 'AUTH_REQUIRED'],
    [{ authorization: `Basic ${Buffer.from(`alice:${alice}`).toString('base64')}` }, 401, 'AUTH_REQUIRED'],
    [{ authorization: 'Bearer ' }, 401, 'AUTH_REQUIRED'],
    [{ authorization: `Bearer ${alice}x` }, 401, 'AUTH_INVALID'],
    [{ authorization: `Bearer ${alice.slice(0, -1)}` }, 401, 'AUTH_INVALID'],
    [{ authorization: `Bearer ${alice.toUpperCase()}` }, 401, 'AUTH_INVALID'],
    [bearer(yanker), 403, 'FORBIDDEN'],
  ] as const;
  for (const [headers, status, code] of answers) {
    const answer = await publish(archive, headers);
    const { message } = assertX07Error(answer, status, code);
    assert.equal(answer.headers['www-authenticate'], undefined);
    if (code === 'FORBIDDEN') assert.equal(message, 'missing scope: publish');
  }
  assert.deepEqual(await storedState(server), before);
  // Spaces around a token are not part of it.
  assert.equal(
    (await publish(packX07({ name: 'trimmed', version: '1.0.0' }), { authorization: `Bearer   ${alice} ` }))
      .status,
    200,
  );
});

test('only owners and administrators publish to a package that exists', async () => {
  const stranger = await publish(packX07({ name: 'taken', version: '1.1.0' }), bearer(bob));
  assert.equal(assertX07Error(stranger, 403, 'FORBIDDEN').message, 'not a package owner');
  assert.equal(
    (await publish(packX07({ name: 'taken', version: '1.1.0' }), bearer(ADMIN_TOKEN))).status,
    200,
  );
});

test('a version is there once, whatever its bytes and however yanked', async () => {
  const first = packX07({ name: 'once', version: '1.0.0' });
  assert.equal((await publish(first)).status, 200);
  const before = await storedState(server);
  assertX07Error(await publish(first), 409, 'ALREADY_PUBLISHED');
  const other = packX07({ name: 'once', version: '1.0.0', manifest: { description: 'Other.' } });
  assertX07Error(await publish(other), 409, 'ALREADY_PUBLISHED');
  assert.deepEqual(await storedState(server), before);
  const owner = await makeToken(server.data, { scopes: ['yank', 'owner'] });
  const yanked = await send(server.url, '/x07/v1/packages/once/1.0.0/yank', {
    method: 'POST',
    headers: { ...bearer(owner), 'content-type': 'application/json' },
    body: '{"yanked":true}',
  });
  assert.equal(yanked.status, 200, yanked.text);
  assertX07Error(await publish(other), 409, 'ALREADY_PUBLISHED');
  assert.equal((await publish(packX07({ name: 'once', version: '1.0.0+again' }))).status, 200);
});

test('of many publishes of one version at once exactly one wins, and its bytes are served', async () => {
  const archives = Array.from({ length: 8 }, (_, i) =>
    packX07({ name: 'race', version: '1.0.0', manifest: { description: `Number ${i}.` } }),
  );
  const before = await storedState(server);
  const answers = await Promise.all(archives.map((archive) => publish(archive)));
  const won = answers.flatMap((answer, i) => (answer.status === 200 ? [i] : []));
  assert.equal(won.length, 1);
  for (const [i, answer] of answers.entries())
    if (i !== won[0]) assertX07Error(answer, 409, 'ALREADY_PUBLISHED');
  const served = await send(server.url, '/x07/v1/packages/race/1.0.0/download');
  assert.deepEqual(served.body, archives[won[0] ?? -1]);
  const now = await storedState(server);
  assert.equal(now.blobs.length, before.blobs.length + 1);
  assert.equal(now.events, before.events + 2);
  assert.deepEqual(now.incoming, []);
});
