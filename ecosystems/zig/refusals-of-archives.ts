/**
 * What no package may be, though Zig on the publisher's own disk might take it (contract, section 9): entries that two
 * systems would unpack to different packages, or outside of the folder they belong in.
 */
import { foldName } from '../fold-name.ts';
import { quote } from '../quote.ts';
import { badArchive } from '../bad.ts';
import { foldersOf } from './paths-of-packages.ts';

/** An entry below the package's root. */
export interface PlacedEntry {
  readonly path: string;
  readonly kind: 'file' | 'symlink' | 'directory' | 'other';
  readonly linkTarget: string;
  readonly typeName: string;
  readonly isIncluded: boolean;
}

/** @throws RegistryError `invalid-archive` with the first, and the way out */
export function refuseUnsafeArchive(entries: readonly PlacedEntry[]): void {
  const files = entries.filter((entry) => entry.kind !== 'directory');
  const included = files.filter((entry) => entry.isIncluded);
  refuseSpecialFiles(included);
  refuseTwice(files);
  refuseFilesAsFolders(entries, files);
  refuseNamesThatFallTogether(files, included);
  refuseLinksThatLeadOut(files, included);
}

function refuseSpecialFiles(included: readonly PlacedEntry[]): void {
  for (const { path, kind, typeName } of included)
    if (kind === 'other')
      throw badArchive(
        `${quote(path)} is a ${typeName}, which Zig cannot unpack: pack the file itself, or leave it out of .paths`,
      );
}

/** Which of two a reader unpacks last is a matter of the reader. */
function refuseTwice(files: readonly PlacedEntry[]): void {
  const seen = new Set<string>();
  for (const { path } of files) {
    if (seen.has(path)) throw badArchive(`${quote(path)} is in the archive twice: pack it once`);
    seen.add(path);
  }
}

/** Whoever unpacks such an archive writes through the link, to wherever it leads. */
function refuseFilesAsFolders(entries: readonly PlacedEntry[], files: readonly PlacedEntry[]): void {
  const folders = new Set<string>();
  for (const { path, kind } of entries) {
    if (kind === 'directory') folders.add(path);
    for (const folder of foldersOf(path)) {
      if (folders.has(folder)) break;
      folders.add(folder);
    }
  }
  for (const { path, kind, typeName } of files) {
    if (!folders.has(path)) continue;
    const how = kind === 'symlink' ? 'entries would be written through it' : 'it cannot be both';
    throw badArchive(`${quote(path)} is a ${typeName} and a folder: ${how}`);
  }
}

/**
 * On disks that do not tell case, or ways to write an accent, one would replace the other, and the package's hash would
 * be another there. Excluded files are unpacked too before they are removed.
 */
function refuseNamesThatFallTogether(files: readonly PlacedEntry[], included: readonly PlacedEntry[]): void {
  const known = new Map<string, string>();
  const compare = (path: string, isToBeKnown: boolean) => {
    const folded = foldName(path);
    const other = known.get(folded);
    if (other !== undefined && other !== path)
      throw badArchive(
        `${quote(other)} and ${quote(path)} differ by case or accents alone, and are one on other disks: rename one`,
      );
    if (isToBeKnown) known.set(folded, path);
  };
  for (const [list, isToBeKnown] of [[included, true] as const, [files, false] as const]) {
    const seen = new Set<string>();
    for (const { path } of list) {
      compare(path, isToBeKnown);
      for (const folder of foldersOf(path)) {
        if (seen.has(folder)) break;
        seen.add(folder);
        compare(folder, isToBeKnown);
      }
    }
  }
}

function refuseLinksThatLeadOut(files: readonly PlacedEntry[], included: readonly PlacedEntry[]): void {
  const links = new Set(files.filter(({ kind }) => kind === 'symlink').map(({ path }) => path));
  for (const link of included) {
    if (link.kind !== 'symlink') continue;
    const { path, linkTarget: target } = link;
    const isPortable = target !== '' && !/[\p{Cc}\\]/u.test(target) && !/^[A-Za-z]:/.test(target);
    if (!isPortable)
      throw badArchive(`the link ${quote(path)} leads to ${quote(target)}, which is no path on every system`);
    if (target.startsWith('/') || !staysInside(path, target, links))
      throw badArchive(
        `the link ${quote(path)} leads out of the package, to ${quote(target)}: pack the file itself`,
      );
  }
}

/** Where a link leads is known as long as it does not go up again from behind another link. */
function staysInside(path: string, target: string, links: ReadonlySet<string>): boolean {
  const place = path.split('/').slice(0, -1);
  let isBehindLink = false;
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') place.push(part);
    else if (isBehindLink || place.pop() === undefined) return false;
    isBehindLink ||= links.has(place.join('/'));
  }
  return true;
}
