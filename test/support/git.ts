/** The real git, for tests that look at a log from outside or damage it on purpose. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs git in a repository, with no configuration but the repository's own. */
export function git(repository: string, args: readonly string[], input?: string): string {
  return execFileSync('git', ['-C', repository, ...args], {
    encoding: 'utf8',
    ...(input === undefined ? {} : { input }),
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'somebody',
      GIT_AUTHOR_EMAIL: 'somebody@example.org',
      GIT_COMMITTER_NAME: 'somebody',
      GIT_COMMITTER_EMAIL: 'somebody@example.org',
    },
  });
}

/** Commits changed files on top of a bare repository's `main`, as somebody with a keyboard might. */
export function commitByHand(repository: string, change: (files: Map<string, string>) => void): void {
  const paths = git(repository, ['ls-tree', '-r', '--name-only', 'main']).split('\n').filter(Boolean);
  const files = new Map(paths.map((path) => [path, git(repository, ['cat-file', 'blob', `main:${path}`])]));
  change(files);
  const scratch = mkdtempSync(join(tmpdir(), 'cairn-test-index-'));
  try {
    const lines = [...files].map(([path, text]) => {
      const oid = git(repository, ['hash-object', '-w', '--stdin'], text).trim();
      return `100644 ${oid}\t${path}\n`;
    });
    const tree = writeTree(repository, join(scratch, 'index'), lines.join(''));
    const commit = git(repository, ['commit-tree', tree, '-p', 'main', '-m', 'by hand']).trim();
    git(repository, ['update-ref', 'refs/heads/main', commit]);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function writeTree(repository: string, index: string, entries: string): string {
  const env = { PATH: process.env['PATH'], GIT_INDEX_FILE: index };
  execFileSync('git', ['-C', repository, 'update-index', '--add', '--index-info'], { input: entries, env });
  return execFileSync('git', ['-C', repository, 'write-tree'], { encoding: 'utf8', env }).trim();
}
