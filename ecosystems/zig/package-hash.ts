/** A package as Zig knows it: by the hash of what its manifest includes (contract, sections 3 to 6). */
import { createHash } from 'node:crypto';
import { quote } from '../quote.ts';
import type { ArchiveEntry } from './archive-entry.ts';
import { readEntries, typeOfArchive, type ArchiveType, type ZigArchive } from './archive.ts';
import { badArchive, badManifest } from '../bad.ts';
import { legacyHash, modernHash } from './hash-text.ts';
import { readManifest, type ZigManifest } from './manifest.ts';
import { isIncluded } from './paths-of-packages.ts';
import { foldName } from '../fold-name.ts';
import { refuseUnsafeArchive } from './refusals-of-archives.ts';
import { decodeZon, MAX_ZON_BYTES } from './zon.ts';

const MANIFEST_NAME = 'build.zig.zon';
const LINK_IN_ZIP = 'symbolic link';

export interface ZigPackage {
  readonly archiveType: ArchiveType;
  /** `undefined` when the package lies in the archive without a folder around it. */
  readonly rootFolder: string | undefined;
  /** `undefined` for a package without build.zig.zon, which Zig calls naked. */
  readonly manifest: ZigManifest | undefined;
  /** Its text, as it is in the archive. */
  readonly manifestText: string | undefined;
  readonly digest: Uint8Array;
  /** Bytes of the files that count. */
  readonly totalSize: number;
  /** Files and links that count. */
  readonly fileCount: number;
  /** As Zig 0.14 and later write it; `undefined` when the manifest's name can be in none. */
  readonly hash: string | undefined;
  /** As Zig 0.11 to 0.13 write it: `1220…`. */
  readonly legacyHash: string;
  /** Plain sentences on what is allowed and will trouble someone. */
  readonly warnings: readonly string[];
}

/** @throws RegistryError `invalid-archive` or `invalid-manifest`: what, where, and the way out */
export async function readPackage(archive: ZigArchive): Promise<ZigPackage> {
  const archiveType = await typeOfArchive(archive);
  // A file's path is hashed before its content, and whether all files share a folder is known after the last of them.
  // Most do: the archive is read as if, and once more from its start when an entry lies elsewhere.
  const content =
    (await readContent(archive, archiveType, true)) ?? (await readContent(archive, archiveType, false));
  if (!content?.files.some(({ hash }) => hash !== undefined)) throw badArchive('the archive has no files');
  const { manifestText, rootFolder } = content;
  const manifest = manifestText === undefined ? undefined : readManifest(manifestText);
  const listed = manifest?.paths && new Set(manifest.paths);
  const files = content.files.map((file) => ({ ...file, isIncluded: isIncluded(file.path, listed) }));
  refuseUnsafeArchive(files);
  refuseOtherManifests(files);
  const included = files.filter((file) => file.isIncluded && file.hash !== undefined);
  if (included.length === 0)
    throw badManifest(`the paths of ${MANIFEST_NAME} include no file of the archive`);
  const digest = digestOf(included);
  const totalSize = included.reduce((sum, { size }) => sum + size, 0);
  return {
    archiveType,
    rootFolder,
    manifest,
    manifestText,
    digest,
    totalSize,
    fileCount: included.length,
    hash: modernHashOf(manifest, digest, totalSize),
    legacyHash: legacyHash(digest),
    warnings: [...warningsOf(content, archiveType), ...(manifest?.warnings ?? [])],
  };
}

/** The hash that the newest Zig with one for it gives the package in these bytes. */
export async function computeZigHash(bytes: Uint8Array): Promise<string> {
  const open = async function* (): AsyncGenerator<Uint8Array> {
    yield bytes;
  };
  const { hash, legacyHash } = await readPackage({ size: bytes.byteLength, open });
  return hash ?? legacyHash;
}

interface HashedEntry {
  readonly path: string;
  readonly kind: ArchiveEntry['kind'];
  readonly linkTarget: string;
  readonly typeName: string;
  readonly size: number;
  /** Of a file or a link. */
  readonly hash: Buffer | undefined;
}

interface Content {
  readonly files: readonly HashedEntry[];
  readonly manifestText: string | undefined;
  readonly rootFolder: string | undefined;
}

