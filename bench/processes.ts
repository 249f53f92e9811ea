/** Other programs and other processes of ours: where memory or warm-up matter, a measurement gets its own. */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { compiledCommand } from '../test/support/server-process.ts';
import { Absent } from './measure.ts';

const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Runs a program to its end; its standard output. */
export async function run(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const { stdout } = await promisify(execFile)(program, [...args], { cwd, maxBuffer: MAX_OUTPUT_BYTES });
  return stdout;
}

/** Removes a tree of a million files, which takes Node itself minutes. */
export async function removeTree(directory: string): Promise<void> {
  await run('rm', ['-rf', directory]);
}

/** @throws Absent unless the program can be run. */
export function requireProgram(program: string, ...probe: readonly string[]): void {
  if (spawnSync(program, [...probe]).error)
    throw new Absent(`${program} is not installed (Debian: apt-get install ${program.split('/').at(-1)})`);
}

export type ChildName =
  | 'generate'
  | 'generate-npm'
  | 'generate-oci'
  | 'append'
  | 'append-single'
  | 'publisher'
  | 'follower'
  | 'bucket-follower'
  | 'http-clients'
  | 'endurance-clients'
  | 'open'
  | 'zig-hash';

function childCommand(name: ChildName, ...args: readonly string[]): string[] {
  return [
    '--expose-gc',
    '--import',
    'tsx',
    fileURLToPath(new URL(`children/${name}.ts`, import.meta.url)),
    ...args,
  ];
}

/** Runs one of `children/` to its end; the JSON it printed. */
export async function runChild<T>(name: ChildName, ...args: readonly string[]): Promise<T> {
  return JSON.parse(await run(process.execPath, childCommand(name, ...args))) as T;
}

/** Makes a synthetic registry, log and blobs only. */
export async function makeRegistry(
  data: string,
  { packages, versions }: { readonly packages: number; readonly versions: number },
): Promise<void> {
  await runChild('generate', data, String(packages), String(versions));
}

/** One of `children/` that stays, warm, and answers each line with a line of JSON. */
export interface Conversation {
  ask<T>(line: string): Promise<T>;
  end(): Promise<void>;
}

export function converse(name: ChildName, ...args: readonly string[]): Conversation {
  const child = spawn(process.execPath, childCommand(name, ...args), { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async ask<T>(line: string) {
      child.stdin.write(`${line}\n`);
      const answer = await lines.next();
      if (answer.done) throw new Error(`${name} ended without an answer to ${line}`);
      return JSON.parse(answer.value) as T;
    },
    async end() {
      child.stdin.end();
      await exitOf(child);
    },
  };
}

/** The other end of `converse`: answers lines until there are no more. */
export async function answerLines(answer: (line: string) => Promise<unknown>): Promise<void> {
  for await (const line of createInterface(process.stdin))
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
}

export async function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

const TICKS_PER_SECOND = 100;

/** Processor time of a process and of the children that it has now; of all threads, those that have ended included. */
export function cpuMsOf(pid: number): number {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
    .slice(11, 13);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  const own = ((Number(user) + Number(system)) * 1000) / TICKS_PER_SECOND;
  return children.reduce((sum, child) => sum + cpuMsOf(Number(child)), own);
}

/** The most memory that a process ever had; undefined when it has ended. */
export function peakBytesOf(pid: number | 'self'): number | undefined {
  const kibibytes = /VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** The memory that a process has now. */
export function residentBytesOf(pid: number): number {
  return Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

export interface CairnRun {
  readonly seconds: number;
  readonly peakBytes: number;
}

/** Runs the compiled command line in a process of its own, start-up included. */
export async function runCairn(...words: readonly string[]): Promise<CairnRun> {
  // Not `maxRSS` of its resource usage: that starts from the memory of the process that forked it. Descriptor 3
  // keeps the answer apart from what the command prints.
  const report = `process.on('exit', () => {
    const status = fs.readFileSync('/proc/self/status', 'utf8');
    fs.writeSync(3, /VmHWM:\\s*(\\d+)/.exec(status)[1]);
  })`;
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [
      '--import',
      `data:text/javascript,${encodeURIComponent(`import fs from 'node:fs';${report}`)}`,
      ...compiledCommand,
      ...words,
    ],
    { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] },
  );
  let errors = '';
  let kibibytes = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdio[3]?.on('data', (text: Buffer) => (kibibytes += text.toString()));
  await once(child, 'close');
  const seconds = (performance.now() - started) / 1000;
  if (child.exitCode !== 0) throw new Error(`cairn ${words.join(' ')}: code ${child.exitCode}\n${errors}`);
  return { seconds, peakBytes: Number(kibibytes) * 1024 };
}
