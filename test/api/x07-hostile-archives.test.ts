import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { assertX07Error, bearer, send, type Answer } from '../support/http.ts';
import { ADMIN_TOKEN } from '../support/server-process.ts';
import { storedState } from '../support/stored-state.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { manifestOf, moduleId, moduleSource, packTar, packX07, type Member } from '../support/x07-package.ts';

const server = await openTestServer(wholeFile);

function publish(body: Buffer): Promise<Answer> {
  return send(server.url, '/x07/v1/packages/publish', { method: 'POST', headers: bearer(ADMIN_TOKEN), body });
}

let count = 0;
/** The members of a right archive of a package that nobody has. */
function rightMembers(manifestText?: string): { name: string; members: Member[] } {
  const name = `hostile-${(count += 1)}`;
  const id = moduleId(name);
  const manifest = manifestText ?? JSON.stringify(manifestOf({ name, version: '1.0.0' }));
  return {
    name,
    members: [
      { path: `modules/${id.replaceAll('.', '/')}.x07.json`, content: moduleSource(id) },
      { path: 'x07-package.json', content: manifest },
    ],
  };
}

function withMembers(...extra: Member[]): Buffer {
  return packTar([...rightMembers().members, ...extra]);
}
/** The right archive with its manifest's fields as this text: `{"a":1}` beside them, or one of them again. */
function withManifestText(change: (manifest: string) => string | Buffer): Buffer {
  const { name, members } = rightMembers();
  const text = change(JSON.stringify(manifestOf({ name, version: '1.0.0' })));
  return packTar([members[0] as Member, { path: 'x07-package.json', content: text }]);
}
function withMeta(text: string): Buffer {
  return withManifestText((manifest) => manifest.replace('"meta":{', `"meta":{${text},`));
}
/** A header field after its checksum was made right again. */
function patched(archive: Buffer, at: number, bytes: string): Buffer {
  const copy = Buffer.from(archive);
  copy.write(bytes, at, 'latin1');
  copy.write('        ', 148, 'latin1');
  const sum = copy.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(7, '0')}\0`, 148);
  return copy;
}

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
const paxRecord = (text: string): string => {
  for (let length = text.length + 2; ; length += 1) {
    const record = `${length} ${text}\n`;
    if (record.length === length) return record;
  }
};

const refused: readonly (readonly [what: string, archive: () => Buffer, code: string])[] = [
  ['nothing', () => Buffer.alloc(0), 'BAD_ARCHIVE'],
  ['one byte', () => Buffer.from('x'), 'BAD_ARCHIVE'],
  ['text', () => Buffer.from('this is not an archive'), 'BAD_ARCHIVE'],
  ['text that is longer than a header', () => Buffer.alloc(2048, 'not a tar '), 'BAD_ARCHIVE'],
  ['zeroes only', () => Buffer.alloc(10_240), 'BAD_ARCHIVE'],
  [
    'a module after the end, where the client does not look',
    () => {
      const [module, manifest] = rightMembers().members;
      return Buffer.concat([packTar([manifest as Member]), packTar([module as Member])]);
    },
    'BAD_ARCHIVE',
  ],
  ['one byte after the end', () => Buffer.concat([withMembers(), Buffer.from('x')]), 'BAD_ARCHIVE'],
  ['a binary size', () => patched(withMembers(), 124, `\x80${'\0'.repeat(10)}\x01`), 'BAD_ARCHIVE'],
  [
    'random-looking bytes',
    () => Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) & 255)),
    'BAD_ARCHIVE',
  ],
  ['a zip', () => Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(1020)]), 'BAD_ARCHIVE'],
  ['the gzip of an archive', () => gzipSync(packTar(rightMembers().members)), 'BAD_ARCHIVE'],
  [
    'a wrong checksum',
    () => {
      const bad = packTar(rightMembers().members);
      bad[0] = 0x58;
      return bad;
    },
    'BAD_ARCHIVE',
  ],
  [
    'a member of negative size',
    () => patched(packTar(rightMembers().members), 124, '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe'),
    'BAD_ARCHIVE',
  ],
  [
    'a member of 8 EiB',
    () => patched(packTar(rightMembers().members), 124, '\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff'),
    'BAD_ARCHIVE',
  ],
  [
    'a member whose size is no number',
    () => patched(packTar(rightMembers().members), 124, 'zzzzzzzzzzz\0'),
    'BAD_ARCHIVE',
  ],
  [
    'a symbolic link',
    () => withMembers({ path: 'modules/link', type: '2', linkName: '/etc/passwd' }),
    'BAD_ARCHIVE',
  ],
  [
    'a hard link',
    () => withMembers({ path: 'modules/link', type: '1', linkName: 'x07-package.json' }),
    'BAD_ARCHIVE',
  ],
  [
    'a manifest that is a link',
    () => packTar([{ path: 'x07-package.json', type: '2', linkName: 'y' }]),
    'BAD_ARCHIVE',
  ],
  ['a character device', () => withMembers({ path: 'dev', type: '3' }), 'BAD_ARCHIVE'],
  ['a block device', () => withMembers({ path: 'dev', type: '4' }), 'BAD_ARCHIVE'],
  ['a fifo', () => withMembers({ path: 'pipe', type: '6' }), 'BAD_ARCHIVE'],
  ['a contiguous file', () => withMembers({ path: 'old', type: '7' }), 'BAD_ARCHIVE'],
  ['a sparse file', () => withMembers({ path: 'holes', type: 'S' }), 'BAD_ARCHIVE'],
  [
    'a directory with bytes of its own',
    () => withMembers({ path: 'modules/', type: '5', content: packTar([{ path: 'hidden', content: 'x' }]) }),
    'BAD_ARCHIVE',
  ],
  ['a path that climbs', () => withMembers({ path: '../evil', content: 'x' }), 'BAD_ARCHIVE'],
  [
    'a path that climbs inside',
    () => withMembers({ path: 'modules/../../evil', content: 'x' }),
    'BAD_ARCHIVE',
  ],
  ['a directory that climbs', () => withMembers({ path: '../', type: '5' }), 'BAD_ARCHIVE'],
  ['an absolute path', () => withMembers({ path: '/etc/cron.d/evil', content: 'x' }), 'BAD_ARCHIVE'],
  ['a path below .', () => withMembers({ path: './README.md', content: 'x' }), 'BAD_ARCHIVE'],
  ['a . inside a path', () => withMembers({ path: 'modules/./x', content: 'x' }), 'BAD_ARCHIVE'],
  ['an empty component', () => withMembers({ path: 'modules//x', content: 'x' }), 'BAD_ARCHIVE'],
  ['a backslash', () => withMembers({ path: 'modules\\..\\x', content: 'x' }), 'BAD_ARCHIVE'],
  ['an empty path', () => withMembers({ path: '', content: 'x' }), 'BAD_ARCHIVE'],
  [
    'a file whose path ends in a slash',
    () => withMembers({ path: 'modules/x/', content: 'x' }),
    'BAD_ARCHIVE',
  ],
  [
    'a manifest below .',
    () => packTar(rightMembers().members.map((m) => ({ ...m, path: `./${m.path}` }))),
    'BAD_ARCHIVE',
  ],
  [
    'the manifest twice',
    () => {
      const { members } = rightMembers();
      return packTar([...members, members[1] as Member]);
    },
    'BAD_ARCHIVE',
  ],
  [
    'a module twice',
    () => {
      const { members } = rightMembers();
      return packTar([members[0] as Member, ...members]);
    },
    'BAD_ARCHIVE',
  ],
  ['no manifest', () => packTar(rightMembers().members.slice(0, 1)), 'BAD_ARCHIVE'],
  ['a manifest that is a directory', () => packTar([{ path: 'x07-package.json', type: '5' }]), 'BAD_ARCHIVE'],
  [
    'a manifest in another folder',
    () => packTar([{ path: 'a/x07-package.json', content: '{}' }]),
    'BAD_ARCHIVE',
  ],
  ['a manifest in upper case', () => packTar([{ path: 'X07-PACKAGE.JSON', content: '{}' }]), 'BAD_ARCHIVE'],
  ['a manifest of 2 MB', () => withManifestText((text) => text + ' '.repeat(2_000_000)), 'BAD_ARCHIVE'],
  [
    'a module that is a directory',
    () => {
      const { members } = rightMembers();
      return packTar([{ path: members[0]?.path ?? '', type: '5' }, members[1] as Member]);
    },
    'BAD_ARCHIVE',
  ],
  [
    'a long name that climbs',
    () => withMembers({ path: `${'../'.repeat(50)}evil`, content: 'x' }),
    'BAD_ARCHIVE',
  ],
  [
    'a long name that is absolute',
    () => withMembers({ path: `/${'a/'.repeat(80)}evil`, content: 'x' }),
    'BAD_ARCHIVE',
  ],
  [
    'a long name of 5 MB',
    () =>
      withMembers(
        { path: '././@LongLink', type: 'L', content: 'a'.repeat(5_000_000) },
        { path: 'x', content: 'x' },
      ),
    'BAD_ARCHIVE',
  ],
  [
    'a long name that replaces the name of a good member',
    () => {
      const { members } = rightMembers();
      return packTar([
        members[0] as Member,
        { path: '././@LongLink', type: 'L', content: '../x07-package.json\0' },
        members[1] as Member,
      ]);
    },
    'BAD_ARCHIVE',
  ],
  [
    'a pax path that climbs',
    () => {
      const { members } = rightMembers();
      return packTar([
        { path: 'pax', type: 'x', content: paxRecord('path=../evil') },
        { path: 'good', content: 'x' },
        ...members,
      ]);
    },
    'BAD_ARCHIVE',
  ],
  [
    'a pax path that is absolute',
    () => {
      const { members } = rightMembers();
      return packTar([
        { path: 'pax', type: 'x', content: paxRecord('path=/etc/evil') },
        { path: 'good', content: 'x' },
        ...members,
      ]);
    },
    'BAD_ARCHIVE',
  ],
  [
    'a pax size that is no number',
    () => {
      const { members } = rightMembers();
      return packTar([{ path: 'pax', type: 'x', content: paxRecord('size=many') }, ...members]);
    },
    'BAD_ARCHIVE',
  ],
  [
    'a pax size beyond the end',
    () => {
      const { members } = rightMembers();
      return packTar([{ path: 'pax', type: 'x', content: paxRecord('size=99999999999') }, ...members]);
    },
    'BAD_ARCHIVE',
  ],
  [
    'a pax header of garbage, and a link',
    () =>
      withMembers({ path: 'pax', type: 'x', content: 'garbage' }, { path: 'l', type: '2', linkName: 'x' }),
    'BAD_ARCHIVE',
  ],
  ['a manifest with a byte order mark', () => withManifestText((text) => `\ufeff${text}`), 'BAD_MANIFEST'],
  [
    'a manifest that is not UTF-8',
    () =>
      withManifestText((text) =>
        Buffer.concat([
          Buffer.from(text.slice(0, -1)),
          Buffer.from([0x2c, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
        ]),
      ),
    'BAD_MANIFEST',
  ],
  ['a manifest in UTF-16', () => withManifestText((text) => Buffer.from(text, 'utf16le')), 'BAD_MANIFEST'],
  ['two manifests in one', () => withManifestText((text) => text + text), 'BAD_MANIFEST'],
  ['a manifest with a comment', () => withManifestText((text) => `// hello\n${text}`), 'BAD_MANIFEST'],
  ['a manifest that is cut off', () => withManifestText((text) => text.slice(0, -1)), 'BAD_MANIFEST'],
  [
    'half a surrogate pair in the docs',
    () => withManifestText((text) => text.replace('"How to', '"\\ud800How to')),
    'BAD_MANIFEST',
  ],
  ['half a surrogate pair in a key', () => withMeta('"\\udc00":1'), 'BAD_MANIFEST'],
  ['a number beyond all bounds', () => withMeta('"size":1e999'), 'BAD_MANIFEST'],
  ['nesting of 200', () => withMeta(`"deep":${deep(200)}`), 'BAD_MANIFEST'],
  ['nesting of 100,000', () => withMeta(`"deep":${deep(100_000)}`), 'BAD_MANIFEST'],
  [
    'nesting of 100,000 objects',
    () => withMeta(`"deep":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`),
    'BAD_MANIFEST',
  ],
  [
    'nesting of 100,000 in a field of the wrong type',
    () => withManifestText(() => `{"name":${deep(100_000)}}`),
    'BAD_MANIFEST',
  ],
  ['a manifest that is nothing but nesting', () => withManifestText(() => deep(100_000)), 'BAD_MANIFEST'],
  [
    'modules that inherit',
    () => withManifestText((text) => text.replace('"modules":', '"__proto__":')),
    'BAD_MANIFEST',
  ],
  [
    'a compiler range that is inherited',
    () =>
      withManifestText((text) =>
        text.replace('"x07c_compat":">=0.2.0 <0.3.0"', '"__proto__":{"x07c_compat":">=0.2.0"}'),
      ),
    'PKG_X07C_COMPAT_REQUIRED',
  ],
];

