/** nginx over the files of a site, alone or in front of a registry, with the configurations that operators are given. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ArtifactLayout } from '../../stores/bucket-pointers.ts';
import { eventually } from './eventually.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const deploy = new URL('../../deploy/', import.meta.url).pathname;

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
export function startNginx(t: Pick<TestContext, 'after'>, site: string, port: number): Promise<Nginx> {
  return start(t, serverBlock('nginx.conf', site, port), port);
}

export interface BucketEdge {
  readonly port: number;
  /** Origin of the store. */
  readonly store: string;
  /** `/bucket/prefix`. */
  readonly site: string;
  readonly blobs: string;
  readonly artifacts: ArtifactLayout;
}

/** Serves a site that is in a bucket; ends with the test. */
export function startNginxAtBucket(
  t: Pick<TestContext, 'after'>,
  { port, store, site, blobs, artifacts }: BucketEdge,
): Promise<Nginx> {
  const said = { store_host: new URL(store).host, site, blobs, artifacts };
  let text = readFileSync(join(deploy, 'nginx-bucket.conf'), 'utf8');
  text = replaceOnce(text, /^( *listen) .*;$/m, `$1 127.0.0.1:${port};`);
  text = replaceOnce(text, /^( *server) [\d.]+:\d+;$/m, `$1 ${new URL(store).host};`);
  for (const [name, value] of Object.entries(said))
    text = replaceOnce(text, new RegExp(`^( *set \\$${name}) .*;$`, 'm'), `$1 ${value};`);
  return start(t, text, port);
}

export interface InFront {
  readonly site: string;
  readonly port: number;
  /** Where the registry itself listens. */
  readonly registry: string;
}

/** Stands before a registry that runs; ends with the test. */
export function startNginxInFront(
  t: Pick<TestContext, 'after'>,
  { site, port, registry }: InFront,
): Promise<Nginx> {
  const block = serverBlock('nginx-in-front.conf', site, port);
  return start(t, block.replaceAll(/^( *proxy_pass) .*;$/gm, `$1 ${registry};`), port);
}

async function start(t: Pick<TestContext, 'after'>, block: string, port: number): Promise<Nginx> {
  const prefix = await temporaryDirectory(t);
  mkdirSync(join(prefix, 'temporary'));
  writeFileSync(join(prefix, 'server.conf'), block);
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
function serverBlock(file: string, site: string, port: number): string {
  const text = readFileSync(join(deploy, file), 'utf8');
  return replaceOnce(
    replaceOnce(text, /^( *listen) .*;$/m, `$1 127.0.0.1:${port};`),
    /^( *root) .*;$/m,
    `$1 ${site};`,
  );
}

function replaceOnce(text: string, pattern: RegExp, by: string): string {
  if (!pattern.test(text)) throw new Error(`the configuration has no line for ${String(pattern)}`);
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
