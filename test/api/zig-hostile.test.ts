/** Archives that nobody should be given, sent as Pantry's clients send archives: refused, nothing stored, nothing appended. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createGzip, gzipSync } from 'node:zlib';
import { Readable } from 'node:stream';
import { startServer, ADMIN_TOKEN } from '../support/server-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { openTestServer } from '../support/test-server.ts';
import { wholeFile } from '../support/whole-file.ts';
import { publishOf, zigApi, type Refusal } from '../support/zig-api.ts';
import {
  archiveTypes,
  demoManifest,
  file,
  folder,
  link,
  packAs,
  packTar,
  tarEntry,
  type Packed,
} from '../support/zig-archive.ts';
import { fingerprintOf, libraryFiles, libraryManifest } from '../support/zig-library.ts';

const server = await openTestServer(wholeFile);
const zig = zigApi(server);

async function bytes(what: string, tarball: Buffer, message: RegExp, manifest?: string): Promise<Refusal> {
  const upload = { tarball, filename: 'demo-1.0.0.tar.gz', ...(manifest === undefined ? {} : { manifest }) };
  return [what, await publishOf(upload, ADMIN_TOKEN), 400, message];
}

const demo = file('r/build.zig.zon', demoManifest('1.0.0', '00000001', ['']));

/** A package that is right, and these entries. */
function packed(what: string, entries: readonly Packed[], message: RegExp): Promise<Refusal> {
  return bytes(what, packAs('tar.gz', [demo, ...entries]), message);
}

function manifest(what: string, text: string | Buffer, message: RegExp): Promise<Refusal> {
  return bytes(what, packAs('tar.gz', [file('r/build.zig.zon', text), file('r/a.zig')]), message);
}

test('archives that would write, or read, elsewhere are refused', async () => {
  await zig.refuses([
    await packed('a link out of the root', [link('r/out', '../../etc/passwd')], /leads out of the package/),
    await packed('a link to an absolute path', [link('r/out', '/etc/passwd')], /leads out of the package/),
    await packed(
      'a link out behind a link',
      [folder('r/d'), link('r/l', 'd'), link('r/out', 'l/../..')],
      /leads out/,
    ),
    await packed(
      'a file through a link',
      [link('r/l', 'd'), file('r/l/x', 'x')],
      /symbolic link and a folder/,
    ),
    await packed('a hard link', [{ path: 'r/h', type: '1', linkTarget: 'r/a' }], /hard link/),
    await packed('a device', [{ path: 'r/h', type: '3' }], /character device/),
    await packed('a fifo', [{ path: 'r/h', type: '6' }], /fifo/),
    await packed('an absolute path', [file('/etc/passwd', 'x')], /absolute path/),
    await packed('a path that climbs', [file('r/../../evil', 'x')], /'\.\.'/),
    await packed('a path that climbs and stays', [file('r/x/../y', 'x')], /'\.\.'/),
    await packed('a backslash', [file('r\\..\\x', 'x')], /backslash/),
    await bytes(
      'a manifest that is a link',
      packAs('tar.gz', [link('r/build.zig.zon', 'other'), file('r/other', demo.content)]),
      /build\.zig\.zon is a symbolic link/,
    ),
  ]);
});

test('archives that are two packages on two systems are refused', async () => {
  await zig.refuses([
    await packed('a file twice', [file('r/x', '1'), file('r/x', '2')], /twice/),
    await packed('a file twice by another path', [file('r/x', '1'), file('r/./x', '2')], /twice/),
    await packed('two that differ by case', [file('r/Read', '1'), file('r/read', '2')], /case or accents/),
    await packed(
      'folders that differ by case',
      [file('r/Src/a', '1'), file('r/src/b', '2')],
      /case or accents/,
    ),
    await packed(
      'two that normalise alike',
      [file('r/\u00e9', '1'), file('r/e\u0301', '2')],
      /case or accents/,
    ),
    await packed(
      'a second manifest in capitals',
      [file('r/BUILD.ZIG.ZON', '.{}')],
      /BUILD\.ZIG\.ZON|case or accents/,
    ),
    await packed('a file that is a folder', [file('r/x', '1'), file('r/x/y', '2')], /folder/),
    await packed('a name that is no UTF-8', [file(Buffer.from('r/\xff', 'latin1'), 'x')], /UTF-8/),
    await bytes(
      'an end in the middle',
      gzipSync(Buffer.concat([packTar([demo]), packTar([file('r/x')])])),
      /goes on after its end/,
    ),
    await bytes(
      'two gzip files in one',
      Buffer.concat([packAs('tar.gz', [demo]), gzipSync('x')]),
      /first member/,
    ),
    await bytes('half a gzip', packAs('tar.gz', [demo]).subarray(0, 90), /cut off|cannot be unpacked/),
    await bytes('a wrong checksum', damaged(packAs('tar.gz', [demo])), /checksum/),
    await bytes(
      'half a tar',
      gzipSync(Buffer.concat(tarEntry(file('r/x', 'x'.repeat(2000)))).subarray(0, 900)),
      /ends within/,
    ),
    await bytes(
      'no archive',
      Buffer.from('<html>not an archive</html>'),
      /not an archive that Zig can unpack/,
    ),
    await bytes('nothing in it', gzipSync(packTar([])), /no files/),
    await bytes('folders alone', gzipSync(packTar([folder('r')])), /no files/),
  ]);
});

