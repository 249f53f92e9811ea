/** verdaccio, pinned, installed once beside the clients of the tests; its storage is its own and it asks nobody else. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../test/support/eventually.ts';
import { freePort } from '../test/support/nginx.ts';
import { Absent } from './measure.ts';
import { exitOf, run } from './processes.ts';

export const VERDACCIO_VERSION = '6.8.0';
const cache = process.env['CAIRN_CLIENTS'] ?? join(tmpdir(), 'cairn-clients');

export interface Verdaccio {
  readonly registry: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** @throws Absent when it cannot be installed. */
export async function startVerdaccio(home: string): Promise<Verdaccio> {
  const program = await installed();
  const port = await freePort();
  await mkdir(home);
  const file = join(home, 'config.yaml');
  await writeFile(
    file,
    `storage: ${home}/storage
web: { enable: false }
auth: { htpasswd: { file: ${home}/htpasswd } }
uplinks: {}
packages: { '**': { access: $all, publish: $all } }
max_body_size: 200mb
userRateLimit: { windowMs: 1000, max: 100000 }
log: { type: stdout, format: json, level: error }
`,
  );
  const words = [program, '--config', file, '--listen', `127.0.0.1:${port}`];
  const child = spawn(process.execPath, words, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const registry = `http://127.0.0.1:${port}`;
  await eventually(() => fetch(`${registry}/-/ping`), 30_000);
  return {
    registry,
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGTERM');
      await exitOf(child);
    },
  };
}

async function installed(): Promise<string> {
  const folder = join(cache, `verdaccio-${VERDACCIO_VERSION}`);
  if (!existsSync(folder)) {
    const fresh = `${folder}-incoming-${process.pid}`;
    await mkdir(fresh, { recursive: true });
    // One of its dependencies asks for node-fetch by a tag that not every mirror of the public registry has.
    const manifest = {
      private: true,
      dependencies: { verdaccio: VERDACCIO_VERSION },
      overrides: { 'node-fetch': '2.7.0' },
    };
    await writeFile(join(fresh, 'package.json'), JSON.stringify(manifest));
    try {
      await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], fresh);
    } catch (error) {
      throw new Absent(`verdaccio ${VERDACCIO_VERSION} cannot be installed: ${(error as Error).message}`);
    }
    await rename(fresh, folder);
  }
  return join(folder, 'node_modules/verdaccio/bin/verdaccio');
}
