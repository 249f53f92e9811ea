/** The packages of a real application, fetched once from the registry that this machine is set up for. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import semver from 'semver';
import { inLanes } from './lanes.ts';
import { clientNamed } from './npm-clients.ts';
import { publishDocument } from './npm-package.ts';

const LANES = 4;
const application = new URL('../clients/application/', import.meta.url).pathname;

export interface Application {
  /** Where the registry that this machine is set up for has installed it. */
  readonly folder: string;
  readonly manifest: Readonly<Record<string, unknown>>;
  readonly packages: readonly FetchedPackage[];
}

export interface FetchedPackage {
  readonly name: string;
  readonly version: string;
  readonly size: number;
  /** Its tarball. */
  readonly archive: string;
  /** What a client sends to publish it. */
  document(): Promise<Record<string, unknown>>;
}

interface Packed {
  readonly name: string;
  readonly version: string;
  readonly filename: string;
  readonly size: number;
}

/**
 * What this machine needs of it, and some more: binaries of other platforms are left out. Of one package the highest
 * version last, so that it is the latest.
 */
export async function fetchApplication(scratch: string, more: readonly string[] = []): Promise<Application> {
  const folder = join(scratch, 'application');
  await mkdir(folder);
  await cp(application, folder, { recursive: true });
  const npm = await npmIn(scratch);
  // Not `ci`: it also wants what the lock file leaves out, binaries of platforms that are not ours.
  await npm(['install'], folder);
  const specs = [...installedIn(folder), ...more];
  const packed: Packed[] = [];
  await inLanes(LANES, async (lane) => {
    const own = specs.filter((_, i) => i % LANES === lane);
    packed.push(
      ...(JSON.parse(
        await npm(['pack', '--json', '--pack-destination', scratch, ...own], scratch),
      ) as Packed[]),
    );
  });
  return {
    folder,
    manifest: JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Application['manifest'],
    packages: packed
      .sort((a, b) => semver.compare(a.version, b.version))
      .map(({ name, version, size, filename }) => ({
        ...{ name, version, size, archive: join(scratch, filename) },
        document: () => documentOf({ name, version }, join(scratch, filename)),
      })),
  };
}

/** npm with the settings of whoever runs this: it is the only thing here that asks another registry. */
export async function npmIn(
  scratch: string,
): Promise<(words: readonly string[], cwd: string) => Promise<string>> {
  const [file, ...program] = (await clientNamed('npm 11')).command;
  // `npm run` hands the settings of this project on to every npm below it; an application has other engines.
  const flags = ['--no-engine-strict', '--prefer-offline', '--no-audit', '--no-fund'];
  const cache = ['--cache', join(scratch, 'cache')];
  return (words, cwd) => run(file, [...program, ...words, ...flags, ...cache], cwd);
}

function installedIn(folder: string): string[] {
  const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly version: string }>>;
  };
  const specs = Object.entries(lock.packages)
    .filter(([path]) => path !== '' && existsSync(join(folder, path)))
    .map(([path, { version }]) => `${path.slice(path.lastIndexOf('node_modules/') + 13)}@${version}`);
  return [...new Set(specs)];
}

async function documentOf(
  { name, version }: { readonly name: string; readonly version: string },
  archive: string,
): Promise<Record<string, unknown>> {
  const members = await run('tar', ['-tzf', archive]);
  const path = members.split('\n').find((member) => /^[^/]+\/package\.json$/.test(member)) ?? '';
  const text = await run('tar', ['-xzOf', archive, path]);
  const manifest = JSON.parse(text.replace(/^\uFEFF/, '')) as Record<string, unknown>;
  return publishDocument({ name, version, manifest }, { tarball: await readFile(archive) });
}

/** Several side by side, all versions of one package one after the other. */
export async function publishAll(
  { packages }: Application,
  to: { readonly registry: string; readonly token?: string },
): Promise<void> {
  const laneOf = (name: string): number =>
    [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % LANES;
  await inLanes(LANES, async (lane) => {
    for (const one of packages.filter(({ name }) => laneOf(name) === lane)) {
      const answer = await fetch(`${to.registry}/${one.name.replace('/', '%2f')}`, {
        method: 'PUT',
        headers: {
          'content-type': 'application/json',
          ...(to.token === undefined ? {} : { authorization: `Bearer ${to.token}` }),
        },
        body: JSON.stringify(await one.document()),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${one.name}@${one.version}: ${answer.status} ${text}`);
    }
  });
}

async function run(file: string, words: readonly string[], cwd?: string): Promise<string> {
  const options = { maxBuffer: 64 * 1024 ** 2, ...(cwd === undefined ? {} : { cwd }) };
  return (await promisify(execFile)(file, words, options)).stdout;
}
