import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, deflateRawSync, gzipSync } from 'node:zlib';
import { readEntries, typeOfArchive } from '../../ecosystems/zig/archive.ts';
import { readPackage } from '../../ecosystems/zig/package-hash.ts';
import {
  archiveOf,
  archiveTypes,
  file,
  folder,
  gnuExtension,
  link,
  packAs,
  packTar,
  packZip,
  paxHeader,
  storeXz,
  storeZstd,
  tarEntry,
  withChecksum,
  type Packed,
} from '../support/zig-archive.ts';

/** Made once by the programs themselves, from one tar: `xz -9e`, `xz --block-size=4096`, `zstd -19`, `zstd --no-check`. */
const packed = {
  xz: '/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4Cf/Aa9dADkLvBunjDRE4cIHdej848CShFmEhNMBQpqjmcNB3TQudw01Ne9L37tTuapHT0ROX65i0Iqn0QWBo3FKgSHguAtKhgb51CNz89NClaCN47hFG6Ht4HmqKbhCmrSXikJld9eaY+g19Zr9jmVCmHh5Kk5zB3VO5jeu+KoWwWCXqkUtTtfONyVUYGRxVg04LbX5f+7GUpSQPpYpax/ZquEEViWEFWMBmK86BjP3XYXczvrKdkuJGbDKqBqStGmHAGLJ7E/BIpV2x3UVoCCGSzoBOokf61C1h6IozBFNl6hcMBYFWj2CD4eWh60WrrL7l3QOzbGY+Ehydq0XKdbJJ2amoqktbPL0XgZsNbWmXraMXMXvK0E/o/6ytKVxF1PGY3pZw0YZrlE2e5kBjYOPYkaBlNz6UyYnV4Ku/ecQiR2FVGcN1JL3bEx4sPX6m1p4D+nHVfthr8tjc1IG0n3vs8rFLWvtEY+1ycBiU/zTXoR4wE3OggrCo/iMAyfQmnCUQ2LUXMjB0LIFlfm0McJj2xeuwNEFNJ0ULN+oFbZNNpXtxFU4lf0Yd4sq9K0gl/R8uG0AAADxwCcuEItqnwABywOAUAAA8dg/frHEZ/sCAAAAAARZWg==',
  xzOfBlocks:
    '/Td6WFoAAAFpIt42AgAhARwAAAAQz1jM4A//AZJdADkLvBunjDRE4cIHdej848CShFmEhNMBQpqjmcNB3TQudw01Ne9L37tTuapHT0ROX65i0Iqn0QWBo3FKgSHguAtKhgb51CNz89NClaCN47hFG6Ht4HmqKbhCmrSXikJld9eaY+g19Zr9jmVCmHh5Kk5zB3VO5jeu+KoWwWCXqkUtTtfONyVUYGRxVg04LbX5f+7GUpSQPpYpax/ZquEEViWEFWMBmK86BjP3XYXczvrKdkuJGbDKqBqStGmHAGLJ7E/BIpV2x3UVoCCGSzoBOokf61C1h6IozBFNl6hcMBYFWj2CD4eWh60WrrL7l3QOzbGY+Ehydq0XKdbJJ2amoqktbPL0XgZsNbWmXraMXMXvK0E/o/6ytKVxF1PGY3pZw0YZrlE2e5kBjYOPYkaBlNz6UyYnV4Ku/ecQiR2FVGcN1JL3bEx4sPX6m1p4D+nHVfthr8tjc1IG0n3vs8rFLWvtEY+1ycBiU/zTXoR4wE3OggrCo/iMAyfQmnCUQ2LUXMjB0LIFlfm0McJj2xhS9nuEAAAAABFY9bICACEBHAAAABDPWMzgD/8AGV0AAG/9//+jt/9HPkgVcjlhUbiSKOajhJ4pRgAAAAARABzHAgAhARwAAAAQz1jM4Af/ABFdAABv/f//o7f/Rz5IFXCUqWAAAAAAAJ666PEAA6oDgCAxgCApgBARhBw2m+NRQAMAAAAAAVla',
  zstd: 'KLUv/WQAJ4UXAAphzAoYkKmSDoBZVdOv7e4OCNl7bymFSsXyvGsBugCeAJ4AI2wRdoVNYU/YEnbDZtgLO4Q9xmJcYxrPWMYdc7xxGA+xEJeYxCMWccUUTxzEoxZ11VRPLXVr1qtDPWhBF0300EKXJj060GMWc800zyxzZ86bwzxkIZdM8sgiV6Y8Ociji16d+nTp7ezroQ8ueHHiw4WXk48HPrbYtWnPlt3NvR32WFzTs9z5yiIBAQkOBoDgwIECBgKAg6GEiYjQggYLAgwQkOAghIMEAxYoYHAwAA5IpMLBTIUDAQkCFPgELoE3cAa+wEPgY2wxdo1NY8/YMnbH5tgbO4w9xBZil9gk9ogtYldsij2xg9ijtqhdtan21Jbarc3aqx1qD9qCdtEm2kNbaJc2aY92oD1mi9k1m2bPbJnd2Zy92WH2kC1kl2ySPbJFdmVT9mQH2aNbdFc3dU+3dLeb3esO3YNbcBc3cQ+3cJeb3OMO3GNbbNc2bc+2bHeb29sO2wENnaEv9BD6GFwMXoPT4DO4DN7BOfgGD4MPwYXgJTgJPoKL4BWcgk/wIPgoLopXcSo+xaV4i7P4iofig7ggXsSJ+BAX4iVO4iMeiI/hYngNp+EzXIZ3OIdveBg+hAvhJZyEj3ARXuEUPuFB+CgX5VVO5VMu5S1n+cpD+SAX5EVO5EMu5CUn+cgD+RgX4zVO4zMu4x3n+MbD+AhcBF6BByHIY3Qxeo1Oo8/oMnpH5+gbPYw+RBeil+gk+oguold0ij7Rg+ijuqhe1an6VJfqrc7qqx6qD+qCelEn6kNdqJc6qY96oD6mi+k1nabPdJne6Zy+6WH6kC6kl3SSPtJFeqVT+qQH6aNdtFc7tU+7tLed7WsP7YNdsBc7sQ+7sJed7GMP7GNdrNc6rc+6rHed61sP6yN0EXqFTqFP6BJ6FCAQLVBc2AZN6HpgOu3ZVImMyspzfQBSh93VljcEq0ZyA9v5gNOSlgqwGUzpgJ7yV8IDDApgPlE3E5ciAA==',
  zstdWithoutChecksum:
    'KLUv/QBYRRgAumHgChiQqZIOgFlV06/t7g4I2WRvKWUfrZ551wK7AJ8AnwAlO8gm2SO7sil7skX2GItxjcOYxjPumOONZTzEQlziICbxiCumeGIRj1rUVYea6qlbs14t9QiLcIVDmMITbpjhhSU8aEEXHWiihy5NerTQYxZzzWGmeebOnDfLPLro1UOnPr2dfV364IIXD5z48HLyceFji107bNqzu7m3ZY/FdZieO19ZJCAgwQAQHDhQwIAAOCCOTGQmiIgsaLAgwAABCeRA5CDBgAUKGBwQgIMwUyIHIkJUIiIHAhIEwkd4hVP4hIvwMbYYu8YOY9PYM3bH5tgbW8YeYguxS+wgNok9Yldsij2xRexRW9Su2qE21Z7arc3aqy21R9gi7Ao7hE1hT9gNm2EvbAl70Ba0i3agTbSHdmmT9mgL7TFbzK7ZYTbNntmdzdmbLbNHt+iu7tBN3dPdbnavW7oHt+Au7sBN3MNdbnKPW7jHttiu7bBN27PdbW5vW7aHbCE7ndInXaSPwcXgNXgYnAafwTs4B9/gMvgQXAheggfBSfARvIJT8Akugo/iongVD8Wp+BRvcRZfcSk+AheBV+AhcAp8Am/gDHyBS+CDuCBexANxIj7ES5zER1yIj+FieA0Pw2n4DO9wDt9wGT7KRXmVh3Iqn/KWs3zlUj7IBXmRB3IiH/KSk3zkQj7GxXiNh3Ean/GOc3zjMj6EC+ElPAinIvMYXYxeo4fRafQZvaNz9I0uow/RheglehCdRB/RKzpFn+gi+qguqlf1UJ2qT/VWZ/VVl+ojdBF6hR5Cp9An9IbO0Be6hD6oC+pFPVAn6kO91El91IX6mC6m1/QwnabP9E7n9E2X6aNdtFd7aKf2aW8729cu7YNdsBd7YCf2YS872ccu7GNdrNd6WKf1We8617cu60O6kF7Sg3SSPtIrARwATZjrgem0ZwNVIgMqA57rA+TU7UA1kLhSlnJDMKBigMDr59arbj1WYaAGA1AbOCFwwqCQwDQEwHAJpANAOljx8wGsAOBYuYxPYAg=',
};
/** What the tar holds. */
const numbers = Array.from({ length: 400 }, (_, index) => `${index + 1}\n`).join('');
const inside = [file('r/a.txt', `${'hello '.repeat(5)}hello\n`), file('r/b.txt', numbers)];
const small = [file('r/a', 'one'), file('r/b', 'two')];
const end = Buffer.alloc(1024);

