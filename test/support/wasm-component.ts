/** Real WebAssembly from the npm packages of the Bytecode Alliance, by the packages' names; nothing of it lies here. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { installedProgram } from './npm-clients.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const jco = {
  package: '@bytecodealliance/jco',
  version: '1.35.0',
  program: '@bytecodealliance/jco/dist/jco.js',
};

async function folder(): Promise<string> {
  return join(dirname(await installedProgram(jco)), '..');
}

/** The core modules that jco brings along: what turns programs of WASI's first preview into components. */
export async function realModules(): Promise<ReadonlyMap<string, Buffer>> {
  const library = join(await folder(), 'lib');
  const names = readdirSync(library).filter((name) => name.endsWith('.wasm'));
  return new Map(names.map((name) => [name, readFileSync(join(library, name))]));
}

export interface RealComponent {
  readonly bytes: Buffer;
  /** As jco reads them out of it. */
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

const make = `
const [, , tool, out] = process.argv;
const { componentize } = await import(tool);
const { component } = await componentize(
  "export function greet(name) { return 'Hello, ' + name; }",
  { witWorld: 'package local:hello; world hello { export greet: func(name: string) -> string; }', worldName: 'hello' },
);
(await import('node:fs')).writeFileSync(out, component);
`;

/** A component of some megabytes, as their tool makes it of a line of JavaScript. */
export async function realComponent(t: Pick<TestContext, 'after'>): Promise<RealComponent> {
  const at = await temporaryDirectory(t);
  const tool = join(await folder(), '..', 'componentize-js/src/componentize.js');
  const [script, out] = [join(at, 'make.mjs'), join(at, 'hello.wasm')];
  await writeFile(script, make);
  await output([script, tool, out]);
  const wit = await output([await installedProgram(jco), 'wit', out]);
  const named = (word: string): readonly string[] =>
    [...wit.matchAll(new RegExp(`^  ${word} ([^\\s;]+?)(?:;|: )`, 'gm'))].map(([, name = '']) => name);
  return { bytes: readFileSync(out), imports: named('import'), exports: named('export') };
}

async function output(words: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${words.join(' ')}: code ${code}\n${text}`);
  return text;
}
