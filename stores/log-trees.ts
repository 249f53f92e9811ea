/** The directories of a log as git trees. Never changed in place: an append that fails leaves what was. */
import { gitTree, type GitObject } from './git-objects.ts';

/** Every commit writes the tree of one directory and the tree that lists the directories: neither may grow long. */
const SEGMENTS_PER_DIRECTORY = 100;

/** Where a segment lies in the repository: the directory is the beginning of the file's number. */
export function segmentPath(index: number): { directory: string; file: string } {
  const directory = String(Math.floor(index / SEGMENTS_PER_DIRECTORY)).padStart(4, '0');
  return { directory, file: `${String(index).padStart(6, '0')}.ndjson` };
}

interface Directory {
  /** Object of each file, in git's order: the order of their numbers. */
  readonly files: ReadonlyMap<string, string>;
  readonly oid: string;
}

export class LogTrees {
  static readonly empty = new LogTrees(new Map(), []);
  readonly #directories: ReadonlyMap<string, Directory>;
  /** What has to be written for these trees to exist, given that the ones before do; the root is the last. */
  readonly changed: readonly GitObject[];

  private constructor(directories: ReadonlyMap<string, Directory>, changed: readonly GitObject[]) {
    this.#directories = directories;
    this.changed = changed;
  }

  get root(): GitObject {
    const root = this.changed.at(-1);
    if (!root) throw new TypeError('an empty log has no tree');
    return root;
  }

  /** The trees with these segments in them. */
  with(segments: readonly { readonly index: number; readonly oid: string }[]): LogTrees {
    const files = new Map<string, Map<string, string>>();
    for (const { index, oid } of segments) {
      const { directory, file } = segmentPath(index);
      const entries = files.get(directory) ?? new Map(this.#directories.get(directory)?.files);
      files.set(directory, entries.set(file, oid));
    }
    const directories = new Map(this.#directories);
    const changed: GitObject[] = [];
    for (const [name, entries] of files) {
      const tree = gitTree([...entries].map(([file, oid]) => ({ mode: '100644', name: file, oid })));
      directories.set(name, { files: entries, oid: tree.oid });
      changed.push(tree);
    }
    const log = gitTree([...directories].map(([name, { oid }]) => ({ mode: '40000', name, oid })));
    const root = gitTree([{ mode: '40000', name: 'log', oid: log.oid }]);
    return new LogTrees(directories, [...changed, log, root]);
  }
}