const hashOf = async (bytes: Buffer, pieceBytes?: number) =>
  (await readPackage(archiveOf(bytes, pieceBytes))).hash;

async function listing(bytes: Buffer, pieceBytes = 999): Promise<unknown[]> {
  const archive = archiveOf(bytes, pieceBytes);
  const entries: unknown[] = [];
  for await (const entry of readEntries(archive, await typeOfArchive(archive))) {
    const content: Uint8Array[] = [];
    for await (const piece of entry.content()) content.push(piece);
    entries.push([entry.kind, entry.path, entry.linkTarget || Buffer.concat(content).toString()]);
  }
  return entries;
}

async function refused(bytes: Buffer, message: RegExp): Promise<void> {
  for (const pieceBytes of [64 * 1024, 100])
    await assert.rejects(readPackage(archiveOf(bytes, pieceBytes)), {
      name: 'RegistryError',
      code: 'invalid-archive',
      message,
    });
}

/** For large ones. */
async function refusedAtOnce(bytes: Buffer, message: RegExp): Promise<void> {
  const archive = archiveOf(bytes);
  const readAll = async () => {
    for await (const _entry of readEntries(archive, await typeOfArchive(archive))) continue;
  };
  await assert.rejects(readAll, { code: 'invalid-archive', message });
}