test('a hostile archive is refused in the words of the contract, and nothing of it is kept', async () => {
  const before = await storedState(server);
  for (const [what, archive, code] of refused) {
    try {
      assertX07Error(await publish(archive()), 400, code);
      assert.deepEqual(await storedState(server), before);
    } catch (error) {
      throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
    }
  }
  assert.equal((await server.publish({ name: 'still-alive', version: '1.0.0' })).status, 200);
});

const refusedModules: readonly (readonly [what: string, source: string | Buffer])[] = [
  ['a byte order mark', `\ufeff${moduleSource(moduleId('lint'))}`],
  ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
  ['nesting of 100,000 for a root', deep(100_000)],
  ['nesting of 100,000 for an id', `{"module_id":${deep(100_000)}}`],
  ['nesting of 100,000 for a schema', `{"schema_version":${deep(100_000)}}`],
];

test('a hostile module is refused as one that does not lint', async () => {
  const before = await storedState(server);
  const manifest = JSON.stringify(manifestOf({ name: 'lint', version: '1.0.0' }));
  for (const [what, content] of refusedModules) {
    const archive = packTar([
      { path: 'modules/ext/lint.x07.json', content },
      { path: 'x07-package.json', content: manifest },
    ]);
    try {
      assertX07Error(await publish(archive), 400, 'PUBLISH_LINT_FAILED');
    } catch (error) {
      throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
    }
  }
  assert.deepEqual(await storedState(server), before);
});

