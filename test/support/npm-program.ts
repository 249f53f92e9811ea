/** npm run with a home and flags of its own, for tests that change what it finds around it. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finished } from './command-line.ts';
import type { Client } from './npm-clients.ts';

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
  { command: [program, ...words] }: Client,
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
    execFile(program, [...words, ...args, ...flags], options, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : null) : 0;
      resolve({ code, stdout, stderr });
    });
  });
}