test('an archive is told by its bytes', async () => {
  for (const type of archiveTypes) assert.equal(await typeOfArchive(archiveOf(packAs(type, small), 7)), type);
  const skippable = Buffer.concat([Buffer.from('5e2a4d1801000000ff', 'hex'), storeZstd(packTar(small))]);
  assert.equal(await typeOfArchive(archiveOf(skippable)), 'tar.zst');
  for (const wrong of ['', 'hello', '#!/bin/sh\n'.repeat(100), 'Rar!\x1a\x07\x00', 'BZh91AY&SY'])
    await refused(Buffer.from(wrong, 'latin1'), /not an archive that Zig can unpack: send a \.tar\.gz/);
});

test('the entries of every type are the same, in their order', async () => {
  const entries = [folder('r'), file('r/a', 'one'), file('r/long', 'x'.repeat(400_000)), file('r/empty')];
  const expected = [
    ['directory', 'r', ''],
    ['file', 'r/a', 'one'],
    ['file', 'r/long', 'x'.repeat(400_000)],
    ['file', 'r/empty', ''],
  ];
  for (const type of archiveTypes) assert.deepEqual(await listing(packAs(type, entries)), expected, type);
});

test('what the programs pack is what they were given', async () => {
  const expected = await hashOf(packTar(inside));
  for (const [name, text] of Object.entries(packed))
    for (const pieceBytes of [1, 13, 4096])
      assert.equal(await hashOf(Buffer.from(text, 'base64'), pieceBytes), expected, name);
});

test('content that nobody reads is passed over', async () => {
  for (const type of archiveTypes) {
    const paths: string[] = [];
    for await (const { path } of readEntries(archiveOf(packAs(type, inside), 100), type)) paths.push(path);
    assert.deepEqual(paths, ['r/a.txt', 'r/b.txt']);
  }
});

test('who leaves early lets go of the source', async () => {
  for (const type of archiveTypes) {
    let isOpen = false;
    const bytes = packAs(type, inside);
    const open = async function* () {
      isOpen = true;
      try {
        for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100);
      } finally {
        isOpen = false;
      }
    };
    for await (const _entry of readEntries({ size: bytes.length, open }, type)) break;
    // A stream in between ends a turn later.
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isOpen, false, type);
  }
});

