/** The `cairn` command as a person runs it: a process of its own, its streams and its exit code. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { cairnCommand } from './server-process.ts';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Environment {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Standard input; nothing unless given. */
  readonly input?: string;
  /** What to run; default the command line as its source lies here. */
  readonly program?: readonly [string, ...string[]];
}

const root = new URL('../..', import.meta.url).pathname;

/** Only what a test says: settings of whoever runs the tests must not reach the command. */
export function environment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('CAIRN_'));
  // No test asks anybody outside.
  return { ...Object.fromEntries(clean), CAIRN_NPM_FALLBACK: 'false', ...env };
}

/** `tsx` is named by its file: the working directory may be any. */
const loader = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href;
const command = cairnCommand.map((part) => (part === 'tsx' ? loader : part));

function start(args: readonly string[], options: Environment): ChildProcess {
  const { env = {}, cwd = root, program = [process.execPath, ...command], input } = options;
  const [file, ...words] = program;
  const child = spawn(file, [...words, ...args], {
    cwd,
    env: environment(env),
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  // Who refuses before it has read everything closes the pipe.
  child.stdin?.on('error', () => undefined).end(input);
  return child;
}

/** A command that takes longer hangs, or serves where it should have refused. */
const PATIENCE_MS = 60_000;

/** Runs a command to its end. */
export async function cairn(args: readonly string[], options: Environment = {}): Promise<Finished> {
  const child = start(args, options);
  const streams = collect(child);
  const patience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(patience);
  return { code, ...streams() };
}

function collect(child: ChildProcess): () => { stdout: string; stderr: string } {
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => (texts[name] += text));
  return () => ({ ...texts });
}

/** Runs a command that has to succeed; what it printed. */
export async function cairnOk(args: readonly string[], options: Environment = {}): Promise<string> {
  const { code, stdout, stderr } = await cairn(args, options);
  assert.equal(code, 0, `cairn ${args.join(' ')}:\n${stdout}${stderr}`);
  return stdout;
}

/** A refusal that a person can act on: its code, a sentence or two, and never the inside of the program. */
export function assertRefused(finished: Finished, code: number, says: RegExp): void {
  assert.equal(finished.code, code, finished.stdout + finished.stderr);
  assert.match(finished.stderr, says);
  assert.doesNotMatch(finished.stderr, /^\s+at /m, 'a stack trace');
  assert.doesNotMatch(finished.stderr, /\bnode:|node_modules/);
  assert.equal(finished.stdout, '');
}

export interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  /** Both streams so far. */
  printed(): { stdout: string; stderr: string };
  /** Ends it as an operator would; the exit code. */
  stop(): Promise<number | null>;
}

/** `cairn serve` with exactly these words and settings; ends with the test. */
export async function cairnServe(
  t: Pick<TestContext, 'after'>,
  args: readonly string[],
  options: Environment = {},
): Promise<Running> {
  const child = start(['serve', ...args], options);
  const exited = once(child, 'close') as Promise<[number | null]>;
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const printed = collect(child);
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', () => {
      const line = /^listening on (.*)\n/m.exec(printed().stdout);
      if (line?.[1] !== undefined) resolve(line[1]);
    });
    void exited.then(([code]) => {
      const { stdout, stderr } = printed();
      reject(new Error(`the server ended with code ${code}:\n${stdout}${stderr}`));
    });
  });
  return {
    child,
    url,
    printed,
    async stop() {
      child.kill('SIGTERM');
      const [code] = await exited;
      return code;
    },
  };
}
