/** Watches the system calls of a running process, or makes them fail, with strace. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

/** Environment of a server whose file operations come one after the other, in one thread: strace counts by thread. */
export const oneFileThread = { UV_THREADPOOL_SIZE: '1' } as const;

export interface Watched {
  /** Lets the process go; the calls that were seen, as strace prints them. */
  stop(): Promise<string[]>;
}

/** Prints every call of the named kinds into `output`. Resolves once no call can be missed any more. */
export async function watchCalls(
  pid: number,
  options: { readonly calls: readonly string[]; readonly output: string; readonly inject?: string },
): Promise<Watched> {
  const { calls, output, inject } = options;
  const strace = spawn(
    'strace',
    [
      ...['-f', '-y', '-p', String(pid), '-o', output, '-e', `trace=${calls.join(',')}`],
      ...(inject === undefined ? [] : ['-e', `inject=${inject}`]),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  await attached(strace);
  return {
    async stop() {
      if (strace.exitCode === null && strace.signalCode === null) {
        const exited = once(strace, 'exit');
        strace.kill('SIGINT');
        await exited;
      }
      return readCalls(output);
    },
  };
}

export async function readCalls(output: string): Promise<string[]> {
  return (await readFile(output, 'utf8')).split('\n').filter(Boolean);
}

async function attached(strace: ChildProcess): Promise<void> {
  let printed = '';
  await new Promise<void>((resolve, reject) => {
    strace.once('error', reject);
    strace.once('exit', () => reject(new Error(printed.trim() || 'strace ended')));
    strace.stderr?.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
      if (/ attached/.test(printed)) resolve();
    });
  });
}

/** Says why calls cannot be watched here, or undefined when they can; it finds out by watching a process. */
export async function watchingUnavailable(): Promise<string | undefined> {
  const sleeper = spawn('sleep', ['10'], { stdio: 'ignore' });
  try {
    const watched = await watchCalls(sleeper.pid ?? 0, { calls: ['fsync'], output: '/dev/null' });
    await watched.stop();
    return undefined;
  } catch (error) {
    return `no strace: ${(error as Error).message}`;
  } finally {
    sleeper.kill();
  }
}
