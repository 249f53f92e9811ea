import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPackage, type ZigPackage } from '../../ecosystems/zig/package-hash.ts';
import {
  archiveOf,
  archiveTypes,
  demoManifest,
  file,
  folder,
  link,
  packAs,
  packTar,
  type Packed,
} from '../support/zig-archive.ts';

const hardLink = (path: string, linkTarget = 'r/src/a.zig'): Packed => ({ path, type: '1', linkTarget });

const manifest = demoManifest('0.1.0', '00000001', ['src', 'build.zig.zon']);

/** In a package that includes `src` and its manifest, and nothing else. */
const withSource = (...entries: readonly Packed[]): readonly Packed[] => [
  file('r/build.zig.zon', manifest),
  file('r/src/a.zig', '//a\n'),
  ...entries,
];

const read = (entries: readonly Packed[]): Promise<ZigPackage> => readPackage(archiveOf(packTar(entries)));

async function refused(entries: readonly Packed[], message: RegExp, code = 'invalid-archive'): Promise<void> {
  // The order of entries is no excuse.
  for (const list of [entries, entries.toReversed()])
    await assert.rejects(read(list), { name: 'RegistryError', code, message });
}

/** What is left out does no harm: the hash is that of the rest. */
async function ignored(...entries: readonly Packed[]): Promise<void> {
  const { hash } = await read(withSource());
  assert.equal((await read(withSource(...entries))).hash, hash);
}

test('what Zig cannot unpack is refused among the included files, and ignored elsewhere', async () => {
  const names = { 1: 'hard link', 3: 'character device', 4: 'block device', 6: 'fifo', 7: 'contiguous file' };
  for (const [type, name] of Object.entries(names)) {
    const special = (path: string): Packed => ({ path, type, linkTarget: 'r/src/a.zig' });
    const message = new RegExp(
      `"src/x" is a ${name}, which Zig cannot unpack: pack the file itself, or leave`,
    );
    await refused(withSource(special('r/src/x')), message);
    await ignored(special('r/other/x'));
  }
  await refused(withSource({ path: 'r/src/x', type: 'Z' }), /"src\/x" is a special entry of type "Z"/);
  await refused([file('r/a'), hardLink('r/b', 'r/a')], /"b" is a hard link/);
});

test('the same path twice is refused, whatever it is and whether it is included', async () => {
  const twice = /is in the archive twice: pack it once/;
  await refused(withSource(file('r/src/a.zig', '//b\n')), twice);
  await refused(withSource(file('r/./src//a.zig')), twice);
  await refused(withSource(link('r/src/a.zig', 'b')), twice);
  await refused(withSource(file('r/x'), file('r/x')), twice);
  await refused(withSource(file('r/build.zig.zon', manifest)), /build\.zig\.zon is in the archive twice/);
  await ignored(folder('r/x'), folder('r/x'), folder('r/src'));
  for (const type of archiveTypes)
    await assert.rejects(readPackage(archiveOf(packAs(type, withSource(file('r/src/a.zig'))))), {
      message: twice,
    });
});

test('nothing is written through a link, and no file is a folder', async () => {
  const through = /"src\/l" is a symbolic link and a folder: entries would be written through it/;
  await refused(withSource(link('r/src/l', '..'), file('r/src/l/evil')), through);
  await refused(withSource(link('r/src/l', '..'), folder('r/src/l/evil')), through);
  await refused(withSource(link('r/src/l', '..'), folder('r/src/l')), through);
  await refused(withSource(link('r/x', '/etc'), file('r/x/passwd')), /"x" is a symbolic link and a folder/);
  await refused(
    withSource(file('r/src/f'), file('r/src/f/g')),
    /"src\/f" is a file and a folder: it cannot be both/,
  );
  await refused([link('r', '/etc'), file('r/passwd')], /"r" is a symbolic link and a folder/);
});

test('a link that leads out of the package is refused where it is included', async () => {
  const out = /the link "src\/l[^"]*" leads out of the package, to ".*": pack the file itself/;
  for (const target of ['/etc/passwd', '../..', '../../r/src/a.zig', 'x/../../../y', '../../'])
    await refused(withSource(link('r/src/l', target)), out);
  for (const target of [
    'a.zig',
    'missing',
    '.',
    '..',
    '../build.zig.zon',
    './x/../a.zig',
    'l',
    '../src/../src/a.zig',
  ]) {
    const { fileCount } = await read(withSource(link('r/src/l', target)));
    assert.equal(fileCount, 3, target);
  }
  await ignored(link('r/other', '/etc/passwd'), link('r/x/y', '../../../..'));
});

