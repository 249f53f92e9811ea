/** Two folders compared: names, kinds, permissions and every byte. */
import { createHash } from 'node:crypto';
import { createReadStream, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

export interface Comparison {
  /** A sentence each. */
  readonly differences: readonly string[];
  readonly files: number;
  readonly bytes: number;
}

/** `but`: paths that are compared elsewhere. */
export async function compareTrees(left: string, right: string, but: readonly string[]): Promise<Comparison> {
  const [ours, theirs] = [namesIn(left), namesIn(right)];
  const differences: string[] = [
    ...[...ours].filter((path) => !theirs.has(path)).map((path) => `${path} is only in the first`),
    ...[...theirs].filter((path) => !ours.has(path)).map((path) => `${path} is only in the second`),
  ];
  const sum = { files: 0, bytes: 0 };
  for (const path of ours) {
    if (!theirs.has(path) || but.includes(path)) continue;
    const [a, b] = [join(left, path), join(right, path)];
    const [kept, other] = [await lookOf(a), await lookOf(b)];
    if (kept !== other) differences.push(`${path} is ${kept} in the first and ${other} in the second`);
    const found = lstatSync(a);
    if (!found.isFile()) continue;
    sum.files += 1;
    sum.bytes += found.size;
  }
  return { differences, ...sum };
}

function namesIn(folder: string): Set<string> {
  return new Set(readdirSync(folder, { recursive: true, encoding: 'utf8' }));
}

async function lookOf(path: string): Promise<string> {
  const found = lstatSync(path);
  if (found.isSymbolicLink()) return `a link to ${readlinkSync(path)}`;
  if (found.isDirectory()) return 'a folder';
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return `${(found.mode & 0o777).toString(8)} ${hash.digest('hex')}`;
}
