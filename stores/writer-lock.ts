/**
 * One writer per repository. The lock says which process holds it; a dead owner's lock is cleared, a live one's
 * never, also when the number of the process has been given to another one since.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { digestOf } from '../core/digest.ts';
import { isErrno, nextNumber } from './durable-files.ts';

export interface LockOwner {
  readonly pid: number;
  /** When the process started, as its system tells it; tells two processes with one number apart. */
  readonly started: string;
  readonly host: string;
  /** Which numbers of processes its own is one of: those of a running machine, or of one container on it. */
  readonly processes?: string | undefined;
  /** How another process reaches the owner, when it listens. */
  readonly contact?: string | undefined;
}

/** The lock is held by a process that lives. */
export class LockHeld extends Error {
  override readonly name = 'LockHeld';
  readonly owner: LockOwner;
  constructor(path: string, owner: LockOwner) {
    super(`${path} is held by process ${owner.pid} on ${owner.host}`);
    this.owner = owner;
  }
}

export interface WriterLock {
  /** Whether the lock is still ours; someone may have removed it by hand. */
  isHeld(): boolean;
  release(): void;
}

/** @throws LockHeld when a living process holds it. */
export function acquireLock(path: string, contact?: string): WriterLock {
  const mine: LockOwner = {
    pid: process.pid,
    started: startOf(process.pid) ?? 'unknown',
    host: hostname(),
    processes: processesHere(),
    ...(contact === undefined ? {} : { contact }),
  };
  const temporary = `${path}.${process.pid}.${nextNumber()}`;
  writeFileSync(temporary, JSON.stringify(mine), { mode: 0o600 });
  // Open for as long as the lock is held: the disk gives the number of an open file to no other one, and so the
  // number tells whether the lock is still ours.
  const held = openSync(temporary, 'r');
  try {
    // A link appears with its content or not at all: nobody can read half an owner.
    while (!tryLink(temporary, path)) {
      const owner = readOwner(path);
      if (owner === undefined) continue;
      if (isAlive(owner, path)) throw new LockHeld(path, owner);
      clearStale(path, temporary);
    }
  } catch (error) {
    closeSync(held);
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  return lockOn(path, held);
}

function lockOn(path: string, held: number): WriterLock {
  const { ino } = fstatSync(held);
  let isOpen = true;
  return {
    isHeld: () => isOpen && inodeOf(path) === ino,
    release() {
      if (!isOpen) return;
      isOpen = false;
      if (inodeOf(path) === ino) rmSync(path, { force: true });
      closeSync(held);
    },
  };
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

/** Who holds the lock; undefined when nobody does. An unreadable lock counts as a dead owner's. */
export function readOwner(path: string): LockOwner | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  // A power cut can leave the name of a lock without its bytes; no living process writes it that way.
  return parseOwner(text) ?? { pid: -1, started: 'unknown', host: hostname() };
}

function parseOwner(text: string): LockOwner | undefined {
  try {
    const owner = JSON.parse(text) as LockOwner | null;
    return typeof owner?.pid === 'number' && typeof owner.host === 'string' ? owner : undefined;
  } catch {
    return undefined;
  }
}

/** The living owner of a lock, if there is one. */
export function livingOwner(path: string): LockOwner | undefined {
  const owner = readOwner(path);
  return owner && isAlive(owner, path) ? owner : undefined;
}

function clearStale(path: string, scratch: string): void {
  const aside = `${scratch}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  removeScratch(path);
  // Between reading and moving, another process may have cleared the stale lock and taken a new one: give it back.
  const moved = readOwner(aside);
  if (moved && isAlive(moved, aside)) tryLink(aside, path);
  rmSync(aside, { force: true });
}

/** What processes that were killed while they took this lock have left. */
function removeScratch(path: string): void {
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    const pid = /^(\d+)\.\d+$/.exec(name.startsWith(prefix) ? name.slice(prefix.length) : '')?.[1];
    if (pid !== undefined && startOf(Number(pid)) === undefined)
      rmSync(join(dirname(path), name), { force: true });
  }
}

function isAlive(owner: LockOwner, path: string): boolean {
  const here = processesHere();
  if (owner.processes !== undefined && here !== undefined && owner.processes !== here) {
    const [boot, own] = [owner.processes, here].map((text) => text.split(' ')[0]);
    // Another container of this machine: its processes cannot be seen, but its socket can be tried.
    if (boot === own) return !isDeserted(owner, path);
    // The same machine since it was started anew; or another one, of which nothing can be known: a shared disk has
    // to be given up by hand.
    return owner.host !== hostname();
  }
  if (owner.processes === undefined && owner.host !== hostname()) return true;
  const started = startOf(owner.pid);
  return started !== undefined && (started === owner.started || owner.started === 'unknown');
}

/** The boot of the machine and the namespace of process numbers in it; undefined where a system has no such thing. */
function processesHere(): string | undefined {
  try {
    return `${bootId()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return undefined;
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/**
 * The name of whoever holds the lock in a directory: the same for every holder until the machine starts anew, and for no holder
 * of another directory, not even of a copy. Undefined where that cannot be told.
 */
export function soleWriterOf(directory: string): string | undefined {
  try {
    const { dev, ino } = statSync(directory);
    return digestOf(`${bootId()} ${dev} ${ino}`);
  } catch {
    return undefined;
  }
}

/** A server takes its locks a moment before it listens. */
const STARTING_MS = 60_000;
/** Ends with 3 when there is a socket at which nobody listens any more. */
const KNOCK = `require('node:net').connect(process.argv[1]).on('connect', () => process.exit(0))
  .on('error', ({ code }) => process.exit(code === 'ECONNREFUSED' ? 3 : code === 'ENOENT' ? 4 : 0))`;
const KNOCK_TIMEOUT_MS = 5_000;

/** Only certain when the owner said where it listens, and the system says that nobody does. */
function isDeserted({ contact }: LockOwner, path: string): boolean {
  if (contact === undefined || Date.now() - statSync(path).mtimeMs < STARTING_MS) return false;
  // The volume may be mounted elsewhere there: the socket lies beside the repository that holds the lock.
  const beside = join(dirname(dirname(path)), basename(contact));
  const answer = knock(beside);
  return (answer === 4 ? knock(contact) : answer) === 3;
}

function knock(socket: string): number | null {
  return spawnSync(process.execPath, ['-e', KNOCK, socket], { timeout: KNOCK_TIMEOUT_MS }).status;
}

/** When a living process started, in ticks since boot with the identity of the boot; undefined when it is dead. */
export function startOf(pid: number): string | undefined {
  if (pid <= 0) return undefined;
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The name of the program stands in parentheses and may hold anything; fields count from after it.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
      return `${bootId()}:${fields[19]}`;
    } catch {
      return undefined;
    }
  }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}
