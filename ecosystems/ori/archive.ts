/**
 * An uploaded `.oripk` (contract, section 4): a tar in gzip, read as a stream and never unpacked. It refuses, it never
 * repairs. Compression and root are choices, upstream says neither.
 */
import { createHash } from 'node:crypto';
import { badArchive } from '../bad.ts';
import { ByteReader } from '../byte-reader.ts';
import { foldName } from '../fold-name.ts';
import { readGzip } from '../gzip.ts';
import { quote } from '../quote.ts';
import { forEachMember, type TarMember } from '../tar-archive.ts';
import { badChecksum } from './bad.ts';
import { CHECKSUM_FILE, verifyChecksums } from './checksum-file.ts';
import { LOCK_FILE, readLock, type Lock } from './lock.ts';
import { MANIFEST, readManifest, type NamedManifest } from './manifest.ts';

export const MAX_ARCHIVE_BYTES = 10 * 1024 * 1024;
const MAX_UNPACKED_BYTES = 512 * 1024 * 1024;
const MAX_ENTRIES = 10_000;
const MAX_PATH_BYTES = 1024;
const MAX_PART_BYTES = 255;

/** Files that are looked into, and how long each may be. */
const maxBytesOf: Readonly<Record<string, number | undefined>> = {
  [MANIFEST]: 1024 * 1024,
  [LOCK_FILE]: 1024 * 1024,
  // A line of each file, with the longest of paths.
  [CHECKSUM_FILE]: MAX_ENTRIES * (MAX_PATH_BYTES + 67),
};

export interface Upload {
  open(): AsyncIterable<Uint8Array>;
}

export interface Content {
  readonly manifest: NamedManifest;
  /** Empty where there is none. */
  readonly lock: Lock;
}

/** @throws RegistryError `invalid-archive`, `invalid-manifest`, `invalid-version`, each in its finer codes */
export async function readArchive(upload: Upload): Promise<Content> {
  const files = new Files();
  const reader = new ByteReader(upload.open());
  try {
    await forEachMember(unpacked(reader), (member, ownSize) => files.take(member, ownSize));
  } finally {
    await reader.close();
  }
  return contentOf(files);
}

/** @throws RegistryError `invalid-archive` when it is no gzip, or grows beyond the limit */
async function* unpacked(reader: ByteReader): AsyncIterable<Uint8Array> {
  const [first, second] = await reader.peek(2);
  if (first !== 0x1f || second !== 0x8b)
    throw badArchive('the archive is not a gzip file: pack a tar with gzip');
  let size = 0;
  for await (const piece of readGzip(reader)) {
    size += piece.byteLength;
    if (size > MAX_UNPACKED_BYTES)
      throw badArchive(`the archive unpacks to more than ${MAX_UNPACKED_BYTES} bytes`);
    yield piece;
  }
}

function contentOf(files: Files): Content {
  const root = files.root();
  const manifestBytes = files.textAt(root + MANIFEST);
  if (!manifestBytes)
    throw badArchive(`the archive has no ${MANIFEST}, neither at its root nor in its only top folder`);
  const checksums = files.textAt(root + CHECKSUM_FILE);
  if (!checksums)
    throw badChecksum(`the archive has no ${CHECKSUM_FILE}: list its files there, as sha256sum does`);
  verifyChecksums(asText(checksums), files.hashesBelow(root));
  const manifest = readManifest(manifestBytes);
  if (!files.hasFileIn(`${root}src`)) throw badArchive('the archive has nothing in src/');
  const lockBytes = files.textAt(root + LOCK_FILE);
  const locked = manifest.dependencies.find(({ name }) => name.startsWith('@'));
  if (!lockBytes && locked)
    throw badArchive(
      `the archive has no ${LOCK_FILE}, and its manifest depends on ${locked.name}: pack it with it`,
    );
  return { manifest, lock: lockBytes ? readLock(lockBytes) : {} };
}

function asText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw badChecksum(`${CHECKSUM_FILE} is not UTF-8`);
  }
}

/** Collects what is needed of the members, and refuses those that nobody should be given. */
class Files {
  /** By path, as it stands in the archive; SHA-256, lower-case hex. */
  readonly #hashes = new Map<string, string>();
  readonly #texts = new Map<string, Uint8Array>();
  /** By their path without case: what stands there, and the folders that it stands in. */
  readonly #seen = new Map<string, { readonly path: string; readonly isFile: boolean }>();
  #entries = 0;
  /** The first component of the first path: only below that one can another root be. */
  #top: string | undefined;
  #hasOneTop = true;

