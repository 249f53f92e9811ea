import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { layout } from '../bin/layout.ts';
import { startServer } from '../test/support/server-process.ts';
import { entryUrlPath } from '../ecosystems/x07/paths.ts';
import { alternate, type Bench } from './measure.ts';
import { exitOf, makeRegistry, requireProgram, run, runCairn } from './processes.ts';
import { packageName } from './registry-generator.ts';

const CONNECTIONS = 32;
const SERVER_CORE = '0';
const CLIENT_CORE = '1';

export const serveEntries: Bench = {
  name: 'serve',
  title: 'index entry GETs from the embedded server against nginx over the same directory',
  async run({ size, places, scratch, say }) {
    requireProgram('nginx', '-v');
    requireProgram('wrk', '-v');
    const { packages, seconds, rounds } =
      size === 'full' ? { packages: 2_000, seconds: 8, rounds: 5 } : { packages: 200, seconds: 3, rounds: 2 };
    const place = places[0];
    if (!place) return [];
    const home = scratch(place);
    const data = join(home, 'data');
    await makeRegistry(data, { packages, versions: packages * 10 });
    await runCairn('regen', '--data', data);
    const script = writeScript(home, packages);
    const server = await startServer({ isCompiled: true, data, env: { CAIRN_LOG_LEVEL: 'error' } });
    const nginx = await startNginx(home, layout(data).site);
    if (cpus().length > 1 && server.child.pid) await pin(server.child.pid, SERVER_CORE);
    say('serve: wrk');
    try {
      const load = (url: string) => () => requestsPerSecond(url, script, seconds);
      await load(server.url)();
      const measured = await alternate(rounds, load(server.url), load(nginx.url));
      const what = `entries of ${packages} packages, ${CONNECTIONS} connections`;
      return [{ what, unit: 'requests/s', ...measured, reach: { atLeast: 0.5 } }];
    } finally {
      await Promise.all([server.stop(), nginx.stop()]);
    }
  },
};

/** Every entry in turn, so that both servers look for many files. */
function writeScript(home: string, packages: number): string {
  const paths = Array.from({ length: packages }, (_, i) => `"/x07/${entryUrlPath(packageName(i))}"`);
  const script = join(home, 'entries.lua');
  writeFileSync(
    script,
    `local paths = {${paths.join(',')}}
local i = 0
request = function() i = i % #paths + 1; return wrk.format("GET", paths[i]) end
`,
  );
  return script;
}

async function requestsPerSecond(url: string, script: string, seconds: number): Promise<number> {
  const wrk = ['wrk', '-t', '1', '-c', String(CONNECTIONS), '-d', `${seconds}s`, '-s', script, url];
  const output = await run('taskset', ['-c', cpus().length > 1 ? CLIENT_CORE : SERVER_CORE, ...wrk]);
  if (output.includes('Non-2xx')) throw new Error(`${url} refused requests:\n${output}`);
  return Number(/Requests\/sec:\s*([\d.]+)/.exec(output)?.[1]);
}

async function pin(pid: number, core: string): Promise<void> {
  await run('taskset', ['-a', '-cp', core, String(pid)]);
}

async function startNginx(home: string, site: string): Promise<{ url: string; stop(): Promise<void> }> {
  const port = await freePort();
  const prefix = join(home, 'nginx');
  await mkdir(prefix);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${prefix}/${name};`)
    .join(' ');
  writeFileSync(
    join(prefix, 'nginx.conf'),
    `user root; worker_processes 1; daemon off; pid ${prefix}/pid; error_log ${prefix}/error.log;
events { worker_connections 1024; }
http {
  ${temporary}
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type application/x-ndjson;
  server {
    listen 127.0.0.1:${port}; root ${site};
    add_header Cache-Control "public, max-age=0, must-revalidate, s-maxage=30";
  }
}
`,
  );
  const args = [
    '-c',
    SERVER_CORE,
    'nginx',
    '-p',
    prefix,
    '-e',
    `${prefix}/error.log`,
    '-c',
    `${prefix}/nginx.conf`,
  ];
  const child = spawn('taskset', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}`;
  await answering(url);
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      await exitOf(child);
    },
  };
}

async function answering(url: string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const isUp = await fetch(url).then(
      () => true,
      () => false,
    );
    if (isUp) return;
    await new Promise((resume) => setTimeout(resume, 50));
  }
  throw new Error(`nothing answers at ${url}`);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