test('what the source throws is passed on as it is', async () => {
  for (const type of archiveTypes) {
    const bytes = packAs(type, inside);
    const open = async function* () {
      yield bytes.subarray(0, 600);
      throw new Error('the disk is gone');
    };
    await assert.rejects(readPackage({ size: bytes.length, open }), /the disk is gone/, type);
  }
});

test('an archive that is cut off anywhere is refused', async () => {
  const entries = [file('r/a', 'one'), file('r/b', 'x'.repeat(700))];
  for (const type of archiveTypes) {
    const bytes = packAs(type, entries);
    // Of a tar the last 1,024 bytes are the mark at its end, which Zig's own do without.
    const stop = type === 'tar' ? bytes.length - 1024 : bytes.length;
    for (let length = 1; length < stop; length += type === 'tar' || type === 'tar.xz' ? 61 : 7) {
      if (type === 'tar' && length % 512 === 0) continue;
      await assert.rejects(
        readPackage(archiveOf(bytes.subarray(0, length))),
        { code: 'invalid-archive' },
        `${type}, ${length} bytes`,
      );
    }
  }
});

test('a tar without a mark at its end is read: those of the cache of Zig are like that', async () => {
  assert.equal(await hashOf(packTar(small).subarray(0, -1024)), await hashOf(packTar(small)));
});

test('an archive that goes on after its end is refused, whatever it is packed in', async () => {
  const more = Buffer.concat([packTar(small), packTar([file('r/c', 'three')])]);
  await refused(more, /goes on after its end: Zig would not see the rest/);
  for (const pack of [gzipSync, storeXz, storeZstd]) await refused(pack(more), /goes on after its end/);
  const [first, second] = [packTar(small).subarray(0, -1024), packTar([file('r/c', 'three')])];
  await refused(Buffer.concat([gzipSync(first), gzipSync(second)]), /after its first member.*pack it as one/);
  await refused(Buffer.concat([gzipSync(first), Buffer.alloc(512)]), /after its first member/);
  await refused(Buffer.concat([storeXz(first), storeXz(second)]), /after its first stream.*pack it as one/);
  await refused(Buffer.concat([storeXz(first), Buffer.alloc(4)]), /after its first stream/);
  await refused(Buffer.concat([storeZstd(first), Buffer.from('rest')]), /goes on after its end/);
  // Zig does read several frames.
  const frames = Buffer.concat([storeZstd(first), Buffer.from('502a4d1800000000', 'hex'), storeZstd(second)]);
  assert.equal(await hashOf(frames, 50), await hashOf(packTar([...small, file('r/c', 'three')])));
});

test('damage is noticed by checksums, where there are any', async () => {
  const flip = (bytes: Buffer, at: number) => {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    return damaged;
  };
  // Bytes of content, which lie in all of these as they are.
  const at = (bytes: Buffer) => bytes.indexOf('1\n2\n3\n') + 300;
  const stored = gzipSync(packTar(inside), { level: 0 });
  await refused(flip(stored, at(stored)), /the gzip file is damaged: its checksum is wrong/);
  await refused(flip(stored, stored.length - 1), /the gzip file is damaged/);
  const xz = storeXz(packTar(inside));
  await refused(flip(xz, at(xz)), /the xz file is damaged/);
  const zip = packZip(inside, { method: 0 });
  await refused(flip(zip, at(zip)), /"r\/b\.txt" is damaged: its checksum is wrong/);
  const zstd = Buffer.from(packed.zstd, 'base64');
  await refused(flip(zstd, zstd.length - 1), /the zstd file is damaged/);
  await refused(flip(zstd, zstd.length - 200), /the zstd file is damaged/);
  const tar = packTar(inside);
  await refused(flip(tar, 3), /not an archive|wrong checksum/);
  await refused(flip(tar, 1024 + 3), /a header of the tar archive has a wrong checksum/);
});

test('gzip with a name, a comment and the rest of its header is read', async () => {
  const plain = gzipSync(packTar(small));
  const extra = Buffer.from('\x03\x00abcname\x00a comment\x00\x12\x34', 'latin1');
  const header = Buffer.from(plain.subarray(0, 10));
  header[3] = 2 + 4 + 8 + 16;
  assert.equal(await hashOf(Buffer.concat([header, extra, plain.subarray(10)]), 3), await hashOf(plain));
});

