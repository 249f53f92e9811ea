/**
 * npm itself, in pinned versions, installed once from the registry that this machine is set up for into a folder outside
 * the project: `CAIRN_CLIENTS`, or one in the temporary directory.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Finished } from './command-line.ts';

export type NpmVersion = '10.9.9' | '11.21.2' | '12.2.0';

/** Words that start it. */
export type NpmProgram = readonly [node: string, script: string];

const cache = process.env['CAIRN_CLIENTS'] ?? join(tmpdir(), 'cairn-clients');
const NEW_NODE = '26.10.0';

/** Undefined where it needs a newer Node than this, and there is none for this machine. */
export async function npmProgram(version: NpmVersion): Promise<NpmProgram | undefined> {
  const node = version === '12.2.0' ? await newNode() : process.execPath;
  return node === undefined ? undefined : [node, await installed('npm', version, 'npm/bin/npm-cli.js')];
}

async function newNode(): Promise<string | undefined> {
  if (Number(process.versions.node.split('.')[0]) >= 26) return process.execPath;
  const node = await installed('node', NEW_NODE, 'node/bin/node').catch(() => undefined);
  return node !== undefined && existsSync(node) ? node : undefined;
}

async function installed(name: string, version: string, program: string): Promise<string> {
  const folder = join(cache, `${name}-${version}`);
  if (!existsSync(folder)) {
    await mkdir(cache, { recursive: true });
    const fresh = await mkdtemp(join(cache, 'incoming-'));
    const flags = ['--no-fund', '--no-audit', '--no-save', '--ignore-scripts=false', '--prefix', fresh];
    await promisify(execFile)('npm', ['install', ...flags, `${name}@${version}`], { cwd: fresh });
    // Two test files may do this at once: whoever is first gets the name, and the other's copy goes.
    await rename(fresh, folder).catch(() => rm(fresh, { recursive: true }));
  }
  return join(folder, 'node_modules', program);
}

interface NpmRun {
  readonly cwd: string;
  /** Where its configuration and its cache are. */
  readonly home: string;
  readonly registry: string;
  readonly token: string;
  readonly env: Readonly<Record<string, string>>;
}

const PATIENCE_MS = 120_000;

export async function runNpm(
  [node, script]: NpmProgram,
  args: readonly string[],
  { cwd, home, registry, token, env }: NpmRun,
): Promise<Finished> {
  const userconfig = join(home, 'npmrc');
  await writeFile(userconfig, `registry=${registry}\n${registry.replace('http:', '')}:_authToken=${token}\n`);
  const flags = [
    '--userconfig',
    userconfig,
    '--cache',
    join(home, 'cache'),
    '--no-update-notifier',
    '--no-color',
  ];
  // Nothing of whoever runs the tests: his registry, his tokens, his proxies.
  const clean = { PATH: process.env['PATH'], HOME: home, CI: 'true', ...env };
  const options = { cwd, env: clean, timeout: PATIENCE_MS };
  return new Promise((resolve) => {
    execFile(node, [script, ...args, ...flags], options, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : null) : 0;
      resolve({ code, stdout, stderr });
    });
  });
}