function damaged(archive: Buffer): Buffer {
  const copy = Buffer.from(archive);
  copy[copy.length - 8] = (copy[copy.length - 8] ?? 0) ^ 1;
  return copy;
}

test('manifests that Zig refuses, or that would hold the server, are refused', async () => {
  const right = libraryManifest({ name: 'demo' });
  const deep = (depth: number) => `${'.{'.repeat(depth)}${'}'.repeat(depth)}`;
  const replaced = (from: string | RegExp, to: string) => right.replace(from, to);
  await zig.refuses([
    await manifest('no ZON', 'name = demo', /build\.zig\.zon|expected|line 1/),
    await manifest('nothing', '', /expected|build\.zig\.zon/),
    await manifest('10,000 deep', deep(10_000), /deep/),
    await manifest(
      '10,000 deep in a field of nobody',
      replaced('.paths', `.other = ${deep(10_000)}, .paths`),
      /deep/,
    ),
    await manifest('no UTF-8', Buffer.from(replaced('1.0.0', '\xff'), 'latin1'), /UTF-8/),
    await manifest('10 MiB', `${right}//${'x'.repeat(10 * 1024 ** 2)}`, /longer than/),
    await manifest('no paths in the list', replaced(/\.paths = .*/, '.paths = .{},'), /list of strings/),
    await manifest(
      'paths of nothing',
      replaced(/\.paths = .*/, '.paths = .{ "nowhere" },'),
      /include no file/,
    ),
    await manifest('no name', replaced('.name', '.nome'), /missing top-level 'name' field/),
    await manifest('no version', replaced('.version', '.vresion'), /missing top-level 'version' field/),
    await manifest('a quoted name', replaced('.name = .demo', '.name = .@"my-lib"'), /bare zig identifier/),
    await manifest('a name too long', libraryManifest({ name: 'n'.repeat(33) }), /exceeds max length of 32/),
    await manifest(
      'a version too long',
      libraryManifest({ name: 'demo', version: `1.0.0-${'x'.repeat(30)}` }),
      /maximum of 32/,
    ),
    await manifest(
      'a version that is none',
      libraryManifest({ name: 'demo', version: '1.0' }),
      /not a semantic version/,
    ),
    await manifest(
      'a fingerprint of another name',
      replaced(/0x[0-9a-f]+/, fingerprintOf('other')),
      /if this is a new or forked package/,
    ),
    await manifest('a fingerprint of 0', replaced(/0x[0-9a-f]+/, fingerprintOf('demo', 0)), /low half/),
    await manifest(
      'a url without a hash',
      libraryManifest({
        name: 'demo',
        dependencies: { a: '.a = .{ .url = "https://a.example/a.tar.gz" },' },
      }),
      /no hash/,
    ),
    await manifest(
      'a dependency of nowhere',
      libraryManifest({ name: 'demo', dependencies: { a: '.a = .{},' } }),
      /location field/,
    ),
    await manifest(
      'a url and a path',
      libraryManifest({
        name: 'demo',
        dependencies: { a: '.a = .{ .url = "https://a.example/a.tar.gz", .path = "a" },' },
      }),
      /only one of/,
    ),
  ]);
});

