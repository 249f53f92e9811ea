/** `.oripk` archives (contract, section 4, test 4 of section 16). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Readable } from 'node:stream';
import { createGzip, gzipSync } from 'node:zlib';
import { RegistryError } from '../../core/errors.ts';
import { readArchive } from '../../ecosystems/ori/archive.ts';
import { checksumText, lockText, oriEntries, packOri, type OriPackage } from '../support/ori-package.ts';
import {
  archiveOf,
  file,
  folder,
  link,
  packTar,
  paxHeader,
  tarEntry,
  type Packed,
} from '../support/zig-archive.ts';

const plain: OriPackage = { name: '@acme/json' };
const read = (bytes: Buffer, pieceBytes?: number) => readArchive(archiveOf(bytes, pieceBytes));
const hex = 'a'.repeat(64);
const needsParser = { ...plain, rest: '[dependencies]\n@orilib/parser = "3.0.2"' };

test('the vector of the contract: CHECKSUM in the words of sha256sum', () => {
  const files = {
    'src/lib.ori': '@main () -> void = print(msg: "hi")\n',
    'oripk.toml': '[project]\nname = "@acme/json"\nversion = "1.0.0"\n',
  };
  assert.equal(
    checksumText(files),
    '28f9d897c42ad4122f6f75b5c055366ee51c9d07c570e2d0d4e38fd7b57ab6d9  oripk.toml\n' +
      'e516c68444db354335bca1203168fbfb0b62cef155992c6d57c88fc6747c05d3  src/lib.ori\n',
  );
});

const accepted: Readonly<Record<string, Buffer>> = {
  'at the root': packOri(plain),
  'in a top folder': packOri({ ...plain, top: 'json-1.0.0' }),
  'in a top folder that has an entry of its own': gzipSync(
    packTar([folder('json-1.0.0'), folder('json-1.0.0/src'), ...oriEntries({ ...plain, top: 'json-1.0.0' })]),
  ),
  'as tar packs a folder': gzipSync(packTar([folder('.'), ...oriEntries({ ...plain, top: '.' })])),
  'with more files': packOri({
    ...plain,
    files: {
      'README.md': '#',
      LICENSE: 'MIT',
      'src/lib.ori': '',
      'src/CHECKSUM': 'x',
      'src/oripk.toml': 'no',
    },
  }),
  'with CHECKSUM in another order': packOri({
    ...plain,
    checksum: (text) => `${text.trimEnd().split('\n').reverse().join('\n')}\n`,
  }),
  'with a lock': packOri({ ...needsParser, lock: { '@orilib/parser:3.0.2': `sha256:${hex}` } }),
  'with names in pax headers': gzipSync(
    packTar(oriEntries({ ...plain, files: { [`src/${'long/'.repeat(30)}lib.ori`]: 'x' } }), 'pax'),
  ),
  'with names as GNU tar writes them': packOri({
    ...plain,
    files: { [`src/${'long/'.repeat(30)}lib.ori`]: 'x' },
  }),
  'with a comment for all entries, as git writes it': gzipSync(
    Buffer.concat([...paxHeader('g', { comment: hex }), packTar(oriEntries(plain))]),
  ),
};
for (const [where, bytes] of Object.entries(accepted))
  test(`an archive ${where} is read, in pieces of any size`, async () => {
    for (const pieceBytes of [64 * 1024, 97]) {
      const { manifest, lock } = await read(bytes, pieceBytes);
      assert.equal(manifest.name, '@acme/json');
      const locked = where === 'with a lock' ? { '@orilib/parser:3.0.2': `sha256:${hex}` } : {};
      assert.deepEqual(lock, locked);
    }
  });

type Row = readonly [what: string, bytes: Buffer, message: RegExp, code?: string];
const mismatch = 'checksum_mismatch';
const withExtra = (...extra: Packed[]): Buffer => packOri({ ...plain, extra });
/** Listed, so that only the entry itself can be the reason. */
const withFile = (path: string): Buffer => packOri({ ...plain, files: { 'src/lib.ori': '', [path]: 'x' } });
const whole = packOri(plain);

