/** `oripk.lock` (contract, section 4): what the packages that this one was built with hash to. */
import { badArchive } from '../bad.ts';
import { quote } from '../quote.ts';
import { isName, isVersion } from './names.ts';
import { isTable, readToml } from './toml.ts';

export const LOCK_FILE = 'oripk.lock';

/** By `@scope/name:version`, the `sha256:` and hex of an `.oripk`; in ascending order of the key. */
export type Lock = Readonly<Record<string, string>>;

/** @throws RegistryError `invalid-archive` for what is none, `invalid-manifest` for what is no TOML */
export function readLock(bytes: Uint8Array): Lock {
  const { checksums = {} } = readToml(bytes, LOCK_FILE);
  if (!isTable(checksums)) throw badArchive(`checksums in ${LOCK_FILE} is not a table`);
  const entries = Object.entries(checksums).map(([key, checksum]) => {
    if (!isLockKey(key))
      throw badArchive(
        `${quote(key)} in ${LOCK_FILE} is not a package and its version, such as "@acme/json:1.0.0"`,
      );
    if (typeof checksum !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(checksum))
      throw badArchive(`${quote(key)} in ${LOCK_FILE} has no checksum, such as "sha256:" and 64 hex digits`);
    return [key, checksum] as const;
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function splitLockKey(key: string): { readonly name: string; readonly version: string } {
  const colon = key.indexOf(':');
  return { name: key.slice(0, colon), version: key.slice(colon + 1) };
}

function isLockKey(key: string): boolean {
  const { name, version } = splitLockKey(key);
  return isName(name) && isVersion(version);
}