test('xz that Zig cannot unpack is refused', async () => {
  const tar = packTar(small);
  await refused(storeXz(tar, { filter: 4 }), /uses filters other than LZMA2: Zig cannot unpack it/);
  await refused(storeXz(tar, { dictionaryCode: 29 }), /a dictionary of more than 64 MiB: pack it with xz -9/);
  await refused(storeXz(tar, { dictionaryCode: 40 }), /a dictionary of more than 64 MiB/);
  await refused(storeXz(tar, { check: { id: 10, bytes: 32 } }), /checks other than CRC-32 and CRC-64/);
  assert.equal(
    await hashOf(storeXz(tar, { check: { id: 0, bytes: 0 }, blockBytes: 500 })),
    await hashOf(tar),
  );
});

test('zstd that Zig cannot unpack is refused', async () => {
  const tar = packTar(small);
  await refused(storeZstd(tar, { windowDescriptor: (13 << 3) | 1 }), /a window of more than 8 MiB/);
  await refused(storeZstd(tar, { windowDescriptor: 255 }), /a window of more than 8 MiB/);
  const dictionary = storeZstd(tar);
  dictionary[4] = 1;
  await refused(dictionary, /needs a dictionary/);
  const empty = storeZstd(Buffer.alloc(0));
  assert.equal(await hashOf(Buffer.concat([empty, storeZstd(tar, { blockBytes: 99 })])), await hashOf(tar));
});

test('zstd in frames or blocks that each cost more than they bring is refused in time', async () => {
  const blocks = storeZstd(packTar([file('r/a', 'x'.repeat(4000))]), { blockBytes: 1 });
  const frames = Buffer.concat(Array.from({ length: 3000 }, () => storeZstd(Buffer.alloc(0))));
  for (const costly of [blocks, frames]) await refusedAtOnce(costly, /too many small blocks/);
});

test('several xz files are read at once, and a broken one keeps nobody waiting', async () => {
  const xz = Buffer.from(packed.xz, 'base64');
  const broken = Buffer.from(xz);
  broken[150] = 0;
  const expected = await hashOf(packTar(inside));
  const outcomes = await Promise.allSettled(
    Array.from({ length: 12 }, (_, index) => hashOf(index % 3 === 1 ? broken : xz, 40)),
  );
  outcomes.forEach((outcome, index) => {
    if (index % 3 === 1) assert.equal(outcome.status, 'rejected');
    else assert.deepEqual(outcome, { status: 'fulfilled', value: expected });
  });
});

/** An entry with its header changed. */
const tampered = (tamper: (header: Buffer) => void, entry: Packed = file('r/a', 'one')) =>
  Buffer.concat([...tarEntry({ ...entry, tamper }), end]);

test('fields of a tar header that readers read differently are refused', async () => {
  await refused(
    tampered((header) => header.write('0000000001x', 124)),
    /a size that is no octal number/,
  );
  await refused(
    tampered((header) => header.writeUInt8(0x80, 124)),
    /a size that is no octal number/,
  );
  await refused(
    tampered((header) => header.write('-1', 100)),
    /a mode that is no octal number/,
  );
  await refused(
    packTar([{ path: 'r/d/', type: '5', size: 512 }, file('r/a')]),
    /a folder with bytes of its own/,
  );
  await refused(packTar([{ ...link('r/l', 'a'), size: 512 }]), /a symbolic link with bytes of its own/);
  await refused(packTar([file('r/a/', 'one')]), /"r\/a\/" is called a folder, and is none/);
  await refused(packTar([file('./')]), /an entry has no name but/);
});

test('the prefix of a name is read where every reader reads it', async () => {
  const withPrefix = (magic: string) =>
    tampered((header) => {
      header.write(magic, 257, 'latin1');
      header.write('some/folder', 345);
    });
  assert.deepEqual(await listing(withPrefix('ustar\x0000')), [['file', 'some/folder/r/a', 'one']]);
  assert.deepEqual(await listing(withPrefix('\0\0\0\0\0\0\0\0')), [['file', 'r/a', 'one']]);
  await refused(withPrefix('ustar  \0'), /a GNU header that Zig would misread/);
});

