/** Paths inside a package, and which of them its manifest includes (contract, section 4). */

/** As Zig resolves a listed path: `src/` is `src`, `a/../b` is `b`, and nothing at all is `.`, the whole package. */
export function resolvePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (!path.startsWith('/')) parts.push('..');
  }
  if (path.startsWith('/')) return `/${parts.join('/')}`;
  return parts.join('/') || '.';
}

/** Whether the file counts: it is listed, or one of its folders is. Exact bytes, no patterns. */
export function isIncluded(path: string, listed: ReadonlySet<string> | undefined): boolean {
  if (!listed || listed.has('.') || listed.has(path)) return true;
  return foldersOf(path).some((folder) => listed.has(folder));
}

/** The folders that a path lies in, the nearest first. */
export function foldersOf(path: string): string[] {
  const folders: string[] = [];
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    folders.push(path.slice(0, end));
  return folders;
}