test('every type of archive is looked at as closely', async () => {
  for (const type of archiveTypes)
    await zig.refuses([
      await bytes(
        `${type}: climbs`,
        packAs(type, [demo, file('r/../../evil', 'x')]),
        /'\.\.'|not a zip archive/,
      ),
      await bytes(`${type}: twice`, packAs(type, [demo, file('r/x', '1'), file('r/x', '2')]), /twice/),
      await bytes(
        `${type}: case`,
        packAs(type, [demo, file('r/X', '1'), file('r/x', '2')]),
        /case or accents/,
      ),
      await bytes(
        `${type}: cut off`,
        packAs(type, [demo, file('r/x', randomBytes(9000))]).subarray(0, 5000),
        /./,
      ),
    ]);
});

test('100,000 entries are the most', async () => {
  const many = Array.from({ length: 100_000 }, (_, i) => file(`r/${i}`));
  await zig.refuses([await packed('100,001 entries', many, /more than 100000 entries/)]);
});

test('a name called __proto__ or constructor is a name like others', async () => {
  const zon = libraryManifest({ name: 'proto' }).replace(
    '.paths',
    '.__proto__ = .{ .polluted = 1 }, .constructor = "x", .paths',
  );
  const dependency = '.__proto__ = .{ .path = "a" },';
  const tarball = packAs('tar.gz', [
    file('r/build.zig.zon', zon.replace('.dependencies = .{', `.dependencies = .{ ${dependency}`)),
    ...libraryFiles({ name: 'proto' })
      .slice(1)
      .map((entry) => ({ ...entry, path: `r/${String(entry.path)}` })),
  ]);
  await zig.publish({ tarball }, ADMIN_TOKEN);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  for (const filename of ['constructor-1.0.0.tar.gz', 'toString-1.0.0.tar.gz'])
    await zig.publish({ tarball: packAs('tar.gz', [file('r/x', filename)]), filename }, ADMIN_TOKEN);
  assert.equal((await zig.ok({ path: 'packages/constructor' })).version, '1.0.0');
  assert.equal((await zig.ask({ path: 'packages/valueOf' })).status, 404);
});

const GIBIBYTE = 1024 ** 3;

/** A tar of a file of zeros beside one that cannot be packed, made without being held in memory. */
async function zerosBeside(randomSize: number): Promise<Buffer> {
  const [header = Buffer.alloc(0)] = tarEntry({ path: 'r/zeros', size: GIBIBYTE });
  const tar = async function* () {
    for (const piece of tarEntry(file('r/random', randomBytes(randomSize)))) yield piece;
    yield header;
    const zeros = Buffer.alloc(1024 ** 2);
    for (let size = 0; size < GIBIBYTE; size += zeros.length) yield zeros;
    yield Buffer.alloc(1024);
  };
  const pieces: Buffer[] = [];
  for await (const piece of Readable.from(tar()).pipe(createGzip({ level: 1 }))) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

test('a gibibyte of zeros takes no more memory than any archive, refused or taken', async (t) => {
  const data = await temporaryDirectory(t);
  const env = { CAIRN_ECOSYSTEMS: 'zig', CAIRN_LOG_LEVEL: 'error' };
  const process = await startServer({ data, env });
  t.after(() => process.kill());
  const other = zigApi({ url: process.url, data });
  const peak = () =>
    Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${process.child.pid}/status`, 'utf8'))?.[1]) / 1024;
  // Code that is loaded with the first upload, and what its reader may hold at once, is no memory of the zeros.
  const like = packAs('tar.gz', [file('r/random', randomBytes(8 * 1024 ** 2))]);
  for (const version of ['1.0.0', '1.0.1', '1.0.2'])
    await other.publish({ tarball: like, filename: `like-${version}.tar.gz` }, ADMIN_TOKEN);
  const before = peak();
  const upload = { tarball: await zerosBeside(0), filename: 'zeros-1.0.0.tar.gz' };
  await other.refuses([['zeros', await publishOf(upload, ADMIN_TOKEN), 400, /more than 200 times its size/]]);
  const taken = await other.publish(
    { tarball: await zerosBeside(6 * 1024 ** 2), filename: upload.filename },
    ADMIN_TOKEN,
  );
  assert.match(taken.hash, /^N-V-/);
  const grown = peak() - before;
  assert.ok(grown < 64, `${grown.toFixed(0)} MiB more than the ${before.toFixed(0)} before`);
});
