import { createReadStream, readFileSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import type { FoundFile, SiteReader } from '../core/ports.ts';
import { isErrno } from './durable-files.ts';

/** Reads a site directory for the embedded server. Paths come from `sitePath`, which lets nothing out of the root. */
export function siteReader(root: string): SiteReader {
  return {
    find(path): FoundFile | undefined {
      const full = join(root, path);
      const found = statOf(full);
      if (!found?.isFile()) return undefined;
      return {
        size: found.size,
        version: `${found.ino.toString(36)}-${found.mtimeMs.toString(36)}-${found.size.toString(36)}`,
        read: () => readFileSync(full),
        stream: (start, end) => createReadStream(full, { start, end, highWaterMark: 256 * 1024 }),
      };
    },
  };
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    // A file where a folder would have to be, or a name that no disk takes: there is no such path.
    if (isErrno(error, 'ENOTDIR') || isErrno(error, 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}
