/** The baseline of appends: a repository with a work tree, and `git commit` once per event, from a shell loop. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { layout } from '../bin/layout.ts';
import { run } from './processes.ts';
import { copyPath } from './registry-generator.ts';

/**
 * git's default `core.fsync`: what a commit adds is synced, directories are not. It promises less than our appends
 * do, and so costs less than the same promise would.
 */
const loop = `
set -eu
cd "$1"; limit=$2; line=$(cat "$3"); n=0; seq=$4
start=\${EPOCHREALTIME/./}; now=$start
while (( now - start < limit * 1000000 )); do
  segment=$(( seq / 256 ))
  printf -v file 'log/%04d/%06d.ndjson' $(( segment / 100 )) "$segment"
  [ -e "$file" ] || mkdir -p "\${file%/*}"
  printf '%s\\n' "$line" >> "$file"
  git add "$file"
  git commit -q -m 'published x07/some-package 1.0.0'
  n=$(( n + 1 )); seq=$(( seq + 1 )); now=\${EPOCHREALTIME/./}
done
echo "$n $(( now - start )) $seq"
`;

export interface CommitPerEvent {
  /** Commits a second, measured for some seconds. */
  measure(seconds: number): Promise<number>;
}

/** Clones the log of a registry into `directory`, with a work tree, so that both sides start from the same content. */
export async function commitPerEvent(dataDirectory: string, directory: string): Promise<CommitPerEvent> {
  await run('git', ['clone', '--quiet', layout(dataDirectory).log, directory]);
  await run('git', ['config', 'user.name', 'Bench'], directory);
  await run('git', ['config', 'user.email', 'bench@localhost'], directory);
  const lines = readFileSync(copyPath(dataDirectory), 'utf8').split('\n').filter(Boolean);
  const linePath = join(directory, '.git/bench-line');
  const line = lines.findLast((text) => text.includes('"kind":"published"')) ?? '';
  await run('bash', ['-c', 'printf %s "$1" > "$2"', 'bash', line, linePath]);
  let seq = lines.length;
  return {
    async measure(seconds) {
      const args = [directory, String(seconds), linePath, String(seq)];
      const [count = 0, micros = 0, next = 0] = (await run('bash', ['-c', loop, 'bash', ...args]))
        .split(' ')
        .map(Number);
      seq = next;
      return count / (micros / 1e6);
    },
  };
}
