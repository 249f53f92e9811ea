/** Docker's own engine and the containerd below it, with everything of theirs in a folder, and no network of their own. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { eventually } from './eventually.ts';

export interface DockerDaemon {
  /** Words that start each client of it. */
  readonly commands: Readonly<Record<'docker' | 'ctr', readonly [string, ...string[]]>>;
}

/** Why there is none here; undefined when there is. */
export const noDocker: string | undefined = (() => {
  if (process.getuid?.() !== 0) return "Docker's engine is started as root only";
  const wanted = ['dockerd', 'containerd', 'runc', 'docker', 'ctr'];
  const missing = wanted.filter((name) => spawnSync('which', [name]).status !== 0);
  return missing.length > 0 ? `not installed: ${missing.join(', ')}` : undefined;
})();

/** It takes registries of loopback without TLS by itself. */
export async function startDockerDaemon(t: Pick<TestContext, 'after'>): Promise<DockerDaemon> {
  const directory = await mkdtemp(join(tmpdir(), 'cairn-docker-'));
  const at = (name: string): string => join(directory, name);
  await mkdir(at('exec'));
  const log = openSync(at('log'), 'w');
  const child = spawn(
    'dockerd',
    [
      ...['--host', `unix://${at('socket')}`, '--pidfile', at('pid')],
      ...['--data-root', at('data'), '--exec-root', at('exec'), '--storage-driver', 'vfs'],
      ...['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--ip-forward=false'],
    ],
    { stdio: ['ignore', log, log] },
  );
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGTERM');
    await exited;
    // Its data is mounted over itself for as long as it runs, and for longer when it had to be killed.
    spawnSync('umount', ['--lazy', at('data')]);
    await rm(directory, { recursive: true, force: true });
  });
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`dockerd ended:\n${readFileSync(at('log'), 'utf8')}`);
    if (!existsSync(at('socket'))) throw new Error('dockerd does not listen yet');
  });
  return {
    commands: {
      docker: ['docker', '--host', `unix://${at('socket')}`],
      ctr: ['ctr', '--address', at('exec/containerd/containerd.sock')],
    },
  };
}
