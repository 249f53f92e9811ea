/** Who may import whom, and which parts of the world each folder may touch. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const root = new URL('..', import.meta.url).pathname;

type Folder =
  'schema' | 'core' | 'ecosystems' | 'surfaces' | 'generator' | 'stores' | 'api' | 'bin' | 'bench' | 'test';

/** What each folder may import, beside itself. `bin`, `bench` and `test` wire things together and may import all. */
const mayImport: Readonly<Record<Exclude<Folder, 'bin' | 'bench' | 'test'>, readonly Folder[]>> = {
  schema: [],
  core: ['schema'],
  ecosystems: ['core', 'schema'],
  surfaces: ['core', 'ecosystems', 'schema'],
  generator: ['core', 'ecosystems', 'schema'],
  stores: ['core', 'schema'],
  api: ['core', 'ecosystems', 'schema'],
};

/** Packages that one folder wraps, so that nobody else knows their names. Tests and measurements may use any. */
const wrapped: Readonly<Record<string, Folder>> = {
  'simple-git': 'stores',
  express: 'api',
  busboy: 'api',
  'prom-client': 'api',
  pino: 'bin',
  commander: 'bin',
  'tar-stream': 'ecosystems',
  '@sigstore/bundle': 'ecosystems',
  '@sigstore/protobuf-specs': 'ecosystems',
  '@sigstore/verify': 'ecosystems',
  fzstd: 'ecosystems',
  'xz-decompress': 'ecosystems',
  'xxhash-wasm': 'ecosystems',
  yauzl: 'ecosystems',
  'smol-toml': 'ecosystems',
  otpauth: 'core',
  jose: 'core',
  'registry-url': 'bin',
};

