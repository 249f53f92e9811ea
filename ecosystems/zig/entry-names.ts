/** Names of entries: what they are cleaned to, and those that no package may have. */
import { quote } from '../quote.ts';
import { badArchive } from '../bad.ts';

/** What Zig has room for. */
const MAX_PATH_BYTES = 4095;
/** What disks have room for. */
const MAX_PART_BYTES = 255;
const MAX_PARTS = 128;

/** @throws RegistryError `invalid-archive` when it is not UTF-8: other systems would name the file otherwise. */
export function decodeName(bytes: Uint8Array, what = 'a name'): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    const shown = quote(Buffer.from(bytes).toString('latin1'));
    throw badArchive(`${what} in the archive is not UTF-8: ${shown}`, error);
  }
}

/**
 * The path with `/` between its parts, without the parts `.` that tar likes to begin with; empty for the root itself.
 * @throws RegistryError `invalid-archive` when it is absolute, climbs, or means another file on another system
 */
export function cleanName(name: string): string {
  if (name.startsWith('/'))
    throw badArchive(`${quote(name)} is an absolute path: pack paths inside one folder`);
  if (/[\p{Cc}\\]/u.test(name))
    throw badArchive(`${quote(name)} has a backslash or a control character in its name: rename the file`);
  if (Buffer.byteLength(name) > MAX_PATH_BYTES)
    throw badArchive(`${quote(name)} is a path of more than ${MAX_PATH_BYTES} bytes`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..'))
    throw badArchive(`${quote(name)} leads through '..': pack paths inside one folder`);
  if (parts.length > MAX_PARTS) throw badArchive(`${quote(name)} lies deeper than ${MAX_PARTS} folders`);
  if (parts.some((part) => part.length > MAX_PART_BYTES / 3 && Buffer.byteLength(part) > MAX_PART_BYTES))
    throw badArchive(`${quote(name)} has a name of more than ${MAX_PART_BYTES} bytes`);
  return parts.join('/');
}