test('checksums of bytes with a sign are read too, as old tars have them', async () => {
  const [header, content] = tarEntry(file('r/\u00e9', 'one'));
  assert.ok(header && content);
  withChecksum(header);
  const signed = header.reduce(
    (sum, byte) => sum + (byte > 127 ? -256 : 0),
    Number.parseInt(header.toString('latin1', 148, 154), 8),
  );
  header.write(`${signed.toString(8).padStart(6, '0')}\0 `, 148);
  assert.deepEqual(await listing(Buffer.concat([header, content, end])), [['file', 'r/\u00e9', 'one']]);
});

test('a name may come from a header before the entry, but not from two', async () => {
  const path = `r/${'long/'.repeat(30)}name`;
  const target = 'x/'.repeat(120);
  for (const kind of ['gnu', 'pax'] as const) {
    const tar = packTar([file(path, 'one'), link('r/l', target), file('r/short', 'two')], kind);
    assert.deepEqual(await listing(tar), [
      ['file', path, 'one'],
      ['symlink', 'r/l', target],
      ['file', 'r/short', 'two'],
    ]);
  }
  const gnu = gnuExtension('L', Buffer.from('r/gnu'));
  const pax = paxHeader('x', { path: 'r/pax' });
  const entry = tarEntry(file('r/a', 'one'));
  for (const headers of [
    [...gnu, ...pax],
    [...pax, ...gnu],
    [...pax, ...pax],
    [...gnu, ...gnu],
  ])
    await refused(Buffer.concat([...headers, ...entry, end]), /named by two headers/);
  await refused(Buffer.concat([...entry, ...pax, end]), /ends after a header about a next entry/);
  // Zig remembers the name of what it skips, and gives it to the next.
  const hardLink: Packed = { path: 'h'.repeat(120), type: '1', linkTarget: 'r/a' };
  await refused(packTar([hardLink, file('r/a', 'one')]), /a hard link with a long name: leave it out/);
});

test('pax headers are read as Zig reads them, and refused where others read more', async () => {
  const withPax = (records: Readonly<Record<string, string | Buffer>>) =>
    packTar([{ ...file('r/a', 'one'), pax: records }]);
  const ordinary = { mtime: '1.5', path: 'r/b', size: '3', 'LIBARCHIVE.xattr': 'x=y\n' };
  assert.deepEqual(await listing(withPax(ordinary)), [['file', 'r/b', 'one']]);
  await refused(withPax({ size: '4' }), /"r\/a" has 4 bytes by its pax header, and 3 by its own/);
  await refused(withPax({ size: '0' }), /has 0 bytes by its pax header/);
  await refused(withPax({ size: '0x3' }), /is no size of a pax header/);
  await refused(withPax({ 'GNU.sparse.major': '1' }), /has a sparse file/);
  await refused(withPax({ path: 'r/a\0b' }), /a pax header has a NUL/);
  await refused(withPax({ path: Buffer.from('r/\xff', 'latin1') }), /not UTF-8/);
  const git = paxHeader('g', { comment: 'a'.repeat(40) });
  assert.deepEqual(await listing(Buffer.concat([...git, packTar(small)])), [
    ['file', 'r/a', 'one'],
    ['file', 'r/b', 'two'],
  ]);
  for (const key of ['path', 'linkpath', 'size'])
    await refused(
      Buffer.concat([...paxHeader('g', { [key]: '1' }), packTar(small)]),
      new RegExp(`gives all entries a ${key}`),
    );
  for (const content of [
    '12 path=x\n',
    '3 path=x\n',
    'path=x\n',
    '10 path=xx',
    ' 9 path=x\n',
    '9 pathxx\n',
    '-9 path=x\n',
  ]) {
    const header = tarEntry({ path: 'pax', type: 'x', content });
    await refused(Buffer.concat([...header, packTar(small)]), /a pax header of the tar archive is broken/);
  }
  await refused(packTar([{ path: 'x', type: 'x', size: 2 ** 30 }]), /has more than 1048576 bytes/);
});

