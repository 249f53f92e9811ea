/** What a package's tarball says of itself (contract, section 3): read as a stream, never unpacked to disk. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { RegistryError } from '../../core/errors.ts';
import { gunzip } from '../../core/gunzip.ts';
import { quote } from '../quote.ts';
import { forEachMember, type TarMember } from '../tar-archive.ts';

/** More than the largest icon collections have; a tar of empty files costs its readers as much as one of full ones. */
const MAX_MEMBERS = 99_999;
const MAX_UNPACKED_BYTES = 4 * 1024 ** 3;
/** Text packs to a tenth and zeros to a thousandth: from here on an archive has to have something in it. */
const RATIO_COUNTS_FROM_BYTES = 64 * 1024 ** 2;
const MAX_RATIO = 200;
const MAX_MANIFEST_BYTES = 4 * 1024 ** 2;
/** What npm's own registry keeps of a readme. */
const MAX_README_BYTES = 64 * 1024;

export interface Tarball {
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

export interface TarballContent {
  /** `package.json`, parsed. */
  readonly manifest: Readonly<Record<string, unknown>>;
  readonly readme: { readonly filename: string; readonly text: string } | undefined;
  /** `sha512-` and base64 (Subresource Integrity). */
  readonly integrity: string;
  /** SHA-1, hex. */
  readonly shasum: string;
  readonly fileCount: number;
  readonly unpackedSize: number;
  readonly hasBindingGyp: boolean;
  readonly hasShrinkwrap: boolean;
}

/**
 * @param instead what stands for `package.json` in an archive that has none, where a client has a name of its own for it.
 * @throws RegistryError `invalid-archive` or `invalid-manifest`
 */
export async function readTarball(tarball: Tarball, instead?: string): Promise<TarballContent> {
  const sha512 = createHash('sha512');
  const sha1 = createHash('sha1');
  const packed = async function* (): AsyncIterable<Uint8Array> {
    for await (const piece of tarball.open()) {
      sha512.update(piece);
      sha1.update(piece);
      yield piece;
    }
  };
  const seen = new Seen(instead);
  await forEachMember(unpacked(packed(), tarball.size), (member, ownSize) => seen.take(member, ownSize));
  const manifest = seen.manifest ?? seen.standIn;
  if (manifest === undefined)
    throw badArchive('the tarball has no package.json in its top folder (normally package/package.json)');
  return {
    manifest,
    readme: seen.readme,
    integrity: `sha512-${sha512.digest('base64')}`,
    shasum: sha1.digest('hex'),
    fileCount: seen.fileCount,
    unpackedSize: seen.unpackedSize,
    hasBindingGyp: seen.hasBindingGyp,
    hasShrinkwrap: seen.hasShrinkwrap,
  };
}

/** @throws RegistryError `invalid-archive` when it is no gzip, or grows beyond what an honest one does. */
async function* unpacked(packed: AsyncIterable<Uint8Array>, packedSize: number): AsyncIterable<Uint8Array> {
  const source = Readable.from(packed);
  let size = 0;
  try {
    for await (const bytes of gunzip(source, notGzip)) {
      size += bytes.byteLength;
      if (size > MAX_UNPACKED_BYTES)
        throw badArchive(`the tarball unpacks to more than ${MAX_UNPACKED_BYTES} bytes`);
      if (size > RATIO_COUNTS_FROM_BYTES && size > packedSize * MAX_RATIO)
        throw badArchive(`the tarball unpacks to more than ${MAX_RATIO} times its size`);
      yield bytes;
    }
    // What was read ahead is read to its end, so that the hashes are of every byte.
    for await (const _rest of source) continue;
  } finally {
    source.destroy();
  }
}

function notGzip(error: Error): RegistryError {
  return badArchive(`the tarball is not a gzip file: ${error.message}`, error);
}

/** Collects what is needed from the members, and refuses those that no client should be given. */
class Seen {
  manifest: Readonly<Record<string, unknown>> | undefined;
  standIn: Readonly<Record<string, unknown>> | undefined;
  readme: { filename: string; text: string } | undefined;
  fileCount = 0;
  unpackedSize = 0;
  hasBindingGyp = false;
  hasShrinkwrap = false;
  readonly #paths = new Set<string>();
  #top: string | undefined;
  #members = 0;
  readonly #instead: string | undefined;

