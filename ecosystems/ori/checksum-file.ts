/** `CHECKSUM` (contract, section 4): what the files of an archive hash to, in the words of sha256sum. Chosen here. */
import { quote } from '../quote.ts';
import { badChecksum } from './bad.ts';

export const CHECKSUM_FILE = 'CHECKSUM';

/**
 * Every file has to be listed once, with its hash, and nothing else. The order of the lines is theirs.
 * @param hashes by path, of all files but `CHECKSUM` itself; SHA-256, lower-case hex
 * @throws RegistryError `invalid-archive` as `checksum_mismatch`
 */
export function verifyChecksums(text: string, hashes: ReadonlyMap<string, string>): void {
  const listed = new Set<string>();
  for (const [i, line] of linesOf(text).entries()) {
    const [, hash, path = ''] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
    if (hash === undefined)
      throw badChecksum(
        `line ${i + 1} of ${CHECKSUM_FILE} is ${quote(line)}: use 64 hex digits, two spaces and a path, with LF at its end`,
      );
    const known = hashes.get(path);
    if (listed.has(path)) throw badChecksum(`${CHECKSUM_FILE} lists ${quote(path)} twice`);
    if (known === undefined)
      throw badChecksum(`${CHECKSUM_FILE} lists ${quote(path)}, which is not in the archive`);
    if (known !== hash)
      throw badChecksum(`${quote(path)} has the hash ${known}, and ${hash} in ${CHECKSUM_FILE}`);
    listed.add(path);
  }
  for (const path of hashes.keys())
    if (!listed.has(path)) throw badChecksum(`${CHECKSUM_FILE} does not list ${quote(path)}`);
}

function linesOf(text: string): readonly string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
