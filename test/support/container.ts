/** Container images without a registry of images: Debian's own tools make the base, podman builds and runs on it. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why containers cannot be tested here; false when they can. */
export const withoutContainers: string | false = (() => {
  if (process.getuid?.() !== 0) return 'containers are built and run as root only';
  const missing = ['podman', 'runc', 'debootstrap'].filter((name) => spawnSync('which', [name]).status !== 0);
  return missing.length > 0 && `not installed: ${missing.join(', ')}`;
})();

/** What takes longer hangs, as a look into a container that is ending may. */
const PATIENCE_MS = 60_000;
const BUILD_PATIENCE_MS = 300_000;

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Containers {
  /** Runs podman on a storage of its own. */
  podman(args: readonly string[], input?: string | Buffer): Ran;
  /** The same, and it has to succeed; what it printed. */
  ok(args: readonly string[], input?: string | Buffer): string;
  /** Makes an image like the official one of Node: `node:24-bookworm-slim` is Debian bookworm with Node 24 and npm. */
  makeNodeImage(name: string): void;
  /** Ends every container and removes the storage. */
  close(): void;
}

export function openContainers(): Containers {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-containers-'));
  const storage = ['--root', join(directory, 'storage'), '--runroot', join(directory, 'run')];
  const engine = ['--runtime', 'runc', '--cgroup-manager', 'cgroupfs', '--events-backend', 'none'];

  function podman(args: readonly string[], input: string | Buffer = ''): Ran {
    const { status, stdout, stderr, error } = spawnSync('podman', [...storage, ...engine, ...args], {
      input,
      encoding: 'utf8',
      timeout: args[0] === 'build' ? BUILD_PATIENCE_MS : PATIENCE_MS,
      killSignal: 'SIGKILL',
      maxBuffer: 64 * 2 ** 20,
    });
    if (error) throw error;
    return { code: status, stdout, stderr };
  }

  function ok(args: readonly string[], input?: string | Buffer): string {
    const { code, stdout, stderr } = podman(args, input);
    if (code !== 0) throw new Error(`podman ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
    return stdout;
  }

  function makeNodeImage(name: string): void {
    const [, node = '', debian = ''] = /^node:(\d+)-([a-z]+)-slim$/.exec(name) ?? [];
    const root = join(directory, 'base');
    const quiet = { stdio: 'ignore' } as const;
    execFileSync('debootstrap', ['--variant=minbase', debian, root], quiet);
    const modules = join(directory, 'npm');
    const wanted = [`node@${node}`, 'npm@11'];
    execFileSync('npm', ['install', '--no-fund', '--no-audit', '--prefix', modules, ...wanted], quiet);
    copyFileSync(join(modules, 'node_modules/node/bin/node'), join(root, 'usr/local/bin/node'));
    cpSync(join(modules, 'node_modules/npm'), join(root, 'usr/local/lib/node_modules/npm'), {
      recursive: true,
    });
    symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'));
    trustAsHere(root);
    for (const junk of ['var/cache/apt/archives', 'usr/share/doc', 'usr/share/locale', 'usr/share/man'])
      rmSync(join(root, junk), { recursive: true, force: true });
    const archive = join(directory, 'base.tar');
    execFileSync('tar', ['-C', root, '-cf', archive, '.']);
    rmSync(root, { recursive: true });
    ok(['import', '--quiet', archive, name]);
    rmSync(archive);
  }

  return {
    podman,
    ok,
    makeNodeImage,
    close() {
      podman(['rm', '--all', '--force', '--time', '0']);
      // The storage is mounted over itself for as long as somebody uses it.
      spawnSync('umount', ['--lazy', join(directory, 'storage/overlay')]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Behind a proxy with a certificate of its own, the base has to trust whom this machine trusts. */
function trustAsHere(root: string): void {
  const certificates = 'etc/ssl/certs/ca-certificates.crt';
  if (!existsSync(join('/', certificates))) return;
  mkdirSync(join(root, 'etc/ssl/certs'), { recursive: true });
  copyFileSync(join('/', certificates), join(root, certificates));
  mkdirSync(join(root, 'usr/local/etc'), { recursive: true });
  writeFileSync(join(root, 'usr/local/etc/npmrc'), `cafile=/${certificates}\n`);
}