  constructor(instead: string | undefined) {
    this.#instead = instead;
  }

  async take(member: TarMember, ownSize: number): Promise<void> {
    const { name, type, size = 0 } = member.header;
    this.#members += 1;
    if (this.#members > MAX_MEMBERS) throw badArchive(`the tarball has more than ${MAX_MEMBERS} members`);
    if (type === 'directory') return;
    if (type !== 'file' && type !== 'contiguous-file')
      throw badArchive(
        `${quote(name)} is a ${type ?? 'member of an unknown type'}: only regular files can be installed`,
      );
    // npm repeats the size in a pax header where a name is not ASCII. Another one there would make the same member
    // long to one reader and short to another.
    if (size !== ownSize)
      throw badArchive(`${quote(name)} has ${size} bytes by its pax header, and ${ownSize} by its own`);
    const [top = '', ...inside] = cleanParts(name);
    if (inside.length === 0) throw badArchive(`${quote(name)} is not in a top folder such as package/`);
    this.#top ??= top;
    if (top !== this.#top)
      throw badArchive(`the tarball has two top folders, ${quote(this.#top)} and ${quote(top)}`);
    // Which of two a client unpacks last is a matter of the client.
    if (this.#paths.has(name)) throw badArchive(`${quote(name)} is in the tarball twice`);
    this.#paths.add(name);
    this.fileCount += 1;
    this.unpackedSize += size;
    if (inside.length === 1) await this.#takeRootFile(inside[0] ?? '', member);
  }

  async #takeRootFile(name: string, member: TarMember): Promise<void> {
    if (name === 'binding.gyp') this.hasBindingGyp = true;
    else if (name === 'npm-shrinkwrap.json') this.hasShrinkwrap = true;
    else if (name.toLowerCase() === 'package.json') {
      // Which of two a client goes by is a matter of luck, and of its disk.
      if (name !== 'package.json' || this.manifest) throw badArchive('the tarball has package.json twice');
      this.manifest = parseManifest(await readText(member, MAX_MANIFEST_BYTES));
    } else if (name === this.#instead)
      this.standIn = parseManifest(await readText(member, MAX_MANIFEST_BYTES), name);
    else if (/^readme(?:\.(?:md|markdown|txt))?$/i.test(name) && isBetterReadme(name, this.readme?.filename))
      this.readme = { filename: name, text: await readStart(member, MAX_README_BYTES) };
  }
}

/** Markdown before plain text. */
function isBetterReadme(name: string, known: string | undefined): boolean {
  return known === undefined || (/\.md$/i.test(name) && !/\.md$/i.test(known));
}

/** @throws RegistryError `invalid-archive` for a path that leads out of the folder it is unpacked to. */
function cleanParts(name: string): string[] {
  const parts = name.replace(/^\.\//, '').split('/');
  const isClean = parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\\0]/.test(part));
  if (!isClean) throw badArchive(`${quote(name)} is not a clean relative path`);
  return parts;
}

function parseManifest(text: string, file = 'package.json'): Readonly<Record<string, unknown>> {
  let manifest: unknown;
  try {
    // Clients do without a byte order mark.
    manifest = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new RegistryError(
      'invalid-manifest',
      `the tarball's ${file} is not JSON: ${(error as Error).message}`,
      { cause: error },
    );
  }
  if (typeof manifest !== 'object' || manifest === null || Array.isArray(manifest))
    throw new RegistryError('invalid-manifest', `the tarball's ${file} is not an object`);
  return manifest as Readonly<Record<string, unknown>>;
}

async function readText(member: TarMember, maxBytes: number): Promise<string> {
  const { name, size = 0 } = member.header;
  if (size > maxBytes) throw badArchive(`${quote(name)} is larger than ${maxBytes} bytes`);
  const chunks: Buffer[] = [];
  for await (const chunk of member) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** As much as is kept; never half a letter. */
async function readStart(member: TarMember, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of member) {
    const bytes = chunk as Buffer;
    if (size < maxBytes) chunks.push(bytes.subarray(0, maxBytes - size));
    size += bytes.byteLength;
  }
  const text = new TextDecoder('utf-8', { ignoreBOM: false });
  return text.decode(Buffer.concat(chunks), { stream: size > maxBytes });
}

function badArchive(message: string, cause?: unknown): RegistryError {
  return new RegistryError('invalid-archive', message, { cause });
}
