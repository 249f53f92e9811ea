/** A package in the one form that every Zig unpacks: a tar in gzip, with one root folder and an entry for it (contract, section 3). */
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { packTar, type TarEntry, type TarFile } from '../tar-archive.ts';
import { readEntries, type ZigArchive } from './archive.ts';
import type { ZigPackage } from './package-hash.ts';
import { isIncluded } from './paths-of-packages.ts';

/** The files and links that count, as they come; a hash of it is that of the archive. */
export async function* repacked(
  archive: ZigArchive,
  { archiveType, rootFolder, manifest }: ZigPackage,
  folder: string,
): AsyncIterable<Uint8Array> {
  const listed = manifest?.paths && new Set(manifest.paths);
  const files = async function* (): AsyncIterable<TarFile | TarEntry> {
    yield { name: `${folder}/`, type: 'directory' };
    for await (const entry of readEntries(archive, archiveType)) {
      const path = rootFolder === undefined ? entry.path : entry.path.slice(rootFolder.length + 1);
      if (path === '' || !isIncluded(path, listed)) continue;
      const name = `${folder}/${path}`;
      if (entry.kind === 'file') yield { name, size: entry.size, body: entry.content() };
      else if (entry.kind === 'symlink') yield { name, type: 'symlink', linkname: entry.linkTarget };
    }
  };
  const source = Readable.from(packTar(files()));
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
