/** A package in the one form that every Zig unpacks: a tar in gzip, with one root folder and an entry for it (contract, section 3). */
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { readEntries, type ZigArchive } from './archive.ts';
import type { ZigPackage } from './package-hash.ts';
import { isIncluded } from './paths-of-packages.ts';
import { writeTar, type WrittenEntry } from './tar-writer.ts';

/** The files and links that count, as they come; a hash of it is that of the archive. */
export async function* repacked(
  archive: ZigArchive,
  { archiveType, rootFolder, manifest }: ZigPackage,
  folder: string,
): AsyncIterable<Uint8Array> {
  const listed = manifest?.paths && new Set(manifest.paths);
  const entries = async function* (): AsyncGenerator<WrittenEntry> {
    yield { path: folder, kind: 'directory', linkTarget: '', size: 0, content: noContent };
    for await (const entry of readEntries(archive, archiveType)) {
      const path = rootFolder === undefined ? entry.path : entry.path.slice(rootFolder.length + 1);
      const { kind } = entry;
      if (path === '' || kind === 'directory' || kind === 'other' || !isIncluded(path, listed)) continue;
      const { linkTarget, size } = entry;
      yield { path: `${folder}/${path}`, kind, linkTarget, size, content: () => entry.content() };
    }
  };
  const source = Readable.from(writeTar(entries()));
  const packer = createGzip();
  source.on('error', (error) => packer.destroy(error));
  source.pipe(packer);
  try {
    for await (const piece of packer) yield piece as Uint8Array;
  } finally {
    source.destroy();
    packer.destroy();
  }
}

async function* noContent(): AsyncGenerator<Uint8Array> {}
