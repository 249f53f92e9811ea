import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** How a tree differs from the one it should be; paths below the roots, in order. */
export interface TreeDifferences {
  readonly missing: readonly string[];
  readonly different: readonly string[];
  readonly extra: readonly string[];
}

/** Compares names and bytes. Hard links to one file are equal without being read. */
export async function compareTrees(wanted: string, found: string): Promise<TreeDifferences> {
  const differences = { missing: [] as string[], different: [] as string[], extra: [] as string[] };
  await compareDirectories(wanted, found, '', differences);
  return differences;
}

interface Found {
  missing: string[];
  different: string[];
  extra: string[];
}

async function compareDirectories(wanted: string, found: string, below: string, into: Found): Promise<void> {
  const [here, there] = await Promise.all([list(join(wanted, below)), list(join(found, below))]);
  for (const [name, isDirectory] of here) {
    const path = below === '' ? name : `${below}/${name}`;
    const other = there.get(name);
    if (isDirectory) {
      if (other === false) into.extra.push(path);
      await compareDirectories(wanted, found, path, into);
    } else if (other === undefined) into.missing.push(path);
    else if (other) {
      await listAll(found, path, into.extra);
      into.missing.push(path);
    } else if (!(await sameBytes(join(wanted, path), join(found, path)))) into.different.push(path);
  }
  for (const [name, isDirectory] of there) {
    if (here.has(name)) continue;
    const path = below === '' ? name : `${below}/${name}`;
    if (isDirectory) await listAll(found, path, into.extra);
    else into.extra.push(path);
  }
}

async function list(directory: string): Promise<Map<string, boolean>> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return new Map(entries.map((entry) => [entry.name, entry.isDirectory()]));
}

async function listAll(root: string, below: string, into: string[]): Promise<void> {
  for (const [name, isDirectory] of await list(join(root, below))) {
    if (isDirectory) await listAll(root, `${below}/${name}`, into);
    else into.push(`${below}/${name}`);
  }
}

const PIECE = 64 * 1024;

async function sameBytes(a: string, b: string): Promise<boolean> {
  const [statA, statB] = await Promise.all([stat(a), stat(b)]);
  if (statA.size !== statB.size) return false;
  if (statA.ino === statB.ino && statA.dev === statB.dev) return true;
  const [fileA, fileB] = await Promise.all([open(a), open(b)]);
  try {
    const [bufferA, bufferB] = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)];
    for (let at = 0; at < statA.size; at += PIECE) {
      const [readA, readB] = await Promise.all([
        fileA.read(bufferA, 0, PIECE, at),
        fileB.read(bufferB, 0, PIECE, at),
      ]);
      if (!bufferA.subarray(0, readA.bytesRead).equals(bufferB.subarray(0, readB.bytesRead))) return false;
    }
    return true;
  } finally {
    await Promise.all([fileA.close(), fileB.close()]);
  }
}