const rows: readonly Row[] = [
  ['no gzip', packTar(oriEntries(plain)), /not a gzip file/],
  ['nothing', Buffer.alloc(0), /not a gzip file/],
  ['no tar in gzip', gzipSync('x'.repeat(2000)), /not a tar archive/],
  ['half an archive', whole.subarray(0, whole.length - 20), /cut off|cannot be unpacked/],
  [
    'a wrong checksum of gzip',
    Buffer.concat([whole.subarray(0, -8), Buffer.alloc(8)]),
    /its checksum is wrong/,
  ],
  ['two gzip files in one', Buffer.concat([whole, gzipSync('')]), /goes on after its first member/],
  ['bytes after gzip', Buffer.concat([whole, Buffer.from('x')]), /goes on after its first member/],
  [
    'entries after the end',
    gzipSync(Buffer.concat([packTar(oriEntries(plain)), packTar([file('x', 'x')])])),
    /goes on after its end/,
  ],
  ['no entries', gzipSync(packTar([])), /has no oripk.toml/],
  ['no manifest', gzipSync(packTar([file('CHECKSUM', ''), file('src/lib.ori')])), /has no oripk.toml/],
  [
    'two top folders',
    gzipSync(packTar([...oriEntries({ ...plain, top: 'a' }), file('b/x', 'x')])),
    /has no oripk.toml/,
  ],
  [
    'a file beside the top folder',
    gzipSync(packTar([...oriEntries({ ...plain, top: 'a' }), file('x', 'x')])),
    /has no oripk.toml/,
  ],
  ['a manifest two folders deep', packOri({ ...plain, top: 'a/b' }), /has no oripk.toml/],
  ['nothing in src', packOri({ ...plain, files: { 'lib.ori': 'x' } }), /nothing in src/],
  ['a src that is a file', packOri({ ...plain, files: { src: 'x' } }), /nothing in src/],
  ['an absolute path', withFile('/etc/passwd'), /not a clean relative path/],
  ['a path that climbs', withFile('../x'), /not a clean relative path/],
  ['a path that climbs from inside', withFile('src/../../x'), /not a clean relative path/],
  ['a path through .', withFile('src/./x'), /not a clean relative path/],
  ['an empty part', withFile('src//x'), /not a clean relative path/],
  ['a drive', withFile('C:/x'), /not a clean relative path/],
  ['a backslash', withFile('src\\x'), /backslash/],
  ['a control character', withFile('src/a\nb'), /control character/],
  ['a NUL in a pax header', withExtra({ ...file('x'), pax: { path: 'src/a\0b' } }), /control character/],
  ['a name that is not UTF-8', withExtra(file(Buffer.from([0x73, 0xff]))), /no UTF-8/],
  ['a climbing path in a pax header', withExtra({ ...file('x'), pax: { path: '../../x' } }), /not a clean/],
  ['a climbing folder', withExtra(folder('../x')), /not a clean relative path/],
  ['a long part', withFile(`src/${'a'.repeat(256)}`), /a name of more than 255 bytes/],
  ['a long path', withFile(`src/${'abcdefg/'.repeat(140)}x`), /more than 1024 bytes/],
  ['a symbolic link', withExtra(link('src/link', 'lib.ori')), /is a symlink/],
  ['a hard link', withExtra({ path: 'src/hard', type: '1', linkTarget: 'src/lib.ori' }), /is a link/],
  ['a device', withExtra({ path: 'src/null', type: '3' }), /is a character-device/],
  ['a fifo', withExtra({ path: 'src/fifo', type: '6' }), /is a fifo/],
  ['a path twice', withExtra(file('src/lib.ori', 'other')), /in the archive twice/],
  ['a path twice, once with ./', withExtra(file('./src/lib.ori', 'other')), /in the archive twice/],
  ['paths that differ by case', withFile('src/LIB.ori'), /differ by case alone/],
  ['folders that differ by case', withFile('SRC/x'), /differ by case alone/],
  ['a manifest in two cases', withFile('Oripk.toml'), /differ by case alone/],
  ['a path that is a file and a folder', withFile('src/lib.ori/x'), /a file and a folder/],
  ['a folder that is a file', withExtra(folder('src/lib.ori')), /a file and a folder/],
  ['two sizes', withExtra({ ...file('x', 'x'), pax: { size: '0' } }), /by one header/],
  [
    'a size for all entries',
    gzipSync(Buffer.concat([...paxHeader('g', { size: '1' }), packTar(oriEntries(plain))])),
    /gives all members a size/,
  ],
  ['no CHECKSUM', packOri({ ...plain, checksum: () => undefined }), /has no CHECKSUM/, mismatch],
  ['an empty CHECKSUM', packOri({ ...plain, checksum: () => '' }), /does not list "oripk.toml"/, mismatch],
  [
    'a wrong hash',
    packOri({ ...plain, checksum: (text) => text.replace(/^./, (x) => (x === '0' ? '1' : '0')) }),
    /has the hash/,
    mismatch,
  ],
  [
    'a file that is not listed',
    withExtra(file('src/more.ori', 'x')),
    /does not list "src\/more.ori"/,
    mismatch,
  ],
  [
    'a listed file that is not there',
    packOri({ ...plain, checksum: (text) => `${text}${hex}  src/none.ori\n` }),
    /not in the archive/,
    mismatch,
  ],
  ['a file that is listed twice', packOri({ ...plain, checksum: (text) => text + text }), /twice/, mismatch],
  [
    'CHECKSUM that lists itself',
    packOri({ ...plain, checksum: (text) => `${text}${hex}  CHECKSUM\n` }),
    /not in the archive/,
    mismatch,
  ],
  [
    'capitals in a hash',
    packOri({ ...plain, checksum: (text) => text.toUpperCase() }),
    /line 1 of CHECKSUM/,
    mismatch,
  ],
  [
    'one space',
    packOri({ ...plain, checksum: (text) => text.replace('  ', ' ') }),
    /line 1 of CHECKSUM/,
    mismatch,
  ],
  [
    'CRLF',
    packOri({ ...plain, checksum: (text) => text.replaceAll('\n', '\r\n') }),
    /line 1 of CHECKSUM/,
    mismatch,
  ],
  ['a blank line', packOri({ ...plain, checksum: (text) => `${text}\n` }), /line 3 of CHECKSUM/, mismatch],
  [
    'paths below the top folder',
    packOri({ ...plain, top: 'a', checksum: (text) => text.replaceAll('  ', '  a/') }),
    /not in the archive/,
    mismatch,
  ],
  [
    'CHECKSUM that is not UTF-8',
    gzipSync(
      packTar([...oriEntries({ ...plain, checksum: () => undefined }), file('CHECKSUM', Buffer.of(0xff))]),
    ),
    /not UTF-8/,
    mismatch,
  ],
  ['no lock where there are dependencies', packOri(needsParser), /no oripk.lock/],
  ['a lock of another kind', packOri({ ...plain, lockText: 'checksums = 1' }), /not a table/],
  [
    'a lock without versions',
    packOri({ ...plain, lock: { '@orilib/parser': `sha256:${hex}` } }),
    /not a package and its version/,
  ],
  [
    'a lock of std',
    packOri({ ...plain, lock: { 'std.json:1.0.0': `sha256:${hex}` } }),
    /not a package and its version/,
  ],
  ['a lock without hashes', packOri({ ...plain, lock: { '@orilib/parser:3.0.2': hex } }), /no checksum/],
  [
    'a manifest over 1 MiB',
    packOri({ ...plain, manifest: '#'.repeat(1024 * 1024 + 1) }),
    /more than 1048576 bytes/,
  ],
  [
    'a lock over 1 MiB',
    packOri({ ...plain, lockText: '#'.repeat(1024 * 1024 + 1) }),
    /more than 1048576 bytes/,
  ],
  [
    '10,001 entries',
    gzipSync(packTar(Array.from({ length: 10_001 }, (_, i) => folder(`src/${i}`)))),
    /more than 10000 entries/,
  ],
];
for (const [what, bytes, message, code] of rows)
  test(`${what} is refused`, async () => {
    for (const pieceBytes of [64 * 1024, 1000])
      await assert.rejects(read(bytes, pieceBytes), (error) => {
        assert.ok(error instanceof RegistryError, String(error));
        assert.match(error.message, message);
        assert.deepEqual([error.code, error.surfaceCode], ['invalid-archive', code]);
        return true;
      });
  });

