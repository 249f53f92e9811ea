import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { computeZigHash, readPackage } from '../../ecosystems/zig/package-hash.ts';
import { isZigHash, modernHash } from '../../ecosystems/zig/hash-text.ts';
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

const manifestA = demoManifest('0.1.0', '00000001', ['']);
const manifestB = demoManifest('0.1.0', 'deadbeef', ['build.zig.zon', 'src']);
const inside = (entries: readonly Packed[], root = 'r/') =>
  entries.map((entry) => ({ ...entry, path: root + String(entry.path) }));
const packageB = [
  file('build.zig.zon', manifestB),
  file('src/a.zig', '//a\n'),
  file('src/b.zig'),
  link('src/l', 'a.zig'),
];
const hashB = 'demo-0.1.0-776t3oUAAACGNcHz2PjFy1qDG_MA3tZ0AYQQJl8XiRy4';
const legacyB = '12208635c1f3d8f8c5cb5a831bf300ded674018410265f17891cb8d04423ff20269b';

/** Section 7.1 of the contract, all as Zig 0.16.0 prints them. */
const vectors: readonly { name: string; entries: readonly Packed[]; hash: string; legacy: string }[] = [
  {
    name: 'A',
    entries: [file('pkg/build.zig.zon', manifestA)],
    hash: 'demo-0.1.0-AQAAAG0AAAAOxhJPBQyZ6xw7-_v2Dm-g-W67bmI2X1v1',
    legacy: '12200ec6124f050c99eb1c3bfbfbf60e6fa0f96ebb6e62365f5bf55ec6e90b98b9db',
  },
  {
    name: 'B',
    entries: [
      file('r/build.zig.zon', manifestB),
      file('r/src/a.zig', '//a\n', 0o755),
      file('r/src/b.zig'),
      link('r/src/l', 'a.zig'),
      file('r/README.md', 'x'),
    ],
    hash: hashB,
    legacy: legacyB,
  },
  { name: 'C', entries: packageB, hash: hashB, legacy: legacyB },
  { name: 'D', entries: [folder('.'), ...inside(packageB, './')], hash: hashB, legacy: legacyB },
  {
    name: 'E',
    entries: inside([
      file('build.zig.zon', demoManifest('0.1.0', 'deadbeef', ['./build.zig.zon', 'src/../src/'])),
      file('src/a.zig', '//a\n'),
      file('other/x', '1'),
    ]),
    hash: 'demo-0.1.0-776t3o8AAACAQTR45KrByUGF1-pQBHEKAIgpepc04Wle',
    legacy: '122080413478e4aac1c94185d7ea5004710a0088297a9734e1695eaf6a48ab11f01c',
  },
  {
    name: 'F, two roots',
    entries: [file('r/a.txt', 'a'), file('s/b.txt', 'b')],
    hash: 'N-V-__8AAAIAAAArKetqyt2nXFSLJ2ISawAVNVC7e2zE1dDm',
    legacy: '12202b29eb6acadda75c548b2762126b00153550bb7b6cc4d5d0e667df5a0d491d24',
  },
  {
    name: 'G, a file beside the folder',
    entries: [file('r/a.txt', 'a'), file('b.txt', 'b')],
    hash: 'N-V-__8AAAIAAAA1d3kZD4EA-ZZqqVTv8w79F8_663J1vqiN',
    legacy: '1220357779190f8100f9966aa954eff30efd17cffaeb7275bea88df4d7d9a428f722',
  },
  {
    name: 'H, naked',
    entries: [file('r/a.txt', 'a'), file('r/sub/b.txt', 'bb')],
    hash: 'N-V-__8AAAMAAAApnrXDfLcIkFqsQ_SBz3FfG-aGC3ZXn1Nk',
    legacy: '1220299eb5c37cb708905aac43f481cf715f1be6860b76579f53640a235386df96fe',
  },
  {
    name: 'I',
    entries: [file('r/build.zig.zon', demoManifest('1.2.3-dev.4+gabc', '00000005', ['']))],
    hash: 'demo-1.2.3-dev.4+gabc-BQAAAHgAAADiX8RlRSOmLBsQ95le-6gFKu4WnD5v3qtE',
    legacy: '1220e25fc4654523a62c1b10f7995efba8052aee169c3e6fdeab44f4dbd919ddcafb',
  },
  {
    name: 'J, long names',
    entries: inside([
      file('build.zig.zon', manifestA),
      file(`${'d'.repeat(90)}/${'e'.repeat(60)}/f.txt`, 'deep'),
    ]),
    hash: 'demo-0.1.0-AQAAAHEAAABLQdeVcpANcIxq1wMvSvZhQjAjN-Gvm9Tz',
    legacy: '12204b41d79572900d708c6ad7032f4af66142302337e1af9bd4f30a2b79ec9e8c0a',
  },
  {
    name: 'L, UTF-8',
    entries: inside([file('build.zig.zon', manifestA), file('\u00e9/\u00fc.txt', '\u00fc')]),
    hash: 'demo-0.1.0-AQAAAG8AAAA_pKrq41h9x7LTB6enwAOV_Guw4mTLU2wG',
    legacy: '12203fa4aaeae3587dc7b2d307a7a7c00395fc6bb0e264cb536c06b95392ecac0be2',
  },
  {
    name: 'M, order of paths',
    entries: inside([
      file('build.zig.zon', manifestA),
      file('a/z', '1'),
      file('a-b', '2'),
      file('a.b', '3'),
      file('B', '4'),
    ]),
    hash: 'demo-0.1.0-AQAAAHEAAAAklT4u9NuCzFbIIu1RLPtRkKBQhDe5VPFh',
    legacy: '122024953e2ef4db82cc56c822ed512cfb5190a0508437b954f161e9054387ec2496',
  },
  {
    name: 'T',
    entries: inside([file('build.zig.zon', demoManifest('0.1.0', '00000001', ['.'])), file('x', '1')]),
    hash: 'demo-0.1.0-AQAAAG8AAABJ_I2dO7imYvRR456Pdl9_TPwS2Y5xItEo',
    legacy: '122049fc8d9d3bb8a662f451e39e8f765f7f4cfc12d98e7122d1285e4e4993846967',
  },
];

