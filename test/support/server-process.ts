/** A real `cairn serve` in a process of its own: for tests that kill it, or that need its streams. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { storeEnvironment } from './test-store.ts';

export const ADMIN_TOKEN = 'an-administrators-token-for-tests';
const root = new URL('../..', import.meta.url).pathname;
export const cairnCommand: readonly string[] = commandOf(root);

/** What users run. */
export const compiledCommand: readonly string[] = [join(root, 'dist/bin/cairn.js')];

function commandOf(project: string): readonly string[] {
  // A suite compiles the program once: it starts it some hundred times, and that takes half as long.
  const compiled = process.env['CAIRN_TEST_PROGRAM'];
  if (compiled && project === root) return [compiled];
  return ['--import', 'tsx', join(project, 'bin/cairn.ts')];
}

export interface ServerProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** Lines of standard output so far. */
  readonly output: readonly string[];
  /** Text of standard error so far. */
  errors(): string;
  /** Ends it as an operator would; the exit code. */
  stop(): Promise<number | null>;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
}

export interface StartOptions {
  readonly data: string;
  readonly listen?: string;
  /** Another copy of this project. */
  readonly project?: string;
  /** Run what `npm run build` made. */
  readonly isCompiled?: boolean;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Use the token of the environment; default yes. */
  readonly withAdminToken?: boolean;
}

/** Starts a server and waits for its last start-up line. @throws Error with what it printed when it ends before. */
export async function startServer(options: StartOptions): Promise<ServerProcess> {
  const {
    data,
    listen = '127.0.0.1:0',
    flags = [],
    env = {},
    withAdminToken = true,
    project = root,
    isCompiled,
  } = options;
  const store = await storeEnvironment(data);
  const child = spawn(
    process.execPath,
    [
      ...(isCompiled ? compiledCommand : commandOf(project)),
      'serve',
      '--data',
      data,
      '--listen',
      listen,
      ...flags,
    ],
    {
      cwd: project,
      env: {
        ...process.env,
        CAIRN_NPM_FALLBACK: 'false',
        ...(withAdminToken ? { CAIRN_ADMIN_TOKEN: ADMIN_TOKEN } : {}),
        ...store,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const output: string[] = [];
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const exited = once(child, 'exit');
  const url = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      output.push(line);
      if (line.startsWith('listening on ')) resolve(line.slice('listening on '.length));
    });
    void exited.then(([code]) =>
      reject(new Error(`the server ended with code ${String(code)}:\n${output.join('\n')}\n${errors}`)),
    );
  });
  return {
    url,
    child,
    output,
    errors: () => errors,
    async stop() {
      child.kill('SIGTERM');
      const [code] = (await exited) as [number | null];
      return code;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
