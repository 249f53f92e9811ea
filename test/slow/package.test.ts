/** The package as a stranger gets it: packed, installed into an empty folder, and used there without our tools. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync, type ExecFileSyncOptions } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { cairnServe, environment } from '../support/command-line.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { followTour } from '../support/tour.ts';

const root = new URL('../..', import.meta.url).pathname;
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

/** Nothing of the run of the tests itself, such as the loader that reads TypeScript. */
const env = Object.fromEntries(
  Object.entries(environment({ npm_config_update_notifier: 'false' })).filter(
    ([name]) => !/^NODE_|^npm_(?!config_)/.test(name),
  ),
);

/** How the README tells to install it. */
const [install = ''] =
  /^## Install\n[\s\S]*?(?=^## )/m.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];

let packed: Packed;
/** The folder of the stranger. */
let folder: string;

function run(file: string, args: readonly string[], options: ExecFileSyncOptions = {}): string {
  return String(
    execFileSync(file, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], ...options }),
  );
}

before(async (t) => {
  folder = await temporaryDirectory(t as Parameters<typeof temporaryDirectory>[0]);
  const printed = run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root });
  [packed] = JSON.parse(printed.slice(printed.indexOf('[\n'))) as [Packed];
  writeFileSync(join(folder, 'package.json'), '{"name":"stranger","private":true,"type":"module"}');
  run('npm', ['install', '--no-fund', '--no-audit', `./${packed.filename}`]);
});

/** Bytes of all files below a folder, as they are and as blocks of a disk. */
function sizeOf(path: string): { bytes: number; blocks: number; files: number } {
  const sum = { bytes: 0, blocks: 0, files: 0 };
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    const found = lstatSync(join(entry.parentPath, entry.name));
    sum.blocks += found.blocks * 512;
    if (!found.isFile()) continue;
    sum.bytes += found.size;
    sum.files += 1;
  }
  return sum;
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;

