/** nginx over the files of a site, with the configuration that operators are given. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { eventually } from './eventually.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const configuration = new URL('../../deploy/nginx.conf', import.meta.url).pathname;

/** Why there is no nginx here; undefined when there is. */
export const noNginx: string | undefined =
  spawnSync('nginx', ['-v']).status === 0 ? undefined : 'nginx is not on this machine';

export interface Nginx {
  readonly url: string;
  /** Of its master; the worker is a child of it. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** Serves a site at a port of loopback; ends with the test. */
export async function startNginx(t: Pick<TestContext, 'after'>, site: string, port: number): Promise<Nginx> {
  const prefix = await temporaryDirectory(t);
  mkdirSync(join(prefix, 'temporary'));
  writeFileSync(join(prefix, 'server.conf'), serverBlock(site, port));
  writeFileSync(join(prefix, 'nginx.conf'), mainConfiguration(prefix));
  const child = spawn(
    'nginx',
    ['-p', prefix, '-e', join(prefix, 'error.log'), '-c', join(prefix, 'nginx.conf')],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
  };
  t.after(stop);
  const url = `http://127.0.0.1:${port}`;
  await eventually(() => fetch(url));
  return { url, pid: child.pid ?? 0, stop };
}

/** The operator's file with our address and root, and nothing else changed. */
function serverBlock(site: string, port: number): string {
  const text = readFileSync(configuration, 'utf8');
  return replaceOnce(
    replaceOnce(text, /^( *listen) .*;$/m, `$1 127.0.0.1:${port};`),
    /^( *root) .*;$/m,
    `$1 ${site};`,
  );
}

function replaceOnce(text: string, pattern: RegExp, by: string): string {
  if (!pattern.test(text)) throw new Error(`deploy/nginx.conf has no line for ${String(pattern)}`);
  return text.replace(pattern, by);
}

/** What a distribution's main file says, with every path of ours. */
function mainConfiguration(prefix: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${prefix}/temporary/${name};`)
    .join(' ');
  // The site of a test belongs to whoever runs it, in a folder that nobody else may look into.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  return `${user} worker_processes 1; daemon off; pid ${prefix}/pid; error_log ${prefix}/error.log;
events { worker_connections 1024; }
http { ${temporary} access_log off; sendfile on; include ${prefix}/server.conf; }
`;
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
