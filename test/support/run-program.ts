/** Run's real client, pinned: compiled once, where there is a Rust to compile it with. Each project has a home of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { cache, installOnce } from './npm-clients.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const VERSION = '0.7.1';
const folder = join(cache, `run-kit-${VERSION}`);
/** It brings a WebAssembly compiler along, and is compiled beside other tests. */
const PATIENCE_SECONDS = 900;
/** Not optimised and without debug information, for less to compile: what it sends is the same. */
const compile =
  `env CARGO_PROFILE_DEV_DEBUG=0 timeout ${PATIENCE_SECONDS} cargo install run-kit --version ${VERSION}
  --debug --features v2 --locked --quiet`.split(/\s+/) as [string, ...string[]];

/** Why it cannot be tried here; undefined when it can, perhaps after minutes of compiling. */
export const noRunProgram: string | undefined =
  existsSync(folder) || spawnSync('cargo', ['--version']).status === 0
    ? undefined
    : 'there is no cargo on this machine to compile it with';

async function runProgram(): Promise<string> {
  await installOnce(folder, (fresh) => [...compile, '--root', fresh]);
  return join(folder, 'bin/run');
}

export interface RunFinished {
  readonly code: number | null;
  /** Both streams. */
  readonly output: string;
}

export interface RunProject {
  readonly folder: string;
  write(path: string, content: string | Buffer): Promise<void>;
  /** `run v2 WORDS`. */
  run(words: readonly string[], env?: Readonly<Record<string, string>>): Promise<RunFinished>;
  /** Fails the test unless it succeeds. */
  ok(words: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
}

/** What takes longer hangs: the client itself gives up after half a minute. */
const PATIENCE_MS = 120_000;

export async function openRunProject(
  t: Pick<TestContext, 'after'>,
  files: Readonly<Record<string, string | Buffer>>,
): Promise<RunProject> {
  const program = await runProgram();
  const top = await temporaryDirectory(t);
  const project = join(top, 'project');
  const write: RunProject['write'] = async (path, content) => {
    await mkdir(dirname(join(project, path)), { recursive: true });
    await writeFile(join(project, path), content);
  };
  for (const [path, content] of Object.entries(files)) await write(path, content);
  const run: RunProject['run'] = async (words, env = {}) => {
    // A home of its own: what lies below `~/.run` is asked before any registry.
    const child = spawn(program, ['v2', ...words], {
      cwd: project,
      env: { PATH: process.env['PATH'], HOME: top, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    const patience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    const [code] = (await once(child, 'close')) as [number | null];
    clearTimeout(patience);
    return { code, output };
  };
  return {
    folder: project,
    write,
    run,
    async ok(words, env) {
      const { code, output } = await run(words, env);
      if (code !== 0) throw new Error(`run v2 ${words.join(' ')}: code ${code}\n${output}`);
      return output;
    },
  };
}
