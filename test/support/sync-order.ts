/**
 * Replays the system calls of a process on an imaginary disk that keeps nothing it was not told to: what a name or a
 * file needs before a power cut may come. It is stricter than any file system, and so it never misses by luck.
 */
import { dirname, resolve } from 'node:path';

/** The calls it has to see. */
export const diskCalls = [
  '/^openat',
  '/^p?write',
  '/^f(data)?sync',
  'syncfs',
  '/^rename',
  '/^link',
  '/^mkdir',
  '/^unlink',
] as const;

export interface Moment {
  /** The call that makes something true: a rename, a link, an answer on a socket. */
  readonly call: string;
  /** Of a rename or a link. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** Files whose bytes, and names whose directories, the disk may still lose. */
  readonly unsynced: readonly string[];
}

interface Call {
  readonly pid: string;
  readonly name: string;
  readonly text: string;
}

/** Every rename, link and write to a socket or a terminal, with what was not safe yet when it began. */
export function momentsOf(lines: readonly string[]): Moment[] {
  const disk = new ImaginaryDisk();
  const moments: Moment[] = [];
  /** Calls that other threads have interrupted, in strace's output as on the processor. */
  const pending = new Map<string, () => void>();
  for (const line of lines) {
    const [, pid = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (rest.startsWith('<...')) {
      const finish = pending.get(pid);
      pending.delete(pid);
      if (!/= -1 /.test(rest)) finish?.();
      continue;
    }
    const call = { pid, name: rest.slice(0, rest.indexOf('(')), text: rest };
    if (/= -1 /.test(rest)) continue;
    const moment = disk.momentOf(call);
    if (moment) moments.push(moment);
    const finish = disk.begin(call);
    if (rest.endsWith('<unfinished ...>')) pending.set(pid, finish);
    else finish();
  }
  return moments;
}

class ImaginaryDisk {
  /** By `bytes PATH` and `name PATH`: the number of the change that is not safe yet. */
  readonly #unsynced = new Map<string, number>();
  readonly #workingDirectories = new Map<string, string>();
  #changes = 0;

  momentOf(call: Call): Moment | undefined {
    const isMove = /^(rename|link)/.test(call.name);
    const isAnswer = call.name.startsWith('write') && /<(socket|pipe|TCP)/.test(call.text);
    if (!isMove && !isAnswer) return undefined;
    const [from, to] = isMove ? this.#pathsOf(call) : [];
    return { call: call.text, from, to, unsynced: [...this.#unsynced.keys()] };
  }

  /** What has to be forgotten or remembered once the call has returned. */
  begin(call: Call): () => void {
    const { name, text, pid } = call;
    const cwd = /AT_FDCWD<([^>]*)>/.exec(text)?.[1];
    if (cwd !== undefined) this.#workingDirectories.set(pid, cwd);
    if (/sync$/.test(name)) return this.#forgetter((key) => isHeldBy(key, this.#fileOf(text)));
    if (name === 'syncfs') return this.#forgetter(() => true);
    return () => this.#apply(call);
  }

  #apply(call: Call): void {
    const { name, text } = call;
    const [first = '', second = ''] = this.#pathsOf(call);
    if (name.startsWith('openat') && text.includes('O_CREAT')) {
      this.#change(`name ${first}`);
      this.#change(`bytes ${first}`);
    } else if (/^p?write/.test(name) && this.#fileOf(text).startsWith('/'))
      this.#change(`bytes ${this.#fileOf(text)}`);
    else if (name.startsWith('mkdir')) this.#change(`name ${first}`);
    else if (name.startsWith('unlink')) this.#forget(first);
    else if (name.startsWith('rename')) this.#move(first, second);
    else if (name.startsWith('link')) {
      this.#change(`name ${second}`);
      if (this.#unsynced.has(`bytes ${first}`)) this.#change(`bytes ${second}`);
    }
  }

  /** A file, or a directory with all that is below it. */
  #move(from: string, to: string): void {
    for (const [key, change] of [...this.#unsynced]) {
      const [kind, path = ''] = key.split(' ', 2);
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.#unsynced.delete(key);
      this.#unsynced.set(`${kind} ${to}${path.slice(from.length)}`, change);
    }
    this.#change(`name ${to}`);
  }

  #change(key: string): void {
    this.#unsynced.set(key, (this.#changes += 1));
  }

  #forget(path: string): void {
    this.#unsynced.delete(`name ${path}`);
    this.#unsynced.delete(`bytes ${path}`);
  }

  /** A sync covers what had changed when it began, and is good once it has ended. */
  #forgetter(covers: (key: string) => boolean): () => void {
    const covered = [...this.#unsynced].filter(([key]) => covers(key));
    return () => {
      for (const [key, change] of covered) if (this.#unsynced.get(key) === change) this.#unsynced.delete(key);
    };
  }

  #fileOf(text: string): string {
    return /^\w+\(\d+<([^>]*)>/.exec(text)?.[1] ?? '';
  }

  #pathsOf({ pid, text }: Call): string[] {
    const cwd = this.#workingDirectories.get(pid) ?? '/';
    return [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, path = '']) => resolve(cwd, path));
  }
}

/** An fsync of a file keeps its bytes, an fsync of a directory the names in it. */
function isHeldBy(key: string, synced: string): boolean {
  const [kind, path = ''] = key.split(' ', 2);
  return kind === 'bytes' ? path === synced : dirname(path) === synced;
}
