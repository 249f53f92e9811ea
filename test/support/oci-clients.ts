/**
 * The real clients of container registries: those of Debian, and two that are compiled here. Each desk has a home, a storage and
 * a file of logins of its own, and knows a few hosts that speak HTTP without TLS.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { DockerDaemon } from './docker-daemon.ts';
import { goProgram, noGo } from './go-programs.ts';
import { noBusybox } from './oci-image.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export const ociPrograms = ['skopeo', 'podman', 'buildah', 'crane', 'oras'] as const;
/** The last two for desks with an engine of Docker. */
export type OciProgram = (typeof ociPrograms)[number] | keyof DockerDaemon['commands'];

/** Why they cannot be tried here; undefined when they can. */
export const noOciClients: string | undefined = (() => {
  if (process.getuid?.() !== 0) return 'podman and buildah work as root only here';
  const wanted = ['skopeo', 'podman', 'buildah', 'runc'];
  const missing = wanted.filter((name) => spawnSync('which', [name]).status !== 0);
  return missing.length > 0 ? `not installed: ${missing.join(', ')}` : (noGo ?? noBusybox);
})();

export interface Login {
  readonly username: string;
  readonly password: string;
}

export interface OciRun {
  readonly code: number | null;
  readonly stdout: string;
  /** Both streams. */
  readonly output: string;
}

export interface OciDesk {
  readonly folder: string;
  run(program: OciProgram, words: readonly string[], input?: string): Promise<OciRun>;
  /** Fails the test unless it succeeds. What was printed to standard output, without the newline. */
  ok(program: OciProgram, ...words: readonly string[]): Promise<string>;
  /** Fails the test unless it refuses. What it printed. */
  refused(program: OciProgram, ...words: readonly string[]): Promise<string>;
  /** As `run`: the program is given the password by standard input. */
  logIn(program: OciProgram, host: string, login: Login): Promise<OciRun>;
}

/** What takes longer hangs. */
const PATIENCE_MS = 120_000;

export async function openOciDesk(
  t: Pick<TestContext, 'after'>,
  hosts: readonly string[],
  daemon?: DockerDaemon,
): Promise<OciDesk> {
  const home = await temporaryDirectory(t);
  const at = (name: string): string => join(home, name);
  for (const name of ['docker', 'desk', 'tmp', '.config/containers'])
    await mkdir(at(name), { recursive: true });
  const insecure = hosts.map((host) => `[[registry]]\nlocation = "${host}"\ninsecure = true\n`);
  await writeFile(at('.config/containers/registries.conf'), insecure.join(''));
  await writeFile(at('.config/containers/policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  await writeFile(at('auth.json'), '{}');
  // Nothing of whoever runs the tests: no login, no image, no proxy.
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    TMPDIR: at('tmp'),
    REGISTRY_AUTH_FILE: at('auth.json'),
    DOCKER_CONFIG: at('docker'),
  };
  // Else root's skopeo remembers for the whole machine where it saw which layer, and packed how.
  const more: Partial<Record<OciProgram, object>> = { skopeo: { _CONTAINERS_ROOTLESS_UID: '1000' } };
  const run: OciDesk['run'] = async (program, words, input = '') => {
    const [file, ...before] = await commandOf(program, home, daemon);
    const child = spawn(file, [...before, ...words], { cwd: at('desk'), env: { ...env, ...more[program] } });
    let [stdout, output] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => ((stdout += text), (output += text)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stdin.on('error', () => undefined).end(input);
    const patience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
    const [code] = (await once(child, 'close')) as [number | null];
    clearTimeout(patience);
    return { code, stdout, output };
  };
  return {
    folder: at('desk'),
    run,
    async ok(program, ...words) {
      const { code, stdout, output } = await run(program, words);
      if (code !== 0) throw new Error(`${program} ${words.join(' ')}: code ${code}\n${output}`);
      return stdout.trim();
    },
    async refused(program, ...words) {
      const { code, output } = await run(program, words);
      if (code === 0 || code === null)
        throw new Error(`${program} ${words.join(' ')} was not refused: code ${code}\n${output}`);
      return output;
    },
    logIn(program, host, { username, password }) {
      const verb = program === 'crane' ? ['auth', 'login'] : ['login'];
      const plain = program === 'oras' ? ['--plain-http'] : [];
      return run(program, [...verb, ...plain, '--username', username, '--password-stdin', host], password);
    },
  };
}

/** With a storage that needs nothing of the kernel. */
async function commandOf(
  program: OciProgram,
  home: string,
  daemon: DockerDaemon | undefined,
): Promise<readonly [string, ...string[]]> {
  const storage = [
    '--storage-driver',
    'vfs',
    '--root',
    join(home, 'storage'),
    '--runroot',
    join(home, 'run'),
  ];
  switch (program) {
    case 'crane':
    case 'oras':
      return [await goProgram(program)];
    case 'docker':
    case 'ctr':
      if (!daemon) throw new Error(`this desk has no engine for ${program}`);
      return daemon.commands[program];
    case 'skopeo':
      return ['skopeo'];
    case 'buildah':
      return ['buildah', ...storage];
    case 'podman': {
      const engine = ['--runtime', 'runc', '--cgroup-manager', 'cgroupfs', '--events-backend', 'none'];
      return ['podman', ...storage, ...engine];
    }
  }
}