for (const { name, entries, hash, legacy } of vectors)
  test(`vector ${name} has the hashes that Zig prints, in every type of archive`, async () => {
    // In a zip a link is a file, and a part `.` a folder: those are another package.
    const types = archiveTypes.filter((type) => type !== 'zip' || !'BCD'.includes(name));
    for (const type of types) {
      const read = await readPackage(archiveOf(packAs(type, entries)));
      assert.deepEqual([read.hash, read.legacyHash, read.archiveType], [hash, legacy, type]);
    }
    const pax = await readPackage(archiveOf(packTar(entries, 'pax'), 1000));
    assert.equal(pax.hash, hash);
  });

test('a hash is of name, version, id, size and digest (an example of Zig itself)', () => {
  const digest = Buffer.from('c7f571b7b4e76f3cdb877a7fddf977879dd386fa73579af79d1edb8f3ad9bd9f', 'hex');
  const parts = { digest, name: 'nasm', version: '2.16.1-3', id: 0xcafebabe };
  const example = 'nasm-2.16.1-3-vrr-ygAAoADH9XG3tOdvPNuHen_d-XeHndOG-nNXmved';
  assert.equal(modernHash({ ...parts, totalSize: 10 * 1024 * 1024 }), example);
  // A size that has no room is as large as there is room for.
  const large = modernHash({ ...parts, totalSize: 2 ** 40 });
  assert.equal(Buffer.from(large.slice(-44), 'base64url').readUInt32LE(4), 0xffffffff);
});

test('a hash is told from other texts as Zig tells it', () => {
  for (const { hash, legacy } of vectors) for (const text of [hash, legacy]) assert.ok(isZigHash(text), text);
  assert.ok(isZigHash('dvui-0.4.0-dev-AQFJmayi2gAKE7FeJoF61v5U1IV9-SupoEcFutIZYpkC'));
  const longest = `${'n'.repeat(32)}-${'1'.repeat(32)}-${'A'.repeat(44)}`;
  assert.equal(longest.length, 110);
  assert.ok(isZigHash(longest));
  const wrong = [
    '',
    '1220',
    legacyB.slice(0, -1),
    legacyB.toUpperCase().replace('1220', '1221'),
    legacyB.replace('a', 'g'),
    hashB.slice(5),
    `n-${'A'.repeat(44)}`,
    `${longest}A`,
    `n/v-1-${'A'.repeat(44)}`,
    `-${'A'.repeat(40)}`,
  ];
  for (const text of wrong) assert.equal(isZigHash(text), false, text);
});

test('what the package says beside its hash is told too', async () => {
  const bytes = packAs('tar.gz', [folder('r'), ...inside(packageB), file('r/README.md', 'x')]);
  const read = await readPackage(archiveOf(bytes));
  assert.equal(read.rootFolder, 'r');
  assert.equal(read.manifest?.name, 'demo');
  assert.equal(read.manifestText, manifestB);
  assert.equal(read.fileCount, 4);
  assert.equal(read.totalSize, manifestB.length + 4);
  assert.deepEqual(read.warnings, []);
  assert.equal(await computeZigHash(bytes), hashB);
});