/** With `isInFolder`, `undefined` as soon as an entry lies outside of the first one's folder. */
async function readContent(
  archive: ZigArchive,
  type: ArchiveType,
  isInFolder: boolean,
): Promise<Content | undefined> {
  const files: HashedEntry[] = [];
  const others: ArchiveEntry[] = [];
  let rootFolder: string | undefined;
  let manifestText: string | undefined;
  for await (const entry of readEntries(archive, type)) {
    if (entry.kind === 'other') {
      others.push(entry);
      continue;
    }
    let path = entry.path;
    if (isInFolder) {
      const folder = topFolder(entry);
      if (folder === undefined || folder !== (rootFolder ??= folder)) return undefined;
      path = path.slice(folder.length + 1);
      if (path === '') continue;
    }
    if (path === MANIFEST_NAME) {
      // Which of two Zig goes by is a matter of its version.
      if (manifestText !== undefined)
        throw badArchive(`${MANIFEST_NAME} is in the archive twice: pack it once`);
      manifestText = await readManifestText(entry);
    }
    files.push(await hashEntry(entry, path, path === MANIFEST_NAME ? manifestText : undefined));
  }
  return {
    files: [...files, ...others.map((entry) => placeOther(entry, rootFolder))],
    manifestText,
    rootFolder,
  };
}

/** What Zig cannot unpack has no say in where the root is. */
function placeOther(entry: ArchiveEntry, rootFolder: string | undefined): HashedEntry {
  const { kind, linkTarget, typeName, size } = entry;
  const isInside = rootFolder !== undefined && entry.path.startsWith(`${rootFolder}/`);
  const path = isInside ? entry.path.slice(rootFolder.length + 1) : entry.path;
  return { path, kind, linkTarget, typeName, size, hash: undefined };
}

function topFolder({ path, kind }: ArchiveEntry): string | undefined {
  const end = path.indexOf('/');
  if (end > 0) return path.slice(0, end);
  return kind === 'directory' ? path : undefined;
}

async function hashEntry(entry: ArchiveEntry, path: string, read: string | undefined): Promise<HashedEntry> {
  const { kind, linkTarget, typeName, size } = entry;
  const hash = createHash('sha256').update(path);
  if (kind === 'symlink') hash.update(linkTarget);
  else if (kind === 'file') {
    // Where Zig once hashed whether the file is executable.
    hash.update(TWO_ZEROS);
    if (read !== undefined) hash.update(read);
    else for await (const bytes of entry.content()) hash.update(bytes);
  }
  const isHashed = kind === 'file' || kind === 'symlink';
  return { path, kind, linkTarget, typeName, size, hash: isHashed ? hash.digest() : undefined };
}

const TWO_ZEROS = Buffer.alloc(2);

async function readManifestText(entry: ArchiveEntry): Promise<string> {
  // Zig would follow a link, to wherever it leads.
  if (entry.kind !== 'file' || entry.typeName === LINK_IN_ZIP)
    throw badArchive(`${MANIFEST_NAME} is a ${entry.typeName}: pack the file itself`);
  if (entry.size > MAX_ZON_BYTES) throw badManifest(`${MANIFEST_NAME} is longer than ${MAX_ZON_BYTES} bytes`);
  const pieces: Uint8Array[] = [];
  for await (const bytes of entry.content()) pieces.push(Buffer.from(bytes));
  return decodeZon(Buffer.concat(pieces));
}

/** On a disk that does not tell case, the package would have a manifest, and another hash. */
function refuseOtherManifests(files: readonly HashedEntry[]): void {
  for (const { path } of files)
    if (path !== MANIFEST_NAME && foldName(path) === MANIFEST_NAME)
      throw badArchive(`${quote(path)} is ${MANIFEST_NAME} on some disks: rename it`);
}

/** Section 5. */
function digestOf(included: readonly HashedEntry[]): Uint8Array {
  const sorted = included
    .map(({ path, hash }) => ({ path: Buffer.from(path), hash }))
    .sort((a, b) => Buffer.compare(a.path, b.path));
  const all = createHash('sha256');
  for (const { hash } of sorted) if (hash) all.update(hash);
  return all.digest();
}

function modernHashOf(
  manifest: ZigManifest | undefined,
  digest: Uint8Array,
  totalSize: number,
): string | undefined {
  // Of a naked package Zig writes these.
  if (!manifest) return modernHash({ digest, name: 'N', version: 'V', id: 0xffff, totalSize });
  const { name, version, id } = manifest;
  return id === undefined ? undefined : modernHash({ digest, name, version, id, totalSize });
}

function warningsOf({ files, rootFolder }: Content, type: ArchiveType): readonly string[] {
  const warnings: string[] = [];
  if (rootFolder === undefined)
    warnings.push(
      'the archive has no single root folder: Zig 0.11 and 0.12 cannot unpack it; pack everything in one folder',
    );
  if (type === 'zip') {
    warnings.push('the archive is a zip: Zig 0.12 and older cannot unpack it; a .tar.gz works everywhere');
    const link = files.find(({ typeName }) => typeName === LINK_IN_ZIP);
    if (link)
      warnings.push(
        `${quote(link.path)} is a link, of which Zig makes a file when it unpacks a zip; a .tar.gz keeps it`,
      );
  }
  return warnings;
}
