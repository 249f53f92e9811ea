/**
 * Publishes real X07 packages over HTTP and says what became of each: `tsx bench/real-packages.ts DIR [URL TOKEN]`.
 *
 * DIR holds checkouts as `DIR/<package>/<version>/x07-package.json`. URL is where the X07 surface is mounted, such as
 * `http://localhost:8080/x07`. Without it a server is started on a temporary directory, and what it published is then
 * thrown away, made again from the log, and compared byte for byte.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { promisify } from 'node:util';
import { compareVersions } from '../ecosystems/x07/names.ts';
import { compareTrees } from '../stores/compare-trees.ts';
import { ADMIN_TOKEN, cairnCommand, startServer } from '../test/support/server-process.ts';
import { packTar, type Member } from '../test/support/x07-package.ts';

const run = promisify(execFile);

interface Checkout {
  /** Such as `acme-hello/1.0.0`. */
  readonly label: string;
  readonly directory: string;
}

interface Outcome {
  readonly label: string;
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

const [directory, url, token = ADMIN_TOKEN] = process.argv.slice(2);
if (directory === undefined) {
  console.error('usage: tsx bench/real-packages.ts DIR [URL TOKEN]');
  process.exitCode = 2;
} else if (url !== undefined) print(await publishAll(checkoutsIn(directory), url.replace(/\/$/, ''), token));
else await publishToOwnServer(checkoutsIn(directory));

async function publishToOwnServer(checkouts: readonly Checkout[]): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'cairn-real-'));
  const data = join(home, 'data');
  const server = await startServer({ data, env: { CAIRN_LOG_LEVEL: 'error' } });
  try {
    print(await publishAll(checkouts, `${server.url}/x07`, ADMIN_TOKEN));
  } finally {
    const code = await server.stop();
    console.log(`server ended with code ${String(code)}${server.errors() && `:\n${server.errors()}`}`);
  }
  try {
    await compareWithRegen(data, join(home, 'before'));
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** Oldest first, as they were published once. */
function checkoutsIn(root: string): Checkout[] {
  return readdirSync(root)
    .sort()
    .flatMap((name) =>
      readdirSync(join(root, name))
        .filter((version) => existsSync(join(root, name, version, 'x07-package.json')))
        .sort(compareVersions)
        .map((version) => ({ label: `${name}/${version}`, directory: join(root, name, version) })),
    );
}

async function publishAll(
  checkouts: readonly Checkout[],
  base: string,
  bearer: string,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { label, directory: at } of checkouts) {
    let archive: Buffer;
    try {
      archive = packCheckout(at);
    } catch (error) {
      outcomes.push({ label, status: 0, code: 'NOT_PACKED', message: (error as Error).message });
      continue;
    }
    outcomes.push({ label, ...(await publish(archive, base, bearer)) });
  }
  return outcomes;
}

/** The archive of contract, section 5: nothing but the manifest, its modules and `ffi/`. */
function packCheckout(at: string): Buffer {
  const manifest = readFileSync(join(at, 'x07-package.json'));
  const { module_root: root, modules } = JSON.parse(manifest.toString('utf8')) as {
    module_root: string;
    modules: readonly string[];
  };
  const members: Member[] = [
    { path: 'x07-package.json', content: manifest },
    ...modules.map((id) => memberOf(at, posix.join(root, `${id.replaceAll('.', '/')}.x07.json`))),
    ...filesBelow(at, 'ffi').map((path) => memberOf(at, path)),
  ];
  return packTar(members.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path))));
}

function memberOf(at: string, path: string): Member {
  return { path, content: readFileSync(join(at, path)) };
}

function filesBelow(at: string, folder: string): string[] {
  if (!existsSync(join(at, folder))) return [];
  return readdirSync(join(at, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(at, path) : entry.isFile() ? [path] : [];
  });
}

async function publish(archive: Buffer, base: string, bearer: string): Promise<Omit<Outcome, 'label'>> {
  const response = await fetch(`${base}/v1/packages/publish`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/octet-stream' },
    body: archive,
  });
  const text = await response.text();
  try {
    const { code = 'ok', message = '' } = JSON.parse(text) as { code?: string; message?: string };
    return { status: response.status, code, message };
  } catch {
    return { status: response.status, code: 'NOT_JSON', message: text.slice(0, 200) };
  }
}

function print(outcomes: readonly Outcome[]): void {
  console.log(`${outcomes.length} versions`);
  const answers = grouped(outcomes, ({ status, code }) => `${status} ${code}`);
  for (const [answer, those] of answers) console.log(`${String(those.length).padStart(6)}  ${answer}`);
  for (const [answer, those] of answers) {
    if (those[0]?.code === 'ok') continue;
    console.log(`\n${answer}`);
    for (const [shape, alike] of grouped(those, ({ message }) => shapeOf(message))) {
      const labels = alike.map(({ label }) => label);
      const others = labels.length > 4 ? `, and ${labels.length - 4} more` : '';
      console.log(
        `${String(alike.length).padStart(6)}  ${shape}\n        ${labels.slice(0, 4).join(', ')}${others}`,
      );
    }
  }
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return [...groups].sort(([, a], [, b]) => b.length - a.length);
}

/** Messages that differ only in what they quote are one finding. */
function shapeOf(message: string): string {
  return (message.split('\n')[0] ?? '')
    .replace(/"[^"]*"/g, '"…"')
    .replace(/\b[\w-]+(?:\.[\w-]+)+(?=: )/g, '<module>')
    .replace(/\d+(?:\.\d+)+/g, '<version>')
    .replace(/\d+/g, '<n>');
}

async function compareWithRegen(data: string, before: string): Promise<void> {
  const site = join(data, 'site');
  await cp(site, before, { recursive: true });
  await rm(site, { recursive: true });
  console.log(`\n${await cairn('regen', '--data', data)}`);
  const { missing, different, extra } = await compareTrees(before, site);
  const faults = [
    ...missing.map((path) => `missing    ${path}`),
    ...different.map((path) => `different  ${path}`),
    ...extra.map((path) => `extra      ${path}`),
  ];
  console.log(faults.length === 0 ? 'regen gave the same bytes' : faults.join('\n'));
  if (faults.length > 0) process.exitCode = 1;
  console.log(await cairn('regen', '--check', '--data', data));
}

async function cairn(...words: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [...cairnCommand, ...words]);
  return stdout.trim();
}