test('a lock that is no TOML, or nested without end, is refused as a manifest is', async () => {
  for (const text of ['= 1', `a = ${'['.repeat(100_000)}`])
    await assert.rejects(read(packOri({ ...plain, lockText: text })), { code: 'invalid-manifest' });
  const lock = { '@b/b:1.0.0': `sha256:${hex}`, '@a/a:1.0.0': `sha256:${hex}` };
  const { lock: found } = await read(packOri({ ...plain, lockText: lockText(lock) }));
  assert.deepEqual(Object.keys(found), ['@a/a:1.0.0', '@b/b:1.0.0']);
});

test('a manifest of 1 MiB is read', async () => {
  const start = '[project]\nname = "@acme/json"\nversion = "1.0.0"\nori = "0.5.0"\ndescription = "x"\n#';
  await read(packOri({ ...plain, manifest: start.padEnd(1024 * 1024, '#') }));
});

test('10,000 entries are read', async () => {
  const entries = oriEntries(plain);
  const folders = Array.from({ length: 10_000 - entries.length }, (_, i) => folder(`src/${i}`));
  await read(gzipSync(packTar([...entries, ...folders])));
});

test('what unpacks to more than 512 MiB is refused while it unpacks, whatever its headers say', async () => {
  const [header = Buffer.alloc(0)] = tarEntry({ path: 'src/zeros', size: 1024 ** 3 });
  const zeros = Buffer.alloc(1024 * 1024);
  const packer = createGzip({ level: 1 });
  Readable.from([header, ...Array.from({ length: 520 }, () => zeros)]).pipe(packer);
  const bomb = Buffer.concat(await packer.toArray());
  assert.ok(bomb.length < 10 * 1024 * 1024, 'it would be refused for its size');
  await assert.rejects(read(bomb), { message: /unpacks to more than 536870912 bytes/ });
});