test('names that mean something else elsewhere are refused, in every type', async () => {
  const wrong: readonly [string | Buffer, RegExp][] = [
    ['/etc/passwd', /"\/etc\/passwd" is an absolute path/],
    ['r/../../evil', /leads through '\.\.'/],
    ['r/a/../b', /leads through '\.\.'/],
    ['..', /leads through '\.\.'/],
    ['r\\a', /has a backslash or a control character/],
    ['r/a\nb', /has a backslash or a control character/],
    ['r/a\u0085', /has a backslash or a control character/],
    [Buffer.from('r/caf\xe9', 'latin1'), /is not UTF-8: "r\/caf\u00e9"/],
    [`r/${'a'.repeat(256)}`, /has a name of more than 255 bytes/],
    [`r/${'\u00e9'.repeat(128)}`, /has a name of more than 255 bytes/],
    [`r/${'abc/'.repeat(130)}a`, /lies deeper than 128 folders/],
  ];
  for (const type of archiveTypes)
    for (const [path, message] of wrong) await refused(packAs(type, [file('r/ok'), file(path)]), message);
  // These are Windows' own trouble.
  const odd = ['r/aux', 'r/a b ', 'r/a:b?', 'r/-', 'r/~', 'r/\u{1F600}', `r/${'a'.repeat(255)}`];
  for (const type of archiveTypes)
    await assert.doesNotReject(
      readPackage(
        archiveOf(
          packAs(
            type,
            odd.map((path) => file(path)),
          ),
        ),
      ),
    );
});

test('zip that Zig cannot unpack, or others unpack otherwise, is refused', async () => {
  await refused(packZip(small, { method: 12 }), /is packed by method 12: Zig knows deflate alone/);
  await refused(packZip(small, { flags: 0x801 }), /"r\/a" is encrypted|not a zip archive/);
  for (const at of [4, 6, 8, 10, 12, 14, 18, 22, 30])
    await refused(
      packZip(small, { tamperLocal: (header) => header.writeUInt8((header[at] ?? 0) ^ 2, at) }),
      /is one thing in the zip's directory, and another where it lies|not a zip archive/,
    );
  // Who writes to a pipe does not know them yet.
  const unknown = packZip(small, { tamperLocal: (header) => header.fill(0, 14, 26) });
  assert.equal(await hashOf(unknown), await hashOf(packTar(small)));
  await refused(
    packZip([{ ...file('r/a', 'x'.repeat(100)), size: 99 }]),
    /cannot be unpacked|more or fewer bytes/,
  );
  await refused(
    packZip([{ ...file('r/a', 'x'.repeat(100)), size: 101 }]),
    /more or fewer bytes than the zip says/,
  );
  const large = { ...file('r/a', 'x'.repeat(400_000)), size: 300_000 };
  await refused(packZip([large]), /more or fewer bytes than the zip says/);
  await refused(
    packZip([{ ...folder('r'), content: 'x' }], { method: 0 }),
    /is a folder with bytes of its own/,
  );
  for (const path of ['./r/a', 'r//a', 'r/./a'])
    await refused(packZip([file(path)]), /is not a clean relative path/);
  await refused(Buffer.concat([packZip(small), Buffer.from('rest')]), /not a zip archive/);
});

test('what unpacks to too much is refused before it is all unpacked', async () => {
  const zeros = deflateRawSync(Buffer.alloc(1024 ** 2), { finishFlush: constants.Z_FULL_FLUSH });
  const [header] = tarEntry({ ...file('r/zeros'), size: 1024 ** 3 });
  // The first tenth of a gigabyte: what follows is never read.
  const gigabyte = Buffer.concat([
    gzipSync('').subarray(0, 10),
    deflateRawSync(header ?? '', { finishFlush: constants.Z_FULL_FLUSH }),
    ...Array.from({ length: 100 }, () => zeros),
  ]);
  await refusedAtOnce(gigabyte, /unpacks to more than 200 times its size/);
  const [empty = end] = tarEntry(file('r/a'));
  await refusedAtOnce(
    Buffer.concat(Array.from({ length: 100_001 }, () => empty)),
    /more than 100000 entries/,
  );
  const long = Buffer.concat(
    tarEntry({ path: 'r', pax: { path: `r/${`${'n'.repeat(250)}/`.repeat(16)}` }, type: '5' }),
  );
  await refusedAtOnce(
    Buffer.concat(Array.from({ length: 9000 }, () => long)),
    /the names in the archive have more/,
  );
});