test('a package of an older Zig has a legacy hash, and a modern one if its name can be in it', async () => {
  const read = (name: string, rest = '') =>
    readPackage(
      archiveOf(packTar([file('r/build.zig.zon', `.{ .name = ${name}, .version = "1.0.0", ${rest} }`)])),
    );
  const legacy = await read('"my-lib"', '.paths = .{""}');
  assert.equal(legacy.hash, undefined);
  assert.match(legacy.legacyHash, /^1220/);
  const both = await read('"my_lib"', '.paths = .{""}');
  // Zig 0.14 and 0.15 make an id of 0 where there is no fingerprint.
  assert.match(both.hash ?? '', /^my_lib-1\.0\.0-AAAAA/);
  assert.deepEqual(both.warnings, []);
  const withoutFingerprint = await read('.my_lib', '.paths = .{""}');
  assert.match(withoutFingerprint.hash ?? '', /^my_lib-1\.0\.0-AAAAA/);
  assert.match(withoutFingerprint.warnings.join(), /no fingerprint/);
  assert.match((await read('"my_lib"')).warnings.join(), /no paths/);
});

test('a package without one root folder is allowed, and noted', async () => {
  const read = async (entries: readonly Packed[]) => readPackage(archiveOf(packTar(entries)));
  for (const entries of [packageB, [file('r/a'), file('s/b')], [file('r/a'), file('b')], [file('a')]]) {
    const { warnings, rootFolder } = await read(entries);
    assert.equal(rootFolder, undefined);
    assert.match(warnings.join(), /no single root folder/);
  }
  // Zig goes by folders too, though it forgets the empty ones.
  assert.equal((await read([file('r/a'), folder('s')])).rootFolder, undefined);
  assert.equal((await read([folder('r'), file('r/a'), folder('r/empty')])).rootFolder, 'r');
  assert.equal((await read([file('r/a'), link('l', 'r')])).rootFolder, undefined);
});

test('where Zig cannot unpack a file that is left out, it has no say in where the root is', async () => {
  const hardLink: Packed = { path: 'r/skipped', type: '1', linkTarget: 'r/src/a.zig' };
  for (const path of ['r/skipped', 'elsewhere', 'x/y']) {
    const read = await readPackage(archiveOf(packTar([{ ...hardLink, path }, ...inside(packageB)])));
    assert.equal(read.hash, hashB, path);
  }
});

test('a link in a zip is a file to Zig, which is noted', async () => {
  const read = await readPackage(archiveOf(packAs('zip', inside(packageB))));
  assert.notEqual(read.hash, hashB);
  const asFile = [...packageB.slice(0, 3), file('src/l', 'a.zig')];
  assert.equal(read.hash, (await readPackage(archiveOf(packAs('tar', inside(asFile))))).hash);
  assert.match(read.warnings.join(), /"src\/l" is a link/);
});

test('the hash is the same whatever the order, the packing and the folder around it', async () => {
  const names = fc.stringMatching(/^[a-zA-Z0-9_.\-é日 ]{1,8}$/u).filter((name) => !/^\.+$/.test(name));
  const paths = fc.array(names, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const contents = fc.record({
    content: fc.string({ unit: 'binary', maxLength: 700 }),
    isLink: fc.boolean(),
  });
  const packages = fc.dictionary(paths, contents, { minKeys: 1, maxKeys: 12, noNullPrototype: true });
  const listed = fc.subarray(['', 'a', 'b', 'src', 'build.zig.zon'], { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        content: packages,
        listed,
        order: fc.infiniteStream(fc.nat()),
        type: fc.constantFrom('tar', 'tar.gz', 'tar.xz', 'tar.zst'),
        longNames: fc.constantFrom('gnu', 'pax'),
        root: fc.constantFrom('', 'r/', './', './r/'),
        pieceBytes: fc.integer({ min: 1, max: 3000 }),
      }),
      async ({ content, listed, order, type, longNames, root, pieceBytes }) => {
        const entries = [
          file('build.zig.zon', demoManifest('0.1.0', '00000001', listed)),
          file('build.zig'),
          ...Object.entries(content)
            .filter(([path]) => !path.startsWith('build.zig'))
            .map(([path, { content, isLink }]) => (isLink ? link(path, 'build.zig') : file(path, content))),
        ];
        const outcome = async (bytes: Buffer, size?: number): Promise<unknown> => {
          try {
            const { hash, legacyHash, totalSize, fileCount } = await readPackage(archiveOf(bytes, size));
            return { hash, legacyHash, totalSize, fileCount };
          } catch (error) {
            // Names may fall together, or one be a file and a folder: refused then, whatever the packing.
            return (error as Error).name;
          }
        };
        const expected = await outcome(packTar(entries));
        const shuffled = entries
          .map((entry) => ({ entry, key: order.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ entry }) => entry);
        const tar = packTar(inside(shuffled, root), longNames);
        assert.deepEqual(await outcome(tar, pieceBytes), expected);
        const packed = packAs(type, inside(shuffled, root));
        assert.deepEqual(await outcome(packed, pieceBytes), expected);
      },
    ),
    { numRuns: 15 },
  );
});