test('a link that climbs behind another link is refused: where it leads then is not to be seen', async () => {
  const deep = link('r/src/x/y/deep', '../..');
  await refused(withSource(deep, link('r/src/l', 'x/y/deep/../../..')), /the link "src\/l" leads out/);
  await refused(withSource(deep, link('r/src/l', 'x/y/deep/b/..')), /the link "src\/l" leads out/);
  await assert.doesNotReject(read(withSource(deep, link('r/src/l', 'x/y/deep/a.zig'))));
  await assert.doesNotReject(read(withSource(link('r/src/so', 'so.1'), link('r/src/so.1', 'a.zig'))));
});

test('a link whose target is no path everywhere is refused', async () => {
  for (const target of ['..\\a.zig', 'C:/a', 'a\nb', ''])
    await refused(
      withSource(link('r/src/l', target)),
      /the link "src\/l" leads to ".*", which is no path on every system/,
    );
});

test('names that fall together on other disks are refused where one of them is included', async () => {
  const together = /differ by case or accents alone, and are one on other disks: rename one/;
  await refused(
    withSource(file('r/src/A.zig')),
    /"src\/a\.zig" and "src\/A\.zig"|"src\/A\.zig" and "src\/a\.zig"/,
  );
  await refused(withSource(file('r/src/caf\u00e9'), file('r/src/cafe\u0301')), together);
  await refused(withSource(file('r/src/CAF\u00c9'), file('r/src/cafe\u0301')), together);
  await refused(withSource(file('r/src/\u03c3'), file('r/src/\u03c2')), together);
  await refused(withSource(file('r/src/d/x'), file('r/src/D/y')), together);
  await refused(withSource(file('r/Src/other')), together);
  await refused(withSource(file('r/SRC')), together);
  await refused(withSource(link('r/src/A.ZIG', 'a.zig')), together);
  await refused([file('r/a'), file('R/b')], together);
  await ignored(file('r/README'), file('r/readme'), file('r/docs/X/1'), file('r/docs/x/2'));
  await assert.doesNotReject(read(withSource(file('r/src/a.zig2'), file('r/src/b'), file('r/src/a-zig'))));
});

test('a manifest by another case is refused: on some disks it would be the manifest', async () => {
  await refused(
    [file('r/Build.zig.zon', '.{}'), file('r/a')],
    /"Build\.zig\.zon" is build\.zig\.zon on some disks/,
  );
  await assert.doesNotReject(read([file('r/sub/Build.zig.zon'), file('r/a')]));
});

test('a manifest that is no file is refused', async () => {
  await refused(
    [link('r/build.zig.zon', 'other.zon'), file('r/other.zon')],
    /build\.zig\.zon is a symbolic link/,
  );
  const zip = packAs('zip', [link('r/build.zig.zon', 'other.zon'), file('r/other.zon')]);
  await assert.rejects(
    readPackage(archiveOf(zip)),
    /build\.zig\.zon is a symbolic link: pack the file itself/,
  );
});

test('a manifest that is wrong is refused with its place, wherever it lies in the archive', async () => {
  const wrong = (text: string | Buffer) => [file('r/a'), file('r/build.zig.zon', text), file('r/z')];
  await refused(
    wrong('.{ .name = .a }'),
    /build\.zig\.zon:1:1: missing top-level 'version'/,
    'invalid-manifest',
  );
  await refused(wrong(Buffer.of(0xff)), /build\.zig\.zon is not UTF-8/, 'invalid-manifest');
  await refused(
    wrong(Buffer.alloc(10 * 1024 ** 2 + 1, 32)),
    /longer than 10485760 bytes/,
    'invalid-manifest',
  );
  // Only the one at the root counts.
  await assert.doesNotReject(read([file('r/a'), file('r/sub/build.zig.zon', 'no zon')]));
});

test('a package without files is refused', async () => {
  await refused([], /the archive has no files/);
  await refused([folder('r'), folder('r/a')], /the archive has no files/);
  const manifest = demoManifest('0.1.0', '00000001', ['src']);
  await refused(
    [file('r/build.zig.zon', manifest)],
    /the paths of build\.zig\.zon include no file/,
    'invalid-manifest',
  );
});