test('the README tells to install it the way it was installed here', () => {
  const [, block = ''] = /^```sh\n([\s\S]*?)^```/m.exec(install) ?? [];
  const commands = block
    .trim()
    .split('\n')
    .map((line) => line.replace(/\s*#.*/, ''));
  assert.deepEqual(commands, ['npm pack', `npm install ./${packed.filename}`, 'npx cairn serve']);
});

test('the package holds compiled code, its types, maps and schemas, and nothing else', () => {
  const folders = 'api|bin|core|ecosystems|generator|schema|stores|surfaces';
  const allowed = [
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/schema\/[a-z-]+\.schema\.json)$/,
    new RegExp(`^dist/(${folders})/[a-z0-9/-]+\\.(js|js\\.map|d\\.ts)$`),
  ];
  const paths = packed.files.map(({ path }) => path);
  assert.deepEqual(
    paths.filter((path) => !allowed.some((pattern) => pattern.test(path)) || /\b(test|bench)\b/.test(path)),
    [],
  );
  for (const name of ['README.md', 'LICENSE', 'dist/bin/library.js', 'dist/schema/event.schema.json'])
    assert.ok(paths.includes(name), name);
  for (const code of paths.filter((path) => path.endsWith('.js'))) {
    assert.ok(paths.includes(code.replace(/\.js$/, '.d.ts')), `types of ${code}`);
    const text = readFileSync(join(folder, 'node_modules/cairn', `${code}.map`), 'utf8');
    const { sources, sourcesContent } = JSON.parse(text) as { sources: string[]; sourcesContent: string[] };
    assert.equal(sourcesContent[0], readFileSync(join(root, code.slice(5).replace(/js$/, 'ts')), 'utf8'));
    assert.ok(!text.includes(root) && sources.every((source) => source.startsWith('../')), `${code}.map`);
  }
  assert.equal(packed.files.find(({ path }) => path === 'dist/bin/cairn.js')?.mode, 0o755);
});

test('a large site is written by two threads', () => {
  const module = new URL(`file://${join(folder, 'node_modules/cairn/dist/stores/build-writer.js')}`);
  const script = `
    const { BuildWriter } = await import(${JSON.stringify(module.href)});
    const { mkdtempSync } = await import('node:fs');
    const writer = new BuildWriter(mkdtempSync('site-'));
    for (let i = 0; i < 20_000 && writer.given === 0; i += 1) {
      writer.write('d' + (i % 50) + '/f' + i, Buffer.from('x'));
      // It takes a while to start.
      if (i > 2_500) await new Promise((next) => setTimeout(next, 1));
    }
    await writer.finish();
    console.log(writer.given > 0);`;
  writeFileSync(join(folder, 'large.js'), script);
  assert.equal(run(process.execPath, ['large.js']).trim(), 'true');
});

test('what it weighs', (t) => {
  const installed = sizeOf(join(folder, 'node_modules'));
  const parts = readdirSync(join(folder, 'node_modules'))
    .filter((name) => !name.startsWith('.'))
    .map((name) => ({ name, ...sizeOf(join(folder, 'node_modules', name)) }))
    .sort((a, b) => b.bytes - a.bytes);
  t.diagnostic(`tarball ${mib(packed.size)}, unpacked ${mib(packed.unpackedSize)}`);
  t.diagnostic(
    `installed ${mib(installed.bytes)} in ${installed.files} files of ${parts.length} packages, ${mib(installed.blocks)} on disk`,
  );
  for (const { name, bytes } of parts.slice(0, 10)) t.diagnostic(`  ${name} ${mib(bytes)}`);
  // What the README says of it; and whoever doubles the tarball should know.
  const [, said] = /and (\d+) MiB with everything/.exec(install) ?? [];
  assert.ok(Math.abs(installed.bytes / 2 ** 20 - Number(said)) < 2, `${said} MiB is said`);
  assert.ok(packed.size < 1.5 * 2 ** 20, mib(packed.size));
});

test('no tool of ours comes along: neither TypeScript nor what runs it', () => {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  for (const name of Object.keys(devDependencies))
    assert.ok(!existsSync(join(folder, 'node_modules', name)), name);
});

test('npx cairn tells its version, its commands, and a mistake by its exit code', () => {
  assert.equal(run('npx', ['--no-install', 'cairn', '--version']).trim(), version);
  assert.match(run('npx', ['--no-install', 'cairn', '--help']), /^ {2}serve /m);
  assert.throws(
    () => run('npx', ['--no-install', 'cairn', 'nonsense']),
    (error: { status?: number }) => error.status === 2,
  );
});

test('the tour of the README goes the same way with the installed command', async (t) => {
  const data = join(folder, 'cairn-data');
  const program = [join(folder, 'node_modules/.bin/cairn')] as const;
  const server = await cairnServe(t, ['--data', data, '--listen', '127.0.0.1:0'], {
    program,
    cwd: folder,
    env: { CAIRN_ADMIN_TOKEN: 'secret' },
  });
  await followTour({
    url: server.url,
    data,
    here: {
      'npm run --silent cairn --': 'npx --no-install cairn',
      'docs/tour': join(root, 'docs/tour'),
    },
    run: (command) => run('bash', ['-c', command], { env: { ...env, CAIRN_DATA: data } }),
  });
  assert.equal(await server.stop(), 0);
});

test('a stack trace names the line of TypeScript where it happened', () => {
  // A bug is what nobody foresaw: here the console itself breaks.
  const broken = `data:text/javascript,console.log=()=>{throw new TypeError('broken on purpose')}`;
  const data = join(folder, 'cairn-data');
  assert.throws(
    () =>
      run('npx', ['--no-install', 'cairn', 'log', '--data', data], {
        env: { ...env, NODE_OPTIONS: `--import="${broken}"` },
      }),
    ({ stderr }: { stderr: Buffer }) => {
      assert.match(String(stderr), /broken on purpose/);
      const [, line] = /bin\/log\.ts:(\d+):\d+/.exec(String(stderr)) ?? [];
      const source = readFileSync(join(root, 'bin/log.ts'), 'utf8').split('\n');
      assert.match(source[Number(line) - 1] ?? '', /console\.log\(/, String(stderr));
      return true;
    },
  );
});

const program = `
import { checkSite, openReader, RegistryError, startServer } from 'cairn';
import type { Package, RegistryEvent, SiteCheck } from 'cairn';

declare const console: { log(text: string): void };

const dataDirectory = './programs-data';
const server = await startServer({ dataDirectory, listen: '127.0.0.1:0', administratorToken: 'secret' });
const reader = await openReader(dataDirectory);
const kinds: RegistryEvent['kind'][] = [...reader.events()].map((event) => event.kind);
const versions: string[] = [...reader.events()].flatMap((event) => (event.kind === 'published' ? [event.version] : []));
const found: Package | undefined = reader.package('x07', 'acme-hello');
await reader.close();
await server.stop();
const { clean }: SiteCheck = await checkSite({ dataDirectory });
let code: string | undefined;
try {
  await openReader('./nothing-there');
} catch (error) {
  if (!(error instanceof RegistryError)) throw error;
  code = error.code;
}
console.log(JSON.stringify({ kinds, versions, owners: found?.owners ?? 'unknown', clean, code }));
`;

const mistaken = `
import { startServer } from 'cairn';
void startServer({ dataDirectory: 1 });
void startServer({ dataDirectory: 'd', lisen: '127.0.0.1:0' });
`;

/** Without `@types/node`, and with every check of a library's own types: they ask nothing of who uses them. */
function compile(name: string, source: string): { complaints: string; run(): string } {
  writeFileSync(join(folder, `${name}.ts`), source);
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const strict = '--strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --skipLibCheck false';
  const modules = '--module NodeNext --moduleResolution NodeNext --target ES2022';
  const command = [tsc, ...strict.split(' '), ...modules.split(' '), `${name}.ts`];
  const { stdout } = spawnSync(process.execPath, command, { cwd: folder, env, encoding: 'utf8' });
  return {
    complaints: stdout,
    run: () => run(process.execPath, [`${name}.js`], { env: { ...env, CAIRN_LOG_LEVEL: 'silent' } }),
  };
}

test('a TypeScript program compiles against the types, and starts and stops a registry', () => {
  const compiled = compile('program', program);
  assert.equal(compiled.complaints, '');
  const printed = { kinds: ['genesis'], versions: [], owners: 'unknown', clean: true, code: 'not-found' };
  assert.deepEqual(JSON.parse(compiled.run()), printed);
});

test('the types refuse a program that is mistaken', () => {
  const { complaints } = compile('mistaken', mistaken);
  assert.equal(complaints.match(/error TS/g)?.length, 2, complaints);
  assert.match(complaints, /'lisen' does not exist in type 'ServerSettings'/);
});
