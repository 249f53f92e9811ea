/** An uploaded `.x07pkg` (contract, section 5): an uncompressed tar, read twice as a stream and never unpacked. */
import type { Digest } from '../../core/digest.ts';
import type { RegistryError } from '../../core/errors.ts';
import { forEachMember, type TarMember } from '../tar-archive.ts';
import {
  checkManifest,
  checkManifestScale,
  readManifest,
  type Manifest,
  type RawManifest,
} from './manifest.ts';
import { isModuleId, lintFailed, lintModule } from './modules.ts';
import { quote } from '../quote.ts';
import { badArchive, badManifest } from './refusals.ts';

export const MAX_UPLOAD_BYTES = 64 * 1024 * 1024;
/** Upstream counts no members; a tar of empty ones this long is an attack, and no client could unpack it. */
const MAX_MEMBERS = 10_000;
const MAX_MANIFEST_BYTES = 1024 * 1024;
/** A module is parsed whole; the largest real one is a few hundred kilobytes. */
const MAX_MODULE_BYTES = 8 * 1024 * 1024;
const MANIFEST_NAME = 'x07-package.json';

export interface Upload {
  readonly digest: Digest;
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

/** Checks 4 to 10 and 13 of section 7, in their order. @throws RegistryError with the first that fails. */
export async function parseUpload(upload: Upload): Promise<Manifest> {
  const members = await readMembers(upload);
  const modules = modulePaths(members);
  const manifest = checkManifest(members.manifest);
  await lintModules(upload, modules);
  checkManifestScale(manifest);
  return manifest;
}

interface Members {
  readonly manifest: RawManifest;
  /** Paths of regular files. */
  readonly paths: ReadonlySet<string>;
  /** The first path that is not clean; faults of the manifest's fields come before it. */
  readonly unclean: string | undefined;
}

async function readMembers(upload: Upload): Promise<Members> {
  const paths = new Set<string>();
  let manifest: string | undefined;
  let unclean: string | undefined;
  let count = 0;
  await forEachMember(upload.open(), async (entry) => {
    const { name, type, size = 0 } = entry.header;
    count += 1;
    if (count > MAX_MEMBERS) throw badArchive(`the archive has more than ${MAX_MEMBERS} members`);
    if (type !== 'file' && type !== 'directory')
      throw badArchive(
        `${quote(name)} is a ${type ?? 'member of an unknown type'}: only regular files can be installed`,
      );
    // The same member could then be long to one reader and short to another.
    const pax = entry.header.pax as Readonly<Record<string, string>> | null;
    if (pax?.['size'] !== undefined) throw badArchive(`${quote(name)} has its size in a pax header`);
    const isDirectory = type === 'directory';
    // We would read its bytes as further members, the client would skip them.
    if (isDirectory && size > 0) throw badArchive(`${quote(name)} is a directory with bytes of its own`);
    if (!isCleanPath(isDirectory ? name.replace(/\/$/, '') : name)) unclean ??= name;
    if (isDirectory) return;
    // Two members of one path: which of them a client unpacks is a matter of luck.
    if (paths.has(name)) throw badArchive(`${quote(name)} is in the archive twice`);
    paths.add(name);
    if (name === MANIFEST_NAME) manifest = await readText(entry, MAX_MANIFEST_BYTES, badManifest);
  });
  if (manifest === undefined) throw badArchive(`the archive has no ${MANIFEST_NAME}`);
  return { manifest: readManifest(manifest), paths, unclean };
}

/** Relative, and without `.`, `..`, empty or foreign components. */
function isCleanPath(path: string): boolean {
  return path
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\\0]/.test(part));
}

/** Check 5: every module, and `ffi/` where it is needed, is a regular file of the archive. Returns path by module id. */
function modulePaths({ manifest, paths: files, unclean }: Members): ReadonlyMap<string, string> {
  const { module_root: root, modules } = manifest;
  // The client packs `modules/` and `modules/.` too, with clean member paths: components are joined, not texts.
  const components = root.split('/').filter((part) => part !== '' && part !== '.');
  if (root.startsWith('/') || components.length === 0 || components.includes('..') || root.includes('\\'))
    throw badManifest('module_root must be a clean relative path');
  if (unclean !== undefined) throw badArchive(`${quote(unclean)} is not a clean relative path`);
  if (modules.length === 0) throw badManifest('modules must not be empty');
  const paths = new Map<string, string>();
  for (const id of modules) {
    if (!isModuleId(id)) throw badManifest(`modules: ${quote(id)} is not a module id`);
    const path = `${components.join('/')}/${id.replaceAll('.', '/')}.x07.json`;
    if (!files.has(path)) throw badArchive(`module ${id} is missing: the archive has no ${path}`);
    paths.set(id, path);
  }
  const meta = manifest['meta'] as { import_mode?: unknown } | undefined;
  if (meta?.import_mode === 'ffi' && ![...files].some((path) => path.startsWith('ffi/')))
    throw badArchive('meta.import_mode is ffi, and the archive has nothing below ffi/');
  return paths;
}

async function lintModules(upload: Upload, modules: ReadonlyMap<string, string>): Promise<void> {
  const idOf = new Map([...modules].map(([id, path]) => [path, id]));
  await forEachMember(upload.open(), async (entry) => {
    const id = idOf.get(entry.header.name);
    if (id !== undefined && entry.header.type === 'file')
      lintModule(id, await readText(entry, MAX_MODULE_BYTES, lintFailed));
  });
}

async function readText(
  entry: TarMember,
  maxBytes: number,
  refusal: (message: string) => RegistryError,
): Promise<string> {
  const { name, size } = entry.header;
  if ((size ?? 0) > maxBytes) throw badArchive(`${quote(name)} is larger than ${maxBytes} bytes`);
  const chunks: Buffer[] = [];
  for await (const chunk of entry) chunks.push(chunk as Buffer);
  try {
    // A byte order mark is left where it is: the client's JSON reader refuses it, and so does ours.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    throw refusal(`${quote(name)} is not UTF-8`);
  }
}
