/** A folder in which one client works for one registry, with a home, a cache and settings of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Client, ClientName } from './npm-clients.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface Registry {
  /** Of the mount, without a final slash. */
  readonly registry: string;
  readonly token: string;
}

export interface Finished {
  readonly code: number | null;
  /** Both streams. */
  readonly output: string;
  readonly stdout: string;
}

export interface Project {
  readonly client: Client;
  readonly folder: string;
  write(path: string, text: string): Promise<void>;
  run(...words: readonly string[]): Promise<Finished>;
  /** As `run`, for a client that waits for somebody: `onOutput` sees all it has printed, and may answer on its input. */
  converse(
    words: readonly string[],
    onOutput: (printed: string, answer: (line: string) => void) => void,
  ): Promise<Finished>;
  /** As `run`; fails the test unless the client succeeds. What it printed to standard output. */
  ok(...words: readonly string[]): Promise<string>;
  /** As `run`; fails the test unless the client refuses. What it printed. */
  refused(...words: readonly string[]): Promise<string>;
  /** Runs a program of Node in the folder, as a user of what is installed would. */
  node(...words: readonly string[]): Promise<string>;
  /** Removes what is installed. */
  clean(...what: readonly ('node_modules' | 'lockfile' | 'cache')[]): Promise<void>;
}

/** Whose install scripts may run: clients ask for that by now, each in its own words. */
const trusted = ['with-script'];
const lockfiles = ['package-lock.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock', 'bun.lockb'];
const PATIENCE_MS = 60_000;
/** Where nobody listens. Who asks for another host than ours is sent there. */
const nowhere = 'http://127.0.0.1:9';

export async function openProject(
  t: Pick<TestContext, 'after'>,
  client: Client,
  registry: Registry,
  manifest: Readonly<Record<string, unknown>>,
): Promise<Project> {
  const top = await temporaryDirectory(t);
  const [folder, home] = [join(top, 'project'), join(top, 'home')];
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  };
  await mkdir(home);
  await write('package.json', JSON.stringify({ ...manifest, ...trustIn(client.name) }, undefined, 2));
  for (const [path, text] of Object.entries(settingsOf(client.name, registry))) await write(path, text);
  const run = (words: readonly string[], onOutput?: OnOutput): Promise<Finished> =>
    finish(words, { cwd: folder, env: environmentOf(client, home, top) }, onOutput);
  const project: Project = {
    client,
    folder,
    write,
    run: (...words) => run([...client.command, ...words]),
    converse: (words, onOutput) => run([...client.command, ...words], onOutput),
    async ok(...words) {
      const finished = await project.run(...words);
      if (finished.code === 0) return finished.stdout;
      throw new Error(`${client.name} ${words.join(' ')}: code ${finished.code}\n${finished.output}`);
    },
    async refused(...words) {
      const finished = await project.run(...words);
      if (finished.code !== 0 && finished.code !== null) return finished.output;
      throw new Error(`${client.name} ${words.join(' ')} was not refused:\n${finished.output}`);
    },
    async node(...words) {
      const { code, output, stdout } = await run([client.node, ...words]);
      if (code !== 0) throw new Error(`node ${words.join(' ')}: code ${code}\n${output}`);
      return stdout;
    },
    async clean(...what) {
      const paths = {
        node_modules: [join(folder, 'node_modules'), join(folder, '.yarn')],
        lockfile: lockfiles.map((name) => join(folder, name)),
        cache: [home],
      };
      for (const path of what.flatMap((name) => paths[name]))
        await rm(path, { recursive: true, force: true });
      await mkdir(home, { recursive: true });
    },
  };
  return project;
}

/** In `package.json`. */
function trustIn(name: ClientName): object {
  if (name === 'bun') return { trustedDependencies: trusted };
  if (name === 'npm 12') return { allowScripts: Object.fromEntries(trusted.map((one) => [one, true])) };
  return {};
}

/** Files of settings, in the folder of the project. Packages are seconds old: nobody may wait for them to grow old. */
function settingsOf(name: ClientName, { registry, token }: Registry): Readonly<Record<string, string>> {
  const { host, pathname } = new URL(`${registry}/`);
  const npmrc = `registry=${registry}/\n//${host}${pathname}:_authToken=${token}\n`;
  switch (name) {
    case 'npm 10':
    case 'npm 11':
    case 'npm 12':
      return { '.npmrc': `${npmrc}update-notifier=false\nfund=false\n` };
    case 'pnpm 9':
      return { '.npmrc': npmrc };
    case 'pnpm 12': {
      const allowed = trusted.map((one) => `  ${one}: true\n`).join('');
      return { '.npmrc': npmrc, 'pnpm-workspace.yaml': `minimumReleaseAge: 0\nallowBuilds:\n${allowed}` };
    }
    case 'yarn 1':
      return { '.npmrc': npmrc, '.yarnrc': `registry "${registry}/"\n` };
    case 'yarn 4':
      return {
        '.yarnrc.yml': [
          `npmRegistryServer: ${JSON.stringify(registry)}`,
          `npmAuthToken: ${JSON.stringify(token)}`,
          'unsafeHttpWhitelist: ["127.0.0.1", "localhost"]',
          'npmMinimalAgeGate: 0',
          'nodeLinker: node-modules',
          'enableScripts: true',
          'enableTelemetry: false',
          '',
        ].join('\n'),
      };
    case 'bun':
      return { '.npmrc': npmrc };
  }
}

/** Nothing of whoever runs the tests: no settings, no caches, no tokens. */
function environmentOf(client: Client, home: string, top: string): NodeJS.ProcessEnv {
  return {
    PATH: `${dirname(client.node)}:${process.env['PATH'] ?? ''}`,
    HOME: home,
    TMPDIR: top,
    BUN_INSTALL_CACHE_DIR: join(home, 'bun'),
    npm_config_globalconfig: join(top, 'no-global-npmrc'),
    ...(client.name.startsWith('pnpm') ? { npm_config_store_dir: join(home, 'pnpm-store') } : {}),
    YARN_CACHE_FOLDER: join(home, 'yarn'),
    http_proxy: nowhere,
    https_proxy: nowhere,
    HTTP_PROXY: nowhere,
    HTTPS_PROXY: nowhere,
    no_proxy: '127.0.0.1,localhost',
    NO_PROXY: '127.0.0.1,localhost',
  };
}

type OnOutput = Parameters<Project['converse']>[1];

async function finish(
  [file = '', ...words]: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  onOutput?: OnOutput,
): Promise<Finished> {
  const child = spawn(file, words, { ...options, stdio: [onOutput ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
  let [stdout, output] = ['', ''];
  const printed = (text: string): void => {
    output += text;
    onOutput?.(output, (line) => child.stdin?.write(`${line}\n`));
  };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => ((stdout += text), printed(text)));
  child.stderr?.setEncoding('utf8').on('data', printed);
  const patience = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(patience);
  return { code, stdout, output };
}