test('an archive that is cut off anywhere before its end is refused', async () => {
  const { members } = rightMembers();
  const whole = packTar(members);
  // Complete without its padding of zero blocks: as tar readers see it, and the client's does.
  const end = whole.length - 1024;
  const offsets = new Set<number>();
  for (let at = 1; at < end; at += 97) offsets.add(at);
  for (let at = 512; at < end; at += 512) for (const near of [at - 1, at, at + 1]) offsets.add(near);
  offsets.add(end - 1);
  offsets.add(end + 1);
  offsets.add(whole.length - 1);
  const before = await storedState(server);
  for (const at of offsets) {
    try {
      assertX07Error(await publish(whole.subarray(0, at)), 400, 'BAD_ARCHIVE');
    } catch (error) {
      throw new Error(`cut at ${at} of ${whole.length}: ${(error as Error).message}`, { cause: error });
    }
  }
  assert.deepEqual(await storedState(server), before);
  assert.equal((await publish(whole)).status, 200);
});

test('a hundred thousand members are refused before they are all looked at', async () => {
  const before = await storedState(server);
  const template = packTar([{ path: 'f000000' }]).subarray(0, 512);
  const headers = Array.from({ length: 100_000 }, (_, i) => {
    const header = Buffer.from(template);
    header.write(`f${String(i).padStart(6, '0')}`, 0);
    header.write('        ', 148);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(7, '0')}\0`, 148);
    return header;
  });
  const archive = Buffer.concat([...headers, packTar(rightMembers().members)]);
  const { message } = assertX07Error(await publish(archive), 400, 'BAD_ARCHIVE');
  assert.match(message, /10000 members/);
  assert.deepEqual(await storedState(server), before);
});

test('names of more than 100 bytes are understood', async () => {
  const id = `ext.${'long_segment.'.repeat(12)}end`;
  const archive = packX07({ name: 'long-names', version: '1.0.0', modules: { [id]: moduleSource(id) } });
  assert.ok(archive.includes('././@LongLink'));
  const published = await publish(archive);
  assert.equal(published.status, 200, published.text);
  const served = await send(server.url, '/x07/v1/packages/long-names/1.0.0/download');
  assert.deepEqual(served.body, archive);
});

test('a pax path is the path', async () => {
  const { name, members } = rightMembers();
  const [module, manifest] = members as [Member, Member];
  const archive = packTar([
    { path: 'pax', type: 'x', content: paxRecord(`path=${module.path}`) },
    { ...module, path: 'elsewhere' },
    manifest,
  ]);
  assert.equal((await publish(archive)).status, 200);
  assert.equal((await send(server.url, `/x07/v1/packages/${name}/1.0.0/metadata`)).status, 200);
});

test('keys that mean something to JavaScript are kept as keys and do nothing', async () => {
  const archive = withMeta('"__proto__":{"facets":["evil"]},"constructor":{"prototype":{}},"toString":1');
  const published = await publish(archive);
  assert.equal(published.status, 200, published.text);
  const { name } = JSON.parse(published.text) as { name: string };
  const { text } = await send(server.url, `/x07/v1/packages/${name}/1.0.0/metadata`);
  assert.ok(
    text.includes('"__proto__":{"facets":["evil"]},"constructor":{"prototype":{}},"toString":1'),
    text,
  );
  assert.ok(!text.includes('"facets":["evil"]}],') && !/"is_official":false,"facets"/.test(text), text);
  assert.equal(({} as Record<string, unknown>)['facets'], undefined);
});

test('a long manifest is published and read back whole', async () => {
  const docs = 'Line of documentation: \u00e9\u4e16\u{1f600} "quoted" \\ \u2028.\n'.repeat(1_500);
  assert.ok(Buffer.byteLength(docs) > 60_000);
  const manifest = { docs, meta: { x07c_compat: '0.2.17', facets: ['big'] } };
  const archive = packX07({ name: 'big-docs', version: '1.0.0', manifest });
  assert.equal((await publish(archive)).status, 200);
  const read = async (path: string): Promise<string> => (await send(server.url, `/x07/${path}`)).text;
  const metadata = JSON.parse(await read('v1/packages/big-docs/1.0.0/metadata')) as {
    package: { docs: string };
  };
  assert.ok(metadata.package.docs === docs);
  const line = JSON.parse(await read('index/bi/g-/big-docs')) as { docs: string };
  assert.ok(line.docs === docs);
  await eventually(async () => {
    const catalog = JSON.parse(await read('index/catalog.json')) as {
      packages: { name: string; docs: string }[];
    };
    const found = catalog.packages.find(({ name }) => name === 'big-docs');
    assert.ok(found?.docs === docs, 'the catalog does not have it yet');
  });
  assert.deepEqual((await send(server.url, '/x07/v1/packages/big-docs/1.0.0/download')).body, archive);
});