/** Same state, same bytes: neither time, chance nor surroundings. */
const pure: readonly Folder[] = ['core', 'ecosystems', 'surfaces', 'generator'];
const impurities: readonly [RegExp, string][] = [
  [/\bDate\.now\s*\(/, 'Date.now()'],
  [/\bnew Date\s*(\(\s*\)|(?!\s*\())/, 'new Date()'],
  [/\bMath\.random\s*\(/, 'Math.random()'],
  [/\bprocess\s*\.\s*env\b/, 'process.env'],
  [/\bperformance\s*\.\s*now\s*\(/, 'performance.now()'],
  [/\brandom(?:Bytes|UUID|Int)\b/, 'randomness of node:crypto'],
];

interface Source {
  /** Below the root of the project, such as `core/event.ts`. */
  readonly path: string;
  readonly text: string;
}

const folders: readonly Folder[] = [
  'schema',
  'core',
  'ecosystems',
  'surfaces',
  'generator',
  'stores',
  'api',
  'bin',
  'bench',
  'test',
];

function allSources(): Source[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => ({ path: `${folder}/${name}`, text: readFileSync(join(root, folder, name), 'utf8') })),
  );
}

/** Comments may name anything. Strings may not hide an import: they stay. */
function withoutComments(text: string): string {
  return text.replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '').replaceAll(/\s\/\/ .*$/gm, '');
}

function importsOf(text: string): string[] {
  const code = withoutComments(text);
  const found = [
    ...code.matchAll(/\b(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/g),
    ...code.matchAll(/\bimport\s*\(?\s*['"`]([^'"`]+)['"`]/g),
    ...code.matchAll(/\brequire\s*\(\s*['"]([^'"]+)['"]/g),
  ];
  return found.map(([, specifier = '']) => specifier);
}

function folderOf(path: string): Folder {
  return path.split('/')[0] as Folder;
}

/** What a file does that it may not, a sentence each. */
function faultsOf({ path, text }: Source): string[] {
  const folder = folderOf(path);
  const faults = importsOf(text).flatMap((specifier) => {
    if (!specifier.startsWith('.')) return packageFaults(path, specifier);
    return importFaults(path, normalize(join(dirname(path), specifier)));
  });
  if (pure.includes(folder))
    for (const [pattern, name] of impurities)
      if (pattern.test(withoutComments(text))) faults.push(`${path} uses ${name}`);
  return faults;
}

function packageFaults(path: string, specifier: string): string[] {
  const folder = folderOf(path);
  if (folder === 'test' || folder === 'bench') return [];
  const home = wrapped[specifier];
  if (home !== undefined && home !== folder)
    return [`${path} imports ${specifier}, which belongs to ${home}/`];
  // The generator of types writes files; it is a script, and no part of what runs.
  const mayTouchFiles = folder === 'stores' || folder === 'bin' || path === 'schema/generate.ts';
  if (/^(?:node:)?fs(?:\/|$)/.test(specifier) && !mayTouchFiles) return [`${path} imports ${specifier}`];
  return [];
}

function importFaults(path: string, target: string): string[] {
  const [folder, other] = [folderOf(path), folderOf(target)];
  if (folder === 'ecosystems' && other === 'ecosystems') return ecosystemFaults(path, target);
  if (folder === other || folder === 'bin' || folder === 'bench' || folder === 'test') {
    const isTooFar = other === 'test' && folder !== 'test' && folder !== 'bench';
    return isTooFar ? [`${path} imports ${target}`] : [];
  }
  return mayImport[folder].includes(other) ? [] : [`${path} imports ${target}`];
}

/** The list imports every ecosystem; an ecosystem imports itself and what all share. */
function ecosystemFaults(path: string, target: string): string[] {
  const [, from = ''] = path.split('/');
  const [, to = ''] = target.split('/');
  if (from === 'index.ts' || to.endsWith('.ts') || from === to) {
    return to === 'index.ts' && from !== 'index.ts' ? [`${path} imports the list of ecosystems`] : [];
  }
  return [`${path} imports ${target}`];
}

test('every file imports only what its folder may, and touches only its part of the world', () => {
  const sources = allSources();
  // A reader that found no files, or no imports in them, would find no faults either.
  const seen = sources.find(({ path }) => path === 'core/writer.ts');
  assert.ok(sources.length > 50 && importsOf(seen?.text ?? '').includes('./decide.ts'));
  assert.deepEqual(sources.flatMap(faultsOf), []);
});

test('each rule can fail', () => {
  const wrong: Record<string, string[]> = {
    'schema/types.ts': [`import { a } from '../core/event.ts'`],
    'core/writer.ts': [
      `import { a } from '../stores/memory.ts'`,
      `import type { A } from '../api/app.ts'`,
      `export { a } from '../ecosystems/index.ts'`,
      `export * from '../generator/plan.ts'`,
      `const a = await import('../stores/memory.ts')`,
      `import '../bin/cairn.ts'`,
      `import {\n  a,\n  type B,\n} from '../stores/memory.ts'`,
      `import fs from 'node:fs'`,
      `import { open } from 'node:fs/promises'`,
      `import { open } from 'fs'`,
      `import { simpleGit } from 'simple-git'`,
      `import express from 'express'`,
      `import pino from 'pino'`,
      `import { Command } from 'commander'`,
      `import tar from 'tar-stream'`,
      `const now = Date.now();`,
      `const now = new Date();`,
      `const now = new Date;`,
      `const now = Math.random();`,
      `const now = process.env.HOME;`,
    ],
    'ecosystems/x07/files.ts': [
      `import { a } from '../npm/files.ts'`,
      `import { a } from '../index.ts'`,
      `import { a } from '../../generator/plan.ts'`,
      `import { a } from '../../api/app.ts'`,
      `import { a } from '../../stores/memory.ts'`,
      `const now = process.env['HOME'];`,
      `import { a } from '../../surfaces/pantry/index.ts'`,
    ],
    'surfaces/pantry/files.ts': [
      `import { a } from '../../generator/plan.ts'`,
      `import { a } from '../../stores/memory.ts'`,
      `import busboy from 'busboy'`,
      `const now = Date.now();`,
    ],
    'generator/plan.ts': [
      `import { a } from '../surfaces/index.ts'`,
      `import { a } from '../api/app.ts'`,
      `import { a } from '../stores/memory.ts'`,
      `import { a } from '../bin/cairn.ts'`,
      `const now = new Date( );`,
    ],
    'stores/memory.ts': [
      `import { a } from '../ecosystems/index.ts'`,
      `import { a } from '../generator/plan.ts'`,
      `import { a } from '../test/support/registry.ts'`,
      `import express from 'express'`,
    ],
    'api/app.ts': [
      `import { a } from '../generator/plan.ts'`,
      `import { a } from '../stores/memory.ts'`,
      `import { a } from '../bin/cairn.ts'`,
      `import { readFile } from 'node:fs/promises'`,
      `import pino from 'pino'`,
      `import { TOTP } from 'otpauth'`,
    ],
    'bin/cairn.ts': [`import { a } from '../test/support/registry.ts'`, `import tar from 'tar-stream'`],
  };
  for (const [path, texts] of Object.entries(wrong))
    for (const text of texts) assert.equal(faultsOf({ path, text }).length, 1, `${path}: ${text}`);
});

test('what the rules allow is no fault', () => {
  const right: Record<string, string[]> = {
    'core/writer.ts': [
      `import { a } from './decide.ts'`,
      `import { a } from '../schema/types.ts'`,
      `import { createHash } from 'node:crypto'`,
      `const at = new Date(now).toISOString();`,
      `/** Never Date.now() here. */`,
      `const a = 1; // not process.env`,
    ],
    'ecosystems/index.ts': [`import { x07 } from './x07/index.ts'`],
    'ecosystems/x07/files.ts': [
      `import { a } from '../ecosystem.ts'`,
      `import { a } from './paths.ts'`,
      `import tar from 'tar-stream'`,
    ],
    'generator/plan.ts': [`import { a } from '../ecosystems/index.ts'`],
    'stores/git-log.ts': [
      `import { simpleGit } from 'simple-git'`,
      `import { open } from 'node:fs/promises'`,
      `Date.now()`,
    ],
    'bin/serve.ts': [
      `import { a } from '../stores/memory.ts'`,
      `import pino from 'pino'`,
      `process.env.HOME`,
    ],
    'test/a.test.ts': [`import { a } from '../stores/memory.ts'`, `import { simpleGit } from 'simple-git'`],
  };
  for (const [path, texts] of Object.entries(right))
    for (const text of texts) assert.deepEqual(faultsOf({ path, text }), []);
});
