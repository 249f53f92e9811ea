/** Debian's `docker-registry`: another server for the same clients, to measure against and to try these tests themselves. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { eventually } from './eventually.ts';
import { freePort } from './nginx.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface DockerRegistry {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

interface Wanted {
  /** Where blobs lie. */
  readonly storage: string;
  /** Lines of an htpasswd file, with bcrypt; anyone may do anything without. */
  readonly passwords?: string;
}

export async function startDockerRegistry(
  t: Pick<TestContext, 'after'>,
  { storage, passwords }: Wanted,
): Promise<DockerRegistry> {
  const directory = await temporaryDirectory(t);
  await mkdir(storage, { recursive: true });
  const address = `127.0.0.1:${await freePort()}`;
  const htpasswd = join(directory, 'htpasswd');
  if (passwords !== undefined) await writeFile(htpasswd, passwords);
  const configuration = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: { addr: address },
    ...(passwords === undefined ? {} : { auth: { htpasswd: { realm: 'test', path: htpasswd } } }),
  };
  const file = join(directory, 'config.yml');
  // What is JSON is YAML.
  await writeFile(file, JSON.stringify(configuration));
  const child = spawn('docker-registry', ['serve', file], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
  };
  t.after(stop);
  const url = `http://${address}`;
  await eventually(() => fetch(`${url}/v2/`));
  return { url, pid: child.pid ?? 0, stop };
}
