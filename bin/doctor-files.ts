/** What `cairn doctor` can tell without reading a log: the disk, who may read what, what killed processes left. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findAccessKeys } from '../stores/access-key-directory.ts';
import { unfitDisk } from '../stores/disk-check.ts';
import { temporaryFolder } from '../stores/site-files.ts';
import { strayFiles } from '../stores/upload-directory.ts';
import { UNFINISHED } from '../stores/unneeded-blobs.ts';
import { layout } from './layout.ts';
import { systemClock } from './open-registry.ts';

export interface Finding {
  readonly severity: 'ok' | 'warning' | 'problem';
  readonly about: string;
  readonly message: string;
}

export function* checkFiles(dataDirectory: string): Iterable<Finding> {
  const paths = layout(dataDirectory);
  yield checkDisk(dataDirectory);
  yield checkSecrecy('private log', [paths.privateLog]);
  yield checkSecrecy('keys', [paths.keys, ...filesIn(paths.keys), ...filesIn(paths.accessKeys)]);
  yield* checkAccessKeys(paths.accessKeys);
  yield checkSecrecy('uploads', [paths.uploads]);
  yield* checkLeftovers(dataDirectory);
}

function checkDisk(directory: string): Finding {
  const fault = unfitDisk(directory);
  return fault === undefined
    ? { severity: 'ok', about: 'disk', message: 'keeps names apart that differ in case' }
    : { severity: 'problem', about: 'disk', message: `${fault}; move the data to another disk` };
}

function checkSecrecy(about: string, paths: readonly string[]): Finding {
  const open = paths.filter((path) => existsSync(path) && (statSync(path).mode & 0o077) !== 0);
  if (open.length === 0) return { severity: 'ok', about, message: 'only its owner may read it' };
  return {
    severity: 'problem',
    about,
    message: `others may read ${open.join(', ')}: chmod go= ${open.join(' ')}`,
  };
}

/** A process that still works on a file has touched it within the hour. */
const OLD_MS = 3_600_000;

function* checkLeftovers(dataDirectory: string): Iterable<Finding> {
  const { blobs, blobsInBucket, uploads, site, log, privateLog, keys, accessKeys } = layout(dataDirectory);
  const isOld = (path: string): boolean => systemClock.now() - statSync(path).mtimeMs > OLD_MS;
  const old = (directory: string, isTemporary: (name: string) => boolean = () => true): string[] =>
    filesIn(directory).filter((path) => isTemporary(path.slice(directory.length + 1)) && isOld(path));
  const places: readonly (readonly [about: string, what: string, found: readonly string[]])[] = [
    ['blobs', 'half-received uploads', old(join(blobs, 'incoming'))],
    ['blobs', 'half-received uploads', old(join(blobsInBucket, 'incoming'))],
    ['uploads', 'files that belong to no upload', strayFiles(uploads).filter(isOld)],
    ['site', 'half-written files', old(join(site, temporaryFolder))],
    ['disk', 'probes', old(dataDirectory, (name) => name.startsWith('.probe.'))],
    ['blobs', 'half-written notes of gc', old(dataDirectory, (name) => name.startsWith(UNFINISHED))],
    ['log', 'half-written packs', old(join(log, 'objects/pack'), (name) => name.startsWith('tmp_'))],
    [
      'private log',
      'half-written packs',
      old(join(privateLog, 'objects/pack'), (name) => name.startsWith('tmp_')),
    ],
    ['keys', 'half-written keys', filesIn(keys).filter((path) => isEmptyFile(path))],
    ['keys', 'half-written keys of access tokens', findAccessKeys(accessKeys).halfWritten],
  ];
  for (const [about, what, found] of places)
    if (found.length > 0)
      yield {
        severity: 'warning',
        about,
        message: `${found.length} ${what} that a killed process left, such as ${found[0]}; the next start removes them, or remove them by hand`,
      };
}

function* checkAccessKeys(directory: string): Iterable<Finding> {
  const { damaged } = findAccessKeys(directory);
  if (damaged.length === 0) return;
  yield {
    severity: 'warning',
    about: 'keys',
    message: `${damaged.length} keys of access tokens cannot be read: ${damaged.join(', ')}. What they signed is refused, and clients ask for another token; remove them`,
  };
}

function isEmptyFile(path: string): boolean {
  const found = statSync(path);
  return found.isFile() && found.size === 0;
}

function filesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
}