  async take(member: TarMember, ownSize: number): Promise<void> {
    const { name, type, size = 0 } = member.header;
    this.#entries += 1;
    if (this.#entries > MAX_ENTRIES) throw badArchive(`the archive has more than ${MAX_ENTRIES} entries`);
    if (type !== 'file' && type !== 'directory')
      throw badArchive(`${quote(name)} is a ${type ?? 'special entry'}: pack regular files and folders only`);
    // Another size in a pax header would make the same entry long to one reader and short to another.
    if (ownSize !== size)
      throw badArchive(`${quote(name)} has ${size} bytes by one header, and ${ownSize} by another`);
    const parts = cleanParts(name, type);
    if (parts.length === 0) return;
    this.#top ??= parts[0] ?? '';
    this.#hasOneTop &&= parts[0] === this.#top && (parts.length > 1 || type === 'directory');
    this.#place(parts, type === 'file');
    if (type === 'file') await this.#read(parts, member);
  }

  /** Two entries that one disk could not hold beside each other. */
  #place(parts: readonly string[], isFile: boolean): void {
    for (let depth = parts.length; depth > 0; depth -= 1) {
      const path = parts.slice(0, depth).join('/');
      const isFileHere = isFile && depth === parts.length;
      const folded = foldName(path);
      const known = this.#seen.get(folded);
      if (!known) {
        this.#seen.set(folded, { path, isFile: isFileHere });
        continue;
      }
      if (known.path !== path)
        throw badArchive(
          `${quote(known.path)} and ${quote(path)} differ by case alone, and are one on other disks`,
        );
      if (known.isFile && isFileHere) throw badArchive(`${quote(path)} is in the archive twice`);
      if (known.isFile !== isFileHere) throw badArchive(`${quote(path)} is a file and a folder`);
      // What is above a folder that is known was looked at with it.
      return;
    }
  }

  async #read(parts: readonly string[], member: TarMember): Promise<void> {
    const path = parts.join('/');
    const maxBytes = this.#isLookedInto(parts) ? maxBytesOf[parts.at(-1) ?? ''] : undefined;
    if (maxBytes !== undefined && (member.header.size ?? 0) > maxBytes)
      throw badArchive(`${quote(path)} has more than ${maxBytes} bytes`);
    const hash = createHash('sha256');
    const pieces: Uint8Array[] = [];
    for await (const piece of member) {
      hash.update(piece as Uint8Array);
      if (maxBytes !== undefined) pieces.push(piece as Uint8Array);
    }
    this.#hashes.set(path, hash.digest('hex'));
    if (maxBytes !== undefined) this.#texts.set(path, Buffer.concat(pieces));
  }

  /** At the root, or in the folder that may turn out to be it: no others are kept, there may be thousands. */
  #isLookedInto(parts: readonly string[]): boolean {
    return parts.length === 1 || (parts.length === 2 && parts[0] === this.#top);
  }

  /** What the paths of the package begin with: its only top folder, unless the manifest lies beside that. */
  root(): string {
    const isAtTop = this.#texts.has(MANIFEST) || !this.#hasOneTop || this.#top === undefined;
    return isAtTop ? '' : `${this.#top}/`;
  }

  textAt(path: string): Uint8Array | undefined {
    return this.#texts.get(path);
  }

  /** By path below the root, of all files but `CHECKSUM`. */
  hashesBelow(root: string): ReadonlyMap<string, string> {
    const hashes = [...this.#hashes].map(([path, hash]) => [path.slice(root.length), hash] as const);
    return new Map(hashes.filter(([path]) => path !== CHECKSUM_FILE));
  }

  hasFileIn(folder: string): boolean {
    return [...this.#hashes.keys()].some((path) => path.startsWith(`${folder}/`));
  }
}

/** @throws RegistryError `invalid-archive` for a path that leads out of the folder it is unpacked to, or means another elsewhere */
function cleanParts(name: string, type: 'file' | 'directory'): readonly string[] {
  // `tar -C folder .` begins every path so.
  const inside = name.replace(/^\.(?:\/|$)/, '');
  const path = type === 'directory' ? inside.replace(/\/$/, '') : inside;
  if (path === '' && type === 'directory') return [];
  // A replacement character stands for what was not UTF-8.
  if (/[\p{Cc}\\\ufffd]/u.test(path))
    throw badArchive(
      `${quote(name)} has a backslash, a control character, or no UTF-8 in its name: rename it`,
    );
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw badArchive(`${quote(name)} has more than ${MAX_PATH_BYTES} bytes`);
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..') || /^[A-Za-z]:/.test(path))
    throw badArchive(`${quote(name)} is not a clean relative path: pack paths inside one folder`);
  if (parts.some((part) => Buffer.byteLength(part) > MAX_PART_BYTES))
    throw badArchive(`${quote(name)} has a name of more than ${MAX_PART_BYTES} bytes`);
  return parts;
}
